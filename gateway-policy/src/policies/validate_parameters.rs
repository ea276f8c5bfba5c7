//! `validate-parameters`: takes only parameters the API documents, with values as documented.
//!
//! Source: "Validate parameters" policy page; `policies.md` §10. The query is the one the client sent. The
//! subscription key belongs to the API's configuration and is never unspecified.

use std::sync::Arc;

use http::HeaderMap;

use super::{
    Flow, Policy, PolicyDef,
    def::{AttributeDef, Child, ElementDef, attr},
    validation::{Action, Error, Errors},
};
use crate::{
    compile::{Compiler, Node},
    exec::Run,
    failure::Failure,
    schema::{
        ApiSchemas, Parameter, Place, Style,
        check::{self, Options, Stop},
        definition::name_of,
        json as body_json,
        parameter::{self, Unreadable},
    },
    scope::{Scopes, Sections},
    setting::{Setting, optional},
    url::{decode_query_part, query_pairs},
};

const SPECIFIED: AttributeDef = attr(
    "specified-parameter-action",
    "What is done about wrong values of documented parameters.",
)
.expression()
.words(Action::WORDS);
const UNSPECIFIED: AttributeDef = attr(
    "unspecified-parameter-action",
    "What is done about parameters the API does not document.",
)
.expression()
.words(Action::WORDS);

static PARAMETER: ElementDef = ElementDef::new(
    "parameter",
    "An action of its own for one parameter, documented or not.",
)
.attributes(&[
    attr("name", "Name of the parameter, without regard to case.").required(),
    attr("action", "What is done about it.")
        .required()
        .expression()
        .words(Action::WORDS),
]);
static HEADERS: ElementDef = ElementDef::new("headers", "Other actions for headers.")
    .attributes(&[SPECIFIED, UNSPECIFIED])
    .children(&[Child::any(&PARAMETER)]);
static QUERY: ElementDef = ElementDef::new("query", "Other actions for query parameters.")
    .attributes(&[SPECIFIED, UNSPECIFIED])
    .children(&[Child::any(&PARAMETER)]);
static PATH: ElementDef = ElementDef::new("path", "Other actions for parameters of the path.")
    .attributes(&[SPECIFIED])
    .children(&[Child::any(&PARAMETER)]);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "validate-parameters",
        "Checks the request's headers, query and path parameters against those the API documents.",
    )
    .attributes(&[
        SPECIFIED.required(),
        UNSPECIFIED.required(),
        attr("errors-variable-name", "Variable for the list of errors."),
    ])
    .children(&[
        Child::optional(&HEADERS),
        Child::optional(&QUERY),
        Child::optional(&PATH),
    ]),
    sections: Sections::I,
    tolerated: Sections::I,
    scopes: Scopes::ALL,
    once: true,
    example: r#"<validate-parameters specified-parameter-action="prevent" unspecified-parameter-action="prevent" errors-variable-name="requestParameterErrors">
    <headers specified-parameter-action="detect" unspecified-parameter-action="ignore">
        <parameter name="Authorization" action="prevent" />
    </headers>
</validate-parameters>"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let specified = compiler.attribute(node, "specified-parameter-action");
    let unspecified = compiler.attribute(node, "unspecified-parameter-action");
    let variable = compiler.literal(node, "errors-variable-name");
    let [headers, query, path] = ["headers", "query", "path"].map(|name| part(compiler, node.child(name)));
    compiler.policy(ValidateParameters {
        specified: specified?,
        unspecified: unspecified?,
        variable,
        headers: headers?,
        query: query?,
        path: path?,
    });
    Some(())
}

fn part(compiler: &mut Compiler<'_>, node: Option<Node<'_>>) -> Option<Part> {
    let Some(node) = node else {
        return Some(Part::default());
    };
    let specified = compiler.attribute(node, "specified-parameter-action");
    let unspecified = compiler.attribute(node, "unspecified-parameter-action");
    let own: Vec<_> = node
        .children("parameter")
        .map(|n| {
            let name = compiler.literal(n, "name");
            let action = compiler.attribute(n, "action");
            Some((name?, action?))
        })
        .collect();
    Some(Part {
        specified,
        unspecified,
        own: own.into_iter().collect::<Option<_>>()?,
    })
}

#[derive(Debug)]
struct ValidateParameters {
    specified: Setting<Action>,
    unspecified: Setting<Action>,
    variable: Option<Arc<str>>,
    headers: Part,
    query: Part,
    path: Part,
}

/// What is said about one place.
#[derive(Debug, Default)]
struct Part {
    specified: Option<Setting<Action>>,
    unspecified: Option<Setting<Action>>,
    own: Vec<(Arc<str>, Setting<Action>)>,
}

/// What a value is called in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    PathParameter,
    QueryParameter,
    RequestHeader,
    ResponseHeader,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::PathParameter => "PathParameter",
            Kind::QueryParameter => "QueryParameter",
            Kind::RequestHeader => "RequestHeader",
            Kind::ResponseHeader => "ResponseHeader",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Kind::PathParameter => "path parameter",
            Kind::QueryParameter => "query parameter",
            Kind::RequestHeader | Kind::ResponseHeader => "header",
        }
    }

    /// An error whose public text is the one for the operator, or nothing for answers.
    fn error(self, name: &str, rule: &'static str, details: String) -> Error {
        let error = Error::new(name, self.name(), rule, details);
        if self == Kind::ResponseHeader {
            error.internal()
        } else {
            error
        }
    }
}

/// What a message holds for a parameter.
pub(super) enum Values {
    /// Texts of its name.
    Texts(Vec<String>),
    /// Members of an object, each under a name of its own in the query.
    Members(Vec<(String, String)>),
}

impl Values {
    fn is_empty(&self) -> bool {
        match self {
            Values::Texts(texts) => texts.is_empty(),
            Values::Members(members) => members.is_empty(),
        }
    }
}

/// The lines of a header.
pub(super) fn header_texts(headers: &HeaderMap, name: &str) -> Vec<String> {
    let lines = headers.get_all(name).iter();
    lines
        .map(|v| String::from_utf8_lossy(v.as_bytes()).trim().to_owned())
        .collect()
}

/// What is wrong with the value of a documented parameter.
pub(super) fn check_value(
    api: &ApiSchemas,
    declared: &Parameter,
    kind: Kind,
    values: &Values,
) -> Option<Error> {
    let name = &*declared.name;
    let words = kind.words();
    if values.is_empty() {
        // The table of errors has no row for it; a value that is missing does not conform.
        return declared.required.then(|| {
            let why = format!("The {words} is required.");
            nonconforming(kind, name, &why, (1, 0))
        });
    }
    let pointer = declared.schema.as_deref()?;
    let schemas = api.json.as_ref();
    let Some((schemas, schema)) = schemas.and_then(|s| Some((s, s.get(pointer)?))) else {
        let definition = schemas.map_or_else(|| pointer.to_owned(), |s| name_of(s, pointer));
        return Some(missing(kind, name, &definition));
    };
    let read = match values {
        Values::Texts(texts) => parameter::value(schemas, schema, declared, texts),
        Values::Members(members) => parameter::object_of(schemas, schema, members),
    };
    let (node, count) = match read {
        Ok(read) => read,
        Err(Unreadable::Several) => {
            let message = if kind == Kind::ResponseHeader {
                "Response"
            } else {
                "Request"
            };
            let details = format!("{message} cannot contain multiple values for the {words} {name}.");
            return Some(kind.error(name, "IncorrectMessage", details));
        }
        Err(Unreadable::Type(why)) => {
            let details =
                format!("Value of the {words} {name} cannot be parsed according to the definition. {why}");
            let error = Error::new(name, kind.name(), "IncorrectMessage", details);
            return Some(match kind {
                Kind::ResponseHeader => error.internal(),
                _ => error.public(format!(
                    "The value of the {words} {name} couldn't be parsed according to the definition. {why}"
                )),
            });
        }
    };
    match check::check(schemas, schema, &node, count, Options::default()) {
        Ok(faults) => faults.first().map(|fault| {
            let (line, position) = match values {
                Values::Texts(texts) => body_json::place(&texts.join(","), usize::MAX),
                Values::Members(_) => (1, 0),
            };
            nonconforming(kind, name, &fault.message, (line, position))
        }),
        Err(Stop::Unresolvable(reference)) => {
            let definition = reference.rsplit('/').next().unwrap_or(&reference);
            Some(missing(kind, name, definition))
        }
        Err(stop) => {
            let mut words = words.to_owned();
            words[..1].make_ascii_uppercase();
            let details = format!("{words} {name} cannot be validated. {stop}");
            Some(Error::new(name, kind.name(), "ValidationError", details).internal())
        }
    }
}

/// A value that is not as documented, and where in it.
fn nonconforming(kind: Kind, name: &str, why: &str, (line, position): (usize, usize)) -> Error {
    let rest = format!(
        "alue of the {} {name} does not conform to the definition. {why} Line: {line}, Position: {position}",
        kind.words()
    );
    let error = kind.error(name, "IncorrectMessage", format!("V{rest}"));
    match kind {
        Kind::ResponseHeader => error,
        _ => error.public(format!("The v{rest}")),
    }
}

fn missing(kind: Kind, name: &str, definition: &str) -> Error {
    let details = format!(
        "API's schema does not contain definition {definition}, which is associated with the {} {name}.",
        kind.words()
    );
    Error::new(name, kind.name(), "MissingDefinition", details).internal()
}

impl ValidateParameters {
    /// What is done about a parameter.
    fn action(&self, run: &mut Run<'_>, part: &Part, name: &str, specified: bool) -> Result<Action, Failure> {
        if let Some((_, own)) = part.own.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            return Ok(*own.get(run)?);
        }
        let (narrow, wide) = if specified {
            (&part.specified, &self.specified)
        } else {
            (&part.unspecified, &self.unspecified)
        };
        if let Some(action) = optional(narrow.as_ref(), run)? {
            return Ok(*action);
        }
        Ok(*wide.get(run)?)
    }

    /// Checks the documented parameters of one place, then what else is there.
    fn check(
        &self,
        run: &mut Run<'_>,
        errors: &mut Errors,
        part: &Part,
        kind: Kind,
        given: &[(String, String)],
    ) -> Result<(), Failure> {
        let Some(operation) = run.exchange.definitions.operation.clone() else {
            return Ok(());
        };
        let place = match kind {
            Kind::PathParameter => Place::Path,
            Kind::QueryParameter => Place::Query,
            Kind::RequestHeader | Kind::ResponseHeader => Place::Header,
        };
        let mut taken = vec![false; given.len()];
        let declared: Vec<&Parameter> = operation.parameters.iter().filter(|p| p.place == place).collect();
        for parameter in declared {
            let values = take(&operation.api, parameter, given, &mut taken);
            let action = self.action(run, part, &parameter.name, true)?;
            if action != Action::Ignore
                && let Some(error) = check_value(&operation.api, parameter, kind, &values)
            {
                errors.add(action, error);
            }
        }
        if kind == Kind::PathParameter {
            return Ok(());
        }
        let key = run.context.api.as_ref().map(|api| match kind {
            Kind::QueryParameter => Arc::clone(&api.key_query),
            _ => Arc::clone(&api.key_header),
        });
        for ((name, _), _) in given.iter().zip(&taken).filter(|(_, taken)| !**taken) {
            if key.as_ref().is_some_and(|key| key.eq_ignore_ascii_case(name)) {
                continue;
            }
            let action = self.action(run, part, name, false)?;
            let shown = body_json::shorten(name);
            let details = format!("Unspecified {} {shown} is not allowed.", kind.words());
            errors.add(action, kind.error(&shown, "Unspecified", details));
        }
        Ok(())
    }
}

/// The texts given for a parameter, marked as taken.
fn take(api: &ApiSchemas, parameter: &Parameter, given: &[(String, String)], taken: &mut [bool]) -> Values {
    let schemas = api.json.as_ref();
    let found = schemas.and_then(|s| Some((s, s.get(parameter.schema.as_deref()?)?)));
    let members = match (parameter.style, found) {
        (Style::DeepObject, _) => None,
        // An object in a query without a name of its own: its members are the parameters.
        (Style::Form, Some((schemas, schema)))
            if parameter.explode
                && parameter.place == Place::Query
                && parameter::is_object(schemas, schema) =>
        {
            Some(parameter::member_names(schemas, schema))
        }
        _ => {
            let mut texts = Vec::new();
            for (i, (name, text)) in given.iter().enumerate() {
                if name.eq_ignore_ascii_case(&parameter.name) && !taken[i] {
                    taken[i] = true;
                    texts.push(text.clone());
                }
            }
            return Values::Texts(texts);
        }
    };
    let mut values = Vec::new();
    for (i, (name, text)) in given.iter().enumerate() {
        let member = match &members {
            Some(names) => names.contains(name).then_some(name.as_str()),
            None => name
                .strip_prefix(&*parameter.name)
                .and_then(|rest| rest.strip_prefix('[')?.strip_suffix(']')),
        };
        if let Some(member) = member {
            taken[i] = true;
            values.push((member.to_owned(), text.clone()));
        }
    }
    Values::Members(values)
}

impl Policy for ValidateParameters {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let mut errors = Errors::default();
        if run.exchange.definitions.operation.is_none() {
            for setting in [&self.specified, &self.unspecified] {
                errors.add(*setting.get(run)?, Error::no_schema());
            }
            return errors.settle(run, self.variable.as_ref());
        }
        let request = &run.context.request;
        let path: Vec<(String, String)> = request
            .matched_parameters
            .iter()
            .map(|(n, v)| (n.to_string(), v.clone()))
            .collect();
        let query: Vec<(String, String)> = query_pairs(&request.original_url.query)
            .map(|(n, v)| (decode_query_part(n), decode_query_part(v)))
            .collect();
        let mut headers = Vec::with_capacity(request.headers.len());
        for (name, value) in &request.headers {
            let text = String::from_utf8_lossy(value.as_bytes()).trim().to_owned();
            headers.push((name.as_str().to_owned(), text));
        }
        self.check(run, &mut errors, &self.path, Kind::PathParameter, &path)?;
        self.check(run, &mut errors, &self.query, Kind::QueryParameter, &query)?;
        self.check(run, &mut errors, &self.headers, Kind::RequestHeader, &headers)?;
        errors.settle(run, self.variable.as_ref())
    }
}

#[cfg(test)]
mod tests;
