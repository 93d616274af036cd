//! What is asked of tmux.
//!
//! Targets are exact (`=NAME`), because tmux takes the beginning of a name, or a pattern, for the name. Options are set
//! for the one session only; a tmux server is the user's.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::sys;
use crate::sys::session::{Answer, ask};

/// A tmux server answers in milliseconds; it may have to be started first, on a loaded machine.
pub(super) const LIMIT: Duration = Duration::from_secs(20);
/// Lines that can be scrolled back (the reference's number).
const HISTORY: &str = "50000";

/// The tmux of this user.
pub(super) struct Tmux {
    pub(super) program: PathBuf,
    cwd: PathBuf,
}

impl Tmux {
    /// Finds the program; `None` when it is not installed.
    pub(super) fn find(cwd: &Path) -> Option<Self> {
        let program = sys::which::resolve("tmux".as_ref(), cwd).ok()?;
        Some(Self { program, cwd: cwd.to_path_buf() })
    }

    /// Returns the names of all its sessions; empty when no server runs.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        let answer = self.ask(&["list-sessions", "-F", "#{session_name}"].map(OsString::from))?;
        // Without a server it fails; whatever else is wrong shows when a session is started.
        Ok(if answer.code == 0 { lines(&answer.out) } else { Vec::new() })
    }

    /// Starts a session that runs `exe command ticket` and copies what that prints to `log`. Returns its process id.
    pub(super) fn start(&self, name: &str, exe: &Path, command: &str, ticket: &Path, log: &Path) -> Result<u32> {
        let answer = self.ask(&start_args(name, exe, command, ticket, log))?;
        let pid = lines(&answer.out).first().and_then(|line| line.trim().parse().ok());
        match pid {
            Some(pid) if answer.code == 0 => Ok(pid),
            _ => {
                // What was begun is ours: the name was free. When nothing was, this fails, and that is fine.
                self.ask(&["kill-session".into(), "-t".into(), format!("={name}").into()]).ok();
                let said = String::from_utf8_lossy(&answer.err).trim().to_owned();
                bail!("start a tmux session: tmux exited with {}: {said}; --detach=process needs no tmux", answer.code)
            }
        }
    }

    /// Returns the present name of the session in which a process is the program of a pane.
    pub(super) fn session_of(&self, socket: &Path, pid: u32) -> Result<Option<String>> {
        let mut args: Vec<OsString> = vec!["-S".into(), socket.into()];
        args.extend(["list-panes", "-a", "-F", "#{pane_pid} #{session_name}"].map(OsString::from));
        let answer = self.ask(&args)?;
        let wanted = format!("{pid} ");
        Ok(lines(&answer.out).iter().find_map(|line| Some(line.strip_prefix(&wanted)?.to_owned())))
    }

    fn ask(&self, args: &[OsString]) -> Result<Answer> {
        // A server that this starts lives longer than the run, and hands its environment to sessions of other projects.
        let env = sys::env::all().into_iter().map(|(name, _)| name);
        let private: Vec<OsString> = env.filter(|name| name.to_str().is_some_and(is_private)).collect();
        let program = &self.program;
        ask(program, args, &private, &self.cwd, LIMIT)
            .with_context(|| format!("run {} (--detach=process needs no tmux)", program.display()))
    }
}

fn is_private(name: &str) -> bool {
    name.starts_with("AUTODEV_") || sys::redact::is_secret(name)
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect()
}

/// One call does it all, so that nothing of the session is seen or lost in between. The history limit counts for windows
/// made after it was set; so a first window keeps the place and is replaced.
fn start_args(name: &str, exe: &Path, command: &str, ticket: &Path, log: &Path) -> Vec<OsString> {
    let place = format!("={name}:");
    let mut args: Vec<OsString> = Vec::new();
    let mut add = |words: &[&str]| args.extend(words.iter().map(OsString::from));
    // 220 x 50 is the reference's size; it ends by itself should the rest fail.
    add(&["new-session", "-d", "-s", name, "-x", "220", "-y", "50", "sleep", "60", ";"]);
    add(&["set-option", "-t", &place, "history-limit", HISTORY, ";"]);
    // A user who wants sessions to end when nobody looks does not mean this one.
    add(&["set-option", "-t", &place, "destroy-unattached", "off", ";"]);
    add(&["new-window", "-k", "-t", &format!("{place}{{start}}"), "-P", "-F", "#{pane_pid}"]);
    // Several words are a program with arguments; one would be a line for a shell.
    args.extend([exe.into(), command.into(), ticket.into(), ";".into()]);
    let mut add = |words: &[&str]| args.extend(words.iter().map(OsString::from));
    add(&["set-option", "-w", "-t", &place, "remain-on-exit", "off", ";"]);
    add(&["pipe-pane", "-t", &place]);
    args.push(OsString::from_vec([b"exec cat >> ", quoted(log).as_slice()].concat()));
    args
}

/// A path as a shell reads it behind tmux's own expansion of `#` and `%`. The quotes are closed after each `#`, because
/// `##[` would stay as it is.
fn quoted(path: &Path) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'\'' => quoted.extend(br"'\''"),
            b'#' => quoted.extend(b"##''"),
            b'%' => quoted.extend(b"%%"),
            other => quoted.push(*other),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_paths_pass_both_tmux_and_the_shell() {
        let of = |path: &str| String::from_utf8(quoted(Path::new(path))).unwrap();
        assert_eq!(of("/a b/$(x)"), "'/a b/$(x)'");
        assert_eq!(of("it's"), r"'it'\''s'");
        assert_eq!(of("#[x] #{pid} %H"), "'##''[x] ##''{pid} %%H'");
    }

    #[test]
    fn every_target_is_exact_and_the_ticket_is_all_that_is_seen() {
        let args = start_args("autodev-app", "/x/autodev".as_ref(), "__session", "/t".as_ref(), "/l".as_ref());
        let words: Vec<&str> = args.iter().map(|arg| arg.to_str().unwrap()).collect();
        let targets: Vec<&&str> = words.windows(2).filter(|pair| pair[0] == "-t").map(|pair| &pair[1]).collect();
        assert!(targets.len() == 5 && targets.iter().all(|target| target.starts_with("=autodev-app:")), "{targets:?}");
        assert!(words.windows(4).any(|four| four == ["/x/autodev", "__session", "/t", ";"]), "{words:?}");
        assert!(!words.contains(&"-g"), "the user's options stay");
    }

    #[test]
    fn secrets_and_settings_do_not_get_into_a_server() {
        for name in ["OPENAI_API_KEY", "GITHUB_TOKEN", "AUTODEV_RUN_MAX_TASKS"] {
            assert!(is_private(name), "{name}");
        }
        for name in ["PATH", "HOME", "LANG", "TMUX_TMPDIR", "SSH_AUTH_SOCK"] {
            assert!(!is_private(name), "{name}");
        }
    }
}
