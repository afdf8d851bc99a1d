//! Settings: what a function needs it asks for by name, and it asks for nothing else.

use std::collections::BTreeMap;

use accept_upload::AcceptUpload;
use greenlight::domain::clock::Clock;
use greenlight::settings::Lookup;
use greenlight::start::{Fatal, StartError};
use greenlight_local::stack::Stack;
use greenlight_tests::world::World;
use publish_decisions::PublishDecisions;
use receive_push::ReceivePush;
use refresh_token::RefreshToken;
use serve_console::ServeConsole;
use serve_media::ServeMedia;
use submit_content::SubmitContent;
use sweep_overdue::SweepOverdue;

const AWS: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_REGION", "AWS_SECRET_ACCESS_KEY"];

async fn start_with(function: &str, settings: &BTreeMap<&str, String>) -> Result<(), StartError> {
    start(function, &|name| settings.get(name).cloned()).await
}

/// Starts a function, by its folder, and lets it go.
pub(crate) async fn start(function: &str, lookup: &Lookup<'_>) -> Result<(), StartError> {
    let clock = Clock::system();
    match function {
        "submit-content" => SubmitContent::start(lookup, clock).await.map(drop),
        "accept-upload" => AcceptUpload::start(lookup, clock).await.map(drop),
        "receive-push" => ReceivePush::start(lookup, clock).await.map(drop),
        "refresh-token" => RefreshToken::start(lookup, clock).await.map(drop),
        "publish-decisions" => PublishDecisions::start(lookup, clock).await.map(drop),
        "sweep-overdue" => SweepOverdue::start(lookup, clock).await.map(drop),
        "serve-console" => ServeConsole::start(lookup, clock).await.map(drop),
        _ => ServeMedia::start(lookup, clock).await.map(drop),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_starts_with_just_what_it_needs_and_names_what_is_missing() {
    let world = World::start().await;
    let stack: &Stack = &world.stack;
    let mut all: BTreeMap<&str, String> = stack.settings().into_iter().collect();
    all.insert("GREENLIGHT_PUBLIC_URL", world.url.clone());
    let needed: [(&str, &[&str]); 8] = [
        ("submit-content", &["GREENLIGHT_BUCKET", "GREENLIGHT_PUBLIC_URL", "GREENLIGHT_SECRET", "GREENLIGHT_TABLE"]),
        ("accept-upload", &["GREENLIGHT_BUCKET", "GREENLIGHT_INVOKE_MODE", "GREENLIGHT_SECRET", "GREENLIGHT_TABLE"]),
        ("receive-push", &["GREENLIGHT_SECRET", "GREENLIGHT_TABLE"]),
        ("publish-decisions", &["GREENLIGHT_SECRET", "GREENLIGHT_TABLE"]),
        ("refresh-token", &["GREENLIGHT_SECRET", "GREENLIGHT_TABLE"]),
        ("sweep-overdue", &["GREENLIGHT_BUCKET", "GREENLIGHT_PUBLIC_URL", "GREENLIGHT_SECRET", "GREENLIGHT_TABLE"]),
        ("serve-console", &["GREENLIGHT_BUCKET", "GREENLIGHT_TABLE"]),
        ("serve-media", &["GREENLIGHT_BUCKET", "GREENLIGHT_TABLE"]),
    ];
    for (function, needed) in needed {
        let needed: Vec<&str> = needed.iter().chain(&AWS).copied().collect();
        let own: BTreeMap<&str, String> = all
            .iter()
            .filter(|(name, _)| needed.contains(name) || name.starts_with("AWS_ENDPOINT"))
            .map(|(name, value)| (*name, value.clone()))
            .collect();
        start_with(function, &own).await.unwrap_or_else(|error| panic!("{function}: {error}"));
        for missing in &needed {
            let mut less = own.clone();
            less.remove(missing);
            let error = start_with(function, &less).await.expect_err(function).to_string();
            assert_eq!(error, format!("{missing} is not set"), "{function}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_leads_nowhere_is_named_in_one_line() {
    let world = World::start().await;
    let mut settings: BTreeMap<&str, String> = world.stack.settings().into_iter().collect();
    settings.insert("GREENLIGHT_PUBLIC_URL", world.url.clone());
    let wrong = [
        ("GREENLIGHT_TABLE", "no-such-table"),
        ("GREENLIGHT_SECRET", "no-such-secret"),
        ("GREENLIGHT_PUBLIC_URL", "example.com"),
        ("GREENLIGHT_WECHAT_URL", "ftp://example.com"),
        ("GREENLIGHT_CA_FILE", "/no/such/file"),
    ];
    for (name, value) in wrong {
        let mut settings = settings.clone();
        settings.insert(name, value.to_owned());
        let error = start_with("submit-content", &settings).await.expect_err(name);
        let line = format!("{:?}", Fatal::new(error));
        assert!(line.starts_with(name) && !line.contains('\n'), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_secret_ends_the_start_and_is_not_repeated() {
    let mut world = World::start().await;
    let settings: BTreeMap<&str, String> = world.stack.settings().into_iter().collect();
    for (field, value, told) in [
        ("session_key", "hunter2", "GREENLIGHT_SECRET: the secret's `session_key` is invalid"),
        (
            "colour",
            "hunter2",
            "GREENLIGHT_SECRET: the secret is not the JSON document it should be: unknown field `colour`",
        ),
    ] {
        let mut document = world.document.clone();
        document[field] = value.into();
        world.set_secret(document);
        let error = start_with("receive-push", &settings).await.expect_err("it starts").to_string();
        assert!(error.starts_with(told) && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn every_function_has_a_log_target_or_its_lines_would_be_lost() {
    let folders = std::fs::read_dir("../functions").unwrap().map(|folder| folder.unwrap().file_name());
    let mut targets: Vec<String> = folders.map(|name| name.to_str().unwrap().replace('-', "_")).collect();
    targets.push("greenlight".to_owned());
    targets.sort();
    assert_eq!(targets, greenlight::log::TARGETS);
}
