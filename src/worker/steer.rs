//! The user's hand on the wheel, between rounds.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::{Gone, Run, Worker};
use crate::message::{Act, Update};
use crate::search::{Hypothesis, HypothesisId, SearchEvent};

impl Worker {
    pub(super) fn steer(&mut self, act: Act) -> Result<(), Gone> {
        let Some(run) = self.run.as_mut() else {
            return Ok(());
        };
        let mut events = Vec::new();
        let outcome = run.steer(act, &mut events);
        let id = run.id();
        // Whatever was done, the search may have somewhere to go again.
        run.done = run.request.cancel.is_cancelled() || run.search.is_finished();
        for event in events {
            self.tell(event)?;
        }
        match outcome {
            Ok(()) => Ok(()),
            Err(why) => self.out.send(Update::Refused { run: id, why }),
        }
    }

    /// Passes an event on, with the judge's word on candidates that come with it.
    fn tell(&self, event: SearchEvent) -> Result<(), Gone> {
        let Some(request) = self.run.as_ref().map(|run| &run.request) else {
            return Ok(());
        };
        let candidates: Vec<Arc<Hypothesis>> = match &event {
            SearchEvent::Scored { candidates, .. } => candidates.clone(),
            SearchEvent::Added { candidate, .. } => vec![Arc::clone(candidate)],
            _ => Vec::new(),
        };
        let run = request.run;
        self.out.send(Update::Search { run, event })?;
        if candidates.is_empty() {
            return Ok(());
        }
        let judged = |c: &Arc<Hypothesis>| (c.id, self.judge.score(&request.prompt, &c.text));
        let scores = candidates.iter().map(judged).collect();
        self.out.send(Update::Judged { run, scores })
    }
}

impl Run {
    fn steer(&mut self, act: Act, events: &mut Vec<SearchEvent>) -> Result<(), String> {
        let mut note = |event| {
            events.push(event);
            ControlFlow::Continue(())
        };
        let refused = |done: bool, why: &str| if done { Ok(()) } else { Err(why.to_owned()) };
        match act {
            Act::Mark { id, mark } => self.search.mark(id, mark, &mut note),
            Act::Spend { id, extra } => self.search.spend(id, extra, &mut note),
            Act::Rewind(round) => self.search.rewind(round, &mut note),
            Act::Undo => {
                return refused(self.search.undo(&mut note), "there is nothing to undo");
            }
            Act::Take(id) => {
                let why = "only a candidate of a round that had its cut can be taken";
                return refused(self.search.take(id, &mut note), why);
            }
            Act::Type { sibling, chunk } => return self.type_chunk(sibling, &chunk, events),
        }
        Ok(())
    }

    fn type_chunk(
        &mut self,
        sibling: HypothesisId,
        chunk: &str,
        events: &mut Vec<SearchEvent>,
    ) -> Result<(), String> {
        let siblings = self.search.siblings(sibling).to_vec();
        let Some(beside) = siblings.iter().find(|c| c.id == sibling) else {
            return Err("only chunks of the latest round can be edited: rewind first".to_owned());
        };
        let typed = self
            .sampler
            .typed(beside, chunk, &siblings)
            .map_err(|e| e.to_string())?;
        let mut note = |event| {
            events.push(event);
            ControlFlow::Continue(())
        };
        let added = self.search.add(sibling, typed, &mut self.scorer, &mut note);
        added.map(drop).map_err(|e| e.to_string())
    }
}
