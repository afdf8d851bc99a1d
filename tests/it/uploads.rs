//! Uploads: by one request or by a form, made safe, and then nobody's to change.

use std::collections::BTreeMap;
use std::time::Duration;

use data_encoding::HEXLOWER;
use greenlight_tests::pictures::{GREEN, RED, photo, picture, sound};
use greenlight_tests::world::{Answer, Plan, World, form, server_key};
use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::requests::problem;

const ANIMATED: &[u8] = include_bytes!("../../functions/accept-upload/src/make_safe/samples/animated.gif");
const WEBP: &[u8] = include_bytes!("../../functions/accept-upload/src/make_safe/samples/picture.webp");
const M4A: &[u8] = include_bytes!("../../functions/accept-upload/src/make_safe/samples/voice.m4a");
const MP3: &[u8] = include_bytes!("../../functions/accept-upload/src/make_safe/samples/voice.mp3");
const HEIC: &[u8] = b"\0\0\0\x18ftypheic\0\0\0\0heicmif1 and no more";
const MP4: &[u8] = b"\0\0\0\x18ftypisom\0\0\0\0isommp42 and no more";
/// What one request may carry.
const AT_ONCE: usize = 4 << 20;
/// What a form may carry.
const BY_FORM: usize = 10 << 20;

fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// A sound of exactly so many bytes.
fn sound_of(length: usize) -> Vec<u8> {
    let made = sound(&"s".repeat(length - sound("").len()));
    assert_eq!(made.len(), length);
    made
}

/// Asks for a form; returns its `upload_id` and all of the answer.
async fn ask_for_form(world: &World, key: &str, kind: &str) -> (String, Value) {
    let answer = world.post("/v1/uploads", key, &json!({"kind": kind})).await.expect(201);
    (answer.text("upload_id"), answer.json())
}

/// Fills in a form as a phone does, with other values where `changed` says so, and sends it to the bucket.
async fn send_form(world: &World, asked: &Value, changed: &[(&str, &str)], file: &[u8]) -> u16 {
    let mut fields: BTreeMap<String, String> = serde_json::from_value(asked["fields"].clone()).unwrap();
    for (name, value) in changed {
        fields.insert((*name).to_owned(), (*value).to_owned());
    }
    let mut parts: Vec<(&str, Option<&str>, &[u8])> =
        fields.iter().map(|(name, value)| (name.as_str(), None, value.as_bytes())).collect();
    parts.push(("file", Some("tmp_9f8e.png"), file));
    let (content_type, body) = form(&parts);
    let request = world.http.post(asked["url"].as_str().unwrap()).header("content-type", content_type).body(body);
    world.send(request).await.status.as_u16()
}

async fn complete(world: &World, key: &str, upload_id: &str) -> Answer {
    world.send(world.request(Method::POST, &format!("/v1/uploads/{upload_id}"), key)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_uploads_and_says_what_came() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for (file, kind) in
        [(picture(GREEN, 1), "image"), (photo(GREEN), "image"), (sound("a"), "audio"), (MP3.to_vec(), "audio")]
    {
        let answer = world.upload(&alice, &file).await.expect(201).json();
        let names: Vec<&str> = answer.as_object().unwrap().keys().map(String::as_str).collect();
        let named = if kind == "image" {
            ["height", "kind", "sha256", "upload_id", "width"].as_slice()
        } else {
            &["kind", "sha256", "upload_id"]
        };
        assert_eq!((names.as_slice(), answer["kind"].as_str()), (named, Some(kind)));
    }
    // The name and the type that a phone gives mean nothing, only what is in the file.
    let answer = world.upload_fields(&alice, &[("file", Some("x.exe"), &picture(GREEN, 1))]).await.expect(201);
    assert_eq!((answer.text("kind"), answer.text("sha256")), ("image".into(), sha256(&picture(GREEN, 1))));
    let openid = World::openid(0, "alice");
    let named = [("openid", None, openid.as_bytes()), ("file", Some("x"), &picture(GREEN, 2))];
    world.upload_fields(&server_key(0), &named).await.expect(201);
    problem(world.upload(&server_key(0), &picture(GREEN, 2)).await, 400, "invalid_openid");
    let other = [("openid", None, b"somebody-else".as_slice()), ("file", Some("x"), &picture(GREEN, 2))];
    problem(world.upload_fields(&alice, &other).await, 400, "invalid_openid");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_picture_loses_is_told_and_its_sides_stand_in_the_submission() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for (file, changed) in [
        (ANIMATED.to_vec(), json!(["animation"])),
        (WEBP.to_vec(), Value::Null),
        (half_transparent(), json!(["transparency"])),
    ] {
        let answer = world.upload(&alice, &file).await.expect(201).json();
        assert_eq!(answer["changed"], changed);
        let body = json!({"scene": "forum", "media": [{"upload_id": answer["upload_id"]}]});
        let id = world.submit(&alice, &body).await.expect(201).text("id");
        world.simulator.idle().await;
        let seen = world.get(&format!("/v1/submissions/{id}"), &alice).await.expect(200).json();
        let medium = &seen["media"][0];
        assert_eq!((&medium["width"], &medium["height"]), (&answer["width"], &answer["height"]));
        let served = world.get(medium["url"].as_str().unwrap(), "").await.expect(200);
        let decoded = image::load_from_memory(&served.bytes).unwrap();
        assert_eq!(
            (json!(decoded.width()), json!(decoded.height())),
            (answer["width"].clone(), answer["height"].clone())
        );
        assert!(!decoded.color().has_alpha());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_of_generated_content_is_shown_to_author_and_owner_alone() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let label = r#"{"AIGC": {"Label": "1", "ContentProducer": "someone"}}"#;
    let exif = [b"Exif\0\0UserComment ".as_slice(), label.as_bytes()].concat();
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    let plain = photo(GREEN);
    let file = [&plain[..2], &[0xFF, 0xE1], &length, &exif, &plain[2..]].concat();
    let id = world.submit_media(&alice, &[file]).await;
    world.simulator.idle().await;
    let seen = async |key: &str| world.get(&format!("/v1/submissions/{id}"), key).await.expect(200).json();
    let expected = json!({"Label": "1", "ContentProducer": "someone"});
    assert_eq!(seen(&alice).await["media"][0]["ai_label"], expected);
    assert_eq!(seen(&server_key(0)).await["media"][0]["ai_label"], expected);
    let anybody = seen("").await;
    assert_eq!((&anybody["state"], anybody["media"][0].get("ai_label")), (&json!("approved"), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uploads_token_of_before_is_told_to_upload_again() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let openid = greenlight::domain::ids::OpenId::parse(&World::openid(0, "alice")).unwrap();
    let author = greenlight::domain::ids::AuthorId::of(&greenlight_tests::world::app_id(0), &openid);
    // As it was signed before: another purpose, and no source.
    let claims = json!({
        "aud": "upload", "iat": 1, "exp": 9_999_999_999_i64, "app": "wx0", "author": author.to_string(),
        "sha256": sha256(b""), "type": "png", "size": 1, "key": "unclaimed/x.png",
    });
    let encode = |bytes: &[u8]| data_encoding::BASE64URL_NOPAD.encode(bytes);
    let message = format!("{}.{}", encode(br#"{"alg":"HS256","typ":"JWT"}"#), encode(claims.to_string().as_bytes()));
    let mac = hmac_sha256(world.document["session_key"].as_str().unwrap().as_bytes(), message.as_bytes());
    let body = json!({"scene": "forum", "media": [{"upload_id": format!("{message}.{}", encode(&mac))}]});
    let refused = problem(world.submit(&alice, &body).await, 400, "invalid_submission");
    assert_eq!(refused.faults(), ["media[0].upload_id"]);
}

fn half_transparent() -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    let image = image::RgbaImage::from_pixel(16, 16, image::Rgba([40, 180, 60, 128]));
    image.write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner()
}

/// HMAC-SHA-256 (RFC 2104) of a short key.
fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    let pad = |byte: u8| -> Vec<u8> { (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ byte).collect() };
    let inner = sha2::Sha256::digest([pad(0x36).as_slice(), message].concat());
    sha2::Sha256::digest([pad(0x5C).as_slice(), &inner].concat()).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_has_one_file_and_nothing_unknown() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let light = picture(GREEN, 1);
    let file = ("file", Some("a.png"), light.as_slice());
    for (fields, named) in [
        (vec![], vec!["file"]),
        (vec![("media", Some("a.png"), light.as_slice())], vec!["media", "file"]),
        (vec![file, file], vec!["file"]),
        (vec![file, ("colour", None, b"red")], vec!["colour"]),
        (vec![file, ("", None, b"red")], vec![""]),
    ] {
        let answer = world.upload_fields(&alice, &fields).await;
        assert_eq!(problem(answer, 400, "invalid_upload").faults(), named);
    }
    let (content_type, whole) = form(&[file]);
    let send = async |content_type: &str, body: Vec<u8>| {
        let request = world.request(Method::POST, "/v1/uploads", &alice);
        world.send(request.header("content-type", content_type).body(body)).await
    };
    for cut in [0, 10, 60, whole.len() / 2, whole.len() - 6] {
        let answer = send(&content_type, whole[..cut].to_vec()).await;
        assert_eq!(problem(answer, 400, "invalid_upload").faults(), ["file"], "cut at {cut}");
    }
    for broken in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=other"] {
        assert_eq!(problem(send(broken, whole.clone()).await, 400, "invalid_upload").faults(), ["file"], "{broken}");
    }
    for other in ["image/png", "", "text/plain", "multipart/mixed; boundary=x", "application/x-www-form-urlencoded"] {
        problem(send(other, whole.clone()).await, 415, "unsupported_upload");
    }
    send(&content_type.replace("multipart/form-data", "Multipart/Form-Data"), whole).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn four_megabytes_fit_into_one_request_and_one_byte_more_does_not() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let full = sound_of(AT_ONCE);
    assert_eq!(world.upload(&alice, &full).await.expect(201).text("sha256"), sha256(&full));
    // What is more than a form's own overhead beyond that is not even read; see `bodies`.
    for more in [2, 60 << 10] {
        let answer = problem(world.upload(&alice, &sound_of(AT_ONCE + more)).await, 413, "too_large");
        assert!(answer.text("message").contains("4194304"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_while_still_sending_hears_why() {
    let world = World::start().await;
    let mut line = tokio::net::TcpStream::connect(world.url.trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "POST /v1/uploads HTTP/1.1\r\nhost: greenlight\r\nauthorization: Bearer of-yesterday\r\nconnection: close\r\n\
         content-type: multipart/form-data; boundary=x\r\ncontent-length: {AT_ONCE}\r\n\r\n"
    );
    line.write_all(head.as_bytes()).await.unwrap();
    // More than the two ends hold on their own, so somebody has to read it.
    for piece in vec![b'-'; AT_ONCE].chunks(64 << 10) {
        line.write_all(piece).await.expect("it is still read");
    }
    let mut answer = String::new();
    line.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("unauthorized"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_wechat_does_not_take_is_415_and_says_what_fits() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for (file, code, hint) in [
        (b"".as_slice(), "empty_medium", "empty"),
        (HEIC, "medium_not_accepted", "JPEG"),
        (MP4, "medium_not_accepted", "Video"),
        (M4A, "medium_not_accepted", "format: 'mp3'"),
        (b"%PDF-1.7", "medium_not_accepted", "document"),
        (b"<svg onload=alert(1)>", "medium_not_accepted", "JPEG or PNG"),
        (b"MZ\x90\0", "unknown_medium", "format: 'mp3'"),
        (b"hello", "unknown_medium", "PNG"),
        (&picture(GREEN, 1)[..60], "damaged_medium", "damaged"),
    ] {
        let answer = problem(world.upload(&alice, file).await, 415, code);
        assert!(answer.text("message").contains(hint), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn webp_is_made_a_jpeg_or_refused_with_advice() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let answer = world.upload(&alice, WEBP).await;
    if answer.status == 415 {
        assert!(problem(answer, 415, "medium_not_accepted").text("message").contains("JPEG"));
        return;
    }
    assert_eq!(answer.expect(201).text("kind"), "image");
    let id = world.submit_media(&alice, &[WEBP.to_vec()]).await;
    assert_eq!(world.stored(&id).await.media[0].media_type, greenlight::domain::media::MediaType::Jpeg);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_uploads_straight_to_the_bucket_and_is_completed() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for (kind, file) in [("image", picture(GREEN, 1)), ("audio", sound_of(AT_ONCE + 4096))] {
        let (upload_id, asked) = ask_for_form(&world, &alice, kind).await;
        let expires =
            greenlight::domain::clock::Timestamp::parse_rfc3339(asked["expires_at"].as_str().unwrap()).unwrap();
        assert_eq!(expires, world.now().plus(Duration::from_secs(600)));
        problem(complete(&world, &alice, &upload_id).await, 409, "not_uploaded");
        assert!((200..300).contains(&send_form(&world, &asked, &[], &file).await));
        let done = complete(&world, &alice, &upload_id).await.expect(200);
        assert_eq!((done.text("kind").as_str(), done.text("sha256")), (kind, sha256(&file)));
        let body = json!({"scene": 1, "media": [{"upload_id": done.text("upload_id")}]});
        let id = world.submit(&alice, &body).await.expect(201).text("id");
        world.simulator.idle().await;
        assert_eq!(world.state(&id).await, "approved");
    }
    // In the author's name.
    let body = json!({"kind": "image", "openid": World::openid(0, "alice")});
    let asked = world.post("/v1/uploads", &server_key(0), &body).await.expect(201);
    send_form(&world, &asked.json(), &[], &picture(GREEN, 3)).await;
    let path = format!("/v1/uploads/{}", asked.text("upload_id"));
    problem(world.post(&path, &server_key(0), &json!({})).await, 400, "invalid_openid");
    world.post(&path, &server_key(0), &json!({"openid": World::openid(0, "alice")})).await.expect(200);
    let faults =
        async |body: Value| problem(world.post("/v1/uploads", &alice, &body).await, 400, "invalid_upload").faults();
    assert_eq!(faults(json!({})).await, ["kind"]);
    assert_eq!(faults(json!({"kind": "video", "colour": 1})).await, ["kind", "colour"]);
    assert_eq!(
        problem(world.post(&path, &alice, &json!({"kind": "image"})).await, 400, "invalid_upload").faults(),
        ["kind"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_completed_by_who_asked_for_it_within_an_hour_and_with_its_kind() {
    let world = World::start_with(Plan { apps: 2, ..Plan::default() }).await;
    let (alice, bob, elsewhere) =
        (world.log_in("alice").await, world.log_in("bob").await, world.log_in_to(1, "alice").await);
    let (upload_id, asked) = ask_for_form(&world, &alice, "audio").await;
    send_form(&world, &asked, &[], &picture(GREEN, 1)).await;
    problem(complete(&world, &alice, &upload_id).await, 415, "wrong_kind");
    for other in [&bob, &elsewhere] {
        problem(complete(&world, other, &upload_id).await, 404, "not_found");
    }
    let uploaded = world.uploaded(&alice, &picture(GREEN, 1)).await;
    for nothing in [uploaded.as_str(), "x", "a.b.c", &upload_id[1..], &"a".repeat(5000)] {
        problem(complete(&world, &alice, nothing).await, 404, "not_found");
    }
    let (unfit, asked) = ask_for_form(&world, &alice, "audio").await;
    send_form(&world, &asked, &[], M4A).await;
    problem(complete(&world, &alice, &unfit).await, 415, "medium_not_accepted");

    world.pass(3600);
    problem(complete(&world, &alice, &upload_id).await, 410, "upload_expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bucket_holds_a_form_to_its_size_key_and_time() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let (upload_id, asked) = ask_for_form(&world, &alice, "audio").await;
    let light = picture(GREEN, 1);
    for changed in [
        [("key", "media/aaaaaaaaaaaaaaaaaaaaaaaaaa/0.png")],
        [("key", "unclaimed/mine.png")],
        [("policy", "e30=")],
        [("x-amz-signature", "0000000000000000000000000000000000000000000000000000000000000000")],
    ] {
        let status = send_form(&world, &asked, &changed, &light).await;
        assert!((400..500).contains(&status), "{changed:?}: {status}");
    }
    assert!((400..500).contains(&send_form(&world, &asked, &[], b"").await), "a file has at least one byte");
    assert!((400..500).contains(&send_form(&world, &asked, &[], &sound_of(BY_FORM + 2)).await));
    problem(complete(&world, &alice, &upload_id).await, 409, "not_uploaded");
    assert!((200..300).contains(&send_form(&world, &asked, &[], &sound_of(BY_FORM)).await));
    complete(&world, &alice, &upload_id).await.expect(200);

    let bucket = &world.functions.accept_upload.bucket;
    let then = world.now().minus(Duration::from_secs(660));
    let old = bucket.form("incoming/old", 1000, then, Duration::from_secs(600)).unwrap();
    let status = send_form(&world, &serde_json::to_value(&old).unwrap(), &[], &light).await;
    assert!((400..500).contains(&status), "a form that has run out: {status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_writes_to_or_reads_from_the_bucket_without_our_keys() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let id = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    let file = world.objects_of(&id)[0].file_name().unwrap().to_str().unwrap().to_owned();
    let object = format!("{}/greenlight/media/{id}/{file}", world.stack.s3.url);
    for method in [Method::PUT, Method::GET, Method::DELETE, Method::HEAD] {
        let answer = world.send(world.http.request(method.clone(), &object).body(picture(RED, 1))).await;
        assert_eq!(answer.status, 403, "{method}");
    }
    assert_eq!(world.get(&format!("/media/{id}/0.png"), "").await.expect(200).bytes, picture(GREEN, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn uploading_again_with_the_same_form_changes_nothing_that_is_served() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let (upload_id, asked) = ask_for_form(&world, &alice, "image").await;
    send_form(&world, &asked, &[], &picture(GREEN, 1)).await;
    let done = complete(&world, &alice, &upload_id).await.expect(200);
    send_form(&world, &asked, &[], &picture(RED, 1)).await;
    let body = json!({"scene": 1, "media": [{"upload_id": done.text("upload_id")}]});
    let id = world.submit(&alice, &body).await.expect(201).text("id");
    send_form(&world, &asked, &[], &picture(RED, 2)).await;
    world.simulator.idle().await;
    send_form(&world, &asked, &[], &picture(RED, 3)).await;
    assert_eq!(world.state(&id).await, "approved");
    let served = world.get(&format!("/media/{id}/0.png"), "").await.expect(200);
    assert_eq!((sha256(&served.bytes), served.bytes), (done.text("sha256"), picture(GREEN, 1).into()));
    // Completing once more is another upload, with what lies there now.
    let again = complete(&world, &alice, &upload_id).await.expect(200);
    assert_eq!(again.text("sha256"), sha256(&picture(RED, 3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_not_completed_is_told_so_where_it_is_submitted() {
    let world = World::start().await;
    let (alice, bob) = (world.log_in("alice").await, world.log_in("bob").await);
    let (upload_id, asked) = ask_for_form(&world, &alice, "image").await;
    send_form(&world, &asked, &[], &picture(GREEN, 1)).await;
    let uploaded = world.uploaded(&bob, &picture(GREEN, 2)).await;
    let body = json!({"scene": 1, "media": [{"upload_id": upload_id}, {"upload_id": uploaded}]});
    let refused = problem(world.submit(&alice, &body).await, 400, "invalid_submission");
    assert_eq!(refused.faults(), ["media[0].upload_id", "media[1].upload_id"]);
    let message = |index: usize| refused.json()["faults"][index]["message"].as_str().unwrap().to_owned();
    assert!(message(0).contains("not completed: POST /v1/uploads/"), "{refused}");
    assert!(message(1).contains("not an upload of yours"), "{refused}");

    let own = world.uploaded(&alice, &picture(GREEN, 3)).await;
    world.pass(47 * 3600);
    let alice = world.log_in("alice").await;
    let refused = world.submit(&alice, &json!({"scene": 1, "media": [{"upload_id": own}]})).await;
    assert!(problem(refused, 400, "invalid_submission").to_string().contains("expired; upload again"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_upload_may_stand_in_several_submissions_and_outlives_each() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let medium = json!({"upload_id": world.uploaded(&alice, &picture(GREEN, 1)).await});
    let body = json!({"scene": 1, "media": [medium, medium]});
    let one = world.submit(&alice, &body).await.expect(201).text("id");
    let two = world.submit(&alice, &body).await.expect(201).text("id");
    world.simulator.idle().await;
    world.delete(&format!("/v1/submissions/{one}"), &alice).await.expect(204);
    world.get(&format!("/media/{one}/0.png"), "").await.expect(404);
    let served_still = async |id: &str| {
        for index in [0, 1] {
            let served = world.get(&format!("/media/{id}/{index}.png"), "").await.expect(200);
            assert_eq!(served.bytes, picture(GREEN, 1));
        }
    };
    served_still(&two).await;
    // One that is made after another of the same upload was withdrawn has its bytes as well, and keeps them.
    let three = world.submit(&alice, &body).await.expect(201).text("id");
    world.simulator.idle().await;
    world.delete(&format!("/v1/submissions/{two}"), &alice).await.expect(204);
    world.pass(11 * 60);
    world.sweep().await;
    served_still(&three).await;
}

/// A photo that says where it was taken.
fn photo_with_place() -> Vec<u8> {
    // TIFF: one directory with a pointer (0x8825) to the GPS directory, which has a latitude's letter, and then text.
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x88\x25\0\x04\0\0\0\x01\0\0\0\x1a\0\0\0\0".to_vec();
    exif.extend_from_slice(b"\0\x01\0\x01\0\x02\0\0\0\x02N\0\0\0\0\0\0\0GPS 31.2304N 121.4737E Canon EOS");
    let mut file = photo(GREEN);
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    file.splice(2..2, [b"\xff\xe1".as_slice(), &length, &exif].concat());
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_served_is_what_was_judged_and_no_place_is_in_it() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let file = photo_with_place();
    let by_request = world.upload(&alice, &file).await.expect(201);
    let (upload_id, asked) = ask_for_form(&world, &alice, "image").await;
    send_form(&world, &asked, &[], &file).await;
    let by_form = complete(&world, &alice, &upload_id).await.expect(200);
    for done in [by_request, by_form] {
        let body = json!({"scene": 1, "media": [{"upload_id": done.text("upload_id")}]});
        let id = world.submit(&alice, &body).await.expect(201).text("id");
        world.simulator.idle().await;
        let served = world.get(&format!("/media/{id}/0.jpg"), "").await.expect(200);
        for hidden in [b"GPS".as_slice(), b"Canon", b"121.4737E"] {
            assert!(file.windows(hidden.len()).any(|window| window == hidden));
            assert!(!served.bytes.windows(hidden.len()).any(|window| window == hidden));
        }
        let judged = world.simulator.checks().last().unwrap().media_sha256.clone();
        assert_eq!((Some(done.text("sha256")), Some(sha256(&served.bytes))), (judged.clone(), judged));
    }
}

#[tokio::test]
async fn an_upload_that_is_gone_is_400_and_never_a_submission() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let (here, gone) =
        (world.uploaded(&alice, &picture(GREEN, 1)).await, world.uploaded(&alice, &picture(RED, 2)).await);
    // What the bucket's lifecycle does after two days; a token lives a little less, a clock may be wrong by more.
    let unclaimed = world.stack.objects.join(greenlight_local::stack::BUCKET).join("unclaimed");
    let keep = world.stack.objects.join("kept");
    for file in std::fs::read_dir(&unclaimed).unwrap().map(|file| file.unwrap().path()) {
        if std::fs::read(&file).unwrap() == picture(RED, 2) {
            std::fs::rename(&file, &keep).unwrap();
        }
    }
    let mut body = json!({
        "idempotency_key": "one and the same", "scene": 1, "media": [{"upload_id": here}, {"upload_id": gone}],
    });
    let refused = problem(world.submit(&alice, &body).await, 400, "invalid_submission");
    assert_eq!(refused.faults(), ["media[1].upload_id"]);
    assert!(refused.to_string().contains("upload it again"), "{refused}");
    assert_eq!(world.listed("/v1/submissions", &alice).await, [] as [String; 0]);
    assert_eq!(world.simulator.checks(), []);

    // With no key nobody else can have made copies under the same id, so the one that was made goes.
    let media = unclaimed.with_file_name("media");
    let copies = || std::fs::read_dir(&media).into_iter().flatten().map(|of| of.unwrap().path());
    let copies = || copies().flat_map(|of| std::fs::read_dir(of).unwrap()).count();
    let before = copies();
    body.as_object_mut().unwrap().remove("idempotency_key");
    problem(world.submit(&alice, &body).await, 400, "invalid_submission");
    assert_eq!(copies(), before, "no copy is left of what was refused");
}

#[tokio::test]
async fn submits_at_once_with_one_key_and_other_pictures_serve_what_was_judged() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for round in 0..10 {
        let key = format!("the key of round {round}");
        let mut bodies = Vec::new();
        for colour in [GREEN, RED] {
            let upload = world.uploaded(&alice, &picture(colour, round)).await;
            bodies.push(json!({"idempotency_key": key, "scene": 1, "media": [{"upload_id": upload}]}));
        }
        bodies.rotate_left(usize::from(round % 2));
        let (one, two) = tokio::join!(world.submit(&alice, &bodies[0]), world.submit(&alice, &bodies[1]));
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "{one} {two}");
        world.simulator.idle().await;
        let id = World::id_by_key("alice", &key);
        world.only_what_passed_is_public(&id).await;
        assert_eq!(world.objects_of(&id).len(), 1, "the copy of the one that was refused is gone");
        world.pass(60);
    }
}
