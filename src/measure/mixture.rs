//! Weights under which several experts together make a text most likely: the next token comes from
//! softmax(strong + Σ w (tuned − untuned)), EFT's sum (arXiv 2310.12962).
//!
//! Its log-likelihood is concave in the weights, so that Newton's method, bounds kept by
//! projection (Bertsekas 1982), finds the one maximum.

use super::misfit::solved;

/// A little of |w|², a token: experts that say the same have one best mixture, too, and a short
/// text no endless one.
const RIDGE: f64 = 1e-4;

/// Steps at most; a handful is enough.
const STEPS: usize = 50;

/// A slope, in nats a token, that is none.
const FLAT: f64 = 1e-6;

/// What is said of the token at one place of a text: logits, up to a constant each.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// By the strong model, for every token that there is.
    pub strong: Vec<f32>,
    /// By each pair: tuned − untuned.
    pub shifts: Vec<Vec<f32>>,
    /// The token that is there.
    pub token: usize,
}

/// The weights that were found, and after how many steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Likeliest {
    pub weights: Vec<f64>,
    pub n_steps: usize,
}

/// The value at some weights, its slope, and how that falls.
struct Hill {
    value: f64,
    slope: Vec<f64>,
    fall: Vec<Vec<f64>>,
}

impl Said {
    /// ln p of the token under these weights, in nats.
    #[must_use]
    pub fn log_prob(&self, weights: &[f64]) -> f64 {
        let mixed = self.mixed(weights);
        let most = mixed.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = mixed.iter().map(|x| (x - most).exp()).sum();
        mixed[self.token] - most - sum.ln()
    }

    fn mixed(&self, weights: &[f64]) -> Vec<f64> {
        let mut mixed: Vec<f64> = self.strong.iter().copied().map(f64::from).collect();
        for (shift, weight) in self.shifts.iter().zip(weights) {
            let both = mixed.iter_mut().zip(shift);
            both.for_each(|(sum, x)| *sum += weight * f64::from(*x));
        }
        mixed
    }

    /// Adds ln p, its slope (what the token has of each shift less what is expected), and how that
    /// falls (the shifts' covariance).
    fn add_to(&self, hill: &mut Hill, weights: &[f64]) {
        let mut shares = self.mixed(weights);
        let most = shares.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        shares.iter_mut().for_each(|x| *x = (*x - most).exp());
        let sum: f64 = shares.iter().sum();
        hill.value += (shares[self.token] / sum).ln();
        let mean = |shift: &Vec<f32>| {
            let both = shares.iter().zip(shift);
            both.map(|(p, x)| p * f64::from(*x)).sum::<f64>() / sum
        };
        let means: Vec<f64> = self.shifts.iter().map(mean).collect();
        for (i, own) in self.shifts.iter().enumerate() {
            hill.slope[i] += f64::from(own[self.token]) - means[i];
            for (j, other) in self.shifts.iter().enumerate().take(i + 1) {
                let both = shares.iter().zip(own.iter().zip(other));
                let product = both.map(|(p, (a, b))| p * f64::from(*a) * f64::from(*b));
                hill.fall[i][j] += product.sum::<f64>() / sum - means[i] * means[j];
            }
        }
    }
}

/// The mean of ln p over places, in nats a token.
#[must_use]
pub fn mean_log_prob(said: &[Said], weights: &[f64]) -> f64 {
    let all = said.iter().map(|own| own.log_prob(weights));
    all.sum::<f64>() / said.len().max(1) as f64
}

/// The weights of `n` pairs that make a text most likely, none below 0 unless they may be.
/// `None` where nothing is said, or a number is not finite.
#[must_use]
pub fn likeliest(said: &[Said], n: usize, is_signed: bool) -> Option<Likeliest> {
    let mut weights = vec![0.0; n];
    if said.is_empty() {
        return None;
    }
    for n_steps in 0..STEPS {
        let hill = hill(said, &weights);
        let free: Vec<usize> = (0..n)
            .filter(|i| is_signed || weights[*i] > 0.0 || hill.slope[*i] > 0.0)
            .collect();
        if !hill.value.is_finite() {
            return None;
        }
        if free.iter().all(|i| hill.slope[*i].abs() < FLAT) {
            return Some(Likeliest { weights, n_steps });
        }
        let Some(next) = climbed(said, &weights, &hill, &free, is_signed) else {
            return Some(Likeliest { weights, n_steps });
        };
        weights = next;
    }
    Some(Likeliest {
        weights,
        n_steps: STEPS,
    })
}

fn hill(said: &[Said], weights: &[f64]) -> Hill {
    let n = weights.len();
    let mut hill = Hill {
        value: 0.0,
        slope: vec![0.0; n],
        fall: vec![vec![0.0; n]; n],
    };
    said.iter().for_each(|own| own.add_to(&mut hill, weights));
    let tokens = said.len() as f64;
    hill.value = hill.value / tokens - penalty(weights);
    for (i, weight) in weights.iter().enumerate() {
        hill.slope[i] = hill.slope[i] / tokens - RIDGE * weight;
        for j in 0..=i {
            hill.fall[i][j] /= tokens;
            hill.fall[j][i] = hill.fall[i][j];
        }
        hill.fall[i][i] += RIDGE;
    }
    hill
}

fn penalty(weights: &[f64]) -> f64 {
    RIDGE / 2.0 * weights.iter().map(|w| w * w).sum::<f64>()
}

/// Newton's step of the free weights, halved until it leads up; none where nothing does.
fn climbed(
    said: &[Said],
    weights: &[f64],
    hill: &Hill,
    free: &[usize],
    is_signed: bool,
) -> Option<Vec<f64>> {
    let part = |i: &usize| free.iter().map(|j| hill.fall[*i][*j]).collect();
    let slope = free.iter().map(|i| hill.slope[*i]).collect();
    let step = solved(free.iter().map(part).collect(), slope)?;
    let at = |share: f64| {
        let mut next = weights.to_vec();
        for (i, by) in free.iter().zip(&step) {
            let to = next[*i] + share * by;
            next[*i] = if is_signed { to } else { to.max(0.0) };
        }
        next
    };
    let shares = (0..30).map(|halved| 0.5_f64.powi(halved));
    let mut steps = shares.map(at);
    steps.find(|next| {
        let value = mean_log_prob(said, next) - penalty(next);
        let moved = next.iter().zip(weights).zip(&hill.slope);
        let rise: f64 = moved.map(|((a, b), slope)| slope * (a - b)).sum();
        value >= hill.value + 1e-4 * rise && rise > 0.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::dice::Dice;

    const VOCAB: usize = 40;

    /// Tokens drawn from a mixture of two experts.
    fn drawn(weights: [f64; 2], n: usize) -> Vec<Said> {
        let mut dice = Dice::new(5);
        let mut logits = |scale: f64| -> Vec<f32> {
            (0..VOCAB).map(|_| (scale * dice.normal()) as f32).collect()
        };
        let mut all: Vec<Said> = (0..n)
            .map(|_| Said {
                strong: logits(1.5),
                shifts: vec![logits(1.0), logits(0.7)],
                token: 0,
            })
            .collect();
        for own in &mut all {
            // Gumbel's trick: the highest of logits and noise is a draw.
            let mixed = own.mixed(&weights);
            let noisy = mixed.iter().map(|x| x - (-dice.uniform().ln()).ln());
            let best = noisy.enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
            own.token = best.unwrap().0;
        }
        all
    }

    #[test]
    fn the_weights_that_a_text_was_drawn_with_are_found() {
        for wanted in [[0.8, 0.3], [1.0, -0.5], [-0.4, -0.9], [0.0, 0.0]] {
            let said = drawn(wanted, 8000);
            let found = likeliest(&said, 2, true).unwrap();
            for (w, wanted) in found.weights.iter().zip(wanted) {
                assert!((w - wanted).abs() < 0.05, "{found:?} for {wanted:?}");
            }
            assert!(found.n_steps < 12, "{}", found.n_steps);
        }
    }

    /// At the best weights nothing near is better, whether or not a bound holds one back.
    #[test]
    fn nothing_near_is_better() {
        for (wanted, is_signed) in [
            ([1.0, -0.5], false),
            ([1.0, -0.5], true),
            ([-1.0; 2], false),
        ] {
            let said = drawn(wanted, 500);
            let found = likeliest(&said, 2, is_signed).unwrap().weights;
            let value = |w: &[f64]| mean_log_prob(&said, w) - penalty(w);
            for (i, by) in [(0, 0.01), (0, -0.01), (1, 0.01), (1, -0.01)] {
                let mut near = found.clone();
                near[i] += by;
                let is_allowed = is_signed || near[i] >= 0.0;
                assert!(
                    !is_allowed || value(&near) < value(&found),
                    "{found:?}, {near:?}"
                );
            }
            assert!(is_signed || found.iter().all(|w| *w >= 0.0));
        }
    }

    #[test]
    fn experts_that_say_the_same_share_their_weight() {
        let mut said = drawn([0.8, 0.0], 4000);
        for own in &mut said {
            own.shifts[1] = own.shifts[0].clone();
        }
        let found = likeliest(&said, 2, true).unwrap().weights;
        assert!((found[0] - found[1]).abs() < 1e-3, "{found:?}");
        assert!((found[0] + found[1] - 0.8).abs() < 0.05, "{found:?}");
        assert_eq!(likeliest(&[], 2, true), None);
    }
}
