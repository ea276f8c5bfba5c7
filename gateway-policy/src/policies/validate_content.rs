//! `validate-content`: takes only bodies of documented types and sizes that conform to their schema.
//!
//! Source: "Validate content" policy page; `policies.md` §10. The body is read only when something is checked in it.
//! What cannot be validated (no schema, a schema without end, a body in an unknown coding) has not been validated and
//! is treated as an error, with the action of its `content` element.

mod body;
mod xml;

use std::sync::Arc;

use bytes::Bytes;
use http::header;

use super::{
    Flow, Policy, PolicyDef,
    def::{Child, ElementDef, attr},
    validation::{Action, Error, Errors, direction},
};
use crate::{
    compile::{Compiler, Finding, Node},
    context::Body,
    effect::{Effect, Message, Outcome},
    exec::Run,
    failure::Failure,
    schema::{Content, check::Direction, definition::content_of, openapi::media_type},
    scope::{Scopes, Sections},
    setting::{Bounded, Setting, keywords},
};

/// Largest `max-size`, as documented.
const SIZE_MAX: i64 = 4 * 1024 * 1024;

static TYPE: ElementDef = ElementDef::new("type", "What one content type is taken for.").attributes(&[
    attr("from", "The content type."),
    attr("when", "Or: the condition.").expression(),
    attr("to", "The content type it is taken for.").required(),
]);
static MAP: ElementDef = ElementDef::new("content-type-map", "Content types that bodies are taken for.")
    .attributes(&[
        attr(
            "any-content-type-value",
            "Content type that every body is taken for.",
        ),
        attr(
            "missing-content-type-value",
            "Content type of bodies without one.",
        ),
    ])
    .children(&[Child::any(&TYPE)]);
static CONTENT: ElementDef =
    ElementDef::new("content", "How bodies of one type are validated.").attributes(&[
        attr(
            "type",
            "The content type; absent: every type that the API documents.",
        ),
        attr(
            "validate-as",
            "How the body is read: JSON, a document of XML Schema 1.0, or a SOAP envelope whose body is one.",
        )
        .required()
        .words(As::WORDS),
        attr("action", "What is done about bodies that do not conform.")
            .required()
            .expression()
            .words(Action::WORDS),
        attr(
            "schema-id",
            "A schema of the service; absent: the one in the API's definition.",
        ),
        attr(
            "schema-ref",
            "JSON pointer into that schema, such as `#/components/schemas/address`.",
        ),
        attr(
            "allow-additional-properties",
            "Stands for `additionalProperties` of every JSON schema; absent: what the schemas say.",
        ),
        attr(
            "case-insensitive-property-names",
            "Names of members are compared without regard to case.",
        )
        .default("false"),
    ]);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "validate-content",
        "Checks size, type and content of the body against the API's definition.",
    )
    .attributes(&[
        attr(
            "unspecified-content-type-action",
            "What is done about content types the API does not document.",
        )
        .required()
        .expression()
        .words(Action::WORDS),
        attr("max-size", "Largest body in bytes, at most 4 MB, decompressed.")
            .required()
            .expression(),
        attr("size-exceeded-action", "What is done about larger ones.")
            .required()
            .expression()
            .words(Action::WORDS),
        attr("errors-variable-name", "Variable for the list of errors."),
    ])
    .children(&[Child::optional(&MAP), Child::any(&CONTENT)]),
    sections: Sections::I.and(Sections::O).and(Sections::E),
    tolerated: Sections::I.and(Sections::O).and(Sections::E),
    scopes: Scopes::ALL,
    once: false,
    example: r#"<validate-content unspecified-content-type-action="prevent" max-size="102400" size-exceeded-action="prevent" errors-variable-name="requestBodyErrors">
    <content-type-map missing-content-type-value="application/json">
        <type from="application/hal+json" to="application/json" />
    </content-type-map>
    <content type="application/json" validate-as="json" action="prevent" allow-additional-properties="false" />
</validate-content>"#,
    build,
};

keywords! {
    /// `validate-as`
    As { Json = "json", Xml = "xml", Soap = "soap" }
}

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let unspecified = compiler.attribute(node, "unspecified-content-type-action");
    let max_size = compiler.attribute(node, "max-size");
    let size_exceeded = compiler.attribute(node, "size-exceeded-action");
    let variable = compiler.literal(node, "errors-variable-name");
    let map = match node.child("content-type-map") {
        Some(map) => type_map(compiler, map),
        None => Some(TypeMap::default()),
    };
    let contents: Vec<_> = node
        .children("content")
        .map(|n| Rule::build(compiler, n))
        .collect();
    compiler.policy(ValidateContent {
        unspecified: unspecified?,
        max_size: max_size?,
        size_exceeded: size_exceeded?,
        variable,
        map: map?,
        contents: contents.into_iter().collect::<Option<_>>()?,
    });
    Some(())
}

fn type_map(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<TypeMap> {
    let any = compiler.literal::<Arc<str>>(node, "any-content-type-value");
    let missing = compiler.literal::<Arc<str>>(node, "missing-content-type-value");
    let mut types = Vec::new();
    for child in node.children("type") {
        let to: Option<Arc<str>> = compiler.literal(child, "to");
        let from = match (child.has("from"), child.has("when")) {
            (true, false) => {
                let from: Arc<str> = compiler.literal(child, "from")?;
                From::Type(media_type(&from))
            }
            (false, true) => From::When(compiler.attribute(child, "when")?),
            _ => {
                let message = "`type` needs either `from` or `when`";
                let help = "say which bodies are taken for another type";
                compiler.report(Finding::on(child.element, "missing-attribute", message).help(help));
                return None;
            }
        };
        types.push((from, media_type(&to?)));
    }
    Some(TypeMap {
        any: any.as_deref().map(media_type),
        missing: missing.as_deref().map(media_type),
        types,
    })
}

#[derive(Debug)]
struct ValidateContent {
    unspecified: Setting<Action>,
    max_size: Setting<Bounded<0, SIZE_MAX>>,
    size_exceeded: Setting<Action>,
    variable: Option<Arc<str>>,
    map: TypeMap,
    contents: Vec<Rule>,
}

#[derive(Debug, Default)]
struct TypeMap {
    any: Option<String>,
    missing: Option<String>,
    types: Vec<(From, String)>,
}

#[derive(Debug)]
enum From {
    Type(String),
    When(Setting<bool>),
}

/// A `content` element.
#[derive(Debug)]
struct Rule {
    media_type: Option<String>,
    validate_as: As,
    action: Setting<Action>,
    schema_id: Option<Arc<str>>,
    schema_ref: Option<Arc<str>>,
    additional: Option<bool>,
    ignore_case: bool,
}

impl Rule {
    fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<Self> {
        let media = compiler.literal::<Arc<str>>(node, "type");
        let validate_as = compiler.literal(node, "validate-as");
        let action = compiler.attribute(node, "action");
        let rule = Self {
            media_type: media.map(|m| media_type(&m)).filter(|m| !m.is_empty()),
            schema_id: compiler.literal(node, "schema-id"),
            schema_ref: compiler.literal(node, "schema-ref"),
            additional: compiler.literal(node, "allow-additional-properties"),
            ignore_case: compiler.literal(node, "case-insensitive-property-names")?,
            validate_as: validate_as?,
            action: action?,
        };
        let of_json = [
            "schema-ref",
            "allow-additional-properties",
            "case-insensitive-property-names",
        ];
        for name in of_json
            .iter()
            .filter(|n| rule.validate_as != As::Json && node.has(n))
        {
            let message = format!("`{name}` is for JSON schemas and has no effect on XML");
            compiler.report(
                Finding::on(node.element, "no-effect", message)
                    .warning()
                    .help("remove it"),
            );
        }
        if rule.schema_ref.is_some() && rule.schema_id.is_none() {
            let message = "`schema-ref` points into the schema named by `schema-id`, which is missing";
            let help = "name the schema, or remove `schema-ref`";
            compiler.report(Finding::on(node.element, "missing-attribute", message).help(help));
        }
        Some(rule)
    }
}

impl Policy for ValidateContent {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let max = self.max_size.get(run)?.unsigned();
        let announced = run.headers().get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        let streaming = *run.body() == Body::Streaming;
        if let Some(size) = announced.filter(|size| streaming && *size > max) {
            return self.too_large(run, size, max);
        }
        if streaming {
            let message = match direction(run) {
                Direction::Request => Message::Request,
                Direction::Response => Message::Response,
            };
            return Ok(Flow::Ask(Effect::ReadBody(message)));
        }
        self.validate(run)
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        match outcome {
            Outcome::Body(bytes) => {
                *run.body() = Body::Buffered(bytes);
                self.validate(run)
            }
            // What the gateway itself cannot hold is lost; it cannot go on whatever the action says.
            other => Err(run.unexpected(other)),
        }
    }
}

impl ValidateContent {
    fn too_large(&self, run: &mut Run<'_>, size: u64, max: u64) -> Result<Flow, Failure> {
        let (kind, whose) = names(direction(run));
        let text = |limit: &str| {
            format!("{whose}'s body is {size} bytes long and it exceeds the {limit} of {max} bytes.")
        };
        let error = Error::new("", kind, "SizeLimit", text("configured limit"));
        let error = match direction(run) {
            Direction::Request => error.public(text("limit")),
            Direction::Response => error.internal(),
        };
        let mut errors = Errors::default();
        errors.add(*self.size_exceeded.get(run)?, error);
        errors.settle(run, self.variable.as_ref())
    }

    fn validate(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let max = self.max_size.get(run)?.unsigned();
        let content = match run.body() {
            Body::Buffered(bytes) => bytes.clone(),
            _ => Bytes::new(),
        };
        if content.len() as u64 > max {
            return self.too_large(run, content.len() as u64, max);
        }
        let direction = direction(run);
        let given = self.content_type(run)?;
        let Some(given) = given else {
            return self.without_type(run, &content);
        };
        run.detail("content-type", || given.clone());
        let documented = self.documented(run, &given);
        let mut errors = Errors::default();
        let own = |rule: &&Rule| rule.media_type.as_deref() == Some(given.as_str());
        let general = |rule: &&Rule| rule.media_type.is_none() && documented.is_some();
        let rule = self
            .contents
            .iter()
            .find(own)
            .or_else(|| self.contents.iter().find(general));
        if documented.is_none() && rule.is_none() {
            let action = *self.unspecified.get(run)?;
            let details = format!("Unspecified content type {given} is not allowed.");
            errors.add(
                action,
                shown(
                    Error::new(&given, names(direction).0, "Unspecified", details),
                    direction,
                ),
            );
        }
        if let Some(rule) = rule {
            let action = *rule.action.get(run)?;
            if action != Action::Ignore {
                let coding = run.headers().get(header::CONTENT_ENCODING).cloned();
                let plain = match body::decoded(&content, coding.as_ref(), max) {
                    Ok(plain) => plain,
                    Err(body::Undecodable::TooLarge(size)) => return self.too_large(run, size, max),
                    Err(body::Undecodable::Other(why)) => {
                        errors.add(action, body::cannot(&given, direction, &why));
                        return errors.settle(run, self.variable.as_ref());
                    }
                };
                for error in body::errors(run, rule, &given, documented.as_ref(), &plain) {
                    errors.add(action, error);
                }
            }
        }
        errors.settle(run, self.variable.as_ref())
    }

    /// No content type and no mapping for that: right when there is no body and none is needed.
    fn without_type(&self, run: &mut Run<'_>, content: &Bytes) -> Result<Flow, Failure> {
        let direction = direction(run);
        let operation = run.exchange.definitions.operation.as_ref();
        let needed = direction == Direction::Request && operation.is_some_and(|o| o.request_required);
        if content.is_empty() && !needed {
            return Ok(Flow::Next);
        }
        let details = "Unspecified content type  is not allowed.".to_owned();
        let error = Error::new("", names(direction).0, "Unspecified", details);
        let mut errors = Errors::default();
        errors.add(*self.unspecified.get(run)?, shown(error, direction));
        errors.settle(run, self.variable.as_ref())
    }

    /// The type that the body is taken for.
    fn content_type(&self, run: &mut Run<'_>) -> Result<Option<String>, Failure> {
        if let Some(any) = &self.map.any {
            return Ok(Some(any.clone()));
        }
        let given = run.headers().get(header::CONTENT_TYPE);
        let given = given.map(|v| media_type(&String::from_utf8_lossy(v.as_bytes())));
        let given = given
            .filter(|g| !g.is_empty())
            .or_else(|| self.map.missing.clone());
        for (from, to) in &self.map.types {
            let met = match from {
                From::Type(from) => given.as_ref() == Some(from),
                From::When(condition) => *condition.get(run)?,
            };
            if met {
                return Ok(Some(to.clone()));
            }
        }
        Ok(given)
    }

    /// What the API says about the type.
    fn documented(&self, run: &mut Run<'_>, given: &str) -> Option<Content> {
        let operation = run.exchange.definitions.operation.clone()?;
        let contents = match direction(run) {
            Direction::Request => operation.request.as_slice(),
            Direction::Response => {
                let status = run.response().status.as_u16();
                operation.answer(status).map_or(&[][..], |a| a.content.as_slice())
            }
        };
        content_of(contents, given).cloned()
    }
}

/// `Type` of errors, and the word that messages start with.
fn names(direction: Direction) -> (&'static str, &'static str) {
    match direction {
        Direction::Request => ("RequestBody", "Request"),
        Direction::Response => ("ResponseBody", "Response"),
    }
}

/// Clients see what is wrong with their requests, and nothing of answers.
fn shown(error: Error, direction: Direction) -> Error {
    match direction {
        Direction::Request => error,
        Direction::Response => error.internal(),
    }
}

#[cfg(test)]
mod tests;
