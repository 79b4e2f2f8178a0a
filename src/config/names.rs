//! Which names a configuration file may use: those of the manual.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::MANUAL;
use super::error::Fault;

/// # Errors
/// Text that is no TOML; the first name that the manual does not know, with the nearest it does.
pub(super) fn check(text: &str) -> Result<(), Fault> {
    let manual = all_names();
    let manual = DeTable::parse(&manual)?;
    let table = DeTable::parse(text)?;
    for (name, value) in table.get_ref() {
        let known = manual.get_ref();
        let section = known
            .get(&**name.get_ref())
            .ok_or_else(|| unknown(name, known, ""))?;
        if let (DeValue::Table(inner), DeValue::Table(known)) = (value.get_ref(), section.get_ref())
        {
            check_section(name.get_ref(), inner, known)?;
        }
    }
    Ok(())
}

/// The manual with the settings that have no default and stand in it as comments.
fn all_names() -> String {
    let line = |line: &'static str| {
        let setting = line.strip_prefix("# ");
        let setting = setting.filter(|rest| rest.split(' ').nth(1) == Some("="));
        setting.unwrap_or(line)
    };
    let lines: Vec<&str> = MANUAL.lines().map(line).collect();
    lines.join("\n")
}

fn check_section(section: &str, inner: &DeTable<'_>, known: &DeTable<'_>) -> Result<(), Fault> {
    let strange = inner
        .keys()
        .find(|name| !known.contains_key(&**name.get_ref()));
    match strange {
        Some(name) => Err(unknown(name, known, &format!(" in [{section}]"))),
        None => Ok(()),
    }
}

/// Characters of a name that are told back.
const LONGEST: usize = 60;

fn unknown(name: &Spanned<std::borrow::Cow<'_, str>>, known: &DeTable<'_>, place: &str) -> Fault {
    let wrong = name.get_ref();
    let distance = |right: &&str| strsim::damerau_levenshtein(wrong, right);
    let nearest = known
        .keys()
        .map(|right| &**right.get_ref())
        .min_by_key(distance);
    let nearest = nearest.unwrap_or_default();
    // Of a name that is no name, the beginning says enough.
    let wrong = match wrong.chars().count() > LONGEST {
        true => wrong.chars().take(LONGEST).chain(['…']).collect(),
        false => wrong.to_string(),
    };
    Fault {
        span: name.span(),
        what: format!(
            "unknown name `{wrong}`{place}: did you mean `{nearest}`? `w2s config` has all"
        ),
    }
}
