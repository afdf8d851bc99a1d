//! The Lambda function: settings, start, and a batch of changes at each call of the event source mapping.

use greenlight::domain::clock::Clock;
use greenlight::start::Fatal;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use publish_decisions::PublishDecisions;
use publish_decisions::changes::Changes;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "main is where the environment is read")]
async fn main() -> Result<(), Fatal> {
    let lookup = |name: &str| std::env::var(name).ok();
    greenlight::log::start(&lookup).map_err(Fatal::new)?;
    let function = &PublishDecisions::start(&lookup, Clock::system()).await.map_err(Fatal::new)?;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Changes>| async move {
        Ok::<_, Error>(function.run(event.payload).await)
    }))
    .await
    .map_err(Fatal::new)
}
