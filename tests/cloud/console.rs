//! A moderator in the console of a deployed stack, by whatever door.

use serde_json::json;
use url::Url;

use crate::cloud::until;
use crate::stack::Stack;

/// What stands in a page between two pieces of it.
fn between<'a>(page: &'a str, before: &str, after: &str) -> &'a str {
    let found = page.split_once(before).and_then(|(_, rest)| rest.split_once(after));
    found.unwrap_or_else(|| panic!("no {before} in {page}")).0
}

/// Somebody who is let in: their cookies, and the origin of the console.
struct Entered {
    cookies: String,
    origin: String,
}

/// The owner makes a link, and somebody comes in by it.
async fn enter(stack: &Stack<'_>, name: &str, role: &str) -> Entered {
    let moderator = json!({"moderator": name, "role": role});
    let key = stack.app_field("server_keys");
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
    // Browsers send what else they have been given as well.
    let cookies = format!("greenlight-language=en; {}", cookie.split(';').next().unwrap());
    Entered { cookies, origin }
}

impl Entered {
    async fn page(&self, stack: &Stack<'_>, path: &str) -> String {
        let request = stack.cloud.http.get(stack.at("ServeConsoleUrl", path)).header("cookie", &self.cookies);
        String::from_utf8(stack.send(request).await.expect(200).bytes.to_vec()).unwrap()
    }

    async fn post(&self, stack: &Stack<'_>, url: &str, fields: &[(&str, &str)]) -> Vec<u8> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let deed = stack.cloud.http.post(url).header("cookie", &self.cookies).header("origin", &self.origin);
        let deed = deed.header("content-type", "application/x-www-form-urlencoded").body(body);
        // The client goes on to the page that says what was done.
        stack.send(deed).await.expect(200).bytes.to_vec()
    }
}

/// A moderator decides what WeChat doubts; a lead reads in the record that WeChat did, and takes the evidence away.
pub(crate) async fn a_moderator_decides_and_a_lead_looks_back(stack: &Stack<'_>, alice: &str) {
    let doubtful = json!({"scene": "comment", "channel": "square", "text": "这很可疑"});
    let doubtful = stack.post("/v1/submissions", alice, &doubtful).await.expect(201);
    assert_eq!(doubtful.text("state"), "in_review");
    let id = doubtful.text("id");
    let moderator = enter(stack, "李雷", "moderator").await;
    let page = moderator.page(stack, "/console/queue").await;
    let article = between(&page, &format!("id=\"case-{id}\""), "</article>");
    let action = between(article, "action=\"", "\"");
    assert!(action.ends_with("/console/decisions"), "{action}");
    let fields = [
        ("form_secret", between(article, "name=\"form_secret\" value=\"", "\"")),
        ("case", between(article, "name=\"case\" value=\"", "\"")),
        ("deed", "approve"),
    ];
    let told = moderator.post(stack, &format!("{}{action}", moderator.origin), &fields).await;
    assert!(String::from_utf8_lossy(&told).contains("approved: 1"));
    assert_eq!(stack.read(&id, alice).await.expect(200).text("state"), "approved");
    // What WeChat did comes into the record by the table's stream.
    let lead = enter(stack, "韩梅梅", "lead").await;
    until("the stream brings what WeChat did into the record", async || {
        lead.page(stack, "/console/record?to=in_review&who=wechat").await.contains(&format!("/submissions/{id}"))
    })
    .await;
    let page = lead.page(stack, &format!("/console/submissions/{id}")).await;
    let form_secret = between(&page, "name=\"form_secret\" value=\"", "\"");
    let fields = [("form_secret", form_secret), ("id", id.as_str()), ("file", "1")];
    let file = lead.post(stack, &stack.at("ServeConsoleUrl", "/console/exports"), &fields).await;
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(file)).unwrap();
    let told = archive.by_name(&format!("{id}/submission.json")).unwrap();
    let told: serde_json::Value = serde_json::from_reader(told).unwrap();
    assert_eq!(told["content"]["text"], "这很可疑");
    // The door has told from where it came.
    assert!(told["client_ip"].as_str().is_some_and(|ip| ip.parse::<std::net::IpAddr>().is_ok()), "{told}");
}
