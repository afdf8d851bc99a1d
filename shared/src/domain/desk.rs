//! What the moderators of an app share: the reasons they reject for, and a note for whoever works next.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::AppId;

/// How many reasons an app has at most: each has a digit.
pub const MOST_REASONS: usize = 9;
/// How many characters a reason has at most in each language.
pub const REASON_CHARS: usize = 200;
/// After how long a case has waited too long for people, where the app has no limit of its own.
pub const LATE_AFTER: Duration = Duration::from_secs(2 * 3600);
/// The longest limit that an app may have: a month.
pub const LONGEST_LIMIT_MINUTES: u32 = 30 * 24 * 60;
/// How many characters a note for the next shift has at most.
pub const HANDOVER_CHARS: usize = 2_000;

/// Why content is rejected, as its author is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectReason {
    /// What programs and figures know it by: `[a-z0-9_]{1,32}`.
    pub code: String,
    /// For authors who read Chinese.
    pub zh: String,
    /// For authors who read English.
    pub en: String,
}

impl RejectReason {
    /// A reason from outside; nothing where its code is none, or a text is missing or too long.
    pub fn new(code: &str, zh: &str, en: &str) -> Option<Self> {
        let is_code = (1..=32).contains(&code.len())
            && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let is_text = |text: &str| (1..=REASON_CHARS).contains(&text.chars().count());
        let reason = || Self { code: code.to_owned(), zh: zh.to_owned(), en: en.to_owned() };
        (is_code && is_text(zh) && is_text(en)).then(reason)
    }
}

/// A note for whoever works next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// Who wrote it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
}

/// What the moderators of an app share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desk {
    /// The app. It stands in the item's key.
    #[serde(skip_serializing)]
    pub(crate) app: AppId,
    /// The reasons, by the digit that each has, from 1.
    #[serde(default)]
    pub reasons: Vec<RejectReason>,
    /// The note, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handover: Option<Handover>,
    /// After how many minutes a case has waited too long; [`LATE_AFTER`] where nobody has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_after_minutes: Option<u32>,
    /// When the owner was last told that one has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) late_told_at: Option<Timestamp>,
    /// How often it was written.
    #[serde(skip)]
    pub(crate) version: u64,
}

impl Desk {
    /// After how long a case has waited too long for people.
    pub fn late_after(&self) -> Duration {
        self.late_after_minutes.map_or(LATE_AFTER, |minutes| Duration::from_secs(u64::from(minutes) * 60))
    }

    /// As it is before anyone changes it: with the reasons that WeChat's labels suggest.
    pub fn new(app: AppId) -> Self {
        let reasons = [
            ("spam", "广告或垃圾信息", "Advertising or spam"),
            ("abuse", "辱骂或人身攻击", "Abuse or personal attacks"),
            ("porn", "色情或低俗内容", "Pornographic or vulgar content"),
            ("politics", "涉及时政敏感内容", "Politically sensitive content"),
            ("crime", "涉及违法犯罪", "Illegal or criminal content"),
            ("fraud", "涉嫌欺诈", "Suspected fraud"),
            ("copyright", "侵犯版权", "Infringement of copyright"),
            ("privacy", "泄露个人信息", "Personal data of others"),
            ("other", "不符合社区规范", "Against the rules of this community"),
        ];
        let reasons = reasons.map(|(code, zh, en)| RejectReason { code: code.into(), zh: zh.into(), en: en.into() });
        let (handover, late_after_minutes, late_told_at) = (None, None, None);
        Self { app, reasons: reasons.into(), handover, late_after_minutes, late_told_at, version: 0 }
    }

    /// The reason with that code.
    pub fn reason(&self, code: &str) -> Option<&RejectReason> {
        self.reasons.iter().find(|reason| reason.code == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_digit_a_code_and_both_languages() {
        let desk = Desk::new(AppId::parse("wx1").unwrap());
        assert!(desk.reasons.len() <= MOST_REASONS);
        for reason in &desk.reasons {
            assert_eq!(RejectReason::new(&reason.code, &reason.zh, &reason.en).as_ref(), Some(reason));
        }
        let long = "字".repeat(REASON_CHARS + 1);
        for (code, zh, en) in
            [("", "字", "a"), ("Spam", "字", "a"), ("a b", "字", "a"), ("a", "", "a"), ("a", "字", &long)]
        {
            assert_eq!(RejectReason::new(code, zh, en), None, "{code} {zh} {en}");
        }
    }
}
