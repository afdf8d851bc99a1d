//! The owner's server stands first and forwards pushes, as the READMEs show it.

use greenlight::wechat::envelope::{AesKey, seal, signature};
use greenlight_tests::pictures::{GREEN, picture};
use greenlight_tests::world::{World, app_id, push_aes_key, push_token};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use crate::script::Script;

const ENGLISH: &str = include_str!("../../README.md");
const CHINESE: &str = include_str!("../../README.zh-CN.md");

/// The block in a language that forwards pushes.
fn shown(readme: &'static str, language: &str) -> &'static str {
    let begins = format!("\n```{language}\n");
    let blocks = readme.split(&begins).skip(1);
    let mut blocks = blocks.map(|block| block.split("\n```").next().expect("a closed block"));
    blocks.find(|block| block.contains("GREENLIGHT_PUSH_URL") || block.contains("GREENLIGHT +")).expect(language)
}

#[test]
fn forwarding_takes_ten_lines_and_is_the_same_in_both_languages() {
    for language in ["js", "java", "php"] {
        assert!(shown(ENGLISH, language).lines().count() <= 10, "{language}");
        assert_eq!(shown(ENGLISH, language), shown(CHINESE, language));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_owners_server_forwards_in_node_is_taken() {
    let world = World::start().await;
    let folder = TempDir::new().unwrap();
    let greenlight = format!("{}/push/{}", world.url, app_id(0));
    let environment = [("GREENLIGHT_PUSH_URL", greenlight.as_str()), ("PORT", "0")];
    let mut forwarder = Script::start(folder.path(), shown(ENGLISH, "js"), &environment);
    let url = forwarder.url();

    // What WeChat asks when the URL is saved.
    let (token, timestamp, nonce) = (push_token(0), "1714036504", "1514711492");
    let signed = signature(&[&token, timestamp, nonce]);
    let query = format!("signature={signed}&echostr=4375120948345356249&timestamp={timestamp}&nonce={nonce}");
    let echo = world.send(world.http.get(format!("{url}/any/path?{query}"))).await.expect(200);
    assert_eq!(&echo.bytes[..], b"4375120948345356249");

    // One who hangs up in the middle ends nothing.
    let mut broken = tokio::net::TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    broken.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf").await.unwrap();
    drop(broken);

    // A verdict, and one that nobody signed.
    let alice = world.log_in("alice").await;
    world.behave(json!({"hold_pushes": true}));
    let id = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    let trace_id = world.simulator.checks().last().unwrap().trace_id.clone().unwrap();
    let message = format!(
        "<xml><MsgType>event</MsgType><Event>wxa_media_check</Event><CreateTime>1</CreateTime><appid>{}</appid>\
         <trace_id>{trace_id}</trace_id><version>2</version><errcode>0</errcode>\
         <result><suggest>pass</suggest><label>100</label></result></xml>",
        app_id(0)
    );
    let aes_key = AesKey::parse(&push_aes_key(0)).unwrap();
    let encrypted = seal(&aes_key, b"0123456789abcdef", message.as_bytes(), &app_id(0));
    let query = |signature: &str| {
        format!("timestamp={timestamp}&nonce={nonce}&openid=o%2B1&encrypt_type=aes&msg_signature={signature}")
    };
    let body = format!("<xml><ToUserName>gh_1</ToUserName><Encrypt>{encrypted}</Encrypt></xml>");
    let push = async |query: String| {
        let request = world.http.post(format!("{url}/?{query}")).header("content-type", "text/xml").body(body.clone());
        world.send(request).await
    };
    push(query("0123456789012345678901234567890123456789")).await.expect(401);
    assert_eq!(world.state(&id).await, "pending");
    let taken = push(query(&signature(&[&token, timestamp, nonce, &encrypted]))).await.expect(200);
    assert_eq!(&taken.bytes[..], b"success");
    assert_eq!(world.state(&id).await, "approved");
}
