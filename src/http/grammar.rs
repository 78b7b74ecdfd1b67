//! Which characters the parts of a head may hold, for reading and for writing.
//!
//! RFC 9110 §5.5 (field values) and §5.6.2 (tokens), RFC 3986 §3.2 (hosts), RFC 9112 §3.2
//! (targets). Pure functions on slices.

use core::net::Ipv6Addr;

/// How many bytes are looked at in one step, where the rule is simple enough.
const WINDOW: usize = 16;

/// A set of characters, as one bit in [`CLASSES`].
type Class = u8;

/// RFC 9110 §5.6.2: `tchar`, the characters of a token.
const TCHAR: Class = 1;
/// RFC 3986 §3.2.2: the characters of a `reg-name` that is not percent-encoded.
const NAME: Class = 2;
/// RFC 9110 §5.5: what a field value may hold when it is written.
const VALUE: Class = 4;
const DIGIT: Class = 8;
/// RFC 3986 §3.3, §3.4: the characters of a path with a query that is not percent-encoded.
const PATH: Class = 16;

/// The classes of every byte.
#[expect(
    clippy::indexing_slicing,
    reason = "runs while the crate is compiled, where a panic is an error of the compiler"
)]
static CLASSES: [Class; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < classes.len() {
        let is_control = byte < 0x20 || byte == 0x7f;
        let is_digit = (byte as u8).is_ascii_digit();
        if (byte as u8).is_ascii_alphanumeric() {
            classes[byte] |= TCHAR | NAME | PATH;
        }
        classes[byte] |= if !is_control || byte == b'\t' as usize { VALUE } else { 0 };
        classes[byte] |= if is_digit { DIGIT } else { 0 };
        byte += 1;
    }
    classes = add(classes, TCHAR, b"!#$%&'*+-.^_`|~");
    classes = add(classes, NAME | PATH, b"-._~!$&'()*+,;=");
    add(classes, PATH, b":@/?")
};

#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "as for `CLASSES`")]
const fn add(mut classes: [Class; 256], class: Class, marks: &[u8]) -> [Class; 256] {
    let mut at = 0;
    while at < marks.len() {
        classes[marks[at] as usize] |= class;
        at += 1;
    }
    classes
}

#[inline]
#[expect(clippy::indexing_slicing, reason = "256 places, one for each value of a byte")]
fn classes_of(byte: u8) -> Class {
    CLASSES[usize::from(byte)]
}

/// Whether every byte is of `class`. Without early exit: these values are short and mostly right.
#[inline]
fn all(bytes: &[u8], class: Class) -> bool {
    bytes.iter().fold(class, |common, &byte| common & classes_of(byte)) != 0
}

/// Whether `holds` is true of every byte, for a rule that compiles to vector instructions.
#[inline]
fn all_in_windows(bytes: &[u8], holds: impl Fn(u8) -> bool) -> bool {
    let hold = |bytes: &[u8]| bytes.iter().fold(true, |all, &byte| all & holds(byte));
    match bytes.last_chunk::<WINDOW>() {
        Some(last) => bytes.chunks_exact(WINDOW).all(hold) && hold(last),
        None => hold(bytes),
    }
}

/// Whether `byte` may stand in a token (RFC 9110 §5.6.2).
#[inline]
pub(crate) fn is_tchar(byte: u8) -> bool {
    classes_of(byte) & TCHAR != 0
}

/// Whether `bytes` are a token: at least one `tchar` and nothing else.
#[inline]
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all(bytes, TCHAR)
}

/// `bytes` as text if they are a token.
pub(crate) fn token(bytes: &[u8]) -> Option<&str> {
    if is_token(bytes) { core::str::from_utf8(bytes).ok() } else { None }
}

/// Whether `bytes` may be written as a field value: no control characters but HTAB. CR and LF are
/// control characters, so nothing that passes can end the line that it stands on.
pub(crate) fn is_field_value(bytes: &[u8]) -> bool {
    all(bytes, VALUE)
}

/// Whether `bytes` are printable ASCII without spaces, and not empty.
#[inline]
pub(crate) fn is_graphic(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all_in_windows(bytes, |byte| byte.is_ascii_graphic())
}

/// `bytes` from the first one on that is neither of `class` nor part of a percent-encoded one
/// (RFC 3986 §2.1).
#[inline]
fn after_encoded(bytes: &[u8], class: Class) -> &[u8] {
    let mut rest = bytes;
    loop {
        let len = rest.iter().position(|&byte| classes_of(byte) & class == 0);
        rest = match rest.get(len.unwrap_or(rest.len())..).unwrap_or_default() {
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest
            }
            rest => return rest,
        }
    }
}

/// Whether `bytes` are a path with an optional query as RFC 3986 has them: for writing.
pub(crate) fn is_path(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'/') && after_encoded(bytes, PATH).is_empty()
}

/// Whether `bytes` may be a request target: printable ASCII without spaces and without a fragment.
///
/// That is wider than RFC 3986, because browsers are: they send `|`, `{`, `^` and a lone `%` in a
/// query as the page wrote them.
#[inline]
pub(crate) fn is_target(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all_in_windows(bytes, |byte| byte.is_ascii_graphic() & (byte != b'#'))
}

/// Whether `name` is `other` (RFC 9110 §5.1: "Field names are case-insensitive").
///
/// Nearly everybody writes a name as its RFC does, and between arrays that is quick to see; so is that
/// two names begin with different letters.
#[inline]
pub(crate) fn is_same<const N: usize>(name: &[u8], other: &[u8; N]) -> bool {
    let Ok(name) = <&[u8; N]>::try_from(name) else { return false };
    let initial = |name: &[u8; N]| name.first().map(u8::to_ascii_lowercase);
    name == other || (initial(name) == initial(other) && name.eq_ignore_ascii_case(other))
}

/// Whether `bytes` are a host with an optional port, as in the Host field (RFC 9110 §7.2).
#[inline]
pub(crate) fn is_authority(bytes: &[u8]) -> bool {
    host_len(bytes).is_some()
}

/// How many of `bytes` are the host, in its brackets if it has some, if they are a host with an optional
/// port. A colon and digits may follow.
///
/// An empty host is refused: RFC 9110 §4.2.1 makes a URI with one invalid.
pub(crate) fn host_len(bytes: &[u8]) -> Option<usize> {
    let (host_is_valid, after) = match bytes.strip_prefix(b"[") {
        Some(literal) => {
            let (address, after) = split_at_byte(literal, b']');
            let address = core::str::from_utf8(address).ok();
            let address = address.and_then(|address| address.parse::<Ipv6Addr>().ok());
            (address.is_some(), after)
        }
        None => {
            let after = after_encoded(bytes, NAME);
            (after.len() < bytes.len(), Some(after))
        }
    };
    let after = after?;
    let port_is_valid = match after {
        [b':', port @ ..] => all(port, DIGIT),
        after => after.is_empty(),
    };
    (host_is_valid && port_is_valid).then_some(bytes.len().saturating_sub(after.len()))
}

/// What comes before the question mark of a target, if it has one.
pub(crate) fn without_query(target: &str) -> &str {
    target.split_once('?').map_or(target, |(before, _)| before)
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
#[derive(Clone, Debug)]
pub(crate) struct Elements<'b> {
    rest: &'b [u8],
}

impl<'b> Elements<'b> {
    #[inline]
    pub(crate) fn of(value: &'b [u8]) -> Self {
        Self { rest: value }
    }
}

impl<'b> Iterator for Elements<'b> {
    type Item = &'b [u8];

    #[inline]
    fn next(&mut self) -> Option<&'b [u8]> {
        while !self.rest.is_empty() {
            let (element, rest) = split_at_byte(self.rest, b',');
            self.rest = rest.unwrap_or_default();
            let element = trim(element);
            if !element.is_empty() {
                return Some(element);
            }
        }
        None
    }
}

/// Gives `found` each element of the comma list `value`, in one pass, as long as they are tokens.
/// Whether they all are.
#[inline]
pub(crate) fn each_token<'b>(value: &'b [u8], mut found: impl FnMut(&'b [u8])) -> bool {
    let mut rest = value;
    loop {
        while let [b' ' | b'\t' | b',', tail @ ..] = rest {
            rest = tail;
        }
        let len = rest.iter().position(|&byte| !is_tchar(byte)).unwrap_or(rest.len());
        match rest.split_at_checked(len) {
            Some((token @ [_, ..], behind)) => {
                found(token);
                rest = behind;
            }
            _ => return rest.is_empty(),
        }
        while let [b' ' | b'\t', tail @ ..] = rest {
            rest = tail;
        }
        // No other token without a comma in between.
        if !matches!(rest, [] | [b',', ..]) {
            return false;
        }
    }
}

/// `bytes` before the first `separator`, and those after it if there is one.
#[inline]
pub(crate) fn split_at_byte(bytes: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    let Some(at) = bytes.iter().position(|&byte| byte == separator) else { return (bytes, None) };
    match bytes.split_at_checked(at) {
        Some((before, [_, after @ ..])) => (before, Some(after)),
        _ => (bytes, None),
    }
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
        let good = [
            "a",
            "example.com",
            "example.com:",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:8080",
            "a_b",
            "%41",
        ];
        for host in good {
            assert!(is_authority(host.as_bytes()), "{host}");
        }
        let bad = [
            "",
            ":80",
            "a b",
            "a:b",
            "a:80:80",
            "a/b",
            "u@h",
            "[::1",
            "[]",
            "[::1]x",
            "a,b c",
            "a\"",
            "%",
            "a%4",
            "%zz",
            "[zzz]",
            "[:::::]",
            "[fe80::1%25e]",
            "[127.0.0.1]",
        ];
        for host in bad {
            assert!(!is_authority(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn rfc3986_3_3_paths_to_write() {
        for path in ["/", "/a/b;c=d", "/%41?q=%20&r=/?:@", "/~a!$'()*+,"] {
            assert!(is_path(path.as_bytes()) && is_target(path.as_bytes()), "{path}");
        }
        for path in ["", "a", "/a b", "/#a", "/%", "/%4", "/%zz", "/<a>", "/{a}", "/a|b", "/\u{e4}"]
        {
            assert!(!is_path(path.as_bytes()), "{path}");
        }
        for path in ["/?a={b}|c^d`e", "/?100%"] {
            assert!(is_target(path.as_bytes()), "browsers send {path}");
        }
    }

    #[test]
    fn rfc9110_5_6_1_empty_elements_are_ignored() {
        let found: [&[u8]; 3] = [b"a", b"b c", b"d"];
        assert!(Elements::of(b" ,a ,, \tb c\t,d,").eq(found));
        assert_eq!(Elements::of(b" , ,\t").count(), 0);
    }

    #[test]
    fn rfc9110_5_6_1_lists_of_tokens() {
        for list in [&b"a"[..], b"mail.v1, json", b" ,a ,, \tb\t,c,", b"", b" , ,\t"] {
            let mut tokens = alloc::vec::Vec::new();
            assert!(each_token(list, |token| tokens.push(token)), "{list:?}");
            assert!(Elements::of(list).eq(tokens), "{list:?}");
        }
        for list in [&b"a b"[..], b"a, b c", b"a\tb", b"a/b", b"a,\"b\"", b"a,\0", b"a,\xff"] {
            assert!(!each_token(list, |_| ()), "{list:?}");
        }
    }
}
