//! Commands, reduced in this one place into what is wanted of the run.

use super::floor::{Floor, RunLanes};
use super::outbox::Gone;
use super::run::{Drive, Run};
use super::{Worker, evidence::Inquiry};
use crate::guide::ModelExecutor;
use crate::library::WeakPair;
use crate::message::{Act, Command, RunId, RunRequest, Update};
use crate::models::{ModelSpec, PairSpec};
use crate::search::{ChunkBeamSearch, HypothesisId, PairId, Refused, SearchParams};

impl Worker {
    pub(super) fn obey(&mut self, command: Command) -> Result<(), Gone> {
        match command {
            Command::Start(request) => return self.start(request),
            Command::Load { id, part, spec } => self.loader.start(id, part, spec),
            Command::CancelLoad(id) => self.loader.cancel(id),
            Command::Evaluate(request) => return self.evaluate(request),
            Command::StopEvaluation => self.evaluation = None,
            Command::Gauge(request) => return self.gauge(request),
            Command::StopGauge => self.gauge = None,
            Command::ShowTrainings
            | Command::HideTrainings
            | Command::Train(_)
            | Command::StopTraining(_)
            | Command::ResumeTraining(_) => return self.ask_trainings(command),
            Command::UseStrong(spec) => self.startup.strong = ModelSpec::parse(&spec),
            command => return self.obey_in_run(command),
        }
        Ok(())
    }

    /// A command of another run than the one under way is stale.
    fn obey_in_run(&mut self, command: Command) -> Result<(), Gone> {
        let Some(run) = self
            .run
            .as_mut()
            .filter(|run| command.run() == Some(run.id()))
        else {
            return Ok(());
        };
        match command {
            Command::Inspect {
                candidate, parent, ..
            } => {
                self.inquiry = Some(Inquiry::new(candidate, parent));
                return Ok(());
            }
            Command::Pace { round, .. } => run.request.pace = round,
            Command::Pause(_) => run.drive = Drive::Stand,
            Command::Resume(_) => run.drive = Drive::Free,
            Command::Step(_) => run.drive = Drive::Round,
            Command::ToCut(_) => {
                let floor = self.floor.as_ref();
                let search = floor.and_then(|floor| floor.lanes.search(run.lanes.guided));
                let cuts_first = search.is_some_and(ChunkBeamSearch::is_open);
                run.drive = Drive::ToCut { cuts_first };
            }
            Command::Retune { params, .. } => return self.retune(params),
            Command::UsePair { pair, .. } => return self.use_pair(pair),
            Command::Steer { run, act } => return self.steer(run, act),
            _ => {}
        }
        run.hurry();
        self.move_lanes();
        self.tell_standing()
    }

    /// The lanes move as the run does from here on.
    pub(super) fn move_lanes(&mut self) {
        let (Some(floor), Some(run)) = (&mut self.floor, &self.run) else {
            return;
        };
        for (lane, motion) in run.motions(floor) {
            floor.lanes.set_motion(lane, motion);
        }
    }

    // ---- a run begins

    fn start(&mut self, request: RunRequest) -> Result<(), Gone> {
        let id = request.run;
        self.run = None;
        self.inquiry = None;
        self.bench.turn_to(id);
        match self.prepare(request) {
            Ok(run) => {
                self.run = Some(run);
                self.open_ways()?;
                self.let_go();
                self.move_lanes();
                Ok(())
            }
            Err(error) => self.out.send(Update::Failed {
                run: Some(id),
                error,
            }),
        }
    }

    fn prepare(&mut self, request: RunRequest) -> Result<Run, String> {
        let id = request.pair.clone();
        let pairs = self.pairs(&id)?;
        let mut floor = self.floor_for_strong()?;
        floor.clear();
        for (id, pair) in pairs {
            floor.executor().add_pair(id, pair);
        }
        let done = (floor.executor().n_sampled(), floor.executor().n_scored());
        let run = Run::new(request, done);
        let RunRequest { prompt, params, .. } = &run.request;
        let guided = ChunkBeamSearch::new(*params, id);
        let opened = floor.open(run.lanes.guided, prompt, guided);
        self.floor = Some(floor);
        opened.map_err(|e| e.to_string())?;
        Ok(run)
    }

    /// The floor of the strong model that is wanted: the one there is, with all that it has
    /// cached, or a new one.
    fn floor_for_strong(&mut self) -> Result<Floor, String> {
        let wanted = self.startup.strong.clone();
        if let Some(floor) = self.floor.take_if(|floor| floor.strong == wanted) {
            return Ok(floor);
        }
        // The one before goes before another is loaded: memory may not hold both.
        self.floor = None;
        let strong = self.library.model(&wanted).map_err(|e| e.to_string())?;
        let executor = ModelExecutor::new(strong, self.library.templates().clone());
        Ok(Floor::new(wanted, executor))
    }

    /// What no run uses any more goes; a pair that a way wants stays, even where it is of no use
    /// to this run.
    fn let_go(&mut self) {
        if let (Some(floor), Some(run)) = (&mut self.floor, &self.run) {
            let RunRequest { pair, beside, .. } = &run.request;
            let ways = beside.iter().map(|way| &way.pair);
            let named: Vec<PairId> = ways.chain([pair]).cloned().collect();
            floor.executor().keep_pairs(&named);
        }
        let strong = self.startup.strong.clone();
        self.library.let_go(&strong);
        self.loader.share(&self.library);
    }

    // ---- changes

    fn retune(&mut self, params: SearchParams) -> Result<(), Gone> {
        let (Some(floor), Some(run)) = (&mut self.floor, &self.run) else {
            return Ok(());
        };
        let lanes = run.lanes;
        let Some(search) = floor.guided(lanes) else {
            return Ok(());
        };
        let (pair, used) = (search.pair().clone(), search.params());
        let params = params.within_run_of(&used);
        let others = floor.others(lanes.guided);
        let executor = floor.executor();
        if let Err(why) = executor.retune(&others, lanes.guided, &pair, &params) {
            return self.out.send(Update::NotRetuned {
                run: run.id(),
                params: used,
                why: why.to_string(),
            });
        }
        for (lane, params) in [
            (lanes.guided, params),
            (lanes.unguided(), params.unguided()),
        ] {
            if let Some(search) = floor.lanes.search_mut(lane) {
                search.set_params(params);
            }
        }
        Ok(())
    }

    /// All pairs of this name, loaded if they are not yet.
    fn pairs(&mut self, id: &PairId) -> Result<Vec<(PairId, WeakPair)>, String> {
        let pair = |(id, _): (PairId, f64)| {
            let spec = PairSpec::parse(id.as_str()).map_err(|e| e.to_string())?;
            let pair = self.library.pair(&spec).map_err(|e| e.to_string())?;
            Ok((id, pair))
        };
        id.members().into_iter().map(pair).collect()
    }

    fn use_pair(&mut self, id: PairId) -> Result<(), Gone> {
        self.take_loaded()?;
        let pairs = self.pairs(&id);
        let (Some(floor), Some(run)) = (&mut self.floor, &mut self.run) else {
            return Ok(());
        };
        let before = floor.guided(run.lanes).map(|search| search.pair().clone());
        let used = pairs.and_then(|pairs| {
            let used = floor.use_pair(run.lanes, &id, pairs);
            used.map_err(|e| e.to_string())
        });
        match used {
            Ok(()) => {
                run.pair_before = before;
                run.hurry();
                Ok(())
            }
            Err(why) => self.out.send(Update::PairRefused {
                run: run.id(),
                pair: id.to_string(),
                why,
            }),
        }
    }

    /// A pair that was taken over does not go after all: the one before is in use again.
    pub(super) fn refuse_pair(&mut self, before: PairId, why: &str) -> Result<(), Gone> {
        let (Some(floor), Some(run)) = (&mut self.floor, &self.run) else {
            return Ok(());
        };
        let refused = floor.guided(run.lanes).map(|search| search.pair().clone());
        floor.want_pair(run.lanes, &before);
        self.out.send(Update::PairRefused {
            run: run.id(),
            pair: refused.map_or_else(String::new, |pair| pair.to_string()),
            why: why.to_owned(),
        })
    }

    // ---- the user's hand

    fn steer(&mut self, id: RunId, act: Act) -> Result<(), Gone> {
        let moves = matches!(act, Act::Take(_) | Act::Go(_) | Act::Redraw | Act::Undo);
        let outcome = self.act(act);
        let (Some(floor), Some(run)) = (&mut self.floor, &mut self.run) else {
            return Ok(());
        };
        let news = floor.guided(run.lanes).map(ChunkBeamSearch::news);
        run.hurry();
        if moves && outcome.is_ok() {
            // Where the run stands is told once more after a move.
            run.told_standing = run.drive != Drive::Stand;
        }
        self.tell_entries(news.unwrap_or_default())?;
        self.move_lanes();
        self.tell_standing()?;
        match outcome {
            Ok(()) => Ok(()),
            Err(why) => self.out.send(Update::Refused { run: id, why }),
        }
    }

    fn act(&mut self, act: Act) -> Result<(), String> {
        let (Some(floor), Some(run)) = (&mut self.floor, &mut self.run) else {
            return Ok(());
        };
        if let Act::Type { sibling, chunk } = act {
            return type_chunk(floor, run.lanes, sibling, &chunk);
        }
        let Some(search) = floor.guided(run.lanes) else {
            return Ok(());
        };
        let was_over = search.is_finished();
        let outcome: Result<(), Refused> = match act {
            Act::Mark { id, mark } => search.mark(id, mark),
            Act::Spend { id, extra } => search.spend(id, extra),
            Act::Take(id) => search.take(id),
            Act::Go(node) => search.go(node),
            Act::Redraw => search.redraw(),
            Act::Undo => search.undo(),
            Act::Type { .. } => Ok(()),
        };
        let leaves_end = was_over && outcome.is_ok() && !search.is_finished();
        if leaves_end && matches!(act, Act::Go(_) | Act::Undo) {
            // Going on by itself, it would draw the same again and be over at once.
            run.drive = Drive::Stand;
        }
        outcome.map_err(|why| why.to_string())
    }
}

fn type_chunk(
    floor: &mut Floor,
    lanes: RunLanes,
    sibling: HypothesisId,
    chunk: &str,
) -> Result<(), String> {
    let Some(search) = floor.guided(lanes) else {
        return Ok(());
    };
    let siblings = search.siblings(sibling);
    let beside = siblings.iter().find(|c| c.id == sibling);
    let beside = beside.ok_or_else(|| Refused::NotLatest.to_string())?;
    let typed = floor
        .executor()
        .typed(lanes.guided, beside, chunk, &siblings);
    let typed = typed.map_err(|e| e.to_string())?;
    match floor.guided(lanes) {
        Some(search) => search.write(sibling, &typed).map_err(|e| e.to_string()),
        None => Ok(()),
    }
}
