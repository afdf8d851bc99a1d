//! Ogg with Opus or Vorbis: one stream, whose comments (texts and cover pictures) are replaced by empty ones.
//!
//! Facts from RFC 3533 (pages), RFC 7845 §§3–5 (Opus in Ogg) and the Vorbis I specification, §4.2, §5 and §A.2.

use greenlight::domain::media::MediaType;

use super::super::checksum::ogg_crc;
use super::super::reader::Reader;
use super::super::{Found, Unfit};

/// What every page begins with.
pub(in super::super) const SIGNATURE: &[u8] = b"OggS";

const CONTINUED: u8 = 0x01;
const FIRST: u8 = 0x02;
const LAST: u8 = 0x04;
/// The position of a page on which no packet ends.
const NO_POSITION: u64 = u64::MAX;
/// Nobody's name, and no comments.
const EMPTY_OPUS_TAGS: &[u8] = b"OpusTags\0\0\0\0\0\0\0\0";
/// The same, with Vorbis's framing bit.
const EMPTY_VORBIS_COMMENT: &[u8] = b"\x03vorbis\0\0\0\0\0\0\0\0\x01";

struct Page<'a> {
    flags: u8,
    position: u64,
    serial: u32,
    lacing: &'a [u8],
    body: &'a [u8],
}

/// What the first page's packet says that the stream is.
fn codec(first_packet: &[u8]) -> Result<MediaType, Found> {
    if first_packet.starts_with(b"OpusHead") {
        Ok(MediaType::Opus)
    } else if first_packet.starts_with(b"\x01vorbis") {
        Ok(MediaType::Vorbis)
    } else if first_packet.starts_with(b"\x80theora") || first_packet.starts_with(b"BBCD") {
        Err(Found::Video)
    } else {
        Err(Found::OtherSound)
    }
}

/// Keeps the stream's pages, numbered anew, with empty comments. A further stream behind the end of the first is cut.
///
/// # Errors
/// `NotAccepted` if there is anything but one stream of Opus or Vorbis, `Damaged` if its headers or all its sound are
/// missing or a page's checksum does not hold.
pub(in super::super) fn clean(bytes: &[u8]) -> Result<(MediaType, Vec<u8>), Unfit> {
    let mut reader = Reader::new(bytes);
    // Not even the first page can be read, so it could be either; the error has to name one.
    let unread = Unfit::Damaged { media_type: MediaType::Vorbis, what: "it ends too early" };
    let (first, check_holds) = page(&mut reader).ok_or(unread)?;
    let media_type = codec(first.body).map_err(|found| Unfit::NotAccepted { found })?;
    let damaged = |what| Unfit::Damaged { media_type, what };
    if !check_holds || first.flags != FIRST || !is_identification(media_type, &first) {
        return Err(damaged("its first page is wrong"));
    }

    let mut pages = Vec::new();
    while let Some((page, check_holds)) = page(&mut reader) {
        if page.flags & FIRST != 0 {
            if pages.is_empty() {
                // Streams side by side begin together: a picture to the sound, or another sound.
                let found = codec(page.body).err().unwrap_or(Found::OtherSound);
                return Err(Unfit::NotAccepted { found });
            }
            break;
        }
        if page.serial != first.serial {
            continue;
        }
        if !check_holds {
            return Err(damaged("a checksum does not hold"));
        }
        let last = page.flags & LAST != 0;
        pages.push(page);
        if last {
            break;
        }
    }

    let (setup, header_pages) = headers(media_type, &pages).ok_or(damaged("its headers are wrong"))?;
    let sound = pages.get(header_pages..).unwrap_or_default();
    if sound.first().is_none_or(|page| page.flags & CONTINUED != 0 || page.body.is_empty()) {
        return Err(damaged("it holds no sound"));
    }

    let mut writer = Writer { bytes: Vec::with_capacity(bytes.len()), serial: first.serial, number: 0 };
    writer.page(FIRST, first.position, first.lacing, first.body);
    match setup {
        None => writer.packets(&[EMPTY_OPUS_TAGS]),
        Some(setup) => writer.packets(&[EMPTY_VORBIS_COMMENT, &setup]),
    }
    for page in sound {
        writer.page(page.flags & (CONTINUED | LAST), page.position, page.lacing, page.body);
    }
    Ok((media_type, writer.bytes))
}

/// The next page, and whether its checksum holds (RFC 3533, §6).
fn page<'a>(reader: &mut Reader<'a>) -> Option<(Page<'a>, bool)> {
    let from = reader.rest();
    if reader.take(4)? != SIGNATURE || reader.u8()? != 0 {
        return None;
    }
    let (flags, position, serial) = (reader.u8()?, reader.u64_le()?, reader.u32_le()?);
    let (_number, check, segments) = (reader.u32_le()?, reader.u32_le()?, reader.u8()?);
    let lacing = reader.take(usize::from(segments))?;
    let body = reader.take(lacing.iter().copied().map(usize::from).sum())?;
    // The check is made over the page with zeros in the check's own place.
    let whole = ogg_crc(&[from.get(..22)?, &[0; 4], &[segments], lacing, body]);
    Some((Page { flags, position, serial, lacing, body }, whole == check))
}

/// Whether the first page holds the codec's first header and nothing else.
fn is_identification(media_type: MediaType, page: &Page<'_>) -> bool {
    let length = match media_type {
        MediaType::Vorbis => 30,
        // Version, channels, five more fields, and where the mapping is not the simple one, its table.
        _ => match (page.body.get(9), page.body.get(18)) {
            (Some(_), Some(0)) => 19,
            (Some(channels), Some(_)) => 21 + usize::from(*channels),
            _ => return false,
        },
    };
    page.body.len() == length && page.lacing.len() == length / 255 + 1
}

/// The setup header, where the codec has one, and how many pages the further headers take.
///
/// The last of them ends its page (RFC 7845, §3; Vorbis I, §A.2).
fn headers(media_type: MediaType, pages: &[Page<'_>]) -> Option<(Option<Vec<u8>>, usize)> {
    let expected: &[&[u8]] = match media_type {
        MediaType::Vorbis => &[b"\x03vorbis", b"\x05vorbis"],
        _ => &[b"OpusTags"],
    };
    let mut packets: Vec<Vec<u8>> = Vec::new();
    let mut packet = Vec::new();
    for (index, page) in pages.iter().enumerate() {
        if (page.flags & CONTINUED != 0) == packet.is_empty() || page.flags & LAST != 0 {
            // A header may be split only at full segments, so an unfinished one is never empty.
            return None;
        }
        let mut body = Reader::new(page.body);
        for segment in page.lacing {
            packet.extend_from_slice(body.take(usize::from(*segment))?);
            if *segment < 255 {
                packets.push(std::mem::take(&mut packet));
            }
        }
        if packets.len() >= expected.len() {
            let right = packet.is_empty()
                && packets.len() == expected.len()
                && packets.iter().zip(expected).all(|(packet, start)| packet.starts_with(start));
            return right.then(|| (packets.into_iter().nth(1), index + 1));
        }
    }
    None
}

struct Writer {
    bytes: Vec<u8>,
    serial: u32,
    number: u32,
}

impl Writer {
    fn page(&mut self, flags: u8, position: u64, lacing: &[u8], body: &[u8]) {
        let mut head = [SIGNATURE, &[0, flags]].concat();
        head.extend_from_slice(&position.to_le_bytes());
        head.extend_from_slice(&self.serial.to_le_bytes());
        head.extend_from_slice(&self.number.to_le_bytes());
        // 255 segments are the most, both where they were read and where they are made here.
        let segments = [u8::try_from(lacing.len()).unwrap_or(u8::MAX)];
        let check = ogg_crc(&[&head, &[0; 4], &segments, lacing, body]);
        for piece in [&head, check.to_le_bytes().as_slice(), &segments, lacing, body] {
            self.bytes.extend_from_slice(piece);
        }
        self.number = self.number.wrapping_add(1);
    }

    /// Writes header packets on as few pages as they fit.
    fn packets(&mut self, packets: &[&[u8]]) {
        let mut lacing = Vec::new();
        for packet in packets {
            lacing.extend(std::iter::repeat_n(u8::MAX, packet.len() / 255));
            lacing.push(u8::try_from(packet.len() % 255).unwrap_or(u8::MAX));
        }
        let all = packets.concat();
        let mut body = Reader::new(&all);
        let mut flags = 0;
        for lacing in lacing.chunks(255) {
            let ends = lacing.iter().any(|segment| *segment < 255);
            let content = body.take(lacing.iter().copied().map(usize::from).sum()).unwrap_or_default();
            self.page(flags, if ends { 0 } else { NO_POSITION }, lacing, content);
            flags = if lacing.last() == Some(&255) { CONTINUED } else { 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOICE: &[u8] = include_bytes!("../samples/voice.opus");

    fn contains(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }

    fn pages(bytes: &[u8]) -> Vec<(Page<'_>, bool)> {
        let mut reader = Reader::new(bytes);
        std::iter::from_fn(|| page(&mut reader)).collect()
    }

    fn stream(serial: u32, first: &[u8], headers: &[&[u8]], sound: &[u8]) -> Vec<u8> {
        let mut writer = Writer { bytes: Vec::new(), serial, number: 0 };
        let length = u8::try_from(first.len()).unwrap();
        writer.page(FIRST, 0, &[length], first);
        if !headers.is_empty() {
            writer.packets(headers);
            writer.page(LAST, 960, &[u8::try_from(sound.len()).unwrap()], sound);
        }
        writer.bytes
    }

    fn vorbis(comment: &[u8], setup: usize) -> Vec<u8> {
        let first = [b"\x01vorbis".as_slice(), &[0; 23]].concat();
        let setup = [b"\x05vorbis".as_slice(), &vec![7; setup]].concat();
        stream(5, &first, &[&[b"\x03vorbis".as_slice(), comment].concat(), &setup], b"sound")
    }

    #[test]
    fn comments_are_gone_and_the_sound_is_the_same() {
        assert!(contains(VOICE, b"secret title"));
        let (media_type, clean) = clean(VOICE).unwrap();
        assert_eq!(media_type, MediaType::Opus);
        assert!(!contains(&clean, b"secret") && !contains(&clean, b"ffmpeg"));
        let (before, after) = (pages(VOICE), pages(&clean));
        assert!(before.iter().chain(&after).all(|(_, check_holds)| *check_holds));
        assert_eq!(after.len(), before.len());
        assert_eq!(after[1].0.body, EMPTY_OPUS_TAGS);
        assert_eq!(after[2].0.body, before[2].0.body);
        assert_eq!(after[2].0.position, before[2].0.position);
    }

    #[test]
    fn vorbis_keeps_its_setup_over_several_pages() {
        for setup in [0, 232, 233, 247, 248, 300, 65_000, 65_018, 65_025, 140_000] {
            let (media_type, clean) = clean(&vorbis(&[b's'; 70_000], setup)).unwrap();
            assert_eq!(media_type, MediaType::Vorbis);
            assert_eq!(clean, vorbis(&EMPTY_VORBIS_COMMENT[7..], setup), "{setup}");
            assert_eq!(super::clean(&clean).unwrap().1, clean);
        }
    }

    #[test]
    fn video_and_other_codecs_are_refused() {
        let refused = |found| Err(Unfit::NotAccepted { found });
        assert_eq!(clean(&stream(1, b"\x80theora...", &[], b"")), refused(Found::Video));
        assert_eq!(clean(&stream(1, b"Speex   ", &[], b"")), refused(Found::OtherSound));
        let side_by_side = [&VOICE[..47], &stream(9, b"\x80theora...", &[], b""), &VOICE[47..]].concat();
        assert_eq!(clean(&side_by_side), refused(Found::Video));
    }

    #[test]
    fn what_follows_the_end_of_the_stream_is_cut() {
        let other = vorbis(b"secret", 9);
        for tail in [b"secret".as_slice(), &other, VOICE] {
            assert_eq!(clean(&[VOICE, tail].concat()), clean(VOICE));
        }
    }

    #[test]
    fn pages_of_a_stream_that_never_began_are_dropped() {
        let mut stray = Writer { bytes: Vec::new(), serial: 77, number: 0 };
        stray.page(0, 0, &[6], b"secret");
        let bytes = [&VOICE[..47], &stray.bytes, &VOICE[47..]].concat();
        assert_eq!(clean(&bytes), clean(VOICE));
    }

    #[test]
    fn a_wrong_checksum_is_damage() {
        let mut bytes = VOICE.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        assert!(matches!(clean(&bytes), Err(Unfit::Damaged { .. })));
    }

    #[test]
    fn a_file_that_ends_before_its_first_whole_page_of_sound_is_damaged() {
        for length in 0..VOICE.len() {
            assert!(matches!(clean(&VOICE[..length]), Err(Unfit::Damaged { .. })), "{length}");
        }
    }
}
