//! Moderators as items: links that let them into the console once, sessions there, and what is kept of their work. All of one
//! moderator stand together, so that all can end at once.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::item::{Document, Item, json, key, not_built, text, text_of};
use super::{Consistency, Table, TableError, classify, keys};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{AppId, ConsoleToken, ModeratorKey, ModeratorName};
use crate::domain::moderator::{Moderator, Role, Work};

/// The sort key of what is kept of a moderator's work.
const WORK: &str = "M";

/// What lets somebody in: a link, once; or a session, for its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Link,
    Session,
}

impl Kind {
    fn sort_key(self, token: &ConsoleToken) -> String {
        let letter = match self {
            Self::Link => 'L',
            Self::Session => 'S',
        };
        format!("{letter}#{}", token.hash())
    }
}

#[derive(Serialize, Deserialize)]
struct Who {
    name: ModeratorName,
    role: Role,
}

impl Document for Work {
    fn key(&self) -> (String, &'static str) {
        (keys::moderator(&self.app, &self.moderator), WORK)
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn set_version(&mut self, version: u64) {
        self.version = version;
    }

    fn complete(document: &mut serde_json::Map<String, serde_json::Value>, item: &HashMap<String, AttributeValue>) {
        let partition = text_of(item, "pk").unwrap_or_default();
        for (name, value) in ["app", "moderator"].into_iter().zip(partition.split('#').skip(1)) {
            document.insert(name.to_owned(), value.into());
        }
    }
}

/// Whom an item lets in at `now`; nobody where its time is over.
fn let_in(item: &Item, now: Timestamp) -> Result<Option<(Who, Timestamp)>, TableError> {
    let corrupt = || TableError::Corrupt { key: text_of(item, "pk").unwrap_or_default(), reason: "`doc`".to_owned() };
    let until = item.get("until").and_then(|until| until.as_n().ok()?.parse().ok()).map(Timestamp);
    let until = until.ok_or_else(corrupt)?;
    let who = text_of(item, "doc").and_then(|doc| serde_json::from_str(&doc).ok()).ok_or_else(corrupt)?;
    Ok((now < until).then_some((who, until)))
}

impl Table {
    fn put_of(
        &self,
        kind: Kind,
        moderator: &Moderator,
        token: &ConsoleToken,
        until: Timestamp,
    ) -> Result<Item, TableError> {
        let partition = keys::moderator(&moderator.app, &moderator.key());
        let who = Who { name: moderator.name.clone(), role: moderator.role };
        let doc = json(&who, &partition)?;
        let mut item = key(partition, &kind.sort_key(token));
        item.insert("doc".to_owned(), text(doc));
        item.insert("until".to_owned(), AttributeValue::N(until.0.to_string()));
        item.insert("expires_at".to_owned(), AttributeValue::N(until.unix_seconds().to_string()));
        Ok(item)
    }

    async fn who(
        &self,
        kind: Kind,
        (app, moderator, token): (&AppId, &ModeratorKey, &ConsoleToken),
        now: Timestamp,
    ) -> Result<Option<(Moderator, Timestamp)>, TableError> {
        let partition = keys::moderator(app, moderator);
        let Some(item) = self.raw_get(&partition, &kind.sort_key(token), Consistency::Strong).await? else {
            return Ok(None);
        };
        let who = let_in(&item, now)?;
        Ok(who.map(|(who, until)| (Moderator { app: app.clone(), name: who.name, role: who.role }, until)))
    }

    /// Keeps a link that lets a moderator in, once, until then.
    pub(crate) async fn put_link(
        &self,
        moderator: &Moderator,
        token: &ConsoleToken,
        until: Timestamp,
    ) -> Result<(), TableError> {
        let item = self.put_of(Kind::Link, moderator, token, until)?;
        let call = self.client.put_item().table_name(&self.name).set_item(Some(item));
        call.send().await.map(drop).map_err(|error| classify("PutItem", error))
    }

    /// Whom a link lets in, if it is good still. Looking spends it not.
    pub async fn link(
        &self,
        link: (&AppId, &ModeratorKey, &ConsoleToken),
        now: Timestamp,
    ) -> Result<Option<Moderator>, TableError> {
        Ok(self.who(Kind::Link, link, now).await?.map(|(moderator, _)| moderator))
    }

    /// Whom a session is of, and until when, if it is good still.
    pub async fn session(
        &self,
        session: (&AppId, &ModeratorKey, &ConsoleToken),
        now: Timestamp,
    ) -> Result<Option<(Moderator, Timestamp)>, TableError> {
        self.who(Kind::Session, session, now).await
    }

    /// Spends a link for a session until then, in one transaction: of two who spend it at once one comes in. Says whether it
    /// was good still.
    pub(crate) async fn spend_link(
        &self,
        moderator: &Moderator,
        link: &ConsoleToken,
        (session, until): (&ConsoleToken, Timestamp),
        now: Timestamp,
    ) -> Result<bool, TableError> {
        const OPERATION: &str = "TransactWriteItems";
        let partition = keys::moderator(&moderator.app, &moderator.key());
        let spent = Delete::builder()
            .table_name(&self.name)
            .set_key(Some(key(partition, &Kind::Link.sort_key(link))))
            .condition_expression("attribute_exists(pk) AND #until > :now")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":now", AttributeValue::N(now.0.to_string()))
            .build()
            .map_err(not_built(OPERATION))?;
        let item = self.put_of(Kind::Session, moderator, session, until)?;
        let put = Put::builder().table_name(&self.name).set_item(Some(item)).build().map_err(not_built(OPERATION))?;
        let call = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().delete(spent).build())
            .transact_items(TransactWriteItem::builder().put(put).build());
        match call.send().await {
            Ok(_) => Ok(true),
            // Spent, or being spent at this moment by somebody else.
            Err(error)
                if matches!(
                    error.as_service_error(),
                    Some(TransactWriteItemsError::TransactionCanceledException(_))
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(classify(OPERATION, error)),
        }
    }

    /// Ends a session.
    pub(crate) async fn end_session(
        &self,
        (app, moderator, session): (&AppId, &ModeratorKey, &ConsoleToken),
    ) -> Result<(), TableError> {
        let key = key(keys::moderator(app, moderator), &Kind::Session.sort_key(session));
        let call = self.client.delete_item().table_name(&self.name).set_key(Some(key));
        call.send().await.map(drop).map_err(|error| classify("DeleteItem", error))
    }

    /// Ends each session of a moderator and each link that lets them in.
    pub(crate) async fn end_all_of(&self, app: &AppId, moderator: &ModeratorKey) -> Result<(), TableError> {
        let mut after = None;
        loop {
            let call = self
                .client
                .query()
                .table_name(&self.name)
                .consistent_read(true)
                .key_condition_expression("pk = :moderator")
                .expression_attribute_values(":moderator", text(keys::moderator(app, moderator)))
                .projection_expression("pk, sk")
                .set_exclusive_start_key(after);
            let answer = call.send().await.map_err(|error| classify("Query", error))?;
            let items = answer.items.unwrap_or_default();
            let lets_in = |item: &&Item| text_of(item, "sk").is_some_and(|sort| sort != WORK);
            let ended = items.iter().filter(lets_in).map(async |item| {
                let call = self.client.delete_item().table_name(&self.name).set_key(Some(item.clone()));
                call.send().await.map(drop).map_err(|error| classify("DeleteItem", error))
            });
            try_join_all(ended).await?;
            after = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// What is kept of a moderator's work.
    pub async fn work(&self, app: &AppId, moderator: &ModeratorKey) -> Result<Work, TableError> {
        let work = self.load(&keys::moderator(app, moderator), WORK, Consistency::Strong).await?;
        Ok(work.unwrap_or_else(|| Work::new(app.clone(), moderator.clone())))
    }
}
