//! The X-ray's facts: how the pair reads and scores the candidate in detail, in sentences.

use ratatui::text::Span;

use super::theme::Theme;
use super::wrap::wrap;
use crate::app::{App, End};
use crate::evidence::{Scoring, Seams, Vocabularies, Xray};
use crate::search::Rules;

/// A line of the X-ray.
pub type Line = Vec<Span<'static>>;

/// What is to be thought of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Fine,
    Care,
    /// Not known.
    Open,
}

/// A sentence with its verdict.
type Fact = (Verdict, String);

/// The facts as lines of at most `width` cells.
pub fn facts(app: &App, xray: &Xray, width: usize, theme: &Theme) -> Vec<Line> {
    let mut facts = vec![vocabularies(&xray.vocabularies), scoring(xray)];
    match (app.seams(), app.end()) {
        (Some(seams), Some(end)) => facts.extend([
            join(xray, seams),
            accepted(xray.scoring, seams),
            ending(end, app.params_in_use().rules()),
        ]),
        _ => facts.push((
            Verdict::Open,
            "pause, or select a candidate: its join and its end are told then".to_owned(),
        )),
    }
    let lines = facts.iter().flat_map(|fact| lines(fact, width, theme));
    lines.collect()
}

/// The verdict's sign, and the sentence beside it.
fn lines((verdict, sentence): &Fact, width: usize, theme: &Theme) -> Vec<Line> {
    let (sign, style) = match verdict {
        Verdict::Fine => ("✓ ", theme.kept),
        Verdict::Care => ("! ", theme.accent),
        Verdict::Open => ("· ", theme.muted),
    };
    let words = [(sentence.clone(), theme.text)];
    let mut lines = wrap(&words, width.saturating_sub(2));
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
            Verdict::Fine,
            format!("vocabularies: the same {strong} tokens"),
        ),
        false => (
            Verdict::Care,
            format!("vocabularies: strong {strong}, pair {pair}; {differing} differ"),
        ),
    }
}

fn scoring(xray: &Xray) -> Fact {
    match (xray.scoring, xray.vocabularies.same) {
        (Scoring::Ids, _) => (
            Verdict::Fine,
            "scored: the sampled ids as they are".to_owned(),
        ),
        (Scoring::Text, false) => (
            Verdict::Care,
            "scored: the text, in the pair's own tokens".to_owned(),
        ),
        (Scoring::Text, true) => (
            Verdict::Care,
            "scored: the text, as the rules `reference` want it".to_owned(),
        ),
    }
}

fn join(xray: &Xray, seams: &Seams) -> Fact {
    let (n, all) = (seams.merged, xray.tuned.tokens.len());
    match (xray.scoring, n) {
        (_, 0) => (
            Verdict::Fine,
            "join: no token spans prompt and response".to_owned(),
        ),
        (Scoring::Ids, _) => (
            Verdict::Fine,
            "join: no token spans it; in a joint text, one would".to_owned(),
        ),
        (Scoring::Text, _) => (
            Verdict::Care,
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
            Verdict::Fine,
            "accepted text: none before this chunk".to_owned(),
        ),
        (Scoring::Ids, n, _) => (
            Verdict::Fine,
            format!("accepted text: its {n} ids stay as they are"),
        ),
        (Scoring::Text, n, 0) => (
            Verdict::Fine,
            format!("accepted text: none of its {n} tokens changed"),
        ),
        (Scoring::Text, n, changed) => (
            Verdict::Care,
            format!("accepted text: {changed} of its {n} tokens changed, scored anew"),
        ),
    }
}

fn ending(end: End, rules: Rules) -> Fact {
    let (verdict, what) = match (end, rules) {
        (End::Finished, _) => (Verdict::Fine, "the response is finished"),
        (End::InCharacter, Rules::Fixed) => (
            Verdict::Care,
            "inside a character, whose bytes are held back",
        ),
        (End::InCharacter, Rules::Reference) => (
            Verdict::Care,
            "inside a character, which is read as \u{fffd}",
        ),
        (End::BetweenWords, _) => (Verdict::Fine, "outside of any word"),
        (End::Open, _) => (Verdict::Open, "maybe inside a word: nothing follows it"),
        (End::GoesOn { within: 0, n }, _) => {
            return (
                Verdict::Fine,
                format!("end: of a word: none of {n} successors goes on in it"),
            );
        }
        (End::GoesOn { within, n }, _) => {
            return (
                Verdict::Care,
                format!("end: inside a word: {within} of {n} successors go on in it"),
            );
        }
    };
    (verdict, format!("end: {what}"))
}
