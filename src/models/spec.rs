//! Names of models and of weak pairs, as users write them.

use std::fmt;
use std::path::{Path, PathBuf};

use super::bundled;
use super::error::LoadError;
use super::files;
use super::presets::presets;

/// Where a model comes from: `bundled:NAME`, a folder in HF layout, a GGUF file, `BASE+ADAPTER`,
/// `hf:owner/name[@revision][:file]`, or the name of a preset. The name of a bundled model will do
/// alone, where no folder is called so.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ModelSpec {
    Bundled(String),
    Folder(PathBuf),
    Gguf(PathBuf),
    /// A LoRA adapter's folder on top of a model.
    Adapted {
        base: Box<ModelSpec>,
        adapter: AdapterSpec,
    },
    Hub(HubSpec),
}

/// An adapter: its folder, or one in the binary.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AdapterSpec {
    Folder(PathBuf),
    Bundled(String),
}

impl fmt::Display for AdapterSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Bundled(name) => write!(f, "bundled:{name}"),
        }
    }
}

/// A model on the Hugging Face hub.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HubSpec {
    /// `owner/name`
    pub repo: String,
    /// A branch, tag or commit.
    pub revision: String,
    /// A GGUF file in it.
    pub file: Option<String>,
}

impl ModelSpec {
    #[must_use]
    pub fn parse(spec: &str) -> Self {
        let bundled = spec.strip_prefix("bundled:");
        if let Some(name) = bundled.filter(|name| !name.contains('+')) {
            return Self::Bundled(name.to_owned());
        }
        if Path::new(spec).exists() {
            return Self::local(spec);
        }
        if let Some((base, adapter)) = spec.rsplit_once('+') {
            return Self::Adapted {
                base: Box::new(Self::parse(base)),
                adapter: AdapterSpec::Folder(PathBuf::from(adapter)),
            };
        }
        if let Some(spec) = spec.strip_prefix("hf:") {
            return Self::Hub(HubSpec::parse(spec));
        }
        match presets().strong(spec) {
            Some(preset) => Self::parse(&preset.model),
            None if bundled::is_there(spec) => Self::Bundled(spec.to_owned()),
            None => Self::local(spec),
        }
    }

    /// The same model, its paths absolute and without links, so that one model is told from
    /// another however it is written.
    pub(crate) fn canonical(&self) -> Self {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        match self {
            Self::Folder(path) => Self::Folder(real(path)),
            Self::Gguf(path) => Self::Gguf(real(path)),
            Self::Adapted { base, adapter } => Self::Adapted {
                base: Box::new(base.canonical()),
                adapter: match adapter {
                    AdapterSpec::Folder(path) => AdapterSpec::Folder(real(path)),
                    bundled @ AdapterSpec::Bundled(_) => bundled.clone(),
                },
            },
            Self::Bundled(_) | Self::Hub(_) => self.clone(),
        }
    }

    /// As it can be parsed wherever it stands; alone, a bundled model is called by its bare name.
    pub(crate) fn in_full(&self) -> String {
        match self {
            Self::Bundled(name) => format!("bundled:{name}"),
            other => other.to_string(),
        }
    }

    fn local(spec: &str) -> Self {
        if !spec.to_lowercase().ends_with(".gguf") {
            return Self::Folder(PathBuf::from(spec));
        }
        // `folder:file` where there is no file of that whole name.
        match spec.rsplit_once(':') {
            Some((folder, file)) if !Path::new(spec).exists() => {
                Self::Gguf(Path::new(folder).join(file))
            }
            _ => Self::Gguf(PathBuf::from(spec)),
        }
    }
}

impl HubSpec {
    fn parse(spec: &str) -> Self {
        let (spec, file) = match spec.split_once(':') {
            Some((spec, file)) => (spec, Some(file.to_owned())),
            None => (spec, None),
        };
        let (repo, revision) = spec.split_once('@').unwrap_or((spec, "main"));
        Self {
            repo: repo.to_owned(),
            revision: revision.to_owned(),
            file,
        }
    }
}

impl fmt::Display for ModelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundled(name) => f.write_str(name),
            Self::Folder(path) | Self::Gguf(path) => path.display().fmt(f),
            Self::Adapted { base, adapter } => {
                write!(f, "{}+{adapter}", base.in_full())
            }
            Self::Hub(spec) => spec.fmt(f),
        }
    }
}

impl fmt::Display for HubSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hf:{}", self.repo)?;
        if self.revision != "main" {
            write!(f, "@{}", self.revision)?;
        }
        match &self.file {
            Some(file) => write!(f, ":{file}"),
            None => Ok(()),
        }
    }
}

/// Which two models make a weak pair: the name of a bundled pair or of a preset, a folder that
/// `w2s tune` wrote, or `TUNED,UNTUNED`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PairSpec {
    pub tuned: ModelSpec,
    pub untuned: ModelSpec,
}

impl PairSpec {
    /// # Errors
    /// A single word that is no bundled pair.
    pub fn parse(spec: &str) -> Result<Self, LoadError> {
        if let Some((tuned, untuned)) = spec.split_once(',') {
            return Ok(Self {
                tuned: ModelSpec::parse(tuned.trim()),
                untuned: ModelSpec::parse(untuned.trim()),
            });
        }
        if let Some(preset) = presets().pair(spec) {
            return Ok(Self {
                tuned: ModelSpec::parse(&preset.tuned),
                untuned: ModelSpec::parse(&preset.untuned),
            });
        }
        if let Some(untuned) = tuned_from(Path::new(spec))? {
            return Ok(Self {
                tuned: ModelSpec::parse(spec),
                untuned: ModelSpec::parse(&untuned),
            });
        }
        let name = spec.strip_prefix("bundled:").unwrap_or(spec);
        if !bundled::PAIRS.contains(&name) {
            return Err(LoadError::Unknown {
                kind: "weak pair",
                name: name.to_owned(),
                known: format!(
                    "{}, a preset that `w2s models` lists, or give two models: TUNED,UNTUNED",
                    bundled::PAIRS.join(", ")
                ),
            });
        }
        Ok(Self {
            tuned: ModelSpec::Bundled(name.to_owned()),
            untuned: ModelSpec::Bundled(bundled::UNTUNED.to_owned()),
        })
    }
}

/// The model that the one in a folder was tuned from, where the folder says so.
fn tuned_from(folder: &Path) -> Result<Option<String>, LoadError> {
    let card = folder.join("w2s.json");
    if !files::is_there(&card).unwrap_or(false) {
        return Ok(None);
    }
    let broken = |source| LoadError::File {
        path: card.clone(),
        source,
    };
    let text = files::text(&card).map_err(broken)?;
    let card: serde_json::Value = serde_json::from_str(&text).map_err(|e| broken(e.into()))?;
    Ok(card["base"].as_str().map(str::to_owned))
}

impl fmt::Display for PairSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let halves = [&self.tuned, &self.untuned].map(ToString::to_string);
        let mut all = presets().pair.iter();
        if let Some(preset) = all.find(|p| p.tuned == halves[0] && p.untuned == halves[1]) {
            return f.write_str(&preset.name);
        }
        match (&self.tuned, &self.untuned) {
            (ModelSpec::Bundled(tuned), ModelSpec::Bundled(untuned))
                if untuned == bundled::UNTUNED =>
            {
                f.write_str(tuned)
            }
            (tuned, untuned) => write!(f, "{},{}", tuned.in_full(), untuned.in_full()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_mean_what_they_say() {
        let gguf = |path: &str| ModelSpec::Gguf(PathBuf::from(path));
        assert_eq!(
            ModelSpec::parse("bundled:strong"),
            ModelSpec::Bundled("strong".into())
        );
        assert_eq!(
            ModelSpec::parse("craft"),
            ModelSpec::Bundled("craft".into())
        );
        assert_eq!(ModelSpec::parse("a/b"), ModelSpec::Folder("a/b".into()));
        assert_eq!(ModelSpec::parse("a/b.gguf"), gguf("a/b.gguf"));
        assert_eq!(ModelSpec::parse("a:b.GGUF"), gguf("a/b.GGUF"));
        let ModelSpec::Adapted { base, adapter } = ModelSpec::parse("hf:o/n+lora") else {
            panic!("not an adapter")
        };
        assert_eq!(
            (base.to_string().as_str(), adapter),
            ("hf:o/n", AdapterSpec::Folder("lora".into()))
        );
    }

    #[test]
    fn specs_in_others_are_written_as_they_are_read() {
        for text in ["bundled:strong+lora", "hf:o/n+lora", "a/b.gguf+lora+lora"] {
            assert_eq!(ModelSpec::parse(text).to_string(), text);
            let pair = format!("{text},bundled:untuned");
            assert_eq!(PairSpec::parse(&pair).unwrap().to_string(), pair);
        }
        let pair = PairSpec::parse("positive").unwrap();
        assert_eq!(pair.to_string(), "positive");
    }

    #[test]
    fn hub_specs_are_read_and_written() {
        for text in ["hf:o/n", "hf:o/n@v1", "hf:o/n:m.gguf", "hf:o/n@v1:m.gguf"] {
            assert_eq!(ModelSpec::parse(text).to_string(), text);
        }
    }
}
