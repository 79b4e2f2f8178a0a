//! The diverging bar: from zero in the middle, negative to the left, positive to the right.
//! Half as high as its line, so that the bars of two lines do not melt together.

use ratatui::text::Span;

use super::theme::Theme;

/// The end of a scale: a round number at or above `reach`. There are few of them, so that bars of
/// two rounds, or of two runs, can mostly be compared.
pub fn scale(reach: f64) -> f64 {
    const STEPS: [f64; 6] = [2.0, 10.0, 30.0, 100.0, 300.0, 1000.0];
    let fits = STEPS.into_iter().find(|step| *step >= reach);
    fits.unwrap_or(reach)
}

/// A bar in `width` cells (made odd, so that zero has a cell of its own), `scale` at either end.
pub fn diverging(
    value: Option<f64>,
    scale: f64,
    width: usize,
    dim: bool,
    theme: &Theme,
) -> Vec<Span<'static>> {
    let arm = width.saturating_sub(1) / 2;
    let value = value.filter(|value| value.is_finite()).unwrap_or(0.0);
    let share = if scale > 0.0 { value / scale } else { 0.0 };
    let halves = (share.abs().min(1.0) * (2 * arm) as f64).round() as usize;
    let style = match dim {
        true => theme.pruned,
        false => theme.signed(value),
    };
    let (full, half) = (halves / 2, halves % 2);
    let blank = |n: usize| Span::raw(" ".repeat(n));
    let axis = Span::styled("│", theme.faint);
    if value < 0.0 {
        let bar = format!("{}{}", "▗".repeat(half), "▄".repeat(full));
        vec![
            blank(arm - full - half),
            Span::styled(bar, style),
            axis,
            blank(arm),
        ]
    } else {
        let bar = format!("{}{}", "▄".repeat(full), "▖".repeat(half));
        vec![
            blank(arm),
            axis,
            Span::styled(bar, style),
            blank(arm - full - half),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::theme::Depth;

    fn drawn(value: f64) -> String {
        let theme = Theme::new(Depth::None, false);
        let spans = diverging(Some(value), 10.0, 9, false, &theme);
        spans.iter().map(|span| span.content.as_ref()).collect()
    }

    #[test]
    fn bars_leave_zero_in_their_direction() {
        assert_eq!(drawn(0.0), "    │    ");
        assert_eq!(drawn(5.0), "    │▄▄  ");
        assert_eq!(drawn(-6.3), " ▗▄▄│    ");
        assert_eq!(drawn(99.0), "    │▄▄▄▄");
        assert_eq!(drawn(f64::NAN), "    │    ");
    }
}
