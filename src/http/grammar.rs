//! Which characters the parts of a head may hold, for reading and for writing.
//!
//! RFC 9110 §5.5 (field values) and §5.6.2 (tokens), RFC 3986 §3.2 (hosts), RFC 9112 §3.2
//! (targets). Pure functions on slices.

/// RFC 9110 §5.6.2: `tchar`, the characters of a token.
static TCHAR: [bool; 256] = alphanumeric_and(b"!#$%&'*+-.^_`|~");

/// RFC 3986 §3.2.2: the characters of a `reg-name`.
static NAME: [bool; 256] = alphanumeric_and(b"-._~!$&'()*+,;=%");

const fn alphanumeric_and(marks: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
}

/// Whether `byte` may stand in a token (RFC 9110 §5.6.2).
#[inline]
pub(crate) fn is_tchar(byte: u8) -> bool {
    TCHAR[usize::from(byte)]
}

/// Whether `bytes` are a token: at least one `tchar` and nothing else.
#[inline]
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_tchar(byte))
}

/// `bytes` as text if they are a token.
pub(crate) fn token(bytes: &[u8]) -> Option<&str> {
    if is_token(bytes) { core::str::from_utf8(bytes).ok() } else { None }
}

/// Whether `bytes` may be written as a field value: no control characters but HTAB. CR and LF are
/// control characters, so nothing that passes can end the line that it stands on.
pub(crate) fn is_field_value(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

/// Whether `bytes` are printable ASCII without spaces, and not empty.
///
/// Without early exit, so that it compiles to vector instructions.
pub(crate) fn is_graphic(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().fold(true, |all, byte| all & byte.is_ascii_graphic())
}

/// Whether `bytes` may be a request target: printable ASCII without spaces and without a fragment.
pub(crate) fn is_target(bytes: &[u8]) -> bool {
    let is_valid = |byte: &u8| byte.is_ascii_graphic() & (*byte != b'#');
    !bytes.is_empty() && bytes.iter().fold(true, |all, byte| all & is_valid(byte))
}

/// Whether `name` is `other` (RFC 9110 §5.1: "Field names are case-insensitive").
///
/// Nearly everybody writes a name as its RFC does, and between arrays that is quick to see.
#[inline]
pub(crate) fn is_same<const N: usize>(name: &[u8], other: &[u8; N]) -> bool {
    match <&[u8; N]>::try_from(name) {
        Ok(name) => name == other || name.eq_ignore_ascii_case(other),
        Err(_) => false,
    }
}

/// Whether `bytes` are a host with an optional port, as in the Host field (RFC 9110 §7.2).
///
/// An empty host is refused: RFC 9110 §4.2.1 makes a URI with one invalid.
pub(crate) fn is_authority(bytes: &[u8]) -> bool {
    let (host_is_valid, after) = if let Some(literal) = bytes.strip_prefix(b"[") {
        let (address, after) = split_at_byte(literal, b']');
        let valid = |&byte: &u8| byte.is_ascii_alphanumeric() || b":.-_~%".contains(&byte);
        (!address.is_empty() && address.iter().all(valid), after.unwrap_or(b"!"))
    } else {
        let end = bytes.iter().position(|&byte| !NAME[usize::from(byte)]).unwrap_or(bytes.len());
        (end > 0, bytes.get(end..).unwrap_or_default())
    };
    let port_is_valid = match after {
        [] => true,
        [b':', port @ ..] => port.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    host_is_valid && port_is_valid
}

/// `bytes` without spaces and tabs at both ends (RFC 9110 §5.6.3, `OWS`).
#[inline]
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The elements of a comma list, trimmed.
///
/// RFC 9110 §5.6.1.2: "A recipient MUST parse and ignore a reasonable number of empty list elements"
#[inline]
pub(crate) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    value.split(|&byte| byte == b',').map(trim).filter(|element| !element.is_empty())
}

/// `bytes` before the first `separator`, and those after it if there is one.
pub(crate) fn split_at_byte(bytes: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    let mut parts = bytes.splitn(2, |&byte| byte == separator);
    (parts.next().unwrap_or_default(), parts.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_5_6_2_tokens() {
        assert!(is_token(b"mail.v1") && is_token(b"!#$%&'*+-.^_`|~"));
        for bad in [&b""[..], b"a b", b"a,b", b"a/b", b"\"a\"", b"a\r", b"\xc3\xa9", b"\0"] {
            assert!(!is_token(bad), "{bad:?}");
        }
    }

    #[test]
    fn rfc9110_5_5_field_values() {
        assert!(is_field_value(b"a=b; path=/\t") && is_field_value(b"") && is_field_value(b"\xff"));
        for bad in [&b"a\rb"[..], b"a\nb", b"a\0b", b"a\x7fb", b"a\x1bb"] {
            assert!(!is_field_value(bad), "{bad:?}");
        }
    }

    #[test]
    fn rfc9110_7_2_hosts() {
        let good =
            ["a", "example.com", "example.com:", "127.0.0.1:80", "[::1]", "[::1]:8080", "a_b"];
        for host in good {
            assert!(is_authority(host.as_bytes()), "{host}");
        }
        let bad = [
            "", ":80", "a b", "a:b", "a:80:80", "a/b", "u@h", "[::1", "[]", "[::1]x", "a,b c",
            "a\"",
        ];
        for host in bad {
            assert!(!is_authority(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn rfc9110_5_6_1_empty_elements_are_ignored() {
        let found: [&[u8]; 3] = [b"a", b"b c", b"d"];
        assert!(elements(b" ,a ,, \tb c\t,d,").eq(found));
        assert_eq!(elements(b" , ,\t").count(), 0);
    }
}
