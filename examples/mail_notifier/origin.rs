//! Which pages may open a WebSocket to this server.

use dormouse::server::Upgrade;

/// Which pages may connect.
///
/// Browsers let every page open WebSockets to every server and send the server's cookies along. So
/// without this check any web site could read the notices of whoever visits it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Those of the host that the request is for.
    SameHost,
    /// Those of the origins listed, such as `https://mail.example.org`.
    List(Vec<String>),
    /// Those of every site.
    Any,
}

impl Origins {
    /// Adds an origin, or `any`, to what has been listed before. The first one replaces the default.
    ///
    /// # Errors
    /// A line that says why this cannot be the origin of a page.
    pub fn add(&mut self, origin: &str) -> Result<(), String> {
        match (origin, &mut *self) {
            ("any", Self::List(_)) | (_, Self::Any) => {
                return Err("\"any\" leaves nothing to list".to_owned());
            }
            ("any", Self::SameHost) => *self = Self::Any,
            (origin, Self::SameHost) => *self = Self::List(vec![read_origin(origin)?]),
            (origin, Self::List(list)) => list.push(read_origin(origin)?),
        }
        Ok(())
    }

    /// Whether the connection comes from such a page, or from a program that is no browser.
    pub fn admit(&self, upgrade: &Upgrade<'_, '_>) -> bool {
        let Some(origin) = upgrade.origin() else { return true };
        match self {
            Self::Any => true,
            Self::List(list) => list.iter().any(|listed| listed.eq_ignore_ascii_case(origin)),
            Self::SameHost => {
                let host = upgrade.request().host();
                authority(origin).is_some_and(|authority| {
                    host.is_some_and(|host| host.eq_ignore_ascii_case(authority.as_bytes()))
                })
            }
        }
    }
}

/// An origin as browsers write it.
fn read_origin(text: &str) -> Result<String, String> {
    let origin = text.to_ascii_lowercase();
    let is_authority = |authority: &str| {
        let has_other = |byte: u8| !byte.is_ascii_graphic() || b"/?#@,".contains(&byte);
        !authority.is_empty() && !authority.bytes().any(has_other)
    };
    let usual_port = if origin.starts_with("https:") { ":443" } else { ":80" };
    match authority(&origin) {
        Some(authority) if !is_authority(authority) => {
            Err(format!("not an origin like https://mail.example.org: {text}"))
        }
        Some(authority) if authority.ends_with(usual_port) => {
            Err(format!("browsers leave out {usual_port} in an origin: {text}"))
        }
        Some(_) => Ok(origin),
        None => Err(format!("not an origin like https://mail.example.org: {text}")),
    }
}

/// Host and port of the origin of a page.
fn authority(origin: &str) -> Option<&str> {
    origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_listed_one_by_one() {
        let list = |words: &[&str]| {
            let mut origins = Origins::SameHost;
            words.iter().try_for_each(|word| origins.add(word)).map(|()| origins)
        };
        assert_eq!(list(&[]), Ok(Origins::SameHost));
        assert_eq!(list(&["any"]), Ok(Origins::Any));
        let expected = Origins::List(vec!["https://a".to_owned(), "http://[::1]:80a".to_owned()]);
        assert_eq!(list(&["HTTPS://A", "http://[::1]:80a"]), Ok(expected));
        for words in [
            &["any", "any"][..],
            &["any", "https://a"],
            &["https://a", "any"],
            &["a.example.org"],
            &["https://"],
            &["https://a/"],
            &["https://a/b"],
            &["https://a?b"],
            &["https://a@b"],
            &["https://a b"],
            &["https://a,https://b"],
            &["null"],
            &["*"],
            &["ws://a"],
            &[""],
            &["https://a:443"],
            &["http://a:80"],
        ] {
            assert!(list(words).is_err(), "{words:?}");
        }
    }
}
