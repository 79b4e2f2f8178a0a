//! Whether a search's keys and values fit into memory, before it begins.

use crate::library::{cache_bytes, gib};
use crate::models::DecoderConfig;
use crate::search::ModelError;

/// Refuses a search of `n_rows` rows of `len` tokens whose keys and values are larger than
/// `free`.
///
/// # Errors
/// [`ModelError::Other`], with how many rows would fit.
pub(super) fn check_caches(
    configs: &[&DecoderConfig],
    n_rows: usize,
    len: usize,
    free: Option<u64>,
) -> Result<(), ModelError> {
    let row = row_bytes(configs, len);
    let needed = row * n_rows as u64;
    match free {
        Some(free) if needed > free => Err(ModelError::Other(format!(
            "{n_rows} candidates of {len} tokens need {} of memory for keys and values and {} \
             are free: choose W times K of at most {}, or fewer tokens",
            gib(needed),
            gib(free),
            free / row.max(1)
        ))),
        _ => Ok(()),
    }
}

/// Keys and values of one row of `len` tokens in all models.
fn row_bytes(configs: &[&DecoderConfig], len: usize) -> u64 {
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
        let check = |n_rows| check_caches(&[&config], n_rows, 50, free);
        assert!(check(10).is_ok());
        let told = check(16).unwrap_err().to_string();
        assert!(told.contains("at most 10"), "{told}");
    }
}
