//! `quota` and `quota-by-key`: at most so many calls in a fixed period.
//!
//! Source: "Set usage quota" policy pages; `policies.md` §6. Periods are counted from a start; 0 seconds means
//! that the quota is never renewed. Bandwidth is known only when the last byte of the answer is sent: a call is
//! let in while anything is left, and its bytes (both bodies) are charged afterwards, so the last call of a
//! period may go over. Limits of a product, its APIs and operations are counters of their own; a call that one
//! of them refuses is counted by none.

mod period;

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};

use self::period::{Instant, Period, TimeSpan, YEAR_ONE};
use super::{
    Flow, Policy, PolicyDef,
    def::{AttributeDef, Child, ElementDef, attr},
    rate_limit::{Target, entity},
};
use crate::{
    compile::{Compiler, Finding, Node},
    effect::{Count, Effect, Outcome, Window},
    exec::Run,
    failure::{Failure, Refusal},
    scope::{Scopes, Sections},
    setting::{Bounded, Setting},
};

const CALLS: AttributeDef = attr("calls", "Calls allowed in the period.").expression();
const BANDWIDTH: AttributeDef = attr(
    "bandwidth",
    "Kilobytes of requests and responses allowed in the period.",
)
.expression();
const PERIOD: AttributeDef = attr(
    "renewal-period",
    "Length of the period in seconds; 0: never renewed.",
)
.required()
.expression();

static OPERATION: ElementDef = ElementDef::new("operation", "A quota of its own for an operation.")
    .attributes(&[
        attr("name", "Name of the operation."),
        attr("id", "Id of the operation."),
        CALLS,
        BANDWIDTH,
        PERIOD,
    ]);

static API: ElementDef = ElementDef::new("api", "A quota of its own for an API of the product.")
    .attributes(&[
        attr("name", "Name of the API."),
        attr("id", "Id of the API."),
        CALLS,
        BANDWIDTH,
        PERIOD,
    ])
    .children(&[Child::any(&OPERATION)]);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("quota", "Limits the calls of a subscription over a longer time.")
        .attributes(&[CALLS, BANDWIDTH, PERIOD])
        .children(&[Child::any(&API), Child::any(&OPERATION)]),
    sections: Sections::I,
    tolerated: Sections::I,
    scopes: Scopes::PRODUCT,
    once: true,
    example: r#"<quota calls="10000" renewal-period="2592000" />"#,
    build: build_quota,
};

pub(crate) static BY_KEY: PolicyDef = PolicyDef {
    element: ElementDef::new("quota-by-key", "Limits the calls of a key over a longer time.").attributes(&[
        CALLS,
        BANDWIDTH,
        PERIOD,
        attr("counter-key", "Calls with equal keys share one counter.")
            .required()
            .expression(),
        attr(
            "increment-condition",
            "Count the call only if this is true; evaluated at the end.",
        )
        .expression(),
        attr("increment-count", "By how much a call counts.")
            .expression()
            .default("1"),
        attr("first-period-start", "Start of the first period.").default("0001-01-01T00:00:00Z"),
    ]),
    sections: Sections::I,
    tolerated: Sections::I,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<quota-by-key calls="1000" renewal-period="86400" counter-key="@(context.Request.IpAddress)" />"#,
    build: build_by_key,
};

type Calls = Bounded<0, { i64::MAX }>;

/// What is limited: in all of a product, or in a part of it.
#[derive(Debug)]
struct Limit {
    target: Target,
    calls: Option<Setting<Calls>>,
    /// Kilobytes.
    bandwidth: Option<Setting<Calls>>,
    period: Setting<Period>,
}

impl Limit {
    fn build(compiler: &mut Compiler<'_>, node: Node<'_>, target: Target) -> Option<Self> {
        if !node.has("calls") && !node.has("bandwidth") {
            let message = format!(
                "`{}` needs the attribute `calls` or `bandwidth`",
                node.element.name
            );
            compiler.report(Finding::on(node.element, "missing-attribute", message).help("set the limit"));
            return None;
        }
        let calls: Option<Setting<Calls>> = compiler.attribute(node, "calls");
        let bandwidth: Option<Setting<Calls>> = compiler.attribute(node, "bandwidth");
        if calls.is_some() != node.has("calls") || bandwidth.is_some() != node.has("bandwidth") {
            // Reported already.
            return None;
        }
        Some(Self {
            target,
            calls,
            bandwidth,
            period: compiler.attribute(node, "renewal-period")?,
        })
    }
}

fn build_quota(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let mut limits = vec![Limit::build(compiler, node, Target::All)];
    for api in node.children("api") {
        let target = entity(compiler, api);
        limits.push(
            target
                .clone()
                .and_then(|t| Limit::build(compiler, api, Target::Api(t))),
        );
        for operation in api.children("operation") {
            let target = target.clone().zip(entity(compiler, operation));
            limits.push(
                target.and_then(|(a, o)| Limit::build(compiler, operation, Target::Operation(Some(a), o))),
            );
        }
    }
    for operation in node.children("operation") {
        let target = entity(compiler, operation);
        limits.push(target.and_then(|t| Limit::build(compiler, operation, Target::Operation(None, t))));
    }
    let limits = limits.into_iter().collect::<Option<Vec<_>>>()?;
    compiler.policy(Quota {
        steps: steps(&limits),
        limits,
        key: None,
        first: Instant(YEAR_ONE),
        condition: None,
        increment: Setting::Literal(Bounded(1)),
        deferred: false,
    });
    Some(())
}

fn build_by_key(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let limit = Limit::build(compiler, node, Target::All);
    let key = compiler.attribute(node, "counter-key");
    let first = compiler.literal(node, "first-period-start");
    let condition = compiler.attribute(node, "increment-condition");
    let increment: Setting<Calls> = compiler.attribute(node, "increment-count")?;
    let deferred =
        matches!(condition, Some(Setting::Expression(_))) || matches!(increment, Setting::Expression(_));
    let key = Some(key?);
    let limits = vec![limit?];
    compiler.policy(Quota {
        steps: steps(&limits),
        limits,
        key,
        first: first?,
        condition,
        increment,
        deferred,
    });
    Some(())
}

/// What is asked of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    /// Is any bandwidth left?
    Bandwidth,
    /// Is a call left?
    Look,
    /// Count the call.
    Count,
}

/// The questions in order, each with the position of its limit. Every limit is looked at before the first one
/// counts; a single one counts at once.
fn steps(limits: &[Limit]) -> Vec<(usize, Ask)> {
    let with = |ask: Ask, wanted: fn(&Limit) -> bool| {
        let all = limits.iter().enumerate();
        all.filter(move |(_, l)| wanted(l)).map(move |(i, _)| (i, ask))
    };
    let mut steps: Vec<_> = with(Ask::Bandwidth, |l| l.bandwidth.is_some()).collect();
    let counts: Vec<_> = with(Ask::Count, |l| l.calls.is_some()).collect();
    if counts.len() > 1 {
        steps.extend(with(Ask::Look, |l| l.calls.is_some()));
    }
    steps.extend(counts);
    steps
}

#[derive(Debug)]
struct Quota {
    limits: Vec<Limit>,
    steps: Vec<(usize, Ask)>,
    /// `None`: the subscription in its product.
    key: Option<Setting<Arc<str>>>,
    first: Instant,
    condition: Option<Setting<bool>>,
    increment: Setting<Calls>,
    /// Counted at the end, only checked here.
    deferred: bool,
}

/// Seconds between year one and 1970, in ticks of 100 ns.
const UNIX_EPOCH_TICKS: i64 = 621_355_968_000_000_000;
/// Bytes of a kilobyte.
const KILOBYTE: u64 = 1_024;

impl Quota {
    fn name(&self) -> &'static str {
        if self.key.is_some() {
            "quota-by-key"
        } else {
            "quota"
        }
    }

    /// The counter of a limit; `None` when the limit is for something else, and without a subscription, which
    /// `quota` is for.
    fn count(
        &self,
        run: &mut Run<'_>,
        limit: &Limit,
        ask: Ask,
        increment: u64,
    ) -> Result<Option<Count>, Failure> {
        let (whose, first_period_start) = match &self.key {
            Some(key) => (key.get(run)?.to_string(), self.first.0),
            None => {
                let (Some(target), Some(subscription)) =
                    (limit.target.part(run), run.context.subscription.as_deref())
                else {
                    return Ok(None);
                };
                let product = run.context.product.as_deref().map_or("", |p| &p.id);
                // Windows of a subscription start when it does.
                let start = subscription.start_ticks.unwrap_or(subscription.created_ticks);
                (
                    format!("product:{product}{target}:{}", subscription.id),
                    (start - UNIX_EPOCH_TICKS) / 10_000_000,
                )
            }
        };
        let (kind, allowed, unit) = match ask {
            Ask::Bandwidth => ("-bandwidth", &limit.bandwidth, KILOBYTE),
            Ask::Look | Ask::Count => ("", &limit.calls, 1),
        };
        let Some(allowed) = allowed else { return Ok(None) };
        let key = format!("{}{kind}:{whose}", self.name());
        run.detail("counter-key", || key.clone());
        Ok(Some(Count {
            key: key.into(),
            limit: allowed.get(run)?.unsigned().saturating_mul(unit),
            period: limit.period.get(run)?.0,
            window: Window::Fixed { first_period_start },
            increment,
        }))
    }

    fn increment(&self, run: &mut Run<'_>) -> Result<u64, Failure> {
        match &self.condition {
            Some(condition) if !*condition.get(run)? => Ok(0),
            _ => Ok(self.increment.get(run)?.unsigned()),
        }
    }

    /// Asks the next counter that is for this request; `cursor` is the position after it.
    fn ask(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let increment = if self.deferred { 0 } else { self.increment(run)? };
        while let Some((at, ask)) = self.steps.get(run.exchange.cursor).copied() {
            run.exchange.cursor += 1;
            let by = if ask == Ask::Count { increment } else { 0 };
            let Some(count) = self.count(run, &self.limits[at], ask, by)? else {
                continue;
            };
            let again = by > 0 && !run.counts_first(&count.key);
            let count = if again { count.counted_already() } else { count };
            return Ok(Flow::Ask(Effect::Count(Box::new(count))));
        }
        if self.deferred {
            run.defer();
        } else if increment > 0 {
            self.charge_bandwidth(run)?;
        }
        Ok(Flow::Next)
    }

    /// Leaves the bandwidth counters of this request to be charged when it is over.
    fn charge_bandwidth(&self, run: &mut Run<'_>) -> Result<(), Failure> {
        for (at, ask) in self.steps.iter().copied().filter(|(_, a)| *a == Ask::Bandwidth) {
            if let Some(count) = self.count(run, &self.limits[at], ask, 0)?
                && run.counts_first(&count.key)
            {
                run.exchange.bandwidth.push(count);
            }
        }
        Ok(())
    }
}

impl Policy for Quota {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        self.ask(run)
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        let Outcome::Counted(counted) = outcome else {
            return Err(run.unexpected(outcome));
        };
        run.detail("remaining", || counted.remaining.to_string());
        if counted.allowed {
            return self.ask(run);
        }
        let asked = run.exchange.cursor.checked_sub(1).and_then(|i| self.steps.get(i));
        let what = match asked {
            Some((_, Ask::Bandwidth)) => "bandwidth",
            _ => "call volume",
        };
        let seconds = counted.retry_after.as_secs() + u64::from(counted.retry_after.subsec_nanos() > 0);
        let message = format!(
            "Out of {what} quota. Quota will be replenished in {}.",
            TimeSpan(seconds)
        );
        Err(Failure::Refused(Box::new(Refusal {
            source: self.name(),
            reason: "QuotaExceeded",
            public: message.clone(),
            message,
            status: StatusCode::FORBIDDEN,
            headers: vec![(header::RETRY_AFTER, HeaderValue::from(seconds))],
        })))
    }

    fn finish(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let increment = self.increment(run)?;
        if increment == 0 {
            return Ok(Flow::Next);
        }
        self.charge_bandwidth(run)?;
        // Only `quota-by-key` counts at the end, and it has one limit.
        let Some(limit) = self.limits.first() else {
            return Ok(Flow::Next);
        };
        match self.count(run, limit, Ask::Count, increment)? {
            Some(count) if run.counts_first(&count.key) => Ok(Flow::Ask(Effect::Charge(Box::new(count)))),
            _ => Ok(Flow::Next),
        }
    }
}

#[cfg(test)]
mod tests;
