//! The Lambda function: settings, start, serve.

use greenlight::domain::clock::Clock;
use greenlight::start::Fatal;
use serve_console::ServeConsole;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "main is where the environment is read")]
async fn main() -> Result<(), Fatal> {
    let lookup = |name: &str| std::env::var(name).ok();
    greenlight::log::start(&lookup).map_err(Fatal::new)?;
    let function = ServeConsole::start(&lookup, Clock::system()).await.map_err(Fatal::new)?;
    lambda_http::run(function.router()).await.map_err(Fatal::new)
}
