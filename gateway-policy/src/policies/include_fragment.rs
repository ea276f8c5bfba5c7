//! `include-fragment`: puts a policy fragment's statements in its place.
//!
//! Source: "Include fragment" policy page; `policies.md` §1.6. It leaves no instruction of its own.

use std::sync::Arc;

use super::{
    PolicyDef,
    def::{ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    scope::{Scopes, Sections},
};

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("include-fragment", "Inserts the statements of a policy fragment.")
        .attributes(&[attr("fragment-id", "Id of the fragment.").required()]),
    sections: Sections::ALL,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<include-fragment fragment-id="common-headers" />"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let id: Arc<str> = compiler.literal(node, "fragment-id")?;
    if compiler.in_fragment() {
        let message = "a fragment cannot include another fragment";
        let help = "include both from the policy document";
        compiler.report(Finding::on(node.element, "not-allowed-here", message).help(help));
        return None;
    }
    compiler.include(node.element, &id);
    Some(())
}

#[cfg(test)]
mod tests {
    use crate::{
        names::{Fragment, Names},
        program::{Options, ScopeDoc, Source},
    };

    const DOCUMENT: &str = "<policies><inbound><include-fragment fragment-id='f' /></inbound></policies>";

    #[track_caller]
    fn check(fragment: Option<&str>, options: &Options, expected: &[&str]) {
        let mut names = Names::default();
        if let Some(text) = fragment {
            names.fragments.insert(
                "f".into(),
                Fragment {
                    path: "f.xml".into(),
                    text: text.into(),
                },
            );
        }
        let source = Source {
            text: DOCUMENT,
            path: "api.xml",
            scope: None,
        };
        let diagnostics = match ScopeDoc::compile(&source, &names, options) {
            Ok((_, warnings)) => warnings,
            Err(errors) => errors,
        };
        let lines: Vec<String> = diagnostics
            .iter()
            .map(|d| format!("{}:{}:{} {}", d.path, d.line, d.column, d.code))
            .collect();
        assert_eq!(lines, expected, "{fragment:?}");
    }

    #[test]
    fn statements_are_inserted_and_mistakes_point_into_the_fragment() {
        let options = Options::default();
        check(
            Some("<fragment><set-method>PUT</set-method></fragment>"),
            &options,
            &[],
        );
        check(
            Some("<fragment>\n <base/></fragment>"),
            &options,
            &["f.xml:2:2 not-allowed-here"],
        );
        check(
            Some("<fragment><include-fragment fragment-id='f'/></fragment>"),
            &options,
            &["f.xml:1:11 not-allowed-here"],
        );
        check(Some("<policies/>"), &options, &["f.xml:1:1 unknown-root"]);
        check(Some("<fragment>"), &options, &["f.xml:1:1 not-well-formed"]);
    }

    #[test]
    fn a_missing_fragment_is_an_error_unless_taken_as_empty() {
        check(None, &Options::default(), &["api.xml:1:20 unknown-fragment"]);
        let empty = Options {
            missing_fragments_empty: true,
            ..Options::default()
        };
        check(None, &empty, &["api.xml:1:20 unknown-fragment"]);
    }
}
