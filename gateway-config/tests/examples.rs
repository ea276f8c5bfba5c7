//! The example configuration loads without a mistake: it is what newcomers copy from.

#![expect(clippy::unwrap_used, reason = "a test binary: a failure is the message")]

use std::{path::Path, sync::Arc};

use gateway_config::{FileTree, Input, Secret, SecretRef, Severity, load, overlay::OverlayFile, settings};

fn read(root: &Path) -> FileTree {
    let mut tree = FileTree::new();
    let mut pending = vec![root.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                tree.insert(name, Arc::from(std::fs::read(&path).unwrap()));
            }
        }
    }
    tree
}

#[test]
fn the_example_folder_loads() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples"));
    let tree = read(&root.join("artifacts"));
    let overlay = std::fs::read(root.join("overlay.yaml")).unwrap_or_default();
    let (mut settings, _) = settings::parse(&[]);
    settings.gateway_name = Some("node".into());
    let secrets = |_: &SecretRef| Ok(Secret::new("value"));
    let loaded = load(&Input {
        tree: &tree,
        overlay: Some(OverlayFile {
            path: "overlay.yaml",
            bytes: &overlay,
        }),
        settings: &settings,
        secrets: &secrets,
        previous: None,
    });
    let mistakes: Vec<String> = loaded
        .problems
        .iter()
        .filter(|p| p.severity > Severity::Warning)
        .map(ToString::to_string)
        .collect();
    assert_eq!(mistakes, Vec::<String>::new());
    let snapshot = loaded.snapshot.unwrap();
    assert!(snapshot.apis().len() >= 3, "{:?}", loaded.summary);
    assert_eq!(loaded.summary.refused_apis, 0);
}
