//! What a request to the table is on a bill and before a policy: one call for each item that it names, and what it consumed.

use serde_json::{Value, json};

use super::{Call, PARTITION_KEY, list, text};

/// What a request does to the table: one call for each item that it names.
pub(super) fn calls_of(function: &str, operation: &str, asked: &Value) -> Vec<Call> {
    let call = |action: &str, table: String, index: Option<String>, key: String| Call {
        function: function.to_owned(),
        operation: operation.to_owned(),
        action: action.to_owned(),
        table,
        index,
        key,
        consumed_read: 0.0,
        consumed_write: 0.0,
        on_indexes: 0.0,
        conditional_failure: false,
    };
    let by_table = |asked: &Value| asked.get("RequestItems").and_then(Value::as_object).cloned().unwrap_or_default();
    match operation {
        "TransactWriteItems" | "TransactGetItems" => list(asked, "TransactItems")
            .iter()
            .filter_map(Value::as_object)
            .flatten()
            .map(|(kind, item)| {
                let action = if kind == "ConditionCheck" { "ConditionCheckItem" } else { &format!("{kind}Item") };
                call(action, text(item, "TableName"), None, item_key(item))
            })
            .collect(),
        "BatchGetItem" => by_table(asked)
            .iter()
            .flat_map(|(table, wanted)| {
                list(wanted, "Keys").iter().map(|key| call(operation, table.clone(), None, partition_key(key)))
            })
            .collect(),
        "BatchWriteItem" => by_table(asked)
            .iter()
            .flat_map(|(table, writes)| writes.as_array().into_iter().flatten().map(move |write| (table, write)))
            .filter_map(|(table, write)| Some((table, write.as_object()?.values().next()?)))
            .map(|(table, write)| call(operation, table.clone(), None, item_key(write)))
            .collect(),
        "Query" => {
            let index = asked.get("IndexName").and_then(Value::as_str).map(str::to_owned);
            vec![call(operation, text(asked, "TableName"), index, queried_key(asked))]
        }
        _ => vec![call(operation, text(asked, "TableName"), None, item_key(asked))],
    }
}

/// The partition key of the item that a request names, whole or by its key.
fn item_key(request: &Value) -> String {
    request.get("Item").or_else(|| request.get("Key")).map(partition_key).unwrap_or_default()
}

fn partition_key(item: &Value) -> String {
    item.get(PARTITION_KEY).map(|key| text(key, "S")).unwrap_or_default()
}

/// The partition key that a query is about: what the attribute whose name ends in `pk` is to equal.
fn queried_key(asked: &Value) -> String {
    // `<=` falls apart too, and equals nothing then: no name stands before its `=`.
    let condition = text(asked, "KeyConditionExpression").replace(['(', ')'], " ").replace('=', " = ");
    let words: Vec<&str> = condition.split_whitespace().collect();
    let named = |placeholder: &str, under: &str| asked.get(under).and_then(|names| names.get(placeholder)).cloned();
    words
        .windows(3)
        .filter_map(|window| match window {
            [name, "=", value] => Some((*name, *value)),
            _ => None,
        })
        .find(|(name, _)| {
            let name = named(name, "ExpressionAttributeNames").unwrap_or_else(|| json!(name));
            name.as_str().is_some_and(|name| name.ends_with(PARTITION_KEY))
        })
        .and_then(|(_, value)| named(value, "ExpressionAttributeValues"))
        .map(|value| text(&value, "S"))
        .unwrap_or_default()
}

pub(super) fn reports_capacity(operation: &str) -> bool {
    writes(operation) || matches!(operation, "GetItem" | "BatchGetItem" | "Query" | "Scan" | "TransactGetItems")
}

pub(super) fn writes(operation: &str) -> bool {
    matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem" | "TransactWriteItems")
}

/// Writes into the calls of one request what its answer says of them.
pub(super) fn account(calls: &mut [Call], answer: &Value) {
    let kind = text(answer, "__type");
    let failed = kind.ends_with("ConditionalCheckFailedException")
        || list(answer, "CancellationReasons").iter().any(|reason| text(reason, "Code") == "ConditionalCheckFailed");
    let items = calls.len();
    calls.iter_mut().for_each(|call| call.conditional_failure = failed);
    let Some(first) = calls.first_mut() else { return };
    if failed {
        let each = if first.operation == "TransactWriteItems" { 2.0 } else { 1.0 };
        first.consumed_write = each * f64::from(u32::try_from(items).unwrap());
        return;
    }
    let reported = match answer.get("ConsumedCapacity") {
        Some(Value::Array(tables)) => tables.clone(),
        Some(table) => vec![table.clone()],
        None => Vec::new(),
    };
    let units = |from: &Value| from.get("CapacityUnits").and_then(Value::as_f64).unwrap_or_default();
    for table in &reported {
        let consumed = if writes(&first.operation) { &mut first.consumed_write } else { &mut first.consumed_read };
        *consumed += units(table);
        let indexes = table.get("GlobalSecondaryIndexes").and_then(Value::as_object);
        first.on_indexes += indexes.into_iter().flat_map(serde_json::Map::values).map(units).sum::<f64>();
    }
}
