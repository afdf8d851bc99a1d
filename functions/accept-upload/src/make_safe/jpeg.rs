//! JPEG: the picture is kept bit for bit; what a camera or a person wrote beside it is cut out.
//!
//! Facts from ITU-T T.81 (the format), T.871 (JFIF), T.872 §6.5.3 (Adobe), Exif 2.32 §4.5.4 (the APP1 segment and its
//! tags) and ICC.1:2022 annex B.4 (the APP2 segment).

use greenlight::domain::media::MediaType;

use super::Unfit;
use super::exif;
use super::reader::Reader;

const START_OF_IMAGE: u8 = 0xD8;
const END_OF_IMAGE: u8 = 0xD9;
const START_OF_SCAN: u8 = 0xDA;
const HUFFMAN_TABLES: u8 = 0xC4;
const QUANTIZATION_TABLES: u8 = 0xDB;
const RESTART_INTERVAL: u8 = 0xDD;
const APP0: u8 = 0xE0;
const APP1: u8 = 0xE1;
const APP2: u8 = 0xE2;
const APP14: u8 = 0xEE;

/// More scans than any encoder makes, and few enough that a small file cannot keep a decoder busy for minutes:
/// each scan may cover the whole picture.
const MOST_SCANS: usize = 256;

/// Colour profiles are some hundred bytes on phones and half a megabyte for print. A larger one is luggage.
pub(super) const LARGEST_PROFILE: usize = 1 << 20;

const EXIF: &[u8] = b"Exif\0\0";
const ICC_PROFILE: &[u8] = b"ICC_PROFILE\0";

fn damaged(what: &'static str) -> Unfit {
    Unfit::Damaged { media_type: MediaType::Jpeg, what }
}

/// What is kept of the segments that stand before the first scan, besides the picture's own.
#[derive(Default)]
struct Head<'a> {
    /// Version and density, nine bytes behind `JFIF\0`... without the thumbnail, which is a picture nobody judges.
    jfif: Option<&'a [u8]>,
    orientation: Option<u8>,
    profile: Vec<&'a [u8]>,
    adobe: Option<&'a [u8]>,
}

/// The frame that the scans fill.
struct Frame {
    progressive: bool,
    components: Vec<u8>,
    /// Components that a scan has brought.
    scanned: Vec<u8>,
}

/// Keeps the picture, its JFIF density, colour profile, Adobe colour transform and orientation. Drops everything else:
/// Exif (camera, place, thumbnail), XMP, IPTC, comments, MPF, unknown segments, and what follows the end.
///
/// # Errors
/// `Damaged` if the picture does not hold together or is of a kind that phones and browsers do not show
/// (arithmetic coding, lossless, hierarchical, 12 bits).
pub(super) fn clean(bytes: &[u8]) -> Result<Vec<u8>, Unfit> {
    let mut reader = Reader::new(bytes);
    let mut head = Head::default();
    let mut frame: Option<Frame> = None;
    // Tables wait here until a frame or a scan comes that can use them; what nothing uses is dropped.
    let mut tables = Vec::new();
    let mut body = Vec::with_capacity(bytes.len());
    let mut scans = 0;

    if reader.array() != Some([0xFF, START_OF_IMAGE]) {
        return Err(damaged("it does not begin as a JPEG"));
    }
    loop {
        match next_marker(&mut reader).ok_or(damaged("it ends too early"))? {
            END_OF_IMAGE => break,
            START_OF_IMAGE => return Err(damaged("a second picture begins inside the first")),
            // They stand alone and mean nothing outside a scan.
            0x01 | 0xD0..=0xD7 => {}
            code => {
                let payload = segment(&mut reader).ok_or(damaged("a segment ends too early"))?;
                match code {
                    0xC0..=0xC2 => {
                        if frame.is_some() {
                            return Err(damaged("it has two frames"));
                        }
                        frame = Some(read_frame(code, payload).ok_or(damaged("its frame header is wrong"))?);
                        body.append(&mut tables);
                        write_segment(&mut body, code, payload);
                    }
                    0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | 0xDE | 0xDF => {
                        return Err(damaged("it is a kind of JPEG that phones do not show"));
                    }
                    HUFFMAN_TABLES => {
                        are_huffman_tables(payload).ok_or(damaged("its Huffman tables are wrong"))?;
                        write_segment(&mut tables, code, payload);
                    }
                    QUANTIZATION_TABLES => {
                        are_quantization_tables(payload).ok_or(damaged("its quantization tables are wrong"))?;
                        write_segment(&mut tables, code, payload);
                    }
                    RESTART_INTERVAL => {
                        if payload.len() != 2 {
                            return Err(damaged("its restart interval is wrong"));
                        }
                        write_segment(&mut tables, code, payload);
                    }
                    START_OF_SCAN => {
                        let frame = frame.as_mut().ok_or(damaged("a scan comes before the frame"))?;
                        begin_scan(frame, payload).ok_or(damaged("a scan header is wrong"))?;
                        scans += 1;
                        if scans > MOST_SCANS {
                            return Err(damaged("it has too many scans"));
                        }
                        let coded = coded_data(&mut reader).ok_or(damaged("a scan ends too early"))?;
                        if coded.is_empty() {
                            return Err(damaged("a scan is empty"));
                        }
                        body.append(&mut tables);
                        write_segment(&mut body, code, payload);
                        body.extend_from_slice(coded);
                    }
                    // Decoders settle on the colours before the first scan; what comes later they ignore, and so do we.
                    0xE0..=0xEF if scans == 0 => head.take(code, payload),
                    // Comments; arithmetic conditioning and number of lines, which our frames do not need.
                    0xE0..=0xEF | 0xFE | 0xCC | 0xDC => {}
                    _ => return Err(damaged("it has an unknown segment")),
                }
            }
        }
    }
    let frame = frame.ok_or(damaged("it has no picture"))?;
    let complete = frame.components.iter().all(|component| frame.scanned.contains(component));
    if !complete {
        return Err(damaged("a colour is missing"));
    }

    let mut clean = Vec::with_capacity(body.len() + 1024);
    clean.extend_from_slice(&[0xFF, START_OF_IMAGE]);
    head.write(&mut clean);
    clean.append(&mut body);
    clean.extend_from_slice(&[0xFF, END_OF_IMAGE]);
    Ok(clean)
}

/// The next marker's code, over fill bytes (T.81, B.1.1.2) and, as decoders do, over stray bytes that belong to nothing.
fn next_marker(reader: &mut Reader<'_>) -> Option<u8> {
    loop {
        while reader.u8()? != 0xFF {}
        let mut code = 0xFF;
        while code == 0xFF {
            code = reader.u8()?;
        }
        if code != 0 {
            return Some(code);
        }
    }
}

/// A segment's payload, without the two bytes of length that begin it.
fn segment<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let length = usize::from(reader.u16_be()?);
    reader.take(length.checked_sub(2)?)
}

/// Writes a segment; none that came from a segment or is built here is longer than its length can say.
fn write_segment(to: &mut Vec<u8>, code: u8, payload: &[u8]) {
    let length = u16::try_from(payload.len() + 2).unwrap_or(u16::MAX);
    to.extend_from_slice(&[0xFF, code]);
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(payload);
}

fn read_frame(code: u8, payload: &[u8]) -> Option<Frame> {
    let mut reader = Reader::new(payload);
    let precision = reader.u8()?;
    let (height, width) = (reader.u16_be()?, reader.u16_be()?);
    let count = reader.u8()?;
    let mut components = Vec::new();
    for _ in 0..count {
        let [id, sampling, table] = reader.array()?;
        let (across, down) = (sampling >> 4, sampling & 15);
        if components.contains(&id) || !(1..=4).contains(&across) || !(1..=4).contains(&down) || table > 3 {
            return None;
        }
        components.push(id);
    }
    let valid = precision == 8 && height > 0 && width > 0 && matches!(count, 1 | 3 | 4) && reader.is_at_end();
    valid.then_some(Frame { progressive: code == 0xC2, components, scanned: Vec::new() })
}

/// Notes which components a scan brings. In a frame that is not progressive each comes once: decoders differ on which of
/// two they show, so one could be judged and another seen.
fn begin_scan(frame: &mut Frame, payload: &[u8]) -> Option<()> {
    let mut reader = Reader::new(payload);
    let count = reader.u8()?;
    for _ in 0..count {
        let [id, _tables] = reader.array()?;
        let again = frame.scanned.contains(&id);
        if !frame.components.contains(&id) || (again && !frame.progressive) {
            return None;
        }
        if !again {
            frame.scanned.push(id);
        }
    }
    reader.take(3)?;
    ((1..=4).contains(&count) && reader.is_at_end()).then_some(())
}

/// Whether the payload is a row of Huffman tables and nothing more (T.81, B.2.4.2).
fn are_huffman_tables(payload: &[u8]) -> Option<()> {
    let mut reader = Reader::new(payload);
    while !reader.is_at_end() {
        let class_and_id = reader.u8()?;
        let counts: [u8; 16] = reader.array()?;
        let codes: usize = counts.iter().copied().map(usize::from).sum();
        if class_and_id >> 4 > 1 || class_and_id & 15 > 3 || codes > 256 {
            return None;
        }
        reader.take(codes)?;
    }
    Some(())
}

/// Whether the payload is a row of quantization tables and nothing more (T.81, B.2.4.1).
fn are_quantization_tables(payload: &[u8]) -> Option<()> {
    let mut reader = Reader::new(payload);
    while !reader.is_at_end() {
        let precision_and_id = reader.u8()?;
        if precision_and_id >> 4 > 1 || precision_and_id & 15 > 3 {
            return None;
        }
        reader.take(if precision_and_id >> 4 == 0 { 64 } else { 128 })?;
    }
    Some(())
}

/// A scan's coded data, up to the marker that ends it. Stuffed zeros (FF 00) and restart markers are part of it.
fn coded_data<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let all = reader.rest();
    let mut length = 0;
    loop {
        let rest = all.get(length..)?;
        let plain = rest.iter().position(|byte| *byte == 0xFF)?;
        let fill = rest.get(plain..)?.iter().position(|byte| *byte != 0xFF)?;
        match rest.get(plain + fill)? {
            0x00 | 0xD0..=0xD7 => length += plain + fill + 1,
            _ => return reader.take(length + plain),
        }
    }
}

impl<'a> Head<'a> {
    /// Keeps what is to be kept of an application's segment; of two that say the same thing, the first.
    fn take(&mut self, code: u8, payload: &'a [u8]) {
        match code {
            // Fourteen bytes without a thumbnail; decoders take a shorter one for something else.
            APP0 if payload.starts_with(b"JFIF\0") && payload.len() >= 14 && self.jfif.is_none() => {
                self.jfif = payload.get(..12);
            }
            APP1 if self.orientation.is_none() => {
                self.orientation = payload.strip_prefix(EXIF).and_then(exif::orientation);
            }
            APP2 => self.profile.extend(payload.strip_prefix(ICC_PROFILE)),
            // Twelve bytes: name, version, two words of flags, and the colour transform that a decoder must know.
            APP14 if payload.starts_with(b"Adobe") && self.adobe.is_none() => self.adobe = payload.get(..12),
            _ => {}
        }
    }

    fn write(&self, to: &mut Vec<u8>) {
        if let Some(jfif) = self.jfif {
            write_segment(to, APP0, &[jfif, &[0, 0]].concat());
        }
        // 1 is what everyone assumes.
        if let Some(orientation @ 2..=8) = self.orientation {
            write_segment(to, APP1, &[EXIF, &exif::only(orientation)].concat());
        }
        if is_profile(&self.profile) {
            for piece in &self.profile {
                write_segment(to, APP2, &[ICC_PROFILE, piece].concat());
            }
        }
        if let Some(adobe) = self.adobe {
            write_segment(to, APP14, adobe);
        }
    }
}

/// Whether the pieces, each after its number and their count, are one colour profile, whole, in order, with nothing
/// behind it: its first word is its length (ICC.1:2022, 7.2.2), and `acsp` stands at 36 (7.2.9).
fn is_profile(pieces: &[&[u8]]) -> bool {
    let mut length = 0;
    for (index, piece) in pieces.iter().enumerate() {
        let numbered = piece.first().map(|number| usize::from(*number)) == Some(index + 1)
            && piece.get(1).map(|count| usize::from(*count)) == Some(pieces.len());
        if !numbered {
            return false;
        }
        length += piece.len().saturating_sub(2);
    }
    let Some(first) = pieces.first().and_then(|piece| piece.get(2..)) else { return false };
    let declared = Reader::new(first).u32_be().and_then(|declared| usize::try_from(declared).ok());
    declared == Some(length) && length <= LARGEST_PROFILE && first.get(36..40) == Some(b"acsp".as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHOTO: &[u8] = include_bytes!("samples/photo.jpg");
    const PROGRESSIVE: &[u8] = include_bytes!("samples/progressive.jpg");

    /// Everything from the first frame header, tables before it apart, to the end: what the pixels are made of.
    fn from_frame(bytes: &[u8]) -> &[u8] {
        let start = bytes.windows(2).position(|two| matches!(two, [0xFF, 0xC0 | 0xC2])).unwrap();
        &bytes[start..]
    }

    fn contains(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }

    /// The codes and payloads before the first scan.
    fn segments(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut reader = Reader::new(&bytes[2..]);
        let mut found = Vec::new();
        loop {
            let code = next_marker(&mut reader).unwrap();
            found.push((code, segment(&mut reader).unwrap().to_vec()));
            if code == START_OF_SCAN {
                return found;
            }
        }
    }

    /// `photo.jpg` with another segment right behind its start.
    fn photo_with(code: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = PHOTO[..2].to_vec();
        write_segment(&mut bytes, code, payload);
        bytes.extend_from_slice(&PHOTO[2..]);
        bytes
    }

    #[test]
    fn place_camera_and_comments_are_gone_and_the_pixels_are_the_same() {
        for secret in [b"Camera maker".as_slice(), b"secret place", b"secret comment", b"2026:01:02"] {
            assert!(contains(PHOTO, secret));
        }
        let clean = clean(PHOTO).unwrap();
        for secret in [b"Camera maker".as_slice(), b"secret", b"2026:01:02", b"xmp"] {
            assert!(!contains(&clean, secret));
        }
        assert_eq!(from_frame(&clean), from_frame(PHOTO));
    }

    #[test]
    fn orientation_is_kept_and_is_all_that_is_left_of_exif() {
        let app1: Vec<_> = segments(&clean(PHOTO).unwrap()).into_iter().filter(|(code, _)| *code == APP1).collect();
        assert_eq!(app1, [(APP1, [EXIF, &exif::only(6)].concat())]);
    }

    #[test]
    fn an_orientation_that_changes_nothing_is_not_written() {
        let upright = photo_with(APP1, &[EXIF, &exif::only(1)].concat());
        assert!(segments(&clean(&upright).unwrap()).iter().all(|(code, _)| *code != APP1));
    }

    #[test]
    fn the_colour_profile_is_kept() {
        let profile = |bytes| segments(bytes).into_iter().find(|(code, _)| *code == APP2);
        assert!(profile(PHOTO).unwrap().1.starts_with(ICC_PROFILE));
        assert_eq!(profile(&clean(PHOTO).unwrap()), profile(PHOTO));
    }

    #[test]
    fn what_only_claims_to_be_a_colour_profile_is_dropped() {
        let luggage = photo_with(APP2, &[ICC_PROFILE, b"\x01\x01secret"].concat());
        let clean = clean(&luggage).unwrap();
        assert!(!contains(&clean, b"secret") && !contains(&clean, b"ICC_PROFILE"));
    }

    #[test]
    fn thumbnails_multi_picture_and_unknown_segments_are_dropped() {
        let jfif = b"JFIF\0\x01\x02\0\0\x01\0\x01\x01\x01RGB";
        for (code, payload) in [
            (APP0, jfif.as_slice()),
            (APP0, b"JFXX\0\x10secret"),
            (APP2, b"MPF\0secret"),
            (0xED, b"Photoshop 3.0\0secret"),
            (0xEB, b"secret"),
            (0xFE, b"secret"),
        ] {
            let clean = clean(&photo_with(code, payload)).unwrap();
            assert!(!contains(&clean, b"secret") && !contains(&clean, b"RGB\xFF") && !contains(&clean, b"MPF"));
            assert_eq!(from_frame(&clean), from_frame(PHOTO));
        }
        let kept = segments(&clean(&photo_with(APP0, jfif)).unwrap());
        assert_eq!(kept[0], (APP0, b"JFIF\0\x01\x02\0\0\x01\0\x01\0\0".to_vec()));
    }

    #[test]
    fn the_adobe_transform_is_kept_without_what_is_appended_to_it() {
        let adobe = b"Adobe\0\x64\0\0\0\0\x01";
        let clean = clean(&photo_with(APP14, &[adobe.as_slice(), b"secret"].concat())).unwrap();
        assert!(segments(&clean).contains(&(APP14, adobe.to_vec())));
        assert!(!contains(&clean, b"secret"));
    }

    #[test]
    fn what_follows_the_end_is_cut() {
        for tail in [b"PK\x03\x04secret".as_slice(), PHOTO, b"\0\0\0\x18ftypmp42", b"\xFF"] {
            assert_eq!(clean(&[PHOTO, tail].concat()).unwrap(), clean(PHOTO).unwrap());
        }
    }

    #[test]
    fn a_progressive_picture_with_restart_markers_is_kept_scan_by_scan() {
        assert!(contains(PROGRESSIVE, &[0xFF, 0xD0]));
        assert_eq!(from_frame(&clean(PROGRESSIVE).unwrap()), from_frame(PROGRESSIVE));
    }

    #[test]
    fn fill_bytes_and_stray_bytes_between_segments_are_dropped() {
        let mut filled = PHOTO[..2].to_vec();
        filled.extend_from_slice(&[0xFF, 0xFF, 0xFF]);
        filled.extend_from_slice(&PHOTO[2..PHOTO.len() - 2]);
        filled.extend_from_slice(&[0xFF, 0xFF, 0xFF, 0xD9]);
        assert_eq!(clean(&filled).unwrap(), clean(PHOTO).unwrap());
        let strayed = [&PHOTO[..2], b"\0secret\xFF\0", &PHOTO[2..]].concat();
        assert_eq!(clean(&strayed).unwrap(), clean(PHOTO).unwrap());
    }

    #[test]
    fn a_truncated_picture_is_damaged_at_every_length() {
        for sample in [PHOTO, PROGRESSIVE] {
            for length in 0..sample.len() {
                assert!(matches!(clean(&sample[..length]), Err(Unfit::Damaged { .. })), "{length}");
            }
        }
    }

    #[test]
    fn a_picture_within_the_picture_is_damaged() {
        let whole = clean(PHOTO).unwrap();
        let nested = [&whole[..whole.len() - 2], PHOTO].concat();
        assert_eq!(clean(&nested), Err(damaged("a second picture begins inside the first")));
    }

    #[test]
    fn a_second_scan_of_the_same_colours_is_damaged() {
        let whole = clean(PHOTO).unwrap();
        let scan = whole.windows(2).position(|two| two == [0xFF, START_OF_SCAN]).unwrap();
        let twice = [&whole[..whole.len() - 2], &whole[scan..]].concat();
        assert_eq!(clean(&twice), Err(damaged("a scan header is wrong")));
    }

    #[test]
    fn tables_that_no_scan_uses_are_dropped() {
        let whole = clean(PHOTO).unwrap();
        let mut padded = whole[..whole.len() - 2].to_vec();
        write_segment(&mut padded, QUANTIZATION_TABLES, &[[3].as_slice(), &[b'x'; 64]].concat());
        padded.extend_from_slice(&[0xFF, END_OF_IMAGE]);
        assert_eq!(clean(&padded).unwrap(), whole);
    }
}
