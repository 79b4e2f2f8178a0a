//! Keys, clicks and pastes, turned into actions; and what each action does.

use super::menu::Choice;
use super::nav::Jump;
use super::{Action, App, Context, Editor, Effect, Key, Menu, MenuKind, Overlay, Pane, Target};
use crate::search::Mark;

impl App {
    pub(super) fn on_key(&mut self, key: Key) -> Vec<Effect> {
        let was_leaving = std::mem::take(&mut self.is_leaving);
        let is_quit = self.keymap.action(self.context(), key) == Some(Action::Quit);
        self.is_leaving = was_leaving && is_quit;
        if let Some(effects) = self.on_tour_key(key) {
            return effects;
        }
        match self.keymap.action(self.context(), key) {
            Some(action) => self.act(action),
            None => self.on_text_key(key),
        }
    }

    fn on_text_key(&mut self, key: Key) -> Vec<Effect> {
        match &mut self.overlay {
            Overlay::Prompt(editor) | Overlay::Chunk(_, editor) => editor.key(key),
            Overlay::Menu(menu) => menu.key(key),
            Overlay::None | Overlay::Tour(_) => return self.say_unbound(key),
            Overlay::Help(_) | Overlay::Grid | Overlay::Trainings | Overlay::Gains => {
                return Vec::new();
            }
        };
        Vec::new()
    }

    fn say_unbound(&mut self, key: Key) -> Vec<Effect> {
        let label = |action| self.keymap.label(Context::Main, action);
        let (help, palette) = (label(Action::Help), label(Action::Palette));
        self.say(&format!(
            "{key} does nothing: {help} lists all keys, {palette} finds an action by typing"
        ))
    }

    pub(super) fn on_paste(&mut self, text: &str) -> Vec<Effect> {
        match &mut self.overlay {
            Overlay::Prompt(editor) | Overlay::Chunk(_, editor) => editor.insert(text),
            Overlay::Menu(menu) => menu.filter.push_str(text.lines().next().unwrap_or("")),
            _ => {
                let mut editor = self.prompt_editor();
                editor.insert(text);
                self.overlay = Overlay::Prompt(editor);
            }
        }
        Vec::new()
    }

    fn prompt_editor(&self) -> Editor {
        Editor::with_history(&self.wanted.prompt, &self.prompts)
    }

    pub(super) fn on_click(&mut self, target: Target) -> Vec<Effect> {
        match (self.context(), target) {
            (Context::Main, Target::Candidate(id)) => self.select(id),
            (Context::Main, Target::Spot(spot)) => self.look_at_spot(spot),
            (Context::Main, Target::Pane(pane)) => self.look.focus(pane),
            (Context::Main, Target::Voice { pair, eighths }) => {
                self.look.focus(Pane::Panel);
                return self.set_voice(pair, f64::from(eighths) / 8.0);
            }
            (Context::Main, Target::Prompt) => return self.act(Action::EditPrompt),
            (Context::Menu, Target::MenuItem(n)) => {
                if let Overlay::Menu(menu) = &mut self.overlay {
                    menu.cursor = n;
                }
                return self.act(Action::Accept);
            }
            _ => {}
        }
        Vec::new()
    }

    pub(super) fn on_scroll(&mut self, target: Target, lines: isize) -> Vec<Effect> {
        if let (Context::Main, Target::Pane(pane)) = (self.context(), target) {
            self.look.focus = pane;
        }
        self.go(Jump::By(lines));
        Vec::new()
    }

    /// Does what the action says, or says that it cannot be done now.
    pub fn act(&mut self, action: Action) -> Vec<Effect> {
        match self.overlay {
            Overlay::Grid => return self.act_on_grid(action),
            Overlay::Trainings => return self.act_on_trainings(action),
            Overlay::Gains => return self.act_on_gains(action),
            _ => {}
        }
        if action.is_of_live() {
            self.turn_to_live(action);
        }
        if !self.is_available(action) {
            let why = self.obstacle(action).unwrap_or(action.help());
            return self.say(&format!("not possible now: {why}"));
        }
        self.notice = None;
        match action.group() {
            super::Group::Settings => self.act_settings(action),
            super::Group::Run => self.act_run(action),
            super::Group::Look => self.act_look(action),
            super::Group::Program => self.act_program(action),
        }
    }

    fn act_settings(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::LowerWeight | Action::RaiseWeight if self.weighs_voices() => {
                self.weigh_voice(action)
            }
            Action::NextRule => self.next_rule(),
            Action::NextPair => self.change_pair(1),
            Action::PreviousPair => self.change_pair(-1),
            Action::SlowerPace | Action::FasterPace | Action::FullSpeed => self.change_pace(action),
            _ if self.models.is_some() => self.change_params(action),
            _ => self.say("the models are still loading"),
        }
    }

    fn act_run(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::TogglePause => return self.toggle_pause(),
            Action::Step => return self.step_round(),
            Action::ToCut => return self.go_to_cut(),
            Action::Restart => return self.start(),
            Action::NewSeed => return self.new_seed(),
            Action::Pin => return self.mark(Mark::Pin, "pinned: it will be kept"),
            Action::Kill => return self.mark(Mark::Kill, "it will be pruned"),
            Action::Boost => return self.boost(),
            Action::Spend => return self.spend(),
            Action::WriteChunk => self.write_chunk(),
            Action::Take => return self.take(),
            Action::GoOn => return self.go_on(),
            Action::GiveUpLoad => return self.give_up_load(),
            Action::UndoTurn => return self.undo_turn(),
            Action::ToggleRules => return self.toggle_rules(),
            Action::KeepWay => return self.keep_way(),
            Action::Evaluate => return self.show_evaluation(),
            Action::Gains => return self.show_gains(),
            Action::Trainings => return self.show_trainings(),
            Action::DropWays => return self.drop_ways(),
            Action::EditPrompt => {
                self.overlay = Overlay::Prompt(self.prompt_editor());
            }
            Action::SamplePrompts => self.overlay = Overlay::Menu(Menu::open(MenuKind::Samples)),
            Action::PickStrong => self.overlay = Overlay::Menu(Menu::open(MenuKind::Strong)),
            Action::PickPair => self.overlay = Overlay::Menu(Menu::open(MenuKind::Pairs)),
            Action::Presets => self.overlay = Overlay::Menu(Menu::open(MenuKind::Presets)),
            _ => {}
        }
        Vec::new()
    }

    fn act_look(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::SelectPrevious => self.go(Jump::By(-1)),
            Action::SelectNext => self.go(Jump::By(1)),
            Action::SelectFirst => self.go(Jump::First),
            Action::SelectLast => self.go(Jump::Last),
            Action::PageUp => self.go(Jump::By(-10)),
            Action::PageDown => self.go(Jump::By(10)),
            Action::EarlierRound => self.turn_round(-1),
            Action::LaterRound => self.turn_round(1),
            Action::ToggleTwin => self.look.twin = !self.look.twin,
            Action::ToggleSort => self.toggle_sort(),
            Action::Compare => self.toggle_compare(),
            Action::Find => self.overlay = Overlay::Menu(Menu::open(MenuKind::Find)),
            Action::Watch => self.toggle_watch(),
            Action::ShowWatched => self.overlay = Overlay::Menu(Menu::open(MenuKind::Watched)),
            Action::NextDecisive => self.next_decisive(),
            Action::NextPane => self.turn_pane(1),
            Action::PreviousPane => self.turn_pane(-1),
            Action::ShowBoard => self.look.focus(Pane::Board),
            Action::ShowEvidence => self.look.focus(Pane::Evidence),
            Action::ShowCharts => self.look.focus(Pane::Charts),
            Action::ShowTree => self.look.focus(Pane::Tree),
            Action::ShowRuns => self.look.focus(Pane::Runs),
            Action::Read => self.look.toggle_reading(),
            Action::ShowXray => self.look.focus(Pane::Xray),
            Action::ShowPanel => self.look.focus(Pane::Panel),
            Action::Zoom => self.look.toggle_zoom(),
            Action::Back => self.back(),
            _ => {}
        }
        Vec::new()
    }

    fn act_program(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Palette => self.overlay = Overlay::Menu(Menu::open(MenuKind::Palette)),
            Action::Help => self.overlay = Overlay::Help(0),
            Action::Tour => self.overlay = Overlay::Tour(0),
            Action::CopyResponse => return self.copy_response(),
            Action::CopyTable => return self.copy_table(),
            Action::ToggleLight => self.look.light = !self.look.light,
            Action::Accept => return self.accept(),
            Action::NewLine => self.edit(|editor| editor.insert("\n")),
            Action::Undo => self.edit(Editor::undo),
            Action::Complete => return self.complete(),
            Action::Quit => return self.leave(),
            _ => {}
        }
        Vec::new()
    }

    /// Leaves; where that would break off a load, on the second time.
    fn leave(&mut self) -> Vec<Effect> {
        let Some(fetch) = self.fetch.as_ref().filter(|_| !self.is_leaving) else {
            return vec![Effect::Quit];
        };
        let label = |action| self.keymap.label(Context::Main, action);
        let (quit, give_up) = (label(Action::Quit), label(Action::GiveUpLoad));
        let what = fetch.what.clone();
        self.is_leaving = true;
        self.say(&format!(
            "{what}: {quit} once more leaves, {give_up} gives it up"
        ))
    }

    /// The next pane; who has one pair does not come by the panel.
    fn turn_pane(&mut self, by: isize) {
        let mut next = self.look.focus.turn(by);
        if next == Pane::Panel && !self.has_panel() {
            next = next.turn(by);
        }
        self.look.focus(next);
    }

    fn edit(&mut self, change: impl FnOnce(&mut Editor)) {
        if let Overlay::Prompt(editor) | Overlay::Chunk(_, editor) = &mut self.overlay {
            change(editor);
        }
    }

    fn accept(&mut self) -> Vec<Effect> {
        match std::mem::replace(&mut self.overlay, Overlay::None) {
            Overlay::Prompt(editor) => self.use_prompt(editor.text().to_owned()),
            Overlay::Chunk(id, editor) => self.send_chunk(id, editor.text().to_owned()),
            Overlay::Menu(menu) => match self.menu_items(&menu).get(menu.cursor) {
                Some(item) => self.choose(item.choice, &menu),
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn choose(&mut self, choice: Choice, menu: &Menu) -> Vec<Effect> {
        match choice {
            Choice::Act(action) => self.act(action),
            Choice::Strong(number) => self.choose_strong(number),
            Choice::Pair(number) => self.choose_pair(number),
            Choice::Offer(number) => self.choose_offer(number),
            Choice::Load(number) => self.choose_load(number),
            Choice::Typed if menu.kind == MenuKind::Values => self.train_typed(&menu.filter),
            Choice::Typed => self.load_typed(menu),
            Choice::Value(number) => self.choose_value(number),
            Choice::Spot(spot) => {
                self.look_at_spot(spot);
                Vec::new()
            }
            Choice::Preset(number) => self.use_preset(number),
            Choice::Prompt(number) => match self.samples.get(number).cloned() {
                Some(prompt) => self.use_prompt(prompt),
                None => Vec::new(),
            },
        }
    }
}
