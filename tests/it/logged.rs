//! What a test's own code logs, kept to look at. The test must run on one thread, or others' lines stand in it.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;

/// A log; it is kept until this is dropped.
pub(crate) struct Logged {
    written: Written,
    _guard: DefaultGuard,
}

/// What was written to it.
#[derive(Clone, Default)]
pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    /// All of it.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Forgets it.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Lets `log` take what this thread logs, for as long as the guard lives.
pub(crate) fn set_default(log: impl Subscriber + Send + Sync) -> DefaultGuard {
    /// Where there is one log alone, `tracing` asks the log of whichever thread comes by a line first whether anybody wants
    /// it, and keeps the answer for all; another test's thread has none.
    static BESIDE: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));
    LazyLock::force(&BESIDE);
    tracing::subscriber::set_default(log)
}

impl Logged {
    /// Keeps what is logged from now on: our own targets at their most talkative, others as they are let.
    pub(crate) fn start() -> Self {
        let written = Written::default();
        let writer = written.clone();
        let filter = greenlight::log::filter(LevelFilter::TRACE);
        let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(move || writer.clone());
        let log = tracing_subscriber::registry().with(lines.with_filter(filter));
        Self { written, _guard: set_default(log) }
    }

    /// All of it.
    pub(crate) fn text(&self) -> String {
        self.written.text()
    }

    /// The lines that contain a text.
    pub(crate) fn lines_with(&self, text: &str) -> Vec<String> {
        self.text().lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }
}
