//! The secret that VPN servers share with the daemon. It is overwritten when it is dropped, and cannot be printed.

use zeroize::Zeroizing;

/// The shortest secret that cannot be found by trying (RFC 2865, section 3: 16 octets are preferred).
pub const GOOD_SECRET_BYTES: usize = 16;

/// The longest secret.
const SECRET_BYTES: usize = 256;

/// The shared secret of the servers.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// The secret in a file: its first and only line, without the line's end.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of_file(file: &[u8]) -> Result<Self, &'static str> {
        let line = file.strip_suffix(b"\n").unwrap_or(file);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line.len() {
            0 => Err("is empty; write the secret into it that the VPN server has"),
            1..=SECRET_BYTES if !line.contains(&b'\n') => Ok(Self(Zeroizing::new(line.to_vec()))),
            _ => Err(
                "has more than one line, or more than 256 bytes; write the secret into it and nothing else",
            ),
        }
    }

    /// A secret that no server has: longer than any in a file.
    #[must_use]
    pub fn of_nobody() -> Self {
        Self(Zeroizing::new(vec![0; SECRET_BYTES + 1]))
    }

    /// Whether it is too short to be safe.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.0.len() < GOOD_SECRET_BYTES
    }

    /// The bytes, for a signature.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
