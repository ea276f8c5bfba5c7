//! `validate-graphql-request`: takes only GraphQL requests that fit the schema, a size, a depth and rules for fields.
//!
//! Source: "Validate GraphQL request" policy page; `policies.md` §9. An error of the request is answered with an
//! `errors` block and no data, and is in the variables `GraphQLErrors` and `error-variable-name`. Without a schema
//! nothing passes.

use std::{borrow::Cow, sync::Arc};

use apollo_compiler::ExecutableDocument;
use bytes::Bytes;
use gateway_dotnet::{Str, json};
use gateway_expr::Value;
use http::{Method, header};
use serde_json::{Value as Json, json};

use super::{
    Flow, Policy, PolicyDef,
    def::{Child, ElementDef, attr},
    set_body,
};
use crate::{
    compile::{Compiler, Finding, Node},
    context::Body,
    effect::{Effect, Message, Outcome},
    exec::Run,
    failure::Failure,
    schema::{
        graphql::{self, Verdict},
        openapi::media_type,
    },
    scope::{Scopes, Sections},
    setting::{Bounded, Setting, keywords, optional},
    url::{decode_query_part, encode_query_part, query_pairs},
};

/// Largest `max-size` and most rules, as documented.
const SIZE_MAX: i64 = 102_400;
const RULES_MAX: usize = 100;
/// Most different fields that rules are asked about, as documented.
const FIELDS_MAX: usize = 250;
const NAME: &str = "validate-graphql-request";

static RULE: ElementDef = ElementDef::new("rule", "What is done about a field; the most specific path wins.")
    .attributes(&[
        attr(
            "path",
            "`/Type/field`, `/Type/*`, `/__*` for introspection, or `/*`.",
        )
        .required(),
        attr(
            "action",
            "What is done about it; `ignore` leaves it to the next rule.",
        )
        .expression()
        .default("allow")
        .words(Action::WORDS),
    ]);
static AUTHORIZE: ElementDef =
    ElementDef::new("authorize", "Rules for fields, at most 100.").children(&[Child::any(&RULE)]);

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new(
        "validate-graphql-request",
        "Checks a GraphQL request against the API's schema, and its fields against rules.",
    )
    .attributes(&[
        attr(
            "error-variable-name",
            "Variable for the list of errors, besides `GraphQLErrors`.",
        )
        .expression(),
        attr("max-size", "Largest request in bytes, at most 102400.")
            .required()
            .expression(),
        attr("max-depth", "Most levels of fields inside each other.")
            .expression()
            .default("6"),
        attr(
            "max-total-depth",
            "Most levels of all operations of the request together; known from the schema only.",
        )
        .expression(),
        attr(
            "max-complexity",
            "Most fields of the request, those of a fragment wherever it is spread; known from the schema only.",
        )
        .expression(),
    ])
    .children(&[Child::optional(&AUTHORIZE)]),
    sections: Sections::I,
    tolerated: Sections::I,
    scopes: Scopes::NOT_OPERATION,
    once: true,
    example: r#"<validate-graphql-request error-variable-name="graphqlErrors" max-size="102400" max-depth="4">
    <authorize>
        <rule path="/__*" action="reject" />
        <rule path="/Mission/name" action="@(context.User == null ? "reject" : "allow")" />
    </authorize>
</validate-graphql-request>"#,
    build,
};

keywords! {
    /// `action`
    Action { Allow = "allow", Remove = "remove", Reject = "reject", Ignore = "ignore" }
}

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let variable = compiler.attribute(node, "error-variable-name");
    let max_size = compiler.attribute(node, "max-size");
    let max_depth = compiler.attribute(node, "max-depth");
    let max_total_depth = compiler.attribute(node, "max-total-depth");
    let max_complexity = compiler.attribute(node, "max-complexity");
    let listed: Vec<Node<'_>> = node
        .child("authorize")
        .map_or_else(Vec::new, |n| n.children("rule").collect());
    if listed.len() > RULES_MAX {
        let message = format!(
            "there are {} rules, and at most {RULES_MAX} are allowed",
            listed.len()
        );
        compiler.report(Finding::on(node.element, "too-many", message).help("use wider paths"));
    }
    let rules: Vec<_> = listed
        .into_iter()
        .map(|n| {
            let path = compiler.literal::<Arc<str>>(n, "path");
            let action = compiler.attribute(n, "action");
            let path = Path::new(&path?);
            if path.is_none() {
                let message = "`path` must be `/Type/field`, `/Type/*`, `/__*` or `/*`";
                compiler
                    .report(Finding::on(n.element, "bad-value", message).help("name the type and the field"));
            }
            Some((path?, action?))
        })
        .collect();
    let mut rules: Vec<(Path, Setting<Action>)> = rules.into_iter().collect::<Option<_>>()?;
    // Most specific first; equally specific ones in the order of the document.
    rules.sort_by_key(|(path, _)| path.rank());
    compiler.policy(ValidateGraphQl {
        variable,
        max_size: max_size?,
        max_depth: max_depth?,
        max_total_depth,
        max_complexity,
        rules,
    });
    Some(())
}

#[derive(Debug)]
struct ValidateGraphQl {
    variable: Option<Setting<Arc<str>>>,
    max_size: Setting<Bounded<1, SIZE_MAX>>,
    max_depth: Setting<Bounded<1, 100>>,
    max_total_depth: Option<Setting<Bounded<1, { i64::MAX }>>>,
    max_complexity: Option<Setting<Bounded<1, { i64::MAX }>>>,
    rules: Vec<(Path, Setting<Action>)>,
}

/// Fields that a rule is about.
#[derive(Debug)]
enum Path {
    Field(String, String),
    Type(String),
    Introspection,
    All,
}

impl Path {
    fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        match text {
            "/*" => return Some(Path::All),
            "/__*" => return Some(Path::Introspection),
            _ => {}
        }
        let mut parts = text.strip_prefix('/')?.split('/');
        let (name, field, rest) = (parts.next()?, parts.next(), parts.next());
        let is_name = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        match (field, rest) {
            (None | Some("*"), None) if is_name(name) => Some(Path::Type(name.to_owned())),
            (Some(field), None) if is_name(name) && is_name(field) => {
                Some(Path::Field(name.to_owned(), field.to_owned()))
            }
            _ => None,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Path::Field(..) => 0,
            Path::Type(_) => 1,
            Path::Introspection => 2,
            Path::All => 3,
        }
    }

    fn covers(&self, ty: &str, field: &str) -> bool {
        match self {
            Path::Field(t, f) => t == ty && f == field,
            Path::Type(t) => t == ty,
            Path::Introspection => field.starts_with("__") || ty.starts_with("__"),
            Path::All => true,
        }
    }
}

/// A request as it came, to put a changed query back.
struct Request {
    query: String,
    form: Form,
}

enum Form {
    /// `?query=`
    Url,
    /// `application/graphql`
    Plain,
    /// `application/json`
    Json(Box<Json>),
}

impl Policy for ValidateGraphQl {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let max = self.max_size.get(run)?.unsigned();
        let announced = run.headers().get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        if let Some(size) = announced.filter(|size| *size > max) {
            return self.refuse(run, vec![too_large(size, max)]);
        }
        if *run.body() == Body::Streaming {
            return Ok(Flow::Ask(Effect::ReadBody(Message::Request)));
        }
        self.validate(run)
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        match outcome {
            Outcome::Body(bytes) => {
                *run.body() = Body::Buffered(bytes);
                self.validate(run)
            }
            other => Err(run.unexpected(other)),
        }
    }
}

fn too_large(size: u64, max: u64) -> String {
    format!("The request is {size} bytes long and exceeds the limit of {max} bytes.")
}

impl ValidateGraphQl {
    fn validate(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        let max = self.max_size.get(run)?.unsigned();
        let content = match run.body() {
            Body::Buffered(bytes) => bytes.clone(),
            _ => Bytes::new(),
        };
        let request = match read(run, &content) {
            Ok(request) => request,
            Err(why) => return self.refuse(run, vec![why.to_owned()]),
        };
        let size = content.len().max(request.query.len()) as u64;
        if size > max {
            return self.refuse(run, vec![too_large(size, max)]);
        }
        let operation = run.exchange.definitions.operation.clone();
        let Some(schema) = operation.as_ref().and_then(|o| o.api.graphql.as_ref()) else {
            return self.refuse(run, vec!["The API has no GraphQL schema.".to_owned()]);
        };
        let document = match schema.request(&request.query) {
            Ok(document) => document,
            Err(errors) => return self.refuse(run, errors),
        };
        if let Some(why) = self.too_much(run, &document)? {
            return self.refuse(run, vec![why]);
        }
        self.authorize(run, document, request)
    }

    /// Which bound of depth or number the request exceeds.
    fn too_much(&self, run: &mut Run<'_>, document: &ExecutableDocument) -> Result<Option<String>, Failure> {
        let size = graphql::size(document);
        let most = self.max_depth.get(run)?.unsigned();
        if size.depth > most {
            let depth = size.depth;
            return Ok(Some(format!(
                "The query is {depth} levels deep and exceeds the limit of {most} levels."
            )));
        }
        let bounds = [
            (&self.max_total_depth, size.total_depth, "levels in all"),
            (&self.max_complexity, size.fields, "fields"),
        ];
        for (bound, has, what) in bounds {
            if let Some(most) = optional(bound.as_ref(), run)?.map(|m| m.unsigned())
                && has > most
            {
                return Ok(Some(format!(
                    "The query has {has} {what} and exceeds the limit of {most}."
                )));
            }
        }
        Ok(None)
    }

    /// Asks the rules about every field.
    fn authorize(
        &self,
        run: &mut Run<'_>,
        mut document: ExecutableDocument,
        request: Request,
    ) -> Result<Flow, Failure> {
        if self.rules.is_empty() {
            return Ok(Flow::Next);
        }
        let mut asked: Vec<(String, String, Action)> = Vec::new();
        let mut judge = |ty: &str, field: &str| {
            let known = asked.iter().find(|(t, f, _)| t == ty && f == field);
            let action = match known {
                Some((_, _, action)) => *action,
                None if asked.len() >= FIELDS_MAX => {
                    return Err(Stop::Refused(format!(
                        "The query has more than {FIELDS_MAX} different fields."
                    )));
                }
                None => {
                    let action = self.action(run, ty, field).map_err(Stop::Failed)?;
                    asked.push((ty.to_owned(), field.to_owned(), action));
                    action
                }
            };
            match action {
                Action::Reject => Err(Stop::Refused(format!(
                    "Access to the field {ty}.{field} is not allowed."
                ))),
                Action::Remove => Ok(Verdict::Remove),
                Action::Allow | Action::Ignore => Ok(Verdict::Keep),
            }
        };
        let mut emptied = false;
        let mut result = Ok(());
        let operations = document.operations.anonymous.iter_mut();
        for operation in operations.chain(document.operations.named.values_mut()) {
            match graphql::filter(&mut operation.make_mut().selection_set, &mut judge) {
                Ok(empty) => emptied |= empty,
                Err(stop) => result = result.and(Err(stop)),
            }
        }
        for fragment in document.fragments.values_mut() {
            match graphql::filter(&mut fragment.make_mut().selection_set, &mut judge) {
                Ok(empty) => emptied |= empty,
                Err(stop) => result = result.and(Err(stop)),
            }
        }
        match result {
            Err(Stop::Failed(failure)) => return Err(failure),
            Err(Stop::Refused(why)) => return self.refuse(run, vec![why]),
            Ok(()) => {}
        }
        let removed: Vec<String> = asked
            .iter()
            .filter(|(.., action)| *action == Action::Remove)
            .map(|(ty, field, _)| format!("The field {ty}.{field} is not allowed and was removed."))
            .collect();
        if removed.is_empty() {
            return Ok(Flow::Next);
        }
        if emptied {
            // What refers to it would not be valid any more.
            return self.refuse(run, removed);
        }
        self.note(run, &removed)?;
        put(run, request, &document.to_string());
        Ok(Flow::Next)
    }

    fn action(&self, run: &mut Run<'_>, ty: &str, field: &str) -> Result<Action, Failure> {
        for (_, action) in self.rules.iter().filter(|(path, _)| path.covers(ty, field)) {
            let action = *action.get(run)?;
            if action != Action::Ignore {
                return Ok(action);
            }
        }
        Ok(Action::Allow)
    }

    fn refuse(&self, run: &mut Run<'_>, errors: Vec<String>) -> Result<Flow, Failure> {
        self.note(run, &errors)?;
        Err(Failure::GraphQl { source: NAME, errors })
    }

    /// Puts errors into the variables.
    fn note(&self, run: &mut Run<'_>, errors: &[String]) -> Result<(), Failure> {
        let own = optional(self.variable.as_ref(), run)?.map(Cow::into_owned);
        let list: Vec<Json> = errors.iter().map(|e| json!({ "message": e })).collect();
        run.detail("errors", || errors.join(" "));
        let text = Json::Array(list).to_string();
        for name in [Arc::from("GraphQLErrors")].into_iter().chain(own) {
            if let Ok(token) = json::parse_array(&Str::new(&text)) {
                run.set_variable(&name, Value::Json(token));
            }
        }
        Ok(())
    }
}

enum Stop {
    Refused(String),
    Failed(Failure),
}

/// The query of a request, wherever it is.
fn read(run: &mut Run<'_>, content: &Bytes) -> Result<Request, &'static str> {
    let request = &run.context.request;
    if request.method == Method::GET {
        let pairs = query_pairs(&request.url.query);
        let mut queries = pairs.filter(|(name, _)| decode_query_part(name) == "query");
        let query = queries.next().map(|(_, value)| decode_query_part(value));
        if queries.next().is_some() {
            return Err("The request has several queries.");
        }
        let query = query.ok_or("The request has no query.")?;
        let form = Form::Url;
        return Ok(Request { query, form });
    }
    let given = request.headers.get(header::CONTENT_TYPE);
    let given = given.map(|v| media_type(&String::from_utf8_lossy(v.as_bytes())));
    let text = std::str::from_utf8(content).map_err(|_| "The request is not UTF-8 text.")?;
    if given.as_deref() == Some("application/graphql") {
        let query = text.to_owned();
        let form = Form::Plain;
        return Ok(Request { query, form });
    }
    let body: Json = serde_json::from_str(text).map_err(|_| "The request is not JSON.")?;
    // Written again below, so that a repeated member means the same to everybody.
    let query = body
        .get("query")
        .and_then(Json::as_str)
        .ok_or("The request has no query.")?;
    let query = query.to_owned();
    let form = Form::Json(Box::new(body));
    Ok(Request { query, form })
}

/// Puts a changed query where the old one was.
fn put(run: &mut Run<'_>, request: Request, query: &str) {
    let body: Bytes = match request.form {
        Form::Url => {
            let url = &mut run.context.request.url;
            let pairs = query_pairs(&url.query).map(|(name, value)| {
                if decode_query_part(name) == "query" {
                    format!("{name}={}", encode_query_part(query))
                } else {
                    format!("{name}={value}")
                }
            });
            url.query = pairs.collect::<Vec<_>>().join("&");
            return;
        }
        Form::Plain => query.to_owned().into(),
        Form::Json(mut body) => {
            body["query"] = query.into();
            body.to_string().into()
        }
    };
    set_body::frame(run.headers(), body.len());
    set_body::put(run.body(), body);
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::{
        schema::{ApiSchemas, Definitions, OperationDefinition, graphql::GraphQlSchema},
        test_support::{check_definitions, check_load},
    };

    const SCHEMA: &str = "type Query { user: User, open: String } type User { name: String, secret: String, friend: User } \
        type Mutation { drop: String }";

    #[track_caller]
    fn call(attributes: &str, rules: &str, body: &str, expected: &str) {
        let api = ApiSchemas {
            graphql: Some(GraphQlSchema::new(SCHEMA).unwrap()),
            ..ApiSchemas::default()
        };
        let operation = OperationDefinition {
            api: Arc::new(api),
            ..OperationDefinition::default()
        };
        let definitions = Definitions {
            operation: Some(Arc::new(operation)),
            schemas: None,
        };
        let text = format!(
            "<validate-graphql-request {attributes}><authorize>{rules}</authorize></validate-graphql-request>\
             <set-header name='content-length' exists-action='delete'/><set-header name='content-type' exists-action='delete'/>"
        );
        let change = |context: &mut crate::Context| {
            context.request.method = Method::POST;
            context
                .request
                .headers
                .insert("content-type", HeaderValue::from_static("application/json"));
            context.request.body = Body::Buffered(Bytes::copy_from_slice(body.as_bytes()));
        };
        check_definitions(definitions, "inbound", &text, change, &[], expected);
    }

    fn query(text: &str) -> String {
        json!({ "query": text }).to_string()
    }

    #[track_caller]
    fn refused(attributes: &str, rules: &str, body: &str, why: &str) {
        let list = json!([{ "message": why }]);
        let expected = format!("400 {NAME}/GraphQLError '{why}' $GraphQLErrors={list}");
        call(attributes, rules, body, &expected);
    }

    #[test]
    fn requests_fit_schema_size_and_depth() {
        let deep = query("{ user { friend { friend { name } } } }");
        call(
            "max-size='1000'",
            "",
            &deep,
            &format!("forward POST '{deep}'; 200"),
        );
        for (attributes, body, why) in [
            (
                "max-size='1000' max-depth='3'",
                &deep,
                "The query is 4 levels deep and exceeds the limit of 3 levels.",
            ),
            (
                "max-size='50'",
                &deep,
                "The request is 51 bytes long and exceeds the limit of 50 bytes.",
            ),
            (
                "max-size='1000' max-total-depth='3'",
                &deep,
                "The query has 4 levels in all and exceeds the limit of 3.",
            ),
            (
                "max-size='1000' max-total-depth='4' max-complexity='3'",
                &deep,
                "The query has 4 fields and exceeds the limit of 3.",
            ),
            ("max-size='1000'", &"{}".to_owned(), "The request has no query."),
            ("max-size='1000'", &"x".to_owned(), "The request is not JSON."),
            (
                "max-size='1000'",
                &query("{ none }"),
                "type `Query` does not have a field `none`",
            ),
        ] {
            refused(attributes, "", body, why);
        }
        call(
            "max-size='1000' error-variable-name='e'",
            "",
            "x",
            r#"400 validate-graphql-request/GraphQLError 'The request is not JSON.' $GraphQLErrors=[{"message":"The request is not JSON."}] $e=[{"message":"The request is not JSON."}]"#,
        );
    }

    #[test]
    fn the_most_specific_rule_decides() {
        let all = "max-size='1000'";
        let reject = "<rule path='/*' action='reject'/>";
        let open = query("{ open }");
        let passes = format!("forward POST '{open}'; 200");
        for rules in [
            "",
            "<rule path='/*' action='reject'/><rule path='/Query/open' action='allow'/>",
            "<rule path='/*' action='reject'/><rule path='/Query/open'/>",
            "<rule path='/*' action='reject'/><rule path='/Query/*' action='allow'/>",
            "<rule path='/__*' action='reject'/><rule path='/User/secret' action='reject'/>",
        ] {
            call(all, rules, &open, &passes);
        }
        let no = |field: &str| format!("Access to the field {field} is not allowed.");
        refused(all, reject, &open, &no("Query.open"));
        refused(
            all,
            "<rule path='/__*' action='reject'/>",
            &query("{ __schema { types { name } } }"),
            &no("Query.__schema"),
        );
        refused(
            all,
            "<rule path='/Query/open' action='ignore'/><rule path='/*' action='reject'/>",
            &open,
            &no("Query.open"),
        );
        let spread = query("{ user { ...F } } fragment F on User { secret }");
        refused(
            all,
            "<rule path='/User/secret' action='reject'/>",
            &spread,
            &no("User.secret"),
        );
        let alias = query("{ user { name: secret } }");
        refused(
            all,
            "<rule path='/User/secret' action=\"@(context.User == null ? &quot;reject&quot; : &quot;allow&quot;)\"/>",
            &alias,
            &no("User.secret"),
        );
    }

    #[test]
    fn removed_fields_do_not_reach_the_backend() {
        let rule = "<rule path='/User/secret' action='remove'/>";
        let error = json!([{ "message": "The field User.secret is not allowed and was removed." }]);
        call(
            "max-size='1000'",
            rule,
            &query("{ user { name secret } }"),
            &format!(
                r#"forward POST content-length: 43 '{{"query":"{{\n  user {{\n    name\n  }}\n}}\n"}}'; 200 $GraphQLErrors={error}"#
            ),
        );
        refused(
            "max-size='1000'",
            rule,
            &query("{ user { secret } }"),
            "The field User.secret is not allowed and was removed.",
        );
    }

    #[test]
    fn without_a_schema_nothing_passes() {
        let text = "<validate-graphql-request max-size='9'/>";
        let change = |context: &mut crate::Context| context.request.url.query = "query=%7Ba%7D".into();
        let why = "The API has no GraphQL schema.";
        let expected = format!(
            "400 {NAME}/GraphQLError '{why}' $GraphQLErrors={}",
            json!([{ "message": why }])
        );
        check_definitions(Definitions::default(), "inbound", text, change, &[], &expected);
    }

    #[test]
    fn attributes() {
        let with = |path: &str| {
            format!(
                "<validate-graphql-request max-size='1'><authorize><rule path='{path}'/></authorize></validate-graphql-request>"
            )
        };
        for (text, expected) in [
            (
                "<validate-graphql-request/>".to_owned(),
                "missing-attribute: `validate-graphql-request` needs the attribute `max-size`",
            ),
            (
                "<validate-graphql-request max-size='102401'/>".into(),
                "bad-value: `max-size` of `validate-graphql-request` must be a whole number from 1 to 102400",
            ),
            (
                with("Query"),
                "bad-value: `path` must be `/Type/field`, `/Type/*`, `/__*` or `/*`",
            ),
            (
                with("/Query/a/b"),
                "bad-value: `path` must be `/Type/field`, `/Type/*`, `/__*` or `/*`",
            ),
            (with("/Query"), "loads"),
        ] {
            check_load("inbound", &text, expected);
        }
    }
}
