//! Marks in a text what a moderator should not overlook: the window that WeChat found something in, keywords, and characters
//! that nobody sees.

use greenlight::domain::finding::Finding;
use greenlight::domain::text::{Content, is_unseen, windows};

/// A piece of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    /// WeChat found something in the window that it stands in; only where a text was judged in several.
    pub(crate) in_window: bool,
    /// A keyword that was met.
    pub(crate) is_keyword: bool,
    /// A character that nobody sees; `text` is its name.
    pub(crate) is_unseen: bool,
}

/// Which characters of the judged text are marked.
struct Marks {
    in_window: Vec<bool>,
    is_keyword: Vec<bool>,
}

fn set(marks: &mut [bool], from: usize, length: usize) {
    marks.iter_mut().skip(from).take(length).for_each(|mark| *mark = true);
}

/// How many characters stand before a place that is given in bytes.
fn chars_before(text: &str, bytes: usize) -> usize {
    text.get(..bytes).map_or(0, |before| before.chars().count())
}

impl Marks {
    fn of(judged: &str, findings: &[Finding]) -> Self {
        let length = judged.chars().count();
        let mut marks = Self { in_window: vec![false; length], is_keyword: vec![false; length] };
        let windows = windows(judged);
        for (index, window) in windows.iter().enumerate().filter(|_| windows.len() > 1) {
            if findings.iter().any(|finding| finding.window.map(usize::from) == Some(index)) {
                // Each window is a slice of the text, so that its place is known by where it lies.
                let offset = (window.as_ptr() as usize).saturating_sub(judged.as_ptr() as usize);
                set(&mut marks.in_window, chars_before(judged, offset), window.chars().count());
            }
        }
        for keyword in findings.iter().filter_map(|finding| finding.keyword.as_deref()).filter(|word| !word.is_empty())
        {
            for (at, found) in judged.match_indices(keyword) {
                set(&mut marks.is_keyword, chars_before(judged, at), found.chars().count());
            }
        }
        marks
    }
}

/// The fields of a content that hold something, in pieces, in the order in which they are judged.
pub(crate) fn pieces(content: &Content, findings: &[Finding]) -> [Vec<Piece>; 4] {
    let marks = Marks::of(&content.judged(), findings);
    let mut judged = 0;
    let mut first = true;
    [&content.title, &content.text, &content.nickname, &content.signature].map(|field| {
        let Some(text) = field.as_deref().filter(|text| !text.is_empty()) else { return Vec::new() };
        // A line's end stands between two fields.
        if !std::mem::take(&mut first) {
            judged += 1;
        }
        let mut pieces: Vec<Piece> = Vec::new();
        for letter in text.chars() {
            if is_unseen(letter) {
                let name = format!("U+{:04X}", u32::from(letter));
                pieces.push(Piece { text: name, is_unseen: true, ..Piece::default() });
                continue;
            }
            let mark = |marks: &[bool]| marks.get(judged).copied().unwrap_or(false);
            let (in_window, is_keyword) = (mark(&marks.in_window), mark(&marks.is_keyword));
            judged += 1;
            match pieces.last_mut() {
                Some(last) if !last.is_unseen && (last.in_window, last.is_keyword) == (in_window, is_keyword) => {
                    last.text.push(letter);
                }
                _ => pieces.push(Piece { text: letter.into(), in_window, is_keyword, is_unseen: false }),
            }
        }
        pieces
    })
}

#[cfg(test)]
mod tests {
    use greenlight::domain::verdict::{Suggest, Verdict};

    use super::*;

    fn found(keyword: Option<&str>, window: Option<u16>) -> Finding {
        let verdict = Verdict { suggest: Suggest::Review, label: None };
        Finding { keyword: keyword.map(Into::into), window, ..Finding::of(verdict) }
    }

    fn content(title: &str, text: &str) -> Content {
        Content { title: Some(title.into()), text: Some(text.into()), ..Content::default() }
    }

    fn marked(pieces: &[Piece], is: impl Fn(&Piece) -> bool) -> String {
        pieces.iter().filter(|piece| is(piece)).map(|piece| piece.text.as_str()).collect()
    }

    #[test]
    fn a_keyword_is_marked_even_where_something_unseen_cuts_it_in_two() {
        let [title, text, nickname, _] = pieces(&content("题", "加微\u{200b}信领钱"), &[found(Some("微信"), Some(0))]);
        assert_eq!(marked(&title, |piece| piece.is_keyword), "");
        assert_eq!(marked(&text, |piece| piece.is_keyword), "微信");
        assert_eq!(marked(&text, |piece| piece.is_unseen), "U+200B");
        assert_eq!(marked(&text, |piece| !piece.is_unseen), "加微信领钱");
        assert_eq!(nickname, []);
    }

    #[test]
    fn of_a_long_text_the_window_that_hit_is_marked_and_of_a_short_one_nothing() {
        let text: String = (0..6000).map(|index| if index % 50 == 49 { '。' } else { '字' }).collect();
        let content = content("标题", &text);
        let judged = content.judged();
        let windows = windows(&judged);
        let [_, marks, ..] = pieces(&content, &[found(None, Some(1))]);
        assert_eq!(marked(&marks, |piece| piece.in_window), windows[1]);
        let short = self::content("标题", "短");
        let [_, marks, ..] = pieces(&short, &[found(None, Some(0))]);
        assert_eq!(marked(&marks, |piece| piece.in_window), "");
    }

    #[test]
    fn whatever_a_text_holds_all_of_it_is_shown() {
        for text in ["", "a\u{0}b", "\u{202e}abc", "🀄🏽\u{200d}x", "<script>", "\n\n"] {
            let [_, pieces, ..] = pieces(&content("t", text), &[found(Some("b"), Some(7)), found(Some(""), None)]);
            let shown = marked(&pieces, |piece| !piece.is_unseen);
            assert_eq!(shown, text.replace(is_unseen, ""), "{text:?}");
        }
    }
}
