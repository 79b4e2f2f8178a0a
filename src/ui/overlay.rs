//! What lies over the playground: the prompt editor and menus here, help beside this.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Span;
use unicode_segmentation::UnicodeSegmentation;

use super::theme::Theme;
use super::window::{centered, inside, view, width_of, window};
use super::{draw, gains, grid, help, text, trainings};
use crate::app::{App, Editor, Menu, MenuKind, Overlay, Target};

/// Draws what is open; where the cursor stands, if text is being typed.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) -> Option<Position> {
    match app.overlay() {
        Overlay::None | Overlay::Tour(_) => None,
        Overlay::Prompt(editor) => {
            let foot =
                " enter searches, alt-enter new line, ctrl-l clears, ↑ older, esc leaves it ";
            render_editor(buf, area, editor, ("Prompt", foot), theme)
        }
        Overlay::Chunk(_, editor) => {
            let title = "A chunk of your own";
            render_editor(
                buf,
                area,
                editor,
                (
                    title,
                    " enter scores it, ↑ the candidate's own, esc leaves it ",
                ),
                theme,
            )
        }
        Overlay::Menu(menu) => render_menu(buf, area, app, menu, theme),
        Overlay::Grid => {
            grid::render(buf, area, app, theme);
            None
        }
        Overlay::Gains => {
            gains::render(buf, area, app, theme);
            None
        }
        Overlay::Trainings => {
            trainings::render(buf, area, app, theme);
            None
        }
        Overlay::Help(first) => {
            help::render(buf, area, app, *first, theme);
            None
        }
    }
}

/// The line of the open menu at a place of the screen.
pub fn hit(app: &App, area: Rect, at: Position) -> Target {
    let Overlay::Menu(menu) = app.overlay() else {
        return Target::Nothing;
    };
    let place = menu_area(area);
    let rows = draw::below(inside(place), 1);
    if !rows.contains(at) {
        return Target::Nothing;
    }
    let n = app.menu_items(menu).len();
    let (first, _) = view(place, 1, menu.cursor, n);
    let item = first + usize::from(at.y - rows.y);
    match item < n {
        true => Target::MenuItem(item),
        false => Target::Nothing,
    }
}

fn render_editor(
    buf: &mut Buffer,
    area: Rect,
    editor: &Editor,
    (title, foot): (&str, &str),
    theme: &Theme,
) -> Option<Position> {
    let width = width_of(area, 100);
    let (rows, cursor) = layout(editor, usize::from(width.saturating_sub(2)).max(1));
    let wanted = u16::try_from(rows.len()).unwrap_or(u16::MAX).max(3);
    let height = wanted.saturating_add(2).min(area.height.max(1));
    let place = centered(area, width, height);
    let (first, more) = view(place, 0, cursor.1, rows.len());
    let inner = window(buf, place, title, foot, &more, theme);
    for (row, line) in rows.iter().skip(first).enumerate() {
        draw::line(buf, inner, row, vec![Span::raw(line.clone())]);
    }
    let x = inner.x.saturating_add(u16::try_from(cursor.0).ok()?);
    let y = inner
        .y
        .saturating_add(u16::try_from(cursor.1 - first).ok()?);
    let at = Position::new(x.min(inner.right().saturating_sub(1)), y);
    inner.contains(at).then_some(at)
}

/// The editor's text in rows of at most `max` cells, and the cursor's column and row.
fn layout(editor: &Editor, max: usize) -> (Vec<String>, (usize, usize)) {
    let (before, after) = editor.halves();
    let mut rows = vec![String::new()];
    fill(&mut rows, before, max);
    let at = |rows: &[String]| {
        (
            rows.last().map_or(0, |row| text::width(row)),
            rows.len() - 1,
        )
    };
    let cursor = at(&rows);
    fill(&mut rows, after, max);
    (rows, cursor)
}

fn fill(rows: &mut Vec<String>, text: &str, max: usize) {
    for grapheme in text.graphemes(true) {
        if grapheme == "\n" {
            rows.push(String::new());
            continue;
        }
        let shown = text::clean(grapheme);
        let used = rows.last().map_or(0, |row| text::width(row));
        if used + text::width(&shown) > max {
            rows.push(String::new());
        }
        if let Some(row) = rows.last_mut() {
            row.push_str(&shown);
        }
    }
}

fn menu_area(area: Rect) -> Rect {
    centered(area, 84, area.height.saturating_sub(4).min(22))
}

fn render_menu(
    buf: &mut Buffer,
    area: Rect,
    app: &App,
    menu: &Menu,
    theme: &Theme,
) -> Option<Position> {
    let foot = match menu.kind {
        MenuKind::Strong | MenuKind::Pairs => {
            " type to filter, tab completes, enter chooses, esc closes "
        }
        _ => " type to filter, enter chooses, esc closes ",
    };
    let items = app.menu_items(menu);
    let place = menu_area(area);
    let (first, more) = view(place, 1, menu.cursor, items.len());
    let inner = window(buf, place, menu.kind.title(), foot, &more, theme);
    let filter = text::clean(&menu.filter);
    let prompt = vec![Span::styled("› ", theme.accent), Span::raw(filter.clone())];
    draw::line(buf, inner, 0, prompt);
    let rows = draw::below(inner, 1);
    let width = usize::from(rows.width);
    for (row, (i, item)) in items.iter().enumerate().skip(first).enumerate() {
        let note = text::width(&item.note);
        let title = text::pad(&text::clean(&item.title), width.saturating_sub(note + 3));
        let mark = if i == menu.cursor { "▸ " } else { "  " };
        let spans = vec![
            Span::styled(mark, theme.accent),
            Span::raw(title),
            Span::raw(" "),
            Span::styled(item.note.clone(), theme.key),
        ];
        draw::line(buf, rows, row, spans);
        if i == menu.cursor {
            draw::tint(buf, rows, row, theme.selected);
        }
    }
    let x = inner
        .x
        .saturating_add(2 + u16::try_from(text::width(&filter)).ok()?);
    let at = Position::new(x, inner.y);
    inner.contains(at).then_some(at)
}
