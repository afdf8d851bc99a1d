//! A WeChat that shares nothing with Greenlight or its simulator: written from WeChat's public pages alone.
//!
//! It is a server on bare sockets, and differs from the simulator wherever the pages leave room: other orders of keys,
//! fields that nobody knows, `errcode` 0 in every success, trace ids without hyphens, answers as `text/plain` in small
//! chunks, a token of 512 characters of every kind that is good for 345 seconds, an openid of another form. It pushes
//! when it is told to, with an encryption of its own. It stands for the owner's domain too: what comes in under
//! `/green/light` is passed on to the run behind it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aes::Aes256;
use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use greenlight::domain::clock::Clock;
use greenlight::outbound::Outbound;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::run::{PATIENCE, Run};

pub(crate) const APP: &str = "wx8f16a5be77871234";
pub(crate) const APP_SECRET: &str = "6f1ed002ab5595859014ebf0951522d9";
pub(crate) const SERVER_KEY: &str = "owner-key-0123456789";
pub(crate) const DECISION_KEY: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
pub(crate) const OPENID: &str = "o4_t144jTUSEoxydysUA2E234_tc";
/// The example of 消息推送 has this form; the last character of the key carries bits that mean nothing.
pub(crate) const PUSH_TOKEN: &str = "AAAAA";
pub(crate) const PUSH_AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A media check that was taken, and what was downloaded for it.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) trace_id: String,
    pub(crate) media_url: String,
    pub(crate) bytes: Vec<u8>,
}

struct State {
    address: String,
    http: reqwest::Client,
    behind: Mutex<String>,
    seen: watch::Sender<Vec<Seen>>,
    checked: watch::Sender<Vec<Checked>>,
    /// Text checks are not answered while it stands.
    texts_held: watch::Sender<bool>,
}

#[derive(Clone)]
pub(crate) struct FakeWeChat(Arc<State>);

/// 512 characters, among them all that mean something in a URL.
pub(crate) fn token() -> String {
    let mut token = "57_-~.|!*'();:@&=+$,/?%#[]\\\"<> {}^`".repeat(15);
    token.truncate(512);
    token
}

fn decoded(query: &str) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("http://x/?{query}")).unwrap();
    url.query_pairs().into_owned().collect()
}

impl FakeWeChat {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let http = Outbound::new(None).and_then(|outbound| outbound.aws_client()).unwrap();
        let fake = Self(Arc::new(State {
            address,
            http,
            behind: Mutex::default(),
            seen: watch::Sender::default(),
            checked: watch::Sender::default(),
            texts_held: watch::Sender::default(),
        }));
        let serving = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let fake = serving.clone();
                tokio::spawn(async move { fake.serve(stream).await });
            }
        });
        fake
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// Where WeChat and readers reach the run.
    pub(crate) fn public_url(&self) -> String {
        format!("{}/green/light", self.url())
    }

    /// All the flags that put a run in front of this WeChat.
    pub(crate) fn flags(&self) -> Vec<String> {
        let (decisions, relay) = (format!("{}/owner/decisions", self.url()), format!("{}/owner/relay", self.url()));
        [
            ("--wechat-url", self.url().as_str()),
            ("--public-url", &self.public_url()),
            ("--app-id", APP),
            ("--app-secret", APP_SECRET),
            ("--push-token", PUSH_TOKEN),
            ("--push-aes-key", PUSH_AES_KEY),
            ("--server-key", SERVER_KEY),
            ("--decision-url", &decisions),
            ("--decision-key", DECISION_KEY),
            ("--relay-url", &relay),
            ("--listen", "127.0.0.1"),
            ("--port", "0"),
        ]
        .into_iter()
        .flat_map(|(flag, value)| [flag.to_owned(), value.to_owned()])
        .collect()
    }

    /// Starts a run with `--data data` in front of this WeChat, which stands before it.
    pub(crate) fn run_with(&self, data: &str) -> Run {
        let flags = self.flags();
        let mut flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        flags.extend(["--data", data]);
        let run = Run::start(&flags);
        self.stands_before(&run.url);
        run
    }

    /// Passes on what comes in for the owner's domain to this run.
    pub(crate) fn stands_before(&self, url: &str) {
        url.clone_into(&mut self.0.behind.lock().unwrap());
    }

    /// The requests to a path.
    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        self.0.seen.borrow().iter().filter(|seen| seen.path == path).cloned().collect()
    }

    /// The first decision that the owner's server is told of.
    pub(crate) async fn told(&self) -> Seen {
        let mut seen = self.0.seen.subscribe();
        let is_telling = |seen: &Seen| seen.path == "/owner/decisions";
        let told = tokio::time::timeout(PATIENCE, seen.wait_for(|all| all.iter().any(is_telling))).await;
        told.expect("a decision is told").unwrap().iter().find(|seen| is_telling(seen)).unwrap().clone()
    }

    /// Answers no text check from now on, or all of them.
    pub(crate) fn hold_texts(&self, hold: bool) {
        self.0.texts_held.send_replace(hold);
    }

    /// Returns once a request to `path` has come in.
    pub(crate) async fn is_asked(&self, path: &str) {
        let mut seen = self.0.seen.subscribe();
        let asked = seen.wait_for(|all| all.iter().any(|seen| seen.path == path));
        tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("{path} is not asked")).unwrap();
    }

    /// The media check of that number, once its medium was downloaded.
    pub(crate) async fn checked(&self, number: usize) -> Checked {
        let mut checked = self.0.checked.subscribe();
        let downloaded = checked.wait_for(|checked| checked.len() > number);
        let downloaded = tokio::time::timeout(PATIENCE, downloaded).await;
        downloaded.unwrap_or_else(|_| panic!("medium {number} was not downloaded")).unwrap()[number].clone()
    }

    async fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        if let Some(path) = target.strip_prefix("/green/light") {
            return self.pass_on(stream, path).await;
        }
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let seen = Seen { method, path: path.to_owned(), query: decoded(query), headers, body };
        let answer = self.answer(&seen);
        let is_text = path == "/wxa/msg_sec_check";
        self.0.seen.send_modify(|all| all.push(seen));
        if is_text {
            self.0.texts_held.subscribe().wait_for(|held| !held).await.ok()?;
        }
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await.ok()?;
        for chunk in answer.as_bytes().chunks(37) {
            stream.write_all(format!("{:X};odd=yes\r\n", chunk.len()).as_bytes()).await.ok()?;
            stream.write_all(chunk).await.ok()?;
            stream.write_all(b"\r\n").await.ok()?;
            // A slow line: what waits for whole answers must wait for all of their pieces.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stream.write_all(b"0\r\n\r\n").await.ok()
    }

    async fn pass_on(&self, mut stream: BufReader<TcpStream>, path: &str) -> Option<()> {
        let url = format!("{}{path}", self.0.behind.lock().unwrap());
        let answer = self.0.http.get(url).send().await.ok()?;
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.ok()?;
        let head =
            format!("HTTP/1.1 {status} Passed On\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", bytes.len());
        stream.write_all(head.as_bytes()).await.ok()?;
        stream.write_all(&bytes).await.ok()
    }

    fn answer(&self, seen: &Seen) -> String {
        match seen.path.as_str() {
            "/cgi-bin/stable_token" => {
                let token = serde_json::to_string(&token()).unwrap();
                format!(r#"{{"expires_in":345, "zone":"sh", "access_token":{token}}}"#)
            }
            "/sns/jscode2session" => {
                format!(
                    r#"{{"errmsg":"","unionid":"o6_bmasdasdsad6","openid":"{OPENID}","errcode":0,"session_key":"x=="}}"#
                )
            }
            "/wxa/msg_sec_check" => {
                let bad = seen.json()["content"].as_str().unwrap_or_default().contains("赌");
                let (suggest, label) = if bad { ("risky", 20006) } else { ("pass", 100) };
                // As the page has it: a label of one strategy may differ, and most of its fields may be absent.
                format!(
                    "{{ \"detail\" : [ {{\"strategy\":\"keyword\",\"errcode\":0}}, {{\"prob\":90, \"label\":20001, \
                     \"suggest\":\"{suggest}\", \"level\":20, \"strategy\":\"content_model\", \"errcode\":0}} ],\n\
                     \"trace_id\":\"6126f0bd5f8b4b3ab1ce20d3b2e3a5f0\", \"cost_ms\":3,\n\
                     \"result\" : {{\"label\":{label},\"suggest\":\"{suggest}\",\"extra\":null}}, \"errmsg\":\"ok\", \"errcode\":0 }}"
                )
            }
            "/wxa/media_check_async" => {
                let media_url = seen.json()["media_url"].as_str().unwrap_or_default().to_owned();
                let number = self.0.seen.borrow().len();
                let trace_id = format!("{number:032x}");
                let answer =
                    format!("{{\n  \"trace_id\": \"{trace_id}\",\n  \"errmsg\": \"ok\",\n  \"errcode\": 0\n}}\n");
                let fake = self.clone();
                tokio::spawn(async move {
                    let bytes =
                        fake.0.http.get(&media_url).send().await.ok()?.error_for_status().ok()?.bytes().await.ok()?;
                    let checked = Checked { trace_id, media_url, bytes: bytes.to_vec() };
                    fake.0.checked.send_modify(|all| all.push(checked));
                    Some(())
                });
                answer
            }
            // The owner's own server.
            "/owner/decisions" => String::new(),
            "/owner/relay" => "the owner's reply".to_owned(),
            _ => r#"{"errcode":40066,"errmsg":"invalid url rid: 00000000-00000000-00000000"}"#.to_owned(),
        }
    }

    /// The event of the documentation, as XML.
    pub(crate) fn as_xml(&self, checked: &Checked, suggest: &str, label: u32) -> String {
        format!(
            "<xml><ToUserName><![CDATA[gh_6e306981e699]]></ToUserName><FromUserName><![CDATA[{OPENID}]]></FromUserName>\n\
             <CreateTime>{}</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[wxa_media_check]]></Event>\n\
             <appid>{APP}</appid><unknown><a>1</a></unknown><trace_id>{}</trace_id><version>2</version>\n\
             <detail><strategy>content_model</strategy><errcode>0</errcode><suggest>{suggest}</suggest><label>{label}\
             </label><prob>90</prob></detail>\n<detail><errcode>0</errcode><strategy>keyword</strategy></detail>\n\
             <errcode>0</errcode><errmsg><![CDATA[ok]]></errmsg><result><suggest><![CDATA[{suggest}]]></suggest>\
             <label>{label}</label></result></xml>",
            Clock::system().now().unix_seconds(),
            checked.trace_id,
        )
    }

    /// The same as JSON.
    pub(crate) fn as_json(&self, checked: &Checked, suggest: &str, label: u32) -> String {
        json!({
            "trace_id": checked.trace_id, "version": 2, "appid": APP, "MsgType": "event", "Event": "wxa_media_check",
            "CreateTime": Clock::system().now().unix_seconds(), "FromUserName": OPENID, "ToUserName": "gh_9df7d78a1234",
            "result": {"label": label, "suggest": suggest}, "errcode": 0, "errmsg": "ok", "detail": [], "unknown": [1],
        })
        .to_string()
    }

    /// Pushes a message in security mode, in the format that it has; the status and the answer.
    pub(crate) async fn push(&self, message: &str) -> (u16, String) {
        self.push_signed(message, PUSH_TOKEN).await
    }

    /// The same, signed with any token.
    pub(crate) async fn push_signed(&self, message: &str, token: &str) -> (u16, String) {
        let encrypted = encrypted(message);
        let (timestamp, nonce) = (Clock::system().now().unix_seconds().to_string(), "415670741");
        let body = if message.starts_with('<') {
            format!("<xml>\n<Encrypt>{encrypted}</Encrypt>\n<ToUserName><![CDATA[gh_1]]></ToUserName></xml>")
        } else {
            format!("{{\"Encrypt\": {}, \"ToUserName\": \"gh_1\"}}", json!(encrypted))
        };
        let query = format!(
            "encrypt_type=aes&msg_signature={}&openid={OPENID}&nonce={nonce}&timestamp={timestamp}&signature={}",
            signed(&[token, &timestamp, nonce, &encrypted]),
            signed(&[token, &timestamp, nonce]),
        );
        let url = format!("{}/push/{APP}?{query}", self.0.behind.lock().unwrap());
        let request = self.0.http.post(url).header("content-type", "text/plain").body(body);
        let answer = request.timeout(Duration::from_secs(5)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Asks, as WeChat's console does when the URL is saved.
    pub(crate) async fn verify(&self) -> String {
        let (timestamp, nonce, echo) = ("1714036504", "1514711492", "4375120948345356249");
        let signature = signed(&[PUSH_TOKEN, timestamp, nonce]);
        let query = format!("signature={signature}&echostr={echo}&timestamp={timestamp}&nonce={nonce}");
        let answer = self.0.http.get(format!("{}/push/{APP}?{query}", self.public_url())).send().await.unwrap();
        let text = answer.text().await.unwrap();
        assert_eq!(text, echo);
        text
    }
}

fn signed(parts: &[&str]) -> String {
    let mut parts = parts.to_vec();
    parts.sort_unstable();
    Sha1::digest(parts.concat()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 消息推送: AES-256-CBC over random(16), the length, the message and the app id, filled up to 32.
fn encrypted(message: &str) -> String {
    let lenient = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    let lenient = GeneralPurpose::new(&base64::alphabet::STANDARD, lenient);
    let key: [u8; 32] = lenient.decode(format!("{PUSH_AES_KEY}=")).unwrap().try_into().unwrap();
    let vector: [u8; 16] = key[..16].try_into().unwrap();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let mut plain = [b"0123456789abcdef", length.as_slice(), message.as_bytes(), APP.as_bytes()].concat();
    let fill = 32 - plain.len() % 32;
    plain.extend(std::iter::repeat_n(u8::try_from(fill).unwrap(), fill));
    let cipher = cbc::Encryptor::<Aes256>::new(&key.into(), &vector.into());
    STANDARD.encode(cipher.encrypt_padded_vec::<NoPadding>(&plain))
}
