//! `w2s inspect`: raw logits of one model, or what the three models of a search see.

use std::io::{self, Write};

use serde::Serialize;

use super::error::ReportError;
use super::{Outcome, Session};
use crate::cli::{InspectArgs, TextOrJson};
use crate::evidence::{Joint, PromptView, Scoring, Seams, Vocabularies, Xray};
use crate::guide::Position;
use crate::line::one_line;
use crate::search::TokenId;

/// `--format json` of raw logits.
#[derive(Debug, Serialize)]
struct PositionsReport<'a> {
    positions: Vec<PositionReport<'a>>,
}

#[derive(Debug, Serialize)]
struct PositionReport<'a> {
    logsumexp: f64,
    argmax: TokenId,
    logits: &'a [f32],
}

/// `--format json` of a prompt's views.
#[derive(Debug, Serialize)]
struct XrayReport<'a> {
    strong: ViewReport<'a>,
    tuned: ViewReport<'a>,
    untuned: ViewReport<'a>,
    vocabularies: VocabularyReport,
    /// `ids` or `text`: what the pair scores in a search.
    scoring: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seams: Option<SeamsReport>,
}

#[derive(Debug, Serialize)]
struct SeamsReport {
    /// Of the pair, at the prompt's end.
    merged_tokens: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_tokens: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_tokens: Option<usize>,
    ends_in_letter: bool,
}

#[derive(Debug, Serialize)]
struct ViewReport<'a> {
    model: &'a str,
    prompt: &'a str,
    ids: Vec<TokenId>,
    pieces: Vec<&'a str>,
    bos: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    join: Option<JoinReport<'a>>,
}

#[derive(Debug, Serialize)]
struct JoinReport<'a> {
    ids: &'a [TokenId],
    shared: usize,
    merges: bool,
}

#[derive(Debug, Serialize)]
struct VocabularyReport {
    same: bool,
    strong: usize,
    pair: usize,
    differing: usize,
}

/// # Errors
/// Bad models, ids or prompts; output that cannot be written.
pub(super) fn inspect(
    args: &InspectArgs,
    session: &mut Session<'_>,
) -> Result<Outcome, ReportError> {
    match &args.model {
        Some(model) => {
            let positions = session.models.positions(model, &args.ids, args.logits)?;
            write_positions(args, session.out, &positions)?;
        }
        None => {
            let seen = seen(args, session)?;
            write_seen(args, session.out, &seen)?;
        }
    }
    Ok(Outcome::Done)
}

/// A prompt as three models see it, and what follows it.
struct Seen<'a> {
    xray: Xray,
    seams: Option<Seams>,
    chunk: Option<&'a str>,
}

fn seen<'a>(args: &'a InspectArgs, session: &mut Session<'_>) -> Result<Seen<'a>, ReportError> {
    // The command line insists on one of prompt and model.
    let prompt = args.prompt.as_deref().unwrap_or_default();
    let (strong, pair) = (args.models.strong(), args.models.weak.only_pair()?);
    let chunk = args.chunk.as_deref();
    let text = args.response.as_deref();
    let whole = text.map(|text| format!("{text}{}", chunk.unwrap_or_default()));
    let xray = session
        .models
        .xray(strong, pair, prompt, whole.as_deref())?;
    let seams = match text {
        Some(text) => Some(session.models.seams(strong, pair, prompt, text, chunk)?),
        None => None,
    };
    Ok(Seen { xray, seams, chunk })
}

fn write_positions(
    args: &InspectArgs,
    out: &mut dyn Write,
    positions: &[Position],
) -> Result<(), ReportError> {
    if args.format == TextOrJson::Json {
        let positions = positions.iter().map(PositionReport::from).collect();
        return write_json(out, &PositionsReport { positions });
    }
    writeln!(out, "position      id  log-sum-exp  argmax  logits")?;
    for (i, (p, id)) in positions.iter().zip(&args.ids).enumerate() {
        let (sum, best) = (p.log_sum_exp, p.argmax);
        write!(out, "{i:>8}  {id:>6}  {sum:>11.5}  {best:>6} ")?;
        for logit in &p.logits {
            write!(out, " {logit:.5}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn write_seen(args: &InspectArgs, out: &mut dyn Write, seen: &Seen<'_>) -> Result<(), ReportError> {
    if args.format == TextOrJson::Json {
        return write_json(out, &XrayReport::from(seen));
    }
    write_xray(out, &seen.xray)?;
    if let Some(seams) = &seen.seams {
        write_seams(out, seams, seen.chunk.is_some())?;
    }
    Ok(())
}

fn write_xray(out: &mut dyn Write, xray: &Xray) -> io::Result<()> {
    for (role, view) in [
        ("strong", &xray.strong),
        ("tuned", &xray.tuned),
        ("untuned", &xray.untuned),
    ] {
        write_view(out, role, view)?;
    }
    let Vocabularies {
        same,
        strong,
        pair,
        differing,
    } = xray.vocabularies;
    let told = match same {
        true => format!("the same {strong} tokens in strong model and pair"),
        false => format!("strong model {strong} tokens, pair {pair}; {differing} differ"),
    };
    writeln!(out, "vocabularies: {told}")?;
    let told = match xray.scoring {
        Scoring::Ids => "the pair scores the sampled ids as they are",
        Scoring::Text => "the pair scores the text, in its own tokens",
    };
    writeln!(out, "scoring: {told}")
}

fn write_seams(out: &mut dyn Write, seams: &Seams, has_chunk: bool) -> io::Result<()> {
    let Seams {
        accepted, changed, ..
    } = seams;
    if has_chunk {
        writeln!(
            out,
            "accepted text: {accepted} tokens of the pair, of which the chunk changes {changed}"
        )?;
    }
    let told = match seams.after_letter {
        true => "a letter or digit: it may be inside a word",
        false => "no letter or digit: it is outside of any word",
    };
    writeln!(out, "end: {told}")
}

/// The prompt in quotes, so that what cannot be seen is seen, then its tokens.
fn write_view(out: &mut dyn Write, role: &str, view: &PromptView) -> io::Result<()> {
    let bos = if view.bos { "BOS first" } else { "no BOS" };
    writeln!(
        out,
        "{role} ({}): {} tokens, {bos}",
        one_line(&view.model),
        view.tokens.len()
    )?;
    writeln!(out, "  text    {:?}", view.text)?;
    let (ids, pieces): (Vec<TokenId>, Vec<String>) = view
        .tokens
        .iter()
        .map(|(id, piece)| (*id, format!("{piece:?}")))
        .unzip();
    writeln!(out, "  ids     {}", spaced(&ids))?;
    writeln!(out, "  pieces  {}", pieces.join(" "))?;
    if let Some(Joint {
        ids,
        shared,
        merges,
    }) = &view.joint
    {
        let told = match merges {
            true => "a token spans the join",
            false => "no token spans the join",
        };
        let rest = spaced(&ids[*shared..]);
        writeln!(
            out,
            "  joined  {told}; after {shared} shared tokens: {rest}"
        )?;
    }
    Ok(())
}

fn spaced(ids: &[TokenId]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    ids.join(" ")
}

fn write_json(out: &mut dyn Write, report: &impl Serialize) -> Result<(), ReportError> {
    serde_json::to_writer(&mut *out, report)?;
    Ok(out.write_all(b"\n")?)
}

impl<'a> From<&'a Position> for PositionReport<'a> {
    fn from(position: &'a Position) -> Self {
        Self {
            logsumexp: position.log_sum_exp,
            argmax: position.argmax,
            logits: &position.logits,
        }
    }
}

impl<'a> From<&'a Seen<'_>> for XrayReport<'a> {
    fn from(seen: &'a Seen<'_>) -> Self {
        let xray = &seen.xray;
        let diff = xray.vocabularies;
        let with_chunk = |n: usize| seen.chunk.map(|_| n);
        Self {
            strong: (&xray.strong).into(),
            tuned: (&xray.tuned).into(),
            untuned: (&xray.untuned).into(),
            vocabularies: VocabularyReport {
                same: diff.same,
                strong: diff.strong,
                pair: diff.pair,
                differing: diff.differing,
            },
            scoring: match xray.scoring {
                Scoring::Ids => "ids",
                Scoring::Text => "text",
            },
            seams: seen.seams.map(|seams| SeamsReport {
                merged_tokens: seams.merged,
                accepted_tokens: with_chunk(seams.accepted),
                changed_tokens: with_chunk(seams.changed),
                ends_in_letter: seams.after_letter,
            }),
        }
    }
}

impl<'a> From<&'a PromptView> for ViewReport<'a> {
    fn from(view: &'a PromptView) -> Self {
        let join = view.joint.as_ref();
        let (ids, pieces) = view
            .tokens
            .iter()
            .map(|(id, piece)| (*id, &**piece))
            .unzip();
        Self {
            model: &view.model,
            prompt: &view.text,
            ids,
            pieces,
            bos: view.bos,
            join: join.map(|j| JoinReport {
                ids: &j.ids,
                shared: j.shared,
                merges: j.merges,
            }),
        }
    }
}
