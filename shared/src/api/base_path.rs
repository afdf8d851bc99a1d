//! What may stand before our paths: an HTTP API's path mapping, or a prefix of the owner's own server.

use http::Uri;
use http::uri::PathAndQuery;

/// Whether what stands before `from` may stand before a path of ours: no segment of it is empty.
fn is_prefix(path: &str, from: usize) -> bool {
    path.get(..from).is_some_and(|prefix| !prefix.contains("//") && !prefix.ends_with('/'))
}

/// Where the first of `heads` begins in a path, at whole segments.
pub fn first_of(path: &str, heads: &[&str]) -> Option<usize> {
    let at = |head: &&str| {
        let is_whole = |from: &usize| {
            let ends = path.get(from + head.len()..).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            ends && is_prefix(path, *from)
        };
        path.match_indices(*head).map(|(from, _)| from).find(is_whole)
    };
    heads.iter().filter_map(at).min()
}

/// Cuts off what stands before the first of `heads`, each the beginning of a path of ours such as `/v1/uploads`.
pub fn cut_before_first(uri: &mut Uri, heads: &[&str]) {
    let from = first_of(uri.path(), heads);
    cut(uri, from);
}

/// Cuts off what stands before the last `head`: for paths in which it cannot stand again, so that the prefix may be the
/// same word.
pub fn cut_before_last(uri: &mut Uri, head: &str) {
    let path = uri.path();
    let from = path.rfind(head).filter(|from| is_prefix(path, *from));
    cut(uri, from);
}

fn cut(uri: &mut Uri, from: Option<usize>) {
    let Some(from) = from.filter(|from| *from > 0) else { return };
    let whole = uri.path_and_query().map(PathAndQuery::as_str).unwrap_or_default();
    if let Some(rest) = whole.get(from..).and_then(|rest| rest.parse().ok()) {
        *uri = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADS: [&str; 2] = ["/v1/submissions", "/v1/channels"];

    #[test]
    fn what_stands_before_our_paths_is_cut_off() {
        for (path, ours) in [
            ("/v1/submissions", "/v1/submissions"),
            ("/v1/submissions/x?cursor=/v1/channels", "/v1/submissions/x?cursor=/v1/channels"),
            ("/green/light/v1/submissions?limit=2", "/v1/submissions?limit=2"),
            ("/api/v1/v1/channels/v1/submissions", "/v1/channels/v1/submissions"),
            ("/v1/v1/submissions/x", "/v1/submissions/x"),
            ("/v1/channels/square/submissions", "/v1/channels/square/submissions"),
            ("/v1/submissionsx", "/v1/submissionsx"),
            ("//v1/submissions", "//v1/submissions"),
            ("/a//b/v1/submissions", "/a//b/v1/submissions"),
            ("/elsewhere?at=/v1/submissions", "/elsewhere?at=/v1/submissions"),
            ("/", "/"),
        ] {
            let mut uri: Uri = path.parse().unwrap();
            cut_before_first(&mut uri, &HEADS);
            assert_eq!(uri.to_string(), ours, "{path}");
        }
    }

    #[test]
    fn a_prefix_may_be_our_own_word() {
        for (path, ours) in [
            ("/media/x/0.png", "/media/x/0.png"),
            ("/media/media/x/0.png?a=/media/", "/media/x/0.png?a=/media/"),
            ("/a/b/media/x", "/media/x"),
            ("/medium", "/medium"),
            ("//media/x", "//media/x"),
        ] {
            let mut uri: Uri = path.parse().unwrap();
            cut_before_last(&mut uri, "/media/");
            assert_eq!(uri.to_string(), ours, "{path}");
        }
    }
}
