//! Pictures: what is accepted is a picture of the size that was told, for every decoder, and takes no more memory than was
//! reserved for it.
#![no_main]

use std::alloc::System;

use accept_upload::make_safe::{make_safe, memory};
use accept_upload::picture::Source;
use bytes::Bytes;
use greenlight::domain::author::Actor;
use greenlight::domain::media::MediaType;
use greenlight_fuzz::{in_time, let_panics_be_caught};
use image::ImageFormat;
use libfuzzer_sys::{Corpus, fuzz_target};
use peakmem_alloc::{INSTRUMENTED_SYSTEM, PeakMemAlloc, PeakMemAllocTrait};

#[global_allocator]
static MEMORY: &PeakMemAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Pictures that reserve more, in bytes, are not decoded: they take their time by their pixels, which leaves none for others.
/// What they take, `tests/bench` measures.
const LARGEST: u64 = 36 << 20;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if Source::of(bytes).is_none() {
        return Corpus::Reject;
    }
    // What is refused here the function refuses before it reserves anything.
    let Ok(reserved) = memory(bytes) else { return Corpus::Keep };
    if reserved > LARGEST {
        return Corpus::Keep;
    }
    // A decoder that breaks has met a damaged picture.
    let_panics_be_caught();
    let uploaded = Bytes::copy_from_slice(bytes);
    MEMORY.reset_peak_memory();
    let made = in_time(|| make_safe(uploaded, Actor::Author));
    let taken = MEMORY.get_peak_memory();
    let reserved = usize::try_from(reserved).unwrap();
    assert!(taken <= reserved, "{reserved} bytes were reserved, and {taken} taken");
    let Ok(picture) = made else { return Corpus::Keep };
    assert!(picture.bytes.len() < 4 << 20);
    let format = match picture.media_type {
        MediaType::Jpeg => ImageFormat::Jpeg,
        MediaType::Png => ImageFormat::Png,
        other => panic!("{other:?} is no type that we write"),
    };
    let again = image::load_from_memory_with_format(&picture.bytes, format).expect("a second decoder reads it");
    assert_eq!(picture.dimensions, Some((again.width(), again.height())));
    assert!(!again.color().has_alpha());
    Corpus::Keep
});
