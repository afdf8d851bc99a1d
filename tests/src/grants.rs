//! What the deployment template's roles allow, and whether they allow what the functions do.
//!
//! The proxies before the engines ask here at every call, and refuse what AWS would refuse: each test that goes through
//! them is a test of the roles.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::Value;

use crate::template::{functions, resources};

/// One action that a role allows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// The function, by its folder.
    pub function: &'static str,
    /// `dynamodb:GetItem` …
    pub action: String,
    /// `table`, `index/queue`, `bucket`, `bucket/media/*`, `secret`, `logs`; whatever else, as the template has it.
    pub resource: String,
    /// How the partition key begins, of the index where one is queried; nothing where any key will do.
    pub key: Option<String>,
}

impl std::fmt::Display for Grant {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { function, action, resource, key } = self;
        write!(
            formatter,
            "{function} {action} {resource}{}",
            key.as_ref().map(|key| format!(" {key}")).unwrap_or_default()
        )
    }
}

static GRANTS: LazyLock<Vec<Grant>> = LazyLock::new(read);
static USED: Mutex<BTreeSet<Grant>> = Mutex::new(BTreeSet::new());

/// All that the roles allow.
pub fn grants() -> &'static [Grant] {
    &GRANTS
}

/// What was asked for so far, by whatever test.
pub fn used() -> BTreeSet<Grant> {
    USED.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Whether the function's role allows an action on a resource and key, both as a [`Grant`] has them but whole. What is no
/// function of the template is not asked about.
pub fn allows(function: &str, action: &str, resource: &str, key: &str) -> bool {
    if !GRANTS.iter().any(|grant| grant.function == function) {
        return true;
    }
    let fits = |pattern: &str, whole: &str| match pattern.strip_suffix('*') {
        Some(beginning) => whole.starts_with(beginning),
        None => pattern == whole,
    };
    let allowing = GRANTS.iter().find(|grant| {
        grant.function == function
            && grant.action == action
            && fits(&grant.resource, resource)
            && grant.key.as_ref().is_none_or(|own| fits(own, key))
    });
    let mut used = USED.lock().unwrap_or_else(PoisonError::into_inner);
    allowing.map(|grant| used.insert(grant.clone())).is_some()
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
                    let one = |key| Grant { function, action: action.clone(), resource: resource.clone(), key };
                    match &keys {
                        Some(keys) => grants.extend(keys.iter().map(|key| one(Some(key.clone())))),
                        None => grants.push(one(None)),
                    }
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
        assert!(allows("serve-media", "dynamodb:GetItem", "table", "S#x"));
        for (action, resource, key) in [
            ("dynamodb:PutItem", "table", "S#x"),
            ("dynamodb:GetItem", "table", "K#wx1"),
            ("dynamodb:GetItem", "table", ""),
            ("dynamodb:Query", "index/queue", "due#1"),
            ("s3:GetObject", "bucket/unclaimed/x.png", ""),
            ("secretsmanager:GetSecretValue", "secret", ""),
        ] {
            assert!(!allows("serve-media", action, resource, key), "{action} {resource} {key}");
        }
        assert!(allows("a test of its own", "dynamodb:Scan", "table", ""));
    }
}
