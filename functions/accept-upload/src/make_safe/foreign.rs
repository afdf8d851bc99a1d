//! Recognising what WeChat does not take, so that people hear what to do instead.
//!
//! What a file is the crate `file-format` tells, which knows hundreds of formats by their signatures. Here stand the hints, and
//! what they depend on and the crate does not tell: SILK, a drawing behind an XML declaration, and whether there is sound alone
//! in a movie's or a WebM's box.
//! (ISO/IEC 14496-12, RFC 8794.)

use file_format::{FileFormat, Kind};

use super::Found;

/// How far into a file the codecs of a WebM are looked for.
const HEAD: usize = 64 * 1024;

/// What these bytes are, if they are something known that is refused. A hint: what is no sound to us may look like anything.
pub(super) fn recognise(bytes: &[u8]) -> Option<Found> {
    // WeChat's own voice messages.
    if bytes.starts_with(b"#!SILK_V3") || bytes.starts_with(b"\x02#!SILK_V3") {
        return Some(Found::Silk);
    }
    if is_movie(bytes) && has_sound_alone(bytes) {
        return Some(Found::M4a);
    }
    if is_svg(bytes) {
        return Some(Found::Svg);
    }
    let format = FileFormat::from_bytes(bytes);
    Some(match format {
        FileFormat::HighEfficiencyImageCoding
        | FileFormat::HighEfficiencyImageCodingSequence
        | FileFormat::HighEfficiencyImageFileFormat
        | FileFormat::HighEfficiencyImageFileFormatSequence => Found::Heic,
        FileFormat::Av1ImageFileFormat | FileFormat::Av1ImageFileFormatSequence => Found::Avif,
        FileFormat::TagImageFileFormat => Found::Tiff,
        FileFormat::AppleItunesAudio | FileFormat::AppleItunesAudiobook | FileFormat::FlashMp4Audio => Found::M4a,
        // Matroska and WebM: what is in it, the crate's own reader tells only of whole ones.
        FileFormat::ExtensibleBinaryMetaLanguage => {
            if sounds_alone(bytes) {
                Found::Webm
            } else {
                Found::Video
            }
        }
        FileFormat::AdaptiveMultiRate => Found::Amr,
        FileFormat::MusicalInstrumentDigitalInterface => Found::Midi,
        // What we take, and what begins as it and is none: nothing is known of that.
        FileFormat::WaveformAudio | FileFormat::Mpeg12AudioLayer3 | FileFormat::AdvancedAudioCoding => return None,
        _ if is_movie(bytes) => Found::Video,
        format => match format.kind() {
            Kind::Audio => Found::OtherSound,
            Kind::Video => Found::Video,
            Kind::Image => Found::OtherPicture,
            Kind::Archive
            | Kind::Compressed
            | Kind::Document
            | Kind::Ebook
            | Kind::Package
            | Kind::Presentation
            | Kind::Spreadsheet => Found::Document,
            _ => return None,
        },
    })
}

/// Whether it begins with a box of a movie, as players find one: the name of the first box stands behind its length. QuickTime
/// had no file type box at first.
pub(super) fn is_movie(bytes: &[u8]) -> bool {
    let name = bytes.get(4..8).unwrap_or_default();
    [b"ftyp", b"moov", b"mdat", b"wide", b"pnot"].iter().any(|own| name == own.as_slice())
}

/// Whether a movie has sound and no pictures: recorders on Android write that under a video's brand. A track's handler is
/// named twelve bytes behind the name of its box (§8.4.3).
fn has_sound_alone(bytes: &[u8]) -> bool {
    let handlers =
        bytes.windows(16).filter(|window| window.starts_with(b"hdlr")).filter_map(|window| window.last_chunk::<4>());
    let (mut pictures, mut sound) = (false, false);
    for handler in handlers {
        pictures |= handler == b"vide";
        sound |= handler == b"soun";
    }
    sound && !pictures
}

/// The same of a WebM or Matroska file, by the names of its codecs, which stand near its front.
fn sounds_alone(bytes: &[u8]) -> bool {
    let head = bytes.get(..bytes.len().min(HEAD)).unwrap_or_default();
    let has = |name: &[u8]| head.windows(name.len()).any(|window| window == name);
    let pictures = [b"V_VP".as_slice(), b"V_AV1", b"V_MPEG", b"V_MS/", b"V_THEORA"].into_iter().any(has);
    let sound = [b"A_OPUS".as_slice(), b"A_VORBIS", b"A_AAC", b"A_MPEG", b"A_PCM"].into_iter().any(has);
    sound && !pictures
}

/// Whether it is a text that begins as markup and soon comes to an `svg` element.
fn is_svg(bytes: &[u8]) -> bool {
    let head = bytes.get(..bytes.len().min(1024)).unwrap_or_default();
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    text.starts_with(b"<") && text.windows(4).any(|window| window == b"<svg")
}
