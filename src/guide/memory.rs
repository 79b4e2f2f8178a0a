//! Whether a search's keys and values fit into memory, before it begins.

use crate::library::{cache_bytes, gib};
use crate::models::DecoderConfig;
use crate::search::ModelError;

/// Refuses a search of `n_rows` rows of `len` tokens whose keys and values, `row` bytes each, are
/// larger than what of `free` is left by those of its prompt, of `prompt` bytes, and by other searches, which want
/// `taken`.
///
/// # Errors
/// [`ModelError::Other`], with how many rows would fit.
pub(super) fn check_caches(
    row: u64,
    (n_rows, len): (usize, usize),
    prompt: u64,
    free: Option<u64>,
    taken: u64,
) -> Result<(), ModelError> {
    let needed = row * n_rows as u64;
    let left = free.map(|free| free.saturating_sub(taken));
    if let Some(left) = left.filter(|left| prompt > *left) {
        return Err(ModelError::Other(format!(
            "the prompt needs {} of memory for keys and values and {} are left: choose a shorter \
             one",
            gib(prompt),
            gib(left)
        )));
    }
    let left = left.map(|left| left - prompt);
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
        let row = cache_bytes(&config, 1, 50);
        let free = Some(10 * row);
        let check = |n_rows, prompt| check_caches(row, (n_rows, 50), prompt, free, 0);
        assert!(check(10, 0).is_ok());
        let told = check(16, 0).unwrap_err().to_string();
        assert!(told.contains("at most 10"), "{told}");
        // A prompt takes as much once, whatever the number of rows.
        let prompt = cache_bytes(&config, 1, 100);
        assert!(check(8, prompt).is_ok() && check(9, prompt).is_err());
        let told = check(1, 6 * prompt).unwrap_err().to_string();
        assert!(told.contains("a shorter one"), "{told}");
    }

    #[test]
    fn what_other_ways_want_is_not_free() {
        let json = include_str!("../../assets/models/strong/config.json");
        let config = DecoderConfig::parse(json).unwrap();
        let row = cache_bytes(&config, 1, 50);
        let check = |n_rows| check_caches(row, (n_rows, 50), 0, Some(10 * row), 6 * row);
        assert!(check(4).is_ok());
        let told = check(5).unwrap_err().to_string();
        assert!(told.contains("beside the other ways: choose W times K of at most 4"));
    }
}
