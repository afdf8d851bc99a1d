//! The page that moderators work on: what they have in hand, those that belong together side by side.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::response::Response;
use greenlight::api::body::query;
use greenlight::domain::ids::{Channel, SubmissionId};
use greenlight::domain::submission::{Cause, Scene, Submission};
use greenlight::moderation::take_cases::{CaseInHand, take_cases};
use greenlight::table::CaseFilter;
use http::StatusCode;

use crate::ServeConsole;
use crate::answer::{Frame, answer, page};
use crate::case_view::{CaseView, ReasonView, answered_by, reasons};
use crate::visit::{Door, Visit};

/// What a deed came to, as the page after it says.
#[derive(Debug, Default)]
pub(crate) struct Flash {
    pub(crate) said: Option<String>,
    /// What may be taken back: submission and version.
    pub(crate) undo: Vec<(String, u64)>,
}

/// A choice in a filter.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) value: &'static str,
    pub(crate) name: &'static str,
    pub(crate) chosen: bool,
}

/// Cases of the same author, or with the same content.
struct Group {
    cases: Vec<CaseView>,
}

impl Group {
    fn is_many(&self) -> bool {
        self.cases.len() > 1
    }
}

#[derive(Template)]
#[template(path = "queue.html")]
struct QueuePage<'a> {
    f: Frame<'a>,
    flash: Flash,
    groups: Vec<Group>,
    count: usize,
    reasons: Vec<ReasonView<'a>>,
    channel: String,
    scenes: Vec<Choice>,
    causes: Vec<Choice>,
    back: String,
}

/// The deeds that a page tells of, by the names in its address.
pub(crate) const DEEDS: [&str; 9] = ["approve", "reject", "skip", "escalate", "note", "ban", "undo", "lift", "hold"];

impl Flash {
    /// Reads what the address says of the deed before. Only what we know is shown: anyone may write an address.
    pub(crate) fn of(frame: &Frame<'_>, query: &[(String, String)]) -> Self {
        let value = |name: &str| query.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
        let number = |name| value(name).and_then(|value| value.parse::<usize>().ok()).unwrap_or(0);
        let w = frame.w;
        let (done, left) = (number("done"), number("left"));
        let mut said = match value("did").and_then(|did| DEEDS.into_iter().find(|deed| *deed == did)) {
            Some("approve") => vec![format!("{} {done}", w.did_approve)],
            Some("reject") => vec![format!("{} {done}", w.did_reject)],
            Some("undo") => vec![format!("{} {done}", w.did_undo)],
            Some("skip") => vec![w.did_skip.to_owned()],
            Some("escalate") => vec![w.did_escalate.to_owned()],
            Some("note") => vec![w.did_note.to_owned()],
            Some("lift") => vec![w.did_lift.to_owned()],
            Some("ban") => vec![w.did_ban.to_owned()],
            Some("hold") => vec![w.did_hold.to_owned()],
            _ => Vec::new(),
        };
        if left > 0 {
            said.push(format!("{left} {}", w.had_changed));
        }
        if number("failed") > 0 {
            said.push(format!("{} {}", number("failed"), w.not_saved));
        }
        let undo = query.iter().filter(|(name, _)| name == "case");
        let undo = undo.filter_map(|(_, case)| {
            let (id, version) = case.split_once(':')?;
            Some((SubmissionId::parse(id).ok()?.to_string(), version.parse().ok()?))
        });
        Self { said: (!said.is_empty()).then(|| said.join(w.language.choose("，", "; "))), undo: undo.collect() }
    }
}

/// The filter in an address; what is none is passed over.
pub(crate) fn filter_of(query: &[(String, String)]) -> CaseFilter {
    let value = |name: &str| query.iter().find(|(own, _)| own == name).map(|(_, value)| value.trim());
    CaseFilter {
        channel: value("channel").and_then(|channel| Channel::parse(channel).ok()),
        scene: value("scene").and_then(Scene::parse),
        cause: value("cause").and_then(|cause| Cause::KINDS.into_iter().find(|kind| *kind == cause)),
    }
}

/// The same filter, as it stands in an address.
fn back_of(filter: &CaseFilter) -> String {
    let mut address = url::form_urlencoded::Serializer::new(String::new());
    if let Some(channel) = &filter.channel {
        address.append_pair("channel", channel.as_str());
    }
    if let Some(scene) = filter.scene {
        address.append_pair("scene", scene.as_str());
    }
    if let Some(cause) = filter.cause {
        address.append_pair("cause", cause);
    }
    address.finish()
}

/// Whether two submissions belong together: the same author, or the same content.
fn belong_together(one: &Submission, other: &Submission) -> bool {
    let media = |submission: &Submission| submission.media.iter().map(|medium| medium.sha256).collect::<Vec<_>>();
    let same_content = || one.content == other.content && media(one) == media(other);
    one.author == other.author || same_content()
}

/// Puts what belongs together side by side, each group where its oldest stands.
fn group(cases: Vec<CaseInHand>) -> Vec<Vec<CaseInHand>> {
    let mut groups: Vec<Vec<CaseInHand>> = Vec::new();
    for case in cases {
        let belongs =
            |group: &Vec<CaseInHand>| group.iter().any(|one| belong_together(&one.submission, &case.submission));
        // It may tie several together that were apart.
        let ties: BTreeSet<usize> =
            groups.iter().enumerate().filter(|(_, group)| belongs(group)).map(|(index, _)| index).collect();
        let (tied, apart): (Vec<_>, Vec<_>) =
            groups.into_iter().enumerate().partition(|(index, _)| ties.contains(index));
        let at = ties.first().copied();
        let mut apart: Vec<_> = apart.into_iter().map(|(_, group)| group).collect();
        let mut joined: Vec<CaseInHand> = tied.into_iter().flat_map(|(_, group)| group).collect();
        joined.push(case);
        joined.sort_by_key(|one| one.submission.since);
        apart.insert(at.unwrap_or(apart.len()).min(apart.len()), joined);
        groups = apart;
    }
    groups
}

pub(crate) async fn show(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let door = Door::of(&console, &head);
    let reply = async {
        let visit = Visit::of(&console, &head).await?;
        let query = query(head.uri.query());
        let filter = filter_of(&query);
        let again = query.iter().any(|(name, _)| name == "again");
        let taken = take_cases(&console.table, &console.clock, &visit.moderator, &filter, again);
        let (cases, desk) = tokio::try_join!(taken, console.table.desk(&visit.moderator.app))?;
        let answered = answered_by(cases.iter().map(|case| &case.submission));
        let answered = console.table.submissions(&answered).await?;
        let f = Frame::of(&visit);
        let (w, count) = (f.w, cases.len());
        let who = (visit.moderator.name.as_str(), visit.moderator.role);
        let groups = group(cases).into_iter().map(|group| Group {
            cases: group
                .iter()
                .map(|case| CaseView::of(w, &case.submission, &case.standing, who, visit.now).answering(&answered))
                .collect(),
        });
        let scenes = Scene::ALL.into_iter().map(|scene| Choice {
            value: scene.as_str(),
            name: w.scene_name(scene),
            chosen: filter.scene == Some(scene),
        });
        let causes = Cause::KINDS.into_iter().map(|kind| Choice {
            value: kind,
            name: w.kind_name(kind),
            chosen: filter.cause == Some(kind),
        });
        let template = QueuePage {
            flash: Flash::of(&f, &query),
            groups: groups.collect(),
            count,
            reasons: reasons(w, &desk.reasons),
            channel: filter.channel.as_ref().map(ToString::to_string).unwrap_or_default(),
            scenes: scenes.collect(),
            causes: causes.collect(),
            back: back_of(&filter),
            f,
        };
        Ok(page(StatusCode::OK, w.tag(), &template))
    };
    answer(&door, reply.await)
}
