//! What models see and say, for people and for comparison with other software.

use super::reader::Join;
use super::rows::common_prefix;
use super::setting::Setting;
use crate::decoder::{Decoder, Feed, ForwardError, Want, log_sum_exp};
use crate::library::Model;
use crate::models::{Prompt, VocabularyDiff};
use crate::search::{HypothesisId, ModelError, Response, Rules, TokenId};

/// The raw logits that follow one position.
#[derive(Debug, Clone, PartialEq)]
pub struct Position {
    /// ln Σ exp(logits), in nats.
    pub log_sum_exp: f64,
    /// The id of the highest logit, the first among equals.
    pub argmax: TokenId,
    /// The first logits, f32.
    pub logits: Vec<f32>,
}

/// One model's view of a prompt, and of a response after it.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    pub model: String,
    pub prompt: String,
    pub ids: Vec<TokenId>,
    /// The text of each id alone.
    pub pieces: Vec<String>,
    /// Whether the ids begin with BOS.
    pub bos: bool,
    pub join: Option<JoinView>,
}

/// Prompt and response tokenised jointly.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinView {
    pub ids: Vec<TokenId>,
    /// How many leading ids are those of the prompt alone.
    pub shared: usize,
    /// Whether a token spans the join, so that the prompt's own ids do not all stand.
    pub merges: bool,
}

/// What the three models of a search see.
#[derive(Debug, Clone, PartialEq)]
pub struct Xray {
    pub strong: View,
    pub tuned: View,
    pub untuned: View,
    /// Strong model against pair.
    pub vocabularies: VocabularyDiff,
    /// How the pair scores what the strong model samples.
    pub join: Join,
}

/// How a response holds together: with its prompt, with what was accepted of it before its last
/// chunk, and at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seams {
    /// Weak tokens at the prompt's end that do not stand where prompt and response are tokenised
    /// as one text. Only under [`Join::Text`] does the pair read them so.
    pub merged: usize,
    /// Weak tokens of the accepted response, and how many of them its last chunk changed.
    pub accepted: usize,
    pub changed: usize,
    /// The last bytes are no whole character yet.
    pub in_character: bool,
    /// The text ends with a letter or a digit: in a word or at its end, as what follows will tell.
    pub after_letter: bool,
}

/// Runs `ids` through a fresh cache; `n` logits of each position are kept.
///
/// # Errors
/// No ids, an id outside the vocabulary, more ids than the context holds.
pub fn positions(
    decoder: &Decoder,
    ids: &[TokenId],
    n: usize,
) -> Result<Vec<Position>, ForwardError> {
    let feed = Feed {
        row: 0,
        tokens: ids,
    };
    let logits = decoder.forward(&mut decoder.cache(), &[feed], Want::All)?;
    let rows = (0..logits.n_rows()).map(|i| logits.row(i));
    Ok(rows.map(|row| position(row, n)).collect())
}

fn position(row: &[f32], n: usize) -> Position {
    let mut best = 0;
    for (i, logit) in row.iter().enumerate() {
        if *logit > row[best] {
            best = i;
        }
    }
    Position {
        log_sum_exp: log_sum_exp(row),
        argmax: best as TokenId,
        logits: row[..n.min(row.len())].to_vec(),
    }
}

/// The three views of a setting, under `rules`.
///
/// # Errors
/// An empty prompt for a model without BOS.
pub fn xray(setting: &Setting, rules: Rules, response: Option<&str>) -> Result<Xray, ModelError> {
    let (pair, join) = (&setting.pair, setting.join(rules));
    let prompt = setting.read_by_pair(rules);
    Ok(Xray {
        strong: view(&setting.strong, &setting.strong_prompt, Join::Ids, response)?,
        tuned: view(&pair.tuned, &prompt, join, response)?,
        untuned: view(&pair.untuned, &prompt, join, response)?,
        vocabularies: setting
            .strong
            .tokenizer
            .compare(&setting.pair.tuned.tokenizer),
        join,
    })
}

/// How `response` holds together; `accepted` is the part of it that stood before its last chunk.
///
/// # Errors
/// As [`xray`].
pub fn seams(
    setting: &Setting,
    rules: Rules,
    accepted: Option<&Response>,
    response: &Response,
) -> Result<Seams, ModelError> {
    let reader = setting.reader(rules, 0)?;
    let (accepted, changed) =
        accepted.map_or(Ok((0, 0)), |before| reader.changed(before, response))?;
    let (tokenizer, text) = (&setting.strong.tokenizer, response.text.to_string());
    let tokens = response.tokens.to_vec();
    let whole = tokenizer.decode_whole_characters(&tokens);
    Ok(Seams {
        merged: reader.merged(&text)?,
        accepted,
        changed,
        in_character: tokenizer.decode(&tokens) != whole,
        after_letter: text.chars().next_back().is_some_and(char::is_alphanumeric),
    })
}

/// How `response` and a `chunk` after it hold together, both given as text: the strong model's
/// tokens are taken to be those of each alone.
///
/// # Errors
/// As [`xray`].
pub fn text_seams(
    setting: &Setting,
    rules: Rules,
    response: &str,
    chunk: Option<&str>,
) -> Result<Seams, ModelError> {
    let encode = |text| setting.strong.try_encode_on(text);
    let before = encode(response)?;
    let Some(chunk) = chunk else {
        return seams(setting, rules, None, &given(&before, response));
    };
    let (ids, text) = (
        [&before[..], &encode(chunk)?].concat(),
        format!("{response}{chunk}"),
    );
    let accepted = given(&before, response);
    seams(setting, rules, Some(&accepted), &given(&ids, &text))
}

fn given(tokens: &[TokenId], text: &str) -> Response {
    Response {
        id: HypothesisId(0),
        parent: None,
        tokens: tokens.to_vec().into(),
        text: text.into(),
        ended: false,
    }
}

fn view(
    model: &Model,
    prompt: &Prompt,
    join: Join,
    response: Option<&str>,
) -> Result<View, ModelError> {
    let ids = match join {
        Join::Ids => model.prompt_ids(prompt, 0)?,
        Join::Text => model.try_text_ids(prompt, "")?,
    };
    let pieces = ids.iter().map(|id| model.tokenizer.piece(*id).to_string());
    Ok(View {
        model: model.name.clone(),
        prompt: prompt.text.clone(),
        pieces: pieces.collect(),
        bos: ids.first().copied() == model.tokenizer.bos() && !ids.is_empty(),
        join: response
            .map(|response| join_view(model, prompt, &ids, response))
            .transpose()?,
        ids,
    })
}

fn join_view(
    model: &Model,
    prompt: &Prompt,
    alone: &[TokenId],
    response: &str,
) -> Result<JoinView, ModelError> {
    let ids = model.try_text_ids(prompt, response)?;
    let shared = common_prefix(&ids, alone);
    Ok(JoinView {
        merges: shared < alone.len(),
        ids,
        shared,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::DeviceChoice;
    use crate::library::Library;
    use crate::models::{ModelSpec, PairSpec};

    const OTHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/other");

    fn setting(strong: &str, prompt: &str) -> Setting {
        let mut library = Library::open(DeviceChoice::Cpu).unwrap();
        let strong = library.model(&ModelSpec::parse(strong)).unwrap();
        let pair = PairSpec::parse("positive").unwrap();
        Setting::bare(strong, library.pair(&pair).unwrap(), prompt)
    }

    #[test]
    fn a_chunk_may_end_inside_a_character() {
        for strong in ["bundled:strong", OTHER] {
            let setting = setting(strong, "A film");
            let tokenizer = setting.strong.tokenizer.clone();
            let ids = tokenizer.encode("日");
            assert!(ids.len() > 1, "its bytes are tokens");
            for n in 1..=ids.len() {
                let text = tokenizer.decode_whole_characters(&ids[..n]);
                let found = seams(&setting, Rules::Fixed, None, &given(&ids[..n], &text)).unwrap();
                assert_eq!(found.in_character, n < ids.len(), "{strong}: {n}");
                assert_eq!(text.is_empty(), n < ids.len());
            }
        }
    }

    #[test]
    fn a_chunk_may_change_what_was_accepted() {
        let other = setting(OTHER, "It was a wonder");
        let found = text_seams(&other, Rules::Fixed, "ful per", Some("formance")).unwrap();
        assert_eq!((found.merged, found.accepted, found.changed), (1, 2, 1));
        let same = setting("bundled:strong", "It was a wonder");
        let found = text_seams(&same, Rules::Fixed, "ful per", Some("formance")).unwrap();
        assert_eq!(
            (found.merged, found.changed),
            (1, 0),
            "ids stay as they are"
        );
        let found = text_seams(&same, Rules::Reference, "ful per", Some("formance")).unwrap();
        assert_eq!((found.accepted, found.changed), (2, 1), "read as text");
    }

    #[test]
    fn a_first_chunk_changes_nothing_that_was_accepted() {
        let other = setting(OTHER, "It was a");
        let found = text_seams(&other, Rules::Fixed, " film.", None).unwrap();
        assert_eq!((found.accepted, found.changed), (0, 0));
        assert!(!found.after_letter && !found.in_character);
    }

    #[test]
    fn rules_decide_what_the_pair_sees_and_scores() {
        let same = setting("bundled:strong", "It was a");
        let join = |rules| xray(&same, rules, None).unwrap().join;
        assert_eq!(join(Rules::Fixed), Join::Ids);
        assert_eq!(join(Rules::Reference), Join::Text);
    }
}
