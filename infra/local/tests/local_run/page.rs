//! The page at `/`: who gets it, and what it never has. What it does is tested in a browser (`tests/page`).

use reqwest::header::{CONTENT_SECURITY_POLICY, HOST};
use serde_json::{Value, json};

use crate::run::Run;

const KEY: &str = "sk-local-0123456789abcdef";

/// What a browser gets: status and body; with these headers besides.
async fn got(run: &Run, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut request = run.http().get(format!("{}{path}", run.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_served_with_all_that_it_asks_for_and_without_the_key() {
    let run = Run::start(&["--server-key", KEY]);
    assert!(run.banner.contains(&format!("{}/ shows it all", run.url)), "{}", run.banner);
    let answer = run.http().get(format!("{}/", run.url)).send().await.unwrap();
    let policy = answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';") && policy.contains(&run.url), "{policy}");
    let mut left = vec![("/".to_owned(), answer.text().await.unwrap())];
    let mut seen = vec!["/".to_owned()];
    // Whatever a file names, and what that names: nothing of it comes from elsewhere.
    while let Some((path, text)) = left.pop() {
        assert!(!text.contains(KEY), "{path}");
        let foreign = text.split(['"', '\'']).find(|word| word.starts_with("http") && !word.contains("www.w3.org"));
        assert_eq!(foreign.filter(|_| !path.ends_with("greenlight.js")), None, "{path}");
        for word in text.split(['"', '\'']).filter(|word| [".js", ".css"].iter().any(|end| word.ends_with(end))) {
            let name = word.rsplit('/').next().unwrap();
            let named = format!("/page/{name}");
            if !seen.contains(&named) {
                let (status, text) = got(&run, &named, &[]).await;
                assert_eq!(status, 200, "{named}, which {path} names");
                seen.push(named.clone());
                left.push((named, text));
            }
        }
    }
    assert!(seen.iter().any(|path| path == "/page/greenlight.js"), "{seen:?}");
    let (_, told) = got(&run, "/page/run.json", &[]).await;
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["app_id"], run.fact("app"));
    assert!(!told.contains(KEY));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_page_itself_moderates_and_turns_wechats_switches() {
    let run = Run::start(&["--server-key", KEY]);
    let ours = ("greenlight-page", "1");
    let (status, reviews) = got(&run, "/page/owner/v1/reviews", &[ours]).await;
    assert_eq!((status, serde_json::from_str::<Value>(&reviews).unwrap()["submissions"].clone()), (200, json!([])));
    assert_eq!(got(&run, "/page/wechat/simulator", &[ours]).await.0, 200);
    let author = run.log_in("alice-1").await;
    let made = run.post("/v1/submissions", &author, &json!({"scene": "comment", "text": "这很可疑"})).await.expect(201);
    let (status, read) = got(&run, &format!("/page/owner/v1/submissions/{}", made.text("id")), &[ours]).await;
    assert!(status == 200 && read.contains("openid"), "{read}");
    let port = run.url.rsplit(':').next().unwrap();
    for path in ["/page/owner/v1/reviews", "/page/wechat/simulator"] {
        // Another site cannot send the header without asking, and is told nothing when it asks.
        assert_eq!(got(&run, path, &[]).await.0, 403, "{path}");
        let asked = run.http().request(reqwest::Method::OPTIONS, format!("{}{path}", run.url));
        let asked =
            asked.header("origin", "https://example.com").header("access-control-request-headers", "greenlight-page");
        assert!(asked.send().await.unwrap().headers().keys().all(|name| !name.as_str().starts_with("access-control")));
        // And a name of its own that leads here gets no further than anybody.
        for host in [format!("example.com:{port}"), format!("127.0.0.1.example.com:{port}"), "localhost.".to_owned()] {
            assert_ne!(got(&run, path, &[ours, (HOST.as_str(), &host)]).await.0, 200, "{path} {host}");
        }
        assert_eq!(got(&run, path, &[ours, (HOST.as_str(), &format!("localhost:{port}"))]).await.0, 200);
    }
    // WeChat's own calls are not the simulator's control.
    for path in [
        "/page/wechat/cgi-bin/stable_token",
        "/page/wechat/simulator/../cgi-bin/stable_token",
        "/page/wechat/simulatorx",
    ] {
        assert_eq!(got(&run, path, &[ours]).await.0, 403, "{path}");
    }
    assert_eq!(got(&run, "/page/no-such-file.js", &[]).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_network_no_proxy_and_no_real_wechat_gets_the_page() {
    let network = ["--listen", "0.0.0.0"];
    let real = [
        "--wechat-url",
        "http://127.0.0.1:1",
        "--app-id",
        "wx0123456789abcdef",
        "--app-secret",
        "0123456789abcdef0123456789abcdef",
    ];
    let proxied = ["--public-url", "https://example.com"];
    for flags in [&network[..], &real[..], &proxied[..]] {
        let run = Run::start(&[flags, &["--server-key", KEY]].concat());
        assert!(!run.banner.contains("shows it all"), "{}", run.banner);
        assert_eq!(got(&run, "/", &[]).await.0, 404, "{flags:?}");
        assert_eq!(got(&run, "/page/owner/v1/reviews", &[("greenlight-page", "1")]).await.0, 401, "{flags:?}");
    }
}
