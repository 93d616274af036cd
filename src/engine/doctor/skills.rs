//! The installed skills.

use crate::logic::health::Row;

/// Returns the rows about skills; none as long as there are no skills to look for.
pub(super) fn skill_rows() -> Vec<Row> {
    Vec::new()
}
