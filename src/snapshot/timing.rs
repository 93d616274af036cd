//! How long scans take, beside `git status` on the same tree. Prints numbers, asserts only that they are of the same tree:
//! `N=100000 cargo test --release --lib snapshot::timing -- --ignored --nocapture`.
#![expect(clippy::disallowed_methods, reason = "the other side of the comparison is a child process")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::{Manifest, Rules, Scanner};
use crate::model::config::SnapshotConfig;
use crate::model::{Digest, RelPath};
use crate::sys::env;

/// 100 files to a directory, three levels, 200 bytes to 4 KiB.
fn grow(dir: &Path, files: usize) {
    for n in 0..files {
        let parent = dir.join(format!("p{}/d{}", n / 5000, n / 100));
        if n % 100 == 0 {
            fs::create_dir_all(&parent).unwrap();
        }
        let content = format!("file {n}\n").repeat(20 + n % 300);
        fs::write(parent.join(format!("module_{n}.rs")), content).unwrap();
    }
}

fn files() -> usize {
    env::text("N").and_then(|n| n.parse().ok()).unwrap_or(10_000)
}

fn scanner(code: &Path, index: &Path) -> Scanner {
    let list = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let config = SnapshotConfig {
        watch_dirs: vec![code.to_path_buf()],
        ignore_dirs: list(".git .idea .vscode build venv __pycache__ node_modules logs"),
        ignore_path_globs: list(
            "build-* cmake-build-* out-* *.dir/* *.o *.obj *.so *.a *.dylib *.dll *.pdb *.exp *.lib *.ptx *.cubin *.fatbin \
             task.json progress.txt TASK.md",
        ),
        include_path_globs: vec![],
    };
    let own: Vec<PathBuf> =
        ["task.json", "progress.txt", "TASK.md", "logs", ".autodev"].map(|own| code.join(own)).to_vec();
    let rules = Rules::new(&config, code, &own).unwrap();
    Scanner::open(&config.watch_dirs, rules, index).unwrap()
}

fn ms<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed().as_secs_f64() * 1e3, result)
}

/// The median and the least of some runs.
fn many(runs: usize, mut work: impl FnMut()) -> String {
    let mut times: Vec<f64> = (0..runs).map(|_| ms(&mut work).0).collect();
    times.sort_by(f64::total_cmp);
    format!("median {:.1} ms, least {:.1} ms", times[runs / 2], times[0])
}

fn git(code: &Path, args: &[&str]) -> usize {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "gc.auto=0"];
    let output = Command::new("git").current_dir(code).args(identity).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.len()
}

/// Scans until all files have been at rest, as they are when a run begins.
fn settle(scanner: &mut Scanner) -> Manifest {
    loop {
        let manifest = scanner.scan().unwrap();
        if scanner.tally().read == 0 {
            return manifest;
        }
    }
}

#[test]
#[ignore = "prints timings; takes minutes for large N"]
fn scans_beside_git_status() {
    let dir = tempfile::tempdir().unwrap();
    let (code, index) = (dir.path().join("code"), dir.path().join("index"));
    grow(&code, files());
    git(&code, &["init", "-q"]);
    git(&code, &["add", "-A"]);
    git(&code, &["commit", "-qm", "all"]);
    let mut first = scanner(&code, &index);
    let (cold, manifest) = ms(|| first.scan().unwrap());
    assert_eq!(manifest.len(), files());
    let manifest = settle(&mut first);
    println!("{} files, index {} KiB; cold scan {cold:.0} ms", files(), fs::metadata(&index).unwrap().len() / 1024);
    git(&code, &["status", "--porcelain"]);
    for _ in 0..2 {
        println!("warm, same process:  {}", many(9, || assert_eq!(first.scan().unwrap().len(), manifest.len())));
        println!("warm, new process:   {}", many(9, || assert_eq!(scanner(&code, &index).scan().unwrap(), manifest)));
        println!("git status:          {}", many(9, || assert_eq!(git(&code, &["status", "--porcelain"]), 0)));
    }
    println!("stamp:               {}", many(9, || assert_eq!(first.quick_stamp(), first.quick_stamp())));
    fs::write(code.join("p0/d0/module_0.rs"), "changed").unwrap();
    let (one, changed) = ms(|| first.scan().unwrap());
    let (diff, changes) = ms(|| manifest.diff(&changed));
    assert_eq!(changes.len(), 1);
    println!("scan after one edit, index written: {one:.1} ms; diff {diff:.2} ms");
    let path = dir.path().join("base");
    println!("save (synced):       {}", many(5, || changed.save(&path).unwrap()));
    println!("load:                {}", many(5, || assert_eq!(Manifest::load(&path).unwrap().len(), changed.len())));
    println!("digest:              {}", many(5, || assert_ne!(changed.digest(), Digest([0; 32]))));
    println!("manifest {} KiB", fs::metadata(&path).unwrap().len() / 1024);
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        status.lines().filter(|line| line.starts_with("VmHWM")).for_each(|line| println!("{line}"));
    }
}

#[test]
#[ignore = "prints timings; takes minutes for large N"]
fn ignored_trees_cost_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (code, index) = (dir.path().join("code"), dir.path().join("index"));
    grow(&code, 1000);
    let mut scanner = scanner(&code, &index);
    let alone = settle(&mut scanner);
    println!("1000 files alone:             {}", many(51, || assert_eq!(scanner.scan().unwrap().len(), 1000)));
    grow(&code.join("node_modules"), files());
    println!("beside {} ignored files:  {}", files(), many(51, || assert_eq!(scanner.scan().unwrap(), alone)));
}

#[test]
#[ignore = "prints timings"]
fn a_small_tree_is_kept_quickly() {
    let dir = tempfile::tempdir().unwrap();
    let code = dir.path().join("code");
    grow(&code, 50);
    let mut scanner = scanner(&code, &dir.path().join("index"));
    let manifest = settle(&mut scanner);
    let path = dir.path().join("base");
    println!("scan of 50 files:  {}", many(101, || assert_eq!(scanner.scan().unwrap().len(), 50)));
    println!("save (synced):     {}", many(101, || manifest.save(&path).unwrap()));
    println!("load:              {}", many(101, || assert_eq!(Manifest::load(&path).unwrap().len(), 50)));
    assert!(manifest.get(&RelPath::from("p0/d0/module_0.rs")).is_some());
}
