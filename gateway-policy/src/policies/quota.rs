//! `quota` and `quota-by-key`: at most so many calls in a fixed period.
//!
//! Source: "Set usage quota" policy pages; `policies.md` §6. Periods are counted from a start; 0 seconds means
//! that the quota is never renewed. Bandwidth quotas need byte counts of both messages and are refused until
//! the gateway has them.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, StatusCode, header};

use super::{
    Flow, Policy, PolicyDef,
    def::{AttributeDef, Child, ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    effect::{Count, Effect, Outcome, Window},
    exec::Run,
    failure::{Failure, Refusal},
    scope::{Scopes, Sections},
    setting::{Bounded, FromValue, Setting},
};

const CALLS: AttributeDef = attr("calls", "Calls allowed in the period.").expression();
const BANDWIDTH: AttributeDef =
    attr("bandwidth", "Kilobytes allowed in the period; not supported.").expression();
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

/// Seconds, or an ISO 8601 duration as some documents write it (`P30D`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Period(Duration);

/// Length of a period that is never renewed: a century, which clocks can still add to now.
const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);

impl FromValue for Period {
    fn literal(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let seconds = match text.parse::<u64>() {
            Ok(seconds) => Some(seconds),
            Err(_) => iso_duration_seconds(text),
        };
        match seconds {
            Some(0) => Ok(Self(NEVER)),
            Some(seconds) if seconds >= 300 => Ok(Self(Duration::from_secs(seconds))),
            _ => Err("0, or at least 300 seconds".into()),
        }
    }
}

/// `P[n]D[T[n]H[n]M[n]S]`; months and years have no fixed length and are not taken.
fn iso_duration_seconds(text: &str) -> Option<u64> {
    let rest = text.strip_prefix('P')?;
    let (days, time) = rest.split_once('T').unwrap_or((rest, ""));
    let mut seconds = 0u64;
    let mut number = String::new();
    let parts = days
        .chars()
        .map(|c| (c, false))
        .chain(time.chars().map(|c| (c, true)));
    for (c, in_time) in parts {
        let unit = match (c, in_time) {
            ('0'..='9', _) => {
                number.push(c);
                continue;
            }
            ('W', false) => 604_800,
            ('D', false) => 86_400,
            ('H', true) => 3_600,
            ('M', true) => 60,
            ('S', true) => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        number.clear();
    }
    (number.is_empty() && rest.len() > 1).then_some(seconds)
}

/// A point in time as Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Instant(i64);

/// 0001-01-01T00:00:00Z, the default start.
const YEAR_ONE: i64 = -62_135_596_800;

impl FromValue for Instant {
    fn literal(text: &str) -> Result<Self, String> {
        parse_instant(text.trim())
            .map(Self)
            .ok_or_else(|| "a UTC time such as `2024-01-31T00:00:00Z`".into())
    }
}

fn parse_instant(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let mut parts = date.split('-').map(|p| p.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let time = time.trim_end_matches('Z').split('.').next()?;
    let mut parts = time.split(':').map(|p| p.parse::<i64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    let valid = (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let valid = valid && (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
    // Days from the civil date: years start in March so that leap days come last.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    valid.then_some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Refuses what is not there yet; gives the limit that is.
fn calls(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<Setting<Calls>> {
    if node.has("bandwidth") {
        let message = format!(
            "`bandwidth` of `{}` is not supported by this gateway yet",
            node.element.name
        );
        compiler.report(
            Finding::on(node.element, "unsupported-attribute", message).help("limit `calls` instead"),
        );
    }
    if !node.has("calls") {
        if !node.has("bandwidth") {
            let message = format!(
                "`{}` needs the attribute `calls` or `bandwidth`",
                node.element.name
            );
            compiler.report(Finding::on(node.element, "missing-attribute", message).help("set the limit"));
        }
        return None;
    }
    compiler.attribute(node, "calls")
}

fn build_quota(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    if let Some(child) = node.element.children.first() {
        let message = "quotas of single APIs and operations are not supported by this gateway yet";
        compiler.report(Finding::on(child, "unsupported-policy", message).help("use `quota-by-key` there"));
        return None;
    }
    let calls = calls(compiler, node);
    let period = compiler.attribute(node, "renewal-period");
    let quota = Quota {
        calls: calls?,
        period: period?,
        key: None,
        first: Instant(YEAR_ONE),
        condition: None,
        increment: Setting::Literal(Bounded(1)),
        deferred: false,
    };
    compiler.policy(quota);
    Some(())
}

fn build_by_key(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let calls = calls(compiler, node);
    let period = compiler.attribute(node, "renewal-period");
    let key = compiler.attribute(node, "counter-key");
    let first = compiler.literal(node, "first-period-start");
    let condition = compiler.attribute(node, "increment-condition");
    let increment: Setting<Calls> = compiler.attribute(node, "increment-count")?;
    let deferred =
        matches!(condition, Some(Setting::Expression(_))) || matches!(increment, Setting::Expression(_));
    let key = Some(key?);
    compiler.policy(Quota {
        calls: calls?,
        period: period?,
        key,
        first: first?,
        condition,
        increment,
        deferred,
    });
    Some(())
}

#[derive(Debug)]
struct Quota {
    calls: Setting<Calls>,
    period: Setting<Period>,
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

impl Quota {
    /// The counter; `None` without a subscription, which `quota` is for.
    fn count(&self, run: &mut Run<'_>, increment: u64) -> Result<Option<Effect>, Failure> {
        let (key, first_period_start) = match &self.key {
            Some(key) => (format!("quota-by-key:{}", *key.get(run)?), self.first.0),
            None => {
                let context = &run.context;
                let Some(subscription) = context.subscription.as_deref() else {
                    return Ok(None);
                };
                let product = context.product.as_deref().map_or("", |p| &p.id);
                // Windows of a subscription start when it does.
                let start = subscription.start_ticks.unwrap_or(subscription.created_ticks);
                (
                    format!("quota:product:{product}:{}", subscription.id),
                    (start - UNIX_EPOCH_TICKS) / 10_000_000,
                )
            }
        };
        let Period(period) = *self.period.get(run)?;
        run.detail("counter-key", || key.clone());
        Ok(Some(Effect::Count(Box::new(Count {
            key: key.into(),
            limit: self.calls.get(run)?.unsigned(),
            period,
            window: Window::Fixed { first_period_start },
            increment,
        }))))
    }

    fn increment(&self, run: &mut Run<'_>) -> Result<u64, Failure> {
        match &self.condition {
            Some(condition) if !*condition.get(run)? => Ok(0),
            _ => Ok(self.increment.get(run)?.unsigned()),
        }
    }
}

impl Policy for Quota {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let increment = if self.deferred { 0 } else { self.increment(run)? };
        let count = self.count(run, increment)?;
        if self.deferred && count.is_some() {
            run.defer();
        }
        Ok(count.map_or(Flow::Next, Flow::Ask))
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        let Outcome::Counted(counted) = outcome else {
            return Err(run.unexpected(outcome));
        };
        run.detail("remaining", || counted.remaining.to_string());
        if counted.allowed {
            return Ok(Flow::Next);
        }
        let seconds = counted.retry_after.as_secs() + u64::from(counted.retry_after.subsec_nanos() > 0);
        let message = format!(
            "Out of call volume quota. Quota will be replenished in {}.",
            TimeSpan(seconds)
        );
        Err(Failure::Refused(Box::new(Refusal {
            source: if self.key.is_some() {
                "quota-by-key"
            } else {
                "quota"
            },
            reason: "QuotaExceeded",
            public: message.clone(),
            message,
            status: StatusCode::FORBIDDEN,
            headers: vec![(header::RETRY_AFTER, HeaderValue::from(seconds))],
        })))
    }

    fn finish(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        match self.increment(run)? {
            0 => Ok(Flow::Next),
            increment => Ok(self.count(run, increment)?.map_or(Flow::Next, Flow::Ask)),
        }
    }
}

/// Seconds as a .NET `TimeSpan`: `hh:mm:ss`, with days in front from one day on.
struct TimeSpan(u64);

impl std::fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (days, rest) = (self.0 / 86_400, self.0 % 86_400);
        if days > 0 {
            write!(f, "{days}.")?;
        }
        write!(f, "{:02}:{:02}:{:02}", rest / 3_600, rest / 60 % 60, rest % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        context::Product,
        test_support::{check, check_documents, check_load, document},
    };

    #[test]
    fn a_key_counts_in_fixed_periods() {
        let text = "<quota-by-key calls='10' renewal-period='3600' counter-key='k'/>";
        check(
            "inbound",
            text,
            &["allowed 9"],
            "count quota-by-key:k 10/3600s +1; forward; 200",
        );
        check(
            "inbound",
            text,
            &["denied 90061"],
            "count quota-by-key:k 10/3600s +1; 403 quota-by-key/QuotaExceeded retry-after: 90061",
        );
    }

    #[test]
    fn a_product_counts_its_subscriptions() {
        let product = document("inbound", "<quota calls='10' renewal-period='3600'/>");
        for (subscribed, answers, expected) in [
            (
                true,
                &["allowed 9"][..],
                "count quota:product:gold:sub-1 10/3600s +1; forward; 200",
            ),
            (false, &[], "forward; 200"),
        ] {
            let change = |context: &mut crate::Context| {
                context.product = Some(
                    Product {
                        id: "gold".into(),
                        ..Product::default()
                    }
                    .into(),
                );
                if !subscribed {
                    context.subscription = None;
                }
            };
            check_documents([None, Some(&product), None, None], change, answers, expected);
        }
    }

    #[test]
    fn texts_are_those_of_the_original() {
        for (seconds, expected) in [(59, "00:00:59"), (3_661, "01:01:01"), (90_061, "1.01:01:01")] {
            assert_eq!(TimeSpan(seconds).to_string(), expected);
        }
        for (text, expected) in [
            ("3600", Some(3600)),
            ("P30D", Some(30 * 86_400)),
            ("PT12H30M", Some(45_000)),
            ("P1M", None),
            ("P", None),
            ("299", None),
        ] {
            assert_eq!(
                Period::literal(text).ok(),
                expected.map(|s| Period(Duration::from_secs(s))),
                "{text}"
            );
        }
        assert_eq!(Period::literal("0"), Ok(Period(NEVER)));
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("0001-01-01T00:00:00Z", Some(YEAR_ONE)),
            ("2024-02-29T12:34:56Z", Some(1_709_210_096)),
            ("2024-13-01T00:00:00Z", None),
            ("soon", None),
        ] {
            assert_eq!(parse_instant(text), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_refuse_the_document() {
        for (text, expected) in [
            (
                "<quota-by-key renewal-period='300' counter-key='k'/>",
                "missing-attribute: `quota-by-key` needs the attribute `calls` or `bandwidth`",
            ),
            (
                "<quota-by-key calls='1' renewal-period='60' counter-key='k'/>",
                "bad-value: `renewal-period` of `quota-by-key` must be 0, or at least 300 seconds",
            ),
            (
                "<quota-by-key calls='1' bandwidth='1' renewal-period='300' counter-key='k'/>",
                "unsupported-attribute: `bandwidth` of `quota-by-key` is not supported by this gateway yet",
            ),
            (
                "<quota calls='1' renewal-period='300'/>",
                "not-allowed-here: `quota` is not allowed at api scope",
            ),
        ] {
            check_load("inbound", text, expected);
        }
    }
}
