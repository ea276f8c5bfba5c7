//! `validate-odata-request`: takes only requests that keep to OData's URL conventions and to the API's metadata.
//!
//! Source: "Validate OData request" policy page; `policies.md` §9. The page says what is checked (URL, headers,
//! parameters) and that a failure is a 400; the rules are those of OData 4.01, the messages those of Microsoft's
//! OData library. Without metadata the form alone is checked.

use std::sync::Arc;

use gateway_dotnet::{Str, json};
use gateway_expr::Value;
use http::{StatusCode, header};
use serde_json::json;

use super::{
    Flow, Policy, PolicyDef,
    def::{ElementDef, attr},
};
use crate::{
    compile::{Compiler, Finding, Node},
    context::Body,
    effect::{Effect, Message, Outcome},
    exec::Run,
    failure::{Failure, Refusal},
    schema::odata::{self, Version},
    scope::{Scopes, Sections},
    setting::{Bounded, Setting},
    url::{decode_query_part, query_pairs},
};

const NAME: &str = "validate-odata-request";
/// Largest `max-size`: what a body may have anywhere here.
const SIZE_MAX: i64 = 1 << 40;

pub(crate) static DEF: PolicyDef = PolicyDef {
    element: ElementDef::new(
        NAME,
        "Checks URL, headers and parameters of a request to an OData API.",
    )
    .attributes(&[
        attr("error-variable-name", "Variable for the list of errors."),
        attr(
            "default-odata-version",
            "Version that is assumed when the request has no `OData-Version` header.",
        )
        .default("4.0"),
        attr(
            "min-odata-version",
            "Lowest version in the `OData-Version` header.",
        ),
        attr(
            "max-odata-version",
            "Highest version in the `OData-Version` header.",
        ),
        attr("max-size", "Largest body in bytes.").expression(),
    ]),
    sections: Sections::I,
    tolerated: Sections::I,
    scopes: Scopes::NOT_OPERATION,
    once: true,
    example: r#"<validate-odata-request default-odata-version="4.01" min-odata-version="4.0" max-size="102400" />"#,
    build,
};

fn build(compiler: &mut Compiler<'_>, node: Node<'_>) -> Option<()> {
    let variable = compiler.literal(node, "error-variable-name");
    let mut version = |name: &'static str| -> Option<Option<Version>> {
        let Some(text) = compiler.literal::<Arc<str>>(node, name) else {
            return Some(None);
        };
        let version = Version::read(&text);
        if version.is_none() {
            let message = format!("`{name}` of `{NAME}` must be a version such as 4.0 or 4.01");
            compiler
                .report(Finding::on(node.element, "bad-value", message).help("write two numbers and a dot"));
        }
        version.map(Some)
    };
    let default = version("default-odata-version");
    let (min, max) = (version("min-odata-version"), version("max-odata-version"));
    let max_size = compiler.attribute(node, "max-size");
    let (min, max) = (min?, max?);
    if let (Some(low), Some(high)) = (min, max)
        && low > high
    {
        let message = "`min-odata-version` is above `max-odata-version`, so no version is accepted";
        compiler.report(Finding::on(node.element, "bad-value", message).help("swap them"));
    }
    compiler.policy(ValidateOData {
        variable,
        default: default??,
        min,
        max,
        max_size,
    });
    Some(())
}

#[derive(Debug)]
struct ValidateOData {
    variable: Option<Arc<str>>,
    default: Version,
    min: Option<Version>,
    max: Option<Version>,
    max_size: Option<Setting<Bounded<0, SIZE_MAX>>>,
}

impl Policy for ValidateOData {
    fn run(&self, run: &mut Run<'_>) -> Result<Flow, Failure> {
        if let Err(why) = self.check(run) {
            return self.refuse(run, why);
        }
        let Some(max_size) = &self.max_size else {
            return Ok(Flow::Next);
        };
        let max = max_size.get(run)?.unsigned();
        let announced = run.headers().get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        match run.body() {
            Body::Streaming if announced.is_none() => Ok(Flow::Ask(Effect::ReadBody(Message::Request))),
            Body::Streaming => self.size(run, announced.unwrap_or(0), max),
            Body::Buffered(bytes) => {
                let size = bytes.len() as u64;
                self.size(run, size, max)
            }
            Body::None | Body::Consumed => Ok(Flow::Next),
        }
    }

    fn resume(&self, run: &mut Run<'_>, outcome: Outcome) -> Result<Flow, Failure> {
        match outcome {
            Outcome::Body(bytes) => {
                let size = bytes.len() as u64;
                *run.body() = Body::Buffered(bytes);
                match &self.max_size {
                    Some(max_size) => {
                        let max = max_size.get(run)?.unsigned();
                        self.size(run, size, max)
                    }
                    None => Ok(Flow::Next),
                }
            }
            other => Err(run.unexpected(other)),
        }
    }
}

impl ValidateOData {
    fn size(&self, run: &mut Run<'_>, size: u64, max: u64) -> Result<Flow, Failure> {
        if size > max {
            let why = format!("The request is {size} bytes long and exceeds the limit of {max} bytes.");
            return self.refuse(run, why);
        }
        Ok(Flow::Next)
    }

    fn check(&self, run: &Run<'_>) -> Result<(), String> {
        let request = &run.context.request;
        let version = self.version(run)?;
        let operation = run.exchange.definitions.operation.as_ref();
        let model = operation.and_then(|o| o.api.odata.as_ref());
        let path = resource_path(run);
        let options: Vec<(String, String)> = query_pairs(&request.original_url.query)
            .map(|(name, value)| (decode_query_part(name), decode_query_part(value)))
            // The key of the subscription is the gateway's.
            .filter(|(name, _)| {
                let api = run.context.api.as_ref();
                !api.is_some_and(|api| name.eq_ignore_ascii_case(&api.key_query))
            })
            .collect();
        odata::check(model, version, &path, &options)
    }

    /// The version of the request, within bounds.
    fn version(&self, run: &Run<'_>) -> Result<Version, String> {
        let read = |name: &str| -> Result<Option<Version>, String> {
            let Some(value) = run.context.request.headers.get(name) else {
                return Ok(None);
            };
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            let shown = crate::schema::json::shorten(&text).into_owned();
            let version = Version::read(&text);
            version
                .map(Some)
                .ok_or_else(|| format!("The value '{shown}' of the header {name} is no OData version."))
        };
        read("OData-MaxVersion")?;
        let Some(version) = read("OData-Version")? else {
            return Ok(self.default);
        };
        if self.min.is_some_and(|min| version < min) {
            return Err("The version in the header OData-Version is lower than this API accepts.".to_owned());
        }
        if self.max.is_some_and(|max| version > max) {
            return Err(
                "The version in the header OData-Version is higher than this API accepts.".to_owned(),
            );
        }
        Ok(version)
    }

    fn refuse(&self, run: &mut Run<'_>, why: String) -> Result<Flow, Failure> {
        if let Some(variable) = &self.variable {
            let text = json!([{ "message": why }]).to_string();
            if let Ok(token) = json::parse_array(&Str::new(&text)) {
                run.set_variable(variable, Value::Json(token));
            }
        }
        run.detail("error", || why.clone());
        Err(Failure::Refused(Box::new(Refusal {
            source: NAME,
            reason: "Bad request",
            public: why.clone(),
            message: why,
            status: StatusCode::BAD_REQUEST,
            headers: Vec::new(),
        })))
    }
}

/// The decoded path behind the API's own.
fn resource_path(run: &Run<'_>) -> String {
    let path = decode(&run.context.request.original_url.path);
    let Some(api) = run.context.api.as_ref() else {
        return path;
    };
    let after = |path: &str, prefix: &str| -> Option<String> {
        let prefix = prefix.trim_matches('/');
        let rest = path.trim_start_matches('/').strip_prefix(prefix)?;
        (prefix.is_empty() || rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned())
    };
    let rest = after(&path, &api.path).unwrap_or(path);
    // A version that is a segment stands behind the path.
    match api.version.as_deref().filter(|v| !v.is_empty()) {
        Some(version) => after(&rest, version).unwrap_or(rest),
        None => rest,
    }
}

/// A path without its escapes; a plus is a plus there.
fn decode(path: &str) -> String {
    decode_query_part(&path.replace('+', "%2B"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        schema::{ApiSchemas, Definitions, ODataModel, OperationDefinition},
        test_support::{check_definitions, check_load},
    };

    const EDMX: &str = "<edmx:Edmx Version='4.0' xmlns:edmx='http://docs.oasis-open.org/odata/ns/edmx'><edmx:DataServices>\
        <Schema Namespace='S' xmlns='http://docs.oasis-open.org/odata/ns/edm'><EntityType Name='Item'><Key><PropertyRef Name='Id'/></Key>\
        <Property Name='Id' Type='Edm.Int32'/><Property Name='Name' Type='Edm.String'/></EntityType>\
        <EntityContainer Name='C'><EntitySet Name='Items' EntityType='S.Item'/></EntityContainer></Schema></edmx:DataServices></edmx:Edmx>";

    /// A request with this path, query and headers; `refused: …` or `passes`.
    #[track_caller]
    fn case(
        attributes: &str,
        path: &str,
        query: &str,
        headers: &[(&'static str, &'static str)],
        refused: &str,
    ) {
        let api = ApiSchemas {
            odata: Some(ODataModel::new(EDMX).unwrap()),
            ..ApiSchemas::default()
        };
        let definitions = Definitions {
            operation: Some(Arc::new(OperationDefinition {
                api: Arc::new(api),
                ..OperationDefinition::default()
            })),
            ..Definitions::default()
        };
        let names = headers
            .iter()
            .map(|(name, _)| format!("<set-header name='{name}' exists-action='delete'/>"));
        let text = format!(
            "<validate-odata-request {attributes}/>{}",
            names.collect::<String>()
        );
        let change = |context: &mut crate::Context| {
            let base = context.api.as_ref().map_or("", |a| &*a.path).to_owned();
            context.request.original_url.path = format!("/{}{path}", base.trim_matches('/'));
            context.request.original_url.query = query.to_owned();
            for (name, value) in headers {
                context
                    .request
                    .headers
                    .insert(*name, http::HeaderValue::from_static(value));
            }
            if attributes.contains("max-size") {
                context.request.body = Body::Buffered("12345".into());
            }
        };
        let expected = match refused {
            "" if attributes.contains("max-size") => "forward '12345'; 200".to_owned(),
            "" => "forward; 200".to_owned(),
            why => {
                let list = json!([{ "message": why }]);
                let variable = if attributes.contains("'e'") {
                    format!(" $e={list}")
                } else {
                    String::new()
                };
                format!("400 {NAME}/Bad request '{why}'{variable}")
            }
        };
        check_definitions(definitions, "inbound", &text, change, &[], &expected);
    }

    #[test]
    fn urls_are_checked_against_the_metadata() {
        for (path, query, refused) in [
            ("/Items", "", ""),
            ("/Items(1)/Name", "", ""),
            ("/Items", "$filter=Name%20eq%20%27a%2Bb%27&$top=3&mine=x", ""),
            ("/Others", "", "Resource not found for the segment 'Others'."),
            (
                "/Items",
                "$filter=Price gt 1",
                "Could not find a property named 'Price' on type 'S.Item'.",
            ),
            (
                "/Items",
                "%24top=-1",
                "Invalid value '-1' for $top query option found. The $top query option requires a non-negative integer value.",
            ),
        ] {
            case("error-variable-name='e'", path, query, &[], refused);
        }
    }

    #[test]
    fn versions_and_sizes_are_bounded() {
        for (attributes, headers, refused) in [
            ("min-odata-version='4.0'", &[][..], ""),
            (
                "min-odata-version='4.01'",
                &[("odata-version", "4.0")],
                "The version in the header OData-Version is lower than this API accepts.",
            ),
            (
                "max-odata-version='4.0'",
                &[("odata-version", "4.01")],
                "The version in the header OData-Version is higher than this API accepts.",
            ),
            ("max-odata-version='4.01'", &[("odata-version", "4.01")], ""),
            (
                "",
                &[("odata-version", "four")],
                "The value 'four' of the header OData-Version is no OData version.",
            ),
            (
                "",
                &[("odata-maxversion", "x")],
                "The value 'x' of the header OData-MaxVersion is no OData version.",
            ),
            ("max-size='5'", &[], ""),
            (
                "max-size='4'",
                &[],
                "The request is 5 bytes long and exceeds the limit of 4 bytes.",
            ),
        ] {
            case(attributes, "/Items", "", headers, refused);
        }
        // From 4.01 on options need no mark.
        case("", "/Items", "top=x", &[], "");
        case(
            "default-odata-version='4.01'",
            "/Items",
            "top=x",
            &[],
            "Invalid value 'x' for $top query option found. The $top query option requires a non-negative integer value.",
        );
    }

    #[test]
    fn attributes() {
        for (text, expected) in [
            ("<validate-odata-request/>", "loads"),
            (
                "<validate-odata-request default-odata-version='four'/>",
                "bad-value: `default-odata-version` of `validate-odata-request` must be a version such as 4.0 or 4.01",
            ),
            (
                "<validate-odata-request min-odata-version='4.01' max-odata-version='4.0'/>",
                "bad-value: `min-odata-version` is above `max-odata-version`, so no version is accepted",
            ),
            (
                "<validate-odata-request max-size='-1'/>",
                "bad-value: `max-size` of `validate-odata-request` must be a whole number from 0 to 1099511627776",
            ),
        ] {
            check_load("inbound", text, expected);
        }
    }
}
