//! PNG: the picture and what its colours need; texts, times, what a camera noted and all
//! unknown chunks are left out.
//!
//! Facts from Portable Network Graphics, third edition (W3C, 2025): §5 chunks, §11 their contents, §5.6 their order.

use greenlight::domain::media::MediaType;

use super::checksum::png_crc;
use super::exif;
use super::jpeg::LARGEST_PROFILE;
use super::reader::Reader;
use super::{Found, Unfit};

/// What every PNG begins with.
pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

fn damaged(what: &'static str) -> Unfit {
    Unfit::Damaged { media_type: MediaType::Png, what }
}

struct Chunk<'a> {
    name: [u8; 4],
    data: &'a [u8],
    /// All of it: length, name, data and check, as it is written again.
    whole: &'a [u8],
    check_holds: bool,
}

/// Keeps the critical chunks, those that say how colours are meant, and the orientation, each in its place and once.
///
/// # Errors
/// `Damaged` if the chunks do not hold together, `NotAccepted` for an animation.
pub(super) fn clean(bytes: &[u8]) -> Result<Vec<u8>, Unfit> {
    let mut reader = Reader::new(bytes);
    if reader.take(SIGNATURE.len()) != Some(SIGNATURE) {
        return Err(damaged("it does not begin as a PNG"));
    }
    let first = chunk(&mut reader).ok_or(damaged("it ends too early"))?;
    if first.name != *b"IHDR" || !first.check_holds {
        return Err(damaged("its header is missing"));
    }
    let colour_type = colour_type(first.data).ok_or(damaged("its header is wrong"))?;

    let mut clean = Vec::with_capacity(bytes.len());
    clean.extend_from_slice(SIGNATURE);
    clean.extend_from_slice(first.whole);
    let mut colours: Vec<[u8; 4]> = Vec::new();
    let mut palette_entries = None;
    let mut last = first.name;
    let mut has_data = false;
    let mut is_turned = false;
    loop {
        let chunk = chunk(&mut reader).ok_or(damaged("it ends too early"))?;
        // Bit 5 of the first letter: a decoder may ignore the chunk (§5.4).
        let critical = chunk.name.first().is_some_and(u8::is_ascii_uppercase);
        if critical && !chunk.check_holds {
            return Err(damaged("a checksum does not hold"));
        }
        match &chunk.name {
            b"PLTE" => {
                let entries = chunk.data.len() / 3;
                let fits =
                    chunk.data.len() % 3 == 0 && (1..=256).contains(&entries) && matches!(colour_type, 2 | 3 | 6);
                if !fits || has_data || palette_entries.is_some() {
                    return Err(damaged("its palette is wrong"));
                }
                palette_entries = Some(entries);
                clean.extend_from_slice(chunk.whole);
            }
            b"IDAT" => {
                if has_data && last != *b"IDAT" {
                    return Err(damaged("its data is not in one piece"));
                }
                if colour_type == 3 && palette_entries.is_none() {
                    return Err(damaged("its palette is missing"));
                }
                has_data = true;
                clean.extend_from_slice(chunk.whole);
            }
            b"IEND" => {
                if !has_data || !chunk.data.is_empty() {
                    return Err(damaged("it has no picture"));
                }
                clean.extend_from_slice(chunk.whole);
                return Ok(clean);
            }
            // Animation control (§11.3.7.1): several pictures in one, and the one judged need not be the one shown.
            b"acTL" => return Err(Unfit::NotAccepted { found: Found::AnimatedPng }),
            _ if critical => return Err(damaged("it needs an extension that others do not know")),
            // Some viewers turn a PNG by it as they do a JPEG. The first one holds.
            b"eXIf" if !has_data && chunk.check_holds && !is_turned => {
                if let Some(orientation @ 2..=8) = exif::orientation(chunk.data) {
                    is_turned = true;
                    write_chunk(&mut clean, b"eXIf", &exif::only(orientation));
                }
            }
            name => {
                let keep = !has_data
                    && chunk.check_holds
                    && !colours.contains(name)
                    && says_how_colours_are_meant(name, chunk.data.len(), colour_type, palette_entries);
                if keep {
                    colours.push(*name);
                    clean.extend_from_slice(chunk.whole);
                }
            }
        }
        // A chunk that is left out still parts the data before it from the data behind it.
        last = chunk.name;
    }
}

fn chunk<'a>(reader: &mut Reader<'a>) -> Option<Chunk<'a>> {
    let from = reader.rest();
    let length = usize::try_from(reader.u32_be()?).ok()?;
    let name: [u8; 4] = reader.array()?;
    let data = reader.take(length)?;
    let check = reader.u32_be()?;
    let whole = from.get(..length + 12)?;
    let check_holds = png_crc(&[&name, data]) == check;
    name.iter().all(u8::is_ascii_alphabetic).then_some(Chunk { name, data, whole, check_holds })
}

fn write_chunk(to: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    to.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend_from_slice(name);
    to.extend_from_slice(data);
    to.extend_from_slice(&png_crc(&[name, data]).to_be_bytes());
}

/// The colour type, if all the header says is possible (§11.2.1).
fn colour_type(header: &[u8]) -> Option<u8> {
    let mut reader = Reader::new(header);
    let (width, height) = (reader.u32_be()?, reader.u32_be()?);
    let [depth, colour_type, compression, filter, interlace] = reader.array()?;
    let depth_fits = match colour_type {
        0 => matches!(depth, 1 | 2 | 4 | 8 | 16),
        3 => matches!(depth, 1 | 2 | 4 | 8),
        2 | 4 | 6 => matches!(depth, 8 | 16),
        _ => false,
    };
    let side = 1..=0x7FFF_FFFF;
    let valid = depth_fits
        && side.contains(&width)
        && side.contains(&height)
        && (compression, filter) == (0, 0)
        && interlace <= 1
        && reader.is_at_end();
    valid.then_some(colour_type)
}

/// Whether an ancillary chunk belongs to the picture's colours, or to the shape of its pixels, and has the length it
/// must have there. A chunk of another length or in the wrong place is read by some decoders and not by others.
fn says_how_colours_are_meant(name: &[u8; 4], length: usize, colour_type: u8, palette_entries: Option<usize>) -> bool {
    match (name, colour_type) {
        (b"gAMA", _) | (b"cICP", _) => length == 4,
        (b"cHRM", _) => length == 32,
        (b"sRGB", _) => length == 1,
        (b"pHYs", _) => length == 9,
        (b"mDCV", _) => length == 24,
        (b"cLLI", _) => length == 8,
        (b"iCCP", _) => length <= LARGEST_PROFILE,
        (b"sBIT", 0) => length == 1,
        (b"sBIT", 2 | 3) => length == 3,
        (b"sBIT", 4) => length == 2,
        (b"sBIT", _) => length == 4,
        (b"tRNS", 0) => length == 2,
        (b"tRNS", 2) => length == 6,
        (b"tRNS", 3) => palette_entries.is_some_and(|entries| (1..=entries).contains(&length)),
        (b"bKGD", 0 | 4) => length == 2,
        (b"bKGD", 2 | 6) => length == 6,
        (b"bKGD", 3) => palette_entries.is_some() && length == 1,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: &[u8] = include_bytes!("samples/picture.png");
    const PALETTE: &[u8] = include_bytes!("samples/palette.png");
    const ANIMATED: &[u8] = include_bytes!("samples/animated.png");

    fn names(bytes: &[u8]) -> Vec<String> {
        let mut reader = Reader::new(&bytes[8..]);
        std::iter::from_fn(|| chunk(&mut reader)).map(|chunk| String::from_utf8(chunk.name.to_vec()).unwrap()).collect()
    }

    fn data_of(bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut reader = Reader::new(&bytes[8..]);
        std::iter::from_fn(|| chunk(&mut reader))
            .filter(|chunk| matches!(&chunk.name, b"IHDR" | b"PLTE" | b"tRNS" | b"IDAT"))
            .map(|chunk| chunk.whole.to_vec())
            .collect()
    }

    fn made(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let mut chunk = Vec::new();
        write_chunk(&mut chunk, name, data);
        chunk
    }

    /// `bytes` with another chunk right behind the header.
    fn with(bytes: &[u8], chunk: &[u8]) -> Vec<u8> {
        [&bytes[..33], chunk, &bytes[33..]].concat()
    }

    #[test]
    fn texts_camera_and_place_are_gone_and_the_pixels_and_orientation_are_the_same() {
        assert_eq!(names(PICTURE), ["IHDR", "iCCP", "tEXt", "iTXt", "zTXt", "pHYs", "eXIf", "IDAT", "IEND"]);
        let clean = clean(PICTURE).unwrap();
        assert_eq!(names(&clean), ["IHDR", "iCCP", "pHYs", "eXIf", "IDAT", "IEND"]);
        assert!(clean.windows(38).any(|window| window == made(b"eXIf", &exif::only(6))));
        assert_eq!(data_of(&clean), data_of(PICTURE));
    }

    #[test]
    fn a_palette_and_its_transparency_are_kept() {
        assert_eq!(clean(PALETTE).unwrap(), PALETTE);
        assert_eq!(names(PALETTE), ["IHDR", "PLTE", "tRNS", "IDAT", "IEND"]);
    }

    #[test]
    fn unknown_times_and_repeated_chunks_are_dropped() {
        for chunk in
            [made(b"tIME", b"1234567"), made(b"vpAg", b"secret"), made(b"fdAT", b"secret"), made(b"gAMA", b"12345")]
        {
            assert_eq!(clean(&with(PALETTE, &chunk)).unwrap(), PALETTE);
        }
        let once = with(PALETTE, &made(b"sRGB", b"\0"));
        assert_eq!(clean(&with(&once, &made(b"sRGB", b"\0"))).unwrap(), once);
    }

    #[test]
    fn transparency_before_the_palette_is_dropped() {
        assert_eq!(clean(&with(PALETTE, &made(b"tRNS", b"\0"))).unwrap(), PALETTE);
    }

    #[test]
    fn an_animation_is_refused() {
        assert_eq!(clean(ANIMATED), Err(Unfit::NotAccepted { found: Found::AnimatedPng }));
    }

    #[test]
    fn what_follows_the_end_is_cut() {
        assert_eq!(clean(&[PALETTE, b"PK\x03\x04secret"].concat()).unwrap(), PALETTE);
    }

    #[test]
    fn a_wrong_checksum_is_damage_where_it_matters() {
        let mut bytes = PALETTE.to_vec();
        let data = bytes.windows(4).position(|name| name == b"IDAT").unwrap() + 6;
        bytes[data] ^= 1;
        assert_eq!(clean(&bytes), Err(damaged("a checksum does not hold")));
        let mut gamma = made(b"gAMA", b"1234");
        gamma[9] ^= 1;
        assert_eq!(clean(&with(PALETTE, &gamma)).unwrap(), PALETTE);
    }

    #[test]
    fn an_unknown_critical_chunk_is_damage() {
        let error = clean(&with(PALETTE, &made(b"CgBJ", b"")));
        assert_eq!(error, Err(damaged("it needs an extension that others do not know")));
    }

    #[test]
    fn a_truncated_picture_is_damaged_at_every_length() {
        for length in 0..PICTURE.len() {
            assert!(matches!(clean(&PICTURE[..length]), Err(Unfit::Damaged { .. })), "{length}");
        }
    }
}
