//! What a picture takes of memory, whatever is made of it to take more: never more than is reserved for it.

use std::alloc::System;
use std::borrow::Cow;

use accept_upload::make_safe::{make_safe, memory};
use bytes::Bytes;
use greenlight::domain::author::Actor;
use peakmem_alloc::{INSTRUMENTED_SYSTEM, PeakMemAlloc, PeakMemAllocTrait};

/// It counts for the whole process, so there is one test in this file.
#[global_allocator]
static MEMORY: &PeakMemAlloc<System> = &INSTRUMENTED_SYSTEM;

const ENDLESS: usize = 60 * 1024 * 1024;

#[test]
fn no_picture_takes_more_than_is_reserved_for_it() {
    let png = |info: png::Info<'_>, text: &str| {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::with_info(&mut bytes, info).unwrap();
        if !text.is_empty() {
            encoder.add_ztxt_chunk("Comment".to_owned(), text.to_owned()).unwrap();
        }
        encoder.write_header().unwrap().write_image_data(&[0]).unwrap();
        bytes
    };
    let mut with_profile = png::Info::with_size(1, 1);
    with_profile.icc_profile = Some(Cow::Owned(vec![0; ENDLESS]));
    let gif = {
        let mut bytes = Vec::new();
        let mut encoder = gif::Encoder::new(&mut bytes, 8, 8, &[0, 0, 0]).unwrap();
        let frame = gif::Frame::from_indexed_pixels(4_096, 4_096, vec![0; 4_096 * 4_096], None);
        encoder.write_frame(&frame).unwrap();
        drop(encoder);
        bytes
    };
    // A frame of 16,383 pixels a side in a picture of eight, and a profile of 512 MiB, of which there is no byte.
    let webp = |more: &[u8]| {
        let head = b"RIFF\0\0\0\x7FWEBPVP8X\x0A\0\0\0\x20\0\0\0\x07\0\0\x07\0\0";
        [head.as_slice(), more].concat()
    };
    let frame = webp(b"VP8 \x0A\0\0\0\x10\0\0\x9D\x01\x2A\xFF\x3F\xFF\x3F");
    let still = include_bytes!("../src/make_safe/samples/picture.webp");
    let profile = webp(&[&still[12..], b"ICCP\0\0\0\x20"].concat());
    let pictures = [
        ("a text", png(png::Info::with_size(1, 1), &"x".repeat(ENDLESS))),
        ("a profile", png(with_profile, "")),
        ("a GIF's frame", gif),
        ("a WebP's frame", frame),
        ("a WebP's profile", profile),
        ("a photo", include_bytes!("../src/make_safe/samples/photo.jpg").to_vec()),
    ];
    for (what, bytes) in pictures {
        assert!(bytes.len() < 1024 * 1024, "{what} comes in {} bytes", bytes.len());
        let Ok(reserved) = memory(&bytes) else { continue };
        let bytes = Bytes::from(bytes);
        MEMORY.reset_peak_memory();
        drop(make_safe(bytes, Actor::Author));
        let taken = u64::try_from(MEMORY.get_peak_memory()).unwrap();
        assert!(taken > 0 && taken <= reserved, "{what}: {taken} bytes were taken, and {reserved} reserved");
    }
}
