//! Printing: exit statuses, colour only for people, a closed pipe is no error.

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Fine.
    Ok = 0,
    /// A problem was found.
    Problem = 1,
    /// Wrong use.
    Usage = 2,
    /// The agent could not be reached.
    Unreachable = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Writes to standard output. A reader that went away (`| head`) ends the output, not with an error.
pub(super) fn print(text: &str) {
    let mut out = io::stdout().lock();
    // Nothing is left to tell anybody when standard output is gone.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// An error and what to do next, on standard error.
pub(crate) fn complain(text: &str) {
    let mut out = io::stderr().lock();
    let _ = writeln!(out, "gateway-agent: {text}");
}

/// Text on standard error as it is (summaries).
pub(super) fn note(text: &str) {
    let mut out = io::stderr().lock();
    let _ = out.write_all(text.as_bytes());
}

/// Whether standard output takes colour: a terminal, and nobody said no (no-color.org).
pub(super) fn colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// `text` in an ANSI style when `on`.
pub(super) fn styled(on: bool, style: &str, text: &str) -> String {
    if on {
        format!("\x1b[{style}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// Columns as wide as their widest cell, two spaces apart; the last is not padded.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let row = |cells: &[&str]| cells.iter().map(|c| (*c).to_owned()).collect();
        let rows: Vec<Vec<String>> = vec![
            row(&["name", "mode"]),
            row(&["sk_lookup", "link", "x"]),
            row(&["é"]),
        ];
        assert_eq!(table(&rows), "name       mode\nsk_lookup  link  x\né\n");
        assert_eq!(table(&[]), "");
    }

    #[test]
    fn style_is_only_added_when_wanted() {
        assert_eq!(styled(false, "31", "x"), "x");
        assert_eq!(styled(true, "31", "x"), "\x1b[31mx\x1b[0m");
    }
}
