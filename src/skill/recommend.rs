//! Which skills fit a question: by words, without a model. Pure.

use std::collections::BTreeSet;

use super::document::Skill;

/// A skill that fits.
#[derive(Clone, Debug)]
pub struct Recommendation<'a> {
    /// Which.
    pub skill: &'a Skill,
    /// How well; above 0.
    pub score: u32,
}

/// Words that say nothing about what is asked for.
const STOP_WORDS: [&str; 75] = [
    "a", "about", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "but", "by", "can", "could", "do",
    "does", "for", "from", "get", "had", "has", "have", "help", "how", "i", "if", "in", "into", "is", "it", "its",
    "let", "like", "make", "me", "my", "need", "needs", "no", "not", "of", "on", "or", "our", "please", "should", "so",
    "some", "that", "the", "their", "them", "then", "there", "these", "they", "this", "to", "up", "us", "use", "want",
    "was", "we", "what", "when", "where", "which", "will", "with", "would", "you", "your",
];

/// Returns the skills that fit a question, best first, equal ones by directory, at most `limit`. A question of nothing
/// but common words fits nothing.
///
/// A skill scores 10 for each word of the question in its name, directory, description, category or triggers, 15 more
/// for each in its triggers, 25 when its name or directory is in the question, 15 when the whole question is in that
/// text, 12 when its category is in the question, 20 when the question is in one trigger. Words are compared as parts
/// of the text, without regard to case.
pub fn recommend<'a>(skills: &'a [Skill], question: &str, limit: usize) -> Vec<Recommendation<'a>> {
    let question = question.trim().to_lowercase();
    let words = words(&question);
    if words.is_empty() {
        return Vec::new();
    }
    let scored = skills.iter().map(|skill| Recommendation { skill, score: score(skill, &question, &words) });
    let mut found: Vec<_> = scored.filter(|one| one.score > 0).collect();
    found.sort_by(|a, b| b.score.cmp(&a.score).then_with(|| a.skill.directory.cmp(&b.skill.directory)));
    found.truncate(limit);
    found
}

/// The words of a question, each once: letters and digits of any script, `_` and `-` inside.
fn words(question: &str) -> BTreeSet<&str> {
    question
        .split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-')
        .map(|word| word.trim_matches(['_', '-']))
        .filter(|word| !word.is_empty() && !STOP_WORDS.contains(word))
        .collect()
}

fn score(skill: &Skill, question: &str, words: &BTreeSet<&str>) -> u32 {
    let name = skill.name.to_lowercase();
    let directory = skill.directory.to_lowercase();
    let category = skill.category.as_deref().unwrap_or_default().to_lowercase();
    let triggers: Vec<String> = skill.triggers.iter().map(|trigger| trigger.to_lowercase()).collect();
    let all_triggers = triggers.join("\n");
    let description = skill.description.to_lowercase();
    let text = [&*name, &directory, &description, &category, &all_triggers].join("\n");
    let count = |text: &str| u32::try_from(words.iter().filter(|word| text.contains(**word)).count()).unwrap_or(0);
    let named = |name: &str| !name.is_empty() && question.contains(name);
    let points = [
        count(&text).saturating_mul(10),
        count(&all_triggers).saturating_mul(15),
        if named(&name) || named(&directory) { 25 } else { 0 },
        if text.contains(question) { 15 } else { 0 },
        if named(&category) { 12 } else { 0 },
        if triggers.iter().any(|trigger| trigger.contains(question)) { 20 } else { 0 },
    ];
    points.into_iter().fold(0, u32::saturating_add)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::super::catalogue::Catalogue;
    use super::*;

    fn skill(directory: &str, description: &str, category: &str, triggers: &[&str]) -> Skill {
        Skill {
            directory: directory.to_owned(),
            name: directory.to_owned(),
            description: description.to_owned(),
            category: Some(category.to_owned()).filter(|c| !c.is_empty()),
            triggers: triggers.iter().map(|t| (*t).to_owned()).collect(),
            problems: Vec::new(),
        }
    }

    fn scores(skills: &[Skill], question: &str) -> Vec<(String, u32)> {
        recommend(skills, question, 9).iter().map(|one| (one.skill.directory.clone(), one.score)).collect()
    }

    #[test]
    fn each_reason_has_its_points() {
        let one = [skill("pdf-forms", "Fills forms.", "documents", &["fill a form", "sign"])];
        for (question, points) in [
            ("fills", 10 + 15),
            ("forms fills", 20),
            ("signature fills", 10),
            ("sign fills", 20 + 15),
            ("PDF-Forms now", 10 + 25),
            ("documents zzz", 10 + 12),
            ("fill a form", 20 + 30 + 15 + 20),
            ("fills fills fills", 10),
        ] {
            assert_eq!(scores(&one, question), [("pdf-forms".to_owned(), points)], "{question}");
        }
        assert_eq!(scores(&one, "kubernetes"), []);
    }

    #[test]
    fn common_words_do_not_count() {
        let one = [skill("a", "a skill that is for the user and you", "", &["the"])];
        for question in ["the", "what is it for", "a", "", "  ", "?!", "--"] {
            assert_eq!(scores(&one, question), [], "{question:?}");
        }
        assert!(STOP_WORDS.is_sorted(), "each once");
    }

    #[test]
    fn best_first_and_equal_ones_by_directory() {
        let skills = ["c", "b", "a"].map(|name| skill(name, "testing", "", &[]));
        let mut skills = skills.to_vec();
        skills.push(skill("z", "testing", "", &["testing"]));
        let order: Vec<String> = scores(&skills, "testing").into_iter().map(|(name, _)| name).collect();
        assert_eq!(order, ["z", "a", "b", "c"]);
        assert_eq!(recommend(&skills, "testing", 2).len(), 2);
        assert_eq!(recommend(&skills, "testing", 0).len(), 0);
    }

    #[test]
    fn other_scripts_have_words_too() {
        let skills = [skill("uebersetzen", "Übersetzt Texte ins Straßendeutsch", "", &["翻訳する"])];
        for question in ["ÜBERSETZT", "straßendeutsch", "翻訳"] {
            assert_eq!(scores(&skills, question).len(), 1, "{question}");
        }
    }

    #[test]
    fn the_bundled_skills_answer_what_they_are_for() {
        let catalogue = Catalogue::bundled();
        for (question, wanted) in [
            ("I need a spec for a vague feature request", "coca-spec"),
            ("how do I write a new skill?", "skill-creator"),
            ("install a skill from git", "find-skills"),
            ("plan a large migration", "spec-driven-develop"),
            ("why was my task blocked in task.json", "autodev-runtime"),
        ] {
            let best = recommend(&catalogue.skills, question, 1);
            assert_eq!(best[0].skill.directory, wanted, "{question}");
        }
    }

    proptest! {
        #[test]
        fn any_question_has_an_answer(question in any::<String>(), limit in 0_usize..9) {
            let catalogue = Catalogue::bundled();
            let found = recommend(&catalogue.skills, &question, limit);
            prop_assert!(found.len() <= limit && found.iter().all(|one| one.score > 0));
            prop_assert!(found.is_sorted_by(|a, b| a.score >= b.score));
        }
    }
}
