//! A channel's feed: what is public, and for an author their own before it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use greenlight::api::body::query;
use greenlight::api::caller::{Caller, Who};
use greenlight::api::language::Language;
use greenlight::api::problem::{Fault, Problem};
use greenlight::api::respond::respond;
use greenlight::apps::{Apps, NoApp};
use greenlight::domain::ids::{AppId, AuthorId, Channel};
use greenlight::domain::submission::{self, Submission};
use greenlight::table::{Consistency, Listed, place_in_feed};

use crate::SubmitContent;
use crate::paging::{Entry, List, Paging, invalid_list, merge};
use crate::request::{InPath, named};
use crate::view::{Viewer, view};

/// A page of a feed: the caller's own that are not public yet, then what is, each with its place.
struct FeedPage {
    own: Vec<Submission>,
    approved: Vec<(String, Submission)>,
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
        let app = chosen_app(caller.as_ref(), &apps, Paging::value(&query, "app_id"))?;
        // The owner may look as one of the authors; else nobody's own stand in front.
        let author = match (&caller, Paging::value(&query, "openid")) {
            (Some(caller), named) if caller.who == Who::Owner => named.map(|named| caller.author(Some(named))),
            (Some(caller), named) => Some(caller.author(named)),
            (None, Some(_)) => Some(Err(invalid_list().with_faults(vec![Fault::new(
                "openid",
                "带 server key 才能传。",
                "It takes a server key.",
            )]))),
            (None, None) => None,
        };
        let author = author.transpose()?.map(|openid| AuthorId::of(&app, &openid));
        let asker = caller.as_ref().map_or_else(|| "anyone".to_owned(), Caller::name);
        let list = List { secrets: &function.secrets, apps: &apps, list: format!("feed/{app}/{channel}"), asker };
        let after = paging.after(&list, function.clock.now()).await?;
        let page = function.feed_page(&app, &channel, author.as_ref(), after, paging.limit).await?;
        let (language, url) = (Language::of(&head.headers), &function.checker.public_url);
        let shown = |one| view(one, Viewer::of(caller.as_ref(), one), language, url);
        let approved = page.approved.iter().map(|(place, one)| Entry { place: place.clone(), view: shown(one) });
        Ok(list.page(page.own.iter().map(shown), approved, page.next, function.clock.now()))
    };
    respond(&head.headers, reply.await)
}

/// The app whose feed it is: the caller's, the one that is named, or the only one.
fn chosen_app(caller: Option<&Caller>, apps: &Apps, named: Option<&str>) -> Result<AppId, Problem> {
    match (caller, named) {
        // Another app's is nothing that this caller could see.
        (Some(caller), Some(named)) if caller.app.id.as_str() != named => Err(Problem::not_found()),
        (Some(caller), _) => Ok(caller.app.id.clone()),
        (None, Some(named)) => {
            let app = AppId::parse(named).map_err(|_| NoApp::Unknown).and_then(|id| apps.get(&id));
            app.map(|app| app.id.clone()).map_err(|no_app| Problem::of_no_app(&no_app, Problem::not_found))
        }
        (None, None) => apps.only().map(|app| app.id.clone()).map_err(|no_app| {
            Problem::of_no_app(&no_app, || {
                invalid_list().with_faults(vec![Fault::new(
                    "app_id",
                    "这里有多个小程序，必须指明。",
                    "There are several apps here; name one.",
                )])
            })
        }),
    }
}

impl SubmitContent {
    async fn feed_page(
        &self,
        app: &AppId,
        channel: &Channel,
        author: Option<&AuthorId>,
        after: Option<String>,
        limit: usize,
    ) -> Result<FeedPage, Problem> {
        let table = &self.checker.table;
        let recent = async {
            let Some(author) = author else { return Ok(Vec::new()) };
            let author = table.author(app, author, Consistency::Strong).await?;
            table.submissions(author.as_ref().map(|author| author.recent()).unwrap_or_default()).await
        };
        let (page, recent) = tokio::join!(table.feed(app, channel, after.as_deref(), limit), recent);
        let mut recent = recent?;
        recent.retain(|one| one.channel.as_ref() == Some(channel));
        let is_approved = |one: &Submission| one.state == submission::State::Approved;
        let listed = |one: &Submission| Listed { id: one.id.clone(), place: place_in_feed(one.since, &one.id) };
        let own_approved = recent.iter().filter(|one| is_approved(one)).map(listed).collect();
        let (entries, more) = merge(page?, own_approved, after.as_deref(), limit);
        let next = entries.last().filter(|_| more).map(|last| last.place.clone());
        let mut approved = self.load(entries, &recent).await?;
        // The index may still show what was taken down a moment ago.
        approved.retain(|(_, one)| is_approved(one) && one.channel.as_ref() == Some(channel));
        let mut own = recent;
        own.retain(|one| matches!(one.state, submission::State::Pending | submission::State::InReview));
        own.sort_by(|one, other| (other.created_at, &other.id).cmp(&(one.created_at, &one.id)));
        // An author sees the last edit alone, on whatever page the one that it is to replace stands. Others never see two of a
        // chain, though what is read one by one may have been replaced meanwhile.
        let mut shown = BTreeSet::new();
        own.retain(|one| shown.insert(one.root().clone()));
        let mut newest_first: Vec<_> =
            approved.iter().map(|(_, one)| (one.since, one.id.clone(), one.root().clone())).collect();
        newest_first.sort_by(|one, other| other.cmp(one));
        newest_first.retain(|(_, _, root)| shown.insert(root.clone()));
        approved.retain(|(_, one)| newest_first.iter().any(|(_, id, _)| *id == one.id));
        // Only the first page begins with the author's own, newest first.
        own.retain(|_| after.is_none());
        Ok(FeedPage { own, approved, next })
    }

    /// The submissions of a page with their places, in its order; those that are `known` are not read again.
    pub(crate) async fn load(
        &self,
        entries: Vec<Listed>,
        known: &[Submission],
    ) -> Result<Vec<(String, Submission)>, Problem> {
        let is_known = |entry: &&Listed| known.iter().any(|one| one.id == entry.id);
        let unknown: Vec<_> = entries.iter().filter(|entry| !is_known(entry)).map(|entry| entry.id.clone()).collect();
        let read = self.checker.table.submissions(&unknown).await?;
        let find = |entry: Listed| {
            let found = known.iter().chain(&read).find(|one| one.id == entry.id).cloned();
            found.map(|found| (entry.place, found))
        };
        Ok(entries.into_iter().filter_map(find).collect())
    }
}
