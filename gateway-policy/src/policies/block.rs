//! `block`: puts statements together.
//!
//! Known from the policy schema only, which gives it no attributes and any children (`policies.md` §11). It leaves
//! no instruction of its own; its name is part of its statements' paths.

use super::{
    PolicyDef,
    def::{Content, ElementDef},
};
use crate::{
    compile::{Compiler, Node},
    scope::{Scopes, Sections},
};

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("block", "Puts its statements together.").content(Content::Policies),
    sections: Sections::ALL,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<block>
    <set-variable name="a" value="1" />
    <set-variable name="b" value="2" />
</block>"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    compiler.block(node.element);
    Some(())
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_load};

    #[test]
    fn its_statements_run_in_order() {
        let text = "<block><set-method>PUT</set-method><block><set-variable name='a' value='1'/></block></block><set-variable name='b' value='2'/>";
        check("inbound", text, &[], "forward PUT; 200 $a=1 $b=2");
        check_load(
            "inbound",
            "<block><nothing/></block>",
            "unknown-element: there is no policy `<nothing>`",
        );
    }
}
