//! Where URLs that owners name may lead: to public addresses alone, looked at where a connection is really made.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Response, Url};

use super::public_address::is_public;
use super::{Outbound, OutboundError};
use crate::error::Cause;

/// How long a connection may take, name and TLS included: the server is anywhere in the world.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// No longer URL is looked at.
pub(super) const LONGEST_URL: usize = 2_048;

/// Where requests may go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub(super) address: fn(IpAddr) -> bool,
    pub(super) any_port: bool,
    pub(super) plain_http: bool,
}

/// How names become addresses.
pub(super) type Lookup = fn(String) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>>;

/// What is wrong with a URL, before anything is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// It is no URL, or too long a one.
    #[error("it is no URL")]
    Malformed,
    /// It is not https.
    #[error("it is not https")]
    Scheme,
    /// It carries a user name or a password.
    #[error("it carries credentials")]
    Credentials,
    /// It names another port than 443.
    #[error("it names a port of its own")]
    Port,
    /// It leads to an address that the public does not reach. Which, nobody is told.
    #[error("it does not lead to a public address")]
    Address,
}

/// Why a server gave no answer that is of use.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// Nothing may be asked of the URL, or of one that it leads on to.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// There is more than was asked for.
    #[error("it is too large")]
    TooLarge,
    /// The server answered with this status instead of 200.
    #[error("the server answers {0}")]
    Status(u16),
    /// It leads on and on.
    #[error("it redirects too often")]
    Redirects,
    /// It took too long.
    #[error("it takes too long")]
    Slow,
    /// There is no such name, no connection, no certificate that holds; or it broke off.
    #[error("it cannot be reached")]
    Unreached(#[source] Cause),
}

/// A name that leads to no public address.
#[derive(Debug)]
struct NotPublic;

impl fmt::Display for NotPublic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("no public address")
    }
}

impl Error for NotPublic {}

/// Resolves names to addresses within reach alone. The client connects to just what this returns, so a name that is looked up
/// again cannot lead elsewhere.
pub(super) struct WithinReach {
    pub(super) reach: Reach,
    pub(super) lookup: Lookup,
}

impl Resolve for WithinReach {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, found) = (self.reach, (self.lookup)(name.as_str().to_owned()));
        Box::pin(async move {
            let found = found.await?;
            let within: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| (reach.address)(*address))
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            if within.is_empty() {
                return Err(Cause::from(NotPublic));
            }
            Ok(Box::new(within.into_iter()) as Addrs)
        })
    }
}

pub(super) fn look_up(name: String) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>> {
    Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) })
}

impl Reach {
    /// The public's https alone, or anywhere.
    pub(super) fn new(anywhere: bool) -> Self {
        if anywhere {
            Self { address: |_| true, any_port: true, plain_http: true }
        } else {
            Self { address: is_public, any_port: false, plain_http: false }
        }
    }

    /// A client that connects to nothing else. A connection belongs to one request: nothing of it is there for the next.
    pub(super) fn client(self, outbound: &Outbound, lookup: Lookup) -> Result<reqwest::Client, OutboundError> {
        let builder = outbound
            .builder(CONNECT_TIMEOUT)
            .https_only(!self.plain_http)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("greenlight/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(WithinReach { reach: self, lookup }));
        builder.build().map_err(OutboundError::Client)
    }

    /// Whether a URL may be asked for, as far as it says itself. An address that stands in it is not looked up, so it is
    /// looked at here; numbers in any notation are dotted ones by now.
    pub(super) fn allows(&self, url: &Url) -> Result<(), NotAllowed> {
        if url.scheme() != "https" && !(self.plain_http && url.scheme() == "http") {
            return Err(NotAllowed::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NotAllowed::Credentials);
        }
        if !self.any_port && url.port().is_some() {
            return Err(NotAllowed::Port);
        }
        let host = url.host_str().ok_or(NotAllowed::Malformed)?;
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        if address.is_ok_and(|address| !(self.address)(address)) { Err(NotAllowed::Address) } else { Ok(()) }
    }
}

/// Reads an answer to its end, or until it is too large, whatever length it has claimed.
pub(super) async fn read(mut response: Response, limit: u64) -> Result<Bytes, ReachError> {
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(ReachError::TooLarge);
    }
    let mut bytes = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        let length = bytes.len().saturating_add(chunk.len());
        if u64::try_from(length).is_ok_and(|length| length > limit) {
            return Err(ReachError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

pub(super) fn failed(error: reqwest::Error) -> ReachError {
    let mut source: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(one) = source {
        if one.is::<NotPublic>() {
            return NotAllowed::Address.into();
        }
        source = one.source();
    }
    // Its path and query may hold a secret of the owner's.
    ReachError::Unreached(error.without_url().into())
}
