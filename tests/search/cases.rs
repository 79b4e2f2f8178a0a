//! Searches to try, with their toys.

use proptest::prelude::*;
use w2s::search::{ChunkBeamSearch, Entry, Rules, Sampling, SearchParams};

use crate::toy::{Models, Tables, drive, first_pair};

/// A search with its toy models.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub w: usize,
    pub k: usize,
    pub l: usize,
    pub n: usize,
    pub rules: Rules,
    pub seed: u64,
    pub eos: f64,
}

impl Case {
    pub fn params(&self) -> SearchParams {
        let sampling = Sampling::default();
        SearchParams::new(
            self.w, self.k, self.l, self.n, sampling, self.rules, self.seed,
        )
        .unwrap()
    }

    pub fn tables(&self) -> Tables {
        Tables {
            seed: self.seed % 7,
            eos: self.eos,
        }
    }

    pub fn search(&self) -> ChunkBeamSearch {
        ChunkBeamSearch::new(self.params(), first_pair())
    }

    pub fn run(&self) -> (ChunkBeamSearch, Vec<Entry>) {
        let mut search = self.search();
        let entries = run(&mut search, &self.tables());
        (search, entries)
    }
}

/// Runs a search to its end.
pub fn run(search: &mut ChunkBeamSearch, models: &impl Models) -> Vec<Entry> {
    drive(search, models, |_| false).unwrap()
}

fn rules() -> impl Strategy<Value = Rules> {
    prop_oneof![Just(Rules::Fixed), Just(Rules::Reference)]
}

pub fn cases() -> impl Strategy<Value = Case> {
    let eos = prop_oneof![Just(0.0), 0.01..0.4];
    (
        1..5usize,
        1..5usize,
        0..6usize,
        1..20usize,
        rules(),
        0..1000u64,
        eos,
    )
        .prop_map(|(w, k, l, n, rules, seed, eos)| Case {
            w,
            k,
            l,
            n,
            rules,
            seed,
            eos,
        })
}
