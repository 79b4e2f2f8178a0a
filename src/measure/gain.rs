//! How much the strong model is predicted to gain on several pairs' labels, beside what judges say
//! (arXiv 2405.15116).

use serde::Serialize;

use super::misfit::{DIMENSIONS, Fit, LEAST, projected};

/// The projection's.
const SEED: u64 = 0x57_32_53;

/// A response that is scored by every pair, judged, and read by the strong model.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// Such as its prompt: what belongs together stays in one half.
    pub group: usize,
    /// By pair, in nats.
    pub scores: Vec<f64>,
    /// The mean of the strong model's last hidden states.
    pub state: Vec<f32>,
    /// By judge; none where it failed.
    pub verdicts: Vec<Option<f64>>,
}

/// A pair.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairGain {
    pub pair: String,
    /// Of the labels' variance, what is not in the strong model's features: the predicted gain.
    pub misfit: f64,
    /// By judge; none where its verdicts do not differ.
    pub judged: Vec<Option<JudgedGain>>,
}

/// A pair against a judge, both with variance 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct JudgedGain {
    pub weak_error: f64,
    /// At most that of the fit, if the judge is linear in the features.
    pub predicted_error: f64,
    pub gain: f64,
    pub strong_error: f64,
}

/// All pairs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gains {
    pub n_prompts: usize,
    pub n_responses: usize,
    pub judges: Vec<String>,
    pub rows: Vec<PairGain>,
    /// By judge: what of its own verdicts is not in the features. The prediction is for targets
    /// that are.
    pub judge_misfit: Vec<Option<f64>>,
}

/// Whom a judge's choice and the prediction's fall on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice<'a> {
    pub predicted: &'a str,
    pub judged: &'a str,
}

impl Gains {
    /// Of pairs and judges by name.
    ///
    /// # Errors
    /// So many responses that all judges could judge are fewer than [`LEAST`].
    pub fn of(
        pairs: &[String],
        judges: Vec<String>,
        n_prompts: usize,
        responses: Vec<Labelled>,
    ) -> Result<Self, usize> {
        // What a judge could not judge is left out for all.
        let is_judged = |own: &Labelled| own.verdicts.iter().all(Option::is_some);
        let kept: Vec<Labelled> = responses.into_iter().filter(is_judged).collect();
        if kept.len() < LEAST {
            return Err(kept.len());
        }
        let of_judge = |j: usize| kept.iter().filter_map(|own| own.verdicts[j]).collect();
        let gold: Vec<Vec<f64>> = (0..judges.len()).map(of_judge).collect();
        let states: Vec<Vec<f32>> = kept.iter().map(|own| own.state.clone()).collect();
        let features = projected(&states, SEED);
        let groups: Vec<usize> = kept.iter().map(|own| own.group).collect();
        let fit = |labels: &[f64]| Fit::of(&features, labels, &groups);
        let row = |(m, pair): (usize, &String)| {
            let labels: Vec<f64> = kept.iter().map(|own| own.scores[m]).collect();
            let fit = fit(&labels)?;
            Some(PairGain {
                pair: pair.clone(),
                misfit: fit.misfit(),
                judged: gold.iter().map(|gold| judged(&fit, gold)).collect(),
            })
        };
        Ok(Self {
            n_prompts,
            n_responses: kept.len(),
            rows: pairs.iter().enumerate().filter_map(row).collect(),
            judge_misfit: gold.iter().map(|gold| Some(fit(gold)?.misfit())).collect(),
            judges,
        })
    }

    /// The pair that the prediction takes, and the one that a judge would; `None` where its
    /// verdicts do not differ.
    #[must_use]
    pub fn choice(&self, judge: usize) -> Option<Choice<'_>> {
        let least = |key: fn(&JudgedGain) -> f64| {
            let keyed = |row| {
                let row: &PairGain = row;
                Some((key(row.judged[judge].as_ref()?), &row.pair[..]))
            };
            let keyed = self.rows.iter().filter_map(keyed);
            keyed.min_by(|(a, _), (b, _)| a.total_cmp(b))
        };
        Some(Choice {
            predicted: least(|j| j.predicted_error)?.1,
            judged: least(|j| j.strong_error)?.1,
        })
    }

    /// What would make the prediction fail, with the numbers that tell.
    #[must_use]
    pub fn cautions(&self, judge: usize) -> Vec<String> {
        let mut why = Vec::new();
        if let (Some(misfit), Some(name)) = (self.judge_misfit[judge], self.judges.get(judge)) {
            why.push(format!(
                "{:.0} % of what {name} says is not linear in the strong features, and the \
                 prediction is for targets that are",
                100.0 * misfit
            ));
        }
        let missed = self.rows.iter().filter_map(|row| {
            let own = row.judged[judge]?;
            (own.strong_error > own.predicted_error).then_some(&row.pair[..])
        });
        let missed: Vec<&str> = missed.collect();
        if !missed.is_empty() {
            why.push(format!("the bound does not hold for {}", missed.join(", ")));
        }
        let per = self.n_responses as f64 / 2.0 / DIMENSIONS as f64;
        why.push(format!("each fit has {per:.1} responses a feature"));
        why
    }
}

fn judged(fit: &Fit, gold: &[f64]) -> Option<JudgedGain> {
    let own = fit.against(gold)?;
    Some(JudgedGain {
        weak_error: own.weak_error,
        predicted_error: own.weak_error - fit.misfit(),
        gain: own.gain,
        strong_error: own.weak_error - own.gain,
    })
}

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::*;

    /// One pair is linear in the features and what the judge says, another is noise.
    fn labelled(n: usize) -> Vec<Labelled> {
        let mut dice = Dice::new(11);
        let one = |i: usize| {
            let state: Vec<f32> = (0..DIMENSIONS).map(|_| dice.normal() as f32).collect();
            let truth: f64 = state.iter().map(|x| f64::from(*x)).sum();
            Labelled {
                group: i,
                scores: vec![truth, dice.normal()],
                verdicts: vec![(!i.is_multiple_of(50)).then_some(truth)],
                state,
            }
        };
        (0..n).map(one).collect()
    }

    #[test]
    fn the_pair_that_knows_is_chosen_and_what_was_not_judged_is_left_out() {
        let names = ["wise", "wild"].map(str::to_owned);
        let gains = Gains::of(&names, vec!["gold".to_owned()], 500, labelled(500)).unwrap();
        assert_eq!(gains.n_responses, 490);
        let chosen = Choice {
            predicted: "wise",
            judged: "wise",
        };
        assert_eq!(gains.choice(0), Some(chosen));
        let (wise, wild) = (&gains.rows[0], &gains.rows[1]);
        assert!(wise.misfit < 0.3 && wild.misfit > 0.8, "{gains:?}");
        assert!(gains.cautions(0).last().unwrap().contains("3.8 responses"));
        let few = Gains::of(&names, vec!["gold".to_owned()], 500, labelled(100));
        assert_eq!(few.unwrap_err(), 98);
    }
}
