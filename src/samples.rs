//! The sample prompts that come with the program.

/// Openings of movie reviews, none of which decides how the review goes on.
const PROMPTS: &str = include_str!("../assets/prompts.json");

/// The prompt that the playground opens with: its continuation can go either way.
const FIRST: &str = "I watched this film last night,";

/// The sample prompts, the one to open with first.
#[must_use]
pub fn prompts() -> Vec<String> {
    let mut prompts: Vec<String> = serde_json::from_str(PROMPTS).unwrap_or_default();
    prompts.retain(|prompt| prompt != FIRST);
    prompts.insert(0, FIRST.to_owned());
    prompts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_parse_and_open_with_the_first() {
        let prompts = prompts();
        assert!(prompts.len() > 100);
        assert_eq!(prompts[0], FIRST);
    }
}
