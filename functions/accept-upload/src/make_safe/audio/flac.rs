//! FLAC: stream information, seek table and frames; comments, pictures and applications' blocks are left out.
//!
//! Facts from RFC 9639, §8 (metadata blocks) and §9 (frames).

use greenlight::domain::media::MediaType;

use super::super::Unfit;
use super::super::checksum::{flac_crc8, flac_crc16};
use super::super::reader::Reader;

/// What every FLAC file begins with.
pub(in super::super) const SIGNATURE: &[u8] = b"fLaC";

const STREAM_INFORMATION: u8 = 0;
const SEEK_TABLE: u8 = 3;
const LAST: u8 = 0x80;

fn damaged(what: &'static str) -> Unfit {
    Unfit::Damaged { media_type: MediaType::Flac, what }
}

/// Keeps the two blocks that playing needs, and every frame that its own checksum shows to be whole.
///
/// # Errors
/// `Damaged` if the blocks do not hold together or there is no whole frame.
pub(in super::super) fn clean(bytes: &[u8]) -> Result<Vec<u8>, Unfit> {
    let mut reader = Reader::new(bytes);
    if reader.take(SIGNATURE.len()) != Some(SIGNATURE) {
        return Err(damaged("it does not begin as FLAC"));
    }
    let blocks = metadata(&mut reader).ok_or(damaged("its header is wrong or ends too early"))?;
    let frames = whole_frames(reader.rest());
    if frames.is_empty() {
        return Err(damaged("it holds no sound"));
    }
    let mut clean = Vec::with_capacity(bytes.len());
    clean.extend_from_slice(SIGNATURE);
    write_block(&mut clean, STREAM_INFORMATION, blocks.information, blocks.seek_table.is_none());
    if let Some(seek_table) = blocks.seek_table {
        write_block(&mut clean, SEEK_TABLE, seek_table, true);
    }
    clean.extend_from_slice(frames);
    Ok(clean)
}

struct Blocks<'a> {
    information: &'a [u8],
    seek_table: Option<&'a [u8]>,
}

fn metadata<'a>(reader: &mut Reader<'a>) -> Option<Blocks<'a>> {
    let mut information = None;
    let mut seek_table = None;
    loop {
        let kind = reader.u8()?;
        let length = usize::try_from(reader.u24_be()?).ok()?;
        let content = reader.take(length)?;
        match kind & !LAST {
            STREAM_INFORMATION if information.is_none() && length == 34 => information = Some(content),
            // It stands first, once; 127 could be taken for a frame and is forbidden.
            STREAM_INFORMATION | 127 => return None,
            _ if information.is_none() => return None,
            // Its offsets count from the first frame, so they hold when other blocks go.
            SEEK_TABLE if seek_table.is_none() && length % 18 == 0 => seek_table = Some(content),
            _ => {}
        }
        if kind & LAST != 0 {
            return Some(Blocks { information: information?, seek_table });
        }
    }
}

fn write_block(to: &mut Vec<u8>, kind: u8, content: &[u8], last: bool) {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    to.extend_from_slice(
        &(length | (u32::from(kind) << 24) | if last { u32::from(LAST) << 24 } else { 0 }).to_be_bytes(),
    );
    to.extend_from_slice(content);
}

/// The frames, one behind the other, as far as they are whole.
///
/// No header says how long a frame is. It ends where its checksum comes to zero and either the next frame begins or
/// nothing follows. So what is appended to the sound is dropped, and with it the last frame if that cannot be told apart.
fn whole_frames(bytes: &[u8]) -> &[u8] {
    let Some(first) = frame_header(bytes) else { return &[] };
    let mut header = first;
    let mut whole = 0;
    let mut check = 0;
    for (index, byte) in bytes.iter().enumerate() {
        check = flac_crc16(check, *byte);
        // A subframe has at least two bytes (§9.2.3), and the check two.
        if check != 0 || index + 1 < whole + header.length + 4 {
            continue;
        }
        let end = index + 1;
        let behind = bytes.get(end..).unwrap_or_default();
        match frame_header(behind) {
            Some(next) if next.blocking == first.blocking => (header, whole) = (next, end),
            _ if behind.is_empty() => whole = end,
            _ => {}
        }
    }
    bytes.get(..whole).unwrap_or_default()
}

#[derive(Clone, Copy)]
struct FrameHeader {
    /// Whether blocks are of one size or of several; the same in all frames of a stream.
    blocking: u8,
    length: usize,
}

/// The frame header at the front, if a valid one stands there (§9.1).
fn frame_header(bytes: &[u8]) -> Option<FrameHeader> {
    let mut reader = Reader::new(bytes);
    let [0xFF, blocking @ (0xF8 | 0xF9), sizes, channels]: [u8; 4] = reader.array()? else { return None };
    let (block_size, sample_rate) = (sizes >> 4, sizes & 15);
    let (channel_assignment, sample_size) = (channels >> 4, (channels >> 1) & 7);
    if block_size == 0 || sample_rate == 15 || channel_assignment > 10 || sample_size == 3 || channels & 1 == 1 {
        return None;
    }
    // A number coded like a character in UTF-8, of up to seven bytes.
    let more = match reader.u8()?.leading_ones() {
        0 => 0,
        ones @ 2..=7 => usize::try_from(ones).ok()? - 1,
        _ => return None,
    };
    let of_block_size = match block_size {
        6 => 1,
        7 => 2,
        _ => 0,
    };
    let of_sample_rate = match sample_rate {
        12 => 1,
        13 | 14 => 2,
        _ => 0,
    };
    let length = 5 + more + of_block_size + of_sample_rate + 1;
    (flac_crc8(bytes.get(..length)?) == 0).then_some(FrameHeader { blocking, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOICE: &[u8] = include_bytes!("../samples/voice.flac");

    fn contains(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }

    /// Where the frames begin.
    fn frames(bytes: &[u8]) -> &[u8] {
        let mut reader = Reader::new(&bytes[4..]);
        metadata(&mut reader).unwrap();
        reader.rest()
    }

    #[test]
    fn comments_and_padding_are_gone_and_the_sound_is_the_same() {
        assert!(contains(VOICE, b"secret title"));
        let clean = clean(VOICE).unwrap();
        assert_eq!(clean.len(), 4 + 4 + 34 + frames(VOICE).len());
        assert_eq!(frames(&clean), frames(VOICE));
        assert_eq!(clean[4], LAST);
    }

    #[test]
    fn a_picture_is_dropped_and_a_seek_table_kept() {
        let picture = [b"\x06\0\0\x06secret".as_slice(), b"\x83\0\0\x12123456789012345678"].concat();
        let mut bytes = [b"fLaC\0".as_slice(), &VOICE[5..42], &picture].concat();
        bytes.extend_from_slice(frames(VOICE));
        let clean = clean(&bytes).unwrap();
        assert!(!contains(&clean, b"secret"));
        assert_eq!(&clean[42..64], b"\x83\0\0\x12123456789012345678");
        assert_eq!(clean[4], 0);
    }

    #[test]
    fn what_follows_the_last_frame_is_cut_and_what_is_before_it_stays() {
        let clean_of = |tail: &[u8]| clean(&[VOICE, tail].concat()).unwrap();
        let clean = clean_of(b"TAGsecret");
        assert!(!contains(&clean, b"TAG"));
        assert!(frames(VOICE).starts_with(frames(&clean)));
        assert!(frames(&clean).len() > frames(VOICE).len() / 2);
        assert_eq!(super::clean(&clean).unwrap(), clean);
    }

    #[test]
    fn a_file_without_a_whole_frame_is_damaged() {
        let header = VOICE.len() - frames(VOICE).len();
        for length in 0..header + 40 {
            assert!(matches!(clean(&VOICE[..length]), Err(Unfit::Damaged { .. })), "{length}");
        }
    }
}
