//! What is possible now: hints, help and palette are built from it, so that they cannot lie.

use super::menu::{self, Choice, Item, Menu, MenuKind};
use super::{Action, App, Context, Overlay, Pane, Phase};

/// A hint of the bottom bar: keys and what they do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    pub keys: String,
    pub label: &'static str,
}

/// Hints of the playground, most useful first, what the selection allows before what is always
/// possible; those that do not fit are left out.
const MAIN: &[(&[Action], &str)] = &[
    (&[Action::TogglePause], "pause"),
    (&[Action::Step], "step"),
    (&[Action::ToCut], "to the cut"),
    (&[Action::Help], "help"),
    (&[Action::GiveUpLoad], "give the load up"),
    (&[Action::Take], "go on from this"),
    (&[Action::GoOn], "go on from this round"),
    (&[Action::UndoTurn], "take it back"),
    (&[Action::Pin], "pin"),
    (&[Action::Kill], "kill"),
    (&[Action::Boost], "boost"),
    (&[Action::Spend], "more successors"),
    (&[Action::WriteChunk], "own chunk"),
    (&[Action::Restart], "restart"),
    (&[Action::EditPrompt], "prompt"),
    (&[Action::NewSeed], "seed"),
    (&[Action::Quit], "quit"),
    (&[Action::SelectPrevious, Action::SelectNext], "select"),
    (&[Action::EarlierRound, Action::LaterRound], "rounds"),
    (&[Action::ToggleTwin], "compare the ways"),
    (&[Action::ToggleSort], "sort"),
    (&[Action::Read], "read it"),
    (&[Action::Compare], "compare"),
    (&[Action::KeepWay], "keep as a way"),
    (&[Action::Find], "find"),
    (&[Action::Watch], "watch"),
    (&[Action::ShowWatched], "watched"),
    (&[Action::NextDecisive], "decisive token"),
    (&[Action::NextPane], "pane"),
    (&[Action::Zoom], "zoom"),
    (&[Action::Presets], "presets"),
    (&[Action::SamplePrompts], "samples"),
    (&[Action::Palette], "all actions"),
    (&[Action::PickPair], "pairs"),
    (&[Action::PickStrong], "strong model"),
];

const NOTHING_THERE: &str = "there is nothing else to select here";

const NO_SEARCH: &str = "no search is under way";

const TEXT: &[(&[Action], &str)] = &[
    (&[Action::Accept], "search with this prompt"),
    (&[Action::NewLine], "new line"),
    (&[Action::Undo], "undo"),
    (&[Action::Back], "leave as it was"),
];

const MENU: &[(&[Action], &str)] = &[
    (&[Action::Accept], "choose"),
    (&[Action::SelectPrevious, Action::SelectNext], "move"),
    (&[Action::Back], "close"),
];

const PAGE: &[(&[Action], &str)] = &[
    (&[Action::SelectPrevious, Action::SelectNext], "scroll"),
    (&[Action::Back], "close"),
];

const GRID: &[(&[Action], &str)] = &[
    (&[Action::Accept], "open as a run"),
    (&[Action::SelectPrevious, Action::SelectNext], "prompts"),
    (&[Action::EarlierRound, Action::LaterRound], "ways"),
    (&[Action::Restart], "anew"),
    (&[Action::Back], "close"),
];

const GAINS: &[(&[Action], &str)] = &[
    (&[Action::Restart], "anew"),
    (&[Action::GiveUpLoad], "stop"),
    (&[Action::Back], "close"),
];

const TRAININGS: &[(&[Action], &str)] = &[
    (&[Action::Accept], "guide with it"),
    (&[Action::Watch], "follow it"),
    (&[Action::NewSeed], "train a value"),
    (&[Action::SelectPrevious, Action::SelectNext], "choose"),
    (&[Action::Back], "close"),
];

impl App {
    /// What the keyboard is for at the moment.
    #[must_use]
    pub fn context(&self) -> Context {
        match self.overlay {
            Overlay::None | Overlay::Tour(_) => Context::Main,
            Overlay::Prompt(_) | Overlay::Chunk(..) => Context::Text,
            Overlay::Menu(_) => Context::Menu,
            Overlay::Help(_) => Context::Page,
            Overlay::Grid => Context::Grid,
            Overlay::Trainings => Context::Trainings,
            Overlay::Gains => Context::Gains,
        }
    }

    /// Whether the action would do something now.
    #[must_use]
    pub fn is_available(&self, action: Action) -> bool {
        use Action as A;
        let loaded = self.models.is_some();
        match action {
            A::TogglePause => self.is_searching(),
            A::Step | A::ToCut => self.is_searching() && self.run.phase != Phase::Stepping,
            A::Restart | A::NewSeed | A::ToggleRules | A::Presets => loaded,
            A::KeepWay | A::Evaluate | A::Gains | A::Trainings => loaded,
            A::DropWays => !self.kept_ways.is_empty(),
            A::PickStrong | A::PickPair => loaded,
            A::GiveUpLoad => self.fetch.is_some(),
            A::NextRule => loaded && self.has_panel(),
            A::NextPair | A::PreviousPair => {
                self.models.as_ref().is_some_and(|m| m.pairs.len() > 1)
            }
            A::Pin | A::Kill | A::Boost => self.markable().is_some(),
            A::Spend => self.spendable().is_some(),
            A::WriteChunk => self.writable().is_some(),
            A::ToggleTwin => self.has_beside(),
            A::Take => self.takeable().is_some(),
            A::GoOn => self.reachable().is_some(),
            A::UndoTurn => self.run.trace.history().last_turn().is_some() && self.run.is_there(),
            A::EarlierRound => self.neighbour(-1).is_some(),
            A::LaterRound => self.neighbour(1).is_some(),
            A::Compare if self.look.focus == Pane::Runs => self.n_runs() > 0,
            A::CopyResponse | A::Compare | A::Read => self.subject().is_some(),
            A::NextDecisive => self
                .detailed()
                .is_some_and(|known| !known.score().is_empty()),
            A::CopyTable => self.subject().is_some_and(|c| c.hypothesis.is_some()),
            A::SelectPrevious
            | A::SelectNext
            | A::SelectFirst
            | A::SelectLast
            | A::PageUp
            | A::PageDown => self.context() != Context::Main || self.can_move(),
            A::ToggleSort => self.shown_round().is_some(),
            A::Watch => self.watchable().is_some(),
            A::ShowWatched => !self.run.sight.watched.is_empty(),
            A::Accept | A::NewLine | A::Undo | A::Complete => self.context() != Context::Main,
            _ => true,
        }
    }

    /// What an action that is not available waits for, where that is simple to say.
    pub(super) fn obstacle(&self, action: Action) -> Option<&'static str> {
        use Action as A;
        if self.models.is_none() {
            return Some("the models are still loading");
        }
        if action == A::DropWays {
            return Some("no way is kept beside the unguided one");
        }
        if self.is_opened() && action.group() == super::Group::Run {
            return Some("this run is over: esc goes back to the one under way");
        }
        Some(match action {
            A::Pin | A::Kill | A::Boost => self.obstacle_to_mark(),
            A::WriteChunk => self.obstacle_to_write(),
            A::Take if self.run.is_there() => "select a pruned candidate (✗) first",
            A::Spend if self.is_searching() => {
                "select a live candidate, kept last (✓) or growing, first"
            }
            A::GoOn if self.run.is_there() => self.obstacle_to_go(),
            A::UndoTurn => "there is nothing to take back",
            A::Step | A::ToCut if self.is_searching() => "a round is under way",
            A::TogglePause | A::Step | A::ToCut | A::Take | A::Spend | A::GoOn => NO_SEARCH,
            A::ToggleTwin => "the strong model has not said anything unguided yet",
            A::GiveUpLoad => "nothing is being loaded",
            A::Watch => "select a candidate first",
            A::ShowWatched => "no candidate is watched",
            A::EarlierRound => "there is no earlier round",
            A::LaterRound => "there is no later round",
            A::NextRule => "several pairs have to have a say: 7 shows them all",
            A::NextPair | A::PreviousPair => "there is no other pair",
            A::SelectPrevious | A::SelectNext | A::SelectFirst => NOTHING_THERE,
            A::SelectLast | A::PageUp | A::PageDown => NOTHING_THERE,
            A::CopyTable | A::NextDecisive => "it is not scored yet",
            _ => return None,
        })
    }

    fn obstacle_to_go(&self) -> &'static str {
        match self.run.sight.node {
            None => "look back at an earlier round first, or choose one in the tree",
            Some(_) => "the search is here already",
        }
    }

    fn obstacle_to_mark(&self) -> &'static str {
        let round = self.run.trace.last_round();
        match (self.is_searching(), self.run.sight.selected) {
            (false, _) => NO_SEARCH,
            (true, _) if round.is_some_and(|round| round.cut.is_some()) => {
                "this round is cut, the next one can be marked"
            }
            (true, None) => "select a candidate first",
            (true, Some(_)) => "select a candidate of the round under way",
        }
    }

    fn obstacle_to_write(&self) -> &'static str {
        match (self.run.is_there(), self.run.sight.selected) {
            (false, _) => NO_SEARCH,
            (true, None) => "select a candidate of the last round first",
            (true, Some(id)) => match self.run.trace.candidate(id) {
                Some(candidate) if candidate.hypothesis.is_none() => "its chunk still grows",
                _ => "select a candidate of the last round",
            },
        }
    }

    /// Every action of the playground that would do something now.
    pub fn available(&self) -> impl Iterator<Item = Action> {
        let actions = Action::ALL.iter().copied();
        actions.filter(|action| !action.is_modal() && self.is_available(*action))
    }

    /// The hints of the bottom bar.
    #[must_use]
    pub fn hints(&self) -> Vec<Hint> {
        let context = self.context();
        let table = match context {
            Context::Main => MAIN,
            Context::Text => TEXT,
            Context::Menu => MENU,
            Context::Page => PAGE,
            Context::Grid => GRID,
            Context::Trainings => TRAININGS,
            Context::Gains => GAINS,
        };
        let hints = table.iter().map(|(actions, label)| Hint {
            keys: self.hint_keys(context, actions),
            label: self.hint_label(actions, label),
        });
        hints.filter(|hint| !hint.keys.is_empty()).collect()
    }

    fn hint_keys(&self, context: Context, actions: &[Action]) -> String {
        let possible = |action: &&Action| context != Context::Main || self.is_available(**action);
        let keys = actions.iter().filter(possible);
        keys.map(|action| self.keymap.label(context, *action))
            .collect::<Vec<_>>()
            .join("")
    }

    /// What a key that does two things would do now.
    fn hint_label(&self, actions: &[Action], label: &'static str) -> &'static str {
        match (actions, &self.run.phase) {
            ([Action::Accept], _) if matches!(self.overlay, Overlay::Chunk(..)) => "score it",
            ([Action::NewSeed], _) if self.draws_anew() => "draw anew from here",
            ([Action::ToggleTwin], _) if self.look.twin => "close comparison",
            ([Action::TogglePause], Phase::Paused | Phase::Pausing | Phase::Stepping) => "go on",
            _ => label,
        }
    }

    /// The lines of an open menu that match its filter.
    #[must_use]
    pub fn menu_items(&self, menu: &Menu) -> Vec<Item> {
        let items = match menu.kind {
            MenuKind::Strong => return self.strong_items(&menu.filter),
            MenuKind::Pairs => return self.pair_items(&menu.filter),
            MenuKind::Values => return self.value_items(&menu.filter),
            MenuKind::Palette => self.palette(),
            MenuKind::Samples => self.sample_items(),
            MenuKind::Find => return self.found_items(&menu.filter),
            MenuKind::Watched => self.watched_items(),
            MenuKind::Presets => menu::presets(),
        };
        menu::filtered(items, &menu.filter)
    }

    pub(super) fn palette(&self) -> Vec<Item> {
        let item = |action: Action| Item {
            title: action.help().to_owned(),
            note: self.keymap.label(Context::Main, action),
            choice: Choice::Act(action),
        };
        let useful = |action: &Action| *action != Action::Palette;
        self.available().filter(useful).map(item).collect()
    }

    fn sample_items(&self) -> Vec<Item> {
        let item = |(i, prompt): (usize, &String)| Item {
            title: prompt.clone(),
            note: String::new(),
            choice: Choice::Prompt(i),
        };
        self.samples.iter().enumerate().map(item).collect()
    }
}
