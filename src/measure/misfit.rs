//! How much a strong model is predicted to gain on a weak one's labels (arXiv 2405.15116): by the
//! part of the labels that no linear reading of the strong model's states fits.
//!
//! In the paper's setting (a convex class on fixed strong features, a target within it) the error
//! of the fit is at most the weak error less the misfit. What breaks it: a target that is not
//! linear in these features, fewer samples than the fit needs, labels and target on other scales.

use super::dice::Dice;

/// Dimensions of the random projection.
pub const DIMENSIONS: usize = 64;

/// Below so many samples a fit of [`DIMENSIONS`] says little.
pub const LEAST: usize = 200;

/// The ridge, a sample.
const RIDGE: f64 = 1e-2;

/// Weak labels read off strong features, and how much is left.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The labels, with mean 0 and variance 1.
    pub labels: Vec<f64>,
    /// What is read off the features, each by a fit to the other half.
    pub fitted: Vec<f64>,
}

impl Fit {
    /// Features a sample; groups, such as prompts, whose samples stay in one half. `None` where
    /// labels do not differ, or a half is empty.
    #[must_use]
    pub fn of(features: &[Vec<f64>], labels: &[f64], groups: &[usize]) -> Option<Self> {
        let labels = standardised(labels)?;
        let mut fitted = vec![0.0; labels.len()];
        for half in 0..2 {
            let is_in = |i: &usize| groups[*i] % 2 == half;
            let (own, other): (Vec<usize>, Vec<usize>) = (0..labels.len()).partition(is_in);
            let ridge = Ridge::fitted(features, &labels, &other)?;
            for i in own {
                fitted[i] = ridge.predict(&features[i]);
            }
        }
        Some(Self { labels, fitted })
    }

    /// The mean of (fitted − label)²: of the labels' variance, which is 1, so much is not in the
    /// features.
    #[must_use]
    pub fn misfit(&self) -> f64 {
        mean_square(&self.fitted, &self.labels)
    }

    /// With gold labels: the weak error, and how much smaller the fit's error is. `None` where
    /// they do not differ.
    #[must_use]
    pub fn against(&self, gold: &[f64]) -> Option<Gain> {
        let gold = standardised(gold)?;
        let weak_error = mean_square(&self.labels, &gold);
        Some(Gain {
            weak_error,
            gain: weak_error - mean_square(&self.fitted, &gold),
        })
    }
}

/// What gold labels say of a fit.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Gain {
    /// The mean of (label − gold)².
    pub weak_error: f64,
    /// That, less the mean of (fitted − gold)².
    pub gain: f64,
}

/// Mean 0, variance 1; `None` where they do not differ.
#[must_use]
pub fn standardised(values: &[f64]) -> Option<Vec<f64>> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    (variance > 1e-12).then(|| {
        values
            .iter()
            .map(|x| (x - mean) / variance.sqrt())
            .collect()
    })
}

fn mean_square(a: &[f64], b: &[f64]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| (a - b).powi(2));
    squares.sum::<f64>() / a.len() as f64
}

/// States brought to [`DIMENSIONS`] by one fixed random projection, the same for one seed.
#[must_use]
pub fn projected(states: &[Vec<f32>], seed: u64) -> Vec<Vec<f64>> {
    let width = states.first().map_or(0, Vec::len);
    let mut dice = Dice::new(seed);
    let scale = 1.0 / (width.max(1) as f64).sqrt();
    let draw = |_| (0..width).map(|_| dice.normal() * scale).collect();
    let rows: Vec<Vec<f64>> = (0..DIMENSIONS).map(draw).collect();
    let project = |state: &Vec<f32>| {
        let product = |row: &Vec<f64>| {
            let both = row.iter().zip(state);
            both.map(|(a, b)| a * f64::from(*b)).sum()
        };
        rows.iter().map(product).collect()
    };
    states.iter().map(project).collect()
}

/// A linear reading: β of features with mean 0 and variance 1, and what is read where all are 0.
struct Ridge {
    beta: Vec<f64>,
    bias: f64,
    means: Vec<f64>,
    scales: Vec<f64>,
}

impl Ridge {
    /// Σ (label − reading)² + λ |β|², λ in proportion to the number of samples; the bias is free.
    fn fitted(features: &[Vec<f64>], labels: &[f64], used: &[usize]) -> Option<Self> {
        let (n, d) = (used.len() as f64, features.first()?.len());
        if used.is_empty() {
            return None;
        }
        let mean = |j: usize| used.iter().map(|i| features[*i][j]).sum::<f64>() / n;
        let means: Vec<f64> = (0..d).map(mean).collect();
        let scale = |j: usize| {
            let squares = used.iter().map(|i| (features[*i][j] - means[j]).powi(2));
            (squares.sum::<f64>() / n).sqrt().max(1e-9)
        };
        let scales: Vec<f64> = (0..d).map(scale).collect();
        let bias = used.iter().map(|i| labels[*i]).sum::<f64>() / n;
        let own = Self {
            beta: Vec::new(),
            bias,
            means,
            scales,
        };
        let mut gram = vec![vec![0.0; d]; d];
        let mut right = vec![0.0; d];
        for i in used {
            let x = own.scaled(&features[*i]);
            for (row, a) in gram.iter_mut().zip(&x) {
                row.iter_mut().zip(&x).for_each(|(sum, b)| *sum += a * b);
            }
            let label = labels[*i] - bias;
            right
                .iter_mut()
                .zip(&x)
                .for_each(|(sum, a)| *sum += a * label);
        }
        for (j, row) in gram.iter_mut().enumerate() {
            row[j] += RIDGE * n;
        }
        let beta = solved(gram, right)?;
        Some(Self { beta, ..own })
    }

    fn scaled(&self, features: &[f64]) -> Vec<f64> {
        let by = self.means.iter().zip(&self.scales);
        let both = features.iter().zip(by);
        both.map(|(x, (mean, scale))| (x - mean) / scale).collect()
    }

    fn predict(&self, features: &[f64]) -> f64 {
        let both = self.scaled(features).into_iter().zip(&self.beta);
        self.bias + both.map(|(x, beta)| x * beta).sum::<f64>()
    }
}

/// The solution of a symmetric positive system, by Cholesky's decomposition.
pub(super) fn solved(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Option<Vec<f64>> {
    let n = b.len();
    for j in 0..n {
        for k in 0..j {
            let pivot = a[j][k];
            for row in a.iter_mut().skip(j) {
                row[j] -= row[k] * pivot;
            }
        }
        let root = a[j][j].sqrt();
        if root.is_nan() || root <= 0.0 {
            return None;
        }
        a.iter_mut().skip(j).for_each(|row| row[j] /= root);
    }
    for i in 0..n {
        let sum: f64 = (0..i).map(|k| a[i][k] * b[k]).sum();
        b[i] = (b[i] - sum) / a[i][i];
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|k| a[k][i] * b[k]).sum();
        b[i] = (b[i] - sum) / a[i][i];
    }
    Some(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Features, and a target that is linear in them.
    fn linear(n: usize) -> (Vec<Vec<f64>>, Vec<f64>) {
        let mut dice = Dice::new(3);
        let weights: Vec<f64> = (0..DIMENSIONS).map(|_| dice.normal()).collect();
        let features: Vec<Vec<f64>> = (0..n)
            .map(|_| (0..DIMENSIONS).map(|_| dice.normal()).collect())
            .collect();
        let target = features
            .iter()
            .map(|x| x.iter().zip(&weights).map(|(x, w)| x * w).sum());
        let target = target.collect::<Vec<f64>>();
        (features, standardised(&target).unwrap())
    }

    #[test]
    fn what_is_linear_in_the_features_has_no_misfit() {
        let (features, target) = linear(400);
        let groups: Vec<usize> = (0..400).collect();
        let fit = Fit::of(&features, &target, &groups).unwrap();
        assert!(fit.misfit() < 0.01, "{}", fit.misfit());
        let gain = fit.against(&target).unwrap();
        assert!(
            gain.weak_error.abs() < 1e-9 && gain.gain.abs() < 0.01,
            "{gain:?}"
        );
    }

    /// Labels are a linear target and noise of variance v: the misfit is v, and so is the gain.
    #[test]
    fn noise_is_misfit_and_gain() {
        let n = 4000;
        let (features, target) = linear(n);
        let groups: Vec<usize> = (0..n).collect();
        let mut dice = Dice::new(9);
        for v in [0.1_f64, 0.5, 1.0] {
            let noisy: Vec<f64> = target
                .iter()
                .map(|t| t + v.sqrt() * dice.normal())
                .collect();
            // On the scale of labels of variance 1.
            let scale = 1.0 + v;
            let fit = Fit::of(&features, &noisy, &groups).unwrap();
            assert!(
                (fit.misfit() * scale - v).abs() < 0.1 * v,
                "{v}: {}",
                fit.misfit()
            );
            let gold: Vec<f64> = target.iter().map(|t| t / scale.sqrt()).collect();
            let weak = mean_square(&fit.labels, &gold);
            let gain = weak - mean_square(&fit.fitted, &gold);
            assert!((gain * scale - v).abs() < 0.12 * v, "{v}: {gain}");
        }
    }

    #[test]
    fn labels_that_do_not_differ_have_no_fit() {
        let (features, _) = linear(10);
        assert_eq!(
            Fit::of(&features, &[1.0; 10], &[0, 1, 0, 1, 0, 1, 0, 1, 0, 1]),
            None
        );
        assert_eq!(standardised(&[2.0, 2.0]), None);
    }

    #[test]
    fn systems_are_solved() {
        let solved = solved(vec![vec![4.0, 2.0], vec![2.0, 3.0]], vec![10.0, 9.0]).unwrap();
        assert!((solved[0] - 1.5).abs() < 1e-12 && (solved[1] - 2.0).abs() < 1e-12);
    }
}
