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
    // One pixel, before which come the codes of sixty-five thousand others: as many of them as fit into 400 KB.
    let codes = {
        let mut bits = Vec::new();
        let mut write = |value: u32, count: u32| bits.extend((0..count).map(|bit| value >> bit & 1 == 1));
        // A side of 1 and a side of 1, no transparency, version 0, no transform, no cache, and an image that says which codes
        // are whose: of one pixel, whose red and green are 255, without a cache.
        [(0, 28), (0, 4), (0, 2), (1, 1), (0, 3), (0, 1)].into_iter().for_each(|(value, count)| write(value, count));
        // Five codes of one symbol each: green, red, blue, alpha, distance.
        [255, 255, 0, 0, 0].into_iter().for_each(|symbol| write(0b101 | symbol << 3, 11));
        for _ in 0..400_000 * 8 / 93 {
            // Lengths of lengths: the first six of ten have three bits, the last four have four. In RFC 9649's order.
            write(10 << 1, 5);
            [0, 0, 0, 3, 3, 3, 3, 3, 0, 3, 4, 4, 4, 4].into_iter().for_each(|length| write(length, 3));
            // Eleven symbols, whose lengths are 1, 2 … 9, 10 and 10; each of these as a code with its highest bit first.
            write(0b1001_0011, 8);
            [0, 4, 2, 6, 1, 5].into_iter().for_each(|code| write(code, 3));
            [3, 11, 7, 15, 15].into_iter().for_each(|code| write(code, 4));
        }
        let bytes = bits.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit)));
        let coded: Vec<u8> = std::iter::once(0x2F).chain(bytes).collect();
        let length = u32::try_from(coded.len()).unwrap();
        [b"RIFF".as_slice(), &(length + 12).to_le_bytes(), b"WEBPVP8L", &length.to_le_bytes(), &coded].concat()
    };
    // As large as a form may be, and all of it a profile.
    let jpeg = {
        let still = include_bytes!("../src/make_safe/samples/photo.jpg");
        let part = |number: u8| [b"\xFF\xE2\xFD\xF8ICC_PROFILE\0".as_slice(), &[number, 160], &[b'x'; 65_000]].concat();
        let parts: Vec<u8> = (1..=160).flat_map(part).collect();
        [&still[..2], &parts, &still[2..]].concat()
    };
    let pictures = [
        ("a text", png(png::Info::with_size(1, 1), &"x".repeat(ENDLESS))),
        ("a profile", png(with_profile, "")),
        ("a GIF's frame", gif),
        ("a WebP's frame", frame),
        ("a WebP's profile", profile),
        ("a WebP's codes", codes),
        ("a JPEG's profile", jpeg),
        ("a photo", include_bytes!("../src/make_safe/samples/photo.jpg").to_vec()),
    ];
    for (what, bytes) in pictures {
        assert!(bytes.len() <= 10 * 1024 * 1024, "{what} is larger than what is taken");
        let Ok(reserved) = memory(&bytes) else { continue };
        let bytes = Bytes::from(bytes);
        MEMORY.reset_peak_memory();
        drop(make_safe(bytes, Actor::Author));
        let taken = u64::try_from(MEMORY.get_peak_memory()).unwrap();
        assert!(taken > 0 && taken <= reserved, "{what}: {taken} bytes were taken, and {reserved} reserved");
    }
}
