//! A copy of the folder of `--data` that another run can be started with, made while the first goes on.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::data_folder::FORMAT_FILE;
use crate::durable::Durability;
use crate::engines::{EngineError, dynamodb};
use crate::stack::OBJECTS;

/// Why there is no backup: one line, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Nothing is to be overwritten.
    #[error("{}: it is there already: name a folder that is not", .0.display())]
    Exists(PathBuf),
    /// There is nothing to copy.
    #[error("--data: {}: no run has kept anything here", .0.display())]
    NothingThere(PathBuf),
    /// The table could not be copied.
    #[error("the table could not be copied")]
    Table(#[from] EngineError),
    /// A file could not be copied.
    #[error("{}: {error}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
}

/// What was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// How many uploads, and media of submissions.
    pub objects: usize,
    /// How many bytes, the table's included.
    pub bytes: u64,
}

/// Copies what a run keeps in `data` into the new folder `to`.
///
/// Media never change, and are there before the table names them. So they are copied before the table and, those that
/// are new, after it: whatever the table's copy names is there. What was erased before the table was copied is left out.
pub fn copy(data: &Path, to: &Path) -> Result<Copied, BackupError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| BackupError::Io { path, error }
    };
    if !data.join(FORMAT_FILE).exists() {
        return Err(BackupError::NothingThere(data.to_owned()));
    }
    // It holds keys, and what only its author may see.
    private_folder(to).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => BackupError::Exists(to.to_owned()),
        _ => BackupError::Io { path: to.to_owned(), error },
    })?;
    let objects = data.join(OBJECTS);
    let mut copied = HashSet::new();
    copy_new(&objects, &to.join(OBJECTS), &mut copied)?;
    let there: HashSet<PathBuf> = files(&objects).map_err(failed(&objects))?.into_iter().collect();
    dynamodb::copy_table(data, &to.join(dynamodb::FILE))?;
    copied.retain(|file| {
        let erased = !there.contains(file);
        // It was copied a moment ago, so it can be removed; if not, an erased medium lies in the backup, unnamed.
        let _ = erased.then(|| fs::remove_file(to.join(OBJECTS).join(file)));
        !erased
    });
    copy_new(&objects, &to.join(OBJECTS), &mut copied)?;
    // The form last: without it the copy is not taken for whole.
    for name in ["keys.json", "simulator.json", FORMAT_FILE] {
        let file = data.join(name);
        if file.exists() {
            copy_file(&file, &to.join(name)).map_err(failed(&file))?;
        }
    }
    sync_folders(to).map_err(failed(to))?;
    let sizes =
        files(to).map_err(failed(to))?.into_iter().map(|file| fs::metadata(to.join(file)).map(|file| file.len()));
    let bytes = sizes.sum::<io::Result<u64>>().map_err(failed(to))?;
    Ok(Copied { objects: copied.len(), bytes })
}

fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Copies the files below `from` that were not copied yet.
fn copy_new(from: &Path, to: &Path, copied: &mut HashSet<PathBuf>) -> Result<(), BackupError> {
    for file in files(from).map_err(|error| BackupError::Io { path: from.to_owned(), error })? {
        if copied.contains(&file) {
            continue;
        }
        match copy_file(&from.join(&file), &to.join(&file)) {
            Ok(()) => drop(copied.insert(file)),
            // It was erased meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(BackupError::Io { path: from.join(file), error }),
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    // Opened first: what is gone makes no folder.
    let mut source = File::open(from)?;
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut copy = File::create(to)?;
    io::copy(&mut source, &mut copy)?;
    copy.sync_all()
}

/// The files below `folder`, by their path in it; none of those whose name begins with a dot.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(inner) = folders.pop() {
        let entries = match fs::read_dir(folder.join(&inner)) {
            // It was empty, and is gone.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = inner.join(entry.file_name());
            if entry.file_type()?.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}

/// Syncs `folder` and those below it.
fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    Durability::Synced.sync_folder(folder)
}
