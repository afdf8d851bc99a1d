//! What outlives a restart of a local run: who was there, which codes were used, and which verdicts are still owed.
//!
//! WeChat does not forget them when Greenlight is killed, so neither does what stands for it. Tokens are not kept: a new
//! simulator knows none of the old ones, which is what a forced renewal elsewhere does.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use greenlight::clock::Timestamp;
use greenlight::ids::AppId;
use serde::{Deserialize, Serialize};

use super::media;
use super::vocabulary::media_check::OpenCheck;
use super::world::{App, Shared, User, World};

#[derive(Default, Serialize, Deserialize)]
struct Kept {
    apps: BTreeMap<AppId, KeptApp>,
}

#[derive(Default, Serialize, Deserialize)]
struct KeptApp {
    push_url: String,
    active_at: BTreeMap<String, Option<Timestamp>>,
    used_codes: BTreeSet<String>,
    open: BTreeMap<String, OpenCheck>,
}

impl Kept {
    fn of(world: &World) -> Self {
        let app = |app: &App| KeptApp {
            push_url: app.settings.push_url.clone(),
            active_at: app.users.iter().map(|(openid, user)| (openid.clone(), user.active_at)).collect(),
            used_codes: app.used_codes.iter().cloned().collect(),
            open: app.open.clone(),
        };
        Self { apps: world.apps.iter().map(|(id, one)| (id.clone(), app(one))).collect() }
    }

    fn read(file: &Path) -> io::Result<Self> {
        match std::fs::read(file) {
            Ok(json) => serde_json::from_slice(&json).map_err(io::Error::other),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Whole or not at all, so that a kill in the middle leaves the one before.
    fn write(&self, file: &Path) -> io::Result<()> {
        let beside: PathBuf = file.with_extension("new");
        std::fs::write(&beside, serde_json::to_vec(self).map_err(io::Error::other)?)?;
        std::fs::rename(beside, file)
    }
}

impl Shared {
    /// Takes up what stands in `file`, and keeps it up to date from now on.
    pub(super) fn keep_in(self: &Arc<Self>, file: &Path) -> io::Result<()> {
        let kept = Kept::read(file)?;
        for (app_id, kept) in kept.apps {
            let taken_up = self.world().apps.get_mut(&app_id).map(|app| {
                for (openid, active_at) in kept.active_at {
                    app.users.insert(openid, User { active_at });
                }
                app.used_codes.extend(kept.used_codes);
                app.settings.push_url.clone()
            });
            let Some(push_url) = taken_up else { continue };
            for (trace_id, check) in kept.open {
                let Ok(mut url) = reqwest::Url::parse(&check.media_url) else { continue };
                move_along(&mut url, &kept.push_url, &push_url);
                media::resume(self, &app_id, trace_id, url, check);
            }
        }
        // It is set once; a second call changes nothing.
        let _ = self.kept_in.set(file.to_owned());
        self.keep();
        Ok(())
    }

    /// Writes down what has changed, if it is to be kept.
    pub(super) fn keep(&self) {
        let Some(file) = self.kept_in.get() else { return };
        // Under the lock, so that an older state never overwrites a newer one.
        let world = self.world();
        if let Err(error) = Kept::of(&world).write(file) {
            tracing::warn!(%error, "simulator: its state could not be kept");
        }
    }
}

/// A run that took another port reaches its media under that one.
fn move_along(media_url: &mut reqwest::Url, from: &str, to: &str) {
    let (Ok(from), Ok(to)) = (reqwest::Url::parse(from), reqwest::Url::parse(to)) else { return };
    if media_url.origin() == from.origin() {
        // Both are http with a host and a port, so neither is refused.
        let _ = media_url.set_host(to.host_str());
        let _ = media_url.set_port(to.port());
    }
}
