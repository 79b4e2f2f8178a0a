//! Whether a search's keys and values fit into memory, before it begins.

use crate::library::{cache_bytes, gib};
use crate::models::DecoderConfig;
use crate::search::ModelError;

/// Refuses a search of `n_rows` rows of `len` tokens whose keys and values are larger than what
/// of `free` other searches leave, which want `taken`.
///
/// # Errors
/// [`ModelError::Other`], with how many rows would fit.
pub(super) fn check_caches(
    configs: &[&DecoderConfig],
    (n_rows, len): (usize, usize),
    free: Option<u64>,
    taken: u64,
) -> Result<(), ModelError> {
    let row = row_bytes(configs, len);
    let needed = row * n_rows as u64;
    let left = free.map(|free| free.saturating_sub(taken));
    let are_free = match taken {
        0 => "are free",
        _ => "are left beside the other ways",
    };
    match left {
        Some(left) if needed > left => Err(ModelError::Other(format!(
            "{n_rows} candidates of {len} tokens need {} of memory for keys and values and {} \
             {are_free}: choose W times K of at most {}, or fewer tokens",
            gib(needed),
            gib(left),
            left / row.max(1)
        ))),
        _ => Ok(()),
    }
}

/// Keys and values of one row of `len` tokens in all models.
pub(super) fn row_bytes(configs: &[&DecoderConfig], len: usize) -> u64 {
    configs.iter().map(|c| cache_bytes(c, 1, len)).sum()
}

/// How many searches of `n_rows` rows of `len` tokens each `free` bytes hold; as many as one likes
/// where it is not known what is free.
pub(super) fn how_many_fit(
    configs: &[&DecoderConfig],
    n_rows: usize,
    len: usize,
    free: Option<u64>,
) -> usize {
    let search = row_bytes(configs, len) * n_rows as u64;
    free.map_or(usize::MAX, |free| (free / search.max(1)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_rows_than_fit_are_refused_with_how_many_would() {
        let json = include_str!("../../assets/models/strong/config.json");
        let config = DecoderConfig::parse(json).unwrap();
        let free = Some(10 * cache_bytes(&config, 1, 50));
        let check = |n_rows, taken| check_caches(&[&config], (n_rows, 50), free, taken);
        assert!(check(10, 0).is_ok());
        let told = check(16, 0).unwrap_err().to_string();
        assert!(told.contains("at most 10"), "{told}");
    }

    #[test]
    fn what_other_ways_want_is_not_free() {
        let json = include_str!("../../assets/models/strong/config.json");
        let config = DecoderConfig::parse(json).unwrap();
        let row = cache_bytes(&config, 1, 50);
        let check = |n_rows| check_caches(&[&config], (n_rows, 50), Some(10 * row), 6 * row);
        assert!(check(4).is_ok());
        let told = check(5).unwrap_err().to_string();
        assert!(told.contains("beside the other ways: choose W times K of at most 4"));
    }
}
