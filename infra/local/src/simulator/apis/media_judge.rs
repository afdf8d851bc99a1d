//! Media are judged by what can be seen at once: pictures by their colour, sound by words in the file.

use std::io::Cursor;

use image::{ImageFormat, ImageReader, Limits};

use crate::simulator::vocabulary::media_check::MediaKind;
use crate::simulator::vocabulary::verdict::Verdict;

/// The label of a picture that is mostly red (色情; the documentation of media checks knows it).
pub const RED_LABEL: i64 = 20002;
/// The label of a picture that is mostly yellow (其他; the documentation of media checks knows it).
pub const YELLOW_LABEL: i64 = 21000;
/// A sound file that contains this word is risky.
pub const RISKY_SOUND: &str = "risky";
/// A sound file that contains this word, and not [`RISKY_SOUND`], is for review.
pub const REVIEW_SOUND: &str = "review";

/// Decoding may take so much memory, not more.
const DECODER_MEMORY: u64 = 256 << 20;

/// Judges a medium; nothing if it is not of the kind that it was said to be, or cannot be decoded.
pub(crate) fn judge(kind: MediaKind, bytes: &[u8]) -> Option<Verdict> {
    match kind {
        MediaKind::Image => traffic_light(bytes),
        MediaKind::Audio if is_audio(bytes) => {
            let contains = |word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
            Some(if contains(RISKY_SOUND) {
                Verdict::new("risky", RED_LABEL)
            } else if contains(REVIEW_SOUND) {
                Verdict::new("review", YELLOW_LABEL)
            } else {
                Verdict::pass()
            })
        }
        MediaKind::Audio => None,
    }
}

/// Red, yellow, or neither, by the mean colour; of a GIF only the first frame counts (多媒体内容安全识别).
pub(super) fn traffic_light(bytes: &[u8]) -> Option<Verdict> {
    let format = picture_format(bytes)?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(DECODER_MEMORY);
    reader.limits(limits);
    let picture = reader.decode().ok()?;
    // Each pixel of the thumbnail is a mean already.
    let small = picture.thumbnail_exact(16, 16).to_rgba8();
    let (mut red, mut green, mut blue) = (0_u64, 0_u64, 0_u64);
    for image::Rgba([r, g, b, alpha]) in small.pixels() {
        // What is transparent is seen on white.
        let on_white = |value: u8| {
            let alpha = u64::from(*alpha);
            (u64::from(value) * alpha + 255 * (255 - alpha)) / 255
        };
        red += on_white(*r);
        green += on_white(*g);
        blue += on_white(*b);
    }
    // Twice as much as the others: where a colour covers more than half of a white picture.
    let lit = 40 * u64::from(small.width()) * u64::from(small.height());
    Some(if red > lit && red >= 2 * green.max(blue) {
        Verdict::new("risky", RED_LABEL)
    } else if red.min(green) > lit && red.min(green) >= 2 * blue {
        Verdict::new("review", YELLOW_LABEL)
    } else {
        Verdict::pass()
    })
}

/// png, jpeg, bmp or gif by the first bytes; WeChat's list has no other (多媒体内容安全识别).
pub(super) fn picture_format(bytes: &[u8]) -> Option<ImageFormat> {
    let format = image::guess_format(bytes).ok()?;
    let listed = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::Bmp];
    listed.contains(&format).then_some(format)
}

/// mp3, aac, ac3, wma, flac, vorbis, opus or wav by the first bytes: WeChat's list (多媒体内容安全识别).
fn is_audio(bytes: &[u8]) -> bool {
    const WMA: [u8; 4] = [0x30, 0x26, 0xB2, 0x75];
    const AC3: [u8; 2] = [0x0B, 0x77];
    let wav = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE");
    // The eleven bits in step with which every frame of MPEG audio begins, that of AAC included.
    let mpeg = matches!(bytes, [0xFF, second, ..] if second & 0xE0 == 0xE0);
    let tagged = [b"ID3".as_slice(), b"fLaC", b"OggS", &WMA, &AC3].iter().any(|magic| bytes.starts_with(magic));
    wav || mpeg || tagged
}
