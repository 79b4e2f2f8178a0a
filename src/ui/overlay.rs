//! What lies over the playground: the prompt editor, menus, help, the tour.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Span;
use ratatui::widgets::{Block, BorderType, Clear, Widget};
use unicode_segmentation::UnicodeSegmentation;

use super::theme::Theme;
use super::{draw, text};
use crate::app::{Action, App, Context, Editor, Group, Menu, Overlay, Target};

/// Draws what is open; where the cursor stands, if text is being typed.
pub fn render(buf: &mut Buffer, area: Rect, app: &App, theme: &Theme) -> Option<Position> {
    match app.overlay() {
        Overlay::None => None,
        Overlay::Prompt(editor) => {
            let foot =
                " enter searches, alt-enter breaks the line, ↑ older prompts, esc leaves it ";
            render_editor(buf, area, editor, ("Prompt", foot), theme)
        }
        Overlay::Chunk(_, editor) => {
            let title = "A chunk of your own";
            render_editor(
                buf,
                area,
                editor,
                (title, " enter scores it, esc leaves it "),
                theme,
            )
        }
        Overlay::Menu(menu) => render_menu(buf, area, app, menu, theme),
        Overlay::Help(first) => {
            render_help(buf, area, app, *first, theme);
            None
        }
        Overlay::Tour(card) => {
            render_card(buf, area, *card, theme);
            None
        }
    }
}

/// The line of the open menu at a place of the screen.
pub fn hit(app: &App, area: Rect, at: Position) -> Target {
    let Overlay::Menu(menu) = app.overlay() else {
        return Target::Nothing;
    };
    let inner = inside(menu_area(area));
    let rows = draw::below(inner, 1);
    if !rows.contains(at) {
        return Target::Nothing;
    }
    let n = app.menu_items(menu).len();
    let first = draw::scroll(menu.cursor, n, usize::from(rows.height));
    let item = first + usize::from(at.y - rows.y);
    match item < n {
        true => Target::MenuItem(item),
        false => Target::Nothing,
    }
}

/// `width` × `height` in the middle of `area`, or as much of it as there is.
fn centered(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    }
}

fn inside(area: Rect) -> Rect {
    Block::bordered().inner(area)
}

/// A cleared box with a title; what is inside its border.
fn window(buf: &mut Buffer, area: Rect, title: &str, foot: &str, theme: &Theme) -> Rect {
    let area = area.intersection(buf.area);
    Clear.render(area, buf);
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(theme.accent)
        .title(Span::styled(format!(" {title} "), theme.title))
        .title_bottom(Span::styled(foot.to_owned(), theme.muted));
    let inner = block.inner(area);
    block.render(area, buf);
    inner
}

fn render_editor(
    buf: &mut Buffer,
    area: Rect,
    editor: &Editor,
    (title, foot): (&str, &str),
    theme: &Theme,
) -> Option<Position> {
    let width = area.width.saturating_sub(4).min(100);
    let (rows, cursor) = layout(editor, usize::from(width.saturating_sub(2)).max(1));
    let wanted = u16::try_from(rows.len()).unwrap_or(u16::MAX).max(3);
    let height = wanted.saturating_add(2).min(area.height.max(1));
    let place = centered(area, width, height);
    let inner = window(buf, place, title, foot, theme);
    let first = draw::scroll(cursor.1, rows.len(), usize::from(inner.height));
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
    let (width, height) = (area.width.saturating_sub(4), area.height.saturating_sub(4));
    centered(area, width.min(84), height.min(22))
}

fn render_menu(
    buf: &mut Buffer,
    area: Rect,
    app: &App,
    menu: &Menu,
    theme: &Theme,
) -> Option<Position> {
    let foot = " type to filter, enter chooses, esc closes ";
    let inner = window(buf, menu_area(area), menu.kind.title(), foot, theme);
    let filter = text::clean(&menu.filter);
    let prompt = vec![Span::styled("› ", theme.accent), Span::raw(filter.clone())];
    draw::line(buf, inner, 0, prompt);
    let rows = draw::below(inner, 1);
    let items = app.menu_items(menu);
    let first = draw::scroll(menu.cursor, items.len(), usize::from(rows.height));
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

/// Every action with its keys; dim what is not possible now.
fn render_help(buf: &mut Buffer, area: Rect, app: &App, first: usize, theme: &Theme) {
    let lines = help_lines(app, theme);
    let height = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    let place = centered(area, 86, height.min(area.height));
    let inner = window(buf, place, "All keys", " ↑↓ scroll, esc closes ", theme);
    let last = lines.len().saturating_sub(usize::from(inner.height));
    let shown = lines.into_iter().skip(first.min(last));
    for (row, line) in shown.enumerate() {
        draw::line(buf, inner, row, line);
    }
}

fn help_lines(app: &App, theme: &Theme) -> Vec<Vec<Span<'static>>> {
    let mut lines = Vec::new();
    for group in Group::ALL {
        lines.push(vec![Span::styled(
            format!(" {}", group.title()),
            theme.title,
        )]);
        let actions = Action::ALL.iter().filter(|action| action.group() == group);
        for action in actions.filter(|action| !action.is_modal()) {
            lines.push(help_line(app, *action, theme));
        }
        lines.push(Vec::new());
    }
    lines
}

fn help_line(app: &App, action: Action, theme: &Theme) -> Vec<Span<'static>> {
    let keys: Vec<String> = app
        .keymap()
        .keys(action)
        .map(|key| key.to_string())
        .collect();
    let keys = match keys.is_empty() {
        true => format!("{} …", app.keymap().label(Context::Main, Action::Palette)),
        false => keys.join(" "),
    };
    let style = match app.is_available(action) {
        true => theme.text,
        false => theme.faint,
    };
    vec![
        Span::styled(format!("  {}", text::pad(&keys, 14)), theme.key),
        Span::styled(action.help(), style),
    ]
}

/// The cards of the tour: title and text.
const CARDS: [(&str, &str); 3] = [
    (
        "1 of 3: candidates",
        "The strong model writes several continuations at once. Each line of the board is a \
         candidate: one chunk of a few tokens after one of the hypotheses in the beam.",
    ),
    (
        "2 of 3: the number",
        "The log-ratio says how much more a small tuned model likes a response than the same \
         model before tuning. After every chunk the best are kept (✓), the others pruned (✗).",
    ),
    (
        "3 of 3: take the wheel",
        "Press W now (a capital) and watch the beam widen at the next chunk; w narrows it. K, L \
         and T work the same way, p changes the weak pair, ? lists all keys.",
    ),
];

fn render_card(buf: &mut Buffer, area: Rect, card: usize, theme: &Theme) {
    let Some((title, body)) = CARDS.get(card) else {
        return;
    };
    let width = area.width.min(64);
    let lines = text::wrap(
        &[((*body).to_owned(), theme.text)],
        usize::from(width).saturating_sub(4),
    );
    let height = u16::try_from(lines.len()).unwrap_or(0) + 2;
    let bottom = area.bottom().saturating_sub(height + 2).max(area.y);
    let place = Rect::new(area.right().saturating_sub(width), bottom, width, height);
    let inner = window(
        buf,
        place.intersection(area),
        title,
        " enter: next, esc: no more cards ",
        theme,
    );
    for (row, mut line) in lines.into_iter().enumerate() {
        line.insert(0, Span::raw(" "));
        draw::line(buf, inner, row, line);
    }
}
