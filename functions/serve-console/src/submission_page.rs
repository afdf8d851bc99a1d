//! One page a submission: all that is there, what WeChat said about it, and what people decided.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use greenlight::api::body::query;
use greenlight::api::problem::Problem;
use greenlight::domain::clock::Timestamp;
use greenlight::domain::ids::SubmissionId;
use greenlight::domain::submission::{Decider, Part, PartState, Submission};
use greenlight::domain::text::stored_form;
use greenlight::domain::verdict::Suggest;
use greenlight::table::{DecisionRecord, Standing};
use http::StatusCode;

use crate::ServeConsole;
use crate::answer::{Frame, answer, page, see_other};
use crate::case_view::{CaseView, ReasonView, answered_by, finding, reasons};
use crate::deeds;
use crate::evidence::EvidenceView;
use crate::queue::Flash;
use crate::visit::{Door, Visit};
use crate::words::Words;

/// A check of a part.
struct CheckView {
    part: String,
    verdict: String,
    asked_at: String,
    trace: String,
}

/// A decision of a person's.
struct DecisionView {
    at: String,
    from: &'static str,
    to: &'static str,
    by: String,
    causes: String,
    why: String,
}

#[derive(Template)]
#[template(path = "submission.html")]
struct SubmissionPage<'a> {
    f: Frame<'a>,
    flash: Flash,
    case: CaseView,
    evidence: EvidenceView,
    checks: Vec<CheckView>,
    decisions: Vec<DecisionView>,
    reasons: Vec<ReasonView<'a>>,
    back: String,
}

fn verdict_of(w: &Words, part: &Part) -> String {
    let (zh, en) = match part.state {
        PartState::Queued { .. } => ("排队中", "queued"),
        PartState::Checking { .. } => ("等待推送", "waiting for the push"),
        PartState::WaitingForAuthor { .. } => ("等待作者打开小程序", "waiting for its author"),
        PartState::GivenUp { .. } => ("没有结果", "given up"),
        PartState::Settled { verdict } => match verdict.suggest {
            Suggest::Pass => ("通过", "pass"),
            Suggest::Review => ("存疑", "review"),
            Suggest::Risky => ("违规", "risky"),
        },
    };
    let found: Vec<String> = part.findings.iter().map(|one| finding(w, one)).filter(|text| !text.is_empty()).collect();
    let label = part.verdict().and_then(|verdict| verdict.label);
    let label = label.map(|label| w.language.choose(label.name_zh(), label.name_en()).to_owned());
    let all = [w.language.choose(zh, en).to_owned()].into_iter().chain(label).chain(found);
    all.collect::<Vec<_>>().join(" · ")
}

fn checks(w: &Words, submission: &Submission) -> Vec<CheckView> {
    let mut views = Vec::new();
    for part in &submission.parts {
        let (name, verdict) = (w.part_name(part.name), verdict_of(w, part));
        for (index, attempt) in part.attempts.iter().enumerate() {
            let is_last = index + 1 == part.attempts.len();
            let ended = w.language.choose("没有结果", "came to nothing").to_owned();
            views.push(CheckView {
                part: name.clone(),
                verdict: if is_last { verdict.clone() } else { ended },
                asked_at: attempt.asked_at.in_beijing(),
                trace: attempt.trace_id.as_ref().map(ToString::to_string).unwrap_or_default(),
            });
        }
        if part.attempts.is_empty() {
            let trace = part.known.as_ref().map(ToString::to_string).unwrap_or_default();
            views.push(CheckView { part: name, verdict, asked_at: String::new(), trace });
        }
    }
    views
}

fn decision_view(w: &Words, record: &DecisionRecord) -> DecisionView {
    let at = Timestamp::parse_rfc3339(&record.at).map_or_else(|_| record.at.clone(), Timestamp::in_beijing);
    let by = match &record.by {
        Some(Decider::Moderator(name)) => stored_form(name.clone()),
        Some(Decider::Wechat) => w.wechat.to_owned(),
        Some(Decider::Author) => w.author.to_owned(),
        Some(Decider::Owner) => w.owner.to_owned(),
        None => String::new(),
    };
    DecisionView {
        at,
        from: record.from.as_deref().map(|from| w.state_named(from)).unwrap_or_default(),
        to: w.state_named(&record.state),
        by: record.role.map_or(by.clone(), |role| format!("{by} · {}", w.role_name(role))),
        causes: record.causes.iter().map(|kind| w.kind_name(kind)).collect::<Vec<_>>().join(", "),
        why: stored_form(record.reason.clone().unwrap_or_default()),
    }
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
        let standing: Standing = standings.remove(&id).unwrap_or_default();
        let template = SubmissionPage {
            flash: Flash::of(&f, &query(head.uri.query())),
            case: CaseView::of(w, &submission, &standing, who, visit.now).answering(&answered),
            evidence: EvidenceView::of(&submission, visit.now),
            checks: checks(w, &submission),
            decisions: records.iter().map(|record| decision_view(w, record)).collect(),
            reasons: reasons(w, &desk.reasons),
            back: id.to_string(),
            f,
        };
        Ok(page(StatusCode::OK, w.tag(), &template))
    };
    answer(&door, reply.await)
}

/// Leads from an id that somebody has to its page.
pub(crate) async fn find(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let door = Door::of(&console, &head);
    let reply = async {
        let visit = Visit::of(&console, &head).await?;
        let query = query(head.uri.query());
        let named = query.iter().find(|(name, _)| name == "id").map(|(_, id)| id.trim());
        let id = named.and_then(|id| SubmissionId::parse(id).ok()).ok_or_else(Problem::not_found)?;
        let submission = deeds::find(&console, &visit, &id).await?;
        Ok(see_other(&format!("{}/submissions/{}", door.base, submission.id)))
    };
    answer(&door, reply.await)
}
