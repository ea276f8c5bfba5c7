//! `rewrite-uri`: changes path and query of the request from a template.
//!
//! Source: "Rewrite URL" policy page; `policies.md` §7.3. `{name}` are the operation's matched parameters.
//! Query parameters that the operation's template does not name are copied unless told otherwise.

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
    url::{encode_rewritten, is_parameter, join_path, query_pairs},
};

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new("rewrite-uri", "Rewrites the URL's path and query.").attributes(&[
        attr(
            "template",
            "New path, relative to the backend's base; `{name}` are matched parameters.",
        )
        .required()
        .expression(),
        attr(
            "copy-unmatched-params",
            "Append the query parameters that the operation's template does not name.",
        )
        .expression()
        .default("true"),
    ]),
    sections: Sections::I,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<rewrite-uri template="/v2/items/{id}" copy-unmatched-params="true" />"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let template = compiler.attribute(node, "template");
    let copy_unmatched = compiler.attribute(node, "copy-unmatched-params");
    compiler.policy(RewriteUri {
        template: template?,
        copy_unmatched: copy_unmatched?,
    });
    Some(())
}

#[derive(Debug)]
struct RewriteUri {
    template: Setting<Arc<str>>,
    copy_unmatched: Setting<bool>,
}

impl Policy for RewriteUri {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let template = self.template.get(run)?;
        let copy = *self.copy_unmatched.get(run)?;
        run.detail("template", || template.to_string());
        let filled = fill(template.trim(), run)?;
        let (path, query) = filled.split_once('?').unwrap_or((&filled, ""));
        let (path, mut query) = encode_rewritten(path, query);
        if copy {
            copy_unmatched(&mut query, run);
        }
        let base = match (&run.exchange.base, run.context.api.as_deref()) {
            (Some(base), _) => base.path.as_str(),
            (None, Some(api)) => api.service_url.as_ref().map_or("", |u| &u.path),
            (None, None) => "",
        };
        let path = join_path(base, &path);
        let url = &mut run.context.request.url;
        url.path = if path.starts_with('/') {
            path
        } else {
            format!("/{path}")
        };
        url.query = query;
        Ok(Flow::Next)
    }
}

/// The template with its placeholders filled.
fn fill(template: &str, run: &Run<'_>) -> Result<String, Failure> {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let Some(close) = rest[open..].find('}').map(|i| open + i) else {
            break;
        };
        let name = rest[open + 1..close].trim_start_matches('*');
        let parameters = &run.context.request.matched_parameters;
        let Some((_, value)) = parameters.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)) else {
            return Err(run.failure(format!(
                "The template parameter '{name}' is not one of the operation's."
            )));
        };
        out.push_str(&rest[..open]);
        out.push_str(value);
        rest = &rest[close + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// Appends what neither the operation's template nor the new query names.
fn copy_unmatched(query: &mut String, run: &Run<'_>) {
    let template = run.context.operation.as_deref().map_or("", |o| &o.url_template);
    let (_, template_query) = template.split_once('?').unwrap_or((template, ""));
    let new: Vec<String> = query_pairs(query).map(|(n, _)| n.to_owned()).collect();
    for pair in run.context.request.url.query.split('&').filter(|p| !p.is_empty()) {
        let name = pair.split_once('=').map_or(pair, |(n, _)| n);
        let named = query_pairs(template_query)
            .map(|(n, _)| n)
            .chain(new.iter().map(String::as_str));
        if named.into_iter().any(|n| is_parameter(name, n)) {
            continue;
        }
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(pair);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::{context::Operation, test_support::check_with};

    #[track_caller]
    fn rewrite(operation: &str, query: &str, attributes: &str, expected: &str) {
        let operation = Operation {
            url_template: operation.into(),
            ..Operation::default()
        };
        check_with(
            "inbound",
            &format!("<rewrite-uri {attributes}/>"),
            |context| {
                context.operation = Some(Arc::new(operation));
                context.request.url.query = query.into();
                context.request.matched_parameters.push(("A".into(), "b".into()));
            },
            &[],
            &format!("forward https://backend.example.com{expected}; 200"),
        );
    }

    #[test]
    fn the_pages_examples() {
        rewrite("/get?a={b}", "a=b&c=d", "template='/put'", "/base/put?c=d");
        rewrite(
            "/get?a={b}",
            "a=b&c=d",
            "template='/put' copy-unmatched-params='false'",
            "/base/put",
        );
    }

    #[test]
    fn placeholders_are_matched_parameters() {
        rewrite(
            "/items/{id}",
            "x=1",
            "template='/v2/{id}/{a}?k={ID}'",
            "/base/v2/42/b?k=42&x=1",
        );
        rewrite("/items/{id}", "x=1", "template='plain'", "/base/plain?x=1");
        rewrite("/items/{id}", "x=1", "template='/n?x=2'", "/base/n?x=2");
        rewrite("/items/{id}", "", "template='/'", "/base/");
    }

    #[test]
    fn what_a_url_cannot_hold_is_encoded() {
        rewrite(
            "/items/{id}",
            "",
            "template='/a b/%20?q=x y'",
            "/base/a%20b/%20?q=x%20y",
        );
        rewrite("/items/{id}", "", r#"template='@("/ü")'"#, "/base/%C3%BC");
    }

    #[test]
    fn an_unknown_placeholder_is_an_error() {
        check_with(
            "inbound",
            "<rewrite-uri template='/{nope}'/>",
            |_| {},
            &[],
            "500 rewrite-uri/PolicyFailure",
        );
    }
}
