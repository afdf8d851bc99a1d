//! Streams of frames that each begin with their own header: MP3, AAC in ADTS.
//!
//! Only whole frames are kept, so that whatever stands before, between or behind them is gone: ID3, APE and Lyrics3 tags,
//! cover pictures, another file. Facts from ISO/IEC 11172-3 §2.4.2.3 and 13818-3 (MP3), and ISO/IEC 14496-3 §1.A.3.2
//! (ADTS).

use super::super::reader::Reader;

/// What a frame's header says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Frame {
    /// Its length, header included; never zero.
    length: usize,
    /// What is the same in every frame of one stream.
    stream: u32,
}

/// Reads a frame's header at the front of bytes.
pub(in super::super) type ReadHeader = fn(&[u8]) -> Option<Frame>;

/// Whether a stream begins right here: a frame, and behind it either another of the same stream or nothing.
pub(in super::super) fn begins(bytes: &[u8], header: ReadHeader) -> bool {
    first_frame(bytes, header, None).is_some()
}

/// The whole frames of the stream that begins first. Empty if there is none.
pub(in super::super) fn whole_frames(bytes: &[u8], header: ReadHeader) -> Vec<u8> {
    let mut frames = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut stream = None;
    // In step, the header of the next frame is enough. Out of step, as at the beginning, a header could be chance.
    let mut in_step = false;
    while !rest.is_empty() {
        let frame = if in_step { next_frame(rest, header, stream) } else { first_frame(rest, header, stream) };
        in_step = frame.is_some();
        let step = match frame {
            Some(frame) => {
                stream = Some(frame.stream);
                frames.extend_from_slice(rest.get(..frame.length).unwrap_or_default());
                frame.length
            }
            None => 1,
        };
        rest = rest.get(step..).unwrap_or_default();
    }
    frames
}

/// The frame at the front, if it is whole and of the same stream.
fn next_frame(bytes: &[u8], header: ReadHeader, stream: Option<u32>) -> Option<Frame> {
    header(bytes).filter(|frame| stream.is_none_or(|stream| stream == frame.stream) && frame.length <= bytes.len())
}

/// The same, if another one or the end follows.
fn first_frame(bytes: &[u8], header: ReadHeader, stream: Option<u32>) -> Option<Frame> {
    let frame = next_frame(bytes, header, stream)?;
    let behind = bytes.get(frame.length..)?;
    (behind.is_empty() || header(behind).is_some_and(|next| next.stream == frame.stream)).then_some(frame)
}

/// A frame of MPEG layer III sound. Free-format frames, whose length no header tells, are not read; nobody records them.
pub(in super::super) fn mp3(bytes: &[u8]) -> Option<Frame> {
    const KBITS_MPEG_1: [usize; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const KBITS_MPEG_2: [usize; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    const HERTZ: [usize; 3] = [44_100, 48_000, 32_000];

    let header = Reader::new(bytes).u32_be()?;
    let field = |shift: u32, mask: u32| (header >> shift) & mask;
    let (version, layer, emphasis) = (field(19, 3), field(17, 3), field(0, 3));
    if field(21, 0x7FF) != 0x7FF || layer != 1 || emphasis == 2 {
        return None;
    }
    // 3 is MPEG 1, 2 is MPEG 2 with half its sampling rates, 0 is the unofficial "2.5" with a quarter.
    let (kbits, bytes_per_bit, slower) = match version {
        3 => (KBITS_MPEG_1, 144, 1),
        2 => (KBITS_MPEG_2, 72, 2),
        0 => (KBITS_MPEG_2, 72, 4),
        _ => return None,
    };
    let kbits = kbits.get(usize::try_from(field(12, 15)).ok()?.checked_sub(1)?)?;
    let hertz = HERTZ.get(usize::try_from(field(10, 3)).ok()?)? / slower;
    let padding = usize::try_from(field(9, 1)).ok()?;
    Some(Frame { length: bytes_per_bit * kbits * 1000 / hertz + padding, stream: header & 0x001E_0C00 })
}

/// A frame of AAC sound with an ADTS header.
pub(in super::super) fn aac(bytes: &[u8]) -> Option<Frame> {
    let mut reader = Reader::new(bytes);
    let (first, second) = (reader.u32_be()?, reader.u24_be()?);
    let (sync, layer, without_check) = (first >> 20, (first >> 17) & 3, (first >> 16) & 1);
    let rate = (first >> 10) & 15;
    // Thirteen bits: the last two of the first word, and eleven more.
    let length = usize::try_from(((first & 3) << 11) | (second >> 13)).ok()?;
    let header = if without_check == 1 { 7 } else { 9 };
    let valid = sync == 0xFFF && layer == 0 && rate <= 12 && length > header;
    // Version, profile and sampling rate.
    valid.then_some(Frame { length, stream: first & 0x0008_FC00 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MP3: &[u8] = include_bytes!("../samples/voice.mp3");
    const AAC: &[u8] = include_bytes!("../samples/voice.aac");

    fn contains(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }

    #[test]
    fn lengths_agree_with_the_standards() {
        // 128 kbit/s at 44.1 kHz, without and with padding: the best known of all.
        assert_eq!(mp3(&[0xFF, 0xFB, 0x90, 0x00]).unwrap().length, 417);
        assert_eq!(mp3(&[0xFF, 0xFB, 0x92, 0x00]).unwrap().length, 418);
    }

    #[test]
    fn sound_that_is_all_frames_stays_as_it_is() {
        assert!(begins(AAC, aac));
        assert_eq!(whole_frames(AAC, aac), AAC);
    }

    #[test]
    fn tags_before_and_behind_the_frames_are_cut() {
        assert!(contains(MP3, b"secret") && contains(MP3, b"TAG"));
        let clean = whole_frames(MP3, mp3);
        assert!(begins(&clean, mp3));
        assert!(!contains(&clean, b"secret") && !contains(&clean, b"ID3") && !contains(&clean, b"TAG"));
        assert_eq!(whole_frames(&clean, mp3), clean);
        assert!(contains(MP3, &clean));
    }

    #[test]
    fn what_stands_between_frames_is_cut_and_the_rest_is_found_again() {
        let clean = whole_frames(MP3, mp3);
        let first = mp3(&clean).unwrap().length;
        let between = [&clean[..first], b"ID3 secret \xFF\xFB\x90\0", &clean[first..]].concat();
        // The frame before what does not belong there is not known to be whole, so it may go as well.
        let found = whole_frames(&between, mp3);
        assert!(!contains(&found, b"secret"));
        assert!(found.ends_with(&clean[first..]));
    }

    #[test]
    fn a_frame_that_is_cut_short_is_dropped() {
        assert_eq!(whole_frames(&AAC[..AAC.len() - 1], aac).len(), whole_frames(&AAC[..AAC.len() - 40], aac).len());
    }
}
