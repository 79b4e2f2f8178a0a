//! Models of the Hugging Face hub: taken from the cache that other programs share, fetched into
//! it where they are not there.

mod cache;
mod client;
mod failure;
mod fetch;
mod lookup;
mod names;
mod store;

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use directories::BaseDirs;

use crate::models::error::LoadError;
use crate::models::spec::{HubSpec, ModelSpec};
use crate::models::watch::Watch;
use cache::Lack;

/// For how long a silent server is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The hub, as the environment says: `HF_HUB_CACHE` or `HF_HOME`, `HF_ENDPOINT`, `HF_TOKEN`,
/// `HF_HUB_DOWNLOAD_TIMEOUT`, `HF_HUB_OFFLINE`.
#[derive(Debug, Clone)]
pub struct Hub {
    cache: PathBuf,
    endpoint: String,
    token: Option<String>,
    offline: bool,
    patience: Duration,
}

impl Hub {
    /// From the environment of this process.
    #[must_use]
    pub fn from_env() -> Self {
        Self::new(|name| env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// From variables as `var` looks them up.
    pub(super) fn new(var: impl Fn(&str) -> Option<String>) -> Self {
        let home = || {
            let above = var("XDG_CACHE_HOME").map(PathBuf::from);
            let above = above.or_else(|| Some(BaseDirs::new()?.home_dir().join(".cache")));
            above.unwrap_or_default().join("huggingface")
        };
        let home = var("HF_HOME").map_or_else(home, PathBuf::from);
        let token_file = var("HF_TOKEN_PATH").map_or_else(|| home.join("token"), PathBuf::from);
        let stored = || {
            let text = std::fs::read_to_string(token_file).ok()?;
            Some(text.trim().to_owned()).filter(|token| !token.is_empty())
        };
        let is_on = |value: String| !matches!(value.to_lowercase().as_str(), "0" | "false" | "no");
        Self {
            cache: var("HF_HUB_CACHE").map_or_else(|| home.join("hub"), PathBuf::from),
            endpoint: var("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned()),
            token: var("HF_TOKEN").or_else(stored),
            offline: var("HF_HUB_OFFLINE").is_some_and(is_on),
            patience: var("HF_HUB_DOWNLOAD_TIMEOUT")
                .and_then(|seconds| patience(&seconds))
                .unwrap_or(PATIENCE),
        }
    }

    /// Where fetched models are kept.
    #[must_use]
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// The models in the cache, as SPECs: one for each folder or GGUF file.
    #[must_use]
    pub fn cached(&self) -> Vec<String> {
        cache::list(&self.cache)
    }

    /// Whether nothing of these models has to be fetched.
    #[must_use]
    pub fn has_all(&self, specs: &[&str]) -> bool {
        specs.iter().all(|spec| match ModelSpec::parse(spec) {
            ModelSpec::Hub(spec) => names::check(&spec).is_ok() && self.find(&spec).is_ok(),
            _ => true,
        })
    }

    /// The files of `spec`: from the cache, where they are all there; else what is missing is
    /// fetched first. What was fetched of a file before is not fetched again.
    ///
    /// # Errors
    /// [`LoadError::NotCached`] when offline, [`LoadError::Fetch`] for what cannot be fetched.
    pub fn resolve(&self, spec: &HubSpec, watch: &Watch) -> Result<ModelSpec, LoadError> {
        names::check(spec)?;
        match self.find(spec) {
            Ok(found) => Ok(found),
            Err(Lack::Of(missing)) if self.offline => Err(LoadError::NotCached {
                spec: spec.to_string(),
                missing,
                cache: self.cache.clone(),
            }),
            Err(Lack::Of(_)) => {
                fetch::fetch(self, spec, watch)?;
                self.find(spec).map_err(|lack| self.told(&lack, spec))
            }
            Err(lack) => Err(self.told(&lack, spec)),
        }
    }

    fn find(&self, spec: &HubSpec) -> Result<ModelSpec, Lack> {
        let snapshot = cache::snapshot(&self.cache, spec)?;
        cache::complete(&snapshot, spec.file.as_deref())
    }

    fn told(&self, lack: &Lack, spec: &HubSpec) -> LoadError {
        let cache = self.cache.display();
        LoadError::Fetch {
            spec: spec.to_string(),
            reason: match lack {
                Lack::Of(missing) => format!("{missing} is gone from {cache}"),
                Lack::Unreadable(error) => format!("{cache} cannot be read: {error}"),
            },
            advice: "try again, or set HF_HUB_CACHE to a folder of your own".to_owned(),
        }
    }
}

/// Seconds as other programs of the hub read them, from a millisecond to a day.
fn patience(seconds: &str) -> Option<Duration> {
    let seconds: f64 = seconds.trim().parse().ok()?;
    (0.001..=86400.0)
        .contains(&seconds)
        .then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn spec(text: &str) -> HubSpec {
        match ModelSpec::parse(text) {
            ModelSpec::Hub(spec) => spec,
            other => panic!("{other} is not on the hub"),
        }
    }

    fn offline(cache: &Path) -> Hub {
        let cache = cache.display().to_string();
        Hub::new(|name| match name {
            "HF_HUB_CACHE" => Some(cache.clone()),
            "HF_HUB_OFFLINE" => Some("1".to_owned()),
            _ => None,
        })
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
        let root = cache_of(&[
            "config.json",
            "tokenizer.json",
            "model.safetensors",
            "m.gguf",
        ]);
        let snapshot = root.path().join("models--o--n/snapshots/abc");
        let hub = offline(root.path());
        let found = |text| hub.resolve(&spec(text), &Watch::default()).unwrap();
        assert_eq!(found("hf:o/n"), ModelSpec::Folder(snapshot.clone()));
        assert_eq!(found("hf:o/n@abc"), ModelSpec::Folder(snapshot.clone()));
        let gguf = ModelSpec::Gguf(snapshot.join("m.gguf"));
        assert_eq!(found("hf:o/n:m.gguf"), gguf);
        assert_eq!(hub.cached(), ["hf:o/n", "hf:o/n:m.gguf"]);
    }

    #[test]
    fn what_leads_out_of_the_cache_is_refused() {
        let root = cache_of(&["config.json", "tokenizer.json", "model.safetensors"]);
        fs::create_dir(root.path().join("x")).unwrap();
        let hub = offline(root.path());
        for text in [
            "hf:o/n@../../../x",
            "hf:o/n@/etc",
            "hf:o/n@",
            "hf:../n",
            "hf:o/n:../abc/config.json",
        ] {
            let outcome = hub.resolve(&spec(text), &Watch::default());
            let told = outcome.unwrap_err().to_string();
            assert!(told.contains("leads out of the cache"), "{told}");
            assert!(!hub.has_all(&[text]));
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let index = "model.safetensors.index.json";
        let root = cache_of(&["m.gguf", "config.json", "tokenizer.json", index]);
        let shards = r#"{"weight_map": {"a": "model-1.safetensors"}}"#;
        let snapshot = root.path().join("models--o--n/snapshots/abc");
        fs::write(snapshot.join(index), shards).unwrap();
        let hub = offline(root.path());
        let told = |text| {
            let outcome = hub.resolve(&spec(text), &Watch::default());
            outcome.unwrap_err().to_string()
        };
        assert!(told("hf:o/other").contains("config.json of hf:o/other"));
        assert!(told("hf:o/n@v2").contains("config.json of hf:o/n@v2"));
        assert!(told("hf:o/n").contains("model-1.safetensors of hf:o/n"));
        assert!(told("hf:o/n:x.gguf").contains("x.gguf"));
    }

    #[test]
    fn the_environment_says_where() {
        let hub = |vars: &'static [(&str, &str)]| {
            Hub::new(move |name| {
                let found = vars.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(hub(&[("HF_HOME", "/h")]).cache, Path::new("/h/hub"));
        let both = hub(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")]);
        assert_eq!(both.cache, Path::new("/c"));
        assert!(!both.offline && hub(&[("HF_HUB_OFFLINE", "1")]).offline);
        assert!(!hub(&[("HF_HUB_OFFLINE", "0")]).offline);
        let endpoint = hub(&[("HF_ENDPOINT", "http://e")]).endpoint;
        assert_eq!(endpoint, "http://e");
        for (text, seconds) in [
            ("3", 3.0),
            ("0.5", 0.5),
            ("0", 10.0),
            ("x", 10.0),
            ("NaN", 10.0),
        ] {
            let hub = Hub::new(|name| (name == "HF_HUB_DOWNLOAD_TIMEOUT").then(|| text.to_owned()));
            assert_eq!(hub.patience, Duration::from_secs_f64(seconds), "{text}");
        }
    }
}
