//! How manifests and the stat index lie on disk: mark, format number, body, SHA-256 of all before it.
//!
//! Numbers are little-endian base 128; paths are sorted and share their beginning with the path before. Invariant: a file
//! with any bit changed or any byte missing is [`Damage`], never other content.

use super::Damage;
use crate::sys::hash;

/// The format number. Anything else is refused: indexes are rebuilt, manifests are said to be from another version.
pub(super) const VERSION: u32 = 1;

const MARK: usize = 8;
const HEAD: usize = MARK + 4;
const CHECKSUM: usize = 32;

/// Starts a file.
pub(super) fn begin(mark: [u8; MARK], capacity: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(capacity + HEAD + CHECKSUM);
    out.extend_from_slice(&mark);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out
}

/// Ends a file.
pub(super) fn seal(mut out: Vec<u8>) -> Vec<u8> {
    let checksum = hash::bytes(&out);
    out.extend_from_slice(&checksum);
    out
}

/// Returns the body of a whole file.
pub(super) fn open(mark: [u8; MARK], file: &[u8]) -> Result<Source<'_>, Damage> {
    if file.get(..MARK) != Some(&mark[..]) {
        return Err(Damage::Foreign);
    }
    let (rest, checksum) = file.split_last_chunk::<CHECKSUM>().ok_or(Damage::Checksum)?;
    let mut body = Source(rest.get(MARK..).ok_or(Damage::Checksum)?);
    let found = u32::from_le_bytes(body.array().ok_or(Damage::Checksum)?);
    if hash::bytes(rest) != *checksum {
        return Err(Damage::Checksum);
    }
    if found != VERSION {
        return Err(Damage::Version { found });
    }
    Ok(body)
}

/// Appends a number.
pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// What is left to read. Every method returns `None` when there is not enough.
pub(super) struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn size(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }

    pub(super) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn left(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put(&mut out, number);
            let mut source = Source(&out);
            assert_eq!(source.number(), Some(number));
            assert_eq!(source.left(), 0);
        }
        assert_eq!(Source(&[0xff; 3]).number(), None, "unfinished");
        assert_eq!(Source(&[0xff; 20]).number(), None, "endless");
    }

    #[test]
    fn another_format_is_named() {
        let mut file = b"testmark".to_vec();
        file.extend_from_slice(&7u32.to_le_bytes());
        let error = open(*b"testmark", &seal(file)).err().unwrap();
        assert_eq!(error.to_string(), "format 7, but this program reads format 1");
        assert_eq!(open(*b"testmark", b"something else").err(), Some(Damage::Foreign));
        assert_eq!(open(*b"testmark", b"testmark").err(), Some(Damage::Checksum));
    }
}
