//! `--data`: what was accepted is there after a kill, and what was pending goes on.

use std::net::TcpListener;

use serde_json::json;

use crate::fake_wechat::FakeWeChat;
use crate::run::{GREEN, Run, picture};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_killed_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").to_str().unwrap().to_owned();
    let before = Run::start(&["--data", &data]);
    let alice = before.log_in("alice-1").await;
    let text = json!({"scene": "comment", "text": "今天天气真好"});
    let text = before.post("/v1/submissions", &alice, &text).await.expect(201).text("id");
    let public = before.submit_picture(&alice, "forum", &picture(GREEN, 3)).await;
    let approved = |answer: &crate::run::Answer| answer.json["state"] == "approved";
    before.until(&format!("/v1/submissions/{public}"), "", approved).await;

    let behaviour = format!("{}/simulator/apps/{}/behaviour", before.simulator(), before.fact("app"));
    before.put(&behaviour, &json!({"hold_pushes": true})).await.expect(200);
    let pending = before.submit_picture(&alice, "forum", &picture(GREEN, 4)).await;
    let state = format!("{}/simulator", before.simulator());
    let app = before.fact("app").to_owned();
    before.until(&state, "", |state| state.json["apps"][&app]["held_pushes"].as_array().unwrap().len() == 1).await;
    assert_eq!(before.submission(&pending, &alice).await.text("state"), "pending");
    let upload = before.upload(&alice, &picture(GREEN, 5)).await;
    before.process.signal("KILL");
    let (server_key, old_url) = (before.fact("server key").to_owned(), before.url.clone());
    assert_eq!(before.process.ended().status.code(), None, "it was killed");

    // So that the run cannot get the same port again by chance. An error means that somebody else has it already.
    let _taken = TcpListener::bind(old_url.strip_prefix("http://").unwrap());
    let after = Run::start(&["--data", &data]);
    assert_ne!(after.url, old_url);
    assert_eq!(after.fact("server key"), server_key);
    assert_eq!(after.submission(&text, "").await.expect(200).text("state"), "approved");
    assert_eq!(after.get(&format!("/media/{public}/0.png"), "").await.expect(200).bytes, picture(GREEN, 3));
    // The simulator owed a verdict; it pushes it now, to where the run is now.
    after.until(&format!("/v1/submissions/{pending}"), &alice, approved).await;
    assert_eq!(after.get(&format!("/media/{pending}/0.png"), "").await.expect(200).bytes, picture(GREEN, 4));
    // The session is good, and for WeChat its author is still there.
    let another = json!({"scene": "comment", "text": "我们去公园吧"});
    assert_eq!(after.post("/v1/submissions", &alice, &another).await.expect(201).text("state"), "approved");
    let with_upload = json!({"scene": "forum", "media": [{"upload_id": upload}]});
    let uploaded = after.post("/v1/submissions", &alice, &with_upload).await.expect(201).text("id");
    after.until(&format!("/v1/submissions/{uploaded}"), "", approved).await;
    // A code is good once, however often the machine is started.
    after.post("/v1/sessions", "", &json!({"code": "alice-1"})).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_comes_after_a_kill_finds_what_it_is_about() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").to_str().unwrap().to_owned();
    let fake = FakeWeChat::start().await;
    let before = fake.run_with(&data);
    let author = before.log_in("wx-login-code").await;
    let text = json!({"scene": "comment", "text": "好的"});
    let text = before.post("/v1/submissions", &author, &text).await.expect(201).text("id");
    let pending = before.submit_picture(&author, "forum", &picture(GREEN, 3)).await;
    let check = fake.checked(0).await;
    before.process.signal("KILL");
    before.process.ended();

    let after = fake.run_with(&data);
    after.submission(&text, "").await.expect(200);
    after.submission(&pending, "").await.expect(404);
    let own = after.submission(&pending, &author).await.expect(200);
    assert_eq!(own.text("state"), "pending");
    let preview = own.json["media"][0]["url"].as_str().unwrap().to_owned();
    assert_eq!(after.get(&preview, "").await.expect(200).bytes, picture(GREEN, 3));

    assert_eq!(fake.push(&fake.as_xml(&check, "pass", 100)).await, (200, "success".to_owned()));
    assert_eq!(after.submission(&pending, "").await.expect(200).text("state"), "approved");
    assert_eq!(fake.seen("/wxa/media_check_async").len(), 1, "it was not asked again");
}
