//! Keeps what WeChat has said about a medium, so that the same bytes are not checked twice, and tells those who took it over
//! when WeChat says worse.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;

use crate::domain::clock::{Clock, Timestamp};
use crate::domain::ids::SubmissionId;
use crate::domain::sha256::Sha256;
use crate::domain::submission::{Part, PartName, State, Submission};
use crate::domain::verdict::{Suggest, Verdict};
use crate::error::chain;
use crate::table::{Consistency, Judged, KnownVerdict, Table, TableError};

/// The bytes that a part is about; none for the text.
pub(super) fn judged(submission: &Submission, name: PartName) -> Option<Judged<'_>> {
    let PartName::Medium(index) = name else { return None };
    let medium = submission.media.get(usize::from(index))?;
    Some(Judged { app: &submission.app, scene: submission.scene, sha256: medium.sha256 })
}

/// Whether a moderator has decided otherwise than this verdict would.
fn is_overruled(submission: &Submission, verdict: Verdict) -> bool {
    submission.moderated
        && match submission.state {
            State::Approved => verdict.suggest != Suggest::Pass,
            State::Rejected => verdict.suggest == Suggest::Pass,
            State::Pending | State::InReview | State::Withdrawn => false,
        }
}

/// The bytes about which a moderator has decided otherwise than WeChat, or without having waited for it, each once: its verdict
/// may be on its way into the table at this moment.
pub(super) fn overruled(submission: &Submission) -> BTreeSet<Sha256> {
    let otherwise = |part: &&Part| part.verdict().is_none_or(|verdict| is_overruled(submission, verdict));
    let parts = submission.parts.iter().filter(otherwise);
    parts.filter_map(|part| Some(judged(submission, part.name)?.sha256)).collect()
}

/// Keeps what WeChat has said about a medium in this check. What is risky is told to each submission that has taken a
/// better verdict on the same bytes: before the risky verdict counts as applied, so that no crash leaves one of them public.
pub(super) async fn keep(
    table: &Table,
    clock: &Clock,
    submission: &Submission,
    name: PartName,
    known: &KnownVerdict,
) -> Result<(), TableError> {
    match judged(submission, name).filter(|_| !is_overruled(submission, known.verdict)) {
        Some(judged) => keep_judged(table, clock, judged, &submission.id, known).await,
        None => Ok(()),
    }
}

/// The same for bytes of the submission `own`, which need not be at hand.
pub(super) async fn keep_judged(
    table: &Table,
    clock: &Clock,
    judged: Judged<'_>,
    own: &SubmissionId,
    known: &KnownVerdict,
) -> Result<(), TableError> {
    let now = clock.now();
    let takers = table.keep_verdict(judged, known, now).await?;
    if known.verdict.suggest != Suggest::Risky {
        return Ok(());
    }
    let others = takers.iter().filter(|taker| *taker != own);
    let told = others.map(|taker| async move {
        let Some(taker) = table.submission(taker, Consistency::Strong).await? else { return Ok(()) };
        tell(table, taker, judged, known, now).await
    });
    try_join_all(told).await.map(drop)
}

/// Tells a submission what WeChat says about bytes of its own.
async fn tell(
    table: &Table,
    submission: Submission,
    about: Judged<'_>,
    known: &KnownVerdict,
    now: Timestamp,
) -> Result<(), TableError> {
    let step = |one: &mut Submission| {
        let names: Vec<PartName> = one.parts.iter().map(|part| part.name).collect();
        let same = |name: &PartName| judged(one, *name).is_some_and(|own| own.sha256 == about.sha256);
        let same: Vec<PartName> = names.into_iter().filter(same).collect();
        same.into_iter().fold(false, |changed, part| one.apply(&known.event(part), now) | changed)
    };
    table.change_submission(submission, &[], step).await.map(drop)
}

/// Whether this check has given a part of the submission a verdict that is kept for the same bytes, and is no refusal: what
/// is risky is kept before it is applied.
pub(super) fn settles(submission: &Submission, name: PartName, verdict: Verdict) -> bool {
    let holds = submission.part(name).is_some_and(|part| part.verdict() == Some(verdict) && part.known.is_none());
    holds && verdict.suggest != Suggest::Risky
}

/// Keeps a verdict that [`settles`] a part. Nothing depends on it: the same bytes are asked about once more.
pub(super) async fn keep_settled(
    table: &Table,
    clock: &Clock,
    submission: &Submission,
    name: PartName,
    known: &KnownVerdict,
) {
    if !settles(submission, name, known.verdict) {
        return;
    }
    if let Err(error) = keep(table, clock, submission, name, known).await {
        let error = chain(&error);
        tracing::warn!(event = "verdict_not_kept", submission = %submission.id, part = %name, error, "a verdict could not be kept for the same bytes");
    }
}
