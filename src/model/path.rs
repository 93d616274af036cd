//! Paths inside the project and what happened to them.

use std::ffi::OsStr;
use std::fmt;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A path relative to the code directory, `/`-separated, never starting with `/` or `./`.
///
/// The bytes are whatever the operating system allows, also what is not UTF-8. JSON shows valid UTF-8 as
/// a string and anything else as `{"hex": "..."}`; people see the escaped form of [`fmt::Display`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath(Vec<u8>);

impl RelPath {
    /// Wraps the bytes of a relative path.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// Returns the raw bytes, as git and the kernel see them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the text when it is valid UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Returns the path as the operating system wants it, still relative.
    #[cfg(unix)]
    pub fn to_path(&self) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        Path::new(OsStr::from_bytes(&self.0)).to_path_buf()
    }
}

#[cfg(unix)]
impl From<&Path> for RelPath {
    fn from(path: &Path) -> Self {
        use std::os::unix::ffi::OsStrExt;
        Self(path.as_os_str().as_bytes().to_vec())
    }
}

impl From<&str> for RelPath {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl fmt::Display for RelPath {
    /// Shows the path on one line: control characters and bytes that are not UTF-8 are escaped (`\xff`, `\n`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() {
                    write!(f, "{}", c.escape_default())?;
                } else {
                    write!(f, "{c}")?;
                }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Serialize for RelPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(text) = self.as_str() {
            return serializer.serialize_str(text);
        }
        let hex = self.0.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}"); // writing to a string cannot fail
            hex
        });
        serializer.collect_map([("hex", hex)])
    }
}

impl<'de> Deserialize<'de> for RelPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self(text.into_bytes())),
            serde_json::Value::Object(map) => {
                let hex =
                    map.get("hex").and_then(|v| v.as_str()).ok_or_else(|| D::Error::custom("a path needs `hex`"))?;
                let digits = hex.as_bytes();
                if digits.len() % 2 != 0 {
                    return Err(D::Error::custom("odd number of hexadecimal digits in a path"));
                }
                digits
                    .chunks_exact(2)
                    .map(|pair| std::str::from_utf8(pair).ok().and_then(|s| u8::from_str_radix(s, 16).ok()))
                    .collect::<Option<Vec<u8>>>()
                    .map(Self)
                    .ok_or_else(|| D::Error::custom("a path is not hexadecimal"))
            }
            _ => Err(D::Error::custom("a path is a string or {\"hex\": ...}")),
        }
    }
}

/// One path that differs between two snapshots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Change {
    /// Which path.
    pub path: RelPath,
    /// What happened to it.
    pub kind: ChangeKind,
}

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It was not there before.
    Added,
    /// Its content, type or executable bit differs.
    Modified,
    /// It is gone.
    Removed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_survive_json() {
        for bytes in [&b"src/a.rs"[..], b"we\xffird", b"line\nbreak", b""] {
            let path = RelPath::from_bytes(bytes);
            let text = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<RelPath>(&text).unwrap(), path, "{text}");
        }
    }

    #[test]
    fn a_person_sees_one_clean_line() {
        assert_eq!(RelPath::from_bytes(&b"we\xffird\n.txt"[..]).to_string(), "we\\xffird\\n.txt");
    }
}
