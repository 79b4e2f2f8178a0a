//! The configuration file: the manual is the default, and the command line goes first.

use std::fs;
use std::path::Path;

use clap::Parser;
use serde_json::Value;
use tempfile::TempDir;
use w2s::app::{Action, Context, Group, Key, Keymap, Options};
use w2s::cli::{Cli, Command};
use w2s::config::{Config, Device, Ground, MANUAL};
use w2s::keys;
use w2s::search::SearchParams;

use super::commands::{command, stdout};
use super::folders::repository;
use super::terminal::Tty;

fn parse(text: &str) -> Result<(Config, Keymap), String> {
    let config = Config::parse(text, Path::new("some.toml"));
    let config = config.map_err(|error| error.to_string())?;
    let keymap = keys::keymap(&config.keys).map_err(|error| error.to_string())?;
    Ok((config, keymap))
}

fn home_with(config: &str) -> TempDir {
    let home = TempDir::new().unwrap();
    let folder = home.path().join(".config/w2s");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.toml"), config).unwrap();
    home
}

#[test]
fn the_manual_says_the_defaults() {
    let (config, keymap) = parse(MANUAL).unwrap();
    assert_eq!(keymap, Keymap::default());
    let mut cli = Cli::parse_from(["w2s"]);
    cli.fill(&config);
    let args = &cli.playground;
    assert_eq!(args.search.params().unwrap(), SearchParams::default());
    assert_eq!(args.pace, Some(Options::default().pace));
    assert_eq!((args.theme, args.no_tour), (Some(Ground::Auto), false));
    let silent = Cli::parse_from(["w2s"]).playground.models;
    assert_eq!(args.models.strong(), silent.strong());
    assert_eq!(args.models.weak.pair(), silent.weak.pair());
    assert_eq!(args.models.weak.device(), Device::Auto);
    assert_eq!(stdout(&["config"]), MANUAL);
}

#[test]
fn settings_without_a_default_are_known_too() {
    let text = "[models]\npair_device = \"cpu\"\ndate = \"2026-11-05\"\n";
    let mut cli = Cli::parse_from(["w2s"]);
    cli.fill(&parse(text).unwrap().0);
    let models = &cli.playground.models;
    assert_eq!(models.pair_device, Some(Device::Cpu));
    assert_eq!(
        models.templates().date,
        Some("2026-11-05T00:00:00".parse().unwrap())
    );
    let told = parse("[models]\ndate = \"tomorrow\"\n").unwrap_err();
    assert!(
        told.contains(":2:") && told.contains("YYYY-MM-DD"),
        "{told}"
    );
    assert!(parse("[models]\nwhere = 1\n").is_err());
}

#[test]
fn the_manual_names_every_action_and_all_its_keys() {
    let expected = keys_section();
    // For those who change the keys: the manual's last part is written anew.
    if std::env::var_os("W2S_WRITE_MANUAL").is_some() {
        let above = MANUAL.split_once("[keys]\n").unwrap().0;
        let file = repository("assets/default.toml");
        fs::write(file, format!("{above}[keys]\n{expected}")).unwrap();
        return;
    }
    let hint = "W2S_WRITE_MANUAL=1 cargo test --test binary the_manual_names mends it";
    let section = MANUAL.split_once("[keys]\n").unwrap().1;
    assert!(section == expected, "assets/default.toml is behind: {hint}");
}

/// Every action with its default keys and its help, by group.
fn keys_section() -> String {
    let all = Action::ALL.iter().filter(|action| !action.is_modal());
    let rows: Vec<_> = all.map(|action| (*action, binding(*action))).collect();
    let width = rows
        .iter()
        .map(|(_, text)| text.chars().count())
        .max()
        .unwrap();
    let mut section = String::new();
    for group in Group::ALL {
        section += &format!("\n# {}\n", group.title());
        for (action, text) in rows.iter().filter(|(action, _)| action.group() == group) {
            section += &format!("{text:width$}  # {}\n", action.help());
        }
    }
    section
}

/// A line as in the file, arrows by their names.
fn binding(action: Action) -> String {
    let keymap = Keymap::default();
    let keys = keymap
        .keys(action)
        .map(|key| match key.to_string().as_str() {
            "↑" => "\"up\"".to_owned(),
            "↓" => "\"down\"".to_owned(),
            "←" => "\"left\"".to_owned(),
            "→" => "\"right\"".to_owned(),
            name => format!("{name:?}"),
        });
    let name = serde_json::to_value(action).unwrap();
    assert_eq!(name, action.name());
    format!(
        "{} = [{}]",
        action.name(),
        keys.collect::<Vec<_>>().join(", ")
    )
}

#[test]
fn an_action_can_have_other_keys() {
    let (_, keymap) = parse("[keys]\nquit = [\"Q\", \"ctrl-q\"]\nstep = [\"w\"]").unwrap();
    let action = |key: &str| keymap.action(Context::Main, key.parse::<Key>().unwrap());
    assert_eq!(action("ctrl-q"), Some(Action::Quit));
    assert_eq!(action("q"), None);
    assert_eq!(
        action("w"),
        Some(Action::Step),
        "taken from `narrower_beam`"
    );
    assert_eq!(action("W"), Some(Action::WiderBeam));
    assert_eq!(keymap.label(Context::Main, Action::Quit), "Q");
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let cases = [
        (
            "[search]\nbeam_widht = 3",
            "some.toml:2: unknown name `beam_widht` in [search]: did you mean `beam_width`?",
        ),
        (
            "\n[serch]\n",
            "some.toml:2: unknown name `serch`: did you mean `search`?",
        ),
        (
            "[keys]\n\nstepp = []",
            "some.toml:3: unknown name `stepp` in [keys]: did you mean `step`?",
        ),
        (
            "[keys]\nquit = [\"no-key\"]",
            "some.toml:2: unknown key \"no-key\"",
        ),
        (
            "[keys]\nstep = [\"a\"]\nzoom = [\"b\",\n\"a\"]",
            "`step` and to `zoom`",
        ),
        ("[keys]\nquit = []", "no key is left for `quit`"),
        (
            "[search]\nbeam_width = 0",
            "some.toml:2: W (beam width) must be at least 1",
        ),
        (
            "[search]\ntemperature = -1.0",
            "some.toml:2: temperature must be",
        ),
        ("[search]\ntop_p = 2", "some.toml:2: top-p must be"),
        (
            "[search]\nrules = \"odd\"",
            "some.toml:2: unknown variant `odd`",
        ),
        (
            "[search]\nranking = \"best\"",
            "some.toml:2: unknown variant `best`, expected one of `sum`, `per-token`, `chunk`",
        ),
        (
            "[search]\nweight = nan",
            "some.toml:2: the weight of the pair",
        ),
        (
            "[search]\nmax_new_tokens = 99999999999",
            "some.toml:2: n must be at most",
        ),
        (
            "[search]\nbeam_width = 99\nsuccessors = 99",
            "W·K must be at most",
        ),
        ("[playground]\npace = -1", "some.toml:2: the pace must be"),
        ("[search]\nseed = \"x\"", "some.toml:2: invalid type"),
        (
            "[search]\npanel = \"best\"",
            "some.toml:2: unknown rule for a panel",
        ),
        (
            "[models]\npair = 3",
            "some.toml:2: expected a text or a list of texts",
        ),
        (
            "[models]\npair = [\"positive\", \"short\"]\nweights = [1]",
            "in [models]: ",
        ),
        ("[search\n", "some.toml:1: "),
    ];
    for (text, told) in cases {
        let error = parse(text).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn the_command_line_goes_before_the_file() {
    let home = home_with(
        "[search]\nbeam_width = 2\nsuccessors = 3\nmax_new_tokens = 4\nranking = \"chunk\"\n\
         weight = 2.5",
    );
    let args = [
        "run", "--prompt", "Hi", "--format", "json", "-K", "2", "--weight", "-1",
    ];
    let output = command(&args, &home).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let settings = &report["settings"];
    assert_eq!((&settings["w"], &settings["k"]), (&2.into(), &2.into()));
    assert_eq!(settings["l"], 5, "the default");
    assert_eq!(
        (&settings["ranking"], &settings["weight"]),
        (&"chunk".into(), &(-1.0).into())
    );
}

#[test]
fn a_panel_stands_in_the_file_and_goes_as_a_whole() {
    let text = "[search]\npanel = \"bayes:2\"\n[models]\n\
                pair = [\"positive\", \"short\", \"funny\"]\nweights = [1, 0.5, -1]\n";
    let (config, _) = parse(text).unwrap();
    let filled = |args: &[&str]| {
        let mut cli = Cli::parse_from(std::iter::once("w2s").chain(args.iter().copied()));
        cli.fill(&config);
        let args = cli.playground;
        let members = args.models.weak.panel().unwrap().members().to_vec();
        let weights: Vec<f64> = members.iter().map(|(_, weight)| *weight).collect();
        (weights, args.search.rule().unwrap().to_string())
    };
    assert_eq!(filled(&[]), (vec![1.0, 0.5, -1.0], "bayes:2".to_owned()));
    let own = filled(&["--pair", "craft", "--panel", "mixture"]);
    assert_eq!(own, (vec![1.0], "mixture".to_owned()));
    let mut score = Cli::parse_from(["w2s", "score", "--prompt", "a", "--response", "b"]);
    score.fill(&config);
    match &score.command {
        Some(Command::Score(args)) => assert_eq!(args.pair.only_pair().unwrap(), "positive"),
        other => panic!("{other:?}"),
    }
    let own = filled(&["--weights", "3,2,1", "--kappa", "0.5"]);
    assert_eq!(own, (vec![3.0, 2.0, 1.0], "bayes:0.5".to_owned()));
}

#[test]
fn a_file_with_a_mistake_stops_the_program_but_not_the_manual() {
    let home = home_with("[search]\nwidth = 2");
    let output = command(&["run", "--prompt", "Hi"], &home).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr.contains("config.toml:2: unknown name `width`"),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 1);
    assert!(
        command(&["config"], &home)
            .output()
            .unwrap()
            .status
            .success()
    );
}

#[test]
fn the_playground_obeys_the_file() {
    let home =
        home_with("[search]\nbeam_width = 3\n[playground]\ntour = false\n[keys]\nquit = [\"Q\"]");
    let mut tty = Tty::w2s(home.path(), (120, 40), &[]);
    tty.wait_for("W 3 w/W");
    tty.wait("scores", |output| output.n_scores() >= 12);
    assert!(!tty.see(|output| output.has("ends the tour")));
    tty.wait_for("Q quit");
    tty.press("Q");
    assert_eq!(tty.exit_code(), 0);
}
