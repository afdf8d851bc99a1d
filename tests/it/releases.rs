//! Releases side by side: while functions are updated one by one, each reads what the other writes.
//!
//! That this one reads what released ones wrote is told by `local_run` (`the_data_of_each_release_goes_on`), which works on
//! the data of each release. Here is the reverse: what this one writes has the shape that the released ones read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use aws_sdk_dynamodb::types::AttributeValue;
use greenlight::aws::AwsSettings;
use greenlight::outbound::Outbound;
use greenlight_local::stack::{Stack, TABLE};
use greenlight_tests::pictures::{GREEN, picture};
use greenlight_tests::world::World;
use serde_json::{Value, json};

/// What this release writes and the ones before did not: each must be such as their readers pass over. (They pass over every
/// field of a document that they do not know, and write it again without.)
const ADDED: [&str; 14] = [
    "doc.m: number",
    "doc.media[].d[]: number",
    "doc.media[].p: text",
    "doc.parts[].a[].f[][]: number",
    "doc.parts[].a[].t: number",
    "doc.parts[].d[].k: text",
    "doc.parts[].d[].l: number",
    "doc.parts[].d[].p: number",
    "doc.parts[].d[].s: text",
    "doc.parts[].d[].v: text",
    "doc.parts[].d[].w: number",
    "doc.parts[].l: boolean",
    "link.b[]: text",
    "turn: S",
];

/// What stands under keys that the releases before never ask for.
const ADDED_KINDS: [&str; 5] = ["B/P", "S/C", "S/E", "V/V", "X/S"];

/// The paths and types of everything in an item, by the kind of item.
type Shapes = BTreeMap<String, BTreeSet<String>>;

fn shape(value: &Value, path: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| shape(value, &format!("{path}.{name}"), into)),
        Value::Array(values) => values.iter().for_each(|value| shape(value, &format!("{path}[]"), into)),
        Value::Null => drop(into.insert(format!("{path}: null"))),
        Value::Bool(_) => drop(into.insert(format!("{path}: boolean"))),
        Value::Number(_) => drop(into.insert(format!("{path}: number"))),
        Value::String(_) => drop(into.insert(format!("{path}: text"))),
    }
}

/// The shapes of all items of a table.
async fn shapes(client: &aws_sdk_dynamodb::Client) -> Shapes {
    let mut shapes = Shapes::new();
    let items = client.scan().table_name(TABLE).send().await.unwrap().items.unwrap_or_default();
    for item in items {
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
        let kind = format!("{}/{}", &text("pk")[..1], &text("sk")[..1]);
        let into = shapes.entry(kind).or_default();
        for (name, value) in &item {
            match value {
                // Documents and verdicts are JSON in a text.
                AttributeValue::S(text) if text.starts_with('{') => {
                    shape(&serde_json::from_str(text).unwrap(), name, into);
                }
                AttributeValue::S(_) => drop(into.insert(format!("{name}: S"))),
                AttributeValue::N(_) => drop(into.insert(format!("{name}: N"))),
                AttributeValue::Bool(_) => drop(into.insert(format!("{name}: BOOL"))),
                other => panic!("no such attribute was ever written: {other:?}"),
            }
        }
    }
    shapes
}

/// What the data of a release was made of, once more: see `infra/local/tests/data/make`.
async fn the_same_story() -> Shapes {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let submit = async |name: &str, what: Value| {
        let mut body = json!({"scene": "forum", "channel": "square", "external_id": name});
        body.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
        world.submit(&alice, &body).await.expect(201);
        world.simulator.idle().await;
    };
    submit("text", json!({"text": "今天天气真好"})).await;
    submit("doubtful", json!({"text": "这很可疑"})).await;
    let upload = world.uploaded(&alice, &picture(GREEN, 3)).await;
    submit("public", json!({"media": [{"upload_id": upload}]})).await;
    // A push that comes before the check is known is kept with its trace.
    world.behave(json!({"push_before_answer": true}));
    let upload = world.uploaded(&alice, &picture(GREEN, 5)).await;
    submit("public", json!({"media": [{"upload_id": upload}]})).await;
    world.behave(json!({"hold_pushes": true}));
    let upload = world.uploaded(&alice, &picture(GREEN, 4)).await;
    submit("pending", json!({"media": [{"upload_id": upload}]})).await;
    shapes(&world.dynamodb()).await
}

async fn released(folder: &Path) -> Shapes {
    let copy = tempfile::tempdir().unwrap();
    for file in ["format.json", "keys.json", "table.sqlite"] {
        std::fs::copy(folder.join(file), copy.path().join(file)).unwrap();
    }
    let stack = Stack::start(Some(copy.path())).await.unwrap();
    let settings = stack.settings();
    let aws = AwsSettings::from_lookup(&|name| settings.get(name).cloned()).unwrap();
    let http = Outbound::new(None).and_then(|outbound| outbound.aws_client()).unwrap();
    shapes(&aws.dynamodb(&http)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_this_release_writes_the_ones_before_can_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/local/tests/data");
    let folders: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let now = the_same_story().await;
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        let then = released(folder).await;
        let kinds: Vec<_> = now.keys().filter(|kind| !ADDED_KINDS.contains(&kind.as_str())).collect();
        assert_eq!(then.keys().collect::<Vec<_>>(), kinds, "{folder:?}: kinds of items");
        for (kind, then) in &then {
            let now = &now[kind];
            let missing: Vec<_> = then.difference(now).collect();
            let added: Vec<_> = now.difference(then).filter(|path| !ADDED.contains(&path.as_str())).collect();
            assert!(missing.is_empty(), "{folder:?}: {kind} lacks what is read there: {missing:?}");
            assert!(added.is_empty(), "{folder:?}: {kind} has what is new there; can it be passed over? {added:?}");
        }
    }
}
