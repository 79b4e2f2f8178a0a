//! What a user calls a method: a rule with the settings that make it what its name says.

use std::fmt;
use std::str::FromStr;

use super::method::Method;
use super::values::ParamError;
use super::{Draft, PanelRule, SearchParams};

/// A name that `--method` knows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MethodName {
    /// Plain sampling: W = K = 1.
    Base,
    /// The likeliest token each time: W = K = 1, temperature 0.
    Greedy,
    /// Best-of-N: W = 1, K = N, no chunking.
    BestOf(usize),
    /// Emulated fine-tuning with β: W = K = 1, every token drawn from the tilted distribution.
    Eft(f64),
    /// Chunks drawn by EFT, kept as in CBS.
    EftCbs(f64),
    /// Base after so many guided answers to other prompts, as examples: an evaluation alone has
    /// those.
    Refine(usize),
    /// A rule with W, K and L as they are.
    Rule(Method),
}

impl MethodName {
    /// β where none is given, as the paper's baseline has it.
    const BETA: f64 = 1.0;

    /// `draft` with what the name stands for.
    #[must_use]
    pub fn apply(self, draft: Draft) -> Draft {
        let one = Draft {
            beam_width: 1,
            successors: 1,
            ..plain(draft)
        };
        match self {
            Self::Base | Self::Refine(_) => one,
            Self::Greedy => Draft {
                temperature: 0.0,
                ..one
            },
            Self::BestOf(n) => Draft {
                successors: n,
                chunk_len: 0,
                ..one
            },
            Self::Eft(tilt) => Draft { tilt, ..one },
            Self::EftCbs(tilt) => Draft {
                tilt,
                ..plain(draft)
            },
            Self::Rule(method) => ruled(method, draft),
        }
    }

    /// What these settings are called.
    #[must_use]
    pub fn of(params: &SearchParams) -> Self {
        let draft = params.draft();
        let (beta, is_one) = (draft.tilt, params.n_candidates() == 1);
        match (params.method(), is_one) {
            (Method::Cbs, true) if params.tilt().is_any() => Self::Eft(beta),
            (Method::Cbs, false) if params.tilt().is_any() => Self::EftCbs(beta),
            (Method::Cbs, true) if draft.temperature == 0.0 => Self::Greedy,
            (Method::Cbs, true) => Self::Base,
            (Method::Cbs, false) if draft.beam_width == 1 && draft.chunk_len == 0 => {
                Self::BestOf(draft.successors)
            }
            (method, _) => Self::Rule(method),
        }
    }
}

/// The paper's rule, and the strong model alone.
fn plain(draft: Draft) -> Draft {
    Draft {
        method: Method::Cbs,
        tilt: 0.0,
        ..draft
    }
}

fn ruled(method: Method, draft: Draft) -> Draft {
    let draft = Draft {
        method,
        tilt: 0.0,
        panel: match method.ranks_alone() {
            true => draft.panel,
            // Nats are weighed, and opinions have none.
            false => PanelRule::Mixture,
        },
        ..draft
    };
    match method {
        // Chunks end where the strong model hesitates, at the latest after so many tokens
        // (`reward_sampling.py` of the authors' code).
        Method::Cards { .. } => Draft {
            beam_width: 1,
            chunk_len: 64,
            ..draft
        },
        _ => draft,
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base => f.pad("base"),
            Self::Greedy => f.pad("greedy"),
            Self::BestOf(n) => write!(f, "bon:{n}"),
            Self::Refine(n) => write!(f, "refine:{n}"),
            Self::Eft(beta) => write!(f, "eft:{beta}"),
            Self::EftCbs(beta) => write!(f, "eft-cbs:{beta}"),
            Self::Rule(method) => method.fmt(f),
        }
    }
}

impl FromStr for MethodName {
    type Err = ParamError;

    fn from_str(text: &str) -> Result<Self, ParamError> {
        let unknown = || ParamError::Method(text.to_owned());
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let beta = || match value {
            None => Ok(Self::BETA),
            Some(value) => value.parse().map_err(|_| unknown()),
        };
        match (name, value) {
            ("base", None) => Ok(Self::Base),
            ("greedy", None) => Ok(Self::Greedy),
            ("refine", Some(n)) => n.parse().map(Self::Refine).map_err(|_| unknown()),
            ("bon", Some(n)) => n.parse().map(Self::BestOf).map_err(|_| unknown()),
            ("eft", _) => beta().map(Self::Eft),
            ("eft-cbs", _) => beta().map(Self::EftCbs),
            _ => text.parse().map(Self::Rule),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_called_what_made_them() {
        let usual = SearchParams::default().draft();
        for text in [
            "base",
            "greedy",
            "bon:16",
            "cbs",
            "eft:1",
            "eft-cbs:0.5",
            "dvts",
            "smc:1",
            "tree:2",
            "cards:4",
            "rejection:0.25",
        ] {
            let way: MethodName = text.parse().unwrap();
            assert_eq!(way.to_string(), text);
            let params = way.apply(usual).build().unwrap();
            assert_eq!(MethodName::of(&params), way, "{text}");
        }
        for bad in ["bon", "bon:x", "base:1", "eft:", "beam"] {
            assert!(bad.parse::<MethodName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_takes_the_one_before_back() {
        let usual = SearchParams::default().draft();
        let tilted = MethodName::EftCbs(2.0).apply(usual);
        assert_eq!(MethodName::Rule(Method::Cbs).apply(tilted), usual);
    }
}
