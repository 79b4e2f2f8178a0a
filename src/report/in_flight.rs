//! How many prompts are searched at once.

use std::num::NonZeroUsize;

use crate::search::{ModelError, SearchParams};

/// Candidates in one pass, together: from here on, more of them hardly make a pass better used.
const ROWS: usize = 64;

/// `asked` for, or what serves the machine, of `n_prompts`; `fits` is what memory holds.
///
/// # Errors
/// More are asked for than memory holds.
pub(super) fn in_flight(
    asked: Option<NonZeroUsize>,
    n_prompts: usize,
    params: &SearchParams,
    fits: usize,
) -> Result<usize, ModelError> {
    // What does not fit alone is refused in better words when it begins.
    let fits = fits.max(1);
    let Some(asked) = asked else {
        let usual = ROWS.div_ceil(params.n_candidates());
        return Ok(usual.min(fits).min(n_prompts).max(1));
    };
    match asked.get().min(n_prompts.max(1)) {
        n if n > fits => Err(ModelError::Other(format!(
            "memory holds the candidates of {fits} searches with these settings, not of {n}: \
             choose --in-flight of at most {fits}, or leave it out"
        ))),
        n => Ok(n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual(w: usize, k: usize, n_prompts: usize, fits: usize) -> usize {
        let draft = SearchParams::default().draft();
        let params = crate::search::Draft {
            beam_width: w,
            successors: k,
            ..draft
        };
        in_flight(None, n_prompts, &params.build().unwrap(), fits).unwrap()
    }

    #[test]
    fn by_default_a_pass_is_well_used() {
        assert_eq!(usual(4, 4, 120, usize::MAX), 4);
        assert_eq!(usual(1, 1, 120, usize::MAX), 64);
        assert_eq!(usual(16, 16, 120, usize::MAX), 1);
        assert_eq!(usual(4, 4, 120, 2), 2, "memory");
        assert_eq!(usual(4, 4, 3, usize::MAX), 3, "no more than there are");
        assert_eq!(usual(4, 4, 3, 0), 1, "refused when it begins");
    }

    #[test]
    fn more_than_memory_holds_is_refused() {
        let ask = |n, fits| {
            let params = SearchParams::default();
            in_flight(NonZeroUsize::new(n), 120, &params, fits)
        };
        assert_eq!(ask(7, 7).unwrap(), 7);
        assert_eq!(ask(500, 200).unwrap(), 120);
        let told = ask(9, 7).unwrap_err().to_string();
        assert!(told.contains("at most 7"), "{told}");
    }
}
