//! The file beside a plan that says why the plan could not become tasks.
//!
//! Only a file that autodev wrote is ever replaced or removed: it is known by its first line.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::scope::notice_path;
use crate::sys::fs::{Durability, read_capped, write_atomic};

const MARK: &str = "<!-- written by autodev watch; it goes when the plan is good -->";

/// A notice is some lines; what is larger is somebody else's.
const LIMIT: u64 = 256 << 10;

/// Whether a notice is beside a plan.
pub(super) fn is_beside(plan: &Path) -> bool {
    is_ours(&notice_path(plan))
}

/// Writes why a plan failed and what to do.
///
/// # Errors
/// When the directory cannot be written.
pub(super) fn write(plan: &Path, reason: &str) -> Result<()> {
    let path = notice_path(plan);
    if path.symlink_metadata().is_ok() && !is_ours(&path) {
        anyhow::bail!("{} is somebody else's file and stays", path.display());
    }
    let name = plan.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let text = format!(
        "{MARK}\n\n# {name} could not become tasks\n\n{}\n\n## What to do\n\n- Correct {name} and save it; it is tried again \
         then.\n- To try it again as it is, delete this file.\n- A plan needs no model when each item says how it is \
         proved: see `autodev help plan`.\n",
        reason.trim()
    );
    if read_capped(&path, LIMIT).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(());
    }
    Ok(write_atomic(&path, text.as_bytes(), Durability::Cached)?)
}

/// Removes the notice of a plan, if there is one.
pub(super) fn clear(plan: &Path) {
    let path = notice_path(plan);
    if is_ours(&path) {
        // One that is gone already, or cannot be removed, misleads for a while at worst.
        let _ = fs::remove_file(path);
    }
}

fn is_ours(path: &Path) -> bool {
    // A pipe of that name would be waited for.
    let is_file = path.symlink_metadata().is_ok_and(|meta| meta.is_file());
    is_file && read_capped(path, LIMIT).is_ok_and(|text| text.starts_with(MARK.as_bytes()))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write files as users do")]
mod tests {
    use super::*;

    #[test]
    fn a_notice_comes_and_goes_and_other_files_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (plan, path) = (dir.path().join("p.md"), dir.path().join("p.error.md"));
        assert!(!is_beside(&plan));
        write(&plan, "line 3: no").unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("# p.md could not become tasks\n\nline 3: no\n") && is_beside(&plan), "{text}");
        clear(&plan);
        assert!(!path.exists());
        fs::write(&path, "mine").unwrap();
        assert!(write(&plan, "x").is_err());
        clear(&plan);
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }
}
