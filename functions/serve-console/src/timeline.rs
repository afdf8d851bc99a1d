//! All that happened to a submission, in order: when, what, by whom, and why.

use greenlight::domain::clock::Timestamp;
use greenlight::domain::submission::{Attempt, By, Decider, Ended, Part, PartName, PartState, Past, Submission};
use greenlight::domain::text::stored_form;
use greenlight::table::DecisionRecord;
use greenlight::wechat::error::Class;

use crate::words::Words;

/// What happened at one moment.
#[derive(Debug, Default)]
pub(crate) struct Happening {
    /// In Beijing; nothing where it was not written.
    pub(crate) at: String,
    pub(crate) what: String,
    pub(crate) by: String,
    pub(crate) why: String,
    /// WeChat's name for the check.
    pub(crate) trace: String,
}

/// What happened, and when, for putting it in order. What has no time of its own has the time of what it followed upon.
type Dated = (Timestamp, Happening);

/// What people read between two words about the same thing.
const DOT: &str = " · ";

fn joined(texts: impl IntoIterator<Item = String>) -> String {
    texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(DOT)
}

/// Where a part stands, in words.
pub(crate) fn standing(w: &Words, part: &Part) -> String {
    let (zh, en) = match part.state {
        PartState::Queued { .. } => ("排队中", "queued"),
        PartState::Checking { .. } => ("等待推送", "waiting for the push"),
        PartState::WaitingForAuthor { .. } => ("等待作者打开小程序", "waiting for its author"),
        PartState::GivenUp { .. } => ("没有结果", "given up"),
        PartState::Settled { verdict } => return w.verdict_name(verdict),
    };
    w.language.choose(zh, en).to_owned()
}

/// What WeChat's code says, with the code.
fn errcode_name(w: &Words, errcode: i64) -> String {
    let (zh, en) = match (errcode, Class::of(errcode)) {
        (-1008, _) => ("微信没能下载文件", "WeChat could not download it"),
        (_, Class::Token) => ("access_token 无效", "the access token was not taken"),
        (_, Class::MinuteQuota | Class::DayQuota) => ("额度用完", "the quota was used up"),
        (_, Class::AuthorAway) => ("作者两小时内没有打开小程序", "its author was not active in the last two hours"),
        (_, Class::TooOften) => ("同一文件检查得太频繁", "the same medium was checked too often"),
        (_, Class::Permanent) => ("微信拒绝检查", "WeChat refused to check it"),
        (_, Class::Configuration) => ("小程序的配置有误", "the mini program's configuration is wrong"),
        (_, Class::LoginRefused | Class::LoginBlocked) => ("微信拒绝该用户", "WeChat refused the user"),
        (_, Class::Risky) => ("违规", "risky"),
        (_, Class::Busy | Class::Unreached) => ("微信没有给出结果", "WeChat gave no verdict"),
    };
    format!("{} (errcode {errcode})", w.language.choose(zh, en))
}

/// Whether WeChat has read a medium to its end; nothing of the text, or where the medium is not here any more.
fn reading(w: &Words, submission: &Submission, part: PartName, attempt: &Attempt) -> String {
    let PartName::Medium(index) = part else { return String::new() };
    let Some(medium) = submission.media.get(usize::from(index)) else { return String::new() };
    let (zh, en) = if attempt.fetched.covers(medium.size) {
        ("已完整读取", "read to its end")
    } else if attempt.fetched.is_empty() {
        ("没有读取", "not read")
    } else {
        ("只读取了一部分", "read in part")
    };
    w.language.choose(zh, en).to_owned()
}

/// How an attempt ended, in words; nothing while it has not.
fn end(w: &Words, submission: &Submission, (part, index): (&Part, usize), attempt: &Attempt) -> Option<String> {
    let said = |zh: &str, en: &str| w.language.choose(zh, en).to_owned();
    let errcode = attempt.errcode.map(|errcode| errcode_name(w, errcode)).unwrap_or_default();
    let failed = match attempt.ended {
        _ if attempt.unproven => {
            said("通过，但没有读完文件，不算数", "pass without having read it, which does not count")
        }
        Some(Ended::NotTaken) => said("微信没有受理，不算一次", "not taken, which is no attempt"),
        Some(Ended::Failed) => said("没有结果", "came to nothing"),
        None => String::new(),
    };
    let verdict = part.verdict_of(index).map(|verdict| w.verdict_name(verdict)).unwrap_or_default();
    let whole = joined([failed, errcode, verdict]);
    (!whole.is_empty()).then(|| joined([whole, reading(w, submission, part.name, attempt)]))
}

/// What is said of an attempt that has not ended.
fn open(w: &Words, part: &Part, is_last: bool) -> String {
    let (zh, en) = match part.state {
        PartState::Checking { .. } | PartState::Queued { .. } if is_last => ("等待结果", "no verdict yet"),
        _ => ("没有等到结果", "no verdict came"),
    };
    w.language.choose(zh, en).to_owned()
}

fn checks_of(w: &Words, submission: &Submission, part: &Part, into: &mut Vec<Dated>) {
    let name = w.part_name(part.name);
    if part.known_at.is_some() || part.known.is_some() {
        let taken_over = w.language.choose("沿用对同样内容的检查结果", "took over the verdict on the same content");
        let verdict = part.known_verdict().map(|verdict| w.verdict_name(verdict)).unwrap_or_default();
        into.push((
            part.known_at.unwrap_or(submission.created_at),
            Happening {
                at: part.known_at.map(Timestamp::in_beijing).unwrap_or_default(),
                what: joined([name.clone(), taken_over.to_owned()]),
                by: w.wechat.to_owned(),
                why: verdict,
                trace: part.known.as_ref().map(ToString::to_string).unwrap_or_default(),
            },
        ));
    }
    for (index, attempt) in part.attempts.iter().enumerate() {
        let number = index + 1;
        let trace = attempt.trace_id.as_ref().map(ToString::to_string).unwrap_or_default();
        let ended = end(w, submission, (part, index), attempt);
        let asked = w.language.choose(&format!("第 {number} 次送检"), &format!("check {number} begun")).to_owned();
        let answered =
            w.language.choose(&format!("第 {number} 次检查结束"), &format!("check {number} ended")).to_owned();
        let row = |at: Option<Timestamp>, what: String, why: String| Happening {
            at: at.map(Timestamp::in_beijing).unwrap_or_default(),
            what: joined([name.clone(), what]),
            by: w.wechat.to_owned(),
            why,
            trace: trace.clone(),
        };
        let why = if ended.is_some() { String::new() } else { open(w, part, number == part.attempts.len()) };
        into.push((attempt.asked_at, row(Some(attempt.asked_at), asked, why)));
        if let Some(ended) = ended {
            into.push((attempt.ended_at().unwrap_or(attempt.asked_at), row(attempt.ended_at(), answered, ended)));
        }
    }
}

/// Who decided, as it is shown.
pub(crate) fn decider(w: &Words, by: &Decider) -> String {
    match by {
        Decider::Moderator(name) => stored_form(name.clone()),
        Decider::Wechat => w.wechat.to_owned(),
        Decider::Author => w.author.to_owned(),
        Decider::Owner => w.owner.to_owned(),
    }
}

fn kind_of_decider(w: &Words, by: By) -> &'static str {
    match by {
        By::Wechat => w.wechat,
        By::Moderator => w.moderator,
        By::Author => w.author,
        By::Owner => w.owner,
    }
}

/// `media/0: given_up`, as a record has it, in words.
fn doubted(w: &Words, part: &str) -> String {
    let (name, kind) = part.split_once(": ").unwrap_or((part, ""));
    let name = PartName::try_from(name.to_owned()).map_or_else(|_| name.to_owned(), |name| w.part_name(name));
    joined([name, w.kind_name(kind).to_owned()])
}

fn decision(w: &Words, record: &DecisionRecord) -> Happening {
    let at = Timestamp::parse_rfc3339(&record.at).map_or_else(|_| record.at.clone(), Timestamp::in_beijing);
    let by = record.by.as_ref().map(|by| decider(w, by)).unwrap_or_default();
    let from = record.from.as_deref().map(|from| w.state_named(from)).unwrap_or_default();
    let undone = if record.state == "in_review" { w.taken_back } else { "" };
    let code = record.reason_code.as_ref().map(|code| format!("[{code}]")).unwrap_or_default();
    // Where a record names the parts, these say all that the causes do.
    let causes: Vec<String> = if record.parts.is_empty() {
        record.causes.iter().map(|kind| w.kind_name(kind).to_owned()).collect()
    } else {
        record.parts.iter().map(|part| doubted(w, part)).collect()
    };
    let causes = if causes.is_empty() { String::new() } else { format!("{}: {}", w.cause, causes.join(", ")) };
    Happening {
        at,
        what: joined([format!("{from} → {}", w.state_named(&record.state)), undone.to_owned()]),
        by: joined([by, record.role.map(|role| w.role_name(role).to_owned()).unwrap_or_default()]),
        why: joined([stored_form(record.reason.clone().unwrap_or_default()), code, causes]),
        trace: String::new(),
    }
}

/// The changes of state that stand in no record of a decision.
fn changes(w: &Words, submission: &Submission, records: &[DecisionRecord], into: &mut Vec<Dated>) {
    let changes = submission.changes();
    let is_recorded = |change: &Past| {
        records.iter().any(|record| record.at == change.at.to_string() && record.state == change.state.as_str())
    };
    let of_some = changes.len() > greenlight::domain::submission::CHANGES_KEPT;
    for (number, (before, change)) in changes.iter().zip(changes.iter().skip(1)).enumerate() {
        if is_recorded(change) {
            continue;
        }
        // What lies between making it and the first change that is kept may be forgotten.
        let from = if number == 0 && of_some { "…" } else { w.state_name(before.state) };
        into.push((
            change.at,
            Happening {
                at: change.at.in_beijing(),
                what: format!("{from} → {}", w.state_name(change.state)),
                by: change.by.map(|by| kind_of_decider(w, by).to_owned()).unwrap_or_default(),
                ..Happening::default()
            },
        ));
    }
}

/// All that happened to a submission, oldest first.
pub(crate) fn timeline(w: &Words, submission: &Submission, records: &[DecisionRecord]) -> Vec<Happening> {
    let made = Happening {
        at: submission.created_at.in_beijing(),
        what: w.was_made.to_owned(),
        by: if submission.vouched { w.owner } else { w.author }.to_owned(),
        ..Happening::default()
    };
    let mut dated = vec![(submission.created_at, made)];
    for part in &submission.parts {
        checks_of(w, submission, part, &mut dated);
    }
    changes(w, submission, records, &mut dated);
    for record in records {
        let at = Timestamp::parse_rfc3339(&record.at).unwrap_or(submission.created_at);
        dated.push((at, decision(w, record)));
    }
    // What is of the same moment stays as it was put here.
    dated.sort_by_key(|(at, _)| *at);
    dated.into_iter().map(|(_, happening)| happening).collect()
}
