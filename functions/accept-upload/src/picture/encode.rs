//! From plain pixels to the bytes that are stored: PNG where that is small enough and nothing was lost before, else JPEG.

use std::io::{self, Write};

use greenlight::domain::media::{MediaType, PREVIEW_BYTES};
use image::{DynamicImage, GrayImage, RgbImage};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::canvas::scaled;

/// Whatever is made is smaller, in bytes: it goes out through Lambda in base64, within 6 MB.
pub(super) const LARGEST: usize = 4 * 1024 * 1024;
/// A PNG that is larger is a photo, and phones pay for it.
const LARGEST_PNG: usize = 1024 * 1024;
/// A PNG is written in chunks of so many bytes.
const PNG_CHUNK: usize = 64 * 1024;
/// WeChat takes 1 MB in a direct check; with what stands around the picture, in bytes.
const LARGEST_DIRECT: usize = 1_000_000;
/// Nobody tells it from the original; each step down is taken only where it would be too large otherwise.
const QUALITIES: [u8; 5] = [88, 80, 70, 60, 50];

/// One band in so many tells how large the whole will be.
const SAMPLED: u32 = 16;

/// What was made.
pub(super) struct Encoded {
    pub(super) media_type: MediaType,
    pub(super) bytes: Vec<u8>,
    pub(super) width: u32,
    pub(super) height: u32,
    /// It has fewer pixels than it was given.
    pub(super) is_smaller: bool,
}

/// Encodes plain pixels, without any metadata.
pub(super) fn encode(image: &DynamicImage, is_lossless: bool) -> Encoded {
    let encoded = |media_type, bytes, image: &DynamicImage, is_smaller| Encoded {
        media_type,
        bytes,
        width: image.width(),
        height: image.height(),
        is_smaller,
    };
    if is_lossless && let Some(bytes) = png(image) {
        return encoded(MediaType::Png, bytes, image, false);
    }
    // The colours of drawings and of writing on them have edges, which 4:2:0 smears.
    let sampling = if is_lossless { SamplingFactor::F_1_1 } else { SamplingFactor::F_2_2 };
    let sample = sample(image);
    let its_share = LARGEST * sample.height() as usize / image.height().max(1) as usize;
    let may_fit = |quality: &u8| jpeg(&sample, *quality, sampling, its_share).is_some();
    if let Some(bytes) =
        QUALITIES.into_iter().filter(may_fit).find_map(|quality| jpeg(image, quality, sampling, LARGEST))
    {
        return encoded(MediaType::Jpeg, bytes, image, false);
    }
    // Noise: as many pixels as fit.
    let mut side = image.width().max(image.height());
    loop {
        side = side * 3 / 4;
        let smaller = scaled(image, side.max(1));
        if let Some(bytes) = jpeg(&smaller, 60, SamplingFactor::F_2_2, LARGEST) {
            return encoded(MediaType::Jpeg, bytes, &smaller, true);
        }
    }
}

/// A part of a picture that tells how large the whole will be: every so many-th band of it, as high as what 4:2:0 codes at
/// once. Noise in full size would otherwise be encoded in each quality, to be thrown away each time.
fn sample(image: &DynamicImage) -> DynamicImage {
    const BAND: u32 = 16;
    let bands = (image.height() / (BAND * SAMPLED)).max(1);
    let (width, height) = (image.width(), (bands * BAND).min(image.height()));
    let row = |y: u32| y / BAND * BAND * SAMPLED + y % BAND;
    match image {
        DynamicImage::ImageLuma8(image) => {
            DynamicImage::ImageLuma8(GrayImage::from_fn(width, height, |x, y| *image.get_pixel(x, row(y))))
        }
        DynamicImage::ImageRgb8(image) => {
            DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, y| *image.get_pixel(x, row(y))))
        }
        // Nothing else is drawn on white.
        image => image.clone(),
    }
}

/// A JPEG below 1 MB of a picture that is a screen large: noise in full size takes lower quality.
pub(super) fn small_jpeg(image: &DynamicImage) -> Option<Vec<u8>> {
    QUALITIES.iter().find_map(|quality| jpeg(image, *quality, SamplingFactor::F_2_2, LARGEST_DIRECT))
}

/// A JPEG as small as a preview, if it can be had of so many pixels.
pub(super) fn preview_jpeg(image: &DynamicImage) -> Option<Vec<u8>> {
    const QUALITIES: [u8; 4] = [75, 60, 45, 30];
    let largest = usize::try_from(PREVIEW_BYTES).unwrap_or(usize::MAX);
    QUALITIES.iter().find_map(|quality| jpeg(image, *quality, SamplingFactor::F_2_2, largest))
}

/// What an encoder writes, up to so many bytes: of noise in full size it would go on for seconds to make what is thrown away.
struct Bounded {
    bytes: Vec<u8>,
    largest: usize,
}

impl Bounded {
    fn new(largest: usize) -> Self {
        Self { bytes: Vec::new(), largest }
    }
}

impl Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + more.len() > self.largest {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A JPEG, if it is smaller than `too_large`.
fn jpeg(image: &DynamicImage, quality: u8, sampling: SamplingFactor, too_large: usize) -> Option<Vec<u8>> {
    let (width, height) = (u16::try_from(image.width()).ok()?, u16::try_from(image.height()).ok()?);
    let mut written = Bounded::new(too_large - 1);
    let mut encoder = Encoder::new(&mut written, quality);
    encoder.set_sampling_factor(sampling);
    match image {
        DynamicImage::ImageLuma8(image) => encoder.encode(image.as_raw(), width, height, ColorType::Luma).ok()?,
        image => encoder.encode(image.as_rgb8()?.as_raw(), width, height, ColorType::Rgb).ok()?,
    }
    Some(written.bytes)
}

/// A PNG, if it is no photo.
fn png(image: &DynamicImage) -> Option<Vec<u8>> {
    let (colour, samples) = match image {
        DynamicImage::ImageLuma8(image) => (png::ColorType::Grayscale, image.as_raw()),
        image => (png::ColorType::Rgb, image.as_rgb8()?.as_raw()),
    };
    let mut written = Bounded::new(LARGEST_PNG);
    let mut encoder = png::Encoder::new(&mut written, image.width(), image.height());
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    let mut writer = encoder.write_header().ok()?;
    let mut stream = writer.stream_writer_with_size(PNG_CHUNK).ok()?;
    stream.write_all(samples).ok()?;
    stream.finish().ok()?;
    writer.finish().ok()?;
    Some(written.bytes)
}
