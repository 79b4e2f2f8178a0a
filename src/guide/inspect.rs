//! What models see and say, for people and for comparison with other software.

use super::rows::common_prefix;
use super::setting::Setting;
use crate::decoder::{Decoder, Feed, ForwardError, Want, log_sum_exp};
use crate::evidence::{Joint, PromptView, Scoring, Seams, Vocabularies, Xray};
use crate::library::Model;
use crate::models::{Prompt, Tokenizer};
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

/// The logits that each of the last tokens of `ids` was drawn from, those from `first` ≥ 1 on.
///
/// # Errors
/// As [`positions`].
pub fn logits_of(
    decoder: &Decoder,
    ids: &[TokenId],
    first: usize,
) -> Result<Vec<Vec<f32>>, ForwardError> {
    let mut cache = decoder.cache();
    let feed = |tokens| [Feed { row: 0, tokens }];
    let from = first.saturating_sub(1);
    if from > 0 {
        decoder.forward(&mut cache, &feed(&ids[..from]), Want::None)?;
    }
    let last = ids.len().saturating_sub(1).max(from);
    let logits = decoder.forward(&mut cache, &feed(&ids[from..last]), Want::All)?;
    Ok(logits.rows().map(<[f32]>::to_vec).collect())
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
    let (pair, scoring) = (&setting.pair, setting.scoring(rules));
    let prompt = setting.read_by_pair(rules);
    Ok(Xray {
        strong: view(
            &setting.strong,
            &setting.strong_prompt,
            Scoring::Ids,
            response,
        )?,
        tuned: view(&pair.tuned, &prompt, scoring, response)?,
        untuned: view(&pair.untuned, &prompt, scoring, response)?,
        vocabularies: compared(&setting.strong.tokenizer, &pair.tuned.tokenizer),
        scoring,
    })
}

fn compared(strong: &Tokenizer, pair: &Tokenizer) -> Vocabularies {
    Vocabularies {
        same: strong.same_vocabulary(pair),
        strong: strong.n_tokens(),
        pair: pair.n_tokens(),
        differing: strong.n_differing(pair),
    }
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
    let before = match setting.strong_prompt.text.is_empty() {
        true => setting.strong.try_encode(response)?,
        false => encode(response)?,
    };
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
    scoring: Scoring,
    response: Option<&str>,
) -> Result<PromptView, ModelError> {
    let ids = match scoring {
        Scoring::Ids => model.prompt_ids(prompt, 0)?,
        Scoring::Text => model.try_text_ids(prompt, "")?,
    };
    let tokens = ids.iter().map(|id| (*id, model.tokenizer.piece(*id)));
    Ok(PromptView {
        model: model.name.clone(),
        text: prompt.text.clone(),
        tokens: tokens.collect(),
        bos: ids.first().copied() == model.tokenizer.bos() && !ids.is_empty(),
        joint: response
            .map(|response| joint(model, prompt, &ids, response))
            .transpose()?,
    })
}

fn joint(
    model: &Model,
    prompt: &Prompt,
    alone: &[TokenId],
    response: &str,
) -> Result<Joint, ModelError> {
    let ids = model.try_text_ids(prompt, response)?;
    let shared = common_prefix(&ids, alone);
    Ok(Joint {
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
        let scoring = |rules| xray(&same, rules, None).unwrap().scoring;
        assert_eq!(scoring(Rules::Fixed), Scoring::Ids);
        assert_eq!(scoring(Rules::Reference), Scoring::Text);
    }
}
