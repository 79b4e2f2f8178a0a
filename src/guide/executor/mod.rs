//! The models as an executor: the asks of all searches that are alive, in shared passes.
//!
//! A step is at most one pass: of the strong model, which makes every growing chunk a token
//! longer, or of one weak pair, which scores everything that waits for it. The pair is served
//! once as much waits as grows, so that rows of many searches meet in one pass whatever phase
//! each is in.

mod lead;
mod scoring;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::memory::how_many_fit;
use super::pair::Pair;
use super::pairs::Pairs;
use super::prompts::{pair_prompt, strong_prompt};
use super::reader::Reader;
use super::setting::Setting;
use super::strong::Strong;
use crate::decoder::pool;
use crate::evidence::PromptRead;
use crate::library::{Model, WeakPair, free_memory};
use crate::models::TokenId;
use crate::search::{
    Ask, Executor, Growth, HypothesisId, LaneId, ModelError, PairId, Partial, Rules, Score,
    SearchParams, Served, Slot,
};
use crate::template::Templates;
use lead::lead;
use scoring::Heard;

/// Three models or more, and what they have cached for the searches that are alive.
#[derive(Debug)]
pub struct ModelExecutor {
    templates: Templates,
    strong: Strong,
    pairs: Pairs,
    lanes: BTreeMap<LaneId, Lane>,
}

/// What is continued, and what the pair is shown in its place: the same, but for a control.
#[derive(Debug, Clone, Copy)]
pub struct Prompts<'a> {
    pub strong: &'a str,
    pub pair: &'a str,
}

/// A search, as its models see it.
#[derive(Debug)]
struct Lane {
    prompt: String,
    /// What pairs see in its place.
    shown: String,
    rules: Rules,
    n_new: usize,
    /// What its keys and values take of memory at their longest.
    bytes: u64,
    ids: Arc<[TokenId]>,
    /// By pair: how it reads the responses of this search.
    readers: HashMap<PairId, Reader>,
    /// Whose rows are of use.
    alive: HashSet<HypothesisId>,
    scores: Option<Score>,
}

impl ModelExecutor {
    #[must_use]
    pub fn new(strong: Model, templates: Templates) -> Self {
        Self {
            templates,
            strong: Strong::new(strong),
            pairs: Pairs::default(),
            lanes: BTreeMap::new(),
        }
    }

    /// The strong model.
    #[must_use]
    pub fn strong(&self) -> &Model {
        self.strong.model()
    }

    /// Tokens drawn so far, all searches together.
    #[must_use]
    pub fn n_sampled(&self) -> u64 {
        self.strong.n_sampled()
    }

    /// Weak tokens scored so far, all searches and pairs together; each half read them.
    #[must_use]
    pub fn n_scored(&self) -> u64 {
        self.pairs.n_scored()
    }

    /// Ids that the strong model has read so far, all searches together.
    #[must_use]
    pub fn n_read(&self) -> u64 {
        self.strong.rows().n_fed()
    }

    /// Ids that each half of a pair has read so far.
    #[must_use]
    pub fn n_read_by(&self, pair: &PairId) -> u64 {
        self.pairs.get(pair).map_or(0, Pair::n_read)
    }

    /// A pair that searches may name from here on. One that is here already stays, with what it
    /// has cached.
    pub fn add_pair(&mut self, id: PairId, pair: WeakPair) {
        self.pairs.add(id, pair);
    }

    /// Whether a pair, or all of a panel's, are here.
    #[must_use]
    pub fn has_pair(&self, id: &PairId) -> bool {
        self.pairs.has(id)
    }

    /// Lets go of the pairs that are neither named nor of a panel that is.
    pub fn keep_pairs(&mut self, named: &[PairId]) {
        // A round that was begun with a pair's say goes on with it.
        let led = self.strong.led_by();
        let kept = named.iter().chain(&led);
        self.pairs
            .keep(|id| kept.clone().any(|own| own.includes(id)));
        let pairs = &self.pairs;
        for lane in self.lanes.values_mut() {
            lane.readers.retain(|id, _| pairs.has(id));
        }
    }

    /// A search for `prompt`, scored by `pair`, joins under the name `lane`.
    ///
    /// # Errors
    /// A template that cannot be used; an empty prompt without BOS; a prompt and budget that
    /// outgrow a context, or memory.
    pub fn open(
        &mut self,
        lane: LaneId,
        prompt: &str,
        pair: &PairId,
        params: &SearchParams,
    ) -> Result<(), ModelError> {
        self.open_beside(&[], lane, prompt, pair, params)
    }

    /// The same where the pair is shown another prompt than the strong model.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_apart(
        &mut self,
        lane: LaneId,
        prompts: Prompts<'_>,
        pair: &PairId,
        params: &SearchParams,
    ) -> Result<(), ModelError> {
        self.open_for(&[], lane, prompts, pair, params)
    }

    /// The same where memory is to hold other lanes too.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_beside(
        &mut self,
        others: &[LaneId],
        lane: LaneId,
        prompt: &str,
        pair: &PairId,
        params: &SearchParams,
    ) -> Result<(), ModelError> {
        let prompts = Prompts {
            strong: prompt,
            pair: prompt,
        };
        self.open_for(others, lane, prompts, pair, params)
    }

    fn open_for(
        &mut self,
        others: &[LaneId],
        lane: LaneId,
        prompts: Prompts<'_>,
        pair: &PairId,
        params: &SearchParams,
    ) -> Result<(), ModelError> {
        self.check_tilt(pair, params)?;
        let n_new = params.max_new_tokens().get();
        let (mut bytes, mut ids, mut readers) = (0, Vec::new(), HashMap::new());
        for (member, _) in pair.members() {
            let setting = self.setting_of(prompts, &member)?;
            setting.check_beside(self.bytes_of(others) + bytes, params)?;
            bytes += setting.bytes(params);
            ids = setting.strong.prompt_ids(&setting.strong_prompt, n_new)?;
            readers.insert(member, setting.reader(params.rules(), n_new)?);
        }
        let opened = Lane {
            prompt: prompts.strong.to_owned(),
            shown: prompts.pair.to_owned(),
            rules: params.rules(),
            n_new,
            bytes,
            ids: Arc::from(ids),
            readers,
            alive: HashSet::new(),
            scores: None,
        };
        self.lanes.insert(lane, opened);
        Ok(())
    }

    /// Whether a lane could go on under `params` beside others; from here on it has room for them.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn retune(
        &mut self,
        others: &[LaneId],
        lane: LaneId,
        pair: &PairId,
        params: &SearchParams,
    ) -> Result<(), ModelError> {
        self.check_tilt(pair, params)?;
        let mut bytes = 0;
        for (member, _) in pair.members() {
            let setting = self.setting(lane, &member)?;
            setting.check_beside(self.bytes_of(others) + bytes, params)?;
            bytes += setting.bytes(params);
        }
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.n_new = params.max_new_tokens().get();
            lane.bytes = bytes;
        }
        Ok(())
    }

    /// Whether these pairs can have a say in what the strong model draws, where they are to.
    ///
    /// # Errors
    /// A pair has another vocabulary.
    pub fn check_tilt(&self, pair: &PairId, params: &SearchParams) -> Result<(), ModelError> {
        if !params.tilt().is_any() {
            return Ok(());
        }
        let strong = self.strong.model();
        for (member, _) in pair.members() {
            let tuned = &self.pairs.get(&member)?.pair().tuned;
            if !strong.tokenizer.same_vocabulary(&tuned.tokenizer) {
                return Err(ModelError::Other(format!(
                    "EFT adds logits token by token, and the pair {member} has another vocabulary \
                     than {}: choose a pair with the same one, or another method",
                    strong.name
                )));
            }
        }
        Ok(())
    }

    fn bytes_of(&self, lanes: &[LaneId]) -> u64 {
        let known = lanes.iter().filter_map(|lane| self.lanes.get(lane));
        known.map(|lane| lane.bytes).sum()
    }

    /// How many tokens the longest response of a lane has whose chunk grows.
    #[must_use]
    pub fn n_grown(&self, lane: LaneId) -> usize {
        let grown = self.strong.grown(lane);
        let len = grown.map(|(slot, growth)| slot.start() + growth.tokens.len());
        len.max().unwrap_or(0)
    }

    /// How far the prompt is read that a lane waits for, where that takes several passes.
    #[must_use]
    pub fn prompt_read(&self, lane: LaneId) -> Option<PromptRead> {
        let own = self.lanes.get(&lane)?;
        let led = self.strong.led().into_iter();
        let mut led = led.filter(|(id, _)| *id == lane).map(|(_, pair)| pair);
        let pair = own.scores.as_ref().map(|score| score.pair.clone());
        let pair = pair.or_else(|| led.next());
        let members = pair.iter().flat_map(PairId::members);
        let mut by_pair = members.filter_map(|(id, _)| {
            let reader = own.readers.get(&id)?;
            self.pairs.get(&id).ok()?.n_read_of(reader)
        });
        let told = |by_pair, (done, total)| PromptRead {
            by_pair,
            done,
            total,
        };
        let by_pair = by_pair.next().map(|n| told(true, n));
        by_pair.or_else(|| Some(told(false, self.strong.n_read(lane)?)))
    }

    /// Makes a lane ready to be scored by another pair.
    ///
    /// # Errors
    /// As [`Self::open`]; a pair that was not added.
    pub fn admit_pair(&mut self, lane: LaneId, pair: &PairId) -> Result<(), ModelError> {
        for (member, _) in pair.members() {
            let own = self.lanes.get(&lane).ok_or_else(unknown_lane)?;
            if own.readers.contains_key(&member) {
                continue;
            }
            let (rules, n_new) = (own.rules, own.n_new);
            let reader = self.setting(lane, &member)?.reader(rules, n_new)?;
            if let Some(own) = self.lanes.get_mut(&lane) {
                own.readers.insert(member, reader);
            }
        }
        Ok(())
    }

    /// What a lane works with when `pair` scores it.
    ///
    /// # Errors
    /// As [`Self::admit_pair`].
    pub fn setting(&self, lane: LaneId, pair: &PairId) -> Result<Setting, ModelError> {
        let lane = self.lanes.get(&lane).ok_or_else(unknown_lane)?;
        let prompts = Prompts {
            strong: &lane.prompt,
            pair: &lane.shown,
        };
        self.setting_of(prompts, pair)
    }

    fn setting_of(&self, prompts: Prompts<'_>, pair: &PairId) -> Result<Setting, ModelError> {
        let known = self.pairs.get(pair)?;
        let (strong, pair) = (self.strong.model(), known.pair());
        Ok(Setting {
            strong_prompt: strong_prompt(&self.templates, strong, prompts.strong)?,
            pair_prompt: pair_prompt(&self.templates, pair, prompts.pair)?,
            strong: strong.clone(),
            pair: pair.clone(),
        })
    }

    /// After how many tokens each growing chunks can be scored by `pair` so that it adds no more
    /// than a fifth to the time a round takes. A pass costs about as much as a model has
    /// parameters.
    #[must_use]
    pub fn scoring_rhythm(&self, pair: &PairId) -> usize {
        let n_params = |model: &Model| model.decoder.n_params();
        let members = pair.members().into_iter();
        let pairs = members.filter_map(|(id, _)| self.pairs.get(&id).ok().map(Pair::pair));
        let weak: u64 = pairs
            .map(|p| n_params(&p.tuned) + n_params(&p.untuned))
            .sum();
        let every = (5 * weak).div_ceil(n_params(self.strong.model()).max(1));
        every.max(1) as usize
    }

    /// How many searches under `params`, for prompts of any length, memory holds at once;
    /// [`usize::MAX`] where that is not known.
    #[must_use]
    pub fn fits(&self, pair: &PairId, params: &SearchParams) -> usize {
        let members = pair.members();
        let pairs = members.iter().filter_map(|(id, _)| self.pairs.get(id).ok());
        let halves = pairs.flat_map(|p| [&p.pair().tuned, &p.pair().untuned]);
        let models = halves.chain([self.strong.model()]);
        let here = models.filter(|model| model.decoder.on_host());
        let configs: Vec<_> = here.map(|model| model.decoder.config()).collect();
        how_many_fit(
            &configs,
            params.most_alive(),
            params.max_new_tokens().get(),
            free_memory(),
        )
    }

    pub(super) fn strong_part(&mut self) -> &mut Strong {
        &mut self.strong
    }

    pub(super) fn pair_part(&mut self, pair: &PairId) -> Result<&mut Pair, ModelError> {
        self.pairs.get_mut(pair)
    }

    pub(super) fn prompt_ids(&self, lane: LaneId) -> Result<Arc<[TokenId]>, ModelError> {
        let lane = self.lanes.get(&lane).ok_or_else(unknown_lane)?;
        Ok(Arc::clone(&lane.ids))
    }

    /// How many responses wait for each pair, the pair that most wait for first.
    fn most_wanted(&self) -> Option<(PairId, usize)> {
        let mut waiting: BTreeMap<&PairId, usize> = BTreeMap::new();
        for score in self.lanes.values().filter_map(|lane| lane.scores.as_ref()) {
            *waiting.entry(&score.pair).or_default() += score.responses.len().max(1);
        }
        let most = waiting.into_iter().max_by_key(|(_, n)| *n);
        most.map(|(pair, n)| (pair.clone(), n))
    }

    /// One pass of the strong model for all that grows.
    fn grow(&mut self) -> Vec<Served> {
        match self.prepare_led() {
            Ok(true) => {}
            // Prompts are read first.
            Ok(false) => return Vec::new(),
            Err(error) => {
                let led = self.strong.led().into_iter();
                return led.map(|(lane, _)| (lane, Err(error.clone()))).collect();
            }
        }
        let (pairs, lanes) = (&mut self.pairs, &self.lanes);
        match self.strong.step(|led| lead(pairs, lanes, led)) {
            Ok(done) => done.into_iter().map(|(lane, a)| (lane, Ok(a))).collect(),
            Err(error) => {
                let lanes = self.strong.running().into_iter();
                lanes.map(|lane| (lane, Err(error.clone()))).collect()
            }
        }
    }

    fn retain_all(&mut self) {
        let lanes = &self.lanes;
        let is_kept = |lane, id| {
            lanes
                .get(&lane)
                .is_some_and(|l: &Lane| l.alive.contains(&id))
        };
        let asks = |ids: &[TokenId]| lanes.values().any(|lane| lane.ids[..] == *ids);
        self.strong.retain(asks, is_kept);
        for (name, pair) in self.pairs.iter_mut() {
            let reads = |ids: &[TokenId]| {
                let readers = lanes.values().filter_map(|lane| lane.readers.get(name));
                readers
                    .into_iter()
                    .any(|reader| reader.prompt_ids[..] == *ids)
            };
            pair.retain(reads, is_kept);
        }
    }
}

impl Executor for ModelExecutor {
    fn post(&mut self, lane: LaneId, ask: Option<&Ask>) {
        let Some(own) = self.lanes.get_mut(&lane) else {
            return;
        };
        own.scores = None;
        match ask {
            Some(Ask::Grow(grow)) => {
                let parents = grow.slots.iter().filter_map(|s| s.parent.as_ref());
                own.alive.extend(parents.map(|p| p.id));
                own.alive.extend(grow.slots.iter().map(|slot| slot.id));
                self.strong.post(lane, &own.ids, grow);
            }
            Some(Ask::Score(score)) => {
                own.alive.extend(score.responses.iter().map(|r| r.id));
                own.scores = Some(score.clone());
                self.strong.rest(lane);
            }
            _ => self.strong.rest(lane),
        }
    }

    fn step(&mut self) -> Vec<Served> {
        let n_growing = self.strong.n_growing();
        // There at once: every pass and every draw on its own would wake the threads anew.
        pool().install(|| match self.most_wanted() {
            Some((pair, n)) if n >= n_growing => self.score(&pair),
            _ => self.grow(),
        })
    }

    fn partials(&mut self, lane: LaneId, by: Option<&PairId>) -> Result<Vec<Partial>, ModelError> {
        let grown: Vec<(Slot, Growth)> = self
            .strong
            .grown(lane)
            .map(|(slot, growth)| (slot.clone(), growth.clone()))
            .collect();
        let scores = match by {
            Some(pair) => self.partial_scores(lane, pair, &grown)?,
            None => vec![Heard::default(); grown.len()],
        };
        let both = grown.iter().zip(scores);
        Ok(both
            .map(|((slot, growth), said)| partial(slot, growth, said))
            .collect())
    }

    fn retain(&mut self, lane: LaneId, ids: &[HypothesisId]) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.alive = ids.iter().copied().collect();
        }
        self.retain_all();
    }

    fn close(&mut self, lane: LaneId) {
        self.lanes.remove(&lane);
        self.strong.forget(lane);
        self.retain_all();
    }
}

fn partial(slot: &Slot, growth: &Growth, said: Heard) -> Partial {
    let parent = slot.parent.as_ref();
    let text_start = parent.map_or(0, |parent| growth.text.leaves(&parent.text));
    Partial {
        id: slot.id,
        chunk: growth.text.since(text_start),
        text_start,
        n_tokens: slot.start() + growth.tokens.len(),
        score: said.sum,
        voices: said.voices,
    }
}

fn unknown_lane() -> ModelError {
    ModelError::Other("the search that asks is over".to_owned())
}
