//! A shell command: the text on its standard input, a number on its standard output.
//!
//! The text is prompt and response, the prompt alone is in `W2S_PROMPT`. One number is to be all
//! that the command writes, and it has a time limit, after which it is ended with all that it
//! has started; so is what it leaves behind.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::error::JudgeError;
use super::{Body, Text, Verdict};
use crate::models::{Watch, short};

/// As much as is read of what a command writes: more is no number.
const MOST: u64 = 1 << 16;
/// How often a command is looked after.
const PAUSE: Duration = Duration::from_millis(3);
/// For how long output is waited for whose command has ended.
const REST: Duration = Duration::from_millis(500);

pub(super) struct ShellCommand {
    pub shell: String,
    pub limit: Duration,
    pub watch: Watch,
}

impl Body for ShellCommand {
    fn judge(&mut self, texts: &[Text<'_>]) -> Vec<Result<Verdict, JudgeError>> {
        let score = |text: &Text<'_>| self.run(text).map(Verdict::plain);
        texts.iter().map(score).collect()
    }
}

impl ShellCommand {
    fn run(&self, text: &Text<'_>) -> Result<f64, JudgeError> {
        let mut running = Running::start(&self.shell, text)?;
        let ended = running.wait(self.limit, &self.watch);
        // What it has started and not waited for ends with it.
        let status = running.end();
        ended?;
        let status = status.map_err(|error| failed("cannot be waited for", &error))?;
        let (out, err) = (last(&running.out), last(&running.err));
        match status.success() {
            true => number(&out),
            false => Err(JudgeError::Command(format!(
                "{}{}",
                told(status),
                said(&err)
            ))),
        }
    }
}

/// A command under way.
struct Running {
    child: Child,
    out: Receiver<Vec<u8>>,
    err: Receiver<Vec<u8>>,
}

impl Running {
    fn start(shell: &str, text: &Text<'_>) -> Result<Self, JudgeError> {
        let mut command = of_shell(shell);
        command.env("W2S_PROMPT", text.prompt);
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn();
        let mut child = child.map_err(|error| failed("cannot be started", &error))?;
        let threads = feed(&mut child, text.whole())
            .and_then(|()| Ok((read(child.stdout.take())?, read(child.stderr.take())?)));
        match threads {
            Ok((out, err)) => Ok(Self { child, out, err }),
            Err(error) => {
                // It cannot be served, and there is nothing else to be done about it.
                let _ = child.kill().and_then(|()| child.wait());
                Err(failed("cannot be served", &error))
            }
        }
    }

    /// Until it has ended.
    fn wait(&mut self, limit: Duration, watch: &Watch) -> Result<(), JudgeError> {
        let began = Instant::now();
        while !self.has_ended() {
            watch.check()?;
            if began.elapsed() > limit {
                return Err(JudgeError::TimedOut(limit));
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }
}

#[cfg(unix)]
impl Running {
    /// Whether it has; it keeps its number, so that its group is still its own.
    fn has_ended(&mut self) -> bool {
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
        let how = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(Pid::from_child(&self.child)), how) {
            Ok(ended) => ended.is_some(),
            Err(rustix::io::Errno::INTR) => false,
            Err(_) => true,
        }
    }

    /// Ends it with its group; how it has ended.
    fn end(&mut self) -> std::io::Result<ExitStatus> {
        use rustix::process::{Pid, Signal, kill_process_group};
        // A group that is gone already needs no end.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        self.child.wait()
    }
}

#[cfg(not(unix))]
impl Running {
    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    fn end(&mut self) -> std::io::Result<ExitStatus> {
        // One that has ended already needs no end.
        let _ = self.child.kill();
        self.child.wait()
    }
}

/// In a group of its own.
#[cfg(unix)]
fn of_shell(shell: &str) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new("sh");
    command.args(["-c", shell]).process_group(0);
    command
}

#[cfg(not(unix))]
fn of_shell(shell: &str) -> Command {
    let mut command = Command::new("cmd");
    command.args(["/C", shell]);
    command
}

/// Writes `text` to it on a thread: it may not read, or not all.
fn feed(child: &mut Child, text: String) -> std::io::Result<()> {
    let Some(mut into) = child.stdin.take() else {
        return Ok(());
    };
    let write = move || {
        // A command that has read enough is free to close its input.
        let _ = into.write_all(text.as_bytes());
    };
    named().spawn(write).map(drop)
}

/// Reads on a thread, all or the beginning.
fn read(from: Option<impl Read + Send + 'static>) -> std::io::Result<Receiver<Vec<u8>>> {
    let (sender, receiver) = channel();
    let read = move || {
        let mut bytes = Vec::new();
        if let Some(from) = from {
            // What was read before an error is what there is.
            let _ = from.take(MOST).read_to_end(&mut bytes);
        }
        // Nobody waits any more where this fails.
        let _ = sender.send(bytes);
    };
    named().spawn(read)?;
    Ok(receiver)
}

fn named() -> thread::Builder {
    thread::Builder::new().name("judge".to_owned())
}

fn last(from: &Receiver<Vec<u8>>) -> String {
    let bytes = from.recv_timeout(REST).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn number(out: &str) -> Result<f64, JudgeError> {
    let text = out.trim();
    text.parse().map_err(|_| {
        JudgeError::Command(match text.is_empty() {
            true => "wrote no number".to_owned(),
            false => format!("wrote '{}', which is no number", short(text)),
        })
    })
}

fn failed(what: &str, error: &std::io::Error) -> JudgeError {
    JudgeError::Command(format!("{what}: {error}"))
}

/// Such as "ended with exit code 3".
fn told(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("ended with exit code {code}"),
        None => format!("was ended by {}", status.to_string().replace(':', "")),
    }
}

/// The first line that it complained with.
fn said(err: &str) -> String {
    match err.trim() {
        "" => String::new(),
        err => format!(": {}", short(err)),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::models::Stop;

    fn command(shell: &str) -> ShellCommand {
        ShellCommand {
            shell: shell.to_owned(),
            limit: Duration::from_secs(10),
            watch: Watch::default(),
        }
    }

    fn run(command: &ShellCommand) -> Result<f64, String> {
        let text = Text {
            prompt: "ab",
            response: "cde",
        };
        command.run(&text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_command_reads_the_text_and_writes_a_number() {
        assert_eq!(run(&command("wc -c")), Ok(5.0));
        assert_eq!(run(&command("printf %s \"$W2S_PROMPT\" | wc -c")), Ok(2.0));
        assert_eq!(run(&command("echo ' -1.5e1 '")), Ok(-15.0));
        assert_eq!(run(&command("exec <&-; echo 1")), Ok(1.0));
        assert!(run(&command("echo nan")).unwrap().is_nan());
    }

    #[test]
    fn a_failure_is_told_with_the_first_complaint() {
        let told = |shell: &str| run(&command(shell)).unwrap_err();
        let failed = told("echo no luck >&2; echo more >&2; exit 3");
        assert_eq!(failed, "the command ended with exit code 3: no luck");
        assert!(
            told("kill -9 $$").contains("was ended by signal 9"),
            "{}",
            told("kill -9 $$")
        );
        assert_eq!(told("true"), "the command wrote no number");
        assert!(told("echo 1 2").contains("'1 2', which is no number"));
        assert!(told("yes").contains("ended"), "{}", told("yes"));
    }

    #[test]
    fn what_takes_too_long_is_ended_with_all_that_it_has_started() {
        let root = tempfile::tempdir().unwrap();
        let late = root.path().join("late");
        let mut slow = command(&format!("(sleep 2; touch '{}') & sleep 60", late.display()));
        slow.limit = Duration::from_millis(200);
        let began = Instant::now();
        assert_eq!(
            run(&slow).unwrap_err(),
            "the command gave no number within 0.2 s"
        );
        // What it leaves behind is ended too, and is not waited for.
        let leaves = command(&format!("(sleep 2; touch '{}') & echo 4", late.display()));
        assert_eq!(run(&leaves), Ok(4.0));
        assert!(began.elapsed() < Duration::from_secs(2));
        thread::sleep(Duration::from_millis(2300));
        assert!(!late.exists());
    }

    #[test]
    fn a_command_is_given_up() {
        let stop = Stop::default();
        let given_up = ShellCommand {
            watch: Watch::default().until(stop.clone()),
            ..command("sleep 60")
        };
        stop.stop();
        assert_eq!(run(&given_up).unwrap_err(), "given up");
    }

    #[test]
    fn a_long_text_that_is_not_read_holds_nothing_up() {
        let response = "x".repeat(1 << 20);
        let text = Text {
            prompt: "",
            response: &response,
        };
        assert_eq!(command("echo 2").run(&text), Ok(2.0));
        assert_eq!(command("wc -c").run(&text), Ok(f64::from(1 << 20)));
    }
}
