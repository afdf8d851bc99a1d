//! Pictures: decoded, whatever they came as, and encoded anew, so that nobody sees anything but what was judged.
//!
//! A picture's file can show one thing to a judge and another to a reader: by a colour profile, gamma or transparency that
//! only one of them honours, by frames behind the first, by what rides along with the pixels. Here all of them become the
//! same plain pixels: sRGB, on white, upright, at most [`LONGEST_SIDE`] long; and these are all that is written.

mod canvas;
mod colour;
mod decode;
mod encode;
pub(crate) mod label;
mod look;

use bytes::Bytes;
use greenlight::domain::media::{MediaType, PREVIEW_SIDE, needs_preview};
use greenlight::domain::picture_hash::PictureHash;
use image::DynamicImage;
use serde::Serialize;
use serde_json::Value;

pub use decode::Source;

/// No side is longer. Phones show less, and WeChat's own client scales what it previews.
pub const LONGEST_SIDE: u32 = 4_096;
/// What making one picture may take, in bytes: see [`memory`].
pub const MOST_MEMORY: u64 = 300 * 1024 * 1024;
/// What a picture takes however few pixels it has, in bytes: a file of 10 MiB three times where that is a JPEG of nothing but
/// profiles, tables, what is written, and room for the 16 MiB that a WebP can say is to come.
const BESIDES: u64 = 32 * 1024 * 1024;

/// A picture as it is judged, stored and served.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// JPEG or PNG.
    pub media_type: MediaType,
    /// All of it; less than 4 MiB.
    pub bytes: Bytes,
    /// How wide it is, in pixels.
    pub width: u32,
    /// How high.
    pub height: u32,
    /// What it looks like; nothing, where it looks like any plain picture.
    pub look: Option<PictureHash>,
    /// What its author loses.
    pub changed: Vec<Change>,
    /// What its metadata said of being generated, as GB 45438-2025 has it.
    pub ai_label: Option<Value>,
    /// The same small, as a JPEG, for whoever looks through many; none of what is small itself.
    pub preview: Option<Bytes>,
}

/// What a picture loses on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// All frames but the first.
    Animation,
    /// It stands on white now.
    Transparency,
    /// It is smaller, in pixels.
    Size,
}

/// Why there is no picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPicture {
    /// Pixels are missing, or it is malformed.
    #[error("damaged")]
    Damaged,
    /// Making it would take more than [`MOST_MEMORY`], or some two seconds of a core.
    #[error("too many pixels")]
    TooManyPixels,
}

/// How much memory it takes at most to make a picture of this, in bytes: its pixels, as the header has them, and what any
/// picture takes besides.
///
/// # Errors
/// When the header is no header, that is more than [`MOST_MEMORY`], or the pixels are more than some two seconds of a core.
pub fn memory(source: Source, bytes: &[u8]) -> Result<u64, NoPicture> {
    let needed = decode::memory(source, bytes)?.saturating_add(BESIDES);
    if needed > MOST_MEMORY { Err(NoPicture::TooManyPixels) } else { Ok(needed) }
}

/// Decodes a picture and encodes it anew. Takes the time of a core: not for a thread on which others wait.
///
/// # Errors
/// When pixels are missing, or there are too many.
pub fn encode_anew(source: Source, bytes: &[u8]) -> Result<Picture, NoPicture> {
    memory(source, bytes)?;
    let ai_label = label::find_in_picture(source, bytes);
    let decoded = decode::decode(source, bytes)?;
    let (canvas, changed) = canvas::draw(decoded);
    let encoded = encode::encode(&canvas.image, canvas.is_lossless);
    let mut changed = changed;
    if encoded.is_smaller && !changed.contains(&Change::Size) {
        changed.push(Change::Size);
    }
    let encode::Encoded { media_type, bytes, width, height, .. } = encoded;
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let small = canvas::scaled(&canvas.image, PREVIEW_SIDE);
    let look = look::look_of(&small);
    let preview = needs_preview(size, (width, height)).then(|| preview_of(small));
    Ok(Picture { media_type, bytes: bytes.into(), width, height, look, changed, ai_label, preview })
}

/// A picture that was made by [`encode_anew`], once more for WeChat's direct check: a JPEG of at most 750 by 1,334 pixels
/// and less than 1 MB. (WeChat: imgSecCheck, version 1.)
///
/// # Errors
/// When it was made by something else.
pub fn for_direct_check(source: Source, bytes: &[u8]) -> Result<Bytes, NoPicture> {
    const WIDEST: u32 = 750;
    const HIGHEST: u32 = 1_334;
    let (canvas, _) = canvas::draw(decode::decode(source, bytes)?);
    let image = canvas.image;
    let by_width = u64::from(image.height()) * u64::from(WIDEST) <= u64::from(HIGHEST) * u64::from(image.width());
    let (side, limit) = if by_width { (image.width(), WIDEST) } else { (image.height(), HIGHEST) };
    let longest = image.width().max(image.height());
    let scaled = if side > limit {
        let longest = u64::from(longest) * u64::from(limit) / u64::from(side);
        canvas::scaled(&image, u32::try_from(longest).unwrap_or(WIDEST))
    } else {
        image
    };
    encode::small_jpeg(&scaled).map(Bytes::from).ok_or(NoPicture::Damaged)
}

/// A picture that is as small as a preview, as one: as many pixels and as much quality as its bytes allow.
fn preview_of(mut small: DynamicImage) -> Bytes {
    let mut side = small.width().max(small.height());
    loop {
        match encode::preview_jpeg(&small) {
            Some(bytes) => return bytes.into(),
            // Noise; at one pixel anything fits.
            None => side = (side * 3 / 4).max(1),
        }
        small = canvas::scaled(&small, side);
    }
}

#[cfg(test)]
mod tests;
