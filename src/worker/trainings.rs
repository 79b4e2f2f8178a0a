//! Trainings beside the run: each is a `w2s tune` in a process of its own, and what is known of it
//! is what its folder says. So a training that was begun elsewhere is seen too, one outlives the
//! playground if that is killed, and neither has to wait for the other.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::Worker;
use super::outbox::{Gone, Outbox};
use crate::curve::Training;
use crate::home;
use crate::message::{Command, TrainRequest, Update};
use crate::models::{ModelSpec, PairSpec};

/// How often folders are looked into while somebody looks on or a training goes on.
const GLANCE: Duration = Duration::from_millis(300);

/// The thread that looks after trainings.
pub(super) struct Trainings {
    asks: Sender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl Trainings {
    fn start(out: &Outbox) -> io::Result<Self> {
        let (asks, inbox) = channel();
        let office = Office {
            inbox,
            out: out.clone(),
            is_shown: false,
            running: BTreeMap::new(),
            curves: BTreeMap::new(),
            faults: BTreeMap::new(),
            told: None,
        };
        let thread = Builder::new().name("w2s-trainings".to_owned());
        let thread = thread.spawn(move || drop(office.sit()))?;
        Ok(Self {
            asks,
            thread: Some(thread),
        })
    }
}

impl Drop for Trainings {
    /// Those that were begun here are asked to end; each leaves a checkpoint.
    fn drop(&mut self) {
        let (closed, _) = channel();
        self.asks = closed;
        if let Some(thread) = self.thread.take() {
            // It only has to send signals.
            let _ = thread.join();
        }
    }
}

impl Worker {
    pub(super) fn ask_trainings(&mut self, command: Command) -> Result<(), Gone> {
        let trainings = match self.trainings.take() {
            Some(trainings) => trainings,
            None => match Trainings::start(&self.out) {
                Ok(trainings) => trainings,
                Err(error) => {
                    let why = format!("the system gives no thread for trainings: {error}");
                    return self.out.send(Update::NotTrained(why));
                }
            },
        };
        // A thread that has ended has told so.
        let _ = trainings.asks.send(command);
        self.trainings = Some(trainings);
        Ok(())
    }
}

/// What the thread works with.
struct Office {
    inbox: Receiver<Command>,
    out: Outbox,
    is_shown: bool,
    /// By folder.
    running: BTreeMap<PathBuf, Child>,
    /// By folder: how long its curve was when it was read, and what it came to.
    curves: BTreeMap<PathBuf, (u64, Training)>,
    faults: BTreeMap<PathBuf, String>,
    told: Option<Vec<Training>>,
}

impl Office {
    /// Obeys until nobody asks any more.
    fn sit(mut self) -> Result<(), Gone> {
        let outcome = self.serve();
        for child in self.running.values() {
            end(child);
        }
        outcome
    }

    fn serve(&mut self) -> Result<(), Gone> {
        loop {
            let is_busy = self.is_shown || !self.running.is_empty();
            let command = match is_busy {
                true => self.inbox.recv_timeout(GLANCE),
                false => self
                    .inbox
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected),
            };
            match command {
                Ok(command) => self.obey(command)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            self.reap();
            self.tell()?;
        }
    }

    fn obey(&mut self, command: Command) -> Result<(), Gone> {
        let begun = match command {
            Command::ShowTrainings => {
                (self.is_shown, self.told) = (true, None);
                Ok(())
            }
            Command::HideTrainings => {
                self.is_shown = false;
                Ok(())
            }
            Command::Train(request) => self.begin(&request),
            Command::ResumeTraining(folder) => self.resume(Path::new(&folder)),
            Command::StopTraining(folder) => {
                let running = self.running.get(Path::new(&folder));
                running.into_iter().for_each(end);
                Ok(())
            }
            _ => Ok(()),
        };
        begun.or_else(|why| self.out.send(Update::NotTrained(why)))
    }

    fn begin(&mut self, request: &TrainRequest) -> Result<(), String> {
        let all = home::trainings().ok_or("there is no home to keep a training in")?;
        let folder = free_folder(&all, request)?;
        let pair = PairSpec::parse(&request.pair).map_err(|error| error.to_string())?;
        let mut words = ["tune", "dpo", "--judge", &request.judge]
            .map(str::to_owned)
            .to_vec();
        words.extend(["--base".to_owned(), base(&pair.untuned)]);
        words.extend(["--out".to_owned(), folder.display().to_string()]);
        if request.flip {
            words.push("--flip".to_owned());
        }
        let kept = serde_json::to_vec(&words).map_err(|error| error.to_string())?;
        let kept = fs::write(folder.join("command.json"), kept);
        kept.map_err(|error| format!("cannot write into {}: {error}", folder.display()))?;
        self.run(&folder, &words)
    }

    fn resume(&mut self, folder: &Path) -> Result<(), String> {
        if self.running.contains_key(folder) {
            return Ok(());
        }
        let words = fs::read(folder.join("command.json")).ok();
        let words = words.and_then(|bytes| serde_json::from_slice::<Vec<String>>(&bytes).ok());
        match words {
            Some(words) => self.run(folder, &words),
            None => Err(format!(
                "{} was not begun in the playground: the command that began it goes on with it",
                folder.display()
            )),
        }
    }

    fn run(&mut self, folder: &Path, words: &[String]) -> Result<(), String> {
        let started = || {
            let log = File::create(folder.join("log"))?;
            let program = std::env::current_exe()?;
            let mut process = Process::new(program);
            let process = process.args(words).args(["--format", "json"]);
            process.stdin(Stdio::null()).stdout(log.try_clone()?);
            process.stderr(log).spawn()
        };
        let child = started().map_err(|error| format!("a training cannot be started: {error}"))?;
        self.faults.remove(folder);
        self.running.insert(folder.to_owned(), child);
        home::remember_tuned(folder);
        Ok(())
    }

    /// Looks after processes that have ended.
    fn reap(&mut self) {
        let ended: Vec<(PathBuf, bool)> = self
            .running
            .iter_mut()
            .filter_map(|(folder, child)| Some((folder.clone(), child.try_wait().ok()??.success())))
            .collect();
        for (folder, is_well) in ended {
            self.running.remove(&folder);
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            // Events are objects; what is not is a sentence.
            let is_said = |line: &&str| !line.trim().is_empty() && !line.starts_with('{');
            let last = log.lines().rev().find(is_said);
            if let (false, Some(last)) = (is_well, last) {
                self.faults.insert(folder, last.to_owned());
            }
        }
    }

    /// Tells of all trainings, where any has gone on.
    fn tell(&mut self) -> Result<(), Gone> {
        let mut folders = home::tuned();
        let begun = self.running.keys().chain(self.faults.keys());
        let begun: Vec<PathBuf> = begun.filter(|f| !folders.contains(f)).cloned().collect();
        folders.extend(begun);
        let all: Vec<Training> = folders.iter().map(|folder| self.training(folder)).collect();
        if self.told.as_ref() == Some(&all) {
            return Ok(());
        }
        self.told = Some(all.clone());
        self.out.send(Update::Trainings(all))
    }

    fn training(&mut self, folder: &Path) -> Training {
        let curve = folder.join("curve.jsonl");
        let len = fs::metadata(&curve).map_or(0, |about| about.len());
        let known = self.curves.get(folder).filter(|(read, _)| *read == len);
        let training = match known {
            Some((_, training)) => training.clone(),
            None => {
                let training = read(folder, &curve);
                self.curves
                    .insert(folder.to_owned(), (len, training.clone()));
                training
            }
        };
        Training {
            is_running: self.running.contains_key(folder),
            making: match training.events.is_empty() {
                true => making(folder),
                false => None,
            },
            fault: self.faults.get(folder).cloned(),
            ..training
        }
    }
}

/// How far the making of preferences is, as the process told last.
fn making(folder: &Path) -> Option<(usize, usize)> {
    let log = fs::read_to_string(folder.join("log")).ok()?;
    let last: serde_json::Value = serde_json::from_str(log.lines().last()?).ok()?;
    let number = |key: &str| usize::try_from(last[key].as_u64()?).ok();
    Some((number("done")?, number("of")?))
}

/// A training as its curve tells it; a line that is being written is left for the next time.
fn read(folder: &Path, curve: &Path) -> Training {
    let text = fs::read_to_string(curve).unwrap_or_default();
    let events = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let card = fs::read(folder.join("w2s.json")).unwrap_or_default();
    let card: serde_json::Value = serde_json::from_slice(&card).unwrap_or_default();
    Training {
        folder: folder.display().to_string(),
        base: card["base"].as_str().unwrap_or_default().to_owned(),
        events: events.collect(),
        ..Training::default()
    }
}

/// A new folder for a value, made.
fn free_folder(all: &Path, request: &TrainRequest) -> Result<PathBuf, String> {
    let plain = |c: char| if c.is_alphanumeric() { c } else { '-' };
    let name: String = request.judge.chars().map(plain).take(40).collect();
    let name = name.trim_matches('-');
    let sign = if request.flip { "not-" } else { "" };
    for number in 1..1000 {
        let number = match number {
            1 => String::new(),
            n => format!("-{n}"),
        };
        let folder = all.join(format!("{sign}{name}{number}"));
        let made = match folder.exists() {
            true => continue,
            false => fs::create_dir_all(&folder),
        };
        return match made {
            Ok(()) => Ok(folder),
            Err(error) => Err(format!("cannot make {}: {error}", folder.display())),
        };
    }
    Err(format!(
        "{} is full of trainings: remove some",
        all.display()
    ))
}

/// A SPEC as another process reads it.
fn base(spec: &ModelSpec) -> String {
    spec.in_full()
}

#[cfg(unix)]
fn end(child: &Child) {
    use rustix::process::{Pid, Signal, kill_process};
    // One that has ended already is reaped later.
    let _ = kill_process(Pid::from_child(child), Signal::TERM);
}

#[cfg(not(unix))]
fn end(_: &Child) {}
