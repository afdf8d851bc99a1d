//! Sound, and whatever else is no picture: what is accepted is known as what it is, and making it safe again changes nothing.
#![no_main]

use accept_upload::make_safe::make_safe;
use accept_upload::picture::Source;
use bytes::Bytes;
use greenlight::domain::author::Actor;
use greenlight::domain::media::MediaKind;
use greenlight_fuzz::in_time;
use libfuzzer_sys::{Corpus, fuzz_target};

/// Empty comments are written where there were some.
const MOST_MORE: usize = 64;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if Source::of(bytes).is_some() {
        return Corpus::Reject;
    }
    for by in [Actor::Author, Actor::Owner] {
        let uploaded = Bytes::copy_from_slice(bytes);
        let Ok(safe) = in_time(|| make_safe(uploaded, by)) else { continue };
        assert_eq!(safe.media_type.kind(), MediaKind::Audio);
        assert!(!safe.bytes.is_empty() && safe.bytes.len() <= bytes.len() + MOST_MORE);
        let again = make_safe(safe.bytes.clone(), by).expect("what is safe is accepted");
        assert_eq!((again.media_type, &again.bytes), (safe.media_type, &safe.bytes));
    }
    Corpus::Keep
});
