//! Checks: asks WeChat about what is due of a submission, and writes down what comes of it.
//!
//! Whoever drives a submission (the submit, a push, the sweep) does it through this, so that there is one order of
//! writes: the attempt before WeChat is asked, the trace_id before the trace is linked, the verdict before `success`.

use std::time::Duration;

use futures_util::future::join_all;

use crate::app_record::Api;
use crate::apps::App;
use crate::author::Author;
use crate::bucket::{Bucket, BucketError, media_key};
use crate::clock::{Clock, Timestamp};
use crate::ids::{OpenId, SubmissionId, TraceId};
use crate::media_url;
use crate::settings::PublicUrl;
use crate::submission::{Check, Event, Failure, PartName, PartState, Scene, State, Submission};
use crate::table::{Consistency, Outcome, Table, TableError, TraceLink};
use crate::text::{Content, windows};
use crate::wechat::access::{Access, AccessError};
use crate::wechat::client::{MediaAnswer, TextCheck, TextJudged, WeChat};
use crate::wechat::error::Class;
use crate::wechat::verdict::Suggest;

/// How long the author waits for WeChat at most; what is not answered by then is checked later.
pub const AUTHOR_WAITS: Duration = Duration::from_secs(3);
/// How long the sweep waits for WeChat.
pub const SWEEP_WAITS: Duration = Duration::from_secs(10);

/// All that it takes to check content.
#[derive(Clone, Debug)]
pub struct Checks {
    /// The table.
    pub table: Table,
    /// The bucket.
    pub bucket: Bucket,
    /// WeChat.
    pub wechat: WeChat,
    /// Tokens and quotas.
    pub access: Access,
    /// Where WeChat reaches serve-media.
    pub public_url: PublicUrl,
    /// The clock.
    pub clock: Clock,
}

/// What a failed call means for the part it was about.
fn failure_of(error: &AccessError) -> Failure {
    match error {
        AccessError::Rests(until) => Failure::Paused { until: *until },
        AccessError::NoToken(_) => Failure::NotAsked,
        AccessError::Failed(error) => match error.class {
            Class::AuthorAway => Failure::AuthorAway,
            Class::TooOften => Failure::TooOften,
            Class::Permanent => Failure::Refused,
            Class::Token
            | Class::Busy
            | Class::MinuteQuota
            | Class::DayQuota
            | Class::Configuration
            | Class::LoginRefused
            | Class::LoginBlocked
            | Class::Risky => Failure::NoVerdict,
        },
    }
}

impl Checks {
    /// WeChat's verdict on a whole text, in as many windows as it takes; the worst holds. One risky window is enough,
    /// even if another could not be judged.
    ///
    /// # Errors
    /// When a window was not judged, and none is risky.
    pub async fn judge_text(
        &self,
        app: &App,
        content: &Content,
        scene: Scene,
        openid: &OpenId,
    ) -> Result<TextJudged, AccessError> {
        let text = content.judged();
        let hints = content.hints();
        let answers = join_all(windows(&text).into_iter().map(|window| {
            let check = TextCheck { content: window, hints, scene, openid };
            self.access.call(app, Api::Text, move |token| async move { self.wechat.check_text(&token, check).await })
        }))
        .await;
        let mut worst: Option<TextJudged> = None;
        let mut failed = None;
        for answer in answers {
            match answer {
                Ok(judged) => {
                    if worst.as_ref().is_none_or(|worst| judged.verdict.suggest > worst.verdict.suggest) {
                        worst = Some(judged);
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        let risky = worst.as_ref().is_some_and(|worst| worst.verdict.suggest == Suggest::Risky);
        match (worst, failed) {
            (Some(worst), None) => Ok(worst),
            (Some(worst), Some(_)) if risky => Ok(worst),
            (_, Some(error)) => Err(error),
            // Even an empty text has one window, so this is never reached; were it, nothing would have been judged.
            (None, None) => Err(AccessError::NoToken("nothing to judge".to_owned())),
        }
    }

    async fn ask_about_text(&self, app: &App, submission: &Submission, attempt: usize, openid: &OpenId) -> Event {
        match self.judge_text(app, &submission.content, submission.scene, openid).await {
            Ok(judged) => Event::Judged {
                part: PartName::Text,
                verdict: judged.verdict,
                evidence: judged.trace_id.map(|trace_id| (attempt, trace_id)),
            },
            Err(error) => Event::Failed { part: PartName::Text, attempt, failure: failure_of(&error) },
        }
    }

    /// Makes sure that the submission has its own copy of the bytes, then asks WeChat to judge that copy.
    async fn ask_about_medium(
        &self,
        app: &App,
        submission: &Submission,
        check: &Check,
        index: u8,
        openid: &OpenId,
    ) -> Event {
        let failed = |failure| Event::Failed { part: check.part, attempt: check.attempt, failure };
        let (Some(medium), Some(word)) = (submission.media.get(usize::from(index)), &check.word) else {
            return failed(Failure::Refused);
        };
        let own = media_key(&submission.id, usize::from(index), medium.media_type);
        match self.bucket.claim(&medium.upload_key, &own).await {
            Ok(()) => {}
            Err(BucketError::Absent) => return failed(Failure::Refused),
            Err(error) => {
                tracing::warn!(submission = %submission.id, error = %error, "a medium could not be copied");
                return failed(Failure::NotAsked);
            }
        }
        let path = media_url::with_word(&submission.id, index, word, medium.media_type);
        let url = &self.public_url.join(&path);
        let kind = medium.media_type.kind();
        let answer = self
            .access
            .call(app, Api::Media, move |token| async move {
                self.wechat.check_media(&token, url, kind, submission.scene, openid).await
            })
            .await;
        match answer {
            Ok(MediaAnswer::Taken(trace_id)) => Event::Taken { part: check.part, attempt: check.attempt, trace_id },
            Ok(MediaAnswer::Judged(verdict)) => Event::Judged { part: check.part, verdict, evidence: None },
            Err(error) => failed(failure_of(&error)),
        }
    }

    /// Makes sure that the submission has its own copy of all of its bytes: a moderator may publish it before WeChat was
    /// ever asked. What is gone for good is no obstacle; there is nothing to show.
    ///
    /// # Errors
    /// When some may not be copied yet.
    pub async fn claim_media(&self, submission: &Submission) -> Result<(), BucketError> {
        let claimed = join_all(submission.media.iter().enumerate().map(|(index, medium)| async move {
            let own = media_key(&submission.id, index, medium.media_type);
            match self.bucket.claim(&medium.upload_key, &own).await {
                Err(BucketError::Absent) => Ok(()),
                claimed => claimed,
            }
        }));
        claimed.await.into_iter().collect()
    }

    /// Makes the checks, all at once, and says what came of each. What takes longer than `wait` has failed: WeChat may
    /// have taken it, so it was an attempt.
    pub async fn ask(&self, app: &App, submission: &Submission, checks: &[Check], wait: Duration) -> Vec<Event> {
        let asked = join_all(checks.iter().map(|check| async move {
            let failed = |failure| Event::Failed { part: check.part, attempt: check.attempt, failure };
            let Some(openid) = &submission.openid else { return failed(Failure::Refused) };
            let asked = async {
                match check.part {
                    PartName::Text => self.ask_about_text(app, submission, check.attempt, openid).await,
                    PartName::Medium(index) => self.ask_about_medium(app, submission, check, index, openid).await,
                }
            };
            tokio::time::timeout(wait, asked).await.unwrap_or_else(|_| {
                tracing::warn!(app = %app.id, submission = %submission.id, part = %check.part, "WeChat was too slow");
                failed(Failure::NoVerdict)
            })
        }));
        asked.await
    }

    /// Applies `events` to the submission as it stands, and writes it if they change it.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn apply(&self, submission: Submission, events: &[Event]) -> Result<Submission, TableError> {
        let now = self.clock.now();
        let (submission, _) = self
            .table
            .change(submission, |submission| {
                let mut changed = false;
                for event in events {
                    changed |= submission.apply(event, now);
                }
                Ok::<_, TableError>(changed.then_some(()))
            })
            .await?;
        Ok(submission)
    }

    /// Makes the checks that were begun and written, and carries what comes of them to its end.
    ///
    /// # Errors
    /// When the table does not answer; then the due queue brings the submission back.
    pub async fn carry_out(
        &self,
        app: &App,
        submission: Submission,
        checks: &[Check],
        wait: Duration,
    ) -> Result<Submission, TableError> {
        let events = self.ask(app, &submission, checks, wait).await;
        let submission = self.apply(submission, &events).await?;
        let taken = events.iter().filter_map(|event| match event {
            Event::Taken { part, attempt, trace_id } => Some((*part, *attempt, trace_id.clone())),
            _ => None,
        });
        let submission = self.meet(submission, taken.collect()).await?;
        self.wait_for_author(submission).await
    }

    /// Links traces to their checks, and applies what was pushed about them before they were linked.
    async fn meet(
        &self,
        submission: Submission,
        traces: Vec<(PartName, usize, TraceId)>,
    ) -> Result<Submission, TableError> {
        if traces.is_empty() {
            return Ok(submission);
        }
        let now = self.clock.now();
        let linked = join_all(traces.iter().map(|(part, attempt, trace_id)| {
            let link = TraceLink { submission: submission.id.clone(), part: *part, attempt: *attempt };
            let app = submission.app.clone();
            async move { (link.clone(), self.table.link_trace(&app, trace_id, &link, now).await) }
        }))
        .await;
        let mut events = Vec::new();
        for (link, outcome) in linked {
            events.extend(outcome?.map(|outcome| event_of(&link, outcome)));
        }
        if events.is_empty() { Ok(submission) } else { self.apply(submission, &events).await }
    }

    /// If parts wait for the author: notes that with the author, or queues them again if the author was here since.
    ///
    /// # Errors
    /// When the table does not answer; then the hourly look finds the author.
    pub async fn wait_for_author(&self, submission: Submission) -> Result<Submission, TableError> {
        let since = submission.parts.iter().filter_map(|part| match part.state {
            PartState::WaitingForAuthor { since, .. } => Some(since),
            _ => None,
        });
        let (Some(since), Some(openid)) = (since.max(), submission.openid.clone()) else { return Ok(submission) };
        let author = self.table.author(&submission.app, &submission.author, Consistency::Strong).await?;
        let author = author.unwrap_or_else(|| Author::new(submission.app.clone(), openid));
        let mut active_at = None;
        self.table
            .change(author, |author| {
                let before = author.waiting.len();
                active_at = author.wait(&submission.id, since);
                Ok::<_, TableError>((author.waiting.len() != before).then_some(()))
            })
            .await?;
        match active_at {
            Some(active_at) => self.apply(submission, &[Event::AuthorReturned { active_at }]).await,
            None => Ok(submission),
        }
    }

    /// The author has opened a session: queues what waited for that.
    ///
    /// # Errors
    /// When the table does not answer; then the hourly look finds what was missed.
    pub async fn author_returned(&self, waiting: &[SubmissionId], active_at: Timestamp) -> Result<(), TableError> {
        for submission in self.table.submissions(waiting).await? {
            self.apply(submission, &[Event::AuthorReturned { active_at }]).await?;
        }
        Ok(())
    }

    /// Applies what WeChat pushed about a trace, or keeps it until the trace is linked.
    ///
    /// # Errors
    /// When the table does not answer: then the push must come again.
    pub async fn pushed(&self, app: &App, trace_id: &TraceId, outcome: Outcome) -> Result<Pushed, TableError> {
        pushed(&self.table, &self.clock, app, trace_id, outcome).await
    }

    /// Does what is due of a submission: joins verdicts that came unnoticed, tries again, gives up, erases.
    ///
    /// # Errors
    /// When the table or the bucket does not answer; then it stays due.
    pub async fn work_off(
        &self,
        app: &App,
        id: &SubmissionId,
        mut allowed: impl FnMut(&Submission, PartName) -> bool + Send,
    ) -> Result<Worked, WorkError> {
        let Some(mut submission) = self.table.submission(id, Consistency::Strong).await? else {
            return Ok(Worked::NothingDue);
        };
        if !submission.is_due(self.clock.now()) {
            return Ok(Worked::NothingDue);
        }
        if submission.state == State::Withdrawn {
            self.erase(submission).await?;
            return Ok(Worked::Done);
        }
        let traces: Vec<_> = submission.open_traces().map(|(part, n, trace)| (part, n, trace.clone())).collect();
        submission = self.meet(submission, traces).await?;
        submission = self.wait_for_author(submission).await?;
        let paused = self.access.paused(&app.id).await;
        let now = self.clock.now();
        let mut checks = Vec::new();
        let mut held_back = false;
        let (submission, _) = self
            .table
            .change(submission, |submission| {
                let before = submission.clone();
                held_back = false;
                checks = submission.begin_checks(paused, now, |part| {
                    let allowed = allowed(&before, part);
                    held_back |= !allowed;
                    allowed
                });
                Ok::<_, TableError>((*submission != before).then_some(()))
            })
            .await?;
        if !checks.is_empty() {
            self.carry_out(app, submission, &checks, SWEEP_WAITS).await?;
        }
        Ok(if held_back && checks.is_empty() { Worked::HeldBack } else { Worked::Done })
    }

    /// Deletes the bytes of what is withdrawn, and notes that.
    ///
    /// # Errors
    /// When some may still be there; then it stays due.
    pub async fn erase(&self, submission: Submission) -> Result<Submission, WorkError> {
        let keys = submission.media.iter().enumerate().flat_map(|(index, medium)| {
            [media_key(&submission.id, index, medium.media_type), medium.upload_key.clone()]
        });
        let deleted = join_all(keys.map(|key| async move { self.bucket.delete(&key).await })).await;
        deleted.into_iter().collect::<Result<Vec<()>, BucketError>>()?;
        let now = self.clock.now();
        let (submission, _) = self
            .table
            .change(submission, |submission| {
                let due = submission.erase_due.is_some_and(|due| due <= now);
                if due {
                    submission.erased(now);
                }
                Ok::<_, TableError>(due.then_some(()))
            })
            .await?;
        Ok(submission)
    }
}

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It was applied to its submission.
    Applied,
    /// Nothing links to its trace yet; it is kept.
    Parked,
}

/// What working off came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worked {
    /// Something was done.
    Done,
    /// Nothing was due after all: the index was behind.
    NothingDue,
    /// Something is due, and this run's share of the quota is used up.
    HeldBack,
}

/// Why a submission was not worked off.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The bucket.
    #[error(transparent)]
    Bucket(#[from] BucketError),
}

fn event_of(link: &TraceLink, outcome: Outcome) -> Event {
    match outcome {
        Outcome::Verdict(verdict) => Event::Judged { part: link.part, verdict, evidence: None },
        Outcome::Failed => Event::Failed { part: link.part, attempt: link.attempt, failure: Failure::NoVerdict },
    }
}

/// Applies what WeChat pushed about a trace, or keeps it until the trace is linked.
///
/// # Errors
/// When the table does not answer: then the push must come again.
pub async fn pushed(
    table: &Table,
    clock: &Clock,
    app: &App,
    trace_id: &TraceId,
    outcome: Outcome,
) -> Result<Pushed, TableError> {
    let now = clock.now();
    let Some(link) = table.record_outcome(&app.id, trace_id, outcome, now).await? else {
        return Ok(Pushed::Parked);
    };
    let event = event_of(&link, outcome);
    // The cheap read is good enough: if it is behind, the conditional write says so and hands over the newest.
    let submission = match table.submission(&link.submission, Consistency::Eventual).await? {
        Some(submission) => Some(submission),
        None => table.submission(&link.submission, Consistency::Strong).await?,
    };
    if let Some(submission) = submission {
        table.change(submission, |submission| Ok::<_, TableError>(submission.apply(&event, now).then_some(()))).await?;
    }
    Ok(Pushed::Applied)
}
