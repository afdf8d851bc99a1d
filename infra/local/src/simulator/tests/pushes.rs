//! Pushes: their signatures, notations and shapes, and how they are repeated, held, lost and released.

use greenlight::wechat::envelope::signature;

use super::*;

fn behaviour(push_mode: PushMode, push_format: PushFormat) -> Behaviour {
    Behaviour { push_mode, push_format, ..Behaviour::default() }
}

impl Bench {
    async fn push_about(&self, behaviour: Behaviour) -> Received {
        self.behave(behaviour);
        self.put_picture(GREEN);
        assert_eq!(self.check_media(json!({})).await["errcode"], 0);
        self.simulator.idle().await;
        self.received().pop().unwrap()
    }

    /// Checks so many pictures, and says their trace ids.
    async fn check_pictures(&self, count: usize) -> Vec<String> {
        self.put_picture(GREEN);
        let mut trace_ids = Vec::new();
        for _ in 0..count {
            trace_ids.push(self.check_media(json!({})).await["trace_id"].as_str().unwrap().to_owned());
            // One verdict after another, so that their order is known.
            self.simulator.idle().await;
        }
        trace_ids
    }

    fn pushed_trace_ids(&self) -> Vec<String> {
        let event = |received: &Received| received.event(&self.app)["trace_id"].as_str().unwrap().to_owned();
        self.received().iter().map(event).collect()
    }
}

#[tokio::test]
async fn a_push_in_safe_mode_is_signed_and_sealed() {
    let bench = Bench::start().await;
    let push = bench.push_about(behaviour(PushMode::Safe, PushFormat::Json)).await;
    let of = |name: &str| push.query[name].as_str();
    assert_eq!(of("encrypt_type"), "aes");
    assert_eq!(of("openid"), Simulator::openid(&bench.app, "alice"));
    assert_eq!(of("signature"), signature(&[PUSH_TOKEN, of("timestamp"), of("nonce")]));
    let body = push.json();
    let encrypted = body["Encrypt"].as_str().unwrap();
    assert_eq!(of("msg_signature"), signature(&[PUSH_TOKEN, of("timestamp"), of("nonce"), encrypted]));
    assert_eq!(body.as_object().unwrap().len(), 2, "ToUserName and Encrypt");

    let event = push.event(&bench.app);
    assert_eq!(event["ToUserName"], body["ToUserName"]);
    assert_eq!(event["FromUserName"], of("openid"));
    assert_eq!(event["CreateTime"], bench.clock.now().unix_seconds());
    assert_eq!(event["MsgType"], "event");
    assert_eq!(event["Event"], "wxa_media_check");
    assert_eq!(event["appid"], "wx0001");
    assert_eq!(event["version"], 2);
    assert_eq!(event["errcode"], 0);
    assert_eq!(event["errmsg"], "ok");
    assert_eq!(event["result"], json!({ "suggest": "pass", "label": 100 }));
    assert_eq!(event["detail"][0]["strategy"], "content_model");
}

#[tokio::test]
async fn a_push_may_be_xml() {
    let bench = Bench::start().await;
    let push = bench.push_about(behaviour(PushMode::Safe, PushFormat::Xml)).await;
    assert_eq!(push.content_type, "text/xml");
    assert!(push.body.starts_with("<xml>") && push.body.ends_with("</xml>"), "{}", push.body);
    let encrypted = push.body.split_once("<Encrypt><![CDATA[").unwrap().1.split_once("]]>").unwrap().0;
    let event = push.opened(encrypted, &bench.app);
    for part in [
        "<xml>",
        "<Event><![CDATA[wxa_media_check]]></Event>",
        "<version>2</version>",
        "<result><label>100</label><suggest><![CDATA[pass]]></suggest></result>",
        "<strategy><![CDATA[content_model]]></strategy>",
    ] {
        assert!(event.contains(part), "{part} in {event}");
    }
    assert_eq!(event.matches("<detail>").count(), 2, "flat and repeated");
}

#[tokio::test]
async fn compatible_mode_shows_the_fields_and_plaintext_mode_nothing_else() {
    let bench = Bench::start().await;
    let push = bench.push_about(behaviour(PushMode::Compatible, PushFormat::Json)).await;
    let mut plain = push.json();
    assert!(plain.as_object_mut().unwrap().remove("Encrypt").is_some());
    assert_eq!(plain, push.event(&bench.app));
    let push = bench.push_about(behaviour(PushMode::Compatible, PushFormat::Xml)).await;
    assert!(push.body.contains("<trace_id>") && push.body.ends_with("]]></Encrypt></xml>"), "{}", push.body);
    let push = bench.push_about(behaviour(PushMode::Plaintext, PushFormat::Json)).await;
    assert_eq!(push.json()["Event"], "wxa_media_check");
    assert!(push.json().get("Encrypt").is_none());
    assert!(!push.query.contains_key("msg_signature") && !push.query.contains_key("encrypt_type"));
}

#[tokio::test]
async fn a_push_of_version_1_has_its_own_fields() {
    let bench = Bench::start().await;
    bench.behave(Behaviour { push_shape: PushShape::V1, ..Behaviour::default() });
    bench.put_picture(RED);
    let event = bench.event_about(json!({})).await;
    assert_eq!(event["isrisky"], 1);
    assert_eq!(event["status_code"], 0);
    assert!(event.get("result").is_none() && event.get("version").is_none());
    let trace_id = event["trace_id"].as_str().unwrap();
    assert!(trace_id.len() == 32 && !trace_id.contains('-'));

    bench.behave(Behaviour::default());
    let without = json!({ "version": null, "scene": null, "openid": null, "media_type": 1 });
    let event = bench.event_about(without).await;
    assert_eq!(event["isrisky"], 0);
    assert_eq!(event["status_code"], 4_294_966_288_u32);
}

#[tokio::test]
async fn numbers_may_be_strings() {
    let bench = Bench::start().await;
    let push = bench.push_about(Behaviour { numbers_as_strings: true, ..Behaviour::default() }).await;
    let event = push.event(&bench.app);
    assert_eq!(event["errcode"], "0");
    assert_eq!(event["result"]["label"], "100");
}

#[tokio::test]
async fn a_push_is_repeated_until_it_is_taken() {
    let bench = Bench::start().await;
    bench.outside.answers.lock().unwrap().extend([(503, ""), (200, "{}"), (200, "")]);
    bench.push_about(Behaviour::default()).await;
    let attempts: Vec<_> =
        bench.simulator.pushes().iter().map(|push| (push.attempt, push.status, push.accepted)).collect();
    assert_eq!(attempts, [(1, Some(503), false), (2, Some(200), false), (3, Some(200), true)]);
}

#[tokio::test]
async fn a_push_that_nobody_takes_is_given_up_after_three_repetitions() {
    let bench = Bench::start().await;
    bench.outside.answers.lock().unwrap().extend([(500, "success"); 9]);
    bench.push_about(Behaviour::default()).await;
    assert_eq!(bench.received().len(), 4);
}

#[tokio::test]
async fn pushes_come_twice_or_not_at_all() {
    let bench = Bench::start().await;
    bench.behave(Behaviour { push_copies: 2, drop_pushes: Dropping::Next(1), ..Behaviour::default() });
    let trace_ids = bench.check_pictures(2).await;
    assert_eq!(bench.pushed_trace_ids(), [trace_ids[1].clone(), trace_ids[1].clone()]);
    assert!(bench.simulator.pushes()[0].dropped);
    bench.behave(Behaviour { drop_pushes: Dropping::All, ..Behaviour::default() });
    bench.check_pictures(3).await;
    assert_eq!(bench.received().len(), 2);
}

#[tokio::test]
async fn held_pushes_are_released_in_any_order() {
    let bench = Bench::start().await;
    let oldest_first = |ids: &[String]| ids.to_vec();
    let newest_first = |ids: &[String]| ids.iter().rev().cloned().collect::<Vec<_>>();
    bench.behave(Behaviour { hold_pushes: true, ..Behaviour::default() });
    for (order, expected) in [
        (ReleaseOrder::OldestFirst, oldest_first as fn(&[String]) -> Vec<String>),
        (ReleaseOrder::NewestFirst, newest_first as fn(&[String]) -> Vec<String>),
    ] {
        let trace_ids = bench.check_pictures(5).await;
        assert_eq!(bench.simulator.held_pushes(&bench.app), 5);
        let before = bench.received().len();
        let pushed = bench.simulator.release_pushes(&bench.app, order).await;
        assert_eq!(pushed, Pushed { pushes: 5, accepted: 5 });
        assert_eq!(bench.pushed_trace_ids()[before..], expected(&trace_ids));
    }
    let before = bench.received().len();
    let mut trace_ids = bench.check_pictures(8).await;
    bench.simulator.release_pushes(&bench.app, ReleaseOrder::Shuffled(7)).await;
    let mut shuffled = bench.pushed_trace_ids().split_off(before);
    assert_ne!(shuffled, trace_ids);
    shuffled.sort();
    trace_ids.sort();
    assert_eq!(shuffled, trace_ids);
}

#[tokio::test]
async fn a_push_may_overtake_the_answer() {
    let bench = Bench::start().await;
    bench.behave(Behaviour { push_before_answer: true, ..Behaviour::default() });
    bench.put_picture(GREEN);
    let answer = bench.check_media(json!({})).await;
    assert_eq!(bench.received().pop().unwrap().event(&bench.app)["trace_id"], answer["trace_id"]);
}

#[tokio::test]
async fn verdicts_are_pushed_again_or_changed() {
    let bench = Bench::start().await;
    bench.behave(Behaviour { drop_pushes: Dropping::All, ..Behaviour::default() });
    let trace_id = bench.check_pictures(1).await.remove(0);
    assert_eq!(bench.simulator.push_again(&bench.app, &trace_id).await, Some(true));
    let risky = ForcedVerdict::Verdict(Verdict::new("risky", 20001));
    assert_eq!(bench.simulator.push_verdict(&bench.app, &trace_id, &risky).await, Some(true));
    let suggests: Vec<Value> =
        bench.received().iter().map(|push| push.event(&bench.app)["result"]["suggest"].clone()).collect();
    assert_eq!(suggests, ["pass", "risky"]);
    assert_eq!(bench.simulator.push_again(&bench.app, "unheard-of").await, None);
    assert_eq!(bench.simulator.push_again(&bench.other, &trace_id).await, None);
}

#[tokio::test]
async fn any_message_can_be_pushed() {
    let bench = Bench::start().await;
    assert!(bench.simulator.push_now(&bench.app, r#"{"Event":"user_info_modified"}"#).await);
    assert_eq!(bench.received()[0].event(&bench.app), json!({ "Event": "user_info_modified" }));
    assert!(bench.simulator.push_now(&bench.app, "<xml><Event>unheard_of</Event></xml>").await);
    assert!(bench.received()[1].body.starts_with("<xml>"));
}

#[tokio::test]
async fn the_record_of_a_push_bears_the_time_at_which_it_was_sent() {
    let bench = Bench::start().await;
    *bench.outside.takes_a_second.lock().unwrap() = Some(bench.clock.clone());
    let sent = bench.clock.now();
    bench.push_about(Behaviour::default()).await;
    assert_eq!((bench.simulator.pushes()[0].at, bench.clock.now().since(sent)), (sent, Duration::from_secs(1)));
}
