//! A child that works, its signals, its end.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStderr, Command, ExitCode, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpgrp, getpid, kill_process, waitpid,
};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use signal_hook::consts::{FORBIDDEN, SIGABRT, SIGBUS, SIGKILL, SIGSEGV};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{KEPT, Leave, is_ignored};
use crate::line::say;

/// More than any last words.
const MAX_WORDS: usize = 1 << 16;

/// How long a program on the screen may take to end once it is asked to.
const PATIENCE: Duration = Duration::from_secs(5);

/// Works in a process of its own: the code with which it ended. `None` in that process: there
/// the work is to be done. A program that has the screen says with what it is given back; its
/// words are held back until then.
#[must_use]
pub fn keep(leave: Option<Leave>) -> Option<ExitCode> {
    if std::env::var_os(KEPT).is_some() {
        end_with_keeper();
        return None;
    }
    match Kept::start(leave) {
        Ok(kept) => Some(kept.wait()),
        Err(error) => {
            say(&format!(
                "the system has no process to give ({error}): end some"
            ));
            Some(ExitCode::from(2))
        }
    }
}

/// A keeper that is killed asks this process to end.
fn end_with_keeper() {
    #[cfg(target_os = "linux")]
    // Without that it would only go on alone.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::HUP));
}

struct Kept {
    leave: Option<Leave>,
    pid: Pid,
    signals: Signals,
    /// The terminal as it was, where there is one.
    modes: Option<Termios>,
    words: Option<JoinHandle<Vec<u8>>>,
    is_asked: bool,
}

impl Kept {
    fn start(leave: Option<Leave>) -> io::Result<Self> {
        let modes = tcgetattr(io::stdin()).ok();
        // Before there is anybody to pass them on to: none is lost.
        let signals = Signals::new(passed_on())?;
        let mut child = command(leave.is_some())?.spawn()?;
        let words = child.stderr.take().map(listen).transpose()?;
        Ok(Self {
            leave,
            pid: pid_of(&child)?,
            signals,
            modes,
            words,
            is_asked: false,
        })
    }

    fn wait(mut self) -> ExitCode {
        let status = self.last_status();
        self.give_back(status);
        if let Some(words) = self.words.take().and_then(|words| words.join().ok()) {
            // Nobody may be there to read them.
            let _ = io::stderr().write_all(&words);
        }
        code(status)
    }

    /// Passes signals on until there is nobody left to take them.
    fn last_status(&mut self) -> Option<WaitStatus> {
        loop {
            match waitpid(Some(self.pid), WaitOptions::NOHANG | WaitOptions::UNTRACED) {
                Ok(Some((_, status))) if status.stopped() => self.stop_too(),
                Ok(Some((_, status))) => return Some(status),
                Ok(None) => {
                    for signal in self.signals.wait().collect::<Vec<_>>() {
                        self.pass_on(signal);
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return None,
            }
        }
    }

    /// The shell sees only this process; it brings both back.
    fn stop_too(&self) {
        let _ = kill_process(getpid(), Signal::STOP);
        let _ = kill_process(self.pid, Signal::CONT);
    }

    fn pass_on(&mut self, signal: i32) {
        if let Some(signal) = Signal::from_named_raw(signal).filter(|s| *s != Signal::CHILD) {
            let _ = kill_process(self.pid, signal);
        }
        let asks = [SIGINT, SIGTERM, SIGHUP, SIGQUIT].contains(&signal);
        if asks && self.leave.is_some() && !self.is_asked {
            self.is_asked = true;
            let pid = self.pid;
            // It ends with this process, which ends when the other has.
            let _ = std::thread::Builder::new().spawn(move || {
                std::thread::sleep(PATIENCE);
                let _ = kill_process(pid, Signal::KILL);
            });
        }
    }

    /// What ended in order has done so itself.
    fn give_back(&self, status: Option<WaitStatus>) {
        let is_killed = status.is_none_or(WaitStatus::signaled);
        let stdin = io::stdin();
        // In the background the terminal is somebody else's.
        let is_ours = tcgetpgrp(&stdin).is_ok_and(|group| group == getpgrp());
        let Some(modes) = self.modes.as_ref().filter(|_| is_killed && is_ours) else {
            return;
        };
        let _ = tcsetattr(&stdin, OptionalActions::Now, modes);
        if let Some(leave) = self.leave {
            leave();
        }
    }
}

/// This program with the same arguments.
fn command(has_screen: bool) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(std::env::args_os().skip(1))
        .env(KEPT, getpid().as_raw_nonzero().to_string());
    if has_screen {
        command.stderr(Stdio::piped());
    }
    Ok(command)
}

/// All signals that can be caught and mean something to a program. What is ignored stays so;
/// SIGBUS is a fault's, and the standard library's.
fn passed_on() -> impl Iterator<Item = i32> {
    let quiet = [
        Signal::BUS,
        Signal::WINCH,
        Signal::URG,
        Signal::PIPE,
        Signal::TTIN,
        Signal::TTOU,
    ];
    (1..32).filter(move |signal| {
        let named = Signal::from_named_raw(*signal);
        let is_meant = named.is_some_and(|named| !quiet.contains(&named));
        is_meant && !FORBIDDEN.contains(signal) && !is_ignored(*signal)
    })
}

fn pid_of(child: &Child) -> io::Result<Pid> {
    let id = i32::try_from(child.id()).ok();
    id.and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other("no process"))
}

/// Keeps the end of what is said.
fn listen(mut from: ChildStderr) -> io::Result<JoinHandle<Vec<u8>>> {
    std::thread::Builder::new().spawn(move || {
        let (mut words, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            words.extend_from_slice(&buffer[..n]);
            let too_many = words.len().saturating_sub(MAX_WORDS);
            words.drain(..too_many);
        }
        words
    })
}

fn code(status: Option<WaitStatus>) -> ExitCode {
    let ended = status.and_then(WaitStatus::exit_status);
    if let Some(code) = ended {
        return ExitCode::from(u8::try_from(code).unwrap_or(2));
    }
    let signal = status
        .and_then(WaitStatus::terminating_signal)
        .unwrap_or(SIGKILL);
    let (what, code) = end_by(signal);
    if let Some(what) = what {
        // What was said last may have been cut short, even by another thread's last words.
        let _ = io::stderr().write_all(b"\n");
        say(&what);
    }
    ExitCode::from(code)
}

/// A sentence where it is no end that was asked for, and the exit code.
fn end_by(signal: i32) -> (Option<&'static str>, u8) {
    let shells = u8::try_from(128 + signal).unwrap_or(2);
    match signal {
        SIGBUS => (
            Some(
                "a file of weights shrank or could not be read while it was in use: \
                 leave the files of a model alone while w2s runs, and look at the disk",
            ),
            2,
        ),
        SIGABRT => (
            Some(
                "w2s broke off, for want of memory as a rule: choose smaller models, a smaller \
                 beam or fewer tokens",
            ),
            2,
        ),
        SIGKILL => (
            Some(
                "w2s was killed, as the system does when memory runs out: choose smaller \
                 models, a smaller beam or fewer tokens",
            ),
            shells,
        ),
        SIGSEGV => (
            Some("w2s broke off with a fault of its own (SIGSEGV)"),
            shells,
        ),
        _ => (None, shells),
    }
}
