//! One page a submission: all that is there, and all that happened to it.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use greenlight::api::body::query;
use greenlight::api::problem::Problem;
use greenlight::domain::ids::SubmissionId;
use greenlight::domain::submission::Part;
use greenlight::table::Standing;
use http::StatusCode;

use crate::ServeConsole;
use crate::answer::{Frame, answer, page};
use crate::case_view::{CaseView, ReasonView, answered_by, finding, reasons};
use crate::deeds;
use crate::evidence::EvidenceView;
use crate::queue::Flash;
use crate::timeline::{Happening, standing, timeline};
use crate::visit::{Door, Visit};
use crate::words::Words;

/// Where a part stands.
struct PartView {
    name: String,
    standing: String,
    /// What WeChat found, where the verdict that holds is no pass.
    found: String,
}

#[derive(Template)]
#[template(path = "submission.html")]
struct SubmissionPage<'a> {
    f: Frame<'a>,
    flash: Flash,
    case: CaseView,
    evidence: EvidenceView,
    parts: Vec<PartView>,
    timeline: Vec<Happening>,
    reasons: Vec<ReasonView<'a>>,
    back: String,
}

fn part_view(w: &Words, part: &Part) -> PartView {
    let found: Vec<String> = part.findings.iter().map(|one| finding(w, one)).filter(|text| !text.is_empty()).collect();
    PartView { name: w.part_name(part.name), standing: standing(w, part), found: found.join(" · ") }
}

pub(crate) async fn show(
    State(console): State<Arc<ServeConsole>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    let door = Door::of(&console, &head);
    let reply = async {
        let visit = Visit::of(&console, &head).await?;
        let id = path.ok().and_then(|Path(id)| SubmissionId::parse(&id).ok()).ok_or_else(Problem::not_found)?;
        let submission = deeds::find(&console, &visit, &id).await?;
        let table = &console.table;
        let ids = [id.clone()];
        let (mut standings, records, desk) =
            tokio::try_join!(table.standings(&ids), table.decisions(&id), table.desk(&visit.moderator.app),)?;
        let answered = table.submissions(&answered_by(std::iter::once(&submission))).await?;
        let f = Frame::of(&visit);
        let w = f.w;
        let who = (visit.moderator.name.as_str(), visit.moderator.role);
        let beside: Standing = standings.remove(&id).unwrap_or_default();
        let template = SubmissionPage {
            flash: Flash::of(&f, &query(head.uri.query())),
            case: CaseView::of(w, &submission, &beside, who, visit.now).answering(&answered),
            evidence: EvidenceView::of(&submission, visit.now),
            parts: submission.parts.iter().map(|part| part_view(w, part)).collect(),
            timeline: timeline(w, &submission, &records),
            reasons: reasons(w, &desk.reasons),
            back: id.to_string(),
            f,
        };
        Ok(page(StatusCode::OK, w.tag(), &template))
    };
    answer(&door, reply.await)
}
