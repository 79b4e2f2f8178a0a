//! Methods with their settings, to choose from by name.

use super::settings::built;
use crate::search::{Draft, MethodName, SearchParams};

/// A method with its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    pub name: &'static str,
    pub about: &'static str,
    /// As `--method` has it.
    method: &'static str,
    /// W, K and L; an L of 0 is no chunking.
    sizes: (usize, usize, usize),
}

pub const PRESETS: [Preset; 14] = [
    Preset::new(
        "base",
        "no search: one sample, the pair only watches",
        ("base", (1, 1, 0)),
    ),
    Preset::new(
        "best-of-4",
        "four whole responses, the best one wins",
        ("cbs", (1, 4, 0)),
    ),
    Preset::new(
        "best-of-16",
        "sixteen whole responses, the best one wins",
        ("cbs", (1, 16, 0)),
    ),
    Preset::new(
        "paper sentiment",
        "the paper's settings for reviews",
        ("cbs", (4, 4, 5)),
    ),
    Preset::new(
        "paper instructions",
        "the paper's settings for instructions",
        ("cbs", (2, 2, 30)),
    ),
    Preset::new(
        "wide",
        "more of everything, for a fast machine",
        ("cbs", (8, 8, 5)),
    ),
    Preset::new(
        "greedy",
        "the strong model's likeliest token each time",
        ("greedy", (1, 1, 0)),
    ),
    Preset::new(
        "EFT",
        "one sample, the pair tilts every token",
        ("eft:1", (1, 1, 5)),
    ),
    Preset::new(
        "EFT with a beam",
        "tilted tokens, and the best chunks kept",
        ("eft-cbs:1", (4, 4, 5)),
    ),
    Preset::new(
        "DVTS",
        "four subtrees, each keeps its own best",
        ("dvts", (4, 4, 5)),
    ),
    Preset::new(
        "SMC",
        "sixteen particles, drawn anew by weight",
        ("smc:1", (4, 4, 5)),
    ),
    Preset::new(
        "tree search",
        "one leaf a round grows, by promise and surprise",
        ("tree:2", (4, 4, 5)),
    ),
    Preset::new(
        "CARDS",
        "chunks end at hesitation, and are accepted or not",
        ("cards:4", (1, 4, 64)),
    ),
    Preset::new(
        "speculative rejection",
        "sixteen begin, a quarter drops out each round",
        ("rejection:0.25", (4, 4, 5)),
    ),
];

impl Preset {
    const fn new(
        name: &'static str,
        about: &'static str,
        (method, sizes): (&'static str, (usize, usize, usize)),
    ) -> Self {
        Self {
            name,
            about,
            method,
            sizes,
        }
    }

    /// The preset's method, W, K and L in `params`.
    #[must_use]
    pub fn apply(&self, params: &SearchParams) -> Option<SearchParams> {
        let method: MethodName = self.method.parse().ok()?;
        let (beam_width, successors, chunk_len) = self.sizes;
        let mut draft = Draft {
            beam_width,
            successors,
            chunk_len,
            ..params.draft()
        };
        if MethodName::of(params) == MethodName::Greedy {
            // A way back from what greedy stands for.
            draft.temperature = SearchParams::default().sampling().temperature();
        }
        built(method.apply(draft))
    }

    /// `W, K, L` as numbers.
    #[must_use]
    pub fn sizes(&self) -> String {
        match self.sizes {
            (w, k, 0) => format!("{w},{k},∞"),
            (w, k, l) => format!("{w},{k},{l}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid_and_takes_the_one_before_back() {
        let usual = SearchParams::default();
        let paper = PRESETS[3];
        for preset in PRESETS {
            let params = preset.apply(&usual).unwrap();
            assert_eq!(paper.apply(&params), Some(usual), "{}", preset.name);
        }
    }
}
