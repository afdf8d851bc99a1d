//! WeChat's callback URL: takes what WeChat pushes, and answers `success` only when that is safe. What is not ours goes on to
//! where the app names a server for it.

mod relay;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::get;
use greenlight::api::base_path;
use greenlight::api::body::read_body;
use greenlight::api::problem::Problem;
use greenlight::api::respond::{method_not_allowed, not_found, respond};
use greenlight::apps::{App, Apps, NoApp};
use greenlight::domain::clock::Clock;
use greenlight::domain::ids::{AppId, TraceId};
use greenlight::domain::outcome::Outcome;
use greenlight::metrics::{self, Metric};
use greenlight::moderation::push::{Pushed, take_push};
use greenlight::outbound::Poster;
use greenlight::secrets::Secrets;
use greenlight::settings::Lookup;
use greenlight::start::{Start, StartError};
use greenlight::table::Table;
use greenlight::wechat::push::{
    self, MAX_PUSH_BYTES, MediaCheck, PlaintextPolicy, Push, PushError, PushEvent, PushQuery,
};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use relay::Sent;
use tower::ServiceExt;

/// How our paths begin, whatever stands before them.
pub const HEAD: &str = "/push/";
/// How many calls to the table a push makes at once: it is written while its verdict is kept.
const AT_ONCE: usize = 2;
/// WeChat hangs up after five seconds and sends the push again; so it is told before that.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// What the function holds while it lives.
#[derive(Clone, Debug)]
pub struct ReceivePush {
    /// The table.
    pub table: Table,
    /// The secret.
    pub secrets: Secrets,
    /// The clock.
    pub clock: Clock,
    /// What takes pushes on to an app's `relay_url`.
    pub poster: Poster,
}

impl ReceivePush {
    /// Reads the settings, reads the secret, and opens the connections to the table.
    pub async fn start(lookup: &Lookup<'_>, clock: Clock) -> Result<Self, StartError> {
        let start = Start::new(lookup, clock)?;
        let table = start.keeping_table()?;
        let (secrets, connected) = tokio::join!(start.secrets(), table.connect(AT_ONCE));
        connected?;
        Ok(Self { table, secrets: secrets?, clock: start.clock(), poster: start.poster()? })
    }

    /// The routes.
    pub fn router(self) -> Router {
        let routes = Router::new()
            .route("/push/{app_id}", get(receive).post(receive))
            .fallback(async |request: Request| not_found::<Body>(request.headers()))
            .method_not_allowed_fallback(async |request: Request| method_not_allowed::<Body>(request.headers()))
            .with_state(Arc::new(self));
        Router::new().fallback_service(routes.map_request(|mut request: Request| {
            base_path::cut_before_last(request.uri_mut(), HEAD);
            request
        }))
    }

    /// Does `with` for the app, and once more with newly read keys if the first says that nothing fits.
    async fn with_app<T>(
        &self,
        app_id: &str,
        with: impl Fn(&App) -> Result<T, PushError>,
    ) -> Result<(App, T), Problem> {
        let id = AppId::parse(app_id).map_err(|_| Problem::not_found())?;
        let apps = self.secrets.apps().await;
        let first = opened(&apps, &id, &with);
        // The app, or its keys, may be newer than what was read.
        let again = match &first {
            Err(NotOpened::NoApp(_) | NotOpened::Push(PushError::NotAuthentic(_))) => self.secrets.fresh().await,
            _ => None,
        };
        let last = again.map_or(first, |apps| opened(&apps, &id, &with));
        last.map_err(|error| match error {
            // WeChat sends it again: nothing is lost while an app is switched off.
            NotOpened::NoApp(no_app) => Problem::of_no_app(&no_app, Problem::not_found),
            NotOpened::Push(error) => refused(&id, &error),
        })
    }

    /// Takes a push that is known to be WeChat's, and says what WeChat is answered.
    async fn take(&self, app: &App, push: Push, sent: Sent<'_>) -> Result<Response, Problem> {
        let relayed = match push.event {
            PushEvent::MediaCheck(MediaCheck { trace_id, said }) => {
                tell_failure(app, &trace_id, said.outcome);
                let done = take_push(&self.table, &self.clock, &app.id, &trace_id, &said).await?;
                let age = push.created_at.map(|at| self.clock.now().since(at));
                tell_taken(app, &trace_id, done, push.secured, age);
                if done != Pushed::Parked {
                    return Ok(success());
                }
                // Another deployment of the same mini program may have asked for it. Ours is kept: whatever is answered
                // there, WeChat is told that it arrived.
                self.relay(app, sent).await?.map(|_| success())
            }
            PushEvent::Other { msg_type, event } => {
                tracing::debug!(event = "push_not_ours", app = %app.id, msg_type, kind = event, "a push that is not ours");
                self.relay(app, sent).await?
            }
        };
        Ok(relayed.unwrap_or_else(success))
    }
}

/// Tells of a check that came to nothing.
fn tell_failure(app: &App, trace_id: &TraceId, outcome: Outcome) {
    match outcome {
        Outcome::Verdict(_) => {}
        Outcome::Failed { errcode: Some(errcode) } => {
            tracing::warn!(event = "medium_not_checked", app = %app.id, trace_id = %trace_id, errcode, "WeChat could not check a medium");
        }
        Outcome::Failed { errcode: None } => {
            tracing::warn!(event = "push_without_verdict", app = %app.id, trace_id = %trace_id, "a push says nothing that can be understood");
        }
    }
}

/// Tells, in log and metrics, of a push that was taken.
fn tell_taken(app: &App, trace_id: &TraceId, done: Pushed, secured: bool, age: Option<Duration>) {
    let age_ms = age.map(|age| u64::try_from(age.as_millis()).unwrap_or(0));
    let parked = done == Pushed::Parked;
    tracing::info!(
        event = "push_taken",
        app = %app.id, trace_id = %trace_id, secured, parked, age_ms,
        "a push was taken"
    );
    let mut measured = Vec::new();
    // The age in whole seconds, as WeChat tells it; far below 2^52.
    measured.extend(age_ms.and_then(|age| u32::try_from(age).ok()).map(|age| (Metric::PushLatency, f64::from(age))));
    measured.extend(match done {
        Pushed::Applied => None,
        Pushed::ChangedNothing => Some((Metric::PushesTwice, 1.0)),
        Pushed::Parked => Some((Metric::PushesOrphaned, 1.0)),
    });
    metrics::record(&measured);
}

/// Why nothing could be done with an app's keys.
enum NotOpened {
    NoApp(NoApp),
    Push(PushError),
}

fn opened<T>(apps: &Apps, id: &AppId, with: impl Fn(&App) -> Result<T, PushError>) -> Result<(App, T), NotOpened> {
    let app = apps.get(id).map_err(NotOpened::NoApp)?;
    with(app).map(|done| (app.clone(), done)).map_err(NotOpened::Push)
}

/// What the sender is told; what exactly is wrong stands in the log, for the sender may be anyone.
fn refused(app: &AppId, error: &PushError) -> Problem {
    let (status, code, zh, en) = match error {
        PushError::NotAuthentic(_) => {
            (StatusCode::UNAUTHORIZED, "not_authentic", "签名不对。", "The signature does not hold.")
        }
        PushError::PlaintextRefused => (
            StatusCode::FORBIDDEN,
            "plaintext_refused",
            "请在微信公众平台把消息推送改为安全模式。",
            "Switch message push to security mode in WeChat's console.",
        ),
        PushError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "推送太大。", "The push is too large."),
        PushError::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed", "推送格式不对。", "The push is malformed."),
        PushError::WrongApp => {
            (StatusCode::FORBIDDEN, "wrong_app", "推送属于另一个小程序。", "The push is for another app.")
        }
    };
    metrics::count(Metric::PushesRefused);
    match error {
        PushError::PlaintextRefused | PushError::WrongApp => {
            tracing::error!(event = "push_refused", alarm = "push_configuration", app = %app, error = %error, "a push was refused");
        }
        _ => tracing::warn!(event = "push_refused", app = %app, error = %error, "a push was refused"),
    }
    Problem::new(status, code, zh, en)
}

/// An answer that WeChat reads letter for letter.
fn text(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What tells WeChat that a push has arrived, and wants no other answer.
fn success() -> Response {
    text("success".to_owned())
}

async fn receive(
    State(function): State<Arc<ReceivePush>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    // A path that is no UTF-8 names nothing.
    let app_id = path.map(|Path(app_id)| app_id).unwrap_or_default();
    let (head, body) = request.into_parts();
    let query = PushQuery::parse(head.uri.query().unwrap_or_default());
    let reply = async {
        // On GET WeChat asks whether the URL is ours, with the text that it wants back; HEAD is the same without the text.
        if head.method != Method::POST {
            let verified = function.with_app(&app_id, |app| push::verify_url(&app.push_keys, &query)).await?;
            return Ok(text(verified.1));
        }
        let body = read_body(&head.headers, body, MAX_PUSH_BYTES).await?;
        let received = function.with_app(&app_id, |app| {
            let policy = if app.allow_plaintext_push { PlaintextPolicy::Allow } else { PlaintextPolicy::Refuse };
            push::receive(&app.id, &app.push_keys, policy, &query, &body)
        });
        let (app, push) = received.await?;
        function.take(&app, push, Sent { head: &head, body }).await
    };
    let reply = tokio::time::timeout(ANSWER_WITHIN, reply).await.unwrap_or_else(|_| Err(Problem::unavailable()));
    respond(&head.headers, reply)
}
