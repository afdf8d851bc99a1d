//! A moderator in the console of a deployed stack, by whatever door.

use serde_json::json;
use url::Url;

use crate::stack::Stack;

/// What stands in a page between two pieces of it.
fn between<'a>(page: &'a str, before: &str, after: &str) -> &'a str {
    let found = page.split_once(before).and_then(|(_, rest)| rest.split_once(after));
    found.unwrap_or_else(|| panic!("no {before} in {page}")).0
}

/// The owner makes a link, a moderator comes in by it, and decides what WeChat doubts.
pub(crate) async fn a_moderator_is_let_in_and_decides(stack: &Stack<'_>, alice: &str) {
    let doubtful = json!({"scene": "comment", "channel": "square", "text": "这很可疑"});
    let doubtful = stack.post("/v1/submissions", alice, &doubtful).await.expect(201);
    assert_eq!(doubtful.text("state"), "in_review");
    let (id, key) = (doubtful.text("id"), stack.app_field("server_keys"));
    let moderator = json!({"moderator": "李雷", "role": "moderator"});
    let link = stack.post("/v1/moderators/links", &key, &moderator).await.expect(201).text("url");
    assert!(link.starts_with(&stack.at("ServeConsoleUrl", "/console/links/")), "{link}");
    stack.get(&link, "").await.expect(200);
    let origin = Url::parse(&link).unwrap().origin().ascii_serialization();
    let foreign = stack.cloud.http.post(&link).header("origin", "https://example.com");
    stack.send(foreign).await.expect(403);
    let entered = stack.cloud.http.post(&link).header("origin", &origin).send().await.unwrap();
    assert_eq!(entered.status(), 200);
    let cookie = entered.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-greenlight=") && cookie.ends_with("; Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    // Browsers send what else they have been given as well.
    let cookies = format!("greenlight-language=en; {cookie}");
    let queue = stack.cloud.http.get(stack.at("ServeConsoleUrl", "/console/queue")).header("cookie", &cookies);
    let page = stack.send(queue).await.expect(200);
    let page = String::from_utf8(page.bytes.to_vec()).unwrap();
    let article = between(&page, &format!("id=\"case-{id}\""), "</article>");
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("form_secret", between(article, "name=\"form_secret\" value=\"", "\""))
        .append_pair("case", between(article, "name=\"case\" value=\"", "\""))
        .append_pair("deed", "approve")
        .finish();
    let action = between(article, "action=\"", "\"");
    assert!(action.ends_with("/console/decisions"), "{action}");
    let deed = stack.cloud.http.post(format!("{origin}{action}")).header("cookie", &cookies).header("origin", &origin);
    let deed = deed.header("content-type", "application/x-www-form-urlencoded").body(body);
    // The client goes on to the page that says what was done.
    let told = stack.send(deed).await.expect(200);
    assert!(String::from_utf8_lossy(&told.bytes).contains("approved: 1"));
    assert_eq!(stack.read(&id, alice).await.expect(200).text("state"), "approved");
}
