//! The flags from the environment, where secrets belong: `ps` shows the command line to everybody.

use crate::run::{Process, Run};

const KEY: &str = "sk-hunter2-0123456789abcdef";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_on_the_command_line_may_stand_in_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").to_str().unwrap().to_owned();
    let environment = [
        ("GREENLIGHT_DATA", data.as_str()),
        ("GREENLIGHT_SERVER_KEY", KEY),
        ("GREENLIGHT_PUBLIC_URL", "https://example.com/green"),
        ("GREENLIGHT_PORT", "0"),
        // Left out in an environment file.
        ("GREENLIGHT_APP_SECRET", ""),
        ("GREENLIGHT_PUSH_TOKEN", ""),
        ("GREENLIGHT_WECHAT_URL", ""),
    ];
    let run = Run::start_with(&[], &environment);
    assert_eq!(run.fact("public URL"), "https://example.com/green");
    assert_eq!(run.fact("data"), format!("kept in {data}"));
    assert!(!run.banner.contains(KEY), "a key that was given is not printed");
    run.get("/v1/reviews", KEY).await.expect(200);
    let line = std::fs::read_to_string(format!("/proc/{}/cmdline", run.process.pid())).unwrap_or_default();
    assert!(!line.contains("hunter2"), "{line}");
    drop(run);

    let run = Run::start_with(&["--public-url", "https://example.org"], &environment);
    assert_eq!(run.fact("public URL"), "https://example.org", "the command line goes before it");
}

#[test]
fn help_names_the_variables_and_shows_none_of_their_values() {
    let ended = Process::start_with(&["--help"], &[("GREENLIGHT_SERVER_KEY", KEY)]).ended();
    assert!(ended.status.success());
    for name in ["DATA", "APP_ID", "APP_SECRET", "PUSH_TOKEN", "PUSH_AES_KEY", "SERVER_KEY", "PUBLIC_URL", "LISTEN"] {
        assert!(ended.output.contains(&format!("[env: GREENLIGHT_{name}]")), "{name}: {}", ended.output);
    }
    assert!(!ended.output.contains("hunter2"), "{}", ended.output);
}

#[test]
fn a_bad_value_is_one_line_that_does_not_repeat_it() {
    for (name, value, says) in [
        ("GREENLIGHT_SERVER_KEY", "hunter2", "--server-key is invalid: "),
        ("GREENLIGHT_PUSH_AES_KEY", "hunter2", "--push-aes-key is invalid: "),
        ("GREENLIGHT_LISTEN", "nowhere", "invalid value 'nowhere' for '--listen <ADDRESS>'"),
    ] {
        let ended = Process::start_with(&[], &[(name, value)]).ended();
        assert!(!ended.status.success() && ended.errors.contains(says), "{}", ended.errors);
        assert!(!ended.errors.contains("hunter2") && ended.errors.matches('\n').count() == 1, "{}", ended.errors);
    }
}
