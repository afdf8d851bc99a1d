//! Calls that go wrong.

use super::*;

fn failing(how: Fault, after_work: bool) -> Behaviour {
    let failure = Failure { api: Api::MediaCheckAsync, calls: Some(1), how, after_work };
    Behaviour { fail: vec![failure], ..Behaviour::default() }
}

impl Bench {
    /// What comes back from a media check, status and body, or nothing if the connection ended.
    async fn media_check_outcome(&self) -> Option<(u16, String)> {
        let (token, openid) = (self.token().await, self.alice().await);
        let url = self.put_picture(GREEN);
        let body = json!({ "media_url": url, "media_type": 2, "version": 2, "scene": 2, "openid": openid });
        let answer = self.post(&format!("/wxa/media_check_async?access_token={token}"), &body).send().await.ok()?;
        Some((answer.status().as_u16(), String::from_utf8(answer.bytes().await.unwrap().to_vec()).unwrap()))
    }
}

#[tokio::test]
async fn an_answer_goes_wrong_as_it_is_told_and_only_as_often() {
    let bench = Bench::start().await;
    for (how, status, part) in [
        (Fault::Errcode(-1), 200, "\"errcode\":-1"),
        (Fault::HttpStatus(502), 502, "<html>"),
        (Fault::NotJson, 200, "<html>"),
        (Fault::Empty, 200, ""),
        (Fault::SlowMs(1), 200, "trace_id"),
    ] {
        bench.behave(failing(how.clone(), false));
        let outcome = bench.media_check_outcome().await.unwrap();
        assert_eq!(outcome.0, status, "{how:?}");
        assert!(outcome.1.contains(part), "{how:?}: {}", outcome.1);
        assert!(bench.simulator.behaviour(&bench.app).fail.is_empty());
        assert!(bench.media_check_outcome().await.unwrap().1.contains("trace_id"));
    }
    assert_eq!(bench.simulator.calls(&bench.app, Api::MediaCheckAsync), 10);
    assert_eq!(bench.simulator.checks().len(), 6, "only what was carried out");
    bench.simulator.idle().await;
}

#[tokio::test]
async fn a_connection_can_be_closed_without_an_answer() {
    let bench = Bench::start().await;
    bench.behave(failing(Fault::Close, false));
    assert_eq!(bench.media_check_outcome().await, None);
    assert!(bench.simulator.checks().is_empty());
    assert!(bench.media_check_outcome().await.is_some());
}

#[tokio::test]
async fn a_check_can_be_carried_out_although_its_answer_is_lost() {
    let bench = Bench::start().await;
    bench.behave(failing(Fault::Close, true));
    assert_eq!(bench.media_check_outcome().await, None);
    bench.simulator.idle().await;
    let trace_id = bench.simulator.checks()[0].trace_id.clone().unwrap();
    assert_eq!(bench.received()[0].event(&bench.app)["trace_id"], trace_id);
}

#[tokio::test]
async fn a_call_hangs_until_it_is_released() {
    let bench = Bench::start().await;
    bench.behave(failing(Fault::Hang, false));
    let release = async {
        bench.simulator.until_hanging(1).await;
        assert!(bench.simulator.checks().is_empty());
        bench.simulator.release_hangs();
    };
    let (outcome, ()) = tokio::join!(bench.media_check_outcome(), release);
    assert!(outcome.unwrap().1.contains("trace_id"));
}

#[tokio::test]
async fn a_hanging_call_ends_with_its_caller() {
    let bench = Bench::start().await;
    bench.behave(failing(Fault::Hang, false));
    tokio::select! {
        outcome = bench.media_check_outcome() => panic!("answered: {outcome:?}"),
        () = bench.simulator.until_hanging(1) => {}
    }
    bench.simulator.running.shared.hangs.until_none().await;
    assert!(bench.simulator.checks().is_empty());
}

#[tokio::test]
async fn a_failure_without_an_end_goes_on() {
    let bench = Bench::start().await;
    let failure = Failure { api: Api::MsgSecCheck, calls: None, how: Fault::Errcode(45009), after_work: false };
    let never = Failure { calls: Some(0), ..failure.clone() };
    bench.behave(Behaviour { fail: vec![never, failure], ..Behaviour::default() });
    for _ in 0..5 {
        assert_eq!(bench.check_text(json!({})).await["errcode"], 45009);
    }
    bench.behave(Behaviour::default());
    assert_eq!(bench.check_text(json!({})).await["errcode"], 0);
}

#[tokio::test]
async fn stopping_ends_what_hangs_and_what_is_under_way() {
    let bench = Bench::start().await;
    bench.behave(Behaviour { push_delay_ms: 3_600_000, ..failing(Fault::Hang, true) });
    let stop = async {
        bench.simulator.until_hanging(1).await;
        bench.simulator.stop();
    };
    let (outcome, ()) = tokio::join!(bench.media_check_outcome(), stop);
    assert_eq!(outcome, None);
    bench.simulator.idle().await;
    assert!(bench.get("/simulator").send().await.is_err());
}

#[tokio::test]
async fn dropping_the_last_clone_stops_it() {
    let bench = Bench::start().await;
    let clone = bench.simulator.clone();
    drop(clone);
    assert!(bench.get("/simulator").send().await.is_ok());
    let (url, client) = (bench.simulator.url(), bench.client.clone());
    let shared = Arc::clone(&bench.simulator.running.shared);
    drop(bench);
    assert!(*shared.stopped.borrow());
    let fresh = client.get(format!("{url}/simulator")).send().await;
    assert!(fresh.is_err());
}
