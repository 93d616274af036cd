//! Where a new task goes: behind what is at work or over, among the waiting ones by priority.

/// The priority of a task that states none, the number of `medium`.
pub const MEDIUM: i64 = 2;

/// A task of the queue as far as its place matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Whether it is pending and nobody has worked on it.
    pub is_waiting: bool,
    /// Lower numbers come first.
    pub priority: Option<i64>,
}

/// Returns the place of a new task: behind every task that is not waiting, and behind those of its own priority and of
/// more urgent ones. Tasks that are there never change their order.
pub fn place(queue: &[Slot], priority: Option<i64>) -> usize {
    let own = priority.unwrap_or(MEDIUM);
    let before = |slot: &Slot| !slot.is_waiting || slot.priority.unwrap_or(MEDIUM) <= own;
    queue.iter().rposition(before).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urgent_tasks_go_before_waiting_ones_and_never_before_work() {
        let slot = |is_waiting, priority| Slot { is_waiting, priority };
        let queue = [slot(false, Some(9)), slot(true, Some(0)), slot(true, None), slot(true, Some(3))];
        assert_eq!(place(&queue, Some(0)), 2);
        assert_eq!(place(&queue, None), 3);
        assert_eq!(place(&queue, Some(2)), 3);
        assert_eq!(place(&queue, Some(-1)), 1, "what has begun comes first");
        assert_eq!(place(&queue, Some(7)), 4);
        assert_eq!(place(&[], Some(1)), 0);
    }
}
