//! The Lambda function: settings, start, serve.

use greenlight::api::client_ip::ClientIp;
use greenlight::domain::clock::Clock;
use greenlight::start::Fatal;
use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};
use submit_content::SubmitContent;
use tower::ServiceExt;

/// Puts beside a request from which address it comes, as Lambda's door tells it.
fn with_sender(mut request: Request) -> Request {
    let sender = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref(),
        _ => None,
    };
    if let Some(sender) = sender.and_then(|sender| sender.parse().ok()) {
        request.extensions_mut().insert(ClientIp(sender));
    }
    request
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "main is where the environment is read")]
async fn main() -> Result<(), Fatal> {
    let lookup = |name: &str| std::env::var(name).ok();
    greenlight::log::start(&lookup).map_err(Fatal::new)?;
    let function = SubmitContent::start(&lookup, Clock::system()).await.map_err(Fatal::new)?;
    lambda_http::run(function.router().map_request(with_sender)).await.map_err(Fatal::new)
}
