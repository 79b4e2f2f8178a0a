//! Whether models and caches fit into memory, before it is filled.

use crate::decoder::{Decoder, Sums};
use crate::models::{DecoderConfig, LoadError, Weights};

/// Bytes that a process may still take; `None` where the system does not say.
#[must_use]
pub fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Bytes of weights on the CPU, as they are multiplied.
#[must_use]
pub fn weight_bytes(config: &DecoderConfig, weights: &Weights, sums: Sums) -> u64 {
    Decoder::n_bytes(config, weights, sums)
}

/// Bytes of keys and values of `n_rows` rows of `len` tokens, in f32.
#[must_use]
pub fn cache_bytes(config: &DecoderConfig, n_rows: usize, len: usize) -> u64 {
    let token = 2 * config.n_layers * config.kv_width() * size_of::<f32>();
    (token * n_rows * len) as u64
}

/// Refuses weights that are larger than `free`.
///
/// # Errors
/// [`LoadError::TooLarge`], with what would fit.
pub(crate) fn check_weights(
    name: &str,
    config: &DecoderConfig,
    (weights, sums): (&Weights, Sums),
    free: Option<u64>,
) -> Result<(), LoadError> {
    // Bits per weight with the scales of their blocks.
    let forms = [("Q8_0", 8.5), ("Q4_K_M", 4.9)];
    let n = config.n_params() as f64;
    check_room(name, weight_bytes(config, weights, sums), free, |free| {
        let fits = |(_, bits): &&(&str, f64)| n * bits / 8.0 < free as f64;
        match forms.iter().find(fits) {
            Some((form, _)) => format!("choose a {form} GGUF of it, which would fit"),
            None => "choose a smaller model".to_owned(),
        }
    })
}

/// Refuses factors of an adapter, of `needed` bytes, that are larger than `free`; its base is
/// there already.
///
/// # Errors
/// [`LoadError::TooLarge`].
pub(super) fn check_factors(name: &str, needed: u64, free: Option<u64>) -> Result<(), LoadError> {
    let advice = |_| "choose an adapter of a smaller rank".to_owned();
    check_room(name, needed, free, advice)
}

/// Refuses what needs more than `free`.
///
/// # Errors
/// [`LoadError::TooLarge`], with `advice`.
pub(crate) fn check_room(
    name: &str,
    needed: u64,
    free: Option<u64>,
    advice: impl Fn(u64) -> String,
) -> Result<(), LoadError> {
    match free {
        Some(free) if needed > free => Err(LoadError::TooLarge {
            name: name.to_owned(),
            needed: gib(needed),
            free: gib(free),
            advice: advice(free),
        }),
        _ => Ok(()),
    }
}

/// In words, such as "1.5 GiB".
#[must_use]
pub fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> DecoderConfig {
        let json = include_str!("../../assets/models/strong/config.json");
        DecoderConfig::parse(json).unwrap()
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_would() {
        let weights = (&Weights::Random { seed: 0 }, Sums::Exact);
        let config = config();
        let check = |free| check_weights("m", &config, weights, free);
        assert!(check(None).is_ok() && check(Some(1 << 30)).is_ok());
        let told = check(Some(config.n_params() * 2)).unwrap_err().to_string();
        assert!(told.contains("Q8_0"), "{told}");
        let told = check(Some(1000)).unwrap_err().to_string();
        assert!(told.contains("smaller model"), "{told}");
    }

    #[test]
    fn caches_grow_with_rows_and_tokens() {
        let config = config();
        let one = cache_bytes(&config, 1, 1);
        assert_eq!(one as usize, 2 * 4 * config.n_layers * config.hidden);
        assert_eq!(cache_bytes(&config, 16, 100), 1600 * one);
    }
}
