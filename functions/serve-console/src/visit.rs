//! A visit: who sends a request, in which language, and whether a form comes from a page of ours.

use axum::body::Body;
use axum::extract::Request;
use greenlight::api::body::{query, read_body};
use greenlight::api::language::Language;
use greenlight::api::problem::Problem;
use greenlight::domain::clock::Timestamp;
use greenlight::domain::moderator::{CONSOLE, Moderator, Pass};
use greenlight::moderation::let_in::session_of;
use http::header::{COOKIE, HOST, ORIGIN};
use http::request::Parts;
use http::{Extensions, HeaderMap, StatusCode};
use url::{Host, Url};

use crate::words::Words;
use crate::{Prefix, ServeConsole};

/// Where a session's cookie is kept; browsers take a name with this beginning only with `Secure`, from the host itself, and for
/// all of its paths. (RFC 6265bis, 4.1.3.2.)
const SECURE_COOKIE: &str = "__Host-greenlight";
/// The same on this machine, where there is no TLS.
const LOOPBACK_COOKIE: &str = "greenlight";
/// Which language somebody chose.
pub(crate) const LANGUAGE_COOKIE: &str = "greenlight-language";
/// The most that a form of ours holds.
const FORM_LIMIT: usize = 64 * 1024;

/// What is known of a request before anyone is recognised.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    /// What stands before our own paths, with them: `/console`, or a prefix and that.
    pub(crate) base: String,
    pub(crate) language: Language,
    /// Cookies are for TLS only.
    secure: bool,
    /// The origin that our own pages have.
    host: String,
}

/// A request of somebody who is let in.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) door: Door,
    pub(crate) moderator: Moderator,
    /// When the session ends.
    pub(crate) until: Timestamp,
    pub(crate) session: Pass,
    /// What the session's forms carry.
    pub(crate) form_secret: String,
    pub(crate) now: Timestamp,
}

fn header(headers: &HeaderMap, name: http::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs =
        headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(own, _)| *own == name).map(|(_, value)| value)
}

/// A host with its port, where that is not the scheme's own, as an origin has it.
fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

impl Door {
    /// What is known of a request by its head.
    pub(crate) fn of(console: &ServeConsole, head: &Parts) -> Self {
        Self::new(console, &head.headers, &head.extensions)
    }

    /// The same before its body is read.
    pub(crate) fn of_request(console: &ServeConsole, request: &Request) -> Self {
        Self::new(console, request.headers(), request.extensions())
    }

    fn new(console: &ServeConsole, headers: &HeaderMap, extensions: &Extensions) -> Self {
        let prefix = extensions.get::<Prefix>().map(|prefix| prefix.0.as_str()).unwrap_or_default();
        let named = console.console_url.as_ref().and_then(|url| Url::parse(&url.to_string()).ok());
        // A browser leaves the scheme's own port out of both headers.
        let reached = Url::parse(&format!("http://{}/", header(headers, HOST))).ok();
        let url = named.as_ref().or(reached.as_ref());
        let is_loopback = match url.and_then(Url::host) {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let chosen = match cookie(headers, LANGUAGE_COOKIE) {
            Some("zh") => Language::Chinese,
            Some("en") => Language::English,
            _ => Language::of(headers),
        };
        let prefix = named.as_ref().map_or(prefix, |url| url.path().trim_end_matches('/'));
        Self {
            base: format!("{prefix}{CONSOLE}"),
            language: chosen,
            secure: !is_loopback,
            host: match &named {
                Some(url) => authority(url).unwrap_or_default(),
                None => header(headers, HOST).to_ascii_lowercase(),
            },
        }
    }

    pub(crate) fn words(&self) -> &'static Words {
        Words::of(self.language)
    }

    /// Where browsers reach the console, as far as a request tells.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.host, self.base)
    }

    fn cookie_name(&self) -> &'static str {
        if self.secure { SECURE_COOKIE } else { LOOPBACK_COOKIE }
    }

    /// What lets the browser keep a session, or, without one, forget it.
    pub(crate) fn session_cookie(&self, session: Option<(&Pass, u64)>) -> String {
        let (name, secure) = (self.cookie_name(), if self.secure { "; Secure" } else { "" });
        let (value, seconds) = session.map_or((String::new(), 0), |(session, seconds)| (session.expose(), seconds));
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
    }

    /// Refuses what another site's page made a browser send: each browser says from where a form comes. (Fetch standard,
    /// "append a request `Origin` header".)
    pub(crate) fn must_be_ours(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let origin = Url::parse(header(headers, ORIGIN)).ok();
        let is_ours = origin.as_ref().is_some_and(|origin| {
            matches!(origin.scheme(), "http" | "https")
                && (origin.scheme() == "https" || !self.secure)
                && authority(origin).is_some_and(|authority| authority.eq_ignore_ascii_case(&self.host))
        });
        if is_ours {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "foreign_origin",
            "这个请求不是从审核台的页面发出的。请从审核台重新操作；如果前面有反向代理，请保留 Host，或设置 GREENLIGHT_CONSOLE_URL。",
            "This did not come from a page of the console. Go back there and try again; if a proxy stands before it, let it pass \
             on Host, or set GREENLIGHT_CONSOLE_URL.",
        ))
    }
}

/// The fields of a form.
#[derive(Clone, Debug)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form, whoever sends it.
    pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Self, Problem> {
        let body = read_body(headers, body, FORM_LIMIT).await?;
        Ok(Self(query(Some(&String::from_utf8_lossy(&body).replace('#', "%23")))))
    }

    /// The first value of a name, without space around it.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default().trim()
    }

    /// All values of a name.
    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

impl Visit {
    /// Recognises who sends this; nobody without a session that is good still (401).
    pub(crate) async fn of(console: &ServeConsole, head: &Parts) -> Result<Self, Problem> {
        let door = Door::of(console, head);
        let session = cookie(&head.headers, door.cookie_name()).and_then(Pass::parse).ok_or_else(no_session)?;
        let found = session_of(&console.table, &console.clock, &session).await?;
        let (moderator, until) = found.ok_or_else(no_session)?;
        let form_secret = session.token.form_secret().as_str().to_owned();
        Ok(Self { door, moderator, until, session, form_secret, now: console.clock.now() })
    }

    /// The same, and the form that they send from one of our pages.
    pub(crate) async fn with_form(console: &ServeConsole, request: Request) -> Result<(Self, Form), Problem> {
        let (head, body) = request.into_parts();
        let visit = Self::of(console, &head).await?;
        visit.door.must_be_ours(&head.headers)?;
        let form = Form::read(&head.headers, body).await?;
        if !visit.session.token.form_secret().matches(form.get("form_secret")) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "form_expired",
                "这个页面属于之前的登录。请刷新页面后重试。",
                "This page is from an earlier session. Load it again, then try once more.",
            ));
        }
        Ok((visit, form))
    }

    /// Refuses whoever is no lead (403).
    pub(crate) fn must_be_lead(&self) -> Result<(), Problem> {
        if self.moderator.role.is_lead() {
            return Ok(());
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "lead_required", "只有组长可以这样做。", "Only a lead may do this."))
    }
}

fn no_session() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "no_session",
        "您还没有登录，或登录已失效。请向小程序的运营方索取新的登录链接。（除本机外，审核台必须通过 https 访问。）",
        "You are not let in, or not any more. Ask whoever runs the mini program for a new link. (But on this machine the console \
         must be reached by https.)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(host: &str) -> Door {
        let is_local = host.starts_with("127.");
        Door { base: "/console".into(), language: Language::English, secure: !is_local, host: host.into() }
    }

    #[test]
    fn a_form_comes_from_our_own_origin_or_not_at_all() {
        let is_ours = |host: &str, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.extend(origin.map(|origin| (ORIGIN, origin.parse().unwrap())));
            door(host).must_be_ours(&headers).is_ok()
        };
        assert!(is_ours("light.example.com", Some("https://light.example.com")));
        assert!(is_ours("light.example.com", Some("https://LIGHT.example.com")));
        assert!(is_ours("light.example.com:8443", Some("https://light.example.com:8443")));
        assert!(is_ours("127.0.0.1:8787", Some("http://127.0.0.1:8787")));
        for foreign in [
            None,
            Some(""),
            Some("null"),
            Some("https://evil.example.com"),
            Some("https://light.example.com.evil.com"),
            Some("https://light.example.com:8443"),
            Some("http://light.example.com"),
            Some("ftp://light.example.com"),
            Some("light.example.com"),
        ] {
            assert!(!is_ours("light.example.com", foreign), "{foreign:?}");
        }
        assert!(!is_ours("127.0.0.1:8787", Some("http://127.0.0.1:8788")));
    }

    #[test]
    fn a_cookie_is_for_tls_and_for_scripts_not_at_all() {
        let moderator = Moderator {
            app: greenlight::domain::ids::AppId::parse("wx1").unwrap(),
            name: greenlight::domain::ids::ModeratorName::parse("li").unwrap(),
            role: greenlight::domain::moderator::Role::Lead,
        };
        let pass = Pass::of(&moderator);
        let set = door("light.example.com").session_cookie(Some((&pass, 60)));
        let expected =
            format!("__Host-greenlight={}; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure", pass.expose());
        assert_eq!(set, expected);
        assert!(!door("127.0.0.1").session_cookie(None).contains("Secure"));
    }

    #[test]
    fn cookies_are_read_by_their_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "a=1; xgreenlight=2; greenlight=3".parse().unwrap());
        headers.append(COOKIE, "b=4".parse().unwrap());
        assert_eq!(cookie(&headers, "greenlight"), Some("3"));
        assert_eq!(cookie(&headers, "b"), Some("4"));
        assert_eq!(cookie(&headers, "c"), None);
    }
}
