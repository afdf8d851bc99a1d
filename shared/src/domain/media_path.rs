//! The paths of media: WeChat's, the author's, and everyone's.

use super::ids::{SubmissionId, UrlSecret};
use super::media::MediaType;

/// What a path under `/media/` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaPath {
    /// The submission.
    pub submission: SubmissionId,
    /// Which of its media.
    pub index: u8,
    /// What the path has for a secret; none in the path that is good for everyone once it is approved. Not checked yet.
    pub secret: Option<String>,
    /// The type that the path's ending says. Not checked yet.
    pub media_type: MediaType,
}

/// The path of an approved medium: unchanging, good for everyone.
pub fn public(submission: &SubmissionId, index: u8, media_type: MediaType) -> String {
    format!("media/{submission}/{index}.{}", media_type.extension())
}

/// A path that is known only to whom it was told: WeChat (with a new secret each attempt) or the author.
pub fn with_secret(submission: &SubmissionId, index: u8, secret: &UrlSecret, media_type: MediaType) -> String {
    format!("media/{submission}/{index}/{}.{}", secret.as_str(), media_type.extension())
}

/// Reads what comes after `/media/`.
pub fn parse(path: &str) -> Option<MediaPath> {
    let (path, extension) = path.rsplit_once('.')?;
    let media_type = MediaType::from_extension(extension)?;
    let mut segments = path.split('/');
    let submission = SubmissionId::parse(segments.next()?).ok()?;
    let index = segments.next()?;
    // One way to write a number, so that a medium has one path.
    let index = index.parse::<u8>().ok().filter(|number| number.to_string() == index)?;
    let secret = segments.next().map(str::to_owned);
    segments.next().is_none().then_some(MediaPath { submission, index, secret, media_type })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let (id, secret) = (SubmissionId::random(), UrlSecret::random());
        let path = public(&id, 3, MediaType::Png);
        let read = parse(path.strip_prefix("media/").unwrap()).unwrap();
        assert_eq!((read.submission, read.index, read.secret, read.media_type), (id.clone(), 3, None, MediaType::Png));
        let path = with_secret(&id, 3, &secret, MediaType::Mp3);
        assert_eq!(parse(path.strip_prefix("media/").unwrap()).unwrap().secret.as_deref(), Some(secret.as_str()));
    }

    #[test]
    fn other_paths_are_not() {
        let id = SubmissionId::random();
        for tail in ["03.png", "+3.png", "3", "3.exe", "3/a/b.png", "300.png", "/3.png", "3.png/"] {
            assert_eq!(parse(&format!("{id}/{tail}")), None, "{tail}");
        }
        assert_eq!(parse("x/3.png"), None);
    }

    proptest! {
        #[test]
        fn no_path_makes_a_panic(path in "\\PC{0,80}") {
            let _ = parse(&path);
        }
    }
}
