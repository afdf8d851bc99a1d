//! Pictures made to deceive, and what is left of them: what a second decoder sees are the pixels that were judged.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, Rgb, RgbImage, Rgba, RgbaImage};
use moxcms::ColorProfile;

use super::*;

const GREEN: [u8; 3] = [40, 180, 60];
const RED: [u8; 3] = [230, 30, 30];
/// An archive with a file in it, and words that no picture has.
const PAYLOAD: &[u8] = b"PK\x03\x04\x14\0payload-that-nobody-judged.txt";
const SIGNATURES: [&[u8]; 4] = [b"PK\x03\x04", b"Rar!\x1A\x07", b"7z\xBC\xAF\x27\x1C", b"payload"];

fn plain(colour: [u8; 3], side: u32) -> DynamicImage {
    DynamicImage::ImageRgb8(RgbImage::from_pixel(side, side, Rgb(colour)))
}

fn as_png(image: &DynamicImage, more: impl FnOnce(&mut png::Encoder<'_, &mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, image.width(), image.height());
    let samples = match image {
        DynamicImage::ImageRgba8(image) => {
            encoder.set_color(png::ColorType::Rgba);
            image.as_raw()
        }
        image => {
            encoder.set_color(png::ColorType::Rgb);
            image.as_rgb8().unwrap().as_raw()
        }
    };
    more(&mut encoder);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(samples).unwrap();
    writer.finish().unwrap();
    bytes
}

fn as_jpeg(image: &DynamicImage, more: impl FnOnce(&mut jpeg_encoder::Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 90);
    more(&mut encoder);
    let (width, height) = (u16::try_from(image.width()).unwrap(), u16::try_from(image.height()).unwrap());
    encoder.encode(image.as_rgb8().unwrap().as_raw(), width, height, jpeg_encoder::ColorType::Rgb).unwrap();
    bytes
}

/// A chunk of a PNG behind its header.
fn with_chunk(png: &[u8], kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = u32::try_from(data.len()).unwrap().to_be_bytes().to_vec();
    chunk.extend_from_slice(kind);
    chunk.extend_from_slice(data);
    let mut crc = u32::MAX;
    for byte in chunk.iter().skip(4) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 };
        }
    }
    chunk.extend_from_slice(&(!crc).to_be_bytes());
    [&png[..33], &chunk, &png[33..]].concat()
}

/// A segment of a JPEG behind its beginning.
fn with_segment(jpeg: &[u8], marker: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xFF, marker], &length, data, &jpeg[2..]].concat()
}

/// A profile in which red and green have changed places.
fn swapped_profile() -> Vec<u8> {
    let mut profile = ColorProfile::new_srgb();
    std::mem::swap(&mut profile.red_colorant, &mut profile.green_colorant);
    profile.encode().unwrap()
}

fn anew(bytes: &[u8]) -> Result<Picture, NoPicture> {
    encode_anew(Source::of(bytes).expect("a picture's beginning"), bytes)
}

/// What a second decoder sees, which honours nothing but pixels; and nothing is there for one that would honour more.
#[track_caller]
fn seen(picture: &Picture) -> RgbImage {
    let bytes = &picture.bytes;
    let mut reader = image::ImageReader::new(Cursor::new(bytes)).with_guessed_format().unwrap().into_decoder().unwrap();
    assert_eq!(reader.icc_profile().unwrap(), None);
    assert_eq!(reader.exif_metadata().unwrap(), None);
    assert!(!reader.color_type().has_alpha());
    for chunk in [b"gAMA".as_slice(), b"iCCP", b"eXIf", b"tEXt", b"acTL", b"ICC_PROFILE", b"Exif\0\0", b"http://ns"] {
        assert!(!bytes.windows(chunk.len()).any(|window| window == chunk), "{}", String::from_utf8_lossy(chunk));
    }
    for signature in SIGNATURES {
        assert!(!bytes.windows(signature.len()).any(|window| window == signature), "{signature:?}");
    }
    let image = DynamicImage::from_decoder(reader).unwrap().into_rgb8();
    assert_eq!(image.dimensions(), (picture.width, picture.height));
    image
}

#[track_caller]
fn is_about(pixel: Rgb<u8>, colour: [u8; 3]) {
    let far = pixel.0.iter().zip(colour).any(|(one, other)| one.abs_diff(other) > 6);
    assert!(!far, "{pixel:?} is not {colour:?}");
}

#[test]
fn what_a_profile_turns_into_another_colour_is_that_colour_for_everybody() {
    let profile = swapped_profile();
    let png = as_png(&plain(GREEN, 32), |_| ());
    let png = with_chunk(&png, b"iCCP", &[b"x\0\0".as_slice(), &deflated(&profile)].concat());
    let jpeg = as_jpeg(&plain(GREEN, 32), |encoder| encoder.add_icc_profile(&profile).unwrap());
    for bytes in [png, jpeg] {
        let picture = anew(&bytes).unwrap();
        let pixel = *seen(&picture).get_pixel(5, 5);
        assert!(pixel.0[0] > pixel.0[1], "red and green have changed places: {pixel:?}");
    }
    // One that cannot be read is none.
    let odd = as_jpeg(&plain(GREEN, 32), |encoder| encoder.add_icc_profile(PAYLOAD).unwrap());
    is_about(*seen(&anew(&odd).unwrap()).get_pixel(5, 5), GREEN);
}

/// A zlib stream with the bytes as they are.
fn deflated(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    let parts: [&[u8]; 5] =
        [&[0x78, 0x01, 0x01], &length.to_le_bytes(), &(!length).to_le_bytes(), bytes, &((b << 16) | a).to_be_bytes()];
    parts.concat()
}

#[test]
fn a_word_that_gamma_hides_is_hidden_from_the_judge_or_seen_by_both() {
    // Nearly white on white, which a gamma of 23 makes black on white.
    let mut image = RgbImage::from_pixel(32, 32, Rgb([255; 3]));
    image.put_pixel(3, 3, Rgb([250; 3]));
    let bytes = as_png(&DynamicImage::ImageRgb8(image), |encoder| {
        encoder.set_source_gamma(png::ScaledFloat::from_scaled(2_300));
    });
    let seen = seen(&anew(&bytes).unwrap());
    assert!(seen.get_pixel(3, 3).0[0] < 200 && seen.get_pixel(9, 9).0 == [255; 3], "{:?}", seen.get_pixel(3, 3));
}

#[test]
fn what_shows_one_picture_on_white_and_another_on_black_shows_the_one_on_white() {
    let mut mirage = RgbaImage::from_pixel(32, 32, Rgba([255, 255, 255, 0]));
    for x in 0..32 {
        mirage.put_pixel(x, 7, Rgba([0, 0, 0, 128]));
        mirage.put_pixel(x, 8, Rgba([255, 255, 255, 128]));
    }
    let picture = anew(&as_png(&DynamicImage::ImageRgba8(mirage), |_| ())).unwrap();
    assert_eq!(picture.changed, [Change::Transparency]);
    let seen = seen(&picture);
    assert_eq!(
        (seen.get_pixel(3, 7).0, seen.get_pixel(3, 8).0, seen.get_pixel(3, 0).0),
        ([127; 3], [255; 3], [255; 3])
    );
}

#[test]
fn nothing_rides_along_whatever_it_hides_in() {
    let (png, jpeg) = (as_png(&plain(GREEN, 32), |_| ()), as_jpeg(&plain(GREEN, 32), |_| ()));
    let bmp = {
        let mut bytes = Cursor::new(Vec::new());
        plain(GREEN, 32).write_to(&mut bytes, image::ImageFormat::Bmp).unwrap();
        bytes.into_inner()
    };
    let gif = {
        let mut bytes = Cursor::new(Vec::new());
        plain(GREEN, 32).write_to(&mut bytes, image::ImageFormat::Gif).unwrap();
        bytes.into_inner()
    };
    let behind_the_scan = [&jpeg[..jpeg.len() - 2], PAYLOAD, &jpeg[jpeg.len() - 2..]].concat();
    let hidden = [
        [png.as_slice(), PAYLOAD].concat(),
        [jpeg.as_slice(), PAYLOAD].concat(),
        [bmp.as_slice(), PAYLOAD].concat(),
        [gif.as_slice(), PAYLOAD].concat(),
        with_chunk(&png, b"tEXt", &[b"Comment\0", PAYLOAD].concat()),
        with_chunk(&png, b"eXIf", PAYLOAD),
        with_chunk(&png, b"prVt", PAYLOAD),
        with_chunk(&png, b"iCCP", &[b"x\0\0".as_slice(), &deflated(PAYLOAD)].concat()),
        with_segment(&jpeg, 0xFE, PAYLOAD),
        with_segment(&jpeg, 0xE1, &[b"Exif\0\0", PAYLOAD].concat()),
        with_segment(&jpeg, 0xE1, &[b"http://ns.adobe.com/xap/1.0/\0", PAYLOAD].concat()),
        with_segment(&jpeg, 0xE2, &[b"ICC_PROFILE\0\x01\x01", PAYLOAD].concat()),
        with_segment(&jpeg, 0xED, PAYLOAD),
        // A table that no scan uses.
        with_segment(&jpeg, 0xDB, &[[3].as_slice(), PAYLOAD, &[1; 64]].concat()[..65]),
        behind_the_scan,
    ];
    let mut taken = 0;
    for (number, bytes) in hidden.iter().enumerate() {
        // Some are refused: then nobody sees anything.
        let Ok(picture) = anew(bytes) else { continue };
        taken += 1;
        is_about(*seen(&picture).get_pixel(9, 9), GREEN);
        assert!(picture.bytes.len() < 2_000, "{number}: {} bytes", picture.bytes.len());
    }
    assert!(taken >= 12, "{taken} of {}", hidden.len());
}

#[test]
fn of_moving_pictures_the_first_is_kept_and_that_is_told() {
    let gif = {
        let mut bytes = Vec::new();
        let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
        for colour in [GREEN, RED] {
            encoder.encode_frame(image::Frame::new(plain(colour, 16).into_rgba8())).unwrap();
        }
        drop(encoder);
        bytes
    };
    let apng = {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 16, 16);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_animated(2, 0).unwrap();
        let mut writer = encoder.write_header().unwrap();
        for colour in [GREEN, RED] {
            writer.write_image_data(plain(colour, 16).as_rgb8().unwrap().as_raw()).unwrap();
        }
        writer.finish().unwrap();
        bytes
    };
    for bytes in [gif, apng, include_bytes!("../make_safe/samples/animated.gif").to_vec()] {
        let picture = anew(&bytes).unwrap();
        assert!(picture.changed.contains(&Change::Animation), "{:?}", picture.changed);
        seen(&picture);
    }
    let still = anew(include_bytes!("../make_safe/samples/still.gif")).unwrap();
    assert!(!still.changed.contains(&Change::Animation));
}

#[test]
fn missing_pixels_are_damage_and_a_missing_end_mark_is_not() {
    let noise = DynamicImage::ImageRgb8(RgbImage::from_fn(64, 64, |x, y| {
        Rgb([(x * 37 + y * 11) as u8, (x * y) as u8, (x ^ y) as u8])
    }));
    let baseline = as_jpeg(&noise, |_| ());
    let progressive = as_jpeg(&noise, |encoder| encoder.set_progressive(true));
    for jpeg in [&baseline, &progressive] {
        anew(jpeg).unwrap();
        anew(&jpeg[..jpeg.len() - 2]).expect("all pixels are there");
        for part in [2, 3, 5] {
            let cut = jpeg.len() * (part - 1) / part;
            // Whoever cut it off may have put an end mark there.
            for cut in [jpeg[..cut].to_vec(), [&jpeg[..cut], b"\xFF\xD9"].concat()] {
                assert_eq!(anew(&cut).map(drop), Err(NoPicture::Damaged), "{} of {}", cut.len(), jpeg.len());
            }
        }
    }
    let png = as_png(&noise, |_| ());
    anew(&png).unwrap();
    assert_eq!(anew(&png[..png.len() / 2]), Err(NoPicture::Damaged));
    for bytes in
        [b"\xFF\xD8\xFFgarbage".as_slice(), b"GIF89agarbage", b"BM\0\0\0\0\0\0\0\0garbage", b"RIFF....WEBPgarbage"]
    {
        anew(bytes).expect_err("garbage");
    }
}

#[test]
fn what_cameras_leave_between_segments_and_behind_the_end_is_no_damage() {
    let whole = as_jpeg(&plain(GREEN, 32), |encoder| encoder.set_restart_interval(2));
    let app = with_segment(&whole, 0xE5, b"maker");
    let behind_app = 2 + 4 + 5;
    let padded =
        [&app[..behind_app], b"\0\0padding\xFF\xFF", &app[behind_app..], b"trailer of some camera\xFF\xD8\xFF"]
            .concat();
    let second = [whole.as_slice(), &as_jpeg(&plain(RED, 32), |_| ())].concat();
    for bytes in [padded, second] {
        is_about(*seen(&anew(&bytes).unwrap()).get_pixel(9, 9), GREEN);
    }
}

#[test]
fn what_would_not_fit_into_memory_is_refused_by_its_header() {
    let mut huge = as_png(&plain(GREEN, 8), |_| ());
    huge[16..24].copy_from_slice(&[0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]);
    assert!(anew(&huge).is_err());
    // A header that is right in itself: thirty thousand pixels a side.
    let bomb = {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 30_000, 30_000);
        encoder.set_color(png::ColorType::Rgb);
        drop(encoder.write_header().unwrap());
        bytes
    };
    assert_eq!(anew(&bomb), Err(NoPicture::TooManyPixels));
    let mut jpeg = as_jpeg(&plain(GREEN, 16), |_| ());
    let frame = jpeg.windows(2).position(|marker| marker == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0xFF]);
    assert_eq!(anew(&jpeg), Err(NoPicture::TooManyPixels));
    let mut gif = include_bytes!("../make_safe/samples/still.gif").to_vec();
    gif[6..10].copy_from_slice(&[0xFF; 4]);
    assert_eq!(anew(&gif), Err(NoPicture::TooManyPixels));
}

#[test]
fn what_would_take_a_core_for_long_is_refused_by_its_header() {
    let jpeg = |progressive: bool, inks: bool, (width, height): (u16, u16)| {
        let mut bytes = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 90);
        encoder.set_progressive(progressive);
        if inks {
            encoder.encode(&[9; 256], 8, 8, jpeg_encoder::ColorType::Cmyk).unwrap();
        } else {
            encoder.encode(&[9; 192], 8, 8, jpeg_encoder::ColorType::Rgb).unwrap();
        }
        let frame = bytes.windows(2).position(|marker| matches!(marker, [0xFF, 0xC0 | 0xC2])).unwrap();
        bytes[frame + 5..frame + 9].copy_from_slice(&[height.to_be_bytes(), width.to_be_bytes()].concat());
        memory(Source::Jpeg, &bytes)
    };
    // A phone's pictures are taken, as they are or as an editor saved them; its largest go beyond what anybody is shown.
    for (progressive, inks, most, too_many) in [
        (false, false, (6_528, 4_896), (8_160, 6_120)),
        (true, false, (4_096, 3_072), (4_624, 3_472)),
        (false, true, (3_264, 2_448), (4_032, 3_024)),
        (true, true, (3_264, 2_448), (4_032, 3_024)),
    ] {
        assert!(jpeg(progressive, inks, most).unwrap() <= MOST_MEMORY);
        assert_eq!(jpeg(progressive, inks, too_many), Err(NoPicture::TooManyPixels));
    }
    let png = |side: u16| {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, side.into(), side.into());
        encoder.set_color(png::ColorType::Rgba);
        drop(encoder.write_header().unwrap());
        memory(Source::Png, &bytes)
    };
    let gif = |side: u16| {
        let mut bytes = include_bytes!("../make_safe/samples/still.gif").to_vec();
        bytes[6..10].copy_from_slice(&[side.to_le_bytes(); 2].concat());
        memory(Source::Gif, &bytes)
    };
    let webp = |side: u16| {
        let [low, high] = side.to_le_bytes();
        let frame = [0x10, 0, 0, 0x9D, 0x01, 0x2A, low, high, low, high];
        memory(Source::Webp, &[b"RIFF\x16\0\0\0WEBPVP8 \x0A\0\0\0".as_slice(), &frame].concat())
    };
    for (taken, refused) in [(png(4_472), png(4_473)), (gif(4_472), gif(4_473)), (webp(3_549), webp(3_550))] {
        assert!(taken.unwrap() <= MOST_MEMORY);
        assert_eq!(refused, Err(NoPicture::TooManyPixels));
    }
}

#[test]
fn a_frame_that_is_larger_than_its_picture_is_not_decoded() {
    let gif = |frame: u16| {
        let mut bytes = Vec::new();
        let mut encoder = gif::Encoder::new(&mut bytes, 64, 64, &GREEN).unwrap();
        let pixels = vec![0; usize::from(frame) * usize::from(frame)];
        encoder.write_frame(&gif::Frame::from_indexed_pixels(frame, frame, pixels, None)).unwrap();
        drop(encoder);
        bytes
    };
    for frame in [32, 64] {
        let picture = anew(&gif(frame)).unwrap();
        assert_eq!((picture.width, picture.height), (64, 64));
    }
    assert_eq!(anew(&gif(4_096)), Err(NoPicture::Damaged));

    let webp = |side: u16| {
        let [low, high] = side.to_le_bytes();
        let frame = [0x10, 0, 0, 0x9D, 0x01, 0x2A, low, high, low, high];
        [b"RIFF\x24\0\0\0WEBPVP8X\x0A\0\0\0\0\0\0\0\x3F\0\0\x3F\0\0VP8 \x0A\0\0\0".as_slice(), &frame].concat()
    };
    memory(Source::Webp, &webp(64)).unwrap();
    assert_eq!(memory(Source::Webp, &webp(65)), Err(NoPicture::Damaged));
}

#[test]
fn a_moving_frame_that_is_of_another_size_than_it_says_is_refused() {
    let still = include_bytes!("../make_safe/samples/picture.webp");
    let moving = |side: u8| {
        let last = side - 1;
        let alpha = [b"ALPH\x41\0\0\0".as_slice(), &[0; 66]].concat();
        let frame =
            [&[0, 0, 0, 0, 0, 0, last, 0, 0, last, 0, 0, 100, 0, 0, 0], alpha.as_slice(), &still[12..]].concat();
        let length = u32::try_from(frame.len()).unwrap().to_le_bytes();
        let head = b"RIFF\0\x04\0\0WEBPVP8X\x0A\0\0\0\x12\0\0\0\x07\0\0\x07\0\0ANIM\x06\0\0\0\0\0\0\0\0\0ANMF";
        [head.as_slice(), &length, &frame].concat()
    };
    assert_eq!(seen(&anew(&moving(8)).unwrap()).dimensions(), (8, 8));
    for side in [4, 7] {
        assert_eq!(anew(&moving(side)), Err(NoPicture::Damaged));
    }
}

#[test]
fn a_progressive_jpeg_of_too_many_scans_is_refused() {
    let jpeg = as_jpeg(&plain(GREEN, 32), |encoder| encoder.set_progressive(true));
    let last = jpeg.windows(2).rposition(|marker| marker == [0xFF, 0xDA]).unwrap();
    let (scan, end) = jpeg[last..].split_at(jpeg.len() - last - 2);
    let with = |scans: usize| [&jpeg[..last], &scan.repeat(scans), end].concat();
    is_about(*seen(&anew(&with(10)).unwrap()).get_pixel(9, 9), GREEN);
    assert_eq!(anew(&with(60)), Err(NoPicture::Damaged));
}

#[test]
fn large_pictures_become_smaller_upright_and_keep_their_sides() {
    let wide = plain(GREEN, 64).resize_exact(9_000, 300, image::imageops::FilterType::Nearest);
    let picture = anew(&as_jpeg(&DynamicImage::ImageRgb8(wide.into_rgb8()), |_| ())).unwrap();
    assert_eq!((picture.width, picture.height, picture.changed.as_slice()), (4_096, 136, [Change::Size].as_slice()));
    is_about(*seen(&picture).get_pixel(99, 99), GREEN);

    let mut image = RgbImage::from_pixel(32, 16, Rgb(GREEN));
    for x in 0..32 {
        for y in 0..4 {
            image.put_pixel(x, y, Rgb(RED));
        }
    }
    // Turned by a quarter: what is above comes to the right.
    let exif = b"II\x2A\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    let bytes = as_jpeg(&DynamicImage::ImageRgb8(image), |encoder| encoder.add_exif_metadata(&exif).unwrap());
    let picture = anew(&bytes).unwrap();
    assert_eq!((picture.width, picture.height), (16, 32));
    let seen = seen(&picture);
    is_about(*seen.get_pixel(15, 20), RED);
    is_about(*seen.get_pixel(1, 20), GREEN);
}

#[test]
fn what_was_lossy_is_jpeg_what_was_not_is_png_while_small_and_grey_stays_grey() {
    let small = anew(&as_png(&plain(GREEN, 64), |_| ())).unwrap();
    assert_eq!((small.media_type, small.changed.len()), (MediaType::Png, 0));
    assert_eq!(anew(&as_jpeg(&plain(GREEN, 64), |_| ())).unwrap().media_type, MediaType::Jpeg);
    let noise = |side: u32| {
        let mut state = 1_u32;
        DynamicImage::ImageRgb8(RgbImage::from_fn(side, side, |_, _| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [a, b, c, _] = state.to_be_bytes();
            Rgb([a, b, c])
        }))
    };
    let large = anew(&as_png(&noise(800), |_| ())).unwrap();
    assert_eq!(large.media_type, MediaType::Jpeg, "over 1 MB as PNG");
    // Noise in full size does not fit, whatever the quality.
    let worst =
        anew(&as_png(&noise(2_500), |encoder| encoder.set_compression(png::Compression::NoCompression))).unwrap();
    assert!(worst.bytes.len() < 4 * 1024 * 1024, "{}", worst.bytes.len());
    let grey = anew(&as_png(&plain([90; 3], 64), |_| ())).unwrap();
    let decoded = image::load_from_memory(&grey.bytes).unwrap();
    assert!(matches!(decoded, DynamicImage::ImageLuma8(_)));
    for sample in [
        include_bytes!("../make_safe/samples/photo.jpg").as_slice(),
        include_bytes!("../make_safe/samples/progressive.jpg"),
        include_bytes!("../make_safe/samples/picture.png"),
        include_bytes!("../make_safe/samples/palette.png"),
        include_bytes!("../make_safe/samples/picture.bmp"),
        include_bytes!("../make_safe/samples/palette.bmp"),
        include_bytes!("../make_safe/samples/picture.webp"),
    ] {
        let picture = anew(sample).unwrap();
        let seen = seen(&picture);
        let before = image::load_from_memory(sample).unwrap().into_rgb8();
        // One of them lies on its side.
        let sides = |image: &RgbImage| (image.width().min(image.height()), image.width().max(image.height()));
        assert_eq!(sides(&seen), sides(&before));
    }
}

#[test]
fn a_label_of_generated_content_is_kept_though_the_metadata_goes() {
    let label = serde_json::json!({"Label": "1", "ContentProducer": "someone"});
    let text = br#"{"Label":"1","ContentProducer":"someone"}"#;
    let (png, jpeg) = (as_png(&plain(GREEN, 16), |_| ()), as_jpeg(&plain(GREEN, 16), |_| ()));
    for bytes in [
        with_chunk(&png, b"tEXt", &[b"AIGC\0".as_slice(), text].concat()),
        with_chunk(&png, b"zTXt", &[b"AIGC\0\0".as_slice(), &deflated(text)].concat()),
        with_chunk(&png, b"iTXt", &[b"AIGC\0\0\0\0\0".as_slice(), text].concat()),
        with_segment(&jpeg, 0xE1, &[b"Exif\0\0UserComment {\"AIGC\": ".as_slice(), text, b"}"].concat()),
    ] {
        let picture = anew(&bytes).unwrap();
        assert_eq!(picture.ai_label, Some(label.clone()));
        assert!(!picture.bytes.windows(4).any(|window| window == b"AIGC"));
    }
    assert_eq!(anew(&png).unwrap().ai_label, None);
}

#[test]
fn a_file_that_breaks_its_decoder_is_damaged() {
    // By zune-jpeg 0.5.15 with AVX2; elsewhere it may be a picture.
    let found = include_bytes!("../../../../tests/fuzz/seeds/pictures/found-wild-coefficients.jpg");
    assert!(anew(found).is_ok() || anew(found) == Err(NoPicture::Damaged));
}

/// A picture whose pixels are numbers of a palette's colours.
fn of_a_palette(palette: &[u8], opacities: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(palette.to_vec());
    if !opacities.is_empty() {
        encoder.set_trns(opacities.to_vec());
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[0, 1]).unwrap();
    writer.finish().unwrap();
    bytes
}

#[test]
fn a_palette_that_is_none_is_damage_and_breaks_nothing() {
    let colours = [10, 200, 90].repeat(256);
    for (length, opacities) in [(6, 0), (6, 2), (6, 1), (768, 256)] {
        let fine = of_a_palette(&colours[..length], &vec![255; opacities]);
        assert!(anew(&fine).is_ok(), "{length} bytes of colours, {opacities} opacities");
    }
    let long = [10, 200, 90].repeat(300);
    for (length, opacities) in
        [(1, 0), (2, 0), (4, 0), (49, 0), (50, 0), (767, 0), (769, 0), (771, 0), (900, 0), (6, 3), (6, 256)]
    {
        let broken = of_a_palette(&long[..length], &vec![255; opacities]);
        let told = anew(&broken);
        // A decoder may make do with some, and never break.
        assert!(matches!(told, Err(NoPicture::Damaged)) || length <= 768 && length % 3 == 0, "{length}, {opacities}");
    }
}

#[test]
fn a_preview_is_small_whatever_it_is_of_and_what_is_small_has_none() {
    let mut seed = 1_u32;
    let mut noise = || {
        // xorshift32: nothing that an encoder could make smaller.
        for by in [13_i32, -17, 5] {
            seed ^= if by > 0 { seed << by } else { seed >> -by };
        }
        seed.to_le_bytes()[0]
    };
    let noisy = DynamicImage::ImageRgb8(RgbImage::from_fn(1200, 900, |_, _| Rgb([noise(), noise(), noise()])));
    let grey = DynamicImage::ImageLuma8(image::GrayImage::from_fn(2000, 30, |x, _| image::Luma([(x % 251) as u8])));
    let grey = DynamicImage::ImageRgb8(grey.to_rgb8());
    for (image, source) in [(plain(GREEN, 481), Source::Png), (noisy, Source::Png), (grey, Source::Png)] {
        let preview = encode_anew(source, &as_png(&image, |_| {})).unwrap().preview.expect("a preview");
        assert!(preview.len() < 40 * 1024, "{}", preview.len());
        let seen = image::load_from_memory(&preview).unwrap();
        assert!(seen.width().max(seen.height()) <= 480 && seen.width().min(seen.height()) > 0);
        // The same picture, in the same proportions.
        let (wide, high) = (f64::from(image.width()), f64::from(image.height()));
        assert!((f64::from(seen.width()) / f64::from(seen.height()) / (wide / high)).ln().abs() < 0.15);
    }
    assert_eq!(encode_anew(Source::Png, &as_png(&plain(GREEN, 480), |_| {})).unwrap().preview, None);
}
