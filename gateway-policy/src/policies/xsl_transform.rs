//! `xsl-transform`: an XSLT 1.0 stylesheet over the body of the message its section edits.
//!
//! Source: "Transform XML using an XSLT" policy page; `policies.md` §7.11. What the stylesheet may use is in
//! [`crate::xslt`]; its own limits bound time and size.

use std::sync::Arc;

use super::{
    Flow, Policy, PolicyDef,
    def::{Content, ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    context::Body,
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::Setting,
    xslt::{Limits, Stylesheet},
};

static PARAMETER: ElementDef = ElementDef::new("parameter", "A value for an `xsl:param`.")
    .attributes(&[
        attr("parameter-name", "Name of the parameter."),
        attr("name", "The same, as the policy toolkit writes it."),
        attr("value", "Its value; absent: the text.").expression(),
    ])
    .content(Content::Text);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "xsl-transform",
        "Transforms an XML body with the XSLT 1.0 stylesheet it holds, after `parameter` children.",
    )
    .content(Content::Anything),
    sections: Sections::I.and(Sections::O),
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: true,
    example: r#"<xsl-transform>
    <parameter parameter-name="User-Agent">@(context.Request.Headers.GetValueOrDefault("User-Agent","unknown"))</parameter>
    <xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
        <xsl:output method="xml" indent="yes" />
        <xsl:param name="User-Agent" />
        <xsl:template match="/">
            <seen by="{$User-Agent}"><xsl:value-of select="/*/name" /></seen>
        </xsl:template>
    </xsl:stylesheet>
</xsl-transform>"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let mut parameters = Vec::new();
    let mut sheet = None;
    for child in &node.element.children {
        if child.name == "parameter" {
            let child = Node {
                element: child,
                def: &PARAMETER,
            };
            if !compiler.fits(child) {
                return None;
            }
            let name: Option<Arc<str>> = match child.has("parameter-name") {
                true => compiler.literal(child, "parameter-name"),
                false => compiler.literal(child, "name"),
            };
            let Some(name) = name else {
                let message = "`parameter` needs the attribute `parameter-name`";
                let finding = Finding::on(child.element, "missing-attribute", message);
                compiler.report(finding.help("name the `xsl:param`"));
                return None;
            };
            let value = match child.has("value") {
                true => compiler.attribute(child, "value"),
                false => compiler.text(child),
            };
            parameters.push((name.to_string(), value?));
        } else if sheet.is_none() {
            sheet = Some(child);
        } else {
            let message = "`xsl-transform` holds one stylesheet";
            let finding = Finding::on(child, "duplicate-element", message);
            compiler.report(finding.help("keep one of them"));
            return None;
        }
    }
    let Some(element) = sheet else {
        let message = "`<xsl-transform>` needs a child element `<xsl:stylesheet>`";
        compiler.report(Finding::on(node.element, "missing-element", message).help("put it there"));
        return None;
    };
    let text = compiler.keeping_braces(|c| c.markup(element))?;
    match Stylesheet::compile(text.as_str()) {
        Ok(stylesheet) => {
            compiler.need_current_body();
            compiler.policy(XslTransform {
                parameters,
                stylesheet,
            });
            Some(())
        }
        Err(error) => {
            let message = format!("the stylesheet does not load: {error}");
            let finding = Finding::on(element, "bad-stylesheet", message);
            compiler.report(finding.help("XSLT 1.0 is supported, in one file"));
            None
        }
    }
}

#[derive(Debug)]
struct XslTransform {
    parameters: Vec<(String, Setting<Arc<str>>)>,
    stylesheet: Stylesheet,
}

impl Policy for XslTransform {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let mut parameters = Vec::with_capacity(self.parameters.len());
        for (name, value) in &self.parameters {
            parameters.push((name.clone(), value.get(run)?.to_string()));
        }
        let Body::Buffered(bytes) = run.body() else {
            return Err(run.failure("There is no body to transform."));
        };
        let text = String::from_utf8_lossy(bytes).into_owned();
        let text = text.trim_start_matches('\u{feff}');
        let result = self.stylesheet.transform(text, &parameters, Limits::DEFAULT);
        let result = result.map_err(|e| run.failure(format!("The transformation failed: {e}")))?;
        *run.body() = Body::Buffered(result.into());
        Ok(Flow::Next)
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_load};

    fn policy(parameters: &str, body: &str) -> String {
        format!(
            "<xsl-transform>{parameters}<xsl:stylesheet version='1.0' xmlns:xsl='http://www.w3.org/1999/XSL/Transform'>\
             <xsl:output omit-xml-declaration='yes'/>{body}</xsl:stylesheet></xsl-transform>"
        )
    }

    #[test]
    fn the_answer_is_transformed() {
        let text = policy(
            "<parameter parameter-name='who'>@(context.Request.Method)</parameter>",
            "<xsl:param name='who'/><xsl:template match='/a'><r by='{$who}'><xsl:value-of select='b'/></r></xsl:template>",
        );
        check(
            "outbound",
            &text,
            &["200 <a><b>1 &lt; 2</b></a>"],
            "forward; 200 '<r by=\"GET\">1 &lt; 2</r>'",
        );
        check(
            "outbound",
            &text,
            &["200 no xml"],
            "forward; 500 xsl-transform/PolicyFailure",
        );
        check(
            "outbound",
            &text,
            &["204"],
            "forward; 500 xsl-transform/PolicyFailure",
        );
    }

    #[test]
    fn mistakes_refuse_the_document() {
        check_load(
            "outbound",
            "<xsl-transform/>",
            "missing-element: `<xsl-transform>` needs a child element `<xsl:stylesheet>`",
        );
        check_load(
            "outbound",
            &policy("", "<xsl:import href='x'/>"),
            "bad-stylesheet: the stylesheet does not load: `xsl:import` is not supported: there is nothing to load from.",
        );
        check_load(
            "outbound",
            &policy("<parameter>1</parameter>", ""),
            "missing-attribute: `parameter` needs the attribute `parameter-name`",
        );
    }
}
