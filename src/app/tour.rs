//! The tour: five steps on the live screen, each done by a key of the user's own.

use super::{Action, App, Context, Effect, Key, KeyCode, Overlay, Phase};
use crate::search::{HypothesisId, Mark, PairId};

/// How many steps there are.
pub const STEPS: usize = 5;

/// What they are called.
const TITLES: [&str; STEPS] = [
    "see a cut",
    "widen the beam",
    "turn the taste round",
    "kill the winner",
    "read why",
];

/// Where the settings stood when a step was shown: it is done when they have moved.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shown {
    step: usize,
    width: usize,
    pair: PairId,
    is_turned: bool,
    /// The user has had the search go on by a round since.
    has_stepped: bool,
}

/// What a step says now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    pub title: String,
    pub text: String,
    /// How it is left out, and all that follow.
    pub foot: String,
}

impl App {
    /// The card of the tour, while one is shown.
    #[must_use]
    pub fn tour_card(&self) -> Option<Card> {
        let Overlay::Tour(step) = self.overlay else {
            return None;
        };
        let skip = match step + 1 {
            STEPS => "esc ends the tour",
            _ => "enter skips this, esc ends the tour",
        };
        Some(Card {
            title: format!("{} of {STEPS}: {}", step + 1, TITLES.get(step)?),
            text: self.told(step),
            foot: skip.to_owned(),
        })
    }

    fn told(&self, step: usize) -> String {
        let key = |action| self.keymap.label(Context::Main, action);
        match step {
            _ if self.models.is_none() => "The models are being loaded.".to_owned(),
            0 | 3 if !self.is_searching() => {
                format!("Press {}: the search begins anew.", key(Action::Restart))
            }
            0 => format!(
                "The strong model grows several candidates at once, the weak pair scores them. \
                 Press {}: one round, up to its cut.",
                key(Action::Step)
            ),
            1 => format!(
                "The best are kept (✓), the others pruned (✗): that was a cut. Press {} (a \
                 capital): one more is kept from the next chunk on.",
                key(Action::WiderBeam)
            ),
            2 => format!(
                "What is best is a matter of taste. Press {}: another weak pair decides from the \
                 next cut on.",
                key(Action::NextPair)
            ),
            3 => self.told_of_killing(),
            _ => self.told_of_reading(),
        }
    }

    fn told_of_killing(&self) -> String {
        let key = |action| self.keymap.label(Context::Main, action);
        let Some(best) = self.winner() else {
            return match self.is_available(Action::ToCut) {
                true => format!(
                    "You have the last word. Press {} to stop before the next cut.",
                    key(Action::ToCut)
                ),
                false => "You have the last word, once the candidates are scored.".to_owned(),
            };
        };
        if self.run.sight.selected == Some(best) {
            let kill = key(Action::Kill);
            return format!("This one leads. Press {kill}: it is pruned, whatever its score.");
        }
        let keys = key(Action::SelectPrevious) + &key(Action::SelectNext);
        let round = self.run.trace.last_round();
        let name = round.and_then(|round| super::board::label(&self.run.trace, round, best));
        format!(
            "The cut is still to come. {} leads: select it with {keys}.",
            name.unwrap_or_default()
        )
    }

    fn told_of_reading(&self) -> String {
        let key = |action| self.keymap.label(Context::Main, action);
        let step = match self.winner() {
            Some(_) => format!("{} makes the cut without it. ", key(Action::Step)),
            None => String::new(),
        };
        let read = key(Action::Read);
        format!("{step}Press {read}: why a candidate leads or not, token by token.")
    }

    /// The candidate ranked first of a round that is scored and not cut.
    fn winner(&self) -> Option<HypothesisId> {
        let round = self.run.trace.last_round()?;
        let waits = round.cut.is_none() && round.is_scored();
        let keys = round.ids().filter_map(|id| Some((id, round.key_of(id)?)));
        let best = keys.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.filter(|_| waits).map(|(id, _)| id)
    }

    /// Whether the user has done what the step asks for.
    fn is_done(&self, shown: &Shown) -> bool {
        let params = &self.wanted.params;
        match shown.step {
            0 => {
                let round = self.run.trace.last_round();
                let is_cut = round.is_some_and(|round| round.cut.is_some());
                let phase = &self.run.phase;
                let by_key = matches!(phase, Phase::Paused | Phase::Stepping);
                is_cut && (by_key || shown.has_stepped)
            }
            1 => params.beam_width().get() != shown.width,
            2 => {
                let is_turned = params.weight().get() < 0.0;
                self.wanted.pair != shown.pair || is_turned != shown.is_turned
            }
            3 => {
                let mut wishes = self.run.wishes.marks.values();
                wishes.any(|mark| *mark == Some(Mark::Kill))
            }
            _ => self.look.read_from.is_some(),
        }
    }

    fn shown(&self, step: usize) -> Shown {
        Shown {
            step,
            width: self.wanted.params.beam_width().get(),
            pair: self.wanted.pair.clone(),
            is_turned: self.wanted.params.weight().get() < 0.0,
            has_stepped: false,
        }
    }

    /// After every message: a step that is done gives way to the next; one that something else was
    /// opened over comes back.
    pub(super) fn follow_tour(&mut self) -> Vec<Effect> {
        let steps = self.run.phase == Phase::Stepping;
        if let Some(shown) = &mut self.tour {
            shown.has_stepped |= steps;
        }
        match (&self.overlay, &self.tour) {
            (Overlay::None, Some(shown)) => self.overlay = Overlay::Tour(shown.step),
            (Overlay::Tour(step), Some(shown)) if *step == shown.step => {
                return match self.is_done(shown) {
                    true => self.show_step(step + 1),
                    false => Vec::new(),
                };
            }
            // The pair to begin with is known with the models.
            (Overlay::Tour(step), _) if self.models.is_some() => {
                self.tour = Some(self.shown(*step));
            }
            _ => {}
        }
        Vec::new()
    }

    fn show_step(&mut self, step: usize) -> Vec<Effect> {
        if step < STEPS {
            self.overlay = Overlay::Tour(step);
            self.tour = Some(self.shown(step));
            return Vec::new();
        }
        let help = self.keymap.label(Context::Main, Action::Help);
        self.note(format!("That was the tour; {help} lists all keys."));
        self.end_tour()
    }

    /// It never comes by itself again.
    fn end_tour(&mut self) -> Vec<Effect> {
        self.overlay = Overlay::None;
        self.tour = None;
        vec![Effect::RememberTour]
    }

    /// The keys that leave a step out, or the tour; the last step has Enter for its own. All
    /// others do what they always do.
    pub(super) fn on_tour_key(&mut self, key: Key) -> Option<Vec<Effect>> {
        let Overlay::Tour(step) = self.overlay else {
            return None;
        };
        match key.code {
            KeyCode::Esc => Some(self.end_tour()),
            KeyCode::Enter if step + 1 < STEPS => Some(self.show_step(step + 1)),
            _ => None,
        }
    }
}
