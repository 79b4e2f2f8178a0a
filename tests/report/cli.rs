//! The command line itself.

use clap::{CommandFactory, Parser};
use w2s::cli::{Cli, Command, sentence};
use w2s::search::{ChunkLen, Rules};

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
                --rules reference";
    let Some(Command::Run(args)) = parse(line).unwrap().command else {
        panic!("not a run");
    };
    let params = args.search.params().unwrap();
    assert_eq!(params.n_candidates(), 6);
    assert_eq!(params.chunk_len, ChunkLen::Unbounded);
    assert_eq!(params.max_new_tokens.get(), 9);
    assert_eq!(params.sampling.temperature(), 0.0);
    assert_eq!((params.sampling.top_k(), params.sampling.top_p()), (7, 0.9));
    assert_eq!((params.seed, params.rules), (5, Rules::Reference));
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
