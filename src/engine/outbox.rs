//! Notices beside a run: a thread that reads the journal behind the run and delivers what channels want to know.
//!
//! The journal is the outbox. A channel has two marks there: up to which event everything is dealt with, and which event
//! is on its way. The thread reads new events, folds them into a state of its own and makes the notices; the run only
//! says that there is something new and waits at its end, not for long. What is left then, the next run sends.
//!
//! A notice is sent **at most once**: "on its way" is on the disk before the first byte leaves. What was on its way when
//! everything was killed, or got no answer, may have arrived: it is not sent again, and the journal says so. Only what
//! certainly did not arrive (no connection, an answer that says "later") is tried again.
//!
//! `route` is the way of the notices of one channel, `deliver` one try.

pub(super) mod deliver;
mod route;

use std::rc::Rc;
use std::time::Duration;

use chrono::FixedOffset;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::LocalSet;

use self::route::{Letter, Means, Route};
use super::project::Project;
use super::signals::Stop;
use crate::journal::Journal;
use crate::logic;
use crate::model::{Event, Message, Notice, State};
use crate::notify::Channel;
use crate::sys;
use crate::sys::redact::Redactor;
use crate::view;

/// How long a run waits at its end for what is not delivered yet; 10 s is one slow answer.
const LAST_WAIT: Duration = Duration::from_secs(10);
/// The same when a person has asked it to stop.
const LAST_WAIT_STOPPED: Duration = Duration::from_secs(3);

/// How long the thread may take to end when it is told to.
const JOURNAL_WAIT: Duration = Duration::from_secs(2);

/// The run's end of the thread.
pub(super) struct Outbox {
    news: watch::Sender<u64>,
    progress: watch::Receiver<Progress>,
    complaints: mpsc::UnboundedReceiver<String>,
}

/// How far the thread is.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// Everything up to this event is dealt with.
    seq: u64,
    /// What waits: channel, how many notices, why.
    waiting: Vec<(String, usize, String)>,
}

impl Outbox {
    /// Starts the thread; `None` when there is no channel, or none that can be used. A channel that is new to the
    /// journal is told what happens from now on, after event `seq`. Also returns what is wrong with channels.
    pub(super) fn start(project: &Project, seq: u64) -> (Option<Self>, Vec<String>) {
        let (channels, wrong) = open(project);
        let mut wrong: Vec<String> =
            wrong.into_iter().map(|(name, why)| format!("channel {name}: {why}; nothing is sent there")).collect();
        if channels.is_empty() {
            return (None, wrong);
        }
        let (news, news_in) = watch::channel(seq);
        let (progress_out, progress) = watch::channel(Progress::default());
        let (complain, complaints) = mpsc::unbounded_channel();
        let desk =
            Desk { project: project.clone(), channels, since: seq, news: news_in, progress: progress_out, complain };
        // A thread that cannot be started is like a channel that cannot be reached: the next run tries again.
        let started = std::thread::Builder::new().name("notices".to_owned()).spawn(move || desk.work());
        match started {
            Ok(_) => (Some(Self { news, progress, complaints }), wrong),
            Err(error) => {
                wrong.push(format!("notices are not sent: start a thread: {error}"));
                (None, wrong)
            }
        }
    }

    /// Says that the journal has an event that may raise a notice.
    pub(super) fn told(&self, seq: u64) {
        self.news.send_replace(seq);
    }

    /// Returns what went wrong since the last time, for the journal.
    pub(super) fn complaints(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        while let Ok(text) = self.complaints.try_recv() {
            all.push(text);
        }
        all
    }

    /// Waits until everything up to event `seq` is dealt with, but not long, and not once a person insists. Returns what
    /// went wrong and what waits for the next run.
    ///
    /// Nothing is sent any more when this returns, but for a call that is on its way and will have no answer.
    pub(super) async fn finish(mut self, seq: u64, stop: &mut Stop) -> Vec<String> {
        self.told(seq);
        let limit = if stop.signal().is_some() { LAST_WAIT_STOPPED } else { LAST_WAIT };
        let done = self.progress.wait_for(|progress| progress.seq >= seq);
        // Each branch only waits: nothing is lost by dropping it.
        tokio::select! {
            _ = done => {}
            () = tokio::time::sleep(limit) => {}
            () = stop.requested() => {}
        }
        let waiting = self.progress.borrow().waiting.clone();
        let mut all = self.complaints();
        // The thread ends when nobody has news any more, and with it what it knows of its progress.
        drop(self.news);
        let ended = async { while self.progress.changed().await.is_ok() {} };
        // It does not wait for anything but the journal, which is free again within milliseconds.
        let _ = tokio::time::timeout(JOURNAL_WAIT, ended).await;
        all.extend(waiting.into_iter().map(|(name, count, why)| {
            let why = if why.is_empty() { "no answer yet".to_owned() } else { why };
            let them = if count == 1 { "1 notice is".to_owned() } else { format!("{count} notices are") };
            format!("channel {name}: {them} not delivered ({why}); the next run tries again")
        }));
        all
    }
}

/// Opens every channel of a project; also returns which cannot be used (by name), and why.
pub(super) fn open(project: &Project) -> (Vec<Channel>, Vec<(String, String)>) {
    let notify = &project.config.notify;
    let limit = Duration::from_secs(notify.timeout_seconds);
    let (mut channels, mut wrong) = (Vec::new(), Vec::new());
    for config in &notify.channels {
        match Channel::open(config, &|name| sys::env::text(name), limit) {
            Ok(channel) => channels.push(channel),
            Err(why) => wrong.push((config.name.clone(), why)),
        }
    }
    (channels, wrong)
}

/// Puts a notice into words, without secrets.
pub(super) fn message(notice: &Notice, project: &Project, redactor: &Redactor, zone: FixedOffset) -> Message {
    let mut notice = notice.clone();
    if notice.project.is_empty() {
        notice.project.clone_from(&project.config.project.name);
    }
    let mut message = view::notice::message(&notice, &project.dashboard(), zone);
    message.title = redactor.redact(&message.title).into_owned();
    message.body = redactor.redact(&message.body).into_owned();
    mask(&mut message.payload, redactor);
    message
}

fn mask(value: &mut serde_json::Value, redactor: &Redactor) {
    match value {
        serde_json::Value::String(text) => *text = redactor.redact(text).into_owned(),
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| mask(item, redactor)),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(|item| mask(item, redactor)),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

/// Names of a channel's two marks in the journal. A channel's name has no dot.
pub(super) fn marks(channel: &str) -> (String, String) {
    (format!("notify.{channel}"), format!("notify.{channel}.sending"))
}

/// What the thread begins with.
struct Desk {
    project: Project,
    channels: Vec<Channel>,
    since: u64,
    news: watch::Receiver<u64>,
    progress: watch::Sender<Progress>,
    complain: mpsc::UnboundedSender<String>,
}

impl Desk {
    /// The thread's whole life: until the process ends.
    fn work(self) {
        let complain = self.complain.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let result = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
            let result = LocalSet::new().block_on(&runtime, self.serve());
            runtime.shutdown_background();
            result
        });
        if let Err(error) = result {
            // Nobody listens any more when the run is over.
            let _ = complain.send(format!("notices are not sent: {error:#}"));
        }
    }

    async fn serve(mut self) -> anyhow::Result<()> {
        let journal = Rc::new(Journal::open(&self.project.journal())?);
        let redactor = Rc::new(self.project.redactor());
        let moved = Rc::new(Notify::new());
        let mut routes = Vec::new();
        for channel in std::mem::take(&mut self.channels) {
            let means = Means {
                journal: Rc::clone(&journal),
                redactor: Rc::clone(&redactor),
                complain: self.complain.clone(),
                temp: self.project.temp(),
                moved: Rc::clone(&moved),
            };
            routes.push(Rc::new(Route::resume(channel, means, self.since)?));
        }
        let mut reader =
            Reader { project: self.project, journal, redactor, zone: sys::clock::zone(), state: State::default() };
        for route in &routes {
            tokio::task::spawn_local(Rc::clone(route).serve());
        }
        reader.read(&routes)?;
        loop {
            self.progress.send_replace(progress(&routes, reader.state.seq));
            // Each branch only waits: nothing is lost by dropping it.
            tokio::select! {
                told = self.news.changed() => match told {
                    Ok(()) => {
                        self.news.borrow_and_update();
                        reader.read(&routes)?;
                    }
                    // The run is over; what is under way may come to its end as long as the process lives.
                    Err(_) => return Ok(()),
                },
                () = moved.notified() => {}
            }
        }
    }
}

fn progress(routes: &[Rc<Route>], read: u64) -> Progress {
    let seq = routes.iter().map(|route| route.done_up_to(read)).min().unwrap_or(read);
    Progress { seq, waiting: routes.iter().filter_map(|route| route.waiting()).collect() }
}

/// Follows the journal and makes the notices.
struct Reader {
    project: Project,
    journal: Rc<Journal>,
    redactor: Rc<Redactor>,
    zone: FixedOffset,
    state: State,
}

impl Reader {
    /// Reads what is new and hands it to the routes that want it.
    fn read(&mut self, routes: &[Rc<Route>]) -> anyhow::Result<()> {
        let mut raised = Vec::new();
        let state = &mut self.state;
        let since = routes.iter().map(|route| route.position()).min().unwrap_or_default();
        self.journal.read_after(state.seq, &mut |event| {
            raised.extend(step(state, &event).filter(|notice| notice.seq > since));
        })?;
        for notice in raised {
            let message = Rc::new(message(&notice, &self.project, &self.redactor, self.zone));
            for route in routes.iter().filter(|route| route.wants(&notice)) {
                route.post(Letter { seq: notice.seq, at: notice.at, message: Rc::clone(&message) });
            }
        }
        for route in routes {
            route.skip_to(self.state.seq);
        }
        Ok(())
    }
}

/// Folds one event in and returns the notice it raises.
pub(super) fn step(state: &mut State, event: &Event) -> Option<Notice> {
    let before = if logic::notify::may_raise(&event.kind) { state.active.clone() } else { None };
    logic::apply(state, event);
    logic::notify::notice(event, before.as_deref(), state)
}
