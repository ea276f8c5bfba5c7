//! Operations of OpenAPI documents as the validation policies need them.
//!
//! Source: OpenAPI 2.0, 3.0.3 and 3.1.0, "Operation Object", "Parameter Object", "Response Object".

use std::sync::Arc;

use serde_json::Value;

use super::{
    definition::{Answer, ApiSchemas, Content, OperationDefinition, Parameter, Place, Statuses, Style},
    document::{Dialect, JsonSchemas},
};

/// Longest chain of references between parameters, bodies and answers.
const CHAIN_MAX: usize = 16;

/// The operation at the JSON pointer `operation`, inside the path item at `item`.
pub fn operation(api: &Arc<ApiSchemas>, item: Option<&str>, operation: &str) -> OperationDefinition {
    let mut out = OperationDefinition {
        api: Arc::clone(api),
        ..OperationDefinition::default()
    };
    let Some(schemas) = &api.json else { return out };
    let reader = Reader {
        schemas,
        old: schemas.dialect() == Dialect::OpenApi2,
        operation,
    };
    for pointer in item.into_iter().chain([operation]) {
        reader.parameters(&format!("{pointer}/parameters"), &mut out);
    }
    if !reader.old {
        reader.body(&format!("{operation}/requestBody"), &mut out);
    }
    let responses = format!("{operation}/responses");
    let listed = schemas.get(&responses).and_then(Value::as_object);
    for (code, _) in listed.into_iter().flatten() {
        if let Some(status) = status(code)
            && let Some((pointer, answer)) = reader.follow(format!("{responses}/{}", escape(code)))
        {
            out.responses.push(reader.answer(status, &pointer, answer));
        }
    }
    out
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn status(code: &str) -> Option<Statuses> {
    let class = |c: &str| {
        c.parse()
            .ok()
            .filter(|c| (1..=5).contains(c))
            .map(Statuses::Class)
    };
    match code {
        "default" => Some(Statuses::Default),
        _ if code.len() == 3 && code[1..].eq_ignore_ascii_case("xx") => class(&code[..1]),
        _ => code.parse().ok().map(Statuses::Code),
    }
}

/// `application/json; charset=utf-8` → `application/json`
pub(crate) fn media_type(text: &str) -> String {
    text.split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

struct Reader<'s> {
    schemas: &'s JsonSchemas,
    /// Swagger 2.0
    old: bool,
    operation: &'s str,
}

impl<'s> Reader<'s> {
    /// What stands at a pointer, references followed, and where that is.
    fn follow(&self, mut pointer: String) -> Option<(String, &'s Value)> {
        for _ in 0..CHAIN_MAX {
            let found = self.schemas.get(&pointer)?;
            match found.get("$ref").and_then(Value::as_str) {
                Some(reference) => pointer = reference.strip_prefix('#')?.to_owned(),
                None => return Some((pointer, found)),
            }
        }
        None
    }

    fn parameters(&self, list: &str, out: &mut OperationDefinition) {
        let count = self
            .schemas
            .get(list)
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        for i in 0..count {
            let Some((pointer, node)) = self.follow(format!("{list}/{i}")) else {
                continue;
            };
            let text = |key: &str| node.get(key).and_then(Value::as_str).unwrap_or_default();
            let place = match text("in") {
                "path" => Place::Path,
                "query" => Place::Query,
                "header" => Place::Header,
                "body" => {
                    self.old_body(&pointer, node, out);
                    continue;
                }
                _ => continue,
            };
            let parameter = self.parameter(text("name"), place, &pointer, node);
            let same = |p: &&mut Parameter| p.place == place && p.name == parameter.name;
            match out.parameters.iter_mut().find(same) {
                // The operation's own wins over the path's.
                Some(known) => *known = parameter,
                None => out.parameters.push(parameter),
            }
        }
    }

    fn parameter(&self, name: &str, place: Place, pointer: &str, node: &Value) -> Parameter {
        let flag = |key: &str| node.get(key).and_then(Value::as_bool);
        let (schema, style, explode) = if self.old {
            // The parameter is a schema itself.
            let (style, explode) = match node.get("collectionFormat").and_then(Value::as_str) {
                Some("multi") => (Style::Form, true),
                Some("ssv") => (Style::SpaceDelimited, false),
                Some("tsv") => (Style::Tabs, false),
                Some("pipes") => (Style::PipeDelimited, false),
                _ if place == Place::Query => (Style::Form, false),
                _ => (Style::Simple, false),
            };
            (Some(pointer.to_owned()), style, explode)
        } else if let Some(content) = node.get("content").and_then(Value::as_object) {
            let first = content.keys().next();
            let schema = first.map(|m| format!("{pointer}/content/{}/schema", escape(m)));
            (schema, Style::Json, false)
        } else {
            let style = match node.get("style").and_then(Value::as_str) {
                Some("form") => Style::Form,
                Some("simple") => Style::Simple,
                Some("label") => Style::Label,
                Some("matrix") => Style::Matrix,
                Some("spaceDelimited") => Style::SpaceDelimited,
                Some("pipeDelimited") => Style::PipeDelimited,
                Some("deepObject") => Style::DeepObject,
                _ if place == Place::Query => Style::Form,
                _ => Style::Simple,
            };
            let schema = node.get("schema").map(|_| format!("{pointer}/schema"));
            (schema, style, flag("explode").unwrap_or(style == Style::Form))
        };
        Parameter {
            name: name.into(),
            place,
            required: flag("required").unwrap_or(false),
            schema: schema.map(Arc::from),
            style,
            explode,
        }
    }

    fn body(&self, pointer: &str, out: &mut OperationDefinition) {
        let Some((pointer, node)) = self.follow(pointer.to_owned()) else {
            return;
        };
        out.request_required = node.get("required").and_then(Value::as_bool).unwrap_or(false);
        out.request = contents(&pointer, node);
    }

    /// `in: body` of Swagger 2.0, for every type the operation takes.
    fn old_body(&self, pointer: &str, node: &Value, out: &mut OperationDefinition) {
        out.request_required = node.get("required").and_then(Value::as_bool).unwrap_or(false);
        out.request = self.old_contents("consumes", &format!("{pointer}/schema"));
    }

    fn old_contents(&self, list: &str, schema: &str) -> Vec<Content> {
        let own = self.schemas.get(&format!("{}/{list}", self.operation));
        let listed = own.or_else(|| self.schemas.get(&format!("/{list}")));
        let listed = listed.and_then(Value::as_array);
        let mut types: Vec<&str> = listed.into_iter().flatten().filter_map(Value::as_str).collect();
        if types.is_empty() {
            types.push("application/json");
        }
        let schema: Option<Arc<str>> = self.schemas.get(schema).map(|_| schema.into());
        let content = |media: &str| Content {
            media_type: media_type(media).into(),
            schema: schema.clone(),
        };
        types.into_iter().map(content).collect()
    }

    fn answer(&self, status: Statuses, pointer: &str, node: &Value) -> Answer {
        let mut headers = Vec::new();
        let declared = node.get("headers").and_then(Value::as_object);
        for (name, _) in declared.into_iter().flatten() {
            if let Some((pointer, node)) = self.follow(format!("{pointer}/headers/{}", escape(name))) {
                headers.push(self.parameter(name, Place::Header, &pointer, node));
            }
        }
        let content = match (self.old, node.get("schema")) {
            (true, Some(_)) => self.old_contents("produces", &format!("{pointer}/schema")),
            (true, None) => Vec::new(),
            (false, _) => contents(pointer, node),
        };
        Answer {
            status,
            headers,
            content,
        }
    }
}

fn contents(pointer: &str, node: &Value) -> Vec<Content> {
    let content = node.get("content").and_then(Value::as_object);
    content
        .into_iter()
        .flatten()
        .map(|(name, media)| Content {
            media_type: media_type(name).into(),
            schema: media
                .get("schema")
                .map(|_| format!("{pointer}/content/{}/schema", escape(name)).into()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(document: Value) -> OperationDefinition {
        let dialect = Dialect::of(&document);
        let api = Arc::new(ApiSchemas {
            json: Some(JsonSchemas::new(document, dialect)),
            ..ApiSchemas::default()
        });
        operation(&api, Some("/paths/~1a"), "/paths/~1a/post")
    }

    #[test]
    fn openapi_3() {
        let found = read(json!({
            "openapi": "3.0.1",
            "paths": { "/a": {
                "parameters": [
                    { "name": "x", "in": "query", "schema": { "type": "string" } },
                    { "$ref": "#/components/parameters/H" },
                ],
                "post": {
                    "parameters": [
                        { "name": "x", "in": "query", "required": true, "style": "pipeDelimited", "schema": {} },
                        { "name": "c", "in": "cookie" },
                        { "name": "j", "in": "query", "content": { "application/json": { "schema": {} } } },
                    ],
                    "requestBody": { "$ref": "#/components/requestBodies/B" },
                    "responses": { "2XX": { "content": { "Text/Plain; charset=utf-8": {} } }, "default": {}, "x-a": {} },
                },
            } },
            "components": {
                "parameters": { "H": { "name": "H", "in": "header", "schema": {} } },
                "requestBodies": { "B": { "required": true, "content": { "application/json": { "schema": {} } } } },
            },
        }));
        let told: Vec<String> = found
            .parameters
            .iter()
            .map(|p| {
                format!(
                    "{} {:?} {:?} {} {} {}",
                    p.name,
                    p.place,
                    p.style,
                    p.explode,
                    p.required,
                    p.schema.as_deref().unwrap_or("-")
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                "x Query PipeDelimited false true /paths/~1a/post/parameters/0/schema",
                "H Header Simple false false /components/parameters/H/schema",
                "j Query Json false false /paths/~1a/post/parameters/2/content/application~1json/schema",
            ]
        );
        assert!(found.request_required);
        assert_eq!(
            found.request[0].schema.as_deref(),
            Some("/components/requestBodies/B/content/application~1json/schema")
        );
        assert_eq!(found.responses[0].status, Statuses::Class(2));
        assert_eq!(
            (
                &*found.responses[0].content[0].media_type,
                &found.responses[0].content[0].schema
            ),
            ("text/plain", &None)
        );
        assert_eq!(found.responses.len(), 2);
    }

    #[test]
    fn swagger_2() {
        let found = read(json!({
            "swagger": "2.0",
            "consumes": ["application/json", "text/json"],
            "paths": { "/a": { "post": {
                "produces": ["application/xml"],
                "parameters": [
                    { "name": "l", "in": "query", "type": "array", "collectionFormat": "multi" },
                    { "name": "m", "in": "query", "type": "array" },
                    { "name": "b", "in": "body", "required": true, "schema": {} },
                ],
                "responses": { "200": { "schema": {}, "headers": { "X": { "type": "integer" } } }, "204": {} },
            } } },
        }));
        let styles: Vec<_> = found.parameters.iter().map(|p| (p.style, p.explode)).collect();
        assert_eq!(styles, [(Style::Form, true), (Style::Form, false)]);
        let types: Vec<&str> = found.request.iter().map(|c| &*c.media_type).collect();
        assert_eq!(types, ["application/json", "text/json"]);
        assert_eq!(
            found.request[1].schema.as_deref(),
            Some("/paths/~1a/post/parameters/2/schema")
        );
        assert_eq!(
            found.responses[0].headers[0].schema.as_deref(),
            Some("/paths/~1a/post/responses/200/headers/X")
        );
        assert_eq!(&*found.responses[0].content[0].media_type, "application/xml");
        assert!(found.responses[1].content.is_empty());
    }
}
