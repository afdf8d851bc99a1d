//! Recognising what WeChat does not take, so that people hear what to do instead.
//!
//! Facts from each format's own specification: ISO/IEC 14496-12 and 23008-12 (MP4, HEIF), RFC 8794
//! (Matroska's frame), RFC 4867 (AMR), TIFF 6.0 and so on; all are the first bytes of a file, or nearly.

use super::Found;
use super::reader::Reader;

/// How far into a file its kind is looked for, where that is not said in its first bytes.
const HEAD: usize = 64 * 1024;

/// What these bytes are, if they are something known that is refused.
pub(super) fn recognise(bytes: &[u8]) -> Option<Found> {
    const SIGNATURES: [(&[u8], Found); 39] = [
        (b"II\x2A\0", Found::Tiff),
        (b"MM\0\x2A", Found::Tiff),
        (b"II\x2B\0", Found::Tiff),
        (b"MM\0\x2B", Found::Tiff),
        (b"\0\0\0\x0CjP  \r\n\x87\n", Found::OtherPicture),
        (b"\xFF\x4F\xFF\x51", Found::OtherPicture),
        (b"\0\0\0\x0CJXL \r\n\x87\n", Found::OtherPicture),
        (b"\xFF\x0A", Found::OtherPicture),
        (b"8BPS", Found::OtherPicture),
        (b"OggS", Found::OtherSound),
        (b"\x30\x26\xB2\x75\x8E\x66\xCF\x11", Found::Video),
        (b"FLV\x01", Found::Video),
        (b".RMF", Found::Video),
        (b"\0\0\x01\xBA", Found::Video),
        (b"\0\0\x01\xB3", Found::Video),
        (b"#!AMR", Found::Amr),
        (b"#!SILK_V3", Found::Silk),
        (b"\x02#!SILK_V3", Found::Silk),
        (b"MThd", Found::Midi),
        (b"ADIF", Found::OtherSound),
        (b"RF64", Found::OtherSound),
        (b"RIFX", Found::OtherSound),
        (b"caff", Found::OtherSound),
        (b"MAC ", Found::OtherSound),
        (b"wvPk", Found::OtherSound),
        (b"TTA1", Found::OtherSound),
        (b"DSD ", Found::OtherSound),
        (b"MPCK", Found::OtherSound),
        (b"MP+", Found::OtherSound),
        (b".snd", Found::OtherSound),
        (b"%PDF-", Found::Document),
        (b"PK\x03\x04", Found::Document),
        (b"PK\x05\x06", Found::Document),
        (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", Found::Document),
        (b"Rar!\x1A\x07", Found::Document),
        (b"7z\xBC\xAF\x27\x1C", Found::Document),
        (b"\x1F\x8B\x08", Found::Document),
        (b"{\\rtf", Found::Document),
        (b"%!PS", Found::Document),
    ];
    let four_at = |offset: usize| bytes.get(offset..)?.first_chunk::<4>();
    if four_at(0) == Some(b"RIFF") {
        return match four_at(8)? {
            b"AVI " => Some(Found::Video),
            b"RMID" => Some(Found::Midi),
            _ => None,
        };
    }
    if four_at(0) == Some(b"FORM") && matches!(four_at(8), Some(b"AIFF" | b"AIFC")) {
        return Some(Found::OtherSound);
    }
    if four_at(0) == Some(b"\x1A\x45\xDF\xA3") {
        return Some(matroska(bytes));
    }
    match four_at(4) {
        Some(b"ftyp") => return Some(iso_media(bytes)),
        // QuickTime from before there was a file type box.
        Some(b"moov" | b"mdat" | b"wide" | b"pnot") => return Some(movie(bytes)),
        _ => {}
    }
    if let Some((_, found)) = SIGNATURES.iter().find(|(signature, _)| bytes.starts_with(signature)) {
        return Some(*found);
    }
    // A transport stream's packets each begin with the same byte, 188 apart.
    if bytes.len() >= 188 * 3 && bytes.iter().step_by(188).take(3).all(|byte| *byte == 0x47) {
        return Some(Found::Video);
    }
    is_svg(bytes).then_some(Found::Svg)
}

/// What a file in boxes is, by the brands in its first (ISO/IEC 14496-12, §4.3): a major one, a version, further ones.
fn iso_media(bytes: &[u8]) -> Found {
    let mut reader = Reader::new(bytes);
    let length = reader.u32_be().and_then(|length| usize::try_from(length).ok()).unwrap_or(0).min(256);
    let brands = bytes.get(8..length).unwrap_or_default();
    let has = |wanted: &[&[u8; 4]]| {
        let mut brands = brands.chunks_exact(4).enumerate().filter(|(index, _)| *index != 1);
        brands.any(|(_, brand)| wanted.iter().any(|wanted| brand == wanted.as_slice()))
    };
    if has(&[b"avif", b"avis"]) {
        Found::Avif
    } else if has(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"]) {
        Found::Heic
    } else if has(&[b"M4A ", b"M4B ", b"F4A "]) {
        Found::M4a
    } else {
        movie(bytes)
    }
}

/// Whether a movie has pictures or sound only: recorders on Android write the latter under a video's brand.
/// A track's handler is named twelve bytes behind the name of its box (§8.4.3).
fn movie(bytes: &[u8]) -> Found {
    let mut handlers =
        bytes.windows(16).filter(|window| window.starts_with(b"hdlr")).filter_map(|window| window.last_chunk::<4>());
    let (mut pictures, mut sound) = (false, false);
    for handler in &mut handlers {
        pictures |= handler == b"vide";
        sound |= handler == b"soun";
    }
    if sound && !pictures { Found::M4a } else { Found::Video }
}

/// Whether a Matroska or WebM file has pictures or sound only, by the names of its codecs, which stand near its front.
fn matroska(bytes: &[u8]) -> Found {
    let head = bytes.get(..bytes.len().min(HEAD)).unwrap_or_default();
    let has = |name: &[u8]| head.windows(name.len()).any(|window| window == name);
    let pictures = [b"V_VP".as_slice(), b"V_AV1", b"V_MPEG", b"V_MS/", b"V_THEORA"].into_iter().any(has);
    let sound = [b"A_OPUS".as_slice(), b"A_VORBIS", b"A_AAC", b"A_MPEG", b"A_PCM"].into_iter().any(has);
    if sound && !pictures { Found::Webm } else { Found::Video }
}

/// Whether it is a text that begins as markup and soon comes to an `svg` element.
fn is_svg(bytes: &[u8]) -> bool {
    let head = bytes.get(..bytes.len().min(1024)).unwrap_or_default();
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    text.starts_with(b"<") && text.windows(4).any(|window| window == b"<svg")
}
