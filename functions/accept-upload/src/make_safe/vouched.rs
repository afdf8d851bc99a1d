//! Sound that only an owner has: FLAC, Ogg (Vorbis, Opus), AC-3, WMA. With a server key it is taken as it is, for the owner
//! vouches for what hides in it; phones neither record it nor play it all.
//!
//! Facts from RFC 9639 (FLAC), RFC 3533 §6, RFC 7845 §5.1 and Vorbis I §4.2.1 (Ogg), ATSC A/52:2018 §5.4.1 (AC-3), and
//! Microsoft's Advanced Systems Format specification §10 (WMA).

use greenlight::domain::media::MediaType;

use super::audio::behind_id3;

/// The header object's GUID, with which every ASF file begins; GUIDs stand here as they do in a file.
const ASF: &[u8] = b"\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9\x00\xAA\x00\x62\xCE\x6C";
/// The GUID of a stream of pictures.
const ASF_VIDEO: &[u8] = b"\xC0\xEF\x19\xBC\x4D\x5B\xCF\x11\xA8\xFD\x00\x80\x5F\x5C\x44\x2B";
/// How far behind the beginning the kinds of streams are named.
const HEAD: usize = 16 * 1024;
/// Behind an Ogg page's header of 27 bytes and its table of one entry.
const FIRST_PACKET: usize = 28;

/// What these bytes begin as, if it is one of them.
pub(super) fn recognise(bytes: &[u8]) -> Option<MediaType> {
    if bytes.starts_with(b"OggS") {
        let packet = bytes.get(FIRST_PACKET..)?;
        let kinds = [(b"OpusHead".as_slice(), MediaType::Opus), (b"\x01vorbis", MediaType::Vorbis)];
        return kinds.into_iter().find(|(head, _)| packet.starts_with(head)).map(|(_, media_type)| media_type);
    }
    if bytes.starts_with(ASF) {
        let head = bytes.get(..bytes.len().min(HEAD))?;
        let shows = head.windows(ASF_VIDEO.len()).any(|window| window == ASF_VIDEO);
        return (!shows).then_some(MediaType::Wma);
    }
    // Tags stand before it in the field, though they are meant for MP3.
    let sound = behind_id3(bytes)?;
    if sound.starts_with(b"fLaC") {
        return Some(MediaType::Flac);
    }
    is_ac3(sound).then_some(MediaType::Ac3)
}

/// A sync word, a sampling rate and frame size that there are, and no E-AC-3, which begins alike.
fn is_ac3(bytes: &[u8]) -> bool {
    matches!(bytes, [0x0B, 0x77, _, _, rate_and_size, id, ..]
        if rate_and_size >> 6 < 3 && rate_and_size & 0x3F < 38 && id >> 3 <= 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_by_its_beginning_and_pictures_beside_sound_are_none() {
        for (media_type, bytes) in [
            (MediaType::Ac3, include_bytes!("samples/voice.ac3").as_slice()),
            (MediaType::Flac, include_bytes!("samples/voice.flac")),
            (MediaType::Opus, include_bytes!("samples/voice.opus")),
            (MediaType::Wma, include_bytes!("samples/voice.wma")),
        ] {
            assert_eq!(recognise(bytes), Some(media_type));
        }
        let vorbis = [b"OggS\0\x02".as_slice(), &[0; 20], b"\x01\x1E\x01vorbis"].concat();
        assert_eq!(recognise(&vorbis), Some(MediaType::Vorbis));
        let tagged = [b"ID3\x03\0\0\0\0\0\0".as_slice(), include_bytes!("samples/voice.flac")].concat();
        assert_eq!(recognise(&tagged), Some(MediaType::Flac));
        let theora = [b"OggS\0\x02".as_slice(), &[0; 20], b"\x01\x2A\x80theora"].concat();
        let video = [ASF, b"....".as_slice(), ASF_VIDEO].concat();
        for bytes in [theora.as_slice(), &video, b"OggS", b"\x0B\x77", include_bytes!("samples/voice.mp3"), b""] {
            assert_eq!(recognise(bytes), None);
        }
    }
}
