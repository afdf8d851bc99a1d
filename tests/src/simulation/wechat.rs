//! WeChat's moods, and what it is known to have said.

use greenlight_local::simulator::{
    Api, Behaviour, CheckRecord, Dropping, Failure, Fault, ForcedVerdict, PushFormat, PushMode, PushShape, Quota,
    RepeatBy, RepeatLimit, Verdict,
};

use super::history::Dice;

/// How WeChat is for a while.
pub(super) type Mood = Behaviour;

/// Whether WeChat says `pass` about media that it did not read, as the field reports. That is a promise of its own:
/// such a pass counts only with a proof that the bytes were fetched.
const PASSES_UNREAD: bool = false;

fn failure(dice: &mut Dice) -> Failure {
    let api = dice.one_of(&[
        Api::StableToken,
        Api::MsgSecCheck,
        Api::MsgSecCheck,
        Api::MediaCheckAsync,
        Api::MediaCheckAsync,
        Api::MediaCheckAsync,
        Api::Jscode2session,
    ]);
    let errcode = dice.one_of(&[-1, 40001, 42001, 44991, 45009, 61010, 87020, 40003, 99999]);
    let how = match dice.between(0, 9) {
        0..=5 => Fault::Errcode(errcode),
        6 => Fault::HttpStatus(dice.one_of(&[500, 502, 429])),
        7 => Fault::NotJson,
        8 => Fault::Empty,
        _ => Fault::Close,
    };
    Failure { api, calls: Some(u32::try_from(dice.between(1, 4)).expect("few")), how, after_work: dice.chance(30) }
}

fn odd_verdict(shape: PushShape, dice: &mut Dice) -> ForcedVerdict {
    let word = |suggest: &str, label| ForcedVerdict::Verdict(Verdict { suggest: suggest.to_owned(), label });
    // Version 1 knows only risky or not: whatever is not risky would be a pass without a look.
    let kinds = if shape == PushShape::V2 || PASSES_UNREAD { 8 } else { 2 };
    match dice.between(0, kinds) {
        0 => word("risky", dice.one_of(&[Some(20001), Some(100), None])),
        1 => ForcedVerdict::Errcode(-1),
        2 => ForcedVerdict::Errcode(-1008),
        3 => ForcedVerdict::NoResult,
        4 => word("review", Some(20002)),
        5 => word("Pass", Some(100)),
        6 => word("pass", Some(20001)),
        7 => word("block", None),
        _ => word("", None),
    }
}

/// A mood. Nothing in it takes real time that a test would have to wait for.
pub(super) fn mood(dice: &mut Dice) -> Mood {
    let shape = if dice.chance(20) { PushShape::V1 } else { PushShape::V2 };
    let rarely = |dice: &mut Dice, most: u64| if dice.chance(35) { dice.between(1, most) } else { 0 };
    let failures = rarely(dice, 3);
    let (odd_texts, odd_media) = (rarely(dice, 2), rarely(dice, 3));
    let quota = Quota { per_minute: Some(dice.between(1, 5)), per_day: None, minute_errcode: 44991 };
    Behaviour {
        push_format: dice.one_of(&[PushFormat::Json, PushFormat::Xml]),
        push_shape: shape,
        push_mode: dice.one_of(&[PushMode::Safe, PushMode::Safe, PushMode::Compatible]),
        push_copies: dice.one_of(&[1, 1, 1, 2, 3]),
        hold_pushes: dice.chance(35),
        drop_pushes: Dropping::Next(u32::try_from(rarely(dice, 3)).expect("few")),
        push_before_answer: dice.chance(25),
        numbers_as_strings: dice.chance(20),
        push_retries: dice.one_of(&[0, 3, 3]),
        push_retry_delay_ms: 0,
        download_range_bytes: dice.one_of(&[0, 0, 64]),
        fail: (0..failures).map(|_| failure(dice)).collect(),
        text_verdicts: (0..odd_texts).map(|_| odd_verdict(PushShape::V2, dice)).collect(),
        media_verdicts: (0..odd_media).map(|_| odd_verdict(shape, dice)).collect(),
        token_lifetime_s: dice.one_of(&[7_200, 7_200, 600, 60]),
        visit_window_s: dice.one_of(&[7_200, 7_200, 1_200]),
        quotas: if dice.chance(10) { [(Api::MediaCheckAsync, quota)].into() } else { [].into() },
        repeat_limit: dice.chance(8).then_some(RepeatLimit { submissions: 1, window_s: 900, by: RepeatBy::Bytes }),
        ..Behaviour::default()
    }
}

/// What a verdict means for whoever hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Only `pass`, letter for letter, and no label that contradicts it.
    Pass,
    /// Anything else that is a verdict.
    Review,
    /// Not to be shown.
    Risky,
    /// No verdict.
    Nothing,
}

fn meaning(verdict: &Verdict) -> Meaning {
    match (verdict.suggest.as_str(), verdict.label) {
        ("risky", _) => Meaning::Risky,
        ("pass", None | Some(100)) => Meaning::Pass,
        _ => Meaning::Review,
    }
}

/// What WeChat answered about a text.
pub(super) fn answered(check: &CheckRecord) -> Meaning {
    match (check.errcode, &check.verdict) {
        (0, Some(verdict)) => meaning(verdict),
        _ => Meaning::Nothing,
    }
}

/// What WeChat's own push about a medium says; written down here once more, so that it is not production's word alone.
pub(super) fn pushed(check: &CheckRecord) -> Meaning {
    // Only the trace ids of version 1 have no dashes.
    let version_1 = check.trace_id.as_ref().is_some_and(|trace_id| !trace_id.contains('-'));
    match (check.push_errcode, &check.verdict) {
        (Some(0), Some(verdict)) if version_1 => {
            if verdict.suggest == "risky" {
                Meaning::Risky
            } else {
                Meaning::Pass
            }
        }
        (Some(0), None) if version_1 => Meaning::Pass,
        (Some(0), Some(verdict)) => meaning(verdict),
        _ => Meaning::Nothing,
    }
}
