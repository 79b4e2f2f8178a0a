//! The panel in the playground: a weight for each pair that is loaded, and what those with a say
//! make of a round.

use super::nav::Jump;
use super::settings;
use super::{Action, App, Effect, Pane};
use crate::message::PairInfo;
use crate::search::panel::{LEAST_PAIRS, Posterior, agreement};
use crate::search::{HypothesisId, PairId, PanelRule, Round};

/// What a key moves a weight by.
const STEP: f64 = 0.25;

/// The largest weight by hand, either way.
pub const MOST: f64 = 2.0;

/// For P(best) on screen: its standard deviation is then 0.011 at most.
const DRAWS: usize = 2000;

/// A pair with its weight; 0 where it has no say.
#[derive(Debug, Clone, PartialEq)]
pub struct Slider<'a> {
    pub name: &'a str,
    pub about: &'a str,
    pub weight: f64,
    /// The keys change this one.
    pub is_chosen: bool,
}

/// How two pairs rank the candidates of a round, from −1 to 1; `None` where one of them is of one
/// mind about all.
#[derive(Debug, Clone, PartialEq)]
pub struct Accord {
    pub one: PairId,
    pub other: PairId,
    pub correlation: Option<f64>,
}

/// P(best) of a round's candidates, as it was drawn.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Chances {
    /// Whose, of which candidates, from which seed.
    of: Option<(PairId, Vec<HypothesisId>, u64)>,
    told: Vec<(HypothesisId, f64)>,
}

impl App {
    /// Whether several pairs are wanted, or in use.
    #[must_use]
    pub fn has_panel(&self) -> bool {
        self.wanted.pair.is_panel() || self.run.pair().is_panel()
    }

    /// All pairs that are loaded, with what they are to count.
    #[must_use]
    pub fn sliders(&self) -> Vec<Slider<'_>> {
        let members = self.wanted.pair.members();
        let chosen = self.look.voice;
        let slider = |(i, pair): (usize, &PairInfo)| {
            let own = members.iter().filter(|(id, _)| id.as_str() == pair.name);
            (i, own.map(|(_, weight)| weight).sum::<f64>())
        };
        let pairs = self.models.as_ref().map_or(&[][..], |models| &models.pairs);
        let weights = pairs.iter().enumerate().map(slider);
        weights
            .zip(pairs)
            .map(|((i, weight), pair)| Slider {
                name: &pair.name,
                about: &pair.about,
                weight,
                is_chosen: i == chosen,
            })
            .collect()
    }

    /// Whether a key changes the weight of a pair of the panel, and not the weight of all.
    pub(super) fn weighs_voices(&self) -> bool {
        self.look.focus == Pane::Panel
    }

    pub(super) fn go_in_panel(&mut self, to: Jump) {
        self.look.voice = to.apply(self.look.voice, self.n_pairs());
    }

    pub(super) fn n_pairs(&self) -> usize {
        self.models.as_ref().map_or(0, |models| models.pairs.len())
    }

    /// The chosen pair counts a step more or less.
    pub(super) fn weigh_voice(&mut self, action: Action) -> Vec<Effect> {
        let by = if action == Action::RaiseWeight {
            STEP
        } else {
            -STEP
        };
        let chosen = self.sliders().into_iter().find(|slider| slider.is_chosen);
        let Some(weight) = chosen.map(|slider| slider.weight + by) else {
            return Vec::new();
        };
        match weight.abs() <= MOST {
            true => self.set_voice(self.look.voice, weight),
            false => self.say("that is as far as it goes"),
        }
    }

    /// A pair counts this much from the next cut on; at 0 it has no say.
    pub(super) fn set_voice(&mut self, number: usize, weight: f64) -> Vec<Effect> {
        self.look.voice = number;
        let weights = self.sliders().into_iter().enumerate();
        let weights = weights.map(|(i, own)| {
            let weight = if i == number { weight } else { own.weight };
            (PairId::from(own.name), weight)
        });
        let heard: Vec<(PairId, f64)> = weights.filter(|(_, weight)| *weight != 0.0).collect();
        let pair = match &heard[..] {
            [] => return self.say("somebody has to be heard: raise another weight first"),
            [(only, weight)] if *weight == 1.0 => only.clone(),
            _ => PairId::of_panel(heard),
        };
        if pair == self.wanted.pair {
            return Vec::new();
        }
        let note = self.missing_voices(&pair);
        self.hear(pair, note)
    }

    /// What a rule lacks with these pairs.
    fn missing_voices(&self, pair: &PairId) -> &'static str {
        let is_bayes = matches!(self.wanted.params.panel(), PanelRule::Bayes { .. });
        match is_bayes && pair.members().len() < LEAST_PAIRS {
            true => "; bayes ranks by the mean opinion until three have a say",
            false => "",
        }
    }

    /// What ranks: the next rule.
    pub(super) fn next_rule(&mut self) -> Vec<Effect> {
        match settings::step(&self.wanted.params, Action::NextRule) {
            Some(params) => self.use_params(params),
            None => {
                self.say("this method weighs log-ratios in nats: cbs and dvts rank by opinions")
            }
        }
    }

    /// What each pair of the panel of the round on the board says of a candidate, in nats; while it
    /// grows, of what there is.
    #[must_use]
    pub fn voices_of(&self, id: HypothesisId) -> Vec<Option<f64>> {
        let Some(round) = self.shown_round() else {
            return Vec::new();
        };
        let members = round.pair.members();
        if let Some(candidate) = round.candidates.iter().find(|c| c.id == id) {
            let of = |(pair, _): &(PairId, f64)| Some(candidate.scores.by(pair)?.value());
            return members.iter().map(of).collect();
        }
        let growing = self.trace().candidate(id).map(|own| &own.voices[..]);
        let of = |i: usize| growing?.get(i).copied();
        (0..members.len()).map(of).collect()
    }

    /// How far the panel's pairs disagree, from 0 to 1, by round of the branch looked at; `None`
    /// where a round had no panel or is not scored.
    #[must_use]
    pub fn conflicts(&self) -> Vec<Option<f64>> {
        let share = |round: &Round| round.conflict()?.share();
        self.branch().into_iter().map(share).collect()
    }

    /// The round that a panel has judged: the one on the board, while that grows the one before.
    #[must_use]
    pub fn round_told(&self) -> Option<&Round> {
        let shown = self.shown_round()?;
        let mut branch = self.branch().into_iter().rev();
        let before = branch.find(|round| round.number < shown.number);
        [Some(shown), before]
            .into_iter()
            .flatten()
            .find(|round| round.table().is_some())
    }

    /// How each two pairs of a panel rank the candidates of the round that they have judged.
    #[must_use]
    pub fn accords(&self) -> Vec<Accord> {
        let Some(round) = self.round_told() else {
            return Vec::new();
        };
        let Some((_, table)) = round.table() else {
            return Vec::new();
        };
        let members = round.pair.members();
        let mut all = Vec::new();
        for (i, (one, a)) in members.iter().enumerate() {
            for (j, (other, b)) in members.iter().enumerate().skip(i + 1) {
                let correlation = agreement(&table.scores()[i], &table.scores()[j]);
                let turned = a.signum() * b.signum();
                all.push(Accord {
                    one: one.clone(),
                    other: other.clone(),
                    correlation: correlation.map(|r| r * turned),
                });
            }
        }
        all
    }

    /// How probable it is that a candidate of that round is the best, the most probable first;
    /// nothing for fewer than three pairs.
    #[must_use]
    pub fn chances(&self) -> &[(HypothesisId, f64)] {
        &self.chances.told
    }

    /// Draws them once a round, not once a frame.
    pub(super) fn weigh_chances(&mut self) {
        if !self.has_panel() {
            return;
        }
        let seed = self.wanted.params.seed();
        let round = self.round_told();
        let judged = round.and_then(|round| Some((round.pair.clone(), round.table()?)));
        let Some((pair, (ids, table))) = judged else {
            self.chances = Chances::default();
            return;
        };
        let of = Some((pair, ids, seed));
        if self.chances.of == of {
            return;
        }
        let best = Posterior::fitted(&table.voices()).map(|p| p.best(seed, DRAWS));
        let ids = of.iter().flat_map(|(_, ids, _)| ids.iter().copied());
        let mut told: Vec<_> = ids.zip(best.into_iter().flatten()).collect();
        told.sort_by(|(a, p), (b, q)| q.total_cmp(p).then(a.cmp(b)));
        self.chances = Chances { of, told };
    }
}
