//! The files of the repository as git sees them, read once.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result};
use gateway_tests::process::run;

use crate::shell::root;

/// Files by path relative to the workspace root.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) files: Vec<File>,
}

/// One file; `text` is `None` when it is not UTF-8.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: Option<String>,
}

impl Tree {
    /// Everything that is committed or could be: ignored files are not looked at.
    pub(super) fn of_repository() -> Result<Self> {
        let listed = run(Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
            .current_dir(root()))?;
        let mut files = Vec::new();
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            let whole = root().join(path);
            // Deleted but not yet staged, and links to elsewhere, have nothing to read.
            if !whole.is_file() {
                continue;
            }
            let bytes = std::fs::read(&whole).with_context(|| format!("cannot read {path}"))?;
            files.push(File {
                path: path.to_owned(),
                text: String::from_utf8(bytes).ok(),
            });
        }
        Ok(Self { files })
    }

    /// Text files with one of the extensions.
    pub(super) fn texts<'a>(&'a self, extensions: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files.iter().filter_map(move |file| {
            let extension = Path::new(&file.path).extension()?.to_str()?;
            extensions
                .contains(&extension)
                .then_some((file.path.as_str(), file.text.as_deref()?))
        })
    }

    /// The text of one file.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path)?.text.as_deref()
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| File {
                path: (*path).to_owned(),
                text: Some((*text).to_owned()),
            })
            .collect();
        Self { files }
    }
}
