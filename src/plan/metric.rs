//! Reads what a numeric completion says beyond name, direction and path: source, samples, command, guards.
//!
//! Unlike the older members these are read strictly: a confidence that is a text or a guard that is misspelt would
//! otherwise let noise or a regression pass. A source whose word is not known is no problem here; the gate says so, and
//! nothing is kept meanwhile. Writing is [`super::migrate`]'s: the members stay as they were written.

use super::json::{Json, Object};
use super::place::Step;
use super::verification::Reader;
use crate::logic::source;
use crate::model::{CommandChoice, Direction, Extract, Guard, Numeric, Samples, Sampling};

/// The members that are read here; a member that is not written has its default and stays away.
pub(super) const KEYS: [&str; 12] = [
    "file",
    "pattern",
    "value",
    "statistic",
    "command",
    "samples",
    "max_samples",
    "warmup",
    "confidence",
    "min_effect",
    "prepare",
    "guards",
];
const GUARD_KEYS: [&str; 9] =
    ["name", "source", "json_path", "file", "pattern", "value", "statistic", "direction", "max_regression"];

impl<'a> Reader<'a, '_> {
    /// Completes a metric from the object that it was read from.
    pub(super) fn metric(&mut self, object: &'a Object, numeric: &mut Numeric) {
        if numeric.source != "json_stdout" {
            numeric.extract = self.extract(object);
        }
        if source::is_known(&numeric.source) {
            self.usable(source::of_metric(numeric).err());
        }
        numeric.command = self.command_choice(object);
        numeric.sampling = self.sampling(object);
        numeric.prepare = self.commands(object, "prepare");
        numeric.guards = self.guards(object, numeric);
    }

    fn usable(&mut self, problem: Option<source::Unusable>) {
        if let Some(problem) = problem {
            self.below(Step::Key(problem.key), |reader| reader.complain(problem.reason));
        }
    }

    fn extract(&mut self, object: &'a Object) -> Extract {
        Extract {
            file: self.text(object, "file"),
            pattern: self.text(object, "pattern"),
            value: self.text(object, "value"),
            statistic: self.text(object, "statistic"),
        }
    }

    fn command_choice(&mut self, object: &'a Object) -> Option<CommandChoice> {
        match object.given("command")? {
            Json::String(name) if !name.trim().is_empty() => Some(CommandChoice::Name(name.trim().to_owned())),
            value => {
                let index = whole(value).and_then(|index| u32::try_from(index).ok());
                self.required("command", "the name of a command, or its place from 0", value, index)
                    .map(CommandChoice::Index)
            }
        }
    }

    fn sampling(&mut self, object: &'a Object) -> Sampling {
        let samples = object.given("samples").and_then(|value| match value {
            Json::String(word) if word.trim() == "auto" => Some(Samples::Auto),
            value => {
                let count =
                    whole(value).and_then(|count| u32::try_from(count).ok()).filter(|count| (1..=200).contains(count));
                self.required("samples", "\"auto\" or a whole number from 1 to 200", value, count).map(Samples::Fixed)
            }
        });
        let mut count = |key, from: u32, to: u32| {
            let value = object.given(key)?;
            let count = whole(value).and_then(|count| u32::try_from(count).ok());
            let count = count.filter(|count| (from..=to).contains(count));
            self.required(key, &format!("a whole number from {from} to {to}"), value, count)
        };
        let (max_samples, warmup) = (count("max_samples", 1, 200), count("warmup", 0, 1000));
        let confidence = object.given("confidence").and_then(|value| {
            let confidence = number(value).filter(|confidence| (0.5..1.0).contains(confidence));
            self.required("confidence", "a number from 0.5 to below 1", value, confidence)
        });
        let min_effect = self.share(object, "min_effect");
        Sampling { samples, max_samples, warmup, confidence, min_effect }
    }

    /// Reads a relative amount: 0.05 is five per cent.
    fn share(&mut self, object: &'a Object, key: &'a str) -> Option<f64> {
        let value = object.given(key)?;
        let share = number(value).filter(|share| *share >= 0.0);
        self.required(key, "a number of at least 0 (0.05 is five per cent)", value, share)
    }

    fn required<T>(&mut self, key: &'a str, what: &str, value: &Json, read: Option<T>) -> Option<T> {
        if read.is_none() {
            let mut found = String::new();
            match value {
                Json::Array(_) | Json::Object(_) => found.push_str(value.kind()),
                scalar => scalar.print(0, &mut found),
            }
            self.below(Step::Key(key), |reader| reader.complain(format!("expected {what}, found {found}")));
        }
        read
    }

    fn guards(&mut self, object: &'a Object, metric: &Numeric) -> Vec<Guard> {
        let mut guards: Vec<Guard> = Vec::new();
        self.list(object, "guards", |reader, item| match item {
            Json::Object(object) => {
                let guard = reader.guard(object, metric);
                if guards.iter().any(|other| other.name == guard.name) {
                    reader.below(Step::Key("name"), |reader| reader.complain("another guard has this name"));
                }
                guards.push(guard);
            }
            other => reader.expected("an object", other),
        });
        guards
    }

    fn guard(&mut self, object: &'a Object, metric: &Numeric) -> Guard {
        for (key, _) in object.iter().filter(|(key, _)| !GUARD_KEYS.contains(key)) {
            self.below(Step::Key(key), |reader| {
                reader.complain(format!("unknown key; a guard has {}", GUARD_KEYS.join(", ")));
            });
        }
        let name = self.text(object, "name").unwrap_or_default();
        if name.is_empty() {
            self.below(Step::Key("name"), |reader| reader.complain("a guard needs a name"));
        }
        let own = self.extract(object);
        let (source, extract) = match self.text(object, "source") {
            Some(source) => (source, own),
            None => (metric.source.clone(), or(own, &metric.extract)),
        };
        let direction = match object.given("direction") {
            None => Some(Direction::LowerIsBetter),
            Some(Json::String(word)) if word == "lower_is_better" => Some(Direction::LowerIsBetter),
            Some(Json::String(word)) if word == "higher_is_better" => Some(Direction::HigherIsBetter),
            Some(other) => self.required("direction", "\"lower_is_better\" or \"higher_is_better\"", other, None),
        };
        if object.given("max_regression").is_none() {
            self.complain("a guard needs \"max_regression\" (0.05: it may get five per cent worse)");
        }
        let json_path = self.text(object, "json_path").unwrap_or_default();
        if json_path.is_empty() && source.starts_with("json_") {
            self.complain(format!("source \"{source}\" needs \"json_path\""));
        }
        let guard = Guard {
            name,
            source,
            json_path,
            extract,
            direction: direction.unwrap_or(Direction::LowerIsBetter),
            max_regression: self.share(object, "max_regression").unwrap_or_default(),
        };
        self.usable(source::of_guard(&guard).err());
        guard
    }
}

/// What a guard does not say itself when it has the metric's source.
fn or(own: Extract, metric: &Extract) -> Extract {
    let metric = metric.clone();
    Extract {
        file: own.file.or(metric.file),
        pattern: own.pattern.or(metric.pattern),
        value: own.value.or(metric.value),
        statistic: own.statistic.or(metric.statistic),
    }
}

fn number(value: &Json) -> Option<f64> {
    match value {
        Json::Number(_) => value.as_float(),
        Json::Null | Json::Bool(_) | Json::String(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

fn whole(value: &Json) -> Option<i64> {
    number(value).filter(|number| number.fract() == 0.0).and_then(|_| value.as_integer())
}

#[cfg(test)]
mod tests {
    use super::super::scan::parse;
    use super::super::{migrate, normal, place, task_json};
    use super::*;
    use crate::model::{Completion, Task};

    fn read(members: &str) -> (Task, Vec<String>) {
        let text = format!(r#"{{"id": "a", "completion": {{"kind": "numeric", "name": "n", {members}}}}}"#);
        let json = parse(&text).unwrap();
        let mut found = Vec::new();
        let task = task_json::read(json.as_object().unwrap(), &mut found);
        (task, found.iter().map(|f| format!("{}: {}", place::name("", &f.steps), f.message)).collect())
    }

    fn numeric(members: &str) -> Numeric {
        match read(members) {
            (Task { completion: Completion::Numeric(numeric), .. }, found) if found.is_empty() => numeric,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn everything_that_can_be_said_is_read() {
        let said = numeric(
            r#""source": "hyperfine", "file": "out/b.json", "statistic": "min", "command": "bench", "samples": "auto",
               "max_samples": 40, "warmup": 2, "confidence": 0.9, "min_effect": 0.02, "direction": "lower_is_better",
               "guards": [{"name": "memory", "source": "max_rss", "max_regression": 0.1},
                          {"name": "mean", "statistic": "mean", "direction": "higher_is_better", "max_regression": 0}]"#,
        );
        assert_eq!(
            (said.extract.file.as_deref(), said.extract.statistic.as_deref()),
            (Some("out/b.json"), Some("min"))
        );
        assert_eq!(said.command, Some(CommandChoice::Name("bench".to_owned())));
        assert_eq!(
            said.sampling,
            Sampling {
                samples: Some(Samples::Auto),
                max_samples: Some(40),
                warmup: Some(2),
                confidence: Some(0.9),
                min_effect: Some(0.02)
            }
        );
        let [memory, mean] = said.guards.as_slice() else { panic!("{said:?}") };
        assert_eq!((memory.source.as_str(), memory.direction), ("max_rss", Direction::LowerIsBetter));
        assert!(memory.extract.is_empty());
        assert_eq!((mean.source.as_str(), mean.extract.file.as_deref()), ("hyperfine", Some("out/b.json")));
        assert_eq!((mean.extract.statistic.as_deref(), mean.direction), (Some("mean"), Direction::HigherIsBetter));
        let fixed = numeric(r#""samples": 5.0, "command": 0"#);
        assert_eq!(fixed.sampling.samples, Some(Samples::Fixed(5)));
        assert_eq!(fixed.command, Some(CommandChoice::Index(0)));
        let nothing = numeric(r#""samples": null, "guards": null, "json_path": "$""#);
        assert!(nothing.sampling.is_default() && nothing.guards.is_empty());
    }

    #[test]
    fn what_an_older_file_held_by_chance_is_no_problem() {
        assert!(numeric(r#""file": 7, "value": [], "pattern": null"#).extract.is_empty());
        assert_eq!(numeric(r#""source": "log""#).source, "log");
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        for (members, message) in [
            (r#""samples": 0"#, "samples: expected \"auto\" or a whole number from 1 to 200, found 0"),
            (r#""samples": "many""#, "samples: expected \"auto\" or a whole number from 1 to 200, found \"many\""),
            (r#""samples": true"#, "samples: expected \"auto\" or a whole number from 1 to 200, found true"),
            (r#""max_samples": 201"#, "max_samples: expected a whole number from 1 to 200, found 201"),
            (r#""warmup": -1"#, "warmup: expected a whole number from 0 to 1000, found -1"),
            (r#""warmup": 1.5"#, "warmup: expected a whole number from 0 to 1000, found 1.5"),
            (r#""confidence": 1"#, "confidence: expected a number from 0.5 to below 1, found 1"),
            (r#""confidence": "0.9""#, "confidence: expected a number from 0.5 to below 1, found \"0.9\""),
            (
                r#""min_effect": 1e999"#,
                "min_effect: expected a number of at least 0 (0.05 is five per cent), found 1e999",
            ),
            (r#""command": []"#, "command: expected the name of a command, or its place from 0, found a list"),
            (r#""command": " ""#, "command: expected the name of a command, or its place from 0, found \" \""),
            (
                r#""source": "json_file""#,
                "file: source \"json_file\" needs \"file\", the path of the result relative to the command's working \
                 directory",
            ),
            (r#""source": "json_file", "file": "../x""#, "file: \"../x\" is not a relative path inside the project"),
            (r#""source": "json_file", "file": 1"#, "file: expected a string, found a number"),
            (
                r#""source": "regex", "pattern": "x""#,
                "pattern: no group named \"value\"; write (?<value>...) around the number",
            ),
            (r#""guards": {}"#, "guards: expected a list, found an object"),
            (r#""guards": [1]"#, "guards[0]: expected an object, found a number"),
            (
                r#""guards": [{"name": "m", "source": "max_rss"}]"#,
                "guards[0]: a guard needs \"max_regression\" (0.05: it may get five per cent worse)",
            ),
            (
                r#""guards": [{"name": "m", "source": "max_rss", "max_regression": 0, "direction": "up"}]"#,
                "guards[0].direction: expected \"lower_is_better\" or \"higher_is_better\", found \"up\"",
            ),
            (r#""guards": [{"source": "max_rss", "max_regression": 0}]"#, "guards[0].name: a guard needs a name"),
            (
                r#""guards": [{"name": "m", "source": "log", "max_regression": 0}]"#,
                "guards[0].source: source \"log\" is not known (known: json_stdout, json_file, regex, junit, hyperfine, \
                 wall_time, max_rss)",
            ),
            (
                r#""guards": [{"name": "m", "max_regression": 0}]"#,
                "guards[0]: source \"json_stdout\" needs \"json_path\"",
            ),
            (
                r#""guards": [{"name": "m", "source": "max_rss", "max_regression": 0, "limit": 1}]"#,
                "guards[0].limit: unknown key; a guard has name, source, json_path, file, pattern, value, statistic, \
                 direction, max_regression",
            ),
        ] {
            let found = read(members).1;
            let expected = if message.starts_with('[') { message.to_owned() } else { format!("completion.{message}") };
            assert!(found.contains(&expected), "{members}: {found:?}");
        }
    }

    #[test]
    fn the_normal_form_keeps_what_was_written_and_adds_nothing() {
        let members = r#""samples": 5.0, "confidence": 0.950, "guards": [{"name": "m", "max_regression": 1e-2, "source": "max_rss"}]"#;
        for text in [
            format!(r#"{{"id": "a", "completion": {{"kind": "numeric", {members}}}}}"#),
            format!(
                r#"{{"id": "a", "execution_mode": "experiment", "experiment": {{"goal_metric": {{"name": "n", {members}}}}}}}"#
            ),
        ] {
            let json = parse(&text).unwrap();
            let before = json.as_object().unwrap().clone();
            let mut after = before.clone();
            normal::normalise(&mut after);
            let completion = after.filled("completion").unwrap();
            let of = |json: Option<&Json>| {
                let mut text = String::new();
                json.unwrap().print(0, &mut text);
                text.split_whitespace().collect::<String>()
            };
            assert_eq!(
                (of(completion.get("samples")), of(completion.get("confidence"))),
                ("5.0".into(), "0.950".into())
            );
            assert!(of(completion.get("guards")).contains("1e-2"));
            assert!(completion.get("warmup").is_none() && completion.get("file").is_none());
            let read = |object: &Object| task_json::read(object, &mut Vec::new());
            assert_eq!(read(&after), read(&before));
            assert!(!migrate::is_legacy(&after));
        }
    }
}
