//! What the tests of trouble share: a WeChat that is told to misbehave, and what it was asked meanwhile.

use greenlight::domain::ids::AppId;
use greenlight::domain::submission::PartState;
use greenlight_local::simulator::{Api, CheckRecord};
use greenlight_tests::world::{World, app_id, server_key};
use serde_json::{Value, json};

pub(crate) fn wx() -> AppId {
    app_id(0)
}

pub(crate) fn recover(world: &World) {
    world.behave(json!({}));
    world.simulator.release_hangs();
}

pub(crate) fn calls(world: &World, api: Api) -> u64 {
    world.simulator.calls(&wx(), api)
}

pub(crate) fn media_checks(world: &World) -> Vec<CheckRecord> {
    world.simulator.checks().into_iter().filter(|check| check.api == Api::MediaCheckAsync).collect()
}

/// So many minutes, each with its sweep.
pub(crate) async fn minutes(world: &World, minutes: usize) {
    for _ in 0..minutes {
        world.pass(60);
        world.sweep().await;
    }
}

/// How many attempts of each part of a submission count.
pub(crate) async fn attempts(world: &World, id: &str) -> Vec<usize> {
    world.stored(id).await.parts.iter().map(greenlight::domain::submission::Part::attempts_made).collect()
}

pub(crate) async fn first_part(world: &World, id: &str) -> PartState {
    world.stored(id).await.parts[0].state
}

/// Submits with the owner's key, which no rate holds back, in the name of a user; the answer is always 201.
pub(crate) async fn submit_for(world: &World, name: &str, mut body: Value) -> Value {
    body["openid"] = json!(World::openid(0, name));
    world.submit(&server_key(0), &body).await.expect(201).json()
}

pub(crate) async fn submit_text_for(world: &World, name: &str, text: &str) -> Value {
    submit_for(world, name, json!({"scene": "comment", "text": text})).await
}

pub(crate) fn id_of(submission: &Value) -> String {
    submission["id"].as_str().unwrap().to_owned()
}
