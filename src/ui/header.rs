//! The first lines: what runs on what, and the settings with the keys that change them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::draw;
use super::text;
use super::theme::Theme;
use crate::app::settings::pace_text;
use crate::app::{Action, App, Context, Phase};
use crate::search::SearchParams;

/// Name, phase, round, models, device, speeds; what does not fit is left out from the end.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let mut parts = vec![
        Span::styled(" w2s ", theme.title),
        phase(app, theme),
        Span::raw(round(app)),
        Span::styled(fetch(app), theme.accent),
    ];
    parts.extend(
        machine(app)
            .into_iter()
            .map(|part| Span::styled(part, theme.muted)),
    );
    let mut left = usize::from(area.width);
    let mut spans = Vec::new();
    for part in parts.into_iter().filter(|part| !part.content.is_empty()) {
        let n = text::width(&part.content) + 2;
        if n > left && !spans.is_empty() {
            break;
        }
        left = left.saturating_sub(n);
        spans.extend([part, Span::raw("  ")]);
    }
    draw::line(buf, area, 0, spans);
}

fn phase(app: &App, theme: &Theme) -> Span<'static> {
    let (mark, style) = match app.phase() {
        Phase::Loading { .. } => ("◌ loading", theme.muted),
        Phase::Running => ("▶ searching", theme.accent),
        Phase::Pausing => ("▶ pausing", theme.accent),
        Phase::Paused => ("‖ paused", theme.accent),
        Phase::Stepping => ("▶ one round", theme.accent),
        Phase::Finished => ("■ finished", theme.finished),
        Phase::Failed { .. } => ("✗ failed", theme.error),
    };
    Span::styled(mark, style)
}

/// `◌ fetching NAME 34 %`: a load beside the search.
fn fetch(app: &App) -> String {
    app.fetch().map_or_else(String::new, |fetch| {
        let (doing, what) = fetch.what.split_once(' ').unwrap_or(("", &fetch.what));
        let what = text::tail(&text::clean(what), 24);
        let percent = (fetch.done * 100).checked_div(fetch.total);
        let percent = percent.map_or_else(String::new, |p| format!(" {p} %"));
        format!("◌ {doing} {what}{percent}")
    })
}

/// `round 3/10`.
fn round(app: &App) -> String {
    let Some(round) = app.trace().last_round() else {
        return String::new();
    };
    let of = rounds_expected(&round.params);
    format!("round {}/{}", round.number, of.max(round.number))
}

/// How many rounds fill the token budget.
pub fn rounds_expected(params: &SearchParams) -> usize {
    let n = params.max_new_tokens.get();
    match params.chunk_len.get() {
        0 => 1,
        l => n.div_ceil(l),
    }
}

fn machine(app: &App) -> Vec<String> {
    let Some(models) = app.models() else {
        return Vec::new();
    };
    let speeds = app.speeds();
    let params = app.params_in_use();
    let mut parts = vec![format!(
        "strong model: {}, {}",
        text::clean(&models.strong.name),
        count(models.strong.n_params as f64)
    )];
    if speeds.strong_tokens_per_s > 0.0 {
        parts.push(format!("{} tok/s", count(speeds.strong_tokens_per_s)));
    }
    parts.push(text::clean(&models.device));
    parts.push(format!("seed {}", params.seed));
    parts.push(format!("rules {}", params.rules));
    if speeds.weak_tokens_per_s > 0.0 {
        parts.push(format!("scored {} tok/s", count(speeds.weak_tokens_per_s)));
    }
    if speeds.round_s > 0.0 {
        parts.push(format!("last round {:.0} ms", speeds.round_s * 1000.0));
    }
    parts
}

/// A number with its size in a letter: `1.6M`.
pub fn count(n: f64) -> String {
    match n {
        n if n >= 1e9 => format!("{:.1}B", n / 1e9),
        n if n >= 1e6 => format!("{:.1}M", n / 1e6),
        n if n >= 1e4 => format!("{:.0}k", n / 1e3),
        n if n >= 1e3 => format!("{:.1}k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

/// The width from which all settings are shown.
const MINOR: u16 = 136;

/// A setting on screen: a name, its value, what it will be, the keys.
struct Setting {
    long: &'static str,
    short: &'static str,
    used: String,
    wanted: String,
    keys: [Action; 2],
    /// Not shown: it is as usual, and there is no room for what is usual.
    minor: bool,
}

/// Every setting with its value, `4→6` while a change is pending, and its keys; named in full
/// where that fits.
pub fn render_settings(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) {
    let mut shown = settings(app);
    shown.retain(|setting| !setting.minor || area.width >= MINOR);
    let named = |long| -> Vec<Span<'static>> {
        let of = |setting| setting_spans(setting, long, app, theme);
        shown.iter().flat_map(of).collect()
    };
    let long = named(true);
    let width: usize = long.iter().map(|span| text::width(&span.content)).sum();
    let spans = match width <= usize::from(area.width) {
        true => long,
        false => named(false),
    };
    draw::line(buf, area, 0, spans);
}

fn setting_spans(setting: &Setting, long: bool, app: &App, theme: &Theme) -> Vec<Span<'static>> {
    let name = if long { setting.long } else { setting.short };
    let label = |action| app.keymap().label(Context::Main, action);
    let mut keys = setting.keys.map(label).to_vec();
    keys.dedup();
    let mut spans = vec![Span::styled(format!(" {name} "), theme.muted)];
    spans.extend(value(setting, theme));
    spans.push(Span::styled(format!(" {} ", keys.join("/")), theme.key));
    spans
}

fn value(setting: &Setting, theme: &Theme) -> Vec<Span<'static>> {
    match setting.used == setting.wanted {
        true => vec![Span::styled(setting.used.clone(), theme.title)],
        false => vec![
            Span::raw(setting.used.clone()),
            Span::styled(format!("→{}", setting.wanted), theme.accent),
        ],
    }
}

/// All settings; those after the pace are minor while they are as usual.
fn settings(app: &App) -> Vec<Setting> {
    use Action as A;
    let mut all = vec![
        of(
            app,
            ("beam width W", "W"),
            |p| p.beam_width.to_string(),
            [A::NarrowerBeam, A::WiderBeam],
        ),
        of(
            app,
            ("successors K", "K"),
            |p| p.successors.to_string(),
            [A::FewerSuccessors, A::MoreSuccessors],
        ),
        of(
            app,
            ("chunk length L", "L"),
            |p| p.chunk_len.to_string(),
            [A::ShorterChunk, A::LongerChunk],
        ),
        of(
            app,
            ("temperature", "T"),
            |p| p.sampling.temperature().to_string(),
            [A::Cooler, A::Hotter],
        ),
        of(
            app,
            ("tokens n", "n"),
            |p| p.max_new_tokens.to_string(),
            [A::FewerTokens, A::MoreTokens],
        ),
        pair(app),
        pace(app),
        of(
            app,
            ("top-k", "top-k"),
            |p| p.sampling.top_k().to_string(),
            [A::LowerTopK, A::RaiseTopK],
        ),
        of(
            app,
            ("top-p", "top-p"),
            |p| p.sampling.top_p().to_string(),
            [A::LowerTopP, A::RaiseTopP],
        ),
    ];
    all.extend([
        of(
            app,
            ("ranking", "by"),
            |p| p.ranking.to_string(),
            [A::NextRanking; 2],
        ),
        of(
            app,
            ("weight", "weight"),
            |p| p.weight.get().to_string(),
            [A::LowerWeight, A::RaiseWeight],
        ),
    ]);
    let usual = ["50", "1", "sum", "1"];
    for (setting, usual) in all.iter_mut().skip(7).zip(usual) {
        setting.minor = setting.used == usual && setting.wanted == usual;
    }
    all
}

/// A setting that is one of the params.
fn of(
    app: &App,
    (long, short): (&'static str, &'static str),
    read: impl Fn(&SearchParams) -> String,
    keys: [Action; 2],
) -> Setting {
    Setting {
        long,
        short,
        used: read(app.params_in_use()),
        wanted: read(&app.settings().params),
        keys,
        minor: false,
    }
}

fn pair(app: &App) -> Setting {
    let used = match app.pair_in_use() {
        "" => &app.settings().pair,
        pair => pair,
    };
    Setting {
        long: "weak pair",
        short: "pair",
        used: text::clean(used),
        wanted: text::clean(&app.settings().pair),
        keys: [Action::NextPair, Action::PreviousPair],
        minor: false,
    }
}

/// The pace is obeyed at once, so it is never pending.
fn pace(app: &App) -> Setting {
    let pace = pace_text(app.settings().pace);
    let pace = pace.replace("/round", "").replace(" speed", "");
    Setting {
        long: "pace",
        short: "pace",
        used: pace.clone(),
        wanted: pace,
        keys: [Action::SlowerPace, Action::FasterPace],
        minor: false,
    }
}
