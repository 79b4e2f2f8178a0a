//! The driver: owns the terminal, turns its events into messages, draws, carries out effects.
//!
//! Nothing here blocks. Reports of the worker come in two lanes: structural updates, all of
//! which are read, and live text, of which only the latest counts. Whatever arrived is folded
//! in first; then one frame is drawn, at most [`FRAME`] apart and none when nothing changed.

use std::io::{self, BufWriter, IsTerminal, Stdout};
use std::sync::{Mutex, MutexGuard, Once, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture, Event,
    EventStream, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use futures::StreamExt;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use terminal_colorsaurus::{QueryOptions, ThemeMode, theme_mode};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;

use crate::app::{App, Edge, Effect, Key, KeyCode, Msg, Phase};
use crate::home;
use crate::message::{Command, Live, Update};
use crate::ui::{self, Depth, Theme};

/// The least time between two frames.
const FRAME: Duration = Duration::from_millis(16);

/// More than a full repaint of a large terminal takes.
const FRAME_BYTES: usize = 1 << 17;

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
    let screen = Screen::enter()?;
    let mut driver = Driver {
        depth: Depth::detect(|name| std::env::var(name).ok()),
        app,
        channels,
        screen,
        drag: None,
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
    #[error("cannot use the terminal")]
    Terminal(#[from] io::Error),
}

type Result<T> = std::result::Result<T, PlaygroundError>;

struct Driver {
    app: App,
    channels: Channels,
    screen: Screen,
    depth: Depth,
    /// The border that is being moved.
    drag: Option<Edge>,
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
        let mut input = EventStream::new();
        let mut stop = Box::pin(stop_signal());
        let mut is_live_open = true;
        loop {
            let frame = sleep_until(self.next_frame.into());
            let flow = tokio::select! {
                biased;
                () = &mut stop => Flow::Quit,
                event = input.next() => match event {
                    Some(event) => self.on_event(&event?)?,
                    None => Flow::Quit,
                },
                // Before what the worker tells: however fast it is, it cannot hold up a frame.
                () = frame, if self.dirty => {
                    self.draw()?;
                    Flow::Go
                }
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
        let size = self.screen.terminal.size()?;
        let area = Rect::new(0, 0, size.width, size.height);
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
                Effect::Copy(text) => self.screen.copy(&text)?,
                Effect::RememberTour => home::remember_tour(),
                Effect::Quit => return Ok(Flow::Quit),
            }
        }
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

/// Resolves when the system asks the program to end.
#[cfg(unix)]
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    );
    // Without signal handlers the program still ends by key.
    let (Ok(mut terminate), Ok(mut hangup)) = signals else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

/// Resolves when the system asks the program to end.
#[cfg(not(unix))]
async fn stop_signal() {
    // Without a handler the program still ends by key.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Whether the playground's screen is up. Held while a frame is drawn, so that a panic on
/// another thread restores the terminal between two frames and no frame follows.
static IS_UP: Mutex<bool> = Mutex::new(false);

/// How long a panicking thread waits for the frame being drawn. If it panicked while drawing,
/// it waits for itself, hence the limit.
const PATIENCE: Duration = Duration::from_millis(100);

/// The terminal in raw mode on its alternate screen; restored when dropped, and by a panic on
/// any thread.
struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
}

impl Screen {
    fn enter() -> io::Result<Self> {
        restore_on_panic();
        // Up from here on: if a later step fails, what was done is undone.
        *lock_screen() = true;
        // A frame goes out in one write: the buffer holds the largest.
        let out = BufWriter::with_capacity(FRAME_BYTES, io::stdout());
        let screen = enter().and_then(|()| Terminal::new(CrosstermBackend::new(out)));
        match screen {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    /// One frame, shown at once by terminals that know synchronized updates.
    fn draw(&mut self, app: &App, theme: &Theme) -> io::Result<()> {
        let is_up = lock_screen();
        if !*is_up {
            return Ok(());
        }
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| ui::render(frame, app, theme))?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }

    /// To the clipboard by OSC 52, which reaches the user's machine through ssh too.
    fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(
            self.terminal.backend_mut(),
            CopyToClipboard::to_clipboard_from(text)
        )
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    let mut out = io::stdout();
    execute!(
        out,
        EnterAlternateScreen,
        EnableBracketedPaste,
        EnableMouseCapture,
        cursor::Hide
    )
}

fn lock_screen() -> MutexGuard<'static, bool> {
    IS_UP.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the terminal back as it was. Harmless when it already is.
fn restore() {
    let deadline = Instant::now() + PATIENCE;
    let guard = loop {
        match IS_UP.try_lock() {
            Ok(guard) => break Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => break Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if Instant::now() > deadline => break None,
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let was_up = guard.is_none_or(|mut is_up| std::mem::replace(&mut *is_up, false));
    if was_up {
        leave();
    }
}

/// Every step is tried: a terminal that is gone cannot be restored, and there is no one to tell.
fn leave() {
    let mut out = io::stdout();
    let _ = execute!(out, EndSynchronizedUpdate);
    let _ = execute!(out, DisableMouseCapture, DisableBracketedPaste);
    let _ = execute!(out, LeaveAlternateScreen, cursor::Show);
    let _ = disable_raw_mode();
}

/// A panic on any thread restores the terminal before it is reported.
fn restore_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if crate::caught::is_caught() {
                return;
            }
            restore();
            report(info);
        }));
    });
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
