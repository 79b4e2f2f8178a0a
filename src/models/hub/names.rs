//! Names that become parts of paths: whoever wrote them, each stays in the folder it is put in.

use crate::models::error::LoadError;
use crate::models::spec::HubSpec;

/// Longer is no file name once an ending is put to it.
const LONGEST: usize = 200;

/// Endings that the cache gives to files of its own.
const TAKEN: [&str; 2] = [".incomplete", ".lock"];

/// A name of one file or folder: never the folder above, another place, a stream or a file of
/// the cache's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plain(String);

impl Plain {
    /// `None` for what is no such name.
    pub(super) fn new(name: &str) -> Option<Self> {
        is_plain(name).then(|| Self(name.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_plain(name: &str) -> bool {
    let is_bad = |c: char| c.is_control() || matches!(c, '/' | '\\' | ':');
    !matches!(name, "" | "." | "..")
        && name.len() <= LONGEST
        && !name.contains(is_bad)
        && !TAKEN.iter().any(|ending| name.ends_with(ending))
}

/// Whether `path` is plain names with `/` between them: it leads down from where it is put.
pub(super) fn leads_down(path: &str) -> bool {
    path.split('/').all(is_plain)
}

/// # Errors
/// A repository, revision or file that leads out of the cache.
pub(super) fn check(spec: &HubSpec) -> Result<(), LoadError> {
    let file = spec.file.as_deref().map(|file| ("file", file));
    let parts = [("name", &spec.repo[..]), ("revision", &spec.revision)];
    match parts.into_iter().chain(file).find(|p| !leads_down(p.1)) {
        None => Ok(()),
        Some((part, text)) => Err(LoadError::Fetch {
            spec: spec.to_string(),
            reason: format!("its {part} {text:?} leads out of the cache"),
            advice: "write hf:owner/name[@revision][:file]".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_where_they_are_put() {
        for name in ["model.safetensors", "abc-1_2", "5f3e=+", "…é", ".x", "a..b"] {
            assert!(Plain::new(name).is_some(), "{name}");
        }
        let long = "x".repeat(LONGEST + 1);
        let bad = [
            "", ".", "..", "a/b", "/a", "a\\b", "C:", "a\0", "a\n", &long,
        ];
        for name in bad.into_iter().chain(["x.incomplete", "x.lock"]) {
            assert_eq!(Plain::new(name), None, "{name:?}");
        }
    }

    #[test]
    fn paths_lead_down() {
        assert!(leads_down("onnx/model.bin") && leads_down("refs/pr/1"));
        for path in ["", "../x", "/etc/passwd", "a/../../b", "a//b", "a/", "./a"] {
            assert!(!leads_down(path), "{path}");
        }
    }
}
