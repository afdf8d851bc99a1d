//! Upload forms: a phone posts them to the one address that it reaches.

use serde_json::{Value, json};

use crate::run::{Answer, GREEN, Run, picture};

/// The form as `wx.uploadFile` sends it: the fields, then the file.
fn filled(form: &Value, file: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in form["fields"].as_object().unwrap() {
        let value = value.as_str().unwrap();
        let field = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(field.as_bytes());
    }
    body.extend_from_slice(b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n");
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--b--\r\n");
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_posted_to_the_public_address() {
    let run = Run::start(&["--public-url", "https://example.com/green/"]);
    let alice = run.log_in("alice-1").await;
    let form = run.post("/v1/uploads", &alice, &json!({"kind": "image"})).await.expect(201).json;
    assert_eq!(form["url"], "https://example.com/green/forms");
    // Before it stands a server that passes the prefix on, or one that does not.
    for prefix in ["/green", ""] {
        run.post_form(&format!("{prefix}/forms"), filled(&form, &picture(GREEN, 3))).await.expect(204);
    }
    let upload = run.post(&format!("/v1/uploads/{}", form["upload_id"].as_str().unwrap()), &alice, &json!({})).await;
    let media = json!([{"upload_id": upload.expect(200).text("upload_id")}]);
    let body = json!({"scene": "forum", "media": media});
    run.post("/v1/submissions", &alice, &body).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_of_s3_is_seen_from_outside() {
    let run = Run::start(&[]);
    let alice = run.log_in("alice-1").await;
    let form = run.post("/v1/uploads", &alice, &json!({"kind": "image"})).await.expect(201).json;
    let mut other = form.clone();
    other["fields"]["key"] = json!("media/x/0.png");
    let refused = |answer: Answer| assert!((400..500).contains(&answer.status), "{}", answer.status);
    refused(run.post_form("/forms", filled(&other, b"x")).await);
    refused(run.post_form("/forms?delete", b"--b--\r\n".to_vec()).await);
    refused(run.get("/forms", "").await);
    refused(run.get("/forms?list-type=2", "").await);
    refused(run.delete("/forms", "").await);
    refused(run.post("/forms?delete", "", &json!({})).await);
    refused(run.post_form("/forms", filled(&form, &vec![0; 11 << 20])).await);
    run.get("/greenlight/incoming/x", "").await.expect(404);
}
