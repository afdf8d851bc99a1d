//! Asks WeChat about what was begun of a submission, and writes down what comes of it.

use std::time::Duration;

use futures_util::future::join_all;

use super::fetch::tell_unproven;
use super::keep_verdict::{judged, keep, keep_settled};
use super::wechat_access::{AccessError, WeChatAccess};
use crate::apps::App;
use crate::domain::access_state::Api;
use crate::domain::author::Author;
use crate::domain::base_url::BaseUrl;
use crate::domain::clock::Clock;
use crate::domain::finding::{Finding, MOST_FINDINGS};
use crate::domain::ids::{OpenId, TraceId};
use crate::domain::media_path;
use crate::domain::submission::{Check, Event, Failure, PartName, PartState, Scene, Submission};
use crate::domain::text::{Content, windows};
use crate::domain::verdict::Suggest;
use crate::error::chain;
use crate::table::{Beside, Consistency, KnownVerdict, Table, TableError, TraceLink};
use crate::wechat::client::{Asked, MediaAnswer, MediaCheck, TextCheck, TextJudged};
use crate::wechat::error::Class;

/// How long the author waits for WeChat at most; what is not answered by then is checked later.
pub const AUTHOR_WAITS: Duration = Duration::from_secs(3);
/// How long the sweep waits for WeChat.
pub const SWEEP_WAITS: Duration = Duration::from_secs(10);

/// All that it takes to have content judged.
#[derive(Clone, Debug)]
pub struct Checker {
    /// The table.
    pub table: Table,
    /// WeChat, with its tokens and quotas.
    pub access: WeChatAccess,
    /// Where WeChat reaches serve-media.
    pub public_url: BaseUrl,
    /// The clock.
    pub clock: Clock,
}

/// What a failed call means for the part it was about.
fn failure_of(error: &AccessError) -> Failure {
    match error {
        AccessError::Paused(until) => Failure::Paused { until: *until },
        AccessError::Table(_) | AccessError::NoToken(_) => Failure::NotAsked,
        AccessError::NothingToJudge => Failure::Refused,
        AccessError::Failed(error) => match error.class {
            Class::Unreached => Failure::NotAsked,
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

/// WeChat's code for why a call failed, if it gave one.
fn errcode_of(error: &AccessError) -> Option<i64> {
    match error {
        AccessError::Failed(error) => error.errcode,
        AccessError::Paused(_) | AccessError::Table(_) | AccessError::NoToken(_) | AccessError::NothingToJudge => None,
    }
}

/// Of the answers about two windows of a text the one that holds for both: risky is enough, even if the other was not
/// judged; else both have to be, and the worse holds. What was found in either is found in the text.
fn worse(
    one: Result<TextJudged, AccessError>,
    other: Result<TextJudged, AccessError>,
) -> Result<TextJudged, AccessError> {
    let is_risky = |judged: &TextJudged| judged.verdict.suggest == Suggest::Risky;
    match (one, other) {
        (Ok(judged), Err(_)) | (Err(_), Ok(judged)) if is_risky(&judged) => Ok(judged),
        (Err(error), _) | (_, Err(error)) => Err(error),
        (Ok(one), Ok(other)) => {
            let mut findings = [one.findings.as_slice(), &other.findings].concat();
            findings.truncate(MOST_FINDINGS);
            Ok(TextJudged { findings, ..if other.verdict.suggest > one.verdict.suggest { other } else { one } })
        }
    }
}

impl Checker {
    /// WeChat's verdict on a whole text, in as many windows as it takes; the worst holds.
    pub(super) async fn judge_text(
        &self,
        app: &App,
        content: &Content,
        scene: Scene,
        openid: &OpenId,
        asked: &Asked,
    ) -> Result<TextJudged, AccessError> {
        let text = content.judged();
        let hints = content.hints();
        let answers = join_all(windows(&text).into_iter().enumerate().map(async |(index, window)| {
            let check = TextCheck { content: window, hints, scene, openid };
            let wechat = self.access.wechat();
            let call = move |token| async move { wechat.check_text(&token, check, asked).await };
            let judged = self.access.call(app, Api::Text, call).await?;
            let (verdict, mut findings) = (judged.verdict, judged.findings);
            // People are shown where to look, even if nothing is said but that there is something.
            if findings.is_empty() && verdict.suggest != Suggest::Pass {
                findings.push(Finding::of(verdict));
            }
            let findings = findings.into_iter().map(|finding| finding.in_window(index)).collect();
            Ok(TextJudged { verdict, findings, trace_id: judged.trace_id })
        }))
        .await;
        answers.into_iter().reduce(worse).unwrap_or(Err(AccessError::NothingToJudge))
    }

    async fn ask_about_text(
        &self,
        app: &App,
        submission: &Submission,
        check: &Check,
        openid: &OpenId,
        asked: &Asked,
    ) -> Event {
        match self.judge_text(app, &submission.content, submission.scene, openid, asked).await {
            Ok(judged) => Event::Judged {
                part: check.part,
                attempt: check.attempt,
                verdict: judged.verdict,
                findings: judged.findings,
                trace_id: judged.trace_id,
            },
            Err(error) => {
                let (failure, errcode) = (failure_of(&error), errcode_of(&error));
                Event::Failed { part: check.part, attempt: check.attempt, failure, errcode }
            }
        }
    }

    async fn ask_about_medium(
        &self,
        app: &App,
        submission: &Submission,
        (check, index): (&Check, u8),
        openid: &OpenId,
        asked: &Asked,
    ) -> Event {
        let failed = |failure, errcode| Event::Failed { part: check.part, attempt: check.attempt, failure, errcode };
        let (Some(medium), Some(secret)) = (submission.media.get(usize::from(index)), &check.secret) else {
            return failed(Failure::Refused, None);
        };
        let path = media_path::with_secret(&submission.id, index, secret, medium.media_type);
        let url = &self.public_url.join(&path);
        let media_check = MediaCheck { url, kind: medium.media_type.kind(), scene: submission.scene, openid };
        let wechat = self.access.wechat();
        let answer = self
            .access
            .call(app, Api::Media, move |token| async move { wechat.check_media(&token, media_check, asked).await })
            .await;
        match answer {
            Ok(MediaAnswer::Taken(trace_id)) => Event::Taken { part: check.part, attempt: check.attempt, trace_id },
            Ok(MediaAnswer::Judged(verdict)) => Event::Judged {
                part: check.part,
                attempt: check.attempt,
                verdict,
                findings: Vec::new(),
                trace_id: None,
            },
            Err(error) => failed(failure_of(&error), errcode_of(&error)),
        }
    }

    /// Makes the checks, all at once, and says what came of each. What takes longer than `wait` has failed; it was an
    /// attempt only if the request's body was asked for, for then WeChat may have taken it.
    pub(super) async fn ask(&self, app: &App, submission: &Submission, checks: &[Check], wait: Duration) -> Vec<Event> {
        let answers = join_all(checks.iter().map(|check| async move {
            let failed =
                |failure| Event::Failed { part: check.part, attempt: check.attempt, failure, errcode: None };
            let Some(openid) = &submission.openid else { return failed(Failure::Refused) };
            let asked = &Asked::default();
            let asking = async {
                match check.part {
                    PartName::Text => self.ask_about_text(app, submission, check, openid, asked).await,
                    PartName::Medium(index) => {
                        self.ask_about_medium(app, submission, (check, index), openid, asked).await
                    }
                }
            };
            tokio::time::timeout(wait, asking).await.unwrap_or_else(|_| {
                let (app, part, was_asked) = (&app.id, check.part, asked.is_set());
                tracing::warn!(event = "wechat_slow", %app, submission = %submission.id, %part, was_asked, "no answer in time");
                failed(if was_asked { Failure::NoVerdict } else { Failure::NotAsked })
            })
        }));
        let events = answers.await;
        // After the time limit: a table that is slow to take a pause must not cost an attempt.
        self.access.share(&app.id).await;
        events
    }

    /// Applies `events` to the submission as it stands, and writes it, with `beside`, if they change it.
    async fn apply_with(
        &self,
        submission: Submission,
        events: &[Event],
        beside: &[Beside<'_>],
    ) -> Result<(Submission, bool), TableError> {
        let now = self.clock.now();
        let step = |one: &mut Submission| events.iter().fold(false, |changed, event| one.apply(event, now) | changed);
        self.table.change_submission(submission, beside, step).await
    }

    /// Applies `events` to the submission as it stands, and writes it if they change it.
    pub(super) async fn apply(&self, submission: Submission, events: &[Event]) -> Result<Submission, TableError> {
        Ok(self.apply_with(submission, events, &[]).await?.0)
    }

    /// Makes the checks that were begun and written, and carries what comes of them to its end. Where the table does not
    /// answer, the due queue brings the submission back.
    pub(super) async fn carry_out(
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
        let submission = self.link_traces(submission, taken.collect()).await?;
        self.wait_for_author(submission).await
    }

    /// Links traces to their checks, and applies what was pushed about them before they were linked.
    pub(super) async fn link_traces(
        &self,
        submission: Submission,
        traces: Vec<(PartName, usize, TraceId)>,
    ) -> Result<Submission, TableError> {
        if traces.is_empty() {
            return Ok(submission);
        }
        let (app, now) = (submission.app.clone(), self.clock.now());
        let linked = join_all(traces.iter().map(|(part, attempt, trace_id)| {
            let bytes = judged(&submission, *part).map(|judged| (judged.scene, judged.sha256));
            let link = TraceLink { submission: submission.id.clone(), part: *part, attempt: *attempt, bytes };
            let app = &app;
            async move { (trace_id, self.table.link_trace(app, trace_id, &link, now).await, link) }
        }));
        let (mut events, mut risky, mut verdicts) = (Vec::new(), Vec::new(), Vec::new());
        for (trace_id, trace, link) in linked.await {
            let trace = trace?;
            if trace.link.is_some_and(|standing| !standing.is_check_of(&link)) {
                // Its verdict may be about other bytes.
                let (submission, part) = (&link.submission, link.part);
                tracing::error!(event = "trace_id_twice", alarm = "trace", %app, %submission, %part, %trace_id, "WeChat gave a trace_id twice");
                continue;
            }
            let Some(said) = trace.said else { continue };
            events.push(Event::pushed(link.part, link.attempt, &said));
            if said.outcome.is_risky() {
                risky.push(trace_id);
            }
            verdicts.extend(KnownVerdict::pushed(&said, trace_id).map(|known| (link.part, known)));
        }
        if events.is_empty() {
            return Ok(submission);
        }
        for (part, known) in verdicts.iter().filter(|(_, known)| known.verdict.suggest == Suggest::Risky) {
            keep(&self.table, &self.clock, &submission, *part, known).await?;
        }
        let applied: Vec<_> = risky.iter().map(|trace_id| Beside::RiskyApplied(&app, trace_id)).collect();
        let (submission, written) = self.apply_with(submission, &events, &applied).await?;
        if written {
            events.iter().for_each(|event| tell_unproven(&submission, event));
            for (part, known) in verdicts {
                keep_settled(&self.table, &self.clock, &submission, part, &known).await;
            }
        } else {
            for trace_id in risky {
                self.table.risky_applied(&app, trace_id).await?;
            }
        }
        Ok(submission)
    }

    /// If parts wait for the author: notes that with the author, or queues them again if the author was here since. Where
    /// the table does not answer, the hourly look finds the author.
    pub(super) async fn wait_for_author(&self, submission: Submission) -> Result<Submission, TableError> {
        let since = submission.parts.iter().filter_map(|part| match part.state {
            PartState::WaitingForAuthor { since, .. } => Some(since),
            _ => None,
        });
        let (Some(since), Some(openid)) = (since.max(), submission.openid.clone()) else { return Ok(submission) };
        let author = self.table.author(&submission.app, &submission.author, Consistency::Strong).await?;
        let author = author.unwrap_or_else(|| Author::new(submission.app.clone(), openid));
        let mut active_at = None;
        let wait = |author: &mut Author| {
            let before = author.waiting();
            active_at = author.wait(&submission.id, since);
            Ok::<_, TableError>((author.waiting() != before).then_some(()))
        };
        self.table.change(author, wait).await?;
        match active_at {
            Some(active_at) => self.apply(submission, &[Event::AuthorReturned { active_at }]).await,
            None => Ok(submission),
        }
    }
}

/// What is stored is accepted; what goes wrong afterwards the due queue brings back.
pub(super) fn or_left_to_the_due_queue(stored: Submission, carried: Result<Submission, TableError>) -> Submission {
    carried.unwrap_or_else(|error| {
        let error = chain(&error);
        tracing::warn!(event = "submission_left", submission = %stored.id, error, "a submission is left to the due queue");
        stored
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::verdict::Verdict;

    #[test]
    fn one_risky_window_is_enough_and_a_window_without_a_verdict_is_no_pass() {
        let judged = |suggest| {
            Ok(TextJudged { verdict: Verdict { suggest, label: None }, findings: Vec::new(), trace_id: None })
        };
        let failed = || Err(AccessError::Paused(Timestamp(0)));
        let suggest = |answer: Result<TextJudged, AccessError>| answer.map(|judged| judged.verdict.suggest).ok();
        use Suggest::{Pass, Review, Risky};
        assert_eq!(suggest(worse(judged(Pass), judged(Review))), Some(Review));
        assert_eq!(suggest(worse(judged(Risky), judged(Review))), Some(Risky));
        for other in [Pass, Review] {
            assert_eq!(suggest(worse(judged(other), failed())), None);
            assert_eq!(suggest(worse(failed(), judged(other))), None);
        }
        assert_eq!(suggest(worse(judged(Risky), failed())), Some(Risky));
        assert_eq!(suggest(worse(failed(), judged(Risky))), Some(Risky));
        assert_eq!(suggest(worse(failed(), failed())), None);
    }
}
