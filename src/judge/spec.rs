//! Names of judges, as users write them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::JudgeError;
use crate::models::{HubSpec, ModelSpec};

/// Which judge: `bundled`, `length`, `lexicon:FILE`, `cmd:SHELL`,
/// `hf:owner/name[@revision][:LABEL]` or `FOLDER[:LABEL]`; LABEL is a label or `LABEL-LABEL`,
/// the difference of two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgeSpec {
    text: String,
    pub(super) kind: Kind,
}

/// What a SPEC names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Bundled,
    Length,
    Lexicon(PathBuf),
    Command(String),
    Classifier {
        /// A folder or a model of the hub.
        place: ModelSpec,
        label: Option<String>,
    },
}

impl JudgeSpec {
    /// The judge that comes with the program.
    #[must_use]
    pub fn bundled() -> Self {
        Self {
            text: "bundled".to_owned(),
            kind: Kind::Bundled,
        }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for JudgeSpec {
    type Err = JudgeError;

    fn from_str(text: &str) -> Result<Self, JudgeError> {
        let kind = match text.split_once(':') {
            None if text == "bundled" => Kind::Bundled,
            None if text == "length" => Kind::Length,
            Some(("lexicon", file)) if !file.is_empty() => Kind::Lexicon(file.into()),
            Some(("cmd", shell)) if !shell.trim().is_empty() => Kind::Command(shell.to_owned()),
            Some(("hf", name)) if !name.is_empty() => on_the_hub(name),
            _ => in_a_folder(text).ok_or_else(|| JudgeError::Unknown(text.to_owned()))?,
        };
        Ok(Self {
            text: text.to_owned(),
            kind,
        })
    }
}

impl fmt::Display for JudgeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn on_the_hub(name: &str) -> Kind {
    let (name, label) = match name.split_once(':') {
        Some((name, label)) => (name, Some(label.to_owned())),
        None => (name, None),
    };
    let (repo, revision) = name.split_once('@').unwrap_or((name, "main"));
    let place = ModelSpec::Hub(HubSpec {
        repo: repo.to_owned(),
        revision: revision.to_owned(),
        file: None,
    });
    Kind::Classifier { place, label }
}

/// A folder that is there, with or without a label behind it.
fn in_a_folder(text: &str) -> Option<Kind> {
    let folder = |path: &str| {
        Path::new(path)
            .is_dir()
            .then(|| ModelSpec::Folder(path.into()))
    };
    if let Some(place) = folder(text) {
        return Some(Kind::Classifier { place, label: None });
    }
    let (path, label) = text.rsplit_once(':')?;
    Some(Kind::Classifier {
        place: folder(path)?,
        label: Some(label.to_owned()),
    })
}

/// Which of a classifier's logits are the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick {
    One(usize),
    /// The first less the second.
    Difference(usize, usize),
}

impl Pick {
    /// What `label` means among `labels`; a classifier of one label needs none.
    ///
    /// # Errors
    /// A label that is not there; none where there are several.
    pub fn new(judge: &str, label: Option<&str>, labels: &[String]) -> Result<Self, JudgeError> {
        let Some(label) = label else {
            return match labels {
                [_] => Ok(Self::One(0)),
                _ => Err(no_label(judge, labels)),
            };
        };
        let find = |name: &str| labels.iter().position(|label| label == name);
        let one = find(label).map(Self::One);
        // A label may have dashes of its own: the first that parts two labels counts.
        let mut dashes = label.match_indices('-');
        let difference =
            |(i, _)| Some(Self::Difference(find(&label[..i])?, find(&label[i + 1..])?));
        let pick = one.or_else(|| dashes.find_map(difference));
        pick.ok_or_else(|| JudgeError::Label {
            judge: judge.to_owned(),
            label: label.to_owned(),
            known: listed(labels),
        })
    }

    /// # Errors
    /// Fewer logits than there are labels.
    pub fn score(self, logits: &[f32]) -> Result<f64, JudgeError> {
        let of = |i: usize| {
            let missing = || JudgeError::Failed(format!("it gave {} logits", logits.len()));
            logits.get(i).map(|l| f64::from(*l)).ok_or_else(missing)
        };
        match self {
            Self::One(i) => of(i),
            Self::Difference(i, j) => Ok(of(i)? - of(j)?),
        }
    }
}

fn no_label(judge: &str, labels: &[String]) -> JudgeError {
    let name = |label: Option<&String>| label.map_or("", String::as_str).to_owned();
    JudgeError::NoLabel {
        judge: judge.to_owned(),
        known: listed(labels),
        example: format!("{}-{}", name(labels.last()), name(labels.first())),
    }
}

/// The first labels, which are most often all.
fn listed(labels: &[String]) -> String {
    const MOST: usize = 12;
    let shown = labels[..labels.len().min(MOST)].join(", ");
    match labels.len() > MOST {
        true => format!("{shown}, … ({} in all)", labels.len()),
        false => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(text: &str) -> (HubSpec, Option<String>) {
        let spec: JudgeSpec = text.parse().unwrap();
        assert_eq!(spec.to_string(), text);
        match spec.kind {
            Kind::Classifier {
                place: ModelSpec::Hub(place),
                label,
            } => (place, label),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn specs_are_read() {
        let (place, label) = hub("hf:lvwerra/distilbert-imdb:POSITIVE-NEGATIVE");
        assert_eq!(
            (place.repo.as_str(), place.revision.as_str()),
            ("lvwerra/distilbert-imdb", "main")
        );
        assert_eq!(label.as_deref(), Some("POSITIVE-NEGATIVE"));
        let (place, label) = hub("hf:o/n@v1");
        assert_eq!((place.revision.as_str(), label), ("v1", None));
        let kind = |text: &str| text.parse::<JudgeSpec>().map(|spec| spec.kind);
        assert_eq!(kind("bundled"), Ok(Kind::Bundled));
        assert_eq!(
            kind("cmd:wc -c: x"),
            Ok(Kind::Command("wc -c: x".to_owned()))
        );
        assert_eq!(kind("lexicon:a:b"), Ok(Kind::Lexicon("a:b".into())));
        for text in ["", "bundle", "cmd: ", "lexicon:", "hf:", "no/such/folder:A"] {
            assert_eq!(kind(text), Err(JudgeError::Unknown(text.to_owned())));
        }
    }

    #[test]
    fn folders_have_labels_behind_them() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().to_str().unwrap();
        let label = |text: String| match text.parse::<JudgeSpec>().unwrap().kind {
            Kind::Classifier { label, .. } => label,
            other => panic!("{other:?}"),
        };
        assert_eq!(label(path.to_owned()), None);
        assert_eq!(label(format!("{path}:A-B")), Some("A-B".to_owned()));
        std::fs::create_dir(root.path().join("x:y")).unwrap();
        assert_eq!(label(format!("{path}/x:y")), None);
    }

    #[test]
    fn labels_are_found_with_their_dashes() {
        let labels = ["NON-TOXIC", "TOXIC"].map(str::to_owned);
        let pick = |label| Pick::new("j", label, &labels);
        assert_eq!(pick(Some("NON-TOXIC")), Ok(Pick::One(0)));
        assert_eq!(pick(Some("TOXIC-NON-TOXIC")), Ok(Pick::Difference(1, 0)));
        assert_eq!(pick(Some("NON-TOXIC-TOXIC")), Ok(Pick::Difference(0, 1)));
        let told = pick(None).unwrap_err().to_string();
        assert!(told.contains("TOXIC-NON-TOXIC"), "{told}");
        let told = pick(Some("toxic")).unwrap_err().to_string();
        assert!(
            told.contains("no label 'toxic'") && told.contains("NON-TOXIC, TOXIC"),
            "{told}"
        );
        assert_eq!(Pick::new("j", None, &labels[..1]), Ok(Pick::One(0)));
        assert_eq!(Pick::Difference(1, 0).score(&[0.5, 2.0]), Ok(1.5));
        assert!(Pick::One(2).score(&[0.5, 2.0]).is_err());
    }
}
