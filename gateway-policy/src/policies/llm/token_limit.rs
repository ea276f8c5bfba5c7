//! `llm-token-limit` and its older name `azure-openai-token-limit`.
//!
//! The limit is checked when the statement runs; what the answer says was consumed is counted at the end, so
//! an overshoot blocks the calls after it. With an estimate the prompt is counted first and only the rest at
//! the end. An answer that streams is not held back: it is counted on its way, when all headers are sent.

use std::{sync::Arc, time::Duration};

use gateway_dotnet::time::{DateTime, DateTimeKind};
use gateway_expr::Value;
use http::{HeaderName, HeaderValue, StatusCode};

use super::{Prompt, Usage, is_event_stream, meter, tokens};
use crate::{
    compile::{Compiler, Finding, Node},
    context::Body,
    effect::{Count, Counted, Effect, Message, Outcome, Window},
    exec::Run,
    failure::{Failure, Refusal},
    policies::{
        Flow, Policy, PolicyDef,
        def::{AttributeDef, ElementDef, attr},
    },
    scope::{Scopes, Sections},
    setting::{Bounded, Setting, keywords, optional},
};

static ATTRIBUTES: &[AttributeDef] = &[
    attr("counter-key", "Calls with equal keys share one counter.")
        .required()
        .expression(),
    attr("tokens-per-minute", "Tokens allowed in a minute.").expression(),
    attr("token-quota", "Tokens allowed in the quota's period.").expression(),
    attr(
        "token-quota-period",
        "Period of the quota, by the calendar in UTC.",
    )
    .expression()
    .words(Period::WORDS),
    attr(
        "estimate-prompt-tokens",
        "Count the prompt before it is sent, by an estimate.",
    )
    .required()
    .expression(),
    attr("prompt-type", "How prompts are counted; only `auto` is known.")
        .default("auto")
        .words(PromptType::WORDS),
    attr("ignore-prompt", "Count what the model answers only.")
        .expression()
        .default("false"),
    attr(
        "retry-after-header-name",
        "Header of the refusal with the seconds to wait.",
    )
    .default("Retry-After"),
    attr("retry-after-variable-name", "Variable with the seconds to wait."),
    attr(
        "remaining-tokens-header-name",
        "Header with the tokens left in the minute.",
    ),
    attr(
        "remaining-tokens-variable-name",
        "Variable with the tokens left in the minute.",
    ),
    attr(
        "remaining-quota-tokens-header-name",
        "Header with the tokens left of the quota.",
    ),
    attr(
        "remaining-quota-tokens-variable-name",
        "Variable with the tokens left of the quota.",
    ),
    attr(
        "tokens-consumed-header-name",
        "Header with the tokens this call consumed.",
    ),
    attr(
        "tokens-consumed-variable-name",
        "Variable with the tokens this call consumed.",
    ),
];

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "llm-token-limit",
        "Limits the tokens that calls of a language model consume.",
    )
    .attributes(ATTRIBUTES),
    sections: Sections::I,
    tolerated: Sections::I,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<llm-token-limit counter-key="@(context.Subscription.Id)" tokens-per-minute="5000" estimate-prompt-tokens="false" remaining-tokens-variable-name="left" />"#,
    build,
};

pub(crate) static AZURE: PolicyDef = PolicyDef {
    element: ElementDef::new("azure-openai-token-limit", "The older name of `llm-token-limit`.")
        .attributes(ATTRIBUTES),
    sections: Sections::I,
    tolerated: Sections::I,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<azure-openai-token-limit counter-key="tenant" tokens-per-minute="5000" estimate-prompt-tokens="false" />"#,
    build,
};

keywords! {
    /// `token-quota-period`
    Period {
        Hourly = "Hourly",
        Daily = "Daily",
        Weekly = "Weekly",
        Monthly = "Monthly",
        Yearly = "Yearly",
        Indefinite = "Indefinite",
    }
}

keywords! {
    /// `prompt-type`
    PromptType { Auto = "auto" }
}

type Tokens = Bounded<0, { i64::MAX }>;

/// A header, a variable, either or none.
#[derive(Debug)]
struct Sink {
    header: Option<HeaderName>,
    variable: Option<Arc<str>>,
}

impl Sink {
    fn build(compiler: &mut Compiler<'_>, node: Node<'_>, header: &str, variable: &str) -> Self {
        Self {
            header: compiler.literal(node, header),
            variable: compiler.literal(node, variable),
        }
    }

    fn tell(&self, run: &mut Run<'_>, number: u64) {
        if let Some(name) = &self.header {
            run.exchange.response_headers.push((name.clone(), number.into()));
        }
        if let Some(name) = &self.variable {
            run.set_variable(name, Value::int(i32::try_from(number).unwrap_or(i32::MAX)));
        }
    }
}

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let name = if node.element.name == DEF.element.name {
        DEF.element.name
    } else {
        AZURE.element.name
    };
    if !node.has("tokens-per-minute") && !node.has("token-quota") {
        let message = format!("`{name}` needs the attribute `tokens-per-minute` or `token-quota`");
        compiler.report(Finding::on(node.element, "missing-attribute", message).help("set the limit"));
        return None;
    }
    let estimate: Setting<bool> = compiler.attribute(node, "estimate-prompt-tokens")?;
    // Streams are counted by an estimate whatever the attribute says.
    compiler.need_request_body();
    tokens::prepare();
    let _: PromptType = compiler.literal(node, "prompt-type")?;
    let ignore_prompt = compiler.attribute(node, "ignore-prompt")?;
    let retry_header = compiler.literal(node, "retry-after-header-name");
    let policy = TokenLimit {
        name,
        key: compiler.attribute(node, "counter-key")?,
        per_minute: compiler.attribute(node, "tokens-per-minute"),
        quota: compiler.attribute(node, "token-quota"),
        period: compiler.attribute(node, "token-quota-period"),
        estimate,
        ignore_prompt,
        retry_header: retry_header?,
        retry_variable: compiler.literal(node, "retry-after-variable-name"),
        remaining: Sink::build(
            compiler,
            node,
            "remaining-tokens-header-name",
            "remaining-tokens-variable-name",
        ),
        remaining_quota: Sink::build(
            compiler,
            node,
            "remaining-quota-tokens-header-name",
            "remaining-quota-tokens-variable-name",
        ),
        consumed: Sink::build(
            compiler,
            node,
            "tokens-consumed-header-name",
            "tokens-consumed-variable-name",
        ),
    };
    compiler.policy(policy);
    Some(())
}

#[derive(Debug)]
struct TokenLimit {
    name: &'static str,
    key: Setting<Arc<str>>,
    per_minute: Option<Setting<Tokens>>,
    quota: Option<Setting<Tokens>>,
    period: Option<Setting<Period>>,
    estimate: Setting<bool>,
    ignore_prompt: Setting<bool>,
    retry_header: HeaderName,
    retry_variable: Option<Arc<str>>,
    remaining: Sink,
    remaining_quota: Sink,
    consumed: Sink,
}

/// Which of the two counters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Limit {
    Minute,
    Quota,
}

impl TokenLimit {
    /// The counters this policy has, in the order in which they are asked.
    fn limits(&self) -> impl Iterator<Item = Limit> {
        let minute = self.per_minute.is_some().then_some(Limit::Minute);
        minute
            .into_iter()
            .chain(self.quota.is_some().then_some(Limit::Quota))
    }

    fn count(
        &self,
        run: &mut Run<'_>,
        limit: Limit,
        increment: u64,
        how: impl FnOnce(Box<Count>) -> Effect,
    ) -> Result<Effect, Failure> {
        let key = self.key.get(run)?;
        let (setting, suffix, window, period) = match limit {
            Limit::Minute => (
                &self.per_minute,
                "minute".to_owned(),
                Window::Sliding,
                Duration::from_secs(60),
            ),
            Limit::Quota => {
                let period = optional(self.period.as_ref(), run)?.map_or(Period::Indefinite, |p| *p);
                let (start, length) = calendar(period, run.world.utc_now_ticks());
                // The start is part of the key: months and years differ in length.
                let window = Window::Fixed {
                    first_period_start: start,
                };
                (
                    &self.quota,
                    format!("quota:{start}"),
                    window,
                    Duration::from_secs(length),
                )
            }
        };
        let allowed = optional(setting.as_ref(), run)?.map_or(0, |t| t.unsigned());
        run.detail("counter-key", || key.to_string());
        Ok(how(Box::new(Count {
            key: format!("llm-token-limit:{suffix}:{}", *key).into(),
            limit: allowed,
            period,
            window,
            increment,
        })))
    }

    /// Tokens that are counted before the call.
    fn estimated(&self, run: &mut Run<'_>) -> Result<(Prompt, u64), Failure> {
        let mut prompt = Prompt::of(&run.context.request.body);
        if *self.ignore_prompt.get(run)? {
            prompt.tokens = 0;
        }
        let counts = prompt.stream || *self.estimate.get(run)?;
        let before = if counts { prompt.tokens } else { 0 };
        Ok((prompt, before))
    }

    fn refuse(&self, run: &mut Run<'_>, limit: Limit, counted: Counted) -> Failure {
        let seconds = counted.retry_after.as_secs() + u64::from(counted.retry_after.subsec_nanos() > 0);
        if let Some(name) = &self.retry_variable {
            run.set_variable(name, Value::int(i32::try_from(seconds).unwrap_or(i32::MAX)));
        }
        let (status, reason, message) = match limit {
            Limit::Minute => (
                StatusCode::TOO_MANY_REQUESTS,
                "RateLimitExceeded",
                "Token limit is exceeded.",
            ),
            Limit::Quota => (StatusCode::FORBIDDEN, "QuotaExceeded", "Token quota is exceeded."),
        };
        Failure::Refused(Box::new(Refusal {
            source: self.name,
            reason,
            message: message.into(),
            status,
            public: format!("{message} Try again in {seconds} seconds."),
            headers: vec![(self.retry_header.clone(), HeaderValue::from(seconds))],
        }))
    }
}

impl Policy for TokenLimit {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let (_, estimated) = self.estimated(run)?;
        if let Some(name) = &self.consumed.variable {
            run.set_variable(name, Value::int(i32::try_from(estimated).unwrap_or(i32::MAX)));
        }
        run.defer();
        match self.limits().next() {
            Some(limit) => Ok(Flow::Ask(self.count(run, limit, estimated, Effect::Count)?)),
            None => Ok(Flow::Next),
        }
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        let Outcome::Counted(counted) = outcome else {
            return Err(run.unexpected(outcome));
        };
        let Some(limit) = self.limits().nth(run.exchange.cursor) else {
            return Ok(Flow::Next);
        };
        let sink = if limit == Limit::Minute {
            &self.remaining
        } else {
            &self.remaining_quota
        };
        sink.tell(run, counted.remaining);
        if !counted.allowed {
            return Err(self.refuse(run, limit, counted));
        }
        run.exchange.cursor += 1;
        match self.limits().nth(run.exchange.cursor) {
            Some(next) => {
                let (_, estimated) = self.estimated(run)?;
                Ok(Flow::Ask(self.count(run, next, estimated, Effect::Count)?))
            }
            None => Ok(Flow::Next),
        }
    }

    /// Counts what the answer says, one counter after another: each answer leads here again.
    fn finish(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let Some(response) = run.context.response.as_ref() else {
            return Ok(Flow::Next);
        };
        if response.body == Body::Streaming {
            if !is_event_stream(response) {
                return Ok(Flow::Ask(Effect::ReadBody(Message::Response)));
            }
            let (prompt, before) = self.estimated(run)?;
            self.consumed.tell(run, prompt.tokens);
            for limit in self.limits() {
                if let Effect::Charge(count) = self.count(run, limit, 0, Effect::Charge)? {
                    meter(run, &prompt).charge(*count, before);
                }
            }
            return Ok(Flow::Next);
        }
        let (prompt, before) = self.estimated(run)?;
        let Some(mut usage) = Usage::of(run.context.response.as_ref(), &prompt) else {
            return Ok(Flow::Next);
        };
        if *self.ignore_prompt.get(run)? {
            usage.total = usage.completion;
        }
        let round = run.exchange.finishing;
        if round == 0 {
            self.consumed.tell(run, usage.total);
        }
        let rest = usage.total.saturating_sub(before);
        let Some(limit) = self.limits().nth(round).filter(|_| rest > 0) else {
            run.exchange.finishing = 0;
            return Ok(Flow::Next);
        };
        run.exchange.finishing += 1;
        run.defer();
        Ok(Flow::Ask(self.count(run, limit, rest, Effect::Charge)?))
    }
}

/// .NET ticks at the start of 1970.
const UNIX_EPOCH_TICKS: i64 = 621_355_968_000_000_000;
const TICKS_PER_SECOND: i64 = 10_000_000;
const DAY: i64 = 86_400;

/// Start (Unix seconds) and length of the calendar period that holds `now`.
fn calendar(period: Period, now_ticks: i64) -> (i64, u64) {
    let now = (now_ticks - UNIX_EPOCH_TICKS) / TICKS_PER_SECOND;
    let midnight = now - now.rem_euclid(DAY);
    let date = DateTime::from_ticks_clamped(now_ticks, DateTimeKind::Utc);
    let from = |date: Result<DateTime, gateway_dotnet::Error>| {
        date.map_or(midnight, |d| (d.ticks() - UNIX_EPOCH_TICKS) / TICKS_PER_SECOND)
    };
    match period {
        Period::Hourly => (now - now.rem_euclid(3_600), 3_600),
        Period::Daily => (midnight, DAY as u64),
        // The first of 1970 was a Thursday; weeks start on Monday.
        Period::Weekly => (
            midnight - ((midnight / DAY + 3).rem_euclid(7)) * DAY,
            7 * DAY as u64,
        ),
        Period::Monthly => {
            let first = DateTime::from_date(date.year(), date.month(), 1);
            let start = from(first.clone());
            let next = from(first.and_then(|f| f.add_months(1)));
            (start, u64::try_from(next - start).unwrap_or(DAY as u64).max(1))
        }
        Period::Yearly => {
            let first = DateTime::from_date(date.year(), 1, 1);
            let start = from(first.clone());
            let next = from(first.and_then(|f| f.add_years(1)));
            (start, u64::try_from(next - start).unwrap_or(DAY as u64).max(1))
        }
        // A century: clocks can still add it to now.
        Period::Indefinite => (0, 100 * 365 * DAY as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{check, check_load, check_with};

    const ANSWER: &str = r#"200 {"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}"#;
    const BODY: &str = r#"'{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}'"#;

    #[test]
    fn actual_tokens_are_counted_after_the_answer() {
        let text = "<llm-token-limit counter-key='k' tokens-per-minute='100' estimate-prompt-tokens='false' \
            remaining-tokens-variable-name='left' tokens-consumed-header-name='X-Used'/>";
        check(
            "inbound",
            text,
            &["allowed 100", ANSWER, "allowed 85"],
            &format!(
                "count llm-token-limit:minute:k 100/60s +0; forward; charge llm-token-limit:minute:k 100/60s +15; 200 x-used: 15 {BODY} $left=100"
            ),
        );
        check(
            "inbound",
            text,
            &["denied 30"],
            "count llm-token-limit:minute:k 100/60s +0; 429 llm-token-limit/RateLimitExceeded retry-after: 30 $left=0",
        );
    }

    #[test]
    fn the_prompt_may_be_left_out() {
        check(
            "inbound",
            "<llm-token-limit counter-key='k' tokens-per-minute='100' estimate-prompt-tokens='false' ignore-prompt='true'/>",
            &["allowed 100", ANSWER, "allowed 95"],
            &format!(
                "count llm-token-limit:minute:k 100/60s +0; forward; charge llm-token-limit:minute:k 100/60s +5; 200 {BODY}"
            ),
        );
    }

    #[test]
    fn a_quota_counts_in_calendar_periods() {
        let text = "<azure-openai-token-limit counter-key='k' tokens-per-minute='100' token-quota='1000' token-quota-period='Monthly' estimate-prompt-tokens='false'/>";
        check(
            "inbound",
            text,
            &["allowed 100", "denied 60"],
            "count llm-token-limit:minute:k 100/60s +0; count llm-token-limit:quota:1704067200:k 1000/2678400s +0; \
             403 azure-openai-token-limit/QuotaExceeded retry-after: 60",
        );
    }

    #[test]
    fn an_estimate_is_counted_first_and_the_rest_at_the_end() {
        let text = "<llm-token-limit counter-key='k' tokens-per-minute='100' estimate-prompt-tokens='true'/>";
        check_with(
            "inbound",
            text,
            |context| {
                context.request.body =
                    crate::context::Body::Buffered(r#"{"prompt":"hello hello hello"}"#.into())
            },
            &["allowed 97", ANSWER, "allowed 85"],
            &format!(
                "count llm-token-limit:minute:k 100/60s +3; forward '{{\"prompt\":\"hello hello hello\"}}'; charge llm-token-limit:minute:k 100/60s +12; 200 {BODY}"
            ),
        );
    }

    #[test]
    fn periods_start_by_the_calendar() {
        // 2024-02-29T13:14:15Z, a Thursday.
        let now = UNIX_EPOCH_TICKS + 1_709_212_455 * TICKS_PER_SECOND;
        for (period, start, length) in [
            (Period::Hourly, 1_709_211_600, 3_600),
            (Period::Daily, 1_709_164_800, 86_400),
            (Period::Weekly, 1_708_905_600, 604_800),
            (Period::Monthly, 1_706_745_600, 29 * 86_400),
            (Period::Yearly, 1_704_067_200, 366 * 86_400),
        ] {
            assert_eq!(calendar(period, now), (start, length), "{period:?}");
        }
    }

    #[test]
    fn a_limit_is_needed() {
        check_load(
            "inbound",
            "<llm-token-limit counter-key='k' estimate-prompt-tokens='false'/>",
            "missing-attribute: `llm-token-limit` needs the attribute `tokens-per-minute` or `token-quota`",
        );
    }
}
