//! `wait`: runs its children until all, or the first, have completed.
//!
//! Source: "Wait" policy page; `policies.md` §3. The children wait for the world at the same time: each runs
//! until it asks for something, then the next begins. For `any` the first that completes ends it, and what the
//! others asked for is dropped. A child that fails ends it too, with its failure.

use super::{
    PolicyDef,
    def::{Content, ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    program::Op,
    scope::{Scopes, Sections},
    setting::{Setting, keywords},
};

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("wait", "Waits for its children.")
        .attributes(&[attr("for", "Wait for all children or for any.")
            .expression()
            .default("all")
            .words(For::WORDS)])
        .content(Content::Policies),
    sections: Sections::I.and(Sections::B).and(Sections::O),
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<wait for="all">
    <cache-lookup-value key="a" variable-name="a" />
    <cache-lookup-value key="b" variable-name="b" />
</wait>"#,
    build,
};

keywords! {
    /// `for`
    For { All = "all", Any = "any" }
}

/// What may be waited for, by the page and by the schema.
const CHILDREN: &[&str] = &[
    "authentication-managed-identity",
    "cache-lookup-value",
    "cache-store-value",
    "choose",
    "forward-request",
    "send-request",
];

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let wanted: Option<Setting<For>> = compiler.attribute(node, "for");
    for child in &node.element.children {
        if !CHILDREN.contains(&child.name.as_str()) {
            let message = format!("`<{}>` may not stand in `wait`", child.name);
            let help = format!("it takes: {}", CHILDREN.join(", "));
            compiler.report(Finding::on(child, "not-allowed-here", message).help(help));
        }
    }
    let outer = compiler.inside_wait(true);
    let Some(wanted) = wanted else {
        compiler.look_inside(node);
        compiler.inside_wait(outer);
        return None;
    };
    if outer {
        // It may stand in a `choose` of a `wait`, which nobody documents.
        let message = "a `wait` inside a `wait` runs its children one after another";
        let finding = Finding::on(node.element, "sequential-wait", message).warning();
        compiler.report(finding.help("put its children into the outer one"));
        one_after_another(compiler, node, matches!(wanted, Setting::Literal(For::Any)));
    } else {
        at_once(compiler, node, wanted);
    }
    compiler.inside_wait(outer);
    Some(())
}

fn at_once(compiler: &mut Compiler<'_>, node: Node<'_>, wanted: Setting<For>) {
    let site = compiler.current();
    let wait = compiler.emit(
        Op::Wait {
            wanted,
            starts: Vec::new(),
            end: 0,
        },
        site,
    );
    let mut positions = compiler.block_with(node.element, |c| c.emit(Op::BranchEnd, site) + 1);
    positions.insert(0, wait + 1);
    let last = positions.pop();
    if let Some(Op::Wait { starts, end, .. }) = compiler.op_mut(wait) {
        *starts = positions;
        *end = last.unwrap_or(wait + 1);
    }
}

fn one_after_another(compiler: &mut Compiler<'_>, node: Node<'_>, any: bool) {
    let site = compiler.current();
    if !any {
        compiler.block(node.element);
        return;
    }
    let jumps = compiler.block_with(node.element, |c| c.emit(Op::Jump(0), site));
    let end = compiler.here();
    for jump in jumps {
        if let Some(Op::Jump(target)) = compiler.op_mut(jump) {
            *target = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_load};

    const CHILDREN: &str =
        "<cache-lookup-value key='a' variable-name='x'/><cache-lookup-value key='b' variable-name='y'/>";

    fn wait(how: &str, children: &str) -> String {
        format!("<wait for='{how}'>{children}</wait>")
    }

    #[test]
    fn all_children_are_asked_at_once_and_end_in_any_order() {
        let asked = "start #0 lookup a, #1 lookup b";
        for (answers, expected) in [
            (["#0 hit 1", "#1 hit 2"], "start ; forward; 200 $x=1 $y=2"),
            (["#1 hit 2", "#0 hit 1"], "start ; forward; 200 $y=2 $x=1"),
        ] {
            check(
                "inbound",
                &wait("all", CHILDREN),
                &answers,
                &format!("{asked}; {expected}"),
            );
        }
    }

    #[test]
    fn the_first_that_ends_is_enough_for_any() {
        let asked = "start #0 lookup a, #1 lookup b";
        for (answer, expected) in [
            ("#0 hit 1", "forward; 200 $x=1"),
            ("#1 hit 2", "forward; 200 $y=2"),
        ] {
            check(
                "inbound",
                &wait("any", CHILDREN),
                &[answer],
                &format!("{asked}; {expected}"),
            );
        }
        // One that asks for nothing has ended before the others were asked.
        let children = format!("{CHILDREN}<choose><when condition='false'/></choose>");
        check("inbound", &wait("any", &children), &[], "forward; 200");
        check("inbound", &wait("all", ""), &[], "forward; 200");
    }

    #[test]
    fn only_some_policies_can_be_waited_for() {
        check_load(
            "inbound",
            "<wait><set-method>A</set-method></wait>",
            "not-allowed-here: `<set-method>` may not stand in `wait`",
        );
        check_load(
            "inbound",
            "<retry condition='false' count='1' interval='1'><wait/></retry>",
            "not-allowed-here: `wait` may not stand in `retry`",
        );
    }
}
