//! A WeChat of our own, for local runs and tests, as nasty as the real one.
//!
//! It answers what Greenlight asks of WeChat over WeChat's own wire formats: tokens, login, checks of text and
//! media; it downloads the media it is asked to check, and pushes encrypted verdicts. What WeChat refuses, it
//! refuses with the same errcode. How it behaves beyond that, late, twice, out of order or not at all, it is told
//! with [`Simulator::behave`], or from outside under `/simulator`.
//!
//! - Any login code that it has not seen logs in. `alice-1` and `alice-2` are two logins of one user, `alice`:
//!   what comes before the last `-` names the user. Codes that begin with `bad` are refused with 40029, those that
//!   begin with `blocked` with 40226, and used ones with 40163.
//! - A text is risky or for review when it contains one of [`RISKY_WORDS`] or [`REVIEW_WORDS`].
//! - A picture that is mostly red is risky, one that is mostly yellow is for review; sound is risky or for review
//!   when the file contains the word [`RISKY_SOUND`] or [`REVIEW_SOUND`].
//!
//! Each file imports only from further down: `dispatcher` and `control` take the calls; `apis` answer one each; `pushes`
//! sends verdicts; `saved_state`, `shared` and `world` are what is known; `vocabulary` is what all of them speak of.
//!
//! The sources of WeChat's behaviour are named where it is simulated, by the titles of the pages of WeChat's
//! mini program documentation (开发/服务端, 开发/指南).

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use greenlight::domain::clock::Clock;
use greenlight::domain::ids::AppId;
use greenlight::wechat::envelope::AesKey;
use tokio::net::TcpListener;

use crate::cuttable_listener;
use crate::engines::{Engine, EngineError};

mod apis;
mod control;
mod dispatcher;
mod pushes;
mod saved_state;
mod shared;
mod vocabulary;
mod world;

#[cfg(test)]
mod tests;

pub use apis::media_judge::{RED_LABEL, REVIEW_SOUND, RISKY_SOUND, YELLOW_LABEL};
pub use apis::text::{REVIEW_WORDS, RISKY_WORDS};
pub use pushes::{Pushed, ReleaseOrder};
pub use vocabulary::api::Api;
pub use vocabulary::behaviour::{
    Behaviour, Dropping, Failure, Fault, MediaReading, PushFormat, PushMode, PushShape, Quota, RepeatBy, RepeatLimit,
};
pub use vocabulary::records::{CheckRecord, PushRecord};
pub use vocabulary::simulated_app::SimulatedApp;
pub use vocabulary::verdict::{ForcedVerdict, Verdict};

use apis::media;
use shared::Shared;
use vocabulary::ids;
use world::World;

/// A running simulator. When the last clone is dropped, it ends, and with it all that it had under way.
#[derive(Clone)]
pub struct Simulator {
    running: Arc<Running>,
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Simulator").field("address", &self.running.address).finish_non_exhaustive()
    }
}

struct Running {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

/// WeChat's APIs, and `/simulator`.
fn router(shared: &Arc<Shared>) -> axum::Router {
    control::routes().fallback(dispatcher::answer).with_state(Arc::clone(shared))
}

impl Simulator {
    /// Starts serving on `listener`.
    ///
    /// `client` downloads media and pushes. `clock` is what tokens, minutes, days and the two hours after a visit
    /// go by; delays, timeouts and retries take real time.
    ///
    /// An app whose AES key or push URL is malformed is refused.
    pub async fn start(
        listener: TcpListener,
        apps: Vec<SimulatedApp>,
        client: reqwest::Client,
        clock: Clock,
    ) -> io::Result<Self> {
        for app in &apps {
            let refuse = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{what} of {}", app.app_id));
            AesKey::parse(&app.push_aes_key).map_err(|_| refuse("malformed push_aes_key"))?;
            if !app.push_url.is_empty() && reqwest::Url::parse(&app.push_url).is_err() {
                return Err(refuse("malformed push_url"));
            }
        }
        let mut seed = [0; 16];
        getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(World::new(apps, seed), client, clock));
        let router = router(&shared);
        tokio::spawn(cuttable_listener::serve(listener, router, shared.stopped.subscribe()));
        Ok(Self { running: Arc::new(Running { shared, address }) })
    }

    fn shared(&self) -> &Shared {
        &self.running.shared
    }

    /// One more way in, for a caller that is to die.
    pub async fn way_in(&self) -> Result<Engine, EngineError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(EngineError::Listener)?;
        let router = router(&self.running.shared);
        cuttable_listener::way_in(listener, router, self.shared().stopped.subscribe())
    }

    /// Where it serves, without a slash at the end: what stands for `https://api.weixin.qq.com`.
    pub fn url(&self) -> String {
        format!("http://{}", self.running.address)
    }

    /// Takes up what an earlier simulator wrote to `file`, and writes there from now on: users, used codes, and the
    /// checks whose verdicts are still owed, which are begun again. Held pushes are owed too, and are held no longer.
    pub fn save_to(&self, file: &Path) -> io::Result<()> {
        let shared = &self.running.shared;
        for (app_id, trace_id, check) in shared.restore_from(file)? {
            media::resume(shared, &app_id, trace_id, check);
        }
        shared.save_to(file);
        Ok(())
    }

    /// Ends serving, and every download and push that is under way. Dropping the last clone does the same.
    pub fn stop(&self) {
        self.shared().stop();
    }

    /// Waits until no check, download or push is under way. Held pushes and hanging calls do not count.
    pub async fn idle(&self) {
        self.shared().idle().await;
    }

    /// Sends an app's pushes to another URL from now on.
    pub fn set_push_url(&self, app: &AppId, url: &str) {
        self.shared().change(app, |app| url.clone_into(&mut app.settings.push_url));
    }

    /// Replaces an app's behaviour, with all that was still to be counted down. Held pushes stay held.
    pub fn behave(&self, app: &AppId, behaviour: Behaviour) {
        self.shared().change(app, |app| app.behaviour = behaviour);
    }

    /// An app's behaviour with what is still to be counted down; the default for an app that is not known.
    pub fn behaviour(&self, app: &AppId) -> Behaviour {
        self.shared().world().apps.get(app).map(|app| app.behaviour.clone()).unwrap_or_default()
    }

    /// The openid that the user called `name` has in `app`: what a login with the code `name-…` answers.
    pub fn openid(app: &AppId, name: &str) -> String {
        ids::openid_of(app, name)
    }

    /// A user opens the mini program: active for two hours from now. Users that never logged in become known.
    /// Whether the app is known.
    pub fn visit(&self, app: &AppId, openid: &str) -> bool {
        let now = self.shared().clock.now();
        self.shared().change(app, |app| app.visit(openid, now)).is_some()
    }

    /// A user was not there in the last two hours: checks answer 61010. Whether the user is known.
    pub fn leave(&self, app: &AppId, openid: &str) -> bool {
        self.shared().change(app, |app| app.leave(openid)).unwrap_or_default()
    }

    /// A user is no more: checks answer 40003 until the next login. Whether the user was known.
    pub fn forget(&self, app: &AppId, openid: &str) -> bool {
        self.shared().change(app, |app| app.forget(openid)).unwrap_or_default()
    }

    /// All access tokens of the app expire now (42001). Whether the app is known.
    pub fn expire_token(&self, app: &AppId) -> bool {
        let now = self.shared().clock.now();
        let mut world = self.shared().world();
        world.expire_tokens(app, now);
        world.apps.contains_key(app)
    }

    /// Somebody else renews the app's stable token by force: the one before is no longer the latest (40001), and
    /// the next call for a token answers the new one. Whether the app is known.
    pub fn overwrite_token(&self, app: &AppId) -> bool {
        let now = self.shared().clock.now();
        let mut world = self.shared().world();
        world.overwrite_token(app, now);
        world.apps.contains_key(app)
    }

    /// How many verdicts are held for the app.
    pub fn held_pushes(&self, app: &AppId) -> usize {
        self.shared().world().apps.get(app).map_or(0, |app| app.held.len())
    }

    /// Sends what is held for the app, each after the one before was answered, and waits for it.
    pub async fn release_pushes(&self, app: &AppId, order: ReleaseOrder) -> Pushed {
        pushes::release(self.shared(), app, order).await.unwrap_or_default()
    }

    /// Pushes the verdict of a check again, whatever the app's behaviour holds or drops. Whether it was taken;
    /// nothing if there is no such check, or no verdict yet.
    pub async fn push_again(&self, app: &AppId, trace_id: &str) -> Option<bool> {
        pushes::repeat(self.shared(), app, trace_id, None).await
    }

    /// Pushes this verdict in the name of a check. Whether it was taken; nothing if there is no such check.
    pub async fn push_verdict(&self, app: &AppId, trace_id: &str, verdict: &ForcedVerdict) -> Option<bool> {
        pushes::repeat(self.shared(), app, trace_id, Some(verdict)).await
    }

    /// Pushes any message, JSON or XML, signed and sealed as the app's behaviour says. Whether it was taken.
    pub async fn push_now(&self, app: &AppId, message: &str) -> bool {
        let openid = ids::openid_of(app, "nobody");
        pushes::send(self.shared(), app, None, &openid, message).await
    }

    /// Lets every hanging call go on to its answer.
    pub fn release_hangs(&self) {
        self.shared().hangs.release();
    }

    /// Waits until at least so many calls hang ([`Fault::Hang`]).
    pub async fn until_hanging(&self, calls: usize) {
        self.shared().hangs.until(calls).await;
    }

    /// How often an app called an API, whatever came of it.
    pub fn calls(&self, app: &AppId, api: Api) -> u64 {
        self.counts(app).get(&api).copied().unwrap_or_default()
    }

    /// How often an app called each API, whatever came of it.
    pub fn counts(&self, app: &AppId) -> BTreeMap<Api, u64> {
        self.shared().world().apps.get(app).map(|app| app.calls.clone()).unwrap_or_default()
    }

    /// The last 100,000 checks, oldest first, refused ones included.
    pub fn checks(&self) -> Vec<CheckRecord> {
        self.shared().world().checks.iter().cloned().collect()
    }

    /// How many checks that is.
    pub fn checks_remembered(&self) -> usize {
        self.shared().world().checks.len()
    }

    /// The last 100,000 sendings of pushes, oldest first, dropped ones included.
    pub fn pushes(&self) -> Vec<PushRecord> {
        self.shared().world().pushes.iter().cloned().collect()
    }
}
