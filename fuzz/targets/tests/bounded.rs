//! Every target on its seeds and on a fixed sequence of mutations: what CI runs without libFuzzer.

use std::{
    panic::catch_unwind,
    time::{Duration, Instant},
};

use gateway_fuzz_targets::{TARGETS, mutate::Inputs};

/// Inputs of a target; fewer where one input takes long.
const INPUTS: usize = 1_500;
/// Time of a target after which it stops short of them: debug builds on a busy machine.
const LIMIT: Duration = Duration::from_secs(2);

#[test]
fn every_target_stands_its_seeds_and_mutations() {
    let mut failed = Vec::new();
    for target in TARGETS {
        let start = Instant::now();
        let mut ran = 0;
        for input in Inputs::new(target, 0x5EED).take(INPUTS) {
            if ran >= target.seeds.len() && start.elapsed() > LIMIT {
                break;
            }
            if catch_unwind(|| (target.run)(&input)).is_err() {
                failed.push(format!("{}: {:?}", target.name, String::from_utf8_lossy(&input)));
                break;
            }
            ran += 1;
        }
        println!("{}: {ran} inputs", target.name);
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_target_has_a_program_and_every_program_a_target() {
    let mut names: Vec<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    names.sort_unstable();
    let programs = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz_targets");
    let mut files: Vec<String> = std::fs::read_dir(programs)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".rs")?.to_owned()))
        .collect();
    files.sort_unstable();
    assert_eq!(names, files);
}
