//! Preferences made here: a model's own samples, compared by a judge.
//!
//! `P(a > b) = σ(scale (r(a) - r(b)))` of a judge's scores, Bradley and Terry 1952, as in Zhou et
//! al. 2024 (section 4.1). Pairs that the judge finds alike teach nothing and are left out.

use super::error::TuneError;
use super::sample::Sample;
use crate::decoder::train::{Example, Row};
use crate::judge::{Judge, Text};
use crate::library::Model;
use crate::models::TokenId;
use crate::search::Lineage;

/// Two responses to one prompt, and what a judge says of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    pub prompt: String,
    pub texts: [String; 2],
    pub scores: [f64; 2],
    /// Which of them is preferred; none where they are alike.
    pub chosen: Option<usize>,
}

/// How preferences are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preferring {
    /// How sharply scores decide; infinite where the higher always wins, negative where the lower
    /// is preferred.
    pub scale: f64,
    pub seed: u64,
}

impl Preferring {
    /// Compares samples 2i and 2i + 1, which answer `prompts[i]`; the number of the first pair's
    /// stream is `first`.
    ///
    /// # Errors
    /// What the judge fails with, once.
    pub fn compare(
        &self,
        judge: &mut Judge,
        model: &Model,
        prompts: &[String],
        samples: &[Sample],
        first: usize,
    ) -> Result<Vec<Compared>, TuneError> {
        let texts: Vec<String> = samples.iter().map(|s| text_of(model, s)).collect();
        let asked = texts.iter().enumerate().map(|(i, response)| Text {
            prompt: &prompts[i / 2],
            response,
        });
        let verdicts = judge.score_all(&asked.collect::<Vec<_>>());
        let scores = verdicts.into_iter().map(|v| v.map(|v| v.score));
        let scores = scores.collect::<Result<Vec<f64>, _>>()?;
        let pairs = scores
            .as_chunks::<2>()
            .0
            .iter()
            .zip(texts.as_chunks::<2>().0);
        let compared = pairs.enumerate().map(|(i, (scores, texts))| Compared {
            prompt: prompts[i].clone(),
            texts: texts.clone(),
            scores: *scores,
            chosen: self.choose(*scores, first + i),
        });
        Ok(compared.collect())
    }

    fn choose(&self, [a, b]: [f64; 2], number: usize) -> Option<usize> {
        if a == b {
            return None;
        }
        let first_wins = 1.0 / (1.0 + (-self.scale * (a - b)).exp());
        let u = Lineage::root(self.seed ^ 0x7072_6566)
            .aside(number as u64)
            .uniform(0);
        Some(usize::from(u >= first_wins))
    }
}

/// What a sample says, without what ended it.
fn text_of(model: &Model, sample: &Sample) -> String {
    let n = sample.ids.len() - usize::from(sample.is_ended);
    model.tokenizer.decode(&sample.ids[..n])
}

/// Preferences as examples; what was sampled is learnt with the ids that it was sampled in.
#[must_use]
pub fn examples(
    compared: &[Compared],
    prompts: &[Vec<TokenId>],
    samples: &[Sample],
) -> Vec<Example> {
    let pairs = compared.iter().enumerate();
    let example = |(i, pair): (usize, &Compared)| {
        let chosen = pair.chosen?;
        let row = |which: usize| Row::new(&prompts[i], &samples[2 * i + which].ids);
        Some(Example::Preference {
            chosen: row(chosen),
            rejected: row(1 - chosen),
            reference: [0.0; 2],
        })
    };
    pairs.filter_map(example).collect()
}

/// A preference from a line that was written here, with its tokens.
#[must_use]
pub fn made(line: &serde_json::Value) -> Option<Example> {
    let ids = |key: &str| -> Option<Vec<TokenId>> {
        let ids = line.get(key)?.as_array()?.iter();
        ids.map(|id| TokenId::try_from(id.as_u64()?).ok()).collect()
    };
    let prompt = ids("prompt_ids")?;
    Some(Example::Preference {
        chosen: Row::new(&prompt, &ids("chosen_ids")?),
        rejected: Row::new(&prompt, &ids("rejected_ids")?),
        reference: [0.0; 2],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_follow_bradley_and_terry() {
        let preferring = Preferring {
            scale: 2.0,
            seed: 3,
        };
        let n = 4000;
        let wins = (0..n).filter(|i| preferring.choose([1.0, 0.5], *i) == Some(0));
        let share = wins.count() as f64 / f64::from(n as u32);
        // σ(1), with a standard deviation of 0.007.
        assert!((share - 0.731).abs() < 0.03, "{share}");
        assert_eq!(preferring.choose([1.0, 1.0], 0), None);
        let sharp = Preferring {
            scale: f64::INFINITY,
            seed: 3,
        };
        assert!((0..100).all(|i| sharp.choose([0.0, 1e-9], i) == Some(1)));
    }
}
