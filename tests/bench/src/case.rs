//! What is measured: one function with one kind of event, and what has to be there before each.

use std::error::Error;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::try_join_all;
use greenlight::bucket::media_key;
use greenlight::domain::clock::Clock;
use greenlight::domain::ids::{AppId, AuthorId, ModeratorName, OpenId, SubmissionId, UrlSecret};
use greenlight::domain::media::{MAX_MEDIUM_BYTES, MediaType};
use greenlight::domain::media_path::with_secret;
use greenlight::domain::moderator::{Moderator, Role};
use greenlight::domain::sha256::Sha256;
use greenlight::domain::submission::{Medium, NewSubmission, Paused, Retain, Scene, Submission};
use greenlight::domain::text::Content;
use greenlight::moderation::let_in::{enter, make_link};
use greenlight::wechat::envelope::{AesKey, seal, signature};
use greenlight_local::stack::TABLE;
use serde_json::{Value, json};

use crate::node;
use crate::world::{APP, PUSH_AES_KEY, PUSH_TOKEN, SERVER_KEY, TOLD, World, form, photo};

/// How many parts are due in one sweep.
pub const DUE: usize = 100;
/// How many submissions stand on a page of the console.
pub const ENTRIES: usize = 20;
/// A comment as people write it, of 140 characters.
pub const COMMENT: &str = "昨天和家人一起去了西湖，天气特别好，湖面上有很多小船，孩子们玩得非常开心。中午在湖边的小店吃了\
    片儿川和龙井虾仁，味道很不错，价格也公道。下午沿着苏堤慢慢走，看到很多人在拍照、放风筝、骑自行车。推荐大家周末的时候也去走走，\
    记得早一点出门，停车不太方便，坐地铁过去会更轻松一些。";

/// A function with one kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// A comment with its author's nickname.
    SubmitText,
    /// A line of text with one picture.
    SubmitImage,
    /// A JPEG of 200 KB, through wx.uploadFile.
    AcceptUpload,
    /// A verdict that settles a submission.
    ReceivePush,
    /// A new token.
    RefreshToken,
    /// [`DUE`] texts.
    Sweep,
    /// WeChat downloads a picture of 200 KB.
    ServeMedia,
    /// WeChat downloads sound of 10 MB.
    StreamMedia,
    /// One decision.
    PublishDecisions,
    /// A page of [`ENTRIES`] entries of the console.
    Console,
}

/// A picture of 200 KB.
fn photo_200_kb() -> Vec<u8> {
    photo(1_440, 1_000, false)
}

/// What a function URL hands to a function. (AWS Lambda: "Invoking Lambda function URLs", payload format 2.0.)
fn http_event(method: &Method, path_and_query: &str, headers: &[(&str, &str)], body: Option<(&[u8], bool)>) -> String {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let mut all = json!({
        "accept": "*/*", "accept-encoding": "gzip, deflate, br", "host": "id.lambda-url.us-east-1.on.aws",
        "user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) MicroMessenger/8.0.50",
        "x-amzn-trace-id": "Root=1-65f0a000-0123456789abcdef01234567", "x-forwarded-for": "203.0.113.7",
        "x-forwarded-port": "443", "x-forwarded-proto": "https",
    });
    if let Some(all) = all.as_object_mut() {
        all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    }
    let parameters: serde_json::Map<String, Value> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    let mut event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": all,
        "requestContext": {
            "accountId": "anonymous", "apiId": "id", "domainName": "id.lambda-url.us-east-1.on.aws",
            "domainPrefix": "id", "requestId": "1", "routeKey": "$default", "stage": "$default",
            "http": {
                "method": method.as_str(), "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7",
                "userAgent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) MicroMessenger/8.0.50",
            },
            "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 1_767_225_600_000_u64,
        },
        "isBase64Encoded": matches!(body, Some((_, true))),
    });
    if !parameters.is_empty() {
        event["queryStringParameters"] = Value::Object(parameters);
    }
    match body {
        Some((bytes, true)) => event["body"] = json!(STANDARD.encode(bytes)),
        Some((bytes, false)) => event["body"] = json!(String::from_utf8_lossy(bytes)),
        None => {}
    }
    event.to_string()
}

/// A request in JSON.
fn json_event(path: &str, session: &str, body: &Value) -> String {
    let bearer = format!("Bearer {session}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    http_event(&Method::POST, path, &headers, Some((body.to_string().as_bytes(), false)))
}

/// WeChat's push of a `pass`, sealed, as JSON.
pub fn push_event(trace_id: &str) -> Result<String, Box<dyn Error>> {
    let now = Clock::system().now().unix_seconds().to_string();
    let message = json!({
        "ToUserName": "gh_0123456789ab", "FromUserName": "o", "CreateTime": now.parse::<i64>()?, "MsgType": "event",
        "Event": "wxa_media_check", "appid": APP, "trace_id": trace_id, "version": 2, "errcode": 0, "errmsg": "ok",
        "detail": [{"strategy": "content_model", "errcode": 0, "suggest": "pass", "label": 100, "prob": 90}],
        "result": {"suggest": "pass", "label": 100},
    });
    let sealed = seal(&AesKey::parse(PUSH_AES_KEY)?, &[7; 16], message.to_string().as_bytes(), &AppId::parse(APP)?);
    let nonce = "486742183";
    let query = format!(
        "signature={}&timestamp={now}&nonce={nonce}&openid=o&encrypt_type=aes&msg_signature={}",
        signature(&[PUSH_TOKEN, &now, nonce]),
        signature(&[PUSH_TOKEN, &now, nonce, &sealed]),
    );
    let body = json!({"ToUserName": "gh_0123456789ab", "Encrypt": sealed}).to_string();
    let path = format!("/push/{APP}?{query}");
    Ok(http_event(&Method::POST, &path, &[("content-type", "application/json")], Some((body.as_bytes(), false))))
}

/// What the table's stream delivers of one decision that is to be told.
fn change_event(submission: &str, sk: &str, image: &Value) -> String {
    json!({"Records": [{
        "eventID": "1", "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/greenlight/stream/2026-01-01T00:00:00.000",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_767_225_600,
            "Keys": {"pk": {"S": format!("S#{submission}")}, "sk": {"S": sk}}, "NewImage": image,
            "SequenceNumber": "111", "SizeBytes": 26, "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    }]})
    .to_string()
}

/// What a schedule hands to a function.
fn schedule_event() -> String {
    json!({
        "version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.scheduler", "account": "123456789012",
        "time": "2026-01-01T00:00:00Z", "region": "us-east-1", "resources": [], "detail": "{}",
    })
    .to_string()
}

/// An attribute as the wire has it.
fn wire(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(number) => json!({"N": number}),
        _ => json!({"NULL": true}),
    }
}

impl Case {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::SubmitText,
        Self::SubmitImage,
        Self::AcceptUpload,
        Self::ReceivePush,
        Self::RefreshToken,
        Self::Sweep,
        Self::ServeMedia,
        Self::StreamMedia,
        Self::PublishDecisions,
        Self::Console,
    ];

    /// Its name in the report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SubmitText => "submit-content, text",
            Self::SubmitImage => "submit-content, picture",
            Self::AcceptUpload => "accept-upload, 200 KB",
            Self::ReceivePush => "receive-push",
            Self::RefreshToken => "refresh-token",
            Self::Sweep => "sweep-overdue, 100 due",
            Self::ServeMedia => "serve-media, 200 KB",
            Self::StreamMedia => "serve-media, 10 MB",
            Self::PublishDecisions => "publish-decisions",
            Self::Console => "serve-console, 20 entries",
        }
    }

    /// The function.
    #[must_use]
    pub fn function(self) -> &'static str {
        match self {
            Self::SubmitText | Self::SubmitImage => "submit-content",
            Self::AcceptUpload => "accept-upload",
            Self::ReceivePush => "receive-push",
            Self::RefreshToken => "refresh-token",
            Self::Sweep => "sweep-overdue",
            Self::ServeMedia | Self::StreamMedia => "serve-media",
            Self::PublishDecisions => "publish-decisions",
            Self::Console => "serve-console",
        }
    }

    /// Its handler as a Node developer would write it, if there is one.
    #[must_use]
    pub fn node(self) -> Option<&'static str> {
        matches!(self, Self::SubmitText | Self::ReceivePush).then(|| self.function())
    }

    /// How many warm invocations one start is good for.
    #[must_use]
    pub fn warm(self) -> usize {
        match self {
            Self::Sweep => 2,
            Self::StreamMedia => 1,
            _ => 20,
        }
    }

    /// The settings that it has and the others have not.
    #[must_use]
    pub fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::StreamMedia => &[("GREENLIGHT_INVOKE_MODE", "response_stream")],
            Self::PublishDecisions => &[("GREENLIGHT_SECRET", TOLD)],
            _ => &[],
        }
    }

    /// Makes ready what the next event is about.
    ///
    /// # Errors
    /// When something is not answered as it should be.
    pub async fn event(self, world: &World) -> Result<String, Box<dyn Error>> {
        match self {
            Self::SubmitText => {
                node::token(world).await?;
                let body = json!({"scene": "comment", "nickname": "西湖边的小明", "text": COMMENT});
                Ok(json_event("/v1/submissions", &world.session().await?, &body))
            }
            Self::SubmitImage => {
                let session = world.session().await?;
                let upload = world.uploaded(&session, &world.small_picture()).await?;
                let body = json!({
                    "scene": "social_log", "nickname": "西湖边的小明", "text": "西湖边的日落，手机随手拍的，大家看看怎么样？",
                    "media": [{"upload_id": upload}],
                });
                Ok(json_event("/v1/submissions", &session, &body))
            }
            Self::AcceptUpload => {
                let (content_type, body) = form(&photo_200_kb());
                let bearer = format!("Bearer {}", world.session().await?);
                let headers = [("authorization", bearer.as_str()), ("content-type", content_type.as_str())];
                Ok(http_event(&Method::POST, "/v1/uploads", &headers, Some((&body, true))))
            }
            Self::ReceivePush => {
                let (submission, trace_id) = world.downloaded().await?;
                node::submission(world, &submission, &trace_id).await?;
                push_event(&trace_id)
            }
            Self::RefreshToken => {
                let key = |value: &str| AttributeValue::S(value.to_owned());
                let delete = world.dynamodb.delete_item().table_name(TABLE);
                delete.key("pk", key(&format!("K#{APP}"))).key("sk", key("K")).send().await?;
                Ok(schedule_event())
            }
            Self::Sweep => {
                make_due(world).await?;
                Ok(schedule_event())
            }
            Self::ServeMedia => {
                let session = world.session().await?;
                let upload = world.uploaded(&session, &photo_200_kb()).await?;
                let (_, _, path) = world.checked(&session, &upload).await?;
                Ok(http_event(&Method::GET, &path, &[], None))
            }
            Self::StreamMedia => Ok(http_event(&Method::GET, &format!("/{}", long_sound(world).await?), &[], None)),
            Self::PublishDecisions => told_event(world).await,
            Self::Console => {
                let path = format!("/console/authors/{}", author_with_entries(world).await?);
                let headers = [("accept-language", "zh-CN"), ("cookie", &session_of_moderator(world).await?)];
                Ok(http_event(&Method::GET, &path, &headers, None))
            }
        }
    }

    /// Makes ready what a floor needs to do the same again, and hands it an HTTP request in the place of any other event. What
    /// is due it leaves due: nothing new is.
    ///
    /// # Errors
    /// As [`event`](Self::event).
    pub async fn floor_event(self, world: &World) -> Result<String, Box<dyn Error>> {
        match self {
            Self::Sweep => {}
            Self::RefreshToken | Self::PublishDecisions => drop(self.event(world).await?),
            _ => return self.event(world).await,
        }
        Ok(http_event(&Method::GET, "/", &[], None))
    }

    /// What is wrong with an answer, if anything is.
    #[must_use]
    pub fn fault(self, answer: &[u8]) -> Option<String> {
        let text = || String::from_utf8_lossy(answer.get(..answer.len().min(300)).unwrap_or_default()).into_owned();
        let json: Value = serde_json::from_slice(answer).unwrap_or_default();
        let status = json["statusCode"].as_u64();
        let is_right = match self {
            Self::SubmitText => {
                status == Some(201) && json["body"].as_str().is_some_and(|body| body.contains("approved"))
            }
            Self::SubmitImage | Self::AcceptUpload => status == Some(201),
            Self::ReceivePush => status == Some(200) && json["body"] == "success",
            Self::ServeMedia => status == Some(200) && answer.len() > 200_000,
            Self::StreamMedia => u64::try_from(answer.len()).is_ok_and(|length| length > MAX_MEDIUM_BYTES),
            Self::RefreshToken | Self::Sweep => json.is_null(),
            Self::Console => {
                let articles = json["body"].as_str().map_or(0, |page| page.matches("<article").count());
                status == Some(200) && articles == ENTRIES
            }
            Self::PublishDecisions => json == json!({"batchItemFailures": []}),
        };
        (!is_right).then(text)
    }
}

/// An author of so many comments.
async fn author_with_entries(world: &World) -> Result<AuthorId, Box<dyn Error>> {
    let (app, openid) = (AppId::parse(APP)?, OpenId::parse("oWhoWritesMuch")?);
    let author = AuthorId::of(&app, &openid);
    let written = world.table.by_author(&app, &author, None, ENTRIES).await?.entries.len();
    for _ in written..ENTRIES {
        let body = json!({"scene": "comment", "nickname": "西湖边的小明", "text": COMMENT, "openid": openid.as_str()});
        world.post(&world.functions, "/v1/submissions", SERVER_KEY, &body).await?.json(201)?;
    }
    Ok(author)
}

/// The cookie of a moderator who is in.
async fn session_of_moderator(world: &World) -> Result<String, Box<dyn Error>> {
    let (app, name) = (AppId::parse(APP)?, ModeratorName::parse("李雷")?);
    let (moderator, clock) = (Moderator { app, name, role: Role::Lead }, Clock::system());
    let (link, _) = make_link(&world.table, &clock, &moderator, None).await?;
    let entered = enter(&world.table, &clock, &link).await?.ok_or("the link is good")?;
    Ok(format!("__Host-greenlight={}", entered.session.expose()))
}

/// Texts that WeChat was too busy to check ten minutes ago.
async fn make_due(world: &World) -> Result<(), Box<dyn Error>> {
    world.wechat.be_busy(true);
    let texts = (0..DUE).map(async |_| {
        let openid = format!("o{:027}", world.number());
        let body = json!({"scene": "comment", "nickname": "西湖边的小明", "text": COMMENT, "openid": openid});
        world.post(&world.past, "/v1/submissions", SERVER_KEY, &body).await?.json(201).map(drop)
    });
    let made = try_join_all(texts).await;
    world.wechat.be_busy(false);
    made.map(drop)
}

/// A submission of ten megabytes of sound, and the path that WeChat was given.
async fn long_sound(world: &World) -> Result<String, Box<dyn Error>> {
    let bytes = Bytes::from(vec![0x55; usize::try_from(MAX_MEDIUM_BYTES)?]);
    let medium = Medium {
        media_type: MediaType::Mp3,
        sha256: Sha256::of(&bytes),
        size: MAX_MEDIUM_BYTES,
        author_secret: UrlSecret::random(),
        dimensions: None,
        look: None,
        ai_label: None,
    };
    let new = NewSubmission {
        id: SubmissionId::random(),
        app: AppId::parse(APP)?,
        openid: OpenId::parse("o0")?,
        scene: Scene::Forum,
        content: Content::default(),
        media: vec![medium.clone()],
        channel: None,
        metadata: None,
        external_id: None,
        tells: false,
        replaces: None,
        reply_to: None,
        context: None,
        retain: Retain::Always,
        vouched: false,
        request_hash: None,
    };
    let now = Clock::system().now();
    let mut submission = Submission::new(new, now);
    let checks = submission.begin_checks(Paused::default(), now, |_| true);
    let secret = checks.first().and_then(|check| check.secret.clone()).ok_or("no check was begun")?;
    let key = media_key(&submission.id, 0, &medium);
    world.bucket.put(&key, bytes, medium.sha256, medium.media_type).await?;
    world.table.commit(None, &mut submission, &[]).await?;
    Ok(with_secret(&submission.id, 0, &secret, medium.media_type))
}

/// A decision that is to be told, as the stream delivers it.
async fn told_event(world: &World) -> Result<String, Box<dyn Error>> {
    let openid = format!("o{:027}", world.number());
    let body = json!({"scene": "comment", "nickname": "西湖边的小明", "text": COMMENT, "openid": openid});
    let submission = world.post(&world.told, "/v1/submissions", SERVER_KEY, &body).await?.json(201)?;
    let id = submission["id"].as_str().ok_or("no id")?;
    let query = world
        .dynamodb
        .query()
        .table_name(TABLE)
        .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
        .expression_attribute_values(":pk", AttributeValue::S(format!("S#{id}")))
        .expression_attribute_values(":sk", AttributeValue::S("O#".to_owned()));
    let item = query.send().await?.items.unwrap_or_default().into_iter().next().ok_or("nothing is to be told")?;
    let sk = item.get("sk").and_then(|sk| sk.as_s().ok()).ok_or("no sk")?.clone();
    let image: serde_json::Map<String, Value> = item.iter().map(|(name, value)| (name.clone(), wire(value))).collect();
    Ok(change_event(id, &sk, &Value::Object(image)))
}
