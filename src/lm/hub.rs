//! The Hugging Face cache on this machine: `models--owner--name/{refs,snapshots}` under
//! `$HF_HUB_CACHE`, `$HF_HOME/hub` or `~/.cache/huggingface/hub`.

use std::env::var_os;
use std::fs;
use std::path::{Path, PathBuf};

use directories::BaseDirs;

use super::error::LoadError;
use super::spec::{HubSpec, ModelSpec};

/// Where other programs keep what they fetched from the hub.
#[must_use]
pub fn cache() -> PathBuf {
    let set = |name: &str| var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = || {
        let above =
            set("XDG_CACHE_HOME").or_else(|| Some(BaseDirs::new()?.home_dir().join(".cache")));
        above.unwrap_or_default().join("huggingface")
    };
    set("HF_HUB_CACHE").unwrap_or_else(|| set("HF_HOME").unwrap_or_else(home).join("hub"))
}

/// The files of `spec` in the cache at `root`.
///
/// # Errors
/// [`LoadError::NotCached`] says what is missing.
pub fn resolve(root: &Path, spec: &HubSpec) -> Result<ModelSpec, LoadError> {
    let missing = |what: String| LoadError::NotCached {
        spec: spec.to_string(),
        what,
        cache: root.to_owned(),
        repo: spec.repo.clone(),
    };
    let repo = root.join(format!("models--{}", spec.repo.replace('/', "--")));
    if !repo.is_dir() {
        return Err(missing("the model".to_owned()));
    }
    let commit = fs::read_to_string(repo.join("refs").join(&spec.revision));
    let commit = commit.map_or(spec.revision.clone(), |text| text.trim().to_owned());
    let snapshot = repo.join("snapshots").join(commit);
    if !snapshot.is_dir() {
        return Err(missing(format!("revision '{}'", spec.revision)));
    }
    let file = match &spec.file {
        Some(file) => file.as_str(),
        None if snapshot.join("adapter_config.json").exists() => "adapter_config.json",
        None => "config.json",
    };
    if !snapshot.join(file).exists() {
        return Err(missing(format!("file '{file}'")));
    }
    Ok(match spec.file {
        Some(_) => ModelSpec::Gguf(snapshot.join(file)),
        None => ModelSpec::Folder(snapshot),
    })
}

/// The models in the cache at `root`, as SPECs: one for each folder or GGUF file.
#[must_use]
pub fn cached(root: &Path) -> Vec<String> {
    let names = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .filter_map(|e| e.file_name().into_string().ok())
            .collect()
    };
    let mut specs = Vec::new();
    for name in names(root) {
        let Some(repo) = name.strip_prefix("models--").map(|n| n.replace("--", "/")) else {
            continue;
        };
        let snapshots = root.join(&name).join("snapshots");
        let files = names(&snapshots)
            .into_iter()
            .flat_map(|s| names(&snapshots.join(s)));
        for file in files {
            if file.ends_with(".gguf") {
                specs.push(format!("hf:{repo}:{file}"));
            } else if file == "config.json" {
                specs.push(format!("hf:{repo}"));
            }
        }
    }
    specs.sort();
    specs.dedup();
    specs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> HubSpec {
        match ModelSpec::parse(text) {
            ModelSpec::Hub(spec) => spec,
            other => panic!("{other} is not on the hub"),
        }
    }

    fn cache_of(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let repo = root.path().join("models--o--n");
        let snapshot = repo.join("snapshots/abc");
        fs::create_dir_all(&snapshot).unwrap();
        fs::create_dir_all(repo.join("refs")).unwrap();
        fs::write(repo.join("refs/main"), "abc").unwrap();
        for file in files {
            fs::write(snapshot.join(file), "").unwrap();
        }
        root
    }

    #[test]
    fn what_is_cached_is_found() {
        let root = cache_of(&["config.json", "m.gguf"]);
        let snapshot = root.path().join("models--o--n/snapshots/abc");
        let found = |text| resolve(root.path(), &spec(text)).unwrap();
        assert_eq!(found("hf:o/n"), ModelSpec::Folder(snapshot.clone()));
        assert_eq!(found("hf:o/n@abc"), ModelSpec::Folder(snapshot.clone()));
        assert_eq!(
            found("hf:o/n:m.gguf"),
            ModelSpec::Gguf(snapshot.join("m.gguf"))
        );
        assert_eq!(cached(root.path()), ["hf:o/n", "hf:o/n:m.gguf"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let root = cache_of(&["m.gguf"]);
        let told = |text| resolve(root.path(), &spec(text)).unwrap_err().to_string();
        assert!(told("hf:o/other").contains("the model"));
        assert!(told("hf:o/n@v2").contains("revision 'v2'"));
        assert!(told("hf:o/n").contains("file 'config.json'"));
        assert!(told("hf:o/n:x.gguf").contains("file 'x.gguf'"));
    }
}
