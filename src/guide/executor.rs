//! The models as an executor: the asks of all searches that are alive, in shared passes.
//!
//! A step is at most one pass: of the strong model, which makes every growing chunk a token
//! longer, or of one weak pair, which scores everything that waits for it. The pair is served
//! once as much waits as grows, so that rows of many searches meet in one pass whatever phase
//! each is in.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::memory::how_many_fit;
use super::pair::{Asked, Pair};
use super::prompts::{pair_prompt, strong_prompt};
use super::reader::Reader;
use super::setting::Setting;
use super::strong::Strong;
use crate::library::{Model, WeakPair, free_memory};
use crate::models::TokenId;
use crate::search::{
    Answer, Ask, Executor, Growth, HypothesisId, LaneId, LogRatio, ModelError, PairId, Partial,
    Response, Rules, Score, SearchParams, Served, Slot,
};
use crate::template::Templates;

/// Three models or more, and what they have cached for the searches that are alive.
#[derive(Debug)]
pub struct ModelExecutor {
    templates: Templates,
    strong: Strong,
    pairs: HashMap<PairId, Pair>,
    /// What pairs that are let go had scored.
    n_scored_before: u64,
    lanes: BTreeMap<LaneId, Lane>,
}

/// A search, as its models see it.
#[derive(Debug)]
struct Lane {
    prompt: String,
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
            pairs: HashMap::new(),
            n_scored_before: 0,
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
        self.n_scored_before + self.pairs.values().map(Pair::n_scored).sum::<u64>()
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
        self.pairs.entry(id).or_insert_with(|| Pair::new(pair));
    }

    #[must_use]
    pub fn has_pair(&self, id: &PairId) -> bool {
        self.pairs.contains_key(id)
    }

    /// Lets go of the pairs that are not named.
    pub fn keep_pairs(&mut self, is_kept: impl Fn(&PairId) -> bool) {
        let gone = self.pairs.extract_if(|id, _| !is_kept(id));
        self.n_scored_before += gone.map(|(_, pair)| pair.n_scored()).sum::<u64>();
        for lane in self.lanes.values_mut() {
            lane.readers.retain(|id, _| is_kept(id));
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
        let setting = self.setting_of(prompt, pair)?;
        setting.check_beside(self.bytes_of(others), params)?;
        let n_new = params.max_new_tokens().get();
        let ids = setting.strong.prompt_ids(&setting.strong_prompt, n_new)?;
        let reader = setting.reader(params.rules(), n_new)?;
        let opened = Lane {
            prompt: prompt.to_owned(),
            rules: params.rules(),
            n_new,
            bytes: setting.bytes(params),
            ids: Arc::from(ids),
            readers: HashMap::from([(pair.clone(), reader)]),
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
        let setting = self.setting(lane, pair)?;
        setting.check_beside(self.bytes_of(others), params)?;
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.n_new = params.max_new_tokens().get();
            lane.bytes = setting.bytes(params);
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

    /// Makes a lane ready to be scored by another pair.
    ///
    /// # Errors
    /// As [`Self::open`]; a pair that was not added.
    pub fn admit_pair(&mut self, lane: LaneId, pair: &PairId) -> Result<(), ModelError> {
        let (known, rules, n_new) = match self.lanes.get(&lane) {
            Some(lane) => (lane.readers.contains_key(pair), lane.rules, lane.n_new),
            None => return Err(unknown_lane()),
        };
        if known {
            return Ok(());
        }
        let reader = self.setting(lane, pair)?.reader(rules, n_new)?;
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.readers.insert(pair.clone(), reader);
        }
        Ok(())
    }

    /// What a lane works with when `pair` scores it.
    ///
    /// # Errors
    /// As [`Self::admit_pair`].
    pub fn setting(&self, lane: LaneId, pair: &PairId) -> Result<Setting, ModelError> {
        let lane = self.lanes.get(&lane).ok_or_else(unknown_lane)?;
        self.setting_of(&lane.prompt, pair)
    }

    fn setting_of(&self, prompt: &str, pair: &PairId) -> Result<Setting, ModelError> {
        let known = self.pairs.get(pair).ok_or_else(|| unknown_pair(pair))?;
        let (strong, pair) = (self.strong.model(), known.pair());
        Ok(Setting {
            strong_prompt: strong_prompt(&self.templates, strong, prompt)?,
            pair_prompt: pair_prompt(&self.templates, pair, prompt)?,
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
        let halves = self.pairs.get(pair).map(Pair::pair);
        let weak = halves.map_or(0, |p| n_params(&p.tuned) + n_params(&p.untuned));
        let every = (5 * weak).div_ceil(n_params(self.strong.model()).max(1));
        every.max(1) as usize
    }

    /// How many searches under `params`, for prompts of any length, memory holds at once;
    /// [`usize::MAX`] where that is not known.
    #[must_use]
    pub fn fits(&self, pair: &PairId, params: &SearchParams) -> usize {
        let halves = self
            .pairs
            .get(pair)
            .map(|p| [&p.pair().tuned, &p.pair().untuned]);
        let models = halves.into_iter().flatten().chain([self.strong.model()]);
        let here = models.filter(|model| model.decoder.on_host());
        let configs: Vec<_> = here.map(|model| model.decoder.config()).collect();
        how_many_fit(
            &configs,
            params.n_candidates(),
            params.max_new_tokens().get(),
            free_memory(),
        )
    }

    pub(super) fn strong_part(&mut self) -> &mut Strong {
        &mut self.strong
    }

    pub(super) fn pair_part(&mut self, pair: &PairId) -> Result<&mut Pair, ModelError> {
        self.pairs.get_mut(pair).ok_or_else(|| unknown_pair(pair))
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
        match self.strong.step() {
            Ok(done) => done.into_iter().map(|(lane, a)| (lane, Ok(a))).collect(),
            Err(error) => {
                let lanes = self.strong.running().into_iter();
                lanes.map(|lane| (lane, Err(error.clone()))).collect()
            }
        }
    }

    /// One pass of a pair for all that waits for it: over prompts first, then over responses.
    fn score(&mut self, pair: &PairId) -> Vec<Served> {
        let waits = |lane: &Lane| {
            lane.scores
                .as_ref()
                .is_some_and(|score| score.pair == *pair)
        };
        let waiting = self.lanes.iter().filter(|(_, lane)| waits(lane));
        let lanes: Vec<LaneId> = waiting.map(|(id, _)| *id).collect();
        let answers = match self.score_lanes(pair, &lanes) {
            Ok(answers) => answers.unwrap_or_default(),
            // Whose it is shows when each is scored by itself: nobody fails for another's text.
            Err(_) => lanes
                .iter()
                .flat_map(|lane| self.score_alone(pair, *lane))
                .collect(),
        };
        for (lane, _) in &answers {
            if let Some(lane) = self.lanes.get_mut(lane) {
                lane.scores = None;
            }
        }
        answers
    }

    fn score_alone(&mut self, pair: &PairId, lane: LaneId) -> Vec<Served> {
        match self.score_lanes(pair, &[lane]) {
            Ok(answers) => answers.unwrap_or_default(),
            Err(error) => vec![(lane, Err(error))],
        }
    }

    fn score_lanes(
        &mut self,
        pair: &PairId,
        lanes: &[LaneId],
    ) -> Result<Option<Vec<Served>>, ModelError> {
        for lane in lanes {
            self.admit_pair(*lane, pair)?;
        }
        let own = self.pairs.get_mut(pair).ok_or_else(|| unknown_pair(pair))?;
        let lane_of = |id: &LaneId| Some((*id, self.lanes.get(id)?));
        let waiting: Vec<(LaneId, &Lane)> = lanes.iter().filter_map(lane_of).collect();
        let readers: Vec<&Reader> = waiting
            .iter()
            .filter_map(|(_, l)| l.readers.get(pair))
            .collect();
        if own.read_prompts(&readers)? {
            return Ok(None);
        }
        let mut asked = Vec::new();
        for (id, lane) in &waiting {
            let (Some(reader), Some(score)) = (lane.readers.get(pair), &lane.scores) else {
                continue;
            };
            asked.extend(score.responses.iter().map(|response| Asked {
                lane: *id,
                reader,
                response,
            }));
        }
        let ratios = own.score(&asked)?;
        Ok(Some(answers(pair, lanes, &asked, ratios)))
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
        for (name, pair) in &mut self.pairs {
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

/// The ratios of a pass, lane by lane.
fn answers(
    pair: &PairId,
    lanes: &[LaneId],
    asked: &[Asked<'_>],
    ratios: Vec<LogRatio>,
) -> Vec<Served> {
    let mut by_lane: BTreeMap<LaneId, Vec<(HypothesisId, LogRatio)>> =
        lanes.iter().map(|lane| (*lane, Vec::new())).collect();
    for (asked, ratio) in asked.iter().zip(ratios) {
        let own = by_lane.entry(asked.lane).or_default();
        own.push((asked.response.id, ratio));
    }
    let answer = |scores| {
        let pair = pair.clone();
        Ok(Answer::Scored { pair, scores })
    };
    let all = by_lane.into_iter();
    all.map(|(lane, scores)| (lane, answer(scores))).collect()
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
        match self.most_wanted() {
            Some((pair, n)) if n >= n_growing => self.score(&pair),
            _ => self.grow(),
        }
    }

    fn partials(&mut self, lane: LaneId, by: Option<&PairId>) -> Result<Vec<Partial>, ModelError> {
        let grown: Vec<(Slot, Growth)> = self
            .strong
            .grown(lane)
            .map(|(slot, growth)| (slot.clone(), growth.clone()))
            .collect();
        let scores = match by {
            Some(pair) => self.partial_scores(lane, pair, &grown)?,
            None => vec![None; grown.len()],
        };
        let both = grown.iter().zip(scores);
        Ok(both
            .map(|((slot, growth), score)| partial(slot, growth, score))
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

impl ModelExecutor {
    /// The log-ratios of chunks that still grow. While the prompt is still being read there are
    /// none.
    fn partial_scores(
        &mut self,
        lane: LaneId,
        pair: &PairId,
        grown: &[(Slot, Growth)],
    ) -> Result<Vec<Option<f64>>, ModelError> {
        self.admit_pair(lane, pair)?;
        let own = self.pairs.get_mut(pair).ok_or_else(|| unknown_pair(pair))?;
        let reader = self
            .lanes
            .get(&lane)
            .and_then(|lane| lane.readers.get(pair));
        let reader = reader.ok_or_else(unknown_lane)?;
        if own.read_prompts(&[reader])? {
            return Ok(vec![None; grown.len()]);
        }
        let responses: Vec<Response> = grown
            .iter()
            .map(|(slot, growth)| Response::growing(slot, growth))
            .collect();
        let asked = |response| Asked {
            lane,
            reader,
            response,
        };
        let asked: Vec<Asked<'_>> = responses.iter().map(asked).collect();
        let ratios = own.score(&asked)?;
        Ok(ratios.iter().map(|ratio| Some(ratio.value())).collect())
    }
}

fn partial(slot: &Slot, growth: &Growth, score: Option<f64>) -> Partial {
    let parent = slot.parent.as_ref();
    let text_start = parent.map_or(0, |parent| growth.text.leaves(&parent.text));
    Partial {
        id: slot.id,
        chunk: growth.text.since(text_start),
        text_start,
        n_tokens: slot.start() + growth.tokens.len(),
        score,
    }
}

fn unknown_pair(pair: &PairId) -> ModelError {
    ModelError::Other(format!("the weak pair {pair} is not loaded"))
}

fn unknown_lane() -> ModelError {
    ModelError::Other("the search that asks is over".to_owned())
}
