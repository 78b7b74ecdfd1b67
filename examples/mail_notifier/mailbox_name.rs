//! Which names a mailbox may have.
//!
//! A name comes from tokens, queries, publishers and command lines, and becomes the name of a
//! folder. So the rule stands here once, and whoever takes a name from outside asks it.

/// The longest name, in bytes: what file systems allow for one folder.
pub const MAX_NAME: usize = 255;

/// Whether `name` is one folder inside the mail root: neither a path nor hidden, and fit for a line
/// of a log.
pub fn is_valid(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME
        && !name.starts_with('.')
        && !name.contains("..")
        && !name.contains(|char: char| char == '/' || char.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_are_valid() {
        for name in ["alice", "al ice", "alice@example.org", "a.b", "-a", "Jürgen", "邮件", "a\\b"]
        {
            assert!(is_valid(name), "{name}");
        }
        assert!(is_valid(&"a".repeat(255)));
    }

    #[test]
    fn paths_and_hidden_folders_are_not() {
        for name in [
            "", ".", "..", ".a", "a/b", "/a", "a/", "../a", "a..b", "a\0", "a\n", "a\x7f",
            "a\u{85}",
        ] {
            assert!(!is_valid(name), "{name:?}");
        }
        assert!(!is_valid(&"a".repeat(256)));
        assert!(!is_valid(&"ä".repeat(128)));
    }
}
