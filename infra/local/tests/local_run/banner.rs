//! The start and what it prints: in time, and true to the letter.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::run::{Run, picture};

/// What the banner may take for granted on anybody's machine.
const TOOLS: [&str; 5] = ["curl", "sed", "base64", "grep", "sleep"];

/// What a start costs, in time of the processor: how long it takes depends on what else the machine does.
#[cfg(target_os = "linux")]
#[test]
fn it_starts_with_less_than_two_seconds_of_the_processor() {
    let run = Run::start(&[]);
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", run.process.pid())).unwrap();
    // proc(5): behind the name in brackets, user and system time are fields 12 and 13, in hundredths of a second.
    let behind_the_name: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let hundredths: u64 = behind_the_name[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    assert!(hundredths < 200, "{hundredths}");
}

/// The banner's commands with their titles, as somebody would read them.
fn commands(banner: &str) -> Vec<(String, String)> {
    banner
        .split("\n\n")
        .filter_map(|block| block.strip_prefix("# ")?.split_once('\n'))
        .map(|(title, command)| (title.to_owned(), command.to_owned()))
        .collect()
}

/// Pastes all of it into one bash that finds nothing but [`TOOLS`]; what each command printed.
fn pasted(commands: &[(String, String)]) -> BTreeMap<String, String> {
    let tools = tempfile::tempdir().unwrap();
    for tool in TOOLS {
        let found = Command::new("bash").args(["-c", &format!("type -P {tool}")]).output().unwrap();
        let path = String::from_utf8(found.stdout).unwrap();
        assert!(found.status.success(), "no {tool}");
        symlink(path.trim(), tools.path().join(tool)).unwrap();
    }
    let bash = Command::new("bash").args(["-c", "type -P bash"]).output().unwrap();
    let mut shell = Command::new(String::from_utf8(bash.stdout).unwrap().trim())
        .args(["--noprofile", "--norc", "-s"])
        .env_clear()
        .env("PATH", tools.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut typed = String::new();
    for (title, command) in commands {
        // The title is pasted with it, and the mark must stand at the start of a line: output ends its lines.
        typed += &format!("# {title}\n{command}\necho '@@@'\n");
    }
    shell.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let ended = shell.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    let output = String::from_utf8(ended.stdout).unwrap();
    let mut printed: Vec<&str> = output.split("@@@\n").collect();
    assert_eq!(printed.pop(), Some(""), "the last output does not end its line");
    assert_eq!(printed.len(), commands.len());
    assert!(printed.iter().all(|text| text.ends_with('\n')), "{output}");
    commands.iter().map(|(title, _)| title.clone()).zip(printed.into_iter().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_banner_works_as_printed() {
    let run = Run::start(&[]);
    let commands = commands(&run.banner);
    assert_eq!(commands.len(), 15, "{}", run.banner);
    let printed = pasted(&commands);
    let said = |title: &str| {
        let mut found = printed.iter().filter(|(name, _)| name.starts_with(title)).map(|(_, text)| text.as_str());
        found.next().unwrap_or_else(|| panic!("no `{title}` in {printed:?}"))
    };
    let json = |title: &str| -> Value { serde_json::from_str(said(title).lines().last().unwrap()).unwrap() };

    assert!(said("log in").starts_with("token: ey"), "{}", said("log in"));
    let clean = json("a clean text");
    assert_eq!((&clean["state"], &clean["visible_to"]), (&"approved".into(), &"everyone".into()), "{clean}");
    let risky = json("a risky text");
    assert_eq!((&risky["state"], &risky["visible_to"]), (&"rejected".into(), &"author".into()), "{risky}");
    assert!(!risky["reasons"].as_array().unwrap().is_empty());

    let public = json("a picture: wait");
    assert_eq!(public["state"], "approved", "{public}");
    let fetched = said("a picture: the URL");
    let size = picture([40, 180, 60], 2).len();
    assert!(fetched.contains("/media/") && fetched.contains(&format!("\"media_bytes\": {size}")), "{fetched}");
    let feed = json("a picture: now");
    let listed: Vec<&Value> = feed["submissions"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(listed, [&public["id"], &clean["id"]], "newest first");
    let served = run.get(public["media"][0]["url"].as_str().unwrap(), "").await.expect(200);
    assert_eq!(served.bytes, picture([40, 180, 60], 2));

    let doubtful = json("a doubtful picture: wait");
    assert_eq!(doubtful["state"], "in_review", "{doubtful}");
    assert_eq!(json("a doubtful text")["state"], "in_review");
    let queue = json("the review queue");
    let waiting: Vec<&Value> = queue["submissions"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(waiting, [&doubtful["id"], &json("a doubtful text")["id"]], "oldest first");
    let decided = json("the moderator decides");
    assert_eq!((&decided["id"], &decided["state"]), (&doubtful["id"], &"approved".into()), "{decided}");
    run.get(decided["media"][0]["url"].as_str().unwrap(), "").await.expect(200);
    run.submission(decided["id"].as_str().unwrap(), "").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_facts_of_the_banner_are_true() {
    let run = Run::start(&[]);
    let state = run.get(&format!("{}/simulator", run.simulator()), "").await.expect(200);
    let push_url = state.json["apps"][run.fact("app")]["push_url"].as_str().unwrap().to_owned();
    assert_eq!(push_url, run.fact("push URL"));
    run.get("/v1/reviews", run.fact("server key")).await.expect(200);
    let line = |line: &str| line.chars().count();
    let longest = run.banner.lines().take_while(|line| !line.is_empty()).map(line).max();
    assert!(longest < Some(120), "the facts fit into a terminal: {}", run.banner);
    for (title, _) in commands(&run.banner) {
        assert!(!title.contains(['\'', '"', '`', '$']), "pasting it must not open a quote: {title}");
    }
}

#[test]
fn a_key_that_was_given_is_not_printed_and_one_that_was_made_up_is() {
    let given = "sk-known-to-whoever-gave-it";
    let run = Run::start(&["--server-key", given]);
    assert!(!run.banner.contains(given), "{}", run.banner);
    assert!(run.fact("server key").starts_with("the one that you gave"), "{}", run.banner);
    let keeps = |banner: &str| commands(banner).into_iter().find(|(_, command)| command.starts_with("KEY=")).unwrap().1;
    let bash = |lines: &str| {
        let ran = Command::new("bash").args(["--noprofile", "--norc", "-c", lines]).env_remove("KEY").output().unwrap();
        (ran.status.success(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    let (done, said) = bash(&keeps(&run.banner));
    assert!(!done && said.contains("server key that you gave"), "{said}");
    assert!(bash(&format!("KEY={given}\n{}", keeps(&run.banner))).0);
    let run = Run::start(&[]);
    assert!(keeps(&run.banner).contains(run.fact("server key")));
}
