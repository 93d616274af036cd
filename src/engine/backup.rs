//! Copies of files that are about to be replaced.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::sys;
use crate::sys::fs::{Context as _, PathError};

/// Writes `content` beside `path` as `<name>.bak.<UTC stamp>[-n]`, never over another file, synced.
///
/// # Errors
/// When the directory is not writable.
pub fn beside(path: &Path, content: &[u8]) -> Result<PathBuf, PathError> {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let stamp = sys::clock::now().format("%Y%m%dT%H%M%SZ");
    let mut n = 1;
    loop {
        let suffix = if n == 1 { String::new() } else { format!("-{n}") };
        let copy = path.with_file_name(format!("{name}.bak.{stamp}{suffix}"));
        match OpenOptions::new().write(true).create_new(true).open(&copy) {
            Ok(mut file) => {
                file.write_all(content).and_then(|()| file.sync_all()).at("write", &copy)?;
                return Ok(copy);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => n += 1,
            Err(source) => return Err(PathError { action: "create", path: copy, source }),
        }
    }
}
