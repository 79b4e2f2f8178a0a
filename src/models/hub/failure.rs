//! Why a model does not come, in words.

use std::io::{self, ErrorKind};

use super::Hub;
use crate::models::error::LoadError;
use crate::models::spec::HubSpec;

#[derive(Debug)]
pub(super) enum Failure {
    /// `HF_ENDPOINT` is no address.
    Endpoint,
    /// The token has characters that no token has.
    Token,
    /// No connection.
    Unreachable(String),
    /// Nothing came for too long, or next to nothing.
    Silent,
    /// A connection that broke.
    Lost(String),
    Status(u16),
    /// An answer that makes no sense.
    Strange(&'static str),
    /// More or fewer bytes than were promised.
    Cut {
        file: String,
        got: u64,
        of: u64,
    },
    /// What is named, and a name that leads out of the cache.
    Name(&'static str, String),
    /// Another commit than that of the files before.
    Moved,
    /// Another program is fetching the same.
    Busy,
    /// More bytes are to come than the disk has room for.
    NoRoom {
        needed: u64,
        free: u64,
    },
    /// The cache cannot be written.
    Cache(io::Error),
    /// Nobody wants it any more. What has come stays, to be gone on with.
    Stopped,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Cache(error)
    }
}

impl Failure {
    pub(super) fn strange(what: &'static str) -> Self {
        Self::Strange(what)
    }

    /// Whether it may go better the next time, from where it stopped.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Silent | Self::Status(500..))
    }

    /// Whether a disk has no room.
    pub(super) fn is_full(&self) -> bool {
        let Self::Cache(error) = self else {
            return false;
        };
        matches!(
            error.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
        )
    }

    /// In words, with what to do.
    pub(super) fn told(&self, hub: &Hub, spec: &HubSpec) -> LoadError {
        if matches!(self, Self::Stopped) {
            return LoadError::Stopped;
        }
        let (reason, advice) = self.in_words(hub, spec);
        LoadError::Fetch {
            spec: spec.to_string(),
            reason,
            advice,
        }
    }

    fn in_words(&self, hub: &Hub, spec: &HubSpec) -> (String, String) {
        let host = &hub.endpoint;
        let said = |reason: String, advice: &str| (reason, advice.to_owned());
        match self {
            Self::Status(code) => refused(*code, host, spec),
            Self::Stopped => said("it was given up".to_owned(), "fetch it again"),
            Self::Cache(error) => self.unwritable(hub, error),
            Self::Endpoint => said(
                format!("{host:?} is no address of a hub"),
                "set HF_ENDPOINT to one that begins with https://",
            ),
            Self::Token => said(
                "its token has characters that no token has".to_owned(),
                "set HF_TOKEN again",
            ),
            Self::Unreachable(why) => said(
                format!("no connection to {host}: {why}"),
                "look at the network, or choose a model that is here",
            ),
            Self::Silent => said(
                format!("{host} sends nothing for {} s", hub.patience.as_secs_f64()),
                "try again, or set HF_HUB_DOWNLOAD_TIMEOUT to more seconds",
            ),
            Self::Lost(why) => said(
                format!("the connection was lost: {why}"),
                "try again, it goes on from there",
            ),
            Self::Strange(what) => said(
                format!("{host} answers strangely: {what}"),
                "look at HF_ENDPOINT, or try again",
            ),
            Self::Cut { file, got, of } => {
                said(format!("{got} of {of} bytes of {file} came"), "try again")
            }
            Self::Name(what, name) => said(
                format!("its {what}'s name {name:?} leads out of the cache"),
                "do not use this model",
            ),
            Self::Moved => said(
                "it was changed meanwhile".to_owned(),
                "try again for the new one",
            ),
            Self::NoRoom { needed, free } => said(
                format!(
                    "{needed} bytes are to come, and there is no room left for more than {free} in \
                     {}",
                    hub.cache.display()
                ),
                "free some, or set HF_HUB_CACHE to another disk",
            ),
            Self::Busy => said(
                "another program is fetching it".to_owned(),
                "try again when it is done",
            ),
        }
    }

    fn unwritable(&self, hub: &Hub, error: &io::Error) -> (String, String) {
        let cache = hub.cache.display();
        match self.is_full() {
            true => (
                format!("there is no room left in {cache}"),
                "free some, or set HF_HUB_CACHE to another disk".to_owned(),
            ),
            false => (
                format!("{cache} cannot be written: {error}"),
                "set HF_HUB_CACHE to a folder of your own".to_owned(),
            ),
        }
    }
}

fn refused(code: u16, host: &str, spec: &HubSpec) -> (String, String) {
    match code {
        401 | 403 => (
            format!("{host} has no such model, or does not let you have it"),
            format!(
                "look at its name, or ask for access at {host}/{} and set HF_TOKEN",
                spec.repo
            ),
        ),
        404 => (
            format!("{host} has no such model or revision"),
            "look at its name".to_owned(),
        ),
        code => (
            format!("{host} answers with status {code}"),
            "try again later".to_owned(),
        ),
    }
}
