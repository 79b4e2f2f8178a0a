//! `w2s eval --search-weights … --reference FILE`: the combination of pairs under which the strong
//! model would most likely have written a text. Weights are searched on every second text, and
//! reported on the others alone.

use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use super::bar;
use crate::cli::{EvalArgs, TableFormat, WeightSpace};
use crate::guide::logits_of;
use crate::library::{Model, WeakPair};
use crate::measure::{Interval, Likeliest, Said, likeliest, mean_log_prob};
use crate::models::{ModelSpec, PairSpec};
use crate::report::error::{ReportError, read};
use crate::report::eval::text::aligned;
use crate::report::{Outcome, Session};
use crate::search::{ModelError, Panel, TokenId};
use crate::template::{Template, Templates};
use crate::tune::{Beginning, Data, Datum, Encoding, Wanted};

/// Texts to search on and to report on need at least so many together.
const LEAST_TEXTS: usize = 4;

/// The most tokens of a text with what precedes it.
const MOST_TOKENS: usize = 512;

/// Logits are kept for all places of all texts, in so many bytes at most.
const MOST_BYTES: usize = 2 << 30;

/// Weights of the surface of two pairs, along each side.
const SIGNED: [f64; 7] = [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0];

/// What is said of all places of one text.
type Text = Vec<Said>;

/// Weights, and how likely they make the texts that they were not searched on.
#[derive(Debug, Clone, Serialize)]
struct Row {
    name: String,
    weights: Vec<f64>,
    /// The mean of ln p over all tokens, in nats.
    log_prob: f64,
    /// The mean over texts of what a token gains over uniform weights, paired.
    against_uniform: Option<Interval>,
}

struct Report<'a> {
    file: &'a Path,
    strong: &'a str,
    names: Vec<&'a str>,
    /// Texts and tokens that were searched on, and reported on.
    seen: (usize, usize),
    held: (usize, usize),
    /// Texts for which there was no room.
    n_left_out: usize,
    n_bad: usize,
    found: Likeliest,
    rows: Vec<Row>,
    /// By weight of the second pair, then of the first: the mean of ln p of what was searched on.
    surface: Vec<Vec<f64>>,
    sides: Vec<f64>,
}

/// # Errors
/// Bad settings, files or models; a pair with another vocabulary; too few texts; output that
/// cannot be written.
pub(super) fn search(
    args: &EvalArgs,
    space: WeightSpace,
    file: &Path,
    session: &mut Session<'_>,
) -> Result<Outcome, ReportError> {
    let panel = args.models.weak.panel()?;
    let data = texts(file)?;
    if data.rows.len() < LEAST_TEXTS {
        return Err(ReportError::FewTexts {
            path: file.to_owned(),
            got: data.rows.len(),
            least: LEAST_TEXTS,
        });
    }
    let experts = Experts::load(args, &panel, session)?;
    session.stop.heed();
    let bar = bar(data.rows.len());
    let (mut said, mut room) = (Vec::new(), MOST_BYTES / size_of::<f32>());
    for datum in &data.rows {
        if session.stop.is_set() {
            bar.finish_and_clear();
            return Ok(Outcome::Stopped);
        }
        let Some(text) = experts.say(datum, room)? else {
            break;
        };
        room -= text.len() * experts.n_numbers();
        said.push(text);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let mut report = reported(args, &panel, space, file, said)?;
    report.n_left_out = data.rows.len() - report.seen.0 - report.held.0;
    report.n_bad = data.bad.len();
    let printed = match args.format {
        TableFormat::Text => report.text(),
        TableFormat::Csv => report.csv(),
        TableFormat::Json => serde_json::to_string_pretty(&report.json())? + "\n",
    };
    session.out.write_all(printed.as_bytes())?;
    Ok(Outcome::Done)
}

/// Lines of JSON as `w2s tune sft` reads them; of any other file the paragraphs.
fn texts(file: &Path) -> Result<Data, ReportError> {
    let is_json = file
        .extension()
        .is_some_and(|own| own == "jsonl" || own == "json");
    if is_json {
        return Ok(Data::read(file, Wanted::Texts)?);
    }
    let text = read(file)?.replace("\r\n", "\n");
    let paragraphs = text
        .split("\n\n")
        .map(str::trim)
        .filter(|own| !own.is_empty());
    let datum = |own: &str| Datum::Text {
        prompt: Beginning::Text(String::new()),
        response: own.to_owned(),
    };
    Ok(Data {
        rows: paragraphs.map(datum).collect(),
        bad: Vec::new(),
    })
}

/// All that have a say.
struct Experts {
    strong: Model,
    pairs: Vec<WeakPair>,
    templates: Templates,
    most: usize,
}

impl Experts {
    fn load(
        args: &EvalArgs,
        panel: &Panel,
        session: &mut Session<'_>,
    ) -> Result<Self, ReportError> {
        let library = session.models.library()?;
        let strong = library.model(&ModelSpec::parse(args.models.strong()))?;
        let mut pairs = Vec::new();
        for (name, _) in panel.members() {
            let pair = library.pair(&PairSpec::parse(name)?)?;
            if !strong.tokenizer.same_vocabulary(&pair.tuned.tokenizer) {
                return Err(ModelError::Other(format!(
                    "the pair {name} has another vocabulary than {}, and likelihoods are mixed \
                     token by token: choose a pair with the same one, or a judge",
                    strong.name
                ))
                .into());
            }
            pairs.push(pair);
        }
        let halves = pairs.iter().flat_map(|pair| [&pair.tuned, &pair.untuned]);
        let contexts = halves.chain([&strong]).map(|m| m.decoder.config().context);
        Ok(Self {
            most: contexts.min().unwrap_or(MOST_TOKENS).min(MOST_TOKENS),
            strong,
            pairs,
            templates: args.models.templates(),
        })
    }

    /// Numbers that are kept of a place.
    fn n_numbers(&self) -> usize {
        self.strong.decoder.config().vocab_size * (1 + self.pairs.len())
    }

    /// What all say of every token of a response; `None` where so many numbers do not suffice.
    fn say(&self, datum: &Datum, room: usize) -> Result<Option<Text>, ReportError> {
        let Datum::Text { prompt, response } = datum else {
            return Ok(Some(Vec::new()));
        };
        let mut ids = self
            .strong
            .try_encode_on(response)
            .map_err(ModelError::from)?;
        // Whether it ended here or was cut off, nobody says: what there is counts.
        ids.truncate(self.most / 2);
        if ids.len() * self.n_numbers() > room {
            return Ok(None);
        }
        let strong = self.logits(&self.strong, &self.templates.strong, prompt, &ids)?;
        let mut said: Text = strong
            .into_iter()
            .zip(&ids)
            .map(|(strong, id)| Said {
                strong,
                shifts: Vec::new(),
                token: *id as usize,
            })
            .collect();
        for pair in &self.pairs {
            let of = |model| self.logits(model, &self.templates.pair, prompt, &ids);
            let halves = of(&pair.tuned)?.into_iter().zip(of(&pair.untuned)?);
            for (said, (mut tuned, untuned)) in said.iter_mut().zip(halves) {
                tuned.iter_mut().zip(&untuned).for_each(|(t, u)| *t -= u);
                said.shifts.push(tuned);
            }
        }
        said.iter_mut().for_each(align);
        Ok(Some(said))
    }

    /// The logits that `model` has for each token of `response` after `prompt`.
    fn logits(
        &self,
        model: &Model,
        template: &Option<Template>,
        prompt: &Beginning,
        response: &[TokenId],
    ) -> Result<Vec<Vec<f32>>, ReportError> {
        let encoding = Encoding {
            template: template.clone().unwrap_or_default(),
            system: self.templates.system.clone(),
            date: self.templates.date,
            most: self.most,
        };
        let prompt = encoding.prompt(model, prompt)?;
        // What is too long loses its beginning.
        let room = self.most - response.len();
        let prompt = &prompt[prompt.len().saturating_sub(room)..];
        let ids = [prompt, response].concat();
        Ok(logits_of(&model.decoder, &ids, prompt.len()).map_err(ModelError::from)?)
    }
}

/// Where heads have padding, all vocabularies end with the shortest.
fn align(said: &mut Said) {
    let shifts = said.shifts.iter().map(Vec::len);
    let n = shifts.chain([said.strong.len()]).min().unwrap_or(0);
    said.strong.truncate(n);
    said.shifts.iter_mut().for_each(|own| own.truncate(n));
}

fn reported<'a>(
    args: &'a EvalArgs,
    panel: &'a Panel,
    space: WeightSpace,
    file: &'a Path,
    said: Vec<Text>,
) -> Result<Report<'a>, ReportError> {
    let names: Vec<&str> = panel.members().iter().map(|(name, _)| &name[..]).collect();
    let n = names.len();
    let (mut seen, mut held): (Vec<Text>, Vec<Text>) = (Vec::new(), Vec::new());
    for (i, text) in said.into_iter().enumerate() {
        [&mut seen, &mut held][i % 2].push(text);
    }
    let count = |texts: &[Text]| (texts.len(), texts.iter().map(Vec::len).sum());
    let counts = (count(&seen), count(&held));
    let seen: Text = seen.into_iter().flatten().collect();
    let is_signed = space == WeightSpace::Signed;
    let found = likeliest(&seen, n, is_signed).ok_or_else(|| ReportError::Unlikely {
        path: file.to_owned(),
    })?;
    let uniform = vec![1.0 / n as f64; n];
    let mut rows = vec![
        ("unguided".to_owned(), vec![0.0; n]),
        ("uniform".to_owned(), uniform.clone()),
    ];
    if n > 1 {
        rows.extend(names.iter().enumerate().map(|(m, name)| {
            let weights = (0..n).map(|i| f64::from(u8::from(i == m)));
            (format!("{name} alone"), weights.collect())
        }));
    }
    rows.push(("searched".to_owned(), found.weights.clone()));
    let rows = rows.into_iter();
    let rows = rows.map(|(name, weights)| row(name, weights, &held, &uniform));
    let sides: Vec<f64> = match (n, is_signed) {
        (2, true) => SIGNED.to_vec(),
        (2, false) => SIGNED.into_iter().filter(|w| *w >= 0.0).collect(),
        _ => Vec::new(),
    };
    let along = |b: &f64| {
        sides
            .iter()
            .map(|a| mean_log_prob(&seen, &[*a, *b]))
            .collect()
    };
    Ok(Report {
        file,
        strong: args.models.strong(),
        seen: counts.0,
        held: counts.1,
        n_left_out: 0,
        n_bad: 0,
        rows: rows.collect(),
        surface: sides.iter().map(along).collect(),
        sides,
        names,
        found,
    })
}

fn row(name: String, weights: Vec<f64>, held: &[Text], uniform: &[f64]) -> Row {
    let n: usize = held.iter().map(Vec::len).sum();
    let sum = |text: &Text| mean_log_prob(text, &weights) * text.len() as f64;
    let gain = |text: &Text| vec![mean_log_prob(text, &weights) - mean_log_prob(text, uniform)];
    let gains: Vec<Vec<f64>> = held.iter().filter(|t| !t.is_empty()).map(gain).collect();
    let is_uniform = weights == uniform;
    Row {
        log_prob: held.iter().map(sum).sum::<f64>() / n.max(1) as f64,
        against_uniform: Interval::bootstrap(&gains).filter(|_| !is_uniform),
        name,
        weights,
    }
}

impl Report<'_> {
    fn head(&self) -> String {
        let mut head = format!(
            "weights of {} under which {} most likely wrote {}, token by token as EFT mixes them; \
             searched on {} texts ({} tokens) by {} steps of Newton's method, reported on {} \
             others ({} tokens)",
            self.names.join(", "),
            self.strong,
            self.file.display(),
            self.seen.0,
            self.seen.1,
            self.found.n_steps,
            self.held.0,
            self.held.1,
        );
        if self.n_bad > 0 {
            head += &format!("; {} lines could not be used", self.n_bad);
        }
        if self.n_left_out > 0 {
            head += &format!("; {} texts left out for want of memory", self.n_left_out);
        }
        head
    }

    fn text(&self) -> String {
        let mut lines = vec![vec!["on other texts".to_owned()]];
        lines[0].extend(self.names.iter().map(|name| (*name).to_owned()));
        lines[0]
            .extend(["ln p/token", "perplexity", "against uniform Δ [95 %]"].map(str::to_owned));
        for row in &self.rows {
            let mut line = vec![row.name.clone()];
            line.extend(row.weights.iter().map(|w| format!("{w:+.3}")));
            line.push(format!("{:.3}", row.log_prob));
            line.push(format!("{:.1}", (-row.log_prob).exp()));
            line.push(row.against_uniform.map_or_else(String::new, told));
            lines.push(line);
        }
        let gap = if self.surface.is_empty() { "" } else { "\n" };
        format!(
            "{}\n\n{}{gap}{}\n{}",
            self.head(),
            aligned(&lines),
            self.told_surface(),
            self.verdict()
        )
    }

    /// What two pairs make of the texts that were searched on.
    fn told_surface(&self) -> String {
        let [first, second] = self.names[..] else {
            return String::new();
        };
        let title = format!("ln p/token: {second} down, {first} across");
        let mut lines = vec![vec![title]];
        lines[0].extend(self.sides.iter().map(|w| format!("{w:+.1}")));
        for (side, values) in self.sides.iter().zip(&self.surface).rev() {
            let mut line = vec![format!("{side:+.1}")];
            line.extend(values.iter().map(|value| format!("{value:.2}")));
            lines.push(line);
        }
        aligned(&lines)
    }

    fn verdict(&self) -> String {
        let searched = self.rows.iter().find(|row| row.name == "searched");
        match searched.and_then(|row| row.against_uniform) {
            None => "the searched weights are the uniform ones\n".to_owned(),
            Some(own) if own.is_tied() => format!(
                "the searched weights do not beat the uniform ones: {} covers 0\n",
                told(own)
            ),
            Some(own) => format!(
                "the searched weights {} the uniform ones: {} nats a token\n",
                if own.value > 0.0 {
                    "beat"
                } else {
                    "are worse than"
                },
                told(own)
            ),
        }
    }

    fn json(&self) -> Value {
        json!({
            "reference": self.file,
            "strong": self.strong,
            "pairs": self.names,
            "searched_on": { "texts": self.seen.0, "tokens": self.seen.1 },
            "reported_on": { "texts": self.held.0, "tokens": self.held.1 },
            "left_out": self.n_left_out,
            "bad_lines": self.n_bad,
            "found": self.found.weights,
            "rows": self.rows,
            "surface": { "weights": self.sides, "log_prob": self.surface },
        })
    }

    fn csv(&self) -> String {
        let mut out = format!("weights,{},log_prob\n", self.names.join(","));
        for row in &self.rows {
            let weights: Vec<String> = row.weights.iter().map(f64::to_string).collect();
            out.push_str(&format!(
                "{},{},{}\n",
                row.name,
                weights.join(","),
                row.log_prob
            ));
        }
        out
    }
}

/// With a digit more than judges have: a token is little.
fn told(own: Interval) -> String {
    let Interval { value, low, high } = own;
    format!("{value:+.3} [{low:+.3}, {high:+.3}]")
}
