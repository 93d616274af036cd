//! When a file is no longer being written: once it has looked the same for the debounce time.
//!
//! Time is given as the duration since any fixed moment. Whether anything happened in between is not asked: whoever
//! writes a file leaves a trace in its stamp (size, times, inode), and nothing else is trusted.

use std::collections::BTreeMap;
use std::time::Duration;

/// How the files of a project looked when last looked at. `S` is what tells whether a file is still the same.
#[derive(Clone, Debug)]
pub struct Settling<S> {
    files: BTreeMap<String, File<S>>,
    debounce: Duration,
}

#[derive(Clone, Debug)]
struct File<S> {
    /// `None`: it is not there.
    stamp: Option<S>,
    /// When it was first seen like this.
    since: Duration,
}

/// What can be said after a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled<S> {
    /// Files that have looked the same for long enough, with how they look; in order of their names.
    pub there: Vec<(String, S)>,
    /// Files that have been gone for long enough, in order.
    pub gone: Vec<String>,
    /// When the next file can have settled; `None` when none is unsettled.
    pub next: Option<Duration>,
}

impl<S: Clone + PartialEq> Settling<S> {
    /// Begins without any file.
    pub fn new(debounce: Duration) -> Self {
        Self { files: BTreeMap::new(), debounce }
    }

    /// Takes note of a file that is known from elsewhere, so that its absence is noticed.
    pub fn expect(&mut self, name: &str, now: Duration) {
        if !self.files.contains_key(name) {
            self.files.insert(name.to_owned(), File { stamp: None, since: now });
        }
    }

    /// Takes in a look at all files. `can_miss` says for a file that was not found whether that means that it is gone;
    /// else it stays as it was.
    pub fn look(&mut self, seen: BTreeMap<String, S>, can_miss: impl Fn(&str) -> bool, now: Duration) -> Settled<S> {
        for (name, file) in &mut self.files {
            if file.stamp.is_some() && !seen.contains_key(name) && can_miss(name) {
                *file = File { stamp: None, since: now };
            }
        }
        for (name, stamp) in seen {
            match self.files.get_mut(&name) {
                Some(file) if file.stamp.as_ref() == Some(&stamp) => {}
                Some(file) => *file = File { stamp: Some(stamp), since: now },
                None => {
                    self.files.insert(name, File { stamp: Some(stamp), since: now });
                }
            }
        }
        let mut settled = Settled { there: Vec::new(), gone: Vec::new(), next: None };
        for (name, file) in &self.files {
            let at = file.since.saturating_add(self.debounce);
            if at > now {
                settled.next = Some(settled.next.map_or(at, |next| next.min(at)));
                continue;
            }
            match &file.stamp {
                Some(stamp) => settled.there.push((name.clone(), stamp.clone())),
                None => settled.gone.push(name.clone()),
            }
        }
        settled
    }

    /// Forgets a file that is gone.
    pub fn forget(&mut self, name: &str) {
        self.files.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn look(settling: &mut Settling<u32>, files: &[(&str, u32)], now: u64) -> (Vec<String>, Vec<String>, Option<u128>) {
        let seen = files.iter().map(|(name, stamp)| ((*name).to_owned(), *stamp)).collect();
        let settled = settling.look(seen, |_| true, ms(now));
        let there = settled.there.into_iter().map(|(name, _)| name).collect();
        (there, settled.gone, settled.next.map(|next| next.as_millis()))
    }

    #[test]
    fn a_file_settles_when_it_has_looked_the_same_for_the_debounce_time() {
        let mut settling = Settling::new(ms(100));
        assert_eq!(look(&mut settling, &[("a", 1)], 0), (vec![], vec![], Some(100)));
        assert_eq!(look(&mut settling, &[("a", 2)], 90), (vec![], vec![], Some(190)));
        assert_eq!(look(&mut settling, &[("a", 2)], 189), (vec![], vec![], Some(190)));
        assert_eq!(look(&mut settling, &[("a", 2)], 190), (vec!["a".into()], vec![], None));
        assert_eq!(look(&mut settling, &[("a", 2), ("b", 1)], 200), (vec!["a".into()], vec![], Some(300)));
    }

    #[test]
    fn a_file_that_is_replaced_is_not_gone() {
        let mut settling = Settling::new(ms(100));
        look(&mut settling, &[("a", 1)], 0);
        assert_eq!(look(&mut settling, &[], 200), (vec![], vec![], Some(300)));
        assert_eq!(look(&mut settling, &[("a", 2)], 250), (vec![], vec![], Some(350)));
        assert_eq!(look(&mut settling, &[("a", 2)], 350), (vec!["a".into()], vec![], None));
        assert_eq!(look(&mut settling, &[], 400), (vec![], vec![], Some(500)));
        assert_eq!(look(&mut settling, &[], 500), (vec![], vec!["a".into()], None));
        settling.forget("a");
        assert_eq!(look(&mut settling, &[], 600), (vec![], vec![], None));
    }

    #[test]
    fn a_directory_that_cannot_be_read_loses_no_file() {
        let mut settling = Settling::new(ms(100));
        look(&mut settling, &[("a", 1)], 0);
        let settled = settling.look(BTreeMap::new(), |_| false, ms(500));
        assert_eq!(settled.there, [("a".to_owned(), 1)]);
    }

    #[test]
    fn a_file_that_was_deleted_while_nobody_looked_is_gone() {
        let mut settling = Settling::new(ms(100));
        settling.expect("a", ms(0));
        assert_eq!(look(&mut settling, &[], 50), (vec![], vec![], Some(100)));
        assert_eq!(look(&mut settling, &[], 100), (vec![], vec!["a".into()], None));
        settling.expect("b", ms(0));
        assert_eq!(look(&mut settling, &[("b", 1)], 200), (vec![], vec!["a".into()], Some(300)));
    }
}
