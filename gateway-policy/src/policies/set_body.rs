//! `set-body`: replaces the body of the message its section edits.
//!
//! Source: "Set body" policy page; `policies.md` §7.7. `Content-Length` follows the new body,
//! `Content-Type` does not change.

use bytes::Bytes;
use gateway_expr::Value;
use http::{HeaderMap, header};

use super::{
    Flow, Policy, PolicyDef,
    def::{Content, ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    context::Body,
    exec::Run,
    failure::Failure,
    liquid::{self, Binding, BodyOptions, Template as Liquid},
    scope::{Scopes, Sections},
    setting::{FromValue, Setting, keywords},
};

/// Also a child of `return-response` and `send-request`.
pub(crate) static ELEMENT: ElementDef =
    ElementDef::new("set-body", "Sets the body of the request or response.")
        .attributes(&[
            attr("template", "How the text is read.")
                .default("none")
                .words(Template::WORDS),
            attr("xsi-nil", "How Liquid templates see elements with `xsi:nil`.")
                .default("blank")
                .words(XsiNil::WORDS),
            attr(
                "parse-date",
                "Whether Liquid templates see dates in the body as dates.",
            )
            .default("true"),
            attr(
                "html-decode-expression",
                "Decode HTML entities in the expression's result.",
            )
            .default("false"),
        ])
        .content(Content::Anything);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ELEMENT,
    sections: Sections::I.and(Sections::B).and(Sections::O),
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<set-body>@(context.Request.Body.As<JObject>(preserveContent: true)["order"].ToString())</set-body>"#,
    build,
};

keywords! {
    /// `template`
    Template { None = "none", Liquid = "liquid" }
}

keywords! {
    /// `xsi-nil`
    XsiNil { Blank = "blank", Null = "null" }
}

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let policy = SetBody::statement(compiler, node)?;
    compiler.policy(policy);
    Some(())
}

#[derive(Debug)]
pub(crate) enum SetBody {
    /// Text or an expression.
    Value(Setting<BodyValue>),
    /// A template, with what it sees of the message.
    Liquid {
        template: Liquid,
        options: BodyOptions,
        /// The body of the message that the section edits; a response of the policy's own has none.
        binds_body: bool,
    },
}

/// What an expression gives as a body: `byte[]` as it is, anything else as text.
#[derive(Clone, Debug)]
pub(crate) struct BodyValue(Bytes);

impl FromValue for BodyValue {
    fn literal(text: &str) -> Result<Self, String> {
        Ok(Self(Bytes::copy_from_slice(text.as_bytes())))
    }

    fn value(value: &Value) -> Result<Self, String> {
        let bytes = value.as_bytes();
        Ok(Self(
            bytes.unwrap_or_else(|| value.to_text().unwrap_or_default().into()),
        ))
    }
}

impl SetBody {
    /// Builds it as a statement, where templates see the body they replace.
    fn statement(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<Self> {
        Some(Self::build(compiler, node)?.seeing_the_body(compiler))
    }

    fn seeing_the_body(mut self, compiler: &mut Compiler<'_>) -> Self {
        if let SetBody::Liquid {
            template, binds_body, ..
        } = &mut self
            && template.uses_body
        {
            *binds_body = true;
            compiler.need_current_body();
        }
        self
    }

    /// Builds it as a child of a policy with a message of its own.
    pub(crate) fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<Self> {
        let template = compiler.literal::<Template>(node, "template");
        let xsi_nil: Option<XsiNil> = compiler.literal(node, "xsi-nil");
        let parse_date = compiler.literal(node, "parse-date");
        if compiler.literal(node, "html-decode-expression")? {
            let message = "`html-decode-expression` is not supported by this gateway yet";
            let help = "decode in the expression: `System.Net.WebUtility.HtmlDecode(…)`";
            compiler.report(Finding::on(node.element, "unsupported-attribute", message).help(help));
        }
        if template? == Template::None {
            return compiler.keeping_braces(|c| c.content(node)).map(SetBody::Value);
        }
        let options = BodyOptions {
            parse_date: parse_date?,
            nil_is_null: xsi_nil? == XsiNil::Null,
        };
        Self::liquid(compiler, node, options)
    }

    /// A template of another policy's own content, which sees the message of its section as a statement does.
    pub(crate) fn template(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<Self> {
        let options = BodyOptions {
            parse_date: true,
            nil_is_null: false,
        };
        let template = Self::liquid(compiler, node, options)?;
        Some(template.seeing_the_body(compiler))
    }

    fn liquid(compiler: &mut Compiler<'_>, node: Node<'_>, options: BodyOptions) -> Option<Self> {
        let text = compiler.keeping_braces(|c| c.content_text(node))?;
        match Liquid::parse(text.as_str()) {
            Ok(template) => Some(SetBody::Liquid {
                template,
                options,
                binds_body: false,
            }),
            Err(error) => {
                let finding = Finding::new("bad-template", text.source_offset(error.at), error.message);
                compiler.report(finding.help("Liquid here is DotLiquid with C# naming: `{{ x | Upcase }}`"));
                None
            }
        }
    }

    pub(crate) fn evaluate(&self, run: &mut Run<'_>) -> Result<Bytes, Failure> {
        let body = match self {
            SetBody::Value(value) => value.get(run)?.into_owned().0,
            SetBody::Liquid {
                template,
                options,
                binds_body,
            } => {
                let fail = |message: String| Failure::Policy {
                    source: "set-body",
                    message,
                };
                let body = if *binds_body {
                    let body = run.body().clone();
                    liquid::bind_body(run.headers(), &body, *options).map_err(fail)?
                } else {
                    liquid::Value::Nil
                };
                let context = if template.uses_context {
                    liquid::bind_context(run.context)
                } else {
                    liquid::Value::Nil
                };
                let now_ticks = run.world.utc_now_ticks();
                template
                    .render(Binding {
                        body,
                        context,
                        now_ticks,
                    })
                    .map_err(fail)?
                    .into()
            }
        };
        run.detail("body", || {
            String::from_utf8_lossy(&body[..body.len().min(TRACED_BYTES_MAX)]).into_owned()
        });
        Ok(body)
    }
}

/// Bytes of a body shown in a trace: enough to recognise it.
const TRACED_BYTES_MAX: usize = 1024;

/// Puts a body in, with the headers that describe its length.
pub(crate) fn put(body: &mut Body, bytes: Bytes) {
    *body = Body::Buffered(bytes);
}

/// The framing headers for a body of `length` bytes.
pub(crate) fn frame(headers: &mut HeaderMap, length: usize) {
    headers.remove(header::TRANSFER_ENCODING);
    headers.insert(header::CONTENT_LENGTH, length.into());
}

impl Policy for SetBody {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let bytes = self.evaluate(run)?;
        frame(run.headers(), bytes.len());
        put(run.body(), bytes);
        Ok(Flow::Next)
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_load, check_with};

    #[test]
    fn literal_text_is_the_body_as_it_stands() {
        check(
            "inbound",
            "<set-body>a &amp; b</set-body>",
            &[],
            "forward content-length: 5 'a & b'; 200",
        );
        check(
            "outbound",
            "<set-body/>",
            &["200 old"],
            "forward; 200 content-length: 0 ''",
        );
        check(
            "outbound",
            "<set-body>\n<a x=\"1\">&amp;</a> </set-body>",
            &[],
            "forward; 200 content-length: 20 '\n<a x=\"1\">&amp;</a> '",
        );
        check(
            "outbound",
            "<set-body><![CDATA[{\"a\": \"<b>\"}]]></set-body>",
            &[],
            "forward; 200 content-length: 12 '{\"a\": \"<b>\"}'",
        );
    }

    #[test]
    fn braces_that_are_no_named_value_stay() {
        check(
            "outbound",
            "<set-body>{{x}}</set-body>",
            &[],
            "forward; 200 content-length: 5 '{{x}}'",
        );
    }

    #[test]
    fn framing_follows_the_body() {
        check_with(
            "inbound",
            "<set-body>abc</set-body>",
            |context| {
                context
                    .request
                    .headers
                    .insert("transfer-encoding", "chunked".parse().unwrap());
                context.request.body = crate::context::Body::Streaming;
            },
            &[],
            "forward content-length: 3 'abc'; 200",
        );
    }

    #[test]
    fn templates_see_the_body_they_replace() {
        let json = |context: &mut crate::Context| {
            context
                .request
                .headers
                .insert("content-type", "application/json".parse().unwrap());
            context.request.body = crate::context::Body::Streaming;
        };
        check_with(
            "inbound",
            "<set-body template='liquid'><a>{{body.x}} {{context.Request.Method}}</a></set-body>",
            json,
            &["body {\"x\":1}"],
            "read request; forward content-type: application/json content-length: 12 '<a>1 GET</a>'; 200",
        );
        // Without a mention of the body nothing is read.
        check_with(
            "inbound",
            "<set-body template='liquid'>{{ 'a' | Upcase }}</set-body>",
            json,
            &[],
            "forward content-type: application/json content-length: 1 'A'; 200",
        );
        check_with(
            "inbound",
            "<set-body template='liquid'>{{body.x}}</set-body>",
            json,
            &["body {"],
            "read request; 500 set-body/PolicyFailure",
        );
    }

    #[test]
    fn bad_templates_refuse_the_document() {
        check_load(
            "inbound",
            "<set-body template='liquid'>{% if a %}</set-body>",
            "bad-template: `endif` is missing",
        );
    }
}
