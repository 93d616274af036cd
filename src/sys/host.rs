//! What this machine has: room, memory, limits, and the kind of its file systems. Reads only; judges nothing.
//!
//! What a system does not tell is `None`, never an error of the whole.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use super::env;
use super::proc::table;

/// Room on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that this user may still write.
    pub bytes: u64,
    /// Files that may still be made; `None` where the file system does not count them.
    pub inodes: Option<u64>,
}

/// Returns the room on the file system of a path.
///
/// # Errors
/// When the path does not exist or the file system does not answer.
pub fn space(path: &Path) -> std::io::Result<Space> {
    let found = statvfs(path)?;
    let bytes = wide(found.blocks_available()).saturating_mul(wide(found.fragment_size()));
    // btrfs and network file systems have no fixed number and say 0.
    let inodes = (found.files() > 0).then(|| wide(found.files_available()));
    Ok(Space { bytes, inodes })
}

/// The kernel's counters are 32 bits wide on some systems.
fn wide(count: impl Into<u64>) -> u64 {
    count.into()
}

/// Returns the kernel's number for the type of the file system of a path (`man statfs`); `None` where there is none.
pub fn file_system(path: &Path) -> Option<i64> {
    #[cfg(target_os = "linux")]
    #[expect(clippy::useless_conversion, reason = "the type differs between processors")]
    return nix::sys::statfs::statfs(path).ok().and_then(|found| i64::try_from(found.filesystem_type().0).ok());
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        None
    }
}

/// Asks whether files can be made in a directory, without making one.
///
/// # Errors
/// When they cannot, with the reason.
pub fn may_write_in(dir: &Path) -> std::io::Result<()> {
    Ok(access(dir, AccessFlags::W_OK | AccessFlags::X_OK)?)
}

/// Returns how many files a process may have open (the soft limit).
pub fn open_files() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}

/// Returns available memory and all memory in bytes, within what this container may use.
pub fn memory() -> Option<(u64, u64)> {
    let table = fs::read_to_string("/proc/meminfo").ok()?;
    let kib = |name: &str| -> Option<u64> {
        let line = table.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok()
    };
    let (available, total) = (kib("MemAvailable")? << 10, kib("MemTotal")? << 10);
    let number = |file: &str| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    let Some(most) = number("/sys/fs/cgroup/memory.max") else { return Some((available, total)) };
    let used = number("/sys/fs/cgroup/memory.current").unwrap_or_default();
    Some((available.min(most.saturating_sub(used)), total.min(most)))
}

/// Returns a number that the kernel keeps below `/proc/sys/fs/inotify`, for example `max_user_watches`.
pub fn inotify(name: &str) -> Option<u64> {
    fs::read_to_string(Path::new("/proc/sys/fs/inotify").join(name)).ok()?.trim().parse().ok()
}

/// Returns the kind of container that this process runs in; `None` when no sign of one is there.
pub fn container() -> Option<&'static str> {
    if Path::new("/.dockerenv").exists() {
        return Some("docker");
    }
    if Path::new("/run/.containerenv").exists() {
        return Some("podman");
    }
    if env::raw("KUBERNETES_SERVICE_HOST").is_some() {
        return Some("kubernetes");
    }
    let groups = fs::read_to_string("/proc/1/cgroup").unwrap_or_default();
    let signs = [("docker", "docker"), ("kubepods", "kubernetes"), ("lxc", "lxc"), ("containerd", "containerd")];
    let found = signs.iter().find(|(sign, _)| groups.contains(sign)).map(|(_, kind)| *kind);
    found.or_else(|| env::raw("container").filter(|kind| !kind.is_empty()).map(|_| "a container"))
}

/// Returns the name of this machine; empty when it has none.
pub fn name() -> String {
    nix::unistd::gethostname().ok().and_then(|host| host.into_string().ok()).unwrap_or_default()
}

/// Returns what distinguishes this start of the machine from every other; empty where the system does not tell.
pub fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Returns the home directory of this user: `HOME`, else what the system knows.
pub fn home_dir() -> Option<PathBuf> {
    let given = env::raw("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    given.or_else(|| nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.dir))
}

/// Whether the process table can be read and has this process in it.
pub fn reads_processes() -> bool {
    i32::try_from(std::process::id()).is_ok_and(|pid| table::read(pid).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_room_and_a_file_system() {
        let dir = tempfile::tempdir().unwrap();
        assert!(space(dir.path()).unwrap().bytes > 0);
        assert!(space(&dir.path().join("missing")).is_err());
        assert!(may_write_in(dir.path()).is_ok());
        assert!(may_write_in(&dir.path().join("missing")).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_its_limits() {
        assert!(file_system(Path::new("/proc")) == Some(0x9fa0), "procfs");
        assert!(open_files().is_some_and(|files| files > 10));
        assert!(memory().is_some_and(|(available, total)| available <= total && total > 1 << 20));
        assert!(reads_processes());
        assert!(may_write_in(Path::new("/proc")).is_err() || nix::unistd::geteuid().is_root());
    }
}
