//! What is said over the wire. Nothing of what a server says is believed: redirects are followed
//! by hand, and the token goes to the hub's own host alone; every wait has its end; no answer is
//! read beyond what it is good for.

use std::io::{self, ErrorKind, Read};
use std::time::{Duration, Instant};

use ureq::http::header::{AUTHORIZATION, CONTENT_RANGE, ETAG, HeaderValue, LOCATION, RANGE};
use ureq::http::{Response, StatusCode, Uri};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body};

use super::Hub;
use super::failure::Failure;
use super::lookup::Lookup;
use super::names::Plain;

/// More than one file has on its way to any hub's store.
const MAX_HOPS: usize = 10;

/// Less than this many bytes a second, over as long as a silence is borne, is no answer.
const LEAST_SPEED: f64 = 1000.0;

/// At most so many bytes are read at once.
const GULP: usize = 1 << 16;

pub(super) struct Client {
    agent: Agent,
    hub: Uri,
    token: Option<HeaderValue>,
    patience: Duration,
}

/// What a file is, as the hub says.
#[derive(Debug)]
pub(super) struct About {
    /// What its content is called.
    pub blob: Plain,
    pub commit: Option<Plain>,
    /// In bytes.
    pub size: Option<u64>,
}

/// The content of a file, or the rest of it.
pub(super) struct Content {
    body: Body,
    /// The byte it begins with.
    pub from: u64,
}

impl Client {
    /// # Errors
    /// An endpoint or a token that cannot be one.
    pub(super) fn new(hub: &Hub) -> Result<Self, Failure> {
        let uri: Uri = hub.endpoint.parse().map_err(|_| Failure::Endpoint)?;
        if !is_web(&uri) {
            return Err(Failure::Endpoint);
        }
        let token = hub.token.as_ref().map(|token| bearer(token)).transpose()?;
        Ok(Self {
            agent: agent(hub.patience),
            hub: uri,
            token,
            patience: hub.patience,
        })
    }

    /// A small document; no more than `limit` bytes of it.
    ///
    /// # Errors
    /// Whatever keeps it from coming.
    pub(super) fn document(&self, uri: &str, limit: u64) -> Result<Vec<u8>, Failure> {
        let answer = good(self.ask(&parsed(uri)?, None, |_| true)?)?;
        let mut body = answer.into_body().into_reader().take(limit + 1);
        let mut text = Vec::new();
        self.pour(&mut body, |bytes| {
            text.extend_from_slice(bytes);
            Ok(())
        })?;
        match text.len() as u64 > limit {
            true => Err(Failure::strange("its list of files has no end")),
            false => Ok(text),
        }
    }

    /// Asks for one byte of a file, to hear what it is.
    ///
    /// # Errors
    /// Whatever keeps it from coming; a file that is called by no plain name.
    pub(super) fn about(&self, uri: &str) -> Result<About, Failure> {
        // The hub names a file before it sends whoever asks to where its content is.
        let is_unnamed = |answer: &Response<Body>| etag(answer).is_none();
        let answer = self.ask(&parsed(uri)?, Some("bytes=0-0".to_owned()), is_unnamed)?;
        let is_empty = answer.status() == StatusCode::RANGE_NOT_SATISFIABLE;
        if !is_empty && !answer.status().is_redirection() && !answer.status().is_success() {
            return Err(Failure::Status(answer.status().as_u16()));
        }
        let name = etag(&answer).ok_or_else(|| Failure::strange("it does not name a file"))?;
        let blob = Plain::new(name).ok_or_else(|| Failure::Name("content", name.to_owned()))?;
        let commit = header(&answer, "x-repo-commit").map(|commit| {
            let name = || Failure::Name("commit", commit.to_owned());
            Plain::new(commit).ok_or_else(name)
        });
        Ok(About {
            blob,
            commit: commit.transpose()?,
            size: size(&answer),
        })
    }

    /// The content of a file from byte `from` on, or from its beginning where the server does
    /// not know of parts.
    ///
    /// # Errors
    /// Whatever keeps it from coming.
    pub(super) fn content(&self, uri: &str, from: u64) -> Result<Content, Failure> {
        let range = (from > 0).then(|| format!("bytes={from}-"));
        let answer = good(self.ask(&parsed(uri)?, range, |_| true)?)?;
        let from = match answer.status() {
            StatusCode::PARTIAL_CONTENT => begin(&answer).unwrap_or(from),
            _ => 0,
        };
        let body = answer.into_body();
        Ok(Content { body, from })
    }

    /// Reads content into `into`, as much as comes.
    ///
    /// # Errors
    /// A connection that is lost, silent or too slow; what `into` fails with.
    pub(super) fn read(
        &self,
        content: Content,
        at_most: u64,
        into: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.pour(&mut content.body.into_reader().take(at_most), into)
    }

    fn pour(
        &self,
        from: &mut dyn Read,
        mut into: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut pace = Pace::new(self.patience);
        let mut buffer = vec![0; GULP];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => {
                    into(&buffer[..n])?;
                    pace.add(n)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Failure::lost(error)),
            }
        }
    }

    /// Asks, and goes where it is sent as long as `goes_on`. The token goes no further than to
    /// the hub.
    fn ask(
        &self,
        uri: &Uri,
        range: Option<String>,
        goes_on: impl Fn(&Response<Body>) -> bool,
    ) -> Result<Response<Body>, Failure> {
        let mut uri = uri.clone();
        for _ in 0..MAX_HOPS {
            let mut request = self.agent.get(uri.clone());
            if let Some(range) = &range {
                request = request.header(RANGE, range);
            }
            if let Some(token) = self.token.as_ref().filter(|_| self.is_hub(&uri)) {
                request = request.header(AUTHORIZATION, token);
            }
            let answer = request.call()?;
            // A way within the hub is gone to its end.
            match next(&uri, &answer)? {
                Some(to) if self.is_hub(&to) || goes_on(&answer) => uri = to,
                _ => return Ok(answer),
            }
        }
        Err(Failure::strange("it sends from place to place without end"))
    }

    fn is_hub(&self, uri: &Uri) -> bool {
        origin(uri) == origin(&self.hub)
    }
}

fn agent(patience: Duration) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .user_agent(concat!("w2s/", env!("CARGO_PKG_VERSION")))
        // Sizes are promised of files as they are.
        .accept_encoding("identity")
        .timeout_resolve(Some(patience))
        .timeout_connect(Some(patience))
        .timeout_send_request(Some(patience))
        .timeout_recv_response(Some(patience))
        .timeout_per_read(Some(patience))
        .build();
    Agent::with_parts(config, DefaultConnector::default(), Lookup)
}

/// Hears a drip as a silence.
struct Pace {
    window: Duration,
    since: Instant,
    n_bytes: u64,
}

impl Pace {
    fn new(window: Duration) -> Self {
        Self {
            window,
            since: Instant::now(),
            n_bytes: 0,
        }
    }

    fn add(&mut self, n: usize) -> Result<(), Failure> {
        self.n_bytes += n as u64;
        if self.since.elapsed() < self.window {
            return Ok(());
        }
        let least = LEAST_SPEED * self.window.as_secs_f64();
        if (self.n_bytes as f64) < least {
            return Err(Failure::Silent);
        }
        *self = Self::new(self.window);
        Ok(())
    }
}

fn bearer(token: &str) -> Result<HeaderValue, Failure> {
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value.map_err(|_| Failure::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

fn parsed(uri: &str) -> Result<Uri, Failure> {
    uri.parse().map_err(|_| Failure::Endpoint)
}

fn is_web(uri: &Uri) -> bool {
    matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
}

/// Scheme, host and port: who it is that hears.
fn origin(uri: &Uri) -> (Option<&str>, Option<String>, Option<u16>) {
    let usual = match uri.scheme_str() {
        Some("https") => Some(443),
        _ => Some(80),
    };
    let host = uri.host().map(str::to_lowercase);
    (uri.scheme_str(), host, uri.port_u16().or(usual))
}

/// Where an answer sends whoever asked, if it does.
fn next(from: &Uri, answer: &Response<Body>) -> Result<Option<Uri>, Failure> {
    let is_sent = matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    if !is_sent {
        return Ok(None);
    }
    let strange = || Failure::strange("it sends to no place that there is");
    let to = header(answer, LOCATION.as_str()).ok_or_else(strange)?;
    let to = resolved(from, to).ok_or_else(strange)?;
    match (from.scheme_str(), to.scheme_str()) {
        (Some("https"), Some("http")) => Err(Failure::strange("it sends from https to http")),
        _ => Ok(Some(to)),
    }
}

/// A location as it stands, or on the host it was told by.
fn resolved(from: &Uri, to: &str) -> Option<Uri> {
    let (scheme, host) = (from.scheme_str()?, from.authority()?);
    let whole = match to {
        to if to.starts_with("//") => format!("{scheme}:{to}"),
        to if to.starts_with('/') => format!("{scheme}://{host}{to}"),
        to => to.to_owned(),
    };
    whole.parse().ok().filter(is_web)
}

fn good(answer: Response<Body>) -> Result<Response<Body>, Failure> {
    match answer.status() {
        status if status.is_success() => Ok(answer),
        status => Err(Failure::Status(status.as_u16())),
    }
}

fn header<'a>(answer: &'a Response<Body>, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

/// What the content is called, without the quotes and the sign of a weak one.
fn etag(answer: &Response<Body>) -> Option<&str> {
    let text = header(answer, "x-linked-etag").or_else(|| header(answer, ETAG.as_str()))?;
    Some(text.strip_prefix("W/").unwrap_or(text).trim_matches('"'))
}

/// How large the file is as a whole.
fn size(answer: &Response<Body>) -> Option<u64> {
    let linked = header(answer, "x-linked-size").and_then(|size| size.parse().ok());
    let whole = header(answer, CONTENT_RANGE.as_str()).and_then(|range| range.rsplit_once('/'));
    let whole = whole.and_then(|(_, size)| size.parse().ok());
    let plain = (answer.status() == StatusCode::OK).then(|| answer.body().content_length());
    linked.or(whole).or(plain.flatten())
}

/// The byte that a part begins with.
fn begin(answer: &Response<Body>) -> Option<u64> {
    let range = header(answer, CONTENT_RANGE.as_str())?.strip_prefix("bytes ")?;
    range.split_once('-')?.0.parse().ok()
}

impl From<ureq::Error> for Failure {
    fn from(error: ureq::Error) -> Self {
        match error {
            ureq::Error::Timeout(_) => Self::Silent,
            ureq::Error::Io(error) => Self::Unreachable(error.to_string()),
            error => Self::Unreachable(error.to_string()),
        }
    }
}

impl Failure {
    /// Of a connection that had been there.
    fn lost(error: io::Error) -> Self {
        let inner = error
            .get_ref()
            .and_then(|e| e.downcast_ref::<ureq::Error>());
        match inner {
            Some(ureq::Error::Timeout(_)) => Self::Silent,
            _ => Self::Lost(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_read_from_where_it_was_told() {
        let from: Uri = "http://a:1/x/y?z".parse().unwrap();
        let to = |text| resolved(&from, text).map(|uri| uri.to_string());
        assert_eq!(to("/b?c").as_deref(), Some("http://a:1/b?c"));
        assert_eq!(to("//b/c").as_deref(), Some("http://b/c"));
        assert_eq!(to("https://b/c").as_deref(), Some("https://b/c"));
        for bad in ["", "b", "file:///etc/passwd", "ftp://a/b", "http://"] {
            assert_eq!(to(bad), None, "{bad}");
        }
    }

    #[test]
    fn nobody_is_sent_from_a_safe_place_to_another() {
        let sent = |from: &str, to: &str| {
            let answer = Response::builder().status(302).header(LOCATION, to);
            let answer = answer.body(Body::builder().data("")).unwrap();
            next(&from.parse().unwrap(), &answer)
        };
        assert!(sent("https://a/x", "http://a/x").is_err());
        assert!(sent("https://a/x", "//b/x").unwrap().is_some());
        assert!(sent("http://a/x", "https://b/x").unwrap().is_some());
        assert!(sent("https://a/x", "file:///etc/passwd").is_err());
    }

    #[test]
    fn a_host_is_told_from_another() {
        let same = |a: &str, b: &str| origin(&a.parse().unwrap()) == origin(&b.parse().unwrap());
        assert!(same("https://a/x", "https://A:443/y"));
        for other in ["http://a/", "https://b/", "https://a:444/", "https://a.b/"] {
            assert!(!same("https://a/", other), "{other}");
        }
    }
}
