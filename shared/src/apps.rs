//! The apps of a deployment: the secret that names them, parsed and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use subtle::ConstantTimeEq;

use crate::domain::base_url::BaseUrl;
use crate::domain::ids::{AppId, Channel};
use crate::wechat::envelope::{AesKey, PushKey};

/// Whoever has a session can try session keys on it at leisure; a shorter one would be found.
const SHORTEST_SESSION_KEY: usize = 16;
/// A server key can only be tried by asking us.
const SHORTEST_SERVER_KEY: usize = 8;

/// Everything secret: the document in Secrets Manager.
#[derive(Clone, Debug)]
pub struct Apps {
    session_keys: Vec<SecretString>,
    apps: BTreeMap<AppId, App>,
}

/// One mini program.
#[derive(Clone)]
pub struct App {
    /// Its id.
    pub id: AppId,
    /// WeChat's AppSecret.
    pub app_secret: SecretString,
    /// What opens pushes: current, and previous where there is one.
    pub push_keys: Vec<PushKey>,
    /// Pushes in plaintext mode are taken; a `pass` in them counts as `review`.
    pub allow_plaintext_push: bool,
    server_keys: Vec<SecretString>,
    /// The only channels that submissions may go to; any, where there is no list.
    pub channels: Option<BTreeSet<Channel>>,
    /// Where the owner's backend is told of decisions.
    pub decision_url: Option<BaseUrl>,
    /// What such a telling is signed with.
    pub decision_key: Option<SecretString>,
    /// Where pushes that are not ours go.
    pub relay_url: Option<BaseUrl>,
}

impl fmt::Debug for App {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("App").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What is wrong with the secret. Names the place, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// It is not the JSON document that it should be.
    #[error("the secret is not the JSON document it should be: {0}")]
    Unreadable(String),
    /// A field in it is wrong.
    #[error("the secret's `{field}` is invalid: {reason}")]
    Field {
        /// Which field.
        field: String,
        /// What it must be.
        reason: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretDocument {
    session_key: SecretString,
    previous_session_key: Option<SecretString>,
    apps: BTreeMap<String, AppDocument>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppDocument {
    platform: Platform,
    app_secret: SecretString,
    push_token: SecretString,
    push_aes_key: SecretString,
    previous_push_token: Option<SecretString>,
    previous_push_aes_key: Option<SecretString>,
    #[serde(default)]
    allow_plaintext_push: bool,
    #[serde(default)]
    server_keys: Vec<SecretString>,
    channels: Option<BTreeSet<Channel>>,
    decision_url: Option<String>,
    decision_key: Option<SecretString>,
    relay_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Platform {
    Wechat,
}

fn session_key_is_long_enough(key: &SecretString, field: &str) -> Result<(), BadSecret> {
    if key.expose_secret().len() < SHORTEST_SESSION_KEY {
        return Err(BadSecret::Field { field: field.to_owned(), reason: "it must have at least 16 characters" });
    }
    Ok(())
}

impl Apps {
    /// Reads the secret. The error names what is wrong and where, without repeating any of it.
    pub fn parse(json: &SecretString) -> Result<Self, BadSecret> {
        let document: SecretDocument = serde_json::from_str(json.expose_secret()).map_err(|error| {
            // serde's text may quote a value; field names and places are safe.
            let text = error.to_string();
            let safe = text.starts_with("missing field") || text.starts_with("unknown field");
            let place = format!("line {} column {}", error.line(), error.column());
            BadSecret::Unreadable(if safe { text } else { place })
        })?;
        session_key_is_long_enough(&document.session_key, "session_key")?;
        if let Some(previous) = &document.previous_session_key {
            session_key_is_long_enough(previous, "previous_session_key")?;
        }
        if document.apps.is_empty() {
            return Err(BadSecret::Field { field: "apps".to_owned(), reason: "it must name at least one app" });
        }
        let apps = document
            .apps
            .into_iter()
            .map(|(id, app)| App::parse(&id, app).map(|app| (app.id.clone(), app)))
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        let apps = Self {
            session_keys: [Some(document.session_key), document.previous_session_key].into_iter().flatten().collect(),
            apps,
        };
        apps.no_key_of_two_apps()?;
        Ok(apps)
    }

    fn no_key_of_two_apps(&self) -> Result<(), BadSecret> {
        let mut seen = BTreeSet::new();
        for app in self.apps.values() {
            for key in &app.server_keys {
                if !seen.insert(key.expose_secret()) {
                    let field = format!("apps.{}.server_keys", app.id);
                    return Err(BadSecret::Field { field, reason: "a key must belong to one app only" });
                }
            }
        }
        Ok(())
    }

    /// The keys that tokens are signed with: the first signs, all verify.
    pub fn session_keys(&self) -> &[SecretString] {
        &self.session_keys
    }

    /// The app of that id.
    pub fn get(&self, id: &AppId) -> Option<&App> {
        self.apps.get(id)
    }

    /// The app, where there is but one.
    pub fn only(&self) -> Option<&App> {
        (self.apps.len() == 1).then(|| self.apps.values().next()).flatten()
    }

    /// All apps.
    pub fn iter(&self) -> impl Iterator<Item = &App> {
        self.apps.values()
    }

    /// The app whose server key this is. Takes the same time whichever key matches, or none.
    pub fn by_server_key(&self, key: &str) -> Option<&App> {
        let mut found = None;
        for app in self.apps.values() {
            for own in &app.server_keys {
                if bool::from(own.expose_secret().as_bytes().ct_eq(key.as_bytes())) {
                    found = Some(app);
                }
            }
        }
        found
    }
}

impl App {
    fn parse(id: &str, document: AppDocument) -> Result<Self, BadSecret> {
        let Platform::Wechat = document.platform;
        let field = |name: &str| format!("apps.{id}.{name}");
        let bad = |name: &str, reason| BadSecret::Field { field: field(name), reason };
        let app_id = AppId::parse(id)
            .map_err(|_| BadSecret::Field { field: "apps".to_owned(), reason: "an app id is wrong" })?;
        for (name, value) in [("app_secret", &document.app_secret), ("push_token", &document.push_token)] {
            if value.expose_secret().is_empty() {
                return Err(bad(name, "it is empty"));
            }
        }
        let aes_key = |name: &str, key: &SecretString| {
            AesKey::parse(key.expose_secret()).map_err(|_| bad(name, "an EncodingAESKey has 43 characters A-Z a-z 0-9"))
        };
        let current = aes_key("push_aes_key", &document.push_aes_key)?;
        let mut push_keys = vec![PushKey { token: document.push_token.clone(), aes_key: current.clone() }];
        // During a rotation the token, the key, or both may be the previous ones.
        if document.previous_push_token.is_some() || document.previous_push_aes_key.is_some() {
            let token = document.previous_push_token.unwrap_or(document.push_token);
            if token.expose_secret().is_empty() {
                return Err(bad("previous_push_token", "it is empty"));
            }
            let previous = document.previous_push_aes_key.as_ref();
            let aes_key = previous.map_or(Ok(current), |key| aes_key("previous_push_aes_key", key))?;
            push_keys.push(PushKey { token, aes_key });
        }
        for key in &document.server_keys {
            if key.expose_secret().len() < SHORTEST_SERVER_KEY {
                return Err(bad("server_keys", "it must have at least 8 characters"));
            }
        }
        let url = |name: &str, url: Option<String>| {
            url.map(|url| BaseUrl::parse(&url)).transpose().map_err(|_| bad(name, "it must be a URL without a query"))
        };
        Ok(Self {
            id: app_id,
            app_secret: document.app_secret,
            push_keys,
            allow_plaintext_push: document.allow_plaintext_push,
            server_keys: document.server_keys,
            channels: document.channels,
            decision_url: url("decision_url", document.decision_url)?,
            decision_key: document.decision_key,
            relay_url: url("relay_url", document.relay_url)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(change: impl Fn(&mut serde_json::Value)) -> Result<Apps, BadSecret> {
        let mut json = serde_json::json!({
            "session_key": "0123456789abcdef0123456789abcdef",
            "apps": {"wx1": {
                "platform": "wechat", "app_secret": "hush", "push_token": "AAAAA",
                "push_aes_key": "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
                "server_keys": ["sk-0123456789abcdef"],
            }},
        });
        change(&mut json);
        Apps::parse(&json.to_string().into())
    }

    #[test]
    fn the_right_document_is_read() {
        let apps = document(|_| ()).unwrap();
        assert_eq!(apps.only().unwrap().id.as_str(), "wx1");
        assert!(apps.by_server_key("sk-0123456789abcdef").is_some());
        assert!(apps.by_server_key("sk-0123456789abcdeX").is_none() && apps.by_server_key("").is_none());
    }

    #[test]
    fn what_is_wrong_is_named_and_not_repeated() {
        type Change = fn(&mut serde_json::Value);
        let cases: [(Change, &str); 7] = [
            (|json| json["apps"]["wx1"]["push_aes_key"] = "hunter2".into(), "apps.wx1.push_aes_key"),
            (|json| json["apps"]["wx1"]["server_keys"] = serde_json::json!(["hunter2"]), "apps.wx1.server_keys"),
            (|json| json["session_key"] = "hunter2".into(), "session_key"),
            (|json| json["apps"] = serde_json::json!({}), "apps"),
            (|json| json["apps"]["wx1"]["push_token"] = "".into(), "apps.wx1.push_token"),
            (|json| json["apps"]["wx1"]["colour"] = "hunter2".into(), "colour"),
            (|json| json["apps"]["wx1"]["server_keys"] = "hunter2".into(), "line 1"),
        ];
        for (change, named) in cases {
            let text = document(change).unwrap_err().to_string();
            assert!(text.contains(named) && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_server_key_belongs_to_one_app() {
        let twice = document(|json| json["apps"]["wx2"] = json["apps"]["wx1"].clone());
        assert!(twice.unwrap_err().to_string().contains("one app only"));
    }

    #[test]
    fn nothing_secret_is_shown() {
        assert!(!format!("{:?}", document(|_| ()).unwrap()).contains("hush"));
    }
}
