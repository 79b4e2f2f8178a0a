//! A fixed set of prompts searched under every checkpoint, so that guidance is seen to appear.

use std::path::Path;

use crate::cli::TuneArgs;
use crate::curve::{Event, Watched};
use crate::judge::{Judge, JudgeSpec, Setup};
use crate::library::Model;
use crate::models::ModelSpec;
use crate::report::error::ReportError;
use crate::report::input::prompts;
use crate::report::session::Session;
use crate::samples;
use crate::search::{ChunkBeamSearch, LaneId, Lanes, MethodName, PairId, Panel, SearchParams};

pub(super) struct Watch {
    prompts: Vec<String>,
    strong: String,
    untuned: ModelSpec,
    /// Held, so that checkpoints go without it.
    _base: Model,
    judge: Option<Judge>,
    params: SearchParams,
    unguided: Option<f64>,
    has_failed: bool,
}

impl Watch {
    /// # Errors
    /// A judge that there is not; prompts that cannot be read.
    pub fn new(args: &TuneArgs, base: &ModelSpec, held: Model) -> Result<Self, ReportError> {
        let mut prompts = match &args.data.prompts {
            Some(path) => prompts(path)?,
            None => samples::prompts(),
        };
        prompts.truncate(args.watch.watch);
        let spec: JudgeSpec = args.data.judge.as_deref().unwrap_or("bundled").parse()?;
        // A reward model has no head to guide with.
        let is_guide = !matches!(args.what, Some(crate::cli::Learnt::Reward));
        let judge =
            (is_guide && !prompts.is_empty()).then(|| Judge::open(&spec, &Setup::default()));
        Ok(Self {
            prompts,
            strong: args.watch.strong.clone(),
            untuned: base.clone(),
            _base: held,
            judge: judge.transpose()?,
            params: SearchParams::default(),
            unguided: None,
            has_failed: false,
        })
    }

    /// What the search says under the checkpoint in `path`; nothing where none is wished for, or
    /// where it cannot be had, which is told once and ends no training.
    ///
    /// # Errors
    /// None: they are told.
    pub fn search(
        &mut self,
        step: usize,
        path: &Path,
        session: &mut Session<'_>,
    ) -> Result<Option<Event>, ReportError> {
        if self.judge.is_none() || self.has_failed || session.stop.is_set() {
            return Ok(None);
        }
        let pair = format!("{},{}", path.display(), self.untuned.in_full());
        let seen = self.look(step, &pair, session);
        // Checkpoints are many, and each is searched with once.
        session
            .models
            .library()?
            .let_go(&ModelSpec::parse(&self.strong));
        match seen {
            Ok(seen) => Ok(seen.map(Event::Watched)),
            Err(error) => {
                self.has_failed = true;
                crate::line::say(&format!("checkpoints are not searched with: {error}"));
                Ok(None)
            }
        }
    }

    fn look(
        &mut self,
        step: usize,
        pair: &str,
        session: &mut Session<'_>,
    ) -> Result<Option<Watched>, ReportError> {
        let guided = self.responses(pair, self.params, session)?;
        let Some(guided) = guided else {
            return Ok(None);
        };
        if self.unguided.is_none() {
            let draft = MethodName::Base.apply(self.params.draft());
            let params = draft.build()?;
            let Some(texts) = self.responses(pair, params, session)? else {
                return Ok(None);
            };
            self.unguided = Some(self.mean(&texts)?);
        }
        let mean = self.mean(&guided)?;
        Ok(Some(Watched {
            step,
            judge: self.judge.as_ref().map_or("", Judge::name).to_owned(),
            guided: mean,
            unguided: self.unguided.unwrap_or_default(),
            prompt: self.prompts[0].clone(),
            response: guided[0].clone(),
        }))
    }

    /// What follows each prompt; nothing where a stop is wished for.
    fn responses(
        &self,
        pair: &str,
        params: SearchParams,
        session: &mut Session<'_>,
    ) -> Result<Option<Vec<String>>, ReportError> {
        let panel = Panel::one(pair.to_owned());
        let executor = session.models.executor(&self.strong, &panel, None)?;
        let mut lanes = Lanes::new(executor);
        for (i, prompt) in self.prompts.iter().enumerate() {
            let lane = LaneId(i as u64);
            lanes.executor().open(lane, prompt, &params)?;
            lanes.open(lane, ChunkBeamSearch::new(params, PairId::from(pair)));
        }
        while lanes.is_busy() {
            if session.stop.is_set() {
                return Ok(None);
            }
            if let Some(error) = lanes.step().into_iter().find_map(|brought| brought.error) {
                return Err(error.into());
            }
        }
        let texts = (0..self.prompts.len()).map(|i| {
            let best = lanes.close(LaneId(i as u64)).and_then(|s| s.best());
            best.map_or(String::new(), |best| best.text.to_string())
        });
        Ok(Some(texts.collect()))
    }

    fn mean(&mut self, texts: &[String]) -> Result<f64, ReportError> {
        let Some(judge) = &mut self.judge else {
            return Ok(0.0);
        };
        let mut sum = 0.0;
        for (prompt, text) in self.prompts.iter().zip(texts) {
            sum += judge.score(prompt, text)?.score;
        }
        Ok(sum / texts.len().max(1) as f64)
    }
}
