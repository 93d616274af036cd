//! SHA-256 of bytes and files, and signatures made with it.

use std::fs::File;
use std::io::{self, Read};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// Returns the SHA-256 of some bytes.
pub fn bytes(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

/// Returns the HMAC-SHA256 of some bytes, in hexadecimal digits.
pub fn hmac_hex(key: &[u8], data: &[u8]) -> String {
    // A key of any length is taken: the error type is there for other algorithms.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(data);
    mac.finalize().into_bytes().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test cases 2 and 6.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let short = hmac_hex(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(short, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let long = hmac_hex(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(long, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }
}
