//! How pictures look that a person has rejected, so that one that comes compressed anew is known again.
//!
//! A table tells what is the same, not what is nearly the same. So each look stands in four items, one for each of its bands:
//! two that are alike share one of them. Of what an item holds, those that are alike are picked out after it is read.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use aws_sdk_dynamodb::types::{AttributeValue, Update};
use futures_util::future::try_join_all;

use super::cases::met;
use super::item::{Item, key, not_built, text_of};
use super::{Consistency, Table, TableError, keys};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{AppId, SubmissionId};
use crate::domain::picture_hash::{Band, PictureHash};
use crate::domain::submission::MAX_MEDIA;

/// The sort key.
const LOOKS: &str = "P";
/// An item is read at each submission of a picture with that band, so it holds about so many looks (30 KB) and not all that
/// there are. Nothing is refused for it: the oldest give way, and are found by their other bands still.
const MOST: usize = 500;

/// A look that a person has rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeptLook {
    pub(super) look: PictureHash,
    /// The submission with which it was rejected.
    pub(super) of: SubmissionId,
    /// Until when that counts, in seconds.
    pub(super) expires: i64,
}

impl KeptLook {
    fn as_text(&self) -> String {
        format!("{}#{}#{}", self.look, self.of, self.expires)
    }

    fn parse(text: &str) -> Option<Self> {
        let (look, rest) = text.split_once('#')?;
        let (of, expires) = rest.split_once('#')?;
        Some(Self {
            look: PictureHash::parse(look).ok()?,
            of: SubmissionId::parse(of).ok()?,
            expires: expires.parse().ok()?,
        })
    }
}

/// These looks by the items that they stand in.
pub fn by_band(looks: impl IntoIterator<Item = PictureHash>) -> BTreeMap<Band, Vec<PictureHash>> {
    let mut by_band = BTreeMap::<_, Vec<_>>::new();
    for look in looks {
        look.bands().into_iter().for_each(|band| by_band.entry(band).or_default().push(look));
    }
    by_band
}

/// The keys under which it stands that pictures like these were rejected.
pub(super) fn keys_of(app: &AppId, looks: &[PictureHash]) -> Vec<Item> {
    by_band(looks.iter().copied()).into_keys().map(|band| key(keys::looks(app, band), LOOKS)).collect()
}

/// All that stands in an item, expired or not.
fn all_in(item: &Item) -> Vec<KeptLook> {
    let texts = item.get("looks").and_then(|looks| looks.as_ss().ok());
    texts.into_iter().flatten().filter_map(|text| KeptLook::parse(text)).collect()
}

/// What stands in an item and still counts.
pub(super) fn looks_in(item: &Item, now: Timestamp) -> Vec<KeptLook> {
    let mut looks = all_in(item);
    looks.retain(|kept| kept.expires > now.unix_seconds());
    looks
}

/// What has to go from an item before more is added: what has expired, and where it is full what the same look stands there
/// for once more, and then the oldest.
fn to_go(mut all: Vec<KeptLook>, now: Timestamp) -> Vec<KeptLook> {
    all.sort_by_key(|kept| std::cmp::Reverse(kept.expires));
    let (mut stays, mut goes): (Vec<_>, Vec<_>) = all.into_iter().partition(|kept| kept.expires > now.unix_seconds());
    if stays.len() + MAX_MEDIA > MOST {
        let mut seen = HashSet::new();
        let (newest, older): (Vec<_>, Vec<_>) = stays.into_iter().partition(|kept| seen.insert(kept.look));
        stays = newest;
        goes.extend(older);
        goes.extend(stays.split_off(stays.len().min(MOST - MAX_MEDIA)));
    }
    goes
}

impl Table {
    /// The write that keeps it under one of their bands that a person has rejected pictures that look like this.
    pub(super) fn keep_looks(
        &self,
        app: &AppId,
        (band, looks): (Band, &[PictureHash]),
        of: &SubmissionId,
        now: Timestamp,
    ) -> Result<Update, TableError> {
        let expires = now.plus(self.retention.rejected).unix_seconds();
        let texts = looks.iter().map(|look| KeptLook { look: *look, of: of.clone(), expires }.as_text()).collect();
        Update::builder()
            .table_name(&self.name)
            .set_key(Some(key(keys::looks(app, band), LOOKS)))
            .update_expression("ADD looks :looks SET expires_at = :expires")
            .expression_attribute_values(":looks", AttributeValue::Ss(texts))
            .expression_attribute_values(":expires", AttributeValue::N(expires.to_string()))
            .build()
            .map_err(not_built("TransactWriteItems"))
    }

    /// Makes room for these looks where they will stand. It is a write of its own, before the decision: a set that is too
    /// full must not be what a decision fails by.
    pub(crate) async fn make_room_for(
        &self,
        app: &AppId,
        looks: &BTreeSet<PictureHash>,
        now: Timestamp,
    ) -> Result<(), TableError> {
        let items = self.looks_of(app, looks).await?;
        let gone = items.into_iter().map(|(partition, all)| (partition, to_go(all, now)));
        try_join_all(gone.map(|(partition, gone)| self.take_out(partition, gone))).await.map(drop)
    }

    /// Forgets that a person has rejected pictures that look like these; with a submission, only what was kept with that one.
    pub(crate) async fn forget_looks(
        &self,
        app: &AppId,
        looks: &BTreeSet<PictureHash>,
        of: Option<&SubmissionId>,
    ) -> Result<(), TableError> {
        let mut gone = BTreeMap::<_, Vec<_>>::new();
        for kept in self.looks_of(app, looks).await?.into_iter().flat_map(|(_, all)| all) {
            let is_meant = match of {
                Some(of) => kept.of == *of && looks.contains(&kept.look),
                None => looks.iter().any(|look| look.is_like(kept.look)),
            };
            if is_meant {
                for band in kept.look.bands() {
                    gone.entry(keys::looks(app, band)).or_default().push(kept.clone());
                }
            }
        }
        try_join_all(gone.into_iter().map(|(partition, gone)| self.take_out(partition, gone))).await.map(drop)
    }

    /// What stands where these looks stand, or would, by the item.
    async fn looks_of(
        &self,
        app: &AppId,
        looks: &BTreeSet<PictureHash>,
    ) -> Result<Vec<(String, Vec<KeptLook>)>, TableError> {
        let looks: Vec<_> = looks.iter().copied().collect();
        let items = self.raw_get_many(keys_of(app, &looks), Consistency::Strong).await?;
        Ok(items.iter().filter_map(|item| Some((text_of(item, "pk")?, all_in(item)))).collect())
    }

    async fn take_out(&self, partition: String, gone: Vec<KeptLook>) -> Result<(), TableError> {
        let texts: BTreeSet<_> = gone.iter().map(KeptLook::as_text).collect();
        if texts.is_empty() {
            return Ok(());
        }
        let call = self.client.update_item().table_name(&self.name);
        let call = call.set_key(Some(key(partition, LOOKS))).update_expression("DELETE looks :gone");
        let call = call.expression_attribute_values(":gone", AttributeValue::Ss(texts.into_iter().collect()));
        // Without this it would make anew what has just expired.
        met(call.condition_expression("attribute_exists(pk)").send().await).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(look: u64, expires: i64) -> KeptLook {
        KeptLook { look: PictureHash(look), of: SubmissionId::random(), expires }
    }

    #[test]
    fn a_kept_look_is_read_as_it_was_written() {
        let one = kept(7, 1_700_000_000);
        assert_eq!(KeptLook::parse(&one.as_text()), Some(one));
        assert_eq!(KeptLook::parse("0000000000000007#x"), None);
    }

    #[test]
    fn what_has_expired_goes_and_where_it_is_full_doubles_and_then_the_oldest() {
        let now = Timestamp(100_000);
        let few = vec![kept(1, 100), kept(1, 101), kept(1, 102)];
        assert_eq!(to_go(few.clone(), now), few[..1]);
        let mut many: Vec<_> = (0..600).map(|look| kept(look, 1_000 + i64::try_from(look).unwrap())).collect();
        many.push(kept(599, 500));
        let gone = to_go(many, now);
        assert_eq!(gone.len(), 601 - (MOST - MAX_MEDIA));
        assert_eq!(gone[0].expires, 500);
        assert!(gone[1..].iter().all(|kept| kept.look.0 < 600 - 491));
        // Doubles alone make room enough.
        let same: Vec<_> = (0..600).map(|expires| kept(1, 1_000 + expires)).chain([kept(2, 1_000)]).collect();
        let gone = to_go(same, now);
        assert_eq!(gone.len(), 599);
        assert!(gone.iter().all(|kept| kept.look.0 == 1 && kept.expires < 1_599));
    }
}
