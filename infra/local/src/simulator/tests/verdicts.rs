//! Texts by their words, pictures by their colour, sound by words in the file.

use super::*;

#[tokio::test]
async fn a_text_is_judged_by_its_words() {
    let bench = Bench::start().await;
    for (changed, suggest, label) in [
        (json!({ "content": "你好" }), "pass", 100),
        (json!({ "content": "一件违禁品" }), "risky", 20006),
        (json!({ "content": "a doubtful offer" }), "review", 20002),
        (json!({ "content": "可疑, even forbidden" }), "risky", 20006),
        (json!({ "title": "forbidden" }), "risky", 20006),
        (json!({ "nickname": "可疑" }), "review", 20002),
        (json!({ "signature": "违禁", "scene": 1 }), "risky", 20006),
        (json!({ "signature": "违禁", "scene": 2 }), "pass", 100),
    ] {
        let answer = bench.check_text(changed.clone()).await;
        assert_eq!(answer["errcode"], 0, "{answer}");
        assert_eq!(answer["result"], json!({ "suggest": suggest, "label": label }), "{changed}");
        let record = bench.simulator.checks().last().unwrap().clone();
        assert_eq!(record.trace_id.as_deref(), answer["trace_id"].as_str());
        assert_eq!(record.verdict, Some(Verdict::new(suggest, label)));
    }
}

#[tokio::test]
async fn details_disagree_are_bare_and_may_be_invalid() {
    let bench = Bench::start().await;
    let details = bench.check_text(json!({ "content": "违禁" })).await["detail"].clone();
    assert_ne!(details[0]["label"], 20006);
    assert_eq!(details[1]["keyword"], "违禁");
    let details = bench.check_text(json!({})).await["detail"].clone();
    assert_eq!(details[1], json!({ "strategy": "keyword", "errcode": 0 }));
    assert_ne!(details[2]["errcode"], 0);
    assert_eq!(details[2]["suggest"], "risky");
}

#[tokio::test]
async fn a_text_check_without_a_version_is_answered_as_version_1() {
    let bench = Bench::start().await;
    let without = json!({ "version": null, "scene": null, "openid": null });
    assert_eq!(bench.check_text(without).await, json!({ "errcode": 0, "errmsg": "ok" }));
    let risky = json!({ "version": null, "scene": null, "openid": null, "content": "forbidden" });
    assert_eq!(bench.check_text(risky).await["errcode"], 87014);
}

#[tokio::test]
async fn verdicts_can_be_forced() {
    let bench = Bench::start().await;
    bench.put_picture(GREEN);
    let strange = Verdict { suggest: "perhaps".to_owned(), label: None };
    let forced = [
        ForcedVerdict::Verdict(Verdict::new("risky", 20001)),
        ForcedVerdict::Verdict(strange),
        ForcedVerdict::NoResult,
        ForcedVerdict::Errcode(-1),
    ];
    let verdicts: VecDeque<ForcedVerdict> = forced.into();
    bench.behave(Behaviour { text_verdicts: verdicts.clone(), media_verdicts: verdicts, ..Behaviour::default() });
    assert_eq!(bench.check_text(json!({})).await["result"], json!({ "suggest": "risky", "label": 20001 }));
    assert_eq!(bench.check_text(json!({})).await["result"], json!({ "suggest": "perhaps" }));
    assert!(bench.check_text(json!({})).await.get("result").is_none());
    assert_eq!(bench.check_text(json!({})).await["errcode"], -1);
    assert_eq!(bench.check_text(json!({})).await["result"]["suggest"], "pass");

    assert_eq!(bench.event_about(json!({})).await["result"], json!({ "suggest": "risky", "label": 20001 }));
    assert_eq!(bench.event_about(json!({})).await["result"], json!({ "suggest": "perhaps" }));
    let event = bench.event_about(json!({})).await;
    assert_eq!((event["errcode"].clone(), event.get("result")), (json!(0), None));
    assert_eq!(bench.event_about(json!({})).await["errcode"], -1);
    assert_eq!(bench.event_about(json!({})).await["result"]["suggest"], "pass");
}

#[tokio::test]
async fn escaped_text_passes_where_it_is_told_to() {
    let bench = Bench::start().await;
    let (token, openid) = (bench.token().await, bench.alice().await);
    let check = async || {
        let body = format!(r#"{{"content":"\u8fdd\u7981","version":2,"scene":1,"openid":"{openid}"}}"#);
        let url = format!("{}/wxa/msg_sec_check?access_token={token}", bench.simulator.url());
        bench.send(bench.client.post(url).body(body)).await["result"]["suggest"].clone()
    };
    assert_eq!(check().await, "risky");
    bench.behave(Behaviour { escaped_text_passes: true, ..Behaviour::default() });
    assert_eq!(check().await, "pass");
}

#[tokio::test]
async fn a_picture_is_a_traffic_light() {
    use image::ImageFormat::{Bmp, Gif, Jpeg, Png};
    let bench = Bench::start().await;
    for format in [Png, Jpeg, Gif, Bmp] {
        for (colour, suggest, label) in [
            (RED, "risky", RED_LABEL),
            (YELLOW, "review", YELLOW_LABEL),
            (GREEN, "pass", 100),
            ([255, 255, 255], "pass", 100),
            ([0, 0, 0], "pass", 100),
        ] {
            for size in [1, 640] {
                bench.put_medium("picture.png", picture(size, size, colour, format));
                let event = bench.event_about(json!({})).await;
                let result = json!({ "suggest": suggest, "label": label });
                assert_eq!(event["result"], result, "{format:?} {colour:?} {size}");
            }
        }
    }
}

#[tokio::test]
async fn mostly_red_is_red() {
    let bench = Bench::start().await;
    for (red_rows, suggest) in [(60, "risky"), (40, "pass")] {
        let mut canvas = image::RgbImage::from_pixel(100, 100, image::Rgb([255, 255, 255]));
        for (_, row, pixel) in canvas.enumerate_pixels_mut() {
            if row < red_rows {
                *pixel = image::Rgb([255, 0, 0]);
            }
        }
        let mut bytes = Cursor::new(Vec::new());
        canvas.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bench.put_medium("picture.png", bytes.into_inner());
        assert_eq!(bench.event_about(json!({})).await["result"]["suggest"], suggest);
    }
}

#[tokio::test]
async fn sound_is_judged_by_words_in_the_file() {
    let bench = Bench::start().await;
    for (bytes, suggest) in [
        (b"ID3\x04 music".as_slice(), "pass"),
        (b"ID3\x04 risky music", "risky"),
        (b"RIFF\x10\0\0\0WAVEfmt review", "review"),
        (b"\xFF\xFB\x90\0 pure noise", "pass"),
    ] {
        let url = bench.put_medium("sound.mp3", bytes);
        let event = bench.event_about(json!({ "media_url": url, "media_type": 1 })).await;
        assert_eq!(event["result"]["suggest"], suggest);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_a_download_error() {
    let bench = Bench::start().await;
    let picture = bench.put_picture(RED);
    let text = bench.put_medium("text.png", "hello");
    let sound = bench.put_medium("sound.mp3", "ID3\x04 music");
    let mut cut = png(64, 48, RED);
    cut.truncate(60);
    let cut = bench.put_medium("cut.png", cut);
    let large = bench.put_medium("large.mp3", [b"ID3".as_slice(), &vec![0; 10 << 20]].concat());
    let absent = format!("{}/media/absent.png", bench.outside_url);
    for (url, media_type) in [(picture, 1), (text, 2), (sound, 2), (cut, 2), (large, 1), (absent, 2)] {
        let event = bench.event_about(json!({ "media_url": url, "media_type": media_type })).await;
        assert_eq!(event["errcode"], -1008, "{url}");
        assert_eq!(event["errmsg"], "下载错误,请检查媒体链接是否有效");
        assert_eq!(event["detail"], json!([]));
        assert!(event.get("result").is_none());
        assert_eq!(bench.simulator.checks().last().unwrap().push_errcode, Some(-1008));
    }
}

#[tokio::test]
async fn the_record_says_which_bytes_were_judged() {
    let bench = Bench::start().await;
    let url = bench.put_picture(RED);
    let answer = bench.check_media(json!({})).await;
    bench.simulator.idle().await;
    let record = bench.simulator.checks().pop().unwrap();
    assert_eq!(record.media_url.as_deref(), Some(url.as_str()));
    assert_eq!(record.media_sha256, Some(ids::digest_of_bytes(&png(64, 48, RED))));
    assert_eq!(record.trace_id.as_deref(), answer["trace_id"].as_str());
    assert_eq!(record.verdict, Some(Verdict::new("risky", RED_LABEL)));
}

#[tokio::test]
async fn media_are_read_as_they_are_told() {
    let bench = Bench::start().await;
    bench.put_picture(RED);
    let length = png(64, 48, RED).len();
    bench.behave(Behaviour { download_range_bytes: 100, ..Behaviour::default() });
    assert_eq!(bench.event_about(json!({})).await["result"]["suggest"], "risky");
    assert_eq!(bench.outside.ranges.lock().unwrap().len(), length.div_ceil(100));

    bench.behave(Behaviour { download_stops_after_bytes: 10, ..Behaviour::default() });
    assert_eq!(bench.event_about(json!({})).await["result"]["suggest"], "pass");
    assert_eq!(bench.simulator.checks().last().unwrap().media_bytes, Some(10));

    bench.behave(Behaviour { media_reading: MediaReading::Skip, ..Behaviour::default() });
    assert_eq!(bench.event_about(json!({})).await["result"]["suggest"], "pass");
    assert_eq!(bench.simulator.checks().last().unwrap().media_sha256, None);

    bench.behave(Behaviour { media_reading: MediaReading::PassUnreadable, ..Behaviour::default() });
    assert_eq!(bench.event_about(json!({})).await["result"]["suggest"], "risky");
    let absent = json!({ "media_url": format!("{}/media/absent.png", bench.outside_url) });
    assert_eq!(bench.event_about(absent).await["result"]["suggest"], "pass");
}

#[tokio::test]
async fn a_direct_image_check_has_limits_and_no_verdict_but_87014() {
    let bench = Bench::start().await;
    let token = bench.token().await;
    let url = format!("{}/wxa/img_sec_check?access_token={token}", bench.simulator.url());
    let check = async |field: &str, disposition: &str, bytes: &[u8]| {
        let head = format!("--B\r\nContent-Disposition: form-data; name=\"{field}\"{disposition}\r\n\r\n");
        let body = [head.as_bytes(), bytes, b"\r\n--B--\r\n"].concat();
        let request = bench.client.post(&url).header(header::CONTENT_TYPE, "multipart/form-data; boundary=B");
        bench.send(request.body(body)).await["errcode"].clone()
    };
    let file = "; filename=\"a.png\"\r\nContent-Type: image/png";
    assert_eq!(check("media", file, &png(750, 1334, GREEN)).await, 0);
    assert_eq!(check("media", file, &png(10, 10, RED)).await, 87014);
    assert_eq!(check("media", file, &png(751, 10, GREEN)).await, 40006);
    assert_eq!(check("media", file, &png(10, 1335, GREEN)).await, 40006);
    assert_eq!(check("media", file, &vec![0; (1 << 20) + 1]).await, 40006);
    assert_eq!(check("media", file, b"hello").await, 40137);
    assert_eq!(check("file", file, &png(10, 10, GREEN)).await, 41005);
    assert_eq!(check("media", "", &png(10, 10, GREEN)).await, 41005);
    assert_eq!(bench.send(bench.client.post(&url)).await["errcode"], 44002);
    assert_eq!(bench.send(bench.client.post(&url).body("x")).await["errcode"], 41005);
}
