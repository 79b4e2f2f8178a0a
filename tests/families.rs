//! Every family against logits recorded from transformers (float32, eager attention), in every
//! way that a decoder is used and with both implementations.

use std::path::PathBuf;

use serde::Deserialize;
use w2s::decoder::{Decoder, Feed, Kernels, KvCache, Logits, Placement, Want};
use w2s::models::read_folder;

const TOLERANCE: f32 = 1e-3;

#[derive(Deserialize)]
struct Expected {
    ids: Vec<Vec<u32>>,
    positions: Vec<usize>,
    logits: Vec<Vec<Vec<f32>>>,
    logsumexp: Vec<Vec<f32>>,
    argmax: Vec<Vec<usize>>,
}

struct Case {
    name: String,
    decoder: Decoder,
    expected: Expected,
}

impl Case {
    fn open(family: &str, kernels: Kernels) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/families")
            .join(family);
        let (config, weights) = read_folder(&folder).unwrap();
        let json = std::fs::read_to_string(folder.join("expected.json")).unwrap();
        Self {
            name: format!("{family}, {kernels:?}"),
            decoder: Decoder::load(config, &weights, &Placement::cpu(kernels)).unwrap(),
            expected: serde_json::from_str(&json).unwrap(),
        }
    }

    fn forward(&self, cache: &mut KvCache, feeds: &[(usize, &[u32])], want: Want) -> Logits {
        let feeds: Vec<_> = feeds
            .iter()
            .map(|&(row, tokens)| Feed { row, tokens })
            .collect();
        self.decoder.forward(cache, &feeds, want).unwrap()
    }

    /// The recorded logits of text `text` at `position`, where there are some.
    fn check(&self, text: usize, position: usize, row: &[f32], how: &str) {
        let e = &self.expected;
        let at = format!("{}, {how}, text {text}, position {position}", self.name);
        let best = (0..row.len())
            .max_by(|&a, &b| row[a].total_cmp(&row[b]))
            .unwrap();
        assert_eq!(best, e.argmax[text][position], "argmax: {at}");
        let Some(i) = e.positions.iter().position(|&p| p == position) else {
            return;
        };
        for (j, wanted) in e.logits[text][i].iter().enumerate() {
            assert!(
                (row[j] - wanted).abs() < TOLERANCE,
                "{} is not {wanted}: {at}",
                row[j]
            );
        }
        let sum = row.iter().map(|v| v.exp()).sum::<f32>().ln();
        assert!(
            (sum - e.logsumexp[text][i]).abs() < TOLERANCE,
            "log-sum-exp {sum}: {at}"
        );
    }

    fn prefill(&self) {
        for (text, ids) in self.expected.ids.iter().enumerate() {
            let all = self.forward(&mut self.decoder.cache(), &[(0, ids)], Want::All);
            assert_eq!(all.n_rows(), ids.len());
            for position in 0..ids.len() {
                self.check(text, position, all.row(position), "prefill");
            }
            let last = self.forward(&mut self.decoder.cache(), &[(0, ids)], Want::Last);
            assert_eq!(last.n_rows(), 1);
            self.check(text, ids.len() - 1, last.row(0), "prefill, last only");
        }
    }

    fn token_by_token(&self) {
        for (text, ids) in self.expected.ids.iter().enumerate() {
            let mut cache = self.decoder.cache();
            for (position, id) in ids.iter().enumerate() {
                let logits = self.forward(&mut cache, &[(0, &[*id])], Want::Last);
                self.check(text, position, logits.row(0), "token by token");
            }
            assert_eq!(cache.len(0), ids.len());
        }
    }

    /// Both texts in one batch, at different positions, in pieces of different length, with a
    /// bystander row.
    fn ragged(&self) {
        let ids = &self.expected.ids;
        let mut cache = self.decoder.cache();
        cache.gather(&[0, 0, 0]).unwrap();
        self.forward(
            &mut cache,
            &[(2, &ids[0][..9]), (0, &ids[1][..2])],
            Want::None,
        );
        let mut done = [9, 2];
        for pieces in [[1, 5], [3, 1], [1, 1], [7, 13], [1, 1], [2, 1]] {
            let feeds: Vec<_> = (0..2)
                .map(|t| ([2, 0][t], &ids[t][done[t]..done[t] + pieces[t]]))
                .collect();
            let logits = self.forward(&mut cache, &feeds, Want::All);
            let mut row = 0;
            for text in 0..2 {
                for position in done[text]..done[text] + pieces[text] {
                    self.check(text, position, logits.row(row), "ragged batch");
                    row += 1;
                }
                done[text] += pieces[text];
            }
        }
        assert_eq!(done, [24, 24]);
        assert_eq!(cache.len(1), 0);
    }

    /// A row forked, one fork led astray, another rolled back, and both put right again.
    fn fork_and_rollback(&self) {
        let (right, wrong) = (&self.expected.ids[0], &self.expected.ids[1]);
        for at in [5, 15, 16, 17] {
            let mut cache = self.decoder.cache();
            self.forward(&mut cache, &[(0, &right[..at])], Want::None);
            cache.gather(&[0, 0, 0]).unwrap();
            let feeds: [(usize, &[u32]); 2] = [(0, &wrong[..6]), (2, &right[at..at + 1])];
            self.forward(&mut cache, &feeds, Want::None);
            cache.truncate(0, at - 2);
            cache.gather(&[2, 0]).unwrap();
            assert_eq!((cache.len(0), cache.len(1)), (at + 1, at - 2));
            let feeds = [(0, &right[at + 1..]), (1, &right[at - 2..])];
            let logits = self.forward(&mut cache, &feeds, Want::Last);
            self.check(0, 23, logits.row(0), "after a fork");
            self.check(0, 23, logits.row(1), "after a rollback");
        }
    }

    fn all(&self) {
        self.prefill();
        self.token_by_token();
        self.ragged();
        self.fork_and_rollback();
    }
}

macro_rules! families {
    ($($family:ident)*) => {$(
        mod $family {
            use super::*;

            #[test]
            fn fast() {
                Case::open(stringify!($family), Kernels::Fast).all();
            }

            #[test]
            fn plain() {
                Case::open(stringify!($family), Kernels::Plain).all();
            }
        }
    )*};
}

families! {
    gemma gemma2 gemma3_text gpt2 gpt_neox granite llama llama3_rope mistral olmo2 opt phi3
    qwen2 qwen3 smollm3 starcoder2
}
