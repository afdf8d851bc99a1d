//! What all calls and tasks of one simulator share: the world behind its lock, and what is under way.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use greenlight::domain::clock::Clock;
use greenlight::domain::ids::AppId;
use tokio::sync::watch;

use super::world::{App, World};

pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) client: reqwest::Client,
    pub(super) hangs: Hangs,
    pub(super) stopped: watch::Sender<bool>,
    under_way: watch::Sender<usize>,
    /// Where what outlives a restart is saved, if anywhere.
    pub(super) saved_in: OnceLock<PathBuf>,
    world: Mutex<World>,
}

impl Shared {
    pub(super) fn new(world: World, client: reqwest::Client, clock: Clock) -> Self {
        Self {
            clock,
            client,
            hangs: Hangs::default(),
            stopped: watch::Sender::new(false),
            under_way: watch::Sender::new(0),
            saved_in: OnceLock::new(),
            world: Mutex::new(world),
        }
    }

    /// The world, locked. A thread that panicked with the lock left nothing half-done that matters to a simulator.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes an app; nothing if it is not known.
    pub(super) fn change<T>(&self, app_id: &AppId, change: impl FnOnce(&mut App) -> T) -> Option<T> {
        let changed = self.world().apps.get_mut(app_id).map(change);
        if changed.is_none() {
            tracing::warn!(%app_id, "simulator: no such app");
        }
        changed
    }

    /// Runs `work` beside the calls, until it is done or the simulator stops. It counts as under way at once.
    pub(super) fn spawn(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) -> watch::Receiver<bool> {
        let (done, receiver) = watch::channel(false);
        self.under_way.send_modify(|count| *count += 1);
        let guard = UnderWay(Arc::clone(self));
        tokio::spawn(async move {
            let mut stopped = guard.0.stopped.subscribe();
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => {}
                () = work => {}
            }
            drop(guard);
            done.send_replace(true);
        });
        receiver
    }

    /// Waits until no download and no push is under way. Held pushes wait for their release, and do not count.
    pub(super) async fn idle(&self) {
        let mut under_way = self.under_way.subscribe();
        // The sender lives as long as `self`, so this cannot fail.
        let _count = under_way.wait_for(|count| *count == 0).await;
    }

    pub(super) fn stop(&self) {
        self.stopped.send_replace(true);
    }
}

pub(super) struct Hangs {
    hanging: watch::Sender<usize>,
    releases: watch::Sender<u64>,
}

impl Default for Hangs {
    fn default() -> Self {
        Self { hanging: watch::Sender::new(0), releases: watch::Sender::new(0) }
    }
}

impl Hangs {
    pub(super) async fn hang(&self) {
        // Subscribed before it is counted, so that whoever sees the count cannot release too early.
        let mut releases = self.releases.subscribe();
        self.hanging.send_modify(|count| *count += 1);
        let _counted = Hanging(self);
        // The sender lives as long as `self`, so this cannot fail.
        let _release = releases.changed().await;
    }

    pub(super) fn release(&self) {
        self.releases.send_modify(|count| *count += 1);
    }

    pub(super) async fn until(&self, calls: usize) {
        let mut hanging = self.hanging.subscribe();
        let _count = hanging.wait_for(|count| *count >= calls).await;
    }
}

#[cfg(test)]
impl Hangs {
    pub(super) async fn until_none(&self) {
        let mut hanging = self.hanging.subscribe();
        let _count = hanging.wait_for(|count| *count == 0).await;
    }
}

/// One hanging call; it also ends when its caller goes away.
struct Hanging<'a>(&'a Hangs);

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        self.0.hanging.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// One piece of work that [`Shared::idle`] waits for.
struct UnderWay(Arc<Shared>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.send_modify(|count| *count = count.saturating_sub(1));
    }
}
