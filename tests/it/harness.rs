//! A project in a temporary directory, scripted agents on its PATH, and the real binary.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// No test waits longer than this for anything; a hang then fails with everything that is known.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A project and the world around it.
pub struct Project {
    root: tempfile::TempDir,
    env: BTreeMap<String, String>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Done {
    /// Exit code; minus the signal's number when one ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// A command that is still running.
pub struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Project {
    /// A git repository with one commit, a minimal autodev.toml for codex without pauses, and no tasks.
    pub fn new() -> Self {
        let project = Self::without_git();
        project.git(&["init", "-q", "-b", "main"]);
        project.write(".gitignore", "logs/\n.autodev/\n");
        project.write("README", "a project\n");
        project.git(&["add", "."]);
        project.git(&["commit", "-q", "-m", "start"]);
        project
    }

    /// The same without git.
    pub fn without_git() -> Self {
        let root = tempfile::tempdir().unwrap();
        for dir in ["project", "home", "bin", "out"] {
            fs::create_dir(root.path().join(dir)).unwrap();
        }
        let mut env = BTreeMap::new();
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", root.path().join("bin").display());
        for (name, value) in [
            ("PATH", path.as_str()),
            ("HOME", root.path().join("home").to_str().unwrap()),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_AUTHOR_NAME", "Dev"),
            ("GIT_AUTHOR_EMAIL", "dev@example.com"),
            ("GIT_COMMITTER_NAME", "Dev"),
            ("GIT_COMMITTER_EMAIL", "dev@example.com"),
            ("LC_ALL", "C.UTF-8"),
            ("TZ", "UTC"),
        ] {
            env.insert(name.to_owned(), value.to_owned());
        }
        let project = Self { root, env };
        project.config("");
        project.tasks("[]");
        project
    }

    /// The project's directory.
    pub fn dir(&self) -> PathBuf {
        self.root.path().join("project")
    }

    /// A path in the project.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// Sets a variable for every command from now on.
    pub fn env(&mut self, name: &str, value: &str) -> &mut Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Takes a variable away from every command from now on.
    pub fn unset(&mut self, name: &str) -> &mut Self {
        self.env.remove(name);
        self
    }

    /// Writes autodev.toml: backend codex, no delay, then `more`.
    pub fn config(&self, more: &str) -> &Self {
        let text = format!(
            "[project]\nname = \"Demo\"\n[backend]\ndefault = \"codex\"\n{}{more}",
            if more.contains("[run]") { "" } else { "[run]\ndelay_between_tasks = 0\n" }
        );
        self.write("autodev.toml", &text)
    }

    /// Writes task.json with these tasks (a JSON list).
    pub fn tasks(&self, list: &str) -> &Self {
        self.write("task.json", &format!("{{\"project\": \"Demo\", \"tasks\": {list}}}\n"))
    }

    /// Puts an agent on PATH: a shell script that finds its prompt in `$prompt`, answers `--version`, and counts its
    /// calls in `$n` (from 1).
    pub fn agent(&self, name: &str, script: &str) -> &Self {
        let count = self.root.path().join("out").join(format!("{name}.calls"));
        self.program(
            name,
            &format!(
                "#!/bin/bash\nif [ \"$1\" = --version ]; then echo '{name} fake'; exit 0; fi\n\
                 prompt=$(cat)\nn=$(( $(cat '{c}' 2>/dev/null || echo 0) + 1 )); echo $n > '{c}'\n\
                 printf '%s' \"$prompt\" > '{c}.prompt.'$n\n{script}\n",
                c = count.display()
            ),
        )
    }

    /// Puts any program on PATH.
    pub fn program(&self, name: &str, script: &str) -> &Self {
        let path = self.root.path().join("bin").join(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    /// How often an agent was called.
    pub fn calls(&self, name: &str) -> u32 {
        let path = self.root.path().join("out").join(format!("{name}.calls"));
        fs::read_to_string(path).map_or(0, |text| text.trim().parse().unwrap())
    }

    /// The prompt of the n-th call of an agent, from 1.
    pub fn prompt(&self, name: &str, n: u32) -> String {
        let path = self.root.path().join("out").join(format!("{name}.calls.prompt.{n}"));
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Writes a file of the project.
    pub fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Reads a file of the project.
    pub fn read(&self, name: &str) -> String {
        let path = self.path(name);
        String::from_utf8_lossy(&fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).into_owned()
    }

    /// Whether a file of the project exists.
    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Reads a JSON file of the project.
    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap_or_else(|e| panic!("{name}: {e}: {}", self.read(name)))
    }

    /// One task of task.json.
    pub fn task(&self, id: &str) -> Value {
        let queue = self.json("task.json");
        queue["tasks"].as_array().unwrap().iter().find(|t| t["id"] == id).cloned().unwrap_or(Value::Null)
    }

    /// Runs git in the project and returns what it printed.
    pub fn git(&self, args: &[&str]) -> String {
        let done = Self::finish(self.command("git", args).spawn().unwrap(), "git");
        assert_eq!(done.code, 0, "git {args:?}: {done:?}");
        done.out
    }

    /// The files of the newest commit, sorted.
    pub fn committed(&self) -> Vec<String> {
        let text = self.git(&["show", "--name-only", "--format=", "HEAD"]);
        let mut files: Vec<String> = text.lines().map(str::to_owned).collect();
        files.sort();
        files
    }

    /// The subjects of all commits, newest first.
    pub fn log(&self) -> Vec<String> {
        self.git(&["log", "--format=%s"]).lines().map(str::to_owned).collect()
    }

    /// Runs autodev to its end.
    pub fn run(&self, args: &[&str]) -> Done {
        self.spawn(args).wait()
    }

    /// Runs autodev and expects an exit code.
    pub fn expect(&self, args: &[&str], code: i32) -> Done {
        let done = self.run(args);
        assert_eq!(done.code, code, "autodev {args:?}\n--- stdout\n{}\n--- stderr\n{}", done.out, done.err);
        done
    }

    /// Starts autodev.
    pub fn spawn(&self, args: &[&str]) -> Running {
        let stamp = format!("{:?}", Instant::now()).replace(|c: char| !c.is_ascii_digit(), "");
        let out = self.root.path().join("out").join(format!("{stamp}.out"));
        let err = self.root.path().join("out").join(format!("{stamp}.err"));
        let mut command = self.command(env!("CARGO_BIN_EXE_autodev"), args);
        command.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&err).unwrap());
        Running { child: command.spawn().unwrap(), out, err }
    }

    /// A command in the project's directory with the project's environment and nothing else.
    pub fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.dir()).env_clear().envs(&self.env).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn finish(child: Child, what: &str) -> Done {
        let output = child.wait_with_output().unwrap_or_else(|e| panic!("{what}: {e}"));
        Done {
            code: code(output.status),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Waits until a file of the project holds a text.
    pub fn wait_for(&self, name: &str, text: &str) {
        let path = self.path(name);
        wait_until(&format!("{name} to contain {text:?}"), || {
            fs::read(&path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text))
        });
    }

    /// Waits until a file of the project exists.
    pub fn wait_for_file(&self, name: &str) {
        let path = self.path(name);
        wait_until(&format!("{name} to exist"), || path.exists());
    }
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Sends it a signal by name, for example `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().unwrap();
        assert!(status.success(), "kill -{name}");
    }

    /// Waits for its end, with patience.
    pub fn wait(mut self) -> Done {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Done { code: code(status), out: slurp(&self.out), err: slurp(&self.err) };
            }
            if begun.elapsed() > PATIENCE {
                self.child.kill().unwrap();
                panic!("autodev does not end\n--- stdout\n{}\n--- stderr\n{}", slurp(&self.out), slurp(&self.err));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Waits until something is true; fails with its name when it never is.
pub fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_true() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process with this id lives (a zombie does not).
pub fn lives(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit(')').next().map(|rest| !rest.trim_start().starts_with('Z')))
        .unwrap_or(false)
}

/// The processes whose command line contains a text.
pub fn processes(text: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).replace('\0', " ").contains(text) && lives(pid) {
            found.push(pid);
        }
    }
    found
}

/// Whether a tool is there. When `AUTODEV_REQUIRE` names it, its absence is a failure; else the test says that it skips.
pub fn has_tool(name: &str) -> bool {
    let found =
        std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()));
    if !found {
        let required = std::env::var("AUTODEV_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|tool| tool.trim() == name),
            "{name} is required (AUTODEV_REQUIRE) and absent"
        );
        eprintln!("SKIPPED: {name} is not installed");
    }
    found
}

fn slurp(path: &Path) -> String {
    let mut text = Vec::new();
    fs::File::open(path).and_then(|mut f| f.read_to_end(&mut text)).unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

fn code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| -status.signal().unwrap_or(0))
}
