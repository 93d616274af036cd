//! A project in a temporary directory, scripted agents on its PATH, and the real binary.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
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

/// One task that is done when `src/T1.txt` exists.
pub const ONE_TASK: &str = r#"[{"id": "T1", "title": "First", "description": "d", "steps": ["s"],
  "verification": {"path_patterns": ["src/*"], "validate_commands": ["test -f src/T1.txt"]}}]"#;

/// Two tasks like that, `T1` and `T2`.
pub const TWO_TASKS: &str = r#"[{"id": "T1", "title": "First", "description": "d", "steps": ["s"],
  "verification": {"path_patterns": ["src/*"], "validate_commands": ["test -f src/T1.txt"]}},
 {"id": "T2", "title": "Second", "description": "d", "steps": ["s"],
  "verification": {"path_patterns": ["src/*"], "validate_commands": ["test -f src/T2.txt"]}}]"#;

/// An agent that does what [`ONE_TASK`] and [`TWO_TASKS`] ask for.
pub const DILIGENT: &str = "mkdir -p src; echo work > src/$AUTODEV_TASK_ID.txt; echo done";

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
            // Tests of other things count calls of agents.
            ("AUTODEV_REFLECTION_ENABLED", "false"),
        ] {
            env.insert(name.to_owned(), value.to_owned());
        }
        let project = Self { root, env };
        project.config("");
        project.tasks("[]");
        project
    }

    /// As a person sets one up by hand: a repository, two lines of configuration, nothing ignored.
    pub fn plain() -> Self {
        let project = Self::without_git();
        project.write("autodev.toml", "[backend]\ndefault = \"codex\"\n\n[run]\ndelay_between_tasks = 0\n");
        project.git(&["init", "-q", "-b", "main"]);
        project.write("README.md", "# a project\n");
        project.git(&["add", "-A"]);
        project.git(&["commit", "-q", "-m", "initial"]);
        project
    }

    /// The project's directory.
    pub fn dir(&self) -> PathBuf {
        self.root.path().join("project")
    }

    /// A path outside the project where agents of a test may leave things that are no work.
    pub fn out(&self, name: &str) -> PathBuf {
        self.root.path().join("out").join(name)
    }

    /// Reads such a file; empty when it is not there.
    pub fn left(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.out(name)).unwrap_or_default()).into_owned()
    }

    /// Waits until an agent has left a file.
    pub fn wait_for_left(&self, name: &str) {
        wait_until(&format!("{name} to be left"), || self.out(name).exists());
    }

    /// Waits until an agent has left a process id in a file, and returns it.
    pub fn left_pid(&self, name: &str) -> i32 {
        wait_until(&format!("a process id in {name}"), || self.left(name).trim().parse::<i32>().is_ok());
        self.left(name).trim().parse().unwrap()
    }

    /// Takes a variable away again.
    pub fn no_env(&mut self, name: &str) -> &mut Self {
        self.env.remove(name);
        self
    }

    /// Writes the whole autodev.toml, as users do by hand.
    pub fn toml(&self, text: &str) -> &Self {
        self.write("autodev.toml", text)
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

    /// From now on it is this time, and goes on so many times as fast, for every process of the project: those that run
    /// already (when they began with such a clock) and those to come.
    pub fn clock(&mut self, start: &str, speed: f64) -> &mut Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        let file = self.out("clock");
        let new = self.out("clock.new");
        fs::write(&new, format!("{start} x{speed} @{now:.6}\n")).unwrap();
        fs::rename(&new, &file).unwrap();
        self.env("AUTODEV_TEST_CLOCK", file.to_str().unwrap())
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
    /// calls in `$n` (from 1). What is no work goes to `$out`.
    pub fn agent(&self, name: &str, script: &str) -> &Self {
        let count = self.root.path().join("out").join(format!("{name}.calls"));
        self.program(
            name,
            &format!(
                "#!/bin/bash\nif [ \"$1\" = --version ]; then echo '{name} fake'; exit 0; fi\n\
                 out='{out}'\nprompt=$(cat)\nn=$(( $(cat '{c}' 2>/dev/null || echo 0) + 1 )); echo $n > '{c}'\n\
                 printf '%s' \"$prompt\" > '{c}.prompt.'$n\n{script}\n",
                c = count.display(),
                out = self.root.path().join("out").display(),
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

    /// Whether a task passes and whether it is blocked; what is not said is not so.
    pub fn flags(&self, id: &str) -> (bool, bool) {
        let task = self.task(id);
        assert!(task.is_object(), "no task {id}");
        let flag = |name: &str| task[name].as_bool().unwrap_or_default();
        (flag("passes"), flag("blocked"))
    }

    /// As [`Project::flags`]; `None` while the task is not in the queue.
    pub fn flags_or(&self, id: &str) -> Option<(bool, bool)> {
        self.task(id).is_object().then(|| self.flags(id))
    }

    /// Runs git in the project and returns what it printed.
    pub fn git(&self, args: &[&str]) -> String {
        let done = Self::finish(self.command("git", args).spawn().unwrap(), "git");
        assert_eq!(done.code, 0, "git {args:?}: {done:?}");
        done.out
    }

    /// The journal, oldest event first.
    pub fn journal(&self) -> Vec<Value> {
        let text = self.expect(&["log", "--json"], 0).out;
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }

    /// The events of one kind.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        self.journal().into_iter().filter(|event| event["kind"] == kind).collect()
    }

    /// What a command prints as JSON.
    pub fn output_json(&self, args: &[&str], code: i32) -> Value {
        let done = self.expect(args, code);
        serde_json::from_str(&done.out).unwrap_or_else(|e| panic!("{args:?}: {e}: {}", done.out))
    }

    /// The files below a directory of the project whose path contains a text, sorted.
    pub fn find(&self, below: &str, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut dirs = vec![self.path(below)];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
                let path = entry.path();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    dirs.push(path);
                } else {
                    let name = path.strip_prefix(self.dir()).unwrap().to_string_lossy().into_owned();
                    found.extend(Some(name).filter(|name| name.contains(text)));
                }
            }
        }
        found.sort();
        found
    }

    /// The files below a directory of the project that hold a text, sorted.
    pub fn holding(&self, below: &str, text: &str) -> Vec<String> {
        self.find(below, "").into_iter().filter(|name| self.read(name).contains(text)).collect()
    }

    /// A place outside of the project, for notes of agents.
    pub fn aside(&self, name: &str) -> PathBuf {
        self.root.path().join("out").join(name)
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
        self.start(self.command(env!("CARGO_BIN_EXE_autodev"), args))
    }

    /// Starts autodev as a shell does: in a process group of its own.
    pub fn spawn_group(&self, args: &[&str]) -> Running {
        let mut command = self.command(env!("CARGO_BIN_EXE_autodev"), args);
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        self.start(command)
    }

    /// Runs a bash script in the project to its end; `$autodev` is the program, `$out` where agents leave things.
    pub fn shell(&self, script: &str) -> Done {
        let mut command = self.command("bash", &["-c", script]);
        command.env("autodev", env!("CARGO_BIN_EXE_autodev")).env("out", self.root.path().join("out"));
        self.start(command).wait()
    }

    fn start(&self, mut command: Command) -> Running {
        let stamp = format!("{:?}", Instant::now()).replace(|c: char| !c.is_ascii_digit(), "");
        let out = self.root.path().join("out").join(format!("{stamp}.out"));
        let err = self.root.path().join("out").join(format!("{stamp}.err"));
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

    /// What it has printed so far.
    pub fn out(&self) -> String {
        slurp(&self.out)
    }

    /// Sends it a signal by name, for example `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().unwrap();
        assert!(status.success(), "kill -{name}");
    }

    /// Sends its process group a signal, as a terminal does.
    pub fn signal_group(&self, name: &str) {
        let group = format!("-{}", self.pid());
        let status = Command::new("kill").args([&format!("-{name}"), "--", &group]).status().unwrap();
        assert!(status.success(), "kill -{name} {group}");
    }

    /// Waits for its end, which must come within so many seconds from now.
    pub fn wait_at_most(self, seconds: u64) -> Done {
        let begun = Instant::now();
        let done = self.wait();
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(seconds), "it took {took:?}: {done:?}");
        done
    }

    /// Waits for its end, with patience.
    pub fn wait(self) -> Done {
        self.wait_within(PATIENCE)
    }

    /// Waits for its end, with as much patience as it takes: for what measures time.
    pub fn wait_within(mut self, patience: Duration) -> Done {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Done { code: code(status), out: slurp(&self.out), err: slurp(&self.err) };
            }
            if begun.elapsed() > patience {
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

/// Whether a tool is on PATH. When it is not, says so, or fails where `AUTODEV_REQUIRE` names it.
pub fn has_tool(name: &str) -> bool {
    let found =
        std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()));
    if !found {
        skipped(name, "install it to run this test");
    }
    found
}

/// Takes note that a program which a test needs is absent: a failure when `AUTODEV_REQUIRE` names it, else a line that
/// is seen although the test passes.
pub fn skipped(name: &str, hint: &str) {
    let required = std::env::var("AUTODEV_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|tool| tool.trim() == name);
    assert!(!is_required, "{name} is required (AUTODEV_REQUIRE) and absent: {hint}");
    // Not with eprintln!, which the test program keeps to itself.
    std::io::stderr().write_all(format!("SKIPPED: {name} is absent: {hint}\n").as_bytes()).unwrap();
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
