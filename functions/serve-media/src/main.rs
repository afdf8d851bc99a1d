//! The Lambda function: settings, start, serve, framed as its door wants it.

use greenlight::clock::Clock;
use greenlight::settings::{Door, log_level};
use greenlight::start::Fatal;
use serve_media::ServeMedia;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "main is where the environment is read")]
async fn main() -> Result<(), Fatal> {
    let lookup = |name: &str| std::env::var(name).ok();
    greenlight::log::start(log_level(&lookup).map_err(Fatal::new)?);
    let door = Door::from_lookup(&lookup).map_err(Fatal::new)?;
    let router = ServeMedia::start(&lookup, Clock::system()).await.map_err(Fatal::new)?.router();
    match door {
        Door::Stream => lambda_http::run_with_streaming_response(router).await.map_err(Fatal::new),
        Door::Buffered => lambda_http::run(router).await.map_err(Fatal::new),
    }
}
