//! The way out: HTTP clients over one TLS configuration, through which everything leaves, to AWS, to WeChat, and to where
//! an owner's URLs lead.

mod fetcher;
#[cfg(test)]
mod loopback;
mod poster;
mod public_address;
mod reach;
mod webhook;

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

pub use fetcher::Fetcher;
pub use poster::{Answer, Poster};
pub use public_address::is_public;
pub use reach::{NotAllowed, ReachError};
pub use webhook::{NotAWebhookKey, WebhookKey};

use crate::settings::{self, Lookup, SettingError};

/// How long a connection to AWS may take: name, TCP and TLS together. Within a region that is milliseconds; what is not
/// there after a second has lost a packet, and a new attempt is the quicker way.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a connection to WeChat may take. From Europe or America that is three round trips of up to 300 ms each; with
/// one repeat and the call itself it still fits into the three seconds that an author waits.
const WECHAT_CONNECT_TIMEOUT: Duration = Duration::from_millis(1_200);

/// How long a connection that nobody uses is kept.
///
/// A frozen Lambda environment does not see a peer hang up, and writes its first request after the thaw to a dead
/// connection. So a connection is dropped before the far side drops it: AWS's load balancers do after 60 s, nginx after
/// 75 s, and the AWS SDK for Java keeps its own for 60 s. Under a minute also means that a schedule which runs each
/// minute starts with a new connection and never meets one in the second in which it is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// After how long a connection that is silent in mid-answer is asked whether it is still there; thrice, then it is dead.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// The file that `GREENLIGHT_CA_FILE` names, if it names one: certificates in PEM that are trusted besides the public
/// ones, for local runs and tests. Whether it holds certificates [`Outbound::new`] finds out.
pub fn extra_ca_pem(lookup: &Lookup<'_>) -> Result<Option<Vec<u8>>, SettingError> {
    const NAME: &str = "GREENLIGHT_CA_FILE";
    settings::optional(lookup, NAME)
        .map(std::fs::read)
        .transpose()
        .map_err(|_| SettingError::Invalid { name: NAME, reason: "it must name a file that can be read" })
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboundError {
    /// The extra file is not PEM, or holds no certificate.
    #[error("GREENLIGHT_CA_FILE is invalid: it must hold certificates in PEM")]
    NoCertificate,
    /// A certificate in the extra file is none that rustls can trust.
    #[error("GREENLIGHT_CA_FILE is invalid: a certificate in it cannot be trusted")]
    BadCertificate(#[source] rustls::Error),
    /// The TLS configuration contradicts itself.
    #[error("TLS cannot be configured")]
    Tls(#[source] rustls::Error),
    /// reqwest would not build the client.
    #[error("the HTTP client cannot be built")]
    Client(#[source] reqwest::Error),
}

/// What clients are made of: one TLS configuration, for it takes thousands of instructions to build.
#[derive(Clone)]
pub struct Outbound {
    tls: ClientConfig,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Outbound").finish_non_exhaustive()
    }
}

impl Outbound {
    /// Trusts the public certificate authorities and those of `extra_ca_pem`, which must then hold some.
    pub fn new(extra_ca_pem: Option<&[u8]>) -> Result<Self, OutboundError> {
        Ok(Self { tls: tls(extra_ca_pem)? })
    }

    /// The client for AWS. Its clones share its connections, so a process has one.
    pub fn aws_client(&self) -> Result<reqwest::Client, OutboundError> {
        self.client(CONNECT_TIMEOUT)
    }

    /// The client for WeChat, which may be far away.
    pub fn wechat_client(&self) -> Result<reqwest::Client, OutboundError> {
        self.client(WECHAT_CONNECT_TIMEOUT)
    }

    /// There is no limit on a whole request: whoever sends one knows how long it may take, and says so.
    pub(crate) fn client(&self, connect_timeout: Duration) -> Result<reqwest::Client, OutboundError> {
        self.builder(connect_timeout).build().map_err(OutboundError::Client)
    }

    fn builder(&self, connect_timeout: Duration) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            // A proxy from the environment would see where everything goes, and choose it.
            .no_proxy()
            // No API that we call redirects, and a redirect would carry a token to wherever it points.
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // Whoever calls decides what may be sent twice. (What never reached the wire is still sent on another
            // connection.)
            .retry(reqwest::retry::never())
            // https and http: what is local speaks http, and what is not is named by settings, never by a stranger.
            .https_only(false)
            .connect_timeout(connect_timeout)
            .pool_idle_timeout(IDLE_TIMEOUT)
            // Requests are small and written at once; Nagle's algorithm would hold back their last segment.
            .tcp_nodelay(true)
            .tcp_keepalive(KEEPALIVE)
            .tcp_keepalive_interval(KEEPALIVE)
            .tcp_keepalive_retries(3)
    }
}

/// What trusts the public authorities alone. Built once a process: a process may have many clients, as a local run has.
static PUBLIC_ONLY: LazyLock<Result<ClientConfig, rustls::Error>> = LazyLock::new(|| trusting(public_roots()));

fn tls(extra_ca_pem: Option<&[u8]>) -> Result<ClientConfig, OutboundError> {
    let Some(pem) = extra_ca_pem else { return PUBLIC_ONLY.clone().map_err(OutboundError::Tls) };
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| OutboundError::NoCertificate)?;
    if certificates.is_empty() {
        return Err(OutboundError::NoCertificate);
    }
    let mut roots = public_roots();
    for certificate in certificates {
        roots.add(certificate).map_err(OutboundError::BadCertificate)?;
    }
    trusting(roots).map_err(OutboundError::Tls)
}

/// The compiled-in roots cost microseconds; reading the system's takes tens of milliseconds of every cold start.
fn public_roots() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

/// rustls with ring, given by hand: there is no provider of the process that could be another one, or missing.
fn trusting(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // reqwest sets this itself only where it builds the configuration; without HTTP/2 compiled in, this is all we speak.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};

    use rustls::{ServerConnection, Stream};

    use super::loopback::{CERTIFICATE, PRIVATE_KEY, server_config};
    use super::*;

    /// Answers `204` over TLS to each of `connections` connections, from a thread of its own.
    fn tls_server(connections: usize) -> SocketAddr {
        let config = server_config();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for _ in 0..connections {
                let (mut socket, _) = listener.accept().unwrap();
                let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = Stream::new(&mut connection, &mut socket);
                // A client that does not trust us hangs up here, and that is what is tested.
                if stream.read(&mut [0; 1024]).is_ok() {
                    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
                }
            }
        });
        address
    }

    fn chain(error: &dyn Error) -> String {
        std::iter::successors(Some(error), |&error| error.source()).map(|error| format!("{error}: ")).collect()
    }

    #[tokio::test]
    async fn an_unknown_certificate_is_refused_and_an_extra_one_trusted() {
        let url = format!("https://{}/", tls_server(2));

        let client = |extra_ca_pem| Outbound::new(extra_ca_pem).unwrap().wechat_client().unwrap();
        let error = client(None).get(&url).send().await.unwrap_err();
        assert!(error.is_connect() && chain(&error).contains("certificate"), "{}", chain(&error));

        let answer = client(Some(CERTIFICATE.as_bytes())).get(&url).send().await.unwrap();
        assert_eq!(answer.status(), 204);
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_not_followed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let _ = socket.read(&mut [0; 1024]).unwrap();
            socket
                .write_all(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n")
                .unwrap();
        });
        let client = Outbound::new(None).unwrap().aws_client().unwrap();
        assert_eq!(client.get(format!("http://{address}/")).send().await.unwrap().status(), 302);
    }

    #[test]
    fn an_extra_file_without_certificates_is_no_start() {
        let with = |pem: &str| Outbound::new(Some(pem.as_bytes())).unwrap_err();
        assert!(matches!(with(""), OutboundError::NoCertificate));
        assert!(matches!(with("not PEM"), OutboundError::NoCertificate));
        assert!(matches!(with(PRIVATE_KEY), OutboundError::NoCertificate));
        let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(with(empty), OutboundError::BadCertificate(_)));
        assert!(with(empty).to_string().starts_with("GREENLIGHT_CA_FILE "));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_by_its_setting() {
        let error = extra_ca_pem(&|_| Some("/nowhere/at/all".to_owned())).unwrap_err();
        assert_eq!(error.to_string(), "GREENLIGHT_CA_FILE is invalid: it must name a file that can be read");
        assert!(extra_ca_pem(&|_| None).unwrap().is_none());
    }
}
