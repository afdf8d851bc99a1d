//! What WeChat refuses is refused, with WeChat's errcode.

use super::*;

#[tokio::test]
async fn a_text_check_is_refused_for_each_fault_of_its_own() {
    let bench = Bench::start().await;
    let foreign = bench.login(&bench.other, "bob-1").await["openid"].clone();
    for (changed, errcode) in [
        (json!({ "version": 1 }), 47001),
        (json!({ "version": "2" }), 47001),
        (json!({ "scene": 0 }), 40129),
        (json!({ "scene": 5 }), 40129),
        (json!({ "scene": null }), 40129),
        (json!({ "openid": null }), 40003),
        (json!({ "openid": "" }), 40003),
        (json!({ "openid": "nobody" }), 40003),
        (json!({ "openid": foreign }), 43104),
        (json!({ "openid": Simulator::openid(&bench.app, "never-here") }), 61010),
        (json!({ "openid": Simulator::openid(&bench.other, "never-here") }), 43104),
        (json!({ "openid": &Simulator::openid(&bench.app, "never-here")[..27] }), 40003),
        (json!({ "content": null }), 47001),
        (json!({ "content": 7 }), 47001),
        (json!({ "content": "字".repeat(2_501) }), 45002),
        (json!({ "content": "字".repeat(2_500) }), 0),
        (json!({ "content": "𠀀".repeat(2_500) }), 0),
    ] {
        let answer = bench.check_text(changed.clone()).await;
        assert_eq!(answer["errcode"], errcode, "{changed}: {answer}");
    }
    let refused = bench.simulator.checks().iter().filter(|check| check.errcode != 0).count();
    assert_eq!(refused, 13, "what can be read at all is on record, refused or not");
}

#[tokio::test]
async fn a_media_check_is_refused_for_each_fault_of_its_own() {
    let bench = Bench::start().await;
    bench.put_picture(GREEN);
    for (changed, errcode) in [
        (json!({ "media_type": 3 }), 40004),
        (json!({ "media_type": null }), 40004),
        (json!({ "media_url": null }), 40048),
        (json!({ "media_url": "picture.png" }), 40048),
        (json!({ "media_url": "file:///etc/hostname" }), 40048),
        (json!({ "scene": 9 }), 40129),
        (json!({ "openid": "nobody" }), 40003),
        (json!({ "version": 3 }), 47001),
        (json!({}), 0),
    ] {
        let answer = bench.check_media(changed.clone()).await;
        assert_eq!(answer["errcode"], errcode, "{changed}: {answer}");
    }
    bench.simulator.set_push_url(&bench.app, "");
    assert_eq!(bench.check_media(json!({})).await["errcode"], 40048, "no message push is configured");
    bench.simulator.idle().await;
}

#[tokio::test]
async fn method_body_and_path_are_looked_at_first() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let path = format!("/wxa/msg_sec_check?access_token={token}");
    let url = format!("{}{path}", bench.simulator.url());
    assert_eq!(bench.send(bench.get(&path)).await["errcode"], 43002);
    assert_eq!(bench.send(bench.client.post(&url)).await["errcode"], 44002);
    assert_eq!(bench.send(bench.client.post(&url).body("{")).await["errcode"], 47001);
    assert_eq!(bench.send(bench.post("/cgi-bin/token", &json!({}))).await["errcode"], 43001);
    assert_eq!(bench.send(bench.get("/wxa/unheard_of")).await["errcode"], 40066);
}

#[tokio::test]
async fn a_refusal_ends_with_a_rid() {
    let bench = Bench::start().await;
    let answer = bench.check_text(json!({ "scene": 7 })).await;
    let (message, rid) = answer["errmsg"].as_str().unwrap().rsplit_once(" rid: ").unwrap();
    assert_eq!(message, "invalid scene");
    let lengths: Vec<usize> = rid.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 8, 8]);
}

#[tokio::test]
async fn a_login_code_works_once() {
    let bench = Bench::start().await;
    let first = bench.login(&bench.app, "alice-1").await;
    assert!(first.get("errcode").is_none(), "{first}");
    assert_eq!(first["openid"].as_str().unwrap().len(), 28);
    assert!(first["session_key"].is_string());
    assert_eq!(bench.login(&bench.app, "alice-1").await["errcode"], 40163);
    assert_eq!(bench.login(&bench.app, "alice-2").await["openid"], first["openid"]);
    assert_eq!(first["openid"], Simulator::openid(&bench.app, "alice"));
    assert_ne!(bench.login(&bench.app, "alicia").await["openid"], first["openid"]);
    assert_ne!(bench.login(&bench.other, "alice-1").await["openid"], first["openid"]);
    assert_eq!(bench.login(&bench.app, "bad-1").await["errcode"], 40029);
    assert_eq!(bench.login(&bench.app, "blocked-1").await["errcode"], 40226);
    let answer = bench.get("/sns/jscode2session?appid=wx0001&secret=wrong&js_code=x").send().await.unwrap();
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/plain");
    let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(answer["errcode"], 40125);
    let unknown = bench.get("/sns/jscode2session?appid=wx9&secret=secret&js_code=x&grant_type=authorization_code");
    assert_eq!(bench.send(unknown).await["errcode"], 40013);
}

#[tokio::test]
async fn a_user_is_active_for_two_hours() {
    let bench = Bench::start().await;
    let openid = bench.alice().await;
    let check = async || {
        let body = json!({ "content": "hello", "version": 2, "scene": 1, "openid": openid });
        let token = bench.token().await;
        bench.send(bench.post(&format!("/wxa/msg_sec_check?access_token={token}"), &body)).await["errcode"].clone()
    };
    bench.clock.advance(std::time::Duration::from_secs(7_200));
    assert_eq!(check().await, 0);
    bench.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(check().await, 61010);
    assert!(bench.simulator.visit(&bench.app, &openid));
    assert_eq!(check().await, 0);
    assert!(bench.simulator.leave(&bench.app, &openid));
    assert_eq!(check().await, 61010);
    assert!(bench.simulator.forget(&bench.app, &openid));
    assert_eq!(check().await, 40003);
    assert_eq!(bench.alice().await, openid);
    assert_eq!(check().await, 0);
}

#[tokio::test]
async fn quotas_are_per_minute_and_per_day() {
    let bench = Bench::start().await;
    let quota = Quota { per_minute: Some(2), per_day: Some(3), minute_errcode: 44991 };
    bench.behave(Behaviour { quotas: BTreeMap::from([(Api::MsgSecCheck, quota)]), ..Behaviour::default() });
    for errcode in [0, 0, 44991, 44991] {
        assert_eq!(bench.check_text(json!({})).await["errcode"], errcode);
    }
    bench.clock.advance(std::time::Duration::from_secs(30));
    assert_eq!(bench.check_text(json!({})).await["errcode"], 0, "a new minute");
    assert_eq!(bench.check_text(json!({})).await["errcode"], 45009);
    bench.clock.advance(std::time::Duration::from_secs(12 * 3_600));
    assert_eq!(bench.check_text(json!({})).await["errcode"], 0, "midnight in Beijing is over");
}

#[tokio::test]
async fn a_quota_can_be_cleared_ten_times_a_month() {
    let bench = Bench::start().await;
    let quota = Quota { per_minute: None, per_day: Some(1), minute_errcode: 44991 };
    bench.behave(Behaviour { quotas: BTreeMap::from([(Api::MsgSecCheck, quota)]), ..Behaviour::default() });
    assert_eq!(bench.check_text(json!({})).await["errcode"], 0);
    assert_eq!(bench.check_text(json!({})).await["errcode"], 45009);
    let clear = async || {
        let body = json!({ "appid": bench.app, "appsecret": SECRET });
        bench.send(bench.post("/cgi-bin/clear_quota/v2", &body)).await["errcode"].clone()
    };
    assert_eq!(clear().await, 0);
    assert_eq!(bench.check_text(json!({})).await["errcode"], 0);
    for _ in 0..9 {
        assert_eq!(clear().await, 0);
    }
    assert_eq!(clear().await, 48006);
}

#[tokio::test]
async fn the_same_medium_too_often_is_refused() {
    let bench = Bench::start().await;
    let url = bench.put_picture(GREEN);
    let copy = bench.put_medium("copy.png", png(64, 48, GREEN));
    for (by, errcode) in [(RepeatBy::Url, 0), (RepeatBy::Bytes, 87020)] {
        let repeat_limit = Some(RepeatLimit { submissions: 2, window_s: 60, by });
        bench.behave(Behaviour { repeat_limit, ..Behaviour::default() });
        for errcode in [0, 0, 87020] {
            assert_eq!(bench.check_media(json!({ "media_url": url })).await["errcode"], errcode);
        }
        assert_eq!(bench.check_media(json!({ "media_url": copy })).await["errcode"], errcode, "{by:?}");
        bench.clock.advance(std::time::Duration::from_secs(60));
        assert_eq!(bench.check_media(json!({ "media_url": url })).await["errcode"], 0);
        bench.clock.advance(std::time::Duration::from_secs(60));
    }
    bench.simulator.idle().await;
}
