//! What the tests over the corpus share.

use std::{fs, path::PathBuf};

/// A document as published.
pub(crate) struct CorpusDocument {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The documents of the index; `None`, after saying so, without the corpus.
pub(crate) fn corpus() -> Option<Vec<CorpusDocument>> {
    let shared = ["/../../shared/corpus", "/../../../shared/corpus"];
    let root = shared
        .iter()
        .map(|s| PathBuf::from(format!("{}{s}", env!("CARGO_MANIFEST_DIR"))));
    let Some(root) = root.into_iter().find(|r| r.join("index.tsv").is_file()) else {
        println!("SKIP: ../shared/corpus is not there");
        return None;
    };
    let index = fs::read_to_string(root.join("index.tsv")).unwrap();
    let paths = index.lines().skip(1).filter_map(|line| line.split('\t').next());
    let documents = paths.map(|path| {
        let text = fs::read_to_string(root.join(path)).unwrap();
        CorpusDocument {
            path: path.to_owned(),
            text,
        }
    });
    Some(documents.collect())
}

/// A small generator of its own: the same mutations every time, so that a failure can be seen again.
pub(crate) struct Lcg(pub(crate) u64);

impl Lcg {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }
}
