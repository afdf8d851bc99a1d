//! Gives a moderator cases to work on: each is theirs for some minutes, so that no two work on the same.

use std::collections::HashMap;

use futures_util::future::try_join_all;

use crate::domain::clock::{Clock, Timestamp};
use crate::domain::ids::SubmissionId;
use crate::domain::moderator::{LEASED_FOR, MOST_LEASED, Moderator, Work};
use crate::domain::submission::{Case, Class, Submission};
use crate::table::{Beside, CaseEntry, CaseFilter, Standing, Table, TableError};

/// How many entries of the queue one look reads.
const LOOK: usize = 50;
/// How many looks there are at most: as many cases as a large team has in hand.
const MOST_LOOKS: usize = 40;
/// How often it is tried to take cases while others take the same: so many who begin at one moment each find some.
const ROUNDS: usize = 4;
/// A lease that lasts at least so much longer is not renewed yet: each renewal is a write.
const RENEWED_BELOW: std::time::Duration = std::time::Duration::from_secs(4 * 60);

/// A case that a moderator has in hand.
#[derive(Clone, Debug)]
pub struct CaseInHand {
    /// What it is about.
    pub submission: Submission,
    /// What was written about it.
    pub standing: Standing,
}

/// The cases that a moderator works on from now on, oldest first, a lead's own first: those in hand that still wait, and, up to
/// [`MOST_LEASED`], the next that nobody has. With `again` those count too that they skipped.
pub async fn take_cases(
    table: &Table,
    clock: &Clock,
    moderator: &Moderator,
    filter: &CaseFilter,
    again: bool,
) -> Result<Vec<CaseInHand>, TableError> {
    let mut again = again;
    for _ in 1..ROUNDS {
        let (found, lost) = take_once(table, clock, moderator, filter, again).await?;
        if !lost {
            return Ok(found);
        }
        again = false;
    }
    Ok(take_once(table, clock, moderator, filter, again).await?.0)
}

/// The same in one round, and whether others were faster with some of them: then there may be more to take.
async fn take_once(
    table: &Table,
    clock: &Clock,
    moderator: &Moderator,
    filter: &CaseFilter,
    again: bool,
) -> Result<(Vec<CaseInHand>, bool), TableError> {
    let (now, key) = (clock.now(), moderator.key());
    let mut work = table.work(&moderator.app, &key).await?;
    if again && work.clone().unskip() {
        let unskip = |work: &mut Work| Ok::<_, TableError>(work.unskip().then_some(()));
        work = table.change(work, unskip).await?.0;
    }
    let mut free = Free { table, moderator, filter, work: &work, now, found: Vec::new() };
    let classes: &[Class] =
        if moderator.role.is_lead() { &[Class::Escalated, Class::Ordinary] } else { &[Class::Ordinary] };
    free.look_at(&work.leased, &HashMap::new()).await?;
    let in_hand: Vec<SubmissionId> = free.found.iter().map(|found| found.submission.id.clone()).collect();
    for class in classes {
        free.fill(*class).await?;
    }
    let mut found = free.found;
    let place = |case: &CaseInHand| (!case.submission.escalated, case.submission.since, case.submission.id.clone());
    found.sort_by_key(place);
    let before: std::collections::BTreeSet<_> = in_hand.iter().collect();
    let until = now.plus(LEASED_FOR);
    let leased = try_join_all(found.iter().map(async |case| {
        let fresh =
            case.standing.lease.as_ref().is_some_and(|lease| lease.by == key && now.plus(RENEWED_BELOW) <= lease.until);
        if fresh && before.contains(&case.submission.id) {
            return Ok(true);
        }
        table.lease(&case.submission.id, moderator, until, now).await
    }))
    .await?;
    let lost = leased.contains(&false);
    let mut leased = leased.into_iter();
    found.retain(|_| leased.next() == Some(true));
    let ids: Vec<SubmissionId> = found.iter().map(|case| case.submission.id.clone()).collect();
    let given_back = work.leased.iter().filter(|id| !ids.contains(id));
    try_join_all(given_back.map(|id| table.release(id, &key))).await?;
    if ids != work.leased {
        let note = |work: &mut Work| {
            work.leased.clone_from(&ids);
            Ok::<_, TableError>(Some(()))
        };
        table.change(work, note).await?;
    }
    Ok((found, lost))
}

/// Leaves a case to others: it is shown to this moderator no more.
pub async fn skip(table: &Table, moderator: &Moderator, id: &SubmissionId) -> Result<(), TableError> {
    let key = moderator.key();
    table.release(id, &key).await?;
    note_work(table, moderator, |work| work.skip(id)).await
}

/// Notes a decision, or that one was undone, with the moderator who made it.
pub async fn note_decision(
    table: &Table,
    clock: &Clock,
    moderator: &Moderator,
    (id, approve, undone): (&SubmissionId, bool, bool),
) -> Result<(), TableError> {
    let now = clock.now();
    note_work(table, moderator, |work| work.note_decision(id, approve, undone, now)).await
}

async fn note_work(
    table: &Table,
    moderator: &Moderator,
    mut note: impl FnMut(&mut Work) + Send,
) -> Result<(), TableError> {
    let work = table.work(&moderator.app, &moderator.key()).await?;
    let step = |work: &mut Work| {
        note(work);
        Ok::<_, TableError>(Some(()))
    };
    table.change(work, step).await.map(drop)
}

/// The cases that a moderator may take, as they are found.
struct Free<'a> {
    table: &'a Table,
    moderator: &'a Moderator,
    filter: &'a CaseFilter,
    work: &'a Work,
    now: Timestamp,
    found: Vec<CaseInHand>,
}

impl Free<'_> {
    /// Looks for more of a class, from the oldest on, until there are enough.
    async fn fill(&mut self, class: Class) -> Result<(), TableError> {
        let mut after = None;
        for _ in 0..MOST_LOOKS {
            if self.found.len() >= MOST_LEASED {
                return Ok(());
            }
            let (entries, more) = self.table.cases(&self.moderator.app, class, after.as_deref(), LOOK).await?;
            let wanted = |entry: &&CaseEntry| {
                self.filter.takes(entry)
                    && !self.work.has_skipped(&entry.id)
                    && !self.found.iter().any(|found| found.submission.id == entry.id)
            };
            let entries: HashMap<SubmissionId, CaseEntry> =
                entries.iter().filter(wanted).map(|entry| (entry.id.clone(), entry.clone())).collect();
            let mut ids: Vec<&CaseEntry> = entries.values().collect();
            ids.sort_by(|one, other| one.place.cmp(&other.place));
            let ids: Vec<SubmissionId> = ids.into_iter().map(|entry| entry.id.clone()).collect();
            self.look_at(&ids, &entries).await?;
            let Some(more) = more else { return Ok(()) };
            after = Some(more);
        }
        Ok(())
    }

    /// Adds those of `ids` that wait and that nobody else has. What `entries` has of them as older releases left it is put where
    /// it belongs, and what stands in the queue and waits no more is taken out of it.
    async fn look_at(
        &mut self,
        ids: &[SubmissionId],
        entries: &HashMap<SubmissionId, CaseEntry>,
    ) -> Result<(), TableError> {
        let mut standings = self.table.standings(ids).await?;
        let key = self.moderator.key();
        let is_free = |id: &SubmissionId| {
            let lease = standings.get(id).and_then(|standing| standing.lease.as_ref());
            lease.is_none_or(|lease| lease.until <= self.now || lease.by == key)
        };
        let free: Vec<SubmissionId> = ids.iter().filter(|id| is_free(id)).cloned().collect();
        for chunk in free.chunks(MOST_LEASED) {
            let room = MOST_LEASED.saturating_sub(self.found.len());
            if room == 0 {
                break;
            }
            let submissions = self.table.submissions(chunk).await?;
            self.add(submissions, room, entries, &mut standings).await?;
        }
        Ok(())
    }

    /// Adds at most `room` of these submissions.
    async fn add(
        &mut self,
        submissions: Vec<Submission>,
        room: usize,
        entries: &HashMap<SubmissionId, CaseEntry>,
        standings: &mut HashMap<SubmissionId, Standing>,
    ) -> Result<(), TableError> {
        let most = self.found.len() + room;
        for submission in submissions {
            if self.found.len() == most {
                break;
            }
            if submission.app != self.moderator.app {
                continue;
            }
            let is_theirs = |case: &Case| {
                self.filter.takes_case(case) && (case.class == Class::Ordinary || self.moderator.role.is_lead())
            };
            if !submission.case().as_ref().is_none_or(is_theirs) {
                continue;
            }
            let mut standing = standings.remove(&submission.id).unwrap_or_default();
            let waits = submission.case().is_some();
            let is_entry = entries.contains_key(&submission.id);
            if is_entry && waits != standing.waits {
                let placed = self.table.change_submission(submission, &[Beside::CasePlaced], |_| true).await?.0;
                standing.waits = placed.case().is_some();
                if standing.waits {
                    self.found.push(CaseInHand { submission: placed, standing });
                }
            } else if waits {
                self.found.push(CaseInHand { submission, standing });
            }
        }
        Ok(())
    }
}
