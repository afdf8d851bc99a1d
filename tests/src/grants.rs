//! What the deployment template's roles allow, and whether they allow what the functions do.
//!
//! The proxies before the engines ask here at every call, and refuse what AWS would refuse: each test that goes through
//! them is a test of the roles.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::Value;

use crate::template::{functions, resources};

/// One action that a statement of a role allows.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The function, by its folder.
    pub function: &'static str,
    /// `dynamodb:GetItem` …
    pub action: String,
    /// `table`, `index/queue`, `bucket`, `bucket/media/*`, `secret`, `stream`, `undelivered`, `logs`; whatever else, as the template has it.
    pub resource: String,
    /// How each partition key has to begin, of the index where one is queried; nothing where any key will do.
    pub keys: Option<Vec<String>>,
}

impl Grant {
    /// Everything that it allows, a line for each beginning of a key.
    pub fn uses(&self) -> Vec<String> {
        let keys = self.keys.as_deref().unwrap_or_default();
        if keys.is_empty() { vec![self.line("")] } else { keys.iter().map(|key| self.line(key)).collect() }
    }

    fn line(&self, key: &str) -> String {
        format!("{} {} {} {key}", self.function, self.action, self.resource)
    }
}

static GRANTS: LazyLock<Vec<Grant>> = LazyLock::new(read);
static USED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// All that the roles allow.
pub fn grants() -> &'static [Grant] {
    &GRANTS
}

/// What was asked for so far, by whatever test, as [`Grant::uses`] has it.
pub fn used() -> BTreeSet<String> {
    USED.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn fits(pattern: &str, whole: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == whole, |beginning| whole.starts_with(beginning))
}

/// Whether one statement of the function's role allows an action on a resource and on all keys that one call names, as a
/// [`Grant`] has them but whole. What is no function of the template is not asked about.
///
/// (IAM looks at all keys of a BatchGetItem together, while each item of a transaction is an action of its own. DynamoDB
/// developer guide, "Using IAM policy conditions for fine-grained access control" and "Using IAM with DynamoDB transactions".)
pub fn allows(function: &str, action: &str, resource: &str, keys: &[&str]) -> bool {
    if !GRANTS.iter().any(|grant| grant.function == function) {
        return true;
    }
    let allowing = GRANTS.iter().find(|grant| {
        let all = |own: &Vec<String>| {
            // Of no key all would fit; the other condition wants some.
            !keys.is_empty() && keys.iter().all(|key| own.iter().any(|own| fits(own, key)))
        };
        grant.function == function
            && grant.action == action
            && fits(&grant.resource, resource)
            && grant.keys.as_ref().is_none_or(all)
    });
    let Some(grant) = allowing else { return false };
    let meant = |pattern: &&String| keys.iter().any(|key| fits(pattern, key));
    let lines: Vec<String> = match &grant.keys {
        Some(patterns) => patterns.iter().filter(meant).map(|pattern| grant.line(pattern)).collect(),
        None => grant.uses(),
    };
    USED.lock().unwrap_or_else(PoisonError::into_inner).extend(lines);
    true
}

fn read() -> Vec<Grant> {
    let mut grants = Vec::new();
    for (_, function, properties) in functions() {
        let role =
            properties["Role"]["Fn::GetAtt"].as_str().and_then(|role| role.strip_suffix(".Arn")).expect("a role");
        let (_, role) = resources("AWS::IAM::Role").find(|(id, _)| *id == role).expect("the function's role");
        assert!(role.get("ManagedPolicyArns").is_none(), "{function} has what AWS manages");
        for statement in statements(role) {
            assert_eq!(statement["Effect"], "Allow", "{function}");
            let keys = keys_of(statement);
            for action in texts(&statement["Action"]) {
                for resource in list(&statement["Resource"]).map(resource_of) {
                    grants.push(Grant { function, action: action.clone(), resource, keys: keys.clone() });
                }
            }
        }
    }
    grants
}

/// The statements of a role's policies.
pub fn statements(role: &Value) -> impl Iterator<Item = &Value> {
    list(&role["Policies"]).flat_map(|policy| list(&policy["PolicyDocument"]["Statement"]))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice).iter()
}

fn texts(value: &Value) -> Vec<String> {
    list(value).map(|one| one.as_str().expect("a text").to_owned()).collect()
}

/// The keys that a statement is bound to.
fn keys_of(statement: &Value) -> Option<Vec<String>> {
    let condition = statement.get("Condition")?;
    let keys = texts(&condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]);
    // Of a call without keys all of none are like these: it has to be refused by another.
    assert_eq!(condition["Null"]["dynamodb:LeadingKeys"], "false", "{statement}");
    assert_eq!(condition.as_object().map(serde_json::Map::len), Some(2), "{statement}");
    Some(keys)
}

fn resource_of(resource: &Value) -> String {
    let text = resource.to_string();
    let after = |mark: &str| text.split_once(mark).and_then(|(_, rest)| rest.split('"').next()).map(str::to_owned);
    if let Some(index) = after("${Arn}/index/") {
        return format!("index/{index}");
    }
    if let Some(prefix) = after("${Bucket.Arn}/") {
        return format!("bucket/{prefix}");
    }
    match text.as_str() {
        r#"{"Fn::GetAtt":"Bucket.Arn"}"# => "bucket".to_owned(),
        r#"{"Ref":"Secret"}"# => "secret".to_owned(),
        _ if text.contains("Table.StreamArn") => "stream".to_owned(),
        r#"{"Fn::GetAtt":"UndeliveredChanges.Arn"}"# => "undelivered".to_owned(),
        _ if text.contains("Table.Arn") => "table".to_owned(),
        _ if text.contains("Logs.Arn") => "logs".to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_role_does_not_allow_is_refused() {
        assert!(allows("serve-media", "dynamodb:GetItem", "table", &["S#x"]));
        assert!(allows("submit-content", "dynamodb:BatchGetItem", "table", &["S#x", "K#wx1"]));
        assert!(!allows("submit-content", "dynamodb:BatchGetItem", "table", &["S#x", "T#wx1#1"]));
        for (action, resource, key) in [
            ("dynamodb:DeleteItem", "table", "S#x"),
            ("dynamodb:PutItem", "table", "A#wx1#x"),
            ("dynamodb:GetItem", "table", "K#wx1"),
            ("dynamodb:GetItem", "table", ""),
            ("dynamodb:Query", "index/queue", "due#1"),
            ("s3:GetObject", "bucket/unclaimed/x.png", ""),
            ("secretsmanager:GetSecretValue", "secret", ""),
        ] {
            assert!(!allows("serve-media", action, resource, &[key]), "{action} {resource} {key}");
            assert!(!allows("serve-media", action, resource, &[]), "{action} {resource}");
        }
        assert!(allows("a test of its own", "dynamodb:Scan", "table", &[]));
    }
}
