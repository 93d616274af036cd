//! Places where a test may kill this process, as a power cut would.
//!
//! In debug builds, `AUTODEV_KILL_AT=<n>` ends the process with SIGKILL at the n-th place it reaches (from 1), and
//! `AUTODEV_KILL_LOG=<file>` writes down the places it passes, one per line. Release builds contain nothing of this.

/// Marks a place between two steps that must both survive the other's absence.
#[cfg(debug_assertions)]
pub fn reach(place: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static REACHED: AtomicU64 = AtomicU64::new(0);
    static KILL_AT: LazyLock<Option<u64>> =
        LazyLock::new(|| super::env::text("AUTODEV_KILL_AT").and_then(|text| text.parse().ok()));
    static LOG: LazyLock<Option<std::ffi::OsString>> = LazyLock::new(|| super::env::raw("AUTODEV_KILL_LOG"));

    let count = REACHED.fetch_add(1, Ordering::SeqCst).saturating_add(1);
    if let Some(log) = LOG.as_ref() {
        // A lost line would only make the test's own count wrong, which the test notices.
        let _ = super::fs::append(log.as_ref(), format!("{count} {place}\n").as_bytes());
    }
    if *KILL_AT == Some(count) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
    }
}

/// Marks a place; nothing in release builds.
#[cfg(not(debug_assertions))]
pub fn reach(_place: &str) {}
