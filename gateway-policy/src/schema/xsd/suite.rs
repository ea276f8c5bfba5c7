//! The W3C test suite of XML Schema, where somebody has it: `XSD_SUITE` names its folder.
//!
//! Only tests of version 1.0 count. What is measured is whether instances get the right verdict, and whether schemas
//! that are right can be used; schemas that are wrong in ways which let no wrong body pass are not told from others.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
};

use super::{tree::Tree, *};

const XLINK: &str = "http://www.w3.org/1999/xlink";

#[derive(Default)]
struct Tally {
    instances: [usize; 2],
    schemas: [usize; 2],
    wrong_schemas: [usize; 2],
    failed: Vec<String>,
}

#[test]
fn official_suite() {
    let Some(folder) = std::env::var_os("XSD_SUITE") else {
        println!("SKIP: XSD_SUITE does not name the folder of the XML Schema test suite");
        return;
    };
    let folder = Path::new(&folder);
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for set in [
        "msMeta",
        "sunMeta",
        "boeingMeta",
        "wgMeta",
        "saxonMeta",
        "oracleMeta",
    ] {
        let tally = tallies.entry(set).or_default();
        for entry in std::fs::read_dir(folder.join(set)).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "xml" || e == "testSet") {
                run_set(&path, tally);
            }
        }
    }
    run_nist(&folder.join("nistData"), tallies.entry("nistData").or_default());
    let mut all = (0, 0);
    for (name, tally) in &tallies {
        let rate = |[good, bad]: [usize; 2]| format!("{good} of {}", good + bad);
        println!(
            "{name}: instances {}, right schemas {}, wrong schemas {}",
            rate(tally.instances),
            rate(tally.schemas),
            rate(tally.wrong_schemas)
        );
        all.0 += tally.instances[0];
        all.1 += tally.instances[0] + tally.instances[1];
    }
    if std::env::var_os("XSD_SUITE_LIST").is_some() {
        for failed in tallies.values().flat_map(|t| &t.failed) {
            println!("  {failed}");
        }
    }
    println!("instances: {} of {} got the right verdict", all.0, all.1);
    assert!(all.0 * 1000 >= all.1 * 980, "less than before");
}

fn run_set(path: &Path, tally: &mut Tally) {
    let Ok(text) = std::fs::read_to_string(path) else {
        return;
    };
    let Ok(tree) = Tree::read(&text, true) else {
        println!("SKIP: {} has more than the reader takes", path.display());
        return;
    };
    if newer(&tree, tree.root()) {
        return;
    }
    let folder = path.parent().unwrap();
    for group in tree
        .elements(tree.root())
        .filter(|n| tree.name(*n).1 == "testGroup")
    {
        if newer(&tree, group) {
            continue;
        }
        let tests: Vec<usize> = tree.elements(group).collect();
        let schema = tests
            .iter()
            .find(|t| tree.name(**t).1 == "schemaTest" && !newer(&tree, **t));
        let documents = schema.map(|s| hrefs(&tree, *s, folder)).unwrap_or_default();
        let loaded = (!documents.is_empty()).then(|| load(&documents));
        let validity = schema.and_then(|s| expected(&tree, *s));
        if let (Some(loaded), Some(valid)) = (&loaded, validity) {
            let slot = if valid {
                &mut tally.schemas
            } else {
                &mut tally.wrong_schemas
            };
            slot[usize::from(loaded.is_ok() != valid)] += 1;
            if let (Err(why), true) = (loaded, valid) {
                tally.failed.push(format!("{}: {why}", documents[0].display()));
            }
        }
        if validity == Some(false) {
            continue;
        }
        for test in tests
            .iter()
            .filter(|t| tree.name(**t).1 == "instanceTest" && !newer(&tree, **t))
        {
            let (Some(valid), Some(loaded)) = (expected(&tree, *test), &loaded) else {
                continue;
            };
            for instance in hrefs(&tree, *test, folder) {
                judge(loaded.as_ref(), &instance, valid, tally);
            }
        }
    }
}

fn judge(loaded: Result<&XmlSchemas, &String>, instance: &Path, valid: bool, tally: &mut Tally) {
    let Some(text) = text_of(instance) else {
        return;
    };
    let got = match loaded {
        Ok(schemas) => match schemas.check(&text, Shape::Document) {
            Ok(faults) => faults.first().map_or(String::new(), |f| f.message.clone()),
            // Suites write their instances with document types, which bodies must not have.
            Err(Stop::NotXml(why)) if why.message.starts_with("For security") => return,
            Err(stop) => format!("stopped: {stop}"),
        },
        Err(why) => format!("no schema: {why}"),
    };
    let right = got.is_empty() == valid && !got.starts_with("no schema");
    tally.instances[usize::from(!right)] += 1;
    if !right {
        tally
            .failed
            .push(format!("{} (valid: {valid}): {got}", instance.display()));
    }
}

fn newer(tree: &Tree<'_>, node: usize) -> bool {
    let version = tree.attribute(node, "", "version");
    version.is_some_and(|v| !v.value.split_ascii_whitespace().any(|v| v == "1.0"))
}

fn expected(tree: &Tree<'_>, test: usize) -> Option<bool> {
    let all = tree
        .elements(test)
        .filter(|n| tree.name(*n).1 == "expected" && !newer(tree, *n));
    let validity = all.filter_map(|n| tree.attribute(n, "", "validity")).next()?;
    match &*validity.value {
        "valid" => Some(true),
        "invalid" => Some(false),
        _ => None,
    }
}

fn hrefs(tree: &Tree<'_>, test: usize, folder: &Path) -> Vec<PathBuf> {
    tree.elements(test)
        .filter_map(|n| tree.attribute(n, XLINK, "href"))
        .map(|a| folder.join(&*a.value))
        .collect()
}

fn text_of(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    match bytes.get(..2)? {
        [0xff, 0xfe] => {
            let units: Vec<u16> = bytes[2..]
                .chunks_exact(2)
                .map(|p| u16::from_le_bytes([p[0], p[1]]))
                .collect();
            String::from_utf16(&units).ok()
        }
        [0xfe, 0xff] => {
            let units: Vec<u16> = bytes[2..]
                .chunks_exact(2)
                .map(|p| u16::from_be_bytes([p[0], p[1]]))
                .collect();
            String::from_utf16(&units).ok()
        }
        _ => Some(
            String::from_utf8(bytes)
                .unwrap_or_else(|e| e.into_bytes().iter().map(|b| char::from(*b)).collect()),
        ),
    }
}

/// Reads the documents and what they include and import from beside them.
fn load(documents: &[PathBuf]) -> Result<XmlSchemas, String> {
    let mut texts: Vec<(String, String)> = Vec::new();
    let mut queue: Vec<PathBuf> = documents.to_vec();
    let mut seen = HashSet::new();
    while let Some(path) = queue.pop() {
        let Ok(real) = path.canonicalize() else {
            continue;
        };
        if !seen.insert(real.clone()) {
            continue;
        }
        let text = text_of(&real).ok_or("unreadable")?;
        if let Ok(tree) = Tree::read(&text, true) {
            for child in tree.elements(tree.root()) {
                if matches!(tree.name(child).1, "include" | "import")
                    && let Some(location) = tree.attribute(child, "", "schemaLocation")
                {
                    queue.push(real.parent().unwrap().join(location.value.trim()));
                }
            }
        }
        texts.push((real.file_name().unwrap().to_string_lossy().into_owned(), text));
    }
    let sources: Vec<XmlSource<'_>> = texts
        .iter()
        .map(|(location, text)| XmlSource { location, text })
        .collect();
    XmlSchemas::new(&sources).map_err(|e| e.to_string())
}

/// The data of NIST says in its names what is expected.
fn run_nist(folder: &Path, tally: &mut Tally) {
    let mut loaded: HashMap<PathBuf, Result<XmlSchemas, String>> = HashMap::new();
    let mut queue = vec![folder.to_path_buf()];
    while let Some(path) = queue.pop() {
        if path.is_dir() {
            queue.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix("NISTXML-").and_then(|n| n.strip_suffix(".xml")) else {
            continue;
        };
        let stem = rest.rsplit_once('-').map_or(rest, |(stem, _)| stem);
        let schema = path.with_file_name(format!("NISTSchema-{stem}.xsd"));
        if !schema.exists() {
            continue;
        }
        let schemas = loaded
            .entry(schema.clone())
            .or_insert_with(|| load(std::slice::from_ref(&schema)));
        judge(schemas.as_ref(), &path, rest.starts_with("SV-IV"), tally);
    }
}
