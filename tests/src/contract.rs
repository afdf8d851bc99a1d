//! What is asked and answered, held against the API's own document: whatever a test does, the document must have foreseen.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use greenlight::domain::moderator::CONSOLE;
use http::{Method, StatusCode, header};
use jsonschema::{Draft, Validator};
use serde_json::{Value, json};
use submit_content::OPENAPI;

use crate::world::Answer;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(OPENAPI).expect("openapi.json"));
/// Built once each, for they are asked for at every call.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// The document.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// Where a `$ref` leads, or what stands there itself.
fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str().and_then(|place| place.strip_prefix('#')) {
        Some(place) => DOCUMENT.pointer(place).unwrap_or_else(|| panic!("nothing at {place}")),
        None => value,
    }
}

/// The path of the document that a request's path ends with, whatever stands before it.
fn template_of(path: &str) -> Option<(&'static str, &'static Value)> {
    let given: Vec<&str> = path.split('/').skip(1).collect();
    let fits = |template: &str| {
        let wanted: Vec<&str> = template.split('/').skip(1).collect();
        let Some(rest) = given.len().checked_sub(wanted.len()) else { return false };
        let given = given.get(rest..).unwrap_or_default();
        wanted.iter().zip(given).all(|(wanted, given)| wanted.starts_with('{') && !given.is_empty() || wanted == given)
    };
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    let fitting = paths.iter().filter(|(template, _)| fits(template));
    // A prefix may look like the beginning of another path of ours: what has fewer parameters is meant.
    fitting.min_by_key(|(template, _)| template.matches('{').count()).map(|(template, item)| (template.as_str(), item))
}

fn validator(name: String, schema: &Value) -> Arc<Validator> {
    let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    let built = validators.entry(name).or_insert_with_key(|name| {
        let whole = json!({"components": DOCUMENT["components"], "allOf": [schema]});
        let built = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true).build(&whole);
        Arc::new(built.unwrap_or_else(|error| panic!("{name}: {error}")))
    });
    Arc::clone(built)
}

fn holds(name: String, schema: &Value, value: &Value, what: &dyn std::fmt::Display) {
    let faults: Vec<String> = validator(name.clone(), schema)
        .iter_errors(value)
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect();
    assert!(faults.is_empty(), "openapi.json does not foresee this, {name}: {}\n{what}", faults.join("; "));
}

/// Panics if the document does not have this answer to this request, or does not have a request that was taken.
pub fn hold(method: &Method, path: &str, asked: Option<&[u8]>, answer: &Answer) {
    // The console's pages are for people.
    if path.starts_with(CONSOLE) {
        return;
    }
    let Some((template, item)) = template_of(path) else { return };
    let name = if method == Method::HEAD { "get".to_owned() } else { method.as_str().to_lowercase() };
    let Some(operation) = item.get(&name) else {
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path} is not in openapi.json: {answer}");
        return;
    };
    let status = answer.status.as_str();
    let place = format!("{name} {template} {status}");
    if answer.status == StatusCode::NOT_FOUND && path.matches('/').count() > template.matches('/').count() {
        // What stands before it made it another path, that there is not.
        return;
    }
    let responses = operation["responses"].as_object().expect("responses");
    // What another server answered through us stands there by its first digit.
    let alike = status.get(..1).map(|digit| format!("{digit}XX")).unwrap_or_default();
    let response = responses.get(status).or_else(|| responses.get(&alike)).map(resolved);
    let Some(response) = response else { panic!("openapi.json has no {place}: {answer}") };
    let media_type = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.map(|value| value.split(';').next().unwrap_or(value).trim());
    if method != Method::HEAD && !answer.bytes.is_empty() {
        let media_type = media_type.unwrap_or_else(|| panic!("{place}: no type: {answer}"));
        let content = response["content"].as_object().unwrap_or_else(|| panic!("{place} has a body: {answer}"));
        let kind = media_type.split('/').next().unwrap_or_default();
        let content = content.get(media_type).or_else(|| content.get(&format!("{kind}/*")));
        let content = content.or_else(|| response["content"].get("*/*"));
        let content = content.unwrap_or_else(|| panic!("{place} is no {media_type} in openapi.json: {answer}"));
        if media_type.ends_with("json") {
            match serde_json::from_slice(&answer.bytes) {
                Ok(body) => holds(place.clone(), &content["schema"], &body, answer),
                // An author's metadata may be nested more deeply than this reader follows.
                Err(error) if error.to_string().contains("recursion limit") => {}
                Err(error) => panic!("{place} is no JSON, {error}: {answer}"),
            }
        }
    }
    let asked = asked.and_then(|asked| serde_json::from_slice::<Value>(asked).ok());
    let taken = &operation["requestBody"]["content"]["application/json"]["schema"];
    if let (true, Some(asked), Value::Object(_)) = (answer.status.is_success(), asked, taken) {
        holds(format!("{place} request"), taken, &asked, &asked);
    }
}
