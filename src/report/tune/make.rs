//! Preferences made here, kept in the folder for a resumption and for others.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::tell::Teller;
use crate::cli::{Learnt, TuneArgs};
use crate::decoder::train::{Example, Row};
use crate::judge::{Judge, JudgeSpec, Setup};
use crate::library::Model;
use crate::models::{Stop, TokenId};
use crate::report::error::ReportError;
use crate::report::input::prompts;
use crate::report::models::bars;
use crate::report::session::Session;
use crate::samples;
use crate::search::Sampling;
use crate::tune::{
    Base, Beginning, Compared, Draws, Encoding, Preferring, Sample, TuneError,
    examples as as_examples, made, write_lines,
};

/// Pairs that are sampled and judged at once.
const AT_ONCE: usize = 256;

const LINES: &str = "preferences.jsonl";
const HOW: &str = "made.json";

/// Pairs as they were compared, and the preferences among them.
type Made = (Vec<Compared>, Vec<Example>);

pub(super) struct Maker<'a> {
    args: &'a TuneArgs,
    model: &'a Model,
    encoding: Encoding,
    judge: JudgeSpec,
    prompts: Vec<String>,
    /// All that decides what is made.
    header: Value,
}

impl<'a> Maker<'a> {
    /// # Errors
    /// A judge that there is not; prompts that cannot be read; settings that make no sense.
    pub fn new(
        args: &'a TuneArgs,
        base: &Base,
        model: &'a Model,
        encoding: Encoding,
    ) -> Result<Self, ReportError> {
        let data = &args.data;
        let judge: JudgeSpec = data.judge.as_deref().unwrap_or_default().parse()?;
        let prompts = match &data.prompts {
            Some(path) => prompts(path)?,
            None => samples::prompts(),
        };
        let header = json!({
            "base": base.name(), "judge": judge.to_string(), "flip": data.flip,
            "pairs": data.pairs, "scale": data.scale.to_string(), "new_tokens": data.new_tokens,
            "temperature": data.temperature, "seed": args.steps.seed, "prompts": prompts,
            "template": format!("{:?}", encoding.template), "system": encoding.system,
        });
        let wrong = |setting, value: f64, wanted| TuneError::Setting {
            setting,
            value: value.to_string(),
            wanted,
        };
        if data.pairs < 2 || data.new_tokens == 0 {
            return Err(wrong("pairs or new-tokens", 0.0, "give some").into());
        }
        if data.scale.is_nan() || data.scale <= 0.0 {
            return Err(wrong("scale", data.scale, "give a number above 0, or inf").into());
        }
        Ok(Self {
            args,
            model,
            encoding,
            judge,
            prompts,
            header,
        })
    }

    /// Those that stand in the folder, or new ones; nothing where it was given up.
    ///
    /// # Errors
    /// A judge that fails or finds all alike; a folder that cannot be read or written.
    pub fn examples(
        &self,
        out: &Path,
        teller: &mut Teller,
        session: &mut Session<'_>,
    ) -> Result<Option<Vec<Example>>, ReportError> {
        if let Some(examples) = self.kept(out) {
            return Ok(Some(self.wanted(examples)));
        }
        let Some((compared, examples)) = self.make(teller, session)? else {
            return Ok(None);
        };
        if examples.is_empty() {
            let n = compared.len();
            return Err(TuneError::AllAlike { n }.into());
        }
        teller.preferences(&compared, session.out)?;
        let unwritten = |source| TuneError::Write {
            path: out.to_owned(),
            source,
        };
        fs::create_dir_all(out).map_err(unwritten)?;
        let decided = compared.iter().filter(|pair| pair.chosen.is_some());
        let lines = decided
            .zip(&examples)
            .map(|(pair, example)| line(pair, example));
        write_lines(&out.join(LINES), &lines.collect::<Vec<_>>())?;
        write_lines(&out.join(HOW), std::slice::from_ref(&self.header))?;
        Ok(Some(self.wanted(examples)))
    }

    /// Preferences in the folder that were made in the same way.
    fn kept(&self, out: &Path) -> Option<Vec<Example>> {
        let how = fs::read_to_string(out.join(HOW)).ok()?;
        let how: Value = serde_json::from_str(&how).ok()?;
        let lines = fs::read_to_string(out.join(LINES)).ok()?;
        let lines = lines
            .lines()
            .map(|line| made(&serde_json::from_str(line).ok()?));
        let examples = lines.collect::<Option<Vec<Example>>>()?;
        (how == self.header && !examples.is_empty()).then_some(examples)
    }

    /// For likelihood the chosen ones are texts.
    fn wanted(&self, examples: Vec<Example>) -> Vec<Example> {
        let text = |example| match example {
            Example::Preference { chosen, .. } => Example::Text(chosen),
            text => text,
        };
        match self.args.what {
            Some(Learnt::Sft) => examples.into_iter().map(text).collect(),
            _ => examples,
        }
    }

    fn make(
        &self,
        teller: &Teller,
        session: &mut Session<'_>,
    ) -> Result<Option<Made>, ReportError> {
        let stop = session.stop.of_models();
        let setup = Setup {
            watch: bars().until(stop.clone()),
            ..Setup::default()
        };
        let mut judge = Judge::open(&self.judge, &setup)?;
        session.stop.heed();
        let draws = self.draws(stop)?;
        let ids = self.prompt_ids()?;
        let (mut compared, mut examples) = (Vec::new(), Vec::new());
        let n = self.args.data.pairs;
        for first in (0..n).step_by(AT_ONCE) {
            let some = first..n.min(first + AT_ONCE);
            let (prompts, ids) = self.deal(some.clone(), &ids);
            let twice: Vec<_> = ids
                .iter()
                .flat_map(|ids| [ids.clone(), ids.clone()])
                .collect();
            let samples = draws.draw(self.model, &twice, 2 * first)?;
            if session.stop.is_set() {
                return Ok(None);
            }
            let some = self.compare(&mut judge, &prompts, &samples, first)?;
            examples.extend(as_examples(&some, &ids, &samples));
            compared.extend(some);
            teller.made(compared.len(), n, session.out)?;
        }
        Ok(Some((compared, examples)))
    }

    fn compare(
        &self,
        judge: &mut Judge,
        prompts: &[String],
        samples: &[Sample],
        first: usize,
    ) -> Result<Vec<Compared>, TuneError> {
        let scale = self.args.data.scale;
        let preferring = Preferring {
            scale: if self.args.data.flip { -scale } else { scale },
            seed: self.args.steps.seed,
        };
        preferring.compare(judge, self.model, prompts, samples, first)
    }

    fn draws(&self, stop: Stop) -> Result<Draws, ReportError> {
        let sampling = Sampling::new(self.args.data.temperature, 0, 1.0)?;
        Ok(Draws {
            sampling,
            max_new_tokens: self.args.data.new_tokens,
            seed: self.args.steps.seed,
            stop,
        })
    }

    fn prompt_ids(&self) -> Result<Vec<Vec<TokenId>>, TuneError> {
        let ids = self.prompts.iter().map(|text| {
            let prompt = Beginning::Text(text.clone());
            self.encoding.prompt(self.model, &prompt)
        });
        ids.collect()
    }

    /// The prompts of some pairs: all in turn.
    fn deal(
        &self,
        pairs: std::ops::Range<usize>,
        ids: &[Vec<TokenId>],
    ) -> (Vec<String>, Vec<Vec<TokenId>>) {
        let which = pairs.map(|i| i % self.prompts.len());
        which
            .map(|i| (self.prompts[i].clone(), ids[i].clone()))
            .unzip()
    }
}

/// A preference as TRL has it, with its tokens.
fn line(pair: &Compared, example: &Example) -> Value {
    let (chosen, scores) = (pair.chosen.unwrap_or(0), pair.scores);
    let rows = example.rows();
    let response = |row: &Row| row.ids[row.from..].to_vec();
    json!({
        "prompt": pair.prompt,
        "chosen": pair.texts[chosen],
        "rejected": pair.texts[1 - chosen],
        "scores": [scores[chosen], scores[1 - chosen]],
        "prompt_ids": rows[0].ids[..rows[0].from],
        "chosen_ids": response(rows[0]),
        "rejected_ids": response(rows[1]),
    })
}
