//! Names of the files that one GGUF file was split into: `m-00001-of-00003.gguf` and so on.

/// As many parts as a file may have, and more than any has.
const MOST: u32 = 999;

/// The name of part `no`, counted from 1, of the file whose part of any number is called `name`.
pub(super) fn part(name: &str, no: u32, count: u32) -> Option<String> {
    let (stem, _) = parsed(name).filter(|(_, (_, named))| *named == count)?;
    Some(format!("{stem}-{no:05}-of-{count:05}.gguf"))
}

/// All parts of the file of which one is called `name`, which may stand in a folder; that name
/// alone where it is whole.
pub(in crate::models) fn all(name: &str) -> Vec<String> {
    let Some((_, (_, count))) = parsed(name) else {
        return vec![name.to_owned()];
    };
    (1..=count).filter_map(|no| part(name, no, count)).collect()
}

/// Whether `name` is that of a part after the first.
pub(in crate::models) fn is_later(name: &str) -> bool {
    parsed(name).is_some_and(|(_, (no, _))| no > 1)
}

/// What stands before the numbers, and both.
fn parsed(name: &str) -> Option<(&str, (u32, u32))> {
    let (rest, count) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (stem, no) = rest.rsplit_once('-')?;
    let number = |text: &str| {
        let is_number = text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| text.parse().ok()).flatten()
    };
    let (no, count) = (number(no)?, number(count)?);
    let is_part = count <= MOST && (1..=count).contains(&no);
    is_part.then_some((stem, (no, count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_by_their_numbers() {
        let all = all("q4/m-00002-of-00003.gguf");
        assert_eq!(
            all,
            [
                "q4/m-00001-of-00003.gguf",
                "q4/m-00002-of-00003.gguf",
                "q4/m-00003-of-00003.gguf"
            ]
        );
        assert!(!is_later(&all[0]) && is_later(&all[1]));
    }

    #[test]
    fn other_names_are_whole_files() {
        for name in [
            "m.gguf",
            "m-of-.gguf",
            "m-00004-of-00003.gguf",
            "m-00000-of-00003.gguf",
            "m-1-of-3.gguf",
            "m-00001-of-99999.gguf",
            "m-00001-of-00003.bin",
        ] {
            assert_eq!(all(name), [name]);
            assert!(!is_later(name));
        }
    }
}
