//! Fetching from the hub, file by file. What a lost connection leaves behind is gone on with the
//! next time; it never counts as a file.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use hf_hub::api::Progress;
use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};
use serde::Deserialize;

use super::Hub;
use super::cache::{ADAPTER, CONFIG, layout, snapshot};
use crate::models::error::LoadError;
use crate::models::load::shards;
use crate::models::spec::HubSpec;
use crate::models::watch::{Doing, Meter, Watch};

/// Files that say more about a model and may be missing.
const EXTRAS: [&str; 5] = [
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "generation_config.json",
];

/// How often a connection that is lost in mid-file is taken up again.
const ATTEMPTS: usize = 3;

/// Fetches the files of `spec` that the cache does not have.
///
/// # Errors
/// [`LoadError::Fetch`] with the reason and what to do.
pub(super) fn fetch(hub: &Hub, spec: &HubSpec, watch: &Watch) -> Result<(), LoadError> {
    let repo = Remote::open(hub, spec).map_err(|e| told(hub, spec, &e))?;
    let sizes = repo.sizes().map_err(|e| told(hub, spec, &e))?;
    let name = spec.to_string();
    let get = |files: &[String]| -> Result<(), LoadError> {
        let total = files.iter().filter_map(|f| sizes.get(f)).sum();
        let meter = Meter::start(watch, Doing::Fetching, &name, total);
        let mut each = files.iter().map(|file| repo.get(file, &meter));
        each.try_for_each(|done| done.map_err(|e| told(hub, spec, &e)))
    };
    let first = first_files(spec, &sizes)?;
    get(&first)?;
    match first.iter().find(|file| file.ends_with(".index.json")) {
        Some(index) => get(&shards_of(hub, spec, index)?),
        None => Ok(()),
    }
}

/// The parts that an index names.
fn shards_of(hub: &Hub, spec: &HubSpec, index: &str) -> Result<Vec<String>, LoadError> {
    let names = shards(&snapshot(&hub.cache, spec).join(index))?;
    Ok(names.into_iter().collect())
}

/// What there is to fetch before an index can be read.
fn first_files(spec: &HubSpec, there: &BTreeMap<String, u64>) -> Result<Vec<String>, LoadError> {
    let has = |name: &str| there.contains_key(name);
    if let Some(file) = &spec.file {
        return match has(file) {
            true => Ok(vec![file.clone()]),
            false => Err(unusable(spec, &format!("it has no file '{file}'"), there)),
        };
    }
    if has(ADAPTER[0]) && !has(CONFIG) {
        return Ok(ADAPTER.map(str::to_owned).to_vec());
    }
    let mut files = layout(has);
    if let Some(missing) = files.iter().find(|name| !has(name)) {
        return Err(unusable(spec, &format!("it has no {missing}"), there));
    }
    let extras = EXTRAS.into_iter().filter(|name| has(name));
    // Weights come last: with them a model counts as complete.
    let weights = files.len().saturating_sub(1);
    files.splice(weights..weights, extras);
    Ok(files.into_iter().map(str::to_owned).collect())
}

/// A model that the hub has in a form that cannot be run.
fn unusable(spec: &HubSpec, reason: &str, there: &BTreeMap<String, u64>) -> LoadError {
    let ggufs = there.keys().filter(|name| name.ends_with(".gguf"));
    let ggufs: Vec<String> = ggufs
        .map(|name| format!("hf:{}:{name}", spec.repo))
        .collect();
    LoadError::Fetch {
        spec: spec.to_string(),
        reason: reason.to_owned(),
        advice: match ggufs.is_empty() {
            true => "choose a model with safetensors or pytorch_model.bin, and tokenizer.json or \
                     vocab.json, or a GGUF file"
                .to_owned(),
            false => format!("choose {}", ggufs.join(" or ")),
        },
    }
}

/// A model's repository on the hub.
struct Remote {
    repo: ApiRepo,
    /// Where files of this model are kept in the cache, by what the hub calls their content.
    blobs: PathBuf,
}

/// Why a file did not come.
enum Failure {
    Api(ApiError),
    /// Fewer or more bytes than the hub has promised.
    Cut {
        file: String,
        got: u64,
        of: u64,
    },
    /// A name that leads out of the cache.
    Name(String),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

#[derive(Deserialize)]
struct Listing {
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
}

impl Remote {
    fn open(hub: &Hub, spec: &HubSpec) -> Result<Self, Failure> {
        let cache = Cache::new(hub.cache.clone());
        let api = ApiBuilder::from_cache(cache)
            .with_endpoint(hub.endpoint.clone())
            .with_token(hub.token.clone())
            .with_progress(false)
            .build()?;
        let name = spec.repo.clone();
        let repo = Repo::with_revision(name, RepoType::Model, spec.revision.clone());
        Ok(Self {
            blobs: hub.cache.join(repo.folder_name()).join("blobs"),
            repo: api.repo(repo),
        })
    }

    /// All files with their sizes in bytes.
    fn sizes(&self) -> Result<BTreeMap<String, u64>, Failure> {
        let request = self.repo.info_request().query("blobs", "true");
        let listing = request
            .call()
            .and_then(|mut answer| answer.body_mut().read_json::<Listing>());
        let listing = listing.map_err(|e| ApiError::RequestError(Box::new(e)))?;
        let sized = |s: Sibling| (s.rfilename, s.size.unwrap_or(0));
        Ok(listing.siblings.into_iter().map(sized).collect())
    }

    /// Fetches one file, or the rest of it.
    fn get(&self, file: &str, meter: &Meter<'_>) -> Result<(), Failure> {
        if !is_inside(file) {
            return Err(Failure::Name(file.to_owned()));
        }
        let mut outcome = self.attempt(file, meter);
        for _ in 1..ATTEMPTS {
            match &outcome {
                Err(Failure::Api(error)) if is_passing(error) => {
                    outcome = self.attempt(file, meter);
                }
                _ => break,
            }
        }
        if matches!(&outcome, Err(Failure::Api(ApiError::IoError(e))) if is_full(e)) {
            // A full disk is no place for half a file.
            self.drop_parts();
        }
        outcome
    }

    fn attempt(&self, file: &str, meter: &Meter<'_>) -> Result<(), Failure> {
        let mut counted = Counted { meter, size: 0 };
        let path = self.repo.download_with_progress(file, &mut counted)?;
        let of = counted.size;
        match fs::metadata(&path).map(|m| m.len()).unwrap_or(0) {
            got if got == of => Ok(()),
            got => {
                let blob = fs::canonicalize(&path);
                let _ = fs::remove_file(&path);
                let _ = blob.and_then(fs::remove_file);
                let file = file.to_owned();
                Err(Failure::Cut { file, got, of })
            }
        }
    }

    fn drop_parts(&self) {
        let entries = fs::read_dir(&self.blobs).into_iter().flatten().flatten();
        for path in entries.map(|e| e.path()) {
            if path.extension().is_some_and(|e| e == "part") {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// Counts one file's bytes into a meter.
struct Counted<'a> {
    meter: &'a Meter<'a>,
    /// Of the file, as the hub says.
    size: u64,
}

impl Progress for &mut Counted<'_> {
    fn init(&mut self, size: usize, _: &str) {
        self.size = size as u64;
    }

    fn update(&mut self, size: usize) {
        self.meter.add(size as u64);
    }

    fn finish(&mut self) {}
}

/// A plain path below the folder that it is joined to.
fn is_inside(file: &str) -> bool {
    let mut parts = Path::new(file).components();
    !file.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// Whether it may go better the next time, from where it stopped.
fn is_passing(error: &ApiError) -> bool {
    match error {
        ApiError::IoError(e) => matches!(
            e.kind(),
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::TimedOut
        ),
        ApiError::RequestError(e) => matches!(**e, ureq::Error::StatusCode(500..)),
        _ => false,
    }
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

/// A failure in words, with what to do.
fn told(hub: &Hub, spec: &HubSpec, failure: &Failure) -> LoadError {
    let (reason, advice) = match failure {
        Failure::Api(ApiError::RequestError(error)) => refused(hub, spec, error),
        Failure::Api(ApiError::IoError(error)) => broken_off(hub, error),
        Failure::Api(ApiError::LockAcquisition(_)) => (
            "another program is fetching it".to_owned(),
            "try again when it is done".to_owned(),
        ),
        Failure::Api(error) => (
            format!("{} answers strangely: {error}", hub.endpoint),
            "look at HF_ENDPOINT, or try again".to_owned(),
        ),
        Failure::Cut { file, got, of } => (
            format!("{got} of {of} bytes of {file} came"),
            "try again".to_owned(),
        ),
        Failure::Name(file) => (
            format!("its file name {file:?} leads out of the cache"),
            "do not use this model".to_owned(),
        ),
    };
    LoadError::Fetch {
        spec: spec.to_string(),
        reason,
        advice,
    }
}

fn refused(hub: &Hub, spec: &HubSpec, error: &ureq::Error) -> (String, String) {
    let host = &hub.endpoint;
    match error {
        ureq::Error::StatusCode(401 | 403) => (
            format!("{host} has no such model, or does not let you have it"),
            format!(
                "look at its name, or ask for access at {host}/{} and set HF_TOKEN",
                spec.repo
            ),
        ),
        ureq::Error::StatusCode(404) => (
            format!("{host} has no such model or revision"),
            "look at its name".to_owned(),
        ),
        ureq::Error::StatusCode(code) => (
            format!("{host} answers with status {code}"),
            "try again later".to_owned(),
        ),
        error => (
            format!("no connection to {host}: {error}"),
            "look at the network, or choose a model that is here".to_owned(),
        ),
    }
}

fn broken_off(hub: &Hub, error: &std::io::Error) -> (String, String) {
    let cache = hub.cache.display();
    match error.kind() {
        _ if is_full(error) => (
            format!("there is no room left in {cache}"),
            "free some, or set HF_HUB_CACHE to another disk".to_owned(),
        ),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotADirectory => (
            format!("{cache} cannot be written: {error}"),
            "set HF_HUB_CACHE to a folder of your own".to_owned(),
        ),
        _ => (
            format!("the connection was lost: {error}"),
            "try again, it goes on from there".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_of_the_cache_are_refused() {
        assert!(is_inside("model.safetensors") && is_inside("onnx/model.bin"));
        for name in ["", "../x", "/etc/passwd", "a/../../b"] {
            assert!(!is_inside(name), "{name}");
        }
    }
}
