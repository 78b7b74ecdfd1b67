//! Who may watch which mailbox: the origin of the page, the token, and what the query asks for.
//!
//! In this order: a page of another site is sent away before anything else is looked at, so that it
//! learns nothing about the tokens of its visitors.

use dormouse::server::{Answer, Refusal, Upgrade};

use crate::mailbox_name;
use crate::origin::Origins;
use crate::token::{Key, TokenError};

/// The protocol of the notices, which a client may offer as a subprotocol. One that sends its token
/// like that has to.
const PROTOCOL: &str = "mail.v1";
/// What a token is called as a cookie.
const COOKIE: &str = "mail_token";
/// How a subprotocol begins that carries a token: browsers let a page set no other field.
const TOKEN_PROTOCOL: &str = "token.";

const UNAUTHORIZED: Refusal = Refusal::Unauthorized { challenge: "Bearer" };

/// Who may watch.
pub enum Access {
    /// Everybody, every mailbox.
    Open,
    /// Who has a token, the mailbox that it names.
    Tokens(Key),
}

/// The rules of one server.
pub struct Rules {
    pub access: Access,
    pub origins: Origins,
}

/// What a client may see, and what it asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Admitted {
    pub mailbox: String,
    /// The last mail that the client knows of.
    pub since: Option<u64>,
    /// The numbering that `since` belongs to.
    pub epoch: Option<String>,
    /// The subprotocol to agree on.
    pub protocol: Option<&'static str>,
}

impl Rules {
    /// Decides about one request at the time `now`, in seconds since 1970.
    ///
    /// A token is looked for among the subprotocols, in the query and in the cookies, in this order:
    /// what a page says itself counts before what the browser adds. The first valid one decides; if
    /// none is valid, the first one tells why.
    ///
    /// # Errors
    /// [`Denial`], with the answer to be sent.
    pub fn admit(&self, upgrade: &Upgrade<'_, '_>, now: u64) -> Result<Admitted, Denial> {
        if !self.origins.admit(upgrade) {
            return Err(Denial::Origin);
        }
        let query = Query::parse(upgrade.query().unwrap_or_default())?;
        let mailbox = match &self.access {
            Access::Open => query.mailbox.ok_or(Denial::MailboxName)?,
            Access::Tokens(key) => {
                let mailbox = verify(key, tokens(upgrade, query.token.as_deref()), now)?;
                if query.mailbox.is_some_and(|asked| asked != mailbox) {
                    return Err(Denial::OtherMailbox);
                }
                mailbox
            }
        };
        let protocol = upgrade.select_protocol(&[PROTOCOL]);
        if protocol.is_none() && offers_only_tokens(upgrade) {
            return Err(Denial::Protocol);
        }
        Ok(Admitted { mailbox, since: query.since, epoch: query.epoch, protocol })
    }
}

/// Why a request does not become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// By the rules of the handshake.
    Handshake(Refusal),
    /// The page is not one of those that may connect.
    Origin,
    /// The query is malformed, says something twice, or `since` is no number.
    Query,
    /// The query names no mailbox, or it is no name for one.
    MailboxName,
    NoToken,
    Token(TokenError),
    /// The token is for another mailbox.
    OtherMailbox,
    /// Of the subprotocols that are offered, none is more than a token. None of them could be agreed
    /// on, and browsers fail a connection where none is.
    Protocol,
}

impl Denial {
    /// The reason in a word that stays the same, for logs and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Handshake(_) => "handshake",
            Self::Origin => "origin",
            Self::Query => "query",
            Self::MailboxName => "mailbox_name",
            Self::NoToken => "no_token",
            Self::Token(TokenError::Malformed) => "malformed_token",
            Self::Token(TokenError::Forged) => "forged",
            Self::Token(TokenError::Expired) => "expired",
            Self::OtherMailbox => "other_mailbox",
            Self::Protocol => "protocol",
        }
    }

    /// The answer, after which the connection ends.
    pub fn answer(self) -> Answer<'static> {
        let (refusal, body) = match self {
            Self::Handshake(refusal) => return refusal.answer(),
            Self::Query => {
                let body = "the query is malformed: /ws?mailbox=NAME&since=NUMBER&epoch=WORD";
                return Answer::new(400).body(body.as_bytes()).close();
            }
            Self::MailboxName => {
                return Answer::new(400).body(b"which mailbox? /ws?mailbox=NAME").close();
            }
            Self::Protocol => {
                let body = "offer two subprotocols: mail.v1, token.TOKEN";
                return Answer::new(400).body(body.as_bytes()).close();
            }
            Self::Origin => (Refusal::Forbidden, "pages of this origin may not connect"),
            Self::OtherMailbox => (Refusal::Forbidden, "the token is for another mailbox"),
            Self::NoToken => (UNAUTHORIZED, "a token is required"),
            // A forger need not know how far he got.
            Self::Token(TokenError::Malformed | TokenError::Forged) => {
                (UNAUTHORIZED, "the token is not valid")
            }
            Self::Token(TokenError::Expired) => (UNAUTHORIZED, "the token has expired"),
        };
        refusal.answer().body(body.as_bytes())
    }
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        Self::Handshake(refusal)
    }
}

/// Everything in a request that claims to be a token.
fn tokens<'a>(upgrade: &Upgrade<'_, 'a>, query: Option<&'a str>) -> impl Iterator<Item = &'a str> {
    let offered = upgrade.protocols().filter_map(|protocol| protocol.strip_prefix(TOKEN_PROTOCOL));
    let lines =
        upgrade.request().headers("Cookie").filter_map(|line| std::str::from_utf8(line).ok());
    let cookies = lines.flat_map(|line| line.split(';')).filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE).then_some(value)
    });
    offered.chain(query).chain(cookies)
}

/// Whether there are subprotocols, and each carries a token.
fn offers_only_tokens(upgrade: &Upgrade<'_, '_>) -> bool {
    let mut offered = upgrade.protocols().peekable();
    offered.peek().is_some() && offered.all(|protocol| protocol.starts_with(TOKEN_PROTOCOL))
}

fn verify<'a>(
    key: &Key,
    tokens: impl Iterator<Item = &'a str>,
    now: u64,
) -> Result<String, Denial> {
    let mut first_error = None;
    for token in tokens {
        match key.verify(token, now) {
            Ok(mailbox) => return Ok(mailbox),
            Err(error) => first_error = first_error.or(Some(Denial::Token(error))),
        }
    }
    Err(first_error.unwrap_or(Denial::NoToken))
}

/// What a query asks for. Keys that are not known are for others to read.
#[derive(Default)]
struct Query {
    mailbox: Option<String>,
    token: Option<String>,
    since: Option<u64>,
    epoch: Option<String>,
}

impl Query {
    fn parse(query: &str) -> Result<Self, Denial> {
        let mut read = Self::default();
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let is_new = match key {
                "mailbox" => {
                    let name = percent_decode(value).filter(|name| mailbox_name::is_valid(name));
                    read.mailbox.replace(name.ok_or(Denial::MailboxName)?).is_none()
                }
                "token" => read.token.replace(text(value)?).is_none(),
                "since" => read.since.replace(number(&text(value)?)?).is_none(),
                "epoch" => read.epoch.replace(text(value)?).is_none(),
                _ => true,
            };
            if !is_new {
                return Err(Denial::Query);
            }
        }
        Ok(read)
    }
}

fn text(value: &str) -> Result<String, Denial> {
    percent_decode(value).ok_or(Denial::Query)
}

/// Digits and nothing else: `parse` would take a sign.
fn number(text: &str) -> Result<u64, Denial> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).ok_or(Denial::Query)
}

/// Decodes a value the way forms encode it: `+` for a space, `%` and two digits for any other byte.
fn percent_decode(value: &str) -> Option<String> {
    let mut bytes = value.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_digit(bytes.next()?)? * 16 + hex_digit(bytes.next()?)?,
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use dormouse::http::{EMPTY_HEADER, Request};

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn key() -> Key {
        Key::new(&[b'k'; 32]).unwrap()
    }

    fn token(mailbox: &str) -> String {
        key().sign(mailbox, NOW + 60)
    }

    fn open() -> Rules {
        Rules { access: Access::Open, origins: Origins::SameHost }
    }

    fn with_tokens() -> Rules {
        Rules { access: Access::Tokens(key()), origins: Origins::SameHost }
    }

    /// Asks for `/ws` with a query and further fields.
    fn admit(rules: &Rules, query: &str, fields: &[&str]) -> Result<Admitted, Denial> {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        let head = format!(
            "GET /ws{query} HTTP/1.1\r\nHost: localhost:9001\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
        );
        let mut headers = [EMPTY_HEADER; 32];
        let request = Request::parse(head.as_bytes(), &mut headers).unwrap();
        rules.admit(&Upgrade::read(&request)?, NOW)
    }

    /// The mailbox, or the reason.
    fn outcome(rules: &Rules, query: &str, fields: &[&str]) -> Result<String, &'static str> {
        admit(rules, query, fields)
            .map(|admitted| admitted.mailbox)
            .map_err(|denial| denial.reason())
    }

    #[test]
    fn the_query_names_the_mailbox_when_all_is_open() {
        for (query, expected) in [
            ("?mailbox=alice", Ok("alice")),
            ("?mailbox=%61lice", Ok("alice")),
            ("?other=1&mailbox=al+ice&x", Ok("al ice")),
            ("?mailbox=al%20ice", Ok("al ice")),
            ("?mailbox=alice&token=anything", Ok("alice")),
            ("", Err("mailbox_name")),
            ("?", Err("mailbox_name")),
            ("?mailbox", Err("mailbox_name")),
            ("?mailbox=", Err("mailbox_name")),
            ("?mailbox=.%2e", Err("mailbox_name")),
            ("?mailbox=..%2Falice", Err("mailbox_name")),
            ("?mailbox=alice%2Fnew", Err("mailbox_name")),
            ("?mailbox=alice%00", Err("mailbox_name")),
            ("?mailbox=alice%0d%0a", Err("mailbox_name")),
            ("?mailbox=alice%", Err("mailbox_name")),
            ("?mailbox=alice%+1", Err("mailbox_name")),
            ("?mailbox=%ff", Err("mailbox_name")),
            ("?mailbox=alice&mailbox=alice", Err("query")),
            ("?token=..", Err("mailbox_name")),
        ] {
            let expected = expected.map(str::to_owned);
            assert_eq!(outcome(&open(), query, &[]), expected, "{query}");
        }
    }

    #[test]
    fn a_client_says_where_it_was() {
        let asked = |query: &str| {
            let query = format!("?mailbox=alice{query}");
            admit(&open(), &query, &[]).map(|admitted| (admitted.since, admitted.epoch))
        };
        assert_eq!(asked(""), Ok((None, None)));
        assert_eq!(asked("&since=0"), Ok((Some(0), None)));
        let whole = asked("&epoch=k3J%2D&since=18446744073709551615");
        assert_eq!(whole, Ok((Some(u64::MAX), Some("k3J-".to_owned()))));
        for query in [
            "&since=",
            "&since=-1",
            "&since=%2B1",
            "&since=+1",
            "&since=1.5",
            "&since=0x1",
            "&since=18446744073709551616",
            "&since=1&since=1",
            "&epoch=%ff",
            "&epoch=a&epoch=b",
            "&token=a&token=b",
        ] {
            assert_eq!(asked(query), Err(Denial::Query), "{query}");
        }
    }

    #[test]
    fn a_token_comes_in_three_ways() {
        let alice = token("alice");
        let cookie = format!("Cookie: theme=dark; mail_token={alice}; x=y");
        let second = format!("Cookie: mail_token={alice}");
        let protocol = format!("Sec-WebSocket-Protocol: mail.v1, token.{alice}");
        let rules = with_tokens();
        let expected = Ok("alice".to_owned());
        for asked in ["", "?mailbox=alice"] {
            assert_eq!(outcome(&rules, asked, &[&cookie]), expected);
            assert_eq!(outcome(&rules, asked, &["Cookie: a=b", &second]), expected);
            assert_eq!(outcome(&rules, asked, &[&protocol]), expected);
        }
        assert_eq!(outcome(&rules, &format!("?token={alice}"), &[]), expected);
        assert_eq!(outcome(&rules, &format!("?mailbox=alice&token={alice}"), &[]), expected);
        for other in [format!("Cookie: token={alice}"), format!("Cookie: xmail_token={alice}")] {
            assert_eq!(outcome(&rules, "", &[&other]), Err("no_token"), "{other}");
        }
    }

    #[test]
    fn a_token_that_is_no_good_has_its_reason() {
        let rules = with_tokens();
        let expired = key().sign("alice", NOW);
        let forged = Key::new(&[b'x'; 32]).unwrap().sign("alice", NOW + 60);
        for (query, reason, status) in [
            ("?mailbox=alice".to_owned(), "no_token", 401),
            (format!("?token={expired}"), "expired", 401),
            (format!("?token={forged}"), "forged", 401),
            ("?token=alice".to_owned(), "malformed_token", 401),
            ("?token=".to_owned(), "malformed_token", 401),
            ("?token=%ff".to_owned(), "query", 400),
            (format!("?mailbox=bob&token={}", token("alice")), "other_mailbox", 403),
            (format!("?mailbox=..&token={}", token("alice")), "mailbox_name", 400),
            (format!("?since=x&token={}", token("alice")), "query", 400),
        ] {
            let denial = admit(&rules, &query, &[]).unwrap_err();
            assert_eq!((denial.reason(), denial.answer().status()), (reason, status), "{query}");
        }
    }

    #[test]
    fn the_first_valid_token_decides() {
        let rules = with_tokens();
        let protocol = |token: &str| format!("Sec-WebSocket-Protocol: token.{token}, mail.v1");
        let cookies = |tokens: [&str; 2]| {
            format!("Cookie: mail_token={}; mail_token={}", tokens[0], tokens[1])
        };
        let [a, b, c] = ["a", "b", "c"].map(token);
        let expired = key().sign("old", NOW);
        let asked = |query: &str, fields: &[String]| {
            let fields: Vec<_> = fields.iter().map(String::as_str).collect();
            outcome(&rules, query, &fields)
        };
        let query = format!("?token={b}");
        let good = |mailbox: &str| Ok(mailbox.to_owned());
        assert_eq!(asked(&query, &[protocol(&a), cookies([&c, &c])]), good("a"));
        assert_eq!(asked(&query, &[cookies([&c, &c])]), good("b"));
        assert_eq!(asked("", &[cookies([&expired, &c])]), good("c"));
        assert_eq!(asked(&query, &[protocol(&expired)]), good("b"));
        assert_eq!(asked("?token=x", &[protocol(&expired)]), Err("expired"));
        assert_eq!(asked("?token=x", &[cookies([&expired, "y"])]), Err("malformed_token"));
        assert_eq!(asked("?mailbox=c", &[protocol(&a), cookies([&c, &c])]), Err("other_mailbox"));
    }

    #[test]
    fn only_the_protocol_of_the_notices_is_agreed_on() {
        let agreed = |fields: &[&str]| {
            let query = format!("?mailbox=alice&token={}", token("alice"));
            admit(&with_tokens(), &query, fields).unwrap().protocol
        };
        assert_eq!(agreed(&[]), None);
        assert_eq!(agreed(&["Sec-WebSocket-Protocol: token.x, mail.v1"]), Some("mail.v1"));
        assert_eq!(agreed(&["Sec-WebSocket-Protocol: token.x, mail.v2"]), None);
    }

    #[test]
    fn who_offers_a_token_offers_a_protocol_with_it() {
        let alice = token("alice");
        let (only, two) = (format!("token.{alice}"), format!("token.{alice}, token.x"));
        for rules in [open(), with_tokens()] {
            let asked = |offered: &str| {
                let query = format!("?mailbox=alice&token={alice}");
                admit(&rules, &query, &[&format!("Sec-WebSocket-Protocol: {offered}")])
            };
            for offered in [&only, &two] {
                let denial = asked(offered).unwrap_err();
                assert_eq!((denial.reason(), denial.answer().status()), ("protocol", 400));
            }
            for (more, agreed) in [("mail.v1", Some("mail.v1")), ("chat", None), ("token", None)] {
                let admitted = asked(&format!("{only}, {more}")).unwrap();
                assert_eq!((admitted.mailbox.as_str(), admitted.protocol), ("alice", agreed));
            }
        }
        // What is wrong with the token is said first.
        let field = "Sec-WebSocket-Protocol: token.x";
        assert_eq!(outcome(&with_tokens(), "", &[field]), Err("malformed_token"));
    }

    #[test]
    fn s10_2_other_origins_are_refused() {
        let listed = ["https://mail.example.org", "http://localhost:3000"];
        let mut list = Origins::SameHost;
        listed.iter().for_each(|origin| list.add(origin).unwrap());
        for (origin, same_host, is_listed) in [
            ("http://localhost:9001", true, false),
            ("https://LOCALHOST:9001", true, false),
            ("http://localhost", false, false),
            ("http://localhost:9001.example.org", false, false),
            ("http://user@localhost:9001", false, false),
            ("localhost:9001", false, false),
            ("null", false, false),
            ("https://mail.example.org", false, true),
            ("https://Mail.Example.org", false, true),
            ("http://mail.example.org", false, false),
            ("https://mail.example.org:8443", false, false),
            ("http://localhost:3000", false, true),
        ] {
            let field = format!("Origin: {origin}");
            for (origins, expected) in
                [(Origins::SameHost, same_host), (list.clone(), is_listed), (Origins::Any, true)]
            {
                // The origin is looked at before the token and the query.
                for access in [Access::Open, Access::Tokens(key())] {
                    let rules = Rules { access, origins: origins.clone() };
                    let denial = admit(&rules, "?since=x", &[&field]).unwrap_err();
                    assert_eq!(denial != Denial::Origin, expected, "{origin}");
                }
            }
        }
        assert_eq!(Denial::Origin.answer().status(), 403);
        let rules = Rules { access: Access::Open, origins: list };
        assert_eq!(outcome(&rules, "?mailbox=a", &[]), Ok("a".to_owned()));
    }

    #[test]
    fn what_the_handshake_refuses_is_passed_on() {
        let denial = Denial::from(Refusal::WebSocketVersion);
        assert_eq!((denial.reason(), denial.answer().status()), ("handshake", 426));
    }
}
