//! An evaluation as it is watched: a grid of prompts and ways that fills. Draws are pure, so a cell
//! is opened as a run by searching it once more.

use std::collections::BTreeMap;

use super::nav::Jump;
use super::settings;
use super::{Action, App, Effect, Overlay};
use crate::message::{CellId, Command, EvaluationId, EvaluationRequest, Measured, Way};

/// So many sample prompts are enough to see a difference, and done within a minute.
const PROMPTS: usize = 20;

/// What has come of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
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
    /// On so many prompts it is ahead of the first way by the judge, of those that both have done.
    pub wins: usize,
    pub compared: usize,
}

impl Evaluation {
    fn new(request: EvaluationRequest) -> Self {
        Self {
            request,
            cells: BTreeMap::new(),
            stopped: None,
            at: CellId { prompt: 0, way: 0 },
        }
    }

    #[must_use]
    pub fn cell(&self, id: CellId) -> Option<&Result<Measured, String>> {
        self.cells.get(&id)
    }

    fn measured(&self, id: CellId) -> Option<Measured> {
        self.cells.get(&id)?.as_ref().ok().copied()
    }

    /// How many cells are done, and how many there are.
    #[must_use]
    pub fn progress(&self) -> (usize, usize) {
        let n = self.request.prompts.len() * self.request.ways.len();
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
        let prompts = 0..self.request.prompts.len();
        let own = |prompt| CellId { prompt, way };
        let done: Vec<(usize, Measured)> = prompts
            .clone()
            .filter_map(|prompt| Some((prompt, self.measured(own(prompt))?)))
            .collect();
        let n = done.len();
        let mean = |value: fn(&Measured) -> f64| {
            done.iter().map(|(_, m)| value(m)).sum::<f64>() / n.max(1) as f64
        };
        let first = |prompt| self.measured(CellId { prompt, way: 0 });
        let compared: Vec<bool> = done
            .iter()
            .filter_map(|(prompt, m)| Some(m.judge > first(*prompt)?.judge))
            .collect();
        let failed = prompts.filter(|p| matches!(self.cell(own(*p)), Some(Err(_))));
        Total {
            n,
            n_failed: failed.count(),
            judge: mean(|m| m.judge),
            log_ratio: mean(|m| m.log_ratio),
            sampled: mean(|m| m.sampled as f64),
            wins: compared.iter().filter(|wins| **wins).count(),
            compared: compared.len(),
        }
    }

    /// What a way is called.
    #[must_use]
    pub fn name(&self, way: usize) -> String {
        match self.request.ways.get(way) {
            None => String::new(),
            Some(_) if way == 0 => "unguided".to_owned(),
            Some(way) => format!("{} {}", settings::sizes(&way.params), way.pair),
        }
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

    /// The unguided way, the one that is wanted and those that are kept, over sample prompts.
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
        let request = EvaluationRequest {
            id: EvaluationId(self.last_evaluation),
            prompts: self.samples.iter().take(PROMPTS).cloned().collect(),
            ways,
        };
        self.evaluation = Some(Evaluation::new(request.clone()));
        vec![Effect::Send(Command::Evaluate(request))]
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
            let (n_prompts, n_ways) = (request.prompts.len(), request.ways.len());
            let at = &mut evaluation.at;
            at.prompt = down.map_or(at.prompt, |jump| jump.apply(at.prompt, n_prompts));
            at.way = right.map_or(at.way, |jump| jump.apply(at.way, n_ways));
        }
        Vec::new()
    }

    /// Searches the chosen cell as a run: the same draws.
    fn open_cell(&mut self) -> Vec<Effect> {
        let Some(evaluation) = &self.evaluation else {
            return Vec::new();
        };
        let CellId { prompt, way } = evaluation.at;
        let request = &evaluation.request;
        let (Some(prompt), Some(way)) = (request.prompts.get(prompt), request.ways.get(way)) else {
            return Vec::new();
        };
        self.wanted.prompt.clone_from(prompt);
        self.wanted.params = way.params;
        self.wanted.pair.clone_from(&way.pair);
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
    ) {
        if let Some(evaluation) = self.evaluation.as_mut().filter(|e| e.request.id == id) {
            evaluation.cells.insert(cell, measured);
        }
    }

    pub(super) fn on_not_evaluated(&mut self, id: EvaluationId, why: String) {
        if let Some(evaluation) = self.evaluation.as_mut().filter(|e| e.request.id == id) {
            evaluation.stopped = Some(why);
        }
    }
}
