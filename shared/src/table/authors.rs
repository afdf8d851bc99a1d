//! Authors as items, and all that is read before one of them submits.

use std::collections::HashMap;

use super::item::{Document, from_item, key, text_of};
use super::verdicts::{sha256_in, verdict_in};
use super::{Consistency, Judged, KnownVerdict, Rejected, Table, TableError, keys, looks, rejected};
use crate::domain::access_state::AccessState;
use crate::domain::author::Author;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{AppId, AuthorId, SubmissionId};
use crate::domain::picture_hash::PictureHash;
use crate::domain::sha256::Sha256;
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
    /// What WeChat has said about its media.
    pub known: HashMap<Sha256, KnownVerdict>,
    /// What of it a person has rejected before, or a picture like one of it.
    pub rejected: Rejected,
}

/// What a submission is to be known by, before it is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitting<'a> {
    /// The app.
    pub(crate) app: &'a AppId,
    /// The author.
    pub(crate) author: &'a AuthorId,
    /// Its id, if something may stand there already.
    pub(crate) id: Option<&'a SubmissionId>,
    /// The bytes of its media, in its scene.
    pub(crate) media: &'a [Judged<'a>],
    /// What its parts are known by, should a person have rejected the same.
    pub(crate) contents: &'a [Sha256],
    /// What its pictures look like, should a person have rejected one like them.
    pub(crate) looks: &'a [PictureHash],
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

    /// Reads in one call what a submission needs: its author, what stands under its id if there may be something, what is
    /// known of its media and was rejected before, and, `with_access`, the app's access to WeChat.
    pub(crate) async fn admission(
        &self,
        admitting: Admitting<'_>,
        with_access: bool,
        now: Timestamp,
    ) -> Result<Admission, TableError> {
        let Admitting { app, author, id, media, contents, looks } = admitting;
        let mut wanted = vec![key(keys::author(app, author), "A")];
        wanted.extend(id.map(|id| key(keys::submission(id), "S")));
        if with_access {
            wanted.push(key(keys::access_state(app), "K"));
        }
        wanted.extend(Self::verdict_keys(media));
        wanted.extend(rejected::keys_of(app, contents));
        wanted.extend(looks::keys_of(app, looks));
        let mut admission = Admission::default();
        for item in self.raw_get_many(wanted, Consistency::Eventual).await? {
            match text_of(&item, "sk").as_deref() {
                Some("A") => admission.author = Some(from_item(&item)?),
                Some("S") => admission.standing = Some(from_item(&item)?),
                Some("B") => admission.rejected.same.extend(rejected::rejected_in(&item, now)),
                Some("P") => admission.rejected.looks.extend(looks::looks_in(&item, now)),
                Some("V") => admission.known.extend(sha256_in(&item).zip(verdict_in(&item, now))),
                _ => admission.access = Some(from_item(&item)?),
            }
        }
        if with_access {
            admission.access.get_or_insert_with(|| AccessState::new(app.clone()));
        }
        Ok(admission)
    }
}
