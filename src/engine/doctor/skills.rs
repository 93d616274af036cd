//! The installed skills.

use std::path::Path;

use crate::engine::skills;
use crate::logic::health::{Group, Row};
use crate::skill::{self, Level};

/// Returns the rows about skills. A run needs none, so what is wrong with them is never more than a warning; what is in
/// order is one row. `autodev skills doctor` tells them one by one.
pub(super) fn skill_rows(given: Option<&Path>, dir: &Path) -> Vec<Row> {
    let has_skills = dir.ancestors().any(|above| above.join(skill::DIRECTORY).is_dir());
    if !has_skills {
        return vec![Row::ok(Group::Skills, "skills", "none in this project; `autodev init` adds five")];
    }
    let found = skills::doctor(given, dir);
    let count = |level| found.iter().filter(|row| row.level == level).count();
    let fine = count(Level::Ok);
    let mut rows = vec![Row::ok(Group::Skills, "skills", format!("{fine} of {} things in place", found.len()))];
    rows.extend(found.iter().filter(|row| row.level == Level::Error).map(|row| {
        let next = row.next.clone().unwrap_or_else(|| "see `autodev skills doctor`".to_owned());
        Row::warn(Group::Skills, &row.label, row.detail.clone(), next)
    }));
    let told = count(Level::Warn);
    if told > 0 {
        let found = format!("{told} more remarks");
        rows.push(Row::ok(Group::Skills, "remarks", found).next("see `autodev skills doctor`"));
    }
    rows
}
