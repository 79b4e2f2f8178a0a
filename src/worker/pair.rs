//! Another weak pair in the middle of a run: the beam is rescored and goes on.

use std::ops::ControlFlow;

use super::{Gone, Run, Worker};
use crate::library::WeakPair;
use crate::message::Update;
use crate::models::PairSpec;
use crate::search::SearchEvent;

impl Worker {
    /// The pair of this name, loaded if it is not yet.
    pub(super) fn pair(&mut self, name: &str) -> Result<WeakPair, String> {
        self.loader.deliver(&mut self.library);
        let spec = PairSpec::parse(name).map_err(|e| e.to_string())?;
        self.library.pair(&spec).map_err(|e| e.to_string())
    }

    /// Rescores the beam when another pair is wanted.
    pub(super) fn change_pair(&mut self, run: &mut Run) -> Result<(), Gone> {
        let Some(name) = run.pair_wanted.take() else {
            return Ok(());
        };
        let id = run.id();
        match self.rescored(run, &name) {
            Ok(events) => {
                let told = |event| self.out.send(Update::Search { run: id, event });
                events.into_iter().try_for_each(told)?;
                self.change_twin(run)?;
                self.out.send(Update::PairChanged {
                    run: id,
                    pair: name,
                })
            }
            Err(why) => self.out.send(Update::PairRefused {
                run: id,
                pair: name,
                why,
            }),
        }
    }

    /// The unguided response is scored by the pair that the guided one is.
    fn change_twin(&self, run: &mut Run) -> Result<(), Gone> {
        let Some(twin) = run.twin.as_mut() else {
            return Ok(());
        };
        match twin.use_pair(&run.setting, &self.judge) {
            Ok(Some(update)) => self.out.send(update),
            Ok(None) => Ok(()),
            // Better none than one with another pair's scores.
            Err(_) => {
                run.twin = None;
                Ok(())
            }
        }
    }

    /// Gives `run` a scorer of the pair `name` and its beam that scorer's scores.
    fn rescored(&mut self, run: &mut Run, name: &str) -> Result<Vec<SearchEvent>, String> {
        let mut setting = run.setting.clone();
        setting.pair = self.pair(name)?;
        let params = run.search.params();
        let mut scorer = setting.scorer(&params).map_err(|e| e.to_string())?;
        let mut events = Vec::new();
        let mut note = |event| {
            events.push(event);
            ControlFlow::Continue(())
        };
        run.search
            .rescore(&mut scorer, &mut note)
            .map_err(|e| e.to_string())?;
        (run.scorer, run.setting) = (scorer, setting);
        Ok(events)
    }
}
