//! Lists: pages with signed cursors, and a channel's feed.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use greenlight::caller::{Caller, Who};
use greenlight::clock::Timestamp;
use greenlight::exchange::{json, query};
use greenlight::ids::{AppId, AuthorId, Channel, SubmissionId};
use greenlight::problem::{Fault, Language, Problem};
use greenlight::signed::{self, Cursor};
use greenlight::submission::{self, Submission};
use greenlight::table::{Consistency, Listed, Page, Table};
use http::StatusCode;
use secrecy::SecretString;

use crate::SubmitContent;
use crate::reply::{InPath, ListView, Reply, Viewer, answer, named, view};

const DEFAULT_LIMIT: usize = 20;
const LARGEST_LIMIT: usize = 100;
/// How long a cursor is good for.
const CURSOR: Duration = Duration::from_secs(24 * 3600);

/// Which page of a list is asked for.
pub(crate) struct Paging {
    cursor: Option<String>,
    pub(crate) limit: usize,
}

impl Paging {
    /// Reads `cursor` and `limit`; other names than these and `also` are faults.
    pub(crate) fn parse(query: &[(String, String)], also: &[&str]) -> Result<Self, Problem> {
        let mut faults: Vec<Fault> = query
            .iter()
            .filter(|(name, _)| !["cursor", "limit"].contains(&name.as_str()) && !also.contains(&name.as_str()))
            .map(|(name, _)| {
                let name: String = name.chars().take(64).collect();
                Fault::new(name, "没有这个参数。", "There is no such parameter.")
            })
            .collect();
        let limit = match Self::value(query, "limit") {
            None => DEFAULT_LIMIT,
            Some(text) => text.parse().ok().filter(|limit| (1..=LARGEST_LIMIT).contains(limit)).unwrap_or_else(|| {
                faults.push(Fault::new("limit", "必须是 1 到 100。", "It must be 1 to 100."));
                DEFAULT_LIMIT
            }),
        };
        if faults.is_empty() {
            return Ok(Self { cursor: Self::value(query, "cursor").map(str::to_owned), limit });
        }
        Err(invalid_list().with_faults(faults))
    }

    /// The value of a parameter.
    pub(crate) fn value<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
        query.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The place to go on after; a cursor is good for the same list and the same asker only.
    pub(crate) fn after(
        &self,
        keys: &[SecretString],
        list: &str,
        asker: &str,
        now: Timestamp,
    ) -> Result<Option<String>, Problem> {
        let Some(word) = &self.cursor else { return Ok(None) };
        match signed::verify::<Cursor>(keys, word, now) {
            Ok(cursor) if cursor.list == list && cursor.asker == asker => Ok(Some(cursor.after)),
            _ => Err(invalid_list().with_faults(vec![Fault::new(
                "cursor",
                "不是这个列表的 cursor，或已过期；请从第一页重新开始。",
                "It is not a cursor of this list, or has expired; begin again with the first page.",
            )])),
        }
    }

    /// A cursor that goes on after a place.
    pub(crate) fn cursor(keys: &[SecretString], list: &str, asker: &str, after: String, now: Timestamp) -> String {
        let cursor = Cursor { list: list.to_owned(), asker: asker.to_owned(), after };
        signed::sign(keys, &cursor, now, now.plus(CURSOR))
    }
}

fn invalid_list() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "invalid_list",
        "列表参数有误，见 faults。",
        "The list's parameters have faults; see `faults`.",
    )
}

/// Puts into a page, newest first, what the index may not show yet. Says whether more comes after.
pub(crate) fn merge(page: Page, recent: Vec<Listed>, after: Option<&str>, limit: usize) -> (Vec<Listed>, bool) {
    // What lies behind the page's end comes with the next page; were it put in here, the page's rest would be skipped.
    let end = page.entries.last().filter(|_| page.more).map(|last| last.place.clone());
    let mut entries = page.entries;
    for listed in recent {
        let in_page = after.is_none_or(|after| listed.place.as_str() < after)
            && end.as_deref().is_none_or(|end| listed.place.as_str() > end);
        if in_page && !entries.iter().any(|entry| entry.id == listed.id) {
            entries.push(listed);
        }
    }
    entries.sort_by(|one, other| other.place.cmp(&one.place));
    let more = page.more || entries.len() > limit;
    entries.truncate(limit);
    (entries, more)
}

/// A page of a feed: the caller's own that are not public yet, then what is.
struct FeedPage {
    own: Vec<Submission>,
    approved: Vec<Submission>,
    next: Option<String>,
}

pub(crate) async fn list(State(function): State<Arc<SubmitContent>>, path: InPath, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let reply = async {
        let caller = Caller::of(&head.headers, &function.secrets, &function.clock).await?;
        let query = query(head.uri.query());
        let paging = Paging::parse(&query, &["app_id", "openid"])?;
        let channel = Channel::parse(&named(path)).map_err(|_| Problem::not_found())?;
        let apps = match &caller {
            Some(caller) => Arc::clone(&caller.apps),
            None => function.secrets.apps().await,
        };
        let app = match (&caller, Paging::value(&query, "app_id")) {
            (Some(caller), _) => caller.app.id.clone(),
            (None, Some(named)) => {
                let id = AppId::parse(named).map_err(|_| Problem::not_found())?;
                apps.get(&id).ok_or_else(Problem::not_found)?.id.clone()
            }
            (None, None) => apps.only().map(|app| app.id.clone()).ok_or_else(|| {
                invalid_list().with_faults(vec![Fault::new(
                    "app_id",
                    "这里有多个小程序，必须指明。",
                    "There are several apps here; name one.",
                )])
            })?,
        };
        // The owner may look as one of the authors; else nobody's own stand in front.
        let author = match &caller {
            Some(caller) if caller.who == Who::Owner => match Paging::value(&query, "openid") {
                Some(named) => Some(caller.author(Some(named))?.1),
                None => None,
            },
            Some(caller) => Some(caller.author(None)?.1),
            None => None,
        };
        let asker = caller.as_ref().map_or_else(|| "anyone".to_owned(), Caller::name);
        let page = function.feed_page(apps.session_keys(), &app, &channel, author.as_ref(), &asker, &paging).await?;
        let (language, url) = (Language::of(&head.headers), &function.checks.public_url);
        let shown = page.own.iter().chain(&page.approved);
        let submissions = shown.map(|one| view(one, &Viewer::of(caller.as_ref(), one), language, url)).collect();
        Ok(json(StatusCode::OK, &ListView { submissions, next_cursor: page.next }))
    };
    let reply: Reply = reply.await;
    answer(&head.headers, reply)
}

impl SubmitContent {
    async fn feed_page(
        &self,
        keys: &[SecretString],
        app: &AppId,
        channel: &Channel,
        author: Option<&AuthorId>,
        asker: &str,
        paging: &Paging,
    ) -> Result<FeedPage, Problem> {
        let list = format!("feed/{app}/{channel}");
        let after = paging.after(keys, &list, asker, self.clock.now())?;
        let table = &self.checks.table;
        let recent = async {
            let Some(author) = author else { return Ok(Vec::new()) };
            let author = table.author(app, author, Consistency::Strong).await?;
            table.submissions(&author.map(|author| author.recent).unwrap_or_default()).await
        };
        let (page, recent) = tokio::join!(table.feed(app, channel, after.as_deref(), paging.limit), recent);
        let mut recent = recent?;
        recent.retain(|submission| submission.channel.as_ref() == Some(channel));
        let approved = recent
            .iter()
            .filter(|recent| recent.state == submission::State::Approved)
            .map(|recent| Listed { id: recent.id.clone(), place: Table::place_in_queue(recent.since, &recent.id) });
        let (entries, more) = merge(page?, approved.collect(), after.as_deref(), paging.limit);
        let next = entries.last().filter(|_| more).map(|last| last.place.clone());
        let ids: Vec<SubmissionId> = entries.into_iter().map(|entry| entry.id).collect();
        let mut approved = table.submissions(&ids).await?;
        approved.retain(|one| one.state == submission::State::Approved && one.channel.as_ref() == Some(channel));
        // Only the first page begins with the author's own; newest first, as they stand with the author oldest first.
        let mut own = recent;
        own.retain(|one| matches!(one.state, submission::State::Pending | submission::State::InReview));
        own.sort_by(|one, other| (other.created_at, &other.id).cmp(&(one.created_at, &one.id)));
        if after.is_some() {
            own.clear();
        }
        Ok(FeedPage {
            own,
            approved,
            next: next.map(|after| Paging::cursor(keys, &list, asker, after, self.clock.now())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(place: &str) -> Listed {
        Listed { id: SubmissionId::random(), place: place.to_owned() }
    }

    fn places(entries: &[Listed]) -> Vec<&str> {
        entries.iter().map(|entry| entry.place.as_str()).collect()
    }

    #[test]
    fn what_the_index_does_not_show_yet_is_put_where_it_belongs() {
        let page = Page { entries: vec![listed("8"), listed("5")], more: false };
        let (entries, more) = merge(page, vec![listed("9"), listed("6")], None, 10);
        assert_eq!((places(&entries), more), (vec!["9", "8", "6", "5"], false));
    }

    #[test]
    fn what_lies_before_or_behind_the_page_stays_out() {
        let page = Page { entries: vec![listed("6"), listed("5")], more: true };
        let (entries, more) = merge(page, vec![listed("7"), listed("3")], Some("7"), 10);
        assert_eq!((places(&entries), more), (vec!["6", "5"], true));
    }

    #[test]
    fn what_no_longer_fits_comes_with_the_next_page() {
        let page = Page { entries: vec![listed("8"), listed("5")], more: false };
        let (entries, more) = merge(page, vec![listed("9")], None, 2);
        assert_eq!((places(&entries), more), (vec!["9", "8"], true));
    }
}
