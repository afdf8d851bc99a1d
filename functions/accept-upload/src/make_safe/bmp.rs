//! BMP: headers, palette and pixels, one behind the other; gaps, linked or embedded profiles and tails are left out.
//!
//! Facts from Microsoft's documentation of `BITMAPFILEHEADER`, `BITMAPCOREHEADER`, `BITMAPINFOHEADER`,
//! `BITMAPV4HEADER` and `BITMAPV5HEADER` (learn.microsoft.com, wingdi.h).

use greenlight::domain::media::MediaType;

use super::Unfit;
use super::reader::Reader;

const FILE_HEADER: usize = 14;
const CORE_HEADER: usize = 12;
const V5_HEADER: usize = 124;
const RLE8: u32 = 1;
const RLE4: u32 = 2;
const BIT_FIELDS: u32 = 3;
const ALPHA_BIT_FIELDS: u32 = 6;
/// `LCS_sRGB`: what a picture without a profile is taken for.
const SRGB: &[u8; 4] = b"BGRs";

fn damaged(what: &'static str) -> Unfit {
    Unfit::Damaged { media_type: MediaType::Bmp, what }
}

/// Whether bytes begin as a bitmap: two letters alone are too weak, so the second header's length must be one there is.
pub(super) fn begins(bytes: &[u8]) -> bool {
    let mut reader = Reader::new(bytes);
    reader.take(2) == Some(b"BM")
        && reader.take(12).is_some()
        && reader.u32_le().is_some_and(|length| matches!(length, 12 | 40 | 52 | 56 | 108 | 124))
}

/// Keeps what makes the picture, and writes the offsets and lengths anew.
///
/// # Errors
/// `Damaged` if headers, palette or pixels are not all there.
pub(super) fn clean(bytes: &[u8]) -> Result<Vec<u8>, Unfit> {
    let parts = parts(bytes).ok_or(damaged("its headers are wrong or it ends too early"))?;
    let offset = FILE_HEADER + parts.header.len() + parts.masks_and_palette.len();
    let length = offset + parts.pixels.len();
    let number = |value: usize| u32::try_from(value).map_err(|_| damaged("it is too large"));

    let mut clean = Vec::with_capacity(length);
    clean.extend_from_slice(b"BM");
    clean.extend_from_slice(&number(length)?.to_le_bytes());
    clean.extend_from_slice(&[0; 4]);
    clean.extend_from_slice(&number(offset)?.to_le_bytes());
    clean.extend_from_slice(&parts.header);
    clean.extend_from_slice(parts.masks_and_palette);
    clean.extend_from_slice(parts.pixels);
    Ok(clean)
}

struct Parts<'a> {
    header: Vec<u8>,
    masks_and_palette: &'a [u8],
    pixels: &'a [u8],
}

fn parts(bytes: &[u8]) -> Option<Parts<'_>> {
    let mut file = Reader::new(bytes);
    file.take(10)?;
    let offset = usize::try_from(file.u32_le()?).ok()?;
    let behind = file.rest();
    let header_length = usize::try_from(file.u32_le()?).ok()?;
    let mut header = behind.get(..header_length)?.to_vec();

    let mut fields = Reader::new(behind.get(4..header_length)?);
    let (width, height) = if header_length == CORE_HEADER {
        (u64::from(fields.u16_le()?), u64::from(fields.u16_le()?))
    } else {
        // A negative height means that the rows go from top to bottom.
        let (width, height) = (fields.u32_le()?.cast_signed(), fields.u32_le()?.cast_signed());
        (u64::try_from(width).ok()?, u64::from(height.unsigned_abs()))
    };
    let (planes, depth) = (fields.u16_le()?, fields.u16_le()?);
    let (mut compression, mut picture_length, mut colours) = (0, 0, 0);
    if header_length > CORE_HEADER {
        compression = fields.u32_le()?;
        picture_length = usize::try_from(fields.u32_le()?).ok()?;
        fields.take(8)?;
        colours = usize::try_from(fields.u32_le()?).ok()?;
    }
    let depth_fits = match compression {
        0 => matches!(depth, 1 | 4 | 8 | 16 | 24 | 32),
        RLE8 => depth == 8,
        RLE4 => depth == 4,
        BIT_FIELDS | ALPHA_BIT_FIELDS => matches!(depth, 16 | 32),
        // Whole JPEG and PNG files are meant for printers.
        _ => false,
    };
    if !depth_fits || planes != 1 || width == 0 || height == 0 {
        return None;
    }

    // The plain header's masks stand behind it; the later headers hold them.
    let masks = match (header_length, compression) {
        (40, BIT_FIELDS) => 12,
        (40, ALPHA_BIT_FIELDS) => 16,
        _ => 0,
    };
    let palette = match (depth, colours) {
        // A palette for pixels that hold their own colours is a hint for old displays: the count goes too.
        (16.., _) => {
            if header_length > CORE_HEADER {
                header.get_mut(32..36)?.fill(0);
            }
            0
        }
        (_, 0) => 1_usize << depth,
        (_, some) if some <= 1 << depth => some,
        _ => return None,
    };
    let entry = if header_length == CORE_HEADER { 3 } else { 4 };
    let masks_and_palette = behind.get(header_length..header_length + masks + palette * entry)?;
    if offset < FILE_HEADER + header_length + masks_and_palette.len() {
        return None;
    }

    let length = if matches!(compression, RLE8 | RLE4) {
        if picture_length == 0 {
            return None;
        }
        picture_length
    } else {
        // Rows are filled up to four bytes.
        let row = (width * u64::from(depth)).div_ceil(32) * 4;
        usize::try_from(row.checked_mul(height)?).ok()?
    };
    let pixels = bytes.get(offset..)?.get(..length)?;
    if header_length == V5_HEADER {
        // A profile is embedded behind the pixels, or linked by a file name; both are cut.
        let colour_space = header.get_mut(56..60)?;
        if [b"DEBM", b"KNIL"].iter().any(|profile| colour_space == profile.as_slice()) {
            colour_space.copy_from_slice(SRGB);
        }
        header.get_mut(112..124)?.fill(0);
    }
    Some(Parts { header, masks_and_palette, pixels })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: &[u8] = include_bytes!("samples/picture.bmp");
    const PALETTE: &[u8] = include_bytes!("samples/palette.bmp");

    #[test]
    fn a_plain_bitmap_stays_as_it_is() {
        assert_eq!(clean(PICTURE).unwrap(), PICTURE);
        assert_eq!(clean(PALETTE).unwrap(), PALETTE);
    }

    #[test]
    fn what_follows_the_pixels_is_cut() {
        for sample in [PICTURE, PALETTE] {
            assert_eq!(clean(&[sample, b"secret"].concat()).unwrap(), sample);
        }
    }

    #[test]
    fn a_gap_before_the_pixels_is_closed() {
        let mut gapped = [&PICTURE[..54], b"secret", &PICTURE[54..]].concat();
        gapped[10] += 6;
        assert_eq!(clean(&gapped).unwrap(), PICTURE);
    }

    #[test]
    fn reserved_bytes_are_emptied() {
        let mut bytes = PICTURE.to_vec();
        bytes[6..10].copy_from_slice(b"hide");
        assert_eq!(clean(&bytes).unwrap(), PICTURE);
    }

    #[test]
    fn a_linked_profile_is_dropped() {
        let mut bytes = PICTURE.to_vec();
        bytes[10] = 138;
        bytes[14] = 124;
        let mut later = [0; 84];
        later[16..20].copy_from_slice(b"KNIL");
        later[72] = 200;
        let bytes = [&bytes[..54], &later, &bytes[54..], b"\\\\server\\secret"].concat();
        let clean = clean(&bytes).unwrap();
        assert_eq!(&clean[70..74], SRGB);
        assert!(clean[126..138].iter().all(|byte| *byte == 0));
        assert!(!clean.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn a_truncated_bitmap_is_damaged_at_every_length() {
        for length in 0..PICTURE.len() {
            assert!(clean(&PICTURE[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn text_that_begins_with_the_same_letters_is_no_bitmap() {
        assert!(begins(PICTURE));
        assert!(!begins(b"BMW builds cars in Munich"));
    }
}
