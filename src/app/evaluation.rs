//! An evaluation as it is watched: a grid of prompts and ways that fills, refinement among them.
//! Draws are pure, so a cell is opened as a run by searching it once more.

use std::collections::BTreeMap;
use std::ops::Range;

use super::nav::Jump;
use super::settings;
use super::{Action, App, Effect, Overlay};
use crate::examples::{asked, best_first};
use crate::measure::{Answers, Mean, Refined};
use crate::message::{CellId, Command, Contender, EvaluationId, EvaluationRequest, Measured, Way};

/// So many sample prompts are enough to see a difference, and done within a minute.
const PROMPTS: usize = 20;

/// How many answers stand before a prompt, of those columns that show refinement.
const EXAMPLES: [usize; 2] = [1, 4];

/// The ways that all others are compared with, and whose answers become examples.
const UNGUIDED: usize = 0;
const OWN: usize = 1;

/// What has come of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// What was last asked for: first all ways, then, with their answers, refinement.
    pub request: EvaluationRequest,
    cells: BTreeMap<CellId, Result<Measured, String>>,
    /// Why it goes no further.
    pub stopped: Option<String>,
    /// The cell that is chosen.
    pub at: CellId,
}

/// A way over all prompts that are done.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Total {
    pub n: usize,
    pub n_failed: usize,
    pub judge: f64,
    pub log_ratio: f64,
    pub sampled: f64,
    /// The strong model's log-probability a token.
    pub strong: Option<f64>,
    /// On so many prompts it is ahead of the unguided way by the judge, of those that both have
    /// done.
    pub wins: usize,
    pub compared: usize,
    /// The judge less that of the unguided way, with its half-width of 95 %: by prompt, and of
    /// refinement by Welch.
    pub delta: Option<Mean>,
    /// What refinement came to.
    pub refined: Option<Refined>,
}

impl Evaluation {
    /// Of all ways over `prompts`; refinement comes when these are done.
    fn new(id: EvaluationId, prompts: Vec<String>, ways: Vec<Way>) -> Self {
        let n_ways = ways.len();
        // Without a guided way there is nothing to refine with.
        let refined = EXAMPLES.into_iter().filter(|_| n_ways > OWN);
        let base = ways[UNGUIDED].clone();
        let refined: Vec<Contender> = refined
            .map(|n_examples| Contender {
                way: base.clone(),
                n_examples,
            })
            .collect();
        let plain = |way| Contender { way, n_examples: 0 };
        let contenders = ways.into_iter().map(plain).chain(refined).collect();
        let mut own = Self {
            request: EvaluationRequest {
                id,
                prompts,
                contenders,
                examples: Vec::new(),
                cells: Vec::new(),
            },
            cells: BTreeMap::new(),
            stopped: None,
            at: CellId { prompt: 0, way: 0 },
        };
        own.request.cells = own.all_of(0..n_ways);
        own
    }

    /// The cells of some contenders, those of a prompt together.
    fn all_of(&self, ways: Range<usize>) -> Vec<CellId> {
        let of = |prompt| ways.clone().map(move |way| CellId { prompt, way });
        (0..self.request.prompts.len()).flat_map(of).collect()
    }

    fn n_ways(&self) -> usize {
        let plain = self.request.contenders.iter().filter(|c| c.n_examples == 0);
        plain.count()
    }

    /// What is to be asked once all that was asked is there: refinement by the answers of the
    /// user's own way.
    fn next(&mut self) -> Option<EvaluationRequest> {
        let is_in = |cell: &CellId| self.cells.contains_key(cell);
        let has_more = self.n_ways() < self.request.contenders.len();
        let is_first = has_more && self.request.examples.is_empty();
        if !is_first || self.stopped.is_some() || !self.request.cells.iter().all(is_in) {
            return None;
        }
        let answers = self.done(OWN).into_iter();
        let answers =
            answers.map(|(prompt, own)| (prompt, own.log_ratio, own.response.to_string()));
        self.request.examples = best_first(answers.collect());
        if self.request.examples.is_empty() {
            self.stopped = Some("there is no guided answer to refine with".to_owned());
            return None;
        }
        self.request.cells = self.all_of(self.n_ways()..self.request.contenders.len());
        Some(self.request.clone())
    }

    #[must_use]
    pub fn cell(&self, id: CellId) -> Option<&Result<Measured, String>> {
        self.cells.get(&id)
    }

    fn measured(&self, id: CellId) -> Option<&Measured> {
        self.cells.get(&id)?.as_ref().ok()
    }

    /// By prompt, what a way has brought.
    fn done(&self, way: usize) -> Vec<(usize, &Measured)> {
        let prompts = 0..self.request.prompts.len();
        let own = |prompt| Some((prompt, self.measured(CellId { prompt, way })?));
        prompts.filter_map(own).collect()
    }

    /// How many cells are done, and how many there are.
    #[must_use]
    pub fn progress(&self) -> (usize, usize) {
        let n = self.request.prompts.len() * self.request.contenders.len();
        (self.cells.len(), n)
    }

    #[must_use]
    pub fn is_over(&self) -> bool {
        let (done, n) = self.progress();
        done == n || self.stopped.is_some()
    }

    /// What a way has come to so far.
    #[must_use]
    pub fn total(&self, way: usize) -> Total {
        let done = self.done(way);
        let n = done.len();
        let mean = |value: fn(&Measured) -> f64| {
            done.iter().map(|(_, m)| value(m)).sum::<f64>() / n.max(1) as f64
        };
        let first = |prompt| {
            self.measured(CellId {
                prompt,
                way: UNGUIDED,
            })
        };
        let gain = |(prompt, m): &(usize, &Measured)| Some(m.judge - first(*prompt)?.judge);
        let gains: Vec<f64> = done.iter().filter_map(gain).collect();
        let strong: Vec<f64> = done.iter().filter_map(|(_, m)| m.strong_log_prob).collect();
        let is_failed = |prompt: &usize| {
            let cell = self.cell(CellId {
                prompt: *prompt,
                way,
            });
            matches!(cell, Some(Err(_)))
        };
        let refined = self.refined(way);
        Total {
            n,
            n_failed: (0..self.request.prompts.len()).filter(is_failed).count(),
            judge: mean(|m| m.judge),
            log_ratio: mean(|m| m.log_ratio),
            sampled: mean(|m| m.sampled as f64),
            strong: Mean::of(&strong).map(|own| own.mean),
            wins: gains.iter().filter(|gain| **gain > 0.0).count(),
            compared: gains.len(),
            delta: match (way, refined) {
                (UNGUIDED, _) => None,
                (_, Some(own)) => own.delta.map(|delta| Mean {
                    mean: delta.value,
                    half_width: Some((delta.high - delta.low) / 2.0),
                }),
                (_, None) => Mean::of(&gains),
            },
            refined,
        }
    }

    /// What a refinement came to against the unguided way.
    fn refined(&self, way: usize) -> Option<Refined> {
        let is_refined = self.request.contenders.get(way)?.n_examples > 0;
        is_refined.then(|| Refined::of(&self.answers(way), &self.answers(UNGUIDED)))
    }

    fn answers(&self, way: usize) -> Answers {
        let done = self.done(way);
        Answers {
            scores: done.iter().map(|(_, m)| m.judge).collect(),
            strong: done.iter().filter_map(|(_, m)| m.strong_log_prob).collect(),
        }
    }

    /// What a way is called.
    #[must_use]
    pub fn name(&self, way: usize) -> String {
        match self.request.contenders.get(way) {
            None => String::new(),
            Some(_) if way == UNGUIDED => "unguided".to_owned(),
            Some(own) if own.n_examples > 0 => format!("refine:{}", own.n_examples),
            Some(Contender { way, .. }) => {
                format!("{} {}", settings::sizes(&way.params), way.pair)
            }
        }
    }

    /// What the strong model is asked in a cell.
    fn asked(&self, cell: CellId) -> Option<(String, &Way)> {
        let request = &self.request;
        let contender = request.contenders.get(cell.way)?;
        request.prompts.get(cell.prompt)?;
        let n = contender.n_examples;
        let asked = asked(&request.prompts, cell.prompt, &request.examples, n);
        Some((asked, &contender.way))
    }
}

impl App {
    /// The evaluation that is under way, or the last one.
    #[must_use]
    pub fn evaluation(&self) -> Option<&Evaluation> {
        self.evaluation.as_ref()
    }

    /// Shows the evaluation, or begins one.
    pub(super) fn show_evaluation(&mut self) -> Vec<Effect> {
        self.overlay = Overlay::Grid;
        match self.evaluation {
            Some(_) => Vec::new(),
            None => self.evaluate(),
        }
    }

    /// The unguided way, the one that is wanted and those that are kept, over sample prompts; then
    /// the unguided way after guided answers.
    fn evaluate(&mut self) -> Vec<Effect> {
        let own = Way {
            params: self.wanted.params,
            pair: self.wanted.pair.clone(),
        };
        let unguided = Way {
            params: own.params.unguided(),
            pair: own.pair.clone(),
        };
        let mut ways = vec![unguided];
        for way in [own].into_iter().chain(self.kept_ways.iter().cloned()) {
            let seed = self.wanted.params.seed();
            let params = way.params.with_seed(seed);
            let way = Way { params, ..way };
            if ways.iter().all(|known| !known.is_like(&way)) {
                ways.push(way);
            }
        }
        self.last_evaluation += 1;
        let prompts = self.samples.iter().take(PROMPTS).cloned().collect();
        let id = EvaluationId(self.last_evaluation);
        let evaluation = self.evaluation.insert(Evaluation::new(id, prompts, ways));
        vec![Effect::Send(Command::Evaluate(evaluation.request.clone()))]
    }

    /// What an action means while the grid is open.
    pub(super) fn act_on_grid(&mut self, action: Action) -> Vec<Effect> {
        let down = |jump| (Some(jump), None);
        let (down, right) = match action {
            Action::Accept => return self.open_cell(),
            Action::Restart => return self.evaluate(),
            Action::GiveUpLoad => return self.stop_evaluation(),
            Action::Back => {
                self.overlay = Overlay::None;
                return Vec::new();
            }
            Action::SelectPrevious => down(Jump::By(-1)),
            Action::SelectNext => down(Jump::By(1)),
            Action::PageUp => down(Jump::By(-10)),
            Action::PageDown => down(Jump::By(10)),
            Action::SelectFirst => down(Jump::First),
            Action::SelectLast => down(Jump::Last),
            Action::EarlierRound => (None, Some(Jump::By(-1))),
            Action::LaterRound => (None, Some(Jump::By(1))),
            _ => return Vec::new(),
        };
        if let Some(evaluation) = &mut self.evaluation {
            let request = &evaluation.request;
            let (n_prompts, n_ways) = (request.prompts.len(), request.contenders.len());
            let at = &mut evaluation.at;
            at.prompt = down.map_or(at.prompt, |jump| jump.apply(at.prompt, n_prompts));
            at.way = right.map_or(at.way, |jump| jump.apply(at.way, n_ways));
        }
        Vec::new()
    }

    /// Searches the chosen cell as a run: the same draws.
    fn open_cell(&mut self) -> Vec<Effect> {
        let chosen = self.evaluation.as_ref().and_then(|e| e.asked(e.at));
        let Some((prompt, way)) = chosen else {
            return Vec::new();
        };
        self.wanted.params = way.params;
        self.wanted.pair.clone_from(&way.pair);
        self.wanted.prompt = prompt;
        self.overlay = Overlay::None;
        let key = self.keymap.label(super::Context::Main, Action::Evaluate);
        self.announce(format!("this cell once more: {key} goes back to all"));
        self.start()
    }

    fn stop_evaluation(&mut self) -> Vec<Effect> {
        let Some(evaluation) = self.evaluation.as_mut().filter(|e| !e.is_over()) else {
            return Vec::new();
        };
        evaluation.stopped = Some("stopped".to_owned());
        vec![Effect::Send(Command::StopEvaluation)]
    }

    /// A cell is done; of another evaluation than the last one it is stale.
    pub(super) fn on_cell(
        &mut self,
        id: EvaluationId,
        cell: CellId,
        measured: Result<Measured, String>,
    ) -> Vec<Effect> {
        let Some(evaluation) = self.evaluation.as_mut().filter(|e| e.request.id == id) else {
            return Vec::new();
        };
        evaluation.cells.insert(cell, measured);
        let next = evaluation.next().map(Command::Evaluate).map(Effect::Send);
        next.into_iter().collect()
    }

    pub(super) fn on_not_evaluated(&mut self, id: EvaluationId, why: String) {
        if let Some(evaluation) = self.evaluation.as_mut().filter(|e| e.request.id == id) {
            evaluation.stopped = Some(why);
        }
    }
}
