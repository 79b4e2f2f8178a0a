//! Ways beside the guided search of a run: the same strong model left alone, and other settings or
//! pairs, each a search of its own in the same passes.

use super::Worker;
use super::floor::{Floor, kept_len};
use super::outbox::Gone;
use super::run::Run;
use crate::library::WeakPair;
use crate::message::{MOST_BESIDE, RunRequest, Update, Way};
use crate::models::PairSpec;
use crate::search::{
    ChunkBeamSearch, Entry, Hypothesis, LaneId, Motion, PairId, SearchError, SearchParams,
};

impl Run {
    /// How all searches of the run move: a way beside the guided search goes as far as that one
    /// has gone, or is going, counted in tokens.
    pub fn motions(&self, floor: &Floor) -> Vec<(LaneId, Motion)> {
        let guided = self.motion();
        let limit = self.limit(floor, guided);
        let ways = self.lanes.ways().map(|(_, lane)| {
            let motion = match floor.reach(lane) < limit {
                true => Motion::Runs,
                false => Motion::Stands,
            };
            (lane, motion)
        });
        [(self.lanes.guided, guided)]
            .into_iter()
            .chain(ways)
            .collect()
    }

    /// So many tokens a way may come to.
    fn limit(&self, floor: &Floor, guided: Motion) -> usize {
        let Some(search) = floor.lanes.search(self.lanes.guided) else {
            return 0;
        };
        if self.has_failed() {
            return 0;
        }
        if search.is_finished() {
            return usize::MAX;
        }
        let here = kept_len(search);
        match guided {
            Motion::Stands => here,
            Motion::Runs | Motion::Holds => here + round_len(&search.params(), here),
        }
    }
}

/// What a round adds to a response of `here` tokens.
fn round_len(params: &SearchParams, here: usize) -> usize {
    let budget = params.max_new_tokens().get().saturating_sub(here);
    params.chunk_len().within(budget)
}

impl Worker {
    /// Those that cannot be gone are told of: the run goes on without them.
    pub(super) fn open_ways(&mut self) -> Result<(), Gone> {
        let Some(RunRequest {
            params,
            pair,
            beside,
            ..
        }) = self.run.as_ref().map(|run| &run.request)
        else {
            return Ok(());
        };
        let unguided = Way {
            params: params.unguided(),
            pair: pair.clone(),
        };
        let asked = beside.iter().take(MOST_BESIDE).cloned();
        let ways: Vec<Way> = [unguided].into_iter().chain(asked).collect();
        for (number, way) in ways.iter().enumerate() {
            if let Err(why) = self.open_way(number, way) {
                self.drop_way(number, why)?;
            }
        }
        Ok(())
    }

    fn open_way(&mut self, number: usize, way: &Way) -> Result<(), String> {
        let id = way.pair.clone();
        self.need_pair(&id)?;
        let (Some(floor), Some(run)) = (&mut self.floor, &self.run) else {
            return Ok(());
        };
        let RunRequest { prompt, params, .. } = &run.request;
        let search = ChunkBeamSearch::new(way.params.with_seed(params.seed()), id);
        let opened = floor.open(run.lanes.way(number), prompt, search);
        opened.map_err(|e| e.to_string())
    }

    /// Lanes of the floor may name the pair from here on.
    fn need_pair(&mut self, id: &PairId) -> Result<(), String> {
        let has = |floor: &mut Floor| floor.executor().has_pair(id);
        if self.floor.as_mut().is_some_and(has) {
            return Ok(());
        }
        for (id, _) in id.members() {
            let pair = self.loaded_pair(id.as_str())?;
            if let Some(floor) = &mut self.floor {
                floor.executor().add_pair(id, pair);
            }
        }
        Ok(())
    }

    /// A pair that is here: a run does not wait for what a way beside it would have to read.
    pub(super) fn loaded_pair(&mut self, name: &str) -> Result<WeakPair, String> {
        let spec = PairSpec::parse(name).map_err(|e| e.to_string())?;
        if !self.library.has_pair(&spec) {
            return Err(format!("the weak pair {name} is not loaded"));
        }
        self.library.pair(&spec).map_err(|e| e.to_string())
    }

    /// The run goes on without this way.
    fn drop_way(&mut self, way: usize, why: String) -> Result<(), Gone> {
        let Some(run) = &self.run else { return Ok(()) };
        if let Some(floor) = &mut self.floor {
            floor.lanes.close(run.lanes.way(way));
        }
        let run = run.id();
        self.out.send(Update::WayDropped { run, way, why })
    }

    /// What a step has brought to a way.
    pub(super) fn tell_way(
        &mut self,
        way: usize,
        entries: &[Entry],
        error: Option<SearchError>,
    ) -> Result<(), Gone> {
        if let Some(run) = &mut self.run {
            run.sampled[way] += entries.iter().map(n_sampled).sum::<usize>();
        }
        if entries.iter().any(changes_response) {
            self.tell_response(way)?;
        }
        // A pair that is refused is the unguided way's trouble no more than the run's.
        let is_over = self.run.as_ref().is_some_and(|run| run.has_refused);
        match error.filter(|_| way > 0 || !is_over) {
            Some(error) => self.drop_way(way, error.to_string()),
            None => Ok(()),
        }
    }

    /// A way's response, as far as it is complete and scored.
    fn tell_response(&mut self, way: usize) -> Result<(), Gone> {
        let (Some(floor), Some(run)) = (&self.floor, &self.run) else {
            return Ok(());
        };
        let Some(search) = floor.lanes.search(run.lanes.way(way)) else {
            return Ok(());
        };
        let Some(response) = search.best() else {
            return Ok(());
        };
        self.out.send(Update::Beside {
            run: run.id(),
            way,
            judge: self.judged(&response).1,
            response,
            done: search.is_finished(),
            sampled: run.sampled[way],
        })
    }
}

fn changes_response(entry: &Entry) -> bool {
    use Entry::{Finished, Rescored, Selected};
    matches!(entry, Selected { .. } | Rescored { .. } | Finished { .. })
}

/// Tokens that were sampled for the candidates that an entry brings.
pub(super) fn n_sampled(entry: &Entry) -> usize {
    let Entry::Scored {
        round, candidates, ..
    } = entry
    else {
        return 0;
    };
    // Finished ones stand among them that earlier rounds have sampled.
    let new = candidates.iter().filter(|h| h.round == *round);
    new.map(|h| Hypothesis::n_new(h)).sum()
}
