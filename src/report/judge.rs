//! `w2s judge`: what judges say of texts.

use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::{ReportError, read};
use super::models::bars;
use super::{Outcome, Session};
use crate::cli::{JudgeArgs, TextOrJson};
use crate::decoder::Placement;
use crate::judge::{Judge, JudgeError, JudgeSpec, Setup, Text, Verdict};
use crate::line::{one_line, say};

/// As many texts are judged at once: those of one length share a pass.
const AT_ONCE: usize = 64;

/// A text to judge.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default)]
    prompt: String,
    text: String,
}

/// One judge on one text, as JSON; the name is left out where there is but one judge.
#[derive(Debug, Serialize)]
struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    judge: Option<&'a str>,
    #[serde(flatten)]
    said: Said<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Said<'a> {
    Verdict {
        score: f64,
        logits: &'a [f32],
        #[serde(skip_serializing_if = "Option::is_none")]
        ids: Option<&'a [u32]>,
    },
    Fault {
        error: String,
    },
}

type Spoken = Result<Verdict, JudgeError>;

/// A judge that fails says so in its place, and the others go on.
///
/// # Errors
/// Judges that there are not, none that can be opened; cases that cannot be read; output that
/// cannot be written.
pub(super) fn judge(args: &JudgeArgs, session: &mut Session<'_>) -> Result<Outcome, ReportError> {
    let specs = args.judges.iter().map(|text| text.parse());
    let specs = specs.collect::<Result<Vec<JudgeSpec>, _>>()?;
    let cases = match &args.cases {
        Some(path) => read_cases(path)?,
        None => vec![Case {
            prompt: args.prompt.clone().unwrap_or_default(),
            // The command line insists on it where there are no cases.
            text: args.text.clone().unwrap_or_default(),
        }],
    };
    let mut judges = open(&specs, args, session)?;
    session.stop.heed();
    match &args.cases {
        Some(_) => judge_cases(&mut judges, &cases, args, session),
        None => judge_one(&mut judges, &cases[0], args, session),
    }
}

/// All judges; those that cannot be opened say so in their places, unless none can.
fn open(
    specs: &[JudgeSpec],
    args: &JudgeArgs,
    session: &Session<'_>,
) -> Result<Vec<Judge>, ReportError> {
    let usual = Setup::default();
    let setup = Setup {
        placement: Placement::pick(args.device.unwrap_or_default().into())?,
        template: args.template.clone(),
        limit: args.limit.unwrap_or(usual.limit),
        watch: bars().until(session.stop.of_models()),
        ..Setup::default()
    };
    let open = |spec| Judge::open_or_fail(spec, &setup);
    let judges: Vec<Judge> = specs.iter().map(open).collect();
    let faults: Vec<&JudgeError> = judges.iter().filter_map(Judge::fault).collect();
    match faults.first() {
        Some(first) if faults.len() == judges.len() => Err((*first).clone().into()),
        _ => Ok(judges),
    }
}

fn read_cases(path: &Path) -> Result<Vec<Case>, ReportError> {
    let text = read(path)?;
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let case = |(i, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|source| ReportError::Case {
            path: path.to_owned(),
            number: i + 1,
            source,
        })
    };
    lines.map(case).collect()
}

fn judge_one(
    judges: &mut [Judge],
    case: &Case,
    args: &JudgeArgs,
    session: &mut Session<'_>,
) -> Result<Outcome, ReportError> {
    let mut is_whole = true;
    for judge in judges {
        let spoken = judge.score(&case.prompt, &case.text);
        if session.stop.is_set() {
            return Ok(Outcome::Stopped);
        }
        is_whole &= spoken.is_ok();
        let name = judge.name();
        match args.format.unwrap_or(TextOrJson::Text) {
            TextOrJson::Text => write_text(session.out, name, &spoken)?,
            TextOrJson::Json => write_line(session.out, &told(Some(name), &spoken, args.ids))?,
        }
    }
    Ok(match is_whole {
        true => Outcome::Done,
        false => Outcome::Partly,
    })
}

fn judge_cases(
    judges: &mut [Judge],
    cases: &[Case],
    args: &JudgeArgs,
    session: &mut Session<'_>,
) -> Result<Outcome, ReportError> {
    // Before they take their time.
    judges
        .iter()
        .filter_map(Judge::fault)
        .for_each(|fault| say(fault));
    let mut n_failed = 0;
    for some in cases.chunks(AT_ONCE) {
        let texts: Vec<Text<'_>> = some.iter().map(Case::text).collect();
        let spoken = judges.iter_mut().map(|judge| judge.score_all(&texts));
        let spoken: Vec<Vec<Spoken>> = spoken.collect();
        if session.stop.is_set() {
            return Ok(Outcome::Stopped);
        }
        n_failed += spoken.iter().flatten().filter(|said| said.is_err()).count();
        for i in 0..some.len() {
            write_case(session.out, judges, &spoken, i, args.ids)?;
        }
    }
    if n_failed == 0 {
        return Ok(Outcome::Done);
    }
    let n_all = cases.len() * judges.len();
    say(&format!(
        "{n_failed} of {n_all} verdicts are missing, for the reasons given in their places"
    ));
    Ok(Outcome::Partly)
}

impl Case {
    fn text(&self) -> Text<'_> {
        Text {
            prompt: &self.prompt,
            response: &self.text,
        }
    }
}

fn told<'a>(judge: Option<&'a str>, spoken: &'a Spoken, ids: bool) -> Told<'a> {
    let said = match spoken {
        Ok(verdict) => Said::Verdict {
            score: verdict.score,
            logits: &verdict.logits,
            ids: ids.then_some(&verdict.ids[..]),
        },
        Err(error) => Said::Fault {
            error: error.to_string(),
        },
    };
    Told { judge, said }
}

/// What all judges say of case `i`: of one judge an object, of several a list.
fn write_case(
    out: &mut dyn Write,
    judges: &[Judge],
    spoken: &[Vec<Spoken>],
    i: usize,
    ids: bool,
) -> Result<(), ReportError> {
    match spoken {
        [alone] => write_line(out, &told(None, &alone[i], ids)),
        all => {
            let each = judges.iter().zip(all);
            let each = each.map(|(judge, said)| told(Some(judge.name()), &said[i], ids));
            write_line(out, &each.collect::<Vec<_>>())
        }
    }
}

fn write_line(out: &mut dyn Write, told: &impl Serialize) -> Result<(), ReportError> {
    serde_json::to_writer(&mut *out, told)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// The score, or why there is none, and the judge.
fn write_text(out: &mut dyn Write, name: &str, spoken: &Spoken) -> Result<(), ReportError> {
    let name = one_line(name);
    match spoken {
        Ok(verdict) => writeln!(out, "{:>+10.4}  {name}", verdict.score)?,
        Err(error) => writeln!(out, "{:>10}  {name}: {}", "–", one_line(&error.to_string()))?,
    }
    Ok(())
}
