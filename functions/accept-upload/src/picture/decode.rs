//! From a file to pixels: what kind it is, what it will take, and what it shows first.

use std::io::Cursor;
use std::panic::catch_unwind;

use image::metadata::Orientation;
use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageDecoder, RgbImage, RgbaImage};
use image_webp::WebPDecoder;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::NoPicture;

/// No format's own limit is lower than what is refused by the memory it takes.
const LARGEST_SIDE: usize = 65_535;
/// A progressive JPEG comes in eighteen at most, by libjpeg's own script; each takes the time of all pixels, however short it is.
const MOST_SCANS: usize = 32;
/// What a byte of a lossless WebP may grow to: a prefix code of 93 bits has a table of 4,096 bytes, and 65,536 times five of
/// them may come before the first pixel. (RFC 9649, 6.2.)
const CODES: u64 = 384;
/// A colour profile that is larger describes a printer, or something else altogether.
const LARGEST_PROFILE: usize = 2 * 1024 * 1024;

/// What a picture comes as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// JPEG, baseline or progressive.
    Jpeg,
    /// PNG, still or moving.
    Png,
    /// GIF, still or moving.
    Gif,
    /// WebP, lossy or lossless, still or moving.
    Webp,
    /// Windows bitmap.
    Bmp,
}

impl Source {
    /// What these bytes begin as.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"\xFF\xD8\xFF") {
            Some(Self::Jpeg)
        } else if bytes.starts_with(b"\x89PNG\r\n\x1A\n") {
            Some(Self::Png)
        } else if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") {
            Some(Self::Gif)
        } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            Some(Self::Webp)
        } else if bytes.starts_with(b"BM") && bytes.get(6..10) == Some(b"\0\0\0\0") {
            Some(Self::Bmp)
        } else {
            None
        }
    }
}

/// What a file shows, as it has it.
pub(super) struct Decoded {
    /// Eight bits a sample.
    pub(super) image: DynamicImage,
    /// The colour profile, if it has one.
    pub(super) profile: Option<Vec<u8>>,
    /// PNG's gamma, where neither a profile nor sRGB goes before it.
    pub(super) gamma: Option<f32>,
    /// How it is to be turned.
    pub(super) orientation: Orientation,
    /// Nothing was lost when it was made.
    pub(super) is_lossless: bool,
    /// There are frames behind the first.
    pub(super) is_animated: bool,
}

fn damaged<E>(_: E) -> NoPicture {
    NoPicture::Damaged
}

fn profile_of(profile: Option<Vec<u8>>) -> Option<Vec<u8>> {
    profile.filter(|profile| profile.len() <= LARGEST_PROFILE)
}

/// Of these kinds no more pixels are decoded than take about two seconds of a core, with as many bytes as an upload may have and
/// whatever they show (`tests/bench` measures it). JPEGs are decoded twice; four inks have no fast path, and where each scan
/// brings a few bits all pixels are gone through for each. WebP's arithmetic decoder takes its bits one by one; GIF's pixels may
/// be transparent, and all that came without loss is tried as PNG first.
mod most_pixels {
    pub(super) const JPEG: u64 = 32_000_000;
    pub(super) const PROGRESSIVE_JPEG: u64 = 12_600_000;
    pub(super) const JPEG_OF_INKS: u64 = 8_000_000;
    pub(super) const WEBP: u64 = 12_600_000;
    pub(super) const LOSSLESS: u64 = 20_000_000;
}

/// How much memory decoding takes, by the header: all samples as the decoder holds them, a progressive JPEG's coefficients,
/// a lossless WebP's codes, and the eight-bit copy that is drawn from.
pub(super) fn memory(source: Source, bytes: &[u8]) -> Result<u64, NoPicture> {
    let (width, height, a_pixel, most_pixels) = match source {
        Source::Jpeg => {
            let (tidy, is_progressive) = tidied_jpeg(bytes);
            let mut decoder = jpeg_decoder(&tidy);
            decoder.decode_headers().map_err(damaged)?;
            let info = decoder.info().ok_or(NoPicture::Damaged)?;
            // Two bytes for each of up to four components, where a scan brings only some of their bits.
            let coefficients = if is_progressive { 2 * u64::from(info.components) } else { 0 };
            let most_pixels = match info.components {
                4.. => most_pixels::JPEG_OF_INKS,
                _ if is_progressive => most_pixels::PROGRESSIVE_JPEG,
                _ => most_pixels::JPEG,
            };
            (u64::from(info.width), u64::from(info.height), 3 + 3 + coefficients, most_pixels)
        }
        Source::Png => {
            let mut decoder = png::Decoder::new(Cursor::new(bytes));
            let info = decoder.read_header_info().map_err(damaged)?;
            let samples = info.color_type.samples() as u64;
            // The decoder's rows are sixteen bits wide at most; what it gives has eight, and four samples.
            (u64::from(info.width), u64::from(info.height), samples + 4 + 3, most_pixels::LOSSLESS)
        }
        Source::Gif => {
            let screen = bytes.get(6..10).and_then(|size| size.first_chunk::<4>()).ok_or(NoPicture::Damaged)?;
            let [a, b, c, d] = *screen;
            let (width, height) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
            (u64::from(width), u64::from(height), 1 + 4 + 4 + 3, most_pixels::LOSSLESS)
        }
        Source::Webp => {
            let (width, height) = WebPDecoder::new(Cursor::new(bytes)).map_err(damaged)?.dimensions();
            if !lossy_frames_fit(bytes, (width, height)) {
                return Err(NoPicture::Damaged);
            }
            // Planes of luma and colour, and a canvas for the frames of an animation.
            (u64::from(width), u64::from(height), 2 + 4 + 4 + 3, most_pixels::WEBP)
        }
        Source::Bmp => {
            let decoder = image::codecs::bmp::BmpDecoder::new(Cursor::new(bytes)).map_err(damaged)?;
            let (width, height) = decoder.dimensions();
            (u64::from(width), u64::from(height), 4 + 4 + 3, most_pixels::LOSSLESS)
        }
    };
    if width == 0 || height == 0 {
        return Err(NoPicture::Damaged);
    }
    let pixels = width.saturating_mul(height);
    if pixels > most_pixels {
        return Err(NoPicture::TooManyPixels);
    }
    let codes = if source == Source::Webp { lossless_bytes(bytes).saturating_mul(CODES) } else { 0 };
    Ok(pixels.saturating_mul(a_pixel).saturating_add(codes))
}

/// Decodes what a file shows first.
///
/// Decoders are other people's, and fuzzing goes on finding files on which one of them panics: such a file is damaged.
pub(super) fn decode(source: Source, bytes: &[u8]) -> Result<Decoded, NoPicture> {
    let decoded = || match source {
        Source::Jpeg => jpeg(bytes),
        Source::Png => png(bytes),
        Source::Gif => gif(bytes),
        Source::Webp => webp(bytes),
        Source::Bmp => bmp(bytes),
    };
    catch_unwind(decoded).unwrap_or(Err(NoPicture::Damaged))
}

/// Strict: otherwise missing pixels come out grey, and nobody is told.
fn jpeg_decoder(bytes: &[u8]) -> JpegDecoder<ZCursor<&[u8]>> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(LARGEST_SIDE)
        .set_max_height(LARGEST_SIDE)
        .jpeg_set_max_scans(MOST_SCANS)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    JpegDecoder::new_with_options(ZCursor::new(bytes), options)
}

/// The segments and scans of a JPEG without what stands between them or behind the last, which cameras leave there and a
/// strict decoder minds; and whether it is progressive. (ITU-T T.81, annex B.)
fn tidied_jpeg(bytes: &[u8]) -> (Vec<u8>, bool) {
    let (mut tidy, mut is_progressive) = (Vec::with_capacity(bytes.len() + 2), false);
    tidy.extend_from_slice(b"\xFF\xD8");
    let mut rest = bytes.get(2..).unwrap_or_default();
    // A marker is no stuffed or filling byte, and neither a restart nor another beginning.
    let begins = |pair: &[u8]| matches!(pair, [0xFF, next] if !matches!(next, 0 | 1 | 0xD0..=0xD8 | 0xFF));
    while let Some(at) = rest.windows(2).position(begins) {
        let from = rest.get(at..).unwrap_or_default();
        let [_, marker, high, low, ..] = from else { break };
        let length = 2 + usize::from(u16::from_be_bytes([*high, *low]));
        let Some((segment, behind)) = from.split_at_checked(length).filter(|_| *marker != 0xD9) else { break };
        is_progressive |= *marker == 0xC2;
        tidy.extend_from_slice(segment);
        rest = behind;
        if *marker == 0xDA {
            // What is coded goes on until a marker that is neither a stuffed byte nor a restart.
            let ends = |pair: &[u8]| matches!(pair, [0xFF, next] if !matches!(next, 0 | 0xD0..=0xD7));
            let end = behind.windows(2).position(ends).unwrap_or(behind.len());
            tidy.extend_from_slice(behind.get(..end).unwrap_or_default());
            rest = behind.get(end..).unwrap_or_default();
        }
    }
    (tidy, is_progressive)
}

fn jpeg(bytes: &[u8]) -> Result<Decoded, NoPicture> {
    const END: &[u8] = b"\xFF\xD9";
    // Where pixels are missing the decoder makes some up, of zeros or of whatever follows: then what follows shows. The
    // end mark itself may be missing.
    let (mut coded, _) = tidied_jpeg(bytes);
    let end = coded.len();
    coded.extend_from_slice(END);
    let (decoded, pixels) = decoded_jpeg(&coded)?;
    coded.truncate(end);
    coded.extend([0xB5, 0x2A].repeat(32));
    coded.extend_from_slice(END);
    let (_, otherwise) = decoded_jpeg(&coded)?;
    drop(coded);
    if pixels != otherwise {
        return Err(NoPicture::Damaged);
    }
    drop(otherwise);
    let Jpeg { width, height, is_grey, profile, orientation } = decoded;
    let image = if is_grey {
        GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8)
    } else {
        RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8)
    };
    Ok(Decoded {
        image: image.ok_or(NoPicture::Damaged)?,
        profile: profile_of(profile),
        gamma: None,
        orientation,
        is_lossless: false,
        is_animated: false,
    })
}

struct Jpeg {
    width: u32,
    height: u32,
    is_grey: bool,
    profile: Option<Vec<u8>>,
    orientation: Orientation,
}

fn decoded_jpeg(bytes: &[u8]) -> Result<(Jpeg, Vec<u8>), NoPicture> {
    let mut decoder = jpeg_decoder(bytes);
    decoder.decode_headers().map_err(damaged)?;
    let (width, height) = decoder.dimensions().ok_or(NoPicture::Damaged)?;
    let is_cmyk = matches!(decoder.input_colorspace(), Some(ColorSpace::CMYK | ColorSpace::YCCK));
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    let jpeg = Jpeg {
        width: u32::try_from(width).map_err(damaged)?,
        height: u32::try_from(height).map_err(damaged)?,
        is_grey: decoder.output_colorspace() == Some(ColorSpace::Luma),
        // A profile of four inks means nothing for the three colours that they are turned into.
        profile: decoder.icc_profile().filter(|_| !is_cmyk),
        orientation: orientation.unwrap_or(Orientation::NoTransforms),
    };
    let pixels = decoder.decode().map_err(damaged)?;
    Ok((jpeg, pixels))
}

fn png(bytes: &[u8]) -> Result<Decoded, NoPicture> {
    // A profile comes compressed, and one of a few kilobytes may be as large as the decoder's limit.
    let limits = png::Limits { bytes: 4 * LARGEST_PROFILE };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_ignore_text_chunk(true);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(damaged)?;
    if !is_whole_palette(reader.info()) {
        return Err(NoPicture::Damaged);
    }
    let mut pixels = vec![0; reader.output_buffer_size().ok_or(NoPicture::TooManyPixels)?];
    // The picture that is shown where nothing moves; an animation's first, if its frames begin with it.
    let frame = reader.next_frame(&mut pixels).map_err(damaged)?;
    pixels.truncate(frame.buffer_size());
    let info = reader.info();
    let (width, height) = (frame.width, frame.height);
    let image = match frame.color_type {
        png::ColorType::Grayscale => GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8),
        png::ColorType::GrayscaleAlpha => {
            GrayAlphaImage::from_raw(width, height, pixels).map(DynamicImage::ImageLumaA8)
        }
        png::ColorType::Rgb => RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8),
        png::ColorType::Rgba => RgbaImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgba8),
        png::ColorType::Indexed => None,
    };
    let profile = profile_of(info.icc_profile.as_ref().map(|profile| profile.to_vec()));
    // (PNG specification, third edition, 4.3: a profile goes before sRGB, and that before a gamma.)
    let gamma = info.gama_chunk.filter(|_| profile.is_none() && info.srgb.is_none()).map(png::ScaledFloat::into_value);
    let orientation = info.exif_metadata.as_ref().and_then(|exif| Orientation::from_exif_chunk(exif));
    Ok(Decoded {
        image: image.ok_or(NoPicture::Damaged)?,
        profile,
        gamma,
        orientation: orientation.unwrap_or(Orientation::NoTransforms),
        is_lossless: true,
        is_animated: info.animation_control.is_some_and(|control| control.num_frames > 1),
    })
}

/// Whether a palette is one: three bytes a colour, 256 colours at most, and no more opacities than colours. The decoder
/// trusts it to be. (PNG specification, third edition, 11.2.2 and 11.3.1.1; png 0.18 panics.)
fn is_whole_palette(info: &png::Info<'_>) -> bool {
    let Some(palette) = info.palette.as_ref() else { return true };
    let opacities = info.trns.as_ref().map_or(0, |opacities| opacities.len());
    let is_indexed = info.color_type == png::ColorType::Indexed;
    palette.len() % 3 == 0 && palette.len() <= 3 * 256 && (!is_indexed || opacities <= palette.len() / 3)
}

fn gif(bytes: &[u8]) -> Result<Decoded, NoPicture> {
    let mut decoder = image::codecs::gif::GifDecoder::new(Cursor::new(bytes)).map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    // A frame may say that it is larger than the screen that it stands on, by any measure.
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(u64::from(width) * u64::from(height) * 4);
    decoder.set_limits(limits).map_err(damaged)?;
    let image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    Ok(Decoded {
        image,
        profile: None,
        gamma: None,
        orientation: Orientation::NoTransforms,
        is_lossless: true,
        is_animated: has_second_frame(bytes),
    })
}

fn has_second_frame(bytes: &[u8]) -> bool {
    let mut options = gif::DecodeOptions::new();
    options.skip_frame_decoding(true);
    let Ok(mut decoder) = options.read_info(Cursor::new(bytes)) else { return false };
    let mut next = || matches!(decoder.next_frame_info(), Ok(Some(_)));
    next() && next()
}

fn webp(bytes: &[u8]) -> Result<Decoded, NoPicture> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(damaged)?;
    // A profile may say that it has four gigabytes, and they would be there before it is read.
    decoder.set_memory_limit(LARGEST_PROFILE);
    let (width, height) = decoder.dimensions();
    let mut pixels = vec![0; decoder.output_buffer_size().ok_or(NoPicture::TooManyPixels)?];
    decoder.read_image(&mut pixels).map_err(damaged)?;
    let image = if decoder.has_alpha() {
        RgbaImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgba8)
    } else {
        RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8)
    };
    let exif = decoder.exif_metadata().ok().flatten();
    let orientation = exif.and_then(|exif| Orientation::from_exif_chunk(&exif));
    // (RFC 9649, 2.5 and 2.6: the first chunk of pixels is `VP8 ` or `VP8L`.)
    let is_lossless = bytes.windows(4).find(|chunk| *chunk == b"VP8 " || *chunk == b"VP8L") == Some(b"VP8L");
    Ok(Decoded {
        image: image.ok_or(NoPicture::Damaged)?,
        profile: profile_of(decoder.icc_profile().ok().flatten()),
        gamma: None,
        orientation: orientation.unwrap_or(Orientation::NoTransforms),
        is_lossless,
        is_animated: decoder.is_animated(),
    })
}

/// Whether lossy frames are as large as what they stand in says. The decoder allocates and decodes before it compares, and
/// panics where it does not compare: in an animation's frame that has transparency. (RFC 9649, 2.7.1.1 and 2.7.1.2.)
fn lossy_frames_fit(webp: &[u8], canvas: (u32, u32)) -> bool {
    let mut chunks = chunks(webp.get(12..).unwrap_or_default());
    let stills_fit = chunks.clone().all(|(name, chunk)| name != b"VP8 " || lossy_size(chunk) == Some(canvas));
    // Of an animation nothing but the first frame is decoded.
    stills_fit && chunks.find(|(name, _)| *name == b"ANMF").is_none_or(|(_, frame)| moving_frame_fits(frame))
}

fn moving_frame_fits(frame: &[u8]) -> bool {
    let Some(([_, _, _, _, _, _, sides @ .., _, _, _, _], parts)) = frame.split_first_chunk::<16>() else {
        return false;
    };
    let [w, wi, wid, h, hi, hig] = *sides;
    let size = (1 + u32::from_le_bytes([w, wi, wid, 0]), 1 + u32::from_le_bytes([h, hi, hig, 0]));
    let mut parts = chunks(parts);
    match parts.next() {
        Some((b"VP8L", _)) => true,
        Some((b"VP8 ", lossy)) => lossy_size(lossy) == Some(size),
        Some((b"ALPH", _)) => {
            matches!(parts.next(), Some((b"VP8 ", lossy)) if lossy_size(lossy) == Some(size))
        }
        _ => false,
    }
}

/// The names and contents of a WebP's chunks; what is cut off goes as far as it is there.
fn chunks(mut rest: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> + Clone {
    std::iter::from_fn(move || {
        let (name, behind) = rest.split_first_chunk::<4>()?;
        let (length, behind) = behind.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        // A chunk of an odd length is padded.
        rest = behind.get(length.saturating_add(length % 2)..).unwrap_or_default();
        Some((name, behind.get(..length).unwrap_or(behind)))
    })
}

/// Both sides, in 14 bits each behind a tag of three bytes and a start code. (RFC 6386, 9.1.)
fn lossy_size(chunk: &[u8]) -> Option<(u32, u32)> {
    let [_, _, _, 0x9D, 0x01, 0x2A, w, wide, h, high, ..] = chunk else { return None };
    let side = |low: &u8, high: &u8| u32::from(u16::from_le_bytes([*low, *high]) & 0x3FFF);
    Some((side(w, wide), side(h, high)))
}

/// How long the longest part is that is coded without loss: pixels, or the transparency of lossy ones.
/// (RFC 9649, 2.7.1.2 and 3.4: the first begins with a signature, the second with its method.)
fn lossless_bytes(webp: &[u8]) -> u64 {
    let parts = webp.windows(9).enumerate().filter_map(|(at, chunk)| match chunk {
        [b'V', b'P', b'8', b'L', a, b, c, d, 0x2F] => Some((at, [*a, *b, *c, *d])),
        [b'A', b'L', b'P', b'H', a, b, c, d, method] if method & 3 == 1 => Some((at, [*a, *b, *c, *d])),
        _ => None,
    });
    let lengths = parts.map(|(at, length)| u64::from(u32::from_le_bytes(length)).min((webp.len() - at) as u64));
    lengths.max().unwrap_or(0)
}

fn bmp(bytes: &[u8]) -> Result<Decoded, NoPicture> {
    let decoder = image::codecs::bmp::BmpDecoder::new(Cursor::new(bytes)).map_err(damaged)?;
    let image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    let orientation = Orientation::NoTransforms;
    Ok(Decoded { image, profile: None, gamma: None, orientation, is_lossless: true, is_animated: false })
}
