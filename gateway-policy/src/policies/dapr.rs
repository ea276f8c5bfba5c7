//! `publish-to-dapr` and `invoke-dapr-binding`: calls to the Dapr sidecar next to the gateway.
//!
//! Source: their policy pages (self-hosted gateway only); `policies.md` §8. The sidecar listens on
//! localhost:3500. A failed call is a failure unless `ignore-error` is set.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gateway_expr::Value;
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Map, Value as Json, json};

use super::{
    Flow, Policy, PolicyDef,
    def::{AttributeDef, Child, Content as Inside, ElementDef, attr},
    set_backend_service::DAPR_PORT,
    set_body::SetBody,
};
use crate::{
    compile::{Compiler, Node},
    context::Url,
    effect::{Effect, Outcome, OutgoingRequest},
    exec::Run,
    failure::Failure,
    scope::{Scopes, Sections},
    setting::{Bounded, Setting, keywords, optional},
};

const IGNORE_ERROR: AttributeDef = attr("ignore-error", "Go on when the call fails.").default("false");
const RESPONSE_VARIABLE: AttributeDef = attr("response-variable-name", "Variable for the sidecar's answer.");
const TIMEOUT: AttributeDef = attr("timeout", "Time for the call in seconds, 1 to 240.")
    .expression()
    .default("5");
const TEMPLATE: AttributeDef = attr(
    "template",
    "`Liquid`: the content is a Liquid template that sees the message of its section, like that of `set-body`.",
)
.words(Template::WORDS);
const CONTENT_TYPE: AttributeDef =
    attr("content-type", "Media type of the message.").default("application/json");

pub(crate) static PUBLISH: PolicyDef = PolicyDef {
    element: ElementDef::new("publish-to-dapr", "Publishes its text to a Dapr topic.")
        .attributes(&[
            attr("pubsub-name", "Name of the publish/subscribe component.").expression(),
            attr("topic", "The topic; `pubsub/topic` when `pubsub-name` is absent.")
                .required()
                .expression(),
            IGNORE_ERROR,
            RESPONSE_VARIABLE,
            TIMEOUT,
            TEMPLATE,
            CONTENT_TYPE,
        ])
        .content(Inside::Text),
    sections: Sections::I,
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<publish-to-dapr pubsub-name="orders" topic="new">@(context.Request.Body.As<string>(preserveContent: true))</publish-to-dapr>"#,
    build: build_publish,
};

static ITEM: ElementDef = ElementDef::new("item", "A property of the call.")
    .attributes(&[attr("key", "Its name.").required()])
    .content(Inside::Text);
static METADATA: ElementDef =
    ElementDef::new("metadata", "Properties of the call.").children(&[Child::any(&ITEM)]);
static DATA: ElementDef = ElementDef::new("data", "What is sent.").content(Inside::Text);

pub(crate) static BINDING: PolicyDef = PolicyDef {
    element: ElementDef::new("invoke-dapr-binding", "Invokes a Dapr output binding.")
        .attributes(&[
            attr("name", "Name of the binding.").required().expression(),
            attr("operation", "Operation of the binding.").default("create"),
            IGNORE_ERROR,
            RESPONSE_VARIABLE,
            TIMEOUT,
            TEMPLATE,
            CONTENT_TYPE,
        ])
        .children(&[Child::optional(&METADATA), Child::optional(&DATA)]),
    sections: Sections::I.and(Sections::O).and(Sections::E),
    tolerated: Sections::ALL,
    scopes: Scopes::ALL,
    once: false,
    example: r#"<invoke-dapr-binding name="queue" operation="create">
    <metadata>
        <item key="priority">high</item>
    </metadata>
    <data>{ "id": 1 }</data>
</invoke-dapr-binding>"#,
    build: build_binding,
};

keywords! {
    /// `template`: the page's word and the schema's.
    Template { Liquid = "Liquid", Lower = "liquid" }
}

/// What is sent: text, an expression, or a Liquid template.
#[derive(Debug)]
enum Content {
    Text(Setting<Arc<str>>),
    Liquid(SetBody),
}

impl Content {
    fn build(compiler: &mut Compiler<'_>, call: Node<'_>, node: Node<'_>) -> Option<Self> {
        if call.has("template") {
            let _: Template = compiler.literal(call, "template")?;
            return SetBody::template(compiler, node).map(Content::Liquid);
        }
        compiler.text(node).map(Content::Text)
    }

    fn bytes(&self, run: &mut Run<'_>) -> Result<Bytes, Failure> {
        match self {
            Content::Text(text) => Ok(Bytes::copy_from_slice(text.get(run)?.as_bytes())),
            Content::Liquid(template) => template.evaluate(run).map_err(|failure| match failure {
                Failure::Policy { message, .. } => run.failure(message),
                other => other,
            }),
        }
    }
}

/// What both calls have.
#[derive(Debug)]
struct Call {
    source: &'static str,
    ignore_error: bool,
    variable: Option<Arc<str>>,
    timeout: Setting<Bounded<1, 240>>,
    content_type: HeaderValue,
}

impl Call {
    fn build(compiler: &mut Compiler<'_>, node: Node<'_>, source: &'static str) -> Option<Self> {
        let ignore_error = compiler.literal(node, "ignore-error");
        let variable = compiler.literal(node, "response-variable-name");
        let timeout = compiler.attribute(node, "timeout");
        let content_type = compiler.literal(node, "content-type");
        Some(Self {
            source,
            ignore_error: ignore_error?,
            variable,
            timeout: timeout?,
            content_type: content_type?,
        })
    }

    fn ask(&self, run: &mut Run<'_>, path: String, body: Bytes) -> Result<Flow, Failure> {
        let mut headers = HeaderMap::with_capacity(1);
        headers.insert(header::CONTENT_TYPE, self.content_type.clone());
        let timeout = Duration::from_secs(self.timeout.get(run)?.unsigned());
        let url = Url {
            scheme: "http".into(),
            host: "localhost".into(),
            port: run.context.deployment.dapr_port.unwrap_or(DAPR_PORT),
            path,
            query: String::new(),
        };
        run.detail("url", || crate::url::to_text(&url));
        let request = OutgoingRequest {
            method: Method::POST,
            url,
            headers,
            body,
            timeout,
            one_way: false,
            certificate: None,
            proxy: None,
            backend: None,
        };
        Ok(Flow::Ask(Effect::Send(Box::new(request))))
    }

    fn answered(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        match outcome {
            Outcome::Response(response) => {
                let status = response.status;
                if let Some(name) = &self.variable {
                    run.set_variable(name, Value::response(response));
                }
                if !status.is_success() && !self.ignore_error {
                    let message = format!("The Dapr sidecar answered {}.", status.as_u16());
                    return Err(Failure::Policy {
                        source: self.source,
                        message,
                    });
                }
            }
            Outcome::Failed(_) if self.ignore_error => {}
            other => return Err(run.unexpected(other)),
        }
        Ok(Flow::Next)
    }
}

fn build_publish(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let pubsub = compiler.attribute(node, "pubsub-name");
    let topic = compiler.attribute(node, "topic");
    let message = Content::build(compiler, node, node);
    let call = Call::build(compiler, node, "publish-to-dapr");
    compiler.policy(Publish {
        pubsub,
        topic: topic?,
        message: message?,
        call: call?,
    });
    Some(())
}

#[derive(Debug)]
struct Publish {
    pubsub: Option<Setting<Arc<str>>>,
    topic: Setting<Arc<str>>,
    message: Content,
    call: Call,
}

impl Policy for Publish {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let topic = self.topic.get(run)?;
        let path = match optional(self.pubsub.as_ref(), run)? {
            Some(pubsub) => format!("/v1.0/publish/{}/{}", *pubsub, *topic),
            None => format!("/v1.0/publish/{}", *topic),
        };
        let message = self.message.bytes(run)?;
        self.call.ask(run, path, message)
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        self.call.answered(run, outcome)
    }
}

fn build_binding(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let name = compiler.attribute(node, "name");
    let operation = compiler.literal(node, "operation");
    let mut metadata: Vec<Option<Item>> = Vec::new();
    for item in node
        .child("metadata")
        .into_iter()
        .flat_map(|m| m.children("item"))
    {
        let key = compiler.literal(item, "key");
        metadata.push(key.zip(compiler.text(item)));
    }
    let data = node.child("data").map(|d| Content::build(compiler, node, d));
    let call = Call::build(compiler, node, "invoke-dapr-binding");
    compiler.policy(Binding {
        name: name?,
        operation: operation?,
        metadata: metadata.into_iter().collect::<Option<_>>()?,
        data: data.map_or(Some(None), |d| d.map(Some))?,
        call: call?,
    });
    Some(())
}

/// Name and value of a property.
type Item = (Arc<str>, Setting<Arc<str>>);

#[derive(Debug)]
struct Binding {
    name: Setting<Arc<str>>,
    operation: Arc<str>,
    metadata: Vec<Item>,
    data: Option<Content>,
    call: Call,
}

impl Policy for Binding {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let path = format!("/v1.0/bindings/{}", *self.name.get(run)?);
        let mut metadata = Map::new();
        for (key, value) in &self.metadata {
            metadata.insert(key.to_string(), (*value.get(run)?).to_string().into());
        }
        let mut body = json!({ "operation": &*self.operation });
        if !metadata.is_empty() {
            body["metadata"] = Json::Object(metadata);
        }
        if let Some(data) = &self.data {
            // Data that is JSON is sent as JSON, any other as text.
            let data = data.bytes(run)?;
            let text = String::from_utf8_lossy(&data);
            let text = text.trim();
            body["data"] = serde_json::from_str(text).unwrap_or_else(|_| text.into());
        }
        self.call.ask(run, path, body.to_string().into())
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        self.call.answered(run, outcome)
    }
}

#[cfg(test)]
mod tests {
    use crate::test_support::{check, check_load, check_with};

    #[test]
    fn messages_go_to_the_sidecar() {
        let asked =
            "send POST http://localhost:3500/v1.0/publish/orders/new content-type: application/json '{}'";
        let text = "<publish-to-dapr pubsub-name='orders' topic='new' response-variable-name='r'>{}</publish-to-dapr>";
        check(
            "inbound",
            text,
            &["204"],
            &format!("{asked}; forward; 200 $r=IResponse"),
        );
        check(
            "inbound",
            "<publish-to-dapr topic='orders/new'>{}</publish-to-dapr>",
            &["500"],
            &format!("{asked}; 500 publish-to-dapr/PolicyFailure"),
        );
        check(
            "inbound",
            "<publish-to-dapr topic='orders/new' ignore-error='true'>{}</publish-to-dapr>",
            &["refused"],
            &format!("{asked}; forward; 200"),
        );
    }

    #[test]
    fn bindings_carry_operation_metadata_and_data() {
        let text = "<invoke-dapr-binding name='queue'><metadata><item key='p'>high</item></metadata><data>{\"id\":1}</data></invoke-dapr-binding>";
        check(
            "outbound",
            text,
            &["200", "200"],
            "forward; send POST http://localhost:3500/v1.0/bindings/queue content-type: application/json \
             '{\"operation\":\"create\",\"metadata\":{\"p\":\"high\"},\"data\":{\"id\":1}}'; 200",
        );
    }

    #[test]
    fn templates_see_the_message() {
        let asked = "send POST http://localhost:3500/v1.0/publish/t content-type: application/json";
        let json = |context: &mut crate::Context| {
            context
                .request
                .headers
                .insert("content-type", "application/json".parse().unwrap());
            context.request.body = crate::context::Body::Buffered(r#"{"id":7}"#.into());
        };
        let delete = "<set-header name='Content-Type' exists-action='delete'/>";
        for (template, content, expected) in [
            ("Liquid", r#"{"order":{{body.id}}}"#, r#"{"order":7}"#),
            ("liquid", "{{context.Request.Method}}", "GET"),
        ] {
            check_with(
                "inbound",
                &format!(
                    "<publish-to-dapr topic='t' template='{template}'>{content}</publish-to-dapr>{delete}"
                ),
                json,
                &["204"],
                &format!("{asked} '{expected}'; forward '{{\"id\":7}}'; 200"),
            );
        }
        check_with(
            "inbound",
            &format!(
                "<invoke-dapr-binding name='q' template='Liquid'><data>{{\"n\":{{{{body.id}}}}}}</data></invoke-dapr-binding>{delete}"
            ),
            json,
            &["204"],
            "send POST http://localhost:3500/v1.0/bindings/q content-type: application/json \
             '{\"operation\":\"create\",\"data\":{\"n\":7}}'; forward '{\"id\":7}'; 200",
        );
        check_load(
            "inbound",
            "<publish-to-dapr topic='t' template='Liquid'>{{ body.id | }}{% if %}</publish-to-dapr>",
            "bad-template: a condition is missing",
        );
        check_load(
            "inbound",
            "<publish-to-dapr topic='t' template='razor'/>",
            "bad-value: `template` of `publish-to-dapr` must be one of `Liquid`, `liquid`",
        );
    }

    #[test]
    fn mistakes_refuse_the_document() {
        check_load(
            "inbound",
            "<publish-to-dapr topic='t' timeout='0'/>",
            "bad-value: `timeout` of `publish-to-dapr` must be a whole number from 1 to 240",
        );
        check_load(
            "inbound",
            "<invoke-dapr-binding/>",
            "missing-attribute: `invoke-dapr-binding` needs the attribute `name`",
        );
    }
}
