//! How the AWS SDK sends: through the one HTTP client that everything uses, not through a second one with its own TLS.
//!
//! Connections, TLS and their limits are the client's ([`crate::outbound`]). What is left is to hand bodies over as
//! they stream, to keep to the SDK's read timeout, and to tell failures apart so that the SDK tries again what may be
//! tried again.
//!
//! The SDK names a connect timeout with each request; reqwest has one for the whole client. Both are
//! [`CONNECT_TIMEOUT`](crate::outbound::CONNECT_TIMEOUT), and the client's is the one that holds.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::{Error as BoxError, SdkBody};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The process's HTTP client in the form that the SDK's clients take.
#[derive(Clone)]
pub struct ReqwestClient(reqwest::Client);

impl ReqwestClient {
    /// Lends `client` to the SDK; connections are shared with whoever else uses it.
    pub fn new(client: reqwest::Client) -> Self {
        Self(client)
    }
}

impl fmt::Debug for ReqwestClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ReqwestClient").finish_non_exhaustive()
    }
}

impl HttpClient for ReqwestClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        // Made for each request: two pointers and a duration, nothing to keep.
        SharedHttpConnector::new(Connector { client: self.clone(), read_timeout: settings.read_timeout() })
    }
}

#[derive(Debug)]
struct Connector {
    client: ReqwestClient,
    /// From sending to the first byte of an answer, as the SDK defines it; reading the rest is not part of it.
    read_timeout: Option<Duration>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (client, read_timeout) = (self.client.0.clone(), self.read_timeout);
        HttpConnectorFuture::new(async move {
            let request = to_reqwest(request)?;
            let sending = client.execute(request);
            let sent = match read_timeout {
                None => sending.await,
                // tokio's timer and not the SDK's sleep: reqwest runs on tokio alone, and so do its other timeouts.
                Some(limit) => tokio::time::timeout(limit, sending)
                    .await
                    .map_err(|_| ConnectorError::timeout(NoAnswer(limit).into()))?,
            };
            from_reqwest(sent.map_err(classify)?)
        })
    }
}

/// The far side did not begin to answer in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {0:?}")]
struct NoAnswer(Duration);

/// The path would not be sent as it was signed.
#[derive(Debug, thiserror::Error)]
#[error("a path with '.' or '..' in it, or with characters that are not encoded, cannot be sent as it was signed")]
struct PathChanged;

/// What we sent broke off: the fault is in what the body was made from, not in the connection.
#[derive(Debug, thiserror::Error)]
#[error("the request's body failed")]
struct RequestBodyFailed(#[source] BoxError);

fn to_reqwest(request: HttpRequest) -> Result<reqwest::Request, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let path = request.uri().path_and_query().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let request = reqwest::Request::try_from(request.map(|body| reqwest::Body::wrap(RequestBody(body))))
        .map_err(|error| ConnectorError::user(error.without_url().into()))?;
    // reqwest's URLs follow the rules of browsers, and the signature was made over the SDK's. Better a plain error here
    // than AWS's remark about signatures.
    let url = request.url();
    let same = match (path.split_once('?'), url.query()) {
        (Some((path, query)), Some(url_query)) => path == url.path() && query == url_query,
        (None, None) => path == url.path(),
        _ => false,
    };
    if same { Ok(request) } else { Err(ConnectorError::user(PathChanged.into())) }
}

fn from_reqwest(response: reqwest::Response) -> Result<HttpResponse, ConnectorError> {
    // Already without a URL: an `http::Response` has no place for one, nor have the errors of its body.
    let response = http::Response::<reqwest::Body>::from(response).map(SdkBody::from_body_1_x);
    HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
}

/// Says what went wrong in the words of the SDK, which tries again after `timeout` and `io`, and not after `user`.
fn classify(error: reqwest::Error) -> ConnectorError {
    // A URL may hold a signature, and names buckets and keys.
    let error = error.without_url();
    if chain(&error).any(|cause| cause.is::<RequestBodyFailed>()) || error.is_builder() {
        return ConnectorError::user(error.into());
    }
    // First the timeout, for a connection that takes too long is both.
    let (timeout, connecting) = (error.is_timeout(), error.is_connect());
    let classified = if timeout {
        ConnectorError::timeout(error.into())
    } else if connecting || error.is_request() {
        // Refused, not resolved, reset, or closed before it answered. Nonsense instead of an answer is here as well:
        // it comes from whatever stood between us and AWS, not from AWS.
        ConnectorError::io(error.into())
    } else {
        ConnectorError::other(error.into(), None)
    };
    if connecting { classified.never_connected() } else { classified }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// The SDK's body, which marks its own failures. (`SdkBody` is `Sync`, as its parts have to be.)
struct RequestBody(SdkBody);

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyFailed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyFailed>>> {
        Pin::new(&mut self.0).poll_frame(context).map_err(RequestBodyFailed)
    }

    fn is_end_stream(&self) -> bool {
        Body::is_end_stream(&self.0)
    }

    // Kept, as it becomes `Content-Length`: S3 takes no chunked transfer.
    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpSocket, TcpStream};
    use tokio::sync::{mpsc, oneshot};

    use super::*;
    use crate::outbound::Outbound;

    const CHUNK: usize = 64 * 1024;
    /// 3 MB in chunks.
    const CHUNKS: usize = 48;

    /// A body whose chunks the test sends, one by one.
    struct ByHand {
        chunks: mpsc::Receiver<Result<Bytes, BoxError>>,
        left: Option<u64>,
    }

    impl Body for ByHand {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            let next = self.chunks.poll_recv(context).map_ok(Frame::data);
            if let (Poll::Ready(Some(Ok(frame))), Some(left)) = (&next, &mut self.left) {
                *left -= frame.data_ref().map_or(0, Bytes::len) as u64;
            }
            next
        }

        fn size_hint(&self) -> SizeHint {
            self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
        }
    }

    fn connector(read_timeout: Option<Duration>) -> Connector {
        let client = Outbound::new(None).unwrap().aws_client().unwrap();
        Connector { client: ReqwestClient::new(client), read_timeout }
    }

    /// With all that must not show up in an error.
    fn to(address: impl fmt::Display, method: &str, body: SdkBody) -> HttpRequest {
        let mut request = HttpRequest::new(body);
        request.set_method(method).unwrap();
        request.set_uri(format!("http://{address}/private/key?appid=wx1&secret=TOPSECRET")).unwrap();
        request
    }

    async fn listen() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        (listener, address)
    }

    /// Reads a request's head, and gives it back in lower case with what was read of the body.
    async fn head(socket: &mut TcpStream) -> (String, Vec<u8>) {
        let mut read = Vec::new();
        loop {
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                let body = read.split_off(end + 4);
                return (String::from_utf8(read).unwrap().to_ascii_lowercase(), body);
            }
            assert_ne!(socket.read_buf(&mut read).await.unwrap(), 0, "the client hung up");
        }
    }

    fn assert_silent(error: &(dyn Error + 'static)) {
        let shown: String = chain(error).map(|cause| format!("{cause} {cause:?} {cause:#?}\n")).collect();
        for secret in ["http://", "private", "appid", "TOPSECRET"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[tokio::test]
    async fn a_refused_connection_is_io() {
        // Bound but not listening: nobody else gets the port, and every connection is refused.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let request = to(socket.local_addr().unwrap(), "GET", SdkBody::empty());
        let error = connector(None).call(request).await.unwrap_err();
        assert!(error.is_io(), "{error:?}");
        assert_silent(&error);
    }

    #[tokio::test]
    async fn a_server_that_never_answers_is_a_timeout() {
        let (_listener, address) = listen().await;
        let request = to(address, "GET", SdkBody::empty());
        let error = connector(Some(Duration::from_millis(50))).call(request).await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        assert_silent(&error);
    }

    #[cfg(target_os = "linux")] // where a full backlog lets newcomers wait
    #[tokio::test]
    async fn a_server_that_never_accepts_is_a_timeout() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        let limit = Duration::from_millis(100);
        while let Ok(connected) = tokio::time::timeout(limit, TcpStream::connect(address)).await {
            waiting.push(connected.unwrap());
            assert!(waiting.len() < 100, "this backlog has no end");
        }
        let client = ReqwestClient::new(Outbound::new(None).unwrap().client(limit).unwrap());
        let connector = Connector { client, read_timeout: None };
        let error = connector.call(to(address, "GET", SdkBody::empty())).await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        assert_silent(&error);
    }

    #[tokio::test]
    async fn a_server_that_hangs_up_or_talks_nonsense_is_io() {
        for answer in ["", "HTTP/1.1 200", "220 smtp.example.com ESMTP\r\n"] {
            let (listener, address) = listen().await;
            let server = async {
                let (mut socket, _) = listener.accept().await.unwrap();
                head(&mut socket).await;
                socket.write_all(answer.as_bytes()).await.unwrap();
            };
            let connector = connector(None);
            let (error, ()) = tokio::join!(connector.call(to(address, "GET", SdkBody::empty())), server);
            let error = error.unwrap_err();
            assert!(error.is_io(), "{error:?}");
            assert_silent(&error);
        }
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_an_error_of_its_body() {
        let (listener, address) = listen().await;
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            head(&mut socket).await;
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
        };
        let connector = connector(None);
        let (answer, ()) = tokio::join!(connector.call(to(address, "GET", SdkBody::empty())), server);
        let body = aws_smithy_types::byte_stream::ByteStream::new(answer.unwrap().into_body());
        assert_silent(&body.collect().await.unwrap_err());
    }

    #[tokio::test]
    async fn a_body_of_ours_that_fails_is_not_tried_again() {
        let (listener, address) = listen().await;
        let (chunks, receiver) = mpsc::channel(1);
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            head(&mut socket).await;
            chunks.send(Err("no more".into())).await.unwrap();
            // Ends when the client hangs up.
            let _ = socket.read_to_end(&mut Vec::new()).await;
        };
        let body = SdkBody::from_body_1_x(ByHand { chunks: receiver, left: Some(10) });
        let connector = connector(None);
        let (error, ()) = tokio::join!(connector.call(to(address, "PUT", body)), server);
        let error = error.unwrap_err();
        assert!(error.is_user(), "{error:?}");
        assert_silent(&error);
    }

    #[tokio::test]
    async fn a_request_is_streamed_and_its_length_is_named() {
        let (listener, address) = listen().await;
        let (chunks, receiver) = mpsc::channel(1);
        let (seen, first_seen) = oneshot::channel();
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let (head, mut body) = head(&mut socket).await;
            while body.is_empty() {
                socket.read_buf(&mut body).await.unwrap();
            }
            seen.send(()).unwrap();
            while body.len() < CHUNK * CHUNKS {
                assert_ne!(socket.read_buf(&mut body).await.unwrap(), 0);
            }
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            (head, body)
        });
        tokio::spawn(async move {
            chunks.send(Ok(vec![0_u8; CHUNK].into())).await.unwrap();
            // The second chunk is not made before the server has the first.
            first_seen.await.unwrap();
            for number in 1..CHUNKS {
                chunks.send(Ok(vec![u8::try_from(number).unwrap(); CHUNK].into())).await.unwrap();
            }
        });
        let body = ByHand { chunks: receiver, left: Some((CHUNK * CHUNKS) as u64) };
        let answer = connector(None).call(to(address, "PUT", SdkBody::from_body_1_x(body))).await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);

        let (head, body) = server.await.unwrap();
        assert!(head.starts_with("put /private/key?appid=wx1&secret=topsecret http/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("content-length: {}\r\n", CHUNK * CHUNKS)), "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
        assert!(
            body.chunks(CHUNK).enumerate().all(|(number, chunk)| chunk.iter().all(|byte| *byte as usize == number))
        );
    }

    #[tokio::test]
    async fn an_answer_is_streamed() {
        let (listener, address) = listen().await;
        let (seen, first_seen) = oneshot::channel();
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            head(&mut socket).await;
            let head =
                format!("HTTP/1.1 206 Partial Content\r\nx-of: s3\r\ncontent-length: {}\r\n\r\n", CHUNK * CHUNKS);
            socket.write_all(head.as_bytes()).await.unwrap();
            socket.write_all(&vec![0; CHUNK]).await.unwrap();
            // The second chunk is not sent before the client has read of the first.
            first_seen.await.unwrap();
            for number in 1..CHUNKS {
                socket.write_all(&vec![u8::try_from(number).unwrap(); CHUNK]).await.unwrap();
            }
        });
        let answer = connector(None).call(to(address, "GET", SdkBody::empty())).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers().get("x-of")), (206, Some("s3")));
        let mut body = aws_smithy_types::byte_stream::ByteStream::new(answer.into_body());
        let mut read = body.try_next().await.unwrap().unwrap().to_vec();
        seen.send(()).unwrap();
        while let Some(bytes) = body.try_next().await.unwrap() {
            read.extend_from_slice(&bytes);
        }
        server.await.unwrap();
        assert_eq!(read.len(), CHUNK * CHUNKS);
        assert!(
            read.chunks(CHUNK).enumerate().all(|(number, chunk)| chunk.iter().all(|byte| *byte as usize == number))
        );
    }

    #[tokio::test]
    async fn a_path_that_would_not_be_sent_as_signed_is_refused() {
        for path in ["/a/../b", "/a/./b", "/a/%2e%2e/b"] {
            let mut request = HttpRequest::new(SdkBody::empty());
            request.set_uri(format!("http://127.0.0.1:1{path}?x=1")).unwrap();
            let error = connector(None).call(request).await.unwrap_err();
            assert!(error.is_user(), "{error:?}");
        }
        for path in ["", "/", "/?list-type=2&prefix=a%2Fb", "/bucket//a%20b", "/a?"] {
            let mut request = HttpRequest::new(SdkBody::empty());
            request.set_uri(format!("http://127.0.0.1:1{path}")).unwrap();
            assert!(to_reqwest(request).is_ok(), "{path}");
        }
    }
}
