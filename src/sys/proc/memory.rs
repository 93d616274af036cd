//! How much memory a child had, from the kernel's own accounts.
//!
//! `waitid` says it without clearing the child away, so that who waits for the child later still gets its status. The
//! account covers the child and the descendants that were waited for by their parents (`getrusage(2)`, `ru_maxrss`);
//! one that was left to itself is not in it. Looking at `/proc` now and then instead would miss the peak.
//!
//! Invariant: the child is never cleared away here, and the thread that waits ends with the child.

/// Returns how much of a child's account may be ours; `None` when nothing can be said at all on this system.
pub(super) fn floor() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        // 2 MiB: what a fork touches before it execs, generously.
        const SLACK: u64 = 2 * 1024 * 1024;
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        // A fork copies the tables of memory that is in no file.
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
        let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kilobytes.saturating_mul(1024).saturating_add(SLACK))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// Waits until the child has ended and returns its peak in bytes; `None` at once when there is no child to wait for, and
/// when the kernel does not say.
pub(super) async fn peak(pid: Option<u32>) -> Option<u64> {
    let pid = pid?;
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let wait = move || {
        // Nobody listens any more when the run was dropped.
        sender.send(wait(pid)).ok();
    };
    std::thread::Builder::new().name("memory".to_owned()).spawn(wait).ok()?;
    receiver.await.ok().flatten()
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no safe wrapper passes the fifth argument of the system call")]
fn wait(pid: u32) -> Option<u64> {
    use nix::libc;
    loop {
        // SAFETY: both structs are plain numbers, for which zero is a value.
        let (mut status, mut usage): (libc::siginfo_t, libc::rusage) =
            unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        // SAFETY: the pointers are to live structs of the types that waitid(2) writes to.
        let result = unsafe {
            libc::syscall(
                libc::SYS_waitid,
                libc::c_long::from(libc::P_PID),
                libc::c_long::from(pid),
                &raw mut status,
                libc::c_long::from(libc::WEXITED | libc::WNOWAIT),
                &raw mut usage,
            )
        };
        if result == 0 {
            return u64::try_from(usage.ru_maxrss).ok().map(|kilobytes| kilobytes.saturating_mul(1024));
        }
        if nix::errno::Errno::last() != nix::errno::Errno::EINTR {
            return None;
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn wait(_pid: u32) -> Option<u64> {
    None
}
