//! A script as a process of Node's; it ends with the test.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Prints the port of whatever listens, on a line of its own.
const ANNOUNCE: &str = "import { Server } from 'node:net'\n\
    const { listen } = Server.prototype\n\
    Server.prototype.listen = function (...given) {\n\
    this.once('listening', () => console.log(this.address().port)); return listen.apply(this, given) }\n";

#[expect(clippy::disallowed_methods, reason = "tests/run says where Node is")]
fn node() -> String {
    std::env::var("GREENLIGHT_NODE").expect("GREENLIGHT_NODE: where Node is")
}

/// What Node prints when it is run to its end in a folder, with these in its environment.
pub(crate) async fn ran(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let mut command = tokio::process::Command::new(node());
    command.args(arguments).current_dir(folder).envs(environment.iter().copied()).stdin(Stdio::null());
    let output = command.kill_on_drop(true).output().await.expect("Node");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The process.
pub(crate) struct Script {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Script {
    /// Starts a script that stands in `folder`, with these in its environment.
    pub(crate) fn start(folder: &Path, script: &str, environment: &[(&str, &str)]) -> Self {
        std::fs::write(folder.join("announce.mjs"), ANNOUNCE).unwrap();
        std::fs::write(folder.join("script.mjs"), script).unwrap();
        let mut command = Command::new(node());
        command.args(["--import", "./announce.mjs", "script.mjs"]).current_dir(folder);
        command.envs(environment.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("Node");
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output }
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Where it listens, once it does.
    pub(crate) fn url(&mut self) -> String {
        format!("http://127.0.0.1:{}", self.line())
    }
}
