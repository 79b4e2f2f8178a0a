//! The settings the user wants, and the steps in which keys change them.

use std::time::Duration;

use super::action::Action;
use crate::search::{Draft, MethodName, PairId, PanelRule, Ranking, Rules, SearchParams};

/// What to search and how: the user's wish. A run takes settings over at its next round, a pair at
/// its next cut.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    pub prompt: String,
    pub params: SearchParams,
    /// The weak pair, or a panel of pairs.
    pub pair: PairId,
    /// The least time a round takes; zero for full speed.
    pub pace: Duration,
}

/// Sizes that W, K and L pass through: fine where it matters, coarse further out.
const LADDER: [usize; 26] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 100, 128, 256,
    512,
];

/// Paces in milliseconds a round, fastest first.
const PACES: [u64; 8] = [0, 100, 250, 500, 1000, 2000, 4000, 8000];

const MAX_TEMPERATURE: f64 = 3.0;

/// The largest weight by keys, either way.
const MAX_WEIGHT: f64 = 4.0;

/// Beyond this the way up leads to 0: no filter.
const MAX_TOP_K: usize = 600;

/// The step of n, and its largest value by keys.
const TOKENS_STEP: usize = 10;
const MAX_TOKENS: usize = 2000;

fn above(n: usize) -> usize {
    LADDER.into_iter().find(|step| *step > n).unwrap_or(n)
}

fn below(n: usize) -> usize {
    let mut down = LADDER.into_iter().rev();
    down.find(|step| *step < n).unwrap_or(n)
}

/// `params` after one step of a settings action; `None` when it is no such action, or when the
/// step leads out of range.
#[must_use]
pub fn step(params: &SearchParams, action: Action) -> Option<SearchParams> {
    let mut next = params.draft();
    match action {
        Action::NextRanking => next.ranking = after(next.ranking),
        Action::NextRule => next.panel = next_rule(next.panel),
        Action::LowerWeight => next.weight = quarter(next.weight - 0.25),
        Action::RaiseWeight => next.weight = quarter(next.weight + 0.25),
        Action::NarrowerBeam => next.beam_width = below(next.beam_width),
        Action::WiderBeam => next.beam_width = above(next.beam_width),
        Action::FewerSuccessors => next.successors = below(next.successors),
        Action::MoreSuccessors => next.successors = above(next.successors),
        Action::ShorterChunk => next.chunk_len = shorter(next.chunk_len, next.max_new_tokens),
        Action::LongerChunk => next.chunk_len = longer(next.chunk_len, next.max_new_tokens),
        Action::Cooler => next.temperature = tenth(next.temperature - 0.1),
        Action::Hotter => next.temperature = tenth(next.temperature + 0.1),
        Action::FewerTokens => next.max_new_tokens = fewer(next.max_new_tokens),
        Action::MoreTokens => next.max_new_tokens = more(next.max_new_tokens),
        Action::LowerTopK => next.top_k = shorter(next.top_k, MAX_TOP_K),
        Action::RaiseTopK => next.top_k = longer(next.top_k, MAX_TOP_K),
        Action::LowerTopP => next.top_p = twentieth(next.top_p - 0.05),
        Action::RaiseTopP => next.top_p = twentieth(next.top_p + 0.05),
        _ => return None,
    }
    built(next).filter(|built| built != params)
}

/// Settings from a draft that a key or a preset made; `None` when it is out of range.
pub(super) fn built(draft: Draft) -> Option<SearchParams> {
    draft.build().ok()
}

const fn after(ranking: Ranking) -> Ranking {
    match ranking {
        Ranking::Sum => Ranking::PerToken,
        Ranking::PerToken => Ranking::Chunk,
        Ranking::Chunk => Ranking::Sum,
    }
}

/// κ is the usual one.
fn next_rule(rule: PanelRule) -> PanelRule {
    match rule {
        PanelRule::Mixture => PanelRule::Naive,
        PanelRule::Naive => PanelRule::bayes(None).unwrap_or_default(),
        PanelRule::Bayes { .. } => PanelRule::Mixture,
    }
}

fn fewer(n: usize) -> usize {
    n.saturating_sub(TOKENS_STEP).max(TOKENS_STEP.min(n))
}

fn more(n: usize) -> usize {
    n.saturating_add(TOKENS_STEP).min(MAX_TOKENS.max(n))
}

/// One chunk length down; 0 is ∞, from which the way leads back to the largest size below n.
fn shorter(l: usize, n: usize) -> usize {
    match l {
        0 => below(n),
        l => below(l),
    }
}

/// One chunk length up; a chunk that holds the whole response is the same as ∞.
fn longer(l: usize, n: usize) -> usize {
    match l {
        0 => 0,
        l if above(l) >= n.max(2) || above(l) == l => 0,
        l => above(l),
    }
}

fn tenth(t: f64) -> f64 {
    ((t * 10.0).round() / 10.0).clamp(0.0, MAX_TEMPERATURE)
}

fn quarter(weight: f64) -> f64 {
    weight.clamp(-MAX_WEIGHT, MAX_WEIGHT)
}

fn twentieth(p: f64) -> f64 {
    ((p * 20.0).round() / 20.0).clamp(0.05, 1.0)
}

/// The pace after one step of a pace action.
#[must_use]
pub fn step_pace(pace: Duration, action: Action) -> Option<Duration> {
    let paces = PACES.map(Duration::from_millis);
    let next = match action {
        Action::SlowerPace => paces.into_iter().find(|step| *step > pace),
        Action::FasterPace => paces.into_iter().rev().find(|step| *step < pace),
        Action::FullSpeed => Some(Duration::ZERO),
        _ => None,
    };
    next.filter(|next| *next != pace)
}

/// A pace as shown: `1 s/round`.
#[must_use]
pub fn pace_text(pace: Duration) -> String {
    match pace.as_millis() {
        0 => "max speed".to_owned(),
        _ => format!("{} s/round", pace.as_secs_f64()),
    }
}

/// The rules that are not these.
#[must_use]
pub const fn other(rules: Rules) -> Rules {
    match rules {
        Rules::Fixed => Rules::Reference,
        Rules::Reference => Rules::Fixed,
    }
}

/// `W4 K4 L5`, after the method where that is not the paper's.
#[must_use]
pub fn sizes(params: &SearchParams) -> String {
    let (w, k) = (params.beam_width(), params.successors());
    let sizes = format!("W{w} K{k} L{}", params.chunk_len());
    match is_plain(params) {
        true => sizes,
        false => format!("{} {sizes}", MethodName::of(params)),
    }
}

/// Whether W, K, L and the temperature say it all: the paper's rule over the strong model alone.
#[must_use]
pub fn is_plain(params: &SearchParams) -> bool {
    params.method().is_cbs() && !params.tilt().is_any()
}

/// What besides W, K and L is not as under `usual`, as `T 0.9`.
#[must_use]
pub fn others(params: &SearchParams, usual: &SearchParams) -> Vec<String> {
    let both = values(params).into_iter().zip(values(usual));
    // The method stands before W, K and L where it is not the paper's.
    let both = both.filter(|((name, _), _)| *name != "method");
    let differing = both.skip(3).filter(|(own, usual)| own != usual);
    let mut told: Vec<String> = differing
        .map(|((name, value), _)| format!("{name} {value}"))
        .collect();
    if params.rules() != usual.rules() {
        told.push(format!("rules {}", params.rules()));
    }
    told
}

/// What differs between the settings in use and those wanted, as `W 4 → 6`.
#[must_use]
pub fn changes(used: &SearchParams, wanted: &SearchParams) -> Vec<String> {
    let both = values(used).into_iter().zip(values(wanted));
    let differing = both.filter(|(from, to)| from != to);
    let told = differing.map(|((name, from), (_, to))| format!("{name} {from} → {to}"));
    told.collect()
}

/// Everything that may change between rounds, as text.
fn values(params: &SearchParams) -> [(&'static str, String); 11] {
    let sampling = params.sampling();
    [
        ("W", params.beam_width().to_string()),
        ("K", params.successors().to_string()),
        ("L", params.chunk_len().to_string()),
        ("n", params.max_new_tokens().to_string()),
        ("T", sampling.temperature().to_string()),
        ("top-k", sampling.top_k().to_string()),
        ("top-p", sampling.top_p().to_string()),
        ("ranking", params.ranking().to_string()),
        ("weight", params.weight().get().to_string()),
        ("method", MethodName::of(params).to_string()),
        ("panel ranks by", params.panel().to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_stay_in_range_and_come_back() {
        let start = SearchParams::default();
        let up = step(&start, Action::WiderBeam).unwrap();
        assert_eq!(up.beam_width().get(), 5);
        assert_eq!(step(&up, Action::NarrowerBeam).unwrap(), start);
        let mut params = start;
        while let Some(next) = step(&params, Action::NarrowerBeam) {
            params = next;
        }
        assert_eq!(params.beam_width().get(), 1);
    }

    #[test]
    fn chunk_length_reaches_infinity_and_returns() {
        let mut params = SearchParams::default();
        while let Some(next) = step(&params, Action::LongerChunk) {
            params = next;
        }
        assert_eq!(params.chunk_len().get(), 0);
        assert!(step(&params, Action::ShorterChunk).is_some());
    }

    #[test]
    fn a_step_leaves_ranking_and_weight_alone() {
        let params = step(&SearchParams::default(), Action::NextRanking).unwrap();
        let params = step(&params, Action::LowerWeight).unwrap();
        let wider = step(&params, Action::WiderBeam).unwrap();
        assert_eq!(
            (wider.ranking(), wider.weight()),
            (params.ranking(), params.weight())
        );
    }

    #[test]
    fn too_many_candidates_are_refused() {
        let mut params = SearchParams::default();
        while let Some(next) = step(&params, Action::WiderBeam) {
            params = next;
        }
        assert!(params.n_candidates() <= SearchParams::MAX_CANDIDATES);
    }

    #[test]
    fn changes_name_what_differs() {
        let start = SearchParams::default();
        let up = step(&start, Action::WiderBeam).unwrap();
        assert_eq!(changes(&start, &up), ["W 4 → 5"]);
    }
}
