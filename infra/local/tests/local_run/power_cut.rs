//! A power cut: what was accepted is there after it, and what was erased is not.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::UNIX_EPOCH;

use serde_json::json;

use crate::run::{Answer, GREEN, Run, picture};

/// Builds what keeps the synced state of files; see `power_cut.c`.
fn keeper(folder: &Path) -> String {
    let library = folder.join("power_cut.so").to_str().unwrap().to_owned();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/local_run/power_cut.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o", &library, source, "-ldl"]).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    library
}

/// Rebuilds the folder that is kept in `kept` under `key` as `folder`: with the names that were synced, and in each file
/// what was synced. A file that never was is empty.
fn rebuild(kept: &Path, key: &str, folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    let names = std::fs::read_to_string(kept.join(key)).unwrap_or_default();
    for line in names.lines() {
        let [kind, key, name] = line.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
        match kind {
            "folder" => rebuild(kept, key, &folder.join(name)),
            _ => std::fs::write(folder.join(name), std::fs::read(kept.join(key)).unwrap_or_default()).unwrap(),
        }
    }
}

fn key_of(folder: &Path) -> String {
    let about = std::fs::metadata(folder).unwrap();
    let born = about.created().unwrap().duration_since(UNIX_EPOCH).unwrap();
    format!("{}-{}", about.ino(), born.as_nanos())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_survives_a_power_cut_and_what_was_erased_stays_erased() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("kept")).unwrap();
    let kept = path("kept").to_str().unwrap().to_owned();
    let preload = keeper(folder.path());
    let data = path("data").to_str().unwrap().to_owned();
    let before = Run::start_with(&["--data", &data], &[("LD_PRELOAD", &preload), ("POWER_CUT", &kept)]);
    let server_key = before.fact("server key").to_owned();
    let alice = before.log_in("alice-1").await;
    let approved = |answer: &Answer| answer.json["state"] == "approved";

    let mut texts = Vec::new();
    for number in 0..10 {
        let text = json!({"scene": "comment", "text": format!("今天天气真好 {number}")});
        texts.push(before.post("/v1/submissions", &alice, &text).await.expect(201).text("id"));
    }
    let public = before.submit_picture(&alice, "forum", &picture(GREEN, 3)).await;
    before.until(&format!("/v1/submissions/{public}"), "", approved).await;
    let withdrawn = before.submit_picture(&alice, "forum", &picture(GREEN, 4)).await;
    before.until(&format!("/v1/submissions/{withdrawn}"), "", approved).await;
    before.delete(&format!("/v1/submissions/{withdrawn}"), &alice).await.expect(204);
    let behaviour = format!("{}/simulator/apps/{}/behaviour", before.simulator(), before.fact("app"));
    before.put(&behaviour, &json!({"hold_pushes": true})).await.expect(200);
    let pending = before.submit_picture(&alice, "forum", &picture(GREEN, 5)).await;
    let upload = before.upload(&alice, &picture(GREEN, 6)).await;
    before.process.signal("KILL");
    before.process.ended();

    rebuild(&path("kept"), &key_of(&path("data")), &path("after"));
    // Its kind of loss is real: what SQLite does not sync, its memory of the log, is empty now.
    assert_eq!(std::fs::metadata(path("after/table.sqlite-shm")).unwrap().len(), 0);
    let after = Run::start(&["--data", path("after").to_str().unwrap()]);
    assert_eq!(after.fact("server key"), server_key);
    for id in texts {
        assert_eq!(after.submission(&id, "").await.expect(200).text("state"), "approved");
    }
    assert_eq!(after.get(&format!("/media/{public}/0.png"), "").await.expect(200).bytes, picture(GREEN, 3));
    after.submission(&withdrawn, &alice).await.expect(404);
    assert!(!path("after/objects/greenlight/media").join(&withdrawn).exists(), "its bytes are gone");
    after.until(&format!("/v1/submissions/{pending}"), &alice, approved).await;
    assert_eq!(after.get(&format!("/media/{pending}/0.png"), "").await.expect(200).bytes, picture(GREEN, 5));
    let with_upload = json!({"scene": "forum", "media": [{"upload_id": upload}]});
    let uploaded = after.post("/v1/submissions", &alice, &with_upload).await.expect(201).text("id");
    after.until(&format!("/v1/submissions/{uploaded}"), "", approved).await;
}
