//! Where a host is. ureq's own look-up panics where no thread can be started for it; an address
//! in numbers needs none.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Builder;

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// As many addresses of a host as are tried.
const MOST: usize = 16;

#[derive(Debug)]
pub(super) struct Lookup;

impl Resolver for Lookup {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let (host, port) = place(uri).ok_or(Error::HostNotFound)?;
        let found = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => look_up(host.to_owned(), port)?
                .recv_timeout(*timeout.after)
                .map_err(|_| Error::Timeout(timeout.reason))??,
        };
        let mut addresses = self.empty();
        for address in config.ip_family().keep_wanted(found.into_iter()).take(MOST) {
            addresses.push(address);
        }
        match addresses.is_empty() {
            true => Err(Error::HostNotFound),
            false => Ok(addresses),
        }
    }
}

/// Host and port; IPv6 without its brackets.
fn place(uri: &Uri) -> Option<(&str, u16)> {
    let usual = match uri.scheme_str()? {
        "https" => 443,
        "http" => 80,
        proxy if proxy.starts_with("socks") => 1080,
        _ => return None,
    };
    let host = uri.host()?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    Some((bare.unwrap_or(host), uri.port_u16().unwrap_or(usual)))
}

/// Asks on a thread that nobody has to wait for.
fn look_up(host: String, port: u16) -> io::Result<Receiver<io::Result<Vec<SocketAddr>>>> {
    let (sender, receiver) = sync_channel(1);
    let ask = move || {
        let found = (host.as_str(), port).to_socket_addrs();
        // Nobody waits any more where this fails.
        let _ = sender.send(found.map(Iterator::collect));
    };
    let named = Builder::new().name("look-up".to_owned());
    let started = named.spawn(ask);
    started
        .map_err(|e| io::Error::new(e.kind(), format!("no thread can be started for it: {e}")))?;
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_from_an_address() {
        let of = |text: &str| {
            let uri: Uri = text.parse().unwrap();
            place(&uri).map(|(host, port)| (host.to_owned(), port))
        };
        let is = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(of("https://a.b/c"), is("a.b", 443));
        assert_eq!(of("http://1.2.3.4/c"), is("1.2.3.4", 80));
        assert_eq!(of("http://[::1]:99/c"), is("::1", 99));
        assert_eq!(of("/c"), None);
    }

    #[test]
    fn a_host_is_found() {
        let found = look_up("localhost".to_owned(), 7).unwrap().recv().unwrap();
        let found = found.unwrap();
        assert!(found.iter().all(|a| a.ip().is_loopback() && a.port() == 7));
        assert!(!found.is_empty());
    }
}
