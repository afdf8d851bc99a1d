//! A visitor of the console: a browser as far as forms and cookies go, without its kindness.

use http::{Method, StatusCode};
use serde_json::json;
use url::form_urlencoded;

use crate::world::{Answer, World, server_key};

/// Somebody who may be let in.
#[derive(Clone)]
pub struct Visitor<'a> {
    /// The world.
    pub world: &'a World,
    /// The session's cookie, as it is sent.
    pub cookie: String,
    /// What the session's forms carry.
    pub form_secret: String,
}

/// What stands in `text` between each `before` and the next `after`.
pub fn between<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split(after).next()).collect()
}

/// The text of a page.
pub fn page(answer: &Answer) -> String {
    String::from_utf8(answer.bytes.to_vec()).expect("UTF-8")
}

/// The cases on a page of the queue, each with its version, as forms name them.
pub fn cases(page: &str) -> Vec<String> {
    let articles = between(page, "<article class=\"case\" id=\"case-", "</article>");
    articles
        .iter()
        .map(|article| between(article, "name=\"case\" value=\"", "\"").first().expect("a case").to_string())
        .collect()
}

/// The submission that a form's case names.
pub fn id_of(case: &str) -> &str {
    case.split(':').next().unwrap_or_default()
}

impl<'a> Visitor<'a> {
    /// Nobody yet.
    pub fn stranger(world: &'a World) -> Self {
        Self { world, cookie: String::new(), form_secret: String::new() }
    }

    /// A link for a moderator of the app of that number, as a path.
    pub async fn link(world: &World, app: usize, name: &str, role: &str) -> String {
        let body = json!({"moderator": name, "role": role});
        let made = world.post("/v1/moderators/links", &server_key(app), &body).await.expect(201);
        made.text("url").strip_prefix(&world.url).expect("a link to this world").to_owned()
    }

    /// Somebody who has come in by a link of their own.
    pub async fn enter(world: &'a World, app: usize, name: &str, role: &str) -> Self {
        let link = Self::link(world, app, name, role).await;
        let mut visitor = Self::stranger(world);
        visitor.spend(&link).await.expect(200);
        visitor
    }

    /// Presses the button on a link's page.
    pub async fn spend(&mut self, link: &str) -> Answer {
        let request = self.world.request(Method::POST, link, "").header("origin", &self.world.url);
        let answer = self.world.send(request).await;
        let cookies = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().expect("ASCII"));
        if let Some(cookie) = cookies.filter_map(|cookie| cookie.split(';').next()).next() {
            self.cookie = cookie.to_owned();
            let start = page(&self.get("").await);
            self.form_secret = between(&start, "name=\"form_secret\" value=\"", "\"")[0].to_owned();
        }
        answer
    }

    /// A request to a page, with the session.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.world.request(method, &format!("/console{path}"), "").header("cookie", &self.cookie)
    }

    /// Opens a page.
    pub async fn get(&self, path: &str) -> Answer {
        self.world.send(self.request(Method::GET, path)).await
    }

    /// Sends a form as its page would.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_from(path, fields, Some(&self.world.url), &self.form_secret).await
    }

    /// Sends a form from wherever, with whatever secret.
    pub async fn post_from(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        origin: Option<&str>,
        form_secret: &str,
    ) -> Answer {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("form_secret", form_secret).extend_pairs(fields);
        let request = self.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
        self.world.send(request.body(body.finish())).await
    }

    /// Opens the queue: the cases in hand, as forms name them.
    pub async fn queue(&self) -> Vec<String> {
        cases(&page(&self.get("/queue").await.expect(200)))
    }

    /// Approves or rejects a case.
    pub async fn decide(&self, case: &str, deed: &str) -> Answer {
        self.post("/decisions", &[("case", case), ("deed", deed), ("code", "spam")]).await
    }

    /// Whether the session is good still.
    pub async fn is_in(&self) -> bool {
        self.get("").await.status == StatusCode::OK
    }
}
