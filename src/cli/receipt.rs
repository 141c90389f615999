//! A release's receipt: what was released, in lines of name and value, with minisign's signature below them in the
//! same file, so that a log of releases can take it as one.
//!
//! Text in, values or an error out; reads no file.
//!
//! # Source
//! minisign(1); <https://jedisct1.github.io/minisign/>, "Signature format".

use minisign_verify::{PublicKey, Signature};

/// The first line.
const HEADER: &str = "blindmeter receipt 1";

/// How minisign's signature begins: the one line that it does not sign, so that no other is taken.
const SIGNATURE: &str = "untrusted comment: signature from minisign secret key\n";

/// What was released.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) version: String,
    pub(super) commit: String,
    pub(super) profile: String,
    /// The digest of the policy that is in force where nothing else is configured.
    pub(super) policy: String,
    pub(super) binary_sha256: String,
    pub(super) sbom_sha256: String,
}

/// Why a receipt is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReceiptError {
    #[error("the key is none of minisign's; it begins with RW, and has 56 letters")]
    Key,
    #[error("it has no signature, or one that cannot be read")]
    NoSignature,
    #[error("the signature is not of this receipt and this key: do not trust it")]
    Signature,
    #[error("it is no receipt of this version of blindmeter, or has other lines than that")]
    Format,
}

impl Receipt {
    /// Reads a receipt that this key has signed.
    pub(super) fn signed(text: &str, key: &str) -> Result<Self, ReceiptError> {
        let key = PublicKey::from_base64(key).map_err(|_| ReceiptError::Key)?;
        let at = text.find(&format!("\n{SIGNATURE}")).ok_or(ReceiptError::NoSignature)? + 1;
        let (lines, signature) = text.split_at(at);
        let signature = Signature::decode(signature).map_err(|_| ReceiptError::NoSignature)?;
        key.verify(lines.as_bytes(), &signature, false).map_err(|_| ReceiptError::Signature)?;
        Self::of_lines(lines).ok_or(ReceiptError::Format)
    }

    fn of_lines(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != HEADER {
            return None;
        }
        let mut value = |name: &str| {
            let (found, value) = lines.next()?.split_once(' ')?;
            (found == name).then(|| value.to_owned())
        };
        let receipt = Self {
            version: value("version")?,
            commit: value("commit")?,
            profile: value("profile")?,
            policy: value("policy")?,
            binary_sha256: value("binary-sha256")?,
            sbom_sha256: value("sbom-sha256")?,
        };
        lines.next().is_none().then_some(receipt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_are_these_and_no_others() {
        let text = "blindmeter receipt 1\nversion 1\ncommit c\nprofile p\npolicy d\nbinary-sha256 b\nsbom-sha256 s\n";
        assert!(Receipt::of_lines(text).is_some_and(|receipt| receipt.sbom_sha256 == "s"));
        for other in [
            text.replace("receipt 1", "receipt 2"),
            text.replace("policy d\n", ""),
            text.replace("policy", "Policy"),
            format!("{text}more 1\n"),
            String::new(),
        ] {
            assert_eq!(Receipt::of_lines(&other), None, "{other}");
        }
    }

    #[test]
    fn what_has_no_signature_is_no_receipt() {
        let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
        assert_eq!(Receipt::signed("blindmeter receipt 1\n", key), Err(ReceiptError::NoSignature));
        assert_eq!(Receipt::signed("", "RW"), Err(ReceiptError::Key));
        assert_eq!(
            Receipt::signed("a\nuntrusted comment: signature from minisign secret key\nx\n", key),
            Err(ReceiptError::NoSignature)
        );
    }
}
