//! Writes the seeds and the dictionary of every target where libFuzzer reads them: `FOLDER/corpus/NAME/seed-N`
//! and `FOLDER/corpus/NAME.dict`.

use std::{env, fs, io, path::Path};

use gateway_fuzz_targets::TARGETS;

fn main() -> io::Result<()> {
    let folder = env::args()
        .nth(1)
        .ok_or_else(|| io::Error::other("usage: seeds FOLDER"))?;
    let corpus = Path::new(&folder).join("corpus");
    for target in TARGETS {
        let own = corpus.join(target.name);
        fs::create_dir_all(&own)?;
        for (n, seed) in target.seeds.iter().enumerate() {
            fs::write(own.join(format!("seed-{n}")), seed)?;
        }
        let words = target.words.iter().filter(|word| !word.is_empty());
        let lines: Vec<String> = words.map(|word| quoted(word)).collect();
        fs::write(corpus.join(format!("{}.dict", target.name)), lines.join("\n"))?;
    }
    Ok(())
}

/// A dictionary entry: everything but plain ASCII as `\xHH`.
fn quoted(word: &str) -> String {
    let escaped: String = word
        .bytes()
        .map(|byte| match byte {
            b'"' | b'\\' => format!("\\{}", char::from(byte)),
            b' '..=b'~' => char::from(byte).to_string(),
            _ => format!("\\x{byte:02X}"),
        })
        .collect();
    format!("\"{escaped}\"")
}
