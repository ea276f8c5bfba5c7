//! `set-query-parameter`: adds, replaces or removes a parameter of the request's query.
//!
//! Source: "Set query parameter" policy page; `policies.md` §7.2. Several values repeat the parameter.

use std::sync::Arc;

use super::{
    Flow, Policy, PolicyDef,
    def::{Child, Content, ElementDef, attr},
    set_header::ExistsAction,
};
use crate::{
    compile::{Compiler, Node},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::Setting,
    url::{encode_query_part, is_parameter, query_pairs},
};

static VALUE: ElementDef =
    ElementDef::new("value", "A value, percent-encoded on its way.").content(Content::Text);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("set-query-parameter", "Sets a parameter of the request's query.")
        .attributes(&[
            attr("name", "Name of the parameter.").required().expression(),
            attr("exists-action", "What to do when the parameter is there already.")
                .expression()
                .default("override")
                .words(ExistsAction::WORDS),
        ])
        .children(&[Child::any(&VALUE)]),
    sections: Sections::I.and(Sections::B),
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<set-query-parameter name="api-version" exists-action="skip">
    <value>2024-01-01</value>
</set-query-parameter>"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let name = compiler.attribute(node, "name");
    let action = compiler.attribute(node, "exists-action");
    let values: Vec<_> = node.children("value").map(|v| compiler.text(v)).collect();
    let values = values.into_iter().collect::<Option<_>>();
    compiler.policy(SetQueryParameter {
        name: name?,
        action: action?,
        values: values?,
    });
    Some(())
}

#[derive(Debug)]
struct SetQueryParameter {
    name: Setting<Arc<str>>,
    action: Setting<ExistsAction>,
    values: Vec<Setting<Arc<str>>>,
}

impl Policy for SetQueryParameter {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let name = self.name.get(run)?;
        let action = *self.action.get(run)?;
        let mut added = String::new();
        if action != ExistsAction::Delete {
            for value in &self.values {
                let value = value.get(run)?;
                added += &format!("&{}={}", encode_query_part(&name), encode_query_part(&value));
            }
        }
        run.detail("name", || name.to_string());
        run.detail("value", || added.trim_start_matches('&').to_owned());
        let query = &mut run.context.request.url.query;
        match action {
            ExistsAction::Skip if query_pairs(query).any(|(n, _)| is_parameter(n, &name)) => {
                return Ok(Flow::Next);
            }
            ExistsAction::Override | ExistsAction::Delete => *query = without(query, &name),
            ExistsAction::Skip | ExistsAction::Append => {}
        }
        query.push_str(if query.is_empty() {
            added.trim_start_matches('&')
        } else {
            &added
        });
        Ok(Flow::Next)
    }
}

/// The query without the parameters called `name`, the rest as it was.
fn without(query: &str, name: &str) -> String {
    let kept = query.split('&').filter(|p| {
        let encoded = p.split_once('=').map_or(*p, |(n, _)| n);
        !p.is_empty() && !is_parameter(encoded, name)
    });
    kept.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use crate::test_support::check_with;

    #[track_caller]
    fn edit(query: &str, attributes: &str, values: &str, expected: &str) {
        let values: String = values
            .split('|')
            .filter(|v| !v.is_empty())
            .map(|v| format!("<value>{v}</value>"))
            .collect();
        let mark = if expected.is_empty() { "" } else { "?" };
        check_with(
            "inbound",
            &format!("<set-query-parameter {attributes}>{values}</set-query-parameter>"),
            |context| context.request.url.query = query.into(),
            &[],
            &format!("forward https://backend.example.com/base/items/42{mark}{expected}; 200"),
        );
    }

    #[test]
    fn actions_do_what_they_are_called() {
        edit("", "name='a'", "1", "a=1");
        edit("a=0&b=2&A=3", "name='a'", "1|x y", "b=2&a=1&a=x%20y");
        edit("a=0", "name='a' exists-action='skip'", "1", "a=0");
        edit("b=0", "name='a' exists-action='skip'", "1", "b=0&a=1");
        edit("a=0", "name='a' exists-action='append'", "1", "a=0&a=1");
        edit("a=0&b=1&a=2", "name='a' exists-action='delete'", "", "b=1");
        edit("a=0", "name='a' exists-action='delete'", "", "");
    }

    #[test]
    fn names_are_compared_decoded_and_values_are_encoded() {
        edit(
            "api%2Dversion=0",
            "name='api-version'",
            "1&amp;2",
            "api-version=1%262",
        );
    }
}
