//! Everything the user can do, by name. Keys, help, hints, palette and config speak of these.

use serde::Serialize;

/// Which part of the help an action stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Settings,
    Run,
    Look,
    Program,
}

impl Group {
    pub const ALL: [Self; 4] = [Self::Settings, Self::Run, Self::Look, Self::Program];

    /// The heading in the help.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Settings => "Settings, effective at the next chunk",
            Self::Run => "The run",
            Self::Look => "Looking around",
            Self::Program => "The program",
        }
    }
}

macro_rules! actions {
    ($( $group:ident { $( $name:ident = $help:literal, )* } )*) => {
        /// What a key, a menu line or the palette asks for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Action { $( $( #[doc = $help] $name, )* )* }

        impl Action {
            pub const ALL: &[Self] = &[ $( $( Self::$name, )* )* ];

            /// One line: what it does.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $( $( Self::$name => $help, )* )* }
            }

            /// The name in the configuration file, as serde has it.
            #[must_use]
            pub fn name(self) -> String {
                let name = match self { $( $( Self::$name => stringify!($name), )* )* };
                snake_case(name)
            }

            /// Where the help lists it.
            #[must_use]
            pub const fn group(self) -> Group {
                match self { $( $( Self::$name => Group::$group, )* )* }
            }
        }
    };
}

actions! {
    Settings {
        NarrowerBeam = "lower W: keep fewer hypotheses after a round",
        WiderBeam = "raise W: keep more hypotheses after a round",
        FewerSuccessors = "lower K: sample fewer successors after each hypothesis",
        MoreSuccessors = "raise K: sample more successors after each hypothesis",
        ShorterChunk = "lower L: fewer tokens between two cuts",
        LongerChunk = "raise L: more tokens between two cuts",
        Cooler = "lower the temperature: likelier tokens",
        Hotter = "raise the temperature: more varied tokens",
        FewerTokens = "lower n: a shorter response",
        MoreTokens = "raise n: a longer response",
        LowerTopK = "lower top-k: sample among fewer tokens",
        RaiseTopK = "raise top-k: sample among more tokens, 0 is all",
        LowerTopP = "lower top-p: leave out unlikely tokens",
        RaiseTopP = "raise top-p, 1 is all",
        NextRanking = "what decides the cut: sum, per token, this chunk only",
        LowerWeight = "lower the weight of the pair: 0 ignores it, -1 turns it round",
        RaiseWeight = "raise the weight of the pair",
        NextRule = "what ranks of a panel: mixture, mean opinion, lower bound",
        NextPair = "the next weak pair: another taste decides the cut",
        PreviousPair = "the weak pair before",
        SlowerPace = "slower: more time to watch each round",
        FasterPace = "faster: less time for each round",
        FullSpeed = "as fast as the machine can",
    }
    Run {
        TogglePause = "pause, or go on",
        Step = "one round, then pause",
        ToCut = "to the next cut, then pause before it",
        Restart = "search anew with these settings",
        NewSeed = "other random numbers: a new run, or a fork where it went back",
        KeepWay = "keep these settings and pair as a way beside the next runs",
        DropWays = "no ways beside the next runs but the unguided one",
        Trainings = "train a value: what a judge likes becomes a weak pair",
        Evaluate = "all ways over twenty prompts: a grid that fills, who is ahead",
        Gains = "what the strong model would gain of each pair",
        EditPrompt = "edit the prompt",
        SamplePrompts = "choose a sample prompt",
        Presets = "choose a preset: a method with its settings",
        PickStrong = "choose or load a strong model, and search anew",
        GiveUpLoad = "give up the load under way",
        PickPair = "choose or load a weak pair, for the next cut on",
        Pin = "keep this candidate at its cut, whatever its score",
        Kill = "prune this candidate at its cut, whatever its score",
        Boost = "add a nat to this candidate at its cut",
        Spend = "one successor more of this hypothesis, this round or the next",
        WriteChunk = "write a chunk of your own beside this candidate's",
        Take = "go on from this candidate instead: its round is cut again",
        GoOn = "go on from the round looked at, of whichever branch",
        UndoTurn = "take the last of these back: a mark, a move, other draws",
        ToggleRules = "search anew by the other rules: `fixed` or `reference`",
    }
    Look {
        SelectPrevious = "select the line above",
        SelectNext = "select the line below",
        SelectFirst = "select the first line",
        SelectLast = "select the last line",
        PageUp = "select a page up",
        PageDown = "select a page down",
        Find = "find a candidate by what it says, or a key by what it does",
        Watch = "watch this candidate, or no longer",
        ShowWatched = "the candidates watched: what became of each",
        Compare = "compare others with this candidate, token by token, or stop it",
        NextDecisive = "the token that decides most, then the next one by difference",
        EarlierRound = "look at the round before",
        LaterRound = "look at the round after",
        ToggleTwin = "all ways side by side, unguided too: what guidance changed",
        ToggleSort = "sort by beam, or by score with the cut line",
        NextPane = "go to the next pane",
        PreviousPane = "go to the pane before",
        ShowBoard = "the board: all candidates of a round",
        ShowEvidence = "the evidence: a score token by token",
        ShowCharts = "the charts: scores by round, spread, distribution",
        ShowTree = "the tree: every candidate of every branch, and the head",
        ShowRuns = "the runs so far, with settings and outcome",
        ShowXray = "the X-ray: what each model sees, how the chunk joins and ends",
        ShowPanel = "the panel: several pairs at once, a weight each, who disagrees",
        Read = "read the candidate: its evidence alone on the screen, or back",
        Zoom = "this pane alone on the screen, or back",
        Back = "close what is open, let go of the selection",
    }
    Program {
        Palette = "find an action by typing",
        Help = "all keys",
        Tour = "the tour of the first start: five steps with your own keys",
        CopyResponse = "copy the selected text to the clipboard",
        CopyTable = "copy its token table to the clipboard",
        ToggleLight = "colours for a light or a dark background",
        Quit = "leave",
        Accept = "take what is selected",
        NewLine = "a line break in the prompt",
        Undo = "take back an edit of the prompt",
        Complete = "complete a path or a name that is being typed",
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

impl Action {
    /// Whether it means something only while a text or a menu is open.
    #[must_use]
    pub const fn is_modal(self) -> bool {
        matches!(
            self,
            Self::Accept | Self::NewLine | Self::Undo | Self::Complete
        )
    }

    /// Whether it speaks of the run under way, whatever is on screen.
    #[must_use]
    pub fn is_of_live(self) -> bool {
        use Action as A;
        match self.group() {
            Group::Settings => true,
            Group::Run => !matches!(
                self,
                A::Pin
                    | A::Kill
                    | A::Boost
                    | A::Spend
                    | A::WriteChunk
                    | A::Take
                    | A::GoOn
                    | A::UndoTurn
                    | A::GiveUpLoad
                    | A::Evaluate
                    | A::Gains
                    | A::Trainings
                    | A::KeepWay
                    | A::DropWays
            ),
            Group::Look | Group::Program => false,
        }
    }
}
