//! The flags of a local run, from the command line or the environment, and the secret document that they make.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use data_encoding::BASE64URL_NOPAD;
use greenlight::apps::Apps;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::durable::write_private;

/// The app of a run without flags.
const DEMO_APP: &str = "wx0000000000000000";

/// Greenlight on this machine: all functions, with a WeChat simulator or in front of a WeChat that you name.
///
/// Without --wechat-url and --app-secret a simulator stands in for WeChat. Each flag may stand in the environment instead,
/// under the name beside it: what is secret is seen there by fewer than on the command line.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "greenlight-local", version)]
pub struct Flags {
    /// Something else than a run.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Keep everything in this folder; without it nothing is kept.
    #[arg(long, value_name = "DIR", global = true, env = "GREENLIGHT_DATA", hide_env_values = true)]
    pub data: Option<PathBuf>,
    /// The WeChat to call, instead of a simulator; with --app-secret alone it is <https://api.weixin.qq.com>.
    #[arg(long, value_name = "URL", env = "GREENLIGHT_WECHAT_URL", hide_env_values = true)]
    pub wechat_url: Option<String>,
    /// The mini program's app id.
    #[arg(long, value_name = "ID", env = "GREENLIGHT_APP_ID", hide_env_values = true)]
    pub app_id: Option<String>,
    /// Its AppSecret.
    #[arg(long, value_name = "SECRET", env = "GREENLIGHT_APP_SECRET", hide_env_values = true)]
    pub app_secret: Option<String>,
    /// The Token of its message push.
    #[arg(long, value_name = "TOKEN", env = "GREENLIGHT_PUSH_TOKEN", hide_env_values = true)]
    pub push_token: Option<String>,
    /// The EncodingAESKey of its message push: 43 characters.
    #[arg(long, value_name = "KEY", env = "GREENLIGHT_PUSH_AES_KEY", hide_env_values = true)]
    pub push_aes_key: Option<String>,
    /// Where WeChat and readers reach this machine.
    #[arg(long, value_name = "URL", env = "GREENLIGHT_PUBLIC_URL", hide_env_values = true)]
    pub public_url: Option<String>,
    /// The key that the owner's backend calls with; one is made up without it.
    #[arg(long, value_name = "KEY", env = "GREENLIGHT_SERVER_KEY", hide_env_values = true)]
    pub server_key: Option<String>,
    /// Where the owner's backend is told of decisions.
    #[arg(long, value_name = "URL", env = "GREENLIGHT_DECISION_URL", hide_env_values = true)]
    pub decision_url: Option<String>,
    /// What such a telling is signed with.
    #[arg(long, value_name = "KEY", env = "GREENLIGHT_DECISION_KEY", hide_env_values = true)]
    pub decision_key: Option<String>,
    /// Where pushes that are not Greenlight's go.
    #[arg(long, value_name = "URL", env = "GREENLIGHT_RELAY_URL", hide_env_values = true)]
    pub relay_url: Option<String>,
    /// Media by URL may come from private addresses and any port too: for trying it out.
    #[arg(long, env = "GREENLIGHT_ALLOW_PRIVATE", hide_env_values = true)]
    pub allow_private: bool,
    /// A file of certificates in PEM to trust besides the public ones.
    #[arg(long, value_name = "FILE", env = "GREENLIGHT_CA_FILE", hide_env_values = true)]
    pub ca_file: Option<String>,
    /// The record of what was done: for how many days it is kept (400 by default).
    #[arg(long, value_name = "DAYS", env = "GREENLIGHT_KEEP_RECORD_DAYS", hide_env_values = true)]
    pub keep_record_days: Option<String>,
    /// That a person has rejected a content: for how many days it is kept (400 by default).
    #[arg(long, value_name = "DAYS", env = "GREENLIGHT_KEEP_REJECTED_DAYS", hide_env_values = true)]
    pub keep_rejected_days: Option<String>,
    /// From which address something was submitted; 0 keeps nothing of it: for how many days it is kept (200 by default).
    #[arg(long, value_name = "DAYS", env = "GREENLIGHT_KEEP_EVIDENCE_DAYS", hide_env_values = true)]
    pub keep_evidence_days: Option<String>,
    /// What was withdrawn before it was public, under seal; 0 erases it at once: for how many days it is kept (200 by default).
    #[arg(long, value_name = "DAYS", env = "GREENLIGHT_KEEP_SEALED_DAYS", hide_env_values = true)]
    pub keep_sealed_days: Option<String>,
    /// The address to listen on.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1",
        env = "GREENLIGHT_LISTEN",
        hide_env_values = true
    )]
    pub listen: Option<IpAddr>,
    /// The port to listen on; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 8787, env = "GREENLIGHT_PORT", hide_env_values = true)]
    pub port: u16,
}

/// What is done with the folder of a run.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Copy what --data keeps into a new folder, while the run goes on; --data with that folder is the run as it was.
    Backup {
        /// The folder to make.
        #[arg(value_name = "NEW_FOLDER")]
        to: PathBuf,
    },
}

/// What a run needs to know of its app.
#[derive(Clone, Debug)]
pub struct LocalApp {
    /// Its id.
    pub app_id: String,
    /// Its AppSecret.
    pub app_secret: String,
    /// The Token of its message push.
    pub push_token: String,
    /// Its EncodingAESKey.
    pub push_aes_key: String,
    /// The owner's key.
    pub server_key: String,
    /// The whole document, as Secrets Manager holds it.
    pub document: String,
}

/// What is made up once and kept with the data, so that sessions and keys outlive a restart.
#[derive(Serialize, Deserialize)]
struct MadeUp {
    session_key: String,
    server_key: String,
    app_secret: String,
    push_token: String,
    push_aes_key: String,
}

/// A flag or a file that the run cannot start with: one line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadFlag(String);

fn random(length: usize) -> Result<String, BadFlag> {
    let mut bytes = vec![0_u8; length];
    getrandom::fill(&mut bytes).map_err(|error| BadFlag(format!("no random bytes: {error}")))?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

impl MadeUp {
    fn new() -> Result<Self, BadFlag> {
        Ok(Self {
            session_key: random(32)?,
            server_key: format!("sk-{}", random(18)?),
            app_secret: random(24)?,
            push_token: random(15)?.replace(['-', '_'], "x"),
            // 43 letters and digits, as WeChat makes them.
            push_aes_key: random(32)?.replace(['-', '_'], "x"),
        })
    }

    fn kept(folder: &Path) -> Result<Self, BadFlag> {
        let file = folder.join("keys.json");
        let bad = |error: &dyn std::fmt::Display| BadFlag(format!("--data: {}: {error}", file.display()));
        match std::fs::read(&file) {
            Ok(json) => serde_json::from_slice(&json).map_err(|error| bad(&error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let made_up = Self::new()?;
                write_private(&file, &serde_json::to_vec(&made_up).unwrap_or_default()).map_err(|error| bad(&error))?;
                Ok(made_up)
            }
            Err(error) => Err(bad(&error)),
        }
    }
}

/// What is wrong with the command line, in one line.
///
/// clap repeats what it does not know. What is no flag may be a secret that lost its flag, so that is left out.
pub fn one_line(error: &clap::Error) -> String {
    let given = error.get(ContextKind::InvalidArg).or(error.get(ContextKind::InvalidSubcommand));
    if let (ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand, Some(ContextValue::String(given))) =
        (error.kind(), given)
        && !given.starts_with("--")
    {
        return "an argument stands where a flag should (--help lists them)".to_owned();
    }
    if let (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    {
        return format!("{} is missing (--help lists the flags)", missing.join(" "));
    }
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let tip = lines.find_map(|line| line.strip_prefix("tip: ")).map(|tip| format!("; {tip}")).unwrap_or_default();
    format!("{first}{tip} (--help lists the flags)")
}

impl Flags {
    /// Reads the command line, the program's name first, and the environment for what is not on it.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(arguments)?;
        let mut flags = Self::from_arg_matches(&matches)?;
        for (id, value) in [
            ("wechat_url", &mut flags.wechat_url),
            ("app_id", &mut flags.app_id),
            ("app_secret", &mut flags.app_secret),
            ("push_token", &mut flags.push_token),
            ("push_aes_key", &mut flags.push_aes_key),
            ("public_url", &mut flags.public_url),
            ("server_key", &mut flags.server_key),
            ("decision_url", &mut flags.decision_url),
            ("decision_key", &mut flags.decision_key),
            ("relay_url", &mut flags.relay_url),
        ] {
            // A name without a value in an environment file is one that was left out.
            if matches.value_source(id) == Some(ValueSource::EnvVariable) {
                value.take_if(|value| value.is_empty());
            }
        }
        Ok(flags)
    }

    /// Whether a simulator stands in for WeChat.
    pub fn simulates(&self) -> bool {
        self.wechat_url.is_none() && self.app_secret.is_none()
    }

    /// The app of this run: as the flags have it, the rest made up where a simulator knows it too.
    pub fn app(&self) -> Result<LocalApp, BadFlag> {
        let made_up = self.data.as_deref().map_or_else(MadeUp::new, MadeUp::kept)?;
        let needed = |flag: &str, given: &Option<String>, made_up: String| match given {
            Some(given) => Ok(given.clone()),
            None if self.simulates() => Ok(made_up),
            None => Err(BadFlag(format!("{flag} is needed when there is no simulator"))),
        };
        let app_id = needed("--app-id", &self.app_id, DEMO_APP.to_owned())?;
        let app_secret = needed("--app-secret", &self.app_secret, made_up.app_secret)?;
        // Without them texts work; pushes cannot, and the banner says so.
        let push_token = self.push_token.clone().unwrap_or(made_up.push_token);
        let push_aes_key = self.push_aes_key.clone().unwrap_or(made_up.push_aes_key);
        let server_key = self.server_key.clone().unwrap_or(made_up.server_key);
        let mut app = Map::from_iter([
            ("platform".to_owned(), json!("wechat")),
            ("app_secret".to_owned(), json!(app_secret)),
            ("push_token".to_owned(), json!(push_token)),
            ("push_aes_key".to_owned(), json!(push_aes_key)),
            ("server_keys".to_owned(), json!([server_key])),
        ]);
        for (name, value) in
            [("decision_url", &self.decision_url), ("decision_key", &self.decision_key), ("relay_url", &self.relay_url)]
        {
            if let Some(value) = value {
                app.insert(name.to_owned(), json!(value));
            }
        }
        let apps = Map::from_iter([(app_id.clone(), Value::Object(app))]);
        let document = json!({"session_key": made_up.session_key, "apps": apps}).to_string();
        let apps = Apps::parse(&document.as_str().into()).map_err(|error| error.to_string());
        let fault = |apps: Apps| apps.faults().first().map_or(Ok(()), |fault| Err(fault.to_string()));
        apps.and_then(fault).map_err(|text| {
            // The document's field is the flag's name with other hyphens.
            let field = [
                "app_secret",
                "push_token",
                "push_aes_key",
                "server_keys",
                "decision_url",
                "decision_key",
                "relay_url",
            ]
            .into_iter()
            .find(|field| text.contains(field));
            match field {
                Some(field) => {
                    let flag = field.trim_end_matches('s').replace('_', "-");
                    let reason = text.rsplit_once("invalid: ").map_or("", |(_, reason)| reason);
                    BadFlag(format!("--{flag} is invalid: {reason}"))
                }
                None => BadFlag(format!("--app-id is invalid: {text}")),
            }
        })?;
        Ok(LocalApp { app_id, app_secret, push_token, push_aes_key, server_key, document })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(arguments: &[&str]) -> Flags {
        Flags::try_parse_from(["greenlight-local"].iter().chain(arguments)).unwrap()
    }

    #[test]
    fn a_bad_key_is_one_line_that_names_the_flag() {
        let error = flags(&["--push-aes-key", "hunter2"]).app().unwrap_err().to_string();
        assert!(error.starts_with("--push-aes-key is invalid: ") && !error.contains("hunter2"), "{error}");
        let error = flags(&["--server-key", "hunter2"]).app().unwrap_err().to_string();
        assert!(error.starts_with("--server-key is invalid: ") && !error.contains("hunter2"), "{error}");
        let error = flags(&["--app-id", "w x"]).app().unwrap_err().to_string();
        assert!(error.starts_with("--app-id is invalid: "), "{error}");
    }

    #[test]
    fn without_a_simulator_the_app_must_be_named() {
        let error = flags(&["--wechat-url", "http://127.0.0.1:1"]).app().unwrap_err();
        assert_eq!(error.to_string(), "--app-id is needed when there is no simulator");
    }

    #[test]
    fn a_wrong_command_line_is_one_line_and_repeats_no_secret() {
        for (arguments, says) in [
            (vec!["--push-aes-kee", "hunter2"], "'--push-aes-key'"),
            (vec!["--push-aes-kee=hunter2"], "'--push-aes-key'"),
            (vec!["hunter2"], "an argument stands where a flag should"),
            (vec!["bakcup", "hunter2"], "an argument stands where a flag should"),
            (vec!["backup"], "<NEW_FOLDER> is missing"),
            (vec!["-xhunter2"], "an argument stands where a flag should"),
            (vec!["--app-secret", "-hunter2"], "a value is required for '--app-secret"),
            (vec!["--app-secret", "hunter2", "--app-secret", "hunter2"], "cannot be used multiple times"),
            (vec!["--app-secret"], "a value is required for '--app-secret"),
            (vec!["--port", "x"], "'--port <PORT>'"),
        ] {
            let error = Flags::try_parse_from(["greenlight-local"].iter().chain(&arguments)).unwrap_err();
            let line = one_line(&error);
            assert!(line.contains(says) && !line.contains("hunter2") && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn kept_keys_are_the_same_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let flags = Flags { data: Some(folder.path().to_owned()), ..flags(&[]) };
        assert_eq!(flags.app().unwrap().document, flags.app().unwrap().document);
    }
}
