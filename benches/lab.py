"""What the measurements need: clocks, projects with a trivial agent, trees of files, facts about the machine.

It prints nothing and judges nothing. Everything is made below one directory, which the caller removes.
"""

import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import time

# The agent: called as `codex`, gets the prompt as an argument (the reference) or on stdin (autodev), writes one file
# and ends. One process: nothing but builtins of sh. FILE is replaced by one of the two names below it.
AGENT = r"""#!/bin/sh
[ "$1" = --version ] && { echo "codex-cli 0.0.0"; exit 0; }
line=
for line; do :; done
case "$line" in
  TASK:*) ;;
  *) IFS= read -r line ;;
esac
task=${line#TASK:}
task=${task%%:*}
echo "work on $task" > "work/FILE"
echo "done"
"""
NEW_FILE, SAME_FILE = "$task.txt", "out.txt"

# The same, but it first prints BYTES bytes made by PRODUCER.
NOISY = r"""#!/bin/sh
[ "$1" = --version ] && { echo "codex-cli 0.0.0"; exit 0; }
PRODUCER | head -c BYTES
echo "work" > work/noisy.txt
"""

# Keys that both programs know, with the same meaning; [snapshot] is what `init` writes.
CONFIG = """\
[project]
name = "bench"
code_dir = "."

[backend]
default = "codex"

[run]
max_retries = 1
max_tasks = 100000
delay_between_tasks = 0

[verification]
min_changed_files = 1
validate_commands = {checks}

[reflection]
enabled = false

[snapshot]
watch_dirs = ["."]
ignore_dirs = [".git", "build", "venv", "__pycache__", "node_modules", "logs"]
ignore_path_globs = ["build-*", "cmake-build-*", "out-*", "*.dir/*", "*.o", "*.obj", "*.so", "*.a", "*.dylib", "*.dll",
    "*.pdb", "*.exp", "*.lib", "*.ptx", "*.cubin", "*.fatbin", "task.json", "progress.txt", "TASK.md"]

[prompt]
template = "TASK:{{{{task_id}}}}:"

[git]
auto_commit = {commit}
"""

IGNORE = "logs/\n.autodev/\ntask.json\nprogress.txt\nTASK.md\nnode_modules/\n"


class Ran:
    """One finished command: wall and CPU seconds (the CPU of children that it waited for is in it), exit code."""

    def __init__(self, wall, cpu, code, peak_kib=0):
        self.wall, self.cpu, self.code, self.peak_kib = wall, cpu, code, peak_kib


def environment(home, extra_path=()):
    """A small environment of its own, so that nobody's git or agent settings are measured."""
    home.mkdir(parents=True, exist_ok=True)
    (home / ".gitconfig").write_text("[user]\n\tname = bench\n\temail = bench@example.org\n[init]\n\tdefaultBranch = main\n")
    path = os.pathsep.join([*map(str, extra_path), os.environ.get("PATH", "/usr/bin:/bin")])
    return {"HOME": str(home), "PATH": path, "LC_ALL": "C", "TZ": "UTC", "GIT_CONFIG_NOSYSTEM": "1"}


def run(argv, cwd, env, log=None, watch_peak=False, realtime=False, limit=7200):
    """Runs a command to its end. Its output goes to `log`, or nowhere. With `watch_peak`, VmHWM of that one process
    (not of its children) is read every 10 ms; it only ever grows, so the last value is the peak but for those 10 ms.
    With `realtime`, it and all its children go before every other process of the machine."""
    out = open(log, "wb") if log else subprocess.DEVNULL
    if realtime:
        # Inherited by the child. Set here and not between fork and exec, which would cost the time of a fork.
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    begin = time.perf_counter()
    child = subprocess.Popen([str(a) for a in argv], cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    peak = 0
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG if watch_peak else 0)
        if pid:
            break
        peak = max(peak, vm_hwm_kib(child.pid))
        if time.perf_counter() - begin > limit:
            child.kill()
        time.sleep(0.01)
    wall = time.perf_counter() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if realtime:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    if log:
        out.close()
    return Ran(wall, usage.ru_utime + usage.ru_stime, child.returncode, peak)


def vm_hwm_kib(pid):
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found.group(1)) if found else 0


def output(argv, cwd=None, env=None):
    """What a command prints; it must succeed."""
    return subprocess.run([str(a) for a in argv], cwd=cwd, env=env, check=True, capture_output=True, text=True).stdout


def interleaved(runs, works):
    """Calls the named functions in turn (A B A B ...), so that a change in the load of the machine meets all of them."""
    results = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            results[name].append(work())
    return results


def shown(values, scale=1.0, digits=1):
    """`median (least to most)`."""
    if not values:
        return "-"
    values = [value * scale for value in values]
    middle = f"{statistics.median(values):.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def table(head, rows):
    """A Markdown table; the first column is text, the others are figures."""
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def executable(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def project(path, tasks, checks=("true",), commit=True, git=True, env=None):
    """A project with that many tasks, everything in it committed. Returns its path."""
    shutil.rmtree(path, ignore_errors=True)
    (path / "work").mkdir(parents=True)
    (path / "work/.keep").write_text("")
    config = CONFIG.format(checks=json.dumps(list(checks)), commit=str(commit).lower())
    (path / "autodev.toml").write_text(config)
    (path / ".gitignore").write_text(IGNORE)
    queue = [
        {"id": f"T-{n}", "title": f"Task {n}", "description": "Write one file.", "steps": ["Write the file"],
         "passes": False, "blocked": False, "verification": {"path_patterns": ["work/*"]}}
        for n in range(1, tasks + 1)
    ]
    (path / "task.json").write_text(json.dumps({"project": "bench", "learning_journal": [], "tasks": queue}, indent=2) + "\n")
    (path / "logs").mkdir()
    if git:
        commit_all(path, env)
    return path


def commit_all(path, env):
    if not (path / ".git").exists():
        output(["git", "init", "-q"], path, env)
        output(["git", "config", "core.untrackedCache", "false"], path, env)
        output(["git", "config", "core.fsmonitor", "false"], path, env)
    output(["git", "add", "-A"], path, env)
    output(["git", "commit", "-qm", "all"], path, env)


def grow(path, files):
    """100 files to a directory, three levels deep, 200 bytes to 4 KiB each."""
    for n in range(files):
        parent = path / f"p{n // 5000}" / f"d{n // 100}"
        if n % 100 == 0:
            parent.mkdir(parents=True, exist_ok=True)
        with open(parent / f"module_{n}.rs", "w") as file:
            file.write(f"file {n:07}\n" * (16 + n % 300))


def load():
    return "%.1f, %.1f, %.1f" % os.getloadavg()


def file_system(path):
    """Type and options of the file system that holds `path`."""
    best = ("", "?", "")
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        device, mount, kind, options = line.split()[:4]
        if str(path).startswith(mount.rstrip("/") + "/") and len(mount) >= len(best[0]):
            best = (mount, kind, options)
    return f"{best[1]} ({best[2]})"


def machine(lab_dir, autodev, reference, env):
    """One line per fact."""
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())
    facts = [
        ("processor", f"{cpu.group(1) if cpu else platform.processor()}, {os.cpu_count()} cores"),
        ("memory", f"{int(memory.group(1)) / 2**20:.1f} GiB" if memory else "?"),
        ("kernel", f"{platform.system()} {platform.release()}"),
        ("file system", file_system(lab_dir)),
        ("git", output(["git", "--version"]).split()[-1]),
        ("rustc", output(["rustc", "--version"]).split()[1]),
        ("Python", platform.python_version()),
        ("autodev", f"{output([autodev, '--version'], env=env).strip()}, release build"),
    ]
    if reference:
        pip = reference.with_name("python3")
        release = output([pip, "-c", "import importlib.metadata as m; print(m.version('autodev-cli'))"], env=env).strip()
        facts.append(("reference", f"autodev-cli {release} from PyPI, in a venv"))
    return facts


def drop_caches():
    """Empties the page cache (needs root)."""
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n")
