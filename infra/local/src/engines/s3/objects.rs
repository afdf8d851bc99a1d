//! Objects as files: one file an object, with nothing in it but the object's bytes.
//!
//! An object appears whole or not at all, and what is said to be written or deleted is so after a power cut: bytes are
//! synced before they get their name, and each folder whose entries change is synced before the caller hears of it.
//! Attributes are not kept, for nothing asks for them: a submission knows its media's types and hashes.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::durable::Durability;

/// Where objects are written before they get their name; no bucket's name begins with a dot.
const STAGING: &str = ".staging";

/// The files of all buckets. Its methods block.
#[derive(Debug)]
pub(super) struct Objects {
    root: PathBuf,
    durability: Durability,
    staged: AtomicU64,
}

/// A part of an object.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) bytes: Vec<u8>,
    /// Which bytes these are.
    pub(super) range: Range<u64>,
    /// How many the object has.
    pub(super) of: u64,
}

impl Objects {
    /// The objects in `root`; makes the `buckets` that are not there yet, and clears away what a killed process left.
    pub(super) fn open(root: &Path, buckets: &[&str], durability: Durability) -> io::Result<Self> {
        let objects = Self { root: root.to_owned(), durability, staged: AtomicU64::new(0) };
        let staging = root.join(STAGING);
        match fs::remove_dir_all(&staging) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => durability.make_folder(&staging)?,
        }
        for bucket in buckets {
            durability.make_folder(&root.join(bucket))?;
        }
        Ok(objects)
    }

    /// Whether there is such a bucket.
    pub(super) fn has_bucket(&self, bucket: &str) -> bool {
        is_name(bucket) && self.root.join(bucket).is_dir()
    }

    /// Writes an object, in the place of one that is there or, with `only_new`, where none is.
    ///
    /// # Errors
    /// `AlreadyExists` if one is there and must not be; `InvalidInput` if a file cannot have this name.
    pub(super) fn put(&self, bucket: &str, key: &str, bytes: &[u8], only_new: bool) -> io::Result<()> {
        let place = self.place(bucket, key)?;
        let staged = self.root.join(STAGING).join(self.staged.fetch_add(1, Ordering::Relaxed).to_string());
        let written = self.durability.write(&staged, bytes).and_then(|()| self.give_name(&staged, &place, only_new));
        if written.is_err() {
            // Best effort; the next start clears it away.
            let _ = fs::remove_file(&staged);
        }
        written
    }

    fn give_name(&self, staged: &Path, place: &Path, only_new: bool) -> io::Result<()> {
        let folder = place.parent().unwrap_or(&self.root);
        loop {
            let named = self.durability.make_folder(folder).and_then(|()| {
                // A link, unlike a renaming, replaces nothing.
                if only_new { fs::hard_link(staged, place) } else { fs::rename(staged, place) }
            });
            match named {
                // Somebody has deleted the folder's last object, and the folder with it.
                Err(error) if error.kind() == ErrorKind::NotFound && staged.exists() => {}
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        if only_new {
            fs::remove_file(staged)?;
        }
        self.sync_above(place)
    }

    /// Syncs every folder from the one in which `place` is up to the bucket's: another process, or another request, may
    /// have made or removed some of them and not have come to it. Syncing what has not changed costs next to nothing.
    fn sync_above(&self, place: &Path) -> io::Result<()> {
        for folder in place.ancestors().skip(1).take_while(|folder| *folder != self.root) {
            match self.durability.sync_folder(folder) {
                // It was removed meanwhile; the one above says so.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                synced => synced?,
            }
        }
        Ok(())
    }

    /// An object, or the part of it that `choose` chooses when it is told how many bytes there are; nothing if it chooses
    /// none.
    ///
    /// # Errors
    /// `NotFound` if there is no such object.
    pub(super) fn read(
        &self,
        bucket: &str,
        key: &str,
        choose: impl FnOnce(u64) -> Option<Range<u64>>,
    ) -> io::Result<Option<Part>> {
        let mut file = File::open(self.place(bucket, key)?)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(ErrorKind::NotFound.into());
        }
        let Some(range) = choose(about.len()) else { return Ok(None) };
        file.seek(SeekFrom::Start(range.start))?;
        let mut bytes = Vec::new();
        file.take(range.end.saturating_sub(range.start)).read_to_end(&mut bytes)?;
        Ok(Some(Part { bytes, range, of: about.len() }))
    }

    /// Deletes an object, and the folders that are empty without it; one that is not there is as good as deleted.
    pub(super) fn delete(&self, bucket: &str, key: &str) -> io::Result<()> {
        let place = self.place(bucket, key)?;
        match fs::remove_file(&place) {
            // Perhaps it was deleted just now, and not synced yet.
            Err(error) if error.kind() == ErrorKind::NotFound => return self.sync_above(&place),
            removed => removed?,
        }
        let bucket = self.root.join(bucket);
        // A folder that is not empty cannot be removed, nor can those above it.
        let _ = place.ancestors().skip(1).take_while(|folder| *folder != bucket).try_for_each(fs::remove_dir);
        self.sync_above(&place)
    }

    /// Where an object's file is: the key's parts are folders.
    fn place(&self, bucket: &str, key: &str) -> io::Result<PathBuf> {
        let refused = || io::Error::new(ErrorKind::InvalidInput, "not a name for an object's file");
        if !is_name(bucket) || key.split('/').any(|part| !is_name(part)) {
            return Err(refused());
        }
        Ok(self.root.join(bucket).join(key))
    }
}

/// Whether `text` is one plain name of a file, and not of the files that begin with a dot.
fn is_name(text: &str) -> bool {
    let mut components = Path::new(text).components();
    let plain = matches!((components.next(), components.next()), (Some(Component::Normal(name)), None) if name == text);
    plain && !text.starts_with('.') && !text.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(objects: &Objects, key: &str) -> Vec<u8> {
        objects.read("bucket", key, |length| Some(0..length)).unwrap().unwrap().bytes
    }

    #[test]
    fn what_is_deleted_leaves_neither_file_nor_folder() {
        let root = tempfile::tempdir().unwrap();
        let objects = Objects::open(root.path(), &["bucket"], Durability::Synced).unwrap();
        objects.put("bucket", "media/1/a", b"a", false).unwrap();
        objects.put("bucket", "media/1/b", b"b", true).unwrap();
        objects.delete("bucket", "media/1/a").unwrap();
        assert_eq!(read(&objects, "media/1/b"), b"b");
        objects.delete("bucket", "media/1/b").unwrap();
        objects.delete("bucket", "media/1/b").unwrap();
        let left = |folder: &str| fs::read_dir(root.path().join(folder)).unwrap().count();
        assert_eq!((left("bucket"), left(STAGING)), (0, 0));
    }

    #[test]
    fn no_key_leads_out_of_the_bucket() {
        let root = tempfile::tempdir().unwrap();
        let objects = Objects::open(root.path(), &["bucket"], Durability::Fleeting).unwrap();
        for key in ["", "/", "/a", "a/", "a//b", "..", "../x", "a/../../x", "./a", ".a", "a/.b", "a\0b"] {
            assert_eq!(objects.put("bucket", key, b"", false).unwrap_err().kind(), ErrorKind::InvalidInput, "{key}");
            assert_eq!(objects.delete("bucket", key).unwrap_err().kind(), ErrorKind::InvalidInput, "{key}");
        }
        for bucket in ["", ".", "..", STAGING, "a/b"] {
            assert!(!objects.has_bucket(bucket) && objects.put(bucket, "k", b"", false).is_err(), "{bucket}");
        }
    }

    #[test]
    fn objects_appear_whole_while_their_folder_comes_and_goes() {
        let root = tempfile::tempdir().unwrap();
        let objects = Objects::open(root.path(), &["bucket"], Durability::Fleeting).unwrap();
        std::thread::scope(|scope| {
            for name in ["a", "b", "c"] {
                let objects = &objects;
                scope.spawn(move || {
                    let key = format!("media/1/{name}");
                    for _ in 0..300 {
                        objects.put("bucket", &key, name.as_bytes(), false).unwrap();
                        assert_eq!(read(objects, &key), name.as_bytes());
                        objects.delete("bucket", &key).unwrap();
                    }
                });
            }
        });
    }

    #[test]
    fn what_a_killed_process_was_writing_is_cleared_away() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join(STAGING)).unwrap();
        fs::write(root.path().join(STAGING).join("0"), "half").unwrap();
        let objects = Objects::open(root.path(), &["bucket"], Durability::Synced).unwrap();
        assert_eq!(fs::read_dir(root.path().join(STAGING)).unwrap().count(), 0);
        objects.put("bucket", "k", b"whole", true).unwrap();
        assert_eq!(objects.put("bucket", "k", b"other", true).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(read(&objects, "k"), b"whole");
    }
}
