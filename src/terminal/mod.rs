//! The driver: owns the terminal, turns its events into messages, draws, carries out effects.
//!
//! Nothing here blocks: keys are read and frames are written on threads of their own. Reports of the worker come in two lanes: structural updates, all of
//! which are read, and live text, of which only the latest counts. Whatever arrived is folded
//! in first; then one frame is drawn, at most [`FRAME`] apart and none when nothing changed.

mod input;
mod line;
mod output;
mod paths;
mod screen;
mod signals;

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use crossterm::event::{
    Event, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use terminal_colorsaurus::{QueryOptions, ThemeMode, theme_mode};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;

use self::paths::{Paths, aside};
use self::screen::Screen;
use self::signals::{Signals, Wish};
use crate::app::{App, Edge, Effect, Key, KeyCode, Msg, Phase};
use crate::home;
use crate::line::visible;
use crate::message::{Command, Live, Update};
use crate::ui::{self, Depth, Theme};

pub use self::screen::{leave_for_another, restore};

/// The least time between two frames.
const FRAME: Duration = Duration::from_millis(16);

/// Lines that one notch of the wheel moves.
const WHEEL_LINES: isize = 3;

/// The three lanes between the driver and the worker.
pub struct Channels {
    pub commands: std::sync::mpsc::Sender<Command>,
    pub updates: mpsc::Receiver<Update>,
    pub live: watch::Receiver<Live>,
}

/// Whether there is a terminal to draw on and to read keys from.
#[must_use]
pub fn is_there() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Runs the playground until the user leaves; the terminal is restored however it ends.
/// `log` is the file that tells more when the worker dies. The channels are dropped before
/// this returns, so the worker can be joined afterwards.
///
/// # Errors
/// [`PlaygroundError`], after the terminal was restored.
pub async fn run(app: App, channels: Channels, log: &str) -> Result<()> {
    let signals = Signals::listen()?;
    let screen = Screen::enter()?;
    let mut driver = Driver {
        depth: Depth::detect(|name| std::env::var(name).ok()),
        app,
        channels,
        signals,
        screen,
        drag: None,
        paths: Paths::new(),
        wake: None,
        dirty: true,
        next_frame: Instant::now(),
    };
    driver.draw()?;
    driver.run(log).await
}

/// Whether the terminal's background is light, by what the terminal itself says (OSC 11); `None`
/// where it says nothing. To be asked before [`run`].
#[must_use]
pub fn has_light_background() -> Option<bool> {
    // A terminal that knows the question answers at once, and so does one that does not. It is
    // given a second all the same: an answer over a slow line that nobody waits for any more
    // would be taken for keys.
    let mode = theme_mode(QueryOptions::default()).ok()?;
    Some(mode == ThemeMode::Light)
}

/// Why the playground ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum PlaygroundError {
    /// The models could not be loaded; the worker's words.
    #[error("{0}")]
    Load(String),
    #[error("the search has died unexpectedly: {log} says more")]
    Died { log: String },
    #[error("cannot use the terminal ({0}): look at what limits this program, or try `w2s run`")]
    Terminal(#[from] io::Error),
}

type Result<T> = std::result::Result<T, PlaygroundError>;

struct Driver {
    app: App,
    channels: Channels,
    signals: Signals,
    screen: Screen,
    depth: Depth,
    /// The border that is being moved.
    drag: Option<Edge>,
    paths: Paths,
    /// When the app wants to be woken, and its ticket.
    wake: Option<(Instant, u64)>,
    /// Something changed since the last frame.
    dirty: bool,
    next_frame: Instant,
}

/// Whether the loop goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Go,
    Quit,
}

impl Driver {
    async fn run(&mut self, log: &str) -> Result<()> {
        let mut input = input::listen()?;
        let mut is_live_open = true;
        loop {
            let frame = sleep_until(self.next_frame.into());
            let (wake, ticket) = self.wake.unwrap_or((self.next_frame, 0));
            let wake = sleep_until(wake.into());
            let flow = tokio::select! {
                biased;
                wish = self.signals.next() => match wish {
                    Wish::Leave => Flow::Quit,
                    Wish::Suspend => self.suspend()?,
                },
                event = input.recv() => match event {
                    Some(event) => self.on_event(&event?)?,
                    None => Flow::Quit,
                },
                written = self.screen.output.written(), if self.screen.output.is_busy() => {
                    written?;
                    Flow::Go
                }
                // Before what the worker tells: however fast it is, it cannot hold up a frame.
                () = frame, if self.dirty && !self.screen.output.is_busy() => {
                    self.draw()?;
                    Flow::Go
                }
                () = wake, if self.wake.is_some() => {
                    self.wake = None;
                    self.handle(Msg::Woken(ticket))?
                }
                found = self.paths.found() => self.handle(found)?,
                update = self.channels.updates.recv() => match update {
                    Some(update) => self.on_updates(update)?,
                    None => return Err(self.loss(log)),
                },
                changed = self.channels.live.changed(), if is_live_open => {
                    is_live_open = changed.is_ok();
                    let live = self.channels.live.borrow_and_update().clone();
                    self.handle(Msg::Live(live))?
                }
            };
            if flow == Flow::Quit {
                return Ok(());
            }
        }
    }

    /// Why the worker is gone: it said so when it could not load, and had no chance if it panicked.
    fn loss(&self, log: &str) -> PlaygroundError {
        match (self.app.phase(), self.app.models()) {
            (Phase::Failed { error }, None) => PlaygroundError::Load(error.clone()),
            _ => PlaygroundError::Died {
                log: log.to_owned(),
            },
        }
    }

    /// Takes in the updates that wait until the next frame is due, so that one frame shows many.
    fn on_updates(&mut self, first: Update) -> Result<Flow> {
        let mut next = Some(first);
        while let Some(update) = next {
            if self.handle(Msg::Update(update))? == Flow::Quit {
                return Ok(Flow::Quit);
            }
            let is_due = Instant::now() >= self.next_frame;
            next = (!is_due)
                .then(|| self.channels.updates.try_recv().ok())
                .flatten();
        }
        Ok(Flow::Go)
    }

    fn on_event(&mut self, event: &Event) -> Result<Flow> {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => match key_of(*key) {
                Some(key) if self.is_suspend(key) => self.suspend(),
                Some(key) => self.handle(Msg::Key(key)),
                None => Ok(Flow::Go),
            },
            Event::Paste(text) => self.handle(Msg::Paste(text.clone())),
            Event::Mouse(mouse) => self.on_mouse(*mouse),
            Event::Resize(..) => {
                self.dirty = true;
                Ok(Flow::Go)
            }
            _ => Ok(Flow::Go),
        }
    }

    /// Mere movement of the pointer costs nothing.
    fn on_mouse(&mut self, mouse: MouseEvent) -> Result<Flow> {
        let (x, y) = (mouse.column, mouse.row);
        let area = self.screen.area()?;
        let target = || ui::hit(&self.app, area, x, y);
        let msg = match (mouse.kind, self.drag) {
            (MouseEventKind::Down(MouseButton::Left), _) => {
                self.drag = ui::edge(&self.app, area, x, y);
                Msg::Click(target())
            }
            (MouseEventKind::Drag(MouseButton::Left), Some(edge)) => {
                Msg::Drag(edge, ui::share(&self.app, area, edge, x, y))
            }
            (MouseEventKind::ScrollDown, _) => Msg::Scroll(target(), WHEEL_LINES),
            (MouseEventKind::ScrollUp, _) => Msg::Scroll(target(), -WHEEL_LINES),
            _ => return Ok(Flow::Go),
        };
        self.handle(msg)
    }

    fn handle(&mut self, msg: Msg) -> Result<Flow> {
        self.dirty = true;
        for effect in self.app.handle(msg) {
            match effect {
                // A worker that is gone shows by its closed updates.
                Effect::Send(command) => drop(self.channels.commands.send(command)),
                Effect::Copy(text) => self.screen.copy(&visible(&text))?,
                Effect::Wake { ticket, after } => {
                    self.wake = Some((Instant::now() + after, ticket))
                }
                Effect::RememberTour => home::remember_tour(),
                Effect::RememberLoads(lines) => {
                    aside("w2s-home", move || home::remember_loads(&lines))
                }
                Effect::Complete(typed) => self.paths.look_up(typed),
                Effect::Quit => return Ok(Flow::Quit),
            }
        }
        Ok(Flow::Go)
    }

    /// Ctrl-Z, where it means nothing else.
    fn is_suspend(&self, key: Key) -> bool {
        let is_free = || self.app.keymap().action(self.app.context(), key).is_none();
        key == Key::ctrl('z') && is_free()
    }

    /// To the shell, until it brings the program back.
    fn suspend(&mut self) -> Result<Flow> {
        screen::restore();
        signals::stop();
        self.screen.enter_again()?;
        self.dirty = true;
        Ok(Flow::Go)
    }

    fn draw(&mut self) -> Result<()> {
        let theme = Theme::new(self.depth, self.app.look().light);
        self.screen.draw(&self.app, &theme)?;
        self.dirty = false;
        self.next_frame = Instant::now() + FRAME;
        Ok(())
    }
}

fn key_of(key: KeyEvent) -> Option<Key> {
    use crossterm::event::KeyCode as C;
    let code = match key.code {
        C::Char(c) => KeyCode::Char(c),
        C::Enter => KeyCode::Enter,
        C::Esc => KeyCode::Esc,
        C::Tab => KeyCode::Tab,
        C::BackTab => KeyCode::BackTab,
        C::Backspace => KeyCode::Backspace,
        C::Delete => KeyCode::Delete,
        C::Up => KeyCode::Up,
        C::Down => KeyCode::Down,
        C::Left => KeyCode::Left,
        C::Right => KeyCode::Right,
        C::Home => KeyCode::Home,
        C::End => KeyCode::End,
        C::PageUp => KeyCode::PageUp,
        C::PageDown => KeyCode::PageDown,
        C::F(n) => KeyCode::F(n),
        _ => return None,
    };
    Some(Key {
        code,
        ctrl: key.modifiers.contains(KeyModifiers::CONTROL),
        alt: key.modifiers.contains(KeyModifiers::ALT),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_carry_their_modifiers() {
        let event = KeyEvent::new(crossterm::event::KeyCode::Char('p'), KeyModifiers::CONTROL);
        assert_eq!(key_of(event), Some(Key::ctrl('p')));
    }
}
