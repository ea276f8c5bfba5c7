//! `choose`: the first `when` whose condition is true, else `otherwise`.
//!
//! Source: "Choose" policy page; `policies.md` §3. No further condition is evaluated after a true one.

use super::{
    PolicyDef,
    def::{Child, Content, ElementDef, attr},
};
use crate::{
    compile::{Compiler, Node},
    program::Op,
    scope::{Scopes, Sections},
    setting::Setting,
};

static WHEN: ElementDef = ElementDef::new("when", "Policies that run when its condition is true.")
    .attributes(&[attr("condition", "A boolean.").required().expression()])
    .content(Content::Policies);

static OTHERWISE: ElementDef =
    ElementDef::new("otherwise", "Policies that run when no condition is true.").content(Content::Policies);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("choose", "Runs the first branch whose condition is true.")
        .children(&[Child::some(&WHEN), Child::optional(&OTHERWISE)]),
    sections: Sections::ALL,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<choose>
    <when condition="@(context.Request.Method == "GET")">
        <set-header name="X-Kind" exists-action="override">
            <value>read</value>
        </set-header>
    </when>
    <otherwise>
        <set-header name="X-Kind" exists-action="override">
            <value>write</value>
        </set-header>
    </otherwise>
</choose>"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let mut to_end = Vec::new();
    for (i, when) in node.children("when").enumerate() {
        compiler.enter("when", i + 1);
        let site = compiler.site(when.element, "choose");
        // A condition that does not compile was reported; the branch is still checked.
        let condition = compiler
            .attribute(when, "condition")
            .unwrap_or(Setting::Literal(false));
        let branch = compiler.emit(
            Op::Branch {
                condition,
                otherwise: 0,
                first: i == 0,
            },
            site,
        );
        compiler.block(when.element);
        compiler.leave();
        to_end.push(compiler.emit(Op::Jump(0), site));
        let next = compiler.here();
        if let Some(Op::Branch { otherwise, .. }) = compiler.op_mut(branch) {
            *otherwise = next;
        }
    }
    if let Some(otherwise) = node.child("otherwise") {
        compiler.enter("otherwise", 1);
        compiler.block(otherwise.element);
        compiler.leave();
    }
    let end = compiler.here();
    for jump in to_end {
        if let Some(Op::Jump(target)) = compiler.op_mut(jump) {
            *target = end;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_load};

    fn choose(first: &str, second: &str) -> String {
        format!(
            "<choose><when condition='{first}'><set-method>A</set-method></when>\
             <when condition='{second}'><set-method>B</set-method></when>\
             <otherwise><set-method>C</set-method></otherwise></choose><set-variable name='v' value='after'/>"
        )
    }

    #[test]
    fn the_first_true_branch_runs_and_no_other() {
        check("inbound", &choose("true", "true"), &[], "forward A; 200 $v=after");
        check(
            "inbound",
            &choose("false", "true"),
            &[],
            "forward B; 200 $v=after",
        );
        check(
            "inbound",
            &choose("false", "false"),
            &[],
            "forward C; 200 $v=after",
        );
    }

    #[test]
    fn branches_may_be_empty_and_nested() {
        check(
            "inbound",
            "<choose><when condition='true'/></choose>",
            &[],
            "forward; 200",
        );
        let inner = choose("false", "true");
        let nested =
            format!("<choose><when condition='true'>{inner}</when><otherwise>{inner}</otherwise></choose>");
        check("inbound", &nested, &[], "forward B; 200 $v=after");
    }

    #[test]
    fn mistakes_refuse_the_document() {
        check_load(
            "inbound",
            "<choose/>",
            "missing-element: `<choose>` needs a child element `<when>`",
        );
        check_load(
            "inbound",
            "<choose><when condition='maybe'/></choose>",
            "bad-value: `condition` of `when` must be `true` or `false`",
        );
        check_load(
            "inbound",
            "<choose><whn condition='true'/><when condition='true'><set-methd/></when></choose>",
            "unknown-element: `<choose>` has no child element `<whn>`; unknown-element: there is no policy `<set-methd>`",
        );
        check_load(
            "inbound",
            "<choose><when condition='true'><set-methd/></when></choose>",
            "unknown-element: there is no policy `<set-methd>`",
        );
    }
}
