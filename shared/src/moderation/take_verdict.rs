//! Takes over what WeChat has said about the same bytes: they are not asked about.

use std::collections::HashMap;

use super::ask::Checker;
use super::keep_verdict::judged;
use crate::domain::sha256::Sha256;
use crate::domain::submission::{Event, PartState, Submission};
use crate::table::{KnownVerdict, TableError};

/// What is known of the media of a submission that are not settled, as events.
pub(super) fn known_of(submission: &Submission, known: &HashMap<Sha256, KnownVerdict>) -> Vec<Event> {
    let open = submission.parts.iter().filter(|part| !matches!(part.state, PartState::Settled { .. }));
    let events = open.filter_map(|part| Some(known.get(&judged(submission, part.name)?.sha256)?.event(part.name)));
    events.collect()
}

impl Checker {
    /// Takes what is known of the media that are not settled, and notes that it was taken.
    pub(super) async fn take_known(&self, submission: Submission) -> Result<Submission, TableError> {
        let open = submission.parts.iter().filter(|part| !matches!(part.state, PartState::Settled { .. }));
        let media: Vec<_> = open.filter_map(|part| judged(&submission, part.name)).collect();
        if media.is_empty() {
            return Ok(submission);
        }
        let now = self.clock.now();
        let known = self.table.known_verdicts(&media, now).await?;
        let events = known_of(&submission, &known);
        if events.is_empty() {
            return Ok(submission);
        }
        let submission = self.apply(submission, &events).await?;
        self.confirm_known(submission).await
    }

    /// Notes with each verdict that a written submission has taken it, and takes the worse one that has come since.
    pub(super) async fn confirm_known(&self, submission: Submission) -> Result<Submission, TableError> {
        let now = self.clock.now();
        let mut worse = Vec::new();
        for part in submission.parts.iter().filter(|part| part.known.is_some()) {
            let (Some(judged), Some(verdict)) = (judged(&submission, part.name), part.verdict()) else { continue };
            if self.table.take_verdict(judged, verdict, &submission.id, now).await? {
                continue;
            }
            if let Some(known) = self.table.known_verdict(judged, now).await? {
                worse.push(known.event(part.name));
            }
        }
        if worse.is_empty() { Ok(submission) } else { self.apply(submission, &worse).await }
    }
}
