//! What is learnt from, as files have it: TRL's forms of texts and of preferences.
//!
//! | a line | |
//! | --- | --- |
//! | `{"prompt", "chosen", "rejected"}` | a preference; texts, or lists of messages |
//! | `{"chosen", "rejected"}` | the same, the prompt being what both begin with |
//! | `{"prompt", "completion"}` | a text of which the completion counts |
//! | `{"text"}` | a text that counts from its beginning |
//! | `{"messages"}` | a conversation of which the answer counts |
//!
//! Other keys are ignored, as TRL does. A conversation may have any turns before its answer, which
//! is the assistant's; the model's chat template says which.

use std::path::Path;

use serde_json::{Map, Value};

use super::error::TuneError;
use crate::models::Message;

/// Data is held in memory.
const MOST: u64 = 1 << 30;

/// What a response follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beginning {
    /// A prompt.
    Text(String),
    /// The turns of a conversation, for a chat template.
    Talk(Vec<Message>),
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datum {
    Text {
        prompt: Beginning,
        response: String,
    },
    Preference {
        prompt: Beginning,
        chosen: String,
        rejected: String,
    },
}

/// What lines are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Texts,
    Preferences,
}

/// A file of data.
#[derive(Debug, Default)]
pub struct Data {
    pub rows: Vec<Datum>,
    /// Lines that cannot be used, counted from 1, and why.
    pub bad: Vec<(usize, String)>,
}

impl Data {
    /// Reads JSON lines. Preferences serve as texts, too: the chosen ones.
    ///
    /// # Errors
    /// The file cannot be read, is larger than what is held in memory, or has no line of use.
    pub fn read(path: &Path, wanted: Wanted) -> Result<Self, TuneError> {
        let unread = |source| TuneError::Read {
            path: path.to_owned(),
            source,
        };
        let about = std::fs::metadata(path).map_err(unread)?;
        if about.len() > MOST {
            return Err(TuneError::Huge {
                path: path.to_owned(),
                mib: about.len() >> 20,
                most: MOST >> 20,
            });
        }
        let text = std::fs::read_to_string(path).map_err(unread)?;
        let data = Self::parse(&text, wanted);
        if data.rows.is_empty() {
            let first = data.bad.first();
            return Err(TuneError::NoData {
                path: path.to_owned(),
                what: wanted.name(),
                first: first.map(|(line, why)| format!("line {line} {why}")),
            });
        }
        Ok(data)
    }

    /// The same of a text.
    #[must_use]
    pub fn parse(text: &str, wanted: Wanted) -> Self {
        let mut data = Self::default();
        for (i, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            match datum(line).and_then(|datum| wanted.fits(datum)) {
                Ok(datum) => data.rows.push(datum),
                Err(why) => data.bad.push((i + 1, why)),
            }
        }
        data
    }
}

impl Wanted {
    fn name(self) -> &'static str {
        match self {
            Self::Texts => "texts",
            Self::Preferences => "preferences",
        }
    }

    fn fits(self, datum: Datum) -> Result<Datum, String> {
        match (self, datum) {
            (Self::Texts, Datum::Preference { prompt, chosen, .. }) => Ok(Datum::Text {
                prompt,
                response: chosen,
            }),
            (Self::Preferences, Datum::Text { .. }) => {
                Err("has no \"chosen\" and \"rejected\"".to_owned())
            }
            (_, datum) => Ok(datum),
        }
    }
}

type Read<T> = Result<T, String>;

fn datum(line: &str) -> Read<Datum> {
    let value: Value = serde_json::from_str(line).map_err(|e| format!("is no JSON: {e}"))?;
    let Value::Object(row) = value else {
        return Err("is no JSON object".to_owned());
    };
    let has = |key: &str| row.get(key).is_some_and(|value| !value.is_null());
    if has("chosen") && has("rejected") {
        return preference(&row);
    }
    if has("completion") {
        let turns = Turns::read(row.get("prompt"), "prompt")?;
        return text(turns, Turns::read(row.get("completion"), "completion")?);
    }
    if has("messages") {
        let (turns, answer) = Turns::read(row.get("messages"), "messages")?.with_answer()?;
        return text(turns, answer);
    }
    match row.get("text") {
        Some(Value::String(all)) => text(Turns::Text(String::new()), Turns::Text(all.clone())),
        Some(_) => Err("has a \"text\" that is none".to_owned()),
        None => Err(
            "has neither \"chosen\" and \"rejected\" nor \"completion\", \"messages\" or \"text\""
                .to_owned(),
        ),
    }
}

fn text(prompt: Turns, response: Turns) -> Read<Datum> {
    let response = response.answer()?;
    let prompt = prompt.beginning()?;
    match response.is_empty() {
        true => Err("has nothing to learn: its text is empty".to_owned()),
        false => Ok(Datum::Text { prompt, response }),
    }
}

fn preference(row: &Map<String, Value>) -> Read<Datum> {
    let chosen = Turns::read(row.get("chosen"), "chosen")?;
    let rejected = Turns::read(row.get("rejected"), "rejected")?;
    let (prompt, chosen, rejected) = match row.get("prompt") {
        None | Some(Value::Null) => apart(chosen, rejected)?,
        Some(prompt) => {
            let prompt = Turns::read(Some(prompt), "prompt")?;
            (prompt.beginning()?, chosen.answer()?, rejected.answer()?)
        }
    };
    if chosen == rejected {
        return Err("prefers a response to itself".to_owned());
    }
    if chosen.is_empty() || rejected.is_empty() {
        return Err("has an empty response".to_owned());
    }
    Ok(Datum::Preference {
        prompt,
        chosen,
        rejected,
    })
}

/// The prompt is what both begin with, as TRL's `extract_prompt` has it: the blank before the
/// first difference belongs to the responses.
fn apart(chosen: Turns, rejected: Turns) -> Read<(Beginning, String, String)> {
    if let (Turns::Text(a), Turns::Text(b)) = (&chosen, &rejected) {
        let same = a.char_indices().zip(b.chars()).find(|((_, x), y)| x != y);
        let mut at = same.map_or(a.len().min(b.len()), |((at, _), _)| at);
        if a[..at].ends_with(' ') {
            at -= 1;
        }
        let prompt = Beginning::Text(a[..at].to_owned());
        return Ok((prompt, a[at..].to_owned(), b[at..].to_owned()));
    }
    let ((a, chosen), (b, rejected)) = (chosen.with_answer()?, rejected.with_answer()?);
    let (a, b) = (a.beginning()?, b.beginning()?);
    match a == b {
        true => Ok((a, chosen.answer()?, rejected.answer()?)),
        false => Err("has responses to different prompts".to_owned()),
    }
}

/// A text, or a part of a conversation.
enum Turns {
    Text(String),
    Messages(Vec<Message>),
}

impl Turns {
    fn read(value: Option<&Value>, key: &str) -> Read<Self> {
        match value {
            Some(Value::String(text)) => Ok(Self::Text(text.clone())),
            Some(Value::Array(messages)) => {
                let messages = messages.iter().map(|message| {
                    let text = |key: &str| message.get(key)?.as_str();
                    Some(Message::new(text("role")?, text("content")?))
                });
                let messages = messages.collect::<Option<Vec<_>>>();
                let messages = messages.filter(|messages| !messages.is_empty());
                messages
                    .map(Self::Messages)
                    .ok_or_else(|| format!("has \"{key}\" that is no list of messages"))
            }
            None | Some(Value::Null) => Err(format!("has no \"{key}\"")),
            Some(_) => Err(format!("has \"{key}\" that is neither text nor messages")),
        }
    }

    /// The answer apart from what precedes it.
    fn with_answer(self) -> Read<(Self, Self)> {
        match self {
            Self::Messages(mut messages) => {
                let answer = messages.split_off(messages.len() - 1);
                Ok((Self::Messages(messages), Self::Messages(answer)))
            }
            Self::Text(_) => Err("mixes texts and messages".to_owned()),
        }
    }

    fn beginning(self) -> Read<Beginning> {
        let messages = match self {
            Self::Text(text) => return Ok(Beginning::Text(text)),
            Self::Messages(messages) => messages,
        };
        match messages.last() {
            None => Err("has an answer and nothing that it answers".to_owned()),
            Some(last) if last.role == "assistant" => {
                Err("has a prompt that ends with the assistant's turn".to_owned())
            }
            Some(_) => Ok(Beginning::Talk(messages)),
        }
    }

    fn answer(self) -> Read<String> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Messages(messages) => match &messages[..] {
                [own] if own.role == "assistant" => Ok(own.content.clone()),
                _ => Err("has a response that is not one turn of the assistant".to_owned()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str, wanted: Wanted) -> Result<Datum, String> {
        let mut data = Data::parse(line, wanted);
        match data.bad.pop() {
            Some((1, why)) => Err(why),
            _ => Ok(data.rows.remove(0)),
        }
    }

    fn plain(text: &str) -> Beginning {
        Beginning::Text(text.to_owned())
    }

    #[test]
    fn all_forms_of_preferences() {
        let wanted = |prompt| Datum::Preference {
            prompt,
            chosen: " b".to_owned(),
            rejected: " c".to_owned(),
        };
        let read = |line| one(line, Wanted::Preferences);
        let explicit = r#"{"prompt": "a", "chosen": " b", "rejected": " c", "score": 3}"#;
        assert_eq!(read(explicit), Ok(wanted(plain("a"))));
        let implicit = r#"{"chosen": "a b", "rejected": "a c"}"#;
        assert_eq!(read(implicit), Ok(wanted(plain("a"))));
        let turn = |role, text| format!(r#"{{"role": "{role}", "content": "{text}"}}"#);
        let (system, user) = (turn("system", "s"), turn("user", "a"));
        let (b, c) = (turn("assistant", " b"), turn("assistant", " c"));
        let beginning =
            Beginning::Talk(vec![Message::new("system", "s"), Message::new("user", "a")]);
        let explicit =
            format!(r#"{{"prompt": [{system}, {user}], "chosen": [{b}], "rejected": [{c}]}}"#);
        assert_eq!(read(&explicit), Ok(wanted(beginning.clone())));
        let implicit = format!(
            r#"{{"chosen": [{system}, {user}, {b}], "rejected": [{system}, {user}, {c}]}}"#
        );
        assert_eq!(read(&implicit), Ok(wanted(beginning)));
    }

    #[test]
    fn all_forms_of_texts() {
        let wanted = |prompt: &str, response: &str| {
            Ok(Datum::Text {
                prompt: plain(prompt),
                response: response.to_owned(),
            })
        };
        let read = |line| one(line, Wanted::Texts);
        assert_eq!(read(r#"{"text": "a b"}"#), wanted("", "a b"));
        let completion = r#"{"prompt": "a", "completion": " b"}"#;
        assert_eq!(read(completion), wanted("a", " b"));
        let chosen = r#"{"prompt": "a", "chosen": " b", "rejected": " c"}"#;
        assert_eq!(read(chosen), wanted("a", " b"));
        let talk = r#"{"messages": [{"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"}]}"#
            .replace('\n', "");
        let Ok(Datum::Text { prompt, response }) = read(&talk) else {
            panic!("not read");
        };
        let asked = Beginning::Talk(vec![Message::new("user", "a")]);
        assert_eq!((prompt, response.as_str()), (asked, "b"));
    }

    #[test]
    fn the_last_answer_of_many_turns_counts() {
        let turns = [("user", "a"), ("assistant", "b"), ("user", "c")];
        let turns = turns.map(|(role, text)| Message::new(role, text));
        let message = |own: &Message| {
            let Message { role, content } = own;
            format!(r#"{{"role": "{role}", "content": "{content}"}}"#)
        };
        let all: Vec<String> = turns.iter().map(message).collect();
        let answer = message(&Message::new("assistant", "d"));
        let line = format!(r#"{{"messages": [{}, {answer}]}}"#, all.join(", "));
        let wanted = Datum::Text {
            prompt: Beginning::Talk(turns.to_vec()),
            response: "d".to_owned(),
        };
        assert_eq!(one(&line, Wanted::Texts), Ok(wanted));
        let told = |messages: &str| {
            let line = format!(r#"{{"messages": [{messages}]}}"#);
            one(&line, Wanted::Texts).unwrap_err()
        };
        assert!(told(&answer).contains("nothing that it answers"));
        assert!(told(&format!("{answer}, {answer}")).contains("ends with the assistant"));
        assert!(told(&all[0]).contains("not one turn of the assistant"));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let lines = [
            ("{", "is no JSON"),
            ("[]", "no JSON object"),
            ("{}", "has neither"),
            (r#"{"text": 3}"#, "is none"),
            (r#"{"text": ""}"#, "is empty"),
            (
                r#"{"chosen": 1, "rejected": "b"}"#,
                "neither text nor messages",
            ),
            (
                r#"{"chosen": [{}], "rejected": "b"}"#,
                "no list of messages",
            ),
            (
                r#"{"prompt": "a", "chosen": "b", "rejected": "b"}"#,
                "to itself",
            ),
            (
                r#"{"prompt": "a", "chosen": "", "rejected": "b"}"#,
                "empty response",
            ),
        ];
        for (line, why) in lines {
            let told = one(line, Wanted::Texts).unwrap_err();
            assert!(told.contains(why), "{line}: {told}");
        }
        let told = one(r#"{"text": "a"}"#, Wanted::Preferences).unwrap_err();
        assert!(told.contains("chosen"), "{told}");
        let data = Data::parse("{\"text\": \"a\"}\n\n{\n", Wanted::Texts);
        assert_eq!((data.rows.len(), data.bad[0].0), (1, 3));
    }

    #[test]
    fn a_file_of_nothing_is_one_sentence() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("data.jsonl");
        let told = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Data::read(&path, Wanted::Texts).unwrap_err().to_string()
        };
        assert!(told("").ends_with("has no line to learn texts from"));
        assert!(told("{}\n").contains("line 1 has neither"));
        let missing = Data::read(&place.path().join("no"), Wanted::Texts);
        assert!(missing.unwrap_err().to_string().starts_with("cannot read"));
    }
}
