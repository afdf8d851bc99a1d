//! In front of a WeChat that nobody here wrote: no simulator, and to the letter of WeChat's documentation.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::fake_wechat::{
    APP, APP_SECRET, Checked, DECISION_KEY, FakeWeChat, OPENID, PUSH_AES_KEY, PUSH_TOKEN, SERVER_KEY, Seen, token,
};
use crate::run::{GREEN, Run, picture};

/// A text that shows how it was written down.
const TEXT: &str = "今天“天气”真好 \u{1F600} </xml> \\u4eca";

async fn started() -> (FakeWeChat, Run) {
    let fake = FakeWeChat::start().await;
    let flags = fake.flags();
    let run = Run::start(&flags.iter().map(String::as_str).collect::<Vec<_>>());
    fake.stands_before(&run.url);
    (fake, run)
}

async fn submitted(run: &Run, fake: &FakeWeChat, author: &str, number: usize) -> (String, Checked) {
    let size = 3 + u32::try_from(number).unwrap();
    let id = run.submit_picture(author, "social_log", &picture(GREEN, size)).await;
    let checked = fake.checked(number).await;
    assert_eq!(checked.bytes, picture(GREEN, size), "what WeChat downloads is what was uploaded");
    assert_eq!(run.submission(&id, author).await.text("state"), "pending");
    (id, checked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_and_pictures_go_through_the_loop_of_a_foreign_wechat() {
    let (fake, run) = started().await;
    assert!(!run.banner.contains("simulat"), "{}", run.banner);
    assert_eq!(run.fact("WeChat"), fake.url());
    assert_eq!(run.fact("public URL"), fake.public_url());
    assert_eq!(run.fact("push URL"), format!("{}/push/{APP}", fake.public_url()));
    assert_eq!(run.fact("app"), APP);
    assert!(!run.banner.contains(SERVER_KEY), "{}", run.banner);
    fake.verify().await;

    let author = run.log_in("021x&y=z/+ %20").await;
    let clean = json!({"scene": "comment", "text": TEXT, "nickname": "小明"});
    let clean = run.post("/v1/submissions", &author, &clean).await.expect(201);
    assert_eq!(clean.text("state"), "approved");
    let risky = json!({"scene": "comment", "text": "来赌一把"});
    let risky = run.post("/v1/submissions", &author, &risky).await.expect(201);
    assert_eq!((risky.text("state"), risky.json["reasons"][0]["label"].clone()), ("rejected".into(), json!(20006)));

    let (passed, check) = submitted(&run, &fake, &author, 0).await;
    assert_eq!(fake.push(&fake.as_xml(&check, "pass", 100)).await, (200, "success".into()));
    let public = run.submission(&passed, "").await.expect(200);
    assert_eq!(public.text("state"), "approved");
    let url = public.json["media"][0]["url"].as_str().unwrap().to_owned();
    assert_eq!(url, format!("{}/media/{passed}/0.png", fake.public_url()));
    assert_eq!(run.get(&url, "").await.expect(200).bytes, check.bytes, "through the owner's domain");

    let (rejected, check) = submitted(&run, &fake, &author, 1).await;
    assert_eq!(fake.push(&fake.as_json(&check, "risky", 20002)).await, (200, "success".into()));
    assert_eq!(run.submission(&rejected, &author).await.text("state"), "rejected");
    run.submission(&rejected, "").await.expect(404);

    let (doubtful, check) = submitted(&run, &fake, &author, 2).await;
    assert_eq!(fake.push(&fake.as_xml(&check, "review", 21000)).await, (200, "success".into()));
    assert_eq!(run.submission(&doubtful, SERVER_KEY).await.text("state"), "in_review");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_somebody_else_signed_changes_nothing() {
    let (fake, run) = started().await;
    let author = run.log_in("code").await;
    let (id, check) = submitted(&run, &fake, &author, 0).await;
    assert_eq!(fake.push_signed(&fake.as_xml(&check, "pass", 100), "BBBBB").await.0, 401);
    assert_eq!(run.submission(&id, &author).await.text("state"), "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_goes_on_to_the_owners_server_on_the_same_machine() {
    let (fake, _run) = started().await;
    let message = json!({"MsgType": "text", "FromUserName": OPENID, "ToUserName": "gh_1", "Content": TEXT});
    assert_eq!(fake.push(&message.to_string()).await, (200, "the owner's reply".into()));
    let relayed = fake.seen("/owner/relay");
    assert_eq!((relayed.len(), relayed[0].method.as_str()), (1, "POST"));
    assert!(relayed[0].json()["Encrypt"].is_string(), "as it came");
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_are_told_to_the_owners_server_on_the_same_machine() {
    let (fake, run) = started().await;
    let author = run.log_in("code").await;
    let began = Instant::now();
    let made = run.post("/v1/submissions", &author, &json!({"scene": "comment", "text": TEXT})).await.expect(201);
    let told = fake.told().await;
    // The sweep leaves it to the table's stream for a minute.
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    assert_eq!((told.method.as_str(), told.json()["type"].as_str()), ("POST", Some("submission.approved")));
    assert_eq!(told.json()["data"]["id"], made.json["id"]);
    assert!(told.headers["webhook-signature"].starts_with("v1,"));
    run.process.signal("INT");
    let errors = run.process.ended().errors;
    let printed = errors.lines().find(|line| line.contains("decision_told")).expect("each decision told is printed");
    assert!(
        printed.contains("submission.approved") && printed.contains(made.json["id"].as_str().unwrap()),
        "{printed}"
    );
}

/// One request, as the documentation wants it: how it is sent, with nothing in the query but the token.
#[track_caller]
fn is_a_call(seen: &Seen) {
    assert_eq!(seen.method, "POST");
    assert!(seen.headers["content-type"].starts_with("application/json"), "{:?}", seen.headers);
    assert_eq!(seen.query, [("access_token".to_owned(), token())]);
    let body = std::str::from_utf8(&seen.body).unwrap();
    // The one that TEXT itself holds is written with two backslashes.
    assert!(!body.replace(r"\\u4eca", "").contains(r"\u"), "raw UTF-8: {body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wechat_is_called_as_its_documentation_demands() {
    let (fake, run) = started().await;
    let author = run.log_in("021x&y=z/+ %20").await;
    let text = json!({"scene": "profile", "text": TEXT, "title": "标题", "nickname": "小明", "signature": "签名"});
    run.post("/v1/submissions", &author, &text).await.expect(201);
    let (_, check) = submitted(&run, &fake, &author, 0).await;

    let logins = fake.seen("/sns/jscode2session");
    assert_eq!((logins.len(), logins[0].method.as_str()), (1, "GET"));
    let pairs =
        [("appid", APP), ("secret", APP_SECRET), ("js_code", "021x&y=z/+ %20"), ("grant_type", "authorization_code")];
    assert_eq!(logins[0].query, pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));

    let tokens = fake.seen("/cgi-bin/stable_token");
    assert!((1..=3).contains(&tokens.len()), "one, but for who asks while it is on its way: {}", tokens.len());
    for seen in &tokens {
        assert_eq!((seen.method.as_str(), seen.query.as_slice()), ("POST", [].as_slice()));
        assert!(seen.headers["content-type"].starts_with("application/json"));
        let asked =
            json!({"grant_type": "client_credential", "appid": APP, "secret": APP_SECRET, "force_refresh": false});
        assert_eq!(seen.json(), asked);
    }

    let texts = fake.seen("/wxa/msg_sec_check");
    assert_eq!(texts.len(), 1);
    is_a_call(&texts[0]);
    let mut body = texts[0].json();
    let content = body["content"].take();
    assert!(content.as_str().unwrap().contains(TEXT) && content.as_str().unwrap().contains("标题"), "{content}");
    let rest = json!({
        "content": null, "version": 2, "scene": 1, "openid": OPENID,
        "title": "标题", "nickname": "小明", "signature": "签名",
    });
    assert_eq!(body, rest);

    let media = fake.seen("/wxa/media_check_async");
    assert_eq!(media.len(), 1);
    is_a_call(&media[0]);
    let asked = json!({"media_url": check.media_url, "media_type": 2, "version": 2, "scene": 4, "openid": OPENID});
    assert_eq!(media[0].json(), asked);
    let url = &check.media_url;
    assert!(url.starts_with(&fake.public_url()) && url.ends_with(".png") && !url.contains('?'), "{url}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_secret_stands_in_no_line_that_it_writes() {
    let (fake, run) = started().await;
    let author = run.log_in("code-to-keep").await;
    let text = json!({"scene": "comment", "text": TEXT});
    run.post("/v1/submissions", &author, &text).await.expect(201);
    let (_, check) = submitted(&run, &fake, &author, 0).await;
    fake.push(&fake.as_xml(&check, "pass", 100)).await;
    fake.push_signed(&fake.as_xml(&check, "pass", 100), "BBBBB").await;
    run.process.signal("INT");
    let ended = run.process.ended();
    assert!(ended.errors.contains("a push was taken"), "it does log: {}", ended.errors);
    let token = token();
    for secret in [
        APP_SECRET,
        PUSH_TOKEN,
        PUSH_AES_KEY,
        SERVER_KEY,
        OPENID,
        DECISION_KEY,
        &token[..40],
        &author,
        "code-to-keep",
        "天气",
    ] {
        assert!(!ended.errors.contains(secret), "{secret} in {}", ended.errors);
    }
}
