//! What the command line leaves open, taken from the file.

use super::{Cli, Command, ModelArgs, PairArgs, PlaygroundArgs, SearchArgs};
use crate::config::{Config, Models, Search};

impl Cli {
    /// Takes from `file` what is not given. A tape brings its own settings and models.
    pub fn fill(&mut self, file: &Config) {
        match &mut self.command {
            Some(Command::Run(args)) if args.tape.is_some() => {}
            Some(Command::Run(args)) => {
                args.search.fill(&file.search);
                args.models.fill(&file.models);
            }
            Some(Command::Eval(args)) => {
                let methods = std::mem::take(&mut args.search.method);
                args.search.fill(&file.search);
                args.search.method = methods;
                args.models.fill(&file.models);
            }
            Some(Command::Score(args)) => {
                args.rules = args.rules.or(file.search.rules);
                args.pair.fill(&file.models.with_one_pair());
            }
            Some(Command::Judge(args)) => args.device = args.device.or(file.models.device),
            Some(Command::Tune(args)) => {
                args.model.device = args.model.device.or(file.models.device);
                args.data.date = args.data.date.or(file.models.date);
            }
            Some(Command::Inspect(args)) => args.models.fill(&file.models.with_one_pair()),
            Some(Command::Panel(_) | Command::Models(_) | Command::Print(_)) => {}
            None => self.playground.fill(file),
        }
    }
}

impl PlaygroundArgs {
    fn fill(&mut self, file: &Config) {
        self.search.fill(&file.search);
        self.models.fill(&file.models);
        self.pace = self.pace.or(file.playground.pace);
        self.theme = self.theme.or(file.playground.theme);
        self.no_tour |= file.playground.tour == Some(false);
    }
}

impl SearchArgs {
    fn fill(&mut self, file: &Search) {
        self.beam_width = self.beam_width.or(file.beam_width);
        self.successors = self.successors.or(file.successors);
        self.chunk_len = self.chunk_len.or(file.chunk_len);
        self.max_new_tokens = self.max_new_tokens.or(file.max_new_tokens);
        self.temperature = self.temperature.or(file.temperature);
        self.top_k = self.top_k.or(file.top_k);
        self.top_p = self.top_p.or(file.top_p);
        self.seed = self.seed.or(file.seed);
        self.rules = self.rules.or(file.rules);
        self.ranking = self.ranking.or(file.ranking);
        self.weight = self.weight.or(file.weight);
        self.panel = self.panel.or(file.panel);
        if self.method.is_empty() {
            self.method.extend(file.method);
        }
    }
}

impl ModelArgs {
    fn fill(&mut self, file: &Models) {
        self.strong = self.strong.take().or_else(|| file.strong.clone());
        self.pair_device = self.pair_device.or(file.pair_device);
        self.weak.fill(file);
    }
}

impl PairArgs {
    fn fill(&mut self, file: &Models) {
        // Weights belong to the pairs beside them.
        if self.pair.is_empty() {
            self.pair.clone_from(&file.pair);
            if self.weights.is_empty() {
                self.weights.clone_from(&file.weights);
            }
        }
        self.device = self.device.or(file.device);
        self.exact |= file.exact == Some(true);
        self.date = self.date.or(file.date);
    }
}
