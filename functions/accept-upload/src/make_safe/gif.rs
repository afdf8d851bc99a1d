//! GIF: one picture with its palette and transparency; comments, texts and applications' blocks are left out.
//!
//! Facts from the GIF89a specification (CompuServe, 1990), §§17–26.

use greenlight::domain::media::MediaType;

use super::reader::Reader;
use super::{Found, Unfit};

const EXTENSION: u8 = 0x21;
const IMAGE: u8 = 0x2C;
const TRAILER: u8 = 0x3B;
const GRAPHIC_CONTROL: u8 = 0xF9;
const PLAIN_TEXT: u8 = 0x01;

fn damaged(what: &'static str) -> Unfit {
    Unfit::Damaged { media_type: MediaType::Gif, what }
}

/// Keeps the screen, the palettes, the picture and the graphic control that belongs to it.
///
/// # Errors
/// `Damaged` if the blocks do not hold together, `NotAccepted` if there is more than one picture.
pub(super) fn clean(bytes: &[u8]) -> Result<Vec<u8>, Unfit> {
    let early = || damaged("it ends too early");
    let mut reader = Reader::new(bytes);
    let mut clean = Vec::with_capacity(bytes.len());
    clean.extend_from_slice(screen(&mut reader).ok_or_else(early)?);
    // It belongs to the next picture or text (§23).
    let mut control: Option<&[u8]> = None;
    let mut has_picture = false;
    loop {
        match reader.u8().ok_or_else(early)? {
            TRAILER if has_picture => {
                clean.push(TRAILER);
                return Ok(clean);
            }
            TRAILER => return Err(damaged("it has no picture")),
            EXTENSION => {
                let label = reader.u8().ok_or_else(early)?;
                let blocks = sub_blocks(&mut reader).ok_or_else(early)?;
                match label {
                    GRAPHIC_CONTROL if matches!(blocks, [4, _, _, _, _, 0]) => control = Some(blocks),
                    GRAPHIC_CONTROL => return Err(damaged("its graphic control is wrong")),
                    PLAIN_TEXT => control = None,
                    _ => {}
                }
            }
            IMAGE if has_picture => return Err(Unfit::NotAccepted { found: Found::AnimatedGif }),
            IMAGE => {
                if let Some(control) = control.take() {
                    clean.extend_from_slice(&[EXTENSION, GRAPHIC_CONTROL]);
                    clean.extend_from_slice(control);
                }
                clean.push(IMAGE);
                clean.extend_from_slice(picture(&mut reader).ok_or(damaged("its picture is wrong or ends too early"))?);
                has_picture = true;
            }
            _ => return Err(damaged("it has an unknown block")),
        }
    }
}

/// Header, logical screen and global palette (§§17–19).
fn screen<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let from = reader.rest();
    let header = reader.take(13)?;
    let palette = palette_length(*header.get(10)?);
    reader.take(palette)?;
    from.get(..13 + palette)
}

/// Descriptor, local palette and data of a picture (§§20–22), behind its separator.
fn picture<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let from = reader.rest();
    let _place: [u8; 4] = reader.array()?;
    let (width, height) = (reader.u16_le()?, reader.u16_le()?);
    let palette = palette_length(reader.u8()?);
    reader.take(palette)?;
    let code_size = reader.u8()?;
    let data = sub_blocks(reader)?;
    let valid = width > 0 && height > 0 && (1..=8).contains(&code_size) && data.len() > 1;
    if valid { from.get(..10 + palette + data.len()) } else { None }
}

/// The bytes of a palette, as a packed field announces it: its highest bit, and its lowest three.
fn palette_length(packed: u8) -> usize {
    if packed & 0x80 == 0 { 0 } else { 3 << ((packed & 7) + 1) }
}

/// A row of blocks with their lengths and the empty one that ends it (§§15–16).
fn sub_blocks<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let from = reader.rest();
    loop {
        let length = usize::from(reader.u8()?);
        if length == 0 {
            return from.get(..from.len() - reader.rest().len());
        }
        reader.take(length)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STILL: &[u8] = include_bytes!("samples/still.gif");
    const ANIMATED: &[u8] = include_bytes!("samples/animated.gif");

    fn contains(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }

    /// `bytes` with another block right behind the global palette.
    fn with(bytes: &[u8], block: &[u8]) -> Vec<u8> {
        let screen = screen(&mut Reader::new(bytes)).unwrap().len();
        [&bytes[..screen], block, &bytes[screen..]].concat()
    }

    #[test]
    fn a_comment_is_gone_and_the_picture_is_the_same() {
        assert!(contains(STILL, b"secret comment"));
        let clean = clean(STILL).unwrap();
        assert!(!contains(&clean, b"secret"));
        let picture = |bytes: &[u8]| bytes[bytes.windows(2).position(|two| two == [0x21, 0xF9]).unwrap()..].to_vec();
        assert_eq!(picture(&clean), picture(STILL));
    }

    #[test]
    fn applications_and_texts_are_dropped() {
        let whole = clean(STILL).unwrap();
        for block in [
            b"!\xFF\x0BXMP DataXMP\x06secret\0".as_slice(),
            b"!\xFF\x0BNETSCAPE2.0\x03\x01\0\0\0",
            b"!\xF9\x04\x01\0\0\0\0!\x01\x0C123456789012\x06secret\0",
            b"!\xC5\x06secret\0",
        ] {
            assert_eq!(clean(&with(&whole, block)).unwrap(), whole);
        }
    }

    #[test]
    fn an_animation_is_refused() {
        assert_eq!(clean(ANIMATED), Err(Unfit::NotAccepted { found: Found::AnimatedGif }));
    }

    #[test]
    fn a_script_behind_the_picture_is_cut() {
        let script = [STILL, b"=1;alert('secret')//"].concat();
        assert_eq!(clean(&script).unwrap(), clean(STILL).unwrap());
    }

    #[test]
    fn a_truncated_picture_is_damaged_at_every_length() {
        for length in 0..STILL.len() {
            assert!(matches!(clean(&STILL[..length]), Err(Unfit::Damaged { .. })), "{length}");
        }
    }
}
