//! What outlives a restart of a local run: who was there, which codes were used, and which verdicts are still owed.
//!
//! WeChat does not forget them when Greenlight is killed, so neither does what stands for it. Tokens are not saved: a new
//! simulator knows none of the old ones, which is what a forced renewal elsewhere does.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::Path;

use greenlight::domain::clock::Timestamp;
use greenlight::domain::ids::AppId;
use serde::{Deserialize, Serialize};

use super::shared::Shared;
use super::vocabulary::media_check::OpenCheck;
use super::world::{App, User, World};
use crate::durable::write_private;

#[derive(Default, Serialize, Deserialize)]
struct SavedState {
    apps: BTreeMap<AppId, SavedApp>,
}

#[derive(Default, Serialize, Deserialize)]
struct SavedApp {
    push_url: String,
    active_at: BTreeMap<String, Option<Timestamp>>,
    used_codes: BTreeSet<String>,
    open: BTreeMap<String, OpenCheck>,
}

impl SavedState {
    fn of(world: &World) -> Self {
        let app = |app: &App| SavedApp {
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

    fn write(&self, file: &Path) -> io::Result<()> {
        write_private(file, &serde_json::to_vec(self).map_err(io::Error::other)?)
    }
}

impl Shared {
    /// Restores the users and codes that stand in `file`.
    ///
    /// What it says of open checks is handed back by app and trace id, because their verdicts are still owed.
    pub(super) fn restore_from(&self, file: &Path) -> io::Result<Vec<(AppId, String, OpenCheck)>> {
        let mut owed = Vec::new();
        for (app_id, saved) in SavedState::read(file)?.apps {
            let restored = self.world().apps.get_mut(&app_id).map(|app| {
                for (openid, active_at) in saved.active_at {
                    app.users.insert(openid, User { active_at });
                }
                app.used_codes.extend(saved.used_codes);
                app.settings.push_url.clone()
            });
            let Some(push_url) = restored else { continue };
            for (trace_id, mut check) in saved.open {
                check.media_url = moved_along(&check.media_url, &saved.push_url, &push_url);
                owed.push((app_id.clone(), trace_id, check));
            }
        }
        Ok(owed)
    }

    /// Saves to `file` now, and from now on.
    pub(super) fn save_to(&self, file: &Path) {
        // It is set once; a second call changes nothing.
        let _ = self.saved_in.set(file.to_owned());
        self.save();
    }

    /// Writes down what has changed, if it is to be saved.
    pub(super) fn save(&self) {
        let Some(file) = self.saved_in.get() else { return };
        // Under the lock, so that an older state never overwrites a newer one.
        let world = self.world();
        if let Err(error) = SavedState::of(&world).write(file) {
            tracing::warn!(%error, "simulator: its state could not be kept");
        }
    }
}

/// A run that took another port reaches its media under that one.
fn moved_along(media_url: &str, from: &str, to: &str) -> String {
    let parsed = [media_url, from, to].map(reqwest::Url::parse);
    let [Ok(mut moved), Ok(from), Ok(to)] = parsed else { return media_url.to_owned() };
    if moved.origin() == from.origin() {
        // Both are http with a host and a port, so neither is refused.
        let _ = moved.set_host(to.host_str());
        let _ = moved.set_port(to.port());
    }
    moved.to_string()
}
