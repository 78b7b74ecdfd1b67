//! Lists in header fields (RFC 9110 §5.6), extensions (RFC 6455 §9.1), subprotocols (§4.1) and the URIs of
//! WebSockets (§3).

use std::borrow::Cow;
use std::collections::HashSet;

use arbitrary::Unstructured;
use dormouse::client::{Connect, Uri};
use dormouse::http::{Extension, Fields, Header, Request, Version};
use dormouse::server::{BadRequest, Refusal, Upgrade};
use dormouse::{Limits, Outbox};

/// The elements of a list over several lines are those of a naive reader.
pub fn lists(values: &[&[u8]], token: &str) {
    let lines: Vec<_> = values.iter().map(|value| Header { name: "List", value }).collect();
    let fields = Fields::new(&lines);
    let elements: Vec<&[u8]> = fields.elements("LIST").collect();
    assert_eq!(elements, naive_elements(values));
    let has_token = elements.iter().any(|element| element.eq_ignore_ascii_case(token.as_bytes()));
    assert_eq!(fields.has_token("list", token), has_token);
}

/// A length is told only if it is told, without doubt, by every line.
pub fn content_length(values: &[&[u8]]) {
    let lines: Vec<_> =
        values.iter().map(|value| Header { name: "content-length", value }).collect();
    let is_list = |value: &&[u8]| !naive_elements(&[value]).is_empty();
    let numbers: Option<HashSet<u64>> = naive_elements(values)
        .into_iter()
        .map(|element| {
            let is_number = !element.is_empty() && element.iter().all(u8::is_ascii_digit);
            is_number.then(|| std::str::from_utf8(element).ok()?.parse().ok()).flatten()
        })
        .collect();
    let expected = match numbers {
        Some(numbers) if values.iter().all(is_list) && numbers.len() <= 1 => {
            Some(numbers.into_iter().next())
        }
        _ => None,
    };
    assert_eq!(Fields::new(&lines).content_length().ok(), expected);
}

/// An extension is taken if and only if the grammar makes it, and it says the same when it is
/// written plainly and read again.
pub fn extension(element: &[u8]) {
    let read = Extension::parse(element).map(|extension| {
        let params = extension.params().map(|(name, value)| (name, value.map(Cow::into_owned)));
        (extension.name(), params.collect::<Vec<_>>())
    });
    let by_the_book = NaiveExtension::read(element);
    assert_eq!(read.is_ok(), by_the_book.is_some(), "{:?}", String::from_utf8_lossy(element));
    let (Ok((name, params)), Some(by_the_book)) = (read, by_the_book) else { return };
    assert_eq!(name, by_the_book.name);
    let params = params.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    assert_eq!(params.collect::<Vec<_>>(), by_the_book.params);

    let written = by_the_book.write();
    let again = NaiveExtension::read(written.as_bytes());
    assert_eq!(again.as_ref(), Some(&by_the_book));
    assert!(Extension::parse(written.as_bytes()).is_ok(), "{written}");
}

/// A list of subprotocols is taken if and only if it is made of tokens, no two alike.
pub fn subprotocols(values: &[&[u8]]) {
    let mut lines = vec![
        Header { name: "Host", value: b"a" },
        Header { name: "Upgrade", value: b"websocket" },
        Header { name: "Connection", value: b"Upgrade" },
        Header { name: "Sec-WebSocket-Version", value: b"13" },
        Header { name: "Sec-WebSocket-Key", value: b"dGhlIHNhbXBsZSBub25jZQ==" },
    ];
    lines.extend(values.iter().map(|value| Header { name: "sec-websocket-protocol", value }));
    let offered = naive_elements(values);
    let are_tokens = offered.iter().all(|name| is_naive_token(name));
    let are_unique = offered.iter().collect::<HashSet<_>>().len() == offered.len();
    let request = Request::from_parts("GET", "/", Version::Http11, &lines);
    match Upgrade::read(&request) {
        Ok(upgrade) => {
            assert!(are_tokens && are_unique && (values.is_empty() || !offered.is_empty()));
            let protocols: Vec<&[u8]> = upgrade.protocols().map(str::as_bytes).collect();
            assert_eq!(protocols, offered);
            let supported: Vec<&str> = upgrade.protocols().skip(1).collect();
            assert_eq!(upgrade.select_protocol(&supported), supported.first().copied());
        }
        Err(Refusal::BadRequest(BadRequest::Protocol)) => {
            assert!(!are_tokens || offered.is_empty());
        }
        Err(Refusal::BadRequest(BadRequest::DuplicateProtocol)) => assert!(!are_unique),
        Err(Refusal::BadRequest(BadRequest::TooManyProtocols)) => assert!(offered.len() > 64),
        Err(refusal) => panic!("{refusal:?} is not about subprotocols"),
    }
}

/// The parts of a URI make a request that can be written, and make the same URI when they are put
/// together; every other text with a host and a path that can be written is one.
pub fn uri(text: &str) {
    let mut out = Outbox::new(&Limits::default());
    let mut is_written = |connect: &Connect<'_, '_>| connect.write([0; 16], &mut out).is_ok();
    if let Ok(uri) = Uri::parse(text) {
        assert!(is_written(&Connect::to(&uri)), "{text}");
        let scheme = if uri.is_secure() { "wss" } else { "ws" };
        let again = format!("{scheme}://{}{}", uri.authority(), uri.target());
        assert_eq!(Uri::parse(&again).as_ref(), Ok(&uri), "{text}");
    } else if let Some((host, path)) =
        text.strip_prefix("ws://").and_then(|rest| rest.split_once('/'))
    {
        let port = host.rsplit_once(':').map_or("", |(_, port)| port);
        let is_port = port.ends_with(']') || port.is_empty() || port.parse::<u16>().is_ok();
        assert!(!is_port || !is_written(&Connect::new(host, &format!("/{path}"))), "{text}");
    }
}

pub fn target(bytes: &[u8]) {
    let values: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
    let (last, rest) = values.split_last().expect("there is always one");
    lists(&values, std::str::from_utf8(last).unwrap_or("upgrade"));
    content_length(&values);
    subprotocols(rest);
    naive_elements(&values).into_iter().chain(values).for_each(extension);
    if let Ok(text) = std::str::from_utf8(bytes) {
        uri(text);
        uri(&format!("ws://{text}"));
    }
    if let Ok((name, params)) = Unstructured::new(bytes).arbitrary() {
        NaiveExtension { name, params }.quoted_is_read();
    }
}

fn naive_elements<'b>(values: &[&'b [u8]]) -> Vec<&'b [u8]> {
    let elements = values.iter().flat_map(|value| value.split(|&byte| byte == b','));
    elements.map(trim).filter(|element| !element.is_empty()).collect()
}

/// RFC 9110 §5.6.3: optional white space is spaces and tabs.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// RFC 9110 §5.6.2.
fn is_naive_token(bytes: &[u8]) -> bool {
    let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(is_tchar)
}

/// An extension as §9.1 writes it: a token, then parameters, each with a value or without, which is a
/// token or a quoted token.
#[derive(Debug, PartialEq, Eq)]
struct NaiveExtension {
    name: String,
    params: Vec<(String, Option<String>)>,
}

impl NaiveExtension {
    fn read(element: &[u8]) -> Option<Self> {
        let mut rest = element;
        let name = read_token(&mut rest)?;
        let mut params = Vec::new();
        while !rest.is_empty() {
            read_byte(&mut rest, b';')?;
            let name = read_token(&mut rest)?;
            let value = match read_byte(&mut rest, b'=') {
                Some(()) => Some(read_quoted(&mut rest).or_else(|| read_token(&mut rest))?),
                None => None,
            };
            params.push((name, value));
        }
        Some(Self { name, params })
    }

    fn write(&self) -> String {
        let params = self.params.iter().map(|(name, value)| match value {
            Some(value) => format!(";{name}={value}"),
            None => format!(";{name}"),
        });
        self.name.clone() + &params.collect::<String>()
    }

    /// Writes every value quoted, every second character of it with a backslash, and reads it again.
    fn quoted_is_read(&self) {
        let are_tokens = is_naive_token(self.name.as_bytes())
            && self.params.iter().all(|(name, value)| {
                is_naive_token(name.as_bytes())
                    && value.as_ref().is_none_or(|value| is_naive_token(value.as_bytes()))
            });
        if !are_tokens {
            return;
        }
        let mut written = self.name.clone();
        for (name, value) in &self.params {
            written += &format!("\t; {name} ");
            if let Some(value) = value {
                written += "= \"";
                for (at, character) in value.chars().enumerate() {
                    written.extend((at % 2 == 1).then_some('\\'));
                    written.push(character);
                }
                written += "\" ";
            }
        }
        extension(written.as_bytes());
        assert_eq!(Self::read(written.as_bytes()).as_ref(), Some(self));
    }
}

/// A token with the white space around it.
fn read_token(rest: &mut &[u8]) -> Option<String> {
    let start = skip_space(rest);
    let len = start.iter().position(|byte| !is_naive_token(&[*byte])).unwrap_or(start.len());
    let (token, behind) = start.split_at(len);
    *rest = skip_space(behind);
    (len > 0).then(|| String::from_utf8_lossy(token).into_owned())
}

/// A quoted token with the white space around it.
fn read_quoted(rest: &mut &[u8]) -> Option<String> {
    let mut bytes = skip_space(rest).strip_prefix(b"\"")?;
    let mut value = String::new();
    loop {
        let (&byte, behind) = bytes.split_first()?;
        let (byte, behind) = match byte {
            b'"' if is_naive_token(value.as_bytes()) => {
                *rest = skip_space(behind);
                return Some(value);
            }
            b'"' => return None,
            b'\\' => behind.split_first().map(|(&byte, behind)| (byte, behind))?,
            _ => (byte, behind),
        };
        value.push(char::from(byte));
        bytes = behind;
    }
}

fn read_byte(rest: &mut &[u8], byte: u8) -> Option<()> {
    *rest = rest.strip_prefix(&[byte])?;
    Some(())
}

fn skip_space(bytes: &[u8]) -> &[u8] {
    let spaces = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &bytes[spaces..]
}
