//! How plans are named: by their path, in front matter by less, in ids of tasks by a short word.

/// Divides the path of a plan from the occasion on which it is queued once more.
const OCCASION: char = '#';

/// Returns the key of a plan. A path may hold a `#` itself, so the last one that an occasion follows counts.
pub fn key(path: &str, occasion: Option<&str>) -> String {
    match occasion {
        Some(occasion) => format!("{path}{OCCASION}{}", occasion.replace(OCCASION, "-")),
        None => path.replace(OCCASION, "\u{ff03}"),
    }
}

/// Returns the occasion of a key.
pub fn occasion(key: &str) -> Option<&str> {
    key.rsplit_once(OCCASION).map(|(_, occasion)| occasion)
}

/// Returns the path of a key, as it was given to [`key`].
pub fn path(key: &str) -> String {
    key.rsplit_once(OCCASION).map_or_else(|| key.replace('\u{ff03}', "#"), |(path, _)| path.to_owned())
}

/// Whether front matter that says `name` means this plan: by its path, its file name with or without ending, or its
/// title.
pub fn is_meant(name: &str, key: &str, title: &str) -> bool {
    if occasion(key).is_some() {
        return false;
    }
    let path = path(key);
    let file = path.rsplit('/').next().unwrap_or(&path);
    let name = name.trim();
    let is_below = path.strip_suffix(name).is_some_and(|front| front.is_empty() || front.ends_with('/'));
    is_below || stem(file) == name || folded(title) == folded(name)
}

/// Returns a file name without its ending.
pub fn stem(file: &str) -> &str {
    file.rsplit_once('.').map(|(stem, _)| stem).filter(|stem| !stem.is_empty()).unwrap_or(file)
}

/// Returns what two titles must not have in common: case and white space do not make a difference.
pub fn folded(title: &str) -> String {
    title.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Returns the word that ids of a plan's tasks begin with, and the name of its branch: its path below the watched
/// directory without the ending, in a-z, 0-9 and single `-`. `plan` when nothing is left.
pub fn slug(below: &str) -> String {
    let mut slug = String::new();
    for letter in stem(below).to_lowercase().chars() {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    // 40: ids are read in tables. The end of a path says more than its beginning.
    let slug = slug.trim_end_matches('-');
    let slug = slug.get(slug.len().saturating_sub(40)..).unwrap_or(slug).trim_start_matches('-');
    if slug.is_empty() { "plan".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_its_path_and_occasion_back() {
        for (path_given, occasion_given) in [("a/b.md", None), ("a#1/b.md", None), ("a#1.md", Some("night"))] {
            let key = key(path_given, occasion_given);
            assert_eq!((path(&key).as_str(), occasion(&key)), (path_given, occasion_given), "{key}");
        }
        assert_eq!(occasion(&key("a.md", Some("x#y"))), Some("x-y"));
    }

    #[test]
    fn a_plan_is_meant_by_path_file_or_title() {
        for name in ["ai-docs/base plan.md", "base plan.md", "base plan", " The  BASE"] {
            assert!(is_meant(name, "ai-docs/base plan.md", "The base"), "{name}");
        }
        for name in ["plan.md", "", "docs/base plan.md", "bas"] {
            assert!(!is_meant(name, "ai-docs/base plan.md", "The base"), "{name}");
        }
        assert!(!is_meant("base", "base.md#night", "base"));
    }

    #[test]
    fn a_slug_is_short_and_fit_for_branches() {
        assert_eq!(slug("My Plan (v2).md"), "my-plan-v2");
        assert_eq!(slug("team/login.md"), "team-login");
        assert_eq!(slug("日本.md"), "plan");
        assert_eq!(slug(&format!("{}/end.md", "x".repeat(80))).len(), 40);
        assert!(slug(&format!("{}/end.md", "x".repeat(80))).ends_with("-end"));
    }
}
