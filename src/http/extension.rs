//! One element of `Sec-WebSocket-Extensions`: a name and its parameters.
//!
//! RFC 6455 §9.1. Layer 2: knows the grammar, not the extensions.
//!
//! ```text
//! permessage-deflate; client_max_window_bits; server_max_window_bits="10"
//! └── name ────────┘  └── parameter ───────┘  └── parameter = value ─────┘
//! ```

use alloc::borrow::Cow;
use alloc::string::String;

use super::grammar::{is_tchar, is_token, split_at_byte, token, trim};

/// An extension that one side offers or accepts, borrowed from the head.
///
/// ```
/// use dormouse::http::Extension;
///
/// let extension = Extension::parse(b"permessage-deflate; client_max_window_bits; mode = \"a\"")?;
/// assert_eq!(extension.name(), "permessage-deflate");
///
/// let mut params = extension.params();
/// assert_eq!(params.next(), Some(("client_max_window_bits", None)));
/// assert_eq!(params.next(), Some(("mode", Some("a".into()))));
/// # Ok::<(), dormouse::http::ExtensionError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'b> {
    name: &'b str,
    /// What follows the name, from the first semicolon on, checked.
    params: Option<&'b [u8]>,
}

/// §9.1: an element of `Sec-WebSocket-Extensions` does not follow the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an extension is malformed")]
pub struct ExtensionError;

impl<'b> Extension<'b> {
    /// Reads one element of the list, all of it.
    ///
    /// # Errors
    ///
    /// §9.1: the name, a parameter or a value is not a token. A comma cannot stand in a valid
    /// element, not even in quotes, because a quoted value has to be a token as well.
    pub fn parse(element: &'b [u8]) -> Result<Self, ExtensionError> {
        let (name, params) = split_at_byte(element, b';');
        let name = token(trim(name)).ok_or(ExtensionError)?;
        if raw_params(params).all(|param| parse_param(param).is_some()) {
            Ok(Self { name, params })
        } else {
            Err(ExtensionError)
        }
    }

    /// §9.1: whether `list` has at least one element, and each follows the grammar.
    pub(crate) fn check_list(
        mut list: impl Iterator<Item = Result<Self, ExtensionError>>,
    ) -> Result<(), ExtensionError> {
        list.next().ok_or(ExtensionError)??;
        list.try_for_each(|extension| extension.map(drop))
    }

    /// Whether `offered` has an extension of this name.
    pub(crate) fn is_among<'o>(
        &self,
        mut offered: impl Iterator<Item = Result<Extension<'o>, ExtensionError>>,
    ) -> bool {
        offered.any(|offer| offer.is_ok_and(|offer| offer.name == self.name))
    }

    /// The registered name, such as `permessage-deflate`.
    pub fn name(&self) -> &'b str {
        self.name
    }

    /// The parameters in their order, with their values where they have one.
    ///
    /// Quotes are taken off. A value is borrowed unless its quotes hold a backslash, which is
    /// legal and which nobody sends. A name may come twice: what that means is up to the
    /// extension.
    pub fn params(
        &self,
    ) -> impl Iterator<Item = (&'b str, Option<Cow<'b, str>>)> + Clone + use<'b> {
        let checked = raw_params(self.params).filter_map(parse_param);
        checked.map(|(name, value)| (name, value.map(unquote)))
    }
}

fn raw_params(params: Option<&[u8]>) -> impl Iterator<Item = &[u8]> + Clone {
    params.into_iter().flat_map(|params| params.split(|&byte| byte == b';'))
}

/// One parameter, checked: its name, and its value as it stands in the head.
fn parse_param(param: &[u8]) -> Option<(&str, Option<&[u8]>)> {
    let (name, value) = split_at_byte(param, b'=');
    let (name, value) = (token(trim(name))?, value.map(trim));
    value.is_none_or(is_value).then_some((name, value))
}

// §9.1: "When using the quoted-string syntax variant, the value after quoted-string unescaping
// MUST conform to the 'token' ABNF."
fn is_value(value: &[u8]) -> bool {
    let Some(quoted) = value.strip_prefix(b"\"") else { return is_token(value) };
    let Some(quoted) = quoted.strip_suffix(b"\"") else { return false };
    let mut bytes = unescape(quoted).peekable();
    bytes.peek().is_some() && bytes.all(|byte| byte.is_some_and(is_tchar))
}

/// A value that is one, with its quotes and backslashes taken off.
fn unquote(value: &[u8]) -> Cow<'_, str> {
    let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    let value = quoted.unwrap_or(value);
    if value.contains(&b'\\') {
        unescape(value).flatten().map(char::from).collect::<String>().into()
    } else {
        core::str::from_utf8(value).unwrap_or_default().into()
    }
}

/// The characters of a quoted string; `None` stands for one that a backslash announces in vain.
fn unescape(quoted: &[u8]) -> impl Iterator<Item = Option<u8>> {
    let mut bytes = quoted.iter().copied();
    core::iter::from_fn(move || match bytes.next()? {
        b'\\' => Some(bytes.next()),
        byte => Some(Some(byte)),
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// The parameters, a `=` between name and value.
    fn params(element: &str) -> Result<Vec<String>, ExtensionError> {
        let written = |(name, value): (&str, Option<Cow<'_, str>>)| match value {
            Some(value) => [name, "=", &value].concat(),
            None => name.into(),
        };
        Extension::parse(element.as_bytes())
            .map(|extension| extension.params().map(written).collect())
    }

    #[test]
    fn s9_1_grammar() {
        assert_eq!(params("foo"), Ok(Vec::new()));
        assert_eq!(params("foo;a").unwrap(), ["a"]);
        assert_eq!(params("foo ;\ta = 1 ; a").unwrap(), ["a=1", "a"]);
        assert_eq!(params("foo; a=\"1\"").unwrap(), ["a=1"]);
        assert_eq!(params(r#"foo; a="\1\0""#).unwrap(), ["a=10"]);
    }

    #[test]
    fn s9_1_malformed() {
        let bad = [
            "",
            ";",
            "foo;",
            ";a",
            "foo;;a",
            "foo; =1",
            "foo; a=",
            "foo bar",
            "foo=1",
            "foo; a b",
            "foo; a=1 2",
            "foo; a=\"",
            "foo; a=\"\"",
            "foo; a=\"1",
            "foo; a=1\"",
            "foo; a=\"1 2\"",
            r#"foo; a="1\""#,
            r#"foo; a="\""#,
            r#"foo; a="\ ""#,
            "foo; a=\"1\"2",
            "foo; a=b=c",
            "foo/1",
            "f\u{e9}",
            "foo; a=\"\\\u{e9}\"",
        ];
        for element in bad {
            assert_eq!(params(element), Err(ExtensionError), "{element}");
        }
    }
}
