#!/usr/bin/env python3
"""Measures autodev beside `git status` and beside the reference program, and prints Markdown tables.

    cargo build --release
    python3 -m venv /tmp/reference && /tmp/reference/bin/pip install autodev-cli==0.1.1
    python3 benches/measure.py --reference /tmp/reference/bin/autodev --write

Needs Python 3.11, git and Linux; nothing else. `--only startup,tasks` measures some sections; `--write` puts each
measured section into its block of docs/measurements.md and leaves the others. What is compared is run in turn
(A B A B), each figure is `median (least to most)`. `--help` names the longer runs: a million files, 5000 tasks,
an empty page cache, the build, the tests.

Without `--reference` its columns stay empty.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time

import lab

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/measurements.md"
GIB = 1 << 30
SHM = pathlib.Path("/dev/shm")
# A file counts as at rest when it has not changed for about 2 s; before that every scan reads it again.
REST = 3.0


class Bench:
    """What is measured, where, and how often."""

    def __init__(self, options, directory):
        self.options, self.dir = options, directory
        self.autodev = options.autodev.resolve()
        self.reference = options.reference.absolute() if options.reference else None
        self.bin = directory / "bin"
        self.employ(lab.NEW_FILE)
        self.env = lab.environment(directory / "home", [self.bin])

    def employ(self, file):
        """Makes the agent write that file."""
        lab.executable(self.bin / "codex", lab.AGENT.replace("FILE", file))

    def programs(self):
        """The two runners by name."""
        both = {"autodev": self.autodev}
        if self.reference:
            both["reference"] = self.reference
        return both

    def run(self, argv, cwd, name="last", **more):
        """Runs a command that must succeed."""
        log = self.dir / f"{name}.log"
        ran = lab.run(argv, cwd, self.env, log=log, realtime=self.options.realtime, **more)
        if ran.code != 0:
            tail = log.read_bytes()[-2000:].decode(errors="replace")
            raise SystemExit(f"{argv} in {cwd} ended with {ran.code}:\n{tail}")
        return ran

    def scan(self, path):
        """One `autodev __scan`: what it printed, and how long the process took."""
        ran = self.run([self.autodev, "__scan"], path, "scan")
        return {**json.loads((self.dir / "scan.log").read_text()), "wall_ms": ran.wall * 1e3}

    def settle(self, path):
        """Scans until every file is known and at rest."""
        deadline = time.monotonic() + 120
        while self.scan(path)["read"] > 0:
            if time.monotonic() > deadline:
                raise SystemExit(f"{path}: files are read again and again")
            time.sleep(REST)

    def status(self, path):
        return self.run(["git", "status", "--porcelain"], path, "status").wall


def section_machine(bench):
    return lab.table(["", ""], lab.machine(bench.dir, bench.autodev, bench.reference, bench.env)).replace("---:", "---")


def section_startup(bench):
    """`--version`, the whole process, beside /bin/true (what starting any process costs here)."""
    works = {"/bin/true": ["/bin/true"]} | {name: [program, "--version"] for name, program in bench.programs().items()}
    call = lambda argv: lambda: lab.run(argv, bench.dir, bench.env, realtime=bench.options.realtime).wall
    lab.interleaved(3, {name: call(argv) for name, argv in works.items()})
    found = lab.interleaved(bench.options.runs * 8, {name: call(argv) for name, argv in works.items()})
    label = {"/bin/true": "`/bin/true`", "autodev": "`autodev --version`", "reference": "reference `--version`"}
    return lab.table(["program", "ms"], [[label[name], lab.shown(times, 1e3, 2)] for name, times in found.items()])


def section_snapshot(bench):
    sizes = [10_000, 100_000] + ([1_000_000] if bench.options.million else [])
    head = ["files", "scan, ms", "`__scan` process, ms", "`git status`, ms", "scan / `git status`", "first scan, ms"]
    if bench.options.drop_caches:
        head += ["scan, empty page cache, ms", "`git status`, empty page cache, ms"]
    rows = [snapshot_row(bench, f"{size:,}", size, 0) for size in sizes]
    rows.append(snapshot_row(bench, "1,000", 1_000, 0))
    rows.append(snapshot_row(bench, "1,000 beside node_modules with 100,000", 1_000, 100_000))
    return lab.table(head, rows)


def snapshot_row(bench, label, size, ignored):
    path = lab.project(bench.dir / "tree", 1, git=False)
    lab.grow(path / "src", size)
    if ignored:
        lab.grow(path / "node_modules", ignored)
    lab.commit_all(path, bench.env)
    time.sleep(REST)
    runs = bench.options.runs if size < 1_000_000 else 3
    first = []
    for _ in range(min(runs, 3)):
        shutil.rmtree(path / ".autodev", ignore_errors=True)
        first.append(bench.scan(path)["ms"])
    bench.settle(path)
    bench.status(path)
    found = lab.interleaved(runs, {"scan": lambda: bench.scan(path), "status": lambda: bench.status(path)})
    scans = found["scan"]
    if any(scan["read"] or scan["files"] < size or scan["files"] > size + 10 for scan in scans):
        raise SystemExit(f"not a warm scan of {size} files: {scans}")
    ratios = [scan["ms"] / 1e3 / status for scan, status in zip(scans, found["status"])]
    row = [label, lab.shown([scan["ms"] for scan in scans]), lab.shown([scan["wall_ms"] for scan in scans])]
    row += [lab.shown(found["status"], 1e3), lab.shown(ratios, digits=2), lab.shown(first, digits=0)]
    if bench.options.drop_caches:
        cold = lambda work: lambda: (lab.drop_caches(), work())[1]
        works = {"scan": lambda: bench.scan(path)["ms"], "status": lambda: bench.status(path) * 1e3}
        found = lab.interleaved(2, {name: cold(work) for name, work in works.items()})
        row += [lab.shown(found["scan"], digits=0), lab.shown(found["status"], digits=0)]
    shutil.rmtree(path)
    return row


def section_snapshot_in_runs(bench):
    """Both programs from outside: what a larger tree adds to each task of a whole run."""
    tasks, empty = 3, 10
    trees = {"10,000": (10_000, 0), "100,000": (100_000, 0), "10 beside node_modules with 100,000": (empty, 100_000)}

    def prepare(name, size, ignored):
        """Two projects that differ in their files only; without git, whose own cost would be in the difference."""
        path = lab.project(bench.dir / name, tasks, commit=False, git=False)
        lab.grow(path / "src", size)
        if ignored:
            lab.grow(path / "node_modules", ignored)
        return path

    def one(program, path, is_ours):
        queue = (path / "task.json").read_bytes()
        ran = bench.run([program, "run"], path, "run")
        require_done(path, tasks)
        (path / "task.json").write_bytes(queue)
        for n in range(1, tasks + 1):
            (path / f"work/T-{n}.txt").unlink()
        if is_ours:
            # Everything but the stat index: the next run starts from the same place.
            for entry in (path / ".autodev").iterdir():
                if entry.name != "index.bin":
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        return ran.wall

    rows = []
    for label, (size, ignored) in trees.items():
        bare, full = prepare("bare", empty, 0), prepare("full", size, ignored)
        time.sleep(REST)
        bench.settle(bare)
        bench.settle(full)
        works = {}
        for name, program in bench.programs().items():
            for path in (bare, full):
                is_ours = name == "autodev"
                works[name, path.name] = lambda program=program, path=path, is_ours=is_ours: one(program, path, is_ours)
        found = lab.interleaved(max(2, bench.options.runs // 3), works)
        row = [label]
        for name in ("autodev", "reference"):
            pairs = zip(found.get((name, "full"), []), found.get((name, "bare"), []))
            row.append(lab.shown([(full - bare) / tasks for full, bare in pairs], 1e3, 0))
        rows.append(row)
        shutil.rmtree(bare)
        shutil.rmtree(full)
    return lab.table(["files", "autodev, ms per task", "reference, ms per task"], rows)


def require_done(path, tasks):
    """A run counts only if it did the work."""
    queue = json.loads((path / "task.json").read_text())["tasks"]
    passed = sum(1 for task in queue if task.get("passes") is True)
    if passed != tasks:
        raise SystemExit(f"{path}: {passed} of {tasks} tasks passed")


def section_tasks(bench):
    """Whole runs in a fresh project, one commit per task, on the disk and in memory."""
    plan = [(50, lab.NEW_FILE, 5), (200, lab.NEW_FILE, 3), (800, lab.NEW_FILE, 1), (50, lab.SAME_FILE, 3),
            (800, lab.SAME_FILE, 1)]
    if bench.options.many_tasks:
        plan += [(5000, lab.NEW_FILE, 1), (5000, lab.SAME_FILE, 1)]
    text = "On the file system named above:\n\n" + task_rows(bench, plan, bench.dir)
    if SHM.is_dir():
        with tempfile.TemporaryDirectory(prefix="autodev-bench-", dir=SHM) as memory:
            text += "\n\nIn memory (tmpfs), where a sync and a new file cost nothing:\n\n"
            text += task_rows(bench, plan, pathlib.Path(memory))
    bench.employ(lab.NEW_FILE)
    return text + "\n\n" + bare_costs(bench)


def task_rows(bench, plan, directory):
    rows = []
    for tasks, file, runs in plan:
        bench.employ(file)

        def one(program):
            path = lab.project(directory / "queue", tasks, env=bench.env)
            ran = bench.run([program, "run"], path, "run")
            require_done(path, tasks)
            commits = int(lab.output(["git", "rev-list", "--count", "HEAD"], path, bench.env))
            if commits != tasks + 1:
                raise SystemExit(f"{path}: {commits} commits for {tasks} tasks")
            shutil.rmtree(path)
            return ran.wall / tasks * 1e3, ran.cpu / tasks * 1e3

        # The reference grows with the square of the queue: 5000 tasks would take it hours.
        programs = {name: program for name, program in bench.programs().items() if name == "autodev" or tasks <= 800}
        found = lab.interleaved(runs, {name: (lambda program=program: one(program)) for name, program in programs.items()})
        row = [f"{tasks}, each {'adds a file' if file == lab.NEW_FILE else 'changes the same file'}"]
        for name in ("autodev", "reference"):
            row += [lab.shown([wall for wall, _ in found.get(name, [])]), lab.shown([cpu for _, cpu in found.get(name, [])])]
        rows.append(row)
        print(f"  {row}", file=sys.stderr)
    return lab.table(["tasks", "autodev, ms per task", "CPU, ms", "reference, ms per task", "CPU, ms"], rows)


def bare_costs(bench):
    """What the parts of a task cost without any runner around them."""
    path = lab.project(bench.dir / "bare", 1, env=bench.env)
    count = 0

    def git():
        nonlocal count
        count += 1
        (path / f"work/{count}.txt").write_text("x\n")
        add = bench.run(["git", "add", "--", f"work/{count}.txt"], path, "git")
        commit = bench.run(["git", "commit", "-qm", "one"], path, "git")
        return add.wall + commit.wall

    works = {
        "the agent script alone": lambda: bench.run([bench.bin / "codex", "exec", "TASK:T-1:"], path, "agent").wall,
        "the check alone (`sh -c true`)": lambda: bench.run(["sh", "-c", "true"], path, "check").wall,
        "`git add` and `git commit` of one file, by hand": git,
    }
    found = lab.interleaved(50, works)
    shutil.rmtree(path)
    return lab.table(["part of a task", "ms"], [[name, lab.shown(times, 1e3)] for name, times in found.items()])


def section_memory(bench):
    """One task whose agent prints 1 GiB."""
    size = bench.options.noise
    event = '{"type":"item.completed","item":{"id":"item_1","type":"agent_message","text":"I looked at one more file."}}'
    producers = {
        "plain lines of 80 bytes": f"yes {'x' * 79}",
        "agent events (JSON lines)": f"yes '{event}'",
        "one line without an end": "tr '\\0' x < /dev/zero",
    }
    rows = []
    for label, producer in producers.items():
        lab.executable(bench.dir / "noisy/codex", lab.NOISY.replace("PRODUCER", producer).replace("BYTES", str(size)))
        for name, program in bench.programs().items():
            path = lab.project(bench.dir / "noise", 1, env=bench.env)
            env = {**bench.env, "PATH": f"{bench.dir / 'noisy'}{os.pathsep}{bench.env['PATH']}"}
            ran = lab.run([program, "run"], path, env, watch_peak=True)
            logs = sum(file.stat().st_size for file in (path / "logs/attempts").rglob("*.log"))
            is_whole = "all" if logs == size else f"{logs - size:+,} bytes"
            written = sum(file.stat().st_size for file in (path / "logs").rglob("*") if file.is_file())
            rows.append([f"{name}: {label}", f"{ran.peak_kib / 1024:.1f}", f"{ran.wall:.1f}", f"{ran.cpu:.1f}",
                         is_whole, f"{written / GIB:.2f}", ran.code])
            print(f"  {rows[-1]}", file=sys.stderr)
            shutil.rmtree(path)
    head = ["who prints what", "peak RSS, MiB", "time, s", "CPU of all, s", "in the attempt log", "written below logs/, GiB", "exit"]
    return lab.table(head, rows)


def section_build(bench):
    """A clean debug build into an empty directory, then builds after a change of one file."""
    target = bench.dir / "target"
    env = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    build = ["cargo", "build", "--locked", "--quiet"]
    clean = lab.run(build, ROOT, env)
    rows = [["clean debug build", f"{clean.wall:.0f}", f"{clean.cpu:.0f}"]]
    for file in ("src/model/task.rs", "src/cli/mod.rs"):
        again = []
        for _ in range(3):
            (ROOT / file).touch()
            again.append(lab.run(build, ROOT, env).wall)
        rows.append([f"debug build after a change of {file}", lab.shown(again), ""])
    shutil.rmtree(target)
    return lab.table(["build", "s", "CPU, s"], rows)


def section_tests(bench):
    """`cargo test`, compiled before."""
    lab.run(["cargo", "test", "--locked", "--no-run"], ROOT, dict(os.environ))
    log = bench.dir / "tests.log"
    ran = lab.run(["cargo", "test", "--locked", "--no-fail-fast"], ROOT, dict(os.environ), log=log)
    ends = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("test result:")]
    count = lambda word: sum(int(end.split(word)[0].split()[-1]) for end in ends)
    rows = [["test suite", f"{ran.wall:.0f}", f"{ran.cpu:.0f}", count(" passed"), count(" failed")]]
    return lab.table(["", "s", "CPU, s", "passed", "failed"], rows)


SECTIONS = {
    "machine": section_machine,
    "startup": section_startup,
    "snapshot": section_snapshot,
    "snapshot-in-runs": section_snapshot_in_runs,
    "tasks": section_tasks,
    "memory": section_memory,
    "build": section_build,
    "tests": section_tests,
}
LONG = {"build", "tests"}
# Those that --realtime is for.
FIRST = {"startup", "snapshot", "snapshot-in-runs", "tasks"}


def write(name, text):
    """Replaces the block of a section in the page."""
    begin, end = f"<!-- measured {name} -->", f"<!-- end {name} -->"
    page = PAGE.read_text()
    if page.count(begin) != 1 or page.count(end) != 1:
        raise SystemExit(f"{PAGE} has no block {begin} ... {end}")
    before, rest = page.split(begin)
    _, after = rest.split(end)
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def commit():
    """The commit that was built, as far as it can be known."""
    dirty = "+" if lab.output(["git", "status", "--porcelain", "--", "src", "Cargo.toml"], ROOT).strip() else ""
    return lab.output(["git", "rev-parse", "--short=9", "HEAD"], ROOT).strip() + dirty


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--autodev", type=pathlib.Path, default=ROOT / "target/release/autodev", help="the release build")
    parser.add_argument("--reference", type=pathlib.Path, help="the `autodev` of a venv with autodev-cli")
    parser.add_argument("--only", help=f"sections, by comma: {', '.join(SECTIONS)}")
    parser.add_argument("--runs", type=int, default=7, help="how often each thing is measured (7)")
    parser.add_argument("--dir", type=pathlib.Path, help="where to work; needs 5 GB, with --million 15 GB")
    parser.add_argument("--million", action="store_true", help="snapshot: also 1,000,000 files")
    parser.add_argument("--drop-caches", action="store_true", help="snapshot: also with an empty page cache (root)")
    parser.add_argument("--many-tasks", action="store_true", help="tasks: also 5000 (autodev only)")
    parser.add_argument("--realtime", action="store_true",
                        help="start, snapshot, tasks: run what is measured before all other processes (SCHED_RR, root)")
    parser.add_argument("--noise", type=int, default=GIB, help="memory: bytes that the agent prints (1 GiB)")
    parser.add_argument("--build", action="store_true", help="also measure the debug build")
    parser.add_argument("--tests", action="store_true", help="also measure the test suite")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/measurements.md")
    return parser.parse_args()


def main():
    options = parse()
    asked = {name for name in LONG if getattr(options, name)}
    names = options.only.split(",") if options.only else [name for name in SECTIONS if name not in LONG - asked]
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        raise SystemExit(f"no such section: {', '.join(unknown)}")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="autodev-bench-", dir=options.dir)).resolve()
    try:
        bench = Bench(options, directory)
        for name in names:
            before, began = lab.load(), time.strftime("%Y-%m-%d %H:%M", time.gmtime())
            text = SECTIONS[name](bench)
            how = ", measured processes with SCHED_RR" if options.realtime and name in FIRST else ""
            text += f"\n\n<sub>{began} UTC, commit {commit()}, load average before {before}, after {lab.load()}{how}</sub>"
            print(f"## {name}\n\n{text}\n", flush=True)
            if options.write:
                write(name, text)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
