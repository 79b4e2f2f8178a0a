//! Weak-guided answers to other prompts, as examples before a prompt.

use super::cell::{CellResult, Measured, Outcome};

/// An answer that stands before other prompts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Example {
    /// Of the plan.
    pub prompt: usize,
    pub response: String,
}

/// Guided answers as examples, the best by the pair that guided them first.
pub(super) fn examples(results: &[CellResult]) -> Vec<Example> {
    let done = |result: &CellResult| match &result.outcome {
        Outcome::Done(measured) => Some((result.prompt, measured.clone())),
        Outcome::Failed { .. } => None,
    };
    let mut all: Vec<(usize, Box<Measured>)> = results.iter().filter_map(done).collect();
    all.sort_by(|(i, a), (j, b)| b.log_ratio.total_cmp(&a.log_ratio).then(i.cmp(j)));
    let example = |(prompt, measured): (usize, Box<Measured>)| Example {
        prompt,
        response: measured.response,
    };
    all.into_iter().map(example).collect()
}

/// What the strong model is asked: the `n` best examples of other prompts, then the prompt itself;
/// with none of them just that.
pub(super) fn asked(prompts: &[String], prompt: usize, examples: &[Example], n: usize) -> String {
    let others = examples.iter().filter(|own| own.prompt != prompt).take(n);
    let told = others.map(|own| format!("{}{}\n\n", prompts[own.prompt], own.response));
    told.chain([prompts[prompt].clone()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_of_other_prompts_and_none_is_the_prompt_itself() {
        let prompts = ["a", "b", "c"].map(str::to_owned);
        let example = |prompt, response: &str| Example {
            prompt,
            response: response.to_owned(),
        };
        let examples = [example(1, " one"), example(0, " two"), example(2, " three")];
        assert_eq!(asked(&prompts, 1, &examples, 0), "b");
        assert_eq!(asked(&prompts, 1, &examples, 1), "a two\n\nb");
        assert_eq!(asked(&prompts, 1, &examples, 2), "a two\n\nc three\n\nb");
        assert_eq!(asked(&prompts, 0, &examples, 9), "b one\n\nc three\n\na");
    }
}
