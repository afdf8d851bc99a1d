//! The first door, from an empty account to taking it down: what the README leads through, and what must hold meanwhile.

use greenlight_local::simulator::{Api, ReleaseOrder, Simulator};
use greenlight_tests::pictures::{GREEN, RED, picture};
use greenlight_tests::world::form;
use serde_json::{Value, json};

use crate::cloud::{Cloud, repository, until};
use crate::console::a_moderator_decides_and_a_lead_looks_back;
use crate::logs::{examine, lines};
use crate::stack::Stack;

const APP: &str = "wx00000000000000aa";
const APP_SECRET: &str = "0123456789abcdef0123456789abcdef";
const FORBIDDEN: &str = "出售违禁品";

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_is_deployed_works_is_updated_restored_and_taken_down() {
    let cloud = Cloud::start();
    let mut stack = Stack::deploy(&cloud, repository(), "light", APP, &[]).await;
    a_fresh_stack_says_what_to_do(&stack).await;
    let wechat = an_app_is_added(&mut stack).await;
    until("the schedule fetches a token", async || wechat.calls(&stack.app, Api::StableToken) > 0).await;
    let alice = stack.log_in("alice").await;
    texts_are_answered_at_once(&stack, &alice).await;
    until("the stream brings decisions", async || {
        let lines = lines(stack.cloud, stack.name, Some("PublishDecisions"));
        lines.iter().any(|line| line.contains("decision_not_told"))
    })
    .await;
    pictures_become_public(&stack, &wechat, &alice).await;
    a_form_uploads_to_the_bucket(&stack, &wechat, &alice).await;
    a_moderator_decides_and_a_lead_looks_back(&stack, &alice).await;
    a_lost_push_is_made_good_by_the_schedule(&stack, &wechat, &alice).await;
    the_smoke_command_is_content_and_says_what_is_wrong(&stack, &wechat).await;
    an_update_in_the_middle_loses_nothing(&mut stack, &wechat, &alice).await;
    push_keys_are_rotated_without_losing_a_push(&stack, &wechat, &alice).await;
    nothing_of_a_users_is_logged(&stack, &alice).await;
    a_restored_table_is_attached(&mut stack, &alice).await;
    what_is_kept_outlives_the_stack(&stack);
}

async fn a_fresh_stack_says_what_to_do(stack: &Stack<'_>) {
    for request in [
        stack.cloud.http.post(stack.at("SubmitContentUrl", "/v1/sessions")).body("{}"),
        stack.cloud.http.post(stack.at("AcceptUploadUrl", "/v1/uploads")),
        stack.cloud.http.post(stack.at("ReceivePushUrl", &format!("/push/{APP}"))),
    ] {
        let told = stack.send(request).await.expect(503);
        assert_eq!(told.text("code"), "no_app");
        assert!(told.text("message").contains("add-app.mjs"));
    }
    stack.get(&stack.at("ServeMediaUrl", "/media/x"), "").await.expect(404);
    let (content, _) = stack.script("smoke.mjs", &[], "");
    assert!(!content, "a stack without an app is not ready");
}

async fn an_app_is_added(stack: &mut Stack<'_>) -> Simulator {
    let first: Value = serde_json::from_str(&stack.secret()).unwrap();
    let (added, said) = stack.script("add-app.mjs", &["--app-id", APP], &format!("{APP_SECRET}\n"));
    assert!(added, "{said}");
    let [token, aes_key, server_key] =
        ["push_token", "push_aes_key", "server_keys"].map(|field| stack.app_field(field));
    for told in [token.as_str(), &aes_key, &server_key, &stack.at("ReceivePushUrl", &format!("/push/{APP}"))] {
        assert!(said.contains(told), "what WeChat's console asks for is printed:\n{said}");
    }
    assert!(!said.contains(APP_SECRET));
    // Nobody is there: the functions go to no private address.
    for (url, taken) in
        [("http://example.com/", false), ("https://example.com/?a=b", false), ("https://127.0.0.1/told", true)]
    {
        let (told, said) = stack.script("add-app.mjs", &["--app-id", APP, "--decision-url", url], "");
        assert_eq!((told, said.contains("whsec_")), (taken, taken), "{url}: {said}");
    }
    let document: Value = serde_json::from_str(&stack.secret()).unwrap();
    assert_eq!(document["session_key"], first["session_key"]);
    let (again, said) = stack.script("add-app.mjs", &["--app-id", APP], &format!("{APP_SECRET}\n"));
    assert!(!again && said.contains("--rotate-push"), "{said}");
    stack.wechat().await
}

async fn texts_are_answered_at_once(stack: &Stack<'_>, alice: &str) {
    let submit = async |text: &str| {
        let body = json!({"scene": "comment", "channel": "square", "text": text});
        stack.post("/v1/submissions", alice, &body).await.expect(201).json()
    };
    let clean = submit("今天天气真好").await;
    assert_eq!(clean["state"], "approved");
    stack.read(clean["id"].as_str().unwrap(), "").await.expect(200);
    let risky = submit(FORBIDDEN).await;
    assert_eq!(risky["state"], "rejected");
    stack.read(risky["id"].as_str().unwrap(), "").await.expect(404);
    stack.read(risky["id"].as_str().unwrap(), alice).await.expect(200);
}

/// Waits until the verdict has arrived, and says what it was.
async fn decided(stack: &Stack<'_>, wechat: &Simulator, id: &str, key: &str) -> String {
    wechat.idle().await;
    until("it is decided", async || stack.read(id, key).await.json()["state"] != "pending").await;
    stack.read(id, key).await.expect(200).text("state")
}

async fn pictures_become_public(stack: &Stack<'_>, wechat: &Simulator, alice: &str) {
    for (colour, end, status) in [(GREEN, "approved", 200), (RED, "rejected", 404)] {
        let file = picture(colour, 1);
        let submitted = stack.submit_picture(alice, "一张照片", &file).await;
        let id = submitted["id"].as_str().unwrap();
        assert_eq!(decided(stack, wechat, id, alice).await, end);
        stack.read(id, "").await.expect(status);
        let seen = stack.read(id, alice).await.expect(200).json();
        let url = seen["media"][0]["url"].as_str().unwrap();
        assert!(url.starts_with(stack.outputs["ServeMediaUrl"].as_str()), "{url}");
        assert!(!stack.get(url, "").await.expect(200).bytes.is_empty());
    }
}

async fn a_form_uploads_to_the_bucket(stack: &Stack<'_>, wechat: &Simulator, alice: &str) {
    let request = stack.cloud.http.post(stack.at("AcceptUploadUrl", "/v1/uploads")).bearer_auth(alice);
    let request = request.header("content-type", "application/json").body(r#"{"kind": "image"}"#);
    let asked = stack.send(request).await.expect(201).json();
    let fields = asked["fields"].as_object().unwrap();
    let file = picture(GREEN, 9);
    let mut parts: Vec<(&str, Option<&str>, &[u8])> =
        fields.iter().map(|(name, value)| (name.as_str(), None, value.as_str().unwrap().as_bytes())).collect();
    parts.push(("file", Some("light.png"), &file));
    let (content_type, body) = form(&parts);
    let posted = stack.cloud.http.post(asked["url"].as_str().unwrap()).header("content-type", content_type).body(body);
    let status = posted.send().await.unwrap().status();
    assert!(status.is_success(), "{status}");
    let upload = asked["upload_id"].as_str().unwrap();
    let complete = stack.cloud.http.post(stack.at("AcceptUploadUrl", &format!("/v1/uploads/{upload}")));
    let upload = stack.send(complete.bearer_auth(alice)).await.expect(200).text("upload_id");
    let body = json!({"scene": "comment", "media": [{"upload_id": upload}]});
    let id = stack.post("/v1/submissions", alice, &body).await.expect(201).text("id");
    assert_eq!(decided(stack, wechat, &id, alice).await, "approved");
}

fn behave(stack: &Stack<'_>, wechat: &Simulator, behaviour: Value) {
    wechat.behave(&stack.app, serde_json::from_value(behaviour).unwrap());
}

async fn a_lost_push_is_made_good_by_the_schedule(stack: &Stack<'_>, wechat: &Simulator, alice: &str) {
    behave(stack, wechat, json!({"push_copies": 0}));
    let submitted = stack.submit_picture(alice, "没有推送", &picture(GREEN, 2)).await;
    let id = submitted["id"].as_str().unwrap();
    wechat.idle().await;
    assert_eq!(stack.read(id, alice).await.text("state"), "pending");
    behave(stack, wechat, json!({}));
    stack.age(id, 36).await;
    until("the sweep asks again", async || stack.read(id, alice).await.json()["state"] == "approved").await;
}

async fn the_smoke_command_is_content_and_says_what_is_wrong(stack: &Stack<'_>, wechat: &Simulator) {
    let openid = Simulator::openid(&stack.app, "alice");
    let (content, said) = stack.script("smoke.mjs", &["--openid", &openid], "");
    assert!(content, "{said}");
    for secret in ["push_token", "push_aes_key", "server_keys", "app_secret"] {
        assert!(!said.contains(&stack.app_field(secret)), "{secret} is printed only when asked for");
    }
    let (content, said) = stack.script("smoke.mjs", &["--show-push-settings"], "");
    assert!(content && said.contains(&stack.app_field("push_token")), "{said}");
    // The two that beginners meet.
    for (errcode, says) in [(40164, "allow"), (40125, "AppSecret")] {
        wechat.expire_token(&stack.app);
        let how = json!({"errcode": errcode});
        behave(stack, wechat, json!({"fail": [{"api": "stable_token", "calls": null, "how": how}]}));
        let (content, said) = stack.script("smoke.mjs", &[], "");
        assert!(!content && said.contains(says), "{errcode}: {said}");
    }
    behave(stack, wechat, json!({}));
}

async fn an_update_in_the_middle_loses_nothing(stack: &mut Stack<'_>, wechat: &Simulator, alice: &str) {
    behave(stack, wechat, json!({"hold_pushes": true}));
    let submitted = stack.submit_picture(alice, "更新的时候", &picture(GREEN, 3)).await;
    let id = submitted["id"].as_str().unwrap().to_owned();
    wechat.idle().await;
    let before = stack.secret();
    stack.update(&["LogRetentionDays=365", "LogLevel=warn", "DeletionProtection=false", "AlarmEmail=ops@example.com"]);
    assert_eq!(stack.secret(), before, "the owner's secret is what it was, to the byte");
    wechat.release_pushes(&stack.app, ReleaseOrder::default()).await;
    behave(stack, wechat, json!({}));
    until("what waited is decided", async || stack.read(&id, "").await.status == 200).await;
    stack.update(&["LogLevel=info"]);
    assert_eq!(stack.secret(), before);
}

async fn push_keys_are_rotated_without_losing_a_push(stack: &Stack<'_>, wechat: &Simulator, alice: &str) {
    let (rotated, said) = stack.script("add-app.mjs", &["--app-id", APP, "--rotate-push"], "");
    assert!(rotated && said.contains(&stack.app_field("push_token")), "{said}");
    // WeChat's console still has the old ones.
    let submitted = stack.submit_picture(alice, "旧的钥匙", &picture(GREEN, 4)).await;
    let id = submitted["id"].as_str().unwrap();
    assert_eq!(decided(stack, wechat, id, alice).await, "approved");
    let (ended, said) = stack.script("add-app.mjs", &["--app-id", APP, "--end-rotation"], "");
    assert!(ended, "{said}");
    assert!(!stack.secret().contains("previous_push"));
}

async fn nothing_of_a_users_is_logged(stack: &Stack<'_>, alice: &str) {
    let openid = Simulator::openid(&stack.app, "alice");
    let mut secret: Vec<String> = vec![openid, alice.to_owned(), APP_SECRET.to_owned(), FORBIDDEN.to_owned()];
    secret.extend(["今天天气真好", "一张照片", "没有推送", "更新的时候", "旧的钥匙"].map(str::to_owned));
    secret.extend(["push_token", "push_aes_key", "server_keys", "decision_key"].map(|field| stack.app_field(field)));
    // No URL that was used: neither WeChat's nor the author's.
    secret.extend(["/media/".to_owned(), "access_token=".to_owned()]);
    let (metrics, events) = examine(stack.cloud, stack.name, &secret);
    for metric in ["ColdStarts", "Submissions", "PushLatency", "PushesLost", "OverdueAge", "TokenLifetime"] {
        assert!(metrics.iter().any(|name| name == metric), "{metric} is not in {metrics:?}");
    }
    for event in ["no_app", "push_taken", "swept"] {
        assert!(events.iter().any(|name| name == event), "{event} is not in {events:?}");
    }
}

async fn a_restored_table_is_attached(stack: &mut Stack<'_>, alice: &str) {
    let submit = json!({"scene": "comment", "channel": "square", "text": "今天天气真好"});
    let id = stack.post("/v1/submissions", alice, &submit).await.expect(201).text("id");
    // What a restore brings back is not for readers before somebody has looked.
    let public = ["SubmitContent", "ServeMedia"].map(|id| stack.function(id));
    for name in &public {
        let closed = ["--function-name", name, "--reserved-concurrent-executions", "0"];
        stack.cloud.aws(&[&["lambda", "put-function-concurrency"], closed.as_slice()].concat());
    }
    stack.read(&id, "").await.expect(429);
    let old = stack.outputs["Table"].clone();
    let restore = ["--source-table-name", &old, "--target-table-name", "restored", "--use-latest-restorable-time"];
    let mut arguments = vec!["dynamodb", "restore-table-to-point-in-time"];
    arguments.extend(restore);
    stack.cloud.aws(&arguments);
    // What a restore does not bring back, as the README has it.
    stack.cloud.aws(&[
        "dynamodb",
        "update-table",
        "--table-name",
        "restored",
        "--stream-specification",
        "StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES",
    ]);
    stack.cloud.aws(&[
        "dynamodb",
        "update-time-to-live",
        "--table-name",
        "restored",
        "--time-to-live-specification",
        "Enabled=true,AttributeName=expires_at",
    ]);
    let backups =
        ["--table-name", "restored", "--point-in-time-recovery-specification", "PointInTimeRecoveryEnabled=true"];
    stack.cloud.aws(&[&["dynamodb", "update-continuous-backups"], backups.as_slice()].concat());
    let described = stack.cloud.aws(&["dynamodb", "describe-table", "--table-name", "restored"]);
    let stream = described["Table"]["LatestStreamArn"].as_str().unwrap();
    stack.update(&["ExistingTable=restored", &format!("ExistingTableStream={stream}")]);
    assert_eq!((stack.outputs["Table"].as_str(), stack.outputs["TableStream"].as_str()), ("restored", stream));
    stack.read(&id, "").await.expect(429);
    for name in &public {
        stack.cloud.aws(&["lambda", "delete-function-concurrency", "--function-name", name]);
    }
    stack.read(&id, "").await.expect(200);
    let later = stack.post("/v1/submissions", alice, &submit).await.expect(201).text("id");
    let stands_in = |table: &str| {
        let key = format!("{{\"pk\": {{\"S\": \"S#{later}\"}}, \"sk\": {{\"S\": \"S\"}}}}");
        let item = stack.cloud.aws(&["dynamodb", "get-item", "--table-name", table, "--key", &key]);
        item.get("Item").is_some()
    };
    assert!(stands_in("restored") && !stands_in(&old), "the stack's own table is kept, and not used");
}

fn what_is_kept_outlives_the_stack(stack: &Stack<'_>) {
    let (bucket, secret) = (stack.outputs["Bucket"].clone(), stack.secret());
    let resources = stack.cloud.aws(&["cloudformation", "list-stack-resources", "--stack-name", stack.name]);
    assert!(resources["StackResourceSummaries"].as_array().unwrap().len() > 50);
    let deleted =
        stack.cloud.run("sam", &["delete", "--stack-name", stack.name, "--no-prompts", "--region", "us-east-1"], "");
    assert!(deleted.status.success(), "{}", String::from_utf8_lossy(&deleted.stderr));
    let stacks = stack.cloud.aws(&["cloudformation", "describe-stacks"]);
    assert!(!stacks.to_string().contains("light-"), "{stacks}");
    // What stays, as the README lists it: the tables, the bucket and the secret; and nothing else that costs.
    let tables = stack.cloud.aws(&["dynamodb", "list-tables"])["TableNames"].as_array().unwrap().len();
    assert_eq!(tables, 2, "the stack's own, and the restored");
    let objects = stack.cloud.aws(&["s3api", "list-objects-v2", "--bucket", &bucket]);
    assert!(objects.to_string().contains("media/"));
    assert_eq!(stack.secret(), secret);
    let functions = stack.cloud.aws(&["lambda", "list-functions"]);
    assert_eq!(functions["Functions"], json!([]));
    for (service, list, field) in
        [("scheduler", "list-schedules", "Schedules"), ("cloudwatch", "describe-alarms", "MetricAlarms")]
    {
        assert_eq!(stack.cloud.aws(&[service, list])[field], json!([]), "{service}");
    }
}
