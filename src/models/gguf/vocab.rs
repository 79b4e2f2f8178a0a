//! The tokenizer in a GGUF file's metadata.
//!
//! Byte-level BPE comes with its merges (`gpt2`); SentencePiece models (`llama`) come with scores
//! only, and the merges are made from them: of all pairs of tokens that join into a token, the
//! one of the higher score merges first, as SentencePiece itself does.

use std::collections::HashMap;

use candle_core::quantized::gguf_file::Value;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::byte_level::ByteLevel;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::normalizers::{NFC, Prepend, Replace, Sequence as Normalizers};
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence as Splits;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior::Isolated;
use tokenizers::{AddedToken, Tokenizer};

use super::config::ENDS;
use super::metadata::{number, whole};
use super::{GgufFile, LoadError};
use crate::caught::caught;
use crate::models::tokenizer::Specials;

type Made<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Token types of GGUF that are no ordinary text.
const UNKNOWN: u32 = 2;
const CONTROL: u32 = 3;
const USER_DEFINED: u32 = 4;

const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// llama.cpp's own way, one split after the other.
const DEFAULT: [&str; 4] = [
    r"[\p{P}\$\+<=>\^~\|]+",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)",
    r"\p{N}+",
    r"[0-9][0-9][0-9]",
];
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

impl GgufFile {
    /// The tokenizer and its special tokens.
    ///
    /// # Errors
    /// A kind of tokenizer that is not known; lists that are missing or do not fit.
    pub(in crate::models) fn tokenizer(
        &self,
    ) -> std::result::Result<(Tokenizer, Merges, Specials), LoadError> {
        let made = caught(|| self.model());
        let (mut tokenizer, merges) = made.map_err(|reason| LoadError::Tokenizer {
            name: self.name(),
            reason,
        })?;
        self.add_tokens(&mut tokenizer);
        let names = [
            ("bos_token", self.bos()),
            ("eos_token", self.eos().first().copied()),
        ];
        let name =
            |(key, id): (&str, Option<u32>)| Some((key.to_owned(), tokenizer.id_to_token(id?)?));
        let specials = Specials {
            names: names.into_iter().filter_map(name).collect(),
            bos: self.bos(),
            eos: self.eos().first().copied(),
            adds_bos: self.adds_bos(),
        };
        Ok((tokenizer, merges, specials))
    }

    /// Files may leave the flag out: SentencePiece models begin with BOS, others do not.
    fn adds_bos(&self) -> bool {
        let is_spm = self.text("tokenizer.ggml.model") == Some("llama");
        let llama3 = self.text("tokenizer.ggml.pre") == Some("llama-bpe");
        self.flag("tokenizer.ggml.add_bos_token")
            .unwrap_or(is_spm || llama3)
    }

    fn model(&self) -> Made<(Tokenizer, Merges)> {
        let tokens = self
            .texts("tokenizer.ggml.tokens")
            .ok_or("it has no tokens")?;
        match self.text("tokenizer.ggml.model") {
            Some("gpt2") => self.byte_level(&tokens),
            Some("llama") => self.sentence_piece(&tokens),
            other => Err(format!("its kind is '{}'", other.unwrap_or("unknown")).into()),
        }
    }

    fn byte_level(&self, tokens: &[&str]) -> Made<(Tokenizer, Merges)> {
        let merges = self
            .texts("tokenizer.ggml.merges")
            .ok_or("it has no merges")?;
        let pair = |m: &&str| m.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned()));
        let merges: Option<Merges> = merges.iter().map(pair).collect();
        let merges = merges.ok_or("a merge is not a pair")?;
        let pre = self.text("tokenizer.ggml.pre").ok_or(
            "it is from before April 2024 and does not say how words are split: \
             tokenizer.ggml.pre is missing",
        )?;
        let bpe = BPE::builder()
            .vocab_and_merges(vocab(tokens), merges.clone())
            .ignore_merges(pre == "llama-bpe")
            .build()?;
        let mut tokenizer = Tokenizer::new(bpe);
        split_like(pre, &mut tokenizer)?;
        tokenizer.with_decoder(Some(ByteLevel::default()));
        Ok((tokenizer, merges))
    }

    fn sentence_piece(&self, tokens: &[&str]) -> Made<(Tokenizer, Merges)> {
        let scores = self
            .list("tokenizer.ggml.scores")
            .ok_or("it has no scores")?;
        let merges = merges(tokens, scores);
        let unknown = self.id("tokenizer.ggml.unknown_token_id").unwrap_or(0);
        let unknown = tokens
            .get(unknown as usize)
            .ok_or("its unknown token is not there")?;
        let bpe = BPE::builder()
            .vocab_and_merges(vocab(tokens), merges.clone())
            .unk_token((*unknown).to_owned())
            .fuse_unk(true)
            .byte_fallback(true)
            .build()?;
        let mut tokenizer = Tokenizer::new(bpe);
        let mut steps = Vec::new();
        if self.flag("tokenizer.ggml.add_space_prefix").unwrap_or(true) {
            steps.push(Prepend::new("▁".to_owned()).into());
        }
        steps.push(Replace::new(" ", "▁")?.into());
        tokenizer.with_normalizer(Some(Normalizers::new(steps)))?;
        let spaces = Replace::new("▁", " ")?.into();
        let bytes = ByteFallback::default().into();
        tokenizer.with_decoder(Some(Decoders::new(vec![spaces, bytes, Fuse::new().into()])));
        Ok((tokenizer, merges))
    }

    /// Control tokens are skipped when text is read; tokens that a user defined are text.
    fn add_tokens(&self, tokenizer: &mut Tokenizer) {
        let tokens = self.texts("tokenizer.ggml.tokens").unwrap_or_default();
        let kinds = self.list("tokenizer.ggml.token_type").unwrap_or_default();
        let ends = tokens.iter().filter(|text| ENDS.contains(text));
        let ends: Vec<_> = ends.map(|text| AddedToken::from(*text, true)).collect();
        let of = |wanted: &[u32], special: bool| -> Vec<AddedToken> {
            let all = tokens.iter().zip(kinds);
            let is_wanted = |kind| whole(kind).is_some_and(|k| wanted.contains(&k));
            all.filter(|(_, kind)| is_wanted(kind))
                // Spaces are marks only once the text is normalised.
                .map(|(text, _)| AddedToken::from(*text, special).normalized(text.contains('▁')))
                .collect()
        };
        // Both only mark tokens that the vocabulary has; nothing that could fail is added.
        let _ = tokenizer.add_special_tokens(of(&[UNKNOWN, CONTROL], true));
        let _ = tokenizer.add_tokens(of(&[USER_DEFINED], false));
        let _ = tokenizer.add_special_tokens(ends);
    }
}

fn vocab(tokens: &[&str]) -> Vocab {
    let own = |(id, text): (usize, &&str)| ((*text).to_owned(), id as u32);
    tokens.iter().enumerate().map(own).collect()
}

/// All pairs of tokens that join into a token, the best joined token first.
fn merges(tokens: &[&str], scores: &[Value]) -> Merges {
    let ids: HashMap<&str, usize> = tokens.iter().enumerate().map(|(i, t)| (*t, i)).collect();
    let mut pairs = Vec::new();
    // No piece is so long; all its parts would be looked for.
    let usual = |(token, _): &(&&str, &Value)| token.len() <= 512;
    for (token, score) in tokens.iter().zip(scores).filter(usual) {
        let score = number(score).unwrap_or(f64::NEG_INFINITY);
        for (at, _) in token.char_indices().skip(1) {
            let (left, right) = token.split_at(at);
            if let (Some(a), Some(b)) = (ids.get(left), ids.get(right)) {
                pairs.push((score, *a, *b));
            }
        }
    }
    pairs.sort_by(|x, y| y.0.total_cmp(&x.0).then((x.1, x.2).cmp(&(y.1, y.2))));
    let owned = |(_, a, b): (f64, usize, usize)| (tokens[a].to_owned(), tokens[b].to_owned());
    pairs.into_iter().map(owned).collect()
}

/// Text is split into words as `tokenizer.ggml.pre` names it.
fn split_like(pre: &str, tokenizer: &mut Tokenizer) -> Made<()> {
    let bytes = |regex| ByteLevel::new(false, true, regex);
    let by = |pattern: &str| -> Made<Splits> {
        let pattern = SplitPattern::Regex(pattern.to_owned());
        let split = Split::new(pattern, Isolated, false)?;
        Ok(Splits::new(vec![split.into(), bytes(false).into()]))
    };
    match pre {
        "default" => {
            let split = |pattern: &&str| -> Made<_> {
                let pattern = SplitPattern::Regex((*pattern).to_owned());
                Ok(Split::new(pattern, Isolated, false)?.into())
            };
            let splits = DEFAULT.iter().map(split).collect::<Made<Vec<_>>>()?;
            let splits = splits.into_iter().chain([bytes(false).into()]);
            tokenizer.with_pre_tokenizer(Some(Splits::new(splits.collect())));
        }
        "gpt-2" | "olmo" | "phi-2" | "jina-en" => {
            tokenizer.with_pre_tokenizer(Some(bytes(true)));
        }
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" => {
            let splits = vec![Digits::new(true).into(), bytes(true).into()];
            tokenizer.with_pre_tokenizer(Some(Splits::new(splits)));
        }
        "llama-bpe" | "llama3" | "llama-v3" | "smaug-bpe" | "dbrx" => {
            tokenizer.with_pre_tokenizer(Some(by(LLAMA3)?));
        }
        "qwen2" => {
            tokenizer.with_normalizer(Some(NFC))?;
            tokenizer.with_pre_tokenizer(Some(by(QWEN2)?));
        }
        other => return Err(format!("its way of splitting words is '{other}'").into()),
    }
    Ok(())
}
