//! The Lambda function: settings, start, serve, framed as its door wants it.

use greenlight::clock::Clock;
use greenlight::settings::{Door, log_level};
use serve_media::ServeMedia;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "main is where the environment is read")]
async fn main() -> Result<(), lambda_http::Error> {
    let lookup = |name: &str| std::env::var(name).ok();
    greenlight::log::start(log_level(&lookup)?);
    let door = Door::from_lookup(&lookup)?;
    let router = ServeMedia::start(&lookup, Clock::system()).await?.router();
    match door {
        Door::Stream => lambda_http::run_with_streaming_response(router).await,
        Door::Buffered => lambda_http::run(router).await,
    }
}
