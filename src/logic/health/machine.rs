//! The machine: room on the disk, a sane clock, limits of the operating system, and whether what agents leave running
//! can be ended.

use super::{Group, Row};

const GROUP: Group = Group::Machine;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Below this a run begins and may not get through the night.
const LITTLE_DISK: u64 = GIB;
/// Below this not even a build's output fits.
const NO_DISK: u64 = 100 * MIB;
/// Files and directories; a build tree has some thousands.
const FEW_INODES: u64 = 10_000;
/// One agent takes 110 to 490 MiB, a build beside it as much again.
const LITTLE_MEMORY: u64 = 512 * MIB;
/// Soft limits of 256 are seen on some desktops; agents and builds open hundreds of files.
const FEW_FILES: u64 = 512;
/// The kernel's default is 128 per user; editors and desktops take some dozens.
const FEW_INSTANCES: u64 = 32;
/// How far clocks may be apart.
const SKEW_SECONDS: i64 = 5;

/// Room on a file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// What it is for: `project` or `TMPDIR`.
    pub what: &'static str,
    /// A path on it.
    pub path: String,
    /// Bytes and inodes that are free for this user; `None` for inodes where the file system does not count them.
    pub free: Result<(u64, Option<u64>), String>,
    /// Whether a file could be made there, when that was tried.
    pub refusal: Option<String>,
}

/// Concludes about the room on a file system.
pub fn room(room: &Room) -> Vec<Row> {
    let label = format!("disk ({})", room.what);
    let path = &room.path;
    if let Some(why) = &room.refusal {
        let next = "set TMPDIR to a directory that can be written, or free some space";
        return vec![Row::error(GROUP, &label, format!("no file can be made in {path}: {why}"), next)];
    }
    let (bytes, inodes) = match &room.free {
        Ok(free) => *free,
        Err(why) => return vec![Row::warn(GROUP, &label, format!("{path}: {why}"), "is the file system mounted?")],
    };
    let found = format!("{} free in {path}", size(bytes));
    let mut rows = vec![if bytes < NO_DISK {
        Row::error(GROUP, &label, found, "free some disk space")
    } else if bytes < LITTLE_DISK {
        Row::warn(GROUP, &label, found, "free some disk space: logs, builds and agents take it")
    } else {
        Row::ok(GROUP, &label, found)
    }];
    if let Some(inodes) = inodes.filter(|inodes| *inodes < FEW_INODES) {
        let found = format!("room for {inodes} more files in {path}");
        rows.push(Row::warn(GROUP, &label, found, "remove files: the file system runs out of inodes"));
    }
    rows
}

fn size(bytes: u64) -> String {
    if bytes >= GIB {
        format!("{}.{} GiB", bytes / GIB, bytes % GIB * 10 / GIB)
    } else {
        format!("{} MiB", bytes / MIB)
    }
}

/// Clocks, in seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// The wall clock.
    pub now: i64,
    /// When this program was built or installed.
    pub built: Option<i64>,
    /// The newest event of the journal.
    pub event: Option<i64>,
    /// The newest change of a file of the project, by the clock of its file system.
    pub file: Option<i64>,
    /// A file made just now in the temporary directory, by the clock of its file system.
    pub fresh: Option<i64>,
}

/// Concludes about the clock.
pub fn clock(clocks: &Clocks) -> Row {
    const LABEL: &str = "clock";
    let set = "set the clock (NTP): limits, logs and builds depend on it";
    let ahead = |other: Option<i64>| other.map(|other| other - clocks.now).filter(|ahead| *ahead > SKEW_SECONDS);
    if let Some(ahead) = ahead(clocks.event) {
        return Row::warn(GROUP, LABEL, format!("{ahead} s behind the newest event of the journal"), set);
    }
    // An installed file may carry the time of a machine that is somewhat ahead.
    if ahead(clocks.built).is_some_and(|ahead| ahead > 86_400) {
        return Row::warn(GROUP, LABEL, "behind the time at which autodev was installed", set);
    }
    if let Some(skew) = clocks.fresh.map(|fresh| fresh - clocks.now).filter(|skew| skew.abs() > SKEW_SECONDS) {
        let found =
            format!("files get times that are {} s {} it", skew.abs(), if skew > 0 { "ahead of" } else { "behind" });
        return Row::warn(GROUP, LABEL, found, "the file system's server has another time: set both by NTP");
    }
    if let Some(ahead) = ahead(clocks.file) {
        let found = format!("a file of the project is {ahead} s from the future");
        return Row::warn(GROUP, LABEL, found, "set the clock, or `touch` the file: builds go by it");
    }
    Row::ok(GROUP, LABEL, "agrees with the journal and the file system")
}

/// Limits of the operating system; `None` where there is none or it cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `/proc/sys/fs/inotify/max_user_watches`.
    pub watches: Option<u64>,
    /// `/proc/sys/fs/inotify/max_user_instances`.
    pub instances: Option<u64>,
    /// Directories of the project that would be watched; `None` when counting took too long or there is no project.
    pub directories: Option<u64>,
    /// Open files, the soft limit.
    pub open_files: Option<u64>,
    /// Memory: available, of how much; bytes.
    pub memory: Option<(u64, u64)>,
}

/// Concludes about limits.
pub fn limits(limits: &Limits) -> Vec<Row> {
    let mut rows = Vec::new();
    rows.extend(watches(limits));
    rows.extend(limits.open_files.map(|files| {
        let found = format!("{files} at once");
        if files < FEW_FILES {
            Row::warn(GROUP, "open files", found, "raise the limit: ulimit -n 4096")
        } else {
            Row::ok(GROUP, "open files", found)
        }
    }));
    rows.extend(limits.memory.map(|(available, total)| {
        let found = format!("{} of {} available", size(available), size(total));
        if available < LITTLE_MEMORY {
            Row::warn(GROUP, "memory", found, "an agent takes up to 500 MiB, and so may a build: end other programs")
        } else {
            Row::ok(GROUP, "memory", found)
        }
    }));
    rows
}

fn watches(limits: &Limits) -> Option<Row> {
    const LABEL: &str = "file watches";
    let watches = limits.watches?;
    let directories = limits.directories;
    if directories.is_some_and(|directories| directories > watches) {
        let found = format!("{watches} allowed, the project has {} directories", directories.unwrap_or_default());
        let next =
            "raise it: sysctl fs.inotify.max_user_watches=524288; else changes are found by looking again and again";
        return Some(Row::warn(GROUP, LABEL, found, next));
    }
    if let Some(instances) = limits.instances.filter(|instances| *instances < FEW_INSTANCES) {
        let found = format!("only {instances} watchers allowed at once");
        return Some(Row::warn(GROUP, LABEL, found, "raise it: sysctl fs.inotify.max_user_instances=512"));
    }
    let counted = directories.map(|count| {
        let noun = if count == 1 { "directory" } else { "directories" };
        format!(", the project has {count} {noun}")
    });
    Some(Row::ok(GROUP, LABEL, format!("{watches} allowed{}", counted.unwrap_or_default())))
}

/// Whether processes that leave their parent can be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Containment {
    /// Whether the process table can be read.
    pub reads_processes: bool,
    /// How many processes that had left their parent were found and ended in the trial, of one; or why it failed.
    pub trial: Result<u32, String>,
}

/// Concludes about containment.
pub fn containment(found: &Containment) -> Row {
    const LABEL: &str = "containment";
    let next = "what agents leave running cannot be ended here; end such processes yourself after a run";
    if !found.reads_processes {
        return Row::warn(GROUP, LABEL, "/proc cannot be read", next);
    }
    match &found.trial {
        Ok(1..) => Row::ok(GROUP, LABEL, "a process that left its parent was found and ended"),
        Ok(0) => Row::warn(GROUP, LABEL, "a process that left its parent was not found", next),
        Err(why) => Row::warn(GROUP, LABEL, format!("could not be tried: {why}"), next),
    }
}

/// What surrounds this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The kind of container, when in one.
    pub container: Option<&'static str>,
    /// The value of the variable that decides about letters: `LC_ALL`, `LC_CTYPE` or `LANG`; empty when none is set.
    pub locale: String,
    /// tmux: its version, or why there is none.
    pub tmux: Option<String>,
}

/// Concludes about the surroundings.
pub fn surroundings(found: &Surroundings) -> Vec<Row> {
    let mut rows = Vec::new();
    rows.extend(found.container.map(|kind| {
        let next = "what is not on a volume is gone with it: keep the project on one";
        Row::ok(GROUP, "container", format!("running in {kind}")).next(next)
    }));
    let lower = found.locale.to_lowercase();
    rows.push(if lower.contains("utf-8") || lower.contains("utf8") {
        Row::ok(GROUP, "locale", found.locale.clone())
    } else {
        let what = if found.locale.is_empty() { "none is set" } else { &found.locale };
        let next = "export LC_ALL=C.UTF-8: checks and agents may stumble over other letters than ASCII";
        Row::warn(GROUP, "locale", format!("{what}: not UTF-8"), next)
    });
    rows.push(match &found.tmux {
        Some(version) => Row::ok(GROUP, "tmux", version.clone()),
        None => Row::warn(
            GROUP,
            "tmux",
            "not found",
            "`run --detach` goes without; install tmux to have a terminal that `autodev attach` shows",
        ),
    });
    rows
}

/// Returns the row for a directory count that was given up.
pub fn many_directories(seconds: u64) -> Row {
    let found = format!("the project's directories could not be counted in {seconds} s");
    Row::warn(GROUP, "file watches", found, "exclude large trees with [snapshot].ignore_dirs")
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn room_of(bytes: u64, inodes: Option<u64>) -> Vec<Row> {
        room(&Room { what: "project", path: "/p".into(), free: Ok((bytes, inodes)), refusal: None })
    }

    #[test]
    fn little_room_warns_and_none_is_an_error() {
        for (bytes, level) in [
            (NO_DISK - 1, Level::Error),
            (NO_DISK, Level::Warn),
            (LITTLE_DISK - 1, Level::Warn),
            (LITTLE_DISK, Level::Ok),
        ] {
            assert_eq!(room_of(bytes, None)[0].level, level, "{bytes}");
        }
        assert_eq!(room_of(GIB + GIB / 2, None)[0].found, "1.5 GiB free in /p");
        assert_eq!(room_of(5 * GIB, Some(10)).len(), 2);
        assert_eq!(room_of(5 * GIB, Some(FEW_INODES)).len(), 1);
        let refused = Room { what: "TMPDIR", path: "/t".into(), free: Ok((0, None)), refusal: Some("x".into()) };
        assert_eq!(room(&refused)[0].level, Level::Error);
    }

    #[test]
    fn a_clock_that_goes_backwards_is_seen() {
        let good = Clocks {
            now: 1_000_000,
            built: Some(1),
            event: Some(999_999),
            file: Some(999_998),
            fresh: Some(1_000_001),
        };
        assert_eq!(clock(&good).level, Level::Ok);
        assert_eq!(clock(&Clocks { now: 1, ..Clocks::default() }).level, Level::Ok, "nothing to compare with");
        for (bad, words) in [
            (Clocks { event: Some(1_000_100), ..good }, "100 s behind the newest event"),
            (Clocks { built: Some(1_100_000), ..good }, "installed"),
            (Clocks { fresh: Some(1_000_060), ..good }, "60 s ahead of"),
            (Clocks { fresh: Some(999_000), ..good }, "1000 s behind"),
            (Clocks { file: Some(1_000_020), ..good }, "20 s from the future"),
        ] {
            let row = clock(&bad);
            assert!(row.level == Level::Warn && row.found.contains(words), "{row:?}");
        }
    }

    #[test]
    fn limits_are_compared_with_what_the_project_needs() {
        let good = Limits {
            watches: Some(8192),
            instances: Some(128),
            directories: Some(100),
            open_files: Some(1024),
            memory: Some((2 * GIB, 4 * GIB)),
        };
        assert!(limits(&good).iter().all(|row| row.level == Level::Ok), "{:?}", limits(&good));
        for (bad, label) in [
            (Limits { directories: Some(9000), ..good }, "file watches"),
            (Limits { instances: Some(4), ..good }, "file watches"),
            (Limits { open_files: Some(256), ..good }, "open files"),
            (Limits { memory: Some((MIB, GIB)), ..good }, "memory"),
        ] {
            let warned: Vec<Row> = limits(&bad).into_iter().filter(|row| row.level == Level::Warn).collect();
            assert_eq!(warned.iter().map(|row| row.label.as_str()).collect::<Vec<_>>(), [label]);
        }
        assert_eq!(limits(&Limits::default()), []);
    }

    #[test]
    fn processes_that_cannot_be_found_are_a_warning() {
        let level = |reads_processes, trial| containment(&Containment { reads_processes, trial }).level;
        assert_eq!(level(true, Ok(1)), Level::Ok);
        assert_eq!(level(true, Ok(0)), Level::Warn);
        assert_eq!(level(false, Ok(1)), Level::Warn);
        assert_eq!(level(true, Err("no shell".into())), Level::Warn);
    }

    #[test]
    fn letters_beyond_ascii_need_a_locale() {
        let of = |locale: &str| surroundings(&Surroundings { locale: locale.into(), ..Surroundings::default() });
        for (locale, level) in
            [("C.UTF-8", Level::Ok), ("de_DE.utf8", Level::Ok), ("C", Level::Warn), ("", Level::Warn)]
        {
            assert_eq!(of(locale)[0].level, level, "{locale}");
        }
        assert_eq!(of("C.UTF-8")[1].level, Level::Warn, "no tmux");
    }
}
