//! Maven and Gradle, the wrapper that the project brings before the program on PATH.
//!
//! Builds with modules are built from their root. Gradle is told not to leave a daemon behind, which would be ended
//! with the check.

use super::command::Kind;
use super::line;
use super::site::Site;

pub(super) fn look_for_maven(site: &mut Site<'_>) -> bool {
    let file = "pom.xml";
    let Some(text) = site.read(file) else { return false };
    let Some(line) = line::find(&text, "<project") else {
        site.remark(file, "no <project>");
        return true;
    };
    let (from, maven) = ((file, line), wrapper(site, "mvnw", "mvn"));
    // failsafe runs integration tests, and only `verify` looks at what became of them.
    let failsafe = line::find(&text, "<artifactId>maven-failsafe-plugin<");
    let (phase, tests) = failsafe.map_or(("test", line), |line| ("verify", line));
    site.add(Kind::Test, &format!("{maven} -B {phase}"), &[maven], (file, tests));
    if let Some(line) = line::find(&text, "<artifactId>spotless-maven-plugin<") {
        site.add(Kind::Lint, &format!("{maven} -B spotless:check"), &[maven], (file, line));
    }
    site.add(Kind::Build, &format!("{maven} -B compile"), &[maven], from);
    true
}

pub(super) fn look_for_gradle(site: &mut Site<'_>) -> bool {
    let builds = ["build.gradle.kts", "build.gradle", "settings.gradle.kts", "settings.gradle"];
    let Some((file, text)) = site.read_first(&builds) else { return false };
    let gradle = wrapper(site, "gradlew", "gradle");
    let from = (file, line::find(&text, "plugins").unwrap_or(1));
    site.add(Kind::Test, &format!("{gradle} --no-daemon test"), &[gradle], from);
    if let Some(line) = line::find(&text, "com.diffplug.spotless") {
        site.add(Kind::Lint, &format!("{gradle} --no-daemon spotlessCheck"), &[gradle], (file, line));
    }
    site.add(Kind::Build, &format!("{gradle} --no-daemon assemble"), &[gradle], from);
    true
}

/// The wrapper when it is there and can be run, else the program.
fn wrapper(site: &mut Site<'_>, wrapper: &'static str, program: &'static str) -> &'static str {
    let here = match wrapper {
        "mvnw" => "./mvnw",
        _ => "./gradlew",
    };
    if !site.has(wrapper) {
        return program;
    }
    if !site.has_program(here) {
        site.remark(wrapper, &format!("not executable (`chmod +x {wrapper}`); {program} is named instead"));
        return program;
    }
    here
}
