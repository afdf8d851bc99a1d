//! How well a picture is known again by its look, measured: how many copies are, and how many others are taken for copies.

use std::thread;

use accept_upload::picture::{Source, encode_anew};
use greenlight::domain::picture_hash::PictureHash;
use greenlight_tests::pictures::{GREEN, as_jpeg, as_png, brighter, photo, picture, scaled, scene};
use image::{Rgb, RgbImage};

/// So many pictures are drawn: a half are photos, a quarter things for sale on white, a quarter pages of writing.
const PICTURES: u64 = 300;
const SIZE: (u32, u32) = (128, 96);
/// A way to copy a picture, by name.
type Copying = (&'static str, fn(&RgbImage) -> Vec<u8>);
/// What people's phones and other apps make of a picture.
const COPIES: [Copying; 5] = [
    ("JPEG of quality 80", |picture| as_jpeg(picture, 80)),
    ("JPEG of quality 50", |picture| as_jpeg(picture, 50)),
    ("scaled to 70 %, JPEG", |picture| as_jpeg(&scaled(picture, 70), 80)),
    ("a little brighter, JPEG", |picture| as_jpeg(&brighter(picture, 8), 80)),
    ("JPEG of quality 30", |picture| as_jpeg(picture, 30)),
];

/// What it looks like once it is uploaded.
fn look_of(file: &[u8]) -> Option<PictureHash> {
    encode_anew(Source::of(file).expect("a picture"), file).expect("a picture").look
}

/// The looks of a picture and of its copies.
fn looks_of(seed: u64) -> Vec<Option<PictureHash>> {
    let picture = scene(seed, SIZE);
    let copies = COPIES.iter().map(|(_, copy)| look_of(&copy(&picture)));
    [look_of(&as_png(&picture))].into_iter().chain(copies).collect()
}

#[test]
#[expect(clippy::print_stdout, reason = "what was measured is to be read")]
fn copies_are_known_again_and_others_are_not_taken_for_them() {
    const THREADS: u64 = 4;
    let looks: Vec<_> = thread::scope(|scope| {
        let share = |first| (first..PICTURES).step_by(THREADS as usize).map(looks_of).collect::<Vec<_>>();
        let shares: Vec<_> = (0..THREADS).map(|first| scope.spawn(move || share(first))).collect();
        shares.into_iter().flat_map(|share| share.join().unwrap()).collect()
    });
    let alike = |one: Option<PictureHash>, other: Option<PictureHash>| {
        one.zip(other).is_some_and(|(one, other)| one.is_like(other))
    };
    let mut known = 0;
    for (index, (name, _)) in COPIES.iter().enumerate() {
        let of_this = looks.iter().filter(|looks| alike(looks[0], looks[index + 1])).count();
        println!("{name}: {of_this} of {PICTURES} known again");
        known += of_this;
    }
    let pairs: Vec<_> = (0..looks.len()).flat_map(|one| (0..one).map(move |other| (one, other))).collect();
    let taken_for_another =
        |(one, other): &(usize, usize)| looks[*one].iter().any(|look| alike(*look, looks[*other][0]));
    let mistaken = pairs.iter().filter(|pair| taken_for_another(pair)).count();
    let without = looks.iter().filter(|looks| looks[0].is_none()).count();
    let copies = looks.len() * COPIES.len();
    println!(
        "{known} of {copies} copies known again; {mistaken} of {} pairs of others mistaken; {without} have no look",
        pairs.len()
    );
    assert!(known * 100 >= copies * 92, "{known} of {copies}");
    assert!(mistaken * 10_000 <= pairs.len(), "{mistaken} of {}", pairs.len());
    assert!(without * 100 <= looks.len(), "{without}");
}

#[test]
fn what_is_plain_looks_like_nothing() {
    let slope = RgbImage::from_fn(300, 200, |x, _| Rgb([(x / 2) as u8; 3]));
    let both_ways = RgbImage::from_fn(300, 200, |x, y| Rgb([(x / 4 + y / 4) as u8; 3]));
    let white = RgbImage::from_pixel(300, 200, Rgb([255; 3]));
    let mut dotted = white.clone();
    dotted.put_pixel(150, 100, Rgb([0; 3]));
    for plain in [&slope, &both_ways, &white, &dotted] {
        assert_eq!(look_of(&as_png(plain)), None);
        assert_eq!(look_of(&as_jpeg(plain, 60)), None);
    }
    for seed in [3, 4, 5, 250] {
        assert_eq!(look_of(&picture(GREEN, seed)), None);
    }
    assert_eq!(look_of(&photo(GREEN)), None);
}
