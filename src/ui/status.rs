//! The last lines: what happens now, in a sentence, and what can be done now.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::theme::Theme;
use super::wrap::wrap;
use super::{board, draw, text};
use crate::app::{Action, App, Context, Phase};
use crate::evidence::PromptRead;
use crate::search::{Cut, Method, Ranking, Round};

/// Lines for what has to be read to its end, an error above all.
const MOST: usize = 3;

/// The lines that the sentence takes.
pub fn height_wanted(app: &App, width: u16) -> u16 {
    let lines = wrapped(&sentence(app), Style::new(), width);
    u16::try_from(lines.len().clamp(1, MOST)).unwrap_or(1)
}

/// What the last key did, else what the search does.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let style = match (app.phase(), app.notice()) {
        (_, Some(_)) => theme.accent,
        (Phase::Failed { .. }, None) => theme.error,
        _ => theme.text,
    };
    let inner = draw::margins(area);
    let mut lines = wrapped(&sentence(app), style, area.width);
    let height = usize::from(inner.height);
    let cut = lines.len() > height;
    lines.truncate(height);
    for (row, line) in lines.into_iter().enumerate() {
        draw::line(buf, inner, row, line);
    }
    if cut {
        draw::goes_on(buf, area);
    }
}

fn wrapped(sentence: &str, style: Style, width: u16) -> Vec<Vec<Span<'static>>> {
    let room = usize::from(width).saturating_sub(2);
    wrap(&[(text::clean(sentence), style)], room)
}

fn sentence(app: &App) -> String {
    match (app.phase(), app.notice()) {
        (Phase::Finished, Some(notice)) => {
            let key = app.keymap().label(Context::Main, Action::Restart);
            format!("{notice} (finished: {key} searches again)")
        }
        (_, Some(notice)) => notice.to_owned(),
        (Phase::Failed { error }, None) => error.clone(),
        _ => story(app),
    }
}

/// One sentence on what happens, for someone who sees this for the first time.
fn story(app: &App) -> String {
    if let Phase::Loading { what, done, total } = app.phase() {
        return loading(what, *done, *total);
    }
    if *app.phase() == Phase::Finished {
        return "Finished. Change W, K, L or the pair to see what they do; r searches again."
            .to_owned();
    }
    if *app.phase() == Phase::Over {
        let key = |action| app.keymap().label(Context::Main, action);
        let (back, again) = (key(Action::Back), key(Action::Restart));
        return format!(
            "A run of before: {back} goes back to the last one, {again} searches with its settings."
        );
    }
    if let (Phase::Paused, Some(round)) = (app.phase(), before_cut(app)) {
        return standing(app, round);
    }
    if let Some(read) = app.prompt_read() {
        return reading(read);
    }
    match app.trace().last_round() {
        None => "The search begins.".to_owned(),
        Some(round) => match &round.cut {
            Some(cut) => chosen(round, cut),
            None if round.is_scored() => scored(round),
            None => growing(app, round),
        },
    }
}

/// Who is kept, and by what.
fn chosen(round: &Round, cut: &Cut) -> String {
    let (kept, all) = (cut.kept.len(), cut.kept.len() + cut.pruned.len());
    if let Some(told) = by_method(round.params.method(), kept, all) {
        return told;
    }
    if cut.pruned.is_empty() {
        return "Nothing to choose from: all are kept (✓).".to_owned();
    }
    let others = match cut.pruned.len() {
        1 => "the other pruned (✗).",
        _ => "the others pruned (✗).",
    };
    if !round.marks.is_empty() {
        return format!("The weak pair and your hand keep {kept} of {all} (✓), {others}");
    }
    let by = match (round.params.weight().get(), round.params.ranking()) {
        (0.0, _) => return first_kept(kept, all),
        (weight, _) if weight < 0.0 => "likes least",
        (_, Ranking::Sum) => "likes best",
        (_, Ranking::PerToken) => "likes best for each token",
        (_, Ranking::Chunk) => "likes best by their last chunks",
    };
    match kept {
        1 => format!("The one of {all} that the weak pair {by} is kept (✓), {others}"),
        _ => format!("The {kept} of {all} that the weak pair {by} are kept (✓), {others}"),
    }
}

/// Who is kept by a method other than the paper's.
fn by_method(method: Method, kept: usize, all: usize) -> Option<String> {
    Some(match method {
        Method::Cbs => return None,
        Method::Dvts => format!("Each of {kept} subtrees keeps its own best (✓), {all} competed."),
        Method::Smc { .. } if kept == all => {
            format!("All {all} particles go on (✓): their weights are even enough.")
        }
        Method::Smc { .. } => {
            format!(
                "Particles are drawn anew by weight: {kept} of {all} go on (✓), some as copies."
            )
        }
        Method::TreeSearch { .. } => {
            format!("All {all} leaves stay (✓); the next round grows the most promising one.")
        }
        Method::Cards { .. } => {
            format!("Of {all} chunks the first that passes the threshold is accepted (✓).")
        }
        Method::SpeculativeRejection { .. } => {
            format!("The lowest {} of {all} drop out (✗).", all - kept)
        }
    })
}

/// With weight 0 nothing is ranked.
fn first_kept(kept: usize, all: usize) -> String {
    match kept {
        1 => format!("With weight 0 the first of {all} is kept (✓)."),
        _ => format!("With weight 0 the first {kept} of {all} are kept (✓)."),
    }
}

fn growing(app: &App, round: &Round) -> String {
    let slots = board::growing(app, round);
    let mut parents: Vec<_> = slots.clone().map(|slot| slot.parent).collect();
    parents.sort();
    parents.dedup();
    let (n, after) = (slots.count(), parents.len());
    let grow = match n {
        1 => "1 candidate grows".to_owned(),
        _ => format!("{n} candidates grow"),
    };
    let (done, wait) = board::standing(app, round);
    let stand = match (done, wait) {
        (0, 0) => String::new(),
        (1, 0) => " (1 is finished and stands by)".to_owned(),
        (n, 0) => format!(" ({n} are finished and stand by)"),
        (0, n) => format!(" ({n} wait)"),
        (done, n) => format!(" ({n} wait, {done} finished)"),
    };
    match (round.beam.is_empty(), after) {
        (true, _) => format!("{grow} by a chunk; the weak pair scores every token."),
        (_, 1) => format!("{grow} after 1 hypothesis{stand}; the weak pair scores every token."),
        _ => format!("{grow} after {after} hypotheses{stand}; the weak pair scores every token."),
    }
}

fn scored(round: &Round) -> String {
    let n = round.ids().count();
    format!("{n} candidates are scored; the cut is still to come.")
}

/// The round that has not made its cut.
fn before_cut(app: &App) -> Option<&Round> {
    let round = app.trace().last_round()?;
    round.cut.is_none().then_some(round)
}

/// What can be done while a round stands before its cut.
fn standing(app: &App, round: &Round) -> String {
    let key = |action| app.keymap().label(Context::Main, action);
    if !round.is_scored() {
        let (go_on, to_cut) = (key(Action::TogglePause), key(Action::ToCut));
        return format!("Paused while chunks grow: {go_on} goes on, {to_cut} goes to the cut.");
    }
    let (pin, kill, boost) = (key(Action::Pin), key(Action::Kill), key(Action::Boost));
    format!("Paused before the cut: pin {pin}, kill {kill} or boost {boost} a candidate.")
}

fn reading(read: PromptRead) -> String {
    let PromptRead {
        by_pair,
        done,
        total,
    } = read;
    let who = match by_pair {
        true => "The weak pair reads",
        false => "The strong model reads",
    };
    format!("{who} the prompt: {done} of {total} tokens.")
}

fn loading(what: &str, done: u64, total: u64) -> String {
    match (done * 100).checked_div(total) {
        Some(percent) => format!("Now {what}: {percent} %"),
        None => format!("Now {what}"),
    }
}

/// Keys and what they do, as many as fit.
pub fn render_hints(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let mut left = usize::from(area.width).saturating_sub(1);
    let mut spans = vec![Span::raw(" ")];
    for hint in app.hints() {
        let n = text::width(&hint.keys) + text::width(hint.label) + 3;
        let Some(rest) = left.checked_sub(n) else {
            break;
        };
        left = rest;
        spans.extend([
            Span::styled(hint.keys, theme.key),
            Span::styled(format!(" {}  ", hint.label), theme.muted),
        ]);
    }
    draw::line(buf, area, 0, spans);
}
