//! Tokens expire, overlap, and are overwritten.

use std::time::Duration;

use super::*;

impl Bench {
    /// The errcode with which a check under `token` is answered; 40003 is what a valid token comes to here.
    async fn errcode_under(&self, token: &str) -> Value {
        let body = json!({ "content": "hello", "version": 2, "scene": 1, "openid": "nobody" });
        self.send(self.post(&format!("/wxa/msg_sec_check?access_token={token}"), &body)).await["errcode"].clone()
    }
}

const VALID: i64 = 40003;

#[tokio::test]
async fn a_stable_token_stays_the_same_until_its_last_five_minutes() {
    let bench = Bench::start().await;
    let (first, expires_in) = bench.stable_token(&bench.app, false).await;
    assert_eq!(expires_in, 7_200);
    bench.clock.advance(Duration::from_secs(6_855));
    assert_eq!(bench.stable_token(&bench.app, false).await, (first.clone(), 345));
    bench.clock.advance(Duration::from_secs(45));
    let (second, expires_in) = bench.stable_token(&bench.app, false).await;
    assert_ne!(second, first);
    assert_eq!(expires_in, 7_200);
    assert_eq!(bench.errcode_under(&first).await, VALID);
    assert_eq!(bench.errcode_under(&second).await, VALID);
    bench.clock.advance(Duration::from_secs(300));
    assert_eq!(bench.errcode_under(&first).await, 42001);
    assert_eq!(bench.errcode_under(&second).await, VALID);
}

#[tokio::test]
async fn a_forced_renewal_ends_the_token_before_it_but_not_twice_in_thirty_seconds() {
    let bench = Bench::start().await;
    let first = bench.token().await;
    let second = bench.stable_token(&bench.app, true).await.0;
    assert_eq!(bench.errcode_under(&first).await, 40001);
    bench.clock.advance(Duration::from_secs(29));
    assert_eq!(bench.stable_token(&bench.app, true).await.0, second);
    bench.clock.advance(Duration::from_secs(1));
    assert_ne!(bench.stable_token(&bench.app, true).await.0, second);
}

#[tokio::test]
async fn the_two_kinds_of_token_know_nothing_of_each_other() {
    let bench = Bench::start().await;
    let stable = bench.token().await;
    let path = format!("/cgi-bin/token?grant_type=client_credential&appid={}&secret={SECRET}", bench.app);
    let plain = async || bench.send(bench.get(&path)).await["access_token"].as_str().unwrap().to_owned();
    let (first, second) = (plain().await, plain().await);
    assert_ne!(first, second);
    assert_eq!(bench.errcode_under(&first).await, VALID, "the overlap");
    bench.clock.advance(Duration::from_secs(300));
    assert_eq!(bench.errcode_under(&first).await, 40001);
    assert_eq!(bench.errcode_under(&second).await, VALID);
    assert_eq!(bench.errcode_under(&stable).await, VALID);
    assert_eq!(bench.token().await, stable);
}

#[tokio::test]
async fn tokens_end_as_they_are_told() {
    let bench = Bench::start().await;
    assert_eq!(bench.errcode_under("").await, 41001);
    assert_eq!(bench.errcode_under("unheard-of").await, 40014);
    let first = bench.token().await;
    bench.simulator.overwrite_token(&bench.app);
    assert_eq!(bench.errcode_under(&first).await, 40001);
    let second = bench.token().await;
    assert_eq!(bench.errcode_under(&second).await, VALID);
    bench.simulator.expire_token(&bench.app);
    assert_eq!(bench.errcode_under(&second).await, 42001);
    assert_eq!(bench.errcode_under(&bench.token().await).await, VALID);
    bench.behave(Behaviour { token_lifetime_s: 60, ..Behaviour::default() });
    bench.simulator.overwrite_token(&bench.app);
    assert_eq!(bench.stable_token(&bench.app, false).await.1, 60);
}

#[tokio::test]
async fn who_asks_for_a_token_is_checked() {
    let bench = Bench::start().await;
    for (changed, errcode) in [
        (json!({ "grant_type": "password" }), 40002),
        (json!({ "appid": null }), 41002),
        (json!({ "appid": "wx9" }), 40013),
        (json!({ "secret": null }), 41004),
        (json!({ "secret": "wrong" }), 40125),
    ] {
        let mut body = json!({ "grant_type": "client_credential", "appid": bench.app, "secret": SECRET });
        change(&mut body, changed.clone());
        assert_eq!(bench.send(bench.post("/cgi-bin/stable_token", &body)).await["errcode"], errcode, "{changed}");
    }
}
