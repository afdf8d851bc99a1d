//! The Lambda function: settings, start, serve.

use greenlight::clock::Clock;
use greenlight::settings::log_level;
use receive_push::ReceivePush;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "main is where the environment is read")]
async fn main() -> Result<(), lambda_http::Error> {
    let lookup = |name: &str| std::env::var(name).ok();
    greenlight::log::start(log_level(&lookup)?);
    let function = ReceivePush::start(&lookup, Clock::system()).await?;
    lambda_http::run(function.router()).await
}
