//! The strong model at work: chunks for every search that asks, one batched pass a token.
//!
//! A round feeds each parent's last token once, whatever K is: the K successors draw their first
//! token from the same logits. The last token of a chunk is fed only if the hypothesis goes on.
//! So a round of L tokens costs W + (L − 1)·W·K fed tokens, not L·W·K; and all searches under
//! way share each pass.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rayon::prelude::*;

use super::chunk_text::{ChunkText, decoded};
use super::far::{Far, entropy_at};
use super::rows::{Owner, Rows, common_prefix};
use super::sample::{draw, drawing, log_prob};
use crate::decoder::{Place, Said, Want, pool};
use crate::library::Model;
use crate::search::{
    Answer, Drawn, Finish, Grow, Growth, Hypothesis, HypothesisId, LaneId, ModelError, PairId,
    Response, Rules, Slot, TokenId,
};

/// What is said after the last id of a row, where it is kept.
type Next = Option<Place>;

/// The strong model with what it has cached.
#[derive(Debug)]
pub(super) struct Strong {
    model: Model,
    rows: Rows<Next>,
    jobs: HashMap<LaneId, Job>,
    n_sampled: u64,
}

/// A round of one search.
#[derive(Debug)]
struct Job {
    prompt: Arc<[TokenId]>,
    ask: Grow,
    chunks: Vec<Chunk>,
    /// Whether it is to go on.
    runs: bool,
}

/// A chunk in the making.
#[derive(Debug)]
struct Chunk {
    slot: Slot,
    grown: Growth,
    text: ChunkText,
    /// Where the logits of its next token are.
    next: Source,
    /// What others add to them, where they have a say.
    tilt: Option<Vec<f32>>,
}

/// A chunk whose next token others have a say in.
#[derive(Debug)]
pub(super) struct Led {
    pub lane: LaneId,
    pub pair: PairId,
    pub beta: f64,
    pub response: Response,
}

#[derive(Debug, Clone)]
enum Source {
    /// Not known yet.
    Nowhere,
    /// Row number so many of the pass's logits.
    Pass(usize),
    Kept(Place),
}

/// One row's part in a pass.
struct Fed {
    row: usize,
    tokens: Vec<TokenId>,
    /// Whether logits after it are those of the whole: a long prompt is read in pieces.
    is_whole: bool,
}

impl Strong {
    pub fn new(model: Model) -> Self {
        Self {
            rows: Rows::new(vec![model.decoder.clone()]),
            model,
            jobs: HashMap::new(),
            n_sampled: 0,
        }
    }

    pub fn model(&self) -> &Model {
        &self.model
    }

    pub fn rows(&self) -> &Rows<Next> {
        &self.rows
    }

    /// Tokens drawn so far, all searches together.
    pub fn n_sampled(&self) -> u64 {
        self.n_sampled
    }

    /// What a lane needs of the strong model; chunks that are asked for again go on.
    pub fn post(&mut self, lane: LaneId, prompt: &Arc<[TokenId]>, ask: &Grow) {
        let known = self.jobs.remove(&lane);
        let job = match known {
            Some(job) if Arc::ptr_eq(&job.ask.slots, &ask.slots) => Job { runs: true, ..job },
            known => self.job(prompt, ask, known),
        };
        self.jobs.insert(lane, job);
    }

    fn job(&self, prompt: &Arc<[TokenId]>, ask: &Grow, known: Option<Job>) -> Job {
        let known = known.into_iter().flat_map(|job| job.chunks);
        let mut known: HashMap<HypothesisId, Chunk> =
            known.map(|chunk| (chunk.slot.id, chunk)).collect();
        let chunk = |slot: &Slot| {
            let known = known.remove(&slot.id);
            known.unwrap_or_else(|| self.chunk(prompt, slot))
        };
        Job {
            prompt: Arc::clone(prompt),
            chunks: ask.slots.iter().map(chunk).collect(),
            ask: ask.clone(),
            runs: true,
        }
    }

    fn chunk(&self, prompt: &[TokenId], slot: &Slot) -> Chunk {
        let parent = slot.parent.as_deref();
        Chunk {
            text: ChunkText::after(prompt, parent, &self.model.tokenizer),
            grown: Growth::after(parent),
            slot: slot.clone(),
            next: Source::Nowhere,
            tilt: None,
        }
    }

    /// The lane's chunks stand as they are.
    pub fn rest(&mut self, lane: LaneId) {
        if let Some(job) = self.jobs.get_mut(&lane) {
            job.runs = false;
        }
    }

    /// The lane's chunks are not wanted any more.
    pub fn forget(&mut self, lane: LaneId) {
        self.jobs.remove(&lane);
    }

    pub fn retain(
        &mut self,
        is_used: impl Fn(&[TokenId]) -> bool,
        is_kept: impl Fn(LaneId, HypothesisId) -> bool,
    ) {
        self.rows.retain(is_used, is_kept);
    }

    /// How many chunks would grow in the next pass.
    pub fn n_growing(&self) -> usize {
        let jobs = self.jobs.values().filter(|job| job.runs);
        let growing = |job: &Job| job.chunks.iter().filter(|c| !c.is_complete()).count();
        jobs.map(growing).sum()
    }

    /// How many tokens of a lane's prompt are read, and of how many, while chunks wait for that.
    pub fn n_read(&self, lane: LaneId) -> Option<(usize, usize)> {
        let job = self.jobs.get(&lane).filter(|job| job.runs)?;
        let n = self.rows.n_read(&job.prompt)?;
        Some((n, job.prompt.len()))
    }

    /// The chunks of a lane as far as they have grown.
    pub fn grown(&self, lane: LaneId) -> impl Iterator<Item = (&Slot, &Growth)> {
        let chunks = self.jobs.get(&lane).into_iter().flat_map(|job| &job.chunks);
        chunks.map(|chunk| (&chunk.slot, &chunk.grown))
    }

    /// One pass: every chunk that grows is a token longer, unless its prompt is still being read.
    /// The lanes whose chunks are all complete.
    ///
    /// `lead` says what is added to the logits of chunks that others have a say in.
    ///
    /// # Errors
    /// A failing device; logits that are not finite.
    pub fn step(
        &mut self,
        lead: impl FnOnce(&[Led]) -> Result<Vec<Vec<f32>>, ModelError>,
    ) -> Result<Vec<(LaneId, Answer)>, ModelError> {
        let feeds = self.plan()?;
        let logits = self.feed(&feeds)?;
        self.keep_prompts(&feeds, &logits);
        self.start_chunks(&feeds)?;
        self.tilt(lead)?;
        self.draw(&logits)?;
        Ok(self.complete())
    }

    /// The lanes that grow with others' say, and whose.
    pub fn led(&self) -> Vec<(LaneId, PairId)> {
        let lanes = self.running().into_iter();
        let pair = |lane: LaneId| Some((lane, self.jobs[&lane].ask.tilted.as_ref()?.pair.clone()));
        lanes.filter_map(pair).collect()
    }

    /// The pairs that have a say in any chunk that grows or stands.
    pub fn led_by(&self) -> HashSet<PairId> {
        let tilted = self.jobs.values().filter_map(|job| job.ask.tilted.as_ref());
        tilted.map(|tilted| tilted.pair.clone()).collect()
    }

    /// Has `lead` speak of every chunk that is about to draw, in the order of lanes and slots.
    fn tilt(
        &mut self,
        lead: impl FnOnce(&[Led]) -> Result<Vec<Vec<f32>>, ModelError>,
    ) -> Result<(), ModelError> {
        let mut led = Vec::new();
        for lane in self.running() {
            let job = &self.jobs[&lane];
            let Some(tilted) = &job.ask.tilted else {
                continue;
            };
            let ready = job.chunks.iter().filter(|chunk| chunk.is_ready());
            led.extend(ready.map(|chunk| Led {
                lane,
                pair: tilted.pair.clone(),
                beta: tilted.beta,
                response: Response::growing(&chunk.slot, &chunk.grown),
            }));
        }
        if led.is_empty() {
            return Ok(());
        }
        let mut tilts = lead(&led)?.into_iter();
        for lane in self.running() {
            let job = self.jobs.get_mut(&lane);
            let job = job.filter(|job| job.ask.tilted.is_some());
            let chunks = job.into_iter().flat_map(|job| &mut job.chunks);
            for chunk in chunks.filter(|chunk| chunk.is_ready()) {
                chunk.tilt = tilts.next();
            }
        }
        Ok(())
    }

    // ---- what to feed

    /// Everything that is to be fed: the ends of parents whose successors begin, and the last
    /// token of every chunk that goes on.
    fn plan(&mut self) -> Result<Vec<Fed>, ModelError> {
        let mut feeds = Vec::new();
        for lane in self.running() {
            for parent in self.parents(lane) {
                self.plan_parent(lane, parent.as_deref(), &mut feeds)?;
            }
            self.plan_chunks(lane, &mut feeds);
        }
        Ok(feeds)
    }

    /// The lanes that grow, in order: results do not depend on it, but passes are repeatable.
    pub fn running(&self) -> Vec<LaneId> {
        let running = self.jobs.iter().filter(|(_, job)| job.runs);
        let mut lanes: Vec<LaneId> = running.map(|(lane, _)| *lane).collect();
        lanes.sort_unstable();
        lanes
    }

    /// What chunks that have not begun continue, each once.
    fn parents(&self, lane: LaneId) -> Vec<Option<Arc<Hypothesis>>> {
        let mut parents: Vec<Option<Arc<Hypothesis>>> = Vec::new();
        let chunks = self.jobs.get(&lane).into_iter().flat_map(|job| &job.chunks);
        for chunk in chunks.filter(|chunk| chunk.is_new()) {
            let id = chunk.slot.parent.as_ref().map(|p| p.id);
            if parents.iter().all(|p| p.as_ref().map(|p| p.id) != id) {
                parents.push(chunk.slot.parent.clone());
            }
        }
        parents
    }

    /// Feeds what is missing of a parent. One that is fed to its end already is fed its last
    /// token again, since logits are not kept; a prompt's are.
    fn plan_parent(
        &mut self,
        lane: LaneId,
        parent: Option<&Hypothesis>,
        feeds: &mut Vec<Fed>,
    ) -> Result<(), ModelError> {
        let ids = self.ids(lane, parent);
        let row = match parent.filter(|p| !p.tokens.is_empty()) {
            None => self.rows.prompt(&ids)?,
            Some(parent) => self.parent_row(lane, parent, &ids)?,
        };
        let is_whole = self.rows.row(row).ids.len() == ids.len();
        if is_whole && self.rows.row(row).note.is_some() {
            return Ok(());
        }
        if is_whole {
            self.rewind(row, ids.len() - 1);
        }
        if feeds.iter().any(|fed: &Fed| fed.row == row) {
            return Ok(()); // another search reads the same prompt
        }
        let piece = self.rows.next_piece(row, &ids);
        feeds.push(Fed {
            row,
            is_whole: piece.end == ids.len(),
            tokens: ids[piece].to_vec(),
        });
        Ok(())
    }

    /// Prompt and response.
    fn ids(&self, lane: LaneId, parent: Option<&Hypothesis>) -> Vec<TokenId> {
        let prompt = self.jobs.get(&lane).map(|job| &job.prompt[..]);
        let mut ids = prompt.unwrap_or_default().to_vec();
        ids.extend(parent.into_iter().flat_map(|p| p.tokens.iter()));
        ids
    }

    /// The row of a hypothesis: its own, or a fork of the one that shares most with it.
    fn parent_row(
        &mut self,
        lane: LaneId,
        parent: &Hypothesis,
        ids: &[TokenId],
    ) -> Result<usize, ModelError> {
        let owner = Owner::Response(lane, parent.id);
        if let Some(row) = self.rows.of(owner) {
            self.rewind(row, common_prefix(&self.rows.row(row).ids, ids));
            return Ok(row);
        }
        let (source, shared) = self.rows.nearest(ids);
        self.fork(&[(source, shared, owner)])
    }

    fn rewind(&mut self, row: usize, len: usize) {
        if len < self.rows.row(row).ids.len() {
            self.rows.rewind(row, len);
            self.rows.row_mut(row).note = None;
        }
    }

    /// Forks keep no logits: only a prompt's are asked for more than once.
    fn fork(&mut self, forks: &[(usize, usize, Owner)]) -> Result<usize, ModelError> {
        let first = self.rows.fork(forks)?;
        for row in first..first + forks.len() {
            self.rows.row_mut(row).note = None;
        }
        Ok(first)
    }

    fn plan_chunks(&self, lane: LaneId, feeds: &mut Vec<Fed>) {
        let chunks = self.jobs.get(&lane).into_iter().flat_map(|job| &job.chunks);
        for chunk in chunks.filter(|chunk| !chunk.is_complete()) {
            let row = self.rows.of(Owner::Response(lane, chunk.slot.id));
            if let (Some(row), Some(last)) = (row, chunk.grown.tokens.last()) {
                feeds.push(Fed {
                    row,
                    tokens: vec![*last],
                    is_whole: true,
                });
            }
        }
    }

    // ---- the pass and what comes of it

    fn feed(&mut self, feeds: &[Fed]) -> Result<Option<Said>, ModelError> {
        if feeds.is_empty() {
            return Ok(None);
        }
        for fed in feeds {
            self.rows.row_mut(fed.row).note = None;
        }
        let batch: Vec<(usize, Vec<TokenId>)> = feeds
            .iter()
            .map(|fed| (fed.row, fed.tokens.clone()))
            .collect();
        let mut said = self.rows.feed(&batch, Want::Last)?;
        Ok(Some(said.swap_remove(0)))
    }

    /// Logits after prompts are kept: round 1 draws all candidates of a search from them.
    fn keep_prompts(&mut self, feeds: &[Fed], said: &Option<Said>) {
        let Some(said) = said else { return };
        for (n, fed) in feeds.iter().enumerate().filter(|(_, fed)| fed.is_whole) {
            if self.rows.is_prompt(fed.row) {
                self.rows.row_mut(fed.row).note = Some(said.place(n));
            }
        }
    }

    /// Rows for the chunks whose parents are read, forked from theirs; and where every chunk's
    /// next token is drawn from.
    fn start_chunks(&mut self, feeds: &[Fed]) -> Result<(), ModelError> {
        let place = |row: usize| feeds.iter().position(|fed| fed.row == row && fed.is_whole);
        let mut forks = Vec::new();
        for lane in self.running() {
            let Some(mut job) = self.jobs.remove(&lane) else {
                continue;
            };
            for chunk in job.chunks.iter_mut().filter(|chunk| !chunk.is_complete()) {
                let own = Owner::Response(lane, chunk.slot.id);
                if let Some(row) = self.rows.of(own).filter(|_| !chunk.is_new()) {
                    chunk.next = place(row).map_or(Source::Nowhere, Source::Pass);
                    continue;
                }
                let (row, next) = self.parent_logits(lane, &job.prompt, chunk, place);
                chunk.next = next;
                if !matches!(chunk.next, Source::Nowhere) {
                    forks.push((row, usize::MAX, own));
                }
            }
            self.jobs.insert(lane, job);
        }
        if !forks.is_empty() {
            self.fork(&forks)?;
        }
        Ok(())
    }

    /// The row of what a chunk continues, and the logits after it, if it is read to its end.
    fn parent_logits(
        &self,
        lane: LaneId,
        prompt: &[TokenId],
        chunk: &Chunk,
        place: impl Fn(usize) -> Option<usize>,
    ) -> (usize, Source) {
        let parent = chunk.slot.parent.as_ref().filter(|p| !p.tokens.is_empty());
        let row = match parent {
            Some(parent) => self.rows.of(Owner::Response(lane, parent.id)),
            None => self.rows.known_prompt(prompt),
        };
        let Some(row) = row else {
            return (0, Source::Nowhere);
        };
        let kept = self.rows.row(row).note.clone().map(Source::Kept);
        let passed = || place(row).map(Source::Pass);
        (row, kept.or_else(passed).unwrap_or(Source::Nowhere))
    }

    /// Draws the next token of every chunk that has logits.
    fn draw(&mut self, said: &Option<Said>) -> Result<(), ModelError> {
        let model = &self.model;
        let mut drawn: Vec<(&mut Chunk, &Grow)> = Vec::new();
        for job in self.jobs.values_mut().filter(|job| job.runs) {
            let ask = &job.ask;
            let ready = job.chunks.iter_mut().filter(|chunk| chunk.is_ready());
            drawn.extend(ready.map(|chunk| (chunk, ask)));
        }
        self.n_sampled += drawn.len() as u64;
        pool().install(|| {
            drawn.into_par_iter().try_for_each(|(chunk, ask)| {
                let next = match std::mem::replace(&mut chunk.next, Source::Nowhere) {
                    Source::Kept(kept) => Some(kept),
                    Source::Pass(n) => said.as_ref().map(|said| said.place(n)),
                    Source::Nowhere => None,
                };
                next.map_or(Ok(()), |next| chunk.push(model, ask, &next))
            })
        })
    }

    /// Takes the jobs out whose chunks are all complete.
    fn complete(&mut self) -> Vec<(LaneId, Answer)> {
        let is_done = |job: &Job| job.runs && job.chunks.iter().all(Chunk::is_complete);
        let lanes = self.running().into_iter();
        let done: Vec<LaneId> = lanes.filter(|lane| is_done(&self.jobs[lane])).collect();
        let answer = |lane: LaneId| {
            let job = self.jobs.remove(&lane)?;
            let rules = job.ask.rules;
            let chunks = job.chunks.into_iter();
            let grown = chunks
                .map(|chunk| chunk.finish(&self.model, &job.prompt, rules))
                .collect();
            Some((lane, Answer::Grown(grown)))
        };
        done.into_iter().filter_map(answer).collect()
    }
}

impl Chunk {
    /// Whether nothing of it is drawn yet.
    fn is_new(&self) -> bool {
        self.grown.tokens.is_empty() && !self.is_complete()
    }

    fn is_complete(&self) -> bool {
        self.grown.is_complete(&self.slot)
    }

    /// Whether its next token can be drawn.
    fn is_ready(&self) -> bool {
        !matches!(self.next, Source::Nowhere) && !self.is_complete()
    }

    /// The next token, or the end of the chunk where the strong model hesitates.
    fn push(&mut self, model: &Model, ask: &Grow, next: &Place) -> Result<(), ModelError> {
        let n_grown = self.grown.tokens.len();
        if let Some(hesitation) = ask.hesitation.filter(|h| n_grown >= h.min_tokens)
            && entropy_at(next)? >= hesitation.entropy
        {
            self.grown.hesitated = true;
            return Ok(());
        }
        // What others add is of the whole vocabulary.
        if next.here().is_none() && self.tilt.is_none() {
            return self.draw_far(model, ask, next);
        }
        let logits = &*next.whole()?;
        // Some models pad their vocabulary: ids beyond the tokenizer's have no text.
        let named = &logits[..model.tokenizer.n_ids().min(logits.len())];
        let tilt = self.tilt.take();
        let tilted = tilt.map(|tilt| named.iter().zip(tilt).map(|(x, t)| x + t).collect());
        let tilted: Option<Vec<f32>> = tilted;
        self.draw(model, ask, logits, tilted.as_deref().unwrap_or(named))
    }

    /// The next token from what is on a device.
    fn draw_far(&mut self, model: &Model, ask: &Grow, next: &Place) -> Result<(), ModelError> {
        let log_sum = next.log_sum_exp();
        if !log_sum.is_finite() {
            return Err(model.not_finite());
        }
        let at = self.slot.start() + self.grown.tokens.len();
        let u = self.slot.lineage.uniform(at);
        let mut far = Far::new(next, model.tokenizer.n_ids());
        let left = far.left(&ask.sampling, ask.rules)?;
        let drawn = far.draw(&left, u)?;
        if ask.wants_drawn {
            self.note(drawn.how);
        }
        self.take(model, drawn.id, f64::from(drawn.logit) - log_sum);
        Ok(())
    }

    /// How a token was drawn: its log-probability, and the entropy of what it was drawn from.
    fn note(&mut self, (log_prob, entropy): (f64, f64)) {
        let before = self.grown.drawn;
        self.grown.drawn = Some(Drawn {
            log_prob: before.map_or(0.0, |drawn| drawn.log_prob) + log_prob,
            first_entropy: before.map_or(entropy, |drawn| drawn.first_entropy),
        });
    }

    fn take(&mut self, model: &Model, token: TokenId, log_prob: f64) {
        let grown = &mut self.grown;
        grown.log_probs.push(log_prob);
        grown.tokens.push(token);
        grown.finish = model.is_eos(token).then_some(Finish::Eos);
        grown.text = self.text.push(token, &model.tokenizer);
    }

    /// The next token from `proposed`; `raw` is what the strong model says by itself.
    fn draw(
        &mut self,
        model: &Model,
        ask: &Grow,
        raw: &[f32],
        proposed: &[f32],
    ) -> Result<(), ModelError> {
        let at = self.slot.start() + self.grown.tokens.len();
        let u = self.slot.lineage.uniform(at);
        let token = draw(proposed, &ask.sampling, ask.rules, u).map_err(|_| model.not_finite())?;
        if ask.wants_drawn {
            self.note(drawing(proposed, &ask.sampling, ask.rules, token));
        }
        self.take(model, token, log_prob(raw, token));
        Ok(())
    }

    /// The complete chunk; under the reference's rules its text is decoded as a whole.
    fn finish(mut self, model: &Model, prompt: &[TokenId], rules: Rules) -> (HypothesisId, Growth) {
        if rules == Rules::Reference {
            let parent = self.slot.parent.as_deref();
            self.grown.text = decoded(prompt, parent, &self.grown.tokens, &model.tokenizer);
        }
        (self.slot.id, self.grown)
    }
}
