//! Is the agent at work, does it wait, and for what, or does it hang? From several signals over time to one word and its
//! reason.
//!
//! Signs of life are bytes printed, processor time of the whole tree of processes, bytes read and written by it, and
//! changed files. What else is known (a tool under way, child processes, a question on the last line, a stopped process, a
//! refusal of the service) explains a silence and does not end it: a tool that does nothing for half an hour hangs as
//! an agent does. The rules:
//!
//! - Without any sign of life for the limit, it hangs.
//! - Processor time alone, with nothing printed, read, written or changed, is believed for [`SPIN`] times the limit: a
//!   compiler may be silent for long, a loop that goes nowhere is so for ever.
//! - An announced wait (the agent says that it will try again in an hour) does not count; the limit begins behind it.
//!
//! Invariant: whatever the signals, the agent is called hung at the latest when [`SPIN`] limits have passed since it last
//! did more than compute and the waits it announced are over.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::model::{AgentError, Liveness, Said, Vital};

/// How many limits of processor time without anything else are believed.
pub const SPIN: u32 = 4;
/// Looks per limit: a verdict comes at most an eighth of the limit too late.
const LOOKS: u32 = 8;
/// A program that waits still wakes up now and then. This share of one processor (in ppm) is not yet work: 5 %. While their
/// stream hangs, agents use 0.1 % (claude), 0.6 % (gemini), 1.2 % (opencode), 2.5 % (codex).
const WAKING_PPM: u128 = 50_000;
/// So many bytes a second are not yet work either: 64 KiB. To start a program takes 10 to 40 KB, and a loop that asks every
/// second whether something is there starts one every second.
const IDLE_BYTES: u128 = 64 << 10;
/// An announced wait is believed up to this.
const LONGEST_WAIT: Duration = Duration::from_hours(24);
/// Files are looked at once per limit, so this is what is known until the next time.
const CHANGES: &str = "changes files";
/// Characters of a command or a question in a reason.
const SHOWN: usize = 80;

/// How long to wait between two looks, when the status is told every `beat`. 20 ms: below that a clock tick of 10 ms says
/// little. 15 s: a look costs about 2 ms, and whoever reads the status should not read what was a minute ago.
pub fn pause(limit: Option<Duration>, beat: Option<Duration>) -> Duration {
    let for_beat = beat.map_or(Duration::MAX, |beat| (beat / 2).max(Duration::from_millis(500)));
    let for_limit = limit.map_or(Duration::MAX, |limit| limit / LOOKS);
    for_beat.min(for_limit).clamp(Duration::from_millis(20), Duration::from_secs(15))
}

/// What one look at the processes showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Bytes printed since the last look.
    pub output: u64,
    /// Processor time of the tree since the last look.
    pub cpu: Duration,
    /// Bytes that the tree has read and written since the last look.
    pub io: u64,
    /// Processes that live, the agent's own included.
    pub processes: u32,
    /// How many of them want a processor.
    pub runnable: u32,
    /// How many of them are stopped by a signal.
    pub stopped: u32,
    /// Whether one of them waits for somebody to type.
    pub reads_terminal: bool,
}

/// What is to be done after a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// Find out whether files have changed, and tell by [`Pulse::files`].
    Files,
}

/// A tool that the agent said it has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tool {
    name: String,
    summary: String,
}

/// What is known of one agent. All times are counted from its start.
#[derive(Clone, Debug)]
pub struct Pulse {
    limit: Option<Duration>,
    /// The last sign of life.
    active: Duration,
    /// The last one that was more than processor time.
    busy: Duration,
    /// Since `active`.
    cpu: Duration,
    io: u64,
    looks: u32,
    runnable_looks: u32,
    last_look: Duration,
    tools: BTreeMap<String, Tool>,
    /// Whether it tells what it does.
    has_events: bool,
    /// Until when it announced to wait, and why.
    waits: Option<(Duration, String)>,
    /// What it printed last, without the end of a line.
    question: String,
    /// When files were last found changed.
    changed: Option<Duration>,
    /// The last sign that a look showed, and when.
    sign: Option<(Duration, String)>,
    standing: Vital,
}

impl Pulse {
    /// Begins with an agent that has just been started. Without a limit it never hangs.
    pub fn new(limit: Option<Duration>) -> Self {
        let standing = Vital { state: Liveness::Working, reason: "has just begun".to_owned() };
        Self {
            limit,
            active: Duration::ZERO,
            busy: Duration::ZERO,
            cpu: Duration::ZERO,
            io: 0,
            looks: 0,
            runnable_looks: 0,
            last_look: Duration::ZERO,
            tools: BTreeMap::new(),
            has_events: false,
            waits: None,
            question: String::new(),
            changed: None,
            sign: None,
            standing,
        }
    }

    /// What it is doing, as of the last look.
    pub fn standing(&self) -> &Vital {
        &self.standing
    }

    /// Takes what the agent said; `now` is the time of the clock at `at`.
    pub fn said(&mut self, said: &Said, at: Duration, now: DateTime<Utc>) {
        self.has_events |= !matches!(said, Said::Text { .. } | Said::Notice { .. });
        match said {
            Said::ToolStarted { id, name, summary } => {
                self.tools.insert(id.clone(), Tool { name: name.clone(), summary: summary.clone() });
                self.waits = None;
            }
            Said::ToolEnded { id, .. } => {
                self.tools.remove(id);
                self.waits = None;
            }
            Said::Retry { delay_ms, error, .. } => self.wait(at, now, Some(Duration::from_millis(*delay_ms)), error),
            Said::Error(error) if error.class.is_limit() => self.wait(at, now, None, error),
            Said::Final(_) => {
                self.tools.clear();
                self.waits = None;
            }
            Said::Text { .. } | Said::Thinking { .. } => self.waits = None,
            Said::Session { .. } | Said::Usage { .. } | Said::Error(_) | Said::Notice { .. } => {}
        }
    }

    /// Takes what stands at the end of its output without the end of a line.
    pub fn unfinished(&mut self, line: &str) {
        line.clone_into(&mut self.question);
    }

    fn wait(&mut self, at: Duration, now: DateTime<Utc>, delay: Option<Duration>, error: &AgentError) {
        let named = error.until.and_then(|until| (until - now).to_std().ok());
        let Some(delay) = delay.filter(|delay| !delay.is_zero()).or(named) else { return };
        self.waits = Some((at.saturating_add(delay.min(LONGEST_WAIT)), short(&error.message)));
    }

    /// Takes a look. When it answers [`Need::Files`], tell by [`Pulse::files`] what came of that.
    pub fn look(&mut self, at: Duration, look: &Look) -> Need {
        let since = at.saturating_sub(self.last_look);
        self.last_look = at;
        self.cpu = self.cpu.saturating_add(look.cpu);
        self.io = self.io.saturating_add(look.io);
        self.looks = self.looks.saturating_add(1);
        self.runnable_looks = self.runnable_looks.saturating_add(u32::from(look.runnable > 0));
        let limit = self.limit.unwrap_or(Duration::MAX);
        let window = self.limit.unwrap_or(since);
        // On a machine with too much to do, who wants to compute may not get to.
        let is_starved = self.looks >= LOOKS / 2 && self.runnable_looks * 2 >= self.looks;
        if look.output > 0 || self.io >= bytes(window) {
            self.lives(at, true);
        } else if self.cpu >= work(window) || is_starved {
            self.lives(at, false);
        }
        if let Some((until, _)) = &self.waits {
            self.active = self.active.max((*until).min(at));
            self.busy = self.busy.max((*until).min(at));
        }
        if let Some(sign) = sign(since, look) {
            self.sign = Some((at, sign));
        }
        self.standing = self.judge(at, since, look);
        let is_silent = at.saturating_sub(self.active) >= limit;
        let is_spinning = at.saturating_sub(self.busy) >= limit.saturating_mul(SPIN);
        if is_silent || is_spinning { Need::Files } else { Need::Nothing }
    }

    /// Takes whether files have changed. Returns whether the agent hangs.
    pub fn files(&mut self, at: Duration, have_changed: bool) -> bool {
        if have_changed {
            self.lives(at, true);
            self.changed = Some(at);
            self.standing = Vital { state: Liveness::Working, reason: CHANGES.to_owned() };
            return false;
        }
        let silent = span(at.saturating_sub(self.active));
        let before = std::mem::take(&mut self.standing.reason);
        let reason = if self.limit.is_some_and(|limit| at.saturating_sub(self.active) >= limit) {
            format!(
                "no output, no work, no changed file for {silent}; it was {}: {before}",
                self.standing.state.words()
            )
        } else {
            let spun = span(at.saturating_sub(self.busy));
            format!("nothing but processor time for {spun}: no output, no file read, written or changed")
        };
        self.standing = Vital { state: Liveness::Hung, reason };
        true
    }

    fn lives(&mut self, at: Duration, is_busy: bool) {
        self.active = at;
        if is_busy {
            self.busy = at;
        }
        self.cpu = Duration::ZERO;
        self.io = 0;
        self.looks = 0;
        self.runnable_looks = 0;
    }

    /// What the last look says. `since` is the time since the look before it.
    fn judge(&self, at: Duration, since: Duration, look: &Look) -> Vital {
        let (state, reason) = if let Some((until, why)) = self.waits.as_ref().filter(|(until, _)| at < *until) {
            let left = span(until.saturating_sub(at));
            (Liveness::Limited, format!("the service refused ({why}); the agent tries again in {left}"))
        } else if let Some((_, sign)) = self.sign.as_ref().filter(|(seen, _)| at.saturating_sub(*seen) * 2 < since * 3)
        {
            // Of this look or the one before: who prints every second look is at work all the time.
            let tool = self.tools.values().next().map(|tool| format!("; {}", tool.words()));
            (Liveness::Working, format!("{sign}{}", tool.unwrap_or_default()))
        } else {
            self.explain(at, look)
        };
        Vital { state, reason }
    }

    /// Why nothing is seen.
    fn explain(&self, at: Duration, look: &Look) -> (Liveness, String) {
        let silent = span(at.saturating_sub(self.active));
        if look.processes > 0 && look.stopped == look.processes {
            return (Liveness::WaitingForPerson, "all its processes are stopped by a signal".to_owned());
        }
        if is_question(&self.question) {
            return (Liveness::WaitingForPerson, format!("asks `{}`, silent for {silent}", short(&self.question)));
        }
        if look.reads_terminal {
            return (Liveness::WaitingForPerson, format!("a process waits for somebody to type, silent for {silent}"));
        }
        let limit = self.limit.unwrap_or(Duration::MAX);
        if self.changed.is_some_and(|changed| at.saturating_sub(changed) < limit) {
            return (Liveness::Working, format!("{CHANGES}, otherwise silent for {silent}"));
        }
        if let Some(tool) = self.tools.values().next() {
            return (Liveness::WaitingForTool, format!("{}, silent for {silent}", tool.words()));
        }
        let children = look.processes.saturating_sub(1);
        // Agents that tell what they do have helpers of their own all the time.
        if children > 0 && !self.has_events {
            let them = if children == 1 {
                "1 process that it started".to_owned()
            } else {
                format!("{children} processes that it started")
            };
            return (Liveness::WaitingForTool, format!("{them}, silent for {silent}"));
        }
        (Liveness::Thinking, format!("nothing under way but the model, silent for {silent}"))
    }
}

impl Tool {
    fn words(&self) -> String {
        let what = short(&self.summary);
        if what.is_empty() { self.name.clone() } else { format!("{} {what}", self.name) }
    }
}

/// The sign of life since the last look, in words.
fn sign(since: Duration, look: &Look) -> Option<String> {
    if look.output > 0 {
        return Some("prints".to_owned());
    }
    if look.cpu >= work(since).max(Duration::from_millis(10)) {
        let share = look.cpu.as_micros().saturating_mul(100) / since.as_micros().max(1);
        return Some(format!("computes ({share} % of a processor)"));
    }
    if look.io >= bytes(since) {
        return Some("reads and writes".to_owned());
    }
    (look.runnable > 0).then(|| "wants to compute".to_owned())
}

/// How much processor time in a window is work.
fn work(window: Duration) -> Duration {
    let micros = window.as_micros().saturating_mul(WAKING_PPM) / 1_000_000;
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// How many bytes in a window are work.
fn bytes(window: Duration) -> u64 {
    let bytes = window.as_micros().saturating_mul(IDLE_BYTES) / 1_000_000;
    u64::try_from(bytes).unwrap_or(u64::MAX).max(1)
}

/// Whether a line that has not ended waits for somebody to answer it.
fn is_question(line: &str) -> bool {
    const ENDS: [&str; 12] = [
        "[y/n]",
        "(y/n)",
        "[yes/no]",
        "(yes/no)",
        "[y/n]:",
        "(yes/no/[fingerprint])?",
        "password:",
        "passphrase:",
        "continue?",
        "proceed?",
        "press enter",
        "press any key",
    ];
    let line = line.trim().to_lowercase();
    let bare = line.trim_end_matches([':', '.', '>', ' ', '?']);
    ENDS.iter().any(|end| line.ends_with(end) || bare.ends_with(end.trim_end_matches([':', '?'])))
        || (line.ends_with('?') && line.len() <= 200)
}

fn short(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let mut cut: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
    if cut.len() < line.len() {
        cut.push('…');
    }
    cut
}

fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::ErrorClass;

    const LIMIT: Duration = Duration::from_secs(80);
    const STEP: Duration = Duration::from_secs(10);

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn now() -> DateTime<Utc> {
        "2026-11-20T11:29:10Z".parse().unwrap()
    }

    fn quiet() -> Look {
        Look { processes: 1, ..Look::default() }
    }

    /// Looks every 10 s until it hangs; `after` how many seconds. `u64::MAX` when it does not within two hours.
    fn hangs_after(pulse: &mut Pulse, mut look: impl FnMut(u64) -> Look, mut files: impl FnMut(u64) -> bool) -> u64 {
        let mut at = pulse.last_look;
        while at < seconds(7200) {
            at += STEP;
            let second = at.as_secs();
            if pulse.look(at, &look(second)) == Need::Files && pulse.files(at, files(second)) {
                return second;
            }
        }
        u64::MAX
    }

    fn fate(look: impl FnMut(u64) -> Look) -> u64 {
        hangs_after(&mut Pulse::new(Some(LIMIT)), look, |_| false)
    }

    fn tool() -> Said {
        Said::ToolStarted { id: "t".into(), name: "Bash".into(), summary: "make -j8 all".into() }
    }

    fn retry(delay_ms: u64, until: Option<DateTime<Utc>>) -> Said {
        let error = AgentError { class: ErrorClass::RateLimit, message: "429".into(), until };
        Said::Retry { attempt: 1, delay_ms, error }
    }

    #[test]
    fn silence_is_a_hang_when_it_lasts() {
        assert_eq!(fate(|_| quiet()), 80);
    }

    #[test]
    fn any_sign_of_life_is_enough() {
        assert_eq!(fate(|s| Look { output: u64::from(s % 70 == 0), ..quiet() }), u64::MAX);
        // 5 % of 80 s are 4 s of processor time; 10 s every 40 s.
        assert_eq!(fate(|s| Look { cpu: seconds(10), output: u64::from(s % 300 == 0), ..quiet() }), u64::MAX);
        assert_eq!(fate(|_| Look { io: 2 << 20, ..quiet() }), u64::MAX);
        let mut pulse = Pulse::new(Some(LIMIT));
        assert_eq!(hangs_after(&mut pulse, |_| quiet(), |s| s < 300), 320, "files are looked at once per limit");
        let mut pulse = Pulse::new(Some(LIMIT));
        assert_eq!(pulse.look(LIMIT, &quiet()), Need::Files);
        assert!(!pulse.files(LIMIT, true));
        pulse.look(LIMIT + STEP, &quiet());
        let want = Vital { state: Liveness::Working, reason: "changes files, otherwise silent for 10 s".into() };
        assert_eq!(*pulse.standing(), want);
    }

    #[test]
    fn waking_up_now_and_then_is_no_sign_of_life() {
        // What a hung codex does: 2.5 % of a processor; and a loop that starts a program every second.
        assert_eq!(fate(|_| Look { cpu: Duration::from_millis(250), io: 400_000, ..quiet() }), 80);
    }

    #[test]
    fn processor_time_alone_is_believed_for_a_while() {
        assert_eq!(fate(|_| Look { cpu: STEP, runnable: 1, ..quiet() }), u64::from(SPIN) * 80);
        // A compiler reads and writes now and then.
        let compiles = |s| Look { cpu: STEP, io: if s % 200 == 0 { 64 << 20 } else { 0 }, ..quiet() };
        assert_eq!(fate(compiles), u64::MAX);
    }

    #[test]
    fn who_wants_a_processor_and_gets_none_is_not_hung() {
        let starved = |s| Look { runnable: u32::from(s % 20 == 0), output: u64::from(s % 310 == 0), ..quiet() };
        assert_eq!(fate(starved), u64::MAX);
        assert_eq!(fate(|s| Look { runnable: u32::from(s % 50 == 0), ..quiet() }), 80, "waking up now and then");
    }

    #[test]
    fn an_announced_wait_is_waited_for_and_no_longer() {
        let mut pulse = Pulse::new(Some(LIMIT));
        pulse.said(&retry(600_000, None), seconds(5), now());
        assert_eq!(pulse.look(seconds(100), &quiet()), Need::Nothing);
        assert_eq!(pulse.standing().state, Liveness::Limited);
        assert!(pulse.standing().reason.contains("429") && pulse.standing().reason.contains("8 min"), "{pulse:?}");
        assert_eq!(hangs_after(&mut pulse, |_| quiet(), |_| false), 690);

        let mut pulse = Pulse::new(Some(LIMIT));
        pulse.said(&retry(0, Some(now() + chrono::TimeDelta::seconds(400))), Duration::ZERO, now());
        assert_eq!(hangs_after(&mut pulse, |_| quiet(), |_| false), 480);
        let mut pulse = Pulse::new(Some(LIMIT));
        pulse.said(&retry(u64::MAX, None), Duration::ZERO, now());
        assert_eq!(pulse.waits.as_ref().unwrap().0, LONGEST_WAIT);
        pulse.said(&Said::Text { text: "on".into(), partial: false }, seconds(1), now());
        assert_eq!(hangs_after(&mut pulse, |_| quiet(), |_| false), 80, "it went on meanwhile");
    }

    #[test]
    fn a_tool_explains_a_silence_and_does_not_end_it() {
        let mut pulse = Pulse::new(Some(LIMIT));
        pulse.said(&tool(), Duration::ZERO, now());
        pulse.look(STEP, &quiet());
        assert_eq!(pulse.standing().state, Liveness::WaitingForTool);
        assert_eq!(pulse.standing().reason, "Bash make -j8 all, silent for 10 s");
        assert_eq!(hangs_after(&mut pulse, |_| quiet(), |_| false), 80);
        assert_eq!(pulse.standing().state, Liveness::Hung);
        assert!(pulse.standing().reason.contains("waiting for a tool: Bash make -j8 all"), "{pulse:?}");
    }

    #[test]
    fn each_state_has_its_reason() {
        type Prepare = fn(&mut Pulse);
        let standing = |look: Look, prepare: Prepare| {
            let mut pulse = Pulse::new(Some(LIMIT));
            prepare(&mut pulse);
            pulse.look(STEP, &look);
            (pulse.standing.state, pulse.standing.reason)
        };
        let nothing = |_: &mut Pulse| {};
        let table: [(Look, Prepare, Liveness, &str); 9] = [
            (Look { output: 5, ..quiet() }, nothing, Liveness::Working, "prints"),
            (Look { cpu: seconds(15), ..quiet() }, nothing, Liveness::Working, "computes (150 % of a processor)"),
            (Look { io: 1 << 20, ..quiet() }, nothing, Liveness::Working, "reads and writes"),
            (quiet(), nothing, Liveness::Thinking, "nothing under way but the model"),
            (Look { processes: 3, ..quiet() }, nothing, Liveness::WaitingForTool, "2 processes that it started"),
            (Look { stopped: 1, ..quiet() }, nothing, Liveness::WaitingForPerson, "stopped by a signal"),
            (Look { reads_terminal: true, ..quiet() }, nothing, Liveness::WaitingForPerson, "somebody to type"),
            (
                quiet(),
                |pulse| pulse.unfinished("Overwrite? [y/N] "),
                Liveness::WaitingForPerson,
                "asks `Overwrite? [y/N]`",
            ),
            (
                Look { processes: 3, ..quiet() },
                |pulse| {
                    pulse.said(&tool(), Duration::ZERO, now());
                    pulse.said(&Said::ToolEnded { id: "t".into(), is_ok: true, summary: String::new() }, STEP, now());
                },
                Liveness::Thinking,
                "the model",
            ),
        ];
        for (look, prepare, state, reason) in table {
            let found = standing(look, prepare);
            assert!(found.0 == state && found.1.contains(reason), "{look:?}: {found:?}");
        }
    }

    #[test]
    fn who_prints_every_other_look_is_at_work_all_the_time() {
        let mut pulse = Pulse::new(Some(LIMIT));
        let states = (1..7_u32).map(|n| {
            pulse.look(STEP * n, &Look { output: u64::from(n % 2), ..quiet() });
            pulse.standing().state
        });
        assert_eq!(states.collect::<Vec<_>>(), [Liveness::Working; 6]);
        pulse.look(STEP * 7, &quiet());
        assert_eq!(pulse.standing().state, Liveness::Thinking);
    }

    #[test]
    fn questions_are_known_by_their_ends() {
        for line in [
            "Continue? [y/N] ",
            "Password:",
            "Enter passphrase: ",
            "Press Enter",
            "Do you want to go on?",
            "ok (yes/no)? ",
        ] {
            assert!(is_question(line), "{line}");
        }
        for line in ["", "compiling", "100%", "$ ", "see https://example.org/a?b=c", "progress: 5/10"] {
            assert!(!is_question(line), "{line}");
        }
    }

    #[test]
    fn without_a_limit_nothing_hangs() {
        assert_eq!(hangs_after(&mut Pulse::new(None), |_| quiet(), |_| false), u64::MAX);
        assert_eq!((pause(None, None), pause(Some(seconds(1800)), None)), (seconds(15), seconds(15)));
        assert_eq!((pause(Some(seconds(8)), None), pause(None, Some(seconds(20)))), (seconds(1), seconds(10)));
    }

    proptest! {
        /// Whatever it does, it does not go on for ever without output, input or files.
        #[test]
        fn nothing_but_processor_time_ends(cpu in proptest::collection::vec(0_u64..20_000, 60), runnable in 0_u32..3) {
            let fate = fate(|s| Look { cpu: Duration::from_millis(cpu[(s / 10) as usize % 60]), runnable, ..quiet() });
            prop_assert!((80..=u64::from(SPIN) * 80).contains(&fate), "{}", fate);
        }

        #[test]
        fn who_prints_often_enough_never_hangs(gap in 1_u64..7, cpu in 0_u64..1000) {
            let look = |s: u64| Look { output: u64::from((s / 10).is_multiple_of(gap)), cpu: Duration::from_millis(cpu), ..quiet() };
            prop_assert_eq!(fate(look), u64::MAX);
        }
    }
}
