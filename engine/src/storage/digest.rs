//! The digest that identifies a file: 128 bits over its content.

use std::fmt;
use std::fs::File;
use std::hash::Hasher;
use std::io::Read;
use std::path::Path;

use twox_hash::XxHash3_64;

use crate::{Error, Result};

/// Two seeds give two independent hashes of 64 bits.
const SEEDS: [u64; 2] = [0x6865_6164_636f_756e, 0x7374_6f72_6531_3238];
/// Bytes that are read at a time.
pub(super) const CHUNK: usize = 1 << 20;

/// Digest of some bytes: XXH3 with two seeds. Printed as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(u128);

impl Digest {
    /// Digest of bytes in memory.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let [high, low] = SEEDS.map(|seed| XxHash3_64::oneshot_with_seed(seed, bytes));
        Self(u128::from(high) << 64 | u128::from(low))
    }

    /// Digest of a file, and how many bytes it has.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of_file(path: &Path) -> Result<(Self, u64)> {
        File::open(path).and_then(Self::of_reader).map_err(|cause| Error::io(path, cause))
    }

    /// Digest of everything that a reader gives, and how many bytes that is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn of_reader(mut reader: impl Read) -> std::io::Result<(Self, u64)> {
        let mut builder = DigestBuilder::default();
        let mut chunk = vec![0; CHUNK];
        loop {
            match reader.read(&mut chunk)? {
                0 => return Ok(builder.finish()),
                read => builder.write(&chunk[..read]),
            }
        }
    }

    /// The digest that prints as this text.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(Self)
    }
}

/// Computes the digest of a stream.
struct DigestBuilder {
    hashers: [XxHash3_64; 2],
    size: u64,
}

impl Default for DigestBuilder {
    fn default() -> Self {
        Self { hashers: SEEDS.map(XxHash3_64::with_seed), size: 0 }
    }
}

impl DigestBuilder {
    fn write(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        for hasher in &mut self.hashers {
            hasher.write(bytes);
        }
    }

    /// The digest, and how many bytes there were.
    fn finish(self) -> (Digest, u64) {
        let [high, low] = self.hashers.map(|hasher| hasher.finish());
        (Digest(u128::from(high) << 64 | u128::from(low)), self.size)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Digest;

    #[test]
    fn a_file_and_its_bytes_have_one_digest() {
        let folder = tempfile::tempdir().unwrap();
        for length in [0, 1, 255, 1 << 20, (1 << 20) + 7] {
            let bytes: Vec<u8> = (0..length).map(|i: usize| (i * 31 % 251) as u8).collect();
            let path = folder.path().join("file");
            std::fs::write(&path, &bytes).unwrap();
            let digest = Digest::of_bytes(&bytes);
            assert_eq!(Digest::of_file(&path).unwrap(), (digest, length as u64));
            assert_eq!(Digest::parse(&digest.to_string()), Some(digest));
        }
    }
}
