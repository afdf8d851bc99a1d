//! From bytes that came in to bytes that are safe to judge and serve.
//!
//! What is served is what was judged, so nothing may ride along that no judge looks at. Pictures are decoded and encoded
//! anew (see [`picture`]). Of the sound that mini programs record and play, titles and cover pictures are cut, and what stands
//! behind the end; the samples themselves stay as they came, bit for bit, and with them what hides in a frame's spare room or
//! in the noise. Sound that only an owner has is taken as it is, with the owner's key.

mod audio;
mod foreign;
mod reader;
mod vouched;

use bytes::Bytes;
use greenlight::domain::author::Actor;
use greenlight::domain::media::{MediaKind, MediaType};
use greenlight::domain::picture_hash::PictureHash;

use serde_json::Value;

use self::audio::frames::{self, ReadHeader};
use self::audio::{behind_id3, wav};
use crate::picture::{self, Change, NoPicture, Source, label};

/// A picture or sound that may be judged, stored and served.
#[derive(Clone, Debug, PartialEq)]
pub struct SafeMedium {
    /// What it is, by its content.
    pub media_type: MediaType,
    /// All of it. Making sound safe again changes nothing.
    pub bytes: Bytes,
    /// How wide and high a picture is, in pixels.
    pub dimensions: Option<(u32, u32)>,
    /// What a picture looks like, if it looks like anything.
    pub look: Option<PictureHash>,
    /// What a picture's author loses.
    pub changed: Vec<Change>,
    /// What its metadata said of being made by a machine.
    pub ai_label: Option<Value>,
    /// The same small, for whoever looks through many; none of what is small itself, or no picture.
    pub preview: Option<Bytes>,
}

/// How much memory making these bytes safe takes besides their own, in bytes.
///
/// # Errors
/// When there is no picture to decode, or too much of one.
pub fn memory(bytes: &[u8]) -> Result<u64, Unfit> {
    match Source::of(bytes) {
        Some(source) => picture::memory(source, bytes).map_err(|error| unfit(source, error)),
        None => Ok(0),
    }
}

fn unfit(source: Source, error: NoPicture) -> Unfit {
    let media_type = match source {
        Source::Jpeg => MediaType::Jpeg,
        Source::Png | Source::Webp => MediaType::Png,
        Source::Gif => MediaType::Gif,
        Source::Bmp => MediaType::Bmp,
    };
    match error {
        NoPicture::Damaged => Unfit::Damaged { media_type, what: "it cannot be decoded whole" },
        NoPicture::TooManyPixels => Unfit::TooManyPixels,
    }
}

/// Tells what `bytes` are by their content alone, and keeps nothing that is neither picture nor sound.
///
/// Takes the time of a core for a picture: not for a thread on which others wait. Of sound it gives at most 64 bytes more
/// than it was given (empty comments).
///
/// # Errors
/// Says why the bytes are no medium that WeChat checks, or not a whole one.
pub fn make_safe(bytes: Bytes, by: Actor) -> Result<SafeMedium, Unfit> {
    if bytes.is_empty() {
        return Err(Unfit::Empty);
    }
    if let Some(source) = Source::of(&bytes) {
        let picture = picture::encode_anew(source, &bytes).map_err(|error| unfit(source, error))?;
        return Ok(SafeMedium {
            media_type: picture.media_type,
            bytes: picture.bytes,
            dimensions: Some((picture.width, picture.height)),
            look: picture.look,
            changed: picture.changed,
            ai_label: picture.ai_label,
            preview: picture.preview,
        });
    }
    if let Some(media_type) = vouched::recognise(&bytes) {
        if by != Actor::Owner {
            return Err(Unfit::NotAccepted { found: Found::OtherSound });
        }
        let ai_label = label::find(&bytes);
        return Ok(sound(media_type, bytes, ai_label));
    }
    let (media_type, clean) = clean(&bytes)?;
    let ai_label = label::find(&bytes);
    // The bytes that came can be kept where they are; a copy of the same need not be.
    let bytes = if clean == bytes { bytes } else { Bytes::from(clean) };
    Ok(sound(media_type, bytes, ai_label))
}

fn sound(media_type: MediaType, bytes: Bytes, ai_label: Option<Value>) -> SafeMedium {
    SafeMedium { media_type, bytes, dimensions: None, look: None, changed: Vec::new(), ai_label, preview: None }
}

fn clean(bytes: &[u8]) -> Result<(MediaType, Vec<u8>), Unfit> {
    let of = |media_type| move |clean| (media_type, clean);
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE") {
        wav::clean(bytes).map(of(MediaType::Wav))
    } else {
        // Only what is no sound to us is asked what else it is: signatures are short, and sound may begin as any of them.
        clean_tagged_sound(bytes).map_err(|unfit| match unfit {
            Unfit::Unknown => foreign::recognise(bytes).map_or(unfit, |found| Unfit::NotAccepted { found }),
            unfit => unfit,
        })
    }
}

fn behind_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// Sound that may have ID3 tags before it. They are meant for MP3, but AAC is found with them too.
fn clean_tagged_sound(bytes: &[u8]) -> Result<(MediaType, Vec<u8>), Unfit> {
    const STREAMS: [(MediaType, ReadHeader); 2] = [(MediaType::Mp3, frames::mp3), (MediaType::Aac, frames::aac)];

    let damaged = |what| Unfit::Damaged { media_type: MediaType::Mp3, what };
    // Recorders begin with silence that is not even coded.
    let bytes = behind_zeros(bytes);
    let tagged = bytes.starts_with(b"ID3");
    let sound = behind_zeros(behind_id3(bytes).ok_or(damaged("it ends within its tags"))?);
    let begun = STREAMS.into_iter().find(|(_, header)| frames::begins(sound, *header));
    let (media_type, header) = match begun {
        Some(stream) => stream,
        // Tags promise MP3, even where padding stands between them and the first frame.
        None if tagged => (MediaType::Mp3, frames::mp3 as ReadHeader),
        None => return Err(Unfit::Unknown),
    };
    let clean = frames::whole_frames(sound, header);
    if clean.is_empty() {
        return Err(damaged("it holds no sound"));
    }
    // A frame may be so made that it is a video's beginning as well; only without its tags does that show.
    if foreign::is_movie(&clean) {
        return Err(Unfit::NotAccepted { found: Found::Video });
    }
    Ok((media_type, clean))
}

/// Why bytes are no medium that can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// There are none.
    #[error("empty")]
    Empty,
    /// Known, but WeChat does not take it.
    #[error("{} is not accepted", .found.as_str())]
    NotAccepted {
        /// What it is.
        found: Found,
    },
    /// Nothing that we know.
    #[error("of no known type")]
    Unknown,
    /// A picture whose pixels would not fit into memory.
    #[error("of too many pixels")]
    TooManyPixels,
    /// It begins as a medium that WeChat takes, and does not go on as one.
    #[error("damaged {}: {what}", .media_type.extension())]
    Damaged {
        /// What it begins as.
        media_type: MediaType,
        /// What is wrong with it, for logs; never anything of its content.
        what: &'static str,
    },
}

/// What is known and refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Found {
    /// A HEIC or HEIF picture, as iPhones take them.
    Heic,
    /// An AVIF picture.
    Avif,
    /// A TIFF picture, or a camera's raw one built on it.
    Tiff,
    /// A drawing, which may hold scripts.
    Svg,
    /// JPEG 2000, JPEG XL, Photoshop.
    OtherPicture,
    /// Moving pictures of any kind.
    Video,
    /// Sound in an MP4 file.
    M4a,
    /// Sound in a WebM or Matroska file.
    Webm,
    /// Sound as telephones code it.
    Amr,
    /// Sound as WeChat's own voice messages code it.
    Silk,
    /// Notes to be played.
    Midi,
    /// Sound of another kind, or more than one sound in a file.
    OtherSound,
    /// A document or an archive.
    Document,
}

impl Found {
    /// Its name, for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Heic => "heic",
            Self::Avif => "avif",
            Self::Tiff => "tiff",
            Self::Svg => "svg",
            Self::OtherPicture => "other picture",
            Self::Video => "video",
            Self::M4a => "m4a",
            Self::Webm => "webm sound",
            Self::Amr => "amr",
            Self::Silk => "silk",
            Self::Midi => "midi",
            Self::OtherSound => "other sound",
            Self::Document => "document",
        }
    }
}

impl Unfit {
    /// The stable code that an answer carries.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty_medium",
            Self::NotAccepted { .. } => "medium_not_accepted",
            Self::Unknown => "unknown_medium",
            Self::TooManyPixels => "too_many_pixels",
            Self::Damaged { .. } => "damaged_medium",
        }
    }

    /// What a person should do, in Chinese.
    pub fn message_zh(&self) -> String {
        let message = match self {
            Self::Empty => "文件是空的，请重新选择或重新录制",
            Self::Unknown => {
                "无法识别这个文件。图片请用 JPG、PNG、WebP、GIF 或 BMP，录音请用 MP3（录音时设置 format: 'mp3'）"
            }
            Self::TooManyPixels => "图片的像素太多，请缩小后再上传，例如长边 4096 像素",
            Self::Damaged { media_type, .. } => match media_type.kind() {
                MediaKind::Image => "图片已损坏或不完整，请重新选择，或截图后再上传",
                MediaKind::Audio => "录音已损坏或不完整，请重新录制后再上传",
            },
            Self::NotAccepted { found } => match found {
                Found::Heic => "暂不支持 HEIC 照片，请先转成 JPG 再上传（选图时设置 sizeType: ['compressed']）",
                Found::Avif | Found::Tiff | Found::Svg | Found::OtherPicture => {
                    "暂不支持这种图片，请先转成 JPG 或 PNG 再上传"
                }
                Found::Video => "不支持视频，请上传图片或录音",
                Found::M4a | Found::Webm | Found::Amr | Found::Silk | Found::OtherSound => {
                    "暂不支持这种录音，录音请用 format: 'mp3'，或先转成 MP3 再上传"
                }
                Found::Midi => "不支持 MIDI 文件，请先转成 MP3 再上传",
                Found::Document => "这是文档或压缩包，请上传图片或录音",
            },
        };
        message.to_owned()
    }

    /// What a person should do, in English.
    pub fn message_en(&self) -> String {
        let message = match self {
            Self::Empty => "The file is empty. Choose it again, or record again.",
            Self::Unknown => {
                "This file is of no type we know. For a picture use JPEG, PNG, WebP, GIF or BMP; \
                 for sound use MP3 (record with format: 'mp3')."
            }
            Self::TooManyPixels => {
                "The picture has too many pixels. Make it smaller first, such as 4096 on its longest side."
            }
            Self::Damaged { media_type, .. } => match media_type.kind() {
                MediaKind::Image => {
                    "The picture is damaged or incomplete. Choose it again, or upload a screenshot of it."
                }
                MediaKind::Audio => "The recording is damaged or incomplete. Please record again.",
            },
            Self::NotAccepted { found } => match found {
                Found::Heic => {
                    "HEIC photos are not supported. Convert it to JPEG first \
                     (when choosing, set sizeType: ['compressed'])."
                }
                Found::Avif | Found::Tiff | Found::Svg | Found::OtherPicture => {
                    "Pictures of this type are not supported. Convert it to JPEG or PNG first."
                }
                Found::Video => "Video is not supported. Upload a picture or sound.",
                Found::M4a | Found::Webm | Found::Amr | Found::Silk | Found::OtherSound => {
                    "Sound of this type is not supported. Record with format: 'mp3', or convert it to MP3 first."
                }
                Found::Midi => "MIDI files are not supported. Convert it to MP3 first.",
                Found::Document => "This is a document or an archive. Upload a picture or sound.",
            },
        };
        message.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ACCEPTED: [(MediaType, &[u8]); 3] = [
        (MediaType::Mp3, include_bytes!("make_safe/samples/voice.mp3")),
        (MediaType::Aac, include_bytes!("make_safe/samples/voice.aac")),
        (MediaType::Wav, include_bytes!("make_safe/samples/voice.wav")),
    ];
    const VOUCHED: [(MediaType, &[u8]); 4] = [
        (MediaType::Ac3, include_bytes!("make_safe/samples/voice.ac3")),
        (MediaType::Flac, include_bytes!("make_safe/samples/voice.flac")),
        (MediaType::Opus, include_bytes!("make_safe/samples/voice.opus")),
        (MediaType::Wma, include_bytes!("make_safe/samples/voice.wma")),
    ];
    const REFUSED: [(Found, &[u8]); 2] = [
        (Found::M4a, include_bytes!("make_safe/samples/voice.m4a")),
        (Found::Webm, include_bytes!("make_safe/samples/voice.webm")),
    ];

    fn safe(bytes: &[u8]) -> Result<SafeMedium, Unfit> {
        make_safe(Bytes::copy_from_slice(bytes), Actor::Author)
    }

    /// What holds for any bytes: no panic, and of sound nothing much longer, and the second time changes nothing.
    fn is_settled(bytes: &[u8]) -> Result<(), TestCaseError> {
        if let Ok(once) = safe(bytes)
            && once.media_type.kind() == MediaKind::Audio
        {
            prop_assert!(once.bytes.len() <= bytes.len() + 64, "{} from {}", once.bytes.len(), bytes.len());
            prop_assert_eq!(make_safe(once.bytes.clone(), Actor::Author), Ok(once));
        }
        Ok(())
    }

    #[test]
    fn every_sample_is_what_it_is_and_carries_no_secret() {
        for (media_type, bytes) in ACCEPTED {
            let medium = safe(bytes).unwrap();
            assert_eq!(medium.media_type, media_type);
            for secret in [b"secret".as_slice(), b"s\0e\0c\0r\0e\0t\0"] {
                assert!(!medium.bytes.windows(secret.len()).any(|window| window == secret), "{media_type:?}");
            }
            assert_eq!(make_safe(medium.bytes.clone(), Actor::Author).unwrap(), medium);
        }
    }

    #[test]
    fn what_is_already_safe_is_not_copied() {
        let once = safe(ACCEPTED[0].1).unwrap();
        assert_eq!(make_safe(once.bytes.clone(), Actor::Author).unwrap().bytes.as_ptr(), once.bytes.as_ptr());
    }

    #[test]
    fn sound_that_only_an_owner_has_is_taken_as_it_is_with_the_owners_key_alone() {
        for (media_type, bytes) in VOUCHED {
            let owners = make_safe(Bytes::from_static(bytes), Actor::Owner).unwrap();
            assert_eq!((owners.media_type, &owners.bytes[..]), (media_type, bytes));
            let authors = safe(bytes).unwrap_err();
            assert_eq!(authors, Unfit::NotAccepted { found: Found::OtherSound });
            assert!(authors.message_zh().contains("format: 'mp3'"));
        }
    }

    #[test]
    fn leading_zeros_and_a_length_of_zero_are_no_reason_to_refuse() {
        for (media_type, bytes) in ACCEPTED {
            if media_type != MediaType::Wav {
                assert_eq!(safe(&[&[0; 700], bytes].concat()), safe(bytes), "{media_type:?}");
            }
        }
        let wav = safe(ACCEPTED[2].1).unwrap().bytes;
        let data = wav.windows(4).position(|name| name == b"data").unwrap();
        let mut unknown = wav.to_vec();
        unknown[data + 4..data + 8].fill(0);
        unknown[4..8].fill(0);
        assert_eq!(safe(&unknown).unwrap().bytes, wav);
    }

    #[test]
    fn samples_that_wechat_does_not_take_are_refused_by_name() {
        for (found, bytes) in REFUSED {
            assert_eq!(safe(bytes), Err(Unfit::NotAccepted { found }));
        }
    }

    #[test]
    fn other_files_are_refused_by_their_beginnings() {
        let android = b"\0\0\0\x14ftypisom\0\0\0\0isom....hdlr\0\0\0\0\0\0\0\0soun";
        let movie = b"\0\0\0\x14ftypisom\0\0\0\0isom....hdlr\0\0\0\0\0\0\0\0soun....hdlr\0\0\0\0\0\0\0\0vide";
        for (found, bytes) in [
            (Found::Heic, b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".as_slice()),
            (Found::Heic, b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic"),
            (Found::Avif, b"\0\0\0\x1Cftypavif\0\0\0\0avifmif1miaf"),
            (Found::M4a, b"\0\0\0\x14ftypM4A \0\0\0\0M4A "),
            (Found::M4a, android),
            (Found::Video, movie),
            (Found::Video, b"\0\0\0\x14ftypqt  \0\0\0\0qt  "),
            (Found::Video, b"\0\0\0\x08moov"),
            (Found::Video, b"RIFF\0\0\0\0AVI LIST"),
            (Found::Video, b"\x1A\x45\xDF\xA3....V_VP8...A_OPUS"),
            (Found::Tiff, b"II\x2A\0\x08\0\0\0"),
            (Found::Svg, b"\xEF\xBB\xBF <?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>"),
            (Found::Amr, b"#!AMR\n"),
            (Found::Silk, b"\x02#!SILK_V3"),
            (Found::Midi, b"MThd\0\0\0\x06"),
            (Found::OtherSound, b"FORM\0\0\0\0AIFF"),
            (Found::Document, b"%PDF-1.7"),
            (Found::Document, b"PK\x03\x04"),
        ] {
            assert_eq!(safe(bytes), Err(Unfit::NotAccepted { found }));
        }
    }

    #[test]
    fn what_is_nothing_known_is_unknown() {
        for bytes in [b"hello".as_slice(), b"<html><script>1</script>", b"\xFF", b"BM", b"BMW", b"RIFF", b"\0"] {
            assert_eq!(safe(bytes), Err(Unfit::Unknown));
        }
        assert_eq!(safe(b""), Err(Unfit::Empty));
    }

    #[test]
    fn each_refusal_says_what_to_do_in_both_languages() {
        assert!(Unfit::TooManyPixels.message_zh().contains("缩小"));
        let recorded = Unfit::NotAccepted { found: Found::M4a };
        assert!(recorded.message_zh().contains("录音请用 format: 'mp3'"));
        assert!(recorded.message_en().contains("Record with format: 'mp3'"));
        assert_eq!(recorded.to_string(), "m4a is not accepted");
        let damaged = Unfit::Damaged { media_type: MediaType::Jpeg, what: "it ends too early" };
        assert_eq!(damaged.to_string(), "damaged jpg: it ends too early");
        assert!(damaged.message_en().contains("picture"));
    }

    #[test]
    fn tags_before_other_sound_are_cut_as_well() {
        let tag = b"ID3\x03\0\0\0\0\0\x06secret";
        for (media_type, bytes) in ACCEPTED {
            if matches!(media_type, MediaType::Mp3 | MediaType::Aac) {
                assert_eq!(safe(&[tag, bytes].concat()), safe(bytes), "{media_type:?}");
            }
        }
        let only_tags = Unfit::Damaged { media_type: MediaType::Mp3, what: "it holds no sound" };
        assert_eq!(safe(tag), Err(only_tags));
    }

    #[test]
    fn an_archive_or_script_behind_the_end_is_cut_from_everything() {
        for (media_type, bytes) in ACCEPTED {
            for tail in [b"PK\x03\x04secret".as_slice(), b"=1;alert('secret')", b"<script>secret</script>"] {
                let medium = safe(&[bytes, tail].concat()).unwrap();
                assert_eq!(medium.media_type, media_type);
                assert!(!medium.bytes.windows(6).any(|window| window == b"secret"), "{media_type:?}");
            }
        }
    }

    #[test]
    fn a_frame_that_is_also_a_videos_beginning_is_refused() {
        // 8 kbit/s at 16 kHz: 36 bytes a frame.
        let mut frame = [0; 36];
        frame[..8].copy_from_slice(b"\xFF\xF3\x18\xC0ftyp");
        let sound = [frame, frame].concat();
        assert_eq!(frames::whole_frames(&sound, frames::mp3), sound);
        let refused = Err(Unfit::NotAccepted { found: Found::Video });
        assert_eq!(safe(&sound), refused);
        assert_eq!(safe(&[b"ID3\x03\0\0\0\0\0\0".as_slice(), &sound].concat()), refused);
    }

    #[test]
    fn truncation_at_any_length_neither_panics_nor_unsettles() {
        for (_, bytes) in ACCEPTED {
            for length in 0..bytes.len() {
                is_settled(&bytes[..length]).unwrap();
            }
        }
    }

    /// A sample with some bytes replaced, a stretch cut out and another put in.
    fn mutated() -> impl Strategy<Value = Vec<u8>> {
        let sample = (0..ACCEPTED.len() + REFUSED.len()).prop_map(|index| match ACCEPTED.get(index) {
            Some((_, bytes)) => bytes.to_vec(),
            None => REFUSED[index - ACCEPTED.len()].1.to_vec(),
        });
        let replaced = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
        let stretches = [any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>()];
        let put_in = prop_oneof![
            Just(Vec::new()),
            prop::collection::vec(any::<u8>(), 0..40),
            (0..ACCEPTED.len()).prop_map(|index| ACCEPTED[index].1.to_vec()),
        ];
        (sample, replaced, stretches, any::<bool>(), put_in).prop_map(
            |(mut bytes, replaced, [one, two, at], cut, put_in)| {
                for (index, byte) in replaced {
                    let index = index.index(bytes.len());
                    bytes[index] = byte;
                }
                if cut {
                    let (one, two) = (one.index(bytes.len()), two.index(bytes.len()));
                    bytes.drain(one.min(two)..one.max(two));
                }
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, put_in);
                bytes
            },
        )
    }

    /// Something that begins as one of the types and goes on anyhow, rich in bytes that mean something to them.
    fn begun() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            any::<u8>(),
            prop::sample::select(b"\x00\x01\x02\x04\x0C\x21\x2C\x3B\xFF\xD8\xD9\xDA\xE1\xFB".to_vec())
        ];
        ((0..ACCEPTED.len()), 0..64_usize, prop::collection::vec(byte, 0..400)).prop_map(|(index, length, mut rest)| {
            let bytes = ACCEPTED[index].1;
            rest.splice(0..0, bytes[..length.min(bytes.len())].iter().copied());
            rest
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_settled_by_the_first_time(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            is_settled(&bytes)?;
        }

        #[test]
        fn any_bytes_behind_a_known_beginning_are_settled_by_the_first_time(bytes in begun()) {
            is_settled(&bytes)?;
        }

        #[test]
        fn any_damage_to_a_sample_is_settled_by_the_first_time(bytes in mutated()) {
            is_settled(&bytes)?;
        }
    }
}
