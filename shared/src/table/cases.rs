//! Cases: what waits for people. Each stands beside its submission, is opened and closed in the transaction that changes the
//! submission's state, and alone stands in the review queue of its app.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, Select, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};

use super::item::{Item, json, key, not_built, number, one_of_many, text, text_of};
use super::queues::id_of;
use super::{Consistency, Table, TableError, classify, keys};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{AppId, Channel, ModeratorKey, SubmissionId};
use crate::domain::moderator::Moderator;
use crate::domain::submission::{Case, Cause, Class, Scene, Submission};

/// How many entries of a queue are counted.
pub const MOST_COUNTED: usize = 10_000;
/// How many notes a case holds.
const MOST_NOTES: usize = 50;
/// What a lease consists of.
const LEASE: &str = "lease_by, lease_name, lease_until";

/// An entry of the review queue, with what its place tells. What older releases put there tells less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseEntry {
    /// The submission.
    pub id: SubmissionId,
    /// Its place: what comes after it has a greater one.
    pub place: String,
    /// It is a case; older releases put the submission itself into the queue.
    pub is_case: bool,
    /// Whom it waits for.
    pub class: Class,
    /// Since when.
    pub since: Timestamp,
    told: Option<Told>,
}

/// What filters ask for: channel, scene and kind of cause.
type Told = (Option<Channel>, Scene, &'static str);

/// What to look for in the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseFilter {
    /// In this channel.
    pub channel: Option<Channel>,
    /// In this scene.
    pub scene: Option<Scene>,
    /// For this kind of cause.
    pub cause: Option<&'static str>,
}

impl CaseFilter {
    /// Whether an entry may be one that is looked for.
    pub fn takes(&self, entry: &CaseEntry) -> bool {
        entry.told.as_ref().is_none_or(|(channel, scene, cause)| self.wants(channel.as_ref(), *scene, cause))
    }

    /// Whether a case is one that is looked for.
    pub fn takes_case(&self, case: &Case) -> bool {
        self.wants(case.channel.as_ref(), case.scene, case.cause)
    }

    fn wants(&self, channel: Option<&Channel>, scene: Scene, cause: &str) -> bool {
        self.channel.as_ref().is_none_or(|wanted| channel == Some(wanted))
            && self.scene.is_none_or(|wanted| wanted == scene)
            && self.cause.is_none_or(|wanted| wanted == cause)
    }
}

/// How much waits for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many cases wait; at most [`MOST_COUNTED`] are counted.
    pub cases: usize,
    /// Since when the oldest of them waits.
    pub oldest: Option<Timestamp>,
}

/// Who works on a case, and until when nobody else does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who.
    pub by: ModeratorKey,
    /// By name.
    pub name: String,
    /// Until when.
    pub until: Timestamp,
}

/// What a moderator wrote about a case. Authors never see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
}

/// How a case stands, besides its submission.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// It stands in the review queue.
    pub waits: bool,
    /// Who works on it, if anyone does.
    pub lease: Option<Lease>,
    /// What was written about it, oldest first.
    pub notes: Vec<Note>,
}

/// Reads a place such as [`keys::place_of_case`] writes; or the moment alone, as older releases have it.
fn told_by(place: &str) -> Option<(Class, Timestamp, Option<Told>)> {
    let mut pieces = place.split('#');
    let first = pieces.next()?;
    let moment = |text: &str| text.parse().ok().map(Timestamp);
    let class = [Class::Ordinary, Class::Escalated];
    let Some(class) = class.into_iter().find(|class| first.chars().eq([keys::class(*class)])) else {
        return Some((Class::Ordinary, moment(first)?, None));
    };
    let since = moment(pieces.next()?)?;
    let channel = pieces.next()?;
    let channel = if channel.is_empty() { None } else { Some(Channel::parse(channel).ok()?) };
    let (scene, cause) = (Scene::parse(pieces.next()?)?, pieces.next()?);
    let cause = Cause::KINDS.into_iter().find(|kind| *kind == cause)?;
    Some((class, since, Some((channel, scene, cause))))
}

fn entry(item: &Item) -> Result<CaseEntry, TableError> {
    let (id, place) = (id_of(item)?, text_of(item, "queue_sk").unwrap_or_default());
    let told = told_by(&place);
    let (class, since, told) = told.ok_or_else(|| TableError::Corrupt {
        key: keys::submission(&id),
        reason: "its place in the review queue".to_owned(),
    })?;
    let is_case = text_of(item, "sk").as_deref() == Some("C");
    Ok(CaseEntry { id, place, is_case, class, since, told })
}

fn lease_in(item: &Item) -> Option<Lease> {
    Some(Lease {
        by: ModeratorKey::parse(&text_of(item, "lease_by")?).ok()?,
        name: text_of(item, "lease_name")?,
        until: Timestamp(item.get("lease_until")?.as_n().ok()?.parse().ok()?),
    })
}

fn standing_in(item: &Item) -> Standing {
    let notes = item.get("notes").and_then(|notes| notes.as_l().ok()).into_iter().flatten();
    let notes = notes.filter_map(|note| serde_json::from_str(note.as_s().ok()?).ok());
    Standing { waits: item.contains_key("queue_pk"), lease: lease_in(item), notes: notes.collect() }
}

/// A moment as a number that conditions compare.
fn moment(at: Timestamp) -> AttributeValue {
    number(u64::try_from(at.0).unwrap_or(0))
}

/// Where a class of cases begins and ends in the queue. What older releases put there is for any moderator.
fn bounds(class: Class) -> (String, String) {
    let escalated = keys::class(Class::Escalated).to_string();
    match class {
        Class::Ordinary => ("0".to_owned(), escalated),
        Class::Escalated => (escalated, "~".to_owned()),
    }
}

impl Table {
    /// What a change of a submission means for its case, if anything: it is opened, moves, or is closed. Whoever worked on it
    /// does so no more. What was written about it goes with its content, for it may quote it.
    pub(super) fn case_moved(
        &self,
        before: Option<&Submission>,
        after: &Submission,
    ) -> Result<Option<TransactWriteItem>, TableError> {
        let forgets = before.is_some_and(|before| before.noted && after.is_erased());
        if before.and_then(Submission::case) == after.case() && !forgets {
            return Ok(None);
        }
        self.case_of(after).map(Some)
    }

    /// The case of a submission, put where it belongs, or taken out of the queue.
    pub(super) fn case_of(&self, submission: &Submission) -> Result<TransactWriteItem, TableError> {
        let update = Update::builder().table_name(&self.name).set_key(Some(key(keys::submission(&submission.id), "C")));
        let update = match submission.case() {
            Some(case) => update
                .update_expression(format!("SET queue_pk = :queue, queue_sk = :place REMOVE {LEASE}"))
                .expression_attribute_values(":queue", text(keys::review(&case.app)))
                .expression_attribute_values(":place", text(keys::place_of_case(&case, &submission.id))),
            None if submission.is_erased() => {
                update.update_expression(format!("REMOVE queue_pk, queue_sk, notes, {LEASE}"))
            }
            None => update.update_expression(format!("REMOVE queue_pk, queue_sk, {LEASE}")),
        };
        let update = update.build().map_err(not_built("TransactWriteItems"))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Cases of a class that wait in an app, oldest first, behind `after`: one look at the index, and the place behind which the
    /// next one goes on, if there is more.
    pub async fn cases(
        &self,
        app: &AppId,
        class: Class,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<CaseEntry>, Option<String>), TableError> {
        let (first, last) = bounds(class);
        // Nothing stands between a place and the same with the least that can be printed behind it.
        let first = after.map_or(first, |after| format!("{after}!"));
        let call = self
            .client
            .query()
            .table_name(&self.name)
            .index_name("queue")
            .key_condition_expression("queue_pk = :queue AND queue_sk BETWEEN :first AND :last")
            .expression_attribute_values(":queue", text(keys::review(app)))
            .expression_attribute_values(":first", text(first))
            .expression_attribute_values(":last", text(last))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let answer = call.send().await.map_err(|error| classify("Query", error))?;
        let more = answer.last_evaluated_key.as_ref().and_then(|key| text_of(key, "queue_sk"));
        let entries = answer.items.unwrap_or_default();
        Ok((entries.iter().filter_map(|item| one_of_many(entry(item))).collect(), more))
    }

    /// How much waits in an app, of both classes.
    pub async fn backlog(&self, app: &AppId) -> Result<Backlog, TableError> {
        let (cases, oldest) = tokio::try_join!(self.count_cases(app), self.oldest_case(app))?;
        Ok(Backlog { cases, oldest })
    }

    /// Since when the oldest case of an app waits, of either class.
    pub async fn oldest_case(&self, app: &AppId) -> Result<Option<Timestamp>, TableError> {
        let (ordinary, escalated) =
            tokio::try_join!(self.cases(app, Class::Ordinary, None, 1), self.cases(app, Class::Escalated, None, 1))?;
        let first = |(entries, _): (Vec<CaseEntry>, Option<String>)| entries.first().map(|entry| entry.since);
        Ok([first(ordinary), first(escalated)].into_iter().flatten().min())
    }

    async fn count_cases(&self, app: &AppId) -> Result<usize, TableError> {
        let (mut counted, mut after) = (0, None);
        loop {
            let call = self
                .client
                .query()
                .table_name(&self.name)
                .index_name("queue")
                .select(Select::Count)
                .key_condition_expression("queue_pk = :queue")
                .expression_attribute_values(":queue", text(keys::review(app)))
                .set_exclusive_start_key(after);
            let answer = call.send().await.map_err(|error| classify("Query", error))?;
            counted += usize::try_from(answer.count).unwrap_or(0);
            after = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if after.is_none() || counted >= MOST_COUNTED {
                return Ok(counted.min(MOST_COUNTED));
            }
        }
    }

    /// How the cases of these submissions stand; what never was one is left out.
    pub async fn standings(&self, ids: &[SubmissionId]) -> Result<HashMap<SubmissionId, Standing>, TableError> {
        let distinct: BTreeSet<&SubmissionId> = ids.iter().collect();
        let wanted = distinct.into_iter().map(|id| key(keys::submission(id), "C")).collect();
        let items = self.raw_get_many(wanted, Consistency::Strong).await?;
        Ok(items.iter().filter_map(|item| Some((one_of_many(id_of(item))?, standing_in(item)))).collect())
    }

    /// Gives a case to a moderator for a while, unless somebody else has it or it waits no more. Says whether that went well.
    pub(crate) async fn lease(
        &self,
        id: &SubmissionId,
        moderator: &Moderator,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, TableError> {
        let call = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key(keys::submission(id), "C")))
            .update_expression("SET lease_by = :me, lease_name = :name, lease_until = :until")
            .condition_expression(
                "attribute_exists(queue_pk) AND (attribute_not_exists(lease_until) OR lease_until <= :now OR lease_by = :me)",
            )
            .expression_attribute_values(":me", text(moderator.key().as_str()))
            .expression_attribute_values(":name", text(moderator.name.as_str()))
            .expression_attribute_values(":until", moment(until))
            .expression_attribute_values(":now", moment(now));
        met(call.send().await)
    }

    /// Takes a case from a moderator who has it.
    pub(crate) async fn release(&self, id: &SubmissionId, by: &ModeratorKey) -> Result<(), TableError> {
        let call = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key(keys::submission(id), "C")))
            .update_expression(format!("REMOVE {LEASE}"))
            .condition_expression("lease_by = :by")
            .expression_attribute_values(":by", text(by.as_str()));
        met(call.send().await).map(drop)
    }

    /// Erases the notes about a submission.
    pub(crate) async fn forget_notes(&self, id: &SubmissionId) -> Result<(), TableError> {
        let call = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key(keys::submission(id), "C")))
            .update_expression("REMOVE notes");
        met(call.send().await).map(drop)
    }

    /// Writes a note about a case; says whether there was room for one more.
    pub(crate) async fn add_note(&self, id: &SubmissionId, note: &Note) -> Result<bool, TableError> {
        let partition = keys::submission(id);
        let note = AttributeValue::L(vec![text(json(note, &partition)?)]);
        let call = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key(partition, "C")))
            .update_expression("SET notes = list_append(if_not_exists(notes, :none), :note)")
            .condition_expression("attribute_not_exists(notes) OR size(notes) < :most")
            .expression_attribute_values(":none", AttributeValue::L(Vec::new()))
            .expression_attribute_values(":note", note)
            .expression_attribute_values(":most", number(u64::try_from(MOST_NOTES).unwrap_or(u64::MAX)));
        met(call.send().await)
    }
}

/// Whether the condition of an update was met.
pub(super) fn met<T>(
    answer: Result<T, aws_sdk_dynamodb::error::SdkError<UpdateItemError>>,
) -> Result<bool, TableError> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.as_service_error(), Some(UpdateItemError::ConditionalCheckFailedException(_))) => {
            Ok(false)
        }
        Err(error) => Err(classify("UpdateItem", error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_tells_what_filters_ask_for() {
        let id = SubmissionId::random();
        let square = Channel::parse("square").unwrap();
        for channel in [None, Some(square.clone())] {
            let case = Case {
                app: AppId::parse("wx1").unwrap(),
                class: Class::Escalated,
                since: Timestamp(1_764_000_000_000),
                channel: channel.clone(),
                scene: Scene::SocialLog,
                cause: "given_up",
            };
            let told = told_by(&keys::place_of_case(&case, &id)).unwrap();
            assert_eq!(told, (Class::Escalated, case.since, Some((channel, Scene::SocialLog, "given_up"))));
        }
        let older = told_by(&keys::moment_of(Timestamp(1_764_000_000_000), &id)).unwrap();
        assert_eq!(older, (Class::Ordinary, Timestamp(1_764_000_000_000), None));
        for odd in ["", "m", "m#", "m#x#square#forum#doubtful", "x#1", "m#1#Square#forum#doubtful", "m#1##forum#odd"] {
            assert_eq!(told_by(odd), None, "{odd}");
        }
    }

    #[test]
    fn the_classes_lie_apart_and_older_entries_with_the_ordinary() {
        let is_in = |class, place: &str| {
            let (first, last) = bounds(class);
            (first.as_str()..=last.as_str()).contains(&place)
        };
        for (place, class) in [("0001764", Class::Ordinary), ("1764#id", Class::Ordinary), ("m#1764", Class::Ordinary)]
        {
            assert!(is_in(class, place) && !is_in(Class::Escalated, place), "{place}");
        }
        assert!(is_in(Class::Escalated, "z#1764") && !is_in(Class::Ordinary, "z#1764"));
    }
}
