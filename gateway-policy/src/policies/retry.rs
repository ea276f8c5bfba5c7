//! `retry`: runs its children, and again while its condition holds.
//!
//! Source: "Retry" policy page; `policies.md` §3. The children run once first, so at most 1 + count times.

use std::time::Duration;

use super::{
    PolicyDef,
    def::{Content, ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    exec::Run,
    failure::Failure,
    program::{Op, Site},
    scope::{Scopes, Sections},
    setting::{Bounded, Setting, optional},
};

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("retry", "Runs its children again while a condition holds.")
        .attributes(&[
            attr("condition", "Retry while this is true.")
                .required()
                .expression(),
            attr("count", "Most retries, 1 to 50.").required().expression(),
            attr("interval", "Wait between retries, in seconds.")
                .required()
                .expression(),
            attr(
                "max-interval",
                "Longest wait with exponential growth, in seconds.",
            )
            .expression(),
            attr("delta", "Growth of the wait, in seconds.").expression(),
            attr("first-fast-retry", "The first retry does not wait.")
                .expression()
                .default("false"),
        ])
        .content(Content::Policies),
    sections: Sections::ALL,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<retry condition="@(context.Response == null || context.Response.StatusCode >= 500)" count="3" interval="1" first-fast-retry="true">
    <forward-request buffer-request-body="true" />
</retry>"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let site = compiler.current();
    for child in node.element.children.iter().filter(|c| c.name == "wait") {
        let message = "`wait` may not stand in `retry`";
        let help = "retry each request on its own";
        compiler.report(Finding::on(child, "not-allowed-here", message).help(help));
    }
    let count = compiler.attribute(node, "count");
    let interval = compiler.attribute(node, "interval");
    let max_interval = compiler.attribute(node, "max-interval");
    let delta = compiler.attribute(node, "delta");
    let first_fast = compiler.attribute(node, "first-fast-retry");
    let needs_before = compiler.take_needs();
    let condition = compiler.attribute(node, "condition");
    let needs_after = compiler.take_needs();
    let (Some(condition), Some(count), Some(interval), Some(first_fast)) =
        (condition, count, interval, first_fast)
    else {
        compiler.look_inside(node);
        return None;
    };
    let policy = Retry {
        condition,
        count,
        interval,
        max_interval,
        delta,
        first_fast,
    };
    compiler.put_needs(needs_before);
    let start = compiler.emit(
        Op::Retry {
            policy: Box::new(policy),
            end: 0,
        },
        site,
    );
    compiler.block(node.element);
    compiler.put_needs(needs_after);
    let end_position = compiler.emit(Op::RetryEnd { start }, site);
    if let Some(Op::Retry { end, .. }) = compiler.op_mut(start) {
        *end = end_position;
    }
    Some(())
}

#[derive(Debug)]
pub(crate) struct Retry {
    condition: Setting<bool>,
    count: Setting<Bounded<1, 50>>,
    interval: Setting<Bounded<0, { i64::MAX }>>,
    max_interval: Option<Setting<Bounded<0, { i64::MAX }>>>,
    delta: Option<Setting<Bounded<0, { i64::MAX }>>>,
    first_fast: Setting<bool>,
}

/// The numbers of one run, evaluated when the loop starts.
#[derive(Debug)]
pub(crate) struct Spec {
    count: u32,
    interval: u64,
    max_interval: Option<u64>,
    delta: Option<u64>,
    first_fast: bool,
}

/// A loop that is running.
#[derive(Debug)]
pub(crate) struct Loop {
    spec: Spec,
    retries: u32,
    /// First child.
    pub(crate) start: usize,
    /// The instruction that ends the loop.
    pub(crate) end: usize,
    /// Failure of this round, with the place and scope it came from.
    pub(crate) failed: Option<(Failure, Option<Site>, usize)>,
}

impl Loop {
    pub(crate) fn new(spec: Spec, start: usize, end: usize) -> Self {
        Self {
            spec,
            retries: 0,
            start,
            end,
            failed: None,
        }
    }
}

/// Longest single wait: a day. More is a slip in the document, and arithmetic stays in range.
const WAIT_SECONDS_MAX: u64 = 86_400;

impl Retry {
    pub(crate) fn begin(&self, run: &mut Run<'_>) -> Result<Spec, Failure> {
        Ok(Spec {
            count: self.count.get(run)?.unsigned() as u32,
            interval: self.interval.get(run)?.unsigned().min(WAIT_SECONDS_MAX),
            max_interval: optional(self.max_interval.as_ref(), run)?
                .map(|m| m.unsigned().min(WAIT_SECONDS_MAX)),
            delta: optional(self.delta.as_ref(), run)?.map(|d| d.unsigned().min(WAIT_SECONDS_MAX)),
            first_fast: *self.first_fast.get(run)?,
        })
    }

    /// After a round: how long to wait before the next, or `None` when there is none.
    pub(crate) fn next(&self, run: &mut Run<'_>, round: &mut Loop) -> Result<Option<Duration>, Failure> {
        if !*self.condition.get(run)? || round.retries >= round.spec.count {
            return Ok(None);
        }
        round.retries += 1;
        Ok(Some(round.spec.wait(round.retries, run.world.random())))
    }
}

impl Spec {
    /// Wait before retry number `n`, from 1.
    fn wait(&self, n: u32, random: u64) -> Duration {
        if self.first_fast && n == 1 {
            return Duration::ZERO;
        }
        let seconds = |s: f64| Duration::from_secs_f64(s.clamp(0.0, WAIT_SECONDS_MAX as f64));
        let interval = self.interval as f64;
        match (self.max_interval, self.delta) {
            (Some(max), Some(delta)) => {
                // random(0.8 * delta, 1.2 * delta)
                let part = 0.8 + 0.4 * (random as f64 / u64::MAX as f64);
                let grown = interval + 2f64.powi(n as i32 - 1) * delta as f64 * part;
                seconds(grown.min(max as f64))
            }
            (None, Some(delta)) => seconds(interval + f64::from(n - 1) * delta as f64),
            (Some(max), None) => seconds(interval.min(max as f64)),
            (None, None) => seconds(interval),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{check, check_load};

    fn spec(interval: u64, max_interval: Option<u64>, delta: Option<u64>, first_fast: bool) -> Spec {
        Spec {
            count: 50,
            interval,
            max_interval,
            delta,
            first_fast,
        }
    }

    #[test]
    fn waits_follow_the_documented_formulas() {
        let middle = u64::MAX / 2;
        for (spec, expected) in [
            (spec(10, None, None, false), [10.0, 10.0, 10.0, 10.0]),
            (spec(10, None, Some(5), false), [10.0, 15.0, 20.0, 25.0]),
            (spec(10, Some(100), Some(10), false), [20.0, 30.0, 50.0, 90.0]),
            (spec(10, Some(40), Some(10), false), [20.0, 30.0, 40.0, 40.0]),
            (spec(10, None, None, true), [0.0, 10.0, 10.0, 10.0]),
        ] {
            for (n, expected) in (1..).zip(expected) {
                let wait = spec.wait(n, middle).as_secs_f64();
                assert!(
                    (wait - expected).abs() < 1e-6,
                    "{spec:?} retry {n}: {wait} for {expected}"
                );
            }
        }
    }

    #[test]
    fn children_run_once_and_then_while_the_condition_holds() {
        let forward = |condition: &str| {
            format!("<retry condition='{condition}' count='2' interval='3'><forward-request/></retry>")
        };
        check("backend", &forward("false"), &["200"], "forward; 200");
        check(
            "backend",
            &forward("true"),
            &["500", "503", "200"],
            "forward; delay 3s; forward; delay 3s; forward; 200",
        );
    }

    #[test]
    fn failures_are_retried_and_the_last_one_is_raised() {
        let text = "<retry condition='true' count='1' interval='0'><forward-request/></retry>";
        check("backend", text, &["timeout", "200"], "forward; forward; 200");
        check(
            "backend",
            text,
            &["timeout", "refused"],
            "forward; forward; 500 forward-request/BackendConnectionFailure",
        );
    }

    #[test]
    fn mistakes_refuse_the_document() {
        check_load(
            "backend",
            "<retry condition='true' count='51' interval='1'/>",
            "bad-value: `count` of `retry` must be a whole number from 1 to 50",
        );
        check_load(
            "backend",
            "<retry count='1' interval='1'/>",
            "missing-attribute: `retry` needs the attribute `condition`",
        );
    }
}
