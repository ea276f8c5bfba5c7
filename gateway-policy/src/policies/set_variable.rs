//! `set-variable`: keeps a value for the rest of the exchange.
//!
//! Source: "Set variable" policy page; `policies.md` §7.12. A literal is a string; an expression's value
//! keeps its type. Names are case-sensitive.

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
    setting::{Setting, Untyped},
};

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("set-variable", "Sets a context variable.").attributes(&[
        attr("name", "Name of the variable.").required(),
        attr("value", "Its value.").required().expression(),
    ]),
    sections: Sections::ALL,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<set-variable name="tenant" value="@(context.Request.Headers.GetValueOrDefault("X-Tenant", "none"))" />"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let name = compiler.literal(node, "name");
    let value = compiler.attribute(node, "value");
    compiler.policy(SetVariable {
        name: name?,
        value: value?,
    });
    Some(())
}

#[derive(Debug)]
struct SetVariable {
    name: Arc<str>,
    value: Setting<Untyped>,
}

impl Policy for SetVariable {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let value = self.value.value(run)?;
        run.detail("name", || self.name.to_string());
        run.detail("value", || value.to_text().unwrap_or_else(|| "null".into()));
        run.set_variable(&self.name, value);
        Ok(Flow::Next)
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_load};

    #[test]
    fn the_last_value_of_a_name_stays() {
        check(
            "inbound",
            "<set-variable name='a' value='1'/><set-variable name='A' value=''/><set-variable name='a' value=' 2 '/>",
            &[],
            "forward; 200 $a= 2  $A=",
        );
    }

    #[test]
    fn both_attributes_are_needed() {
        check_load(
            "inbound",
            "<set-variable name='a'/>",
            "missing-attribute: `set-variable` needs the attribute `value`",
        );
        check_load(
            "inbound",
            "<set-variable name='a' vale='1'/>",
            "unknown-attribute: `set-variable` has no attribute `vale`; missing-attribute: `set-variable` needs the attribute `value`",
        );
    }
}
