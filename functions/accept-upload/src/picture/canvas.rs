//! The plain pixels that are judged and shown: sRGB, on white, upright, not too large, and grey where all of them are.

use image::{DynamicImage, GrayImage, RgbImage, imageops};

use super::colour;
use super::decode::Decoded;
use super::{Change, LONGEST_SIDE};

/// What is encoded.
pub(super) struct Canvas {
    /// `ImageLuma8` or `ImageRgb8`.
    pub(super) image: DynamicImage,
    /// Nothing was lost before.
    pub(super) is_lossless: bool,
}

/// Draws what was decoded, and says what it lost.
pub(super) fn draw(mut decoded: Decoded) -> (Canvas, Vec<Change>) {
    let mut changed = Vec::new();
    if decoded.is_animated {
        changed.push(Change::Animation);
    }
    colour::to_srgb(&mut decoded);
    let Decoded { image, orientation, is_lossless, .. } = decoded;
    let (image, was_transparent) = on_white(image);
    if was_transparent {
        changed.push(Change::Transparency);
    }
    let (mut image, is_smaller) = not_too_large(image);
    if is_smaller {
        changed.push(Change::Size);
    }
    image.apply_orientation(orientation);
    (Canvas { image: grey_if_it_is(image), is_lossless }, changed)
}

/// What stands where a pixel lets so much of white through.
fn blended(sample: u8, alpha: u8) -> u8 {
    let (sample, alpha) = (u32::from(sample), u32::from(alpha));
    u8::try_from((sample * alpha + 255 * (255 - alpha) + 127) / 255).unwrap_or(u8::MAX)
}

fn on_white(image: DynamicImage) -> (DynamicImage, bool) {
    let mut was_transparent = false;
    let image = match image {
        DynamicImage::ImageLuma8(_) | DynamicImage::ImageRgb8(_) => image,
        DynamicImage::ImageLumaA8(image) => {
            DynamicImage::ImageLuma8(GrayImage::from_fn(image.width(), image.height(), |x, y| {
                let image::LumaA([luma, alpha]) = *image.get_pixel(x, y);
                was_transparent |= alpha < u8::MAX;
                image::Luma([blended(luma, alpha)])
            }))
        }
        other => {
            let image = other.into_rgba8();
            DynamicImage::ImageRgb8(RgbImage::from_fn(image.width(), image.height(), |x, y| {
                let image::Rgba([red, green, blue, alpha]) = *image.get_pixel(x, y);
                was_transparent |= alpha < u8::MAX;
                image::Rgb([red, green, blue].map(|sample| blended(sample, alpha)))
            }))
        }
    };
    (image, was_transparent)
}

fn not_too_large(image: DynamicImage) -> (DynamicImage, bool) {
    let longest = image.width().max(image.height());
    if longest <= LONGEST_SIDE {
        return (image, false);
    }
    // By whole squares first: that is fast, and leaves at most twice of what is wanted.
    let by = longest / LONGEST_SIDE;
    let image = if by > 1 { averaged(&image, by) } else { image };
    (scaled(&image, LONGEST_SIDE), true)
}

/// The same with its longest side at most so long; every pixel of it counts.
pub(super) fn scaled(image: &DynamicImage, longest_side: u32) -> DynamicImage {
    let longest = image.width().max(image.height());
    if longest <= longest_side {
        return image.clone();
    }
    let side =
        |side: u32| u32::try_from(u64::from(side) * u64::from(longest_side) / u64::from(longest)).unwrap_or(1).max(1);
    let (width, height) = (side(image.width()), side(image.height()));
    match image {
        DynamicImage::ImageLuma8(image) => DynamicImage::ImageLuma8(imageops::thumbnail(image, width, height)),
        DynamicImage::ImageRgb8(image) => DynamicImage::ImageRgb8(imageops::thumbnail(image, width, height)),
        // Nothing else is drawn on white.
        image => image.clone(),
    }
}

/// Each square of `by` times `by` pixels as one; what is left over at the edges is left out.
fn averaged(image: &DynamicImage, by: u32) -> DynamicImage {
    let (width, height) = ((image.width() / by).max(1), (image.height() / by).max(1));
    let own = |pixels: (u32, u32)| (image.width().min(pixels.0 + by), image.height().min(pixels.1 + by));
    match image {
        DynamicImage::ImageLuma8(image) => DynamicImage::ImageLuma8(GrayImage::from_fn(width, height, |x, y| {
            let from = (x * by, y * by);
            image::Luma(average(from, own(from), |x, y| image.get_pixel(x, y).0))
        })),
        DynamicImage::ImageRgb8(image) => DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, y| {
            let from = (x * by, y * by);
            image::Rgb(average(from, own(from), |x, y| image.get_pixel(x, y).0))
        })),
        // Nothing else is drawn on white.
        image => image.clone(),
    }
}

/// The average of the pixels from one place to another, which is no longer of them.
fn average<const N: usize>(from: (u32, u32), to: (u32, u32), pixel: impl Fn(u32, u32) -> [u8; N]) -> [u8; N] {
    let (mut sums, mut count) = ([0_u32; N], 0_u32);
    for y in from.1..to.1 {
        for x in from.0..to.0 {
            count += 1;
            for (sum, sample) in sums.iter_mut().zip(pixel(x, y)) {
                *sum += u32::from(sample);
            }
        }
    }
    let count = count.max(1);
    sums.map(|sum| u8::try_from((sum + count / 2) / count).unwrap_or(u8::MAX))
}

fn grey_if_it_is(image: DynamicImage) -> DynamicImage {
    match image {
        DynamicImage::ImageRgb8(image)
            if image.pixels().all(|pixel| pixel.0[0] == pixel.0[1] && pixel.0[1] == pixel.0[2]) =>
        {
            DynamicImage::ImageLuma8(GrayImage::from_fn(image.width(), image.height(), |x, y| {
                image::Luma([image.get_pixel(x, y).0[0]])
            }))
        }
        image => image,
    }
}
