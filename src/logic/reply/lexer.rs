//! Reads one JSON document from its opening bracket to its closing one, or to where it breaks.
//!
//! Checks the whole grammar but builds no value. Comments and commas before a closing bracket are passed over and noted.
//! Invariant: what is whole and not repaired is JSON, but for the range of numbers and lone surrogates in strings.

/// Levels of nesting that `serde_json` reads.
const MAX_DEPTH: usize = 127;

/// How an attempt to read a document ended.
#[derive(Debug)]
pub(super) enum Attempt {
    Whole {
        /// Behind the closing bracket.
        end: usize,
        is_repaired: bool,
        has_key: bool,
    },
    Broken(Break),
}

/// Where and why a document could not be read further.
#[derive(Clone, Debug)]
pub(super) struct Break {
    pub(super) at: usize,
    /// Brackets open there.
    pub(super) depth: usize,
    /// Whether a key with its colon was read: then it was meant as JSON.
    pub(super) has_key: bool,
    /// Where the string begins that it broke in or right behind: perhaps no string at all.
    pub(super) string: Option<usize>,
    pub(super) problem: &'static str,
    /// Whether the text was over.
    pub(super) is_torn: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Expect {
    Value,
    ValueOrClose,
    Key,
    KeyOrClose,
    CommaOrClose,
}

struct Lexer<'a> {
    text: &'a [u8],
    /// Where the document begins.
    start: usize,
    at: usize,
    /// The open brackets; true for an object.
    open: Vec<bool>,
    has_key: bool,
    /// The string that was the last token.
    string: Option<usize>,
    /// The place of the first repair: where strict reading would have broken.
    repair: Option<Break>,
    /// Bytes that may be read after a repair.
    spare: usize,
}

type Step<T> = Result<T, &'static str>;

const TORN: &str = "the text ends";

/// Reads the document that begins at `start` with a bracket. `spare` is what may be read after a first repair, in bytes;
/// what was read so is taken off. Also returns how many bytes were read.
pub(super) fn attempt(text: &[u8], start: usize, spare: &mut usize) -> (Attempt, usize) {
    let mut lexer =
        Lexer { text, start, at: start, open: Vec::new(), has_key: false, string: None, repair: None, spare: *spare };
    let result = lexer.document();
    let read = lexer.at.saturating_sub(start);
    if let Some(repair) = &lexer.repair {
        *spare = spare.saturating_sub((1 + lexer.at).saturating_sub(repair.at));
    }
    let attempt = match result {
        Ok(()) if lexer.has_key || lexer.repair.is_none() => {
            Attempt::Whole { end: lexer.at, is_repaired: lexer.repair.is_some(), has_key: lexer.has_key }
        }
        // What holds nothing but comments and bare values is as little meant as what breaks behind a comment.
        result => {
            let last = lexer.here(result.err().unwrap_or_default());
            let is_object = text.get(start) == Some(&b'{');
            // `[#12]` and `{// ...}` in prose are not meant as JSON with a comment, which would swallow what follows.
            let is_meant = |repair: &Break| repair.has_key || is_object && last.has_key;
            Attempt::Broken(lexer.repair.filter(|repair| !is_meant(repair)).unwrap_or(last))
        }
    };
    (attempt, read)
}

/// Returns a document that was read as a whole with its comments and needless commas blanked out; offsets stay.
pub(super) fn strict_form(document: &str) -> String {
    let mut lexer = Lexer {
        text: document.as_bytes(),
        start: 0,
        at: 0,
        open: Vec::new(),
        has_key: false,
        string: None,
        repair: None,
        spare: usize::MAX,
    };
    let mut strict = String::with_capacity(document.len());
    let mut comma = None;
    while let Some(byte) = lexer.peek() {
        let start = lexer.at;
        // An unclosed string or comment does not occur in a whole document; its rest would stay as it is.
        let is_blank = match byte {
            b'"' => lexer.string().is_err(),
            b'/' | b'#' => lexer.comment().is_ok(),
            _ => {
                lexer.at += 1;
                false
            }
        };
        let piece = document.get(start..lexer.at.max(start + 1)).unwrap_or_default();
        if is_blank {
            strict.extend(std::iter::repeat_n(' ', piece.len()));
            continue;
        }
        match byte {
            b',' => comma = Some(strict.len()),
            b']' | b'}' => {
                if let Some(at) = comma.take() {
                    strict.replace_range(at..=at, " ");
                }
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => comma = None,
        }
        strict.push_str(piece);
    }
    strict
}

impl Lexer<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn here(&self, problem: &'static str) -> Break {
        Break {
            at: self.at.min(self.text.len()),
            depth: self.open.len(),
            has_key: self.has_key,
            string: self.string,
            problem,
            is_torn: problem == TORN,
        }
    }

    fn document(&mut self) -> Step<()> {
        let mut expect = Expect::Value;
        loop {
            if expect != Expect::Value || !self.open.is_empty() {
                self.space()?;
            }
            let byte = self.peek().ok_or(TORN)?;
            let is_object = self.open.last() == Some(&true);
            expect = match (expect, byte) {
                (Expect::Value | Expect::ValueOrClose, b'{') => self.open(true)?,
                (Expect::Value | Expect::ValueOrClose, b'[') => self.open(false)?,
                (Expect::KeyOrClose | Expect::CommaOrClose, b'}') if is_object => self.close(),
                (Expect::ValueOrClose | Expect::CommaOrClose, b']') if !is_object => self.close(),
                (Expect::CommaOrClose, b',') => self.comma(is_object)?,
                (Expect::Key | Expect::KeyOrClose, b'"') => self.key()?,
                (Expect::Value | Expect::ValueOrClose, b'"') => {
                    self.string()?;
                    Expect::CommaOrClose
                }
                (Expect::Value | Expect::ValueOrClose, _) => self.scalar()?,
                (Expect::Key | Expect::KeyOrClose, _) => {
                    self.has_key |= self.repair.is_none() && self.is_at_key();
                    return Err("expected a key in double quotes");
                }
                (Expect::CommaOrClose, _) if is_object => return Err("expected `,` or `}`"),
                (Expect::CommaOrClose, _) => return Err("expected `,` or `]`"),
            };
            if self.open.is_empty() {
                return Ok(());
            }
        }
    }

    fn open(&mut self, is_object: bool) -> Step<Expect> {
        if self.open.len() == MAX_DEPTH {
            return Err("nested deeper than 127 levels");
        }
        self.open.push(is_object);
        self.pass();
        Ok(if is_object { Expect::KeyOrClose } else { Expect::ValueOrClose })
    }

    fn close(&mut self) -> Expect {
        self.open.pop();
        self.pass();
        Expect::CommaOrClose
    }

    fn comma(&mut self, is_object: bool) -> Step<Expect> {
        let comma = self.at;
        self.pass();
        self.space()?;
        let close = if is_object { b'}' } else { b']' };
        if self.peek() == Some(close) {
            let behind = std::mem::replace(&mut self.at, comma);
            self.repair("a comma before a closing bracket")?;
            self.at = behind;
            return Ok(Expect::CommaOrClose);
        }
        Ok(if is_object { Expect::Key } else { Expect::Value })
    }

    fn key(&mut self) -> Step<Expect> {
        let start = self.at;
        self.string()?;
        let key = self.text.get(start + 1..self.at - 1).unwrap_or_default();
        let is_word = key.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        self.space()?;
        if self.peek().ok_or(TORN)? != b':' {
            // In `{"} ... {"a": 1}` the string is none.
            self.has_key |= self.repair.is_none() && is_word;
            return Err("expected `:`");
        }
        self.pass();
        self.has_key = true;
        Ok(Expect::Value)
    }

    /// Whether there is a key as other languages write it: in single quotes, or bare. Behind a comment, which may be none,
    /// that says nothing.
    fn is_at_key(&self) -> bool {
        // 64: longer than any key that is asked for.
        let rest = self.text.get(self.at..).unwrap_or_default();
        let rest = rest.get(..rest.len().min(64)).unwrap_or_default();
        let rest = rest.strip_prefix(b"'").unwrap_or(rest);
        let is_word = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
        let word = rest.iter().take_while(is_word).count();
        let rest = rest.get(word..).unwrap_or_default();
        word > 0 && rest.strip_prefix(b"'").unwrap_or(rest).trim_ascii_start().starts_with(b":")
    }

    fn string(&mut self) -> Step<()> {
        self.string = Some(self.at);
        self.at += 1;
        loop {
            match self.peek().ok_or(TORN)? {
                b'"' => break,
                b'\\' => match self.text.get(self.at + 1).ok_or(TORN)? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 2,
                    b'u' => self.code_point()?,
                    _ => return Err("an unknown escape inside a string"),
                },
                b'\n' | b'\r' => return Err("a line break inside a string"),
                0..0x20 => return Err("a control character inside a string"),
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Ok(())
    }

    fn code_point(&mut self) -> Step<()> {
        for at in self.at + 2..self.at + 6 {
            if !self.text.get(at).ok_or(TORN)?.is_ascii_hexdigit() {
                return Err("an unknown escape inside a string");
            }
        }
        self.at += 6;
        Ok(())
    }

    fn scalar(&mut self) -> Step<Expect> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_');
        let length = rest.iter().take_while(|byte| is_part(byte)).count();
        let word = rest.get(..length).unwrap_or_default();
        if length == rest.len() && length > 0 {
            return Err(TORN);
        }
        if !matches!(word, b"true" | b"false" | b"null") && !is_number(word) {
            return Err("expected a value");
        }
        self.string = None;
        self.at += length;
        Ok(Expect::CommaOrClose)
    }

    /// Takes a byte that is a token of its own.
    fn pass(&mut self) {
        self.at += 1;
        self.string = None;
    }

    /// Skips white space and comments.
    fn space(&mut self) -> Step<()> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.at += 1,
                // Directly behind the first bracket it is prose: `src/{/*`, `[#12]`, `[//x]`.
                Some(b'#' | b'/') if self.at == self.start + 1 => return Ok(()),
                Some(b'#') => {
                    self.repair("a comment")?;
                    self.comment()?;
                }
                Some(b'/') if matches!(self.text.get(self.at + 1), Some(b'/' | b'*')) => {
                    self.repair("a comment")?;
                    self.comment()?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn comment(&mut self) -> Step<()> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.starts_with(b"/*") {
            let body = rest.get(2..).unwrap_or_default();
            let Some(length) = body.windows(2).position(|pair| pair == b"*/") else {
                self.at = self.text.len();
                return Err(TORN);
            };
            self.at += length + 4;
        } else {
            self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        }
        Ok(())
    }

    /// Notes that something is passed over here, as long as that is affordable.
    fn repair(&mut self, problem: &'static str) -> Step<()> {
        // A repair may have been noted further on, by a reading that was given up.
        let read = self.repair.as_ref().map_or(0, |repair| self.at.saturating_sub(repair.at));
        if read >= self.spare {
            return Err(problem);
        }
        if self.repair.is_none() {
            self.repair = Some(self.here(problem));
        }
        Ok(())
    }
}

fn is_number(word: &[u8]) -> bool {
    fn digits(text: &[u8]) -> (usize, &[u8]) {
        let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (length, text.get(length..).unwrap_or_default())
    }
    let unsigned = word.strip_prefix(b"-").unwrap_or(word);
    let (whole, mut rest) = digits(unsigned);
    if whole == 0 || whole > 1 && unsigned.starts_with(b"0") {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let (length, after) = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = after;
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
        let exponent = exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let (length, after) = digits(exponent);
        if length == 0 {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}
