//! The opening handshake (RFC 6455 §4): a head is the same however it is cut, and nothing is
//! accepted that a naive reader of the head would not accept.

pub mod client;
pub mod server;

use dormouse::http::{HeadError, HeadReader};
use dormouse::{Input, Limits};

use super::super::driver::cut;
use super::streams::WHOLE;

/// What a reader of heads makes of a stream: a head, that more is needed, or an error; and all bytes
/// behind the head.
type Read = (Result<Option<Vec<u8>>, HeadError>, Vec<u8>);

fn read(bytes: &[u8], limit: u32, portions: &[usize]) -> Read {
    let mut reader = HeadReader::new(&Limits { head: limit, ..Limits::default() });
    let mut found = Ok(None);
    let mut behind = Vec::new();
    for mut portion in cut(bytes, portions) {
        let mut input = Input::new(&mut portion);
        if found == Ok(None) {
            found = reader.next(&mut input).map(|head| head.map(|head| head.into_owned()));
            assert!(found != Ok(None) || input.is_empty(), "a reader that asks for more took all");
        }
        behind.extend(input.take_rest().iter());
    }
    if found.is_err() {
        assert_eq!(reader.next(&mut Input::new(&mut [])).map(|_| None), found, "errors are final");
        behind.clear();
    }
    (found, behind)
}

/// The same head, the same error and the same bytes behind it in `portions`, byte by byte and at
/// once. Returns the head.
fn any_partition(bytes: &[u8], limit: u32, portions: &[usize]) -> Option<Vec<u8>> {
    let whole = read(bytes, limit, WHOLE);
    for portions in [portions, &[1]] {
        assert_eq!(read(bytes, limit, portions), whole, "in {portions:?}");
    }
    let (Ok(Some(head)), behind) = whole else { return None };
    let before = bytes.len() - head.len() - behind.len();
    assert_eq!(bytes[before..], [&head[..], &behind].concat());
    assert!(bytes[..before].chunks(2).all(|line| line == b"\r\n"), "only empty lines are dropped");
    assert!(head.ends_with(b"\r\n\r\n") && before + head.len() <= limit as usize);
    let ends = head.windows(4).filter(|bytes| bytes == b"\r\n\r\n").count();
    assert_eq!(ends, 1, "a head ends with its first empty line");
    Some(head)
}

/// A head as a naive reader sees it: the first line, and the fields with lower-case names.
struct NaiveHead {
    first: String,
    fields: Vec<(String, String)>,
}

impl NaiveHead {
    fn of(head: &[u8]) -> Self {
        let text: String = head.iter().copied().map(char::from).collect();
        let mut lines = text.split("\r\n").take_while(|line| !line.is_empty());
        let first = lines.next().expect("a first line").to_owned();
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(':').expect("a colon in each line");
            assert!(!name.is_empty() && !name.contains([' ', '\t']), "{name:?}");
            (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned())
        });
        Self { first, fields: fields.collect() }
    }

    fn all(&self, name: &str) -> Vec<&str> {
        let same = self.fields.iter().filter(|(own, _)| own == name);
        same.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a field that has to be there once.
    fn one(&self, name: &str) -> &str {
        let values = self.all(name);
        assert_eq!(values.len(), 1, "{name}");
        values[0]
    }

    fn list(&self, name: &str) -> Vec<String> {
        let elements = self.all(name).join(",");
        let elements = elements.split(',').map(|element| element.trim_matches([' ', '\t']));
        elements.filter(|element| !element.is_empty()).map(str::to_ascii_lowercase).collect()
    }
}
