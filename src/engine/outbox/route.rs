//! The way of the notices of one channel: one after the other, in order, each at most once.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, mpsc};

use super::deliver::{Outcome, deliver};
use super::marks;
use crate::journal::{Durability, Journal};
use crate::logic::notify as rules;
use crate::model::{Message, Notice};
use crate::notify::Channel;
use crate::sys;
use crate::sys::killpoint;
use crate::sys::redact::Redactor;

/// More notices than this do not wait: the oldest give way. Nobody reads two hundred.
const MOST_WAITING: usize = 200;
/// After so many tries in vain the journal says so, once until something arrives again.
const TRIES_IN_SILENCE: u32 = 3;
/// How long to wait when the journal cannot be written.
const JOURNAL_PAUSE: Duration = Duration::from_secs(5);

/// A notice for a channel.
#[derive(Clone)]
pub(super) struct Letter {
    /// The event.
    pub(super) seq: u64,
    /// When that was.
    pub(super) at: DateTime<Utc>,
    /// What it says.
    pub(super) message: Rc<Message>,
}

/// What all routes share.
pub(super) struct Means {
    pub(super) journal: Rc<Journal>,
    pub(super) redactor: Rc<Redactor>,
    pub(super) complain: mpsc::UnboundedSender<String>,
    /// Where programs run.
    pub(super) temp: PathBuf,
    /// Something has been dealt with, or has failed.
    pub(super) moved: Rc<Notify>,
}

/// One channel on its way.
pub(super) struct Route {
    channel: Channel,
    means: Means,
    /// Everything up to this event is dealt with.
    position: Cell<u64>,
    waiting: RefCell<VecDeque<Letter>>,
    /// Why the first of them still waits.
    why: RefCell<String>,
    /// Whether the journal has been told that the channel fails.
    is_told: Cell<bool>,
    /// There is something to send.
    work: Notify,
}

impl Route {
    /// Goes on from the channel's marks. A channel without any begins after event `since`. What was on its way when an
    /// earlier run was killed is not sent again.
    pub(super) fn resume(channel: Channel, means: Means, since: u64) -> anyhow::Result<Self> {
        let (done, sending) = marks(&channel.name);
        let marked = means.journal.projected(&done)?;
        let on_its_way = means.journal.projected(&sending)?;
        // Never 0: that would make it new again. The first event of a journal raises no notice.
        let position = if marked == 0 { since.max(1) } else { marked.max(on_its_way) };
        if position != marked {
            means.journal.set_projected(&done, position)?;
        }
        let route = Self {
            channel,
            means,
            position: Cell::new(position),
            waiting: RefCell::default(),
            why: RefCell::default(),
            is_told: Cell::new(false),
            work: Notify::new(),
        };
        if marked > 0 && on_its_way > marked {
            route.complain(&format!(
                "the notice of event {on_its_way} was on its way when autodev was killed; it may have arrived, and is \
                 not sent again"
            ));
        }
        Ok(route)
    }

    pub(super) fn position(&self) -> u64 {
        self.position.get()
    }

    pub(super) fn wants(&self, notice: &Notice) -> bool {
        notice.seq > self.position.get() && self.channel.wants(notice.topic)
    }

    /// Takes a letter. Letters come in the order of their events.
    pub(super) fn post(&self, letter: Letter) {
        let mut waiting = self.waiting.borrow_mut();
        waiting.push_back(letter);
        if waiting.len() > MOST_WAITING {
            // The first may be on its way.
            waiting.remove(1);
            drop(waiting);
            self.complain_once(&format!("more than {MOST_WAITING} notices wait; the oldest are dropped"));
        }
        self.work.notify_one();
    }

    /// Nothing up to event `seq` is for this channel, but for what waits.
    pub(super) fn skip_to(&self, seq: u64) {
        if self.waiting.borrow().is_empty() && seq > self.position.get() {
            self.position.set(seq);
            // Lost, it is found out again by reading from the older mark.
            let _ = self.means.journal.set_projected(&marks(&self.channel.name).0, seq);
        }
    }

    /// Up to which event everything is dealt with, when all up to `read` has been read.
    pub(super) fn done_up_to(&self, read: u64) -> u64 {
        self.waiting.borrow().front().map_or(read, |letter| letter.seq.saturating_sub(1))
    }

    /// The channel's name, how many notices wait, and why; `None` when none does.
    pub(super) fn waiting(&self) -> Option<(String, usize, String)> {
        let count = self.waiting.borrow().len();
        (count > 0).then(|| (self.channel.name.clone(), count, self.why.borrow().clone()))
    }

    /// Sends what comes, for ever.
    pub(super) async fn serve(self: Rc<Self>) {
        let mut tries = 0;
        loop {
            let Some(letter) = self.waiting.borrow().front().cloned() else {
                self.work.notified().await;
                continue;
            };
            if rules::is_stale(letter.at, sys::clock::now()) {
                self.complain_once(&format!(
                    "the notice of event {} is more than a day old and is not sent",
                    letter.seq
                ));
                self.done(letter.seq);
                continue;
            }
            let (_, sending) = marks(&self.channel.name);
            if let Err(error) = self.means.journal.mark(&sending, letter.seq, Durability::Synced) {
                // Without the mark it could be sent twice.
                self.fails(&error.to_string(), true);
                tokio::time::sleep(JOURNAL_PAUSE).await;
                continue;
            }
            killpoint::reach("notice on its way");
            tries += 1;
            let outcome = deliver(&self.channel, &letter.message, tries, &self.means.temp).await;
            killpoint::reach("notice sent");
            match outcome {
                Outcome::Delivered => {
                    self.is_told.set(false);
                    self.done(letter.seq);
                    tries = 0;
                }
                Outcome::Refused { why } => {
                    self.fails(&format!("the notice of event {} was refused: {why}", letter.seq), true);
                    self.done(letter.seq);
                    tries = 0;
                }
                Outcome::Unanswered { why } => {
                    let text = format!("the notice of event {} is not sent again: {why}", letter.seq);
                    self.fails(&text, true);
                    self.done(letter.seq);
                    tries = 0;
                }
                Outcome::Later { pause, why } => {
                    // It certainly did not arrive: a kill from here on leaves it to the next run. Lost, the mark only makes
                    // that run say that it may have arrived.
                    let _ = self.means.journal.set_projected(&sending, self.position.get());
                    self.fails(&why, tries >= TRIES_IN_SILENCE);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// The letter of event `seq`, which is the first, is dealt with.
    fn done(&self, seq: u64) {
        if let Err(error) = self.means.journal.set_projected(&marks(&self.channel.name).0, seq) {
            // The mark "on its way" stands, so it is not sent again even so.
            self.complain_once(&error.to_string());
        }
        self.position.set(seq);
        self.waiting.borrow_mut().retain(|letter| letter.seq != seq);
        self.why.borrow_mut().clear();
        killpoint::reach("notice dealt with");
        self.means.moved.notify_one();
    }

    /// Remembers why the first letter waits, and tells the journal when it is time to.
    fn fails(&self, why: &str, is_worth_telling: bool) {
        let why = self.means.redactor.redact(why).into_owned();
        self.why.borrow_mut().clone_from(&why);
        if is_worth_telling {
            self.complain_once(&why);
        }
        self.means.moved.notify_one();
    }

    /// Tells the journal, unless it has been told since the last success.
    fn complain_once(&self, text: &str) {
        if !self.is_told.replace(true) {
            self.complain(text);
        }
    }

    fn complain(&self, text: &str) {
        // Nobody listens any more when the run is over.
        let text = self.means.redactor.redact(text);
        let _ = self.means.complain.send(format!("channel {}: {text}", self.channel.name));
    }
}
