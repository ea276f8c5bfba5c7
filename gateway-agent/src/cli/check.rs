//! `check`: validates folders, documents and fragments without a node and without a network.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use clap::{Args, ValueEnum};
use gateway_config::{
    FileTree, Input, Problem, Secret, SecretRef, Severity as Weight, doc, load, overlay::OverlayFile,
};
use gateway_policy::{
    CheckOptions, Diagnostic, DocumentReport, NamedValue, Names, Options, Severity, check_document,
};

use super::{
    Format,
    output::{Exit, colour, note, print, styled},
};
use crate::{
    settings,
    sync::tree::{self, Bounds},
};

/// Options of `check`.
#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    /// Artifact folders, policy documents, fragments
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How to print it; JSON is one object a document and line
    #[arg(long, short = 'o', value_enum, default_value_t)]
    format: Format,
    /// Overlay of the folders
    #[arg(long, value_name = "FILE")]
    overlay: Option<PathBuf>,
    /// Settings file, for what depends on settings
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// A named value that single documents may use
    #[arg(long = "named-value", value_name = "NAME=VALUE", value_parser = pair)]
    named_values: Vec<(String, String)>,
    /// What stands for named values that are not known, in single documents
    #[arg(long, value_name = "VALUE")]
    named_values_default: Option<String>,
    /// What becomes of fragments that are not known, in single documents
    #[arg(long, value_enum, default_value_t)]
    missing_fragments: MissingFragments,
}

/// Answer to an unknown fragment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum MissingFragments {
    /// It is an error
    #[default]
    Error,
    /// It is taken as empty, with a warning
    Empty,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// What was found in all.
#[derive(Debug, Default, PartialEq, Eq)]
struct Summary {
    documents: usize,
    refused: usize,
    errors: usize,
    warnings: usize,
}

impl Summary {
    fn add(&mut self, report: &DocumentReport) {
        let errors = report.diagnostics.iter().filter(|d| d.is_error()).count();
        self.documents += 1;
        self.refused += usize::from(!report.ok);
        self.errors += errors;
        self.warnings += report.diagnostics.len() - errors;
    }

    fn text(&self) -> String {
        format!(
            "{} documents checked: {} ok, {} refused; {} errors, {} warnings\n",
            self.documents,
            self.documents - self.refused,
            self.refused,
            self.errors,
            self.warnings
        )
    }
}

pub(super) fn main(args: &CheckArgs) -> Exit {
    let mut summary = Summary::default();
    let colour = args.format == Format::Text && colour();
    for path in &args.paths {
        for report in reports(path, args) {
            summary.add(&report);
            match args.format {
                Format::Json => print(&format!("{}\n", report.to_json())),
                Format::Text if report.diagnostics.is_empty() => {}
                Format::Text => print(&format!("{}\n", painted(&report.render(), colour))),
            }
        }
    }
    match args.format {
        Format::Json => note(&summary.text()),
        Format::Text => print(&summary.text()),
    }
    if summary.refused == 0 {
        Exit::Ok
    } else {
        Exit::Problem
    }
}

fn reports(path: &Path, args: &CheckArgs) -> Vec<DocumentReport> {
    if path.is_dir() {
        folder(path, args)
    } else {
        vec![document(path, args)]
    }
}

/// One document or fragment on its own.
fn document(path: &Path, args: &CheckArgs) -> DocumentReport {
    let shown = path.display().to_string();
    let bytes = match tree::read_file(path, Bounds::default().file_bytes) {
        Ok(bytes) => bytes,
        Err(error) => return unreadable(&shown, error.to_string()),
    };
    match doc::text_of(&shown, &bytes) {
        Ok(text) => check_document(&shown, text, &options(args)),
        Err(problem) => report(&shown, &[diagnostic(&problem, None)]),
    }
}

fn options(args: &CheckArgs) -> CheckOptions {
    let mut names = Names::default();
    for (name, value) in &args.named_values {
        let value = NamedValue {
            value: value.as_str().into(),
            secret: false,
        };
        names.named_values.insert(name.as_str().into(), value);
    }
    CheckOptions {
        names,
        options: Options {
            named_value_default: args.named_values_default.as_deref().map(Arc::from),
            missing_fragments_empty: args.missing_fragments == MissingFragments::Empty,
            templates: true,
            ..Options::default()
        },
        scope: None,
    }
}

/// A whole artifact folder, as a node would load it; policy documents that are no part of the layout on their own.
fn folder(root: &Path, args: &CheckArgs) -> Vec<DocumentReport> {
    let read = match tree::read(root, &Bounds::default()) {
        Ok(read) => read,
        Err(error) => return vec![unreadable(&root.display().to_string(), error.to_string())],
    };
    let overlay = match &args.overlay {
        // The values of secrets come with the overlay; without one a check is about everything around them.
        None => placeholders(&read.files),
        Some(path) => match tree::read_file(path, Bounds::default().file_bytes) {
            Ok(bytes) => Some((path.display().to_string(), bytes)),
            Err(error) => return vec![unreadable(&path.display().to_string(), error.to_string())],
        },
    };
    let settings = settings::gather(args.settings.as_deref()).settings;
    // Where a check runs there are no secrets; what is checked is everything around them.
    let unknown = AtomicUsize::new(0);
    let secrets = |reference: &SecretRef| {
        settings::secret(reference).or_else(|_| {
            unknown.fetch_add(1, Ordering::Relaxed);
            Ok(Secret::new(PLACEHOLDER))
        })
    };
    let loaded = load(&Input {
        tree: &read.files,
        overlay: overlay.as_ref().map(|(path, bytes)| OverlayFile { path, bytes }),
        settings: &settings,
        secrets: &secrets,
        previous: None,
    });
    if unknown.load(Ordering::Relaxed) > 0 {
        note(&format!(
            "note: {} secrets are not known here; placeholders stood for them\n",
            unknown.load(Ordering::Relaxed)
        ));
    }
    let overlay = overlay.as_ref().map(|(path, bytes)| (path.as_str(), bytes));
    let unread = gateway_config::unread(&read.files);
    let mut files = read.files.clone();
    files.retain(|path, _| unread.binary_search(path).is_err());
    let mut problems = loaded.problems;
    if files.is_empty() {
        // Nothing here is an artifact: what the load says about the layout helps nobody, but for the place where one is.
        problems.retain(|p| p.severity == Weight::Fatal);
    }
    let (loose, other): (Vec<&String>, Vec<&String>) = unread.iter().partition(|path| {
        path.to_ascii_lowercase().ends_with(".xml") && read.files.get(*path).is_some_and(|b| is_policy(b))
    });
    // What is checked on its own below is not left alone.
    problems.retain(|p| p.code != "unknown-file" || other.contains(&&p.path));
    let mut reports = by_document(root, &files, overlay, &problems);
    reports.extend(loose.iter().map(|path| document(&root.join(path), args)));
    if reports.is_empty() {
        let message = "nothing to check here: no artifact layout and no policy documents (`*.xml`)";
        reports.push(unreadable(&root.display().to_string(), message.to_owned()));
    }
    reports
}

/// A file that may be a policy document or a fragment, and not some other XML that lies in the same folder.
fn is_policy(bytes: &[u8]) -> bool {
    let has = |tag: &[u8]| bytes.windows(tag.len()).any(|window| window == tag);
    has(b"<policies") || has(b"<fragment")
}

/// What stands for a value that is not known where a check runs.
const PLACEHOLDER: &str = "not-known-here";

/// An overlay that gives every secret named value without a value one.
fn placeholders(files: &FileTree) -> Option<(String, Arc<[u8]>)> {
    let mut named = Vec::new();
    for (path, bytes) in files {
        let Some(name) = path
            .strip_prefix("named values/")
            .and_then(|p| p.strip_suffix("/namedValueInformation.json"))
        else {
            continue;
        };
        // What is not JSON is reported by the load.
        let Ok(entity) = serde_json::from_slice::<serde_json::Value>(bytes) else {
            continue;
        };
        let properties = &entity["properties"];
        if properties["secret"] == true && properties["value"].is_null() {
            named.push(serde_json::json!({ "name": name, "properties": { "value": PLACEHOLDER } }));
        }
    }
    if named.is_empty() {
        return None;
    }
    note(&format!(
        "note: {} secret named values have no value here; give --overlay to use theirs\n",
        named.len()
    ));
    let overlay = serde_json::json!({ "namedValues": named }).to_string();
    Some(("placeholders.json".to_owned(), overlay.into_bytes().into()))
}

/// Problems by the file they stand in; every file of the folder is a document.
fn by_document(
    root: &Path,
    files: &FileTree,
    overlay: Option<(&str, &Arc<[u8]>)>,
    problems: &[Problem],
) -> Vec<DocumentReport> {
    let mut found: BTreeMap<&str, Vec<Diagnostic>> =
        files.keys().map(|path| (path.as_str(), Vec::new())).collect();
    for problem in problems {
        let bytes = files.get(&problem.path).or_else(|| {
            overlay
                .filter(|(path, _)| *path == problem.path)
                .map(|(_, bytes)| bytes)
        });
        found
            .entry(&problem.path)
            .or_default()
            .push(diagnostic(problem, bytes.map(|b| &**b)));
    }
    found
        .into_iter()
        .map(|(path, diagnostics)| {
            let shown = if files.contains_key(path) {
                root.join(path).display().to_string()
            } else {
                path.to_owned()
            };
            report(&shown, &diagnostics)
        })
        .collect()
}

fn report(path: &str, diagnostics: &[Diagnostic]) -> DocumentReport {
    let diagnostics: Vec<Diagnostic> = diagnostics
        .iter()
        .map(|d| Diagnostic {
            path: path.into(),
            ..d.clone()
        })
        .collect();
    DocumentReport {
        path: path.to_owned(),
        ok: !diagnostics.iter().any(Diagnostic::is_error),
        diagnostics,
    }
}

fn unreadable(path: &str, message: String) -> DocumentReport {
    let problem = Problem::new(Weight::Fatal, "unreadable", path, message);
    report(path, &[diagnostic(&problem, None)])
}

/// The same finding with its source line.
fn diagnostic(problem: &Problem, bytes: Option<&[u8]>) -> Diagnostic {
    let text = bytes.map(String::from_utf8_lossy);
    let line = (problem.line as usize).checked_sub(1);
    let snippet = text
        .zip(line)
        .and_then(|(text, line)| text.lines().nth(line).map(str::to_owned));
    Diagnostic {
        severity: if problem.severity == Weight::Warning {
            Severity::Warning
        } else {
            Severity::Error
        },
        code: problem.code,
        message: problem.message.clone(),
        path: problem.path.as_str().into(),
        line: problem.line,
        column: problem.column.max(1),
        length: 1,
        element: problem.element.clone(),
        help: None,
        snippet,
    }
}

/// Headings and carets in colour.
fn painted(text: &str, on: bool) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let style = if line.starts_with("error[") {
            "1;31"
        } else if line.starts_with("warning[")
            || line.trim_start().starts_with("| ") && line.trim_end().ends_with('^')
        {
            "1;33"
        } else {
            ""
        };
        out.push_str(&styled(on && !style.is_empty(), style, line));
        out.push('\n');
    }
    out
}

/// The text of a file, or of standard input for `-`.
///
/// # Errors
/// What failed, with the path.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    if path.as_os_str() == "-" {
        return std::io::read_to_string(std::io::stdin()).map_err(|error| format!("standard input: {error}"));
    }
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::scratch::Scratch;

    fn args(paths: &[&Path]) -> CheckArgs {
        CheckArgs {
            paths: paths.iter().map(|p| (*p).to_owned()).collect(),
            format: Format::Json,
            overlay: None,
            settings: None,
            named_values: Vec::new(),
            named_values_default: None,
            missing_fragments: MissingFragments::Error,
        }
    }

    #[test]
    fn pairs_have_a_name() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        for bad in ["a", "=b", ""] {
            assert!(pair(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn findings_of_a_folder_show_their_source_line() {
        let mut problem = Problem::scope("bad", "a/policy.xml", "wrong").on("x");
        (problem.line, problem.column) = (2, 3);
        let files: FileTree = [("a/policy.xml".to_owned(), Arc::from(&b"one\n  two\n"[..]))].into();
        let reports = by_document(Path::new("/root"), &files, None, &[problem]);
        assert_eq!(
            reports[0].render(),
            "error[bad]: wrong\n --> /root/a/policy.xml:2:3\n  |\n2 | two\n  | ^\n"
        );
        assert!(!reports[0].ok);
    }

    #[test]
    fn every_file_is_a_document_and_foreign_places_are_too() {
        let files: FileTree = [("a.json".to_owned(), Arc::from(&b"{}"[..]))].into();
        let problem = Problem::warning("odd", "overlay.yaml", "odd");
        let reports = by_document(Path::new("r"), &files, None, &[problem]);
        let all: Vec<_> = reports.iter().map(|r| (r.path.as_str(), r.ok)).collect();
        assert_eq!(all, [("r/a.json", true), ("overlay.yaml", true)]);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let scratch = Scratch::new();
        scratch.write("binary.xml", [0xff, 0xfe, 0]);
        for (path, code) in [("absent.xml", "unreadable"), ("binary.xml", "not-utf8")] {
            let path = scratch.path().join(path);
            let report = document(&path, &args(&[&path]));
            assert_eq!((report.ok, report.diagnostics[0].code), (false, code));
        }
    }

    #[test]
    fn documents_outside_the_layout_are_checked_on_their_own() {
        let scratch = Scratch::new();
        let check = || {
            folder(scratch.path(), &args(&[scratch.path()]))
                .into_iter()
                .map(|report| {
                    let code = report.diagnostics.first().map_or("", |d| d.code);
                    let whole = Path::new(&report.path);
                    let name = whole.strip_prefix(scratch.path()).unwrap_or(whole);
                    (name.display().to_string(), report.ok, code)
                })
                .collect::<Vec<_>>()
        };
        let found = |name: &str, ok, code| (name.to_owned(), ok, code);
        assert_eq!(
            check(),
            [found("", false, "unreadable")],
            "an empty folder is no success"
        );
        scratch.write("pom.xml", "<project/>");
        assert_eq!(
            check(),
            [found("", false, "unreadable")],
            "other XML is no document"
        );
        scratch.write("a/good.xml", "<policies><inbound><base/></inbound></policies>");
        scratch.write("a/Bad.XML", "<fragment><set-heder name=\"x\"/></fragment>");
        let loose = [
            found("a/Bad.XML", false, "unknown-element"),
            found("a/good.xml", true, ""),
        ];
        assert_eq!(check(), loose);
        scratch.write("policy.xml", "<policies><inbound><base/></inbound></policies>");
        let all = check();
        assert_eq!(all[0].0, "policy.xml");
        assert_eq!(all[all.len() - 2..], loose, "beside a layout too");
    }

    #[test]
    fn secrets_without_a_value_get_a_placeholder() {
        let file = |name: &str, text: &str| {
            (
                format!("named values/{name}/namedValueInformation.json"),
                Arc::from(text.as_bytes()),
            )
        };
        let files: FileTree = [
            file("secret", r#"{"properties": {"secret": true}}"#),
            file("known", r#"{"properties": {"secret": true, "value": "x"}}"#),
            file("plain", r#"{"properties": {"value": "x"}}"#),
            file("broken", "{"),
        ]
        .into();
        let (_, overlay) = placeholders(&files).unwrap();
        let expected = r#"{"namedValues":[{"name":"secret","properties":{"value":"not-known-here"}}]}"#;
        assert_eq!(std::str::from_utf8(&overlay).unwrap(), expected);
        assert!(placeholders(&FileTree::new()).is_none());
    }

    #[test]
    fn the_summary_counts() {
        let mut summary = Summary::default();
        let warning = diagnostic(&Problem::warning("w", "p", "m"), None);
        let error = diagnostic(&Problem::scope("e", "p", "m"), None);
        summary.add(&report("a", &[]));
        summary.add(&report("b", &[warning.clone(), error]));
        summary.add(&report("c", &[warning]));
        assert_eq!(
            summary.text(),
            "3 documents checked: 2 ok, 1 refused; 1 errors, 2 warnings\n"
        );
    }

    #[test]
    fn colour_marks_headings() {
        assert_eq!(painted("error[x]: m\n --> p\n", false), "error[x]: m\n --> p\n");
        assert!(painted("error[x]: m\n", true).starts_with("\x1b[1;31merror"));
    }
}
