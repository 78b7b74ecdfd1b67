//! Tables and pictures in Markdown.

use std::fmt;

/// A table: the first column is names, the others are figures.
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    words: usize,
}

impl Table {
    /// A table without rows yet.
    pub fn new<T: Into<String>>(head: impl IntoIterator<Item = T>) -> Self {
        Self { head: head.into_iter().map(Into::into).collect(), rows: Vec::new(), words: 1 }
    }

    /// So many of the first columns are words, which stand to the left.
    pub fn with_words(mut self, columns: usize) -> Self {
        self.words = columns;
        self
    }

    /// Adds a row.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let mut cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        cells.resize(self.head.len(), String::new());
        self.rows.push(cells);
    }

    /// Adds a row in bold, if `is_bold`.
    pub fn row_with<T: Into<String>>(&mut self, is_bold: bool, cells: impl IntoIterator<Item = T>) {
        let cells = cells.into_iter().map(Into::into);
        self.row(cells.map(|cell| if is_bold { bold(&cell) } else { cell }));
    }

    /// Whether there are rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, &self.head)?;
        let rule = |column| if column < self.words { "---" } else { "---:" };
        writeln!(f, "|{}|", (0..self.head.len()).map(rule).collect::<Vec<_>>().join("|"))?;
        self.rows.iter().try_for_each(|row| line(f, row))
    }
}

fn line(f: &mut fmt::Formatter<'_>, cells: &[String]) -> fmt::Result {
    let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    writeln!(f, "| {} |", cells.join(" | "))
}

/// Each line of a cell in bold.
pub fn bold(cell: &str) -> String {
    let lines = cell.split("<br>");
    let lines =
        lines.map(|line| if line.is_empty() { String::new() } else { format!("**{line}**") });
    lines.collect::<Vec<_>>().join("<br>")
}

/// A plot in the colours that the reader prefers.
pub fn picture(name: &str, alternative: &str) -> String {
    let alternative = alternative.replace('&', "&amp;").replace('"', "&quot;");
    format!(
        "<picture>\n  \
         <source media=\"(prefers-color-scheme: dark)\" srcset=\"docs/plots/{name}-dark.svg\">\n  \
         <img alt=\"{alternative}\" src=\"docs/plots/{name}-light.svg\" width=\"800\">\n\
         </picture>\n"
    )
}

/// How long a line of a paragraph is.
const LINE: usize = 105;

/// The same text with paragraphs in lines that are not too long. What is something else, such as a row
/// of a table, stays.
pub fn filled(text: &str) -> String {
    let mut is_code = false;
    let lines = text.lines().map(|line| {
        is_code ^= line.starts_with("```");
        let is_paragraph = line.starts_with(|first: char| first.is_alphanumeric() || first == '`');
        if is_code || !is_paragraph { line.to_owned() } else { wrapped(line) }
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn wrapped(text: &str) -> String {
    let mut wrapped = String::new();
    let mut len = 0;
    for word in text.split_whitespace() {
        let fits = len + 1 + word.len() <= LINE;
        if len > 0 {
            wrapped.push(if fits { ' ' } else { '\n' });
        }
        len = if fits && len > 0 { len + 1 + word.len() } else { word.len() };
        wrapped += word;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_filled_and_no_word_is_lost() {
        let (long, row) = ("word ".repeat(50), "| word ".repeat(50));
        let filled = filled(&format!("{long}\n\n{row}\n```\n{long}\n```\n"));
        assert_eq!(filled.lines().take_while(|line| line.len() <= LINE).count(), 4);
        assert_eq!(filled.lines().filter(|line| line.len() > LINE).count(), 2);
        assert_eq!(filled.matches("word").count(), 150);
    }

    #[test]
    fn a_table_is_as_wide_as_its_head() {
        let mut table = Table::new(["a", "b|c"]);
        table.row(["x"]);
        table.row_with(true, ["y", "1<br>2"]);
        assert_eq!(
            table.to_string(),
            "| a | b\\|c |\n|---|---:|\n| x |  |\n| **y** | **1**<br>**2** |\n"
        );
    }
}
