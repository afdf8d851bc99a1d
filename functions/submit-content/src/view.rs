//! A submission as whoever looks sees it.

use greenlight::api::caller::{Caller, Who};
use greenlight::api::language::Language;
use greenlight::domain::author::Actor;
use greenlight::domain::base_url::BaseUrl;
use greenlight::domain::clock::Timestamp;
use greenlight::domain::ids::AuthorId;
use greenlight::domain::media_path;
use greenlight::domain::submission::{
    Context, Decider, Decision, PartName, PartState, Reason, Retain, Scene, State, Submission, VisibleTo, Why,
};
use greenlight::domain::verdict::{Label, Suggest};
use serde::Serialize;
use serde_json::Value;

/// Who looks at a submission: its author, its owner, or anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Viewer(Option<Actor>);

impl Viewer {
    /// Its owner.
    pub(crate) const OWNER: Self = Self(Some(Actor::Owner));

    /// Who the caller is to this submission. An author of another app, or the owner of one, is anyone.
    pub(crate) fn of(caller: Option<&Caller>, submission: &Submission) -> Self {
        match caller {
            Some(caller) if caller.app.id != submission.app => Self(None),
            Some(Caller { who: Who::Owner, .. }) => Self::OWNER,
            Some(Caller { who: Who::Author(openid), app, .. }) => {
                Self((AuthorId::of(&app.id, openid) == submission.author).then_some(Actor::Author))
            }
            None => Self(None),
        }
    }

    /// As whom the viewer may act on the submission, if at all.
    pub(crate) fn actor(self) -> Option<Actor> {
        self.0
    }

    /// Whether the submission is shown to this viewer at all.
    pub(crate) fn sees(self, submission: &Submission) -> bool {
        match (submission.visible_to(), self.0) {
            (_, Some(Actor::Owner)) | (VisibleTo::Everyone, _) | (VisibleTo::Author, Some(Actor::Author)) => true,
            (VisibleTo::Author | VisibleTo::Nobody, _) => false,
        }
    }
}

/// A submission as its viewer sees it.
#[derive(Serialize)]
pub(crate) struct SubmissionView<'a> {
    id: &'a str,
    app_id: &'a str,
    state: State,
    version: u64,
    visible_to: VisibleTo,
    shareable: bool,
    scene: Scene,
    title: Option<&'a str>,
    text: Option<&'a str>,
    nickname: Option<&'a str>,
    signature: Option<&'a str>,
    media: Vec<MediumView<'a>>,
    channel: Option<&'a str>,
    metadata: Option<&'a Value>,
    external_id: Option<&'a str>,
    retain: Retain,
    replaces: Option<&'a str>,
    /// What it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<&'a str>,
    /// What stands around it; for the owner only.
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a Context>,
    mine: bool,
    /// For the owner only, who bans by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    openid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<Vec<ReasonView>>,
    /// Who decided and why; for author and owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
    created_at: String,
    decided_at: Option<String>,
}

#[derive(Serialize)]
struct MediumView<'a> {
    kind: &'static str,
    url: Option<String>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    /// For author and owner only.
    #[serde(skip_serializing_if = "Option::is_none")]
    ai_label: Option<&'a serde_json::Value>,
}

#[derive(Serialize)]
struct DecisionView<'a> {
    by: &'static str,
    /// In the moderator's words.
    reason: Option<&'a str>,
    /// Which moderator; for the owner only.
    #[serde(skip_serializing_if = "Option::is_none")]
    moderator: Option<&'a str>,
}

fn decision_view(decision: &Decision, viewer: Viewer, language: Language) -> DecisionView<'_> {
    let (by, moderator) = match &decision.decider {
        Decider::Wechat => ("wechat", None),
        Decider::Moderator(name) => ("moderator", Some(name.as_str())),
        Decider::Author => ("author", None),
        Decider::Owner => ("owner", None),
    };
    let moderator = moderator.filter(|_| viewer == Viewer::OWNER);
    let reason = decision.reason.as_deref();
    let reason = reason.map(|zh| language.choose(zh, decision.reason_en.as_deref().unwrap_or(zh)));
    DecisionView { by, reason, moderator }
}

#[derive(Serialize)]
struct ReasonView {
    part: PartName,
    label: Option<u32>,
    label_name: &'static str,
}

fn reason_view(reason: &Reason, language: Language) -> ReasonView {
    let (label, label_name) = match reason.why {
        Why::NotJudged => (None, language.choose("微信没有给出结果", "WeChat gave no verdict")),
        Why::NotRead => {
            (None, language.choose("微信没有读取文件就给出通过", "WeChat passed it without having read the file"))
        }
        // WeChat may doubt what it labels as normal; "normal" is no reason.
        Why::Judged(Some(label)) if label != Label::NORMAL => {
            (Some(label), language.choose(label.name_zh(), label.name_en()))
        }
        Why::Judged(label) => (label, language.choose("其他", "other")),
    };
    ReasonView { part: reason.part, label: label.map(|label| label.0), label_name }
}

/// What a person should read whenever the state is not approved.
fn message(submission: &Submission, language: Language) -> Option<&'static str> {
    let waits = submission.parts.iter().any(|part| matches!(part.state, PartState::WaitingForAuthor { .. }));
    match submission.state {
        State::Approved => None,
        State::Pending if waits => Some(language.choose(
            "请重新打开小程序，内容才能继续审核。",
            "Open the mini program again, so that the review can go on.",
        )),
        State::Pending => Some(
            language
                .choose("内容正在审核，通过后所有人可见。", "Under review; everyone will see it once it has passed."),
        ),
        State::InReview => Some(language.choose(
            "内容正在人工审核，通过后所有人可见。",
            "A person is looking at it; everyone will see it once it has passed.",
        )),
        State::Rejected => Some(language.choose(
            "内容未通过审核，只有您自己可见。请修改后重新发布。",
            "It did not pass the review, so only you can see it. Change it and publish again.",
        )),
        State::Withdrawn => Some(language.choose("内容已撤回。", "It was withdrawn.")),
    }
}

fn medium_state(submission: &Submission, index: u8) -> &'static str {
    match (submission.state, submission.part(PartName::Medium(index)).map(|part| &part.state)) {
        (State::Approved, _) => "approved",
        (_, Some(PartState::Settled { verdict })) => match verdict.suggest {
            Suggest::Pass => "approved",
            Suggest::Review => "in_review",
            Suggest::Risky => "rejected",
        },
        (_, Some(PartState::GivenUp { .. })) => "in_review",
        _ => "pending",
    }
}

/// Shows a submission to someone who may see it.
pub(crate) fn view<'a>(
    submission: &'a Submission,
    viewer: Viewer,
    language: Language,
    public_url: &BaseUrl,
) -> SubmissionView<'a> {
    let close = viewer.0.is_some();
    // Of what is under seal nothing is shown, though it is there still.
    let there = submission.media.iter().filter(|_| submission.state != State::Withdrawn);
    let media = there.enumerate().filter_map(|(index, medium)| {
        let index = u8::try_from(index).ok()?;
        let path = match submission.state {
            _ if submission.is_erased() => None,
            State::Approved => Some(media_path::public(&submission.id, index, medium.media_type)),
            State::Pending | State::InReview | State::Rejected | State::Withdrawn => {
                Some(media_path::with_secret(&submission.id, index, &medium.author_secret, medium.media_type))
            }
        };
        Some(MediumView {
            kind: medium.media_type.kind().as_str(),
            url: path.map(|path| public_url.join(&path)),
            state: medium_state(submission, index),
            width: medium.dimensions.map(|(width, _)| width),
            height: medium.dimensions.map(|(_, height)| height),
            ai_label: medium.ai_label.as_ref().filter(|_| close),
        })
    });
    let owners = close || submission.vouched;
    // Of a decision that was taken back the author notices nothing.
    let shown = viewer == Viewer::OWNER || submission.state != State::InReview;
    let decision = submission.decision.as_ref().filter(|_| close && shown);
    SubmissionView {
        id: submission.id.as_str(),
        app_id: submission.app.as_str(),
        state: submission.state,
        version: submission.version,
        visible_to: submission.visible_to(),
        shareable: submission.state == State::Approved,
        scene: submission.scene,
        title: submission.content.title.as_deref(),
        text: submission.content.text.as_deref(),
        nickname: submission.content.nickname.as_deref(),
        signature: submission.content.signature.as_deref(),
        media: media.collect(),
        channel: submission.channel.as_ref().map(|channel| channel.as_str()),
        metadata: submission.metadata.as_ref().filter(|_| owners),
        external_id: submission.external_id.as_deref().filter(|_| owners),
        retain: submission.retain,
        replaces: submission.replaces.as_ref().filter(|_| close).map(|replaces| replaces.id.as_str()),
        reply_to: submission.reply_to.as_ref().map(|answered| answered.as_str()),
        context: submission.context.as_ref().filter(|_| viewer == Viewer::OWNER),
        mine: viewer.0 == Some(Actor::Author),
        openid: submission.openid.as_ref().filter(|_| viewer == Viewer::OWNER).map(|openid| openid.as_str()),
        reasons: close.then(|| submission.reasons().iter().map(|reason| reason_view(reason, language)).collect()),
        decision: decision.map(|decision| decision_view(decision, viewer, language)),
        message: message(submission, language),
        created_at: submission.created_at.to_string(),
        decided_at: submission.decided_at().as_ref().map(Timestamp::to_string),
    }
}
