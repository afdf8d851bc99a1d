//! What the versions in Node find in the table: items of their own, as their developer would have laid them out.

use std::collections::HashMap;
use std::error::Error;

use aws_sdk_dynamodb::types::AttributeValue;
use greenlight::domain::clock::Clock;
use greenlight_local::stack::TABLE;

use crate::world::{APP, World};

async fn put(world: &World, attributes: &[(&str, &str)], numbers: &[(&str, i64)]) -> Result<(), Box<dyn Error>> {
    let texts = attributes.iter().map(|(name, value)| ((*name).to_owned(), AttributeValue::S((*value).to_owned())));
    let numbers = numbers.iter().map(|(name, value)| ((*name).to_owned(), AttributeValue::N(value.to_string())));
    let item: HashMap<String, AttributeValue> = texts.chain(numbers).collect();
    world.dynamodb.put_item().table_name(TABLE).set_item(Some(item)).send().await?;
    Ok(())
}

/// A token that lives.
///
/// # Errors
/// When the table does not take it.
pub async fn token(world: &World) -> Result<(), Box<dyn Error>> {
    let (pk, token) = (format!("node-app#{APP}"), "7".repeat(136));
    let expires = Clock::system().now().0 + 7_200_000;
    put(world, &[("pk", &pk), ("sk", "K"), ("access_token", &token)], &[("expires_at", expires)]).await
}

/// A submission that waits for the verdict on a trace.
///
/// # Errors
/// When the table does not take it.
pub async fn submission(world: &World, submission: &str, trace_id: &str) -> Result<(), Box<dyn Error>> {
    let (pk, trace) = (format!("node-submission#{submission}"), format!("node-trace#{trace_id}"));
    let sha256 = format!("{:064x}", world.number());
    put(world, &[("pk", &pk), ("sk", "S"), ("state", "pending"), ("sha256", &sha256)], &[("version", 1)]).await?;
    put(world, &[("pk", &trace), ("sk", "T"), ("submission", submission)], &[]).await
}
