//! The Lambda function: settings, start, serve, framed as Lambda was told to call it.

use greenlight::domain::clock::Clock;
use greenlight::settings::InvokeMode;
use greenlight::start::Fatal;
use serve_media::{ServeMedia, whole};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "main is where the environment is read")]
async fn main() -> Result<(), Fatal> {
    let lookup = |name: &str| std::env::var(name).ok();
    greenlight::log::start(&lookup).map_err(Fatal::new)?;
    let invoke_mode = InvokeMode::from_lookup(&lookup).map_err(Fatal::new)?;
    let router = ServeMedia::start(&lookup, Clock::system()).await.map_err(Fatal::new)?.router();
    match invoke_mode {
        InvokeMode::ResponseStream => lambda_http::run_with_streaming_response(router).await.map_err(Fatal::new),
        InvokeMode::Buffered => {
            lambda_http::run(router.layer(axum::middleware::map_response(whole))).await.map_err(Fatal::new)
        }
    }
}
