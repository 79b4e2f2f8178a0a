//! The arrows between the rooms point one way. One crate does not enforce that; this does.

mod graph;

use std::collections::BTreeSet;
use std::path::Path;

use graph::{Arrow, House, paths};

/// A folder or file right under `src`.
struct Room {
    name: &'static str,
    /// The rooms that it may reach, directly or through others.
    knows: &'static [&'static str],
    /// What must not be named in it.
    never: &'static [&'static str],
    why: &'static str,
}

const SCREEN: &[&str] = &["candle", "tokio", "ratatui", "crossterm"];
const PURE: &[&str] = &[
    "candle",
    "tokio",
    "ratatui",
    "crossterm",
    "std::fs",
    "std::time",
];

const ROOMS: &[Room] = &[
    Room {
        name: "search",
        knows: &[],
        never: PURE,
        why: "the engine knows no models, no terminal, no files and no clock",
    },
    Room {
        name: "template",
        knows: &[],
        never: PURE,
        why: "what a user says of prompts is text",
    },
    Room {
        name: "line",
        knows: &[],
        never: PURE,
        why: "one line of text is text",
    },
    Room {
        name: "caught",
        knows: &[],
        never: PURE,
        why: "a panic that is caught is nobody's in particular",
    },
    Room {
        name: "measure",
        knows: &[],
        never: PURE,
        why: "measuring is arithmetic",
    },
    Room {
        name: "judge",
        knows: &[
            "measure", "library", "decoder", "models", "template", "caught",
        ],
        never: &["tokio", "ratatui", "crossterm"],
        why: "a judge knows texts, and nothing of searches",
    },
    Room {
        name: "models",
        knows: &["template", "caught"],
        never: &["tokio", "ratatui", "crossterm"],
        why: "files say nothing of what is done with them",
    },
    Room {
        name: "decoder",
        knows: &["models", "template", "caught"],
        never: &["tokio", "ratatui", "crossterm", "std::fs"],
        why: "what computes knows what files say and nothing above",
    },
    Room {
        name: "library",
        knows: &["decoder", "models", "template", "caught"],
        never: SCREEN,
        why: "loaded models serve whoever asks",
    },
    Room {
        name: "guide",
        knows: &[
            "search", "evidence", "library", "decoder", "models", "template", "caught",
        ],
        never: &["candle", "tokio", "ratatui", "crossterm", "std::fs"],
        why: "what guides knows models and engine, and never the judge",
    },
    Room {
        name: "evidence",
        knows: &["search"],
        never: SCREEN,
        why: "what models say is plain data",
    },
    Room {
        name: "curve",
        knows: &[],
        never: PURE,
        why: "what a training tells is plain data",
    },
    Room {
        name: "tune",
        knows: &[
            "curve", "search", "evidence", "guide", "library", "decoder", "models", "template",
            "judge", "measure", "caught",
        ],
        never: &["candle", "tokio", "ratatui", "crossterm"],
        why: "training has no screen, and its arithmetic is the decoder's",
    },
    Room {
        name: "examples",
        knows: &[],
        never: PURE,
        why: "what stands before a prompt is text",
    },
    Room {
        name: "message",
        knows: &["search", "evidence", "curve", "examples", "measure"],
        never: SCREEN,
        why: "messages are plain data",
    },
    Room {
        name: "worker",
        knows: &[
            "search", "evidence", "curve", "examples", "message", "guide", "library", "decoder",
            "models", "template", "measure", "judge", "caught", "home",
        ],
        never: &["candle", "ratatui", "crossterm"],
        why: "the worker and the app meet only in message",
    },
    Room {
        name: "app",
        knows: &[
            "search", "evidence", "curve", "examples", "measure", "message",
        ],
        never: &[
            "candle",
            "tokio",
            "ratatui",
            "crossterm",
            "std::fs",
            "std::time::Instant",
        ],
        why: "the app is a pure state machine",
    },
    Room {
        name: "ui",
        knows: &[
            "app", "search", "evidence", "curve", "examples", "measure", "message",
        ],
        never: &["candle", "tokio", "std::fs"],
        why: "the view draws &App",
    },
    Room {
        name: "terminal",
        knows: &[
            "ui", "app", "search", "evidence", "curve", "examples", "measure", "message", "home",
            "line",
        ],
        never: &["candle"],
        why: "the driver holds no models",
    },
    Room {
        name: "config",
        knows: &["search", "template"],
        never: SCREEN,
        why: "the configuration is text and checked values",
    },
    Room {
        name: "keys",
        knows: &[
            "config", "app", "search", "evidence", "curve", "examples", "measure", "message",
            "template",
        ],
        never: PURE,
        why: "the file's keys meet the playground's here",
    },
    Room {
        name: "cli",
        knows: &["config", "search", "template", "line"],
        never: &["candle", "tokio", "ratatui", "crossterm", "std::fs"],
        why: "the command line is text and checked values",
    },
    Room {
        name: "report",
        knows: &[
            "cli", "config", "line", "keeper", "search", "evidence", "curve", "tune", "guide",
            "library", "decoder", "models", "template", "measure", "judge", "caught", "samples",
            "home", "examples",
        ],
        never: &["candle", "ratatui", "crossterm"],
        why: "the headless twin has no screen",
    },
    Room {
        name: "home",
        knows: &[],
        never: SCREEN,
        why: "where files are is the platform's to say",
    },
    Room {
        name: "log",
        knows: &["home"],
        never: SCREEN,
        why: "a log is a file",
    },
    Room {
        name: "keeper",
        knows: &["line"],
        never: SCREEN,
        why: "who waits does nothing else",
    },
    Room {
        name: "panics",
        knows: &["log", "home", "line", "caught"],
        never: SCREEN,
        why: "a panic ends what it knows nothing of",
    },
    Room {
        name: "samples",
        knows: &[],
        never: PURE,
        why: "sample prompts are text",
    },
];

/// Arrows that still close circles, to be turned.
const TO_TURN: &[(&str, &str)] = &[];

fn house() -> House {
    House::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

/// Such as "report/mod.rs → cli.rs, cli.rs → app/mod.rs".
fn told(house: &House, way: &[Arrow]) -> String {
    let name = |i: usize| &house.sources[i].name;
    let steps = way
        .iter()
        .map(|(from, to)| format!("{} → {}", name(*from), name(*to)));
    steps.collect::<Vec<_>>().join(", ")
}

fn assert_none(broken: &[String]) {
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_table_has_every_room() {
    let house = house();
    let there: BTreeSet<&str> = house.sources.iter().map(|source| source.room()).collect();
    assert_eq!(there, ROOMS.iter().map(|room| room.name).collect());
}

#[test]
fn a_room_reaches_what_it_may_know() {
    let house = house();
    let mut broken = Vec::new();
    for room in ROOMS {
        let reach = house.reach(room.name).into_iter();
        let forbidden = reach.filter(|(there, _)| !room.knows.contains(there));
        broken.extend(forbidden.map(|(there, way)| {
            let (name, why) = (room.name, room.why);
            format!("{name} reaches {there}, but {why}: {}", told(&house, &way))
        }));
    }
    assert_none(&broken);
}

#[test]
fn a_room_names_nothing_foreign() {
    let mut broken = Vec::new();
    for source in house().sources {
        let room = ROOMS.iter().find(|room| room.name == source.room());
        for room in room.into_iter() {
            let named = room
                .never
                .iter()
                .filter(|word| source.code.contains(**word));
            broken.extend(named.map(|word| format!("{} names {word}: {}", source.name, room.why)));
        }
    }
    assert_none(&broken);
}

#[test]
fn only_models_decoder_and_judge_know_candle() {
    let house = house();
    let candle = house.sources.iter().filter(|s| s.code.contains("candle"));
    let rooms: BTreeSet<&str> = candle.map(|source| source.room()).collect();
    assert_eq!(rooms, BTreeSet::from(["decoder", "judge", "models"]));
}

#[test]
fn no_file_is_in_a_circle() {
    let mut house = house();
    for arrow in TO_TURN {
        let is_turned = !house.circles().iter().any(|circle| has(circle, arrow));
        assert!(!is_turned, "{arrow:?} closes no circle: strike it");
    }
    let names = |house: &House, (from, to): &Arrow| {
        TO_TURN.contains(&(&house.sources[*from].name, &house.sources[*to].name))
    };
    let arrows = std::mem::take(&mut house.arrows).into_iter();
    house.arrows = arrows.filter(|arrow| !names(&house, arrow)).collect();
    let circles = house.circles().into_iter();
    assert_none(&circles.map(|files| files.join(" → ")).collect::<Vec<_>>());
}

/// Whether a circle goes along an arrow.
fn has(circle: &[&str], (from, to): &(&str, &str)) -> bool {
    let next = circle.iter().cycle().skip(1);
    circle.iter().zip(next).any(|pair| pair == (from, to))
}

#[test]
fn no_room_holds_more_than_a_third() {
    let house = house();
    let n_lines = |room: Option<&str>| {
        let sources = house.sources.iter();
        let here = sources.filter(|source| room.is_none_or(|room| source.room() == room));
        here.map(|source| source.code.lines().count())
            .sum::<usize>()
    };
    let all = n_lines(None);
    for room in ROOMS {
        let own = n_lines(Some(room.name));
        assert!(own * 3 <= all, "{} has {own} of {all} lines", room.name);
    }
}

#[test]
fn unsafe_stands_in_one_file() {
    let house = house();
    let sources = house.sources.iter();
    let files = sources.filter(|source| source.code.contains("unsafe {"));
    let files: Vec<&str> = files.map(|source| source.name.as_str()).collect();
    assert_eq!(files, ["models/map.rs"]);
}

/// The tests above find nothing where paths are not read.
#[test]
fn paths_are_read_as_rust_means_them() {
    let code = "pub use crate::a::{self, B as C, d::{e, F}};\nlet x = own::y(crate::g::<H>());\n\
        pub(in crate::i) fn k() {}\nother::z(); super::super::l::M;";
    let starts = |name: &str| ["crate", "super", "own"].contains(&name);
    let found = paths(code, &starts).into_iter();
    let found: Vec<_> = found
        .map(|(path, pub_use)| (path.join("::"), pub_use))
        .collect();
    let expected = [
        ("crate::a::self", true),
        ("crate::a::B", true),
        ("crate::a::d::e", true),
        ("crate::a::d::F", true),
        ("own::y", false),
        ("crate::g", false),
        ("super::super::l::M", false),
    ];
    assert_eq!(
        found,
        expected.map(|(path, pub_use)| (path.to_owned(), pub_use))
    );
}
