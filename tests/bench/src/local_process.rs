//! A `greenlight-local` as a process of its own, and what it uses of the machine.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// What `_SC_CLK_TCK` is on Linux, in whose ticks it counts a process's time.
const TICKS_PER_SECOND: u64 = 100;

/// A running `greenlight-local`; killed when it is dropped.
#[derive(Debug)]
pub struct LocalProcess {
    child: Child,
    /// Where it is.
    pub url: String,
    /// Where its simulator is.
    pub simulator: String,
    /// From its start until it had printed everything.
    pub started_in: Duration,
}

impl LocalProcess {
    /// Starts `binary` with `--data data` and this server key, on a free port.
    pub async fn start(binary: &Path, data: &Path, server_key: &str) -> Result<Self, Box<dyn Error>> {
        let begun = Instant::now();
        let mut child = Command::new(binary)
            .args(["--port", "0", "--server-key", server_key, "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // It tells of each push.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{}: {error}; cargo build makes it", binary.display()))?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("its output")?).lines();
        let (mut url, mut simulator) = (String::new(), String::new());
        while let Some(line) = lines.next_line().await? {
            if let Some(at) = line.strip_prefix("Greenlight is at ") {
                at.clone_into(&mut url);
            }
            if let Some((_, at)) = line.split_once("simulated, at ") {
                at.split(' ').next().unwrap_or_default().clone_into(&mut simulator);
            }
            if line == "Ctrl-C ends it." {
                return Ok(Self { child, url, simulator, started_in: begun.elapsed() });
            }
        }
        Err(format!("{} did not start; by hand it says why", binary.display()).into())
    }

    /// Ends it as a supervisor does, and waits until it is gone.
    pub async fn end(mut self) -> Result<(), Box<dyn Error>> {
        Command::new("kill").arg(self.pid().to_string()).status().await?;
        self.child.wait().await?;
        Ok(())
    }

    fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(PathBuf::from(format!("/proc/{}/{file}", self.pid()))).unwrap_or_default()
    }

    /// How long processors have worked for it, to a hundredth of a second. (proc(5): `utime` and `stime`.)
    pub fn processor_time(&self) -> Duration {
        let stat = self.proc("stat");
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks: u64 =
            after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
    }

    /// How many bytes of memory it has. (proc(5): `VmRSS`, in kB.)
    pub fn memory(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or_default() * 1024
    }
}

/// How many bytes the files below `folder` have.
pub fn folder_size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(about) if about.is_dir() => folder_size(&entry.path()),
        Ok(about) => about.len(),
        // It was renamed or deleted meanwhile.
        Err(_) => 0,
    });
    sizes.sum()
}
