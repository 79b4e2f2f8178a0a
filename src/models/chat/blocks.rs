//! `{% block %}`, which has a meaning of its own only for templates that extend others: alone it
//! stands where it is. It is rewritten as `{% with %}`, since names set in it end with it.

use std::collections::HashSet;

use super::lexer::{Kind, Piece, Tag};

/// Tags that have an end.
const OPEN: [&str; 10] = [
    "if",
    "for",
    "with",
    "macro",
    "call",
    "filter",
    "set",
    "block",
    "autoescape",
    "generation",
];

/// The tag that a block's becomes.
pub(super) fn rewritten(tag: &Tag<'_>) -> Option<String> {
    let word = match tag.tokens.first()?.text {
        "block" => "with",
        "endblock" => "endwith",
        _ => return None,
    };
    let is_block = tag.open.starts_with("{%");
    is_block.then(|| format!("{} {word} {}", tag.open, tag.close.trim_start()))
}

/// Refuses blocks that are more than `{% with %}`: Jinja2 hides what is set around them in a loop
/// or another block.
///
/// # Errors
/// What is wrong with one, or not known here.
pub(super) fn check(pieces: &[Piece<'_>]) -> Result<(), String> {
    let (mut open, mut names) = (Vec::new(), HashSet::new());
    let tags = pieces.iter().filter_map(|piece| match piece {
        Piece::Tag(tag) if tag.open.starts_with("{%") => Some(tag),
        _ => None,
    });
    for tag in tags {
        let words: Vec<&str> = tag.tokens.iter().map(|token| token.text).collect();
        match words[..] {
            ["block", name, ref more @ ..] if tag.tokens[1].kind == Kind::Name => {
                let is_seen_through = *more == ["scoped"];
                let is_plain = more.is_empty() && open.iter().all(|(word, _)| *word == "if");
                if !names.insert(name) || !(is_plain || is_seen_through) {
                    return Err(format!("its block '{name}' is not one that is known here"));
                }
                open.push(("block", name));
            }
            ["block", ..] => return Err("a block in it has no name".to_owned()),
            ["set", ..] if words.contains(&"=") => {}
            [word, ..] if OPEN.contains(&word) => open.push((word, "")),
            [word, ref name @ ..] if word.starts_with("end") => {
                let begun = open.pop().filter(|(begun, _)| *begun == "block");
                if begun.is_some_and(|(_, begun)| !name.is_empty() && *name != [begun]) {
                    return Err("a block in it ends by another name".to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(())
}
