//! The Lambda function: settings, start, and a sweep at each turn of the schedule.

use greenlight::domain::clock::Clock;
use greenlight::start::Fatal;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use sweep_overdue::SweepOverdue;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "main is where the environment is read")]
async fn main() -> Result<(), Fatal> {
    let lookup = |name: &str| std::env::var(name).ok();
    greenlight::log::start(&lookup).map_err(Fatal::new)?;
    let function = &SweepOverdue::start(&lookup, Clock::system()).await.map_err(Fatal::new)?;
    lambda_runtime::run(service_fn(move |_: LambdaEvent<serde_json::Value>| async move {
        // What failed stays due, and the next turn is the retry.
        function.run().await.map(drop).map_err(Error::from)
    }))
    .await
    .map_err(Fatal::new)
}
