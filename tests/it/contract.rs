//! The API's document: it is served, it names what there is and nothing else. Each answer in all tests is held against it
//! as well, see `greenlight_tests::contract`.

use std::collections::BTreeSet;
use std::path::Path;

use greenlight_tests::contract::document;
use greenlight_tests::world::World;
use http::Method;
use serde_json::Value;

/// All our sources but tests, in one text.
fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

fn all_sources() -> String {
    let mut text = String::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for folder in ["functions", "shared/src"] {
        sources(&root.join(folder), &mut text);
    }
    text
}

fn templates() -> BTreeSet<&'static str> {
    document()["paths"].as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_served_wherever_we_stand_and_is_of_this_version() {
    let world = World::start().await;
    for path in ["/v1/openapi.json", "/any/prefix/v1/openapi.json"] {
        let answer = world.get(path, "").await.expect(200);
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(&answer.json(), document());
    }
    assert_eq!(document()["info"]["version"], env!("CARGO_PKG_VERSION"));
    // Relative to where it was found: it holds behind any prefix.
    assert_eq!(document()["servers"][0]["url"], "..");
}

#[test]
fn each_route_stands_in_the_document_and_nothing_else() {
    let text = all_sources();
    let routes = text.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    // serve-media takes its paths apart by itself, and the console's pages are for people.
    let is_api = |path: &&str| *path != "/media/{*path}" && !path.starts_with("/console");
    let routes: BTreeSet<&str> = routes.filter(is_api).collect();
    let documented: BTreeSet<&str> = templates().into_iter().filter(|path| !path.starts_with("/media/")).collect();
    assert_eq!(documented, routes);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_of_the_document_is_taken() {
    let world = World::start().await;
    for (template, item) in document()["paths"].as_object().unwrap() {
        let path: Vec<&str> = template.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
        let path = path.join("/");
        for method in ["get", "post", "put", "delete", "patch", "head"] {
            let asked = world.request(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(), &path, "");
            let status = world.send(asked).await.status.as_u16();
            let is_there = item.get(method).is_some() || method == "head" && item.get("get").is_some();
            assert_eq!(status != 405, is_there, "{method} {path}: {status}");
        }
    }
}

#[test]
fn each_code_of_the_document_stands_in_the_code() {
    let text = all_sources();
    let codes = document()["components"]["schemas"]["ErrorCode"]["enum"].as_array().unwrap();
    for code in codes.iter().map(|code| code.as_str().unwrap()) {
        assert!(text.contains(&format!("\"{code}\"")), "{code}");
    }
    let mut named = BTreeSet::new();
    names(document(), &mut named);
    assert!(codes.len() > 20 && named.len() > 15, "{} operations", named.len());
}

/// All operationIds; each is there once.
fn names(value: &'static Value, found: &mut BTreeSet<&'static str>) {
    for item in value["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values().filter_map(|operation| operation.get("operationId")) {
            assert!(found.insert(operation.as_str().unwrap()), "{operation} stands there twice");
        }
    }
}
