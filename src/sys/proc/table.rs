//! Reads the process table of Linux (`/proc`). On other systems the table is empty and `tree` works with process groups.
//!
//! A process is identified by its id *and* its start time: ids are reused.

/// One process at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sys) struct Process {
    pub(in crate::sys) pid: i32,
    pub(in crate::sys) parent: i32,
    pub(in crate::sys) group: i32,
    pub(in crate::sys) session: i32,
    /// Clock ticks since boot.
    pub(in crate::sys) start: u64,
    /// Clock ticks used by it and by the children it has waited for.
    pub(in crate::sys) cpu: u64,
    /// Ended, but not yet waited for by its parent.
    pub(in crate::sys) is_dead: bool,
    /// Stopped by a signal.
    pub(in crate::sys) is_stopped: bool,
    /// Runs, or would if there were a processor for it.
    pub(in crate::sys) is_runnable: bool,
    /// Has a terminal.
    pub(in crate::sys) has_terminal: bool,
}

impl Process {
    /// Whether this is still the process it was when it was read.
    pub(in crate::sys) fn is_same(&self) -> bool {
        read(self.pid).is_some_and(|it| it.start == self.start)
    }
}

#[cfg(target_os = "linux")]
pub(in crate::sys) use linux::{all, carries, own_children, read, reads_terminal, transferred};

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::{self, File};
    use std::io::Read;

    use super::Process;

    /// The whole table, in no order. Processes that end meanwhile may be missing.
    pub(in crate::sys) fn all() -> Vec<Process> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter_map(read).collect()
    }

    /// One process; `None` when there is none with this id.
    pub(in crate::sys) fn read(pid: i32) -> Option<Process> {
        // 1 KiB: 52 numbers of at most 20 digits never get that long, the name is cut at 64 bytes by the kernel.
        let mut buffer = [0; 1024];
        let mut file = File::open(format!("/proc/{pid}/stat")).ok()?;
        let length = file.read(&mut buffer).ok()?;
        parse(pid, buffer.get(..length)?)
    }

    /// `pid (name) state parent group session ...`; the name may contain anything, also `)`.
    pub(super) fn parse(pid: i32, stat: &[u8]) -> Option<Process> {
        let name_end = stat.iter().rposition(|&byte| byte == b')')?;
        let rest = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().take(20).collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        // Field numbers as in proc_pid_stat(5).
        let state = *fields.first()?;
        let threads = number(20)?;
        Some(Process {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            start: number(22)?,
            cpu: [14, 15, 16, 17].into_iter().filter_map(number).fold(0, u64::saturating_add),
            // A first thread that has ended while others go on also reads as a zombie.
            is_dead: matches!(state, "Z" | "X" | "x") && threads <= 1,
            is_stopped: matches!(state, "T" | "t"),
            is_runnable: state == "R",
            has_terminal: number(7).is_some_and(|terminal| terminal != 0),
        })
    }

    /// Bytes that a process, and the children it has waited for, have read and written through system calls so far; 0 when the kernel does not say.
    pub(in crate::sys) fn transferred(pid: i32) -> u64 {
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/io")) else { return 0 };
        let field =
            |name: &str| -> Option<u64> { text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()) };
        field("rchar:").unwrap_or(0).saturating_add(field("wchar:").unwrap_or(0))
    }

    /// Whether a process waits for somebody to type: it is in `read(2)` of a terminal. No where the kernel does not say.
    pub(in crate::sys) fn reads_terminal(pid: i32) -> bool {
        // proc_pid_syscall(5): the number of the system call in decimal, its arguments in hexadecimal digits.
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/syscall")) else { return false };
        let mut words = text.split_ascii_whitespace();
        if words.next().and_then(|number| number.parse::<i64>().ok()) != Some(nix::libc::SYS_read) {
            return false;
        }
        let file = words.next().and_then(|word| i32::from_str_radix(word.trim_start_matches("0x"), 16).ok());
        let Some(file) = file else { return false };
        let target = fs::read_link(format!("/proc/{pid}/fd/{file}")).unwrap_or_default();
        ["/dev/pts/", "/dev/tty", "/dev/console"].iter().any(|place| target.to_string_lossy().starts_with(place))
    }

    /// Whether the process was started with this `NAME=value` in its environment. No for processes of other users.
    pub(in crate::sys) fn carries(pid: i32, marker: &[u8]) -> bool {
        // 8 MiB: more than the kernel takes for arguments and environment by default.
        const LIMIT: u64 = 8 * 1024 * 1024;
        let Ok(file) = File::open(format!("/proc/{pid}/environ")) else { return false };
        let mut content = Vec::new();
        if file.take(LIMIT).read_to_end(&mut content).is_err() {
            return false;
        }
        content.split(|&byte| byte == 0).any(|variable| variable == marker)
    }

    /// The ids of our own children, started or adopted; `None` when the kernel does not keep such lists.
    pub(in crate::sys) fn own_children() -> Option<Vec<i32>> {
        let mut children = Vec::new();
        for thread in fs::read_dir("/proc/self/task").ok()? {
            let path = thread.ok()?.path().join("children");
            match fs::read_to_string(&path) {
                Ok(list) => children.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok())),
                // The thread ended: its children now belong to another one, so this answer is not to be trusted.
                Err(_) => return None,
            }
        }
        Some(children)
    }
}

#[cfg(not(target_os = "linux"))]
pub(in crate::sys) use other::{all, carries, own_children, read, reads_terminal, transferred};

#[cfg(not(target_os = "linux"))]
mod other {
    use super::Process;

    pub(in crate::sys) fn all() -> Vec<Process> {
        Vec::new()
    }

    pub(in crate::sys) fn read(_pid: i32) -> Option<Process> {
        None
    }

    pub(in crate::sys) fn carries(_pid: i32, _marker: &[u8]) -> bool {
        false
    }

    pub(in crate::sys) fn transferred(_pid: i32) -> u64 {
        0
    }

    pub(in crate::sys) fn reads_terminal(_pid: i32) -> bool {
        false
    }

    pub(in crate::sys) fn own_children() -> Option<Vec<i32>> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let stat = b"42 (a) R 1 (\n) S 7 8 9 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 3 0 777 1 2";
        let expected = Process {
            pid: 42,
            parent: 7,
            group: 8,
            session: 9,
            start: 777,
            cpu: 100,
            is_dead: false,
            is_stopped: false,
            is_runnable: false,
            has_terminal: false,
        };
        assert_eq!(linux::parse(42, stat), Some(expected));
    }

    #[test]
    fn a_zombie_is_dead_unless_other_threads_live() {
        let stat = |state: &str, threads: u32| {
            format!("42 (x) {state} 7 8 9 0 -1 0 1 2 3 4 10 20 30 40 20 0 {threads} 0 777 1 2").into_bytes()
        };
        let is_dead = |state, threads| linux::parse(42, &stat(state, threads)).unwrap().is_dead;
        assert!(is_dead("Z", 1) && !is_dead("Z", 2) && !is_dead("S", 1) && is_dead("X", 0));
        assert!(linux::parse(42, &stat("T", 1)).unwrap().is_stopped);
        assert!(linux::parse(42, &stat("R", 1)).unwrap().is_runnable);
        let typed = b"42 (x) S 7 8 9 34816 -1 0 1 2 3 4 10 20 30 40 20 0 1 0 777 1 2";
        assert!(linux::parse(42, typed).unwrap().has_terminal);
    }

    #[test]
    fn a_broken_line_is_no_process() {
        for stat in [&b""[..], b"42 (x", b"42 (x) S", b"42 (x) S a b c", b"42 (x) \xff\xff"] {
            assert_eq!(linux::parse(42, stat), None);
        }
    }

    #[test]
    fn we_are_in_the_table() {
        let me = std::process::id() as i32;
        let mine = all().into_iter().find(|it| it.pid == me).unwrap();
        assert!(mine.is_same() && !mine.is_dead && mine.start > 0);
        assert!(own_children().is_some());
        assert!(transferred(me) > 0 && !reads_terminal(me));
        assert!(!Process { start: mine.start + 1, ..mine }.is_same());
    }
}
