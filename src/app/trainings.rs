//! Trainings as they are watched: a value is learnt beside the run, and what has been learnt so
//! far can guide it at once.

use super::menu::{Choice, Item, Menu, MenuKind};
use super::nav::Jump;
use super::{Action, App, Effect, Overlay};
use crate::curve::{Training, Why};
use crate::message::{Command, Part, TrainRequest};

/// What is known of trainings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trainings {
    /// The newest first.
    all: Vec<Training>,
    /// Whether the worker has told of them at all.
    is_told: bool,
    /// The folder of the one that is chosen.
    chosen: Option<String>,
    /// The folder of the one whose every new checkpoint is to guide the run.
    followed: Option<String>,
    /// Why the last one did not begin.
    pub fault: Option<String>,
}

/// How a training is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Running,
    Done,
    Stopped,
    Failed,
    /// Begun elsewhere, and not over.
    Elsewhere,
}

impl Trainings {
    #[must_use]
    pub fn all(&self) -> &[Training] {
        &self.all
    }

    #[must_use]
    pub fn is_told(&self) -> bool {
        self.is_told
    }

    /// The index of the one that is chosen.
    #[must_use]
    pub fn at(&self) -> usize {
        let chosen = self.chosen.as_ref();
        let at = self.all.iter().position(|t| Some(&t.folder) == chosen);
        at.unwrap_or(0)
    }

    #[must_use]
    pub fn chosen(&self) -> Option<&Training> {
        self.all.get(self.at())
    }

    /// Whether every new checkpoint of it is to guide the run.
    #[must_use]
    pub fn is_followed(&self, training: &Training) -> bool {
        self.followed.as_ref() == Some(&training.folder)
    }

    fn go(&mut self, jump: Jump) {
        let at = jump.apply(self.at(), self.all.len());
        self.chosen = self.all.get(at).map(|t| t.folder.clone());
    }
}

/// How a training is, as far as its folder tells.
#[must_use]
pub fn standing(training: &Training) -> Standing {
    match training.end() {
        _ if training.is_running => Standing::Running,
        _ if training.fault.is_some() => Standing::Failed,
        Some(Why::Done | Why::NoBetter) => Standing::Done,
        Some(Why::Stopped) => Standing::Stopped,
        None => Standing::Elsewhere,
    }
}

/// A checkpoint as a weak pair with what it was tuned from.
fn pair_of(training: &Training) -> Option<String> {
    let (_, path) = training.checkpoint()?;
    Some(format!("{path},{}", training.base))
}

impl App {
    #[must_use]
    pub fn trainings(&self) -> &Trainings {
        &self.trainings
    }

    pub(super) fn show_trainings(&mut self) -> Vec<Effect> {
        self.overlay = Overlay::Trainings;
        vec![Effect::Send(Command::ShowTrainings)]
    }

    /// What an action means while trainings are shown.
    pub(super) fn act_on_trainings(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Back => return self.hide_trainings(),
            Action::NewSeed => self.overlay = Overlay::Menu(Menu::open(MenuKind::Values)),
            Action::Accept => return self.use_training(),
            Action::Watch => return self.follow_training(),
            Action::GiveUpLoad => return self.end_training(),
            Action::Restart => return self.resume_training(),
            Action::SelectPrevious => self.trainings.go(Jump::By(-1)),
            Action::SelectNext => self.trainings.go(Jump::By(1)),
            Action::SelectFirst => self.trainings.go(Jump::First),
            Action::SelectLast => self.trainings.go(Jump::Last),
            _ => {}
        }
        Vec::new()
    }

    fn hide_trainings(&mut self) -> Vec<Effect> {
        self.overlay = Overlay::None;
        match self.trainings.followed {
            Some(_) => Vec::new(),
            None => vec![Effect::Send(Command::HideTrainings)],
        }
    }

    /// The newest checkpoint guides from the next cut on.
    fn use_training(&mut self) -> Vec<Effect> {
        let Some(pair) = self.trainings.chosen().and_then(pair_of) else {
            return self.say("it has no checkpoint yet");
        };
        let mut effects = self.hide_trainings();
        effects.extend(self.load_beside(Part::Pair, &pair));
        effects
    }

    /// From here on every new checkpoint guides the run, or no longer.
    fn follow_training(&mut self) -> Vec<Effect> {
        let Some(training) = self.trainings.chosen().cloned() else {
            return Vec::new();
        };
        if self.trainings.is_followed(&training) {
            self.trainings.followed = None;
            return Vec::new();
        }
        self.trainings.followed = Some(training.folder.clone());
        match pair_of(&training) {
            Some(pair) => self.load_beside(Part::Pair, &pair),
            None => Vec::new(),
        }
    }

    fn end_training(&mut self) -> Vec<Effect> {
        let running = self.trainings.chosen().filter(|t| t.is_running);
        let folder = running.map(|training| training.folder.clone());
        folder.map_or_else(Vec::new, |folder| {
            vec![Effect::Send(Command::StopTraining(folder))]
        })
    }

    fn resume_training(&mut self) -> Vec<Effect> {
        self.trainings.fault = None;
        let resting = |t: &&Training| !matches!(standing(t), Standing::Running | Standing::Done);
        let folder = self.trainings.chosen().filter(resting);
        let folder = folder.map(|training| training.folder.clone());
        folder.map_or_else(Vec::new, |folder| {
            vec![Effect::Send(Command::ResumeTraining(folder))]
        })
    }

    /// What can be learnt: what each judge prefers, and the opposite; what was typed is a judge.
    pub(super) fn value_items(&self, filter: &str) -> Vec<Item> {
        let item = |(number, (title, _)): (usize, (String, TrainRequest))| Item {
            title,
            note: String::new(),
            choice: Choice::Value(number),
        };
        let items = self.values().into_iter().enumerate().map(item).collect();
        let mut items = super::menu::filtered(items, filter);
        if !filter.trim().is_empty() && items.is_empty() {
            items.push(Item {
                title: format!("what the judge {} prefers", filter.trim()),
                note: String::new(),
                choice: Choice::Typed,
            });
        }
        items
    }

    fn values(&self) -> Vec<(String, TrainRequest)> {
        let known = [
            ("bundled", "praise: what the bundled judge prefers"),
            ("length", "longer responses"),
        ];
        let opposite = [
            ("bundled", "blame: what the bundled judge finds worse"),
            ("length", "shorter responses"),
        ];
        let known = known.map(|(judge, title)| (title.to_owned(), judge.to_owned(), false));
        let opposite = opposite.map(|(judge, title)| (title.to_owned(), judge.to_owned(), true));
        let own = self.judges.iter().flat_map(|judge| {
            let likes = format!("what {judge} prefers");
            let dislikes = format!("what {judge} finds worse");
            [
                (likes, judge.clone(), false),
                (dislikes, judge.clone(), true),
            ]
        });
        let all = known.into_iter().chain(opposite).chain(own);
        all.map(|(title, judge, flip)| (title, self.training_of(judge, flip)))
            .collect()
    }

    fn training_of(&self, judge: String, flip: bool) -> TrainRequest {
        TrainRequest {
            judge,
            flip,
            pair: self.wanted.pair.lead().to_string(),
        }
    }

    pub(super) fn choose_value(&mut self, number: usize) -> Vec<Effect> {
        match self.values().into_iter().nth(number) {
            Some((_, request)) => self.train(request),
            None => Vec::new(),
        }
    }

    pub(super) fn train_typed(&mut self, judge: &str) -> Vec<Effect> {
        self.train(self.training_of(judge.trim().to_owned(), false))
    }

    fn train(&mut self, request: TrainRequest) -> Vec<Effect> {
        self.overlay = Overlay::Trainings;
        // The new one comes first.
        (self.trainings.chosen, self.trainings.fault) = (None, None);
        vec![Effect::Send(Command::Train(request))]
    }

    pub(super) fn on_trainings(&mut self, mut all: Vec<Training>) -> Vec<Effect> {
        all.reverse();
        let newest = |all: &[Training], folder: &str| {
            let training = all.iter().find(|t| t.folder == folder)?;
            training.checkpoint().map(|(step, _)| step)
        };
        let followed = self.trainings.followed.clone();
        let has_new = followed
            .as_ref()
            .is_some_and(|folder| newest(&all, folder) > newest(&self.trainings.all, folder));
        self.trainings.all = all;
        self.trainings.is_told = true;
        let followed = self
            .trainings
            .all
            .iter()
            .find(|t| self.trainings.is_followed(t));
        match followed.filter(|_| has_new).and_then(pair_of) {
            Some(pair) => self.load_beside(Part::Pair, &pair),
            None => Vec::new(),
        }
    }

    pub(super) fn on_not_trained(&mut self, why: String) -> Vec<Effect> {
        self.trainings.fault = Some(why.clone());
        self.say(&why)
    }

    /// Checkpoints of a training take each other's place in the list of pairs.
    pub(super) fn drop_older_checkpoints(&mut self, name: &str) {
        let root = |name: &str| name.split_once("/steps/").map(|(root, _)| root.to_owned());
        let (Some(own), Some(models)) = (root(name), &mut self.models) else {
            return;
        };
        let used = self.wanted.pair.clone();
        let is_older = |known: &str| {
            let is_used = used.includes(&known.into());
            known != name && !is_used && root(known).as_ref() == Some(&own)
        };
        models.pairs.retain(|known| !is_older(&known.name));
    }
}
