//! A small deterministic mutator for runs without libFuzzer: no coverage, but every target and its syntax.

use crate::Target;

/// Longest input made.
const LENGTH_MAX: usize = 2048;

/// Inputs for a target: its seeds, then mutations of what was made before.
pub struct Inputs<'t> {
    target: &'t Target,
    state: u64,
    next_seed: usize,
}

impl<'t> Inputs<'t> {
    /// The inputs of a target; `seed` picks the sequence.
    pub fn new(target: &'t Target, seed: u64) -> Self {
        Inputs {
            target,
            state: seed | 1,
            next_seed: 0,
        }
    }

    fn random(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.random() % limit.max(1) as u64) as usize
    }

    fn seed(&mut self) -> Vec<u8> {
        let seeds = self.target.seeds;
        match seeds.get(self.below(seeds.len())) {
            Some(seed) => seed.as_bytes().to_vec(),
            None => Vec::new(),
        }
    }

    fn mutated(&mut self) -> Vec<u8> {
        let mut input = self.seed();
        for _ in 0..1 + self.below(6) {
            let at = self.below(input.len() + 1);
            let to = (at + self.below(12)).min(input.len());
            match self.below(6) {
                0 if at < input.len() => input[at] ^= 1 << self.below(8),
                1 => {
                    let byte = self.random() as u8;
                    input.insert(at, byte);
                }
                2 => drop(input.drain(at..to)),
                3 => {
                    let piece = input[at..to].to_vec();
                    let place = self.below(input.len() + 1);
                    input.splice(place..place, piece);
                }
                4 => {
                    let words = self.target.words;
                    if let Some(word) = words.get(self.below(words.len())) {
                        input.splice(at..to, word.bytes());
                    }
                }
                _ => {
                    let other = self.seed();
                    let cut = self.below(other.len() + 1);
                    input.truncate(at);
                    input.extend_from_slice(&other[cut..]);
                }
            }
        }
        input.truncate(LENGTH_MAX);
        input
    }
}

impl Iterator for Inputs<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if let Some(seed) = self.target.seeds.get(self.next_seed) {
            self.next_seed += 1;
            return Some(seed.as_bytes().to_vec());
        }
        Some(self.mutated())
    }
}
