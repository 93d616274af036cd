//! The room's promises, on real trees.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::*;
use crate::model::config::SnapshotConfig;
use crate::model::{Change, Digest, RelPath};
use crate::sys::fs::{Durability, write_atomic};
use crate::sys::hash;

/// A project in a temporary directory: `code/`, with room for other things beside it.
pub(super) struct Tree {
    dir: tempfile::TempDir,
    config: SnapshotConfig,
}

pub(super) fn file(content: &str) -> Entry {
    entry(EntryKind::File, content)
}

fn entry(kind: EntryKind, content: &str) -> Entry {
    Entry { kind, size: content.len() as u64, digest: Digest(hash::bytes(content.as_bytes())) }
}

impl Tree {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("code")).unwrap();
        let code = dir.path().join("code");
        let config = SnapshotConfig {
            watch_dirs: vec![code],
            ignore_dirs: vec!["node_modules".into(), "build".into()],
            ignore_path_globs: vec!["out-*".into()],
            include_path_globs: vec![],
        };
        Self { dir, config }
    }

    fn watching(mut self, dirs: &[&str]) -> Self {
        self.config.watch_dirs = dirs.iter().map(|dir| self.path(dir)).collect();
        self
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join("code").join(path)
    }

    pub(super) fn write(&self, path: &str, content: &str) {
        write(&self.path(path), content);
    }

    pub(super) fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).unwrap();
    }

    pub(super) fn scanner(&self) -> Scanner {
        let own = [self.path("task.json"), self.path(".autodev"), self.path("logs")];
        let rules = Rules::new(&self.config, &self.path(""), &own).unwrap();
        Scanner::open(&self.config.watch_dirs, rules, &self.dir.path().join("index")).unwrap()
    }
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_plain(path, content);
}

/// In place: the inode stays, as with most editors of agents.
fn write_plain(path: &Path, content: &str) {
    use std::io::Write;
    File::create(path).unwrap().write_all(content.as_bytes()).unwrap();
}

fn shown(changes: &[Change]) -> Vec<String> {
    changes.iter().map(|change| format!("{:?} {}", change.kind, change.path)).collect()
}

fn paths(manifest: &Manifest) -> Vec<String> {
    manifest.iter().map(|(path, _)| path.to_string()).collect()
}

#[test]
fn a_touched_file_is_no_change() {
    let tree = Tree::new();
    tree.write("src/a.rs", "fn a() {}");
    let mut scanner = tree.scanner();
    let base = scanner.scan().unwrap();
    let stamp = scanner.quick_stamp();
    let future = fs::metadata(tree.path("src/a.rs")).unwrap().modified().unwrap() + std::time::Duration::from_secs(5);
    File::options().write(true).open(tree.path("src/a.rs")).unwrap().set_modified(future).unwrap();
    assert!(base.diff(&scanner.scan().unwrap()).is_empty());
    assert_ne!(scanner.quick_stamp(), stamp, "yet something moved");
    tree.write("src/a.rs", "fn a() {}");
    assert!(base.diff(&scanner.scan().unwrap()).is_empty(), "written with the same content");
}

#[test]
fn an_edit_of_the_same_size_and_mtime_is_seen() {
    let tree = Tree::new();
    tree.write("a", "one");
    let modified = fs::metadata(tree.path("a")).unwrap().modified().unwrap();
    let mut scanner = tree.scanner();
    for content in ["two", "six", "ten"] {
        let base = scanner.scan().unwrap();
        tree.write("a", content);
        File::options().write(true).open(tree.path("a")).unwrap().set_modified(modified).unwrap();
        let after = scanner.scan().unwrap();
        assert_eq!(shown(&base.diff(&after)), ["Modified a"]);
        assert_eq!(after.get(&RelPath::from("a")), Some(file(content)));
    }
}

#[test]
fn an_edit_right_after_a_scan_is_seen() {
    let tree = Tree::new();
    tree.write("a", "0000");
    let mut scanner = tree.scanner();
    for n in 1..200 {
        scanner.scan().unwrap();
        let content = format!("{n:04}");
        tree.write("a", &content);
        assert_eq!(scanner.scan().unwrap().get(&RelPath::from("a")), Some(file(&content)));
    }
}

#[test]
fn a_rename_is_removed_and_added_and_a_mode_is_content() {
    let tree = Tree::new();
    tree.write("a", "1");
    tree.write("tool.sh", "#!/bin/sh");
    let mut scanner = tree.scanner();
    let base = scanner.scan().unwrap();
    fs::rename(tree.path("a"), tree.path("b")).unwrap();
    fs::set_permissions(tree.path("tool.sh"), Permissions::from_mode(0o755)).unwrap();
    let after = scanner.scan().unwrap();
    assert_eq!(shown(&base.diff(&after)), ["Removed a", "Added b", "Modified tool.sh"]);
    fs::set_permissions(tree.path("tool.sh"), Permissions::from_mode(0o600)).unwrap();
    fs::rename(tree.path("b"), tree.path("a")).unwrap();
    assert_eq!(scanner.scan().unwrap(), base, "other mode bits are not content");
}

#[test]
fn a_path_may_become_anything_else() {
    let tree = Tree::new();
    let mut scanner = tree.scanner();
    let mut base = scanner.scan().unwrap();
    let mut step = |act: &dyn Fn(), expected: &[&str]| {
        act();
        let after = scanner.scan().unwrap();
        assert_eq!(shown(&base.diff(&after)), expected);
        base = after;
    };
    let x = tree.path("x");
    step(&|| write(&x, "target"), &["Added x"]);
    step(&|| (fs::remove_file(&x).unwrap(), symlink("target", &x).unwrap()).1, &["Modified x"]);
    step(&|| fs::remove_file(&x).unwrap(), &["Removed x"]);
    step(&|| write(&x.join("in"), "1"), &["Added x/in"]);
    step(&|| (fs::remove_dir_all(&x).unwrap(), write(&x, "1")).1, &["Added x", "Removed x/in"]);
    step(&|| (fs::remove_file(&x).unwrap(), fs::create_dir(&x).unwrap()).1, &["Removed x"]);
}

#[test]
fn links_count_by_their_text_and_are_not_followed() {
    let tree = Tree::new();
    tree.write("../secret/deep/a", "1");
    tree.write("file", "1");
    symlink("../secret", tree.path("dir")).unwrap();
    symlink("file", tree.path("good")).unwrap();
    symlink("nowhere", tree.path("dangling")).unwrap();
    symlink(".", tree.path("loop")).unwrap();
    let mut scanner = tree.scanner();
    let base = scanner.scan().unwrap();
    assert_eq!(paths(&base), ["dangling", "dir", "file", "good", "loop"]);
    assert_eq!(base.get(&RelPath::from("good")), Some(entry(EntryKind::Link, "file")));
    tree.write("../secret/deep/a", "2");
    assert!(base.diff(&scanner.scan().unwrap()).is_empty());
    tree.remove("dangling");
    symlink("elsewhere", tree.path("dangling")).unwrap();
    assert_eq!(shown(&base.diff(&scanner.scan().unwrap())), ["Modified dangling"]);
}

#[test]
fn special_files_and_git_directories_are_skipped() {
    let tree = Tree::new();
    tree.write("a", "1");
    tree.write(".git/HEAD", "ref");
    tree.write("sub/.git/HEAD", "ref");
    tree.write("sub/code.rs", "nested repository");
    tree.write("module/.git", "gitdir: ../.git/modules/module");
    nix::unistd::mkfifo(&tree.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(tree.path("socket")).unwrap();
    let mut scanner = tree.scanner();
    assert_eq!(paths(&scanner.scan().unwrap()), ["a", "sub/code.rs"]);
    assert_eq!(scanner.tally().dirs, 3);
}

#[test]
fn ignored_directories_are_not_entered() {
    let tree = Tree::new();
    tree.write("src/a", "1");
    for n in 0..20 {
        tree.write(&format!("node_modules/p{n}/i.js"), "1");
        tree.write(&format!("out-x/p{n}/a.o"), "1");
        tree.write(&format!("src/node_modules/p{n}/i.js"), "1");
        tree.write(&format!("build/p{n}/a"), "1");
        tree.write(&format!("logs/p{n}/a"), "own");
    }
    let mut scanner = tree.scanner();
    assert_eq!(paths(&scanner.scan().unwrap()), ["src/a"]);
    assert_eq!(scanner.tally(), &Tally { dirs: 2, read: 1, ..Tally::default() }, "only the root and src");
}

#[test]
fn names_may_be_any_bytes() {
    let tree = Tree::new();
    for name in [&b"we\xffird"[..], b"line\nbreak", b" ", b"-rf", b"\xc3\xa9", b"[x]*?"] {
        write_plain(&tree.path("").join(OsStr::from_bytes(name)), "1");
    }
    let mut scanner = tree.scanner();
    let manifest = scanner.scan().unwrap();
    assert_eq!(paths(&manifest), [" ", "-rf", "[x]*?", "line\\nbreak", "we\\xffird", "é"]);
    assert_eq!(manifest.get(&RelPath::from_bytes(&b"we\xffird"[..])), Some(file("1")));
}

#[test]
fn what_comes_and_goes_during_scans_is_no_error() {
    let tree = Tree::new();
    for n in 0..200 {
        tree.write(&format!("steady/{n}"), "1");
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let churn = || {
            while !stop.load(Ordering::Relaxed) {
                for n in 0..40 {
                    tree.write(&format!("moving/{}/{n}", n % 4), "x");
                }
                fs::remove_dir_all(tree.path("moving")).unwrap();
            }
        };
        let other = scope.spawn(churn);
        let mut scanner = tree.scanner();
        let met = (0..60).map(|_| {
            let manifest = scanner.scan().unwrap();
            let steady =
                manifest.iter().filter(|(path, entry)| path.to_string().starts_with("steady/") && *entry == file("1"));
            assert_eq!(steady.count(), 200);
            scanner.quick_stamp();
            manifest.len() - 200
        });
        let met: usize = met.sum();
        stop.store(true, Ordering::Relaxed);
        other.join().unwrap();
        assert!(met > 0, "no scan met a moving file");
    });
}

#[test]
fn own_files_never_count() {
    let tree = Tree::new();
    let mut scanner = tree.scanner();
    let base = scanner.scan().unwrap();
    for path in
        ["task.json", "task.json.bak.1", "task.json.broken.1", ".autodev/journal.db", "logs/attempts/a.log", "../index"]
    {
        tree.write(path, "own");
    }
    assert!(base.diff(&scanner.scan().unwrap()).is_empty());
    tree.write("docs/task.json", "the user's");
    assert_eq!(shown(&base.diff(&scanner.scan().unwrap())), ["Added docs/task.json"]);
}

#[test]
fn watch_directories_may_be_elsewhere_missing_or_nested() {
    let tree = Tree::new().watching(&["", "src", "../lib", "none", "src/../src"]);
    for path in
        ["a", "src/a", "src/build/b", "build/c", "../lib/a", "../lib/src/a", "../lib/build/x", "+", "../other/a"]
    {
        tree.write(path, path);
    }
    let mut scanner = tree.scanner();
    let manifest = scanner.scan().unwrap();
    assert_eq!(paths(&manifest), ["+", "../lib/a", "../lib/src/a", "a", "src/a", "src/build/b"]);
    let (path, found) = manifest.iter().nth(1).unwrap();
    assert_eq!(fs::read(tree.path("").join(path.to_path())).unwrap(), b"../lib/a");
    assert_eq!(found, file("../lib/a"));
    assert_eq!(scanner.scan().unwrap(), manifest);
    tree.write("none/a", "1");
    assert_eq!(shown(&manifest.diff(&scanner.scan().unwrap())), ["Added none/a"]);
}

#[test]
fn a_missing_code_directory_is_an_error_and_not_an_empty_tree() {
    let tree = Tree::new();
    tree.write("a", "1");
    let mut scanner = tree.scanner();
    scanner.scan().unwrap();
    let moved = tree.dir.path().join("moved");
    fs::rename(tree.path(""), &moved).unwrap();
    let error = scanner.scan().unwrap_err();
    assert!(error.to_string().contains("take a snapshot: list"), "{error}");
    fs::rename(&moved, tree.path("")).unwrap();
    assert_eq!(paths(&scanner.scan().unwrap()), ["a"], "the scanner goes on");
}

#[test]
fn a_relative_path_is_refused() {
    let tree = Tree::new();
    let rules = Rules::new(&tree.config, &tree.path(""), &[]).unwrap();
    let error = Scanner::open(&["src".into()], rules, &tree.path("../index")).err().unwrap();
    assert!(error.to_string().contains("src is not an absolute path"), "{error}");
}

#[test]
fn the_index_outlives_the_scanner_and_is_only_written_when_it_changes() {
    use std::os::unix::fs::MetadataExt;
    let tree = Tree::new();
    tree.write("a", "1");
    tree.write("src/b", "2");
    let past = std::time::Duration::from_secs(1);
    let wait_until_at_rest = |scanner: &mut Scanner| {
        let start = std::time::Instant::now();
        while scanner.tally().read > 0 || start.elapsed() == std::time::Duration::ZERO {
            scanner.scan().unwrap();
            assert!(start.elapsed() < past * 30, "files never come to rest");
        }
    };
    let mut scanner = tree.scanner();
    let base = scanner.scan().unwrap();
    wait_until_at_rest(&mut scanner);
    let inode = fs::metadata(tree.path("../index")).unwrap().ino();
    let mut second = tree.scanner();
    assert_eq!(second.scan().unwrap(), base);
    assert_eq!(second.tally().read, 0);
    assert_eq!(fs::metadata(tree.path("../index")).unwrap().ino(), inode, "not replaced");
    write_atomic(&tree.path("../index"), b"adv-statgarbage", Durability::Cached).unwrap();
    let mut third = tree.scanner();
    assert_eq!(third.scan().unwrap(), base);
    assert_eq!(third.tally().read, 2, "all is read again");
    wait_until_at_rest(&mut third);
    let mut fourth = tree.scanner();
    fourth.scan().unwrap();
    assert_eq!(fourth.tally().read, 0, "and the index is sound again");
}

#[test]
fn an_index_that_cannot_be_written_is_told_and_harms_nothing() {
    let tree = Tree::new();
    tree.write("a", "1");
    tree.write("../blocked", "a file where the directory should be");
    let rules = Rules::new(&tree.config, &tree.path(""), &[]).unwrap();
    let mut scanner = Scanner::open(&tree.config.watch_dirs, rules, &tree.path("../blocked/index")).unwrap();
    assert_eq!(scanner.scan().unwrap().len(), 1);
    assert!(scanner.tally().index_error.as_ref().unwrap().contains("blocked"));
}

#[test]
fn a_probe_sees_every_kind_of_movement_and_nothing_else() {
    let tree = Tree::new();
    for n in 0..50 {
        tree.write(&format!("d{n}/a"), "1");
    }
    let scanner = tree.scanner();
    let probe = scanner.probe();
    let mut last = probe.stamp();
    let mut moved = |act: &dyn Fn(), expected: bool| {
        act();
        let (now, same) =
            std::thread::scope(|scope| (probe.stamp(), scope.spawn(|| scanner.quick_stamp()).join().unwrap()));
        assert_eq!(now, same);
        assert_eq!(now != last, expected);
        last = now;
    };
    moved(&|| {}, false);
    moved(&|| tree.write("d1/a", "22"), true);
    moved(&|| fs::rename(tree.path("d1/a"), tree.path("d1/b")).unwrap(), true);
    moved(&|| fs::rename(tree.path("d1/b"), tree.path("d2/b")).unwrap(), true);
    moved(&|| tree.remove("d2/b"), true);
    moved(&|| tree.write("node_modules/x", "1"), false);
    moved(&|| tree.write("logs/x", "1"), false);
}

#[test]
fn a_deep_tree_is_walked_whole() {
    let tree = Tree::new();
    let deep = "d/".repeat(800);
    tree.write(&format!("{deep}a"), "1");
    let mut scanner = tree.scanner();
    assert_eq!(paths(&scanner.scan().unwrap()), [format!("{deep}a")]);
    assert_eq!(scanner.tally().dirs, 801);
}

#[test]
fn what_cannot_be_opened_is_sealed_and_no_error() {
    let tree = Tree::new();
    for path in ["open", "closed", "shut/in", "listed/in"] {
        tree.write(path, "1");
    }
    let set = |path: &str, mode| fs::set_permissions(tree.path(path), Permissions::from_mode(mode)).unwrap();
    set("closed", 0o000);
    set("shut", 0o000);
    set("listed", 0o400);
    let mut scanner = tree.scanner();
    let manifest = scanner.scan().unwrap();
    if nix::unistd::geteuid().is_root() {
        assert_eq!((paths(&manifest).len(), scanner.tally().sealed), (4, 0), "nothing is closed to root");
    } else {
        assert_eq!(paths(&manifest), ["closed", "listed/in", "open", "shut/"]);
        let kinds: Vec<EntryKind> = manifest.iter().map(|(_, entry)| entry.kind).collect();
        assert_eq!(kinds, [EntryKind::Sealed, EntryKind::Sealed, EntryKind::File, EntryKind::SealedDir]);
        assert_eq!((scanner.tally().sealed, scanner.scan().unwrap()), (3, manifest.clone()));
    }
    set("closed", 0o600);
    set("shut", 0o700);
    set("listed", 0o700);
    let after = scanner.scan().unwrap();
    assert_eq!(after.len(), 4);
    assert_eq!(after.get(&RelPath::from("shut/in")), Some(file("1")));
}

#[test]
fn a_directory_too_deep_to_be_opened_is_sealed() {
    use nix::fcntl::{OFlag, open, openat};
    use nix::sys::stat::{Mode, mkdirat};
    let tree = Tree::new();
    tree.write("a", "1");
    let name = "x".repeat(200);
    let mut dir = open(&tree.path(""), OFlag::O_DIRECTORY, Mode::empty()).unwrap();
    // 30 names of 200 bytes are more than the 4096 that a path may have.
    for _ in 0..30 {
        mkdirat(&dir, name.as_str(), Mode::S_IRWXU).unwrap();
        dir = openat(&dir, name.as_str(), OFlag::O_DIRECTORY, Mode::empty()).unwrap();
    }
    let mut scanner = tree.scanner();
    let manifest = scanner.scan().unwrap();
    let (path, entry) = manifest.iter().nth(1).unwrap();
    assert_eq!((manifest.len(), scanner.tally().sealed, entry.kind), (2, 1, EntryKind::SealedDir));
    assert!(path.as_bytes().ends_with(b"x/"), "{path}");
    assert_eq!(scanner.scan().unwrap(), manifest);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn scans_agree_with_a_plain_model(
        steps in prop::collection::vec((prop::sample::select(&["a", "b", "d/a", "d.x", "d/e/f", "d-", "z/a"][..]), 0..4u8), 1..25)
    ) {
        let tree = Tree::new();
        let mut scanner = tree.scanner();
        let mut model: BTreeMap<RelPath, Entry> = BTreeMap::new();
        for (path, act) in steps {
            let key = RelPath::from(path);
            match act {
                0 => {
                    model.remove(&key);
                    if tree.path(path).exists() { tree.remove(path) }
                }
                3 => {
                    if let Some(entry) = model.get_mut(&key) {
                        entry.kind = EntryKind::Executable;
                        fs::set_permissions(tree.path(path), Permissions::from_mode(0o700)).unwrap();
                    }
                }
                content => {
                    let content = content.to_string();
                    tree.write(path, &content);
                    let kind = model.get(&key).map_or(EntryKind::File, |old| old.kind);
                    model.insert(key, entry(kind, &content));
                }
            }
            prop_assert_eq!(scanner.scan().unwrap(), model.clone().into_iter().collect::<Manifest>());
        }
        let mut fresh = tree.scanner();
        prop_assert_eq!(fresh.scan().unwrap(), model.into_iter().collect::<Manifest>());
    }
}
