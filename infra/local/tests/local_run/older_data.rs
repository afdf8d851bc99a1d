//! The data of each released version, opened by this one. `tests/data/make` makes a version's.

use std::path::Path;

use serde_json::{Value, json};

use crate::run::{GREEN, Run, picture};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &place);
        } else {
            std::fs::copy(entry.path(), place).unwrap();
        }
    }
}

async fn goes_on(released: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    copy(released, &data);
    let json = |name: &str| -> Value { serde_json::from_slice(&std::fs::read(data.join(name)).unwrap()).unwrap() };
    let (ids, keys) = (json("ids.json"), json("keys.json"));
    let id = |name: &str| ids[name].as_str().unwrap();
    let owner = keys["server_key"].as_str().unwrap();
    let run = Run::start(&["--data", data.to_str().unwrap()]);

    for (name, state) in [("text", "approved"), ("public", "approved"), ("doubtful", "in_review")] {
        let submission = run.submission(id(name), owner).await.expect(200);
        assert_eq!((submission.text("state"), submission.text("external_id")), (state.to_owned(), name.to_owned()));
    }
    assert_eq!(run.submission(id("text"), "").await.expect(200).text("text"), "今天天气真好");
    let medium = run.get(&format!("/media/{}/0.png", id("public")), "").await.expect(200);
    assert_eq!(image::load_from_memory(&medium.bytes).unwrap().to_rgb8().get_pixel(0, 0).0, GREEN);
    let listed = run.get("/v1/channels/square/submissions", "").await.expect(200).json;
    let listed = listed["submissions"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap());
    let listed: Vec<&str> = listed.filter(|listed| *listed != id("pending")).collect();
    assert_eq!(listed, [id("public"), id("text")], "newest first");
    let in_review = run.get("/v1/reviews", owner).await.expect(200).json;
    assert!(in_review["submissions"].as_array().unwrap().iter().any(|one| one["id"] == id("doubtful")));
    let version = run.submission(id("doubtful"), owner).await.json["version"].clone();
    let decision = json!({"decision": "reject", "reason": "old", "moderator": "li", "version": version});
    run.post(&format!("/v1/submissions/{}/decisions", id("doubtful")), owner, &decision).await.expect(200);
    // What waited for WeChat then is there for its author and goes on: when, depends on how old the data is.
    run.post("/v1/sessions", "", &json!({"code": "alice-1"})).await.expect(401);
    let alice = run.log_in("alice-2").await;
    let pending = run.submission(id("pending"), &alice).await.expect(200);
    assert!(["pending", "in_review", "approved"].contains(&pending.text("state").as_str()), "{}", pending.json);

    // Its user is still known, and publishes more.
    let own = run.get("/v1/submissions", &alice).await.expect(200).json;
    assert_eq!(own["submissions"].as_array().unwrap().len(), 4);
    let new = run.submit_picture(&alice, "forum", &picture(GREEN, 5)).await;
    run.until(&format!("/v1/submissions/{new}"), "", |one| one.json["state"] == "approved").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_of_each_release_goes_on() {
    let releases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let releases: Vec<_> = std::fs::read_dir(releases).unwrap().map(|entry| entry.unwrap().path()).collect();
    let releases: Vec<_> = releases.into_iter().filter(|path| path.is_dir()).collect();
    assert!(!releases.is_empty());
    for released in releases {
        goes_on(&released).await;
    }
}
