//! The console: who is let in, what waits there, and what is done with it.

mod came_back;
mod cases;
mod deeds;
mod entering;
mod evidence;
mod figures;
mod late;
mod look_back;
mod orders;
mod pages;
mod record;
mod undo;

use greenlight_tests::world::World;
use serde_json::json;

/// So many doubtful texts, each of an author of its own; their ids, oldest first.
async fn doubtful(world: &World, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        let author = world.log_in(&format!("author{number}")).await;
        let body = json!({"scene": "forum", "channel": "square", "text": format!("这很可疑 {number}")});
        ids.push(world.submit(&author, &body).await.expect(201).text("id"));
        world.clock.advance(std::time::Duration::from_millis(1));
    }
    ids
}
