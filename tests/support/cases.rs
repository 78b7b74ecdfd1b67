//! Cases that are kept as text, so that they can be read without Rust and used with another library.
//!
//! What a line means is told at the top of each file of cases; here it is only read. A file with a
//! mistake is refused with the number of the line, because a case that says nothing tests nothing.

use std::collections::HashSet;

/// One case: bytes, and what has to come of them.
#[derive(Clone, Debug, Default)]
pub struct Case {
    pub name: String,
    /// What the peer sends.
    pub bytes: Vec<u8>,
    /// Every `key: value` in its order, those of the case before those of its `when:` block.
    fields: Vec<(String, String)>,
}

impl Case {
    /// The value of the first line called `key`.
    pub fn one(&self, key: &str) -> Option<&str> {
        self.all(key).next()
    }

    /// The values of every line called `key`.
    pub fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The outcome to expect: every case has one.
    pub fn expected(&self) -> &str {
        self.one("expect").expect("checked when the file was read")
    }

    /// The bytes that the line called `key` spells out; none if there is no such line.
    pub fn spelled(&self, key: &str) -> Vec<u8> {
        self.one(key)
            .map(|text| spell(text).expect("checked when the file was read"))
            .unwrap_or_default()
    }
}

/// What a file of cases may say.
pub struct Format {
    /// The keys that a case may have, beside `about`, `note` and `expect`.
    pub keys: &'static [&'static str],
    /// Those of them that spell out bytes.
    pub spelled: &'static [&'static str],
    /// Those that may come several times; a case has any other key once, and a `when:` block gives
    /// only those that the case does not have.
    pub lists: &'static [&'static str],
    /// The first words that `expect` may have.
    pub verdicts: &'static [&'static str],
}

impl Format {
    fn is_list(&self, key: &str) -> bool {
        key == "note" || self.lists.contains(&key)
    }
}

/// Reads a file of cases.
///
/// # Errors
///
/// The number of the line that is wrong, counted from 1, and why.
pub fn parse(text: &str, format: &Format) -> Result<Vec<Case>, String> {
    let mut blocks: Vec<(usize, Case)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        let wrong = |why: String| format!("line {number}: {why}");
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.ends_with([' ', '\t']) {
            return Err(wrong(
                "white space at the end, which nobody sees: write \\s or \\t".into(),
            ));
        }
        if line.starts_with("case: ") || line.starts_with("when: ") {
            blocks.push((number, Case { name: line.into(), ..Case::default() }));
            continue;
        }
        let Some((_, block)) = blocks.last_mut() else {
            return Err(wrong("this stands before the first case".into()));
        };
        match line.strip_prefix('|') {
            Some(text) => block.bytes.extend(spell_line(text).map_err(wrong)?),
            None => {
                let (key, value) = read_field(line, format).map_err(wrong)?;
                if block.one(&key).is_some() && !format.is_list(&key) {
                    return Err(wrong(format!("a second `{key}`")));
                }
                block.fields.push((key, value));
            }
        }
    }
    finish(blocks, format)
}

fn read_field(line: &str, format: &Format) -> Result<(String, String), String> {
    let (key, value) = line.split_once(": ").ok_or("neither `key: value` nor `| bytes`")?;
    let is_known = ["about", "note", "expect"].contains(&key) || format.keys.contains(&key);
    if !is_known {
        return Err(format!("no case has a `{key}`"));
    }
    if format.spelled.contains(&key) {
        spell(value)?;
    }
    if key == "expect" && !format.verdicts.contains(&first_word(value)) {
        return Err(format!("`{value}` is no verdict"));
    }
    Ok((key.into(), value.into()))
}

/// Gives each case the lines of the `when:` blocks for its verdict, and checks that it is whole.
fn finish(blocks: Vec<(usize, Case)>, format: &Format) -> Result<Vec<Case>, String> {
    let is_case = |(_, block): &(usize, Case)| block.name.starts_with("case: ");
    let (mut cases, shared): (Vec<_>, Vec<_>) = blocks.into_iter().partition(is_case);
    for (line, block) in &shared {
        let verdict = &block.name["when: ".len()..];
        if !format.verdicts.contains(&verdict) || !block.bytes.is_empty() {
            return Err(format!("line {line}: `{}` needs a verdict and no bytes", block.name));
        }
    }
    let mut names = HashSet::new();
    for (line, case) in &mut cases {
        let wrong = |why: &str| Err(format!("line {line}: {}: {why}", case.name));
        if case.one("expect").is_none() || case.one("about").is_none() {
            return wrong("a case has an `expect:` and an `about:`");
        }
        if !names.insert(case.name.clone()) {
            return wrong("there is another case of this name");
        }
        let verdict = format!("when: {}", first_word(case.expected()));
        for (_, block) in shared.iter().filter(|(_, block)| block.name == verdict) {
            for (key, value) in &block.fields {
                if format.is_list(key) || case.one(key).is_none() {
                    case.fields.push((key.clone(), value.clone()));
                }
            }
        }
        case.name.replace_range(.."case: ".len(), "");
    }
    Ok(cases.into_iter().map(|(_, case)| case).collect())
}

fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

/// A line of bytes, after its bar: CR LF follows unless a backslash is the last character.
fn spell_line(text: &str) -> Result<Vec<u8>, String> {
    let text = match text.strip_prefix(' ') {
        None if text.is_empty() => text,
        None => return Err("a space belongs behind the bar".into()),
        Some(text) => text,
    };
    let backslashes = text.len() - text.trim_end_matches('\\').len();
    if backslashes % 2 == 1 {
        return spell(&text[..text.len() - 1]);
    }
    let mut bytes = spell(text)?;
    bytes.extend(b"\r\n");
    Ok(bytes)
}

/// Text with its escapes and repetitions replaced by what they stand for.
fn spell(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = find_brace(rest) {
        let (before, repeated) = rest.split_at(at);
        let (repeated, after) = repeated[1..].split_once('}').ok_or("`{` without `}`")?;
        let (piece, count) = repeated.rsplit_once('*').ok_or("`{` without `*`")?;
        let count: usize = count.parse().map_err(|_| format!("`{count}` is no number"))?;
        unescape(before, None, &mut bytes)?;
        for number in 0..count {
            unescape(piece, Some(number), &mut bytes)?;
        }
        rest = after;
    }
    unescape(rest, None, &mut bytes)?;
    Ok(bytes)
}

/// The place of the first `{` that is not escaped.
fn find_brace(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.find(|character| {
        let is_brace = character == '{' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        is_brace
    })
}

fn unescape(text: &str, number: Option<usize>, bytes: &mut Vec<u8>) -> Result<(), String> {
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            bytes.extend(character.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        match (characters.next(), number) {
            (Some('r'), _) => bytes.push(b'\r'),
            (Some('n'), _) => bytes.push(b'\n'),
            (Some('t'), _) => bytes.push(b'\t'),
            (Some('s'), _) => bytes.push(b' '),
            (Some(same @ ('\\' | '{' | '}')), _) => bytes.push(same as u8),
            (Some('#'), Some(number)) => bytes.extend(number.to_string().bytes()),
            (Some('x'), _) => {
                let digits: String = characters.by_ref().take(2).collect();
                let byte = u8::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 2);
                bytes.push(byte.ok_or_else(|| format!("`\\x{digits}` is no byte"))?);
            }
            (other, _) => return Err(format!("`\\{}` is no escape", other.unwrap_or(' '))),
        }
    }
    Ok(())
}
