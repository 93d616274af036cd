//! Files: whole, atomic writes and bounded reads. An error never travels without its path.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::sys::signal::{SigSet, Signal};

/// An IO error with the path and what was tried.
#[derive(Debug, thiserror::Error)]
#[error("{action} {}: {source}", path.display())]
pub struct PathError {
    /// What was tried, for example `read`.
    pub action: &'static str,
    /// On which path.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

/// Adds a path to an IO error.
pub trait Context<T> {
    /// Wraps the error.
    ///
    /// # Errors
    /// The same error, with its path.
    fn at(self, action: &'static str, path: &Path) -> Result<T, PathError>;
}

impl<T> Context<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, PathError> {
        self.map_err(|source| PathError { action, path: path.to_path_buf(), source })
    }
}

/// Whether a write must survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Synced to the disk, file and directory, before this returns.
    Synced,
    /// Left to the operating system; survives the death of the process.
    Cached,
}

/// Makes a write beyond the file size limit (`ulimit -f`) an error that can be reported, instead of a signal that ends
/// this process half-way. Call it before the first thread is started. `sys::proc` lets no child inherit it.
pub fn report_size_limit() {
    // Only an invalid set of signals makes this fail.
    let _ = SigSet::from(Signal::SIGXFSZ).thread_block();
}

/// Replaces a file as a whole: temporary file in the same directory, rename. Readers see the old or the new
/// content, never a part; on any error the old file is untouched and the temporary file is gone.
/// The file's permissions are kept when it exists. A symbolic link is followed, its target replaced.
///
/// # Errors
/// When the directory is missing, not writable, or the disk is full.
pub fn write_atomic(path: &Path, content: &[u8], durability: Durability) -> Result<(), PathError> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let dir = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // `tempfile` creates files for the owner only; ours are as readable as any other file, within the umask.
    builder.prefix(".autodev-").suffix(".tmp").permissions(fs::Permissions::from_mode(0o666));
    let mut temp = builder.tempfile_in(dir).at("write", path)?;
    // Not through `temp` itself, whose errors name the temporary file as well.
    temp.as_file_mut().write_all(content).at("write", path)?;
    if let Ok(metadata) = fs::metadata(&target) {
        temp.as_file().set_permissions(metadata.permissions()).at("write", path)?;
    }
    if durability == Durability::Synced {
        temp.as_file().sync_all().at("sync", path)?;
    }
    temp.persist(&target).map_err(|e| e.error).at("replace", path)?;
    if durability == Durability::Synced {
        sync_dir(dir)?;
    }
    Ok(())
}

/// Creates a file as a whole, never over anything: whatever has the name, a link that leads nowhere too, stays. Returns
/// whether the file was created. Its permissions are those of any new file, or of any new program.
///
/// # Errors
/// When the directory is missing, not writable, or the disk is full; nothing is left behind then.
pub fn write_new(path: &Path, content: &[u8], is_executable: bool) -> Result<bool, PathError> {
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = if is_executable { 0o777 } else { 0o666 };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".autodev-").suffix(".tmp").permissions(fs::Permissions::from_mode(mode));
    let mut temp = builder.tempfile_in(dir).at("write", path)?;
    temp.as_file_mut().write_all(content).at("write", path)?;
    match temp.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        // Some file systems can neither link nor refuse to replace; nothing being there has to be enough on them.
        Err(error) if path.symlink_metadata().is_err() => {
            error.file.persist(path).map_err(|e| e.error).at("create", path)?;
            Ok(true)
        }
        Err(error) => Err(error.error).at("create", path),
    }
}

/// Syncs a directory, so that a rename or a new file in it survives a power cut.
///
/// # Errors
/// When the directory cannot be opened or synced.
pub fn sync_dir(dir: &Path) -> Result<(), PathError> {
    File::open(dir).and_then(|d| d.sync_all()).at("sync", dir)
}

/// Appends bytes in one write call; creates the file and its directory when needed.
///
/// # Errors
/// When the file cannot be opened or written.
pub fn append(path: &Path, content: &[u8]) -> Result<(), PathError> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).at("create", dir)?;
    }
    let mut file = OpenOptions::new().create(true).append(true).open(path).at("open", path)?;
    file.write_all(content).at("append to", path)
}

/// Reads a whole file of at most `limit` bytes.
///
/// # Errors
/// When it cannot be read, or is larger.
pub fn read_capped(path: &Path, limit: u64) -> Result<Vec<u8>, PathError> {
    let file = File::open(path).at("read", path)?;
    let mut content = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut content).at("read", path)?;
    if content.len() as u64 > limit {
        let error = io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes"));
        return Err(error).at("read", path);
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/file");
        assert!(write_atomic(&path, b"x", Durability::Synced).is_err());
        let path = dir.path().join("file");
        write_atomic(&path, b"old", Durability::Synced).unwrap();
        write_atomic(&path, b"new", Durability::Cached).unwrap();
        assert_eq!(read_capped(&path, 3).unwrap(), b"new");
        let plain = dir.path().join("plain");
        File::create(&plain).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain), "as readable as any new file");
        fs::remove_file(&plain).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        write_atomic(&path, b"new", Durability::Cached).unwrap();
        assert_eq!(mode(&path) & 0o777, 0o750, "permissions are kept");
        assert!(read_capped(&path, 2).unwrap_err().to_string().contains("larger than 2 bytes"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_new_file_is_never_written_over_anything() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert!(write_new(&file, b"first", true).unwrap());
        assert!(!write_new(&file, b"second", false).unwrap());
        assert!(!write_new(&link, b"third", false).unwrap());
        assert_eq!(read_capped(&file, 9).unwrap(), b"first");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o100, 0o100);
        assert!(link.is_symlink() && !dir.path().join("nowhere").exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no temporary file is left");
    }
}
