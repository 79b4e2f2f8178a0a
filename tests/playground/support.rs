//! A playground without models: an app, and a worker that makes everything up.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::sync::Arc;
use std::time::Duration;

use w2s::app::{App, Effect, Key, Msg, Options};
use w2s::evidence::{
    Evidence, Likely, Place, PromptView, Scoring, Seams, Vocabularies, WeakPlace, Xray,
};
use w2s::message::{
    Command, Live, ModelInfo, ModelSet, Offer, PairInfo, Part, RunId, RunRequest, Speeds, Update,
    Verdict,
};
use w2s::search::{
    CandidateSlot, EndReason, Entry, Finish, Hypothesis, HypothesisId, Lineage, LogRatio, Mark,
    Move, NodeId, PairId, Partial, Scores, SearchParams, SearchTrace, Successor, TokenTerm,
};

const WORDS: [&str; 24] = [
    " and", " it", " was", " great", " fun", " boring", " but", " the", " acting", " is",
    " superb", " awful", ",", " with", " a", " plot", " that", " never", " ends", ".", " I",
    " loved", " every", " minute",
];

/// A candidate whose texts join without a seam.
pub const SEAMS: Seams = Seams {
    merged: 0,
    accepted: 5,
    changed: 0,
    in_character: false,
    after_letter: true,
};

/// An app and the made-up worker behind it.
pub struct Playground {
    pub app: App,
    /// Everything the app asked for, oldest first.
    pub effects: Vec<Effect>,
    pub run: RunId,
    params: SearchParams,
    /// The pair that the run was begun with.
    first_pair: PairId,
    /// What the worker knows of its run, whatever is on screen.
    trace: SearchTrace,
    beam: Vec<Arc<Hypothesis>>,
    slots: Vec<(CandidateSlot, Option<Arc<Hypothesis>>)>,
    candidates: Vec<Arc<Hypothesis>>,
    round: usize,
    next_id: u64,
    words: Vec<String>,
    /// So many candidates in a row draw the same.
    alike: u64,
    /// Every word is an emoji of three tokens, none of which is a whole character.
    in_bytes: bool,
}

impl Playground {
    /// Before anything is loaded.
    pub fn new() -> Self {
        Self::with(Options {
            samples: vec![
                "I watched this film last night,".to_owned(),
                "It took a loan out".to_owned(),
                "The director".to_owned(),
            ],
            ..Options::default()
        })
    }

    pub fn with(options: Options) -> Self {
        Self {
            app: App::new(options),
            effects: Vec::new(),
            run: RunId(0),
            params: SearchParams::default(),
            first_pair: PairId::from(""),
            trace: SearchTrace::default(),
            beam: Vec::new(),
            slots: Vec::new(),
            candidates: Vec::new(),
            round: 0,
            next_id: 0,
            words: WORDS.iter().map(|word| (*word).to_owned()).collect(),
            alike: 1,
            in_bytes: false,
        }
    }

    /// Loaded, the first run asked for.
    pub fn loaded() -> Self {
        Self::new().load()
    }

    pub fn load(mut self) -> Self {
        self.update(Update::Loaded(models()));
        self
    }

    /// Makes up texts from these words.
    pub fn speaking(mut self, words: &[&str]) -> Self {
        self.words = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Draws the same for so many candidates in a row.
    pub fn alike(mut self, n: u64) -> Self {
        self.alike = n;
        self
    }

    /// Makes up texts whose tokens end inside characters.
    pub fn speaking_in_bytes(mut self) -> Self {
        self.in_bytes = true;
        self
    }

    /// Uses these params from the next round on, whatever the app asks for.
    pub fn searching(mut self, w: usize, k: usize) -> Self {
        let p = SearchParams::default();
        self.params = SearchParams::new(w, k, 5, 50, p.sampling(), p.rules(), 0).unwrap();
        self
    }

    /// Uses these params from the next round on, whatever the app asks for.
    pub fn using(&mut self, params: SearchParams) -> &mut Self {
        self.params = params;
        self
    }

    pub fn msg(&mut self, msg: Msg) -> &mut Self {
        let effects = self.app.handle(msg);
        for effect in &effects {
            self.obey(effect);
        }
        self.effects.extend(effects);
        self
    }

    fn obey(&mut self, effect: &Effect) {
        match effect {
            Effect::Send(Command::Start(RunRequest {
                run, params, pair, ..
            })) => {
                self.run = *run;
                self.params = *params;
                self.first_pair.clone_from(pair);
                self.trace = SearchTrace::default();
                self.beam.clear();
                self.round = 0;
                self.next_id = 0;
            }
            Effect::Send(Command::Retune { params, .. }) => self.params = *params,
            _ => {}
        }
    }

    /// Keys by name, as in the keymap.
    pub fn press(&mut self, keys: &[&str]) -> &mut Self {
        for key in keys {
            let key: Key = key.parse().unwrap();
            self.msg(Msg::Key(key));
        }
        self
    }

    pub fn type_str(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            self.msg(Msg::Key(Key::char(c)));
        }
        self
    }

    /// The time passes that the app asked to be woken after.
    pub fn wait(&mut self) -> &mut Self {
        let ticket = self.effects.iter().rev().find_map(|effect| match effect {
            Effect::Wake { ticket, .. } => Some(*ticket),
            _ => None,
        });
        self.msg(Msg::Woken(ticket.expect("the app waits")))
    }

    pub fn update(&mut self, update: Update) -> &mut Self {
        self.msg(Msg::Update(update))
    }

    pub fn entry(&mut self, entry: Entry) -> &mut Self {
        let run = self.run;
        self.trace.apply(&entry);
        self.update(Update::Search { run, entry })
    }

    /// The pair that scores.
    fn pair(&self) -> PairId {
        let pair = self.trace.history().pair().cloned();
        pair.unwrap_or_else(|| self.first_pair.clone())
    }

    /// What the history says now: the hypotheses kept at the head, how many rounds lead there.
    fn look_up(&mut self) {
        let history = self.trace.history();
        self.beam = history.beam();
        self.round = history.round_idx();
        self.slots.clear();
    }

    /// Opens a round: K successors of every hypothesis that is not finished.
    pub fn start_round(&mut self) -> &mut Self {
        self.round += 1;
        let (w, k) = (
            self.params.beam_width().get(),
            self.params.successors().get(),
        );
        let mut slots = Vec::new();
        let parents: Vec<_> = match self.round {
            1 => vec![None],
            _ => self.beam.iter().cloned().map(Some).collect(),
        };
        let mut standing = Vec::new();
        for parent in parents {
            if let Some(h) = parent.as_ref().filter(|h| h.is_finished()) {
                standing.push(h.id);
                continue;
            }
            let n = if parent.is_none() { w * k } else { k };
            for successor in 0..n {
                let slot = CandidateSlot {
                    id: HypothesisId(self.next_id),
                    parent: parent.as_ref().map(|h| h.id),
                    successor: Successor::Sampled(successor),
                };
                self.next_id += 1;
                slots.push((slot, parent.clone()));
            }
        }
        self.slots = slots;
        let entry = Entry::RoundStarted {
            round: self.round,
            after: self.trace.history().head(),
            params: self.params,
            pair: self.pair(),
            slots: self.slots.iter().map(|(slot, _)| *slot).collect(),
            standing,
        };
        self.entry(entry)
    }

    /// All chunks as they are after `n` tokens.
    pub fn grow(&mut self, n: usize) -> &mut Self {
        let partials = self
            .slots
            .iter()
            .map(|(slot, parent)| {
                let h = self.hypothesis(slot, parent.as_deref(), n, false);
                Partial {
                    id: slot.id,
                    chunk: h.chunk_text(),
                    text_start: h.text_start,
                    n_tokens: h.tokens.len(),
                    score: Some(h.score().value()),
                    voices: Vec::new(),
                }
            })
            .collect();
        let live = Live {
            run: self.run,
            round: self.round,
            partials,
            speeds: Speeds {
                strong_tokens_per_s: 2345.0,
                weak_tokens_per_s: 4690.0,
                round_s: 0.012,
            },
        };
        self.msg(Msg::Live(live))
    }

    /// Completes and scores all chunks; the judge speaks.
    pub fn score(&mut self) -> &mut Self {
        let l = self.params.chunk_len().within(50);
        let mut candidates: Vec<Arc<Hypothesis>> = self
            .beam
            .iter()
            .filter(|h| h.is_finished())
            .cloned()
            .collect();
        for (slot, parent) in &self.slots {
            let ends = self.round > 2 && slot.id.0 % 11 == 3;
            candidates.push(Arc::new(self.hypothesis(slot, parent.as_deref(), l, ends)));
        }
        self.candidates = candidates.clone();
        let scores = candidates
            .iter()
            .map(|h| (h.id, h.score().value() * 0.3 - 0.2))
            .collect();
        let (round, pair) = (self.round, self.pair());
        self.entry(Entry::Scored {
            round,
            pair,
            candidates,
        });
        let run = self.run;
        self.update(Update::Judged { run, scores })
    }

    /// One of the user's judges speaks of the candidates that were scored last.
    pub fn verdicts(&mut self, judge: usize, says: impl Fn(u64) -> Verdict) -> &mut Self {
        let ids = self.candidates.iter().map(|h| h.id);
        let said = ids.map(|id| (id, says(id.0))).collect();
        let run = self.run;
        self.update(Update::Verdicts { run, judge, said })
    }

    /// Keeps the W best.
    pub fn select(&mut self) -> &mut Self {
        let (kept, pruned) = self.best_of(&self.candidates, None);
        self.cut(&kept, &pruned, &[])
    }

    /// The W best, and the others; `taken` is among the W.
    fn best_of(
        &self,
        candidates: &[Arc<Hypothesis>],
        taken: Option<HypothesisId>,
    ) -> (Vec<HypothesisId>, Vec<HypothesisId>) {
        let mut order = candidates.to_vec();
        order.sort_by(|a, b| b.score().value().total_cmp(&a.score().value()));
        order.sort_by_key(|h| Some(h.id) != taken);
        let w = self.params.beam_width().get().min(order.len());
        order[..w].sort_by(|a, b| b.score().value().total_cmp(&a.score().value()));
        let ids: Vec<HypothesisId> = order.iter().map(|h| h.id).collect();
        let (kept, pruned) = ids.split_at(w);
        (kept.to_vec(), pruned.to_vec())
    }

    /// Goes on from a candidate that was pruned: the cut of its round is made again.
    pub fn take(&mut self, id: HypothesisId) -> &mut Self {
        let rounds = self.trace.rounds().iter();
        let round = rounds.rev().find(|round| round.holds(id)).cloned().unwrap();
        let (kept, pruned) = self.best_of(&round.candidates, Some(id));
        let again = round.cut.as_ref().map(|cut| cut.node);
        self.selected(round.number, again, &kept, &pruned, &[(id, Mark::Take)])
    }

    /// The head moves.
    pub fn go(&mut self, to: NodeId, by: Move) -> &mut Self {
        self.entry(Entry::Moved { to, by }).look_up();
        self
    }

    /// The node at the end of round `number` on the way to the head.
    pub fn node(&self, number: usize) -> NodeId {
        self.trace.history().node_of(number).unwrap()
    }

    fn selected(
        &mut self,
        round: usize,
        again: Option<NodeId>,
        kept: &[HypothesisId],
        pruned: &[HypothesisId],
        marks: &[(HypothesisId, Mark)],
    ) -> &mut Self {
        let node = NodeId(self.trace.history().nodes().count());
        self.entry(Entry::Selected {
            round,
            node,
            again,
            pair: self.pair(),
            kept: kept.to_vec(),
            pruned: pruned.to_vec(),
            marks: marks.to_vec(),
            shares: Vec::new(),
        })
        .look_up();
        self
    }

    /// A cut of one's own.
    pub fn cut(
        &mut self,
        kept: &[HypothesisId],
        pruned: &[HypothesisId],
        marks: &[(HypothesisId, Mark)],
    ) -> &mut Self {
        self.selected(self.round, None, kept, pruned, marks)
    }

    /// A whole round.
    pub fn round(&mut self) -> &mut Self {
        self.start_round().grow(2).grow(5).score().select()
    }

    /// Another pair takes over: every score is minus a half of what it was.
    pub fn rescore(&mut self, pair: &str) -> &mut Self {
        let turned = |term: &TokenTerm| TokenTerm {
            tuned: term.untuned - (term.tuned - term.untuned) / 2.0,
            ..term.clone()
        };
        let scored = |h: &Arc<Hypothesis>| {
            let terms: Vec<TokenTerm> = h.score().terms().map(turned).collect();
            (h.id, LogRatio::from(terms))
        };
        let scores = self.beam.iter().rev().map(scored).collect();
        let pair = PairId::from(pair);
        self.entry(Entry::Rescored {
            pair,
            members: Vec::new(),
            scores,
        })
        .look_up();
        self
    }

    pub fn finish(&mut self) -> &mut Self {
        let best = Arc::clone(&self.beam[0]);
        let reason = EndReason::Length;
        self.entry(Entry::Finished { best, reason })
    }

    /// What the strong model says unguided.
    pub fn unguided(&mut self) -> &mut Self {
        self.unguided_of(30)
    }

    /// What it says in `n` tokens.
    pub fn unguided_of(&mut self, n: usize) -> &mut Self {
        let slot = CandidateSlot {
            id: HypothesisId(1_000_000),
            parent: None,
            successor: Successor::Sampled(0),
        };
        let response = Arc::new(self.hypothesis(&slot, None, n, true));
        let run = self.run;
        self.update(Update::Beside {
            run,
            way: 0,
            response,
            judge: -0.4,
            done: true,
            sampled: n,
        })
    }

    /// What the ways beside the unguided one have come to: each begins as the guided response does
    /// and goes on in its own words, scored by its own pair.
    pub fn ways(&mut self) -> &mut Self {
        let kept: Vec<_> = self.app.beside().iter().map(|b| b.way.clone()).collect();
        for (way, kept) in kept.into_iter().enumerate() {
            if let Some(kept) = kept {
                self.way(way, kept.pair.as_str());
            }
        }
        self
    }

    fn way(&mut self, way: usize, pair: &str) -> &mut Self {
        let slot = CandidateSlot {
            id: HypothesisId(1_000_000 + way as u64),
            parent: None,
            successor: Successor::Sampled(0),
        };
        let parent = self.beam.first().cloned();
        let mut response = self.hypothesis(&slot, parent.as_deref(), 15, way == 2);
        let terms: Vec<TokenTerm> = response.score().terms().cloned().collect();
        response.scores = Scores::default();
        response.score_by(&PairId::from(pair), terms.into(), None);
        let run = self.run;
        self.update(Update::Beside {
            run,
            way,
            judge: 1.5 - way as f64,
            done: response.is_finished(),
            response: Arc::new(response),
            sampled: 16 * 25,
        })
    }

    /// The run under way fails with an error longer than a line.
    pub fn fail(&mut self) -> &mut Self {
        let run = Some(self.run);
        let error = "assets/models/some/long/path: the prompt has 1201 tokens and the model a \
                     context of 256, of which 50 are for the response: shorten the prompt"
            .to_owned();
        self.update(Update::Failed { run, error })
    }

    /// Answers what was asked about last: models with one vocabulary, nothing amiss.
    pub fn answer(&mut self) -> &mut Self {
        self.answer_with(xray(), SEAMS)
    }

    pub fn answer_with(&mut self, xray: Xray, seams: Seams) -> &mut Self {
        let asked = self.effects.iter().rev().find_map(|effect| match effect {
            Effect::Send(Command::Inspect { candidate, .. }) => Some(Arc::clone(candidate)),
            _ => None,
        });
        let candidate = asked.expect("something was asked about");
        let likely = |piece: &str, log_prob| Likely {
            piece: piece.into(),
            log_prob,
        };
        let place = |likeliest| Place {
            piece: " was".into(),
            log_prob: -1.2,
            drawn: 0.31,
            likeliest,
            proposed: Vec::new(),
        };
        let weak = WeakPlace {
            tuned: place(vec![likely(" great", -0.4), likely(" fun", -1.9)]),
            untuned: place(vec![likely(" bad", -0.9), likely(" long", -2.2)]),
        };
        let strong = place(vec![likely(" is", -0.7), likely(" was", -1.2)]);
        let evidence = Evidence {
            id: candidate.id,
            pair: candidate.scored_by().unwrap().clone(),
            joins: vec![",".into()],
            weak: vec![weak; candidate.score().len()],
            strong: vec![strong; candidate.tokens.len()],
            xray: Arc::new(xray),
            seams,
            judged: vec![("superb".to_owned(), 1.25), ("never".to_owned(), -0.5)],
        };
        let run = self.run;
        self.update(Update::Evidence { run, evidence })
    }

    fn hypothesis(
        &self,
        slot: &CandidateSlot,
        parent: Option<&Hypothesis>,
        n: usize,
        ends: bool,
    ) -> Hypothesis {
        let (mut tokens, mut terms, mut chunk) = (Vec::new(), Vec::new(), String::new());
        for i in 0..n {
            let noise = mix(slot.id.0 / self.alike * 131 + i as u64 * 7 + 1);
            let id = (noise % self.words.len() as u64) as u32;
            let mut piece: Arc<str> = self.words[id as usize].as_str().into();
            let mut text = piece.to_string();
            if self.in_bytes {
                piece = if i % 3 == 0 { " \u{fffd}" } else { "\u{fffd}" }.into();
                text = if i % 3 == 2 { " 😊" } else { "" }.to_owned();
            }
            let untuned = -0.2 - ((noise >> 8) % 700) as f64 / 100.0;
            let delta = ((noise >> 20) % 400) as f64 / 200.0 - 0.8;
            tokens.push(id);
            chunk.push_str(&text);
            terms.push(TokenTerm {
                id,
                piece,
                tuned: untuned + delta,
                untuned,
            });
        }
        let before = parent.cloned().unwrap_or_else(|| nothing(slot));
        let (pair, n_before) = (self.pair(), before.tokens.len());
        let log_probs = tokens.iter().map(|id| -0.1 * f64::from(*id)).collect();
        let mut own = Hypothesis {
            id: slot.id,
            parent: slot.parent,
            round: self.round,
            successor: slot.successor,
            text_start: before.text.len(),
            text: before.text.extended(before.text.len(), &chunk),
            chunk_start: n_before,
            tokens: before.tokens.extended(n_before, tokens),
            log_probs: before.log_probs.extended(n_before, log_probs),
            finish: ends.then_some(Finish::Eos),
            scores: Scores::default(),
            ..before.clone()
        };
        let base = before.scores.by(&pair).cloned().unwrap_or_default();
        if !pair.is_panel() {
            own.score_by(&pair, base.extended(base.len(), terms), Some(&base));
            return own;
        }
        // The pairs of a panel differ: each is a share of the one before, turned round.
        let mut parts = Vec::new();
        for (i, (member, weight)) in pair.members().into_iter().enumerate() {
            let share = |term: &TokenTerm| TokenTerm {
                tuned: term.untuned
                    + (term.tuned - term.untuned) * (-0.6f64).powi(i as i32)
                    + f64::from(term.id % 5) * 0.1 * i as f64,
                ..term.clone()
            };
            let base = before.scores.by(&member).cloned().unwrap_or_default();
            let said = base.extended(base.len(), terms.iter().map(share).collect());
            own.score_by(&member, said.clone(), Some(&base));
            parts.push((weight, said));
        }
        own.score_by(&pair, LogRatio::mixed(&parts, &own.text, None), Some(&base));
        own
    }
}

/// What a first chunk continues.
fn nothing(slot: &CandidateSlot) -> Hypothesis {
    Hypothesis {
        id: slot.id,
        parent: None,
        round: 0,
        successor: slot.successor,
        lineage: Lineage::root(0),
        tokens: Default::default(),
        text: Default::default(),
        chunk_start: 0,
        text_start: 0,
        log_probs: Default::default(),
        finish: None,
        drawn: None,
        scores: Scores::default(),
        chunk_terms: Vec::new(),
    }
}

fn mix(z: u64) -> u64 {
    let z = z.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z ^ (z >> 32)
}

/// Three models that see the prompt alike.
pub fn xray() -> Xray {
    let prompt = "I watched this film last night,";
    let pieces = ["I", " watched", " this", " film", " last", " night", ","];
    Xray {
        strong: view("bundled:strong", prompt, &pieces, false),
        tuned: view("bundled:positive", prompt, &pieces, false),
        untuned: view("bundled:untuned", prompt, &pieces, false),
        vocabularies: Vocabularies {
            same: true,
            strong: 2048,
            pair: 2048,
            differing: 0,
        },
        scoring: Scoring::Ids,
    }
}

pub fn view(model: &str, text: &str, pieces: &[&str], bos: bool) -> PromptView {
    let piece = |(i, piece): (usize, &&str)| (40 + 7 * i as u32, (*piece).into());
    PromptView {
        model: model.to_owned(),
        text: text.to_owned(),
        tokens: pieces.iter().enumerate().map(piece).collect(),
        bos,
        joint: None,
    }
}

pub fn models() -> ModelSet {
    let pair = |name: &str, about: &str| PairInfo {
        name: name.to_owned(),
        about: about.to_owned(),
        n_params: 400_000,
    };
    ModelSet {
        strong: ModelInfo {
            name: "bundled:strong".to_owned(),
            n_params: 1_600_000,
            context: 256,
            vocab_size: 2048,
        },
        pairs: vec![
            pair("positive", "likes reviews that praise"),
            pair("critical", "likes reviews that pan"),
            pair("craft", "likes talk of how films are made"),
        ],
        offers: vec![
            offer(
                Part::Strong,
                "gpt2-large",
                "the paper's, for movie reviews",
                "0.77B",
            ),
            offer(Part::Pair, "zephyr", "the paper's main pair", "2 × 7.2B"),
        ],
        device: "cpu, 2 threads, f32".to_owned(),
    }
}

fn offer(part: Part, name: &str, about: &str, size: &str) -> Offer {
    Offer {
        part,
        name: name.to_owned(),
        spec: format!("hf:owner/{name}"),
        about: about.to_owned(),
        size: size.to_owned(),
        is_here: false,
    }
}

pub const ONE_SECOND: Duration = Duration::from_secs(1);
