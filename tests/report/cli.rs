//! The command line itself.

use std::path::Path;

use clap::{CommandFactory, Parser};
use proptest::prelude::*;
use w2s::cli::{Cli, Command, sentence};
use w2s::config::Config;
use w2s::search::{ChunkLen, Draft, Ranking, Rules};

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn no_arguments_mean_the_playground_with_the_papers_settings() {
    let cli = parse("w2s").unwrap();
    assert!(cli.command.is_none());
    let params = cli.playground.search.params().unwrap();
    assert_eq!(params, w2s::search::SearchParams::default());
    assert_eq!(cli.playground.models.strong(), "bundled:strong");
    assert_eq!(cli.playground.models.weak.pair(), "positive");
}

#[test]
fn every_setting_arrives() {
    let line = "w2s run --prompt Hi -W 2 -K 3 -L 0 -n 9 -T 0 --top-k 7 --top-p 0.9 --seed 5 \
                --rules reference --ranking per-token --weight -0.5";
    let Some(Command::Run(args)) = parse(line).unwrap().command else {
        panic!("not a run");
    };
    let params = args.search.params().unwrap();
    assert_eq!(params.n_candidates(), 6);
    assert_eq!(params.chunk_len(), ChunkLen::Unbounded);
    assert_eq!(params.max_new_tokens().get(), 9);
    let sampling = params.sampling();
    assert_eq!(sampling.temperature(), 0.0);
    assert_eq!((sampling.top_k(), sampling.top_p()), (7, 0.9));
    assert_eq!((params.seed(), params.rules()), (5, Rules::Reference));
    assert_eq!(params.ranking(), Ranking::PerToken);
    assert_eq!(params.weight().get(), -0.5);
}

#[test]
fn bad_usage_is_told_in_one_sentence() {
    let cases = [
        ("w2s run", "required"),
        ("w2s run --prompt a --prompts b", "cannot be used with"),
        ("w2s run --prompt a -W x", "invalid value 'x'"),
        (
            "w2s run --prompt a --rules odd",
            "use `fixed` or `reference`",
        ),
        (
            "w2s run --prompt a --ranking best",
            "use `sum`, `per-token` or `chunk`",
        ),
        (
            "w2s run --prompt a --in-flight 2",
            "cannot be used with '--in-flight",
        ),
        ("w2s run --prompts a --in-flight 0", "number would be zero"),
        ("w2s run --prompt a --format xml", "invalid value 'xml'"),
        ("w2s score --prompt a", "--response <TEXT>"),
        ("w2s score --cases a --prompt b", "cannot be used with"),
        ("w2s walk", "unrecognized subcommand 'walk'"),
    ];
    for (line, part) in cases {
        let told = sentence(&parse(line).unwrap_err());
        assert!(told.contains(part), "{line}: {told}");
        assert!(
            !told.contains('\n') && !told.contains("Usage"),
            "{line}: {told}"
        );
    }
}

prop_compose! {
    fn drafts()(
        (beam_width, successors) in (1usize..32, 1usize..32),
        chunk_len in 0usize..9,
        max_new_tokens in 1usize..1000,
        temperature in 0.0f64..3.0,
        (top_k, top_p) in (0usize..100, 0.01f64..=1.0),
        rules in prop_oneof![Just(Rules::Fixed), Just(Rules::Reference)],
        seed in any::<u64>(),
        ranking in prop_oneof![
            Just(Ranking::Sum),
            Just(Ranking::PerToken),
            Just(Ranking::Chunk),
        ],
        weight in -3.0f64..3.0,
    ) -> Draft {
        Draft {
            beam_width, successors, chunk_len, max_new_tokens, temperature, top_k, top_p, rules,
            seed, ranking, weight, ..w2s::search::SearchParams::default().draft()
        }
    }
}

/// The command line and the configuration that say `draft`.
fn written(draft: &Draft) -> (String, String) {
    let ranking = serde_json::to_value(draft.ranking).unwrap();
    let ranking = ranking.as_str().unwrap();
    let values = [
        ("beam_width", draft.beam_width.to_string()),
        ("successors", draft.successors.to_string()),
        ("chunk_len", draft.chunk_len.to_string()),
        ("max_new_tokens", draft.max_new_tokens.to_string()),
        ("temperature", format!("{:?}", draft.temperature)),
        ("top_k", draft.top_k.to_string()),
        ("top_p", format!("{:?}", draft.top_p)),
        ("seed", draft.seed.to_string()),
        ("rules", draft.rules.to_string()),
        ("ranking", ranking.to_owned()),
        ("weight", format!("{:?}", draft.weight)),
    ];
    let mut line = "w2s run --prompt Hi".to_owned();
    let mut file = "[search]\n".to_owned();
    for (name, value) in values {
        line += &format!(" --{}={value}", name.replace('_', "-"));
        let is_word = value.starts_with(char::is_alphabetic);
        let quote = if is_word { "\"" } else { "" };
        file += &format!("{name} = {quote}{value}{quote}\n");
    }
    (line, file)
}

proptest! {
    /// Whatever a search can be set to in the playground, it can be set to without it.
    #[test]
    fn every_search_can_be_asked_for(draft in drafts()) {
        let (line, file) = written(&draft);
        let params = draft.build().unwrap();
        let Some(Command::Run(args)) = parse(&line).unwrap().command else {
            panic!("not a run");
        };
        prop_assert_eq!(args.search.params().unwrap(), params);

        // TOML's integers have a sign.
        prop_assume!(i64::try_from(draft.seed).is_ok());
        let config = Config::parse(&file, Path::new("some.toml")).unwrap();
        let mut silent = parse("w2s").unwrap();
        silent.fill(&config);
        prop_assert_eq!(silent.playground.search.params().unwrap(), params);
    }
}
