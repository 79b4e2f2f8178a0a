//! A mean and how sure it is.

use std::fmt;

use serde::Serialize;

/// The 97.5 % quantile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// The same of Student's t with 1, 2, … degrees of freedom, where the expansion is too coarse.
const T: [f64; 6] = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469];

/// A mean with the half-width of its 95 % t-interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Mean {
    pub mean: f64,
    /// `None` below two samples.
    pub half_width: Option<f64>,
}

impl Mean {
    /// `None` without samples.
    pub fn of(samples: &[f64]) -> Option<Self> {
        let n = samples.len() as f64;
        let mean = match samples {
            [] => return None,
            all => all.iter().sum::<f64>() / n,
        };
        let squares: f64 = samples.iter().map(|x| (x - mean).powi(2)).sum();
        let half_width = (samples.len() > 1)
            .then(|| t_quantile(samples.len() - 1) * (squares / (n - 1.0) / n).sqrt());
        Some(Self { mean, half_width })
    }
}

impl fmt::Display for Mean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", self.mean)?;
        match self.half_width {
            Some(half) => write!(f, " ± {half:.2}"),
            None => Ok(()),
        }
    }
}

/// The 97.5 % quantile of Student's t with `df` ≥ 1 degrees of freedom, within 1e-3
/// (Cornish-Fisher expansion, Abramowitz and Stegun 26.7.5).
pub(super) fn t_quantile(df: usize) -> f64 {
    if let Some(t) = T.get(df - 1) {
        return *t;
    }
    let v = df as f64;
    let (z3, z5, z7, z9) = (Z.powi(3), Z.powi(5), Z.powi(7), Z.powi(9));
    Z + (z3 + Z) / (4.0 * v)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * Z) / (96.0 * v.powi(2))
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * Z) / (384.0 * v.powi(3))
        + (79.0 * z9 + 776.0 * z7 + 1482.0 * z5 - 1920.0 * z3 - 945.0 * Z) / (92_160.0 * v.powi(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_equal_the_printed_tables() {
        for (df, t) in [
            (1, 12.706),
            (6, 2.447),
            (7, 2.365),
            (15, 2.131),
            (119, 1.980),
        ] {
            assert!(
                (t_quantile(df) - t).abs() < 1e-3,
                "{df}: {}",
                t_quantile(df)
            );
        }
    }

    #[test]
    fn the_interval_of_a_small_sample() {
        let mean = Mean::of(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        // s = 1.2910, s / √4 = 0.6455, times 3.1824
        assert_eq!(mean.to_string(), "2.50 ± 2.05");
        assert_eq!(Mean::of(&[7.0]).unwrap().to_string(), "7.00");
        assert_eq!(Mean::of(&[]), None);
    }
}
