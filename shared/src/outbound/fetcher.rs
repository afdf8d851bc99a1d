//! Fetches what a URL from outside names: over https, from public addresses alone, in time, and no more than asked for.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::LOCATION;
use reqwest::{Response, Url};

use super::reach::{LONGEST_URL, Lookup, NotAllowed, Reach, ReachError, failed, look_up, read};
use super::{Outbound, OutboundError};

/// How often a URL may lead on to another.
const MOST_REDIRECTS: usize = 5;

/// Fetches URLs that strangers to this deployment name, and gets nowhere within it.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: reqwest::Client,
    reach: Reach,
    /// How long a fetch may take, redirects and all.
    pub within: Duration,
}

impl Fetcher {
    /// A fetcher over this process's TLS configuration, which gives up after `within`. `allow_private` lets it go anywhere,
    /// at any port: for local runs and tests.
    pub fn new(outbound: &Outbound, allow_private: bool, within: Duration) -> Result<Self, OutboundError> {
        let reach = Reach { plain_http: false, ..Reach::new(allow_private) };
        Self::reaching(outbound, reach, look_up, within)
    }

    fn reaching(outbound: &Outbound, reach: Reach, lookup: Lookup, within: Duration) -> Result<Self, OutboundError> {
        Ok(Self { client: reach.client(outbound, lookup)?, reach, within })
    }

    /// Fetches what `url` names, if it is not more than `limit` bytes. What the server says of it is not believed.
    pub async fn fetch(&self, url: &str, limit: u64) -> Result<Bytes, ReachError> {
        if url.len() > LONGEST_URL {
            return Err(NotAllowed::Malformed.into());
        }
        let url = Url::parse(url).map_err(|_| NotAllowed::Malformed)?;
        let fetched = async {
            let response = self.follow(url).await?;
            if response.status() != StatusCode::OK {
                return Err(ReachError::Status(response.status().as_u16()));
            }
            read(response, limit).await
        };
        tokio::time::timeout(self.within, fetched).await.unwrap_or(Err(ReachError::Slow))
    }

    /// Asks for a URL, and for what it leads on to, each looked at before it is asked for.
    async fn follow(&self, mut url: Url) -> Result<Response, ReachError> {
        for _ in 0..=MOST_REDIRECTS {
            self.reach.allows(&url)?;
            let response = self.client.get(url.clone()).send().await.map_err(failed)?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let status = response.status().as_u16();
            let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            let location = location.filter(|location| location.len() <= LONGEST_URL);
            url = location.and_then(|location| url.join(location).ok()).ok_or(ReachError::Status(status))?;
        }
        Err(ReachError::Redirects)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{IpAddr, SocketAddr, TcpListener};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use reqwest::dns::Resolve;
    use rustls::{ServerConnection, Stream};

    use super::super::is_public;
    use super::super::loopback::{CERTIFICATE, server_config};
    use super::super::reach::WithinReach;
    use super::*;

    const LIMIT: u64 = 1_000;

    /// Where the test's own server stands counts as public here, and everything else as ever.
    const THIS_SERVER: Reach = Reach {
        address: |address| is_public(address) || address == IpAddr::from([127, 0, 0, 1]),
        any_port: true,
        plain_http: false,
    };

    fn fetcher(reach: Reach, lookup: Lookup) -> Fetcher {
        let outbound = Outbound::new(Some(CERTIFICATE.as_bytes())).unwrap();
        Fetcher::reaching(&outbound, reach, lookup, Duration::from_secs(10)).unwrap()
    }

    fn strict() -> Fetcher {
        fetcher(Reach::new(false), look_up)
    }

    /// A server over TLS, on a thread of its own, that answers each connection with what `answer` makes of its own address
    /// and the path; where that ends in `endless` it goes on for ever, where in `silent` it stays open and says no more.
    fn server(answer: fn(&str, &str) -> String) -> String {
        let config = server_config();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = format!("https://{}", listener.local_addr().unwrap());
        let base = own.clone();
        std::thread::spawn(move || {
            while let Ok((mut socket, _)) = listener.accept() {
                let (config, own) = (Arc::clone(&config), own.clone());
                std::thread::spawn(move || {
                    let mut connection = ServerConnection::new(config).unwrap();
                    let mut stream = Stream::new(&mut connection, &mut socket);
                    let mut request = [0; 4_096];
                    let Ok(read) = stream.read(&mut request) else { return };
                    let request = String::from_utf8_lossy(&request[..read]).into_owned();
                    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                    let mut sent = stream.write_all(answer(&own, &path).as_bytes());
                    while path.ends_with("endless") && sent.is_ok() {
                        sent = stream.write_all(&[b'x'; 256]);
                    }
                    if path.ends_with("silent") {
                        let _ = stream.read(&mut [0; 1]);
                    }
                });
            }
        });
        base
    }

    fn ok(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
    }

    fn found(location: &str) -> String {
        format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    }

    #[tokio::test]
    async fn what_must_not_be_fetched_is_not_asked_for_in_whatever_form_it_is_written() {
        use NotAllowed::{Address, Credentials, Malformed, Port, Scheme};
        let long = format!("https://1.1.1.1/{}", "x".repeat(LONGEST_URL));
        for (url, why) in [
            ("", Malformed),
            ("/etc/passwd", Malformed),
            ("https://", Malformed),
            ("https://1.1.1.999/", Malformed),
            (long.as_str(), Malformed),
            ("http://1.1.1.1/", Scheme),
            ("file:///etc/passwd", Scheme),
            ("ftp://1.1.1.1/", Scheme),
            ("gopher://1.1.1.1/", Scheme),
            ("https://user@1.1.1.1/", Credentials),
            ("https://:secret@1.1.1.1/", Credentials),
            ("https://1.1.1.1:8443/", Port),
            ("https://1.1.1.1:22/", Port),
            ("https://1.1.1.1:80/", Port),
            ("https://127.0.0.1/", Address),
            ("https://127.0.0.1:443/", Address),
            ("https://127.1/", Address),
            ("https://2130706433/", Address),
            ("https://0177.0.0.1/", Address),
            ("https://0x7f.0.0.1/", Address),
            ("https://0x7f000001/", Address),
            ("https://127.0.0.1./", Address),
            ("https://１２７.0.0.1/", Address),
            ("https://127%2E0%2E0%2E1/", Address),
            ("https://0/", Address),
            ("https://10.1.2.3/", Address),
            ("https://192.168.0.1/", Address),
            ("https://169.254.169.254/latest/meta-data/", Address),
            ("https://100.100.100.200/", Address),
            ("https://[::]/", Address),
            ("https://[::1]/", Address),
            ("https://[::ffff:127.0.0.1]/", Address),
            ("https://[::ffff:a9fe:a9fe]/", Address),
            ("https://[::127.0.0.1]/", Address),
            ("https://[64:ff9b::7f00:1]/", Address),
            ("https://[2002:7f00:1::]/", Address),
            ("https://[fe80::1]/", Address),
            ("https://[fd00:ec2::254]/", Address),
            ("https://[ff02::1]/", Address),
            ("https://localhost/", Address),
        ] {
            match strict().fetch(url, LIMIT).await {
                Err(ReachError::NotAllowed(own)) => assert_eq!(own, why, "{url}"),
                other => panic!("{url}: {other:?}"),
            }
        }
    }

    static LOOKED_UP: AtomicUsize = AtomicUsize::new(0);

    /// An address of a network that was given back, and leads nowhere.
    const NOWHERE: &str = "3ffe::1";

    #[tokio::test]
    async fn a_name_that_changes_its_answer_is_asked_for_once_and_leads_where_it_was_looked_at() {
        let changing: Lookup = |_| {
            let first = LOOKED_UP.fetch_add(1, Ordering::SeqCst) == 0;
            let address = if first { NOWHERE } else { "127.0.0.1" };
            Box::pin(async move { Ok(vec![address.parse().unwrap()]) })
        };
        let fetcher = fetcher(Reach::new(false), changing);
        let fetched = fetcher.fetch("https://changing.example/", LIMIT).await;
        assert!(matches!(fetched, Err(ReachError::Unreached(_) | ReachError::Slow)), "{fetched:?}");
        assert_eq!(LOOKED_UP.load(Ordering::SeqCst), 1);
        let again = fetcher.fetch("https://changing.example/", LIMIT).await;
        assert!(matches!(again, Err(ReachError::NotAllowed(NotAllowed::Address))), "{again:?}");
    }

    #[tokio::test]
    async fn of_a_names_addresses_only_those_within_reach_are_taken() {
        let mixed: Lookup = |_| {
            let addresses = ["127.0.0.1", "10.0.0.1", NOWHERE, "::1"].map(|address| address.parse().unwrap());
            Box::pin(async move { Ok(addresses.to_vec()) })
        };
        let resolver = WithinReach { reach: Reach::new(false), lookup: mixed };
        let found: Vec<_> = resolver.resolve("mixed.example".parse().unwrap()).await.unwrap().collect();
        assert_eq!(found, [SocketAddr::new(NOWHERE.parse().unwrap(), 0)]);
    }

    #[tokio::test]
    async fn what_a_url_leads_on_to_is_looked_at_like_the_url_itself() {
        let base = server(|own, path| match path {
            "/there" => ok("there"),
            "/here" => found("/there"),
            "/elsewhere" => found(&format!("{own}/here")),
            "/loop" => found("/loop"),
            "/nowhere" => "HTTP/1.1 301 Moved Permanently\r\ncontent-length: 0\r\n\r\n".to_owned(),
            path => found(path.strip_prefix("/to/").unwrap()),
        });
        let fetcher = fetcher(THIS_SERVER, look_up);
        for path in ["there", "here", "elsewhere"] {
            assert_eq!(fetcher.fetch(&format!("{base}/{path}"), LIMIT).await.unwrap(), "there");
        }
        assert!(matches!(fetcher.fetch(&format!("{base}/loop"), LIMIT).await, Err(ReachError::Redirects)));
        assert!(matches!(fetcher.fetch(&format!("{base}/nowhere"), LIMIT).await, Err(ReachError::Status(301))));
        for (location, why) in [
            ("https://169.254.169.254/latest/meta-data/", NotAllowed::Address),
            ("https://[::1]/", NotAllowed::Address),
            ("https://127.0.0.2/", NotAllowed::Address),
            ("https://2130706434/", NotAllowed::Address),
            ("//10.0.0.1/", NotAllowed::Address),
            ("http://1.1.1.1/", NotAllowed::Scheme),
            ("file:///etc/passwd", NotAllowed::Scheme),
            ("https://user:secret@1.1.1.1/", NotAllowed::Credentials),
        ] {
            match fetcher.fetch(&format!("{base}/to/{location}"), LIMIT).await {
                Err(ReachError::NotAllowed(own)) => assert_eq!(own, why, "{location}"),
                other => panic!("{location}: {other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_body_without_end_or_without_haste_ends_where_we_say() {
        let base = server(|_, path| match path {
            "/claims" => "HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n".to_owned(),
            "/just-right" => ok(&"x".repeat(1_000)),
            "/understates" => "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcdef".to_owned(),
            "/overstates" => "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc".to_owned(),
            "/gone" => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
            "/partial" => "HTTP/1.1 206 Partial Content\r\ncontent-length: 0\r\n\r\n".to_owned(),
            "/garbage" => "not http at all\r\n\r\n".to_owned(),
            // Without a length it ends with the connection.
            _ => "HTTP/1.1 200 OK\r\n\r\nabc".to_owned(),
        });
        let mut fetcher = fetcher(THIS_SERVER, look_up);
        let fetch = async |fetcher: &Fetcher, path: &str| fetcher.fetch(&format!("{base}/{path}"), LIMIT).await;
        assert_eq!(fetch(&fetcher, "just-right").await.unwrap().len(), 1_000);
        assert_eq!(fetch(&fetcher, "understates").await.unwrap(), "abc");
        assert!(matches!(fetch(&fetcher, "claims").await, Err(ReachError::TooLarge)));
        assert!(matches!(fetch(&fetcher, "endless").await, Err(ReachError::TooLarge)));
        assert!(matches!(fetch(&fetcher, "overstates").await, Err(ReachError::Unreached(_))));
        assert!(matches!(fetch(&fetcher, "gone").await, Err(ReachError::Status(404))));
        assert!(matches!(fetch(&fetcher, "partial").await, Err(ReachError::Status(206))));
        assert!(matches!(fetch(&fetcher, "garbage").await, Err(ReachError::Unreached(_))));
        fetcher.within = Duration::from_millis(300);
        assert!(matches!(fetch(&fetcher, "silent").await, Err(ReachError::Slow)));
    }

    #[tokio::test]
    async fn an_error_names_no_part_of_the_url_and_a_certificate_that_nobody_trusts_is_one() {
        let base = server(|_, _| ok("never read"));
        let fetcher = Fetcher::new(&Outbound::new(None).unwrap(), true, Duration::from_secs(10)).unwrap();
        let error = fetcher.fetch(&format!("{base}/path?token=secret"), LIMIT).await.unwrap_err();
        assert!(matches!(error, ReachError::Unreached(_)));
        let told = format!("{} {error:?}", crate::error::chain(&error));
        assert!(told.contains("certificate") && !told.contains("secret") && !told.contains("path"), "{told}");
    }
}
