//! Sound: what is heard is kept; titles, texts and cover pictures, which nobody judges, are left out.

pub(super) mod frames;
pub(super) mod wav;

use super::reader::Reader;

/// What follows the ID3v2 tags that may stand before any stream of frames.
///
/// `None` if a tag goes on beyond the end. Facts from ID3v2.4.0, §3.1 and §3.4: ten bytes of header, a length of four
/// times seven bits without the header, and a footer of ten bytes if the flag 0x10 is set.
pub(super) fn behind_id3(bytes: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(bytes);
    while reader.rest().starts_with(b"ID3") {
        let [_, _, _, _, _, flags, length @ ..]: [u8; 10] = reader.array()?;
        let length = length.iter().fold(0, |length, seven| (length << 7) | usize::from(seven & 0x7F));
        reader.take(length + if flags & 0x10 == 0 { 0 } else { 10 })?;
    }
    Some(reader.rest())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_passed_over_with_their_footers_one_after_another() {
        assert_eq!(behind_id3(b"ID3\x03\0\0\0\0\0\x06secretrest"), Some(b"rest".as_slice()));
        assert_eq!(behind_id3(b"ID3\x04\0\x10\0\0\0\x01x3DI\x04\0\x10\0\0\0\x01rest"), Some(b"rest".as_slice()));
        assert_eq!(behind_id3(b"ID3\x03\0\0\0\0\0\0ID3\x03\0\0\0\0\0\0"), Some(b"".as_slice()));
        assert_eq!(behind_id3(b"ID3\x03\0\0\0\0\x01\0rest"), None);
        assert_eq!(behind_id3(b"rest"), Some(b"rest".as_slice()));
    }
}
