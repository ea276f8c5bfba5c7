//! Reads what the standard test harness prints: counts, failures, and skips with their reasons.
//!
//! A test that cannot run on this machine prints one line `SKIP: reason` and returns; the harness knows no
//! better than to call that a pass, so it is counted here as what it is.

/// A test that did not run, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    /// Name of the test or stage.
    pub(crate) what: String,
    /// Reason as printed.
    pub(crate) why: String,
}

/// What a run of tests came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tests that ran and held.
    pub(crate) passed: usize,
    /// Names of tests that ran and did not.
    pub(crate) failed: Vec<String>,
    /// Tests that did not run.
    pub(crate) skipped: Vec<Skip>,
}

impl Counts {
    /// Adds another run.
    pub(crate) fn add(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed.extend(other.failed);
        self.skipped.extend(other.skipped);
    }
}

/// Reads the output of `cargo test -- --show-output`, line by line.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    counts: Counts,
    binary: String,
    section: Option<String>,
    succeeding: bool,
}

impl Reader {
    /// Takes one line of output.
    pub(crate) fn line(&mut self, line: &str) {
        let line = line.trim_end();
        if let Some(rest) = line
            .trim_start()
            .strip_prefix("Running ")
            .or_else(|| line.trim_start().strip_prefix("Doc-tests "))
        {
            self.binary = binary_name(rest);
        } else if let Some((name, verdict)) = verdict(line) {
            self.section = None;
            self.verdict(name, verdict);
        } else if line == "successes:" {
            (self.succeeding, self.section) = (true, None);
        } else if line == "failures:" {
            (self.succeeding, self.section) = (false, None);
        } else if let Some(name) = line
            .strip_prefix("---- ")
            .and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            self.section = Some(name.to_owned());
        } else if let Some(why) = line.strip_prefix("SKIP: ") {
            self.skip(why);
        }
    }

    /// The counts at the end of the output.
    pub(crate) fn finish(self) -> Counts {
        self.counts
    }

    fn verdict(&mut self, name: &str, verdict: &str) {
        let name = self.qualified(name);
        if verdict == "ok" {
            self.counts.passed += 1;
        } else if let Some(why) = verdict.strip_prefix("ignored") {
            let why = why.trim_start_matches([',', ' ']);
            let why = if why.is_empty() {
                "marked #[ignore] without a reason"
            } else {
                why
            };
            self.counts.skipped.push(Skip {
                what: name,
                why: why.to_owned(),
            });
        } else {
            self.counts.failed.push(name);
        }
    }

    // One test may name several reasons; it is still one test that did not run.
    fn skip(&mut self, why: &str) {
        let Some(test) = self.section.as_deref().filter(|_| self.succeeding) else {
            return;
        };
        let what = self.qualified(test);
        if let Some(known) = self.counts.skipped.iter_mut().find(|skip| skip.what == what) {
            known.why = format!("{}; {why}", known.why);
        } else {
            self.counts.passed = self.counts.passed.saturating_sub(1);
            self.counts.skipped.push(Skip {
                what,
                why: why.to_owned(),
            });
        }
    }

    fn qualified(&self, name: &str) -> String {
        if self.binary.is_empty() {
            name.to_owned()
        } else {
            format!("{}: {name}", self.binary)
        }
    }
}

// `unittests src/lib.rs (target/debug/deps/gateway_policy-0123456789abcdef)` -> `gateway_policy`
fn binary_name(rest: &str) -> String {
    let path = rest
        .rsplit_once('(')
        .map_or(rest, |(_, path)| path.trim_end_matches(')'));
    let file = path.rsplit('/').next().unwrap_or(path);
    file.rsplit_once('-').map_or(file, |(name, _)| name).to_owned()
}

fn verdict(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("test ")?;
    let (name, verdict) = rest.rsplit_once(" ... ")?;
    let known = verdict == "ok" || verdict == "FAILED" || verdict.starts_with("ignored");
    // Names of `should_panic` and of documentation tests carry a remark after them.
    known.then(|| (name.trim_end_matches(" - should panic"), verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &str, passed: usize, failed: &[&str], skipped: &[(&str, &str)]) {
        let mut reader = Reader::default();
        output.lines().for_each(|line| reader.line(line));
        let counts = reader.finish();
        assert_eq!(counts.passed, passed);
        assert_eq!(counts.failed, failed);
        let seen: Vec<(&str, &str)> = counts
            .skipped
            .iter()
            .map(|skip| (skip.what.as_str(), skip.why.as_str()))
            .collect();
        assert_eq!(seen, skipped);
    }

    #[test]
    fn counts_every_verdict() {
        check(
            "     Running unittests src/lib.rs (target/debug/deps/some_crate-0123456789abcdef)\n\
             running 4 tests\n\
             test a::one ... ok\n\
             test a::two - should panic ... ok\n\
             test a::three ... FAILED\n\
             test a::four ... ignored, needs a moon\n\
             test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out\n",
            2,
            &["some_crate: a::three"],
            &[("some_crate: a::four", "needs a moon")],
        );
    }

    #[test]
    fn a_skip_is_not_a_pass() {
        check(
            "     Running tests/e2e.rs (target/debug/deps/e2e-0123456789abcdef)\n\
             test seed ... ok\n\
             test other ... ok\n\
             \n\
             successes:\n\
             \n\
             ---- seed stdout ----\n\
             some words\n\
             SKIP: needs root\n\
             SKIP: and a kernel\n\
             \n\
             ---- other stdout ----\n\
             nothing said of SKIP: here\n",
            1,
            &[],
            &[("e2e: seed", "needs root; and a kernel")],
        );
    }

    #[test]
    fn a_failed_test_cannot_hide_behind_a_skip() {
        check(
            "test seed ... FAILED\n\nfailures:\n\n---- seed stdout ----\nSKIP: not really\n",
            0,
            &["seed"],
            &[],
        );
    }

    #[test]
    fn documentation_tests_count() {
        check(
            "   Doc-tests some_crate\ntest src/lib.rs - module (line 3) ... ok\n",
            1,
            &[],
            &[],
        );
    }
}
