//! The X-ray's facts: how the pair reads and scores the candidate in detail, in sentences.

use ratatui::text::Span;

use super::text;
use super::theme::Theme;
use super::xray::Line;
use crate::app::{App, End};
use crate::message::{Scoring, Seams, Vocabularies, Xray};
use crate::search::Rules;

/// What is to be thought of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Fine,
    Care,
    /// Not known.
    Open,
}

/// A sentence with its mark.
type Fact = (Mark, String);

/// The facts as lines of at most `width` cells.
pub fn facts(app: &App, xray: &Xray, width: usize, theme: &Theme) -> Vec<Line> {
    let mut facts = vec![vocabularies(&xray.vocabularies), scoring(xray)];
    match (app.seams(), app.end()) {
        (Some(seams), Some(end)) => facts.extend([
            join(xray, seams),
            accepted(xray.scoring, seams),
            ending(end, app.params_in_use().rules),
        ]),
        _ => facts.push((
            Mark::Open,
            "pause, or select a candidate: its join and its end are told then".to_owned(),
        )),
    }
    let lines = facts.iter().flat_map(|fact| lines(fact, width, theme));
    lines.collect()
}

/// The mark, and the sentence beside it.
fn lines((mark, sentence): &Fact, width: usize, theme: &Theme) -> Vec<Line> {
    let (sign, style) = match mark {
        Mark::Fine => ("✓ ", theme.kept),
        Mark::Care => ("! ", theme.accent),
        Mark::Open => ("· ", theme.muted),
    };
    let words = [(sentence.clone(), theme.text)];
    let mut lines = text::wrap(&words, width.saturating_sub(2));
    for (row, line) in lines.iter_mut().enumerate() {
        let lead = if row == 0 { sign } else { "  " };
        line.insert(0, Span::styled(lead, style));
    }
    lines
}

fn vocabularies(found: &Vocabularies) -> Fact {
    let Vocabularies {
        same,
        strong,
        pair,
        differing,
    } = found;
    match same {
        true => (
            Mark::Fine,
            format!("vocabularies: the same {strong} tokens"),
        ),
        false => (
            Mark::Care,
            format!("vocabularies: strong {strong}, pair {pair}; {differing} differ"),
        ),
    }
}

fn scoring(xray: &Xray) -> Fact {
    match (xray.scoring, xray.vocabularies.same) {
        (Scoring::Ids, _) => (Mark::Fine, "scored: the sampled ids as they are".to_owned()),
        (Scoring::Text, false) => (
            Mark::Care,
            "scored: the text, in the pair's own tokens".to_owned(),
        ),
        (Scoring::Text, true) => (
            Mark::Care,
            "scored: the text, as the rules `reference` want it".to_owned(),
        ),
    }
}

fn join(xray: &Xray, seams: &Seams) -> Fact {
    let (n, all) = (seams.merged, xray.tuned.tokens.len());
    match (xray.scoring, n) {
        (_, 0) => (
            Mark::Fine,
            "join: no token spans prompt and response".to_owned(),
        ),
        (Scoring::Ids, _) => (
            Mark::Fine,
            "join: no token spans it; in a joint text, one would".to_owned(),
        ),
        (Scoring::Text, _) => (
            Mark::Care,
            format!("join: a token spans it: {n} of {all} prompt tokens gave way"),
        ),
    }
}

fn accepted(scoring: Scoring, seams: &Seams) -> Fact {
    let Seams {
        accepted, changed, ..
    } = seams;
    match (scoring, accepted, changed) {
        (_, 0, _) => (
            Mark::Fine,
            "accepted text: none before this chunk".to_owned(),
        ),
        (Scoring::Ids, n, _) => (
            Mark::Fine,
            format!("accepted text: its {n} ids stay as they are"),
        ),
        (Scoring::Text, n, 0) => (
            Mark::Fine,
            format!("accepted text: none of its {n} tokens changed"),
        ),
        (Scoring::Text, n, changed) => (
            Mark::Care,
            format!("accepted text: {changed} of its {n} tokens changed, scored anew"),
        ),
    }
}

fn ending(end: End, rules: Rules) -> Fact {
    let (mark, told) = match (end, rules) {
        (End::Finished, _) => (Mark::Fine, "the response is finished"),
        (End::InCharacter, Rules::Fixed) => {
            (Mark::Care, "inside a character, whose bytes are held back")
        }
        (End::InCharacter, Rules::Reference) => {
            (Mark::Care, "inside a character, which is read as \u{fffd}")
        }
        (End::BetweenWords, _) => (Mark::Fine, "outside of any word"),
        (End::Open, _) => (Mark::Open, "maybe inside a word: nothing follows it"),
        (End::GoesOn { within: 0, n }, _) => {
            return (
                Mark::Fine,
                format!("end: of a word: none of {n} successors goes on in it"),
            );
        }
        (End::GoesOn { within, n }, _) => {
            return (
                Mark::Care,
                format!("end: inside a word: {within} of {n} successors go on in it"),
            );
        }
    };
    (mark, format!("end: {told}"))
}
