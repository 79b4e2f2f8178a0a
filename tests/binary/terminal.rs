//! A program in a pseudo-terminal, and what is on its screen.

#![allow(dead_code, reason = "the bench uses a part")]

use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtyPair, PtySize, SlavePty};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the program wrote so far.
pub struct Output {
    pub parser: vt100::Parser,
    pub bytes: Vec<u8>,
    /// How many of the bytes are on the screen.
    n_shown: usize,
}

/// Between these two a terminal that knows synchronized updates shows nothing new.
const FRAME_START: &[u8] = b"\x1b[?2026h";
const FRAME_END: &[u8] = b"\x1b[?2026l";

fn last(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes
        .windows(pattern.len())
        .rposition(|part| part == pattern)
}

impl Output {
    fn new(rows: u16, cols: u16) -> Self {
        Self {
            parser: vt100::Parser::new(rows, cols, 0),
            bytes: Vec::new(),
            n_shown: 0,
        }
    }

    /// Shows whole frames only, as a terminal that knows synchronized updates does: a frame
    /// arrives in pieces where the machine is busy.
    fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let hidden = &self.bytes[self.n_shown..];
        let n = match (last(hidden, FRAME_START), last(hidden, FRAME_END)) {
            (Some(start), Some(end)) if end > start => hidden.len(),
            (Some(start), _) => start,
            (None, _) => hidden.len(),
        };
        self.parser.process(&hidden[..n]);
        self.n_shown += n;
    }

    /// The screen as text.
    pub fn text(&self) -> String {
        self.parser.screen().contents()
    }

    /// The screen as one line, so that wrapping does not matter.
    pub fn one_line(&self) -> String {
        let (_, width) = self.parser.screen().size();
        self.parser.screen().rows(0, width).collect()
    }

    pub fn has(&self, text: &str) -> bool {
        self.text().contains(text)
    }

    /// A line of the screen; the last is -1.
    pub fn row(&self, n: i32) -> String {
        let (height, width) = self.parser.screen().size();
        let n = n.rem_euclid(i32::from(height)) as usize;
        self.parser
            .screen()
            .rows(0, width)
            .nth(n)
            .unwrap_or_default()
    }

    /// How many lines show a score.
    pub fn n_scores(&self) -> usize {
        let is_score = |word: &str| {
            word.starts_with(['+', '-']) && word.contains('.') && word.parse::<f64>().is_ok()
        };
        let text = self.text();
        let lines = text.lines();
        lines
            .filter(|line| line.split_whitespace().any(is_score))
            .count()
    }
}

/// The program and the terminal it runs in.
pub struct Tty {
    output: Arc<(Mutex<Output>, Condvar)>,
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    writer: Writer,
    /// Held open, so that the terminal's state outlives the program.
    _slave: Box<dyn SlavePty + Send>,
    before: String,
    /// Held, it keeps the terminal from reading.
    stall: Arc<Mutex<()>>,
}

type Writer = Arc<Mutex<Box<dyn Write + Send>>>;

/// The variable that makes the terminal one with dark text on a light ground.
pub const LIGHT_TERMINAL: (&str, &str) = ("W2S_TEST_TERMINAL", "light");

/// Answers what programs ask first: foreground, background, what the terminal is.
fn answer(asked: &[u8], is_light: bool, writer: &Writer) {
    let (text, ground) = match is_light {
        true => ("0000/0000/0000", "ffff/ffff/ffff"),
        false => ("ffff/ffff/ffff", "0000/0000/0000"),
    };
    let answers: [(&[u8], String); 3] = [
        (b"\x1b]10;?", format!("\x1b]10;rgb:{text}\x1b\\")),
        (b"\x1b]11;?", format!("\x1b]11;rgb:{ground}\x1b\\")),
        (b"\x1b[c", "\x1b[?62;22c".to_owned()),
    ];
    for (question, answer) in answers {
        if last(asked, question).is_some() {
            let _ = writer.lock().unwrap().write_all(answer.as_bytes());
        }
    }
}

fn size((cols, rows): (u16, u16)) -> PtySize {
    PtySize {
        rows,
        cols,
        ..PtySize::default()
    }
}

impl Tty {
    /// w2s with a home of its own.
    pub fn w2s(home: &Path, cols_rows: (u16, u16), args: &[&str]) -> Self {
        Self::spawn(env!("CARGO_BIN_EXE_w2s"), home, cols_rows, args, &[])
    }

    pub fn spawn(
        program: &str,
        home: &Path,
        (cols, rows): (u16, u16),
        args: &[&str],
        vars: &[(&str, &str)],
    ) -> Self {
        let pty = portable_pty::native_pty_system();
        let PtyPair { slave, master } = pty.openpty(size((cols, rows))).unwrap();
        let before = state(&*master);
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.env_clear();
        command.env("HOME", home);
        command.env("TERM", "xterm-256color");
        vars.iter()
            .for_each(|(name, value)| command.env(name, value));
        command.cwd(env!("CARGO_MANIFEST_DIR"));
        let child = slave.spawn_command(command).unwrap();
        let writer = Arc::new(Mutex::new(master.take_writer().unwrap()));
        let stall = Arc::new(Mutex::new(()));
        let terminal = Terminal {
            stall: stall.clone(),
            size: (rows, cols),
            is_light: vars.contains(&LIGHT_TERMINAL),
            writer: writer.clone(),
        };
        Self {
            output: terminal.read(master.try_clone_reader().unwrap()),
            child,
            writer,
            master,
            _slave: slave,
            before,
            stall,
        }
    }

    pub fn press(&mut self, keys: &str) {
        let mut writer = self.writer.lock().unwrap();
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    /// Presses keys once the screen is as wanted, unless the program ends before.
    pub fn press_when(&mut self, is_there: impl Fn(&Output) -> bool, keys: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(
                Instant::now() < deadline,
                "neither in time:\n{}",
                self.see(Output::text)
            );
            if self.see(&is_there) {
                return self.press(keys);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What the program is told of its window; the screen that is looked at stays.
    pub fn resize_window_only(&self, cols: u16, rows: u16) {
        self.master.resize(size((cols, rows))).unwrap();
    }

    pub fn resize(&self, cols: u16, rows: u16) {
        let mut output = self.lock();
        output.parser.screen_mut().set_size(rows, cols);
        self.master.resize(size((cols, rows))).unwrap();
    }

    /// While this is held the terminal does not read.
    pub fn stall(&self) -> Arc<Mutex<()>> {
        self.stall.clone()
    }

    pub fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// The process that works, below the one that waits for it.
    pub fn worker_pid(&self) -> u32 {
        child_of(self.pid())
    }

    pub fn signal(&self, name: &str) {
        send(name, self.child.process_id().unwrap());
    }

    fn lock(&self) -> MutexGuard<'_, Output> {
        self.output.0.lock().unwrap()
    }

    /// Lets go of what was written before what is on the screen.
    pub fn forget(&self) {
        let mut output = self.lock();
        let n_shown = std::mem::take(&mut output.n_shown);
        output.bytes.drain(..n_shown);
    }

    /// Looks at what is there now.
    pub fn see<T>(&self, look: impl FnOnce(&Output) -> T) -> T {
        look(&self.lock())
    }

    /// Waits until the screen is as wanted; how long that took.
    pub fn wait(&self, what: &str, is_there: impl Fn(&Output) -> bool) -> Duration {
        let start = Instant::now();
        let mut output = self.lock();
        while !is_there(&output) {
            let left = PATIENCE.checked_sub(start.elapsed());
            let left = left.unwrap_or_else(|| panic!("no {what} in time on\n{}", output.text()));
            output = self.output.1.wait_timeout(output, left).unwrap().0;
        }
        start.elapsed()
    }

    pub fn wait_for(&self, text: &str) -> Duration {
        self.wait(text, |output| output.has(text))
    }

    /// Waits for the program to end: its exit code.
    pub fn exit_code(&mut self) -> u32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            let text = self.see(Output::text);
            assert!(Instant::now() < deadline, "it does not end:\n{text}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The terminal is as it was before the program.
    pub fn assert_restored(&self) {
        self.wait("end of the alternate screen", |output| {
            !output.parser.screen().alternate_screen()
        });
        self.wait("cursor", |output| !output.parser.screen().hide_cursor());
        self.see(|output| {
            let screen = output.parser.screen();
            assert!(!screen.bracketed_paste());
            assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        });
        assert_eq!(state(&*self.master), self.before, "raw mode and its like");
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The line discipline: echo, signals, line by line.
fn state(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios().unwrap())
}

/// The terminal's side: it shows what is written to it and answers what it is asked.
struct Terminal {
    stall: Arc<Mutex<()>>,
    size: (u16, u16),
    is_light: bool,
    writer: Writer,
}

impl Terminal {
    fn read(self, mut from: Box<dyn Read + Send>) -> Arc<(Mutex<Output>, Condvar)> {
        let (rows, cols) = self.size;
        let shared = Arc::new((Mutex::new(Output::new(rows, cols)), Condvar::new()));
        let ours = shared.clone();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                drop(self.stall.lock().unwrap_or_else(PoisonError::into_inner));
                answer(&buffer[..n], self.is_light, &self.writer);
                // A test that failed while it looked does not matter here.
                let mut output = ours.0.lock().unwrap_or_else(PoisonError::into_inner);
                output.take(&buffer[..n]);
                drop(output);
                ours.1.notify_all();
            }
        });
        shared
    }
}

/// The first process that `pid` has started.
pub fn child_of(pid: u32) -> u32 {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let names = processes.filter_map(|entry| entry.file_name().into_string().ok());
        for child in names.filter_map(|name| name.parse().ok()) {
            if parent_of(child) == Some(pid) {
                return child;
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{pid} has started nothing");
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in brackets and may hold anything.
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(1)?.parse().ok()
}

/// Sends a signal by its name.
pub fn send(name: &str, pid: u32) {
    let line = format!("kill -{name} {pid}");
    let status = std::process::Command::new("sh")
        .args(["-c", &line])
        .status();
    assert!(status.unwrap().success());
}
