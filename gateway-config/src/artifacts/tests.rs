//! Layouts, half-written folders and garbage.

use super::*;
use crate::problem::Severity;

fn tree(files: &[(&str, &str)]) -> FileTree {
    files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), Arc::from(text.as_bytes())))
        .collect()
}

fn read_files(files: &[(&str, &str)]) -> (Artifacts, Vec<Problem>) {
    let mut problems = Vec::new();
    let artifacts = read(&tree(files), &mut problems);
    (artifacts, problems)
}

fn codes(problems: &[Problem]) -> Vec<&'static str> {
    problems.iter().map(|p| p.code).collect()
}

const EMPTY: &str = r#"{"properties": {}}"#;

#[test]
fn the_current_layout_is_sorted_whole() {
    let (a, problems) = read_files(&[
        ("policy.xml", "<policies/>"),
        ("apis/a/apiInformation.json", EMPTY),
        ("apis/a/specification.yaml", ""),
        ("apis/a/policy.xml", ""),
        ("apis/a/operations/o/policy.xml", ""),
        ("apis/a/diagnostics/local/diagnosticInformation.json", EMPTY),
        ("apis/a/releases/r/apiReleaseInformation.json", EMPTY),
        ("apis/a/schemas/s/apiSchemaInformation.json", EMPTY),
        ("apis/a/tags/t/apiTagInformation.json", EMPTY),
        ("apis/a;rev=2/apiInformation.json", EMPTY),
        ("backends/b/backendInformation.json", EMPTY),
        ("diagnostics/local/diagnosticInformation.json", EMPTY),
        ("gateways/g/gatewayInformation.json", EMPTY),
        ("gateways/g/apis/a/gatewayApiInformation.json", "{}"),
        ("groups/g/groupInformation.json", EMPTY),
        ("loggers/l/loggerInformation.json", EMPTY),
        ("named values/n/namedValueInformation.json", EMPTY),
        ("policy fragments/f/policyFragmentInformation.json", EMPTY),
        ("policy fragments/f/policy.xml", ""),
        ("products/p/productInformation.json", EMPTY),
        ("products/p/policy.xml", ""),
        ("products/p/apis/a/productApiInformation.json", "{}"),
        ("products/p/groups/g/productGroupInformation.json", "{}"),
        ("subscriptions/s/subscriptionInformation.json", EMPTY),
        ("tags/t/tagInformation.json", EMPTY),
        ("tags/t/apis/a/tagApiInformation.json", "{}"),
        ("tags/t/products/p/tagProductInformation.json", "{}"),
        ("version sets/v/versionSetInformation.json", EMPTY),
        (".git/HEAD", "x"),
        ("apis/a/.DS_Store", "x"),
    ]);
    assert_eq!(problems, []);
    assert_eq!(a.apis.len(), 2);
    assert_eq!(a.apis["a;rev=2"].revision.as_deref(), Some("2"));
    assert_eq!(a.apis["a"].operations.len(), 1);
    assert_eq!(a.products["p"].apis.len(), 1);
    assert_eq!(a.gateways["g"].apis.len(), 1);
    assert_eq!(
        (
            a.backends.len(),
            a.groups.len(),
            a.version_sets.len(),
            a.subscriptions.len()
        ),
        (1, 1, 1, 1)
    );
}

#[test]
fn older_layouts() {
    let (a, problems) = read_files(&[
        ("products/p/productInformation.json", EMPTY),
        ("products/p/apis.json", r#"[{"name": "a"}, {"name": "b"}]"#),
        ("products/p/groups.json", r#"[{"name": "g"}]"#),
        ("gateways/g/gatewayInformation.json", EMPTY),
        ("gateways/g/apis.json", r#"[{"name": "a"}]"#),
        ("version sets/v/apiVersionSetInformation.json", EMPTY),
        ("apis/Echo API/Original/1/apiInformation.json", EMPTY),
    ]);
    assert_eq!(codes(&problems), ["old-layout"]);
    assert_eq!(problems[0].severity, Severity::Scope);
    assert_eq!(
        (
            a.products["p"].apis.len(),
            a.products["p"].groups.len(),
            a.gateways["g"].apis.len()
        ),
        (2, 1, 1)
    );
    assert_eq!(a.version_sets.len(), 1);
}

#[test]
fn nothing_is_dropped_in_silence() {
    let (_, problems) = read_files(&[
        ("README.md", ""),
        ("apis/a/apiInformation.json", EMPTY),
        ("apis/a/notes.txt", ""),
        ("apis/a/specification.xlsx", ""),
        ("wikis/c/wikiInformation.json", EMPTY),
        ("wikis/d/wikiInformation.json", EMPTY),
        ("workspaces/w/apis/a/apiInformation.json", EMPTY),
        ("workspaces/w/policy.xml", ""),
        ("products/p/apis/a;rev=2/productApiInformation.json", "{}"),
        ("products/p/productInformation.json", EMPTY),
    ]);
    let got: Vec<(&str, &str)> = problems.iter().map(|p| (p.code, p.path.as_str())).collect();
    assert_eq!(
        got,
        [
            (
                "revision-link",
                "products/p/apis/a;rev=2/productApiInformation.json"
            ),
            ("workspace", "workspaces/w"),
            ("unknown-file", "README.md"),
            ("unknown-file", "apis/a/notes.txt"),
            ("unknown-file", "wikis/c/wikiInformation.json"),
            ("unknown-file", "wikis/d/wikiInformation.json"),
        ]
    );
}

#[test]
fn half_written_folders() {
    let (a, problems) = read_files(&[
        ("apis/empty/apiInformation.json", ""),
        (
            "apis/cut/apiInformation.json",
            "{\"properties\": {\"path\": \"x\"",
        ),
        ("apis/list/apiInformation.json", "[]"),
        ("apis/bare/apiInformation.json", "{}"),
        ("apis/no-info/policy.xml", ""),
        ("products/no-info/policy.xml", ""),
        ("products/bad/productInformation.json", EMPTY),
        ("products/bad/apis.json", "{"),
        ("products/odd/productInformation.json", EMPTY),
        ("products/odd/apis.json", r#"[{"nam": "a"}, 7]"#),
        ("policy fragments/no-policy/policyFragmentInformation.json", EMPTY),
        ("policy fragments/no-info/policy.xml", ""),
    ]);
    let mut got: Vec<(&str, &str)> = problems.iter().map(|p| (p.path.as_str(), p.code)).collect();
    got.sort_unstable();
    assert_eq!(
        got,
        [
            ("apis/bare/apiInformation.json", "no-properties"),
            ("apis/cut/apiInformation.json", "bad-json"),
            ("apis/empty/apiInformation.json", "bad-json"),
            ("apis/list/apiInformation.json", "bad-entity"),
            ("apis/no-info", "no-information-file"),
            ("policy fragments/no-info", "no-information-file"),
            ("policy fragments/no-policy", "no-information-file"),
            ("products/bad/apis.json", "bad-json"),
            ("products/no-info", "no-information-file"),
            ("products/odd/apis.json", "bad-link"),
            ("products/odd/apis.json", "bad-link"),
        ]
    );
    assert_eq!(a.apis.len(), 4);
    assert!(a.apis["cut"].info.as_ref().unwrap().properties.is_none());
}

#[test]
fn names_that_differ_in_case_only() {
    let (_, problems) = read_files(&[
        ("apis/A/apiInformation.json", EMPTY),
        ("apis/a/apiInformation.json", EMPTY),
    ]);
    assert_eq!(codes(&problems), ["same-name"]);
}

#[test]
fn a_folder_too_high_names_the_right_one() {
    let (_, problems) = read_files(&[("repo/apimartifacts/apis/a/apiInformation.json", EMPTY)]);
    assert!(
        problems
            .iter()
            .any(|p| p.severity == Severity::Fatal && p.message.contains("`repo/apimartifacts`"))
    );
    let (_, problems) = read_files(&[]);
    assert_eq!(problems, [], "an empty folder is a configuration without APIs");
}

#[test]
fn ids_and_revisions() {
    for (id, kind, name) in [
        (
            "/subscriptions/s/resourceGroups/g/providers/M/service/x/apis/echo",
            "apis",
            Some("echo"),
        ),
        ("/apis/echo", "APIS", Some("echo")),
        ("/products/p/", "products", Some("p")),
        ("/apis", "apis", None),
        ("echo", "apis", None),
    ] {
        assert_eq!(id_in(id, kind), name, "{id}");
    }
    assert_eq!(split_revision("a;Rev=3"), ("a", Some("3")));
    assert_eq!(split_revision("a"), ("a", None));
}
