//! What WeChat's strategies found besides the verdict that holds: for the people who look at what WeChat doubts.

use serde::{Deserialize, Serialize};

use super::verdict::{Label, Suggest, Verdict};

/// How many characters are kept of a strategy's name.
const STRATEGY_CHARS: usize = 32;
/// How many characters are kept of a keyword.
const KEYWORD_CHARS: usize = 100;
/// How many findings of one part are kept: a text of the greatest length has nine windows, and few strategies answer for each.
pub const MOST_FINDINGS: usize = 20;

/// What one of WeChat's strategies found in a part: an entry of `detail` in the answer of `msg_sec_check` and in the push of
/// `media_check_async` (the pages that [`Suggest`] names).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// WeChat's name for the strategy, such as `content_model` or `keyword`.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// What it advises.
    #[serde(rename = "v")]
    pub suggest: Suggest,
    /// What it found.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// How sure it is, in per cent.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<u8>,
    /// The word of the owner's own list that it met.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub keyword: Option<String>,
    /// In which window of the text, from 0.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u16>,
}

/// The first characters of a text that may be long, without those that could disturb whoever reads it.
fn kept(text: &str, chars: usize) -> Option<String> {
    let kept: String = text.chars().filter(|letter| !letter.is_control()).take(chars).collect();
    (!kept.is_empty()).then_some(kept)
}

impl Finding {
    /// A finding as it is kept; nothing where the strategy found nothing.
    pub fn new(
        (strategy, keyword): (Option<&str>, Option<&str>),
        suggest: Option<&str>,
        label: Option<Label>,
        probability: Option<u8>,
    ) -> Option<Self> {
        let keyword = keyword.and_then(|keyword| kept(keyword, KEYWORD_CHARS));
        let suggest = match suggest {
            Some("risky") => Suggest::Risky,
            Some("pass") => return None,
            Some(_) => Suggest::Review,
            // A strategy that had nothing to look for says nothing at all.
            None => keyword.as_ref().map(|_| Suggest::Review)?,
        };
        let strategy = strategy.and_then(|strategy| kept(strategy, STRATEGY_CHARS));
        Some(Self {
            strategy,
            suggest,
            label,
            probability: probability.map(|sure| sure.min(100)),
            keyword,
            window: None,
        })
    }

    /// What a verdict says by itself.
    pub fn of(Verdict { suggest, label }: Verdict) -> Self {
        Self { strategy: None, suggest, label, probability: None, keyword: None, window: None }
    }

    /// The same, found in that window of the text.
    pub fn in_window(self, window: usize) -> Self {
        Self { window: u16::try_from(window).ok(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_found_nothing_is_no_finding() {
        let found = |suggest, keyword| Finding::new((Some("keyword"), keyword), suggest, None, None);
        assert_eq!(found(None, None), None);
        assert_eq!(found(Some("pass"), None), None);
        assert_eq!(found(None, Some("\n")), None);
        assert_eq!(found(None, Some("word")).unwrap().suggest, Suggest::Review);
        assert_eq!(found(Some("risky"), None).unwrap().suggest, Suggest::Risky);
        assert_eq!(found(Some("new"), None).unwrap().suggest, Suggest::Review);
    }

    #[test]
    fn a_finding_is_short_whatever_it_is_made_of() {
        let long = "字\u{0}".repeat(1000);
        let found = Finding::new((Some(&long), Some(&long)), Some("risky"), Some(Label(20002)), Some(255)).unwrap();
        assert_eq!(found.strategy.unwrap().chars().count(), STRATEGY_CHARS);
        assert_eq!(found.keyword.unwrap(), "字".repeat(KEYWORD_CHARS));
        assert_eq!(found.probability, Some(100));
    }
}
