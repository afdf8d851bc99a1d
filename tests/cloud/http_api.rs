//! The second door, deployed from the archive of a release: one HTTP API with a domain of the owner's, and pictures as large
//! as it carries.

use greenlight_local::simulator::ReleaseOrder;
use greenlight_tests::pictures::{GREEN, picture_of, sound_of};
use serde_json::json;

use crate::cloud::{Cloud, release, until};
use crate::console::a_moderator_decides_and_a_lead_looks_back;
use crate::stack::Stack;

/// Lambda takes and gives no more. (AWS Lambda: quotas, request and response payload.)
const LAMBDA_LIMIT: usize = 6_291_556;
/// The largest file that is taken in one request, and given out.
const LARGEST: usize = 4 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_and_a_sound_of_four_megabytes_go_through_an_http_api_under_the_owners_name() {
    let cloud = Cloud::start();
    let asked = cloud.aws(&["acm", "request-certificate", "--domain-name", "light.example.com"]);
    let certificate = format!("CertificateArn={}", asked["CertificateArn"].as_str().unwrap());
    let door = ["Door=HttpApi", "DomainName=light.example.com", "DomainPath=green/light", &certificate];
    let mut stack = Stack::deploy(&cloud, release(), "api", "wx00000000000000ap", &door).await;
    for url in ["SubmitContentUrl", "AcceptUploadUrl", "ReceivePushUrl", "ServeMediaUrl", "ServeConsoleUrl"] {
        assert_eq!(stack.outputs[url], "https://light.example.com/green/light");
    }
    let (added, said) =
        stack.script("add-app.mjs", &["--app-id", "wx00000000000000ap"], "an-app-secret-of-wechat-for-tests\n");
    assert!(added && said.contains("https://light.example.com/green/light/push/wx00000000000000ap"), "{said}");
    let wechat = stack.wechat().await;
    // A process that found no app looks again after ten seconds.
    until("the first app is there", async || stack.post("/v1/sessions", "", &json!({})).await.status == 400).await;

    let alice = stack.log_in("alice").await;
    a_moderator_decides_and_a_lead_looks_back(&stack, &alice).await;
    // A picture is encoded anew, and goes out smaller; a sound goes out as it came.
    let (photo, sound) = (picture_of(GREEN, LARGEST), sound_of("", LARGEST - 44));
    for file in [&photo, &sound] {
        let submitted = stack.submit_picture(&alice, "很大的文件", file).await;
        let id = submitted["id"].as_str().unwrap().to_owned();
        wechat.idle().await;
        wechat.release_pushes(&stack.app, ReleaseOrder::default()).await;
        until("it is public", async || stack.read(&id, "").await.status == 200).await;
        let shown = stack.read(&id, "").await.expect(200).json();
        let url = shown["media"][0]["url"].as_str().unwrap();
        assert!(url.starts_with("https://light.example.com/green/light/media/"), "{url}");
        let served = stack.get(url, "").await.expect(200).bytes;
        if url.ends_with("wav") {
            assert_eq!(served.len(), sound.len());
        } else {
            let (served, sent) = (image::load_from_memory(&served).unwrap(), image::load_from_memory(&photo).unwrap());
            assert_eq!((served.width(), served.height()), (sent.width(), sent.height()));
        }
    }
    for (function, what) in [("AcceptUpload", "event"), ("ServeMedia", "answer")] {
        let size = cloud.largest(function, what);
        assert!((5_500_000..LAMBDA_LIMIT).contains(&size), "the largest {what} of {function}: {size} bytes");
    }
    let check = cloud.http.post(stack.at("AcceptUploadUrl", "/v1/checks/image")).bearer_auth(&alice);
    let judged = stack.send(check.header("content-type", "image/bmp").body(photo.clone())).await.expect(200);
    assert_eq!(judged.text("suggest"), "pass");
    // A little more is refused in words, before Lambda would.
    let more = stack.upload(&alice, &picture_of(GREEN, LARGEST + 4096)).await.expect(413);
    assert_eq!(more.text("code"), "too_large");
    assert!(cloud.largest("AcceptUpload", "event") < LAMBDA_LIMIT);
}
