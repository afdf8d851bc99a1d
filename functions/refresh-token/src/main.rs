//! The Lambda function: settings, start, and a refresh at each turn of the schedule.

use greenlight::domain::clock::Clock;
use greenlight::start::Fatal;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use refresh_token::RefreshToken;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "main is where the environment is read")]
async fn main() -> Result<(), Fatal> {
    let lookup = |name: &str| std::env::var(name).ok();
    greenlight::log::start(&lookup).map_err(Fatal::new)?;
    let function = &RefreshToken::start(&lookup, Clock::system()).await.map_err(Fatal::new)?;
    lambda_runtime::run(service_fn(move |_: LambdaEvent<serde_json::Value>| async move {
        let refresh = function.run().await;
        // A failed invocation is what the operator's alarm sees; the next turn is the retry.
        match (refresh.failed.len(), refresh.faults) {
            (0, 0) => Ok(()),
            (0, _) => Err(Error::from("the secret is wrong for an app; the log names the field")),
            (failed, _) => Err(Error::from(format!("{failed} apps have no fresh token; the log names them"))),
        }
    }))
    .await
    .map_err(Fatal::new)
}
