//! `set-request-metric-dimension-value`: a property of the request's own telemetry.
//!
//! Known from the policy schema only (`policies.md` §11). The value goes to the request's record in Application
//! Insights as a custom dimension; node metrics do not get labels from requests, which would be unbounded.

use std::sync::Arc;

use super::{
    Flow, Policy, PolicyDef,
    def::{ElementDef, attr},
};
use crate::{
    compile::{Compiler, Node},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::Setting,
    trace::Note,
};

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "set-request-metric-dimension-value",
        "Adds a dimension to the request's telemetry.",
    )
    .attributes(&[
        attr("name", "Name of the dimension.").required().expression(),
        attr("value", "Its value.").required().expression(),
    ]),
    sections: Sections::ALL,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<set-request-metric-dimension-value name="tenant" value="@(context.Subscription?.Name)" />"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let name = compiler.attribute(node, "name");
    let value = compiler.attribute(node, "value");
    compiler.policy(SetDimension {
        name: name?,
        value: value?,
    });
    Some(())
}

#[derive(Debug)]
struct SetDimension {
    name: Setting<Arc<str>>,
    value: Setting<Arc<str>>,
}

impl Policy for SetDimension {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let name = self.name.get(run)?.to_string();
        let value = self.value.get(run)?.to_string();
        run.detail("name", || name.clone());
        run.detail("value", || value.clone());
        run.exchange.note(Note::RequestDimension { name, value });
        Ok(Flow::Next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::notes;

    #[test]
    fn the_dimension_becomes_a_note() {
        let text = "<set-request-metric-dimension-value name='a' value='@(context.Request.Method)'/>";
        let expected = Note::RequestDimension {
            name: "a".into(),
            value: "GET".into(),
        };
        assert_eq!(notes("inbound", text), [expected]);
    }
}
