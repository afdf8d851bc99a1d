//! Colours: what a profile or a gamma means, as sRGB.

use image::DynamicImage;
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

use super::decode::Decoded;

/// Turns colours into sRGB. Where a profile cannot be read, or is for other samples than these, it is as if there were
/// none: that is how it is judged, and how it is shown.
pub(super) fn to_srgb(decoded: &mut Decoded) {
    match (&decoded.profile, decoded.gamma) {
        (Some(profile), _) => by_profile(&mut decoded.image, profile),
        (None, Some(gamma)) => by_gamma(&mut decoded.image, gamma),
        (None, None) => {}
    }
}

fn by_profile(image: &mut DynamicImage, profile: &[u8]) {
    let Ok(profile) = ColorProfile::new_from_slice(profile) else { return };
    let is_gray = matches!(image, DynamicImage::ImageLuma8(_) | DynamicImage::ImageLumaA8(_));
    match profile.color_space {
        DataColorSpace::Rgb if is_gray => *image = DynamicImage::ImageRgba8(image.to_rgba8()),
        DataColorSpace::Rgb => {}
        DataColorSpace::Gray if is_gray => {}
        _ => return,
    }
    let (layout, target) = match image {
        DynamicImage::ImageLuma8(_) => (Layout::Gray, ColorProfile::new_gray_with_gamma(2.2)),
        DynamicImage::ImageLumaA8(_) => (Layout::GrayAlpha, ColorProfile::new_gray_with_gamma(2.2)),
        DynamicImage::ImageRgb8(_) => (Layout::Rgb, ColorProfile::new_srgb()),
        _ => (Layout::Rgba, ColorProfile::new_srgb()),
    };
    let Ok(transform) = profile.create_transform_8bit(layout, &target, layout, TransformOptions::default()) else {
        return;
    };
    let samples = usize::from(image.color().channel_count());
    let a_row = samples * usize::try_from(image.width()).unwrap_or(0);
    let Some(pixels) = samples_of(image) else { return };
    let mut row = vec![0; a_row];
    for own in pixels.chunks_exact_mut(a_row.max(1)) {
        // A row that cannot be transformed stays as it is: judged and shown alike.
        if transform.transform(own, &mut row).is_ok() {
            own.copy_from_slice(&row);
        }
    }
}

/// A sample to the power of one over `gamma` is light (PNG specification, 11.3.2.2); light is then coded as sRGB has it.
fn by_gamma(image: &mut DynamicImage, gamma: f32) {
    const SRGB: f32 = 0.454_55;
    if !(0.01..=100.0).contains(&gamma) || (gamma - SRGB).abs() < 0.01 {
        return;
    }
    let coded = |sample: u8| {
        let light = (f32::from(sample) / 255.0).powf(1.0 / gamma);
        let coded = if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 255")]
        let sample = (coded.clamp(0.0, 1.0) * 255.0).round() as u8;
        sample
    };
    let table: Vec<u8> = (0..=u8::MAX).map(coded).collect();
    let samples = usize::from(image.color().channel_count());
    let colours = samples - usize::from(image.color().has_alpha());
    let Some(pixels) = samples_of(image) else { return };
    for pixel in pixels.chunks_exact_mut(samples) {
        for sample in pixel.iter_mut().take(colours) {
            *sample = table.get(usize::from(*sample)).copied().unwrap_or(*sample);
        }
    }
}

fn samples_of(image: &mut DynamicImage) -> Option<&mut [u8]> {
    match image {
        DynamicImage::ImageLuma8(image) => Some(image.as_mut()),
        DynamicImage::ImageLumaA8(image) => Some(image.as_mut()),
        DynamicImage::ImageRgb8(image) => Some(image.as_mut()),
        DynamicImage::ImageRgba8(image) => Some(image.as_mut()),
        _ => None,
    }
}
