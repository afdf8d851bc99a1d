//! What a local run prints first: where it is, and commands to try that work as they are printed.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::flags::{Flags, LocalApp};
use crate::simulator::{REVIEW_WORDS, RISKY_WORDS};

/// A command to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it shows. Without quotes of any kind: somebody will paste it too.
    pub title: &'static str,
    /// What to paste into a shell; each ends its output with a new line.
    pub command: String,
}

/// A picture of one colour, as PNG in base64: a traffic light for the simulator.
fn picture(colour: [u8; 3]) -> String {
    let light = image::RgbImage::from_pixel(2, 2, image::Rgb(colour));
    let mut png = std::io::Cursor::new(Vec::new());
    // Into memory, of a fixed size: it cannot fail.
    let _ = light.write_to(&mut png, image::ImageFormat::Png);
    STANDARD.encode(png.into_inner())
}

/// Keeps the value of a text field of the JSON that `command` answers in a variable, and shows it.
fn keep(variable: &str, command: &str, field: &str) -> String {
    format!(r#"{variable}=$({command} | sed 's/.*"{field}":"\([^"]*\)".*/\1/'); echo "{field}: ${variable}""#)
}

/// The commands, in the order in which they build on each other.
///
/// Each names the whole URL, so that it can be read, and pasted, without looking up what stands above; what is secret, and
/// what the one before has answered, stands in a variable. A key that was made up is printed once; one that was given is
/// known to whoever gave it, and never printed. `simulator` is where WeChat is simulated, if it is.
pub fn steps(url: &str, app: &LocalApp, simulator: Option<&str>, key_is_given: bool) -> Vec<Step> {
    let code = if simulator.is_some() { "alice-'$RANDOM'" } else { "CODE_FROM_WX_LOGIN" };
    let (risky, doubtful) = (RISKY_WORDS[0], REVIEW_WORDS[0]);
    let author = r#"-H "Authorization: Bearer $TOKEN""#;
    let owner = r#"-H "Authorization: Bearer $KEY""#;
    let post = |body: &str| format!("curl -s {url}/v1/submissions {author} -d '{body}'");
    let get = |variable: &str| format!("curl -s {url}/v1/submissions/${variable} {owner}");
    let upload = |variable: &str, colour| {
        let picture = picture(colour);
        let command =
            format!("echo {picture} | base64 -d | curl -s {url}/v1/uploads {author} -F 'file=@-;filename=a.png'");
        keep(variable, &command, "upload_id")
    };
    let submit = |variable: &str, upload: &str| {
        let body = format!(r#"{{"scene":"forum","channel":"square","media":[{{"upload_id":"'${upload}'"}}]}}"#);
        keep(variable, &post(&body), "id")
    };
    let judged = |variable: &str| format!("while {} | grep -q '\"pending\"'; do sleep 0.2; done; {0}", get(variable));
    let step = |title, command| Step { title, command };
    let key = if key_is_given { "${KEY:?is to be the server key that you gave}" } else { app.server_key.as_str() };
    let mut steps = vec![
        step("the owner: keep the server key in a variable", format!(r#"KEY={key}; echo "server key: kept""#)),
        step("log in", keep("TOKEN", &format!("curl -s {url}/v1/sessions -d '{{\"code\":\"{code}\"}}'"), "token")),
        step(
            "a clean text: public at once",
            post(r#"{"scene":"comment","channel":"square","nickname":"小明","text":"今天天气真好，我们去公园吧"}"#),
        ),
        step(
            "a risky text: nobody sees it but its author",
            post(&format!(r#"{{"scene":"comment","text":"出售{risky}品"}}"#)),
        ),
        step("a picture: upload it", upload("GREEN", [40, 180, 60])),
        step("a picture: submit it", submit("PICTURE", "GREEN")),
        step("a picture: wait until WeChat has pushed its verdict, then look", judged("PICTURE")),
        step("a picture: now anyone sees it", format!("curl -s {url}/v1/channels/square/submissions")),
        step("a doubtful picture: upload it", upload("YELLOW", [250, 230, 30])),
        step("a doubtful picture: submit it", submit("DOUBTFUL", "YELLOW")),
        step("a doubtful picture: wait until WeChat has pushed its doubt, then look", judged("DOUBTFUL")),
        step("a doubtful text: it needs no push", post(&format!(r#"{{"scene":"comment","text":"这很{doubtful}"}}"#))),
        step("the review queue: what a moderator sees, oldest first", format!("curl -s {url}/v1/reviews {owner}")),
        step(
            "the moderator decides about the picture, as it stood when it was looked at",
            format!(
                "VERSION=$({} | sed 's/.*\"version\":\\([0-9]*\\).*/\\1/'); echo \"version: $VERSION\"\n\
                 curl -s {url}/v1/submissions/$DOUBTFUL/decisions {owner} \
                 -d '{{\"decision\":\"approve\",\"reason\":\"a traffic light\",\"moderator\":\"li\",\"version\":'$VERSION'}}'",
                get("DOUBTFUL"),
            ),
        ),
    ];
    if let Some(simulator) = simulator {
        let fetched = format!("curl -s {simulator}/simulator/checks | grep -A 3 '\"media_url\": \"http'");
        let behind = steps.iter().position(|step| step.title.ends_with("now anyone sees it")).unwrap_or(steps.len());
        steps.insert(behind, step("a picture: the URL that WeChat was given, and that it read all of it", fetched));
    }
    steps
}

/// The whole text.
///
/// `link` lets whoever runs this into the console, once.
pub fn text(flags: &Flags, app: &LocalApp, url: &str, wechat: &str, page: bool, link: Option<&str>) -> String {
    let simulates = flags.simulates();
    let public = flags.public_url.as_deref().unwrap_or(url).trim_end_matches('/');
    let key_is_given = flags.server_key.is_some();
    let key = if key_is_given { "the one that you gave; set KEY to it".to_owned() } else { app.server_key.clone() };
    let mut facts = Vec::new();
    if page {
        facts.push(("page", format!("{url}/ shows it all: two phones, a moderator, WeChat (打开看演示)")));
    }
    match link {
        Some(link) => {
            facts.push(("console", format!("this lets you in, once, within ten minutes (审核台):\n  {link}")))
        }
        None => facts.push(("console", format!("{public}/console; POST {public}/v1/moderators/links makes a link"))),
    }
    facts.extend([("app", app.app_id.clone()), ("server key", key)]);
    if public != url {
        facts.push(("public URL", public.to_owned()));
    }
    facts.push(("push URL", format!("{public}/push/{}", app.app_id)));
    if simulates {
        facts.push(("WeChat", format!("simulated, at {wechat} ({wechat}/simulator shows its state)")));
        let (risky, doubtful) = (RISKY_WORDS.join(" or "), REVIEW_WORDS.join(" or "));
        facts.push(("texts", format!("risky with {risky} in them, doubtful with {doubtful}, else clean")));
        facts.push(("pictures", "risky if mostly red, doubtful if mostly yellow, else clean".to_owned()));
        facts.push(("logins", "the code alice-1 logs in the user alice, once; alice-2 once more".to_owned()));
    } else {
        facts.push(("WeChat", wechat.to_owned()));
        if flags.push_token.is_none() || flags.push_aes_key.is_none() {
            facts.push(("note", "no push can be opened without --push-token and --push-aes-key".to_owned()));
        }
        if flags.public_url.is_none() {
            facts.push(("note", format!("WeChat is told to download from {url}; --public-url names another")));
        }
    }
    facts.push(match &flags.data {
        Some(folder) => ("data", format!("kept in {}", folder.display())),
        None => ("data", "in memory; --data DIR keeps it".to_owned()),
    });
    let mut text = format!("Greenlight is at {url}\n");
    for (name, fact) in facts {
        let _ = writeln!(text, "  {name:<12} {fact}");
    }
    text.push_str("\nTry it, one after another in one shell (bash):\n依次粘贴到同一个 bash 终端即可体验：\n");
    for step in steps(url, app, simulates.then_some(wechat), key_is_given) {
        let _ = writeln!(text, "\n# {}\n{}", step.title, step.command);
    }
    text.push_str("\nCtrl-C ends it.\n");
    text
}
