//! What a picture looks like: a hash that stays nearly the same when it is compressed anew, scaled, or made a little brighter.

use greenlight::domain::picture_hash::PictureHash;
use image::DynamicImage;
use image_hasher::{FilterType, HashAlg, HasherConfig};

/// Six by six squares are compared, each with the one to its right and the one below. Of what the crate offers this told copies
/// from others best, as `it -- looks` measures it; and unlike what comes of a cosine transform, a plain picture's is plain.
const SIDE: u32 = 10;
/// So many of the bits compare squares side by side, and as many compare them one above the other.
const EACH_WAY: u32 = 30;
/// A direction in which no more than so many bits differ from all the others tells nothing.
const PLAIN: u32 = 4;

/// What a picture looks like; nothing where that would be shared by all plain ones: one colour, or light that goes one way.
pub(super) fn look_of(small: &DynamicImage) -> Option<PictureHash> {
    let hasher = HasherConfig::new()
        .hash_alg(HashAlg::DoubleGradient)
        .hash_size(SIDE, SIDE)
        .resize_filter(FilterType::Lanczos3)
        .to_hasher();
    let hash = hasher.hash_image(small);
    let bits = hash.as_bytes().iter().rev().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let is_plain = |bits: u64| {
        let set = (bits & ((1 << EACH_WAY) - 1)).count_ones();
        set.min(EACH_WAY - set) <= PLAIN
    };
    (!(is_plain(bits) && is_plain(bits >> EACH_WAY))).then_some(PictureHash(bits))
}
