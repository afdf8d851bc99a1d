//! What a medium is: its kind and its type, as far as WeChat takes it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// No medium is larger. (WeChat: media_check_async, at most 10 MB.)
pub const MAX_MEDIUM_BYTES: u64 = 10 * 1024 * 1024;

/// No side of a preview is longer, in pixels.
pub const PREVIEW_SIDE: u32 = 480;
/// A preview has fewer bytes.
pub const PREVIEW_BYTES: u64 = 40 * 1024;

/// Whether a picture of so many bytes, so wide and so high, has a preview; what is small is its own.
pub fn needs_preview(size: u64, (width, height): (u32, u32)) -> bool {
    size >= PREVIEW_BYTES || width.max(height) > PREVIEW_SIDE
}

/// What a medium is made for: to be looked at, or to be listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// Sound.
    Audio,
}

impl MediaKind {
    /// The number that `media_check_async` calls it by: 1 is sound, 2 is a picture. Any other answer is errcode 40004.
    pub fn wechat_media_type(self) -> u8 {
        match self {
            Self::Audio => 1,
            Self::Image => 2,
        }
    }

    /// Its name, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Audio => "audio",
        }
    }
}

impl fmt::Display for MediaKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The types of media that WeChat checks (多媒体内容安全识别, `media_check_async` version 2), and no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaType {
    /// A JPEG picture, baseline or progressive.
    Jpeg,
    /// A PNG picture.
    Png,
    /// A GIF picture. WeChat judges its first frame only.
    Gif,
    /// A Windows bitmap.
    Bmp,
    /// MPEG layer III sound, as the mini program's recorder makes it.
    Mp3,
    /// AAC sound in ADTS frames; not the kind in an MP4 file (m4a).
    Aac,
    /// Dolby Digital sound.
    Ac3,
    /// Windows Media sound, in an ASF file.
    Wma,
    /// FLAC sound, in its own container.
    Flac,
    /// Vorbis sound, in Ogg.
    Vorbis,
    /// Opus sound, in Ogg.
    Opus,
    /// A WAVE file.
    Wav,
}

impl MediaType {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Jpeg,
        Self::Png,
        Self::Gif,
        Self::Bmp,
        Self::Mp3,
        Self::Aac,
        Self::Ac3,
        Self::Wma,
        Self::Flac,
        Self::Vorbis,
        Self::Opus,
        Self::Wav,
    ];

    /// Whether it is a picture or sound.
    pub fn kind(self) -> MediaKind {
        match self {
            Self::Jpeg | Self::Png | Self::Gif | Self::Bmp => MediaKind::Image,
            Self::Mp3 | Self::Aac | Self::Ac3 | Self::Wma | Self::Flac | Self::Vorbis | Self::Opus | Self::Wav => {
                MediaKind::Audio
            }
        }
    }

    /// What its URL ends in, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::Bmp => "bmp",
            Self::Mp3 => "mp3",
            Self::Aac => "aac",
            Self::Ac3 => "ac3",
            Self::Wma => "wma",
            Self::Flac => "flac",
            Self::Vorbis => "ogg",
            Self::Opus => "opus",
            Self::Wav => "wav",
        }
    }

    /// The type whose URLs end in `extension`; the reverse of [`extension`](Self::extension), and just as strict,
    /// so that a medium has one URL. It says nothing about a file from outside: there, content decides.
    pub fn from_extension(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|media_type| media_type.extension() == extension)
    }

    /// What it is served as. Registered with IANA where there is a registration; Vorbis and Opus by RFC 5334 and RFC 7845.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::Bmp => "image/bmp",
            Self::Mp3 => "audio/mpeg",
            Self::Aac => "audio/aac",
            Self::Ac3 => "audio/ac3",
            Self::Wma => "audio/x-ms-wma",
            Self::Flac => "audio/flac",
            Self::Vorbis | Self::Opus => "audio/ogg",
            Self::Wav => "audio/wav",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_its_own_extension() {
        for media_type in MediaType::ALL {
            assert_eq!(MediaType::from_extension(media_type.extension()), Some(media_type));
        }
        for other in ["", "jpeg", "JPG", ".jpg", "webp", "m4a"] {
            assert_eq!(MediaType::from_extension(other), None);
        }
    }

    #[test]
    fn wechat_calls_sound_1_and_pictures_2() {
        assert_eq!(MediaType::Opus.kind().wechat_media_type(), 1);
        assert_eq!(MediaType::Bmp.kind().wechat_media_type(), 2);
    }

    #[test]
    fn the_content_type_agrees_with_the_kind() {
        for media_type in MediaType::ALL {
            assert!(media_type.content_type().starts_with(media_type.kind().as_str()));
        }
    }
}
