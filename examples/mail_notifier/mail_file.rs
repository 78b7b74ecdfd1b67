//! The files of a mailbox: which of them are mails, and which of these nobody has seen.
//!
//! A mail begins in `new`. Whoever shows it to somebody moves it to `cur` and appends an *info* to
//! its name, `:2,` and a letter for each flag: `S` for seen, `T` for trashed. Where file names must
//! not have a colon it is `;2,` or `!2,`. What is before the info, the base name, never changes.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A folder of a mailbox that holds mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    New,
    Cur,
}

/// The name of a mail's file, taken apart. Whether there is such a file is another question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailFile<'n> {
    pub folder: Folder,
    pub base: &'n OsStr,
    info: &'n OsStr,
}

/// Where an unseen mail is: the folder, and what follows its base name there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    folder: Folder,
    info: Box<OsStr>,
}

impl Folder {
    /// Both of them. In this order a mail that moves while they are listed is not missed.
    pub const ALL: [Self; 2] = [Self::New, Self::Cur];

    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Cur => "cur",
        }
    }

    /// The folder of this name, if it is one that holds mail.
    pub fn named(name: &OsStr) -> Option<Self> {
        Self::ALL.into_iter().find(|folder| name == folder.name())
    }
}

impl<'n> MailFile<'n> {
    /// Takes the name of a file in `folder` apart; `None` if it cannot be that of a mail.
    pub fn parse(folder: Folder, name: &'n OsStr) -> Option<Self> {
        if is_hidden(name) {
            return None;
        }
        let bytes = name.as_bytes();
        let is_info = |at: &[u8]| matches!(at, [b':' | b';' | b'!', b'2', b',']);
        // A base name has no colon, so that an info of another version ends it, too.
        let end = bytes
            .windows(3)
            .rposition(is_info)
            .or_else(|| bytes.iter().position(|byte| *byte == b':'))
            .unwrap_or(bytes.len());
        let (base, info) = bytes.split_at(end);
        Some(Self { folder, base: OsStr::from_bytes(base), info: OsStr::from_bytes(info) })
    }

    /// Where the file is in its mailbox.
    pub fn path(&self) -> PathBuf {
        let mut name = self.base.to_owned();
        name.push(self.info);
        Path::new(self.folder.name()).join(name)
    }

    /// Where the mail is, if nobody has seen it.
    pub fn unseen(&self) -> Option<Place> {
        let is_unseen =
            self.folder == Folder::New || !self.flags().any(|flag| b"ST".contains(flag));
        is_unseen.then(|| Place { folder: self.folder, info: self.info.into() })
    }

    /// Whether this is the file at a place.
    pub fn is_at(&self, place: &Place) -> bool {
        *self == place.file(self.base)
    }

    /// The letters after `:2,`.
    fn flags(&self) -> impl Iterator<Item = &u8> {
        let flags = match self.info.as_bytes() {
            [_, b'2', b',', flags @ ..] => flags,
            _ => &[],
        };
        flags.iter().take_while(|byte| byte.is_ascii_alphabetic())
    }
}

impl Place {
    /// The file of the mail with this base name there.
    pub fn file<'n>(&'n self, base: &'n OsStr) -> MailFile<'n> {
        MailFile { folder: self.folder, base, info: &self.info }
    }
}

/// Names that begin with a dot are no mails.
fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".")
}

/// Whether an error says that there is no such file, rather than that it cannot be known.
pub fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// The unseen mails of the mailbox at `path`, by their base names; `None` if there is no mailbox,
/// which is to say no folder `new`.
///
/// # Errors
/// When one of the folders is there and cannot be read.
pub fn list(path: &Path) -> io::Result<Option<HashMap<Box<OsStr>, Place>>> {
    let mut unseen = HashMap::new();
    for folder in Folder::ALL {
        let entries = match fs::read_dir(path.join(folder.name())) {
            Err(error) if is_missing(&error) && folder == Folder::New => return Ok(None),
            Err(error) if is_missing(&error) => return Ok(Some(unseen)),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let Some(file) = MailFile::parse(folder, &name).filter(|_| is_file(&entry)) else {
                continue;
            };
            match file.unseen() {
                Some(place) => unseen.insert(file.base.into(), place),
                None => unseen.remove(file.base),
            };
        }
    }
    Ok(Some(unseen))
}

/// Whether an entry is a file, or a link to one. Asks the file system only about links.
fn is_file(entry: &fs::DirEntry) -> bool {
    entry
        .file_type()
        .is_ok_and(|kind| kind.is_file() || (kind.is_symlink() && entry.path().is_file()))
}

/// The order in which mails were delivered, as far as their names tell. They begin with the seconds
/// and go on with parts of one, which are written with as many digits as they happen to have.
pub fn by_age(a: &OsStr, b: &OsStr) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (number, other) = (leading_number(&mut a), leading_number(&mut b));
        let by_number = number.len().cmp(&other.len()).then_with(|| number.cmp(other));
        if by_number != Ordering::Equal {
            return by_number;
        }
        match (a.split_first(), b.split_first()) {
            (Some((x, rest)), Some((y, others))) if x == y => (a, b) = (rest, others),
            (x, y) => return x.map(|(x, _)| x).cmp(&y.map(|(y, _)| y)),
        }
    }
}

/// Takes the digits off the begin of a name, without the zeros in front of them.
fn leading_number<'n>(name: &mut &'n [u8]) -> &'n [u8] {
    let len = name.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = name.split_at(len);
    *name = rest;
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    &digits[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        for (name, base, is_unseen) in [
            ("1.M2P3.host", "1.M2P3.host", true),
            ("1.host:2,", "1.host", true),
            ("1.host:2,S", "1.host", false),
            ("1.host:2,FRS", "1.host", false),
            ("1.host:2,DFPRa", "1.host", true),
            ("1.host:2,T", "1.host", false),
            ("1.host;2,S", "1.host", false),
            ("1.host!2,S", "1.host", false),
            ("1.host!2,R", "1.host", true),
            // A size is no flag, and where it is part of the base name no info either.
            ("1.host:2,,S=7", "1.host", true),
            ("1.host,S=7,W=8:2,R", "1.host,S=7,W=8", true),
            ("1.host,S=7", "1.host,S=7", true),
            // Only the last of what looks like an info is one.
            ("1!2,S.host:2,R", "1!2,S.host", true),
            ("1.host:1,S", "1.host", true),
            ("1!host", "1!host", true),
        ] {
            let file = MailFile::parse(Folder::Cur, OsStr::new(name)).unwrap();
            assert_eq!(
                (file.base, file.unseen().is_some()),
                (OsStr::new(base), is_unseen),
                "{name}"
            );
            assert_eq!(file.path(), Path::new("cur").join(name));
        }
        assert_eq!(MailFile::parse(Folder::Cur, OsStr::new(".1:2,")), None);
    }

    #[test]
    fn in_new_nothing_is_seen() {
        let file = MailFile::parse(Folder::New, OsStr::new("1:2,S")).unwrap();
        assert!(file.unseen().is_some());
        assert_eq!(file.base, "1");
    }

    #[test]
    fn unseen_mails_of_both_folders_are_listed() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        assert_eq!(list(root.path()).unwrap(), None);
        fs::create_dir(path("cur")).unwrap();
        assert_eq!(list(root.path()).unwrap(), None);
        fs::create_dir(path("new")).unwrap();
        for file in ["new/1", "new/2", "cur/2:2,S", "cur/3:2,", "cur/4:2,S", "cur/5:2,RT", "new/.6"]
        {
            fs::write(path(file), "").unwrap();
        }
        fs::create_dir(path("new/7")).unwrap();
        std::os::unix::fs::symlink("1", path("new/8")).unwrap();
        std::os::unix::fs::symlink("nowhere", path("new/9")).unwrap();
        let unseen = list(root.path()).unwrap().unwrap();
        let mut names: Vec<_> = unseen.keys().map(|name| name.to_str().unwrap()).collect();
        names.sort_unstable();
        // The second was moved while the folders were listed.
        assert_eq!(names, ["1", "3", "8"]);
        fs::remove_dir_all(path("cur")).unwrap();
        assert_eq!(list(root.path()).unwrap().unwrap().len(), 3);
    }

    #[test]
    fn what_cannot_be_read_is_not_missing() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("new")).unwrap();
        std::os::unix::fs::symlink("cur", root.path().join("cur")).unwrap();
        assert!(list(root.path()).is_err());
    }

    #[test]
    fn names_tell_the_age() {
        let names = [
            "a",
            "b1",
            "b1a",
            "1.M5P7.host",
            "9.M1P7.host",
            "10.M9P7.host",
            "10.M10P7.host",
            "10.M010P8.host",
            "10.M417241P1.host",
            "10.host",
        ];
        let mut mixed = names.map(OsStr::new);
        mixed.sort_by(|a, b| b.cmp(a));
        mixed.sort_by(|a, b| by_age(a, b));
        assert_eq!(mixed, names.map(OsStr::new));
    }
}
