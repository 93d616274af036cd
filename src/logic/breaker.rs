//! When more attempts make no sense.

use crate::model::{Active, Limits};

/// Returns why the task must be given up now, if it must: too many attempts, or the circuit breaker.
///
/// Failed checks never open the breaker by themselves: an attempt that changes files and fails its checks is progress.
pub(super) fn give_up(active: &Active, limits: &Limits) -> Option<String> {
    if limits.no_progress_threshold > 0 && active.no_progress >= limits.no_progress_threshold {
        return Some(format!(
            "Circuit breaker: no progress, {} attempts in a row changed no file{}",
            active.no_progress,
            last_failure(active)
        ));
    }
    if let Some((code, times)) = active.repeated
        && limits.repeated_error_threshold > 0
        && times >= limits.repeated_error_threshold
    {
        return Some(format!(
            "Circuit breaker: repeated error, the backend failed {times} times in a row with exit code {code}{}",
            last_failure(active)
        ));
    }
    if active.charged >= limits.max_retries {
        let plural = if active.charged == 1 { "attempt" } else { "attempts" };
        return Some(format!("failed after {} {plural}{}", active.charged, last_failure(active)));
    }
    None
}

fn last_failure(active: &Active) -> String {
    match active.failures.last() {
        Some(failure) if !failure.summary.is_empty() => format!(": {}", failure.summary),
        _ => String::new(),
    }
}
