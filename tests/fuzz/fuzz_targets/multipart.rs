//! Forms, as wx.uploadFile and anybody else may send them: a file comes out whole and within its limit, or a problem does.
#![no_main]

use accept_upload::multipart::read;
use bytes::Bytes;
use greenlight_fuzz::in_time;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Builder;

/// What a file may have, in bytes; less than a form has, so that it is reached.
const LIMIT: u64 = 4 << 10;

fuzz_target!(|input: &[u8]| {
    // The first line is the header, the rest is the body.
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (header, body) = input.split_at(end);
    let Ok(content_type) = std::str::from_utf8(header) else { return };
    let body = Bytes::copy_from_slice(body.get(1..).unwrap_or_default());
    let runtime = Builder::new_current_thread().build().unwrap();
    match in_time(|| runtime.block_on(read(content_type, body.clone(), LIMIT))) {
        Ok(form) => {
            assert!(form.file.len() as u64 <= LIMIT);
            let is_within = form.file.is_empty() || body.windows(form.file.len()).any(|window| window == form.file);
            assert!(is_within, "the file is no piece of the body");
            assert!(form.openid.is_none_or(|openid| openid.len() <= 256));
        }
        Err(problem) => assert!(problem.status.is_client_error() && problem.faults.len() <= 16),
    }
});
