//! The page: one file with its style and its script inside, and the policy that lets nothing else
//! run.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dormouse::server::Answer;
use sha2::{Digest, Sha256};

const HTML: &str = include_str!("page.html");

/// The page as it is served.
pub struct Page {
    policy: String,
}

impl Page {
    /// The page with a policy that is made for it: only its own style and script, known by their
    /// hashes, may run, it may talk to this server only, and no other site may frame it.
    pub fn new() -> Self {
        let (style, script) = (hash(inside("style")), hash(inside("script")));
        let policy = format!(
            "default-src 'none'; style-src '{style}'; script-src '{script}'; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        Self { policy }
    }

    /// The fields that go along with the page.
    pub fn fields(&self) -> [(&str, &str); 4] {
        [
            ("Content-Security-Policy", &self.policy),
            ("Cache-Control", "no-cache"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
        ]
    }

    /// The answer with the page, to which the fields have to be added.
    pub fn answer(&self) -> Answer<'static> {
        Answer::new(200).content_type("text/html; charset=utf-8").body(HTML.as_bytes())
    }
}

/// What the only element of this kind holds.
fn inside(element: &str) -> &'static str {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let inside = HTML.split_once(&open).and_then(|(_, rest)| rest.split_once(&close));
    inside.map_or("", |(inside, _)| inside)
}

/// A hash the way a policy writes it (CSP Level 3, section 2.3.1).
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_style_and_one_script_and_nothing_from_outside() {
        for element in ["style", "script"] {
            assert!(inside(element).len() > 100, "{element}");
            assert_eq!(HTML.matches(&format!("<{element}")).count(), 1, "{element}");
        }
        for outside in ["http://", "https://", "src=", " style=", " onclick=", "@import", "url("] {
            assert!(!HTML.contains(outside), "{outside}");
        }
    }

    #[test]
    fn a_known_hash() {
        assert_eq!(
            hash("alert('Hello, world.');"),
            "sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng="
        );
    }
}
