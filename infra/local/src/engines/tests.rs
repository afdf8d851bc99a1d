//! The engines, asked over the wire: what AWS promises and Greenlight rests on.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use data_encoding::{BASE64, HEXLOWER};
use greenlight::domain::clock::Clock;
use s3s::crypto::{Checksum, Sha256};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::secrets_manager::SharedSecrets;
use super::{Engine, dynamodb, s3, secrets_manager};
use crate::durable::Durability;

const ACCESS_KEY: &str = "local";
const SECRET_KEY: &str = "not-so-secret";

async fn port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// One request on one connection: no client stands between the test and what goes over the wire.
async fn ask(engine: &Engine, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let address = engine.url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).await.unwrap();
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\nconnection: close\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    connection.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    let split = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let headers = String::from_utf8(answer[..split].to_vec()).unwrap();
    let status = headers[9..12].parse().unwrap();
    let mut answer = Answer { status, headers, body: answer[split + 4..].to_vec() };
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = joined(&answer.body);
    }
    answer
}

/// The bytes of a body that came in chunks.
fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|window| window == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&chunks[end + 2..end + 2 + length]);
        chunks = &chunks[end + 2 + length + 2..];
    }
}

// DynamoDB

async fn table_says(engine: &Engine, action: &str, request: &Value) -> Answer {
    let target = format!("DynamoDB_20120810.{action}");
    let headers = [
        ("x-amz-target", target.as_str()),
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-date", "20260101T000000Z"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=a/20260101/r/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
        ),
    ];
    ask(engine, "POST", "/", &headers, request.to_string().as_bytes()).await
}

/// A table with a keys-only index on `queue_pk` and `queue_sk`, as Greenlight's is.
async fn with_table(engine: &Engine) {
    let string = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let keys = |hash: &str, range: &str| json!([{"AttributeName": hash, "KeyType": "HASH"}, {"AttributeName": range, "KeyType": "RANGE"}]);
    let request = json!({
        "TableName": "table", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [string("pk"), string("sk"), string("queue_pk"), string("queue_sk")],
        "KeySchema": keys("pk", "sk"),
        "GlobalSecondaryIndexes": [{
            "IndexName": "queue", "KeySchema": keys("queue_pk", "queue_sk"),
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }],
    });
    table_says(engine, "CreateTable", &request).await.json();
}

async fn put_item(engine: &Engine, pk: &str, text: &str, queue: Option<&str>) -> Value {
    let mut item = json!({"pk": {"S": pk}, "sk": {"S": "S"}, "text": {"S": text}});
    if let Some(queue) = queue {
        item["queue_pk"] = json!({"S": "due#0"});
        item["queue_sk"] = json!({"S": queue});
    }
    let request = json!({"TableName": "table", "Item": item, "ReturnConsumedCapacity": "INDEXES"});
    table_says(engine, "PutItem", &request).await.json()["ConsumedCapacity"].clone()
}

async fn item_text(engine: &Engine, pk: &str) -> Option<String> {
    let request = json!({"TableName": "table", "Key": {"pk": {"S": pk}, "sk": {"S": "S"}}, "ConsistentRead": true});
    let answer = table_says(engine, "GetItem", &request).await.json();
    answer["Item"]["text"]["S"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn an_index_costs_what_aws_bills() {
    let (engine, _) = dynamodb::start(port().await, None).await.unwrap();
    with_table(&engine).await;
    let on_index =
        |capacity: &Value| capacity["GlobalSecondaryIndexes"]["queue"]["CapacityUnits"].as_f64().unwrap_or(0.0);

    let outside = put_item(&engine, "S#1", "a", None).await;
    assert_eq!((outside["CapacityUnits"].as_f64(), on_index(&outside)), (Some(1.0), 0.0));
    let entered = put_item(&engine, "S#1", "b", Some("1")).await;
    assert_eq!((entered["CapacityUnits"].as_f64(), on_index(&entered)), (Some(2.0), 1.0));
    let unchanged = put_item(&engine, "S#1", "c", Some("1")).await;
    assert_eq!((unchanged["CapacityUnits"].as_f64(), on_index(&unchanged)), (Some(1.0), 0.0));
    let moved = put_item(&engine, "S#1", "d", Some("2")).await;
    assert_eq!((moved["CapacityUnits"].as_f64(), on_index(&moved)), (Some(3.0), 2.0));
    let left = put_item(&engine, "S#1", "e", None).await;
    assert_eq!((left["CapacityUnits"].as_f64(), on_index(&left)), (Some(2.0), 1.0));
    let larger = put_item(&engine, "S#1", &"e".repeat(1024), None).await;
    assert_eq!(larger["CapacityUnits"].as_f64(), Some(2.0));
}

#[tokio::test]
async fn a_table_in_a_file_is_there_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let (engine, _) = dynamodb::start(port().await, Some(data.path())).await.unwrap();
    with_table(&engine).await;
    put_item(&engine, "S#1", "kept", None).await;
    engine.stop().await;

    let (engine, _) = dynamodb::start(port().await, Some(data.path())).await.unwrap();
    assert_eq!(item_text(&engine, "S#1").await.as_deref(), Some("kept"));
}

#[tokio::test]
async fn a_stream_keeps_its_last_records_and_finds_the_last_by_an_index() {
    let data = tempfile::tempdir().unwrap();
    let (engine, _) = dynamodb::start(port().await, Some(data.path())).await.unwrap();
    with_table(&engine).await;
    let stream = json!({"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"});
    table_says(&engine, "UpdateTable", &json!({"TableName": "table", "StreamSpecification": stream})).await.json();
    for batch in 0..408 {
        let put = |n| json!({"PutRequest": {"Item": {"pk": {"S": format!("{batch}-{n}")}, "sk": {"S": "S"}}}});
        let puts: Vec<Value> = (0..25).map(put).collect();
        table_says(&engine, "BatchWriteItem", &json!({"RequestItems": {"table": puts}})).await.json();
    }
    let database = rusqlite::Connection::open(data.path().join(dynamodb::FILE)).unwrap();
    let number = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(number("SELECT MAX(id) FROM _stream_records"), 408 * 25);
    assert_eq!(number("SELECT COUNT(*) FROM _stream_records"), 10_000);
    let plan =
        "EXPLAIN QUERY PLAN SELECT MAX(CAST(sequence_number AS INTEGER)) FROM _stream_records WHERE table_name = 't'";
    let plan: String = database.query_row(plan, [], |row| row.get(3)).unwrap();
    assert!(plan.contains("greenlight_stream"), "{plan}");
}

#[tokio::test]
async fn what_has_expired_is_deleted() {
    let data = tempfile::tempdir().unwrap();
    let (engine, upkeep) = dynamodb::start(port().await, Some(data.path())).await.unwrap();
    with_table(&engine).await;
    let expiry = json!({"Enabled": true, "AttributeName": "expires_at"});
    let request = json!({"TableName": "table", "TimeToLiveSpecification": expiry});
    table_says(&engine, "UpdateTimeToLive", &request).await.json();
    put_item(&engine, "S#kept", "kept", None).await;
    let expired =
        json!({"pk": {"S": "S#old"}, "sk": {"S": "S"}, "text": {"S": "old"}, "expires_at": {"N": "1700000000"}});
    table_says(&engine, "PutItem", &json!({"TableName": "table", "Item": expired})).await.json();
    assert_eq!(upkeep.delete_expired().unwrap(), 1);
    assert_eq!(
        (item_text(&engine, "S#old").await, item_text(&engine, "S#kept").await),
        (None, Some("kept".to_owned()))
    );
}

#[tokio::test]
async fn a_stopped_engine_answers_no_more() {
    let (engine, _) = dynamodb::start(port().await, None).await.unwrap();
    let address = engine.url.strip_prefix("http://").unwrap().to_owned();
    engine.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
}

// S3

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let hash = |parts: &[&[u8]]| {
        let mut hash = Sha256::default();
        parts.iter().for_each(|part| hash.update(part));
        Vec::from(hash.finalize())
    };
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let (inner, outer) = (block.map(|byte| byte ^ 0x36), block.map(|byte| byte ^ 0x5c));
    hash(&[&outer, &hash(&[&inner, message])])
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    let mut hash = Sha256::default();
    hash.update(bytes);
    Vec::from(hash.finalize())
}

/// Now, as AWS writes it: `20261122T063000Z`.
fn amz_date() -> String {
    let now = Clock::system().now().to_string();
    format!("{}Z", &now.replace(['-', ':'], "")[..15])
}

fn signature(date: &str, text: &str) -> String {
    let key = hmac(format!("AWS4{SECRET_KEY}").as_bytes(), &date.as_bytes()[..8]);
    let key = ["us-east-1", "s3", "aws4_request"].iter().fold(key, |key, word| hmac(&key, word.as_bytes()));
    HEXLOWER.encode(&hmac(&key, text.as_bytes()))
}

/// A signed request; `headers` have lower-case names and stand in the order of the alphabet.
async fn bucket_says(engine: &Engine, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let date = amz_date();
    let host = engine.url.strip_prefix("http://").unwrap();
    let mut signed: Vec<(&str, &str)> =
        vec![("host", host), ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("x-amz-date", &date)];
    signed.extend_from_slice(headers);
    signed.sort_unstable();
    let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let (path_only, query) = path.split_once('?').unwrap_or((path, ""));
    let canonical = format!("{method}\n{path_only}\n{query}\n{lines}\n{names}\nUNSIGNED-PAYLOAD");
    let scope = format!("{}/us-east-1/s3/aws4_request", &date[..8]);
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", HEXLOWER.encode(&sha256(canonical.as_bytes())));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={names}, Signature={}",
        signature(&date, &to_sign)
    );
    let mut sent = signed.clone();
    sent.retain(|(name, _)| *name != "host");
    sent.push(("authorization", &authorization));
    ask(engine, method, path, &sent, body).await
}

async fn bucket(data: &Path) -> Engine {
    s3::start(port().await, data, ACCESS_KEY, SECRET_KEY, &["bucket"], Durability::Synced).await.unwrap().0
}

#[tokio::test]
async fn an_object_is_put_read_copied_and_deleted() {
    let data = tempfile::tempdir().unwrap();
    let engine = bucket(data.path()).await;
    let checksum = BASE64.encode(&sha256(b"picture"));
    let headers = [("content-type", "image/png"), ("x-amz-checksum-sha256", checksum.as_str())];
    assert_eq!(bucket_says(&engine, "PUT", "/bucket/unclaimed/1", &headers, b"picture").await.status, 200);

    let copy = [("x-amz-copy-source", "bucket/unclaimed/1")];
    let copied = bucket_says(&engine, "PUT", "/bucket/media/1", &copy, b"").await;
    assert_eq!(copied.status, 200, "{}", copied.text());
    assert_eq!(bucket_says(&engine, "DELETE", "/bucket/unclaimed/1", &[], b"").await.status, 204);
    assert_eq!(bucket_says(&engine, "GET", "/bucket/unclaimed/1", &[], b"").await.status, 404);

    let read = bucket_says(&engine, "GET", "/bucket/media/1", &[], b"").await;
    assert_eq!((read.status, read.text().as_str()), (200, "picture"));
    let range = bucket_says(&engine, "GET", "/bucket/media/1", &[("range", "bytes=1-3")], b"").await;
    assert_eq!((range.status, range.text().as_str()), (206, "ict"));
    assert_eq!(range.header("content-range"), Some("bytes 1-3/7"));
    let beyond = bucket_says(&engine, "GET", "/bucket/media/1", &[("range", "bytes=7-")], b"").await;
    assert_eq!(beyond.status, 416, "{}", beyond.text());
    let folder = bucket_says(&engine, "GET", "/bucket/media", &[], b"").await;
    assert_eq!(folder.status, 404, "{}", folder.text());
    let missing = bucket_says(&engine, "PUT", "/bucket/media/2", &copy, b"").await;
    assert_eq!(missing.status, 404, "{}", missing.text());
}

#[tokio::test]
async fn an_object_with_a_wrong_checksum_never_appears() {
    let data = tempfile::tempdir().unwrap();
    let engine = bucket(data.path()).await;
    let checksum = BASE64.encode(&sha256(b"good"));
    let headers = [("x-amz-checksum-sha256", checksum.as_str())];
    assert_eq!(bucket_says(&engine, "PUT", "/bucket/k", &headers, b"good").await.status, 200);
    let refused = bucket_says(&engine, "PUT", "/bucket/k", &headers, b"evil").await;
    assert!(refused.status == 400 && refused.text().contains("BadDigest"), "{}", refused.text());
    assert_eq!(bucket_says(&engine, "GET", "/bucket/k", &[], b"").await.text(), "good");
}

#[tokio::test]
async fn an_object_is_made_only_where_none_is_and_in_a_bucket_only() {
    let data = tempfile::tempdir().unwrap();
    let engine = bucket(data.path()).await;
    let new = [("if-none-match", "*")];
    assert_eq!(bucket_says(&engine, "PUT", "/bucket/k", &new, b"1").await.status, 200);
    assert_eq!(bucket_says(&engine, "PUT", "/bucket/k", &new, b"2").await.status, 412);
    assert_eq!(bucket_says(&engine, "GET", "/bucket/k", &[], b"").await.text(), "1");
    assert_eq!(bucket_says(&engine, "PUT", "/elsewhere/k", &[], b"1").await.status, 404);
}

#[tokio::test]
async fn who_does_not_sign_gets_nothing() {
    let data = tempfile::tempdir().unwrap();
    let engine = bucket(data.path()).await;
    assert_eq!(ask(&engine, "GET", "/bucket/k", &[], b"").await.status, 403);
    assert_eq!(ask(&engine, "PUT", "/bucket/k", &[], b"x").await.status, 403);
}

/// The fields of an upload form for `incoming/1`, of 1 to 8 bytes, that is good for `minutes`.
fn form_fields(minutes: u64) -> Vec<(&'static str, String)> {
    let date = amz_date();
    let credential = format!("{ACCESS_KEY}/{}/us-east-1/s3/aws4_request", &date[..8]);
    let expiration = Clock::system().now().plus(std::time::Duration::from_secs(60 * minutes)).to_string();
    let policy = json!({"expiration": expiration, "conditions": [
        {"bucket": "bucket"}, {"key": "incoming/1"}, ["content-length-range", 1, 8],
        {"x-amz-algorithm": "AWS4-HMAC-SHA256"}, {"x-amz-credential": credential}, {"x-amz-date": date},
    ]});
    let policy = BASE64.encode(policy.to_string().as_bytes());
    let signature = signature(&date, &policy);
    vec![
        ("key", "incoming/1".to_owned()),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256".to_owned()),
        ("x-amz-credential", credential),
        ("x-amz-date", date),
        ("policy", policy),
        ("x-amz-signature", signature),
    ]
}

/// The form as a browser writes it, or, with `extra` headers on each part, as a phone does.
fn form(fields: &[(&str, String)], extra: &str, file_name: &str, file: &str) -> String {
    let mut form = String::new();
    for (name, value) in fields {
        form.push_str(&format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"{extra}\r\n\r\n{value}\r\n"));
    }
    let disposition = format!("form-data; name=\"file\"; filename={file_name}");
    form.push_str(&format!(
        "--XX\r\nContent-Disposition: {disposition}{extra}\r\nContent-Type: image/png\r\n\r\n{file}\r\n--XX--\r\n"
    ));
    form
}

async fn sent(engine: &Engine, path: &str, form: &str) -> Answer {
    ask(engine, "POST", path, &[("content-type", "multipart/form-data; boundary=XX")], form.as_bytes()).await
}

#[tokio::test]
async fn an_upload_form_is_taken_from_browsers_and_phones() {
    let data = tempfile::tempdir().unwrap();
    let engine = bucket(data.path()).await;
    let okhttp = "\r\nContent-Transfer-Encoding: binary\r\nContent-Length: 4";
    for (path, extra, name, file) in [
        ("/bucket", "", "\"a.png\"", "one"),
        ("/bucket/", "", "\"\"", "two"),
        ("/bucket", okhttp, "\"wxfile.png\"", "three"),
        ("/bucket", "", "\"a.png\"; filename*=UTF-8''%E5%9B%BE.png", "four"),
        ("/bucket", "", "\"图.png\"", "five"),
    ] {
        let answer = sent(&engine, path, &form(&form_fields(10), extra, name, file)).await;
        assert_eq!(answer.status, 204, "{file}: {}", answer.text());
        assert_eq!(bucket_says(&engine, "GET", "/bucket/incoming/1", &[], b"").await.text(), file);
    }
}

#[tokio::test]
async fn an_upload_form_that_breaks_its_policy_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let engine = bucket(data.path()).await;
    let with = |name: &str, value: &str| {
        let mut fields = form_fields(10);
        fields.iter_mut().filter(|(field, _)| *field == name).for_each(|(_, old)| *old = value.to_owned());
        fields
    };
    let mut unnamed = form_fields(10);
    unnamed.insert(0, ("x-amz-meta-a", "b".to_owned()));
    let mut unsigned = form_fields(10);
    unsigned.pop();
    for (fields, file, status, code) in [
        (form_fields(10), "far too long", 400, "EntityTooLarge"),
        (form_fields(10), "", 400, "EntityTooSmall"),
        (with("key", "media/1"), "x", 400, "InvalidPolicyDocument"),
        (with("x-amz-signature", &"0".repeat(64)), "x", 403, "SignatureDoesNotMatch"),
        (form_fields(0), "x", 403, "AccessDenied"),
        (unnamed, "x", 403, "AccessDenied"),
        (unsigned, "x", 403, "AccessDenied"),
    ] {
        let answer = sent(&engine, "/bucket", &form(&fields, "", "\"a.png\"", file)).await;
        assert_eq!(answer.status, status, "{code}: {}", answer.text());
        assert!(answer.text().contains(code), "{code}: {}", answer.text());
    }
    assert_eq!(std::fs::read_dir(data.path().join("bucket")).unwrap().count(), 0);
}

// Secrets Manager

async fn secret(engine: &Engine, id: &str) -> Answer {
    let headers = [("x-amz-target", "secretsmanager.GetSecretValue"), ("content-type", "application/x-amz-json-1.1")];
    ask(engine, "POST", "/", &headers, json!({"SecretId": id}).to_string().as_bytes()).await
}

#[tokio::test]
async fn a_secret_can_be_replaced_while_it_is_served() {
    let secrets = SharedSecrets::default();
    secrets.set("greenlight", "one");
    let engine = secrets_manager::start(port().await, secrets.clone()).await.unwrap();
    let first = secret(&engine, "greenlight").await.json();
    assert_eq!((first["Name"].as_str(), first["SecretString"].as_str()), (Some("greenlight"), Some("one")));
    secrets.set("greenlight", "two");
    let second = secret(&engine, first["ARN"].as_str().unwrap()).await.json();
    assert_eq!(second["SecretString"], "two");
    assert_ne!(first["VersionId"], second["VersionId"]);

    secrets.remove("greenlight");
    let gone = secret(&engine, "greenlight").await;
    assert_eq!(gone.status, 400);
    assert!(gone.text().contains("ResourceNotFoundException"), "{}", gone.text());
}

// A kill in the middle of work

/// Bytes that say which object they are, and are many enough that a kill may strike while they are written.
fn picture(number: usize) -> Vec<u8> {
    format!("{number:08}").into_bytes().repeat(64 * 1024)
}

/// A process that finds this file where it was started writes there until it is killed.
const WRITE_HERE: &str = "write-here";

async fn write_until_killed() {
    let data = Path::new(".");
    let (table, _) = dynamodb::start(port().await, Some(data)).await.unwrap();
    with_table(&table).await;
    let bucket = bucket(&data.join("objects")).await;
    for number in 0..10_000 {
        put_item(&table, &format!("S#{number}"), &number.to_string(), Some(&number.to_string())).await;
        let path = format!("/bucket/unclaimed/{number}");
        assert_eq!(bucket_says(&bucket, "PUT", &path, &[], &picture(number)).await.status, 200);
        let copy = [("x-amz-copy-source", &path[1..])];
        assert_eq!(bucket_says(&bucket, "PUT", &format!("/bucket/media/{number}"), &copy, b"").await.status, 200);
        // Past the test harness, which would keep it until the end.
        let mut out = std::io::stdout();
        writeln!(out, "acknowledged {number}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if Path::new(WRITE_HERE).exists() {
        return runtime.block_on(write_until_killed());
    }
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join(WRITE_HERE), "").unwrap();
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "engines::tests::what_was_acknowledged_survives_a_kill"])
        .current_dir(data.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines().map(Result::unwrap);
    let acknowledged = lines.filter(|line| line.starts_with("acknowledged ")).take(20).count();
    writer.kill().unwrap();
    writer.wait().unwrap();
    assert_eq!(acknowledged, 20);

    runtime.block_on(async {
        let (table, _) = dynamodb::start(port().await, Some(data.path())).await.unwrap();
        let bucket = bucket(&data.path().join("objects")).await;
        for number in 0..acknowledged {
            assert_eq!(item_text(&table, &format!("S#{number}")).await, Some(number.to_string()));
            for prefix in ["unclaimed", "media"] {
                let read = bucket_says(&bucket, "GET", &format!("/bucket/{prefix}/{number}"), &[], b"").await;
                assert_eq!((read.status, read.body == picture(number)), (200, true), "{prefix}/{number}");
            }
        }
        // Where the kill struck, an object is whole or absent.
        for prefix in ["unclaimed", "media"] {
            for number in acknowledged..acknowledged + 3 {
                let read = bucket_says(&bucket, "GET", &format!("/bucket/{prefix}/{number}"), &[], b"").await;
                assert!(read.status == 404 || read.body == picture(number), "{prefix}/{number}");
            }
        }
    });
}
