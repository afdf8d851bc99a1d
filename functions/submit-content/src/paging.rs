//! Pages of lists: how many are asked for, where the next begins, and how much fits into one answer.

use std::time::Duration;

use greenlight::api::problem::{Fault, Problem};
use greenlight::api::respond::{json_text, length_in_lambda};
use greenlight::api::signed::{self, Cursor};
use greenlight::apps::Apps;
use greenlight::domain::clock::Timestamp;
use greenlight::secrets::Secrets;
use greenlight::table::{Listed, Page};
use http::{Response, StatusCode};
use serde::Serialize;

const DEFAULT_LIMIT: usize = 20;
const LARGEST_LIMIT: usize = 100;
/// How long a cursor is good for.
const CURSOR: Duration = Duration::from_secs(24 * 3600);
/// A page ends before its entries take so many bytes of Lambda's answer. (AWS Lambda: quotas, 6 MB of response payload.)
const PAGE_BYTES: usize = 5_500_000;

/// Which page of a list is asked for.
pub(crate) struct Paging {
    cursor: Option<String>,
    pub(crate) limit: usize,
}

/// What a cursor is bound to: the list that it goes on in, and who asked.
pub(crate) struct List<'a> {
    pub(crate) secrets: &'a Secrets,
    pub(crate) apps: &'a Apps,
    pub(crate) list: String,
    pub(crate) asker: String,
}

/// An entry of a page, with its place in the list.
pub(crate) struct Entry<T> {
    pub(crate) place: String,
    pub(crate) view: T,
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
    pub(crate) async fn after(&self, list: &List<'_>, now: Timestamp) -> Result<Option<String>, Problem> {
        let Some(token) = &self.cursor else { return Ok(None) };
        match signed::verify_or_read_again::<Cursor>(list.secrets, list.apps, token, now).await {
            Ok(cursor) if cursor.list == list.list && cursor.asker == list.asker => Ok(Some(cursor.after)),
            _ => Err(invalid_list().with_faults(vec![Fault::new(
                "cursor",
                "不是这个列表的 cursor，或已过期；请从第一页重新开始。",
                "It is not a cursor of this list, or has expired; begin again with the first page.",
            )])),
        }
    }
}

impl List<'_> {
    /// A cursor that goes on after a place.
    fn cursor(&self, after: String, now: Timestamp) -> String {
        let cursor = Cursor { list: self.list.clone(), asker: self.asker.clone(), after };
        signed::sign(self.apps.session_keys(), &cursor, now, now.plus(CURSOR))
    }

    /// A page as it is answered: `first`, which stand before the list, then the entries, as many as fit. `next` is the
    /// place after which the next page goes on, if there is one.
    pub(crate) fn page<T: Serialize>(
        &self,
        first: impl IntoIterator<Item = T>,
        entries: impl IntoIterator<Item = Entry<T>>,
        next: Option<String>,
        now: Timestamp,
    ) -> Response<String> {
        // What stands before the list gets half of the room: the list has to go on, too.
        let mut filling = Filling::default();
        for view in first {
            filling.add(&view, PAGE_BYTES / 2);
        }
        let (mut next, mut last) = (next, None);
        for entry in entries {
            if !filling.add(&entry.view, PAGE_BYTES) {
                // Each entry is far smaller than half a page, so one at least has gone in before.
                next = last;
                break;
            }
            last = Some(entry.place);
        }
        let cursor = next.map(|after| self.cursor(after, now));
        let cursor = serde_json::to_string(&cursor).unwrap_or_default();
        json_text(StatusCode::OK, format!("{{\"submissions\":[{}],\"next_cursor\":{cursor}}}", filling.json))
    }
}

/// A page while it is filled.
#[derive(Default)]
struct Filling {
    json: String,
    bytes: usize,
}

impl Filling {
    /// Adds an entry, if the page then takes no more than `most` bytes.
    fn add(&mut self, view: &impl Serialize, most: usize) -> bool {
        let json = serde_json::to_string(view).unwrap_or_default();
        let bytes = self.bytes + length_in_lambda(&json) + 1;
        if bytes > most {
            return false;
        }
        self.bytes = bytes;
        if !self.json.is_empty() {
            self.json.push(',');
        }
        self.json.push_str(&json);
        true
    }
}

/// What is said of a list that is asked for in a wrong way.
pub(crate) fn invalid_list() -> Problem {
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

#[cfg(test)]
mod tests {
    use greenlight::domain::ids::SubmissionId;

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

    #[test]
    fn a_page_takes_what_fits_in_lambdas_own_json() {
        let mut filling = Filling::default();
        // Written as JSON each quote takes two bytes, and four in Lambda's.
        let entry = "\"".repeat(1_000);
        let bytes = 4 * 1_000 + 4 + 1;
        assert!(filling.add(&entry, 2 * bytes) && filling.add(&entry, 2 * bytes));
        assert!(!filling.add(&entry, 3 * bytes - 1));
        let list = format!("[{}]", filling.json);
        assert_eq!(serde_json::from_str::<Vec<String>>(&list).unwrap(), [entry.clone(), entry]);
        assert!(serde_json::to_string(&list).unwrap().len() <= filling.bytes + 4);
    }
}
