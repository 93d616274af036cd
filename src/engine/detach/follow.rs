//! Showing a file while it grows.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::sys::fs::{Context as _, PathError};

/// How often a file that did not grow is looked at again: as `autodev log --follow`.
const LOOK: Duration = Duration::from_millis(200);
/// So much of what is there already is shown first: a few screens.
const BACKLOG: u64 = 16 << 10;

/// Hands the end of a file to `print`, and what is added to it, until `lives` says that nobody adds anything any more or
/// `print` says that nobody reads it.
pub(super) fn follow(
    path: &Path,
    lives: &mut dyn FnMut() -> bool,
    print: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<(), PathError> {
    let mut file = File::open(path).at("open", path)?;
    let length = file.metadata().at("read", path)?.len();
    let start = length.saturating_sub(BACKLOG);
    file.seek(SeekFrom::Start(start)).at("read", path)?;
    // What is in the middle of a line begins with the next one.
    let mut is_inside = start > 0;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let lived = lives();
        loop {
            let count = file.read(&mut buffer).at("read", path)?;
            let mut piece = buffer.get(..count).unwrap_or_default();
            if piece.is_empty() {
                break;
            }
            if is_inside {
                let Some(end) = piece.iter().position(|byte| *byte == b'\n') else { continue };
                piece = piece.get(end + 1..).unwrap_or_default();
                is_inside = false;
            }
            if !piece.is_empty() && !print(piece) {
                return Ok(());
            }
        }
        // Looked at before the last read: what was written before the end has been shown.
        if !lived {
            return Ok(());
        }
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs::append;

    #[test]
    fn what_is_written_meanwhile_is_shown_to_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        append(&path, b"before\n").unwrap();
        let (mut looks, mut shown) = (0, Vec::new());
        let mut lives = || {
            looks += 1;
            append(&path, format!("{looks}\n").as_bytes()).unwrap();
            looks < 3
        };
        let mut print = |piece: &[u8]| {
            shown.extend_from_slice(piece);
            true
        };
        follow(&path, &mut lives, &mut print).unwrap();
        assert_eq!(String::from_utf8(shown).unwrap(), "before\n1\n2\n3\n");
    }

    #[test]
    fn of_a_long_file_the_last_whole_lines_are_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        append(&path, "x".repeat(70_000).as_bytes()).unwrap();
        append(&path, format!("{}\nlast\n", "y".repeat(99)).as_bytes()).unwrap();
        let mut shown = Vec::new();
        let mut print = |piece: &[u8]| {
            shown.extend_from_slice(piece);
            true
        };
        follow(&path, &mut || false, &mut print).unwrap();
        assert_eq!(String::from_utf8(shown).unwrap(), "last\n");
    }

    #[test]
    fn it_ends_when_nobody_reads() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        append(&path, b"x\n").unwrap();
        follow(&path, &mut || true, &mut |_| false).unwrap();
        assert!(follow(&dir.path().join("none"), &mut || true, &mut |_| false).is_err());
    }
}
