//! Puts tasks in an order that respects what they depend on, as close to the given order as possible.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Returns the indices `0..needs.len()` so that each comes after those it needs; among those that could come next the
/// lowest does. Needs outside of the range do not count.
///
/// # Errors
/// The indices of one cycle, in its order, beginning with its lowest.
pub(super) fn order(needs: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let count = needs.len();
    let mut waiting: Vec<usize> = needs.iter().map(|own| own.iter().filter(|need| **need < count).count()).collect();
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (at, own) in needs.iter().enumerate() {
        for need in own {
            if let Some(list) = followers.get_mut(*need) {
                list.push(at);
            }
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        waiting.iter().enumerate().filter(|(_, count)| **count == 0).map(|(at, _)| Reverse(at)).collect();
    let mut sorted = Vec::with_capacity(count);
    while let Some(Reverse(at)) = ready.pop() {
        sorted.push(at);
        for follower in followers.get(at).into_iter().flatten() {
            if let Some(left) = waiting.get_mut(*follower) {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    ready.push(Reverse(*follower));
                }
            }
        }
    }
    if sorted.len() == count { Ok(sorted) } else { Err(cycle(needs, &waiting)) }
}

/// Follows needs that are never met until one comes twice.
fn cycle(needs: &[Vec<usize>], waiting: &[usize]) -> Vec<usize> {
    let is_stuck = |at: &usize| waiting.get(*at).is_some_and(|left| *left > 0);
    let mut path: Vec<usize> = Vec::new();
    let mut place: Vec<Option<usize>> = vec![None; needs.len()];
    let mut next = (0..needs.len()).find(is_stuck);
    while let Some(at) = next {
        if let Some(Some(start)) = place.get(at) {
            path.drain(..*start);
            break;
        }
        if let Some(slot) = place.get_mut(at) {
            *slot = Some(path.len());
        }
        path.push(at);
        next = needs.get(at).into_iter().flatten().copied().find(is_stuck);
    }
    let lowest = path.iter().enumerate().min_by_key(|(_, at)| **at).map_or(0, |(at, _)| at);
    path.rotate_left(lowest);
    path
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_given_order_stays_where_nothing_speaks_against_it() {
        assert_eq!(order(&[vec![], vec![3], vec![], vec![]]), Ok(vec![0, 2, 3, 1]));
        assert_eq!(order(&[vec![], vec![0], vec![0, 1, 9]]), Ok(vec![0, 1, 2]));
    }

    #[test]
    fn a_cycle_is_named_without_what_only_hangs_on_it() {
        assert_eq!(order(&[vec![1], vec![2], vec![3], vec![1]]), Err(vec![1, 2, 3]));
        assert_eq!(order(&[vec![0]]), Err(vec![0]));
    }

    proptest! {
        #[test]
        fn fuzz_every_order_respects_the_needs(needs in prop::collection::vec(prop::collection::vec(0usize..8, 0..3), 0..8)) {
            match order(&needs) {
                Ok(sorted) => {
                    let place = |of: usize| sorted.iter().position(|at| *at == of);
                    prop_assert_eq!(sorted.len(), needs.len());
                    for (at, own) in needs.iter().enumerate() {
                        for need in own.iter().filter(|need| **need < needs.len()) {
                            prop_assert!(place(*need) < place(at));
                        }
                    }
                }
                Err(cycle) => {
                    prop_assert!(!cycle.is_empty());
                    for (step, at) in cycle.iter().enumerate() {
                        prop_assert!(needs[*at].contains(&cycle[(step + 1) % cycle.len()]));
                    }
                }
            }
        }
    }
}
