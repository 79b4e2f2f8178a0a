//! The board: every candidate of a round, its score and its fate.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::board_view::View;
use super::columns::{Columns, JUDGE, voices};
use super::cut::{self, margin, ranked_by};
use super::draw::Parts;
use super::settings::pair_name;
use super::terms::end_sign;
use super::theme::Theme;
use super::{bar, draw, header, text};
use crate::app::board::{Head, Line, Row, sign as fate_sign};
use crate::app::{App, Pane, Phase, Sort, stats};
use crate::message::Verdict;
use crate::search::{CandidateSlot, Fate, HypothesisId, Mark, Round};

/// Cells for the name of the pair that scored a round.
const PAIR: usize = 20;

/// Cells for a candidate's label and the user's hand on it.
const LABEL: usize = 7;

/// Lines the board would fill: while rounds come, those of the fullest, so that nothing jumps.
pub fn height_wanted(app: &App) -> u16 {
    let params = app.params_in_use();
    let beams = params.beam_width().get().min(params.n_candidates());
    let lines = match (app.phase(), app.look().sort) {
        // Who walks the tree looks at one round after the other: nothing jumps then either.
        (Phase::Finished | Phase::Over, _) if app.look().focus != Pane::Tree => app.board().len(),
        (_, Sort::Score) => params.n_candidates() + 1,
        (_, Sort::Beam) => params.n_candidates() + beams,
    };
    u16::try_from(lines + 2).unwrap_or(u16::MAX)
}

/// The title, the headings where there is room, and the lines in view.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let columns = Columns::of(area, app);
    let details = match app.shown_round() {
        Some(round) => title(app, round, &columns, theme),
        None => vec![vec![Span::styled(
            "waiting for the first round",
            theme.muted,
        )]],
    };
    let body = draw::below(area, columns.above());
    let height = usize::from(body.height);
    let view = View::of(app, columns.roomy, height);
    let more = view.more();
    let heading = draw::titled(buf, area, Pane::Board, details, &more, app, theme);
    if columns.roomy {
        headings(buf, heading, &columns, app, theme);
    }
    for (row, (line, follows)) in view.shown().enumerate() {
        draw_line(buf, body, row, line, &columns, app, theme);
        if !follows {
            draw_gap(buf, body, row, line, app, theme);
        }
    }
}

/// The candidate drawn at `row` of the pane's area.
pub fn candidate_at(app: &App, area: Rect, row: usize) -> Option<HypothesisId> {
    let columns = Columns::of(area, app);
    let above = usize::from(columns.above());
    let height = usize::from(area.height).saturating_sub(above);
    let view = View::of(app, columns.roomy, height);
    let (line, _) = view.shown().nth(row.checked_sub(above)?)?;
    line.id()
}

/// `round 3/10  growing 3/5 tokens  cut at +3.21`.
fn title(app: &App, round: &Round, columns: &Columns, theme: &Theme) -> Parts<'static> {
    let of = header::rounds_expected(&round.params).max(round.number);
    let back = looks_back(app);
    let mut parts = Vec::new();
    // Where there is little room, the first line of the screen says which round runs.
    if columns.roomy || back.is_some() {
        let name = app.name_of(round);
        parts.push(vec![Span::raw(format!("round {name}/{of}  "))]);
    }
    let back = back.map(|back| vec![Span::styled(format!("{back}  "), theme.accent)]);
    parts.extend(back);
    parts.push(vec![stage(app, round, theme)]);
    if columns.roomy || app.has_several_pairs() {
        let pair = pair_name(round.pair.as_str(), PAIR);
        parts.push(vec![Span::styled(format!("  pair {pair}"), theme.muted)]);
    }
    parts.extend(columns.moved(app, theme));
    parts.extend(remarks(app, round, theme).map(|remark| vec![Span::raw("  "), remark]));
    if !columns.roomy {
        let heading = format!("  log-ratio, bar ±{}, text", columns.scale);
        parts.push(vec![Span::styled(heading, theme.faint)]);
    }
    parts
}

/// Where the user looks, if not at the latest round.
fn looks_back(app: &App) -> Option<&'static str> {
    Some(match app.leads_to_head(app.sight().node?) {
        true => "looking back",
        false => "a branch that was left",
    })
}

/// What is not always so: the order, another pair, scores that length explains.
fn remarks(app: &App, round: &Round, theme: &Theme) -> impl Iterator<Item = Span<'static>> {
    let change = round.change().map(|(old, new)| {
        let change = format!("new pair {old:+.2} → {new:+.2}");
        Span::styled(change, theme.accent)
    });
    // Length is the usual artefact: it must not hide in a chart.
    let r = stats::length_correlation(app.trace()).filter(|r| r.abs() >= stats::STRONG);
    let length = r.map(|r| Span::styled(format!("! length r {r:+.2}"), theme.accent));
    let is_sorted = app.look().sort == Sort::Score;
    let order = is_sorted.then(|| Span::styled("by score", theme.muted));
    change.into_iter().chain(length).chain(order)
}

fn stage(app: &App, round: &Round, theme: &Theme) -> Span<'static> {
    match &round.cut {
        Some(cut) => {
            let unit = ranked_by(&round.params);
            let sure = app.sureness(round).map(|sure| margin(&sure));
            let sure = sure.unwrap_or_default();
            let line = cut
                .line
                .map(|line| format!("  cut at {line:+.2}{unit}{sure}"));
            let line = line.unwrap_or_default();
            let (kept, pruned) = (cut.kept.len(), cut.pruned.len());
            Span::styled(
                format!("✓ {kept} kept  ✗ {pruned} pruned{line}"),
                theme.title,
            )
        }
        None if !round.is_scored() => {
            let l = round.params.chunk_len();
            let grown = app.trace().grown();
            let n = growing(app, round).count();
            let (done, wait) = standing(app, round);
            let told = |n: usize, what: &str| match n {
                0 => String::new(),
                n => format!(", {n} {what}"),
            };
            let stand = told(wait, "waiting") + &told(done, "finished");
            let text = format!("{n} grow: token {grown} of {l}{stand}");
            Span::styled(text, theme.muted)
        }
        None => {
            let n = round.ids().count();
            Span::styled(format!("{n} candidates scored, not cut yet"), theme.muted)
        }
    }
}

/// How many candidates are finished, and how many wait for a round of their own.
pub fn standing(app: &App, round: &Round) -> (usize, usize) {
    let is_finished = |id| app.trace().candidate(id).is_some_and(|c| c.is_finished());
    let wait = round
        .standing
        .iter()
        .filter(|id| !is_finished(**id))
        .count();
    let rest = round.ids().count() - growing(app, round).count();
    (rest - wait, wait)
}

/// The slots that grow: not those that hold what is finished already.
pub fn growing<'a>(
    app: &'a App,
    round: &'a Round,
) -> impl Iterator<Item = &'a CandidateSlot> + Clone {
    let is_finished = |id| app.trace().candidate(id).is_some_and(|c| c.is_finished());
    let slots = round.slots.iter();
    slots.filter(move |slot| !slot.parent.is_some_and(is_finished) && !is_finished(slot.id))
}

fn headings(buf: &mut Buffer, area: Rect, columns: &Columns, app: &App, theme: &Theme) {
    let scale = columns.scale;
    let arm = columns.bar.saturating_sub(1) / 2;
    let ends = format!(
        "{:<arm$}0{:>arm$}",
        format!("−{scale}"),
        format!("+{scale}")
    );
    let what = match columns.context {
        0 => "text of the chunk",
        _ => "response … chunk",
    };
    let judge = match app.models() {
        Some(_) => "judge",
        None => "",
    };
    let others = app.judges().iter().take(columns.judges);
    let others = others.map(|spec| format!(" {:>7}", text::head(&judge_name(spec), JUDGE - 1)));
    let others: String = others.collect();
    let pairs = voices(app).into_iter().take(columns.voices);
    let pairs = pairs.map(|pair| format!(" {:>7}", pair_name(pair.as_str(), JUDGE - 1)));
    let pairs: String = pairs.collect();
    let spans = format!(
        "    cand.     rank  log-ratio {ends}  {:>7} {:>7}{pairs} {judge:>7}{others}  {what}",
        columns.gain, "to cut"
    );
    draw::line(buf, area, 0, vec![Span::styled(spans, theme.faint)]);
}

fn draw_line(
    buf: &mut Buffer,
    area: Rect,
    at: usize,
    line: &Line<'_>,
    columns: &Columns,
    app: &App,
    theme: &Theme,
) {
    let spans = match line {
        Line::Head(head) => head_spans(head, columns, theme),
        Line::Candidate(row) if columns.roomy => roomy_spans(row, columns, app, theme),
        Line::Candidate(row) => compact_spans(row, columns, theme),
        Line::Cut(line) => cut::spans(*line, area, app, theme),
    };
    draw::line(buf, area, at, spans);
    if line.id().is_some() && line.id() == app.sight().reference {
        draw::line(buf, area, at, vec![Span::styled("◇", theme.accent)]);
    }
    if line.id().is_some() && line.id() == app.sight().selected {
        draw::line(buf, area, at, vec![Span::styled("▸", theme.accent)]);
        draw::tint(buf, area, at, theme.selected);
    }
}

/// Says before a line that others are left out before it.
fn draw_gap(buf: &mut Buffer, area: Rect, at: usize, line: &Line<'_>, app: &App, theme: &Theme) {
    let chosen = [app.sight().selected, app.sight().reference];
    if line.id().is_none() || !chosen.contains(&line.id()) {
        draw::line(buf, area, at, vec![Span::styled("⋮", theme.accent)]);
    }
}

fn head_spans(head: &Head<'_>, columns: &Columns, theme: &Theme) -> Vec<Span<'static>> {
    let room = columns.text + columns.bar + 20;
    match head.text {
        None => vec![Span::styled(" from the prompt", theme.muted)],
        Some(whole) => vec![
            Span::styled(format!(" beam {:<3}", head.beam), theme.muted),
            head_score(head, theme),
            Span::styled(text::tail_of(whole, 0..whole.len(), room), theme.muted),
        ],
    }
}

/// The score of a hypothesis; while a change of the pair is fresh, both scores.
fn head_score(head: &Head<'_>, theme: &Theme) -> Span<'static> {
    let score = text::signed(head.score, 0);
    match head.before {
        None => Span::styled(format!("{score:>16}  "), theme.muted),
        before => {
            let both = format!("{} → {score}", text::signed(before, 0));
            Span::styled(format!("{both:>16}  "), theme.accent)
        }
    }
}

/// The user's hand on a candidate: pinned, killed, boosted, successors beyond K; on whom none lies,
/// how many they are.
fn hand(row: &Row<'_>) -> String {
    match (row.extra, row.times) {
        (0, 1) if row.mark.is_none() && row.watched => "@".to_owned(),
        (0, 1) => sign(row.mark),
        (0, times) => format!("×{times}"),
        (extra, _) => format!("K+{extra}"),
    }
}

/// A mark as a sign.
pub fn sign(mark: Option<Mark>) -> String {
    match mark {
        Some(Mark::Take) => "»".to_owned(),
        Some(Mark::Pin) => "◆".to_owned(),
        Some(Mark::Kill) => "†".to_owned(),
        Some(Mark::Boost(nats)) => format!("{nats:+}"),
        None => String::new(),
    }
}

fn style(row: &Row<'_>, theme: &Theme) -> Style {
    match row.fate {
        Fate::Growing | Fate::Scored => theme.text,
        Fate::Kept => theme.kept,
        Fate::Pruned => theme.pruned,
    }
}

fn number(value: Option<f64>, width: usize, row: &Row<'_>, theme: &Theme) -> Span<'static> {
    let style = match (row.fate, value) {
        (Fate::Pruned, _) => theme.pruned,
        (_, None) => theme.faint,
        (_, Some(value)) => theme.signed(value),
    };
    Span::styled(text::signed(value, width), style)
}

fn lead(row: &Row<'_>, theme: &Theme) -> Vec<Span<'static>> {
    let label = row.label();
    vec![
        Span::raw(" "),
        Span::styled(fate_sign(row.fate), style(row, theme)),
        Span::styled(end_sign(row.finish), theme.finished),
        Span::styled(format!(" {label} "), style(row, theme)),
        Span::styled(
            text::pad(&hand(row), LABEL.saturating_sub(label.len())),
            theme.accent,
        ),
    ]
}

fn compact_spans(row: &Row<'_>, columns: &Columns, theme: &Theme) -> Vec<Span<'static>> {
    let mut spans = lead(row, theme);
    spans.push(number(row.score, 7, row, theme));
    spans.push(Span::raw(" "));
    spans.extend(row_bar(row, columns, theme));
    spans.push(Span::raw(" "));
    spans.extend(row_text(row, columns, theme));
    spans
}

fn roomy_spans(row: &Row<'_>, columns: &Columns, app: &App, theme: &Theme) -> Vec<Span<'static>> {
    let rank = row.rank.map_or_else(String::new, |rank| format!("#{rank}"));
    let mut spans = lead(row, theme);
    spans.push(Span::styled(format!("  {rank:<4}"), style(row, theme)));
    spans.push(number(row.score, 10, row, theme));
    spans.push(Span::raw("  "));
    spans.extend(row_bar(row, columns, theme));
    spans.push(Span::raw(" "));
    let gain = if columns.gain == "chunk" {
        row.gain
    } else {
        row.key
    };
    spans.push(number(gain, 8, row, theme));
    spans.push(number(row.margin, 8, row, theme));
    let said = app.voices_of(row.id).into_iter().take(columns.voices);
    spans.extend(said.map(|score| number(score, JUDGE, row, theme)));
    spans.push(number(row.judge, JUDGE, row, theme));
    let verdicts = (0..columns.judges).map(|judge| app.verdict_of(judge, row.id));
    spans.extend(verdicts.map(|said| verdict(said, row, theme)));
    spans.push(Span::raw("  "));
    spans.extend(row_text(row, columns, theme));
    spans
}

/// What a judge says, or that it fails.
fn verdict(said: Option<&Verdict>, row: &Row<'_>, theme: &Theme) -> Span<'static> {
    match said {
        Some(Err(_)) => Span::styled(format!("{:>JUDGE$}", "fails"), theme.accent),
        Some(Ok(score)) => number(Some(*score), JUDGE, row, theme),
        None => number(None, JUDGE, row, theme),
    }
}

/// A judge's SPEC as its column's heading: without its kind and its owner.
fn judge_name(spec: &str) -> String {
    let name = ["hf:", "cmd:", "lexicon:"]
        .iter()
        .find_map(|kind| spec.strip_prefix(kind));
    let name = name.unwrap_or(spec).trim_end_matches('/');
    text::clean(name.rsplit('/').next().unwrap_or(name))
}

fn row_bar(row: &Row<'_>, columns: &Columns, theme: &Theme) -> Vec<Span<'static>> {
    let dim = row.fate == Fate::Pruned;
    match columns.bar {
        0 => Vec::new(),
        width => bar::diverging(row.score, columns.scale, width, dim, theme),
    }
}

/// The end of the parent's text in a fixed width, so that nothing shifts while the chunk grows.
fn row_text(row: &Row<'_>, columns: &Columns, theme: &Theme) -> Vec<Span<'static>> {
    let before = text::tail_of(row.text, 0..row.chunk_at, columns.context);
    let room = columns.text.saturating_sub(text::width(&before));
    let chunk = text::tail_of(row.text, row.chunk_at..row.text.len(), room);
    vec![
        Span::styled(before, theme.faint),
        Span::styled(chunk, style(row, theme)),
    ]
}
