//! The ways that go beside a run: kept by the user for the next runs, told of by the worker.

use super::beside::{Beside, Said, name};
use super::{Action, App, Context, Effect, Phase};
use crate::message::{MOST_BESIDE, Way};

impl App {
    /// The ways beside the run on screen, the unguided one first.
    #[must_use]
    pub fn beside(&self) -> &[Beside] {
        &self.run.beside
    }

    /// What the strong model says unguided, once some of it is sampled.
    #[must_use]
    pub fn unguided(&self) -> Option<&Said> {
        self.run.beside.first()?.said.as_ref()
    }

    /// Whether any way beside the run has come to something.
    #[must_use]
    pub fn has_beside(&self) -> bool {
        self.run.beside.iter().any(|beside| beside.said.is_some())
    }

    /// The ways that the user keeps, oldest first.
    #[must_use]
    pub fn kept_ways(&self) -> &[Way] {
        &self.kept_ways
    }

    /// The kept ways that go beside the run that is wanted: one that is the same is not another
    /// way.
    pub(super) fn ways_wanted(&self) -> Vec<Way> {
        let own = Way {
            params: self.wanted.params,
            pair: self.wanted.pair.clone(),
        };
        let others = self.kept_ways.iter().filter(|way| !way.is_like(&own));
        others.cloned().collect()
    }

    /// The next runs show what is in use now too, whatever they are searched with.
    pub(super) fn keep_way(&mut self) -> Vec<Effect> {
        let way = Way {
            params: *self.params_in_use(),
            pair: self.voices_in_use().clone(),
        };
        let own = name(&way, &way.params);
        if way.params == way.params.unguided() {
            return self.say("with nothing to choose from this is the unguided way: always there");
        }
        if self.kept_ways.iter().any(|kept| kept.is_like(&way)) {
            return self.say(&format!("{own} is kept already: the next runs show it too"));
        }
        let is_full = self.kept_ways.len() >= MOST_BESIDE;
        let old = is_full.then(|| self.kept_ways.remove(0));
        self.kept_ways.push(way);
        let instead = old.map_or_else(String::new, |old| {
            format!(" instead of {}", name(&old, &old.params))
        });
        let how = self.how_to_show();
        self.say(&format!("{own} is kept{instead}: {how}"))
    }

    /// How a kept way comes on screen.
    fn how_to_show(&self) -> String {
        let key = |action| self.keymap.label(Context::Main, action);
        let (pair, again) = (key(Action::NextPair), key(Action::Restart));
        match self.run.phase {
            Phase::Finished | Phase::Over => {
                format!("change a setting or the pair ({pair}), and the next run shows both")
            }
            _ => format!(
                "change a setting or the pair ({pair}), and the next run ({again}) shows both"
            ),
        }
    }

    /// The next runs show no ways but the unguided one.
    pub(super) fn drop_ways(&mut self) -> Vec<Effect> {
        self.kept_ways.clear();
        self.say("from the next run on no way goes beside it but the unguided one")
    }

    /// What a way beside the run has come to.
    pub(super) fn on_beside(&mut self, way: usize, said: Said) {
        if let Some(beside) = self.run.beside.get_mut(way) {
            beside.said = Some(said);
        }
    }

    /// A run that has failed has said why, for its ways too.
    pub(super) fn on_way_dropped(&mut self, way: usize, why: &str) {
        let guided = *self.params_in_use();
        let Some(beside) = self.run.beside.get_mut(way) else {
            return;
        };
        beside.dropped = Some(why.to_owned());
        let name = beside.name(&guided);
        if !matches!(self.run.phase, Phase::Failed { .. }) {
            self.note(format!("{name} is left out: {why}"));
        }
    }
}
