//! Pictures as people take and make them, drawn from a seed: a photo, a thing for sale, a page of writing.

use image::{Rgb, RgbImage};

/// Numbers that look random and are the same each time.
struct Draws(u64);

impl Draws {
    /// One of the numbers from `least` to below `below`.
    fn within(&mut self, least: u32, below: u32) -> u32 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let drawn = (mixed ^ (mixed >> 31)) % u64::from(below - least);
        least + u32::try_from(drawn).expect("less than a u32")
    }

    fn part(&mut self) -> f32 {
        self.within(0, 1_001) as f32 / 1_000.0
    }

    fn colour(&mut self) -> [f32; 3] {
        [0; 3].map(|_| self.within(20, 236) as f32)
    }
}

/// A surface that is random in a coarse grid and smooth in between, from 0 to 1.
struct Smooth {
    grid: Vec<f32>,
    across: usize,
    step: f32,
}

impl Smooth {
    fn new(draws: &mut Draws, (width, height): (u32, u32), step: u32) -> Self {
        let across = (width / step + 2) as usize;
        let points = across * (height / step + 2) as usize;
        Self { grid: (0..points).map(|_| draws.part()).collect(), across, step: step as f32 }
    }

    fn at(&self, x: u32, y: u32) -> f32 {
        let (x, y) = (x as f32 / self.step, y as f32 / self.step);
        let (left, top) = (x.floor(), y.floor());
        let eased = |part: f32| part * part * (3.0 - 2.0 * part);
        let (across, down) = (eased(x - left), eased(y - top));
        let first = top as usize * self.across + left as usize;
        let row = |first: usize| between(self.grid[first], self.grid[first + 1], across);
        between(row(first), row(first + self.across), down)
    }
}

/// A thing in the picture: a disc or a box.
struct Thing {
    middle: (f32, f32),
    half: (f32, f32),
    is_round: bool,
    colour: [f32; 3],
}

impl Thing {
    fn covers(&self, x: u32, y: u32) -> bool {
        let across = (x as f32 - self.middle.0) / self.half.0;
        let down = (y as f32 - self.middle.1) / self.half.1;
        if self.is_round { across * across + down * down < 1.0 } else { across.abs() < 1.0 && down.abs() < 1.0 }
    }
}

fn between(from: f32, to: f32, part: f32) -> f32 {
    from + (to - from) * part
}

fn mixed(from: [f32; 3], to: [f32; 3], part: f32) -> [f32; 3] {
    [between(from[0], to[0], part), between(from[1], to[1], part), between(from[2], to[2], part)]
}

/// A picture of that size like none of another seed. Every fourth is a page of writing, every fourth a thing for sale.
pub fn scene(seed: u64, size: (u32, u32)) -> RgbImage {
    let mut draws = Draws(seed.wrapping_mul(0x2545_F491_4F6C_DD1D));
    match seed % 4 {
        0 => page(&mut draws, size),
        1 => for_sale(&mut draws, size),
        _ => photo(&mut draws, size),
    }
}

/// Light that changes over the picture, things in it, and grain.
fn photo(draws: &mut Draws, (width, height): (u32, u32)) -> RgbImage {
    let (above, below, light) = (draws.colour(), draws.colour(), draws.colour());
    let coarse = Smooth::new(draws, (width, height), width / 3);
    let fine = Smooth::new(draws, (width, height), width / 9);
    let things: Vec<_> = (0..draws.within(2, 8)).map(|_| thing(draws, (width, height))).collect();
    RgbImage::from_fn(width, height, |x, y| {
        let mut colour = mixed(above, below, y as f32 / height as f32);
        colour = mixed(colour, light, 0.6 * coarse.at(x, y) + 0.25 * fine.at(x, y));
        for thing in things.iter().filter(|thing| thing.covers(x, y)) {
            colour = mixed(thing.colour, colour, 0.2);
        }
        grained(draws, colour, 6)
    })
}

fn thing(draws: &mut Draws, (width, height): (u32, u32)) -> Thing {
    Thing {
        middle: (draws.within(0, width) as f32, draws.within(0, height) as f32),
        half: (draws.within(width / 16, width / 4) as f32, draws.within(height / 16, height / 3) as f32),
        is_round: draws.within(0, 2) == 0,
        colour: draws.colour(),
    }
}

/// One thing of three shapes in the middle of white paper, on which a little shadow lies.
fn for_sale(draws: &mut Draws, (width, height): (u32, u32)) -> RgbImage {
    let shadow = Smooth::new(draws, (width, height), width / 2);
    let shapes = [4, 6, 14].map(|part| {
        let least = height / part / 2;
        let (off_x, off_y) = (draws.part() - 0.5, draws.part() - 0.5);
        Thing {
            middle: (width as f32 * (0.5 + off_x / 8.0), height as f32 * (0.5 + off_y / 8.0)),
            half: (draws.within(least, least * 2) as f32, draws.within(least, least * 2) as f32),
            is_round: draws.within(0, 2) == 0,
            colour: draws.colour(),
        }
    });
    RgbImage::from_fn(width, height, |x, y| {
        let mut colour = mixed([245.0; 3], [225.0; 3], shadow.at(x, y));
        for shape in shapes.iter().filter(|shape| shape.covers(x, y)) {
            colour = shape.colour;
        }
        grained(draws, colour, 2)
    })
}

fn grained(draws: &mut Draws, colour: [f32; 3], grain: u32) -> Rgb<u8> {
    let grain = draws.within(0, 2 * grain + 1) as f32 - grain as f32;
    Rgb(colour.map(|sample| (sample + grain).clamp(0.0, 255.0) as u8))
}

/// Lines of words, each word a row of strokes, on paper.
fn page(draws: &mut Draws, (width, height): (u32, u32)) -> RgbImage {
    let mut page = RgbImage::from_pixel(width, height, Rgb([245, 245, 242]));
    let line = draws.within(height / 14, height / 8);
    let mut top = line / 2;
    while top + line < height {
        let (mut left, end) = (width / 16, draws.within(width / 4, width - width / 16));
        while left < end {
            let word = draws.within(line / 2, line * 3);
            for (x, y) in (left..(left + word).min(end)).flat_map(|x| (top..top + line * 2 / 3).map(move |y| (x, y))) {
                if draws.within(0, 2) == 0 {
                    page.put_pixel(x, y, Rgb([40, 40, 48]));
                }
            }
            left += word + line / 2;
        }
        top += line;
    }
    page
}
