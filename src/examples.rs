//! Answers that stand before other prompts: refinement instead of fine-tuning (arXiv 2405.16236).

/// An answer to one of several prompts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Which of the prompts it answers.
    pub prompt: usize,
    pub response: String,
}

/// Answers in the order in which they serve as examples: the best first by the log-ratio of the pair
/// that guided them. Of each its prompt, log-ratio and text.
#[must_use]
pub fn best_first(mut answers: Vec<(usize, f64, String)>) -> Vec<Example> {
    answers.sort_by(|(i, a, _), (j, b, _)| b.total_cmp(a).then(i.cmp(j)));
    let example = |(prompt, _, response)| Example { prompt, response };
    answers.into_iter().map(example).collect()
}

/// What the strong model is asked: the `n` first examples of other prompts, then the prompt itself;
/// with none of them just that.
#[must_use]
pub fn asked(prompts: &[String], prompt: usize, examples: &[Example], n: usize) -> String {
    let others = examples.iter().filter(|own| own.prompt != prompt).take(n);
    let told = others.map(|own| format!("{}{}\n\n", prompts[own.prompt], own.response));
    told.chain([prompts[prompt].clone()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_answers_come_first() {
        let answers = [(0, 1.0, "a"), (1, 3.0, "b"), (2, 1.0, "c")];
        let answers = answers.map(|(prompt, score, text)| (prompt, score, text.to_owned()));
        let order = best_first(answers.to_vec());
        let order: Vec<usize> = order.iter().map(|own| own.prompt).collect();
        assert_eq!(order, [1, 0, 2]);
    }

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
