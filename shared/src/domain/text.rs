//! The text that is judged: all that is public in it, as one, in windows that WeChat takes.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;
use serde::{Deserialize, Serialize};

use super::sha256::Sha256;

/// How many characters WeChat judges at once. (WeChat: msg_sec_check, `content` at most 2,500 characters.)
pub const WINDOW_CHARS: usize = 2_500;
/// By how many characters two windows overlap, so that no phrase is cut out of sight.
pub const OVERLAP_CHARS: usize = 100;
/// How far from a window's end a sentence end is looked for.
const SENTENCE_SEARCH_CHARS: usize = 500;
/// A text over this many characters in all is refused.
pub const MAX_CHARS: usize = 20_000;
/// A text over this many bytes in all is refused.
pub const MAX_BYTES: usize = 64 * 1024;
/// Only short fields are sent as WeChat's separate hints; whatever their length, they stand in the judged text.
const HINT_CHARS: usize = 100;

/// What an author wrote. Every field is shown, so every field is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// A title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The text itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The author's nickname.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    /// The author's signature line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl Content {
    /// The fields that hold something, in the order in which they are judged.
    fn fields(&self) -> impl Iterator<Item = &str> {
        [&self.title, &self.text, &self.nickname, &self.signature]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .filter(|field| !field.is_empty())
    }

    /// There is nothing to judge.
    pub fn is_empty(&self) -> bool {
        self.fields().next().is_none()
    }

    /// How many characters (Unicode scalar values) it has in all.
    pub fn chars(&self) -> usize {
        self.fields().map(|field| field.chars().count()).sum()
    }

    /// How many bytes it has in all.
    pub fn bytes(&self) -> usize {
        self.fields().map(str::len).sum()
    }

    /// The one text that is judged: title, text, nickname and signature, one after another, a line each, in their
    /// [`judged_form`].
    pub fn judged(&self) -> String {
        self.fields().map(judged_form).collect::<Vec<_>>().join("\n")
    }

    /// What it says, to be recognised when it comes again: title and text, or, where there is neither, what an author is called.
    /// In the form that people read, whatever width, case and space it is written in. (Unicode Standard Annex 15, NFKC.)
    pub fn said(&self) -> Option<Sha256> {
        let of = |fields: [&Option<String>; 2]| {
            let written: String = fields.into_iter().flatten().map(|field| judged_form(field)).collect();
            let compatible = ComposingNormalizerBorrowed::new_nfkc().normalize(&written).to_lowercase();
            let said: String = compatible.chars().filter(|letter| !letter.is_whitespace()).collect();
            (!said.is_empty()).then(|| Sha256::of(format!("said\0{said}").as_bytes()))
        };
        of([&self.title, &self.text]).or_else(|| of([&self.nickname, &self.signature]))
    }

    /// WeChat's separate hints: `title`, `nickname`, `signature`, where they are short.
    pub fn hints(&self) -> Hints<'_> {
        let short = |field: &'_ Option<String>| {
            field.as_ref().is_some_and(|text| !text.is_empty() && text.chars().count() <= HINT_CHARS)
        };
        Hints {
            title: self.title.as_deref().filter(|_| short(&self.title)),
            nickname: self.nickname.as_deref().filter(|_| short(&self.nickname)),
            signature: self.signature.as_deref().filter(|_| short(&self.signature)),
        }
    }
}

/// What WeChat is told besides the text. (WeChat: msg_sec_check, fields of the same names.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints<'a> {
    /// The title.
    pub title: Option<&'a str>,
    /// The nickname.
    pub nickname: Option<&'a str>,
    /// The signature; WeChat heeds it in the scene `profile` only.
    pub signature: Option<&'a str>,
}

/// A text as readers see it: without characters that have no shape of their own.
///
/// Zero-width and other default-ignorable characters (Unicode Standard, 5.21) cut a word in two for whoever judges it and
/// leave it whole for whoever reads it. Control characters JSON can only write as `\u` escapes, and WeChat is said to
/// pass anything that is written so.
pub fn judged_form(text: &str) -> Cow<'_, str> {
    if text.contains(is_unseen) { text.replace(is_unseen, "").into() } else { text.into() }
}

/// Whether a character is left out of the [`judged_form`].
pub fn is_unseen(letter: char) -> bool {
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    (letter.is_control() && !matches!(letter, '\n' | '\r' | '\t')) || (!letter.is_ascii() && ignorable.contains(letter))
}

/// A text as it is stored and shown: as it was written, but for the characters that show what follows in another order
/// than it was judged in. (Unicode Standard Annex 9: embeddings, overrides and isolates. Emoji and some scripts need the
/// other characters without a shape.)
pub fn stored_form(text: String) -> String {
    let reorders = |letter: char| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.contains(reorders) { text.replace(reorders, "") } else { text }
}

fn ends_sentence(letter: char) -> bool {
    matches!(letter, '。' | '！' | '？' | '!' | '?' | '\n' | '；' | ';' | '…' | '.')
}

/// Cuts `text` into windows of at most [`WINDOW_CHARS`] characters that overlap by [`OVERLAP_CHARS`], at a sentence
/// end where there is one near. Any phrase up to the overlap's length stands whole in one of them.
pub fn windows(text: &str) -> Vec<&str> {
    // Where each character begins, and where the text ends: a window is a range of these.
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let chars = starts.len() - 1;
    let slice = |from: usize, to: usize| -> &str {
        let bounds = starts.get(from).zip(starts.get(to));
        bounds.and_then(|(&from, &to)| text.get(from..to)).unwrap_or_default()
    };
    let mut windows = Vec::new();
    let mut from = 0;
    while chars - from > WINDOW_CHARS {
        let longest = from + WINDOW_CHARS;
        let tail = slice(longest - SENTENCE_SEARCH_CHARS, longest);
        let after_sentence = tail.chars().rev().position(ends_sentence);
        let to = longest - after_sentence.unwrap_or(0);
        windows.push(slice(from, to));
        from = to - OVERLAP_CHARS;
    }
    windows.push(slice(from, chars));
    windows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_that_is_public_is_judged() {
        let content = Content {
            title: Some("标题".into()),
            text: Some("正文".into()),
            nickname: Some("昵称".into()),
            signature: Some("签名".into()),
        };
        assert_eq!(content.judged(), "标题\n正文\n昵称\n签名");
    }

    #[test]
    fn a_short_text_is_one_window() {
        assert_eq!(windows("好"), ["好"]);
        let full = "字".repeat(WINDOW_CHARS);
        assert_eq!(windows(&full), [full.as_str()]);
    }

    #[test]
    fn a_window_ends_where_a_sentence_ends() {
        let text = format!("{}。{}", "字".repeat(2_300), "词".repeat(1_000));
        assert!(windows(&text).first().unwrap().ends_with('。'));
    }

    #[test]
    fn a_long_hint_is_left_out_but_judged() {
        let content = Content { title: Some("题".repeat(101)), ..Content::default() };
        assert_eq!(content.hints().title, None);
        assert_eq!(content.judged().chars().count(), 101);
    }

    #[test]
    fn what_has_no_shape_does_not_cut_a_word_for_the_judge() {
        // Zero-width space, joiners, word joiner, soft hyphen, byte order mark, variation selectors, tags, marks and
        // controls of direction, Hangul fillers, and what JSON would escape.
        for unseen in "\u{200b}\u{200c}\u{200d}\u{2060}\u{ad}\u{feff}\u{fe0f}\u{e0041}\u{200e}\u{61c}\u{202e}\u{2066}\
            \u{115f}\u{3164}\u{34f}\u{180b}\u{0}\u{1b}\u{7f}\u{9f}"
            .chars()
        {
            assert_eq!(judged_form(&format!("赌{unseen}博")), "赌博", "{unseen:?}");
        }
        assert_eq!(judged_form("a b\tc\nd，é🀄"), "a b\tc\nd，é🀄");
    }

    #[test]
    fn what_is_stored_is_as_it_was_written_but_in_the_order_in_which_it_was_judged() {
        let family = "👨\u{200d}👩\u{200d}👧 ❤\u{fe0f}";
        assert_eq!(stored_form(family.to_owned()), family);
        assert_eq!(stored_form("\u{202e}博赌\u{202c}\u{2066}。\u{2069}".to_owned()), "博赌。");
    }

    proptest! {
        #[test]
        fn any_phrase_up_to_the_overlap_stands_whole_in_a_window(
            text in "[ab。\n字🀄]{0,9000}", at in 0_usize..9000, length in 1_usize..=OVERLAP_CHARS,
        ) {
            let letters: Vec<char> = text.chars().collect();
            let phrase: String = letters.iter().skip(at).take(length).collect();
            let windows = windows(&text);
            prop_assert!(windows.iter().all(|window| window.chars().count() <= WINDOW_CHARS));
            prop_assert!(windows.iter().any(|window| window.contains(&phrase)));
        }
    }
}
