//! Trainings: a line each, and of the chosen one its curves, its numbers and what the search says
//! under its checkpoints.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::theme::Theme;
use super::window::{centered, inside, window};
use super::wrap::wrap;
use super::{draw, text};
use crate::app::trainings::{Standing, standing};
use crate::app::{App, Trainings};
use crate::curve::{Held, Rewards, Step, Training};

type Line = Vec<Span<'static>>;

/// Lines of the list at most, and of a curve.
const MOST_LISTED: usize = 6;
const CURVE: usize = 3;

/// Cells for a curve's name and value.
const LABEL: usize = 26;

pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let trainings = app.trainings();
    let place = centered(area, 130, 38);
    let room = inside(place);
    let n = trainings.all().len();
    let listed = n.min(MOST_LISTED).min(usize::from(room.height) / 3).max(1);
    let first = draw::scroll(trainings.at(), n, listed);
    let more = text::more(first, n.saturating_sub(first + listed));
    let foot = foot(trainings);
    let inner = window(
        buf,
        place,
        "Trainings: values for weak pairs",
        foot,
        &more,
        theme,
    );
    let mut lines = match n {
        0 => nothing(trainings, usize::from(inner.width), theme),
        _ => list(trainings, first, listed, theme),
    };
    if let Some(why) = &trainings.fault {
        lines.push(vec![Span::styled(text::clean(why), theme.accent)]);
    }
    if let Some(training) = trainings.chosen() {
        lines.push(Line::new());
        let left = usize::from(inner.height).saturating_sub(lines.len());
        lines.extend(detail(training, usize::from(inner.width), left, theme));
    }
    for (row, line) in lines.into_iter().enumerate() {
        draw::line(buf, inner, row, line);
    }
}

fn foot(trainings: &Trainings) -> &'static str {
    match trainings.chosen().map(standing) {
        None => " n trains a value, esc closes ",
        Some(Standing::Running) => {
            " enter guides with it, @ follows it, C stops, n new, esc closes "
        }
        Some(Standing::Stopped | Standing::Failed) => {
            " enter guides with it, r goes on with it, n new, esc closes "
        }
        Some(_) => " enter guides with it, @ follows it, n trains another, esc closes ",
    }
}

fn nothing(trainings: &Trainings, width: usize, theme: &Theme) -> Vec<Line> {
    let words = match trainings.is_told() {
        false => &["looking for trainings …"][..],
        true => &[
            "No value has been trained here yet.",
            "",
            "n trains one: the untuned model writes pairs of responses, a judge prefers one of each, \
             and a copy of the model learns to tell them apart (DPO). A minute or two on two cores. \
             Its checkpoints can guide the search that runs while it still learns.",
        ],
    };
    let wrapped = |words: &&str| match words.is_empty() {
        true => vec![Line::new()],
        false => wrap(&[((*words).to_owned(), theme.muted)], width),
    };
    words.iter().flat_map(wrapped).collect()
}

fn list(trainings: &Trainings, first: usize, n: usize, theme: &Theme) -> Vec<Line> {
    let rows = trainings.all().iter().enumerate().skip(first).take(n);
    let line = |(i, training): (usize, &Training)| {
        let is_here = i == trainings.at();
        let sign = if is_here { "▸ " } else { "  " };
        let name = text::pad(&text::head(&text::clean(training.name()), 21), 22);
        let mut spans = vec![
            Span::styled(sign, theme.accent),
            Span::styled(name, if is_here { theme.title } else { theme.muted }),
            Span::styled(text::pad(state(training), 12), theme.muted),
        ];
        if let Some(step) = training.steps().next_back() {
            let Step { step, n_steps, .. } = step;
            spans.push(Span::raw(text::pad(
                &format!("step {step} of {n_steps}"),
                20,
            )));
        }
        if trainings.is_followed(training) {
            spans.push(Span::styled("guides as it learns  ", theme.accent));
        }
        let held = training.held().next_back().and_then(|held| held.rewards);
        if let Some(Rewards { accuracy, .. }) = held {
            let right = format!("held out right {:.0} %", accuracy * 100.0);
            spans.push(Span::raw(text::pad(&right, 22)));
        }
        spans
    };
    rows.map(line).collect()
}

fn state(training: &Training) -> &'static str {
    match standing(training) {
        Standing::Running => "learning",
        Standing::Done => "done",
        Standing::Stopped => "stopped",
        Standing::Failed => "failed",
        Standing::Elsewhere => "elsewhere",
    }
}

/// Curves, numbers and texts of one training, in at most `room` lines.
fn detail(training: &Training, width: usize, room: usize, theme: &Theme) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(fault) = &training.fault {
        lines.push(vec![Span::styled(text::clean(fault), theme.accent)]);
    }
    if training.steps().next().is_none() && training.fault.is_none() {
        let words = match training.making {
            Some((done, of)) => format!(
                "{done} of {of} pairs of its responses compared by the judge; then it learns"
            ),
            None => "its responses are drawn and compared by the judge; then it learns".to_owned(),
        };
        lines.push(vec![Span::styled(words, theme.muted)]);
    }
    lines.extend(curves(training, width, room, theme));
    lines.extend(numbers(training, theme));
    let left = room.saturating_sub(lines.len());
    lines.extend(seen(training, width, left, theme));
    lines
}

/// A curve's values after so many steps.
type Points = Vec<(usize, f64)>;

fn curves(training: &Training, width: usize, room: usize, theme: &Theme) -> Vec<Line> {
    let n_steps = training.steps().next_back().map_or(0, |step| step.n_steps);
    let steps = |f: fn(&Step) -> Option<f64>| -> Points {
        training
            .steps()
            .filter_map(|step| Some((step.step, f(step)?)))
            .collect()
    };
    let held = |f: fn(&Held) -> Option<f64>| -> Points {
        training
            .held()
            .filter_map(|held| Some((held.step, f(held)?)))
            .collect()
    };
    let all = [
        ("loss", steps(|step| Some(step.loss)), 4),
        (
            "margin of rewards",
            steps(|step| Some(step.rewards?.margin)),
            3,
        ),
        ("held-out loss", held(|held| Some(held.loss)), 4),
        (
            "held out right",
            held(|held| Some(held.rewards?.accuracy)),
            2,
        ),
    ];
    let height = if room > 26 { CURVE } else { 1 };
    let width = width.saturating_sub(LABEL + 1);
    let shown = all.into_iter().filter(|(_, points, _)| points.len() > 1);
    shown
        .flat_map(|(name, points, digits)| {
            let last = points.last().map_or(0.0, |(_, value)| *value);
            let label = format!("{name} {last:.digits$}");
            curve(&label, &cells(&points, n_steps, width), height, theme)
        })
        .collect()
}

/// A value for every cell up to the last step, of `width` for all `n_steps`: the mean of those
/// within it, or else the one before.
fn cells(points: &[(usize, f64)], n_steps: usize, width: usize) -> Vec<f64> {
    let cell = |step: usize| step * width.saturating_sub(1) / n_steps.max(1);
    let last = points.last().map_or(0, |(step, _)| cell(*step));
    let mut before = points.first().map_or(0.0, |(_, value)| *value);
    let values = (0..=last).map(|at| {
        let here = points.iter().filter(|(step, _)| cell(*step) == at);
        let (n, sum) = here.fold((0, 0.0), |(n, sum), (_, value)| (n + 1, sum + value));
        if n > 0 {
            before = sum / f64::from(n);
        }
        before
    });
    values.collect()
}

/// A curve of `height` lines behind its label.
fn curve(label: &str, cells: &[f64], height: usize, theme: &Theme) -> Vec<Line> {
    let extremes = |(low, high): (f64, f64), v: &f64| (low.min(*v), high.max(*v));
    let (low, high) = cells.iter().fold((f64::MAX, f64::MIN), extremes);
    let span = if high > low { high - low } else { 1.0 };
    let most = (8 * height - 1) as f64;
    let eighths = |value: f64| (((value - low) / span) * most).round() as usize + 1;
    let rows = (0..height).rev().map(|row| {
        let label = if row + 1 == height { label } else { "" };
        let bars = cells
            .iter()
            .map(|value| draw::LEVELS[eighths(*value).saturating_sub(8 * row).min(8)]);
        vec![
            Span::styled(text::pad(label, LABEL), theme.muted),
            Span::styled(bars.collect::<String>(), theme.key),
        ]
    });
    rows.collect()
}

fn numbers(training: &Training, theme: &Theme) -> Vec<Line> {
    let Some(step) = training.steps().next_back() else {
        return Vec::new();
    };
    let left = match standing(training) {
        Standing::Running | Standing::Elsewhere => format!("  {:.0} s left", step.left_s),
        _ => String::new(),
    };
    let told = format!(
        "gradient {:.2}  rate {:.1e}  {:.0} tokens/s{left}",
        step.grad_norm, step.rate, step.tokens_per_s
    );
    let base = format!("from {}", text::clean(&training.base));
    vec![
        vec![Span::styled(told, theme.muted)],
        vec![Span::styled(base, theme.faint)],
    ]
}

/// What the search says under each checkpoint, the newest first.
fn seen(training: &Training, width: usize, room: usize, theme: &Theme) -> Vec<Line> {
    let mut lines = Vec::new();
    let Some(newest) = training.watched().next_back() else {
        return lines;
    };
    lines.push(Line::new());
    let prompt = text::head(&text::clean(&newest.prompt), width.saturating_sub(40));
    let title = format!(
        "guided by its checkpoints, judge {}: {prompt} …",
        text::clean(&newest.judge)
    );
    lines.push(vec![Span::styled(text::head(&title, width), theme.title)]);
    for seen in training.watched().rev() {
        let sign = format!("{:>5} {:+7.2} ", seen.step, seen.guided);
        let response = text::head(&text::clean(&seen.response), width.saturating_sub(14));
        lines.push(vec![
            Span::styled(sign, theme.signed(seen.guided - seen.unguided)),
            Span::raw(response),
        ]);
    }
    let unguided = format!("      {:+7.2} unguided", newest.unguided);
    lines.truncate(room.saturating_sub(1).max(2));
    lines.push(vec![Span::styled(unguided, theme.muted)]);
    lines.truncate(room);
    lines
}
