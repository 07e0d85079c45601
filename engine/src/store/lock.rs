//! The lock of the writing process. The operating system releases it when the process ends, so a
//! killed process leaves no lock behind.
//!
//! An object store has no such lock: of two writers, the second commit fails. That needs
//! conditional writes (`If-None-Match`), which not every S3-compatible store supports; this is
//! tested.

use std::fs::{File, TryLockError};

use crate::storage::Storage;
use crate::{Error, Result};

/// The right to write to a store; given back when dropped.
#[derive(Debug)]
pub struct Lock {
    _file: Option<File>,
}

impl Lock {
    /// Takes the lock of a store. If another process has it, `waiting` is called once, and this
    /// call returns when that process is done.
    ///
    /// # Errors
    /// When the lock file cannot be made, or the file system has no locks; when an object store
    /// would let two writers make the same version.
    pub fn take(storage: &Storage, waiting: impl FnOnce()) -> Result<Self> {
        let Some(folder) = storage.local_folder() else {
            storage.try_to_overwrite("lock")?;
            return Ok(Self { _file: None });
        };
        let path = folder.join("lock");
        let failed = |cause| Error::io(&path, cause);
        let mut options = File::options();
        let file = options.create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting();
                file.lock().map_err(failed)?;
            }
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        Ok(Self { _file: Some(file) })
    }
}
