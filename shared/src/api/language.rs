//! In which of two languages a person reads, and texts in both.

use http::header::ACCEPT_LANGUAGE;

/// In which language a person reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// Chinese, unless something else is asked for.
    #[default]
    Chinese,
    /// English.
    English,
}

impl Language {
    /// The language that `Accept-Language` prefers of the two; Chinese where it names neither.
    pub fn of(headers: &http::HeaderMap) -> Self {
        let header = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut best = (0.0_f32, Self::Chinese);
        for choice in header.split(',') {
            let mut parts = choice.split(';');
            let tag = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.trim().strip_prefix("q=").and_then(|weight| weight.parse().ok()));
            let language = match tag.split('-').next() {
                Some("zh") => Self::Chinese,
                Some("en") => Self::English,
                _ => continue,
            };
            let weight: f32 = weight.unwrap_or(1.0);
            if weight > best.0 {
                best = (weight, language);
            }
        }
        best.1
    }

    /// The one of two texts that is in this language.
    pub fn choose<'a>(self, chinese: &'a str, english: &'a str) -> &'a str {
        match self {
            Self::Chinese => chinese,
            Self::English => english,
        }
    }

    /// Its tag.
    pub fn tag(self) -> &'static str {
        self.choose("zh-CN", "en")
    }
}

/// A text in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// For whoever reads Chinese.
    pub zh: String,
    /// For whoever reads English.
    pub en: String,
}

impl Message {
    /// A text in both languages.
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }

    /// The text in one language.
    pub fn in_language(&self, language: Language) -> &str {
        language.choose(&self.zh, &self.en)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(header: &str) -> Language {
        let mut headers = http::HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, header.parse().unwrap());
        Language::of(&headers)
    }

    #[test]
    fn a_person_reads_the_language_asked_for_or_chinese() {
        assert_eq!(Language::of(&http::HeaderMap::new()), Language::Chinese);
        for (header, expected) in [
            ("en", Language::English),
            ("en-GB,zh;q=0.5", Language::English),
            ("zh-CN,en;q=0.9", Language::Chinese),
            ("fr", Language::Chinese),
            ("en;q=0.1, zh;q=0.2", Language::Chinese),
            ("fr, en;q=0.3", Language::English),
            ("*;q=x,,;", Language::Chinese),
        ] {
            assert_eq!(language(header), expected, "{header}");
        }
    }
}
