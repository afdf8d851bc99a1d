//! Which secret URL of a medium leads where: WeChat's while it judges, the author's while the author may look.

use std::time::Duration;

use super::{Ended, PartName, PartState, Submission, VisibleTo};
use crate::domain::clock::Timestamp;

/// WeChat reads a medium within half an hour of being asked, or not at all. (WeChat: media_check_async, the result is
/// pushed within 30 minutes.)
const WECHAT_READS_WITHIN: Duration = Duration::from_secs(40 * 60);

impl Submission {
    /// The attempt in which WeChat was given the URL with this secret, if that still leads anywhere: the attempt's part is
    /// not settled, WeChat has not judged without reading, and the attempt is not older than a push can be late.
    pub fn wechat_may_read(&self, medium: u8, secret: &str, now: Timestamp) -> Option<usize> {
        let part = self.part(PartName::Medium(medium)).filter(|_| !self.is_erased())?;
        if matches!(part.state, PartState::Settled { .. }) {
            return None;
        }
        part.attempts.iter().position(|attempt| {
            attempt.ended != Some(Ended::NotTaken)
                && !attempt.unproven
                && now < attempt.asked_at.plus(WECHAT_READS_WITHIN)
                && attempt.secret.as_ref().is_some_and(|own| own.matches(secret))
        })
    }

    /// Whether everyone may see its media.
    pub fn everyone_may_read(&self) -> bool {
        self.visible_to() == VisibleTo::Everyone && !self.is_erased()
    }

    /// Whether `secret` is the one in the author's own URL of that medium, and the author may still see it.
    pub fn author_may_read(&self, medium: u8, secret: &str) -> bool {
        !self.is_erased()
            && self.media.get(usize::from(medium)).is_some_and(|medium| medium.author_secret.matches(secret))
    }
}
