//! The body itself: coding undone within the limit, then checked against its schema.

use std::{io::Read, sync::Arc};

use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http::HeaderValue;

use super::{As, Rule, names, shown, xml};
use crate::{
    exec::Run,
    policies::validation::{Error, direction},
    schema::{
        Content, JsonSchemas, NamedSchema,
        check::{self, Direction, Options, Stop},
        definition::name_of,
        json::{self, Malformed, place},
    },
};

/// Why a coded body cannot be read.
pub(super) enum Undecodable {
    /// More bytes than allowed; as many as were read.
    TooLarge(u64),
    Other(String),
}

/// The body without its content coding, of which no more than `max` bytes are made.
pub(super) fn decoded(body: &Bytes, coding: Option<&HeaderValue>, max: u64) -> Result<Bytes, Undecodable> {
    let coding = coding.map(|v| String::from_utf8_lossy(v.as_bytes()).trim().to_ascii_lowercase());
    let reader: Box<dyn Read + '_> = match coding.as_deref() {
        None | Some("" | "identity") => return Ok(body.clone()),
        Some("gzip" | "x-gzip") => Box::new(MultiGzDecoder::new(&body[..])),
        Some("deflate") => Box::new(ZlibDecoder::new(&body[..])),
        Some(other) => {
            return Err(Undecodable::Other(format!(
                "Its content coding '{other}' is not known here."
            )));
        }
    };
    let mut plain = Vec::new();
    let read = reader.take(max + 1).read_to_end(&mut plain);
    read.map_err(|e| Undecodable::Other(format!("Its content coding is broken: {e}.")))?;
    if plain.len() as u64 > max {
        return Err(Undecodable::TooLarge(plain.len() as u64));
    }
    Ok(plain.into())
}

/// There is no verdict.
pub(super) fn cannot(given: &str, direction: Direction, why: &str) -> Error {
    let (kind, whose) = names(direction);
    let details = format!(
        "Body of the {} cannot be validated for the content type {given}. {why}",
        whose.to_lowercase()
    );
    Error::new("", kind, "ValidationException", details).internal()
}

pub(super) fn missing(given: &str, direction: Direction, definition: &str) -> Error {
    let details = format!(
        "API's schema does not contain definition {definition}, which is associated with the content type {given}."
    );
    Error::new(given, names(direction).0, "MissingDefinition", details).internal()
}

/// What is wrong with a body.
pub(super) fn errors(
    run: &Run<'_>,
    rule: &Rule,
    given: &str,
    documented: Option<&Content>,
    body: &Bytes,
) -> Vec<Error> {
    let direction = direction(run);
    match rule.validate_as {
        As::Json => match json_schema(run, rule, given, documented) {
            Ok(found) => json_errors(&found, rule, given, direction, body),
            Err(error) => vec![*error],
        },
        As::Xml | As::Soap => xml::errors(run, rule, given, body),
    }
}

/// The schema that a body is checked against.
struct Found {
    schemas: Schemas,
    pointer: String,
    name: String,
}

enum Schemas {
    Api(Arc<crate::schema::OperationDefinition>),
    Named(Arc<JsonSchemas>),
}

impl Schemas {
    fn get(&self) -> Option<&JsonSchemas> {
        match self {
            Schemas::Api(operation) => operation.api.json.as_ref(),
            Schemas::Named(schemas) => Some(schemas),
        }
    }
}

fn json_schema(
    run: &Run<'_>,
    rule: &Rule,
    given: &str,
    documented: Option<&Content>,
) -> Result<Found, Box<Error>> {
    let direction = direction(run);
    let definitions = &run.exchange.definitions;
    if let Some(id) = &rule.schema_id {
        let schemas = match definitions.schemas.as_ref().and_then(|s| s.get(id)) {
            Some(NamedSchema::Json(schemas)) => Arc::clone(schemas),
            Some(NamedSchema::Xml(_)) => {
                return Err(Box::new(cannot(given, direction, "The schema is an XML schema.")));
            }
            Some(NamedSchema::Refused(why)) => return Err(Box::new(cannot(given, direction, why))),
            None => return Err(Box::new(missing(given, direction, id))),
        };
        let pointer = rule.schema_ref.as_deref().unwrap_or_default();
        let pointer = pointer.strip_prefix('#').unwrap_or(pointer).to_owned();
        if schemas.get(&pointer).is_none() {
            return Err(Box::new(missing(given, direction, &pointer)));
        }
        let name = match pointer.rsplit('/').next() {
            None | Some("") => id.to_string(),
            Some(last) => last.to_owned(),
        };
        return Ok(Found {
            schemas: Schemas::Named(schemas),
            pointer,
            name,
        });
    }
    let operation = definitions.operation.as_ref().filter(|o| o.api.json.is_some());
    let Some(operation) = operation else {
        return Err(Box::new(Error::no_schema()));
    };
    let pointer = documented.and_then(|d| d.schema.as_deref());
    let schemas = operation.api.json.as_ref();
    let Some((pointer, schemas)) = pointer.zip(schemas) else {
        // Documented without a schema, or named only by the policy.
        return Err(Box::new(missing(given, direction, given)));
    };
    Ok(Found {
        schemas: Schemas::Api(Arc::clone(operation)),
        pointer: pointer.to_owned(),
        name: name_of(schemas, pointer),
    })
}

fn json_errors(found: &Found, rule: &Rule, given: &str, direction: Direction, body: &Bytes) -> Vec<Error> {
    let (kind, whose) = names(direction);
    let wrong = |message: &str, text: &str, at: usize| {
        let (line, position) = place(text, at);
        let details = format!(
            "Body of the {} does not conform to the definition {}, which is associated with the content type {given}. \
             {message} Line: {line}, Position: {position}",
            whose.to_lowercase(),
            found.name
        );
        shown(Error::new(given, kind, "IncorrectMessage", details), direction)
    };
    let Ok(text) = std::str::from_utf8(body) else {
        return vec![wrong("The body is not UTF-8 text.", "", 0)];
    };
    // A mark some writers put first; readers take it off.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (node, values) = match json::read(text) {
        Ok(read) => read,
        Err(Malformed { at, message }) => return vec![wrong(&message, text, at)],
    };
    let schema = found
        .schemas
        .get()
        .and_then(|s| Some((s, s.get(&found.pointer)?)));
    let Some((schemas, schema)) = schema else {
        return vec![missing(given, direction, &found.name)];
    };
    let options = Options {
        direction: Some(direction),
        additional: rule.additional,
        ignore_case: rule.ignore_case,
    };
    match check::check(schemas, schema, &node, values, options) {
        Ok(faults) => faults.iter().map(|f| wrong(&f.message, text, f.at)).collect(),
        Err(Stop::Unresolvable(reference)) => {
            let definition = reference.rsplit('/').next().unwrap_or(&reference);
            vec![missing(given, direction, definition)]
        }
        Err(stop) => vec![cannot(given, direction, &stop.to_string())],
    }
}
