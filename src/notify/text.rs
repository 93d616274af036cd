//! Cutting and escaping: what fits into a field of a service, and cannot be taken for anything but text.

/// Returns the text with every character as `escape` writes it, cut so that the whole has at most `limit` UTF-16 units.
/// Services count characters in one way or another; none counts more than these. A cut text ends in `…`.
pub(super) fn escaped(text: &str, limit: usize, escape: impl Fn(char, &mut String)) -> String {
    let units = |text: &str| text.encode_utf16().count();
    let mut whole = String::with_capacity(text.len());
    let (mut used, mut piece) = (0, String::new());
    // Where the text can be cut so that `…` fits.
    let mut cut = 0;
    for c in text.chars() {
        piece.clear();
        escape(c, &mut piece);
        let more = units(&piece);
        if used + more > limit {
            whole.truncate(cut);
            if limit > 0 {
                whole.push('…');
            }
            return whole;
        }
        whole.push_str(&piece);
        used += more;
        if used < limit {
            cut = whole.len();
        }
    }
    whole
}

/// Cuts without escaping.
pub(super) fn cut(text: &str, limit: usize) -> String {
    escaped(text, limit, |c, out| out.push(c))
}

/// Escapes what HTML and the markup of notification servers take for their own.
pub(super) fn html(c: char, out: &mut String) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        other => out.push(other),
    }
}

/// Takes a text for the value of a header.
///
/// # Errors
/// When it has characters that no header can have. The text, which may be secret, is not repeated.
pub(super) fn header_value(text: String) -> Result<String, String> {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        Ok(text)
    } else {
        Err("the token has characters that no token has".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_escapes() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("🚀🚀🚀", 4), "🚀…", "a rocket is two units");
        assert_eq!(escaped("a&b", 6, html), "a…", "what is escaped is not cut in two");
        assert_eq!(escaped("a&&", 8, html), "a&amp;…");
        assert_eq!(cut("ab", 0), "");
    }

    #[test]
    fn a_header_takes_no_line_breaks() {
        assert!(header_value("abc123".to_owned()).is_ok());
        assert!(header_value("a\r\nX: y".to_owned()).is_err() && header_value("ü".to_owned()).is_err());
    }

    proptest! {
        #[test]
        fn nothing_gets_longer_than_its_limit(text in "\\PC{0,60}", limit in 0_usize..40) {
            let found = escaped(&text, limit, html);
            prop_assert!(found.encode_utf16().count() <= limit);
            prop_assert!(!found.contains('<'));
        }
    }
}
