//! Mail, through the machine's own sendmail: one message on standard input, recipients as arguments.
//!
//! Sources: RFC 5322 (the message), RFC 2047 (letters beyond ASCII in a header), sysexits.h (75: try again later).

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Errand;
use crate::model::Message;
use crate::sys::which;

/// `EX_TEMPFAIL`.
const LATER: &[i32] = &[75];
/// Where sendmail is when it is not on PATH, which is usual for ordinary users.
const USUAL: [&str; 2] = ["/usr/sbin/sendmail", "/usr/lib/sendmail"];
/// Bytes of one encoded word: 75 characters at most, with its frame.
const WORD_BYTES: usize = 45;

pub(super) fn program(given: &str) -> String {
    if !given.is_empty() {
        return given.to_owned();
    }
    let is_there = |name: &str| which::resolve(name.as_ref(), Path::new("/")).is_ok();
    if is_there("sendmail") {
        return "sendmail".to_owned();
    }
    USUAL.into_iter().find(|path| is_there(path)).unwrap_or("sendmail").to_owned()
}

pub(super) fn errand(program: &str, to: &[String], from: &str, message: &Message, limit: Duration) -> Errand {
    // -i: a line with a dot is not the end.
    let mut args: Vec<OsString> = vec!["-i".into()];
    if !from.is_empty() {
        args.extend(["-f".into(), from.into()]);
    }
    args.push("--".into());
    args.extend(to.iter().map(OsString::from));
    let stdin = letter(to, from, message).into_bytes();
    Errand { program: program.into(), args, stdin, later: LATER, is_patient: true, limit }
}

fn letter(to: &[String], from: &str, message: &Message) -> String {
    let mut lines = vec![format!("To: {}", to.join(", "))];
    if !from.is_empty() {
        lines.push(format!("From: {from}"));
    }
    lines.extend([
        format!("Subject: {}", header(&format!("[autodev] {}", message.title))),
        format!("Date: {}", message.at.to_rfc2822()),
        // The same in every try: mail programs show it once.
        format!("Message-ID: <{}@autodev.invalid>", message.id),
        "Auto-Submitted: auto-generated".to_owned(),
        "MIME-Version: 1.0".to_owned(),
        "Content-Type: text/plain; charset=utf-8".to_owned(),
        "Content-Transfer-Encoding: base64".to_owned(),
        String::new(),
    ]);
    let encoded = STANDARD.encode(format!("{}\n", message.body_with_dashboard()));
    // 76 characters to a line: RFC 2045. Base64 is ASCII, every place is a boundary.
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(76));
        lines.push(line.to_owned());
        rest = more;
    }
    lines.join("\n") + "\n"
}

/// A header's text: as it is when it is short and plain, else in encoded words. It can never begin another header.
fn header(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && !text.contains("=?");
    if is_plain && text.len() <= 66 {
        return text.to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        if word.len() + c.len_utf8() > WORD_BYTES {
            words.push(std::mem::take(&mut word));
        }
        word.push(if c.is_control() { ' ' } else { c });
    }
    words.push(word);
    let words: Vec<String> = words.iter().map(|word| format!("=?UTF-8?B?{}?=", STANDARD.encode(word))).collect();
    words.join("\n ")
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::super::tests::{errand, message};
    use super::*;

    const EMAIL: &str =
        "kind = 'email'\nto = ['a@b.example', 'c@d.example']\nfrom = 'me@b.example'\nprogram = '/x/sendmail'";

    fn text(message: &Message) -> String {
        String::from_utf8(errand(EMAIL, message).stdin).unwrap()
    }

    #[test]
    fn a_letter_has_its_headers_and_its_text() {
        let found = errand(EMAIL, &message());
        assert_eq!(found.program, "/x/sendmail");
        assert_eq!(found.args, ["-i", "-f", "me@b.example", "--", "a@b.example", "c@d.example"]);
        let letter = text(&message());
        let (head, body) = letter.split_once("\n\n").unwrap();
        assert!(
            head.starts_with("To: a@b.example, c@d.example\nFrom: me@b.example\nSubject: [autodev] Demo: "),
            "{head}"
        );
        assert!(head.contains("\nDate: Fri, 20 Nov 2026 11:29:10 +0000\n"), "{head}");
        assert!(head.contains("\nMessage-ID: <r1-42@autodev.invalid>\n"), "{head}");
        let decoded = STANDARD.decode(body.replace('\n', "")).unwrap();
        assert_eq!(String::from_utf8(decoded).unwrap(), format!("{}\n", message().body_with_dashboard()));
    }

    #[test]
    fn no_text_can_begin_another_header() {
        let evil = Message { title: "x\r\nBcc: evil@example.com\n\nbody".into(), ..message() };
        let letter = text(&evil);
        assert!(!letter.contains("Bcc"), "{letter}");
        assert_eq!(letter.matches("\n\n").count(), 1, "{letter}");
    }

    #[test]
    fn a_long_or_foreign_subject_is_folded_into_words() {
        let long = Message { title: "grün 🚀 ".repeat(20), ..message() };
        let letter = text(&long);
        let subject: Vec<&str> = letter
            .lines()
            .skip_while(|line| !line.starts_with("Subject: "))
            .take_while(|line| !line.starts_with("Date"))
            .collect();
        assert!(subject.len() > 3 && subject.iter().all(|line| line.len() <= 85), "{subject:?}");
        let words = subject.iter().map(|line| line.trim_start_matches("Subject: ").trim());
        let decoded: Vec<u8> = words
            .flat_map(|word| STANDARD.decode(word.trim_start_matches("=?UTF-8?B?").trim_end_matches("?=")).unwrap())
            .collect();
        assert_eq!(String::from_utf8(decoded).unwrap(), format!("[autodev] {}", long.title));
    }

    #[test]
    fn a_line_with_a_dot_is_not_the_end() {
        let letter = text(&Message { body: ".\nmore".into(), ..message() });
        assert!(!letter.lines().any(|line| line == "."), "{letter}");
    }
}
