//! What the strong model would gain on each pair's labels, as it is found out.

use super::settings::built;
use super::{Action, App, Effect, Overlay};
use crate::measure::Gains;
use crate::message::{Command, EvaluationId, GaugeRequest};
use crate::search::{MethodName, PairId};

/// Sample prompts, and responses to each: as many together as fits need.
const PROMPTS: usize = 20;
const RESPONSES: usize = 24;

/// What is known of the pairs so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Gauge {
    pub request: GaugeRequest,
    /// Of its prompts so many are done.
    pub done: usize,
    /// What it came to, or why to nothing.
    pub gains: Option<Result<Gains, String>>,
}

impl App {
    /// What is being gauged, or was.
    #[must_use]
    pub fn gauge(&self) -> Option<&Gauge> {
        self.gauge.as_ref()
    }

    /// Shows what was gauged, or begins: anew where other pairs are loaded by now.
    pub(super) fn show_gains(&mut self) -> Vec<Effect> {
        self.overlay = Overlay::Gains;
        let pairs = self.loaded_pairs();
        match &self.gauge {
            Some(gauge) if gauge.request.pairs == pairs => Vec::new(),
            _ => self.begin_gauge(pairs),
        }
    }

    /// Another strong model is there: what was gauged is of the one before.
    pub(super) fn forget_gauge(&mut self) -> Vec<Effect> {
        let was_running = self.gauge.take().is_some_and(|own| own.gains.is_none());
        match self.overlay {
            Overlay::Gains => self.show_gains(),
            _ if was_running => vec![Effect::Send(Command::StopGauge)],
            _ => Vec::new(),
        }
    }

    fn loaded_pairs(&self) -> Vec<PairId> {
        let pairs = self.models.as_ref().map_or(&[][..], |models| &models.pairs);
        pairs.iter().map(|own| own.name.as_str().into()).collect()
    }

    fn begin_gauge(&mut self, pairs: Vec<PairId>) -> Vec<Effect> {
        let draft = MethodName::BestOf(RESPONSES).apply(self.wanted.params.draft());
        let Some(params) = built(draft) else {
            return Vec::new();
        };
        self.last_evaluation += 1;
        let request = GaugeRequest {
            id: EvaluationId(self.last_evaluation),
            prompts: self.samples.iter().take(PROMPTS).cloned().collect(),
            params,
            pairs,
        };
        self.gauge = Some(Gauge {
            request: request.clone(),
            done: 0,
            gains: None,
        });
        vec![Effect::Send(Command::Gauge(request))]
    }

    /// What an action means while gains are shown.
    pub(super) fn act_on_gains(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Restart => return self.begin_gauge(self.loaded_pairs()),
            Action::GiveUpLoad => return self.stop_gauge(),
            Action::Back => self.overlay = Overlay::None,
            _ => {}
        }
        Vec::new()
    }

    fn stop_gauge(&mut self) -> Vec<Effect> {
        let Some(gauge) = self.gauge.as_mut().filter(|gauge| gauge.gains.is_none()) else {
            return Vec::new();
        };
        gauge.gains = Some(Err("stopped".to_owned()));
        vec![Effect::Send(Command::StopGauge)]
    }

    /// Another prompt is done; of another gauge than the last one it is stale.
    pub(super) fn on_gauged(&mut self, id: EvaluationId, done: usize) {
        if let Some(gauge) = self.gauge.as_mut().filter(|own| own.request.id == id) {
            gauge.done = done;
        }
    }

    pub(super) fn on_gains(&mut self, id: EvaluationId, gains: Result<Gains, String>) {
        if let Some(gauge) = self.gauge.as_mut().filter(|own| own.request.id == id) {
            gauge.gains = Some(gains);
        }
    }
}
