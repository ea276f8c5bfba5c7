//! `limit-concurrency`: lets a bounded number of requests into its children at once.
//!
//! Source: "Limit concurrency" policy page; `policies.md` §3. There is no queue: who does not fit gets 429.

use std::sync::Arc;

use http::StatusCode;

use super::{
    PolicyDef,
    def::{Content, ElementDef, attr},
};
use crate::{
    compile::{Compiler, Node},
    effect::Effect,
    exec::Run,
    failure::{Failure, Refusal},
    program::Op,
    scope::{Scopes, Sections},
    setting::{Bounded, Setting},
};

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "limit-concurrency",
        "Bounds how many requests run its children at once.",
    )
    .attributes(&[
        attr("key", "Requests with equal keys share one limit.")
            .required()
            .expression(),
        attr("max-count", "Most requests inside at once.").required(),
    ])
    .content(Content::Policies),
    sections: Sections::ALL,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<limit-concurrency key="@((string)context.Variables["tenant"])" max-count="10">
    <forward-request />
</limit-concurrency>"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let site = compiler.current();
    let key = compiler.attribute(node, "key");
    let max_count = compiler.literal(node, "max-count");
    let (Some(key), Some(max_count)) = (key, max_count) else {
        compiler.look_inside(node);
        return None;
    };
    let policy = Box::new(LimitConcurrency { key, max_count });
    compiler.emit(Op::Enter { policy }, site);
    compiler.block(node.element);
    compiler.emit(Op::Leave, site);
    Some(())
}

#[derive(Debug)]
pub(crate) struct LimitConcurrency {
    key: Setting<Arc<str>>,
    max_count: Bounded<1, { i64::MAX }>,
}

impl LimitConcurrency {
    pub(crate) fn ask(&self, run: &mut Run<'_>) -> Result<Effect, Failure> {
        let key = self.key.get(run)?.into_owned();
        Ok(Effect::Enter {
            key,
            max_count: self.max_count.unsigned(),
        })
    }

    pub(crate) fn refused(&self) -> Failure {
        Failure::Refused(Box::new(Refusal {
            source: "limit-concurrency",
            reason: "ConcurrencyLimitExceeded",
            message: "Concurrency limit is exceeded".into(),
            status: StatusCode::TOO_MANY_REQUESTS,
            public: "Concurrency limit is exceeded. Try again later.".into(),
            headers: Vec::new(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_load};

    const TEXT: &str =
        "<limit-concurrency key='k' max-count='3'><set-method>PUT</set-method></limit-concurrency>";

    #[test]
    fn requests_enter_while_there_is_room() {
        check("inbound", TEXT, &["permit", "200"], "enter k 3; forward PUT; 200");
        check(
            "inbound",
            TEXT,
            &["full"],
            "enter k 3; 429 limit-concurrency/ConcurrencyLimitExceeded",
        );
    }

    #[test]
    fn the_limit_is_a_literal_number() {
        check_load(
            "inbound",
            "<limit-concurrency key='k' max-count='@(1)'/>",
            "expression-not-allowed: `max-count` of `limit-concurrency` does not take an expression",
        );
    }
}
