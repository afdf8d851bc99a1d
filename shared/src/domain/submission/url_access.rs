//! Which secret URL of a medium leads where: WeChat's while it judges, the author's while the author may look.

use std::time::Duration;

use super::{Ended, PartName, PartState, State, Submission, VisibleTo};
use crate::domain::clock::Timestamp;

/// WeChat reads a medium within half an hour of being asked, or not at all. (WeChat: media_check_async, the result is
/// pushed within 30 minutes.)
const WECHAT_READS_WITHIN: Duration = Duration::from_secs(40 * 60);

impl Submission {
    /// Whether the URL that WeChat was given in an attempt still leads anywhere: the attempt's part is not settled,
    /// and the attempt is not older than a push can be late.
    pub fn wechat_may_read(&self, medium: u8, secret: &str, now: Timestamp) -> bool {
        self.state != State::Withdrawn
            && self.part(PartName::Medium(medium)).is_some_and(|part| {
                !matches!(part.state, PartState::Settled { .. })
                    && part.attempts.iter().any(|attempt| {
                        attempt.ended != Some(Ended::NotTaken)
                            && now < attempt.asked_at.plus(WECHAT_READS_WITHIN)
                            && attempt.secret.as_ref().is_some_and(|own| own.matches(secret))
                    })
            })
    }

    /// Whether `secret` is the one in the author's own URL of that medium, and the author may still see it.
    pub fn author_may_read(&self, medium: u8, secret: &str) -> bool {
        self.visible_to() != VisibleTo::Nobody
            && self.media.get(usize::from(medium)).is_some_and(|medium| medium.author_secret.matches(secret))
    }
}
