//! Parses what git prints. Pure: bytes in, values out; anything unexpected is `None`, never a panic.

use super::cli::object_name;
use super::place::RootPath;

/// A file in a tree: mode (`100644`, `100755`, `120000`, `160000`, `40000`) and object name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) mode: u32,
    pub(super) object: String,
}

/// One path of a raw diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Differing {
    pub(super) path: RootPath,
    pub(super) old: Option<Entry>,
    pub(super) new: Option<Entry>,
}

/// A directory in a tree.
pub(super) const TREE: u32 = 0o040_000;
/// A commit of another repository.
pub(super) const GITLINK: u32 = 0o160_000;

/// Parses `git diff-index|diff-tree -r -z --no-renames --no-abbrev`: `:mode mode object object status NUL path NUL` ...
pub(super) fn raw_diff(bytes: &[u8]) -> Option<Vec<Differing>> {
    let mut fields = fields(bytes);
    let mut found = Vec::new();
    while let Some(head) = fields.next() {
        found.push(differing(head, fields.next()?)?);
    }
    Some(found)
}

fn differing(head: &[u8], path: &[u8]) -> Option<Differing> {
    let text = std::str::from_utf8(head).ok()?.strip_prefix(':')?;
    let mut words = text.split(' ');
    let (old_mode, new_mode) = (words.next()?, words.next()?);
    let (old, new) = (words.next()?, words.next()?);
    let (old, new) = (entry(old_mode, old)?, entry(new_mode, new)?);
    let present = |entry: Entry| (entry.mode != 0).then_some(entry);
    Some(Differing { path: path.to_vec(), old: present(old), new: present(new) })
}

/// An absent file has mode 0.
fn entry(mode: &str, object: &str) -> Option<Entry> {
    Some(Entry { mode: u32::from_str_radix(mode, 8).ok()?, object: object_name(object.as_bytes())? })
}

/// Parses `git diff-tree --stdin -r -z --root --no-renames --no-abbrev`: each commit's name, then its raw diff.
pub(super) fn raw_diffs(bytes: &[u8]) -> Option<Vec<(String, Vec<Differing>)>> {
    let mut found: Vec<(String, Vec<Differing>)> = Vec::new();
    let mut fields = fields(bytes);
    while let Some(field) = fields.next() {
        if field.starts_with(b":") {
            found.last_mut()?.1.push(differing(field, fields.next()?)?);
        } else {
            found.push((object_name(field)?, Vec::new()));
        }
    }
    Some(found)
}

/// Parses `git ls-tree -z`: `mode type object TAB path NUL` ...
pub(super) fn tree(bytes: &[u8]) -> Option<Vec<(RootPath, Entry)>> {
    fields(bytes)
        .map(|field| {
            let tab = field.iter().position(|b| *b == b'\t')?;
            let (head, path) = field.split_at_checked(tab)?;
            let mut words = std::str::from_utf8(head).ok()?.split(' ');
            let (mode, _kind, object) = (words.next()?, words.next()?, words.next()?);
            Some((path.get(1..)?.to_vec(), entry(mode, object)?))
        })
        .collect()
}

/// What `git status` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// `None` on a branch without commits.
    pub(super) head: Option<String>,
    /// Every path that differs from HEAD, in the index or in the work tree, or is untracked. A directory of another
    /// repository ends with `/`.
    pub(super) paths: Vec<RootPath>,
}

/// Parses `git status --porcelain=v2 -z --branch --no-renames`.
pub(super) fn status(bytes: &[u8]) -> Option<Status> {
    let mut status = Status::default();
    for field in fields(bytes) {
        // The number of blanks before the path, by the kind of line.
        let blanks = match field.first()? {
            b'#' => {
                if let Some(name) = field.strip_prefix(b"# branch.oid ") {
                    status.head = object_name(name);
                }
                continue;
            }
            b'1' => 8,
            b'u' => 10,
            b'?' => 1,
            _ => return None,
        };
        let path = field.splitn(blanks + 1, |b| *b == b' ').nth(blanks)?;
        status.paths.push(path.to_vec());
    }
    Some(status)
}

/// Splits at NUL; the last field may lack its NUL.
pub(super) fn fields(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.strip_suffix(b"\0").unwrap_or(bytes).split(|b| *b == 0).filter(move |_| !bytes.is_empty())
}

/// Returns the hook that made a command fail, from the trace2 events of the command: the last hook that did not end
/// with 0. Events of commands that a hook itself ran do not count.
pub(super) fn failed_hook(trace: &[u8]) -> Option<String> {
    let mut running: Option<(u64, String)> = None;
    let mut failed = None;
    for line in trace.split(|b| *b == b'\n') {
        let Ok(event) = serde_json::from_slice::<serde_json::Value>(line) else { continue };
        let text = |key: &str| event.get(key).and_then(serde_json::Value::as_str);
        let Some(id) = event.get("child_id").and_then(serde_json::Value::as_u64) else { continue };
        if text("sid").is_none_or(|sid| sid.contains('/')) {
            continue;
        }
        match text("event") {
            Some("child_start") if text("child_class") == Some("hook") => {
                running = text("hook_name").map(|name| (id, name.to_owned()));
            }
            Some("child_exit") => {
                let is_bad = event.get("code").and_then(serde_json::Value::as_i64) != Some(0);
                if let Some((_, name)) = running.take_if(|(started, _)| *started == id).filter(|_| is_bad) {
                    failed = Some(name);
                }
            }
            _ => {}
        }
    }
    // A hook that never ended was ended together with git.
    running.map(|(_, name)| name).or(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0cfbf08886fca9a91cb753ec8734c84fcbe52c9f";
    const ZERO: &str = "0000000000000000000000000000000000000000";

    #[test]
    fn a_raw_diff_keeps_odd_names() {
        let text = [format!(":000000 100755 {ZERO} {A} A").as_bytes(), b"\0we\xff\n :x\0"].concat();
        let found = raw_diff(&text).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, b"we\xff\n :x");
        assert_eq!(found[0].old, None);
        assert_eq!(found[0].new, Some(Entry { mode: 0o100_755, object: A.to_owned() }));
        assert_eq!(raw_diff(b"").unwrap(), []);
    }

    #[test]
    fn diffs_of_several_commits_are_told_apart() {
        let text = format!("{A}\0:000000 100644 {ZERO} {A} A\0{ZERO}\0{ZERO}\0");
        let found = raw_diffs(text.as_bytes()).unwrap();
        assert_eq!(found.len(), 2, "a file may be called like a commit: {found:?}");
        assert_eq!((found[0].1.len(), found[1].1.len()), (1, 0));
    }

    #[test]
    fn a_status_names_every_path() {
        let text = format!(
            "# branch.oid {A}\0# branch.head main\01 .M N... 100644 100644 100644 {A} {A} a b\0? new file\0? nested/\0\
             u UU N... 100644 100644 100644 100644 {A} {A} {A} both ways\0"
        );
        let status = status(text.as_bytes()).unwrap();
        assert_eq!(status.head.as_deref(), Some(A));
        let paths: Vec<&[u8]> = vec![b"a b", b"new file", b"nested/", b"both ways"];
        assert_eq!(status.paths, paths);
    }

    #[test]
    fn nonsense_is_refused_and_never_panics() {
        for text in [&b"x"[..], b":", b":1 2", b":1 2 3 4 M\0", b"\0\0", b": : : : :\0x\0", b"100644 blob\0", b"9 x\0"]
        {
            assert!(raw_diff(text).is_none() && tree(text).is_none(), "{text:?}");
            assert!(status(text).is_none() && raw_diffs(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn the_failed_hook_is_the_one_of_the_command_itself() {
        let line = |sid: &str, event: &str, rest: &str| {
            format!("{{\"event\":\"{event}\",\"sid\":\"{sid}\",\"child_id\":0,{rest}}}\n")
        };
        let start = |sid, name| line(sid, "child_start", &format!("\"child_class\":\"hook\",\"hook_name\":\"{name}\""));
        let exit = |sid, code| line(sid, "child_exit", &format!("\"code\":{code}"));
        let trace = [start("S", "pre-commit"), start("S/T", "x"), exit("S/T", 1), exit("S", 0)].concat();
        assert_eq!(failed_hook(trace.as_bytes()), None);
        let trace = [trace, start("S", "commit-msg"), exit("S", 3), "{half".to_owned()].concat();
        assert_eq!(failed_hook(trace.as_bytes()).as_deref(), Some("commit-msg"));
        assert_eq!(failed_hook(start("S", "pre-commit").as_bytes()).as_deref(), Some("pre-commit"));
    }
}
