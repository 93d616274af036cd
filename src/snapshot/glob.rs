//! Shell-style patterns over whole paths: `*` and `?` also match `/`, `[a-z]` and `[!a-z]` are classes.
//!
//! These are the rules of fnmatch without escapes: `[` without a closing `]` is itself, `**` is two stars. [`Globs`] are
//! patterns with their variants: `**/` and `/**` may also match nothing. They do not know about directories on disk.
//! Invariant: matching takes at most (length of pattern) x (length of path) steps, whatever the pattern.

/// A list of patterns, each together with what it is without its `**/` and `/**` parts.
///
/// There are some twenty patterns for every file of the project, so the first and the last byte of a path decide which
/// of them are compared at all.
#[derive(Clone, Debug, Default)]
pub(super) struct Globs {
    /// Those that start with certain text.
    headed: Vec<Pattern>,
    heads: ByteSet,
    /// Those that end with certain text after a star.
    tailed: Vec<Pattern>,
    tails: ByteSet,
    others: Vec<Pattern>,
}

/// A set of bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByteSet([bool; 256]);

impl ByteSet {
    pub(super) fn add(&mut self, byte: Option<&u8>) {
        if let Some(slot) = byte.and_then(|byte| self.0.get_mut(usize::from(*byte))) {
            *slot = true;
        }
    }

    pub(super) fn has(&self, byte: Option<&u8>) -> bool {
        byte.is_some_and(|byte| self.0.get(usize::from(*byte)) == Some(&true))
    }
}

impl Default for ByteSet {
    fn default() -> Self {
        Self([false; 256])
    }
}

impl Globs {
    /// Compiles patterns. Empty ones are left out.
    pub(super) fn new(texts: &[String]) -> Self {
        let mut globs = Self::default();
        for pattern in texts.iter().flat_map(|text| variants(text)).map(|text| Pattern::new(&text)) {
            if !pattern.head.is_empty() {
                globs.heads.add(pattern.head.first());
                globs.headed.push(pattern);
            } else if let Shape::Suffix(tail) = &pattern.shape {
                globs.tails.add(tail.last());
                globs.tailed.push(pattern);
            } else {
                globs.others.push(pattern);
            }
        }
        globs
    }

    /// Whether there is no pattern.
    pub(super) fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// Whether the path matches, or lies below a directory that a pattern names without any wildcard.
    pub(super) fn covers(&self, path: &[u8]) -> bool {
        (self.heads.has(path.first())
            && self.headed.iter().any(|pattern| pattern.matches(path) || pattern.names_parent_of(path)))
            || (self.tails.has(path.last()) && self.tailed.iter().any(|pattern| pattern.matches(path)))
            || self.others.iter().any(|pattern| pattern.matches(path))
    }

    /// Whether one pattern covers every path below the directory. `dir` ends in `/`.
    pub(super) fn covers_all_below(&self, dir: &[u8]) -> bool {
        self.all().any(|pattern| pattern.names_parent_of(dir) || (pattern.ends_in_star && pattern.matches(dir)))
    }

    /// Whether some path below the directory may be covered. `dir` ends in `/`. A `true` may be wrong, a `false` never is.
    pub(super) fn may_cover_below(&self, dir: &[u8]) -> bool {
        self.all().any(|pattern| dir.starts_with(&pattern.head) || pattern.head.starts_with(dir))
    }

    fn all(&self) -> impl Iterator<Item = &Pattern> {
        self.headed.iter().chain(&self.tailed).chain(&self.others)
    }
}

/// Returns a pattern with and without its `**/` and `/**`; nothing when it is empty.
fn variants(text: &str) -> Vec<String> {
    let text = text.strip_prefix("./").unwrap_or(text).trim_end_matches('/');
    let parts: Vec<&str> = text.split('/').collect();
    let last = parts.len() - 1;
    let without = |leading: bool, trailing: bool| -> String {
        let is_dropped = |at: usize, part: &str| part == "**" && ((leading && at < last) || (trailing && at > 0));
        let kept = parts.iter().enumerate().filter(|&(at, part)| !is_dropped(at, part));
        kept.map(|(_, part)| *part).collect::<Vec<_>>().join("/")
    };
    let mut texts = vec![text.to_owned(), without(true, false), without(false, true), without(true, true)];
    texts.sort();
    texts.dedup();
    texts.retain(|text| !text.is_empty());
    texts
}

/// One compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// What every match starts with: the text before the first wildcard.
    head: Vec<u8>,
    shape: Shape,
    ends_in_star: bool,
}

/// The common shapes are compared directly.
#[derive(Clone, Debug)]
enum Shape {
    /// Only the head.
    Literal,
    /// The head and one star.
    Prefix,
    /// One star and this.
    Suffix(Vec<u8>),
    /// This between two stars.
    Inside(Vec<u8>),
    /// Anything else.
    Tokens(Vec<Token>),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Byte(u8),
    AnyChar,
    Star,
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl Pattern {
    /// Compiles a pattern as it stands.
    pub(super) fn new(text: &str) -> Self {
        let tokens = tokens(text);
        let literal = |tokens: &[Token]| -> Vec<u8> {
            let bytes = tokens.iter().map_while(|token| if let Token::Byte(byte) = token { Some(*byte) } else { None });
            bytes.collect()
        };
        let head = literal(&tokens);
        let tail = tokens.get(1..).map(literal).unwrap_or_default();
        let ends_in_star = tokens.last() == Some(&Token::Star);
        let shape = if head.len() == tokens.len() {
            Shape::Literal
        } else if ends_in_star && head.len() + 1 == tokens.len() {
            Shape::Prefix
        } else if tokens.first() == Some(&Token::Star) && tail.len() + 1 == tokens.len() {
            Shape::Suffix(tail)
        } else if tokens.first() == Some(&Token::Star) && ends_in_star && tail.len() + 2 == tokens.len() {
            Shape::Inside(tail)
        } else {
            Shape::Tokens(tokens)
        };
        Self { head, shape, ends_in_star }
    }

    /// Whether the whole path matches.
    pub(super) fn matches(&self, path: &[u8]) -> bool {
        match &self.shape {
            Shape::Literal => path == self.head,
            Shape::Prefix => path.starts_with(&self.head),
            Shape::Suffix(tail) => path.ends_with(tail),
            Shape::Inside(text) => {
                let first = text.first();
                let starts = path.iter().enumerate().filter(|(_, byte)| Some(*byte) == first);
                starts.map(|(at, _)| path.get(at..).unwrap_or_default()).any(|rest| rest.starts_with(text))
            }
            Shape::Tokens(tokens) => path.starts_with(&self.head) && run(tokens, path),
        }
    }

    fn literal(&self) -> Option<&[u8]> {
        matches!(self.shape, Shape::Literal).then_some(self.head.as_slice())
    }

    fn names_parent_of(&self, path: &[u8]) -> bool {
        self.literal().is_some_and(|text| path.get(text.len()) == Some(&b'/') && path.starts_with(text))
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let tail = rest.get(c.len_utf8()..).unwrap_or_default();
        rest = tail;
        match c {
            '*' if tokens.last() == Some(&Token::Star) => {}
            '*' => tokens.push(Token::Star),
            '?' => tokens.push(Token::AnyChar),
            '[' => match class(tail) {
                Some((token, after)) => {
                    tokens.push(token);
                    rest = after;
                }
                None => tokens.push(Token::Byte(b'[')),
            },
            _ => tokens.extend(c.encode_utf8(&mut [0; 4]).bytes().map(Token::Byte)),
        }
    }
    tokens
}

/// Parses what follows a `[`; `None` when no `]` closes it. A `]` in first place is a member.
fn class(text: &str) -> Option<(Token, &str)> {
    let (negated, body) = match text.strip_prefix('!') {
        Some(body) => (true, body),
        None => (false, text),
    };
    let end = body.char_indices().skip(1).find(|&(_, c)| c == ']').map(|(at, _)| at)?;
    let members: Vec<char> = body.get(..end)?.chars().collect();
    let mut ranges = Vec::new();
    let mut left = members.as_slice();
    loop {
        left = match left {
            [low, '-', high, rest @ ..] => {
                ranges.push((*low, *high));
                rest
            }
            [one, rest @ ..] => {
                ranges.push((*one, *one));
                rest
            }
            [] => break,
        };
    }
    Some((Token::Class { negated, ranges }, body.get(end + 1..)?))
}

/// Matches with one place to go back to, the last star: an earlier star never needs to take more.
fn run(tokens: &[Token], path: &[u8]) -> bool {
    let (mut token_at, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let rest = path.get(at..).unwrap_or_default();
        let step = match tokens.get(token_at) {
            None if rest.is_empty() => return true,
            None => None,
            Some(Token::Star) => {
                star = Some((token_at + 1, at));
                Some(0)
            }
            Some(Token::Byte(byte)) => (rest.first() == Some(byte)).then_some(1),
            Some(Token::AnyChar) => unit(rest).map(|(_, length)| length),
            Some(Token::Class { negated, ranges }) => unit(rest)
                .filter(|(c, _)| {
                    let is_member = c.is_some_and(|c| ranges.iter().any(|&(low, high)| low <= c && c <= high));
                    is_member != *negated
                })
                .map(|(_, length)| length),
        };
        if let Some(length) = step {
            token_at += 1;
            at += length;
            continue;
        }
        let Some((after_star, taken_to)) = star else { return false };
        let Some((_, length)) = unit(path.get(taken_to..).unwrap_or_default()) else { return false };
        star = Some((after_star, taken_to + length));
        token_at = after_star;
        at = taken_to + length;
    }
}

/// Returns the first character and its length in bytes; a byte that is not UTF-8 stands for itself.
fn unit(bytes: &[u8]) -> Option<(Option<char>, usize)> {
    let first = *bytes.first()?;
    if first.is_ascii() {
        return Some((Some(char::from(first)), 1));
    }
    let valid = bytes.get(..4).unwrap_or(bytes).utf8_chunks().next().map(|chunk| chunk.valid()).unwrap_or_default();
    Some(valid.chars().next().map_or((None, 1), |c| (Some(c), c.len_utf8())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_match(pattern: &str, path: &str) -> bool {
        Pattern::new(pattern).matches(path.as_bytes())
    }

    #[test]
    fn a_star_crosses_slashes_and_a_class_works() {
        for (pattern, path, expected) in [
            ("*.o", "src/deep/a.o", true),
            ("*.o", "src/deep/a.oo", false),
            ("out-*", "out-x64/deep/a", true),
            ("out-*", "docs/out-of-band.md", false),
            ("*.dir/*", "x/foo.dir/a", true),
            ("*.dir/*", "x/foo.dir", false),
            ("*.dir/*", "x.di/.dir.dir/", true),
            ("*", "", true),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "aXbXb", false),
            ("**", "", true),
            ("", "", true),
            ("", "a", false),
            ("src/?.rs", "src/a.rs", true),
            ("src/?.rs", "src/é.rs", true),
            ("src/?.rs", "src/ab.rs", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[!a-c]x", "dx", true),
            ("[]]x", "]x", true),
            ("[!]]x", "]x", false),
            ("[é-ü]*", "ö", true),
            ("[abc", "[abc", true),
            ("[z-a]", "m", false),
            ("a[-z]", "a-", true),
            ("*??", "€", false),
            ("*?*?", "ab", true),
        ] {
            assert_eq!(is_match(pattern, path), expected, "{pattern} {path}");
        }
        assert!(Pattern::new("a?b*").matches(b"a\xffb\xfe"), "a byte that is not UTF-8 is one character");
        assert!(!Pattern::new("a[!x]b").matches(b"a\xff\xffb"));
    }

    #[test]
    fn a_hostile_pattern_ends_soon() {
        let pattern = Pattern::new(&("*a".repeat(200) + "b"));
        assert!(!pattern.matches(&b"a".repeat(4000)));
    }

    #[test]
    fn double_star_parts_may_match_nothing() {
        for (pattern, path, expected) in [
            ("**/gen.rs", "gen.rs", true),
            ("**/gen.rs", "a/b/gen.rs", true),
            ("docs/**", "docs", true),
            ("docs/**", "docs/a/b", true),
            ("docs/**", "docs2", false),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("**/t/**", "t/a", true),
            ("**/t/**", "x/t/a/b", true),
            ("./docs/", "docs/a", true),
            ("third_party", "third_party/x/y", true),
            ("third_party", "a/third_party", false),
        ] {
            assert_eq!(Globs::new(&[pattern.to_owned()]).covers(path.as_bytes()), expected, "{pattern} {path}");
        }
        assert!(Globs::new(&["./".to_owned(), String::new()]).is_empty());
    }

    #[test]
    fn only_a_wholly_covered_directory_is_left_out() {
        for (pattern, dir, all, some) in [
            ("out-*", "out-x", true, true),
            ("out-*", "src", false, false),
            ("*.dir/*", "x/foo.dir", true, true),
            ("*.o", "x.o", false, true),
            ("docs/*.md", "docs", false, true),
            ("docs/*.md", "src", false, false),
            ("a/b", "a", false, true),
            ("a/b", "a/b/c", true, true),
            ("docs/**", "docs", true, true),
        ] {
            let (glob, slashed) = (Globs::new(&[pattern.to_owned()]), format!("{dir}/"));
            assert_eq!(glob.covers_all_below(slashed.as_bytes()), all, "all {pattern} {dir}");
            assert_eq!(glob.may_cover_below(slashed.as_bytes()), some, "some {pattern} {dir}");
        }
    }
}
