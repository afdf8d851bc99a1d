//! The READMEs' first session, run as it is written, in both languages.

use std::process::Command;

use crate::run::Run;

/// The blocks of a README that are meant to be run, one after another.
fn session(readme: &str) -> String {
    let blocks = readme.split("\n```sh\n").skip(1);
    blocks.map(|block| block.split("\n```").next().expect("a closed block")).collect::<Vec<_>>().join("\n")
}

/// What the session prints, with the run's address in the place of the one that it names.
fn printed(session: &str) -> Vec<String> {
    let run = Run::start(&["--server-key", "sk-local-0123456789abcdef"]);
    let here = session.replace("http://127.0.0.1:8787", &run.url);
    assert_ne!(here, session, "the session names the address");
    let shell = Command::new("bash").args(["-eu", "-o", "pipefail", "-c", &here]).output().expect("bash");
    let (out, errors) = (String::from_utf8_lossy(&shell.stdout), String::from_utf8_lossy(&shell.stderr));
    assert!(shell.status.success() && errors.is_empty(), "{out}\n{errors}");
    out.lines().map(str::to_owned).collect()
}

#[test]
fn the_first_session_works_as_the_readmes_print_it() {
    let english = session(include_str!("../../../../README.md"));
    let chinese = session(include_str!("../../../../README.zh-CN.md"));
    assert_eq!(english, chinese, "both READMEs show the same session");
    let lines = printed(&english);
    // What each line of output is said to hold, in order.
    let said = [
        r#""state":"approved","version":1,"visible_to":"everyone""#,
        r#""state":"rejected""#,
        r#""code":"not_found""#,
        r#""state":"approved""#,
        "200 image/png, ",
        r#""state":"in_review""#,
        r#""state":"approved","version":2"#,
        r#"{"submissions":[{"#,
        "204",
        "404",
    ];
    assert_eq!(lines.len(), said.len(), "{lines:#?}");
    for (line, said) in lines.iter().zip(said) {
        assert!(line.contains(said), "{said} is not in {line}");
    }
}
