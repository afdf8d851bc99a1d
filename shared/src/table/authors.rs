//! Authors as items, and all that is read before one of them submits.

use super::item::{Document, from_item, key, text_of};
use super::{Consistency, Table, TableError, keys};
use crate::domain::access_state::AccessState;
use crate::domain::author::Author;
use crate::domain::ids::{AppId, AuthorId, SubmissionId};
use crate::domain::submission::Submission;

impl Document for Author {
    fn key(&self) -> (String, &'static str) {
        (keys::author(&self.app, &self.id()), "A")
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn set_version(&mut self, version: u64) {
        self.version = version;
    }
}

/// What is known before a submission is made; may be a moment old.
#[derive(Debug, Default)]
pub struct Admission {
    /// Its author, if ever seen before.
    pub author: Option<Author>,
    /// What stands under its id already.
    pub standing: Option<Submission>,
    /// The app's access to WeChat, if it was asked for.
    pub access: Option<AccessState>,
}

impl Table {
    /// The author of that name.
    pub async fn author(
        &self,
        app: &AppId,
        author: &AuthorId,
        consistency: Consistency,
    ) -> Result<Option<Author>, TableError> {
        self.load(&keys::author(app, author), "A", consistency).await
    }

    /// Reads in one call what a submission of `author` needs: the author, what stands under `id` if there may be
    /// something, and, `with_access`, the app's access to WeChat.
    pub(crate) async fn admission(
        &self,
        app: &AppId,
        author: &AuthorId,
        id: Option<&SubmissionId>,
        with_access: bool,
    ) -> Result<Admission, TableError> {
        let mut wanted = vec![key(keys::author(app, author), "A")];
        wanted.extend(id.map(|id| key(keys::submission(id), "S")));
        if with_access {
            wanted.push(key(keys::access_state(app), "K"));
        }
        let mut admission = Admission::default();
        for item in self.raw_get_many(wanted, Consistency::Eventual).await? {
            match text_of(&item, "sk").as_deref() {
                Some("A") => admission.author = Some(from_item(&item)?),
                Some("S") => admission.standing = Some(from_item(&item)?),
                _ => admission.access = Some(from_item(&item)?),
            }
        }
        if with_access {
            admission.access.get_or_insert_with(|| AccessState::new(app.clone()));
        }
        Ok(admission)
    }
}
