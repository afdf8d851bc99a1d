//! Simulated processes: one start of all functions each, which dies as a whole, and leaves nothing under way.

use axum::Router;
use greenlight_local::engines::Engine;
use greenlight_local::functions::Functions;

use crate::world::World;

/// A process.
pub(super) struct Process {
    pub(super) functions: Functions,
    /// The routes of its functions.
    pub(super) router: Router,
    /// Its own way to the table.
    table: Engine,
    /// Its own way to WeChat.
    wechat: Engine,
}

impl Process {
    /// Starts one, and again where a function does not start, as Lambda does: that is what the table is to do wrong,
    /// and each time less of it is left.
    pub(super) async fn start(world: &World) -> Self {
        let (table, wechat) = (world.proxy.way_in().await, world.simulator.way_in().await.expect("a port"));
        let mut functions = loop {
            let faults = world.proxy.orders_left();
            match world.started_at(&table.url, &wechat.url).await {
                Ok(functions) => break functions,
                Err(error) => assert!(faults > 0, "nothing is wrong, yet it does not start: {error}"),
            }
        };
        functions.submit_content.author_waits = world.functions.submit_content.author_waits;
        Self { router: functions.router(), functions, table, wechat }
    }

    /// Ends it. What it had sent is carried out now or never.
    pub(super) async fn end(self) {
        self.table.stop().await;
        self.wechat.stop().await;
    }
}
