//! Errors as a log shows them.

use std::error::Error;

/// What lies beneath an error of ours.
pub type Cause = Box<dyn Error + Send + Sync>;

/// An error and its sources on one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        // A transparent error repeats its source's text.
        if !text.ends_with(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    text
}
