//! The notification area of this machine: `notify-send` of the freedesktop programs, `osascript` of macOS.
//!
//! A notice for the screen is worth nothing later, so nothing is tried again. The text goes as arguments and is never a
//! part of a script.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::Errand;
use super::text::{cut, escaped, html};
use crate::model::{Message, Mood};

const TITLE: usize = 120;
/// Screens show a few lines.
const BODY: usize = 600;

pub(super) fn program(given: &str) -> String {
    if !given.is_empty() {
        return given.to_owned();
    }
    let usual = if cfg!(target_os = "macos") { "osascript" } else { "notify-send" };
    usual.to_owned()
}

pub(super) fn errand(program: &str, message: &Message, limit: Duration) -> Errand {
    let is_script = Path::new(program).file_name().is_some_and(|name| name == "osascript");
    let args = if is_script { script(message) } else { freedesktop(message) };
    let args = args.into_iter().map(OsString::from).collect();
    Errand { program: program.into(), args, stdin: Vec::new(), later: &[], is_patient: false, limit }
}

/// The body may have markup (`<b>`, `<a>`), the title has none.
fn freedesktop(message: &Message) -> Vec<String> {
    let urgency = match message.mood {
        Mood::Good | Mood::Plain => "normal",
        Mood::Warning | Mood::Bad => "critical",
    };
    let body = escaped(&message.body_with_dashboard(), BODY, html);
    let options = ["--app-name=autodev".to_owned(), format!("--urgency={urgency}"), "--".to_owned()];
    options.into_iter().chain([cut(&message.title, TITLE), body]).collect()
}

fn script(message: &Message) -> Vec<String> {
    let lines = ["on run argv", "display notification (item 2 of argv) with title (item 1 of argv)", "end run"];
    let script = lines.into_iter().flat_map(|line| ["-e".to_owned(), line.to_owned()]);
    let body = cut(&message.body_with_dashboard(), BODY);
    script.chain(["--".to_owned(), cut(&message.title, TITLE), body]).collect()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::super::tests::{errand, message};
    use crate::model::Message;

    #[test]
    fn a_title_cannot_become_an_option_nor_a_text_markup() {
        let found =
            errand("kind = 'desktop'\nprogram = 'notify-send'", &Message { title: "--help".into(), ..message() });
        assert_eq!(
            found.args,
            [
                "--app-name=autodev",
                "--urgency=critical",
                "--",
                "--help",
                "reason &amp; &lt;!channel&gt; @here\nQueue: 1 completed\nDashboard: https://ci.example/d?a=1&amp;b=2",
            ]
        );
        assert!(!found.is_patient);
    }

    #[test]
    fn a_script_gets_the_text_as_arguments() {
        let evil = Message { title: "\" & (do shell script \"x\")".into(), ..message() };
        let found = errand("kind = 'desktop'\nprogram = '/usr/bin/osascript'", &evil);
        assert_eq!(found.args[..2], ["-e", "on run argv"]);
        assert_eq!(found.args[6..8], ["--", "\" & (do shell script \"x\")"]);
    }
}
