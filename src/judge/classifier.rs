//! Sequence classifiers in Hugging Face layout, from a folder or the hub.
//!
//! The text is prompt + response, with the special tokens that the tokenizer adds, cut as its
//! files say ([`WordFiles::cut`]). Encoders judge by their own heads ([`encoder`](super::encoder));
//! decoders, which are reward models when they have one label, by the row `score` on the last
//! token that is no padding. Reward models were taught on chats: one that has a chat template is
//! shown the prompt as the user's turn and the response as the answer, as the template writes
//! them, unless the user has chosen another template.

use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::encoder::Encoder;
use super::error::JudgeError;
use super::room::check_memory;
use super::spec::Pick;
use super::{Body, Setup, Text, Verdict};
use crate::decoder::{Decoder, Feed, ForwardError, Placement, Want, pool};
use crate::library::{cache_bytes, check_weights, free_memory};
use crate::models::{
    Body as Form, ClassifierConfig, Cut, DecoderConfig, EncodeError, Hub, LoadError, Message,
    ModelSpec, Talk, TokenId, Tokenizer, Watch, Weights, WordFiles, read_classifier, render,
};
use crate::template::Template;

/// Texts in a pass, and their tokens together, where there is more than one.
const MOST_ROWS: usize = 16;
const MOST_TOKENS: usize = 1 << 12;

pub(super) struct Classifier {
    tokenizer: Tokenizer,
    cut: Cut,
    n_rows: usize,
    pad: Option<TokenId>,
    template: Template,
    chat_template: Option<Arc<str>>,
    pick: Pick,
    net: Net,
    /// Threads of its own, where it does not use those of models.
    own: Option<ThreadPool>,
    /// How many of the models' threads a decoder uses.
    team: usize,
    /// May give up between passes.
    watch: Watch,
}

enum Net {
    Encoder(Encoder),
    Decoder(Box<Decoder>),
}

impl Classifier {
    /// # Errors
    /// Files that are missing, damaged or of something else; a label that is missing or not
    /// there.
    pub fn open(place: &ModelSpec, label: Option<&str>, setup: &Setup) -> Result<Self, JudgeError> {
        let name = place.to_string();
        let folder = match place {
            ModelSpec::Hub(hub) => Hub::from_env().resolve(hub, &setup.watch)?,
            here => here.clone(),
        };
        let ModelSpec::Folder(folder) = folder else {
            return Err(JudgeError::Load(format!("{name} is no folder")));
        };
        Self::read(&name, &folder, label, setup)
    }

    fn read(
        name: &str,
        folder: &Path,
        label: Option<&str>,
        setup: &Setup,
    ) -> Result<Self, JudgeError> {
        let at = |error: LoadError| error.of(name);
        let (config, weights) = read_classifier(folder).map_err(at)?;
        // Before weights are read, which takes its time.
        let pick = Pick::new(name, label, &config.labels)?;
        let words = WordFiles::read(folder).map_err(at)?;
        let tokenizer = Tokenizer::from_bytes(&words.tokenizer, &words.config, &words.name)?;
        let (cut, n_rows, pad) = (words.cut(config.room()), config.vocab_size(), config.pad);
        let net = Net::load(name, config, &weights, setup).map_err(at)?;
        let chats = words.chat_template.is_some() && matches!(net, Net::Decoder(_));
        let usual = if chats { Template::Chat } else { Template::Raw };
        let chosen = setup
            .template
            .clone()
            .filter(|_| matches!(net, Net::Decoder(_)));
        Ok(Self {
            tokenizer,
            cut,
            n_rows,
            pad,
            template: chosen.unwrap_or(usual),
            chat_template: words.chat_template.map(Arc::from),
            pick,
            net,
            own: setup.threads.map(own_threads).transpose()?,
            team: setup
                .threads
                .unwrap_or_else(|| pool().current_num_threads()),
            watch: setup.watch.clone(),
        })
    }

    /// A text as the model reads it.
    fn ids(&self, text: &Text<'_>) -> Result<Vec<TokenId>, JudgeError> {
        let (shown, adds) = match &self.template {
            Template::Raw => (text.whole(), true),
            Template::Text(around) => {
                let prompt = around.replace("{prompt}", text.prompt);
                (prompt + text.response, true)
            }
            // A chat template writes the special tokens itself.
            Template::Chat => (self.chat(text)?, false),
        };
        let ids = self.tokenizer.try_encode_cut(&shown, self.cut, adds)?;
        let beyond = ids.iter().find(|id| **id as usize >= self.n_rows);
        match beyond {
            Some(&id) => Err(JudgeError::Text(EncodeError::NoRow {
                token: self.tokenizer.piece(id).to_string(),
                id,
                n_rows: self.n_rows,
            })),
            None if ids.is_empty() => Err(JudgeError::Empty),
            None => Ok(ids),
        }
    }

    fn chat(&self, text: &Text<'_>) -> Result<String, JudgeError> {
        let Some(source) = &self.chat_template else {
            return Err(JudgeError::Template("there is none".to_owned()));
        };
        let talk = Talk {
            messages: vec![
                Message::new("user", text.prompt),
                Message::new("assistant", text.response),
            ],
            specials: self.tokenizer.specials().to_vec(),
            ..Talk::default()
        };
        render(source, talk).map_err(JudgeError::Template)
    }

    /// Logits of `rows`, in one pass; each alone where that fails, so that one is not another's
    /// fault.
    fn logits(&self, rows: &[&[TokenId]]) -> Vec<Result<Vec<f32>, JudgeError>> {
        let passed = self.watch.check().map_err(JudgeError::from);
        match passed.and_then(|()| self.pass(rows)) {
            Ok(logits) => logits.into_iter().map(Ok).collect(),
            Err(error) if rows.len() == 1 => vec![Err(error)],
            Err(_) => {
                let alone = |row: &&[TokenId]| Ok(self.pass(&[row])?.concat());
                rows.iter().map(alone).collect()
            }
        }
    }

    fn pass(&self, rows: &[&[TokenId]]) -> Result<Vec<Vec<f32>>, JudgeError> {
        match &self.net {
            Net::Encoder(encoder) => encoder.logits(rows),
            Net::Decoder(decoder) => {
                let rows: Vec<_> = rows.iter().map(|row| unpadded(row, self.pad)).collect();
                rewards(decoder, &rows, self.team)
            }
        }
    }

    fn verdict(&self, ids: Vec<TokenId>, logits: Vec<f32>) -> Result<Verdict, JudgeError> {
        Ok(Verdict {
            score: self.pick.score(&logits)?,
            logits,
            ids,
        })
    }
}

impl Body for Classifier {
    fn judge(&mut self, texts: &[Text<'_>]) -> Vec<Result<Verdict, JudgeError>> {
        let ids: Vec<_> = texts.iter().map(|text| self.ids(text)).collect();
        let lens = ids.iter().map(|ids| ids.as_ref().map_or(0, Vec::len));
        let is_ragged = matches!(self.net, Net::Decoder(_));
        let batches = batches(&lens.collect::<Vec<_>>(), is_ragged);
        let pass = |batch: &Vec<usize>| {
            let rows = batch.iter().filter_map(|i| ids[*i].as_deref().ok());
            self.logits(&rows.collect::<Vec<_>>())
        };
        // A decoder's pass has all threads to itself; much of an encoder's runs on one.
        let passed: Vec<_> = match is_ragged {
            true => batches.iter().map(pass).collect(),
            false => {
                let threads = self.own.as_ref().unwrap_or_else(|| pool());
                threads.install(|| batches.par_iter().map(pass).collect())
            }
        };
        let mut logits: Vec<_> = texts.iter().map(|_| Err(JudgeError::Empty)).collect();
        for (i, said) in batches.iter().flatten().zip(passed.into_iter().flatten()) {
            logits[*i] = said;
        }
        let each = ids.into_iter().zip(logits);
        each.map(|(ids, logits)| self.verdict(ids?, logits?))
            .collect()
    }
}

fn own_threads(n: usize) -> Result<ThreadPool, JudgeError> {
    let threads = ThreadPoolBuilder::new().num_threads(n).build();
    threads.map_err(|e| JudgeError::Load(format!("no threads can be started for it: {e}")))
}

/// Which texts go through one pass, by the numbers of their tokens; those without any through
/// none. Rows of a pass are of one length, unless it may be ragged: so nothing is padded.
fn batches(lens: &[usize], is_ragged: bool) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lens.len()).filter(|i| lens[*i] > 0).collect();
    order.sort_by_key(|i| lens[*i]);
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for i in order {
        let fits = |batch: &&mut Vec<usize>| {
            let is_even = batch.first().is_some_and(|first| lens[*first] == lens[i]);
            let n_tokens: usize = batch.iter().map(|j| lens[*j]).sum();
            (is_ragged || is_even) && batch.len() < MOST_ROWS && n_tokens + lens[i] <= MOST_TOKENS
        };
        match batches.last_mut().filter(fits) {
            Some(batch) => batch.push(i),
            None => batches.push(vec![i]),
        }
    }
    batches
}

impl Net {
    fn load(
        name: &str,
        config: ClassifierConfig,
        weights: &Weights,
        setup: &Setup,
    ) -> Result<Self, LoadError> {
        let n_labels = config.labels.len();
        let watch = &setup.watch;
        match config.body {
            Form::Encoder(encoder) => {
                Encoder::load(name, &encoder, n_labels, weights, watch).map(Self::Encoder)
            }
            Form::Decoder(decoder) => {
                load_decoder(name, *decoder, weights, &setup.placement, watch)
                    .map(|decoder| Self::Decoder(Box::new(decoder)))
            }
        }
    }
}

fn load_decoder(
    name: &str,
    config: DecoderConfig,
    weights: &Weights,
    place: &Placement,
    watch: &Watch,
) -> Result<Decoder, LoadError> {
    if place.device().is_cpu() {
        check_weights(name, &config, (weights, place.sums()), free_memory())?;
    }
    Decoder::load_watched(config, weights, place, (name, watch))
}

/// `ids` without what fills up batches at its end: transformers reads the last token that is
/// none of it, and later ones change nothing there.
fn unpadded(ids: &[TokenId], pad: Option<TokenId>) -> &[TokenId] {
    let is_text = |id: &TokenId| Some(*id) != pad;
    let end = ids.iter().rposition(is_text).unwrap_or(0);
    &ids[..=end]
}

/// The labels' logits at the last token of each row.
fn rewards(
    decoder: &Decoder,
    rows: &[&[TokenId]],
    team: usize,
) -> Result<Vec<Vec<f32>>, JudgeError> {
    let longest = rows.iter().map(|row| row.len()).max().unwrap_or_default();
    let needed = cache_bytes(decoder.config(), rows.len(), longest);
    if decoder.on_host() {
        check_memory(longest, needed)?;
    }
    let mut cache = decoder.cache();
    let in_words = |error: ForwardError| JudgeError::Failed(error.to_string());
    cache.gather(&vec![0; rows.len()]).map_err(in_words)?;
    let feeds = rows.iter().enumerate();
    let feeds: Vec<_> = feeds.map(|(row, tokens)| Feed { row, tokens }).collect();
    let logits = decoder
        .forward_on(&mut cache, &feeds, Want::Last, team)
        .map_err(in_words)?;
    Ok((0..logits.n_rows())
        .map(|i| logits.row(i).to_vec())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_one_length_go_together() {
        assert_eq!(batches(&[3, 0, 2, 3], false), [vec![2], vec![0, 3]]);
        assert_eq!(batches(&[3, 0, 2, 3], true), [vec![2, 0, 3]]);
        assert_eq!(batches(&[5; 20], false).len(), 2);
        assert_eq!(batches(&[MOST_TOKENS; 2], true).len(), 2);
        assert!(batches(&[0, 0], true).is_empty());
    }

    #[test]
    fn padding_at_the_end_is_not_read() {
        assert_eq!(unpadded(&[1, 0, 2, 0, 0], Some(0)), [1, 0, 2]);
        assert_eq!(unpadded(&[0, 0], Some(0)), [0]);
        assert_eq!(unpadded(&[1, 0], None), [1, 0]);
    }
}
