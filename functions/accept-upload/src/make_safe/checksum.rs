//! The cyclic redundancy checks of Ogg and FLAC: so that a damaged file is told from a whole one.

use std::sync::LazyLock;

/// Ogg's CRC-32 (RFC 3533, §6: polynomial 0x04C11DB7, not reflected, starting from zero) over several pieces.
pub(super) fn ogg_crc(pieces: &[&[u8]]) -> u32 {
    static TABLE: LazyLock<[u32; 256]> =
        LazyLock::new(|| {
            std::array::from_fn(|index| {
                (0..8).fold((index as u32) << 24, |crc, _| {
                    if crc & 0x8000_0000 != 0 { (crc << 1) ^ 0x04C1_1DB7 } else { crc << 1 }
                })
            })
        });
    let table = &*TABLE;
    pieces.iter().copied().flatten().fold(0, |crc, byte| at(table, (crc >> 24) as u8 ^ byte) ^ (crc << 8))
}

/// FLAC's CRC-8 over a frame's header (RFC 9639, §9.1.8: polynomial 0x07). With the check itself it comes to zero.
pub(super) fn flac_crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc: u8, _| if crc & 0x80 != 0 { (crc << 1) ^ 0x07 } else { crc << 1 })
    })
}

/// FLAC's CRC-16 over a frame (RFC 9639, §9.3: polynomial 0x8005), one byte further.
/// Over a whole frame with its check it comes to zero.
pub(super) fn flac_crc16(crc: u16, byte: u8) -> u16 {
    static TABLE: LazyLock<[u16; 256]> = LazyLock::new(|| {
        std::array::from_fn(|index| {
            (0..8).fold((index as u16) << 8, |crc, _| if crc & 0x8000 != 0 { (crc << 1) ^ 0x8005 } else { crc << 1 })
        })
    });
    at(&TABLE, (crc >> 8) as u8 ^ byte) ^ (crc << 8)
}

fn at<T: Copy + Default>(table: &[T; 256], index: u8) -> T {
    table.get(usize::from(index)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values for "123456789" in the catalogue of parametrised CRC algorithms (reveng.sourceforge.io).
    #[test]
    fn each_agrees_with_the_catalogues_check_value() {
        assert_eq!(flac_crc8(b"123456789"), 0xF4); // CRC-8/SMBUS
        assert_eq!(b"123456789".iter().fold(0, |crc, byte| flac_crc16(crc, *byte)), 0xFEE8); // CRC-16/UMTS
    }
}
