//! `cargo xtask bench expressions` and `cargo xtask bench policies`: what one call costs, and its page under docs/.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use gateway_tests::process::find;
use serde::Deserialize;

use super::{Options, page::machine};
use crate::shell::{cargo, complain, root, say};

/// A bench of gateway-bench.
#[derive(Clone, Copy)]
pub(super) struct Bench {
    name: &'static str,
    title: &'static str,
    about: &'static str,
    /// Rows made of others: title, the two rows, and the most the result should be.
    derived: &'static [Derived],
}

/// A row made of two others.
struct Derived {
    title: &'static str,
    of: &'static str,
    against: &'static str,
    aim: f64,
    /// The quotient; else the difference in nanoseconds.
    ratio: bool,
}

pub(super) const EXPRESSIONS: Bench = Bench {
    name: "expressions",
    title: "Benchmarks of expressions",
    about: "Evaluating and compiling the commonest shapes of policy expressions, each against an exchange with four request \
            headers and six variables, of which the one asked for is the last.",
    derived: &[],
};

pub(super) const POLICIES: Bench = Bench {
    name: "policies",
    title: "Benchmarks of policies",
    about: "A whole exchange: the context is made, inbound, backend and outbound run against a backend that answers at once, \
            everything is dropped. What policies cost is the difference to the exchange without them.",
    derived: &[
        Derived {
            title: "ten policies with five expressions, over none",
            of: "request: ten policies, five expressions",
            against: "request: no policies",
            aim: 5000.0,
            ratio: false,
        },
        Derived {
            title: "request with validate-jwt RS256, over the signature alone",
            of: "request: validate-jwt, RS256",
            against: "signature alone: RS256, key parsed before",
            aim: 1.2,
            ratio: true,
        },
    ],
};

/// A measured case, as gateway-bench prints it.
#[derive(Deserialize)]
struct Row {
    name: String,
    aim: Option<f64>,
    least_ns: f64,
    median_ns: f64,
    allocations: u64,
    bytes: u64,
    instructions: Option<f64>,
}

/// Measures and writes the page.
pub(super) fn run(bench: Bench, options: &Options) -> Result<bool> {
    let counting = find("valgrind").is_some();
    if !counting {
        complain("SKIP: instructions are not counted: valgrind is not installed (apt-get install valgrind)");
    }
    let mut command = cargo();
    command.args(["bench", "-p", "gateway-bench", "--bench", bench.name, "--"]);
    if counting {
        command.arg("--instructions");
    }
    if let Some(only) = &options.only {
        command.args(["--only", only]);
    }
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the bench ended with {}", output.status);
    let rows = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).with_context(|| format!("the bench printed {line}")))
        .collect::<Result<Vec<Row>>>()?;
    let text = page(bench, &rows);
    if options.only.is_some() {
        say(&text);
        return Ok(true);
    }
    let path = root().join("docs").join(format!("benchmarks-{}.md", bench.name));
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    say(&format!("wrote {}", path.display()));
    Ok(true)
}

fn page(bench: Bench, rows: &[Row]) -> String {
    let mut text = format!(
        "# {}\n\nMade by `cargo xtask bench {}`; run it to have your own.\n\n{}\n\n\
         Machine: {}. *Least* is the least time of many batches: what the code takes when nothing else runs; *median* shows how \
         busy the machine was. *Instructions* are counted by valgrind and repeat within a percent, so they are what two versions \
         are compared by; valgrind's processor has no AVX-512, so cryptography takes more of them than in life. *Allocations* and \
         their bytes are those of one call.\n\n",
        bench.title,
        bench.name,
        bench.about,
        machine(),
    );
    let aims = aims(bench, rows);
    if !aims.is_empty() {
        let _ = write!(
            text,
            "## Against the aims\n\n| case | aim | least |\n|---|---|---|\n{aims}\n"
        );
    }
    text.push_str("## Figures\n\n| case | least | median | instructions | allocations | bytes |\n|---|---|---|---|---|---|\n");
    for row in rows {
        let counted = row
            .instructions
            .map_or_else(|| "not counted".to_owned(), |n| format!("{n:.0}"));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {counted} | {} | {} |",
            row.name,
            time(row.least_ns),
            time(row.median_ns),
            row.allocations,
            row.bytes,
        );
    }
    text
}

fn aims(bench: Bench, rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        if let Some(aim) = row.aim {
            let _ = writeln!(
                text,
                "| {} | at most {} | {} |",
                row.name,
                time(aim),
                time(row.least_ns)
            );
        }
    }
    let least = |name: &str| rows.iter().find(|row| row.name == name).map(|row| row.least_ns);
    for derived in bench.derived {
        let Some((of, against)) = least(derived.of).zip(least(derived.against)) else {
            continue;
        };
        let (aim, measured) = match derived.ratio {
            true => (
                format!("{} times", derived.aim),
                format!("{:.2} times", of / against),
            ),
            false => (time(derived.aim), time(of - against)),
        };
        let _ = writeln!(text, "| {} | at most {aim} | {measured} |", derived.title);
    }
    text
}

/// Nanoseconds in the unit that reads best.
fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        n if n < 1e3 => format!("{n:.0} ns"),
        n if n < 1e6 => format!("{:.2} µs", n / 1e3),
        n => format!("{:.1} ms", n / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, least_ns: f64) -> Row {
        Row {
            name: name.to_owned(),
            aim: (name == "own aim").then_some(60.0),
            least_ns,
            median_ns: least_ns,
            allocations: 1,
            bytes: 24,
            instructions: None,
        }
    }

    #[test]
    fn aims_are_own_ones_differences_and_ratios() {
        let rows = [
            row("own aim", 45.4),
            row("request: no policies", 1_000.0),
            row("request: ten policies, five expressions", 4_250.0),
            row("request: validate-jwt, RS256", 33_000.0),
            row("signature alone: RS256, key parsed before", 30_000.0),
        ];
        assert_eq!(
            aims(POLICIES, &rows),
            "| own aim | at most 60 ns | 45 ns |\n\
             | ten policies with five expressions, over none | at most 5.00 µs | 3.25 µs |\n\
             | request with validate-jwt RS256, over the signature alone | at most 1.2 times | 1.10 times |\n"
        );
        assert_eq!(aims(EXPRESSIONS, &rows[1..]), "");
    }

    #[test]
    fn a_page_says_what_was_not_counted() {
        let page = page(POLICIES, &[row("x", 2_500_000.0)]);
        assert!(
            page.contains("| x | 2.5 ms | 2.5 ms | not counted | 1 | 24 |"),
            "{page}"
        );
    }
}
