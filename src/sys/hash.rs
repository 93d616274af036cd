//! SHA-256 of bytes and files.

use std::fs::File;
use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

/// Returns the SHA-256 of some bytes.
pub fn bytes(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

/// Returns the SHA-256 of the rest of an open file.
///
/// # Errors
/// When reading fails.
pub fn reader(file: &mut File) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 64 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(n) => hasher.update(buffer.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
