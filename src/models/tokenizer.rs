//! Text to token ids and back, the way the reference does it: no special tokens added, special
//! tokens in the text recognised, special tokens skipped when decoding.

use std::sync::{Arc, OnceLock};

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;
use tokenizers::{Decoder, DecoderWrapper, PostProcessor, TruncationDirection};

use super::error::{EncodeError, LoadError, short};
use super::gguf::GgufFile;
use super::words::Cut;
use super::{spaces, special};
use crate::caught::caught;

/// A token's id in its model's vocabulary.
pub type TokenId = u32;

/// A model's tokenizer with the special tokens its configuration names.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// Decodes what nothing precedes, where that is another text.
    first: Option<DecoderWrapper>,
    names: Vec<(String, String)>,
    bos: Option<TokenId>,
    eos: Option<TokenId>,
    adds_bos: bool,
    /// Whether a text is taken to begin with a space that is not in it.
    adds_space: bool,
    /// Whether tokens reach from a word to the space after it.
    joins_words: bool,
    pieces: Vec<OnceLock<Arc<str>>>,
    /// Vocabulary and merges: equal contents mean that ids mean the same.
    contents: Contents,
}

/// Hashes, since there may be a quarter of a million tokens and twice as many merges.
#[derive(Debug, PartialEq)]
struct Contents {
    n_tokens: usize,
    /// Of all tokens with their ids, whatever their order.
    vocab: u64,
    /// Of the merges in their order.
    merges: u64,
}

/// The special tokens that matter here.
#[derive(Debug, Clone)]
pub(super) struct Specials {
    /// All by name.
    pub names: Vec<(String, String)>,
    pub bos: Option<TokenId>,
    pub eos: Option<TokenId>,
    pub adds_bos: bool,
}

impl Tokenizer {
    /// `json` is a `tokenizer.json`, `config` a `tokenizer_config.json` with what else says
    /// something of special tokens, or empty; `name` is for messages.
    ///
    /// # Errors
    /// When `json` is not a tokenizer, or `config` no configuration of it.
    pub fn from_bytes(json: &[u8], config: &[u8], name: &str) -> Result<Self, LoadError> {
        let broken = |reason: String| LoadError::Tokenizer {
            name: name.to_owned(),
            reason: short(&reason),
        };
        let value: Value = serde_json::from_slice(json).map_err(|e| broken(e.to_string()))?;
        let config = match config {
            [] => Value::Null,
            text => serde_json::from_slice(text).map_err(|e| broken(e.to_string()))?,
        };
        let mut inner = caught(|| tokenizers::Tokenizer::from_bytes(json)).map_err(broken)?;
        special::add_tokens(&mut inner, &config).map_err(broken)?;
        let names = special::names(&config);
        special::mark(&mut inner, &config, &names).map_err(broken)?;
        let bos = special::id(&inner, &config, &names, "bos_token");
        let specials = Specials {
            bos,
            eos: special::id(&inner, &config, &names, "eos_token"),
            adds_bos: begins_with(&inner, bos),
            names,
        };
        let merges = value["model"]["merges"].as_array();
        let merges = hash(merges.into_iter().flatten().filter_map(merge));
        Self::new(inner, specials, merges).map_err(broken)
    }

    /// The tokenizer in a GGUF file.
    ///
    /// # Errors
    /// It is of an unknown kind or damaged.
    pub fn from_gguf(file: &GgufFile) -> Result<Self, LoadError> {
        let (inner, merges, specials) = file.tokenizer()?;
        let pairs = merges.iter().map(|(a, b)| (a.as_str(), b.as_str()));
        let merges = hash(pairs);
        Self::new(inner, specials, merges).map_err(|reason| LoadError::Tokenizer {
            name: file.name(),
            reason,
        })
    }

    fn new(
        mut inner: tokenizers::Tokenizer,
        specials: Specials,
        merges: u64,
    ) -> Result<Self, String> {
        // As transformers does: both are for training and for batches.
        inner.with_truncation(None).map_err(|e| e.to_string())?;
        inner.with_padding(None);
        let first = spaces::keep_first(&mut inner)?;
        let vocab = inner.get_vocab(true);
        let n = vocab.values().max().map_or(0, |m| *m as usize + 1);
        // Ids leave gaps at times, yet not many.
        if n > 4 * vocab.len() + (1 << 16) {
            return Err(format!(
                "it has {} tokens, and an id of {}",
                vocab.len(),
                n - 1
            ));
        }
        Ok(Self {
            first,
            names: specials.names,
            bos: specials.bos,
            eos: specials.eos,
            adds_bos: specials.adds_bos,
            pieces: std::iter::repeat_with(OnceLock::new).take(n).collect(),
            adds_space: spaces::adds_first(&inner)?,
            joins_words: spaces::joins_words(&inner, &vocab),
            contents: Contents {
                n_tokens: vocab.len(),
                vocab: vocab.iter().fold(0, |sum, token| sum ^ hash_of(token)),
                merges,
            },
            inner,
        })
    }

    /// The special tokens by what configurations call them, such as `bos_token`: texts.
    #[must_use]
    pub fn specials(&self) -> &[(String, String)] {
        &self.names
    }

    /// One more than the highest id.
    #[must_use]
    pub fn n_ids(&self) -> usize {
        self.pieces.len()
    }

    #[must_use]
    pub fn bos(&self) -> Option<TokenId> {
        self.bos
    }

    /// Whether it begins every text with BOS, where special tokens are added.
    #[must_use]
    pub fn adds_bos(&self) -> bool {
        self.adds_bos
    }

    #[must_use]
    pub fn eos(&self) -> Option<TokenId> {
        self.eos
    }

    /// Whether ids mean the same in both: vocabularies and merges compared by content. (The
    /// reference's `same_tokenizer(a, b)` compares `a` with itself.)
    #[must_use]
    pub fn same_vocabulary(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || self.contents == other.contents
    }

    /// How many tokens have an id.
    #[must_use]
    pub fn n_tokens(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Tokens that the other has not, or under another id; both sides counted.
    #[must_use]
    pub fn n_differing(&self, other: &Self) -> usize {
        let (own, others) = (self.inner.get_vocab(true), other.inner.get_vocab(true));
        let is_shared = |(text, id): &(&String, &TokenId)| others.get(*text) == Some(*id);
        own.len() + others.len() - 2 * own.iter().filter(is_shared).count()
    }

    /// Token ids of `text`; no special tokens are added.
    ///
    /// # Errors
    /// A text that the tokenizer refuses.
    pub fn try_encode(&self, text: &str) -> Result<Vec<TokenId>, EncodeError> {
        let encoded = caught(|| self.inner.encode_fast(text, false));
        let ids = encoded.map(|encoded| encoded.get_ids().to_vec());
        ids.map_err(EncodeError::Refused)
    }

    /// Token ids of `text` as a classifier reads it: no more than it takes, with those that the
    /// tokenizer adds where `adds`.
    ///
    /// # Errors
    /// As [`Self::try_encode`].
    pub(crate) fn try_encode_cut(
        &self,
        text: &str,
        cut: Cut,
        adds: bool,
    ) -> Result<Vec<TokenId>, EncodeError> {
        let added = self.inner.get_post_processor().filter(|_| adds);
        let n_added = added.map_or(0, |added| added.added_tokens(false));
        let side = match cut.from_left {
            true => TruncationDirection::Left,
            false => TruncationDirection::Right,
        };
        let encoded = caught(|| {
            let mut encoded = self.inner.encode_fast(text, false)?;
            encoded.truncate(cut.most.saturating_sub(n_added), 0, side);
            self.inner.post_process(encoded, None, adds)
        });
        let ids = encoded.map(|encoded| encoded.get_ids().to_vec());
        ids.map_err(EncodeError::Refused)
    }

    /// Token ids of `text` where it goes on after another: no space is put before it.
    ///
    /// # Errors
    /// As [`Self::try_encode`].
    pub fn try_encode_on(&self, text: &str) -> Result<Vec<TokenId>, EncodeError> {
        // A line end joins with no letter after it, nor with a space.
        const BEFORE: &str = "\n";
        let ids = match self.adds_space {
            true => self.try_encode(&format!("{BEFORE}{text}"))?,
            false => return self.try_encode(text),
        };
        let before = self.try_encode(BEFORE)?;
        match ids.strip_prefix(&before[..]) {
            Some(rest) => Ok(rest.to_vec()),
            None => self.try_encode(text),
        }
    }

    pub(super) fn inner(&self) -> &tokenizers::Tokenizer {
        &self.inner
    }

    /// Whether tokens reach from a word to the space after it: then a text that grows is tokenised
    /// anew as a whole.
    #[must_use]
    pub fn joins_words(&self) -> bool {
        self.joins_words
    }

    /// As [`Self::try_encode`], of a text that is known to be fine.
    #[must_use]
    pub fn encode(&self, text: &str) -> Vec<TokenId> {
        self.try_encode(text).unwrap_or_default()
    }

    /// The text of `ids`, which follow others, without special tokens; U+FFFD where bytes are no
    /// character.
    #[must_use]
    pub fn decode(&self, ids: &[TokenId]) -> String {
        self.inner.decode(ids, true).unwrap_or_default()
    }

    /// Whether what follows `ids` is the beginning of a text, and its first space not of it: none
    /// of them is text.
    #[must_use]
    pub fn is_before_text(&self, ids: &[TokenId]) -> bool {
        let known = self.inner.get_added_vocabulary();
        let is_text = |id: &TokenId| {
            let token = self.inner.id_to_token(*id);
            token.is_some_and(|token| !known.is_special_token(&token))
        };
        self.first.is_some() && !ids.iter().any(is_text)
    }

    /// The text of `ids` that no text precedes: a space that SentencePiece has put there goes.
    #[must_use]
    pub fn decode_first(&self, ids: &[TokenId]) -> String {
        let Some(decoder) = &self.first else {
            return self.decode(ids);
        };
        let known = self.inner.get_added_vocabulary();
        let tokens = ids.iter().filter_map(|id| self.inner.id_to_token(*id));
        let tokens = tokens.filter(|token| !known.is_special_token(token));
        decoder.decode(tokens.collect()).unwrap_or_default()
    }

    /// The text of `ids` with the bytes of an incomplete last character held back.
    #[must_use]
    pub fn decode_whole_characters(&self, ids: &[TokenId]) -> String {
        let mut text = self.decode(ids);
        let whole = text.trim_end_matches(char::REPLACEMENT_CHARACTER).len();
        text.truncate(whole);
        text
    }

    /// The text of one token alone, special tokens by name.
    #[must_use]
    pub fn piece(&self, id: TokenId) -> Arc<str> {
        let fresh = || Arc::from(self.inner.decode(&[id], false).unwrap_or_default());
        match self.pieces.get(id as usize) {
            Some(cell) => cell.get_or_init(fresh).clone(),
            None => fresh(),
        }
    }
}

/// A merge as `tokenizer.json` writes it: "a b" in older files, ["a", "b"] in newer ones.
fn merge(value: &Value) -> Option<(&str, &str)> {
    match value.as_array() {
        Some(pair) => Some((pair.first()?.as_str()?, pair.get(1)?.as_str()?)),
        None => value.as_str()?.split_once(' '),
    }
}

fn hash_of(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn hash<'a>(merges: impl Iterator<Item = (&'a str, &'a str)>) -> u64 {
    let mut hasher = DefaultHasher::new();
    merges.for_each(|pair| pair.hash(&mut hasher));
    hasher.finish()
}

/// Whether `bos` comes first where special tokens are added to a text.
fn begins_with(tokenizer: &tokenizers::Tokenizer, bos: Option<TokenId>) -> bool {
    let encoded = caught(|| tokenizer.encode_fast("a", true));
    bos.is_some() && encoded.is_ok_and(|e| e.get_ids().first().copied() == bos)
}
