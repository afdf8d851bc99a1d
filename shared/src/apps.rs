//! The apps of a deployment: the secret that names them, parsed and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;
use url::Url;

use crate::domain::base_url::BaseUrl;
use crate::domain::ids::{AppId, Channel};
use crate::outbound::WebhookKey;
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
    switched_off: BTreeMap<AppId, SwitchedOff>,
    faults: Vec<BadField>,
}

/// A field of the secret that is wrong. Names the place, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the secret's `{field}` is invalid: {reason}")]
pub struct BadField {
    /// Which field, as `apps.wx….push_token`.
    pub field: String,
    /// What it must be.
    pub reason: &'static str,
}

/// An app whose entry in the secret is wrong.
#[derive(Clone, Debug)]
struct SwitchedOff {
    fault: BadField,
    /// Those of its keys that can be read, so that its owner is told what is wrong.
    server_keys: Vec<SecretString>,
}

/// Why an app cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoApp {
    /// The secret names no app at all: a deployment that has just begun.
    #[error("the secret names no app")]
    NoneAtAll,
    /// Its entry in the secret is wrong, so it is switched off.
    #[error("the app is switched off: {0}")]
    SwitchedOff(BadField),
    /// There is no such app.
    #[error("there is no such app")]
    Unknown,
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
    /// Where the owner's backend is told of decisions, if it wants to be.
    pub decisions: Option<Decisions>,
    /// Where pushes that are not ours go.
    pub relay_url: Option<Url>,
}

/// Where an owner's backend is told of decisions.
#[derive(Clone, Debug)]
pub struct Decisions {
    /// Its URL.
    pub url: Url,
    /// What each telling is signed with.
    pub key: WebhookKey,
}

impl fmt::Debug for App {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("App").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What is wrong with the secret as a whole. Names the place, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// It is not the JSON document that it should be.
    #[error("the secret is not the JSON document it should be: {0}")]
    Unreadable(String),
    /// A field in it that all apps need is wrong.
    #[error(transparent)]
    Field(#[from] BadField),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretDocument {
    session_key: SecretString,
    previous_session_key: Option<SecretString>,
    apps: BTreeMap<String, Value>,
}

/// An app's entry, taken field by field, so that whatever is wrong has a name.
struct Entry<'a> {
    id: &'a str,
    fields: Map<String, Value>,
}

impl Entry<'_> {
    fn bad(&self, name: &str, reason: &'static str) -> BadField {
        BadField { field: format!("apps.{}.{name}", self.id), reason }
    }

    /// The field, if it is there and not null.
    fn take<T: DeserializeOwned>(&mut self, name: &str, reason: &'static str) -> Result<Option<T>, BadField> {
        let value = self.fields.remove(name).filter(|value| !value.is_null());
        value.map(serde_json::from_value).transpose().map_err(|_| self.bad(name, reason))
    }

    /// A text that is not empty, if it is there.
    fn text(&mut self, name: &str) -> Result<Option<SecretString>, BadField> {
        let text: Option<SecretString> = self.take(name, "it must be a text")?;
        match text {
            Some(text) if text.expose_secret().is_empty() => Err(self.bad(name, "it is empty")),
            text => Ok(text),
        }
    }

    fn required_text(&mut self, name: &str) -> Result<SecretString, BadField> {
        self.text(name)?.ok_or_else(|| self.bad(name, "it is missing"))
    }

    fn aes_key(&mut self, name: &str) -> Result<Option<AesKey>, BadField> {
        let text = self.text(name)?;
        let key = text.map(|text| AesKey::parse(text.expose_secret())).transpose();
        key.map_err(|_| self.bad(name, "an EncodingAESKey has 43 characters A-Z a-z 0-9"))
    }

    /// Taken letter for letter: a slash at the end matters to a server that somebody else wrote.
    fn url(&mut self, name: &str) -> Result<Option<Url>, BadField> {
        const REASON: &str = "it must be a URL without a query";
        let url: Option<String> = self.take(name, REASON)?;
        let url = url.map(|url| BaseUrl::parse(&url).ok().and_then(|_| Url::parse(&url).ok()).ok_or(REASON));
        url.transpose().map_err(|reason| self.bad(name, reason))
    }

    /// A URL wants a key; a key alone waits for its URL.
    fn decisions(&mut self) -> Result<Option<Decisions>, BadField> {
        let key = self.text("decision_key")?.map(|key| WebhookKey::parse(&key)).transpose();
        let key =
            key.map_err(|_| self.bad("decision_key", "it must be whsec_ and the base64 of 24 to 64 random bytes"))?;
        match (self.url("decision_url")?, key) {
            (Some(url), Some(key)) => Ok(Some(Decisions { url, key })),
            (Some(_), None) => Err(self.bad("decision_key", "it is missing; decisions are told signed")),
            (None, _) => Ok(None),
        }
    }

    fn server_keys(&mut self) -> Result<Vec<SecretString>, BadField> {
        let keys: Option<Vec<SecretString>> = self.take("server_keys", "it must be a list of texts")?;
        let keys = keys.unwrap_or_default();
        if keys.iter().any(|key| key.expose_secret().len() < SHORTEST_SERVER_KEY) {
            return Err(self.bad("server_keys", "it must have at least 8 characters"));
        }
        Ok(keys)
    }
}

fn session_key_is_long_enough(key: &SecretString, field: &str) -> Result<(), BadField> {
    if key.expose_secret().len() < SHORTEST_SESSION_KEY {
        return Err(BadField { field: field.to_owned(), reason: "it must have at least 16 characters" });
    }
    Ok(())
}

impl Apps {
    /// Reads the secret. An app whose entry is wrong is switched off, and no other with it: [`faults`](Self::faults) says
    /// what is wrong. The error names what is wrong with the whole, and where, without repeating any of it.
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
        let session_keys = [Some(document.session_key), document.previous_session_key].into_iter().flatten().collect();
        let mut read = Self { session_keys, apps: BTreeMap::new(), switched_off: BTreeMap::new(), faults: Vec::new() };
        for (name, entry) in document.apps {
            read.take_entry(&name, entry);
        }
        read.no_key_of_two_apps();
        Ok(read)
    }

    fn take_entry(&mut self, name: &str, entry: Value) {
        let Ok(id) = AppId::parse(name) else {
            self.faults.push(BadField { field: "apps".to_owned(), reason: "an app id is wrong" });
            return;
        };
        let Value::Object(fields) = entry else {
            let fault = BadField { field: format!("apps.{name}"), reason: "it must be an object" };
            self.switch_off(id, SwitchedOff { fault, server_keys: Vec::new() });
            return;
        };
        let mut entry = Entry { id: name, fields };
        // The keys first: whatever else is wrong, the owner is told of it.
        let app = match entry.server_keys() {
            Ok(server_keys) => App::parse(&id, &mut entry, server_keys.clone()).map_err(|fault| (fault, server_keys)),
            Err(fault) => Err((fault, Vec::new())),
        };
        match app {
            Ok(app) => drop(self.apps.insert(id, app)),
            Err((fault, server_keys)) => self.switch_off(id, SwitchedOff { fault, server_keys }),
        }
    }

    fn switch_off(&mut self, id: AppId, off: SwitchedOff) {
        self.faults.push(off.fault.clone());
        self.switched_off.insert(id, off);
    }

    /// A key that stands with two apps would be good for either: it is good for none.
    fn no_key_of_two_apps(&mut self) {
        let mut holders: BTreeMap<String, BTreeSet<AppId>> = BTreeMap::new();
        for app in self.apps.values() {
            for key in &app.server_keys {
                holders.entry(key.expose_secret().to_owned()).or_default().insert(app.id.clone());
            }
        }
        holders.retain(|_, apps| apps.len() > 1);
        for app in self.apps.values_mut() {
            let before = app.server_keys.len();
            app.server_keys.retain(|key| !holders.contains_key(key.expose_secret()));
            if app.server_keys.len() < before {
                let field = format!("apps.{}.server_keys", app.id);
                self.faults.push(BadField { field, reason: "a key must belong to one app only; it is not taken" });
            }
        }
    }

    /// What is wrong with single apps.
    pub fn faults(&self) -> &[BadField] {
        &self.faults
    }

    /// Whether no app at all is named.
    pub fn is_empty(&self) -> bool {
        self.apps.is_empty() && self.switched_off.is_empty()
    }

    /// The keys that tokens are signed with: the first signs, all verify.
    pub fn session_keys(&self) -> &[SecretString] {
        &self.session_keys
    }

    /// The app of that id, or why it cannot be had.
    pub fn get(&self, id: &AppId) -> Result<&App, NoApp> {
        self.apps.get(id).ok_or_else(|| match self.switched_off.get(id) {
            Some(off) => NoApp::SwitchedOff(off.fault.clone()),
            None if self.is_empty() => NoApp::NoneAtAll,
            None => NoApp::Unknown,
        })
    }

    /// The app, where there is but one.
    pub fn only(&self) -> Result<&App, NoApp> {
        let (mut apps, mut off) = (self.apps.values(), self.switched_off.values());
        match (apps.next(), off.next(), apps.len() + off.len()) {
            (Some(app), None, 0) => Ok(app),
            (None, Some(off), 0) => Err(NoApp::SwitchedOff(off.fault.clone())),
            (None, None, _) => Err(NoApp::NoneAtAll),
            _ => Err(NoApp::Unknown),
        }
    }

    /// All apps that are not switched off.
    pub fn iter(&self) -> impl Iterator<Item = &App> {
        self.apps.values()
    }

    /// The app whose server key this is, or why it cannot be had. Takes the same time whichever key matches, or none.
    pub fn by_server_key(&self, key: &str) -> Result<&App, NoApp> {
        let mut found = if self.is_empty() { Err(NoApp::NoneAtAll) } else { Err(NoApp::Unknown) };
        let is = |own: &SecretString| bool::from(own.expose_secret().as_bytes().ct_eq(key.as_bytes()));
        for off in self.switched_off.values() {
            for own in &off.server_keys {
                if is(own) {
                    found = Err(NoApp::SwitchedOff(off.fault.clone()));
                }
            }
        }
        for app in self.apps.values() {
            for own in &app.server_keys {
                if is(own) {
                    found = Ok(app);
                }
            }
        }
        found
    }
}

impl App {
    fn parse(id: &AppId, entry: &mut Entry<'_>, server_keys: Vec<SecretString>) -> Result<Self, BadField> {
        let platform = entry.required_text("platform")?;
        if platform.expose_secret() != "wechat" {
            return Err(entry.bad("platform", "it must be wechat"));
        }
        let app_secret = entry.required_text("app_secret")?;
        let push_token = entry.required_text("push_token")?;
        let aes_key = entry.aes_key("push_aes_key")?.ok_or_else(|| entry.bad("push_aes_key", "it is missing"))?;
        let previous_token = entry.text("previous_push_token")?;
        let previous_key = entry.aes_key("previous_push_aes_key")?;
        let mut push_keys = vec![PushKey { token: push_token.clone(), aes_key: aes_key.clone() }];
        // During a rotation the token, the key, or both may be the previous ones.
        if previous_token.is_some() || previous_key.is_some() {
            let (token, aes_key) = (previous_token.unwrap_or(push_token), previous_key.unwrap_or(aes_key));
            push_keys.push(PushKey { token, aes_key });
        }
        let plaintext = entry.take("allow_plaintext_push", "it must be true or false")?;
        let channels = entry.take("channels", "it must be a list of channels, each of a-z, 0-9, _ and -")?;
        let app = Self {
            id: id.clone(),
            app_secret,
            push_keys,
            allow_plaintext_push: plaintext.unwrap_or(false),
            server_keys,
            channels,
            decisions: entry.decisions()?,
            relay_url: entry.url("relay_url")?,
        };
        // A field that nobody reads is a setting that does not work: better said than found out.
        match entry.fields.keys().next() {
            Some(unknown) => Err(entry.bad(unknown, "there is no such field")),
            None => Ok(app),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(change: impl Fn(&mut Value)) -> Result<Apps, BadSecret> {
        let app = |server_key: &str| {
            serde_json::json!({
                "platform": "wechat", "app_secret": "hush", "push_token": "AAAAA",
                "push_aes_key": "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "server_keys": [server_key],
            })
        };
        let mut json = serde_json::json!({
            "session_key": "0123456789abcdef0123456789abcdef",
            "apps": {"wx1": app("sk-0123456789abcdef"), "wx2": app("sk-of-the-other-one")},
        });
        change(&mut json);
        Apps::parse(&json.to_string().into())
    }

    fn id(id: &str) -> AppId {
        AppId::parse(id).unwrap()
    }

    #[test]
    fn the_right_document_is_read() {
        let apps = document(|_| ()).unwrap();
        assert!(apps.faults().is_empty());
        assert_eq!(apps.get(&id("wx1")).unwrap().id.as_str(), "wx1");
        assert_eq!(apps.by_server_key("sk-0123456789abcdef").unwrap().id.as_str(), "wx1");
        for unknown in ["sk-0123456789abcdeX", ""] {
            assert_eq!(apps.by_server_key(unknown).unwrap_err(), NoApp::Unknown);
        }
        assert_eq!(apps.get(&id("wx3")).unwrap_err(), NoApp::Unknown);
    }

    #[test]
    fn where_there_is_one_app_it_need_not_be_named() {
        assert_eq!(document(|_| ()).unwrap().only().unwrap_err(), NoApp::Unknown);
        let one = document(|json| drop(json["apps"].as_object_mut().unwrap().remove("wx2"))).unwrap();
        assert_eq!(one.only().unwrap().id.as_str(), "wx1");
    }

    #[test]
    fn a_document_without_apps_is_one_that_has_just_begun() {
        let apps = document(|json| json["apps"] = serde_json::json!({})).unwrap();
        assert!(apps.is_empty() && apps.faults().is_empty());
        assert_eq!(apps.get(&id("wx1")).unwrap_err(), NoApp::NoneAtAll);
        assert_eq!(apps.only().unwrap_err(), NoApp::NoneAtAll);
        assert_eq!(apps.by_server_key("sk-0123456789abcdef").unwrap_err(), NoApp::NoneAtAll);
    }

    #[test]
    fn what_is_wrong_with_the_whole_is_named_and_not_repeated() {
        type Change = fn(&mut Value);
        let cases: [(Change, &str); 4] = [
            (|json| json["session_key"] = "hunter2".into(), "session_key"),
            (|json| json["colour"] = "hunter2".into(), "colour"),
            (|json| json["apps"] = "hunter2".into(), "line 1"),
            (|json| drop(json.as_object_mut().unwrap().remove("session_key")), "session_key"),
        ];
        for (change, named) in cases {
            let text = document(change).unwrap_err().to_string();
            assert!(text.contains(named) && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_wrong_app_is_switched_off_alone_and_its_field_is_named_and_not_repeated() {
        let hunter = || Value::from("hunter2");
        let wrong: [(&str, Value); 14] = [
            ("push_aes_key", hunter()),
            ("push_aes_key", Value::Null),
            ("previous_push_aes_key", hunter()),
            ("server_keys", serde_json::json!(["hunter2"])),
            ("server_keys", hunter()),
            ("push_token", "".into()),
            ("app_secret", serde_json::json!(["hunter2"])),
            ("platform", hunter()),
            ("allow_plaintext_push", hunter()),
            ("channels", serde_json::json!(["hunter2 !"])),
            ("decision_url", hunter()),
            ("decision_key", "whsec_hunter2".into()),
            ("relay_url", "https://hunter2/?x".into()),
            ("colour", hunter()),
        ];
        for (field, value) in wrong {
            let apps = document(|json| json["apps"]["wx1"][field] = value.clone()).unwrap();
            let [fault] = apps.faults() else { panic!("{field}: {:?}", apps.faults()) };
            assert_eq!(fault.field, format!("apps.wx1.{field}"));
            let told = apps.get(&id("wx1")).unwrap_err();
            assert_eq!(told, NoApp::SwitchedOff(fault.clone()));
            assert!(!told.to_string().contains("hunter2"), "{told}");
            if field != "server_keys" {
                assert_eq!(apps.by_server_key("sk-0123456789abcdef").unwrap_err(), told, "{field}");
            }
            assert!(apps.get(&id("wx2")).is_ok() && apps.by_server_key("sk-of-the-other-one").is_ok(), "{field}");
            assert_eq!(apps.iter().count(), 1);
        }
        for entry in [hunter(), Value::Null] {
            let apps = document(|json| json["apps"]["wx1"] = entry.clone()).unwrap();
            assert_eq!(apps.faults().iter().map(|fault| fault.field.as_str()).collect::<Vec<_>>(), ["apps.wx1"]);
        }
        let apps = document(|json| json["apps"]["not an id"] = hunter()).unwrap();
        assert_eq!(apps.faults().iter().map(|fault| fault.field.as_str()).collect::<Vec<_>>(), ["apps"]);
        assert_eq!(apps.iter().count(), 2);
    }

    #[test]
    fn who_is_told_of_decisions_names_a_key() {
        let with = |fields: &[(&str, &str)]| {
            let app =
                |json: &mut Value| fields.iter().for_each(|(name, value)| json["apps"]["wx1"][name] = (*value).into());
            document(app).unwrap()
        };
        const KEY: (&str, &str) = ("decision_key", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
        const URL: (&str, &str) = ("decision_url", "https://example.com/decisions/");
        let url = with(&[URL, KEY]).get(&id("wx1")).unwrap().decisions.clone().unwrap().url;
        assert_eq!(url.as_str(), URL.1, "letter for letter");
        assert!(with(&[KEY]).get(&id("wx1")).unwrap().decisions.is_none());
        assert_eq!(with(&[URL]).faults()[0].field, "apps.wx1.decision_key");
    }

    #[test]
    fn a_server_key_of_two_apps_is_good_for_neither() {
        let apps = document(|json| json["apps"]["wx2"] = json["apps"]["wx1"].clone()).unwrap();
        assert_eq!(apps.by_server_key("sk-0123456789abcdef").unwrap_err(), NoApp::Unknown);
        assert_eq!(apps.faults().len(), 2);
        assert!(apps.get(&id("wx1")).is_ok() && apps.get(&id("wx2")).is_ok());
        let apps =
            document(|json| json["apps"]["wx1"]["server_keys"] = serde_json::json!(["sk-twice-1", "sk-twice-1"]));
        assert!(apps.unwrap().by_server_key("sk-twice-1").is_ok(), "twice with one app is no harm");
    }

    #[test]
    fn nothing_secret_is_shown() {
        assert!(!format!("{:?}", document(|_| ()).unwrap()).contains("hush"));
    }
}
