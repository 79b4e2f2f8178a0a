//! Controls: scorers in the place of the pair, each exact. What a method gains by one of them is
//! no guidance.

use std::collections::HashMap;

use crate::cli::Control;
use crate::report::ports::PromptExecutor;
use crate::search::{
    Answer, Ask, Executor, HypothesisId, LaneId, Lineage, LogRatio, ModelError, PairId, Partial,
    Response, SearchParams, Served, TokenTerm,
};

/// Models whose pair's scores are replaced.
pub(super) struct Controlled {
    inner: Box<dyn PromptExecutor>,
    control: Control,
    /// The responses that wait for scores.
    asked: HashMap<LaneId, HashMap<HypothesisId, Response>>,
}

/// `inner` under a control; those that need no other scores are for the plan to make.
pub(super) fn controlled(
    inner: Box<dyn PromptExecutor>,
    control: Option<Control>,
) -> Box<dyn PromptExecutor> {
    match control {
        Some(control @ (Control::Same | Control::Random | Control::Length | Control::Flip)) => {
            let asked = HashMap::new();
            Box::new(Controlled {
                inner,
                control,
                asked,
            })
        }
        None | Some(Control::Shuffled) => inner,
    }
}

impl Controlled {
    fn scored(&self, lane: LaneId, id: HypothesisId, ratio: &LogRatio) -> LogRatio {
        let response = self.asked.get(&lane).and_then(|asked| asked.get(&id));
        let text = response
            .map(|response| response.text.to_string())
            .unwrap_or_default();
        match self.control {
            Control::Same => of_one(0.0),
            Control::Random => of_one(normal(&text)),
            Control::Length => of_one(text.chars().count() as f64),
            Control::Flip | Control::Shuffled => {
                LogRatio::from(ratio.terms().map(turned).collect::<Vec<_>>())
            }
        }
    }
}

/// A log-ratio of one term.
fn of_one(value: f64) -> LogRatio {
    LogRatio::from(vec![TokenTerm {
        id: 0,
        piece: "".into(),
        tuned: value,
        untuned: 0.0,
    }])
}

fn turned(term: &TokenTerm) -> TokenTerm {
    TokenTerm {
        tuned: term.untuned,
        untuned: term.tuned,
        ..term.clone()
    }
}

/// A standard normal number that depends on the text alone (Box and Muller 1958).
fn normal(text: &str) -> f64 {
    let seed = text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    let stream = Lineage::root(seed);
    let (u, v) = (1.0 - stream.uniform(0), stream.uniform(1));
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

impl PromptExecutor for Controlled {
    fn open(
        &mut self,
        lane: LaneId,
        prompt: &str,
        params: &SearchParams,
    ) -> Result<(), ModelError> {
        self.inner.open(lane, prompt, params)
    }

    fn open_apart(
        &mut self,
        lane: LaneId,
        prompt: &str,
        shown: &str,
        params: &SearchParams,
    ) -> Result<(), ModelError> {
        self.inner.open_apart(lane, prompt, shown, params)
    }

    fn second(
        &mut self,
        lane: LaneId,
        pair: &PairId,
        responses: &[Response],
    ) -> Result<Vec<f64>, ModelError> {
        self.inner.second(lane, pair, responses)
    }

    fn fits(&self, params: &SearchParams) -> usize {
        self.inner.fits(params)
    }
}

impl Executor for Controlled {
    fn post(&mut self, lane: LaneId, ask: Option<&Ask>) {
        if let Some(Ask::Score(score)) = ask {
            let named = score.responses.iter().map(|r| (r.id, r.clone()));
            self.asked.insert(lane, named.collect());
        }
        self.inner.post(lane, ask);
    }

    fn step(&mut self) -> Vec<Served> {
        let mut served = self.inner.step();
        for (lane, answer) in &mut served {
            if let Ok(Answer::Scored { scores, .. }) = answer {
                for (id, ratio) in scores {
                    *ratio = self.scored(*lane, *id, ratio);
                }
            }
        }
        served
    }

    fn partials(&mut self, lane: LaneId, by: Option<&PairId>) -> Result<Vec<Partial>, ModelError> {
        self.inner.partials(lane, by)
    }

    fn retain(&mut self, lane: LaneId, ids: &[HypothesisId]) {
        self.inner.retain(lane, ids);
    }

    fn close(&mut self, lane: LaneId) {
        self.asked.remove(&lane);
        self.inner.close(lane);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_scores_are_standard_normal_and_depend_on_the_text_alone() {
        assert_eq!(normal("a film"), normal("a film"));
        let all: Vec<f64> = (0..20_000).map(|i| normal(&format!("text {i}"))).collect();
        let mean = all.iter().sum::<f64>() / 20_000.0;
        let spread = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0;
        // Standard errors: 0.007 and 0.01.
        assert!(
            mean.abs() < 0.035 && (spread - 1.0).abs() < 0.05,
            "{mean} {spread}"
        );
    }
}
