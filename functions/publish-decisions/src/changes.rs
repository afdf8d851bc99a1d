//! What the table's stream delivers, as far as we read it, and what it is answered.
//!
//! (AWS Lambda developer guide, "Using AWS Lambda with Amazon DynamoDB": the event, and "Reporting batch item failures".)

use std::collections::HashMap;

use greenlight::domain::deed::Deed;
use greenlight::domain::ids::{AppId, SubmissionId};
use greenlight::table::{TURNED, TableError, Telling, submission_in, submission_of};
use serde::{Deserialize, Serialize};

/// A batch of changes, in the order in which they were made.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Changes {
    /// The changes.
    #[serde(rename = "Records")]
    pub records: Vec<Change>,
}

/// One change of one item.
#[derive(Clone, Debug, Deserialize)]
pub struct Change {
    /// `INSERT`, `MODIFY` or `REMOVE`.
    #[serde(rename = "eventName")]
    pub kind: String,
    /// Of what.
    pub dynamodb: Changed,
}

/// What was changed. Of the images texts and numbers are read: what is told, and how a submission stands.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Changed {
    keys: Keys,
    #[serde(default)]
    new_image: Image,
    #[serde(default)]
    old_image: Image,
    sequence_number: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Keys {
    pk: Text,
    sk: Text,
}

/// An item by its attributes.
#[derive(Clone, Debug, Default, Deserialize)]
struct Image(HashMap<String, Text>);

/// An attribute; one that is neither text nor number is an empty one.
#[derive(Clone, Debug, Default, Deserialize)]
struct Text {
    #[serde(rename = "S", default)]
    text: String,
    #[serde(rename = "N", default)]
    number: String,
}

impl Image {
    fn text(&self, name: &str) -> &str {
        self.0.get(name).map(|value| value.text.as_str()).unwrap_or_default()
    }

    fn texts(&self) -> HashMap<String, String> {
        let known = |value: &Text| if value.number.is_empty() { value.text.clone() } else { value.number.clone() };
        self.0.iter().map(|(name, value)| (name.clone(), known(value))).collect()
    }
}

impl Change {
    /// Whether it says that something is to be told.
    pub fn is_telling(&self) -> bool {
        self.kind == "INSERT" && Telling::is_at(&self.dynamodb.keys.sk.text)
    }

    /// Whether it is a submission's that changed its state, or made it, by no moderator's deed.
    pub fn is_turn(&self) -> bool {
        self.dynamodb.keys.sk.text == "S" && self.dynamodb.new_image.0.contains_key(TURNED)
    }

    /// Whether it is one of those two. (The mapping delivers no other.)
    pub fn is_ours(&self) -> bool {
        self.is_telling() || self.is_turn()
    }

    /// What of it belongs into the record of which app, if anything does.
    ///
    /// # Errors
    /// When it holds no submission that we can read.
    pub(crate) fn turn(&self) -> Result<Option<(AppId, Deed)>, TableError> {
        let after = submission_in(&self.dynamodb.new_image.texts())?;
        let old = &self.dynamodb.old_image;
        let before = if old.0.is_empty() { None } else { Some(submission_in(&old.texts())?.state) };
        Ok(Deed::of_turn(before, &after).map(|deed| (after.app, deed)))
    }

    /// Of which app and submission; none of what no release of ours wrote.
    pub(crate) fn tells_of(&self) -> Option<(AppId, SubmissionId)> {
        let app = AppId::parse(self.dynamodb.new_image.text("app")).ok()?;
        Some((app, submission_of(&self.dynamodb.keys.pk.text)?))
    }

    /// Its name in the stream.
    pub(crate) fn name(&self) -> &str {
        &self.dynamodb.sequence_number
    }
}

/// What has to be delivered once more; the stream begins again at the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Failures {
    /// The changes.
    #[serde(rename = "batchItemFailures")]
    pub changes: Vec<Failure>,
}

/// One change that has to be delivered once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The change's sequence number.
    #[serde(rename = "itemIdentifier")]
    pub name: String,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn change(kind: &str, pk: &str, sk: &str, image: Value) -> Change {
        let keys = json!({"pk": {"S": pk}, "sk": {"S": sk}});
        let changed = json!({
            "ApproximateCreationDateTime": 1_764_000_000, "Keys": keys, "NewImage": image, "SequenceNumber": "111",
            "SizeBytes": 26, "StreamViewType": "NEW_AND_OLD_IMAGES",
        });
        let event = json!({"Records": [{
            "eventID": "1", "eventName": kind, "eventVersion": "1.1", "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1", "eventSourceARN": "arn:…", "dynamodb": changed,
        }]});
        serde_json::from_value::<Changes>(event).expect("an event").records.remove(0)
    }

    #[test]
    fn a_new_telling_names_its_app_and_submission() {
        let id = SubmissionId::random();
        let image = json!({"app": {"S": "wx1"}, "since": {"N": "1"}, "body": {"S": "{}"}});
        let told = change("INSERT", &format!("S#{id}"), "O#000000003", image.clone());
        assert!(told.is_telling());
        assert_eq!(told.tells_of(), Some((AppId::parse("wx1").expect("an app"), id.clone())));
        for (kind, sk) in [("MODIFY", "O#000000003"), ("REMOVE", "O#000000003"), ("INSERT", "S")] {
            assert!(!change(kind, &format!("S#{id}"), sk, image.clone()).is_telling(), "{kind} {sk}");
        }
    }

    #[test]
    fn what_nobody_of_ours_wrote_names_nothing_and_is_no_reason_to_refuse_the_rest() {
        let id = SubmissionId::random();
        for (pk, image) in [
            (format!("S#{id}"), json!({})),
            (format!("S#{id}"), json!({"app": {"N": "1"}})),
            (format!("S#{id}"), json!({"app": {"S": "a b"}})),
            ("S#no-id".to_owned(), json!({"app": {"S": "wx1"}})),
        ] {
            assert_eq!(change("INSERT", &pk, "O#000000001", image).tells_of(), None, "{pk}");
        }
    }

    #[test]
    fn failures_are_answered_as_lambda_reads_them() {
        let one = Failures { changes: vec![Failure { name: "111".to_owned() }] };
        let answer = serde_json::to_value(&one).expect("JSON");
        assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "111"}]}));
        // An answer without the list would count as a failure of all.
        assert_eq!(serde_json::to_value(Failures::default()).expect("JSON"), json!({"batchItemFailures": []}));
    }
}
