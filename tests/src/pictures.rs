//! Pictures and sounds to upload: traffic lights, which the simulator judges by their colour, and scenes, which look like
//! nothing but themselves.

mod scene;

use accept_upload::picture::Source;
use image::codecs::jpeg::JpegEncoder;
use image::{RgbImage, imageops};

pub use scene::scene;

/// What the simulator lets pass.
pub const GREEN: [u8; 3] = [40, 180, 60];
/// What the simulator wants reviewed.
pub const YELLOW: [u8; 3] = [250, 230, 30];
/// What the simulator finds risky.
pub const RED: [u8; 3] = [230, 30, 30];

/// A picture of one colour, as PNG; already such as accept-upload makes of it, so what is uploaded is what is stored. `seed`
/// makes its bytes differ from others of the same colour.
pub fn picture(colour: [u8; 3], seed: u8) -> Vec<u8> {
    let mut light = image::RgbImage::from_pixel(16, 16, image::Rgb(colour));
    // One pixel says whose picture it is; it does not change what most of it is.
    light.put_pixel(0, 0, image::Rgb([seed, seed, seed]));
    let file = encoded(light, image::ImageFormat::Png);
    accept_upload::picture::encode_anew(Source::Png, &file).expect("a picture").bytes.to_vec()
}

/// A picture of one colour that is about so many bytes, and not one more: uncompressed, as BMP.
pub fn picture_of(colour: [u8; 3], bytes: usize) -> Vec<u8> {
    const WIDTH: u32 = 1024;
    let rows = u32::try_from(bytes.saturating_sub(54) / (3 * 1024)).expect("a small picture");
    encoded(image::RgbImage::from_pixel(WIDTH, rows, image::Rgb(colour)), image::ImageFormat::Bmp)
}

/// The same as JPEG.
pub fn photo(colour: [u8; 3]) -> Vec<u8> {
    encoded(image::RgbImage::from_pixel(16, 16, image::Rgb(colour)), image::ImageFormat::Jpeg)
}

fn encoded(light: image::RgbImage, format: image::ImageFormat) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    light.write_to(&mut file, format).expect("a picture in memory");
    file.into_inner()
}

/// A picture as PNG.
pub fn as_png(picture: &RgbImage) -> Vec<u8> {
    encoded(picture.clone(), image::ImageFormat::Png)
}

/// A picture as JPEG of that quality.
pub fn as_jpeg(picture: &RgbImage, quality: u8) -> Vec<u8> {
    let mut file = Vec::new();
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut file, quality)).expect("a picture in memory");
    file
}

/// The same with its sides so many hundredths as long.
pub fn scaled(picture: &RgbImage, percent: u32) -> RgbImage {
    let (width, height) = (picture.width() * percent / 100, picture.height() * percent / 100);
    imageops::resize(picture, width, height, imageops::FilterType::Triangle)
}

/// The same with more light.
pub fn brighter(picture: &RgbImage, by: u8) -> RgbImage {
    let mut picture = picture.clone();
    picture.iter_mut().for_each(|sample| *sample = sample.saturating_add(by));
    picture
}

/// A sound, as WAV: silence, and `words` in it, which the simulator hears `risky` and `review` in.
pub fn sound(words: &str) -> Vec<u8> {
    sound_of(words, 800)
}

/// The same with so many bytes of silence.
pub fn sound_of(words: &str, silence: usize) -> Vec<u8> {
    let mut samples = vec![0x80_u8; silence];
    samples.extend_from_slice(words.as_bytes());
    if samples.len() % 2 == 1 {
        samples.push(0x80);
    }
    let length = u32::try_from(samples.len()).expect("a short sound");
    let mut file = Vec::new();
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + length).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16_u32.to_le_bytes());
    // PCM, one channel, 8,000 samples a second, 8 bits each.
    for field in [1_u16, 1] {
        file.extend_from_slice(&field.to_le_bytes());
    }
    for field in [8_000_u32, 8_000] {
        file.extend_from_slice(&field.to_le_bytes());
    }
    for field in [1_u16, 8] {
        file.extend_from_slice(&field.to_le_bytes());
    }
    file.extend_from_slice(b"data");
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(&samples);
    file
}
