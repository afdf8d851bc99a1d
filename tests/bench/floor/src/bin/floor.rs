//! The floor of a case: makes the requests that its function was seen to make, with bare hyper and nothing else: no SDK, no
//! signature, no JSON, no TLS.
//!
//! `FLOOR_SCRIPT` names a file of what to ask for; `greenlight_bench::script` writes it.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use greenlight_floor::{Asked, Round, Script};
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use lambda_http::{Body, Response, run, service_fn};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

type Failure = Box<dyn Error + Send + Sync>;
type Connection = SendRequest<Full<Bytes>>;

/// Connections that nobody uses now.
static IDLE: Mutex<Vec<(SocketAddr, Connection)>> = Mutex::new(Vec::new());

fn idle<T>(with: impl FnOnce(&mut Vec<(SocketAddr, Connection)>) -> T) -> T {
    with(&mut IDLE.lock().unwrap_or_else(PoisonError::into_inner))
}

async fn connection(to: SocketAddr) -> Result<Connection, Failure> {
    let kept = idle(|idle| Some(idle.swap_remove(idle.iter().position(|(own, _)| *own == to)?).1));
    if let Some(kept) = kept {
        return Ok(kept);
    }
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let (connection, driver) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(driver);
    Ok(connection)
}

async fn ask(asked: &Asked) -> Result<(), Failure> {
    let mut request = http::Request::builder().method(asked.method.as_str()).uri(&asked.path);
    for (name, value) in &asked.headers {
        request = request.header(name, value);
    }
    let mut connection = connection(asked.to).await?;
    let answer = connection.send_request(request.body(Full::new(asked.body.clone()))?).await?;
    let status = answer.status().as_u16();
    answer.into_body().collect().await?;
    idle(|idle| idle.push((asked.to, connection)));
    if status == asked.status {
        Ok(())
    } else {
        Err(format!("{} {} is answered {status} and not {}", asked.method, asked.path, asked.status).into())
    }
}

async fn lane(requests: &'static [Asked]) -> Result<(), Failure> {
    for request in requests {
        ask(request).await?;
    }
    Ok(())
}

async fn make(rounds: &'static [Round]) -> Result<(), Failure> {
    for round in rounds {
        match round.as_slice() {
            [only] => lane(only).await?,
            lanes => {
                let mut lanes: JoinSet<_> = lanes.iter().map(|requests| lane(requests)).collect();
                while let Some(made) = lanes.join_next().await {
                    made??;
                }
            }
        }
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "main is where the environment is read")]
async fn main() -> Result<(), Failure> {
    let script: &'static Script = Box::leak(Box::new(Script::read(&std::fs::read(std::env::var("FLOOR_SCRIPT")?)?)?));
    make(&script.init).await?;
    run(service_fn(async |_| {
        make(&script.invocation).await?;
        let answer = Response::builder().status(script.status).header(CONTENT_TYPE, &script.content_type);
        let body = match str::from_utf8(&script.answer) {
            Ok(text) => Body::Text(text.to_owned()),
            Err(_) => Body::Binary(script.answer.to_vec()),
        };
        Ok::<_, Failure>(answer.body(body)?)
    }))
    .await
}
