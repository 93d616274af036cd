//! autodev.toml, the directories it names, the journal, and the run that is under way.

use super::{Group, Row, plural};

const GROUP: Group = Group::Configuration;

/// How autodev.toml was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settings {
    /// There is none.
    Missing {
        /// Where the search began.
        start: String,
    },
    /// It cannot be read at all.
    Unreadable {
        /// Why.
        message: String,
        /// What to do, when that is known.
        hint: Option<&'static str>,
    },
    /// It has errors.
    Broken {
        /// Which file.
        path: String,
        /// Each with its place; never empty.
        problems: Vec<String>,
        /// Each with its place.
        warnings: Vec<String>,
    },
    /// It is valid.
    Valid {
        /// Which file.
        path: String,
        /// Each with its place.
        warnings: Vec<String>,
    },
}

/// Concludes about autodev.toml.
pub fn settings(found: &Settings) -> Vec<Row> {
    const LABEL: &str = "autodev.toml";
    let warned = |warnings: &[String]| -> Vec<Row> {
        let next = "correct or remove it; docs/configuration.md lists every key";
        warnings.iter().map(|warning| Row::warn(GROUP, LABEL, warning.clone(), next)).collect()
    };
    match found {
        Settings::Missing { start } => vec![Row::error(
            GROUP,
            LABEL,
            format!("none in {start} or above"),
            "run `autodev init` in the project, or name a file with `-c PATH`",
        )],
        Settings::Unreadable { message, hint } => {
            vec![Row::error(GROUP, LABEL, message.clone(), hint.unwrap_or("make the file readable, in UTF-8"))]
        }
        Settings::Broken { path, problems, warnings } => {
            let next = format!("correct it in {path}; docs/configuration.md lists every key");
            let mut rows: Vec<Row> =
                problems.iter().map(|problem| Row::error(GROUP, LABEL, problem.clone(), next.clone())).collect();
            rows.extend(warned(warnings));
            rows
        }
        Settings::Valid { path, warnings } => {
            let mut rows = vec![Row::ok(GROUP, LABEL, format!("{path} is valid"))];
            rows.extend(warned(warnings));
            rows
        }
    }
}

/// A directory as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// Its path.
    pub path: String,
    /// Whether something is there.
    pub exists: bool,
    /// Whether that is a directory.
    pub is_dir: bool,
    /// Why files cannot be made in it; `None` when they can.
    pub refusal: Option<String>,
    /// The kernel's number of the file system's type, where it has one.
    pub file_system: Option<i64>,
}

/// Concludes about the directory in which agents work.
pub fn code_dir(dir: &Directory) -> Row {
    const LABEL: &str = "code directory";
    let path = &dir.path;
    if !dir.exists {
        return Row::error(GROUP, LABEL, format!("{path} does not exist"), "create it, or correct [project].code_dir");
    }
    if !dir.is_dir {
        return Row::error(GROUP, LABEL, format!("{path} is not a directory"), "correct [project].code_dir");
    }
    match &dir.refusal {
        Some(why) => Row::error(
            GROUP,
            LABEL,
            format!("{path} is not writable: {why}"),
            "make it writable for this user, or run as its owner",
        ),
        None => Row::ok(GROUP, LABEL, format!("{path} is writable")),
    }
}

/// Concludes about `.autodev/`: the directory itself when it exists, else (`is_parent`) the one it will be made in.
pub fn state_dir(dir: &Directory, is_parent: bool) -> Vec<Row> {
    const LABEL: &str = ".autodev";
    let path = &dir.path;
    let place = if is_parent { format!("not there yet; {path}") } else { path.clone() };
    let first = if !dir.exists || !dir.is_dir {
        let what = if dir.exists { "is not a directory" } else { "does not exist" };
        Row::error(GROUP, LABEL, format!("{path} {what}"), "autodev needs a directory there; see [project].config_dir")
    } else if let Some(why) = &dir.refusal {
        let next = "make it writable for this user: the journal of every run is kept there";
        Row::error(GROUP, LABEL, format!("{place} is not writable: {why}"), next)
    } else if is_parent {
        Row::ok(GROUP, LABEL, format!("not there yet; the first run makes it in {path}"))
    } else {
        Row::ok(GROUP, LABEL, format!("{path} is writable"))
    };
    let mut rows = vec![first];
    rows.extend(dir.file_system.and_then(|number| file_system_row(path, number)));
    rows
}

/// What a file system is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// A disk of this machine.
    Local,
    /// Reached over a network, or shared with another machine: SQLite's write-ahead log needs shared memory, and locks
    /// may not hold.
    Network,
    /// Provided by another program; what is behind it is not known.
    Fuse,
    /// Gone after a restart.
    Memory,
}

/// Names the file systems that matter, by the kernel's number of their type (`man statfs`); others are local disks.
pub fn storage(number: i64) -> (&'static str, Storage) {
    // Some systems sign-extend the number, some do not.
    match number & 0xffff_ffff {
        0x6969 => ("nfs", Storage::Network),
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => ("smb", Storage::Network),
        0x0102_1997 => ("9p", Storage::Network),
        0x5346_414f | 0x6b41_4653 => ("afs", Storage::Network),
        0x00c3_6400 => ("ceph", Storage::Network),
        0x0bd0_0bd0 => ("lustre", Storage::Network),
        0x4750_4653 => ("gpfs", Storage::Network),
        0x7375_7245 => ("coda", Storage::Network),
        0x564c => ("ncp", Storage::Network),
        0x786f_4256 => ("vboxsf", Storage::Network),
        0xbacb_acbc => ("vmhgfs", Storage::Network),
        0x6573_5546 => ("fuse", Storage::Fuse),
        0x0102_1994 => ("tmpfs", Storage::Memory),
        0x8584_58f6 => ("ramfs", Storage::Memory),
        0xef53 => ("ext4", Storage::Local),
        0x5846_5342 => ("xfs", Storage::Local),
        0x9123_683e => ("btrfs", Storage::Local),
        0x2fc1_2fc1 => ("zfs", Storage::Local),
        0x794c_7630 => ("overlay", Storage::Local),
        _ => ("local", Storage::Local),
    }
}

fn file_system_row(path: &str, number: i64) -> Option<Row> {
    const LABEL: &str = "file system";
    let (name, storage) = storage(number);
    let move_it = "set [project].config_dir to a directory on a local disk";
    match storage {
        Storage::Local => None,
        Storage::Network => Some(Row::warn(
            GROUP,
            LABEL,
            format!("{path} is on {name}: the journal (SQLite) and its locks need a local disk"),
            move_it,
        )),
        Storage::Fuse => Some(Row::warn(
            GROUP,
            LABEL,
            format!("{path} is on a file system of another program (fuse): locks may not hold there"),
            format!("if it is no local disk, {move_it}"),
        )),
        Storage::Memory => Some(Row::warn(
            GROUP,
            LABEL,
            format!("{path} is on {name}, in memory: the journal is gone after a restart"),
            move_it,
        )),
    }
}

/// The journal as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Journal {
    /// Nothing has been run here yet.
    None,
    /// It cannot be opened or read.
    Failed {
        /// Why, with the way out.
        message: String,
    },
    /// It was read to its end.
    Read {
        /// Its format.
        format: u32,
        /// How many events it holds.
        events: u64,
        /// What SQLite's quick check found; empty when all is well.
        damage: Vec<String>,
    },
}

/// Concludes about the journal.
pub fn journal(found: &Journal) -> Row {
    const LABEL: &str = "journal";
    match found {
        Journal::None => Row::ok(GROUP, LABEL, "none yet: nothing has been run here"),
        Journal::Failed { message } => {
            let next = if message.contains("update autodev") {
                "update autodev"
            } else {
                "move the file away and run again: it forgets what was done, task.json and git do not"
            };
            Row::error(GROUP, LABEL, message.clone(), next)
        }
        Journal::Read { damage, .. } if !damage.is_empty() => Row::error(
            GROUP,
            LABEL,
            format!("damaged: {}", damage.first().cloned().unwrap_or_default()),
            "move .autodev/journal.db away and run again; task.json and git history are untouched",
        ),
        Journal::Read { format, events, .. } => {
            let events = plural(usize::try_from(*events).unwrap_or(usize::MAX), "event");
            Row::ok(GROUP, LABEL, format!("{events}, format {format}, no damage found"))
        }
    }
}

/// What the lock and the journal say about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Run {
    /// None is under way.
    None,
    /// One is under way.
    UnderWay {
        /// Process, host and time, as far as they are known.
        who: String,
    },
    /// One was killed and has left something to go on with.
    Lost {
        /// Its id.
        id: String,
        /// When it was last heard of.
        last: String,
        /// The task it was working on; empty when none.
        task: String,
    },
    /// The lock cannot be looked at.
    Unknown {
        /// Why.
        message: String,
    },
}

/// Concludes about the run.
pub fn run(found: &Run) -> Row {
    const LABEL: &str = "run";
    match found {
        Run::None => Row::ok(GROUP, LABEL, "none is under way"),
        Run::UnderWay { who } => {
            Row::ok(GROUP, LABEL, format!("under way: {who}")).next("`autodev status` shows what it does")
        }
        Run::Lost { id, last, task } => {
            let at = if task.is_empty() { String::new() } else { format!(", at work on {task}") };
            Row::warn(
                GROUP,
                LABEL,
                format!("run {id} was killed (last heard of {last}{at})"),
                "`autodev run` goes on from there; nothing is lost",
            )
        }
        Run::Unknown { message } => Row::warn(
            GROUP,
            LABEL,
            message.clone(),
            "make .autodev/lock readable; a lock that cannot be read counts as held",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn every_problem_and_warning_is_a_row_of_its_own() {
        let words = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        let path = "/p/autodev.toml".to_owned();
        let broken = Settings::Broken {
            path: path.clone(),
            problems: words(&["1:1: a", "2:2: b"]),
            warnings: words(&["3:3: c"]),
        };
        let levels: Vec<Level> = settings(&broken).iter().map(|row| row.level).collect();
        assert_eq!(levels, [Level::Error, Level::Error, Level::Warn]);
        let valid = settings(&Settings::Valid { path, warnings: vec![] });
        assert_eq!(valid, [Row::ok(GROUP, "autodev.toml", "/p/autodev.toml is valid")]);
        let missing = settings(&Settings::Missing { start: "/p".into() });
        assert!(missing[0].level == Level::Error && missing[0].next.contains("autodev init"), "{missing:?}");
    }

    fn dir() -> Directory {
        Directory { path: "/p".into(), exists: true, is_dir: true, refusal: None, file_system: Some(0xef53) }
    }

    #[test]
    fn a_directory_must_be_one_that_can_be_written() {
        assert_eq!(code_dir(&dir()).level, Level::Ok);
        for bad in [
            Directory { exists: false, is_dir: false, ..dir() },
            Directory { is_dir: false, ..dir() },
            Directory { refusal: Some("Read-only file system".into()), ..dir() },
        ] {
            assert_eq!(code_dir(&bad).level, Level::Error, "{bad:?}");
            let rows = state_dir(&bad, false);
            assert_eq!(rows.iter().map(|row| row.level).collect::<Vec<_>>(), [Level::Error], "{bad:?}");
        }
        assert!(state_dir(&dir(), true)[0].found.contains("the first run makes it"));
    }

    #[test]
    fn a_journal_that_is_not_on_a_local_disk_is_a_warning() {
        for (number, name, storage_of) in [
            (0x6969, "nfs", Storage::Network),
            (0xff53_4d42_u32.cast_signed().into(), "smb", Storage::Network),
            (0xfe53_4d42, "smb", Storage::Network),
            (0x0102_1997, "9p", Storage::Network),
            (0x6573_5546, "fuse", Storage::Fuse),
            (0x0102_1994, "tmpfs", Storage::Memory),
        ] {
            assert_eq!(storage(number), (name, storage_of));
            let rows = state_dir(&Directory { file_system: Some(number), ..dir() }, false);
            assert_eq!(rows.len(), 2, "{name}");
            assert!(rows[1].level == Level::Warn && rows[1].found.contains(name), "{rows:?}");
            assert!(rows[1].next.contains("local disk"), "{rows:?}");
        }
        for local in [0xef53, 0x5846_5342, 0x9123_683e_u32.into(), 0x794c_7630, 42] {
            assert_eq!(state_dir(&Directory { file_system: Some(local), ..dir() }, false).len(), 1, "{local:x}");
        }
    }

    #[test]
    fn a_damaged_or_unreadable_journal_is_an_error() {
        assert_eq!(journal(&Journal::None).level, Level::Ok);
        let read = |damage: &[&str]| Journal::Read {
            format: 1,
            events: 1,
            damage: damage.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(journal(&read(&[])).found, "1 event, format 1, no damage found");
        let damaged = journal(&read(&["row 3 missing from index", "x"]));
        assert!(damaged.level == Level::Error && damaged.found.contains("row 3 missing"), "{damaged:?}");
        let newer = journal(&Journal::Failed { message: "format 9 is newer; update autodev".into() });
        assert_eq!((newer.level, newer.next.as_str()), (Level::Error, "update autodev"));
    }

    #[test]
    fn a_lost_run_says_how_to_go_on() {
        let lost = run(&Run::Lost { id: "r1".into(), last: "today".into(), task: "T1".into() });
        assert_eq!(lost.level, Level::Warn);
        assert_eq!(lost.found, "run r1 was killed (last heard of today, at work on T1)");
        assert!(lost.next.contains("autodev run"));
        assert_eq!(run(&Run::UnderWay { who: "process 7".into() }).level, Level::Ok);
    }
}
