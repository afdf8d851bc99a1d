//! The life of a submission: what each event does to it.

use std::time::Duration;

use super::{
    Actor, Attempt, Check, Decider, Decision, Ended, Event, Failure, GivenUp, ModeratorDecision, NotDecided, Part,
    PartName, PartState, Paused, State, Submission,
};
use crate::domain::clock::Timestamp;
use crate::domain::finding::Finding;
use crate::domain::ids::{TraceId, UrlSecret};
use crate::domain::moderator::Role;
use crate::domain::text::Content;
use crate::domain::verdict::{Suggest, Verdict};

/// How many checks are made of one part before a person has to look.
pub const MAX_ATTEMPTS: usize = 4;
/// How long WeChat is asked about a part before a person has to look; the clock stands while an API is paused.
pub const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// How long a push may take. (WeChat: media_check_async, the result is pushed within 30 minutes.)
pub const PUSH_WITHIN: Duration = Duration::from_secs(35 * 60);
/// How long whoever asks WeChat has for writing down the answer, before another may ask again.
pub const ASK_LEASE: Duration = Duration::from_secs(2 * 60);
/// How often a part that waits for its author is looked at, besides at the author's login.
pub const WAITING_LOOK: Duration = Duration::from_secs(3600);
/// How long a medium is left alone that WeChat was asked about too often (87020; WeChat names no figure).
const TOO_OFTEN_PAUSE: Duration = Duration::from_secs(10 * 60);
/// A medium that WeChat passes without having read it is checked once more; after so many a person has to look. (Field
/// reports: a URL that WeChat cannot open often comes back as `pass`.)
const MAX_UNPROVEN: usize = 2;
/// After the first erasure a second one catches what was still being copied.
const SECOND_ERASURE_AFTER: Duration = Duration::from_secs(10 * 60);

impl Part {
    fn gives_up_at(&self, created_at: Timestamp) -> Timestamp {
        Timestamp(created_at.plus(PATIENCE).0.saturating_add(self.paused_ms))
    }

    /// The clock of its patience stands until then.
    fn stand_until(&mut self, until: Timestamp, now: Timestamp) {
        self.paused_ms = self.paused_ms.saturating_add(until.0.saturating_sub(now.0).max(0));
    }

    fn pause_until(&mut self, until: Timestamp, now: Timestamp) {
        self.stand_until(until, now);
        self.state = PartState::Queued { due: until };
    }

    /// The latest attempt does not count, for WeChat did not take it.
    fn not_taken(&mut self) {
        if let Some(latest) = self.attempts.last_mut() {
            latest.ended = Some(Ended::NotTaken);
        }
    }

    /// Starts an attempt, in the place of one that was not taken if there is one, and says which it is.
    fn begin_attempt(&mut self, secret: Option<UrlSecret>, now: Timestamp) -> usize {
        self.attempts.pop_if(|latest| latest.ended == Some(Ended::NotTaken));
        self.attempts.push(Attempt { secret, asked_at: now, ..Attempt::default() });
        self.state = PartState::Queued { due: now.plus(ASK_LEASE) };
        self.attempts.len() - 1
    }

    /// What a failed check leads to; `false` if it means nothing any more.
    fn fail(&mut self, attempt: usize, (failure, errcode): (Failure, Option<i64>), now: Timestamp) -> bool {
        let waits = matches!(self.state, PartState::Queued { .. } | PartState::Checking { .. });
        let is_latest = attempt + 1 == self.attempts.len();
        let Some(latest) = self.attempts.last_mut().filter(|latest| waits && is_latest && latest.ended.is_none())
        else {
            return false;
        };
        latest.ended = Some(Ended::Failed);
        latest.end_at(now);
        latest.errcode = errcode;
        let asked_at = latest.asked_at;
        match failure {
            Failure::NoVerdict => {
                let made = self.attempts_made();
                self.state = if made >= MAX_ATTEMPTS {
                    PartState::GivenUp { why: GivenUp::Attempts }
                } else {
                    PartState::Queued { due: now.plus(after_attempt(made)) }
                };
            }
            Failure::Paused { until } => {
                self.not_taken();
                self.pause_until(until, now);
            }
            Failure::AuthorAway => {
                self.not_taken();
                // A login that came while WeChat was answering is newer than the answer.
                self.state = PartState::WaitingForAuthor { since: asked_at, due: now.plus(WAITING_LOOK) };
            }
            Failure::TooOften => {
                self.not_taken();
                self.setbacks = self.setbacks.saturating_add(1);
                self.state = PartState::Queued { due: now.plus(TOO_OFTEN_PAUSE * self.setbacks.min(6)) };
            }
            Failure::NotAsked => {
                self.not_taken();
                self.setbacks = self.setbacks.saturating_add(1);
                let wait = Duration::from_secs(60 << self.setbacks.saturating_sub(1).min(5));
                self.state = PartState::Queued { due: now.plus(wait) };
            }
            Failure::Refused => self.state = PartState::GivenUp { why: GivenUp::Refused },
        }
        true
    }

    /// Takes a verdict; `false` if it changes nothing. `size` is a medium's: its pass needs the proof that WeChat read it.
    fn judge(
        &mut self,
        attempt: usize,
        (verdict, findings): (Verdict, &[Finding]),
        trace_id: Option<&TraceId>,
        (size, undecided): (Option<u64>, bool),
        now: Timestamp,
    ) -> bool {
        let read = |size| self.attempts.get(attempt).is_some_and(|attempt| attempt.fetched.covers(size));
        if verdict.suggest == Suggest::Pass && !size.is_none_or(read) {
            return self.pass_unproven(attempt, now);
        }
        let holds = self.hold(verdict, undecided);
        if holds {
            self.findings = if verdict.suggest == Suggest::Pass { Vec::new() } else { findings.to_vec() };
        }
        if holds && let Some(judged) = self.attempts.get_mut(attempt) {
            judged.end_at(now);
            // Of one that had come to nothing before it has to be said that it brought the verdict that holds.
            judged.verdict = judged.ended.map(|_| verdict);
            if let Some(trace_id) = trace_id {
                judged.trace_id = Some(trace_id.clone());
            }
        }
        holds
    }

    /// Settles it with a verdict, unless the one that it has holds against that.
    fn hold(&mut self, verdict: Verdict, undecided: bool) -> bool {
        if let PartState::Settled { verdict: settled } = self.state {
            // Until there is a decision the worse verdict holds; afterwards only `risky` counts.
            let worse = verdict.suggest > settled.suggest;
            if !worse || !(undecided || verdict.suggest == Suggest::Risky) {
                return false;
            }
            self.keep_verdicts();
        }
        self.state = PartState::Settled { verdict };
        true
    }

    /// Writes with each attempt the verdict that it brought, before another holds about the part.
    fn keep_verdicts(&mut self) {
        let verdicts: Vec<_> = (0..self.attempts.len()).map(|attempt| self.verdict_of(attempt)).collect();
        for (attempt, verdict) in self.attempts.iter_mut().zip(verdicts) {
            attempt.verdict = verdict;
        }
    }

    /// Takes a `pass` of WeChat's about bytes that it has not read to their end; `false` if it changes nothing.
    fn pass_unproven(&mut self, attempt: usize, now: Timestamp) -> bool {
        let is_latest = attempt + 1 == self.attempts.len();
        let settled = matches!(self.state, PartState::Settled { .. });
        let Some(judged) = self.attempts.get_mut(attempt).filter(|judged| !settled && !judged.unproven) else {
            return false;
        };
        judged.unproven = true;
        judged.ended = Some(Ended::Failed);
        judged.end_at(now);
        let unproven = self.attempts.iter().filter(|attempt| attempt.unproven).count();
        if unproven >= MAX_UNPROVEN || self.attempts_made() >= MAX_ATTEMPTS {
            self.state = PartState::Settled { verdict: Verdict { suggest: Suggest::Review, label: None } };
        } else if is_latest && !self.is_done() {
            self.state = PartState::Queued { due: now };
        }
        true
    }

    /// Takes the verdict that holds about the same bytes elsewhere; `false` if it changes nothing.
    fn take_known(
        &mut self,
        (verdict, findings): (Verdict, &[Finding]),
        trace_id: Option<&TraceId>,
        undecided: bool,
        now: Timestamp,
    ) -> bool {
        let holds = self.hold(verdict, undecided);
        if holds {
            self.known = trace_id.cloned();
            self.known_at = Some(now);
            self.findings = findings.to_vec();
        }
        holds
    }

    fn fetched(&mut self, attempt: usize, first: u64, last: u64) -> bool {
        let unsettled = !matches!(self.state, PartState::Settled { .. });
        let read = self.attempts.get_mut(attempt).filter(|attempt| unsettled && !attempt.unproven);
        read.is_some_and(|attempt| attempt.fetched.add(first, last))
    }
}

/// How long to wait after so many failed attempts: 1, 5, 15 minutes.
fn after_attempt(attempts: usize) -> Duration {
    let minutes = match attempts {
        0 | 1 => 1,
        2 => 5,
        _ => 15,
    };
    Duration::from_secs(minutes * 60)
}

impl Submission {
    /// Takes an event. Says whether anything changed; what is withdrawn is changed by nothing.
    pub fn apply(&mut self, event: &Event, now: Timestamp) -> bool {
        if self.state == State::Withdrawn {
            return false;
        }
        let undecided = matches!(self.state, State::Pending | State::InReview);
        let changed = match event {
            Event::Taken { part, attempt, trace_id } => self.taken(*part, *attempt, trace_id, now),
            Event::Judged { part, attempt, verdict, findings, trace_id } => {
                let about = (self.size_of(*part), undecided);
                self.part_mut(*part)
                    .is_some_and(|part| part.judge(*attempt, (*verdict, findings), trace_id.as_ref(), about, now))
            }
            Event::Known { part, verdict, trace_id, findings } => self
                .part_mut(*part)
                .is_some_and(|part| part.take_known((*verdict, findings), trace_id.as_ref(), undecided, now)),
            Event::CameBack { part, of, alike } => self.part_mut(*part).is_some_and(|part| {
                part.alike = *alike;
                part.came_back.replace(of.clone()).is_none()
            }),
            Event::Fetched { part, attempt, first, last } => {
                self.part_mut(*part).is_some_and(|part| part.fetched(*attempt, *first, *last))
            }
            Event::Failed { part, attempt, failure, errcode } => {
                self.part_mut(*part).is_some_and(|part| part.fail(*attempt, (*failure, *errcode), now))
            }
            Event::AuthorReturned { active_at } => self.author_returned(*active_at, now),
        };
        if changed {
            if matches!(event, Event::Judged { .. } | Event::Known { .. }) {
                self.moved = self.version + 1;
            }
            self.settle(now);
            self.bring_forward();
        }
        changed
    }

    /// How many bytes a medium has; none for the text.
    fn size_of(&self, name: PartName) -> Option<u64> {
        let PartName::Medium(index) = name else { return None };
        // One that is not there is never read to its end.
        Some(self.media.get(usize::from(index)).map_or(u64::MAX, |medium| medium.size))
    }

    fn part_mut(&mut self, name: PartName) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.name == name)
    }

    fn taken(&mut self, name: PartName, attempt: usize, trace_id: &TraceId, now: Timestamp) -> bool {
        let Some(part) = self.part_mut(name) else { return false };
        let latest = attempt + 1 == part.attempts.len();
        let Some(entry) = part.attempts.get_mut(attempt) else { return false };
        if entry.trace_id.is_some() {
            return false;
        }
        entry.trace_id = Some(trace_id.clone());
        entry.ended = None;
        entry.took_ms = None;
        entry.errcode = None;
        if latest && matches!(part.state, PartState::Queued { .. }) {
            part.setbacks = 0;
            part.state = PartState::Checking { due: now.plus(PUSH_WITHIN) };
        }
        true
    }

    fn author_returned(&mut self, active_at: Timestamp, now: Timestamp) -> bool {
        let mut changed = false;
        for part in &mut self.parts {
            if let PartState::WaitingForAuthor { since, .. } = part.state
                && active_at >= since
            {
                part.state = PartState::Queued { due: now };
                changed = true;
            }
        }
        changed
    }

    /// Decides what the parts decide, unless a moderator has spoken.
    fn settle(&mut self, now: Timestamp) {
        if self.moderated {
            return;
        }
        let suggests = || self.parts.iter().map(|part| part.verdict().map(|verdict| verdict.suggest));
        let next = if suggests().any(|suggest| suggest == Some(Suggest::Risky)) {
            State::Rejected
        } else if suggests().all(|suggest| suggest == Some(Suggest::Pass)) && !self.came_back() {
            State::Approved
        } else if self.parts.iter().all(Part::is_done) {
            State::InReview
        } else {
            State::Pending
        };
        let moves = match (self.state, next) {
            (State::Pending, next) => next != State::Pending,
            (State::InReview, next) => matches!(next, State::Approved | State::Rejected),
            (State::Approved, next) => next == State::Rejected,
            (State::Rejected | State::Withdrawn, _) => false,
        };
        // A submission without parts cannot be made; were there one, it would not be approved for having none.
        if moves && !self.parts.is_empty() {
            self.become_state(next, now);
            self.decision = (next != State::InReview).then(|| Decision::by(Decider::Wechat));
        }
    }

    fn become_state(&mut self, state: State, now: Timestamp) {
        self.remember_state();
        self.state = state;
        self.since = now;
        self.due = None;
        self.escalated = false;
        self.undo = None;
        self.moved = self.version + 1;
        if self.is_erased() {
            self.text_sha256 = self.text_sha256().filter(|_| state != State::Withdrawn);
            self.content = Content::default();
            self.noted = false;
            self.context = None;
            // A keyword is a piece of the text.
            self.parts.iter_mut().for_each(|part| part.findings.clear());
            if !self.erased_once {
                self.erase_due = (!self.media.is_empty()).then_some(now);
            }
        }
    }

    fn earliest_due(&self) -> Option<Timestamp> {
        self.parts.iter().filter_map(Part::due).min()
    }

    /// Moves the due time in the index forward if a part is due sooner; never back, for that costs two writes.
    fn bring_forward(&mut self) {
        if self.state == State::Pending {
            let earliest = self.earliest_due();
            self.due = match (self.due, earliest) {
                (Some(due), Some(earliest)) => Some(due.min(earliest)),
                (due, earliest) => earliest.or(due),
            };
        }
    }

    /// Starts what is due, as far as `allowed` says for each part, and returns the checks to make.
    ///
    /// Each is an attempt from now on, and nobody else starts it for [`ASK_LEASE`]; write the submission before asking.
    /// What was tried too often or for too long is given up. The due time in the index becomes exact.
    pub fn begin_checks(
        &mut self,
        paused: Paused,
        now: Timestamp,
        mut allowed: impl FnMut(PartName) -> bool,
    ) -> Vec<Check> {
        let mut checks = Vec::new();
        if self.state != State::Pending {
            return checks;
        }
        let created_at = self.created_at;
        for part in &mut self.parts {
            let Some(due) = part.due() else { continue };
            if due > now {
                continue;
            }
            let paused = paused.until(part.name, now);
            if part.attempts_made() >= MAX_ATTEMPTS {
                part.state = PartState::GivenUp { why: GivenUp::Attempts };
            } else if let PartState::WaitingForAuthor { since, .. } = part.state {
                // The clock stands for what waits as well.
                part.stand_until(paused.unwrap_or(now), now);
                part.state = if now >= part.gives_up_at(created_at) {
                    PartState::GivenUp { why: GivenUp::Time }
                } else {
                    PartState::WaitingForAuthor { since, due: paused.unwrap_or(now.plus(WAITING_LOOK)) }
                };
            } else if let Some(until) = paused {
                part.pause_until(until, now);
            } else if now >= part.gives_up_at(created_at) {
                part.state = PartState::GivenUp { why: GivenUp::Time };
            } else if allowed(part.name) {
                let secret = matches!(part.name, PartName::Medium(_)).then(UrlSecret::random);
                let attempt = part.begin_attempt(secret.clone(), now);
                checks.push(Check { part: part.name, attempt, secret });
            }
        }
        self.settle(now);
        if self.state == State::Pending {
            self.due = self.earliest_due();
        } else {
            checks.clear();
        }
        checks
    }

    /// The checks whose pushes may have come without anybody noticing: taken, and of a part that is not settled.
    pub fn open_traces(&self) -> impl Iterator<Item = (PartName, usize, &TraceId)> {
        self.parts.iter().filter(|part| !matches!(part.state, PartState::Settled { .. })).flat_map(|part| {
            let traces = part.attempts.iter().enumerate().filter(|(_, attempt)| attempt.ended.is_none());
            traces.filter_map(|(index, attempt)| Some((part.name, index, attempt.trace_id.as_ref()?)))
        })
    }

    /// Takes a moderator's decision, which holds against every verdict, before and after. Refused when it is withdrawn, or
    /// has another state, verdict or decision than in the version that the moderator saw.
    pub fn decide(&mut self, by: ModeratorDecision, now: Timestamp) -> Result<(), NotDecided> {
        if self.state == State::Withdrawn {
            return Err(NotDecided::Withdrawn);
        }
        // What its owner has may be taken down still; for it to go public there is nothing left to look at.
        if by.approve && self.is_erased() {
            return Err(NotDecided::Erased);
        }
        if !(self.moved..=self.version.max(self.moved)).contains(&by.version) {
            return Err(NotDecided::Moved);
        }
        if self.escalated && by.role == Some(Role::Moderator) {
            return Err(NotDecided::ForALead);
        }
        let undo = self.undo_of_decision();
        self.become_state(if by.approve { State::Approved } else { State::Rejected }, now);
        self.undo = undo.filter(|_| !self.is_erased());
        self.moderated = true;
        self.decision = Some(Decision {
            reason: Some(by.reason),
            reason_en: by.listed.as_ref().map(|listed| listed.en.clone()),
            reason_code: by.listed.map(|listed| listed.code),
            role: by.role,
            ..Decision::by(Decider::Moderator(by.moderator))
        });
        Ok(())
    }

    /// Leaves a case to a lead. Says whether anything changed.
    ///
    /// # Errors
    /// When it does not wait for people any more.
    pub fn escalate(&mut self) -> Result<bool, NotDecided> {
        match self.state {
            State::InReview => Ok(!std::mem::replace(&mut self.escalated, true)),
            State::Withdrawn => Err(NotDecided::Withdrawn),
            State::Pending | State::Approved | State::Rejected => Err(NotDecided::Moved),
        }
    }

    /// Takes it back for good: what was written goes at once, the bytes are due to be erased, the record stays.
    /// Says whether anything changed.
    pub fn withdraw(&mut self, actor: Actor, now: Timestamp) -> bool {
        if self.state == State::Withdrawn {
            return false;
        }
        self.become_state(State::Withdrawn, now);
        let decider = match actor {
            Actor::Author => Decider::Author,
            Actor::Owner => Decider::Owner,
        };
        self.decision = Some(Decision::by(decider));
        self.openid = None;
        self.metadata = None;
        // Its bytes may be gone already; what is withdrawn is not known by its hashes either.
        if self.erase_due.is_none() {
            self.media.clear();
        }
        true
    }

    /// Notes that its bytes were erased; after the second time nothing is left to do.
    pub fn erased(&mut self, now: Timestamp) {
        if self.erased_once {
            self.erase_due = None;
            if self.state == State::Withdrawn {
                self.media.clear();
            }
        } else {
            self.erased_once = true;
            self.erase_due = Some(now.plus(SECOND_ERASURE_AFTER));
        }
    }
}
