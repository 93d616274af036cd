//! What `plan` and `spec` are given: a sentence, a file, or standard input.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::plan::source::{Source, SourceKind};
use crate::sys;

/// 16 MiB: far above any text that a model reads.
const LIMIT: u64 = 16 << 20;

#[derive(Debug, Args)]
pub(super) struct SourceArguments {
    /// A sentence that says what is wanted, or the path of a file that does
    #[arg(value_name = "TEXT_OR_PATH")]
    text: Option<String>,
    /// Read what is wanted from this file
    #[arg(short, long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Say what is wanted in a sentence
    #[arg(long, value_name = "TEXT")]
    intent: Option<String>,
}

/// What was given.
pub(super) struct Given {
    /// The text and where it came from.
    pub source: Source,
    /// The path as given, when it is a file or a directory.
    pub path: Option<PathBuf>,
}

impl SourceArguments {
    /// Reads what was given. A directory (an OpenSpec change, for example) has no text of its own.
    ///
    /// # Errors
    /// When nothing, more than one thing, or only blanks were given, or a file cannot be read as text.
    pub(super) fn read(&self) -> Result<Given> {
        let given = match (&self.intent, &self.file, &self.text) {
            (Some(text), None, None) => sentence(SourceKind::Intent, "inline intent", "intent", text),
            (None, Some(path), None) => file(path)?,
            (None, None, Some(text)) => positional(text)?,
            (None, None, None) => standard_input()?,
            _ => bail!("more than one source given; give one of TEXT_OR_PATH, --file and --intent"),
        };
        if given.source.text.is_empty() && !given.path.as_deref().is_some_and(Path::is_dir) {
            bail!("{}: nothing but blanks; say what is wanted", given.source.label);
        }
        Ok(given)
    }
}

fn sentence(kind: SourceKind, label: &str, name: &str, text: &str) -> Given {
    let source = Source {
        kind,
        label: label.to_owned(),
        name: name.to_owned(),
        text: text.trim().to_owned(),
        doc: String::new(),
    };
    Given { source, path: None }
}

fn positional(text: &str) -> Result<Given> {
    // A sentence may be too long for a path, or hold what no path may: then it is none.
    if !text.contains(['\n', '\0']) && Path::new(text).try_exists().unwrap_or(false) {
        return file(Path::new(text));
    }
    Ok(sentence(SourceKind::Intent, "positional intent", "intent", text))
}

fn file(path: &Path) -> Result<Given> {
    let shown = path.display();
    let absolute = path.canonicalize().with_context(|| format!("read {shown}"))?;
    let name = |part: Option<&std::ffi::OsStr>| part.unwrap_or(absolute.as_os_str()).to_string_lossy().into_owned();
    let text = if absolute.is_dir() {
        String::new()
    } else {
        let bytes = sys::fs::read_capped(&absolute, LIMIT)?;
        decode(bytes).with_context(|| format!("read {shown}"))?
    };
    let source = Source {
        kind: SourceKind::File,
        label: name(absolute.file_name()),
        name: name(absolute.file_stem()),
        text: text.trim().to_owned(),
        doc: absolute.to_string_lossy().into_owned(),
    };
    Ok(Given { source, path: Some(path.to_path_buf()) })
}

fn standard_input() -> Result<Given> {
    let mut input = std::io::stdin().lock();
    if input.is_terminal() {
        bail!("nothing to plan from; give a sentence, a file, or pipe a text in (see --help)");
    }
    let mut bytes = Vec::new();
    input.by_ref().take(LIMIT + 1).read_to_end(&mut bytes).context("read standard input")?;
    if bytes.len() as u64 > LIMIT {
        bail!("read standard input: more than {} MiB", LIMIT >> 20);
    }
    let text = decode(bytes).context("read standard input")?;
    Ok(sentence(SourceKind::Stdin, "stdin", "stdin", &text))
}

fn decode(bytes: Vec<u8>) -> Result<String> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        anyhow::anyhow!("not UTF-8 (byte {at}); convert it first, for example with iconv")
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
