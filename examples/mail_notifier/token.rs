//! Tokens: who may watch which mailbox, until when, signed by whoever holds the key.
//!
//! ```text
//! v1 . BASE64URL(mailbox) . EXPIRES . BASE64URL(HMAC-SHA256(key, all before the last dot))
//! ```
//! `EXPIRES` counts seconds since 1970. All characters are allowed in a cookie, in a subprotocol and
//! in a query. Nothing is kept about a token: it is good until it expires or the key is changed.
//!
//! It is asked for when a connection opens, and not again: what is open stays open. Whoever has to be
//! shut out at once changes the key and restarts the server.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::failure::{Context, Failure};
use crate::mailbox_name;

/// The fewest bytes of a key: as many as the hash has, so that guessing the key is no easier than
/// guessing a signature (RFC 2104 §3).
const MIN_KEY: usize = 32;
/// The largest file of a key, in bytes. What is larger was meant for something else.
const MAX_FILE: u64 = 4 * 1024;
/// The longest token: the longest name in base64, 20 digits, a signature and what is between.
const MAX_TOKEN: usize = 3 + mailbox_name::MAX_NAME.div_ceil(3) * 4 + 1 + 20 + 1 + 43;

/// A secret that signs tokens, or that somebody has to know.
pub struct Key {
    /// The state after the key was taken in: each signature starts from a copy.
    mac: Hmac<Sha256>,
    /// The signature of the secret itself.
    own: Vec<u8>,
}

/// Why a token admits nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It is not a token at all.
    Malformed,
    /// The signature is not ours.
    Forged,
    /// It was good once.
    Expired,
}

impl Key {
    /// The key in the file at `path`; a line end after it does not count.
    ///
    /// # Errors
    /// When there is no regular file that can be read, or it holds fewer than 32 bytes or more than
    /// 4 KiB.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        Self::load(path, |_| true)
    }

    /// The same for a key that clients have to send in a field of a request.
    ///
    /// # Errors
    /// As [`Key::read`], and when the key has other characters than visible ASCII.
    pub fn read_bearer(path: &Path) -> Result<Self, Failure> {
        Self::load(path, u8::is_ascii_graphic)
    }

    fn load(path: &Path, may_hold: impl Fn(&u8) -> bool) -> Result<Self, Failure> {
        let doing = || format!("cannot use the key in {}", path.display());
        let file = contents(path).context(doing)?;
        if !without_line_end(&file).iter().all(may_hold) {
            return Err("it has to be one line of visible ASCII").context(doing);
        }
        Self::new(&file).context(doing)
    }

    /// A key from the bytes of a file.
    ///
    /// # Errors
    /// A line that says what is wrong with it.
    pub fn new(file: &[u8]) -> Result<Self, String> {
        let secret = without_line_end(file);
        if secret.len() < MIN_KEY {
            return Err(format!(
                "it has {} bytes, and less than {MIN_KEY} is a guess",
                secret.len()
            ));
        }
        let mac = Hmac::new_from_slice(secret).map_err(|error| error.to_string())?;
        let own = mac.clone().chain_update(secret).finalize().into_bytes().to_vec();
        Ok(Self { mac, own })
    }

    /// A token for `mailbox` that is good before `expires`, in seconds since 1970.
    pub fn sign(&self, mailbox: &str, expires: u64) -> String {
        let signed = format!("v1.{}.{expires}", URL_SAFE_NO_PAD.encode(mailbox));
        let signature = self.mac.clone().chain_update(&signed).finalize().into_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The mailbox that `token` is for.
    ///
    /// # Errors
    /// [`TokenError`]: it is good for none at the time `now`, in seconds since 1970.
    pub fn verify(&self, token: &str, now: u64) -> Result<String, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let fields: Vec<_> = signed.split('.').collect();
        let ["v1", mailbox, expires] = fields[..] else { return Err(TokenError::Malformed) };
        let signature = decode(signature)?;
        // In constant time: otherwise an answer that takes longer tells how much was right.
        let verified = self.mac.clone().chain_update(signed).verify_slice(&signature);
        verified.map_err(|_| TokenError::Forged)?;

        let mailbox = String::from_utf8(decode(mailbox)?).map_err(|_| TokenError::Malformed)?;
        let expires: u64 = expires.parse().map_err(|_| TokenError::Malformed)?;
        if !mailbox_name::is_valid(&mailbox) {
            return Err(TokenError::Malformed);
        }
        if now < expires { Ok(mailbox) } else { Err(TokenError::Expired) }
    }

    /// Whether somebody knows the key. The time that it takes tells nothing about the key.
    pub fn is(&self, claimed: &[u8]) -> bool {
        self.mac.clone().chain_update(claimed).verify_slice(&self.own).is_ok()
    }
}

/// What is in the file at `path`. It is looked at before it is opened: a pipe would wait for somebody
/// to write, and a device may have no end.
fn contents(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut file = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut file)?;
    if file.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!("it is larger than {MAX_FILE} bytes")));
    }
    Ok(file)
}

fn without_line_end(file: &[u8]) -> &[u8] {
    let line = file.strip_suffix(b"\n").unwrap_or(file);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Only the one spelling that encoding gives: no padding, and no bits that mean nothing.
fn decode(text: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn key() -> Key {
        Key::new(b"0123456789abcdef0123456789abcdef\n").unwrap()
    }

    /// A token with any content, signed well.
    fn signed(content: &str) -> String {
        let signature = key().mac.chain_update(content).finalize().into_bytes();
        format!("{content}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    #[test]
    fn a_token_is_good_until_it_expires() {
        for mailbox in ["alice", "al ice", "Jürgen", &"x".repeat(255)] {
            let token = key().sign(mailbox, NOW + 1);
            assert_eq!(key().verify(&token, NOW).as_deref(), Ok(mailbox));
            assert_eq!(key().verify(&token, NOW + 1), Err(TokenError::Expired));
        }
        let longest = key().sign(&"x".repeat(255), u64::MAX);
        assert_eq!(longest.len(), MAX_TOKEN);
        assert!(key().verify(&longest, NOW).is_ok());
    }

    /// The signature is from `openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef`.
    #[test]
    fn the_format_stays_as_it_is() {
        let token = "v1.YWxpY2U.1800000001.sLxqnnfyxm51DkrtXWmsovwIhi99Y7vJq9O32KIyVmU";
        assert_eq!(key().sign("alice", 1_800_000_001), token);
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let token = key().sign("alice", NOW + 1);
        for at in 0..token.len() {
            for other in [".", "A", "9", "-", "é"] {
                let mut forged = token.clone();
                forged.replace_range(at..=at, other);
                assert_eq!(key().verify(&forged, NOW).is_ok(), forged == token, "{forged}");
            }
            assert!(key().verify(&token[..at], NOW).is_err());
        }
        let other = Key::new(b"0123456789abcdef0123456789abcdeF").unwrap();
        assert_eq!(other.verify(&token, NOW), Err(TokenError::Forged));
    }

    #[test]
    fn a_signature_has_one_spelling() {
        let token = key().sign("alice", NOW + 1);
        // 32 bytes are 43 characters, and the last one has two bits that mean nothing.
        let last = token.chars().last().unwrap();
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for char in alphabet.chars().filter(|char| *char != last) {
            let other = format!("{}{char}", &token[..token.len() - 1]);
            assert!(key().verify(&other, NOW).is_err(), "{other}");
        }
        assert_eq!(key().verify(&format!("{token}="), NOW), Err(TokenError::Malformed));
    }

    #[test]
    fn what_is_signed_is_read_with_care() {
        assert_eq!(key().verify(&signed("v1.YWxpY2U.1800000001"), NOW).as_deref(), Ok("alice"));
        for content in [
            "v2.YWxpY2U.1800000001",
            "v1.YWxpY2U",
            "v1.YWxpY2U.1800000001.x",
            "v1.YWxpY2U=.1800000001",
            "v1.YWxpY2V.1800000001",
            "v1.YWxpY2U.",
            "v1.YWxpY2U.-1",
            "v1.YWxpY2U.99999999999999999999",
            "v1..1800000001",
            "v1.Li4.1800000001",
            "v1.YS9i.1800000001",
            "v1._w.1800000001",
        ] {
            let verified = key().verify(&signed(content), NOW);
            assert_eq!(verified, Err(TokenError::Malformed), "{content}");
        }
        let long = signed(&format!("v1.YWxpY2U.{}1800000001", "0".repeat(400)));
        assert_eq!(key().verify(&long, NOW), Err(TokenError::Malformed));
        for text in ["", ".", "...", "v1..", "alice"] {
            assert_eq!(key().verify(text, NOW), Err(TokenError::Malformed), "{text}");
        }
    }

    #[test]
    fn keys_come_from_files() {
        let secret = [b'k'; 32];
        for end in ["", "\n", "\r\n"] {
            let file = [&secret[..], end.as_bytes()].concat();
            assert!(Key::new(&file).unwrap().is(&secret), "{end:?}");
        }
        assert!(!Key::new(&[&secret[..], b"\n\n"].concat()).unwrap().is(&secret));
        for (len, end) in [(0, ""), (31, ""), (31, "\n"), (31, "\r\n")] {
            assert!(Key::new(&[&secret[..len], end.as_bytes()].concat()).is_err(), "{len} {end:?}");
        }
        let key = Key::new(&secret).unwrap();
        assert!(!key.is(b"") && !key.is(&secret[..31]) && !key.is(&[b'k'; 33]));

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(Key::read(&path).err().unwrap().to_string().contains("cannot use the key in /"));
        fs::write(&path, [0; 32]).unwrap();
        assert!(Key::read(&path).is_ok());
        assert!(Key::read_bearer(&path).err().unwrap().to_string().contains("visible ASCII"));
        fs::write(&path, "short\n").unwrap();
        assert!(Key::read(&path).err().unwrap().to_string().contains("it has 5 bytes"));
        assert!(Key::read_bearer(&path).err().unwrap().to_string().contains("it has 5 bytes"));
        fs::write(&path, "0123456789abcdef0123456789abcdef\n").unwrap();
        assert!(Key::read_bearer(&path).is_ok());
    }

    #[test]
    fn what_is_too_large_for_a_key_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, [b'k'; 4096]).unwrap();
        assert!(Key::read(&path).is_ok() && Key::read_bearer(&path).is_ok());
        fs::write(&path, [b'k'; 4097]).unwrap();
        for read in [Key::read, Key::read_bearer] {
            let failure = read(&path).err().unwrap().to_string();
            assert!(failure.ends_with(": it is larger than 4096 bytes"), "{failure}");
        }
    }
}
