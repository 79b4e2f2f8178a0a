//! The terminal in raw mode on its alternate screen, and how it is given back.

use std::io::{self, Write};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{EnableBracketedPaste, EnableMouseCapture};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Rect, Size};
use ratatui::{Terminal, TerminalOptions, Viewport};

use super::output::{self, Buffer, Output};
use crate::app::App;
use crate::ui::{self, Theme};

/// The largest screen that is drawn on: more than any has, less than memory has room for.
const LARGEST: Size = Size {
    width: 2000,
    height: 1000,
};

/// A sequence that was broken off ends (CAN), no update is held back, no mouse, no marks of
/// pastes; the main screen, its cursor.
const LEAVE: &[u8] = b"\x18\x1b[?2026l\x1b[?1006l\x1b[?1015l\x1b[?1003l\x1b[?1002l\x1b[?1000l\
                       \x1b[?2004l\x1b[?1049l\x1b[?25h";

/// Restored when dropped, and by a panic on any thread.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Buffer>>,
    buffer: Buffer,
    pub(super) output: Output,
}

impl Screen {
    pub(super) fn enter() -> io::Result<Self> {
        let buffer = Buffer::default();
        let options = TerminalOptions {
            viewport: Viewport::Fixed(area()?),
        };
        let terminal = Terminal::with_options(CrosstermBackend::new(buffer.clone()), options)?;
        let output = Output::open()?;
        enter()?;
        Ok(Self {
            terminal,
            buffer,
            output,
        })
    }

    /// Takes the terminal again after it was given back; nothing of what was on it counts.
    pub(super) fn enter_again(&mut self) -> io::Result<()> {
        enter()?;
        // Clears, and does not ask where the cursor is, as its like would.
        self.terminal.resize(area()?)
    }

    /// What is drawn on.
    pub(super) fn area(&mut self) -> io::Result<Rect> {
        let area = area()?;
        if self.terminal.get_frame().area() != area {
            self.terminal.resize(area)?;
        }
        Ok(area)
    }

    /// One frame, shown at once by terminals that know synchronized updates.
    pub(super) fn draw(&mut self, app: &App, theme: &Theme) -> io::Result<()> {
        self.area()?;
        queue!(self.buffer, BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| ui::render(frame, app, theme))?;
        queue!(self.buffer, EndSynchronizedUpdate)?;
        self.output.send(self.buffer.take());
        Ok(())
    }

    /// To the clipboard by OSC 52, which reaches the user's machine through ssh too; goes out
    /// with the next frame.
    pub(super) fn copy(&mut self, text: &str) -> io::Result<()> {
        queue!(self.buffer, CopyToClipboard::to_clipboard_from(text))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn area() -> io::Result<Rect> {
    let (width, height) = crossterm::terminal::size()?;
    let (width, height) = (width.min(LARGEST.width), height.min(LARGEST.height));
    Ok(Rect::new(0, 0, width, height))
}

fn enter() -> io::Result<()> {
    // Up from here on: if a later step fails, what was done is undone.
    output::is_up();
    let entered = enable_raw_mode().and_then(|()| {
        execute!(
            io::stdout(),
            EnterAlternateScreen,
            EnableBracketedPaste,
            EnableMouseCapture,
            cursor::Hide
        )
    });
    entered.inspect_err(|_| restore())
}

/// Gives the terminal back as it was. Harmless when it already is; ends in time.
pub fn restore() {
    let _ = disable_raw_mode();
    output::end(LEAVE);
}

/// Gives the screen back for a process that could not.
pub fn leave_for_another() {
    output::is_up();
    output::end(LEAVE);
    let _ = io::stdout().flush();
}
