//! The folder of `--data`: who holds it, and which form its files have.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::durable::{Durability, write_private};
use crate::engines::dynamodb;

/// Which form the files have that this version writes. It is one more with each release whose files an older one could
/// not read; what this version reads goes back to 1.
const FORMAT: u32 = 1;
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Says which form the others have. It is written first, and last into a backup: a folder without it is not whole.
pub(crate) const FORMAT_FILE: &str = "format.json";
const LOCK_FILE: &str = "lock";

#[derive(Debug, Serialize, Deserialize)]
struct Format {
    format: u32,
    written_by: String,
}

/// Why the folder cannot be used: one line, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Another run has it.
    #[error("--data: {}: another run{} is using this folder: end it, or name another folder", .folder.display(), process(*.pid))]
    Held {
        /// The folder.
        folder: PathBuf,
        /// Who holds it, if it could say so.
        pid: Option<u32>,
    },
    /// A file is there, not a folder.
    #[error("--data: {}: this is a file, not a folder", .folder.display())]
    NotAFolder {
        /// The file.
        folder: PathBuf,
    },
    /// It was written by a version that this one does not know.
    #[error(
        "--data: {}: written by Greenlight {written_by}, which is newer than this one ({VERSION}): run that one, or \
         restore a backup from before it",
        .folder.display()
    )]
    Newer {
        /// The folder.
        folder: PathBuf,
        /// Which version wrote it.
        written_by: String,
    },
    /// There is a table, and nothing says which form it has.
    #[error(
        "--data: {}: it has no {FORMAT_FILE}, so it is an unfinished backup, or written by a build before 0.1.0, which \
         this one cannot read: name another folder",
        .folder.display()
    )]
    Unknown {
        /// The folder.
        folder: PathBuf,
    },
    /// A file of it is not what it should be.
    #[error("--data: {}: {error}: restore this file from a backup", .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        error: serde_json::Error,
    },
    /// It cannot be written or read.
    #[error("--data: {}: {error}{}", .path.display(), remedy(.error))]
    Io {
        /// The folder, or a file in it.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
}

fn process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

/// What somebody can do about it.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied => ": let this user write there, or name another folder",
        ErrorKind::ReadOnlyFilesystem => ": mount it writable, or name another folder",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ": free some space, then start again",
        _ => "",
    }
}

/// The folder, held until it is dropped or the process is gone.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder if it is not there, and holds it: two runs would spoil each other's table.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let failed = |error| DataError::Io { path: path.to_owned(), error };
        Durability::Synced.make_folder(path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => DataError::NotAFolder { folder: path.to_owned() },
            _ => failed(error),
        })?;
        let lock = File::options().read(true).write(true).create(true).truncate(false).open(path.join(LOCK_FILE));
        let mut lock = lock.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let pid = lock.read_to_string(&mut pid).ok().and_then(|_| pid.trim().parse().ok());
                return Err(DataError::Held { folder: path.to_owned(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        lock.set_len(0).and_then(|()| lock.rewind()).map_err(failed)?;
        writeln!(lock, "{}", std::process::id()).map_err(failed)?;
        require_known_format(path)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Refuses a folder of another form; says in a new one which form it has.
fn require_known_format(folder: &Path) -> Result<(), DataError> {
    let file = folder.join(FORMAT_FILE);
    let written = match fs::read(&file) {
        Ok(json) => serde_json::from_slice::<Format>(&json).map_err(|error| DataError::Damaged { file, error })?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return match folder.join(dynamodb::FILE).exists() {
                true => Err(DataError::Unknown { folder: folder.to_owned() }),
                false => write_format(folder),
            };
        }
        Err(error) => return Err(DataError::Io { path: file, error }),
    };
    match written.format {
        FORMAT => Ok(()),
        ..FORMAT => write_format(folder),
        _ => Err(DataError::Newer { folder: folder.to_owned(), written_by: written.written_by }),
    }
}

fn write_format(folder: &Path) -> Result<(), DataError> {
    let file = folder.join(FORMAT_FILE);
    let format = Format { format: FORMAT, written_by: VERSION.to_owned() };
    let json = serde_json::to_vec(&format).unwrap_or_default();
    write_private(&file, &json).map_err(|error| DataError::Io { path: file, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_by_one_run_which_the_other_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("data");
        let held = DataFolder::open(&folder).unwrap();
        let told = DataFolder::open(&folder).unwrap_err().to_string();
        let pid = std::process::id();
        assert!(
            told.ends_with(&format!(
                "another run (process {pid}) is using this folder: end it, or name another folder"
            )),
            "{told}"
        );
        drop(held);
        DataFolder::open(&folder).unwrap();
    }

    #[test]
    fn a_folder_of_another_form_is_left_as_it_is() {
        let told = |files: &[(&str, &str)]| {
            let folder = tempfile::tempdir().unwrap();
            for (name, text) in files {
                fs::write(folder.path().join(name), text).unwrap();
            }
            let told = DataFolder::open(folder.path()).unwrap_err().to_string();
            for (name, text) in files {
                assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), *text);
            }
            told
        };
        let newer = told(&[(FORMAT_FILE, r#"{"format":2,"written_by":"9.1.0"}"#)]);
        assert!(newer.contains("written by Greenlight 9.1.0, which is newer than this one"), "{newer}");
        assert!(told(&[(dynamodb::FILE, "")]).contains("it has no format.json"));
        assert!(told(&[(FORMAT_FILE, "{")]).contains("restore this file from a backup"));
    }
}
