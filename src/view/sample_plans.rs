//! Events of watched plans for the tests of this room.

use crate::model::{EventKind, PlanChange, PlanStanding, TaskId};

/// One of each kind, and each way in which a plan is withdrawn.
pub(super) fn kinds() -> Vec<EventKind> {
    let id = || TaskId::new("P0-1");
    let withdrawn = |standing, twin_of: Option<&str>| EventKind::PlanWithdrawn {
        plan: "ai-docs/login.md".into(),
        standing,
        withdrawn: vec![id()],
        left: vec![],
        twin_of: twin_of.map(Into::into),
    };
    vec![
        EventKind::WatchStarted { pid: 4301, dirs: vec!["ai-docs".into()], is_polling: true },
        EventKind::PlansTaking {
            changes: vec![PlanChange {
                plan: "ai-docs/login.md".into(),
                added: vec![id()],
                withdrawn: vec![TaskId::new("P1-1"), TaskId::new("P1-2")],
                ..PlanChange::default()
            }],
        },
        EventKind::PlanTaken {
            plan: "ai-docs/login.md".into(),
            digest: "0123456789abcdef".into(),
            added: vec![id()],
            updated: vec![],
            withdrawn: vec![TaskId::new("P1-1"), TaskId::new("P1-2")],
            notes: vec!["line 3: nothing proves it".into()],
        },
        withdrawn(PlanStanding::Withdrawn, None),
        withdrawn(PlanStanding::Draft, None),
        withdrawn(PlanStanding::Twin, Some("ai-docs/other.md")),
        EventKind::PlanFailed {
            plan: "ai-docs/login.md".into(),
            digest: "0123456789abcdef".into(),
            reason: "line 2: budget: expected an amount such as 2.50".into(),
            waits_for: vec![],
            retry_at: None,
        },
    ]
}
