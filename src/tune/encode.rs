//! From data to the tokens that a model reads.

use super::data::{Beginning, Datum};
use super::error::TuneError;
use crate::decoder::train::{Example, Row};
use crate::guide::chat;
use crate::library::Model;
use crate::models::{Message, TokenId};
use crate::template::{Date, Template};

/// How texts become tokens.
#[derive(Debug, Clone)]
pub struct Encoding {
    /// What the model sees of a prompt; turns of a conversation need its chat template.
    pub template: Template,
    pub system: Option<String>,
    pub date: Option<Date>,
    /// The most tokens of a row, prompt and response together.
    pub most: usize,
}

/// Tokens of data.
#[derive(Debug, Default)]
pub struct Encoded {
    pub examples: Vec<Example>,
    /// How many rows were cut to the most tokens that are allowed.
    pub n_cut: usize,
}

impl Encoding {
    /// Prompts through the template, responses after them, each ended as the model ends texts.
    ///
    /// # Errors
    /// A text that the tokenizer refuses; a conversation for a model without a chat template.
    pub fn encode(&self, model: &Model, data: &[Datum]) -> Result<Encoded, TuneError> {
        let mut encoded = Encoded::default();
        for datum in data {
            let example = match datum {
                Datum::Text { prompt, response } => {
                    let row = self.row(model, prompt, response, &mut encoded.n_cut)?;
                    Example::Text(row)
                }
                Datum::Preference {
                    prompt,
                    chosen,
                    rejected,
                } => Example::Preference {
                    chosen: self.row(model, prompt, chosen, &mut encoded.n_cut)?,
                    rejected: self.row(model, prompt, rejected, &mut encoded.n_cut)?,
                    reference: [0.0; 2],
                },
            };
            encoded.examples.push(example);
        }
        Ok(encoded)
    }

    fn row(
        &self,
        model: &Model,
        prompt: &Beginning,
        response: &str,
        n_cut: &mut usize,
    ) -> Result<Row, TuneError> {
        let prompt = self.prompt(model, prompt)?;
        let mut response = model.try_encode_on(response)?;
        response.extend(model.ends().first());
        let (row, is_cut) = cut(&prompt, &response, self.most);
        *n_cut += usize::from(is_cut);
        Ok(row)
    }

    /// The ids that a response follows.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn prompt(&self, model: &Model, prompt: &Beginning) -> Result<Vec<TokenId>, TuneError> {
        let system = self.system.as_deref();
        let shown = match prompt {
            Beginning::Text(text) => self.template.apply(model, text, system, self.date)?,
            Beginning::Talk(messages) => {
                let has_own = messages.iter().any(|message| message.role == "system");
                let system = system.filter(|_| !has_own);
                let system = system.map(|text| Message::new("system", text));
                let talk = system.into_iter().chain(messages.iter().cloned());
                chat(model, talk.collect(), self.date)?
            }
        };
        Ok(model.prompt_ids(&shown, 0)?)
    }
}

/// Prompt and response in at most `most` tokens: a prompt loses its beginning, down to half of
/// them, then the response its end.
fn cut(prompt: &[TokenId], response: &[TokenId], most: usize) -> (Row, bool) {
    let over = (prompt.len() + response.len()).saturating_sub(most);
    let spare = prompt.len().saturating_sub(most / 2);
    let prompt = &prompt[over.min(spare)..];
    let room = most.saturating_sub(prompt.len()).max(1);
    (
        Row::new(prompt, &response[..response.len().min(room)]),
        over > 0,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_at_both_ends() {
        let row = |prompt: &[u32], response: &[u32]| cut(prompt, response, 6);
        let (kept, is_cut) = row(&[1, 2], &[3, 4]);
        assert_eq!((kept.ids, kept.from, is_cut), (vec![1, 2, 3, 4], 2, false));
        let (kept, is_cut) = row(&[1, 2, 3, 4, 5], &[6, 7]);
        assert_eq!(
            (kept.ids, kept.from, is_cut),
            (vec![2, 3, 4, 5, 6, 7], 4, true)
        );
        let (kept, _) = row(&[1, 2, 3, 4, 5], &[6, 7, 8, 9]);
        assert_eq!((kept.ids, kept.from), (vec![3, 4, 5, 6, 7, 8], 3));
        let (kept, _) = row(&[1], &[2, 3, 4, 5, 6, 7, 8]);
        assert_eq!((kept.ids, kept.from), (vec![1, 2, 3, 4, 5, 6], 1));
    }
}
