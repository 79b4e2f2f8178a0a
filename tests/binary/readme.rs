//! The README says of each claim on safety which test holds it: those tests are there.

use std::fs;

use super::folders::repository;

/// What stands in single backquotes and names a test, or the file of some.
fn names(text: &str) -> Vec<(String, String)> {
    let quoted = text.split('`').skip(1).step_by(2);
    let names = quoted.filter_map(|name| name.split_once("::"));
    let names = names.filter(|(file, test)| {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        file.chars().all(is_name) && test.chars().all(is_name)
    });
    names.map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

#[test]
fn the_tests_that_it_names_are_there() {
    let readme = fs::read_to_string(repository("README.md")).unwrap();
    let (_, after) = readme.split_once("## Is it safe?").unwrap();
    let section = after.split("\n## ").next().unwrap();
    let claims = section.lines().filter(|line| line.starts_with("| "));
    let mut n = 0;
    for claim in claims.skip(1).filter(|line| !line.starts_with("| ---")) {
        let named = names(claim);
        assert!(!named.is_empty(), "no test holds this: {claim}");
        for (file, test) in named {
            let path = repository("tests/binary").join(format!("{file}.rs"));
            let source = fs::read_to_string(&path).unwrap_or_default();
            let is_there = source.contains(&format!("#[test]\nfn {test}"));
            assert!(is_there, "{file}::{test} is not there");
            n += 1;
        }
    }
    assert!(n >= 12, "{n} tests are named");
}
