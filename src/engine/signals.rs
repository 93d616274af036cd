//! Signals become a stop request: the first asks, the second insists.

use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::sys::proc::{StopSignal, Urgency};

/// Ends one child although nobody asked this process to stop.
#[derive(Debug)]
pub struct Interrupter(Arc<watch::Sender<Urgency>>);

impl Interrupter {
    /// Asks the child to end, with its period of grace. Asking again changes nothing.
    pub fn interrupt(&self) {
        self.0.send_if_modified(|urgency| {
            let is_news = *urgency == Urgency::None;
            *urgency = (*urgency).max(Urgency::Stop);
            is_news
        });
    }
}

/// The stop request of this process.
#[derive(Clone, Debug)]
pub struct Stop {
    urgency: StopSignal,
    name: Arc<Mutex<Option<&'static str>>>,
}

impl Stop {
    /// Starts to listen for SIGINT, SIGTERM and SIGHUP; from now on they no longer end this process by themselves.
    ///
    /// # Errors
    /// When the operating system refuses a handler.
    pub fn listen() -> Result<Self> {
        let (sender, urgency) = watch::channel(Urgency::None);
        let name = Arc::new(Mutex::new(None));
        let sender = Arc::new(sender);
        let kinds = [
            ("SIGINT", SignalKind::interrupt()),
            ("SIGTERM", SignalKind::terminate()),
            ("SIGHUP", SignalKind::hangup()),
        ];
        for (label, kind) in kinds {
            let mut stream = signal(kind).with_context(|| format!("listen for {label}"))?;
            let (sender, name) = (Arc::clone(&sender), Arc::clone(&name));
            // Lives as long as the process: a signal may come at any time.
            tokio::spawn(async move {
                while stream.recv().await.is_some() {
                    if let Ok(mut name) = name.lock() {
                        name.get_or_insert(label);
                    }
                    sender.send_modify(|urgency| {
                        *urgency = if *urgency == Urgency::None { Urgency::Stop } else { Urgency::Kill };
                    });
                }
            });
        }
        Ok(Self { urgency, name })
    }

    /// Returns a receiver for children. When a stop was already asked for, only a second request counts: work that is
    /// begun after the first one (checking what the agent had finished) is cut short by insisting.
    pub fn for_child(&self) -> StopSignal {
        if *self.urgency.borrow() == Urgency::None {
            return self.urgency.clone();
        }
        let mut source = self.urgency.clone();
        let (sender, receiver) = watch::channel(Urgency::None);
        tokio::spawn(async move {
            loop {
                if *source.borrow_and_update() == Urgency::Kill {
                    // The receiver may be gone already; then nobody needs to know.
                    let _ = sender.send(Urgency::Kill);
                    return;
                }
                tokio::select! {
                    changed = source.changed() => if changed.is_err() { return },
                    () = sender.closed() => return,
                }
            }
        });
        receiver
    }

    /// Returns a receiver for a child as [`Stop::for_child`], and what ends that child without a request to stop.
    pub fn for_child_or_else(&self) -> (Interrupter, StopSignal) {
        let mut source = self.for_child();
        let (sender, receiver) = watch::channel(*source.borrow_and_update());
        let sender = Arc::new(sender);
        let interrupter = Interrupter(Arc::clone(&sender));
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    changed = source.changed() => if changed.is_err() { return },
                    () = sender.closed() => return,
                }
                let urgency = *source.borrow_and_update();
                sender.send_modify(|now| *now = (*now).max(urgency));
            }
        });
        (interrupter, receiver)
    }

    /// Waits for the next request.
    pub async fn requested(&mut self) {
        if self.urgency.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Returns the first signal's name, once one has come.
    pub fn signal(&self) -> Option<&'static str> {
        self.name.lock().ok().and_then(|name| *name)
    }
}
