//! What the tests over the corpus and over hostile input share.

#![allow(dead_code, reason = "every test binary uses its part of it")]

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

/// What hostile or careless hands put into documents.
const PIECES: &[&str] = &[
    "\"",
    "'",
    "<",
    ">",
    "&",
    "@(",
    "@{",
    ")",
    "}",
    "{",
    "$\"",
    "@\"",
    "$@\"{",
    "/*",
    "//",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "</",
    "/>",
    "&quot;",
    "&#x1F600;",
    "&#xD800;",
    "{{",
    "}}",
    "\\",
    "\u{feff}",
    "\r\n",
    "ä",
    "\0",
];

/// A text with a few pieces cut, doubled or put in; not empty on the way in.
pub(crate) fn mutate(text: &str, random: &mut Lcg) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => bytes.truncate(at),
            1 => {
                let end = (at + random.below(40)).min(bytes.len());
                bytes.drain(at..end);
            }
            2 => {
                let piece = PIECES[random.below(PIECES.len())];
                bytes.splice(at..at, piece.bytes());
            }
            _ => {
                let end = (at + random.below(200)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
