//! A script as a process of Node's; it ends with the test.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Prints the port of whatever listens, on a line of its own.
const ANNOUNCE: &str = "import { Server } from 'node:net'\n\
    const { listen } = Server.prototype\n\
    Server.prototype.listen = function (...given) {\n\
    this.once('listening', () => console.log(this.address().port)); return listen.apply(this, given) }\n";

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
        #[expect(clippy::disallowed_methods, reason = "tests/run says where Node is")]
        let node = std::env::var("GREENLIGHT_NODE").expect("GREENLIGHT_NODE: where Node is");
        std::fs::write(folder.join("announce.mjs"), ANNOUNCE).unwrap();
        std::fs::write(folder.join("script.mjs"), script).unwrap();
        let mut command = Command::new(node);
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
