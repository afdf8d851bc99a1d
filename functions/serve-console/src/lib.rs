//! The console: where moderators work off what waits for people.
//!
//! Its pages are rendered here, whole; the little script in them is for keys alone. Who may do what is decided at each request
//! by the session's item in the table; no server key and no secret comes near it.

mod answer;
mod author_page;
mod case_view;
mod chart;
mod deeds;
mod entering;
mod evidence;
mod exhibits;
mod figures_page;
mod find;
mod marks;
mod media;
mod people;
mod queue;
mod record_page;
mod start_page;
mod submission_page;
mod timeline;
mod visit;
mod wanted;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::{get, post};
use greenlight::api::base_path::first_of;
use greenlight::bucket::Bucket;
use greenlight::domain::base_url::BaseUrl;
use greenlight::domain::clock::Clock;
use greenlight::domain::moderator::CONSOLE;
use greenlight::settings::{Lookup, optional_url};
use greenlight::start::{Start, StartError};
use greenlight::table::Table;
use tower::ServiceExt;

/// How our paths begin, whatever stands before them.
pub const HEADS: [&str; 1] = [CONSOLE];

/// What the function holds while it lives.
#[derive(Clone, Debug)]
pub struct ServeConsole {
    /// The table.
    pub table: Table,
    /// The bucket.
    pub bucket: Bucket,
    /// The clock.
    pub clock: Clock,
    /// Where browsers reach it, if something before it changes the host's name.
    pub console_url: Option<BaseUrl>,
}

/// What stands before our paths, as the browser has it.
#[derive(Clone, Debug)]
pub(crate) struct Prefix(pub(crate) String);

impl ServeConsole {
    /// Reads the settings, and opens the connections to the table that a page uses.
    pub async fn start(lookup: &Lookup<'_>, clock: Clock) -> Result<Self, StartError> {
        let start = Start::new(lookup, clock)?;
        let table = start.keeping_table()?;
        let console_url = optional_url(lookup, "GREENLIGHT_CONSOLE_URL")?;
        table.connect(1).await?;
        Ok(Self { table, bucket: start.bucket()?, clock: start.clock(), console_url })
    }

    /// The routes.
    pub fn router(self) -> Router {
        let routes = Router::new()
            .route("/console", get(start_page::show))
            .route("/console/", get(start_page::show))
            .route("/console/console.css", get(answer::style))
            .route("/console/console.js", get(answer::script))
            .route("/console/icon.svg", get(answer::icon))
            .route("/console/links/{link}", get(entering::show).post(entering::enter))
            .route("/console/leave", post(entering::leave))
            .route("/console/language/{language}", get(entering::choose_language))
            .route("/console/queue", get(queue::show))
            .route("/console/decisions", post(deeds::decide))
            .route("/console/undo", post(deeds::undo))
            .route("/console/skips", post(deeds::skip))
            .route("/console/escalations", post(deeds::escalate))
            .route("/console/notes", post(deeds::note))
            .route("/console/lifts", post(deeds::lift))
            .route("/console/bans", post(deeds::ban))
            .route("/console/handover", post(start_page::leave_note))
            .route("/console/find", get(find::find))
            .route("/console/submissions/{id}", get(submission_page::show))
            .route("/console/authors/{author}", get(author_page::show))
            .route("/console/media/{id}/{index}", get(media::whole))
            .route("/console/previews/{id}/{index}", get(media::preview))
            .route("/console/people", get(people::show))
            .route("/console/people/links", post(people::make_link))
            .route("/console/people/revocations", post(people::revoke))
            .route("/console/record", get(record_page::show))
            .route("/console/record/exports", post(record_page::export))
            .route("/console/figures", get(figures_page::show))
            .route("/console/openids", post(record_page::find_openid))
            .route("/console/holds", post(evidence::put_on_hold))
            .route("/console/seals", post(evidence::open))
            .route("/console/seals/media", post(evidence::open_medium))
            .route("/console/exports", post(evidence::export))
            .route("/console/reasons", get(people::show_reasons).post(people::set_reasons))
            .fallback(answer::not_found)
            .method_not_allowed_fallback(answer::method_not_allowed)
            .with_state(Arc::new(self));
        Router::new().fallback_service(routes.map_request(|mut request: Request| {
            let from = first_of(request.uri().path(), &HEADS).unwrap_or(0);
            let prefix = request.uri().path().get(..from).unwrap_or_default().to_owned();
            greenlight::api::base_path::cut_before_first(request.uri_mut(), &HEADS);
            request.extensions_mut().insert(Prefix(prefix));
            request
        }))
    }
}
