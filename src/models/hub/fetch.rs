//! Fetching from the hub, file by file. What a lost connection leaves behind is gone on with the
//! next time; it never counts as a file.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::Hub;
use super::cache::{adapter, layout};
use super::client::Client;
use super::failure::Failure;
use super::names::{Plain, leads_down};
use super::store::{Blob, Store};
use crate::models::error::LoadError;
use crate::models::files;
use crate::models::gguf::parts;
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

/// More bytes than the list of a model's files has.
const LONGEST_LIST: u64 = 1 << 25;

/// What stands in an address as it is.
const AS_IT_IS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// Fetches the files of `spec` that the cache does not have.
///
/// # Errors
/// [`LoadError::Fetch`] with the reason and what to do.
pub(super) fn fetch(hub: &Hub, spec: &HubSpec, watch: &Watch) -> Result<(), LoadError> {
    let in_words = |failure: Failure| failure.told(hub, spec);
    let mut remote = Remote::open(hub, spec).map_err(in_words)?;
    let name = spec.to_string();
    let get = |remote: &mut Remote, files: &[String]| -> Result<(), LoadError> {
        let total = files.iter().filter_map(|file| remote.sizes.get(file));
        let total = total.fold(0, |sum: u64, size| sum.saturating_add(*size));
        let meter = Meter::start(watch, Doing::Fetching, &name, total);
        let mut each = files.iter().map(|file| remote.get(file, &meter));
        each.try_for_each(|done| done.map_err(in_words))
    };
    let first = first_files(spec, &remote.sizes)?;
    get(&mut remote, &first)?;
    if let Some(index) = first.iter().find(|file| file.ends_with(".index.json")) {
        let parts = shards(&remote.snapshot().map_err(in_words)?.join(index))?;
        get(&mut remote, &parts.into_iter().collect::<Vec<_>>())?;
    }
    // Only now: what was whole before stays in use until this is.
    remote.note().map_err(in_words)
}

/// What there is to fetch before an index can be read.
fn first_files(spec: &HubSpec, there: &BTreeMap<String, u64>) -> Result<Vec<String>, LoadError> {
    let has = |name: &str| there.contains_key(name);
    if let Some(file) = &spec.file {
        let files = parts::all(file);
        return match files.iter().find(|file| !has(file)) {
            None => Ok(files),
            Some(file) => Err(unusable(spec, &format!("it has no file '{file}'"), there)),
        };
    }
    if let Some(files) = adapter(has) {
        return Ok(files.map(str::to_owned).to_vec());
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
    let ggufs = there
        .keys()
        .filter(|name| name.ends_with(".gguf") && !parts::is_later(name));
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

/// A model's repository on the hub, and in the cache.
struct Remote {
    client: Client,
    store: Store,
    /// Of files; the name goes behind it.
    address: String,
    revision: String,
    /// What the revision is, as soon as the hub has said so.
    commit: Option<Plain>,
    /// Of all files, in bytes.
    sizes: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Listing {
    sha: Option<String>,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
}

impl Remote {
    /// Asks what there is.
    fn open(hub: &Hub, spec: &HubSpec) -> Result<Self, Failure> {
        let client = Client::new(hub)?;
        let host = hub.endpoint.trim_end_matches('/');
        let (repo, revision) = (encoded(&spec.repo), encoded_whole(&spec.revision));
        let list = format!("{host}/api/models/{repo}/revision/{revision}?blobs=true");
        let list = client.document(&list, LONGEST_LIST)?;
        let list: Listing = serde_json::from_slice(&list)
            .map_err(|_| Failure::strange("its list of files cannot be read"))?;
        let commit = list.sha.map(|sha| {
            let name = || Failure::Name("commit", sha.clone());
            Plain::new(&sha).ok_or_else(name)
        });
        let sized = |s: Sibling| (s.rfilename, s.size.unwrap_or(0));
        Ok(Self {
            client,
            store: Store::new(&hub.cache, spec),
            address: format!("{host}/{repo}/resolve/{revision}/"),
            revision: spec.revision.clone(),
            commit: commit.transpose()?,
            sizes: list.siblings.into_iter().map(sized).collect(),
        })
    }

    fn commit(&self) -> Result<&Plain, Failure> {
        let unsaid = || Failure::strange("it does not say which commit that is");
        self.commit.as_ref().ok_or_else(unsaid)
    }

    fn snapshot(&self) -> Result<PathBuf, Failure> {
        Ok(self.store.snapshot(self.commit()?))
    }

    fn note(&self) -> Result<(), Failure> {
        Ok(self.store.note(&self.revision, self.commit()?)?)
    }

    /// Fetches one file, or the rest of it, unless it is there.
    fn get(&mut self, file: &str, meter: &Meter<'_>) -> Result<(), Failure> {
        if !leads_down(file) {
            return Err(Failure::Name("file", file.to_owned()));
        }
        let listed = self.sizes.get(file).copied();
        if let (Some(commit), Some(size)) = (&self.commit, listed)
            && self.store.has(commit, file, size)
        {
            meter.add(size);
            return Ok(());
        }
        let address = format!("{}{}", self.address, encoded(file));
        let about = again(|| self.client.about(&address))?;
        match (&self.commit, about.commit) {
            (Some(known), Some(told)) if *known != told => return Err(Failure::Moved),
            (None, told) => self.commit = told,
            _ => {}
        }
        let unsaid = || Failure::strange("it does not say how large a file is");
        let size = about.size.or(listed).ok_or_else(unsaid)?;
        let blob = self.store.blob(&about.blob)?.ok_or(Failure::Busy)?;
        self.fill(&blob, &address, (file, size), meter)?;
        Ok(self.store.link(self.commit()?, file, &blob)?)
    }

    /// Makes a blob whole.
    fn fill(
        &self,
        blob: &Blob,
        address: &str,
        (file, size): (&str, u64),
        meter: &Meter<'_>,
    ) -> Result<(), Failure> {
        if files::size(&blob.whole).is_ok_and(|there| there == size) {
            meter.add(size);
            return Ok(());
        }
        let mut download = Download::open(blob, size, meter)?;
        let outcome = again(|| download.go_on(&self.client, address));
        let outcome = outcome.and_then(|()| download.finish(blob, file));
        // A full disk is no place for half a file, and too much of one is none at all.
        if matches!(&outcome, Err(f) if f.is_full() || matches!(f, Failure::Cut { .. })) {
            let _ = files::remove(&blob.part);
        }
        outcome
    }
}

/// Tries what may go better the next time.
fn again<T>(mut attempt: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(failure) if failure.is_passing() => {}
            outcome => return outcome,
        }
    }
    attempt()
}

/// A file on its way.
struct Download<'a> {
    part: File,
    /// Bytes that are there.
    got: u64,
    /// Bytes that were promised.
    size: u64,
    meter: &'a Meter<'a>,
}

impl<'a> Download<'a> {
    fn open(blob: &Blob, size: u64, meter: &'a Meter<'a>) -> Result<Self, Failure> {
        let (part, got) = files::append(&blob.part)?;
        let mut download = Self {
            part,
            got,
            size,
            meter,
        };
        match got > size {
            true => download.start_over()?,
            false => meter.add(got),
        }
        let needed = size - download.got;
        match blob.room().filter(|free| *free < needed) {
            Some(free) => Err(Failure::NoRoom { needed, free }),
            None => Ok(download),
        }
    }

    fn start_over(&mut self) -> Result<(), Failure> {
        files::empty(&self.part)?;
        self.got = 0;
        Ok(())
    }

    /// Reads what is missing, and one byte more to see a server that does not stop.
    fn go_on(&mut self, client: &Client, address: &str) -> Result<(), Failure> {
        if self.got == self.size {
            return Ok(());
        }
        let content = client.content(address, self.got)?;
        match content.from {
            from if from == self.got => {}
            0 => self.start_over()?,
            _ => return Err(Failure::strange("it sends another part than was asked for")),
        }
        let missing = (self.size - self.got).saturating_add(1);
        client.read(content, missing, |bytes| self.take(bytes))?;
        match self.got < self.size {
            true => Err(Failure::Lost("it ended early".to_owned())),
            false => Ok(()),
        }
    }

    /// Keeps bytes, but none beyond the promised size.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.meter.check().map_err(|_| Failure::Stopped)?;
        let n = usize::try_from(self.size.saturating_sub(self.got)).unwrap_or(usize::MAX);
        files::write(&self.part, &bytes[..n.min(bytes.len())])?;
        self.got += bytes.len() as u64;
        self.meter.add(bytes.len() as u64);
        Ok(())
    }

    fn finish(&self, blob: &Blob, file: &str) -> Result<(), Failure> {
        if self.got != self.size {
            let (got, of, file) = (self.got, self.size, file.to_owned());
            return Err(Failure::Cut { file, got, of });
        }
        files::sync(&self.part)?;
        Ok(files::put(&blob.part, &blob.whole)?)
    }
}

/// A path as a part of an address.
fn encoded(path: &str) -> String {
    let parts = path.split('/').map(encoded_whole);
    parts.collect::<Vec<_>>().join("/")
}

/// A name as one part of an address, whatever is in it.
fn encoded_whole(name: &str) -> String {
    utf8_percent_encode(name, AS_IT_IS).to_string()
}
