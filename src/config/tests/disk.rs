//! Files as they really lie about.
#![expect(clippy::disallowed_methods, reason = "writes the files it reads")]

use std::fs;
use std::os::unix::fs::symlink;

use pretty_assertions::assert_eq;

use super::super::*;

#[test]
fn the_nearest_file_above_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir_all(root.join("a/b/autodev.toml")).unwrap();
    fs::write(root.join("autodev.toml"), "").unwrap();
    assert_eq!(discover(&root.join("a/b")), Some(root.join("autodev.toml")), "a directory is not a file");
    fs::write(root.join("a/autodev.toml"), "").unwrap();
    assert_eq!(discover(&root.join("a/b/c")), Some(root.join("a/autodev.toml")));
    assert_eq!(discover(&root.join("a/..")), Some(root.join("autodev.toml")), "what is left by .. is not above");
    fs::remove_file(root.join("a/autodev.toml")).unwrap();
    symlink("nowhere", root.join("a/autodev.toml")).unwrap();
    let dangling = discover(&root.join("a")).unwrap();
    assert_eq!(dangling, root.join("a/autodev.toml"));
    assert!(matches!(load(&dangling, &[]), Err(ConfigError::Missing { .. })));
    assert_eq!(discover(Path::new("/proc/self/fd")), None);
}

#[test]
fn a_file_is_read_from_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x/../autodev.toml");
    fs::create_dir(dir.path().join("x")).unwrap();
    fs::write(&path, "[project]\nname = 'n'\n").unwrap();
    let env = [("AUTODEV_RUN_MAX_TASKS".to_owned(), "4".to_owned())];
    let config = load(&path, &env).unwrap().config;
    assert_eq!((config.project.name.as_str(), config.run.max_tasks), ("n", 4));
    assert_eq!(config.source, dir.path().join("autodev.toml"));
    assert_eq!(config.project.code_dir, dir.path());
}

#[test]
fn what_cannot_be_read_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("autodev.toml");
    let error = load(&path, &[]).unwrap_err();
    assert_eq!(error.to_string(), format!("read {}: no such file", path.display()));
    assert!(error.hint().unwrap().contains("autodev init"));
    let error = load(dir.path(), &[]).unwrap_err();
    assert!(error.to_string().starts_with(&format!("read {}: ", dir.path().display())), "{error}");
    fs::write(&path, b"[run]\n\xc3\xa4 = \"\xff\"\n").unwrap();
    let error = load(&path, &[]).unwrap_err().to_string();
    assert!(error.ends_with("autodev.toml:2:6: not UTF-8: byte 0xff at offset 12; save the file as UTF-8"), "{error}");
    fs::write(&path, b"\xff\xfe[\0").unwrap();
    assert!(load(&path, &[]).unwrap_err().to_string().contains("autodev.toml:1:1: not UTF-8"));
    fs::write(&path, vec![b'#'; 1 << 21]).unwrap();
    assert!(load(&path, &[]).unwrap_err().to_string().contains("larger than 1048576 bytes"));
    let error = ConfigError::NotFound { start: "/a".into() };
    assert!(error.to_string().contains("/a") && error.hint().unwrap().contains("autodev init"));
}

#[test]
fn a_directory_that_is_not_text_does_no_harm() {
    use std::os::unix::ffi::OsStringExt;
    let dir = tempfile::tempdir().unwrap();
    let odd = dir.path().join(std::ffi::OsString::from_vec(b"we\xffird".to_vec()));
    fs::create_dir(&odd).unwrap();
    let path = odd.join("autodev.toml");
    fs::write(&path, "").unwrap();
    assert_eq!(load(&path, &[]).unwrap().config.files.task_json, odd.join("task.json"));
    fs::write(&path, "[backend.claude]\nprogram = 'bin/claude'\n").unwrap();
    let error = load(&path, &[]).unwrap_err().to_string();
    assert!(error.contains("[backend.claude].program:") && error.contains("is not UTF-8"), "{error}");
}
