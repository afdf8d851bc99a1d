//! What WeChat says about content: pass, review or risky, and why.

use serde::{Deserialize, Serialize};

/// WeChat's advice, ordered: the worse is the greater.
///
/// The values of `suggest` in 文本内容安全识别 (`msg_sec_check`),
/// <https://developers.weixin.qq.com/miniprogram/dev/server/API/sec-center/sec-check/api_msgseccheck>, and in
/// 多媒体内容安全识别 (`media_check_async`),
/// <https://developers.weixin.qq.com/miniprogram/dev/server/API/sec-center/sec-check/api_mediacheckasync>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suggest {
    /// Nothing was found.
    Pass,
    /// A human must look.
    Review,
    /// Not to be shown.
    Risky,
}

impl Suggest {
    /// WeChat's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Review => "review",
            Self::Risky => "risky",
        }
    }
}

/// WeChat's number for what it found; 100 means that it found nothing.
///
/// The values of `label` on the pages that [`Suggest`] names. New ones may come, so every number is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Label(pub u32);

impl Label {
    /// 正常: nothing was found.
    pub const NORMAL: Self = Self(100);

    /// The name in Chinese, as WeChat's documentation has it; 其他 for a number that it does not list.
    pub fn name_zh(self) -> &'static str {
        self.names().0
    }

    /// The name in English; "other" for a number that WeChat's documentation does not list.
    pub fn name_en(self) -> &'static str {
        self.names().1
    }

    fn names(self) -> (&'static str, &'static str) {
        match self.0 {
            100 => ("正常", "normal"),
            10001 => ("广告", "advertising"),
            20001 => ("时政", "politics"),
            20002 => ("色情", "pornography"),
            20003 => ("辱骂", "abuse"),
            20006 => ("违法犯罪", "crime"),
            20008 => ("欺诈", "fraud"),
            20012 => ("低俗", "vulgarity"),
            20013 => ("版权", "copyright"),
            _ => ("其他", "other"), // 21000 is documented as this
        }
    }
}

/// WeChat's answer to one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What WeChat advises.
    pub suggest: Suggest,
    /// What WeChat found, where it said so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label: Option<Label>,
}

impl Verdict {
    /// Reads the fields of WeChat's `result`.
    ///
    /// Only `pass`, letter for letter, is a pass, and only if its label is absent or 100: another label contradicts it.
    /// An absent or unknown `suggest` is an answer that we do not understand, so a human must look.
    pub fn from_result(suggest: Option<&str>, label: Option<i64>) -> Self {
        let contradicted = label.is_some_and(|label| label != i64::from(Label::NORMAL.0));
        let suggest = match suggest {
            Some("pass") if !contradicted => Suggest::Pass,
            Some("risky") => Suggest::Risky,
            _ => Suggest::Review,
        };
        Self { suggest, label: label.and_then(|label| u32::try_from(label).ok()).map(Label) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suggests(suggest: Option<&str>, label: Option<i64>) -> Suggest {
        Verdict::from_result(suggest, label).suggest
    }

    #[test]
    fn the_worse_is_the_greater() {
        assert!(Suggest::Pass < Suggest::Review && Suggest::Review < Suggest::Risky);
    }

    #[test]
    fn only_pass_letter_for_letter_is_a_pass() {
        assert_eq!(suggests(Some("pass"), Some(100)), Suggest::Pass);
        assert_eq!(suggests(Some("pass"), None), Suggest::Pass);
        for other in ["Pass", "PASS", "pass ", " pass", "passed", "pa", "", "ok", "0", "通过"] {
            assert_eq!(suggests(Some(other), Some(100)), Suggest::Review, "{other:?}");
        }
        assert_eq!(suggests(None, Some(100)), Suggest::Review);
        assert_eq!(suggests(None, None), Suggest::Review);
    }

    #[test]
    fn a_pass_with_another_label_contradicts_itself() {
        for label in [0, -1, 1, 99, 101, 20002, 21000, i64::MAX, i64::MIN, 100 + (1 << 32)] {
            assert_eq!(suggests(Some("pass"), Some(label)), Suggest::Review, "{label}");
        }
    }

    #[test]
    fn risky_is_risky_whatever_the_label() {
        for label in [None, Some(100), Some(20002), Some(-5), Some(i64::MAX)] {
            assert_eq!(suggests(Some("risky"), label), Suggest::Risky);
        }
        assert_eq!(suggests(Some("review"), Some(100)), Suggest::Review);
    }

    #[test]
    fn a_label_that_is_no_label_is_left_out() {
        assert_eq!(Verdict::from_result(Some("risky"), Some(-1)).label, None);
        assert_eq!(Verdict::from_result(Some("risky"), Some(1 << 32)).label, None);
        assert_eq!(Verdict::from_result(Some("risky"), Some(20002)).label, Some(Label(20002)));
    }

    #[test]
    fn labels_have_names_in_both_languages() {
        assert_eq!((Label(20002).name_zh(), Label(20002).name_en()), ("色情", "pornography"));
        assert_eq!((Label(21000).name_zh(), Label(21000).name_en()), ("其他", "other"));
        assert_eq!((Label(7).name_zh(), Label(7).name_en()), ("其他", "other"));
    }

    #[test]
    fn a_verdict_is_stored_as_it_was_said() {
        let verdict = Verdict { suggest: Suggest::Risky, label: Some(Label(20002)) };
        let json = serde_json::to_string(&verdict).unwrap();
        assert_eq!(json, r#"{"suggest":"risky","label":20002}"#);
        assert_eq!(serde_json::from_str::<Verdict>(&json).unwrap(), verdict);
        let bare = Verdict { suggest: Suggest::Pass, label: None };
        assert_eq!(serde_json::to_string(&bare).unwrap(), r#"{"suggest":"pass"}"#);
        assert_eq!(serde_json::from_str::<Verdict>(r#"{"suggest":"pass"}"#).unwrap(), bare);
    }
}
