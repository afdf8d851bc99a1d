//! From the owner's own name for a submission to its id.

use super::item::{key, text, text_of};
use super::{Table, TableError, classify, keys};
use crate::domain::ids::{AppId, SubmissionId};

/// How many submissions of one external_id are found.
pub const MOST_OF_AN_EXTERNAL_ID: usize = 50;

impl Table {
    /// Notes that a submission bears an external_id. This comes before the submission is written: what is noted may point at
    /// nothing, but nothing is without its note.
    pub(crate) async fn note_external_id(
        &self,
        app: &AppId,
        external_id: &str,
        id: &SubmissionId,
    ) -> Result<(), TableError> {
        let item = key(keys::external(app, external_id), &keys::submission(id));
        let call = self.client.put_item().table_name(&self.name).set_item(Some(item));
        call.send().await.map(drop).map_err(|error| classify("PutItem", error))
    }

    /// The submissions of an app that bear an external_id, in no order, and at most [`MOST_OF_AN_EXTERNAL_ID`]. Some may not
    /// exist; those that older releases wrote are not among them.
    pub async fn by_external_id(&self, app: &AppId, external_id: &str) -> Result<Vec<SubmissionId>, TableError> {
        let call = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("pk = :external")
            .expression_attribute_values(":external", text(keys::external(app, external_id)))
            .limit(i32::try_from(MOST_OF_AN_EXTERNAL_ID).unwrap_or(i32::MAX));
        let answer = call.send().await.map_err(|error| classify("Query", error))?;
        let items = answer.items.unwrap_or_default();
        Ok(items.iter().filter_map(|item| keys::submission_of(&text_of(item, "sk")?)).collect())
    }
}
