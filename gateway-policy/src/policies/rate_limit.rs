//! `rate-limit` and `rate-limit-by-key`: at most so many calls in a sliding window.
//!
//! Source: "Limit call rate" policy pages; `policies.md` §6. `rate-limit` counts per subscription and scope
//! and does nothing without a subscription; `rate-limit-by-key` has one counter for every equal key, whatever
//! scope it stands in. Rejected calls are not counted.

use std::{sync::Arc, time::Duration};

use gateway_expr::Value;
use http::{HeaderName, HeaderValue, StatusCode};

use super::{
    Flow, Policy, PolicyDef,
    def::{AttributeDef, Child, ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    effect::{Count, Counted, Effect, Outcome, Window},
    exec::Run,
    failure::{Failure, Refusal},
    scope::{Scope, Scopes, Sections},
    setting::{Bounded, Setting},
};

const CALLS: AttributeDef = attr("calls", "Calls allowed in the period.").required();
const PERIOD: AttributeDef =
    attr("renewal-period", "Length of the window in seconds, at most 300.").required();
const RETRY_HEADER: AttributeDef = attr(
    "retry-after-header-name",
    "Header of the refusal with the seconds to wait.",
)
.default("Retry-After");
const RETRY_VARIABLE: AttributeDef = attr("retry-after-variable-name", "Variable with the seconds to wait.");
const REMAINING_HEADER: AttributeDef = attr("remaining-calls-header-name", "Header with the calls left.");
const REMAINING_VARIABLE: AttributeDef =
    attr("remaining-calls-variable-name", "Variable with the calls left.");
const TOTAL_HEADER: AttributeDef = attr("total-calls-header-name", "Header with the calls allowed.");

static OPERATION: ElementDef = ElementDef::new("operation", "A limit of its own for an operation.")
    .attributes(&[
        attr("name", "Name of the operation."),
        attr("id", "Id of the operation."),
        CALLS,
        PERIOD,
    ]);

static API: ElementDef = ElementDef::new("api", "A limit of its own for an API of the product.")
    .attributes(&[
        attr("name", "Name of the API."),
        attr("id", "Id of the API."),
        CALLS,
        PERIOD,
    ])
    .children(&[Child::any(&OPERATION)]);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("rate-limit", "Limits the call rate of a subscription.")
        .attributes(&[
            CALLS,
            PERIOD,
            RETRY_HEADER,
            RETRY_VARIABLE,
            REMAINING_HEADER,
            REMAINING_VARIABLE,
            TOTAL_HEADER,
        ])
        .children(&[Child::any(&API), Child::any(&OPERATION)]),
    sections: Sections::I,
    tolerated: Sections::I,
    scopes: Scopes::NOT_GLOBAL,
    once: true,
    example: r#"<rate-limit calls="20" renewal-period="60" remaining-calls-header-name="X-Remaining" />"#,
    build: build_rate_limit,
};

pub(crate) static BY_KEY: PolicyDef = PolicyDef {
    element: ElementDef::new("rate-limit-by-key", "Limits the call rate of a key.").attributes(&[
        CALLS.expression(),
        PERIOD.expression(),
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
        attr(
            "increment-after-response",
            "Count at the end even if condition and count are literals.",
        )
        .default("false"),
        attr(
            "flexible-retry-window",
            "Known from the schema only; without effect here, where the seconds to wait are exact.",
        ),
        RETRY_HEADER,
        RETRY_VARIABLE,
        REMAINING_HEADER,
        REMAINING_VARIABLE,
        TOTAL_HEADER,
    ]),
    sections: Sections::I,
    tolerated: Sections::I,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<rate-limit-by-key calls="10" renewal-period="60" counter-key="@(context.Request.IpAddress)" />"#,
    build: build_by_key,
};

type Calls = Bounded<0, { i64::MAX }>;
type Period = Bounded<1, 300>;
type Increment = Bounded<0, { i32::MAX as i64 }>;

/// How outcomes are shown to the client and to later policies.
#[derive(Debug)]
pub(super) struct Reporting {
    retry_header: HeaderName,
    retry_variable: Option<Arc<str>>,
    remaining_header: Option<HeaderName>,
    remaining_variable: Option<Arc<str>>,
    total_header: Option<HeaderName>,
}

impl Reporting {
    fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<Self> {
        Some(Self {
            retry_header: compiler.literal(node, "retry-after-header-name")?,
            retry_variable: compiler.literal(node, "retry-after-variable-name"),
            remaining_header: compiler.literal(node, "remaining-calls-header-name"),
            remaining_variable: compiler.literal(node, "remaining-calls-variable-name"),
            total_header: compiler.literal(node, "total-calls-header-name"),
        })
    }

    /// Acts on a counter: sets what was asked for, and refuses when the limit was reached.
    fn report(
        &self,
        run: &mut Run<'_>,
        source: &'static str,
        limit: u64,
        counted: Counted,
    ) -> Result<(), Failure> {
        run.detail("remaining", || counted.remaining.to_string());
        let int = |n: u64| i32::try_from(n).unwrap_or(i32::MAX);
        // Of several limits the client is told the one that it will reach first.
        let remaining = run
            .exchange
            .calls_left
            .map_or(counted.remaining, |left| left.min(counted.remaining));
        run.exchange.calls_left = Some(remaining);
        if let Some(name) = &self.remaining_variable {
            run.set_variable(name, Value::int(int(remaining)));
        }
        let headers = &mut run.exchange.response_headers;
        if let Some(name) = &self.remaining_header {
            headers.push((name.clone(), remaining.into()));
        }
        if let Some(name) = &self.total_header {
            headers.push((name.clone(), limit.into()));
        }
        if counted.allowed {
            return Ok(());
        }
        let seconds = counted.retry_after.as_secs() + u64::from(counted.retry_after.subsec_nanos() > 0);
        if let Some(name) = &self.retry_variable {
            run.set_variable(name, Value::int(int(seconds)));
        }
        Err(Failure::Refused(Box::new(Refusal {
            source,
            reason: "RateLimitExceeded",
            message: "Rate limit is exceeded".into(),
            status: StatusCode::TOO_MANY_REQUESTS,
            public: format!("Rate limit is exceeded. Try again in {seconds} seconds."),
            headers: vec![(self.retry_header.clone(), HeaderValue::from(seconds))],
        })))
    }
}

fn build_rate_limit(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let reporting = Reporting::build(compiler, node);
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
    let limits = limits.into_iter().collect::<Option<_>>();
    compiler.policy(RateLimit {
        limits: limits?,
        reporting: reporting?,
    });
    Some(())
}

/// The entity a child's limit is for; the id wins over the name.
pub(super) fn entity(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<Entity> {
    if let Some(id) = compiler.literal(node, "id") {
        return Some(Entity::Id(id));
    }
    if let Some(name) = compiler.literal(node, "name") {
        return Some(Entity::Name(name));
    }
    let message = format!("`{}` needs the attribute `id` or `name`", node.element.name);
    compiler
        .report(Finding::on(node.element, "missing-attribute", message).help("name the entity it limits"));
    None
}

#[derive(Debug)]
struct RateLimit {
    limits: Vec<Limit>,
    reporting: Reporting,
}

#[derive(Debug)]
struct Limit {
    target: Target,
    calls: u64,
    period: Duration,
}

#[derive(Clone, Debug)]
pub(super) enum Entity {
    Id(Arc<str>),
    Name(Arc<str>),
}

impl Entity {
    fn is(&self, id: &str, name: &str) -> bool {
        match self {
            Entity::Id(wanted) => wanted.eq_ignore_ascii_case(id),
            Entity::Name(wanted) => wanted.eq_ignore_ascii_case(name),
        }
    }
}

/// What a limit of a product is for.
#[derive(Debug)]
pub(super) enum Target {
    All,
    Api(Entity),
    Operation(Option<Entity>, Entity),
}

impl Target {
    /// Its part of a counter's key; `None` when the request is for something else.
    pub(super) fn part(&self, run: &Run<'_>) -> Option<String> {
        let context = &run.context;
        let (api_id, api_name) = context.api.as_deref().map_or(("", ""), |a| (&*a.id, &*a.name));
        let (op_id, op_name) = context
            .operation
            .as_deref()
            .map_or(("", ""), |o| (&*o.id, &*o.name));
        match self {
            Target::All => Some(String::new()),
            Target::Api(api) if api.is(api_id, api_name) => Some(format!("/{api_id}")),
            Target::Operation(api, operation)
                if api.as_ref().is_none_or(|a| a.is(api_id, api_name)) && operation.is(op_id, op_name) =>
            {
                Some(format!("/{api_id}/{op_id}"))
            }
            Target::Api(_) | Target::Operation(..) => None,
        }
    }
}

impl Limit {
    fn build(compiler: &mut Compiler<'_>, node: Node<'_>, target: Target) -> Option<Self> {
        let calls: Option<Calls> = compiler.literal(node, "calls");
        let period: Option<Period> = compiler.literal(node, "renewal-period");
        Some(Self {
            target,
            calls: calls?.unsigned(),
            period: Duration::from_secs(period?.unsigned()),
        })
    }

    /// The counter's key, if the limit is for this request: scope and its entity, target, subscription.
    fn key(&self, run: &Run<'_>) -> Option<Arc<str>> {
        let context = &run.context;
        let subscription = &context.subscription.as_deref()?.id;
        let api = context.api.as_deref().map_or("", |a| &a.id);
        let operation = context.operation.as_deref().map_or("", |o| &o.id);
        let scope = match run.scope {
            Scope::Global => String::from("global"),
            Scope::Product => format!("product:{}", context.product.as_deref().map_or("", |p| &p.id)),
            Scope::Api => format!("api:{api}"),
            Scope::Operation => format!("operation:{api}/{operation}"),
        };
        let target = self.target.part(run)?;
        Some(format!("rate-limit:{scope}{target}:{subscription}").into())
    }
}

impl RateLimit {
    /// The limit at a position of the cursor, and by how much it counts there: with several limits all are
    /// looked at before the first one counts, so that a call that one of them refuses is counted by none.
    fn step(&self, at: usize) -> Option<(&Limit, u64)> {
        match (self.limits.len(), at) {
            (1, _) => self.limits.get(at).map(|limit| (limit, 1)),
            (n, at) if at < n => self.limits.get(at).map(|limit| (limit, 0)),
            (n, at) => self.limits.get(at - n).map(|limit| (limit, 1)),
        }
    }

    /// Asks the next counter that is for this request; `cursor` is the position after it.
    fn ask(&self, run: &mut Run<'_>) -> Flow {
        while let Some((limit, increment)) = self.step(run.exchange.cursor) {
            run.exchange.cursor += 1;
            if let Some(key) = limit.key(run) {
                return Flow::Ask(Effect::Count(Box::new(Count {
                    key,
                    limit: limit.calls,
                    period: limit.period,
                    window: Window::Sliding,
                    increment,
                })));
            }
        }
        Flow::Next
    }
}

impl Policy for RateLimit {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        Ok(self.ask(run))
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        let Outcome::Counted(counted) = outcome else {
            return Err(run.unexpected(outcome));
        };
        let asked = run.exchange.cursor.checked_sub(1).and_then(|at| self.step(at));
        let (calls, looked) = asked.map_or((0, false), |(limit, by)| (limit.calls, by == 0));
        if !looked || !counted.allowed {
            self.reporting.report(run, "rate-limit", calls, counted)?;
        }
        Ok(self.ask(run))
    }
}

fn build_by_key(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let calls = compiler.attribute(node, "calls");
    let period = compiler.attribute(node, "renewal-period");
    let key = compiler.attribute(node, "counter-key");
    let reporting = Reporting::build(compiler, node);
    let condition = compiler.attribute(node, "increment-condition");
    let increment: Setting<Increment> = compiler.attribute(node, "increment-count")?;
    let after_response: Option<bool> = compiler.literal(node, "increment-after-response");
    let _: Option<bool> = compiler.literal(node, "flexible-retry-window");
    let deferred = after_response?
        || matches!(condition, Some(Setting::Expression(_)))
        || matches!(increment, Setting::Expression(_));
    compiler.policy(ByKey {
        calls: calls?,
        period: period?,
        key: key?,
        condition,
        increment,
        deferred,
        reporting: reporting?,
    });
    Some(())
}

#[derive(Debug)]
struct ByKey {
    calls: Setting<Calls>,
    period: Setting<Period>,
    key: Setting<Arc<str>>,
    condition: Option<Setting<bool>>,
    increment: Setting<Increment>,
    /// Condition or count is an expression, or the document says so: the call is counted at the end, only checked here.
    deferred: bool,
    reporting: Reporting,
}

impl ByKey {
    fn count(&self, run: &mut Run<'_>, increment: u64) -> Result<Count, Failure> {
        let key = self.key.get(run)?;
        run.detail("counter-key", || key.to_string());
        Ok(Count {
            key: format!("rate-limit-by-key:{}", *key).into(),
            limit: self.calls.get(run)?.unsigned(),
            period: Duration::from_secs(self.period.get(run)?.unsigned()),
            window: Window::Sliding,
            increment,
        })
    }

    /// By how much this call counts.
    fn increment(&self, run: &mut Run<'_>) -> Result<u64, Failure> {
        match &self.condition {
            Some(condition) if !*condition.get(run)? => Ok(0),
            _ => Ok(self.increment.get(run)?.unsigned()),
        }
    }
}

/// The cursor of a policy whose key counts this exchange already.
const COUNTED_ALREADY: usize = 1;

impl Policy for ByKey {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let increment = if self.deferred { 0 } else { self.increment(run)? };
        if self.deferred {
            run.defer();
        }
        let mut count = self.count(run, increment)?;
        if increment > 0 && !run.counts_first(&count.key) {
            run.exchange.cursor = COUNTED_ALREADY;
            count = count.counted_already();
        }
        Ok(Flow::Ask(Effect::Count(Box::new(count))))
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        let Outcome::Counted(mut counted) = outcome else {
            return Err(run.unexpected(outcome));
        };
        if run.exchange.cursor == COUNTED_ALREADY {
            counted.remaining = counted.remaining.saturating_sub(1);
        }
        let limit = self.calls.get(run)?.unsigned();
        self.reporting.report(run, "rate-limit-by-key", limit, counted)?;
        Ok(Flow::Next)
    }

    fn finish(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        match self.increment(run)? {
            0 => Ok(Flow::Next),
            increment => {
                let count = self.count(run, increment)?;
                Ok(match run.counts_first(&count.key) {
                    true => Flow::Ask(Effect::Charge(Box::new(count))),
                    false => Flow::Next,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::{
        context::Product,
        test_support::{check, check_documents, check_load, check_with, document},
    };

    #[test]
    fn calls_pass_until_the_limit_is_reached() {
        let text = "<rate-limit calls='10' renewal-period='60'/>";
        let asked = "count rate-limit:api:echo-api:sub-1 10/60s +1";
        check("inbound", text, &["allowed 9"], &format!("{asked}; forward; 200"));
        check(
            "inbound",
            text,
            &["denied 57"],
            &format!("{asked}; 429 rate-limit/RateLimitExceeded retry-after: 57"),
        );
    }

    #[test]
    fn without_a_subscription_nothing_is_counted() {
        let text = "<rate-limit calls='10' renewal-period='60'/>";
        check_with(
            "inbound",
            text,
            |context| context.subscription = None,
            &[],
            "forward; 200",
        );
    }

    #[test]
    fn of_several_limits_the_least_is_told() {
        let limit = |name: &str| {
            format!(
                "<rate-limit-by-key calls='9' renewal-period='60' counter-key='{name}' remaining-calls-header-name='X-Left'/>"
            )
        };
        check(
            "inbound",
            &(limit("a") + &limit("b")),
            &["allowed 2", "allowed 7"],
            "count rate-limit-by-key:a 9/60s +1; count rate-limit-by-key:b 9/60s +1; forward; 200 x-left: 2",
        );
    }

    #[test]
    fn headers_and_variables_tell_the_state() {
        let text = "<rate-limit calls='10' renewal-period='60' retry-after-header-name='X-Wait' retry-after-variable-name='w' \
            remaining-calls-header-name='X-Left' remaining-calls-variable-name='l' total-calls-header-name='X-All'/>";
        let asked = "count rate-limit:api:echo-api:sub-1 10/60s +1";
        check(
            "inbound",
            text,
            &["allowed 9"],
            &format!("{asked}; forward; 200 x-left: 9 x-all: 10 $l=9"),
        );
        check(
            "inbound",
            text,
            &["denied 5"],
            &format!("{asked}; 429 rate-limit/RateLimitExceeded x-wait: 5 x-left: 0 x-all: 10 $l=0 $w=5"),
        );
    }

    #[test]
    fn product_api_and_operation_limits_are_independent() {
        let text = "<rate-limit calls='100' renewal-period='60'>\
            <api id='echo-api' calls='50' renewal-period='60'><operation name='Get item' calls='5' renewal-period='10'/></api>\
            <api name='Other' calls='1' renewal-period='1'/></rate-limit>";
        let product = document("inbound", text);
        let all = |by: u8| {
            format!(
                "count rate-limit:product:gold:sub-1 100/60s +{by}; count rate-limit:product:gold/echo-api:sub-1 50/60s +{by}; \
                 count rate-limit:product:gold/echo-api/get-item:sub-1 5/10s +{by}"
            )
        };
        let passes = ["allowed 99", "allowed 49", "allowed 4"].repeat(2);
        let refused = ["allowed 99", "allowed 49", "denied 7"];
        for (answers, expected) in [
            (&passes[..], format!("{}; {}; forward; 200", all(0), all(1))),
            // What one refuses no other counts.
            (
                &refused,
                format!("{}; 429 rate-limit/RateLimitExceeded retry-after: 7", all(0)),
            ),
        ] {
            let gold = |context: &mut crate::Context| {
                context.product = Some(Arc::new(Product {
                    id: "gold".into(),
                    ..Product::default()
                }))
            };
            check_documents([None, Some(&product), None, None], gold, answers, &expected);
        }
    }

    #[test]
    fn equal_keys_share_a_counter_whatever_the_scope() {
        let text = "<rate-limit-by-key calls='3' renewal-period='15' counter-key='k' increment-count='2'/>";
        check(
            "inbound",
            text,
            &["allowed 1"],
            "count rate-limit-by-key:k 3/15s +2; forward; 200",
        );
        check(
            "inbound",
            text,
            &["denied 2"],
            "count rate-limit-by-key:k 3/15s +2; 429 rate-limit-by-key/RateLimitExceeded retry-after: 2",
        );
        check(
            "inbound",
            "<rate-limit-by-key calls='3' renewal-period='15' counter-key='k' increment-after-response='true' flexible-retry-window='true'/>",
            &["allowed 3", "200", "allowed 2"],
            "count rate-limit-by-key:k 3/15s +0; forward; charge rate-limit-by-key:k 3/15s +1; 200",
        );
        let never =
            "<rate-limit-by-key calls='3' renewal-period='15' counter-key='k' increment-condition='false'/>";
        check(
            "inbound",
            never,
            &["allowed 3"],
            "count rate-limit-by-key:k 3/15s +0; forward; 200",
        );
    }

    #[test]
    fn mistakes_refuse_the_document() {
        for (text, expected) in [
            (
                "<rate-limit calls='1' renewal-period='301'/>",
                "bad-value: `renewal-period` of `rate-limit` must be a whole number from 1 to 300",
            ),
            (
                "<rate-limit calls='@(1)' renewal-period='1'/>",
                "expression-not-allowed: `calls` of `rate-limit` does not take an expression",
            ),
            (
                "<rate-limit calls='1' renewal-period='1'/><rate-limit calls='1' renewal-period='1'/>",
                "not-allowed-here: `rate-limit` may stand only once in a section",
            ),
            (
                "<rate-limit calls='1' renewal-period='1'><api calls='1' renewal-period='1'/></rate-limit>",
                "missing-attribute: `api` needs the attribute `id` or `name`",
            ),
        ] {
            check_load("inbound", text, expected);
        }
        check_load(
            "outbound",
            "<rate-limit-by-key calls='1' renewal-period='1' counter-key='k'/>",
            "not-allowed-here: `rate-limit-by-key` is not documented for `<outbound>`",
        );
    }
}
