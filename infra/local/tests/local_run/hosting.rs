//! The files for a host of its own: what they name is what the binary knows.

use std::path::Path;

use crate::run::{Process, Run};

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The words that begin with `GREENLIGHT_`.
fn variables(text: &str) -> Vec<&str> {
    let words = text.split(|letter: char| !(letter.is_ascii_uppercase() || letter == '_'));
    words.filter(|word| word.starts_with("GREENLIGHT_")).collect()
}

#[test]
fn unit_file_container_and_example_name_variables_that_there_are() {
    let help = Process::start(&["--help"]).ended().output;
    for name in ["greenlight.service", "environment.example", "Dockerfile"] {
        let text = file(name);
        let named = variables(&text);
        assert!(!named.is_empty(), "{name}");
        for variable in named {
            assert!(help.contains(&format!("[env: {variable}]")), "{name}: {variable}");
        }
    }
}

#[test]
fn the_example_is_complete_and_starts_once_it_is_filled_in() {
    let example = file("environment.example");
    let filled = |line: &str| {
        let (name, value) = line.split_once('=').unwrap();
        let value = match name {
            "GREENLIGHT_APP_ID" => "wx0123456789abcdef",
            "GREENLIGHT_PUSH_AES_KEY" => "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
            _ if value.is_empty() => "hunter2-hunter2",
            _ => value,
        };
        (name.to_owned(), value.to_owned())
    };
    let lines = example.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let filled: Vec<(String, String)> = lines.map(filled).collect();
    let environment: Vec<(&str, &str)> = filled.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    // Nobody's, so that no test calls WeChat.
    let run = Run::start_with(&["--wechat-url", "http://127.0.0.1:1"], &environment);
    assert_eq!(run.fact("push URL"), "https://greenlight.example.com/push/wx0123456789abcdef");
    assert!(!run.banner.contains("note") && !run.banner.contains("hunter2"), "{}", run.banner);
}

#[test]
fn systemd_waits_longer_than_the_run_gives_what_is_under_way() {
    let unit = file("greenlight.service");
    let waits = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).unwrap();
    assert!(waits.parse::<u64>().unwrap() > 10, "{waits}");
}
