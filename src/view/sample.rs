//! States and events for the tests of this room.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, Utc};

use super::sample_plans;
use crate::model::{
    Active, AgentError, AnswerReport, AttemptReport, BlockAction, Campaign, Change, ChangeKind, CheckResult, Compared,
    Comparison, Completion, Direction, EffectId, EnvProblem, ErrorClass, Event, EventKind, Evidence, Execution,
    ExperimentRecord, Experiments, Failure, FeedItem, Final, Finding, Firing, GateReport, Inquiry, Iterative, Limit,
    Limits, Liveness, Numeric, Outcome, Pause, Phase, Placement, ProcessEnd, Refinement, Reflection, ReflectionLimits,
    Replan, RunId, RunStart, RunState, RunStatus, Said, Series, Settings, State, Status, StatusField, Step, Task,
    TaskId, TaskState, Usage, Verdict, Vital,
};

/// Every status a run can have.
pub(crate) const STATUSES: [RunStatus; 10] = [
    RunStatus::Idle,
    RunStatus::Starting,
    RunStatus::Running,
    RunStatus::Validating,
    RunStatus::Waiting,
    RunStatus::RetryWait,
    RunStatus::Completed,
    RunStatus::Blocked,
    RunStatus::EnvError,
    RunStatus::Interrupted,
];

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

pub(crate) fn event(kind: EventKind) -> Event {
    Event { seq: 1, at: at("2026-11-20T11:29:10Z"), run: RunId::new("20261120T112910Z-3fa2"), kind }
}

fn effect() -> EffectId {
    EffectId::new("20261120T112910Z-3fa2.1")
}

pub(crate) fn settings() -> Settings {
    let limits = Limits::default();
    Settings {
        limits,
        commits: true,
        in_git: true,
        on_block: BlockAction::Salvage,
        dry_run: false,
        reflection: ReflectionLimits::default(),
        windows: Vec::new(),
    }
}

pub(crate) fn task_state(id: &str, title: &str) -> TaskState {
    TaskState {
        id: TaskId::new(id),
        title: title.into(),
        status: Status::default(),
        mode: "delivery".into(),
        strategy: "single_pass".into(),
        completion_kind: "boolean".into(),
        completion_name: "gate".into(),
        completion_target: "all_checks_pass".into(),
        depends_on: Vec::new(),
    }
}

fn task() -> Task {
    Task {
        id: TaskId::new("P0-1"),
        title: "Add greeting".into(),
        description: "Print a greeting.\nTwice.".into(),
        steps: vec!["write the function".into()],
        ..Task::default()
    }
}

/// Two passed checks and one failed command.
pub(crate) fn gate() -> GateReport {
    let check = |name: &str, verdict, details: &str| CheckResult {
        name: name.into(),
        verdict,
        details: details.into(),
        evidence: None,
    };
    let mut command = check("validate:test -f src/P0-1.txt", Verdict::Fail, "exit_code=1");
    command.evidence = Some(Evidence {
        log: "logs/checks/P0-1-1.log".into(),
        tail: "not there\n".into(),
        exit_code: 1,
        duration_ms: 12,
    });
    GateReport {
        verdict: Verdict::Fail,
        checks: vec![
            check("min_changed_files", Verdict::Pass, "1 files changed (minimum: 1)"),
            check("path_patterns", Verdict::Pass, "Patterns: ['src/*']"),
            command,
        ],
        outcome: Outcome::NotMet,
        metric: None,
        errors: vec!["validate:test -f src/P0-1.txt: exit_code=1".into()],
    }
}

fn passed_gate() -> GateReport {
    let mut gate = gate();
    gate.checks.truncate(2);
    GateReport { verdict: Verdict::Pass, outcome: Outcome::Met, errors: vec![], ..gate }
}

fn report(end: ProcessEnd) -> AttemptReport {
    AttemptReport {
        is_ok: end == ProcessEnd::Exited { code: 0 },
        end,
        message: "done".into(),
        session: "ses_1".into(),
        usage: Usage { input: 12_345, output: 950, cost_usd: Some(0.42), ..Usage::default() },
        changed: vec!["src/a.rs".into(), "src/b.rs".into()],
        duration_ms: 125_400,
        strays: 0,
    }
}

fn active(phase: Phase) -> Active {
    Active {
        task: TaskId::new("P0-1"),
        title: "Add greeting".into(),
        spec: Some(Box::new(task())),
        base: "base".into(),
        base_commit: None,
        touched: BTreeSet::new(),
        charged: 0,
        no_progress: 0,
        repeated: None,
        limited: None,
        infra: 0,
        reflection: None,
        failures: vec![],
        usage: Usage::default(),
        campaign: None,
        phase,
    }
}

/// A project with two tasks whose run has this status; the running one is the sample of the published format.
pub(crate) fn state(status: RunStatus) -> State {
    let mut tasks = vec![task_state("P0-1", "Add greeting"), task_state("P0-2", "Add farewell")];
    let attempting = Phase::Attempting { effect: effect(), attempt: 1, before: "b".into(), process: Some((42, 7)) };
    let verifying = Phase::Verifying { effect: effect(), attempt: 1, report: report(ProcessEnd::Exited { code: 0 }) };
    let mut run = RunState {
        id: RunId::new("20261120T112910Z-3fa2"),
        status,
        backend: "codex".into(),
        settings: Some(settings()),
        started_at: Some(at("2026-11-20T11:29:10Z")),
        updated_at: Some(at("2026-11-20T11:29:12Z")),
        epoch: 1,
        rounds: 1,
        ..RunState::default()
    };
    let mut failed = active(Phase::Ready);
    failed.charged = 1;
    failed.failures =
        vec![Failure { attempt: 1, summary: "validate:test -f src/P0-1.txt: exit_code=1".into(), gate: Some(gate()) }];
    let active = match status {
        RunStatus::Running => Some(active(attempting)),
        RunStatus::Validating => Some(active(verifying)),
        RunStatus::Starting => Some(active(Phase::Ready)),
        RunStatus::RetryWait | RunStatus::Waiting | RunStatus::Interrupted | RunStatus::EnvError => Some(failed),
        RunStatus::Idle | RunStatus::Completed | RunStatus::Blocked => None,
    };
    if active.is_some() {
        run.attempt_log = "/abs/logs/attempts/codex/task_P0-1__attempt_1_20261120T112910Z.log".into();
    }
    let limited = Pause::Limit { reason: "usage limit reached".into(), is_stated: true };
    run.message = match status {
        RunStatus::Idle => String::new(),
        RunStatus::Starting => "Starting".into(),
        RunStatus::Running => "Executing P0-1: Add greeting".into(),
        RunStatus::Validating => "Checking attempt 1 of P0-1".into(),
        RunStatus::Waiting => "The service refuses for now".into(),
        RunStatus::RetryWait => "Attempt 1 failed, next one soon".into(),
        RunStatus::Completed => "All tasks are done".into(),
        RunStatus::Blocked => "1 completed, 1 blocked".into(),
        RunStatus::EnvError => "codex is not logged in".into(),
        RunStatus::Interrupted => "Stopped by SIGINT".into(),
    };
    match status {
        RunStatus::Waiting => run.pause = Some((at("2026-11-20T12:30:00Z"), limited)),
        RunStatus::RetryWait => run.pause = Some((at("2026-11-20T11:29:14Z"), Pause::Retry)),
        RunStatus::EnvError => run.env_problem = Some("codex is not logged in".into()),
        RunStatus::Interrupted => run.stop = Some("SIGINT".into()),
        RunStatus::Idle => {
            run = RunState { updated_at: run.updated_at, backend: run.backend, ..RunState::default() };
        }
        RunStatus::Completed => {
            for task in &mut tasks {
                task.status.passes = true;
            }
            run.completed = 2;
        }
        RunStatus::Blocked => {
            tasks[0].status.passes = true;
            tasks[1].status.blocked = true;
            tasks[1].status.block_reason = "codex failed 3 attempts".into();
            (run.completed, run.blocked, run.rounds) = (1, 1, 2);
        }
        RunStatus::Starting | RunStatus::Running | RunStatus::Validating => {}
    }
    if !status.is_active() && status != RunStatus::Idle {
        run.finished_at = Some(at("2026-11-20T14:33:15Z"));
        run.updated_at = run.finished_at;
        run.usage =
            Usage { input: 200_000, cached_input: 1_000_000, output: 34_500, cost_usd: Some(1.87), ..Usage::default() };
    }
    let item = FeedItem {
        at: at("2026-11-20T11:29:10Z"),
        status: "running".into(),
        task_id: "P0-1".into(),
        message: "Started attempt 1/3: Add greeting".into(),
    };
    State {
        seq: 7,
        run,
        project: "Demo App".into(),
        index: index(&tasks),
        tasks,
        active: active.map(Box::new),
        feed: if status == RunStatus::Idle { VecDeque::new() } else { VecDeque::from([item]) },
        ..State::default()
    }
}

fn index(tasks: &[TaskState]) -> BTreeMap<TaskId, usize> {
    tasks.iter().enumerate().map(|(at, task)| (task.id.clone(), at)).collect()
}

/// A baseline, a regression, an improvement that was proved, an invalid iteration, an undecided one.
pub(crate) fn records() -> Vec<ExperimentRecord> {
    let one = |iteration: u32, measured: f64, outcome, step, notes: &str| ExperimentRecord {
        iteration,
        metric: "lat".into(),
        baseline: Some(100.0),
        best_before: (iteration > 0).then_some(if iteration > 2 { 90.0 } else { 100.0 }),
        measured: Some(measured),
        outcome,
        step,
        commit: if iteration > 0 { "717e2f2e".into() } else { String::new() },
        reverted: if step == Step::Revert { "07d2712d".into() } else { String::new() },
        duration_ms: 208 * u64::from(iteration),
        notes: notes.into(),
        summary: if iteration > 0 { "lat.py +1 -1".into() } else { String::new() },
        comparison: None,
    };
    let compared = |finding, champion, candidate, interval, pairs: &[(f64, f64)], reason: &str| Comparison {
        finding,
        champion,
        candidate,
        ratio: candidate / champion,
        interval,
        p_value: 0.0009,
        samples: 2,
        pairs: pairs.to_vec(),
        broken_guard: None,
        reason: reason.into(),
    };
    let better = "10.0 % better (+5.0 to +15.0 %), 2 pairs, p=9.0e-4";
    let noise = "0.5 % better (-2.0 to +3.0 %), 2 pairs; too little to tell it from noise";
    let pairs = [(100.0, 90.0), (102.0, 91.0), (98.0, 89.0)];
    let mut records = vec![
        one(0, 100.0, Outcome::Measured, Step::Nothing, "lat=100"),
        one(1, 120.0, Outcome::Regressed, Step::Revert, "lat=120 (regressed; reference 100)"),
        one(2, 90.0, Outcome::Improved, Step::Keep, better),
        one(3, 50.0, Outcome::Invalid, Step::Revert, "2 passed, 1 failed: validate:make test: exit_code=1"),
        one(4, 89.5, Outcome::Unchanged, Step::Revert, noise),
    ];
    records[2].comparison = Some(compared(Finding::Improved, 100.0, 90.0, (0.85, 0.95), &pairs, better));
    records[4].comparison = Some(compared(Finding::Undecided, 90.0, 89.5, (0.97, 1.02), &[], noise));
    records
}

/// These, of a task that may have nine iterations and has a target.
pub(crate) fn series() -> Series {
    Series {
        title: "Make it fast".into(),
        metric: "lat".into(),
        direction: Some(Direction::LowerIsBetter),
        target: Some(80.0),
        max_iterations: 9,
        records: records(),
        last_word: None,
        earlier: 0,
    }
}

/// The second iteration of an experiment, measured.
pub(crate) fn experiment() -> State {
    let mut state = state(RunStatus::Validating);
    let numeric = Numeric {
        name: "lat".into(),
        source: "json_stdout".into(),
        direction: Some(Direction::LowerIsBetter),
        json_path: "$.lat".into(),
        min_improvement: 0.0,
        unchanged_tolerance: 0.0,
        target: Some(80.0),
        ..Numeric::default()
    };
    let spec = Task {
        completion: Completion::Numeric(numeric),
        execution: Execution::Iterative(Iterative { max_iterations: 5, ..Iterative::default() }),
        ..task()
    };
    let row = &mut state.tasks[0];
    row.mode = spec.mode().into();
    row.strategy = spec.strategy().into();
    row.completion_kind = spec.completion_kind().into();
    row.completion_name = spec.completion_name().into();
    row.completion_target = spec.completion_target().into_owned();
    let active = state.active.as_mut().unwrap();
    active.campaign = Some(Box::new(campaign(&spec)));
    active.spec = Some(Box::new(spec));
    active.phase = Phase::Verified {
        attempt: 2,
        attempted: report(ProcessEnd::Exited { code: 0 }),
        gate: GateReport { metric: Some(89.5), outcome: Outcome::Improved, ..passed_gate() },
        changed: vec![],
    };
    state.run.last_outcome = "improved".into();
    let series = Series { max_iterations: 5, records: records().into_iter().take(2).collect(), ..series() };
    let id = TaskId::new("P0-1");
    state.experiments = Experiments { of: BTreeMap::from([(id.clone(), series)]), current: Some(id) };
    state
}

fn campaign(contract: &Task) -> Campaign {
    Campaign {
        contract: Box::new(contract.clone()),
        is_noisy: false,
        baseline: 100.0,
        best: 100.0,
        best_iteration: 0,
        iterations: 1,
        kept: 0,
        reverted: 1,
        invalid: 0,
        streak: 1,
        is_on_target: false,
        stuck: None,
        commit: None,
        changed: vec![],
        gate: passed_gate(),
        before: None,
        attempt: None,
        candidate: None,
        revalidation: None,
    }
}

/// A state whose every text tries to break out.
pub(crate) fn hostile(status: RunStatus) -> State {
    let text = "<script>alert('x')</script> \"&\" \x1b[2J\n[DONE]\u{202e} 🚀 ü \u{0}";
    let mut state = state(status);
    state.project = text.into();
    state.run.message = text.into();
    state.run.backend = text.into();
    state.run.attempt_log = text.into();
    state.run.env_problem = Some(text.into());
    for task in &mut state.tasks {
        task.title = text.into();
        task.status.block_reason = text.into();
        task.completion_name = text.into();
        task.completion_target = text.into();
    }
    state.tasks[1].id = TaskId::new(text);
    state.index = index(&state.tasks);
    if let Some(active) = &mut state.active {
        active.title = text.into();
        active.failures = vec![Failure { attempt: 1, summary: text.into(), gate: Some(gate()) }];
    }
    for item in &mut state.feed {
        item.status = text.into();
        item.task_id = text.into();
        item.message = text.into();
    }
    state
}

/// One event of every kind, in an order that could happen, with every end and every word of an agent.
pub(crate) fn events() -> Vec<Event> {
    let id = || TaskId::new("P0-1");
    let error = |until| AgentError { class: ErrorClass::RateLimit, message: "429 too many requests".into(), until };
    let said = |said| EventKind::AgentSaid { effect: effect(), said };
    let ended = |end| EventKind::AttemptEnded { effect: effect(), report: report(end) };
    let paused = |pause| EventKind::Paused { until: at("2026-11-20T11:34:10Z"), pause };
    let fired = |outcome| EventKind::ScheduleFired {
        entry: "@daily: ai-docs/nightly.md".into(),
        due: at("2026-11-20T03:00:00Z"),
        outcome,
    };
    let salvaged = |reference: Option<&str>, left: &[&str], reason: &str| EventKind::Salvaged {
        effect: effect(),
        reference: reference.map(Into::into),
        left_alone: left.iter().map(|path| (*path).into()).collect(),
        reason: reason.into(),
    };
    let start = RunStart {
        version: "0.1.0".into(),
        pid: 4242,
        host: "night".into(),
        backend: "codex".into(),
        backend_version: "codex-cli 0.141.0".into(),
        project: "Demo App".into(),
        settings: settings(),
    };
    let set = |passes, blocked| EventKind::StatusSet {
        task: id(),
        status: Status { passes, blocked, block_reason: "by hand".into(), ..Status::default() },
        by: "task block".into(),
    };
    let inquiry = || Inquiry::Reflection { task: id(), attempt: 1 };
    let answered = |inquiry, end: ProcessEnd, changed: &[&str]| EventKind::AskEnded {
        effect: effect(),
        inquiry,
        report: AnswerReport {
            is_ok: end == ProcessEnd::Exited { code: 0 },
            end,
            message: String::new(),
            usage: Usage { input: 900, output: 40, ..Usage::default() },
            changed: changed.iter().map(|path| (*path).into()).collect(),
            duration_ms: 4_200,
        },
    };
    let reflected = |reflection| EventKind::Reflected { task: id(), attempt: 1, reflection };
    let replanned = |outcome| EventKind::Replanned { effect: effect(), epoch: 2, outcome };
    let planned = |placement, backup: Option<&str>| EventKind::Planned {
        source: "inline intent".into(),
        placement,
        tasks: vec![id()],
        backup: backup.map(Into::into),
    };
    let proposed = |commit: Option<&str>| EventKind::Proposed {
        task: id(),
        iteration: 1,
        commit: commit.map(Into::into),
        reference: "refs/autodev/experiments/P0-1/1".into(),
        changed: vec![],
        left_out: vec![],
        summary: "lat.py +1 -1".into(),
    };
    let compared = |iteration, compared: Option<Compared>| EventKind::CompareEnded {
        effect: effect(),
        iteration,
        compared: compared.unwrap(),
    };
    let reverted = |trouble: &str| EventKind::Reverted {
        effect: effect(),
        head: "07d2712d0d3a4b5c6d7e8f9001122334455667788".into(),
        commit: None,
        left_alone: vec![],
        trouble: trouble.into(),
    };
    let note = |level: &str| EventKind::Note { level: level.into(), text: "runs as root\nreally".into() };
    let kinds = vec![
        EventKind::RunStarted(Box::new(start.clone())),
        EventKind::RunStarted(Box::new(RunStart {
            settings: Settings { dry_run: true, ..settings() },
            backend_version: String::new(),
            ..start
        })),
        EventKind::RunLost { lost: RunId::new("20261119T220000Z-0001"), killed: 0 },
        EventKind::RunLost { lost: RunId::new("20261119T220000Z-0001"), killed: 2 },
        EventKind::QueueSeen {
            project: "Demo App".into(),
            order: Some(vec![id(), TaskId::new("P0-2")]),
            changed: vec![task_state("P0-1", "Add greeting")],
        },
        EventKind::QueueSeen {
            project: "Demo App".into(),
            order: None,
            changed: vec![task_state("P0-1", "Add greeting")],
        },
        EventKind::TaskOpened {
            task: id(),
            title: "Add greeting".into(),
            base: "b".into(),
            base_commit: None,
            touched: vec!["src/a.rs".into()],
        },
        EventKind::AttemptStarted {
            effect: effect(),
            task: Box::new(task()),
            attempt: 1,
            before: "b".into(),
            log: "/abs/logs/attempts/codex/task_P0-1__attempt_1.log".into(),
            backend: "codex".into(),
            before_commit: None,
        },
        EventKind::AgentSpawned { effect: effect(), pid: 4300, start_ticks: 9 },
        said(Said::Session { id: "ses_1".into(), model: "gpt-5".into() }),
        said(Said::Session { id: "ses_1".into(), model: String::new() }),
        said(Said::Text { text: "hello\nthere".into(), partial: false }),
        said(Said::Thinking { text: "hm".into() }),
        said(Said::ToolStarted { id: "1".into(), name: "Bash".into(), summary: "ls".into() }),
        said(Said::ToolEnded { id: "1".into(), is_ok: false, summary: "no such file".into() }),
        said(Said::Usage { usage: Usage { input: 5, ..Usage::default() }, is_total: true }),
        said(Said::Retry { attempt: 2, delay_ms: 4_500, error: error(None) }),
        said(Said::Error(error(Some(at("2026-11-20T12:00:00Z"))))),
        said(Said::Final(Final { is_ok: true, message: "all done".into(), error: None })),
        said(Said::Final(Final { is_ok: false, message: "gave up".into(), error: None })),
        said(Said::Notice { text: "update available".into() }),
        EventKind::Heartbeat { elapsed_seconds: 60, is_active: true, standing: None },
        EventKind::Heartbeat {
            elapsed_seconds: 120,
            is_active: false,
            standing: Some(Vital {
                state: Liveness::WaitingForTool,
                reason: "Bash cargo test, silent for 40 s".into(),
            }),
        },
        ended(ProcessEnd::Exited { code: 0 }),
        ended(ProcessEnd::Exited { code: 17 }),
        ended(ProcessEnd::Signalled { signal: 9 }),
        ended(ProcessEnd::TimedOut),
        ended(ProcessEnd::Idle),
        ended(ProcessEnd::Interrupted),
        ended(ProcessEnd::Limited(Limit { code: 1, reason: "usage limit reached".into(), until: None })),
        ended(ProcessEnd::EnvError(EnvProblem { code: 1, reason: "not logged in".into() })),
        ended(ProcessEnd::NotStarted { reason: "no such file".into() }),
        ended(ProcessEnd::Lost),
        EventKind::QueueEditUndone { task: id(), field: StatusField::Passes },
        EventKind::QueueBroken { kept_as: "task.json.broken.1".into(), reason: "line 3: expected `,`".into() },
        EventKind::GateStarted { effect: effect(), attempt: 1 },
        EventKind::GateCancelled { effect: effect() },
        EventKind::GateEnded {
            effect: effect(),
            report: gate(),
            changed: vec![Change { path: "src/a.rs".into(), kind: ChangeKind::Added }],
        },
        EventKind::BaselineStarted { effect: effect(), task: Box::new(task()) },
        EventKind::BaselineEnded {
            effect: effect(),
            report: GateReport { metric: Some(100.0), outcome: Outcome::Measured, ..passed_gate() },
            repeats: vec![100.0, 100.0],
        },
        EventKind::CampaignReset { task: id(), reason: "the checks were changed".into() },
        proposed(Some("717e2f2e0d3a4b5c6d7e8f9001122334455667788")),
        proposed(None),
        EventKind::CompareStarted { effect: effect(), iteration: 2 },
        EventKind::CompareStarted { effect: effect(), iteration: 0 },
        EventKind::PairMeasured { effect: effect(), pair: 3, champion: 98.0, candidate: 89.0 },
        compared(2, records().remove(2).comparison.map(Compared::Measured)),
        compared(0, Some(Compared::Invalid { reason: "no value".into(), verdict: Verdict::Infra })),
        EventKind::RevertStarted { effect: effect(), iteration: 1 },
        reverted(""),
        reverted("lat.py was changed by somebody else meanwhile"),
        EventKind::AskStarted {
            effect: effect(),
            inquiry: inquiry(),
            backend: "codex".into(),
            log: "/abs/logs/plans/20261120T112910Z-reflect.log".into(),
        },
        answered(inquiry(), ProcessEnd::Exited { code: 0 }, &[]),
        answered(Inquiry::Spec, ProcessEnd::TimedOut, &[]),
        answered(Inquiry::Plan, ProcessEnd::Exited { code: 0 }, &["src/a.rs"]),
        reflected(Reflection::Applied {
            refinement: Box::new(Refinement { summary: "file name was wrong".into(), ..Refinement::default() }),
            applied: vec!["steps".into(), "verification.validate_commands".into()],
            refused: vec!["verification.path_patterns: would make the check easier".into()],
        }),
        reflected(Reflection::Skipped { reason: "the answer holds no JSON".into() }),
        EventKind::AttemptFailed {
            task: id(),
            title: "Add greeting".into(),
            attempt: 1,
            code: 99,
            summary: "file name was wrong".into(),
            errors: vec![],
            notes: vec![],
            changed: vec!["src/a.rs".into()],
            gate: Some(gate()),
        },
        paused(Pause::Retry),
        paused(Pause::NextTask),
        paused(Pause::Recheck),
        paused(Pause::Limit { reason: "usage limit reached".into(), is_stated: false }),
        paused(Pause::Window),
        paused(Pause::Held { reason: String::new(), is_endless: true }),
        paused(Pause::Held { reason: "the demo".into(), is_endless: false }),
        EventKind::Held { reason: "the demo".into(), until: None, interrupts: false },
        EventKind::Held { reason: String::new(), until: Some(at("2026-11-20T12:00:00Z")), interrupts: true },
        EventKind::HoldEnded { by_itself: false },
        EventKind::HoldEnded { by_itself: true },
        EventKind::ScheduleSeen { entry: "@daily: ai-docs/nightly.md".into() },
        EventKind::ScheduleFiring { entry: "@daily: ai-docs/nightly.md".into(), due: at("2026-11-20T03:00:00Z") },
        fired(Firing::Queued { tasks: vec![id()] }),
        fired(Firing::Failed { reason: "no such file".into() }),
        EventKind::PauseEnded,
        EventKind::GateEnded { effect: effect(), report: passed_gate(), changed: vec![] },
        EventKind::CommitStarted { effect: effect(), attempt: 2 },
        EventKind::CommitRefused {
            effect: effect(),
            check: CheckResult {
                name: "commit".into(),
                verdict: Verdict::Fail,
                details: "pre-commit hook exited with 1".into(),
                evidence: None,
            },
        },
        EventKind::CommitSkipped { effect: effect(), reason: "git tracks none of the changes".into() },
        EventKind::Committed { effect: effect(), sha: "717e2f2e0d3a4b5c6d7e8f9001122334455667788".into() },
        EventKind::BlockDecided { reason: "codex failed 3 attempts".into() },
        EventKind::SalvageStarted { effect: effect() },
        salvaged(Some("refs/autodev/salvage/P0-1"), &[], ""),
        salvaged(Some("refs/autodev/salvage/P0-1"), &["a", "b", "c", "d", "e", "f"], ""),
        salvaged(None, &[], "not a git work tree"),
        salvaged(None, &[], ""),
        EventKind::TaskCompleted {
            task: id(),
            title: "Add greeting".into(),
            attempt: 2,
            summary: "done".into(),
            notes: vec![],
            changed: vec!["src/a.rs".into()],
            gate: Some(passed_gate()),
            commit: Some("717e2f2e0d3a4b5c6d7e8f9001122334455667788".into()),
        },
        EventKind::TaskBlocked {
            task: id(),
            title: "Add greeting".into(),
            reason: "codex failed 3 attempts".into(),
            changed: vec![],
            salvage: None,
        },
        EventKind::TaskDropped { task: id(), reason: "task block".into() },
        EventKind::TaskReopened { task: id(), base: "b".into(), base_commit: None, touched: vec!["src/a.rs".into()] },
        EventKind::EpochEnded { epoch: 1, completed: 3, blocked: 1, pending: 2 },
        EventKind::ReplanStarted { effect: effect(), epoch: 2 },
        replanned(Replan::New {
            archive: ".autodev/archive/epoch-2.json".into(),
            tasks: vec![TaskId::new("P1-1"), TaskId::new("P1-2")],
            replaces: vec![id()],
            left_out: vec!["Add greeting".into()],
        }),
        replanned(Replan::Nothing),
        replanned(Replan::NoSource),
        replanned(Replan::Limited { refusal: Limit { code: 1, reason: "usage limit reached".into(), until: None } }),
        replanned(Replan::Stopped),
        replanned(Replan::Failed { reason: "the answer holds no JSON".into() }),
        planned(Placement::Replaced, Some("task.json.bak.20261120T112910Z")),
        planned(Placement::Appended, None),
        set(true, false),
        set(false, true),
        set(false, false),
        EventKind::QueueSaving { digest: "0123456789abcdef".into() },
        EventKind::QueueSaved,
        EventKind::StopRequested { signal: "SIGINT".into() },
        EventKind::EnvProblemFound { reason: "codex is not logged in".into() },
        EventKind::Previewed {
            task: id(),
            title: "Add greeting".into(),
            prompt_chars: 1_234,
            prompt_head: "You work on P0-1.\n\nRules:\n".into(),
        },
        note("info"),
        note("warning"),
        EventKind::RunEnded { status: RunStatus::Completed, exit_code: 0, message: "All tasks are done".into() },
        EventKind::Unknown,
    ];
    let tried = records().into_iter().flat_map(|record| {
        let (step, record) = (record.step, Box::new(record));
        let judged = EventKind::ExperimentJudged { task: id(), record: record.clone(), step };
        [judged, EventKind::ExperimentEnded { task: id(), record }]
    });
    kinds.into_iter().chain(tried).chain(sample_plans::kinds()).map(event).collect()
}
