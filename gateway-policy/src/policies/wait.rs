//! `wait`: runs its children until all, or the first, have completed.
//!
//! Source: "Wait" policy page; `policies.md` §3. The original runs them in parallel. Here they run one after
//! another, which gives the same results for `all` and takes longer; for `any` the first child in document
//! order is the one that completes. Loading says so.

use super::{
    PolicyDef,
    def::{Content, ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    program::Op,
    scope::{Scopes, Sections},
    setting::keywords,
};

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("wait", "Waits for its children.")
        .attributes(&[attr("for", "Wait for all children or for any.")
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
    let wanted = compiler.literal(node, "for")?;
    for child in &node.element.children {
        if !CHILDREN.contains(&child.name.as_str()) {
            let message = format!("`<{}>` may not stand in `wait`", child.name);
            let help = format!("it takes: {}", CHILDREN.join(", "));
            compiler.report(Finding::on(child, "not-allowed-here", message).help(help));
        }
    }
    let message = "the children of `wait` run one after another here, not in parallel";
    let finding = Finding::on(node.element, "sequential-wait", message).warning();
    match wanted {
        For::All => {
            if node.element.children.len() > 1 {
                compiler.report(finding.help("results are the same, the waits add up"));
            }
            compiler.block(node.element);
        }
        For::Any => {
            compiler.report(finding.help("the first child in the document is the one that completes"));
            let site = compiler.current();
            let jumps = compiler.block_with(node.element, |c| c.emit(Op::Jump(0), site));
            let end = compiler.here();
            for jump in jumps {
                if let Some(Op::Jump(target)) = compiler.op_mut(jump) {
                    *target = end;
                }
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_load};

    const CHILDREN: &str =
        "<cache-lookup-value key='a' variable-name='x'/><cache-lookup-value key='b' variable-name='y'/>";

    #[test]
    fn all_children_run_for_all_and_one_for_any() {
        let all = format!("<wait for='all'>{CHILDREN}</wait>");
        check(
            "inbound",
            &all,
            &["hit 1", "hit 2"],
            "lookup a; lookup b; forward; 200 $x=1 $y=2",
        );
        let any = format!("<wait for='any'>{CHILDREN}</wait>");
        check("inbound", &any, &["hit 1"], "lookup a; forward; 200 $x=1");
    }

    #[test]
    fn only_some_policies_can_be_waited_for() {
        check_load(
            "inbound",
            "<wait><set-method>A</set-method></wait>",
            "not-allowed-here: `<set-method>` may not stand in `wait`",
        );
    }
}
