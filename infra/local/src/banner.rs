//! What a local run prints first: where it is, and commands to try that work as they are printed.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::flags::{Flags, LocalApp};
use crate::simulator::{REVIEW_WORDS, RISKY_WORDS};

/// A command to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it shows.
    pub title: &'static str,
    /// What to paste into a shell.
    pub command: String,
}

/// A picture of one colour, as PNG in base64: a traffic light for the simulator.
fn picture(colour: [u8; 3]) -> String {
    let light = image::RgbImage::from_pixel(8, 8, image::Rgb(colour));
    let mut png = std::io::Cursor::new(Vec::new());
    // Into memory, of a fixed size: it cannot fail.
    let _ = light.write_to(&mut png, image::ImageFormat::Png);
    STANDARD.encode(png.into_inner())
}

/// Cuts the value of a text field out of JSON, with nothing but sed.
fn cut(field: &str) -> String {
    format!(r#"sed 's/.*"{field}":"\([^"]*\)".*/\1/'"#)
}

/// The commands, in the order in which they build on each other.
pub fn steps(url: &str, app: &LocalApp, simulates: bool) -> Vec<Step> {
    let code = if simulates { "alice-$RANDOM" } else { "CODE_FROM_WX_LOGIN" };
    let (risky, doubtful) = (RISKY_WORDS[0], REVIEW_WORDS[0]);
    let post = |path: &str, body: &str| {
        format!(
            r#"curl -s {url}{path} -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d {body}"#
        )
    };
    let upload = |variable: &str, colour| {
        format!(
            "{variable}=$(echo {} | base64 -d | curl -s {url}/v1/uploads -H \"Authorization: Bearer $TOKEN\" \
             -F file=@-\\;filename=light.png | {})",
            picture(colour),
            cut("upload_id"),
        )
    };
    let submit = |variable: &str, scene: &str, upload: &str| {
        let body = format!(
            r#""{{\"scene\":\"{scene}\",\"channel\":\"square\",\"media\":[{{\"upload_id\":\"${upload}\"}}]}}""#
        );
        format!("{variable}=$({} | {})", post("/v1/submissions", &body), cut("id"))
    };
    let owner = format!("-H 'Authorization: Bearer {}'", app.server_key);
    vec![
        Step {
            title: "log in",
            command: format!(
                "TOKEN=$(curl -s {url}/v1/sessions -H 'Content-Type: application/json' -d \
                 \"{{\\\"code\\\":\\\"{code}\\\"}}\" | {})",
                cut("token")
            ),
        },
        Step {
            title: "a clean text is public at once",
            command: post(
                "/v1/submissions",
                r#"'{"scene":"comment","channel":"square","nickname":"小明","text":"今天天气真好，我们去公园吧"}'"#,
            ),
        },
        Step {
            title: "a risky text stays its author's",
            command: post("/v1/submissions", &format!(r#"'{{"scene":"comment","text":"出售{risky}品"}}'"#)),
        },
        Step { title: "a picture: upload", command: upload("GREEN", [40, 180, 60]) },
        Step { title: "a picture: submit", command: submit("PICTURE", "forum", "GREEN") },
        Step {
            title: "a picture: what became of it (WeChat pushes its verdict a moment later)",
            command: format!(
                r#"curl -s --retry 20 --retry-all-errors --retry-delay 1 -f {url}/v1/submissions/$PICTURE"#
            ),
        },
        Step {
            title: "the channel, as anyone sees it",
            command: format!("curl -s {url}/v1/channels/square/submissions"),
        },
        Step {
            title: "a doubtful text goes to the review queue",
            command: format!(
                "DOUBTFUL=$({} | {})",
                post("/v1/submissions", &format!(r#"'{{"scene":"comment","text":"这很{doubtful}"}}'"#)),
                cut("id")
            ),
        },
        Step { title: "a doubtful picture: upload", command: upload("YELLOW", [250, 230, 30]) },
        Step { title: "a doubtful picture: submit", command: submit("LIGHT", "forum", "YELLOW") },
        Step {
            title: "a doubtful picture: wait until WeChat has pushed its doubt",
            command: format!(
                "until curl -s {url}/v1/submissions/$LIGHT {owner} | grep -q in_review; do sleep 0.2; done"
            ),
        },
        Step {
            title: "the review queue, as a moderator sees it",
            command: format!("curl -s {url}/v1/reviews {owner}"),
        },
        Step {
            title: "a moderator decides",
            command: format!(
                "VERSION=$(curl -s {url}/v1/submissions/$LIGHT {owner} | sed 's/.*\"version\":\\([0-9]*\\).*/\\1/')\n\
                 curl -s {url}/v1/submissions/$LIGHT/decisions {owner} -H 'Content-Type: application/json' -d \
                 \"{{\\\"decision\\\":\\\"approve\\\",\\\"reason\\\":\\\"a traffic light\\\",\\\"moderator\\\":\\\"li\\\",\
                 \\\"version\\\":$VERSION}}\""
            ),
        },
    ]
}

/// The whole text.
pub fn text(flags: &Flags, app: &LocalApp, url: &str, wechat: &str) -> String {
    let simulates = flags.simulates();
    let mut text = String::new();
    let _ = writeln!(text, "Greenlight is at {url}");
    let _ = writeln!(text, "  app          {}", app.app_id);
    let _ = writeln!(text, "  server key   {}", app.server_key);
    let _ = writeln!(text, "  push URL     {url}/push/{}", app.app_id);
    if simulates {
        let _ = writeln!(text, "  WeChat       simulated at {wechat} (GET /simulator shows its state)");
        let _ = writeln!(
            text,
            "  verdicts     a text with {} is risky, with {} doubtful; a picture that is mostly red is risky, mostly \
             yellow doubtful",
            RISKY_WORDS.join(" or "),
            REVIEW_WORDS.join(" or "),
        );
        let _ = writeln!(text, "  users        the code alice-1 logs in the user alice, once; alice-2 again");
    } else {
        let _ = writeln!(text, "  WeChat       {wechat}");
        if flags.push_token.is_none() || flags.push_aes_key.is_none() {
            let _ = writeln!(text, "  pushes       none can be opened: give --push-token and --push-aes-key");
        }
    }
    match &flags.data {
        Some(folder) => {
            let _ = writeln!(text, "  data         kept in {}", folder.display());
        }
        None => {
            let _ = writeln!(text, "  data         in memory; --data DIR keeps it");
        }
    }
    let _ = writeln!(text, "\nTry, line by line in one shell (bash):");
    for step in steps(url, app, simulates) {
        let _ = writeln!(text, "\n# {}\n{}", step.title, step.command);
    }
    let _ = writeln!(text, "\nCtrl-C ends it.");
    text
}
