//! What makes files and folders survive a power cut: they are synced, and so is each folder whose entries change.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Whether what is written is to be there after a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Everything is synced before it is acknowledged.
    Synced,
    /// Nothing is: for what ends with the process.
    Fleeting,
}

impl Durability {
    /// Writes a file that nobody reads yet.
    pub(crate) fn write(self, file: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create(file)?;
        file.write_all(bytes)?;
        match self {
            Self::Synced => file.sync_all(),
            Self::Fleeting => Ok(()),
        }
    }

    /// Makes a folder and those above it, as far as they are missing.
    pub(crate) fn make_folder(self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        let above = match folder.parent() {
            Some(above) if !above.as_os_str().is_empty() => above,
            _ => Path::new("."),
        };
        if !above.is_dir() {
            self.make_folder(above)?;
        }
        match fs::create_dir(folder) {
            // Somebody else made it meanwhile, and may have removed it again.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && !folder.is_file() => {}
            made => made?,
        }
        self.sync_folder(above)
    }

    /// Writes a folder's entries to the disk: what was made, renamed or deleted in it.
    pub(crate) fn sync_folder(self, folder: &Path) -> io::Result<()> {
        match self {
            Self::Synced => sync_folder(folder),
            Self::Fleeting => Ok(()),
        }
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Windows opens no folders as files; NTFS writes their entries to its journal.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Writes a file that only this user can read, whole or not at all, in the place of the one that is there.
pub(crate) fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut whole = tempfile::NamedTempFile::new_in(folder)?;
    whole.write_all(bytes)?;
    whole.as_file().sync_all()?;
    whole.persist(file)?;
    Durability::Synced.sync_folder(folder)
}
