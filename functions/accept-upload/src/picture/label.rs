//! The label that says a machine made it: read before metadata is dropped, and kept beside the medium.
//!
//! China's measures for labelling generated content (人工智能生成合成内容标识办法, in force since 2025-09-01) have makers
//! write a field `AIGC` into a file's metadata, and platforms look for it. GB 45438-2025, appendix E: its value is a JSON
//! object, `{"Label": "1", "ContentProducer": …}`; it stands in EXIF, XMP, a PNG's text, or a sound's ID3.

use std::io::Cursor;

use serde_json::{Map, Value};

use super::Source;

/// A label that is larger is none.
const LARGEST: usize = 2 * 1024;
/// What is kept of it: so many fields, each so long.
const FIELDS: usize = 8;
const LONGEST_FIELD: usize = 128;
/// What may stand between the field's name and its value.
const BETWEEN: usize = 64;
/// So many names are looked behind; a file of nothing but names would take seconds.
const NAMES: usize = 64;
/// So many texts of each kind are read in a PNG, and none that is longer unpacked: a few megabytes may hold gigabytes.
const TEXTS: usize = 16;
const LARGEST_TEXT: usize = 64 * 1024;

/// The label in a picture's metadata.
pub(crate) fn find_in_picture(source: Source, bytes: &[u8]) -> Option<Value> {
    // A PNG may keep its texts compressed; everything else says it in plain letters.
    let in_texts = if source == Source::Png { find_in_png_texts(bytes) } else { None };
    in_texts.or_else(|| find(bytes))
}

fn find_in_png_texts(bytes: &[u8]) -> Option<Value> {
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: 4 * LARGEST_TEXT });
    decoder.set_ignore_iccp_chunk(true);
    let reader = decoder.read_info().ok()?;
    let info = reader.info();
    let latin = info.uncompressed_latin1_text.iter().take(TEXTS);
    let latin = latin.map(|chunk| format!("{} {}", chunk.keyword, chunk.text));
    let compressed = info.compressed_latin1_text.iter().take(TEXTS).cloned().filter_map(|mut chunk| {
        chunk.decompress_text_with_limit(LARGEST_TEXT).ok()?;
        Some(format!("{} {}", chunk.keyword, chunk.get_text().ok()?))
    });
    let unicode = info.utf8_text.iter().take(TEXTS).cloned().filter_map(|mut chunk| {
        chunk.decompress_text_with_limit(LARGEST_TEXT).ok()?;
        Some(format!("{} {}", chunk.keyword, chunk.get_text().ok()?))
    });
    latin.chain(compressed).chain(unicode).find_map(|text| find(text.as_bytes()))
}

/// The first label in these bytes.
pub(crate) fn find(bytes: &[u8]) -> Option<Value> {
    const NAME: &[u8] = b"AIGC";
    let mut rest = bytes;
    for _ in 0..NAMES {
        let at = rest.windows(NAME.len()).position(|window| window == NAME)?;
        rest = rest.get(at + NAME.len()..)?;
        if let Some(label) = value(rest) {
            return Some(label);
        }
    }
    None
}

/// The JSON object that soon follows, if it is a label.
fn value(rest: &[u8]) -> Option<Value> {
    let begin = rest.iter().take(BETWEEN).position(|byte| *byte == b'{')?;
    let rest = rest.get(begin..)?;
    let end = rest.iter().take(LARGEST).position(|byte| *byte == b'}')?;
    let text = std::str::from_utf8(rest.get(..=end)?).ok()?;
    // In XML quotes are entities.
    let text = text.replace("&quot;", "\"").replace("&#34;", "\"").replace("&amp;", "&");
    let fields: Map<String, Value> = serde_json::from_str(&text).ok()?;
    fields.get("Label")?;
    let short = |text: &str| text.chars().take(LONGEST_FIELD).collect::<String>();
    let kept = fields.iter().take(FIELDS).filter_map(|(name, value)| match value {
        Value::String(text) => Some((short(name), Value::String(short(text)))),
        Value::Number(number) => Some((short(name), Value::String(number.to_string()))),
        _ => None,
    });
    Some(Value::Object(kept.collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_label_is_found_however_it_is_written() {
        let label = json!({"Label": "1", "ContentProducer": "someone"});
        for text in [
            r#"AIGC{"Label":"1","ContentProducer":"someone"}"#.to_owned(),
            r#"....{"AIGC": {"Label": "1", "ContentProducer": "someone"}}"#.to_owned(),
            r#"<TC260:AIGC>{"Label":"1","ContentProducer":"someone"}</TC260:AIGC>"#.to_owned(),
            r#"TC260:AIGC="{&quot;Label&quot;:&quot;1&quot;,&quot;ContentProducer&quot;:&quot;someone&quot;}""#
                .to_owned(),
            r#"AIGC nothing; AIGC={"Label":"1","ContentProducer":"someone"}"#.to_owned(),
        ] {
            assert_eq!(find(text.as_bytes()), Some(label.clone()), "{text}");
        }
    }

    /// A PNG of one pixel with that text in a chunk, compressed.
    fn png_with(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
        encoder.add_ztxt_chunk("Comment".to_owned(), text.to_owned()).unwrap();
        encoder.write_header().unwrap().write_image_data(&[0]).unwrap();
        bytes
    }

    #[test]
    fn a_compressed_text_is_read_unless_there_is_no_end_of_it() {
        let label = r#"AIGC{"Label":"1"}"#;
        let padded = |length| png_with(&format!("{label}{}", " ".repeat(length)));
        assert_eq!(find_in_picture(Source::Png, &padded(50_000)), Some(json!({"Label": "1"})));
        let bomb = padded(64 * 1024 * 1024);
        assert!(bomb.len() < 512 * 1024);
        assert_eq!(find_in_picture(Source::Png, &bomb), None);
    }

    #[test]
    fn names_that_no_label_follows_are_passed_over_until_there_are_too_many() {
        let behind = |names| format!(r#"{}AIGC{{"Label":"1"}}"#, format!("AIGC{}", " ".repeat(BETWEEN)).repeat(names));
        assert_eq!(find(behind(NAMES - 1).as_bytes()), Some(json!({"Label": "1"})));
        assert_eq!(find(behind(NAMES).as_bytes()), None);
    }

    #[test]
    fn what_is_no_label_is_none() {
        let long = format!(r#"AIGC{{"Label":"{}"}}"#, "x".repeat(3_000));
        for text in ["AIGC", "AIGC{}", r#"AIGC{"label":"1"}"#, r#"AIGC{"Label":"1""#, "aigc", &long] {
            assert_eq!(find(text.as_bytes()), None, "{text}");
        }
        let many: Map<String, Value> = (0..20).map(|n| (format!("Label{n}"), json!("x".repeat(60)))).collect();
        let mut many = many;
        many.insert("Label".to_owned(), json!(1));
        let kept = find(format!("AIGC{}", Value::Object(many)).as_bytes()).unwrap();
        assert!(kept.as_object().unwrap().len() <= FIELDS && kept.to_string().len() < 2_000);
    }
}
