//! Styles by meaning. Nothing is said by colour alone: a theme without colours loses no
//! information.

use ratatui::style::{Color, Modifier, Style};

/// How many colours the terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// `NO_COLOR` is set, or the terminal is dumb.
    None,
    Ansi16,
    Indexed,
    True,
}

impl Depth {
    /// From the environment: `NO_COLOR`, `COLORTERM`, `TERM`, as `var` looks them up.
    pub fn detect(var: impl Fn(&str) -> Option<String>) -> Self {
        let term = var("TERM").unwrap_or_default();
        let color_term = var("COLORTERM").unwrap_or_default();
        if var("NO_COLOR").is_some_and(|value| !value.is_empty()) || term == "dumb" {
            Self::None
        } else if color_term.contains("truecolor") || color_term.contains("24bit") {
            Self::True
        } else if term.contains("256") || term.contains("kitty") || term.contains("direct") {
            Self::Indexed
        } else {
            Self::Ansi16
        }
    }
}

/// Whether the terminal's background is light, by `COLORFGBG` where a terminal sets it; `None`
/// where none does.
pub fn is_light(var: impl Fn(&str) -> Option<String>) -> Option<bool> {
    let value = var("COLORFGBG")?;
    let background = value.rsplit(';').next()?.parse::<u8>().ok()?;
    Some(background == 7 || background == 15)
}

/// A red, green, blue triple.
type Rgb = (u8, u8, u8);

/// The hues of a theme. Blue and orange stay apart for every common colour blindness.
struct Palette {
    ground: Rgb,
    muted: Rgb,
    faint: Rgb,
    accent: Rgb,
    positive: Rgb,
    negative: Rgb,
    error: Rgb,
    selected: Rgb,
    /// The ends of the token tints: they lie behind text.
    tint_positive: Rgb,
    tint_negative: Rgb,
}

const DARK: Palette = Palette {
    ground: (24, 26, 31),
    muted: (150, 156, 168),
    faint: (112, 119, 132),
    accent: (229, 192, 123),
    positive: (97, 175, 255),
    negative: (255, 158, 74),
    error: (255, 110, 110),
    selected: (52, 58, 72),
    tint_positive: (20, 92, 168),
    tint_negative: (168, 84, 0),
};

const LIGHT: Palette = Palette {
    ground: (255, 255, 255),
    muted: (92, 98, 110),
    faint: (128, 134, 146),
    accent: (140, 84, 0),
    positive: (0, 92, 190),
    negative: (190, 84, 0),
    error: (190, 20, 30),
    selected: (222, 230, 242),
    tint_positive: (140, 190, 250),
    tint_negative: (255, 190, 120),
};

/// Styles by meaning. All but `selected` name a foreground, so that drawing over a cell leaves
/// nothing of its old colour.
#[derive(Debug, Clone, PartialEq)]
pub struct Theme {
    pub text: Style,
    /// Less important text.
    pub muted: Style,
    /// Rules, scales, what is over.
    pub faint: Style,
    /// Names of things on screen.
    pub title: Style,
    /// A key to press.
    pub key: Style,
    /// What is about to change, or just did.
    pub accent: Style,
    pub kept: Style,
    pub pruned: Style,
    pub finished: Style,
    pub positive: Style,
    pub negative: Style,
    pub error: Style,
    /// Laid over a line.
    pub selected: Style,
    depth: Depth,
    light: bool,
}

impl Theme {
    /// The theme for a terminal.
    #[must_use]
    pub fn new(depth: Depth, light: bool) -> Self {
        match depth {
            Depth::None => Self::plain(),
            Depth::Ansi16 => Self::ansi(light),
            _ => Self::full(depth, light),
        }
    }

    /// Bold, dim and underline only.
    fn plain() -> Self {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        let dim = plain.add_modifier(Modifier::DIM);
        Self {
            text: plain,
            muted: plain,
            faint: dim,
            title: bold,
            key: bold,
            accent: bold,
            kept: bold,
            pruned: dim,
            finished: bold,
            positive: plain,
            negative: plain,
            error: bold,
            selected: evenly_reversed(plain),
            depth: Depth::None,
            light: false,
        }
    }

    /// The terminal's own sixteen colours.
    fn ansi(light: bool) -> Self {
        let fg = |dark: Color, bright: Color| Style::new().fg(if light { dark } else { bright });
        let bold = Modifier::BOLD;
        Self {
            text: Style::new().fg(Color::Reset),
            muted: fg(Color::DarkGray, Color::Gray),
            // Gray is the lighter of the two greys: nothing at all on white.
            faint: Style::new().fg(Color::DarkGray),
            title: Style::new().fg(Color::Reset).add_modifier(bold),
            key: fg(Color::Magenta, Color::LightCyan),
            accent: fg(Color::Magenta, Color::LightCyan).add_modifier(bold),
            kept: Style::new().fg(Color::Reset).add_modifier(bold),
            pruned: Style::new().fg(Color::DarkGray),
            finished: fg(Color::Magenta, Color::LightCyan),
            positive: fg(Color::Blue, Color::LightBlue),
            negative: fg(Color::Red, Color::Yellow),
            error: fg(Color::Red, Color::LightRed).add_modifier(bold),
            selected: evenly_reversed(Style::new().fg(Color::Reset).bg(Color::Reset)),
            depth: Depth::Ansi16,
            light,
        }
    }

    fn full(depth: Depth, light: bool) -> Self {
        let p = palette(light);
        let fg = |rgb| Style::new().fg(color(depth, rgb));
        let bold = Modifier::BOLD;
        Self {
            text: Style::new().fg(Color::Reset),
            muted: fg(p.muted),
            faint: fg(p.faint),
            title: Style::new().fg(Color::Reset).add_modifier(bold),
            key: fg(p.accent),
            accent: fg(p.accent).add_modifier(bold),
            kept: Style::new().fg(Color::Reset).add_modifier(bold),
            pruned: fg(p.faint),
            finished: fg(p.accent),
            positive: fg(p.positive),
            negative: fg(p.negative),
            error: fg(p.error).add_modifier(bold),
            selected: Style::new().bg(color(depth, p.selected)),
            depth,
            light,
        }
    }

    /// The style of a number by its sign.
    #[must_use]
    pub fn signed(&self, value: f64) -> Style {
        if value < 0.0 {
            self.negative
        } else {
            self.positive
        }
    }

    /// What lies behind a token whose difference is `share` of the scale, −1 to 1. Without
    /// enough colours: positive bold, negative underlined, from a fifth of the scale on.
    #[must_use]
    pub fn tint(&self, share: f64) -> Style {
        match self.depth {
            Depth::True | Depth::Indexed => self.mixed(share),
            _ if share.abs() < 0.2 => self.text,
            _ if share < 0.0 => self.negative.add_modifier(Modifier::UNDERLINED),
            _ => self.positive.add_modifier(Modifier::BOLD),
        }
    }

    fn mixed(&self, share: f64) -> Style {
        let p = palette(self.light);
        let end = if share < 0.0 {
            p.tint_negative
        } else {
            p.tint_positive
        };
        // The square root lets small differences show.
        let t = share.abs().min(1.0).sqrt();
        match t < 0.15 {
            true => self.text,
            false => Style::new().bg(color(self.depth, mix(p.ground, end, t))),
        }
    }
}

/// Reverse video without the dimness of what it is laid over; where `style` names the terminal's
/// own colours, without its colours too: they would turn into a patchwork of grounds.
fn evenly_reversed(style: Style) -> Style {
    style
        .add_modifier(Modifier::REVERSED)
        .remove_modifier(Modifier::DIM)
}

const fn palette(light: bool) -> &'static Palette {
    if light { &LIGHT } else { &DARK }
}

fn mix(a: Rgb, b: Rgb, t: f64) -> Rgb {
    let channel = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * t) as u8;
    (channel(a.0, b.0), channel(a.1, b.1), channel(a.2, b.2))
}

fn color(depth: Depth, (r, g, b): Rgb) -> Color {
    match depth {
        Depth::True => Color::Rgb(r, g, b),
        _ => Color::Indexed(nearest_indexed((r, g, b))),
    }
}

/// The nearest of the 216 colours of the xterm cube and its 24 greys.
fn nearest_indexed((r, g, b): Rgb) -> u8 {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let place = |v: u8| {
        let distance = |i: &usize| LEVELS[*i].abs_diff(v);
        (0..6).min_by_key(distance).unwrap_or(0)
    };
    let (i, j, k) = (place(r), place(g), place(b));
    let cube = (LEVELS[i], LEVELS[j], LEVELS[k]);
    let mean = (u16::from(r) + u16::from(g) + u16::from(b)) / 3;
    let step = (mean.saturating_sub(3) / 10).min(23) as u8;
    let level = 8 + 10 * step;
    match far((level, level, level), (r, g, b)) < far(cube, (r, g, b)) {
        true => 232 + step,
        false => (16 + 36 * i + 6 * j + k) as u8,
    }
}

fn far(a: Rgb, b: Rgb) -> u32 {
    let square = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
    square(a.0, b.0) + square(a.1, b.1) + square(a.2, b.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(vars: &[(&str, &str)]) -> Depth {
        Depth::detect(|name| {
            let found = vars.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn no_color_wins() {
        assert_eq!(
            depth(&[("NO_COLOR", "1"), ("COLORTERM", "truecolor")]),
            Depth::None
        );
        assert_eq!(depth(&[("TERM", "xterm-256color")]), Depth::Indexed);
        assert_eq!(depth(&[("TERM", "linux")]), Depth::Ansi16);
    }

    #[test]
    fn a_theme_without_colours_has_none() {
        let theme = Theme::new(Depth::None, false);
        for style in [theme.kept, theme.pruned, theme.negative, theme.tint(-0.9)] {
            assert_eq!((style.fg, style.bg), (None, None));
        }
        assert_ne!(theme.tint(-0.9), theme.tint(0.9));
    }

    #[test]
    fn sixteen_colours_can_be_read_on_white() {
        let theme = Theme::new(Depth::Ansi16, true);
        for style in [theme.muted, theme.faint, theme.pruned] {
            assert_eq!(style.fg, Some(Color::DarkGray));
        }
    }

    #[test]
    fn a_selected_line_is_even_whatever_it_holds() {
        for depth in [Depth::None, Depth::Ansi16] {
            let theme = Theme::new(depth, false);
            let laid_over = |style: Style| {
                let mut cell = ratatui::buffer::Cell::default();
                cell.set_style(style).set_style(theme.selected);
                (cell.fg, cell.bg, cell.modifier - Modifier::BOLD)
            };
            let even = laid_over(theme.text);
            for style in [theme.pruned, theme.kept, theme.positive, theme.negative] {
                assert_eq!(laid_over(style), even, "{depth:?}");
            }
        }
    }

    #[test]
    fn indexed_colours_are_near() {
        assert_eq!(nearest_indexed((255, 255, 255)), 231);
        assert_eq!(nearest_indexed((95, 135, 175)), 67);
        assert_eq!(nearest_indexed((128, 128, 128)), 244);
    }
}
