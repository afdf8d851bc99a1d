//! A submission as moderators see it.

use std::collections::BTreeSet;

use greenlight::domain::clock::Timestamp;
use greenlight::domain::desk::RejectReason;
use greenlight::domain::finding::Finding;
use greenlight::domain::ids::SubmissionId;
use greenlight::domain::media::MediaKind;
use greenlight::domain::moderator::Role;
use greenlight::domain::submission::{Decider, PartName, State, Submission, UNDO_WITHIN};
use greenlight::domain::text::{Content, stored_form};
use greenlight::domain::verdict::{Label, Suggest, Verdict};
use greenlight::table::{Note, Standing};

use crate::marks::{Piece, pieces};
use crate::timeline::decider;
use crate::words::Words;

/// How many characters of an id are shown where it links to the whole.
const SHORT: usize = 8;
/// How many characters are shown of what is answered.
const ANSWERED_CHARS: usize = 500;

/// A field of the text.
#[derive(Debug)]
pub(crate) struct FieldView {
    pub(crate) name: &'static str,
    pub(crate) is_title: bool,
    pub(crate) pieces: Vec<Piece>,
}

/// A picture or sound.
#[derive(Debug)]
pub(crate) struct MediumView {
    pub(crate) index: usize,
    pub(crate) number: usize,
    pub(crate) is_picture: bool,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// What WeChat has against it.
    pub(crate) doubt: Option<String>,
}

/// A reason to reject for, with its digit.
#[derive(Debug)]
pub(crate) struct ReasonView<'a> {
    pub(crate) digit: usize,
    pub(crate) code: &'a str,
    pub(crate) text: &'a str,
}

/// A submission.
#[derive(Debug)]
pub(crate) struct CaseView {
    pub(crate) id: String,
    pub(crate) short: String,
    pub(crate) version: u64,
    pub(crate) author: String,
    pub(crate) short_author: String,
    pub(crate) state: &'static str,
    pub(crate) channel: Option<String>,
    pub(crate) scene: &'static str,
    pub(crate) made: String,
    pub(crate) waited: String,
    pub(crate) escalated: bool,
    pub(crate) replaces: Option<String>,
    pub(crate) external_id: Option<String>,
    /// What stands around it: a title, a text.
    pub(crate) context: (Option<String>, Option<String>),
    /// What it answers.
    pub(crate) answered: Option<AnsweredView>,
    /// Why it waits, or waited.
    pub(crate) causes: Vec<String>,
    /// The submissions with which a person has rejected the same.
    pub(crate) came_back: Vec<String>,
    /// Its content was rejected, and may be allowed again.
    pub(crate) liftable: bool,
    pub(crate) fields: Vec<FieldView>,
    pub(crate) media: Vec<MediumView>,
    pub(crate) erased: bool,
    pub(crate) notes: Vec<NoteView>,
    /// Who else works on it now.
    pub(crate) in_hand_of: Option<String>,
    /// It waits for people.
    pub(crate) waits: bool,
    /// A moderator may approve or reject it.
    pub(crate) approvable: bool,
    pub(crate) rejectable: bool,
    /// By whom it was decided last, when and why.
    pub(crate) decided: Option<String>,
    /// The decision of this moderator may be taken back.
    pub(crate) undoable: bool,
}

/// What a submission answers, as far as there is anything left of it.
#[derive(Debug)]
pub(crate) struct AnsweredView {
    pub(crate) id: String,
    pub(crate) said: String,
}

/// A note.
#[derive(Debug)]
pub(crate) struct NoteView {
    pub(crate) by: String,
    pub(crate) at: String,
    pub(crate) text: String,
}

pub(crate) fn short(id: &str) -> String {
    id.chars().take(SHORT).collect()
}

/// The reasons of an app in a language.
pub(crate) fn reasons<'a>(w: &Words, reasons: &'a [RejectReason]) -> Vec<ReasonView<'a>> {
    let shown = reasons.iter().zip(1..).map(|(reason, digit)| ReasonView {
        digit,
        code: &reason.code,
        text: w.language.choose(&reason.zh, &reason.en),
    });
    shown.collect()
}

/// What a strategy found, in words: label, strategy, how sure, keyword.
pub(crate) fn finding(w: &Words, finding: &Finding) -> String {
    let label = finding.label.filter(|label| *label != Label::NORMAL);
    let label = label.map(|label| w.language.choose(label.name_zh(), label.name_en()).to_owned());
    let sure = finding.probability.map(|sure| format!("{sure}%"));
    let keyword = finding.keyword.as_ref().map(|keyword| format!("“{keyword}”"));
    [label, finding.strategy.clone(), sure, keyword].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

impl Words {
    /// A verdict in words: what WeChat advises, and the label that it gave.
    pub(crate) fn suggest_name(&self, suggest: Suggest) -> &'static str {
        let (zh, en) = match suggest {
            Suggest::Pass => ("通过", "pass"),
            Suggest::Review => ("存疑", "review"),
            Suggest::Risky => ("违规", "risky"),
        };
        self.language.choose(zh, en)
    }

    pub(crate) fn verdict_name(&self, verdict: Verdict) -> String {
        let label = verdict.label.filter(|label| *label != Label::NORMAL);
        let label = label.map(|label| self.language.choose(label.name_zh(), label.name_en()));
        [Some(self.suggest_name(verdict.suggest)), label].into_iter().flatten().collect::<Vec<_>>().join(" · ")
    }
}

/// Why a part waits for people, with what WeChat found; nothing where it has passed or is not judged yet.
fn doubt(w: &Words, submission: &Submission, name: PartName) -> Option<String> {
    let part = submission.part(name)?;
    let cause = w.cause_name(part.cause()?);
    let mut found: Vec<String> =
        part.findings.iter().map(|one| finding(w, one)).filter(|text| !text.is_empty()).collect();
    found.dedup();
    if found.is_empty() {
        let label = part.verdict().and_then(|verdict| verdict.label).filter(|label| *label != Label::NORMAL);
        found.extend(label.map(|label| w.language.choose(label.name_zh(), label.name_en()).to_owned()));
    }
    let colon = w.language.choose("：", ": ");
    Some(if found.is_empty() {
        cause.to_owned()
    } else {
        format!("{cause}{colon}{}", found.join(w.language.choose("；", "; ")))
    })
}

impl CaseView {
    pub(crate) fn of(
        w: &Words,
        submission: &Submission,
        standing: &Standing,
        who: (&str, Role),
        now: Timestamp,
    ) -> Self {
        let erased = submission.is_erased();
        let text_findings = submission.part(PartName::Text).map_or(&[][..], |part| &part.findings);
        let names = [w.title, w.text, w.nickname, w.signature];
        let fields = names.into_iter().zip(pieces(&submission.content, text_findings));
        let fields = fields.filter(|(_, pieces)| !pieces.is_empty());
        let fields = fields.map(|(name, pieces)| FieldView { name, is_title: name == w.title, pieces }).collect();
        let media = submission.media.iter().enumerate().filter(|_| !erased).map(|(index, medium)| {
            let name = u8::try_from(index).map_or(PartName::Text, PartName::Medium);
            let (width, height) = medium.dimensions.unwrap_or((1, 1));
            MediumView {
                index,
                number: index + 1,
                is_picture: medium.media_type.kind() == MediaKind::Image,
                width,
                height,
                doubt: doubt(w, submission, name),
            }
        });
        let colon = w.language.choose("：", ": ");
        let causes = submission
            .parts
            .iter()
            .filter_map(|part| Some(format!("{}{colon}{}", w.part_name(part.name), doubt(w, submission, part.name)?)));
        let came_back: BTreeSet<String> =
            submission.parts.iter().filter_map(|part| part.came_back.as_ref().map(ToString::to_string)).collect();
        let in_hand_of = standing.lease.as_ref().filter(|lease| lease.until > now && lease.name != who.0);
        let is_theirs = matches!(
            submission.decision.as_ref().map(|decision| &decision.decider), Some(Decider::Moderator(name)) if name == who.0
        );
        let may = !submission.escalated || who.1.is_lead();
        Self {
            id: submission.id.to_string(),
            short: short(submission.id.as_str()),
            version: submission.version,
            author: submission.author.to_string(),
            short_author: short(submission.author.as_str()),
            state: w.state_name(submission.state),
            channel: submission.channel.as_ref().map(ToString::to_string),
            scene: w.scene_name(submission.scene),
            made: submission.created_at.in_beijing(),
            decided: submission.decision.as_ref().map(|decision| {
                let (by, at) = (decider(w, &decision.decider), submission.moved_at().in_beijing());
                let why = decision.reason.clone().map(stored_form);
                [Some(by), Some(at), why].into_iter().flatten().collect::<Vec<_>>().join(" · ")
            }),
            waited: w.duration(now.since(submission.since)),
            escalated: submission.escalated,
            replaces: submission.replaces.as_ref().map(|replaces| replaces.id.to_string()),
            external_id: submission.external_id.clone().map(stored_form),
            context: submission.context.clone().map(|around| (around.title, around.text)).unwrap_or_default(),
            answered: submission.reply_to.as_ref().map(|id| AnsweredView { id: id.to_string(), said: String::new() }),
            causes: causes.collect(),
            came_back: came_back.into_iter().collect(),
            liftable: who.1.is_lead() && !erased && (submission.came_back() || submission.state == State::Rejected),
            fields,
            media: media.collect(),
            erased,
            notes: standing.notes.iter().map(NoteView::of).collect(),
            in_hand_of: in_hand_of.map(|lease| lease.name.clone()),
            waits: submission.state == State::InReview,
            approvable: may && !erased && submission.state != State::Approved,
            rejectable: may && submission.state != State::Withdrawn && submission.state != State::Rejected,
            undoable: submission.undo.is_some() && is_theirs && now <= submission.since.plus(UNDO_WITHIN),
        }
    }
}

/// Which submissions are answered by these.
pub(crate) fn answered_by<'a>(submissions: impl Iterator<Item = &'a Submission>) -> Vec<SubmissionId> {
    submissions.filter_map(|submission| submission.reply_to.clone()).collect()
}

impl CaseView {
    /// With what it answers, if that is among these.
    pub(crate) fn answering(mut self, all: &[Submission]) -> Self {
        if let Some(answered) = &mut self.answered
            && let Some(standing) = all.iter().find(|one| one.id.as_str() == answered.id)
        {
            let Content { title, text, .. } = &standing.content;
            let said: Vec<&str> = [title, text].into_iter().flatten().map(String::as_str).collect();
            answered.said = said.join("\n").chars().take(ANSWERED_CHARS).collect();
        }
        self
    }
}

impl NoteView {
    fn of(note: &Note) -> Self {
        Self { by: note.by.clone(), at: note.at.in_beijing(), text: note.text.clone() }
    }
}
