//! The watcher of one project: looks, takes, asks, begins runs, waits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chrono::{DateTime, TimeDelta, Utc};

use super::asking::{self, Unanswered};
use super::eyes::Eyes;
use super::file::{Text, candidate, read_text};
use super::reading::{Content, Reader, Reading};
use super::runner::{self, Moment, Run, Runner};
use super::scope::{Look, Place, Scope, Stamp};
use super::taking::{self, Candidate, Offer};
use super::{Tell, WatchOptions, notice};
use crate::engine::desk::Interrupted;
use crate::engine::project::Project;
use crate::engine::schedule::{self, Fired, Recurring};
use crate::engine::signals::Stop;
use crate::engine::sinks::{Audience, Sinks};
use crate::engine::store::Store;
use crate::logic::watch::settle::Settling;
use crate::logic::watch::{self, Contents, Meaning, Seen, name};
use crate::model::config::OnPlan;
use crate::model::{Digest, Event, EventKind, PlanStanding, RunId};
use crate::sys;
use crate::sys::lock::{LockNote, RunLock};
use crate::view::row::Turn;
use crate::view::{self, Style};

/// The most plans that are taken in one write.
const BATCH: usize = 2_000;
/// How long plans are read before those that were read are taken, at least. The queue is written as a whole, so few large
/// steps cost less than many small ones; but what is not written yet is read again after a kill.
const READING: Duration = Duration::from_millis(250);
/// Two looks are never nearer than this, however many reports come.
const SHORTEST: Duration = Duration::from_millis(10);
/// How often recurring plans are looked at.
const EVERY_SECOND: Duration = Duration::from_secs(1);
/// After something that autodev itself could not do (a broken task.json, a full disk).
const TROUBLE_PAUSE: Duration = Duration::from_secs(5);

/// What a file's content was when it was read.
#[derive(Clone, Debug)]
struct Known {
    stamp: Stamp,
    digest: String,
    is_blank: bool,
}

/// A plan that a model is asked about.
struct Question {
    plan: String,
    digest: String,
    candidate: Candidate,
    path: String,
    text: String,
    content: Content,
    reasons: Vec<String>,
}

/// Recurring plans that are being given their turn, with who gives it.
type Firing = Pin<Box<dyn Future<Output = (Recurring, Result<Vec<Fired>>)>>>;

type Asking = Pin<Box<dyn Future<Output = Result<Result<Content, Unanswered>>>>>;

/// Watches one project.
pub(super) struct Watcher {
    project: Project,
    options: WatchOptions,
    stop: Stop,
    tell: Tell,
    is_alone: bool,
    scope: Scope,
    store: Store,
    eyes: Eyes,
    settling: Settling<Stamp>,
    known: BTreeMap<String, Known>,
    questions: VecDeque<Question>,
    asking: Option<(Candidate, Asking)>,
    /// `None` when there are no recurring plans, and while they have their turn.
    recurring: Option<Recurring>,
    firing: Option<Firing>,
    /// When recurring plans were last looked at; `None` before the first time.
    fired: Option<Duration>,
    runner: Runner,
    run: Option<Run>,
    run_code: i32,
    begun: Instant,
    /// Not before this moment are plans taken, unless nothing else is coming.
    pause: Duration,
    /// How long the last taking took.
    cost: Duration,
    complaints: BTreeSet<String>,
    /// Plans that failed and beside which nothing could be written: its absence is no reason to try again.
    unsaid: BTreeSet<String>,
    _lock: RunLock,
}

/// What a round came to.
#[derive(Default)]
struct Round {
    /// When there is something to do at the latest, since the watcher began.
    next: Option<Duration>,
    /// Whether something is unsettled or left over for the next round.
    is_busy: bool,
}

impl Watcher {
    /// Prepares to watch a project. No other watcher may have it.
    ///
    /// # Errors
    /// When another watcher has the project, a glob is none, or `.autodev/` cannot be written.
    pub(super) fn open(
        project: Project,
        options: WatchOptions,
        stop: Stop,
        tell: Tell,
        is_alone: bool,
    ) -> Result<Self> {
        project.prepare()?;
        let lock = RunLock::acquire(&project.watch_lock(), &LockNote::here("watch"))
            .with_context(|| format!("{} is watched already", project.config.project.code_dir.display()))?;
        let scope = Scope::new(&project)?;
        for dir in scope.dirs() {
            fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        }
        let store = Store::open(&project, Sinks::new(&project, Audience::Nobody), Store::new_run_id())?;
        let recurring = Recurring::open(&project)?;
        let config = &project.config.watch;
        let runs = options.on_plan.unwrap_or(config.on_plan) == OnPlan::Run;
        let file = runs.then_some(project.config.files.task_json.as_path());
        let eyes = Eyes::open(config.mode, scope.dirs(), file)?;
        let settling = Settling::new(Duration::from_millis(config.debounce_ms));
        Ok(Self {
            options: WatchOptions { on_plan: Some(if runs { OnPlan::Run } else { OnPlan::Queue }), ..options },
            project,
            stop,
            tell,
            is_alone,
            scope,
            store,
            eyes,
            settling,
            known: BTreeMap::new(),
            questions: VecDeque::new(),
            asking: None,
            recurring,
            firing: None,
            fired: None,
            runner: Runner::default(),
            run: None,
            run_code: 0,
            begun: Instant::now(),
            pause: Duration::ZERO,
            cost: Duration::ZERO,
            complaints: BTreeSet::new(),
            unsaid: BTreeSet::new(),
            _lock: lock,
        })
    }

    /// Watches until a signal comes, or until everything is dealt with.
    ///
    /// # Errors
    /// When the journal cannot be written, or watching natively was insisted on and is not possible.
    pub(super) async fn work(&mut self) -> Result<i32> {
        self.start()?;
        loop {
            if self.stop.signal().is_some() {
                return self.end().await;
            }
            let mut round = match self.round() {
                Ok(round) => round,
                Err(error) => {
                    // Nothing is lost: what was not journaled as taken is found again.
                    self.complain(&format!("{error:#}; trying again"));
                    Round { next: Some(self.now() + TROUBLE_PAUSE), is_busy: !self.options.once }
                }
            };
            self.begin_firing();
            self.begin_asking();
            self.begin_run(&mut round)?;
            let is_waiting = self.asking.is_some() || self.firing.is_some() || self.run.is_some();
            let is_idle = !is_waiting && !round.is_busy;
            if self.options.once && is_idle && self.questions.is_empty() {
                return Ok(self.exit_code());
            }
            self.wait(round.next).await?;
        }
    }

    fn start(&mut self) -> Result<()> {
        let dirs: Vec<String> = self.scope.dirs().iter().map(|dir| self.project.shown(dir)).collect();
        let is_polling = self.eyes.is_polling();
        if let Some(trouble) = self.eyes.trouble() {
            (self.tell)(&format!("{trouble}: looking every {} ms", self.project.config.watch.poll_interval_ms));
        }
        let started = EventKind::WatchStarted { pid: std::process::id(), dirs, is_polling };
        self.store.record(vec![started.clone()])?;
        self.show(&started);
        Ok(())
    }

    /// Ends what is under way. A second signal does not wait.
    async fn end(&mut self) -> Result<i32> {
        if let Some(run) = self.run.take() {
            run.await?;
        }
        if let Some(firing) = self.firing.take() {
            // A turn that was not over is taken up by whoever watches next.
            drop(firing.await);
        }
        if let Some((_, asking)) = self.asking.take() {
            // It was stopped as well; the plan is asked about again by the next watcher.
            drop(asking.await);
        }
        Ok(0)
    }

    fn exit_code(&self) -> i32 {
        let failed = |(plan, record): (&String, &crate::model::PlanRecord)| {
            record.standing == PlanStanding::Failed && self.scope.covers(plan)
        };
        if self.store.state.plans.iter().any(failed) || !self.complaints.is_empty() { 1 } else { self.run_code }
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn show(&self, kind: &EventKind) {
        let event = Event { seq: 0, at: sys::clock::now(), run: RunId::default(), kind: kind.clone() };
        let style = Style { zone: sys::clock::zone(), ..Style::plain() };
        (self.tell)(&view::phrase::of(&event, Turn::default(), &style));
    }

    /// Says something once.
    fn complain(&mut self, text: &str) {
        if self.complaints.insert(text.to_owned()) {
            (self.tell)(text);
        }
    }

    /// One look and what follows from it.
    fn round(&mut self) -> Result<Round> {
        self.eyes.keep_up()?;
        self.store.catch_up()?;
        let look = self.scope.look();
        for trouble in &look.troubles {
            self.complain(trouble);
        }
        let now = self.now();
        for (plan, record) in &self.store.state.plans {
            if watch::is_left(record) && self.scope.covers(plan) {
                self.settling.expect(plan, now);
            }
        }
        let is_readable = |plan: &str| self.scope.dir_of(plan).is_some_and(|dir| look.read.contains(dir));
        let stamps = look.plans.iter().map(|(plan, place)| (plan.clone(), place.stamp)).collect();
        let settled = self.settling.look(stamps, is_readable, now);
        let mut round = Round { next: settled.next, is_busy: settled.next.is_some() };
        if settled.next.is_some() && now < self.pause {
            // More is coming: the queue is not written again for a few.
            round.next = Some(self.pause);
            return Ok(round);
        }
        let gone: Vec<String> = settled.gone.into_iter().filter(|plan| is_readable(plan)).collect();
        let there: Vec<String> = settled.there.into_iter().map(|(plan, _)| plan).collect();
        let candidates = self.candidates(&look, &there, &gone, &mut round);
        if !candidates.is_empty() {
            let began = self.now();
            let has_changed = self.take(candidates)?;
            let ended = self.now();
            self.cost = ended.saturating_sub(began);
            self.pause = ended + self.cost;
            if has_changed {
                // What was left over for lack of room, or waits for what has just come.
                round.is_busy = true;
                round.next = Some(ended);
            }
        }
        for plan in gone {
            let is_over = self.store.state.plans.get(&plan).is_none_or(|record| !watch::is_left(record));
            if is_over {
                self.settling.forget(&plan);
                self.known.remove(&plan);
            }
        }
        if let Some(at) = self.retry_at() {
            round.next = Some(round.next.map_or(at, |next| next.min(at)));
        }
        Ok(round)
    }

    /// Finds out what follows from the files that have settled.
    fn candidates(&mut self, look: &Look, there: &[String], gone: &[String], round: &mut Round) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = Vec::new();
        let mut reader: Option<Reader> = None;
        let mut moved: BTreeSet<String> = BTreeSet::new();
        let mut contents: BTreeSet<String> = BTreeSet::new();
        let known_contents = Contents::of(&self.store.state.plans);
        let is_gone: BTreeSet<&str> = gone.iter().map(String::as_str).collect();
        // Reading may take as long as writing did.
        let enough = self.now() + READING.max(self.cost);
        // A plan that is known and a new copy of it may come at once: the known one is the plan.
        let is_new = |plan: &&String| !self.store.state.plans.contains_key(*plan);
        let (new, old): (Vec<&String>, Vec<&String>) = there.iter().partition(is_new);
        for plan in old.into_iter().chain(new) {
            if candidates.len() >= BATCH || (!candidates.is_empty() && self.now() >= enough) {
                round.is_busy = true;
                round.next = Some(self.now());
                break;
            }
            let Some(place) = look.plans.get(plan) else { continue };
            let Some((known, text)) = self.content(plan, place) else { continue };
            if known.is_blank || self.is_asked(plan, &known.digest) {
                continue;
            }
            let meaning = self.meaning(plan, place, &known, &known_contents, &is_gone);
            let moved_from = match &meaning {
                Said::Nothing => {
                    if text.is_some() {
                        self.clear_stale_notice(plan, place);
                    }
                    continue;
                }
                Said::Twin(of) => {
                    candidates.push(candidate(plan, place, &known.digest, None, Offer::Twin { of: of.clone() }));
                    continue;
                }
                Said::Read(moved_from) => moved_from.clone(),
            };
            if !contents.insert(known.digest.clone()) || moved_from.as_ref().is_some_and(|from| moved.contains(from)) {
                // The same content twice at once: the first counts, the other is looked at when that is done.
                continue;
            }
            let text = match text {
                Some(text) => text,
                None => match read_text(place) {
                    Ok(Some(text)) => text,
                    Ok(None) => continue,
                    Err(reason) => Text::Broken(reason),
                },
            };
            moved.extend(moved_from.clone());
            let reader = reader.get_or_insert_with(|| Reader::new(&self.project));
            let reading = match text {
                Text::Broken(reason) => Reading::Broken(reason),
                Text::Read(text) => match reader.read(&name::path(plan), &text) {
                    Reading::Ask { content, reasons } => {
                        let candidate = candidate(plan, place, &known.digest, moved_from, Offer::Gone);
                        self.questions.push_back(Question {
                            plan: plan.clone(),
                            digest: known.digest.clone(),
                            candidate,
                            path: place.path.display().to_string(),
                            text,
                            content,
                            reasons,
                        });
                        continue;
                    }
                    other => other,
                },
            };
            let offer = match reading {
                Reading::Blank | Reading::Ask { .. } => continue,
                Reading::Draft { title } => Offer::Draft { title },
                Reading::Tasks(content) => Offer::Tasks(content),
                Reading::Broken(reason) => Offer::Broken { reason, retry_at: None },
            };
            candidates.push(candidate(plan, place, &known.digest, moved_from, offer));
        }
        let asked: BTreeSet<&String> =
            self.questions.iter().filter_map(|question| question.candidate.moved_from.as_ref()).collect();
        for plan in gone {
            let is_left = self.store.state.plans.get(plan).is_some_and(watch::is_left);
            if is_left && !moved.contains(plan) && !asked.contains(plan) {
                candidates.push(Candidate {
                    plan: plan.clone(),
                    slug: String::new(),
                    digest: String::new(),
                    moved_from: None,
                    changed_at: None,
                    offer: Offer::Gone,
                });
            }
        }
        candidates
    }

    /// Returns what is known about a file's content, and its text when it had to be read. `None` when it is changing.
    fn content(&mut self, plan: &str, place: &Place) -> Option<(Known, Option<Text>)> {
        if let Some(known) = self.known.get(plan).filter(|known| known.stamp == place.stamp) {
            return Some((known.clone(), None));
        }
        let (text, bytes) = match read_text(place) {
            Ok(None) => return None,
            Ok(Some(Text::Read(text))) => {
                let bytes = text.clone().into_bytes();
                (Text::Read(text), bytes)
            }
            Ok(Some(Text::Broken(reason))) | Err(reason) => (Text::Broken(reason.clone()), reason.into_bytes()),
        };
        let is_blank = matches!(&text, Text::Read(text) if text.trim().is_empty());
        let digest = Digest(sys::hash::bytes(&bytes)).to_string();
        let known = Known { stamp: place.stamp, digest, is_blank };
        self.known.insert(plan.to_owned(), known.clone());
        Some((known, Some(text)))
    }

    fn meaning(&self, plan: &str, place: &Place, known: &Known, contents: &Contents, is_gone: &BTreeSet<&str>) -> Said {
        let plans = &self.store.state.plans;
        let record = plans.get(plan);
        // The usual case, without building anything.
        if record.is_some_and(|record| record.digest == known.digest && record.standing == PlanStanding::Taken) {
            return Said::Nothing;
        }
        let has_failed = record.is_some_and(|record| record.standing == PlanStanding::Failed);
        let has_notice = has_failed && (self.unsaid.contains(plan) || notice::is_beside(&place.path));
        let seen = Seen { plan, digest: &known.digest, has_notice };
        match watch::meaning(plans, contents, seen, |other| !is_gone.contains(other), sys::clock::now()) {
            Meaning::Unchanged => Said::Nothing,
            Meaning::TwinOf(other) => Said::Twin(other.to_owned()),
            Meaning::MovedFrom(other) => Said::Read(Some(other.to_owned())),
            Meaning::New | Meaning::Edited | Meaning::Again => Said::Read(None),
        }
    }

    fn is_asked(&self, plan: &str, digest: &str) -> bool {
        let current = self.asking.as_ref().map(|(candidate, _)| (candidate.plan.as_str(), candidate.digest.as_str()));
        let waiting = self.questions.iter().map(|question| (question.plan.as_str(), question.digest.as_str()));
        waiting.chain(current).any(|asked| asked == (plan, digest))
    }

    /// A notice that a killed watcher could not remove any more.
    fn clear_stale_notice(&self, plan: &str, place: &Place) {
        if self.store.state.plans.get(plan).is_some_and(|record| record.standing != PlanStanding::Failed) {
            notice::clear(&place.path);
        }
    }

    /// Puts plans into the queue, says so, and sees to the notices beside them. Returns whether anything has changed.
    fn take(&mut self, candidates: Vec<Candidate>) -> Result<bool> {
        let plans: Vec<String> = candidates.iter().map(|candidate| candidate.plan.clone()).collect();
        let told = taking::take(&self.project, &mut self.store, candidates)?;
        for kind in &told {
            self.show(kind);
        }
        for plan in plans {
            let path = self.scope.path_of(&plan);
            let Some(record) = self.store.state.plans.get(&plan) else { continue };
            if record.standing != PlanStanding::Failed {
                notice::clear(&path);
                self.unsaid.remove(&plan);
            } else if let Err(error) = notice::write(&path, &record.reason.clone()) {
                self.complain(&format!("{plan}: cannot say beside it why it failed: {error:#}"));
                self.unsaid.insert(plan);
            }
        }
        Ok(!told.is_empty())
    }

    /// When the next plan that failed is worth another try.
    fn retry_at(&self) -> Option<Duration> {
        let plans = self.store.state.plans.iter();
        let failed = plans.filter(|(plan, record)| record.standing == PlanStanding::Failed && self.scope.covers(plan));
        let at: DateTime<Utc> = failed.filter_map(|(_, record)| record.retry_at).min()?;
        // The wall clock may jump: look again at least every minute.
        let left = (at - sys::clock::now()).clamp(TimeDelta::milliseconds(100), TimeDelta::minutes(1));
        Some(self.now() + left.to_std().unwrap_or_default())
    }

    /// Gives recurring plans their turn, once a second.
    fn begin_firing(&mut self) {
        let is_due = self.fired.is_none_or(|at| self.now() >= at + EVERY_SECOND);
        if !is_due || self.asking.is_some() {
            return;
        }
        let Some(mut recurring) = self.recurring.take() else { return };
        self.fired = Some(self.now());
        let project = self.project.clone();
        self.firing = Some(Box::pin(async move {
            let fired = recurring.fire_due(async |fire| schedule::queue_plan(&project, fire).await).await;
            (recurring, fired)
        }));
    }

    fn has_fired(&mut self, recurring: Recurring, fired: Result<Vec<Fired>>) {
        self.recurring = Some(recurring);
        match fired {
            Ok(fired) => {
                for Fired { fire, outcome } in fired {
                    self.show(&EventKind::ScheduleFired { entry: fire.entry, due: fire.due, outcome });
                }
            }
            // The signal ends the watcher too.
            Err(error) if error.is::<Interrupted>() => {}
            // The turn is kept for the next second.
            Err(error) => self.complain(&format!("recurring plans: {error:#}; trying again")),
        }
    }

    fn begin_asking(&mut self) {
        if self.asking.is_some() || self.firing.is_some() || self.run.is_some() {
            return;
        }
        let Some(question) = self.questions.pop_front() else { return };
        (self.tell)(&format!("{}: {}; asking a model for its tasks", question.plan, question.reasons.join("; ")));
        let project = self.project.clone();
        let Question { candidate, path, text, content, reasons, .. } = question;
        let work = async move { asking::ask(&project, &path, &text, content, &reasons).await };
        self.asking = Some((candidate, Box::pin(work)));
    }

    fn answered(&mut self, candidate: Candidate, answer: Result<Result<Content, Unanswered>>) -> Result<()> {
        let offer = match answer {
            Ok(Ok(content)) => Offer::Tasks(content),
            Ok(Err(Unanswered { reason, retry_at })) => Offer::Broken { reason, retry_at },
            // The signal ends the watcher too.
            Err(error) if error.is::<Interrupted>() => return Ok(()),
            Err(error) => return Err(error),
        };
        // A file that has changed meanwhile is asked about again.
        let is_same = self.known.get(&candidate.plan).is_some_and(|known| known.digest == candidate.digest);
        if is_same {
            self.take(vec![Candidate { offer, ..candidate }])?;
        }
        Ok(())
    }

    fn begin_run(&mut self, round: &mut Round) -> Result<()> {
        if self.options.on_plan != Some(OnPlan::Run)
            || self.run.is_some()
            || self.asking.is_some()
            || self.firing.is_some()
        {
            return Ok(());
        }
        let debounce = Duration::from_millis(self.project.config.watch.debounce_ms);
        let moment = Moment { project: &self.project, now: self.begun.elapsed(), debounce };
        let (wants_run, again) = self.runner.wants_run(&moment, &mut self.store)?;
        if wants_run {
            (self.tell)("tasks are pending: a run begins");
            self.run = Some(runner::begin(&self.project, &self.stop, self.is_alone)?);
        } else if let Some(again) = again {
            round.is_busy = true;
            round.next = Some(round.next.map_or(again, |next| next.min(again)));
        }
        Ok(())
    }

    /// Waits for whatever comes first.
    async fn wait(&mut self, next: Option<Duration>) -> Result<()> {
        let config = &self.project.config.watch;
        let often = Duration::from_millis(config.poll_interval_ms);
        let looks = self.options.on_plan == Some(OnPlan::Run) || self.eyes.is_polling() || self.eyes.is_blind();
        let mut longest = if looks { often } else { Duration::from_secs(config.rescan_seconds) };
        if self.recurring.is_some() {
            longest = longest.min(EVERY_SECOND);
        }
        let now = self.now();
        let until = next.unwrap_or(now + longest).min(now + longest).max(now + SHORTEST);
        let nap = tokio::time::sleep(until.saturating_sub(now));
        // Each branch may be dropped and asked again: nothing is lost by that.
        tokio::select! {
            () = nap => {}
            () = self.stop.requested() => {}
            () = woken(&self.eyes) => {}
            code = finished(&mut self.run) => {
                self.run = None;
                self.run_code = code?;
                let code = self.run_code;
                (self.tell)(&format!("the run ended with exit code {code}"));
            }
            (recurring, fired) = turned(&mut self.firing) => {
                self.firing = None;
                self.has_fired(recurring, fired);
            }
            answer = answered(&mut self.asking) => {
                if let Some((candidate, _)) = self.asking.take() {
                    self.answered(candidate, answer)?;
                }
            }
        }
        Ok(())
    }
}

/// A report, but never sooner than [`SHORTEST`] after the look before: reports come in thousands.
async fn woken(eyes: &Eyes) {
    tokio::time::sleep(SHORTEST).await;
    eyes.woken().await;
}

async fn finished(run: &mut Option<Run>) -> Result<i32> {
    match run {
        Some(run) => run.await,
        None => std::future::pending().await,
    }
}

async fn turned(firing: &mut Option<Firing>) -> (Recurring, Result<Vec<Fired>>) {
    match firing {
        Some(firing) => firing.await,
        None => std::future::pending().await,
    }
}

async fn answered(asking: &mut Option<(Candidate, Asking)>) -> Result<Result<Content, Unanswered>> {
    match asking {
        Some((_, asking)) => asking.await,
        None => std::future::pending().await,
    }
}

/// What a file means, without a loan from the state.
enum Said {
    Nothing,
    Twin(String),
    Read(Option<String>),
}
