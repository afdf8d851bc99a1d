//! The one thing of Exif that changes what is seen: which way up the picture is.
//!
//! Facts from TIFF 6.0, §2, and Exif 2.32, §4.6.4 A (Orientation).

use super::reader::Reader;

const ORIENTATION_TAG: u16 = 0x0112;
const SHORT: u16 = 3;

/// The orientation that an Exif block's first directory gives, if it is one of the eight.
pub(super) fn orientation(tiff: &[u8]) -> Option<u8> {
    let mut header = Reader::new(tiff);
    let big_endian = match header.array()? {
        [b'M', b'M'] => true,
        [b'I', b'I'] => false,
        _ => return None,
    };
    let u16_of = |reader: &mut Reader<'_>| if big_endian { reader.u16_be() } else { reader.u16_le() };
    let u32_of = |reader: &mut Reader<'_>| if big_endian { reader.u32_be() } else { reader.u32_le() };
    if u16_of(&mut header)? != 42 {
        return None;
    }
    let offset = usize::try_from(u32_of(&mut header)?).ok()?;
    let mut directory = Reader::new(tiff.get(offset..)?);
    for _ in 0..u16_of(&mut directory)? {
        let mut entry = Reader::new(directory.take(12)?);
        let (tag, kind, count) = (u16_of(&mut entry)?, u16_of(&mut entry)?, u32_of(&mut entry)?);
        if tag == ORIENTATION_TAG {
            let value = u8::try_from(u16_of(&mut entry)?).ok()?;
            return (kind == SHORT && count == 1 && (1..=8).contains(&value)).then_some(value);
        }
    }
    None
}

/// The smallest Exif block that gives an orientation and nothing else.
pub(super) fn only(orientation: u8) -> Vec<u8> {
    let mut exif = b"MM\0\x2A\0\0\0\x08".to_vec(); // big-endian TIFF, its first directory follows
    exif.extend_from_slice(&1_u16.to_be_bytes());
    exif.extend_from_slice(&ORIENTATION_TAG.to_be_bytes());
    exif.extend_from_slice(&SHORT.to_be_bytes());
    exif.extend_from_slice(&1_u32.to_be_bytes());
    exif.extend_from_slice(&[0, orientation, 0, 0]);
    exif.extend_from_slice(&[0; 4]); // no further directory
    exif
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for value in 1..=8 {
            assert_eq!(orientation(&only(value)), Some(value));
        }
    }

    #[test]
    fn an_orientation_in_the_other_byte_order_is_read_and_a_wrong_one_is_not() {
        let little =
            |value| [b"II\x2A\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".as_slice(), &[value, 0, 0, 0]].concat();
        assert_eq!(orientation(&little(8)), Some(8));
        assert_eq!(orientation(&little(0)), None);
        assert_eq!(orientation(&little(9)), None);
        for length in 0..little(8).len() {
            assert_eq!(orientation(&little(8)[..length]), None);
        }
    }
}
