//! Windows Media sound: an ASF file with one sound stream and nothing beside it; descriptions, pictures, scripts and
//! markers are left out.
//!
//! Facts from Microsoft's Advanced Systems Format specification, revision 01.20.06: §2.1 objects, §3 header objects,
//! §5 data object, §10 GUIDs; and from the registry of WAVE formats in mmreg.h.

use greenlight::domain::media::MediaType;

use super::super::reader::Reader;
use super::super::{Found, Unfit};

/// The header object's GUID, with which every ASF file begins. All GUIDs stand here as they do in a file.
pub(in super::super) const SIGNATURE: &[u8] = b"\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9\x00\xAA\x00\x62\xCE\x6C";
const DATA: &[u8; 16] = b"\x36\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9\x00\xAA\x00\x62\xCE\x6C";
const FILE_PROPERTIES: &[u8; 16] = b"\xA1\xDC\xAB\x8C\x47\xA9\xCF\x11\x8E\xE4\x00\xC0\x0C\x20\x53\x65";
const STREAM_PROPERTIES: &[u8; 16] = b"\x91\x07\xDC\xB7\xB7\xA9\xCF\x11\x8E\xE6\x00\xC0\x0C\x20\x53\x65";
const CONTENT_ENCRYPTION: &[u8; 16] = b"\xFB\xB3\x11\x22\x23\xBD\xD2\x11\xB4\xB7\x00\xA0\xC9\x55\xFC\x6E";
const EXTENDED_CONTENT_ENCRYPTION: &[u8; 16] = b"\x14\xE6\x8A\x29\x22\x26\x17\x4C\xB9\x35\xDA\xE0\x7E\xE9\x28\x9C";
const AUDIO: &[u8; 16] = b"\x40\x9E\x69\xF8\x4D\x5B\xCF\x11\xA8\xFD\x00\x80\x5F\x5C\x44\x2B";
const VIDEO: &[u8; 16] = b"\xC0\xEF\x19\xBC\x4D\x5B\xCF\x11\xA8\xFD\x00\x80\x5F\x5C\x44\x2B";
/// The header extension that every file must have, with nothing in it (§3.4).
const EMPTY_HEADER_EXTENSION: &[u8] = b"\xB5\x03\xBF\x5F\x2E\xA9\xCF\x11\x8E\xE3\x00\xC0\x0C\x20\x53\x65\
    \x2E\0\0\0\0\0\0\0\x11\xD2\xD3\xAB\xBA\xA9\xCF\x11\x8E\xE6\x00\xC0\x0C\x20\x53\x65\x06\0\0\0\0\0";
/// An object's GUID and length.
const OBJECT_HEADER: usize = 24;
/// File identifier, number of packets, and two reserved bytes, before the packets.
const DATA_FIELDS: usize = 26;

fn damaged(what: &'static str) -> Unfit {
    Unfit::Damaged { media_type: MediaType::Wma, what }
}

/// Keeps the file's and the stream's properties and the packets.
///
/// # Errors
/// `NotAccepted` if there is a video or any other stream, `Damaged` if the objects do not hold together or the sound is
/// locked.
pub(in super::super) fn clean(bytes: &[u8]) -> Result<Vec<u8>, Unfit> {
    let early = || damaged("it ends too early");
    let mut reader = Reader::new(bytes);
    let (_, content) = object(&mut reader).ok_or_else(early)?;
    let mut content = Reader::new(content);
    // The number of objects, which their lengths tell as well, and two reserved bytes.
    let count = content.u32_le().ok_or_else(early)?;
    content.take(2).ok_or_else(early)?;
    let mut file = None;
    let mut stream = None;
    for _ in 0..count {
        let (guid, properties) = object(&mut content).ok_or(damaged("its header is wrong"))?;
        match guid {
            FILE_PROPERTIES if file.is_none() && properties.len() == 80 => file = Some(properties),
            FILE_PROPERTIES => return Err(damaged("its header is wrong")),
            STREAM_PROPERTIES => {
                is_wma(properties)?;
                if stream.replace(properties).is_some() {
                    return Err(Unfit::NotAccepted { found: Found::OtherSound });
                }
            }
            CONTENT_ENCRYPTION | EXTENDED_CONTENT_ENCRYPTION => return Err(damaged("it is locked")),
            _ => {}
        }
    }
    let (Some(file), Some(stream)) = (file, stream) else { return Err(damaged("its header is wrong")) };
    // Between header and data nothing may stand; behind them there are only indexes.
    let (guid, packets) = object(&mut reader).ok_or_else(early)?;
    if guid != DATA || packets.len() <= DATA_FIELDS {
        return Err(damaged("it holds no sound"));
    }

    let header_length =
        OBJECT_HEADER + 6 + OBJECT_HEADER + file.len() + EMPTY_HEADER_EXTENSION.len() + OBJECT_HEADER + stream.len();
    let file_length = header_length + OBJECT_HEADER + packets.len();
    let mut clean = Vec::with_capacity(file_length);
    write_object_header(&mut clean, SIGNATURE, header_length - OBJECT_HEADER);
    clean.extend_from_slice(b"\x03\0\0\0\x01\x02");
    write_object_header(&mut clean, FILE_PROPERTIES, file.len());
    // Behind the file's identifier stands the length of the file.
    clean.extend_from_slice(file.get(..16).unwrap_or_default());
    clean.extend_from_slice(&number(file_length).to_le_bytes());
    clean.extend_from_slice(file.get(24..).unwrap_or_default());
    clean.extend_from_slice(EMPTY_HEADER_EXTENSION);
    write_object_header(&mut clean, STREAM_PROPERTIES, stream.len());
    clean.extend_from_slice(stream);
    write_object_header(&mut clean, DATA, packets.len());
    clean.extend_from_slice(packets);
    Ok(clean)
}

/// The next object's GUID and content.
fn object<'a>(reader: &mut Reader<'a>) -> Option<(&'a [u8; 16], &'a [u8])> {
    let guid = reader.take(16)?.first_chunk()?;
    let length = usize::try_from(reader.u64_le()?).ok()?;
    Some((guid, reader.take(length.checked_sub(OBJECT_HEADER)?)?))
}

fn write_object_header(to: &mut Vec<u8>, guid: &[u8], content: usize) {
    to.extend_from_slice(guid);
    to.extend_from_slice(&number(OBJECT_HEADER + content).to_le_bytes());
}

fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Whether a stream is sound that Windows Media codecs made: its type stands first, and the number of its WAVE format
/// behind error correction type, time offset, two lengths, flags and a reserved word (§3.3).
fn is_wma(properties: &[u8]) -> Result<(), Unfit> {
    let mut reader = Reader::new(properties);
    match reader.take(16) {
        Some(kind) if kind == AUDIO => {}
        Some(kind) if kind == VIDEO => return Err(Unfit::NotAccepted { found: Found::Video }),
        // Pictures, scripts that open pages, files in transit.
        Some(_) => return Err(Unfit::NotAccepted { found: Found::OtherSound }),
        None => return Err(damaged("its header is wrong")),
    }
    let lengths = reader.take(24).and_then(|_| Some((reader.u32_le()?, reader.u32_le()?)));
    let (specific, correction) = lengths.ok_or(damaged("its header is wrong"))?;
    let expected = 54 + u64::from(specific) + u64::from(correction);
    if reader.take(6).is_none() || expected != number(properties.len()) {
        return Err(damaged("its header is wrong"));
    }
    match reader.u16_le() {
        Some(0x0160..=0x0163) => Ok(()),
        _ => Err(Unfit::NotAccepted { found: Found::OtherSound }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object_of(guid: &[u8], content: &[u8]) -> Vec<u8> {
        let mut object = Vec::new();
        write_object_header(&mut object, guid, content.len());
        object.extend_from_slice(content);
        object
    }

    fn stream_of(kind: &[u8], format: u16) -> Vec<u8> {
        let mut properties = [kind, &[0; 24], &18_u32.to_le_bytes(), &[0; 4], &[1, 0], &[0; 4]].concat();
        properties.extend_from_slice(&format.to_le_bytes());
        properties.extend_from_slice(&[0; 16]);
        object_of(STREAM_PROPERTIES, &properties)
    }

    fn file_of(objects: &[Vec<u8>]) -> Vec<u8> {
        let mut content = u32::try_from(objects.len()).unwrap().to_le_bytes().to_vec();
        content.extend_from_slice(b"\x01\x02");
        content.extend(objects.concat());
        [object_of(SIGNATURE, &content), object_of(DATA, &[7; 126])].concat()
    }

    fn voice() -> Vec<Vec<u8>> {
        vec![object_of(FILE_PROPERTIES, &[1; 80]), stream_of(AUDIO, 0x0161)]
    }

    #[test]
    fn descriptions_are_gone_and_the_sound_is_the_same() {
        let mut objects = voice();
        objects.push(object_of(b"any description.", b"secret"));
        let clean = clean(&[file_of(&objects), b"secret index".to_vec()].concat()).unwrap();
        assert!(!clean.windows(6).any(|window| window == b"secret"));
        assert!(clean.ends_with(&object_of(DATA, &[7; 126])));
        assert_eq!(super::clean(&clean).unwrap(), clean);
        let length = u64::from_le_bytes(clean[70..78].try_into().unwrap());
        assert_eq!(length, number(clean.len()));
    }

    #[test]
    fn video_and_other_streams_are_refused() {
        let refused = |stream| clean(&file_of(&[voice(), vec![stream]].concat())).unwrap_err();
        assert_eq!(refused(stream_of(VIDEO, 0)), Unfit::NotAccepted { found: Found::Video });
        assert_eq!(refused(stream_of(b"command streams.", 0)), Unfit::NotAccepted { found: Found::OtherSound });
        assert_eq!(refused(stream_of(AUDIO, 0x0161)), Unfit::NotAccepted { found: Found::OtherSound });
        assert_eq!(refused(stream_of(AUDIO, 0x0055)), Unfit::NotAccepted { found: Found::OtherSound });
    }

    #[test]
    fn locked_sound_is_damaged() {
        let locked = file_of(&[voice(), vec![object_of(CONTENT_ENCRYPTION, b"")]].concat());
        assert_eq!(clean(&locked), Err(damaged("it is locked")));
    }

    #[test]
    fn a_truncated_file_is_damaged_at_every_length() {
        let whole = file_of(&voice());
        for length in 0..whole.len() {
            assert!(matches!(clean(&whole[..length]), Err(Unfit::Damaged { .. })), "{length}");
        }
    }
}
