//! WAVE: the format, the number of samples and the samples; lists of texts, cue points and pictures are left out.
//!
//! Facts from Microsoft and IBM, Multimedia Programming Interface and Data Specifications 1.0 (1991), §3, and from
//! Microsoft's documentation of `WAVEFORMATEX` and `WAVEFORMATEXTENSIBLE`.

use greenlight::domain::media::MediaType;

use super::super::reader::Reader;
use super::super::{Found, Unfit};

const PCM: u16 = 0x0001;
const EXTENSIBLE: u16 = 0xFFFE;
/// The end of the subformats' GUIDs, behind the two bytes that are a plain format number.
const SUBFORMAT: &[u8] = b"\0\0\0\0\x10\0\x80\0\0\xAA\0\x38\x9B\x71";

fn damaged(what: &'static str) -> Unfit {
    Unfit::Damaged { media_type: MediaType::Wav, what }
}

/// Keeps `fmt `, `fact` and `data`, once each, and writes their lengths anew.
///
/// A recording that was broken off, or whose length was not known when it began, goes as far as its bytes do.
///
/// # Errors
/// `Damaged` if format or samples are missing, `NotAccepted` if the samples are coded in a way that is rare in WAVE.
pub(in super::super) fn clean(bytes: &[u8]) -> Result<Vec<u8>, Unfit> {
    let early = || damaged("it ends before its sound");
    let mut reader = Reader::new(bytes);
    reader.take(12).ok_or_else(early)?;
    let mut format: Option<(Vec<u8>, usize)> = None;
    let mut fact = None;
    loop {
        let name: [u8; 4] = reader.array().ok_or_else(early)?;
        let length = usize::try_from(reader.u32_le().ok_or_else(early)?).map_err(|_| early())?;
        if &name == b"data" {
            let (format, block) = format.ok_or(damaged("its format is missing"))?;
            // A recorder that writes as it goes leaves the length at 0.
            let length = if length == 0 { usize::MAX } else { length };
            let there = length.min(reader.rest().len());
            let samples = reader.take(there - there % block).unwrap_or_default();
            if samples.is_empty() {
                return Err(damaged("it holds no sound"));
            }
            return write(&format, fact, samples);
        }
        let content = reader.take(length).ok_or_else(early)?;
        // Chunks are filled up to an even length.
        reader.take(length % 2).ok_or_else(early)?;
        match &name {
            b"fmt " if format.is_none() => format = Some(read_format(content)?),
            b"fact" if fact.is_none() => fact = content.get(..4),
            _ => {}
        }
    }
}

/// The format chunk without what is appended to it, and the length of a block of samples.
fn read_format(content: &[u8]) -> Result<(Vec<u8>, usize), Unfit> {
    let wrong = || damaged("its format is wrong");
    let mut reader = Reader::new(content);
    let tag = reader.u16_le().ok_or_else(wrong)?;
    let channels = reader.u16_le().ok_or_else(wrong)?;
    reader.take(8).ok_or_else(wrong)?;
    let block = usize::from(reader.u16_le().ok_or_else(wrong)?);
    reader.take(2).ok_or_else(wrong)?;
    if channels == 0 || block == 0 {
        return Err(wrong());
    }
    let length = match tag {
        PCM => 16,
        EXTENSIBLE => {
            let known =
                content.get(26..40) == Some(SUBFORMAT) && matches!(content.get(24..26), Some([1 | 3 | 6 | 7, 0]));
            if !known {
                return Err(Unfit::NotAccepted { found: Found::OtherSound });
            }
            40
        }
        // Microsoft's and IMA's ADPCM, floating point, A-law and µ-law; some write no length of the extension.
        0x0002 | 0x0003 | 0x0006 | 0x0007 | 0x0011 => match reader.u16_le() {
            Some(extension) => 18 + usize::from(extension),
            None => 16,
        },
        _ => return Err(Unfit::NotAccepted { found: Found::OtherSound }),
    };
    // The longest is Microsoft's ADPCM with its coefficients, 50 bytes.
    if length > 64 {
        return Err(wrong());
    }
    Ok((content.get(..length).ok_or_else(wrong)?.to_vec(), block))
}

fn write(format: &[u8], fact: Option<&[u8]>, samples: &[u8]) -> Result<Vec<u8>, Unfit> {
    let mut clean = Vec::with_capacity(samples.len() + 128);
    clean.extend_from_slice(b"RIFF\0\0\0\0WAVE");
    for (name, content) in [(b"fmt ", Some(format)), (b"fact", fact), (b"data", Some(samples))] {
        let Some(content) = content else { continue };
        let length = u32::try_from(content.len()).map_err(|_| damaged("it is too large"))?;
        clean.extend_from_slice(name);
        clean.extend_from_slice(&length.to_le_bytes());
        clean.extend_from_slice(content);
        if content.len() % 2 == 1 {
            clean.push(0);
        }
    }
    let length = u32::try_from(clean.len() - 8).map_err(|_| damaged("it is too large"))?;
    if let Some(field) = clean.get_mut(4..8) {
        field.copy_from_slice(&length.to_le_bytes());
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOICE: &[u8] = include_bytes!("../samples/voice.wav");

    fn contains(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }

    fn samples(bytes: &[u8]) -> &[u8] {
        &bytes[bytes.windows(4).position(|name| name == b"data").unwrap() + 8..]
    }

    #[test]
    fn texts_are_gone_and_the_samples_are_the_same() {
        assert!(contains(VOICE, b"secret title"));
        let clean = clean(VOICE).unwrap();
        assert!(!contains(&clean, b"secret") && !contains(&clean, b"LIST"));
        assert_eq!(samples(&clean), samples(VOICE));
        assert_eq!(clean.len(), 44 + samples(VOICE).len());
        assert_eq!(usize::try_from(u32::from_le_bytes(clean[4..8].try_into().unwrap())).unwrap(), clean.len() - 8);
    }

    #[test]
    fn what_follows_the_samples_is_cut() {
        assert_eq!(clean(&[VOICE, b"id3 \x06\0\0\0secret"].concat()).unwrap(), clean(VOICE).unwrap());
    }

    #[test]
    fn an_unknown_length_goes_to_the_end_of_whole_blocks() {
        let mut bytes = clean(VOICE).unwrap();
        bytes[40..44].fill(0xFF);
        bytes.push(7);
        assert_eq!(clean(&bytes).unwrap(), clean(VOICE).unwrap());
    }

    #[test]
    fn mp3_in_a_wave_file_is_refused() {
        let mut bytes = VOICE.to_vec();
        bytes[20] = 0x55;
        assert_eq!(clean(&bytes), Err(Unfit::NotAccepted { found: Found::OtherSound }));
    }

    #[test]
    fn a_file_that_ends_before_its_samples_is_damaged() {
        for length in 0..VOICE.len() - samples(VOICE).len() + 2 {
            assert!(matches!(clean(&VOICE[..length]), Err(Unfit::Damaged { .. })), "{length}");
        }
    }
}
