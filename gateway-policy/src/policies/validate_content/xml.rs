//! XML bodies: which schemas they are checked against, and what is wrong with them.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;

use super::{As, Rule, body, names, shown};
use crate::{
    exec::Run,
    policies::validation::{Error, direction},
    schema::{
        NamedSchema, XmlSchemas,
        xsd::{Shape, Stop, place},
    },
};

/// What is wrong with an XML body.
pub(super) fn errors(run: &Run<'_>, rule: &Rule, given: &str, content: &Bytes) -> Vec<Error> {
    let direction = direction(run);
    let (schemas, name) = match schemas(run, rule, given) {
        Ok(found) => found,
        Err(error) => return vec![*error],
    };
    let (kind, whose) = names(direction);
    let wrong = |message: &str, text: &str, at: usize| {
        let (line, position) = place(text, at);
        let details = format!(
            "Body of the {} does not conform to the definition {name}, which is associated with the content type {given}. \
             {message} Line: {line}, Position: {position}",
            whose.to_lowercase(),
        );
        shown(Error::new(given, kind, "IncorrectMessage", details), direction)
    };
    let text = match text_of(content) {
        Ok(text) => text,
        Err(why) => return vec![wrong(&why, "", 0)],
    };
    let shape = match rule.validate_as {
        As::Soap => Shape::Envelope,
        As::Xml | As::Json => Shape::Document,
    };
    match schemas.check(&text, shape) {
        Ok(faults) => faults.iter().map(|f| wrong(&f.message, &text, f.at)).collect(),
        Err(Stop::NotXml(why)) => vec![wrong(&why.message, &text, why.at)],
        Err(stop) => vec![body::cannot(given, direction, &stop.to_string())],
    }
}

/// The schemas, and what they are called in messages.
fn schemas(run: &Run<'_>, rule: &Rule, given: &str) -> Result<(Arc<XmlSchemas>, String), Box<Error>> {
    let direction = direction(run);
    let definitions = &run.exchange.definitions;
    if let Some(id) = &rule.schema_id {
        return match definitions.schemas.as_ref().and_then(|s| s.get(id)) {
            Some(NamedSchema::Xml(schemas)) => Ok((Arc::clone(schemas), id.to_string())),
            Some(NamedSchema::Json(_)) => Err(Box::new(body::cannot(
                given,
                direction,
                "The schema is a JSON schema.",
            ))),
            Some(NamedSchema::Refused(why)) => Err(Box::new(body::cannot(given, direction, why))),
            None => Err(Box::new(body::missing(given, direction, id))),
        };
    }
    let Some(operation) = definitions.operation.as_ref() else {
        return Err(Box::new(Error::no_schema()));
    };
    match (&operation.api.xml, &operation.api.xml_refused) {
        (Some(schemas), _) => Ok((Arc::clone(schemas), "XML".to_owned())),
        (None, Some(why)) => Err(Box::new(body::cannot(given, direction, why))),
        (None, None) => Err(Box::new(Error::no_schema())),
    }
}

/// A body as text: UTF-8, UTF-16 with its mark, or Latin-1 that says so.
fn text_of(content: &[u8]) -> Result<Cow<'_, str>, String> {
    let units = |read: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = content[2..]
            .chunks_exact(2)
            .map(|pair| read([pair[0], pair[1]]))
            .collect();
        let text = String::from_utf16(&units).map(Cow::Owned);
        text.map_err(|_| "The body is not UTF-16 text.".to_owned())
    };
    match content {
        [0xff, 0xfe, ..] => return units(u16::from_le_bytes),
        [0xfe, 0xff, ..] => return units(u16::from_be_bytes),
        _ => {}
    }
    match declared(content).as_deref() {
        None | Some("utf-8" | "us-ascii") => {}
        // Every byte is the character of its number.
        Some("iso-8859-1" | "latin1") => {
            return Ok(Cow::Owned(content.iter().map(|b| char::from(*b)).collect()));
        }
        Some(other) => {
            return Err(format!(
                "System does not support '{}' encoding.",
                crate::schema::json::shorten(other)
            ));
        }
    }
    let text = std::str::from_utf8(content).map_err(|_| "The body is not UTF-8 text.".to_owned())?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text).into())
}

/// The encoding that the XML declaration names, in lower case.
fn declared(content: &[u8]) -> Option<String> {
    let head = content
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(content)
        .strip_prefix(b"<?xml")?;
    let end = head.windows(2).position(|w| w == b"?>")?;
    let head = std::str::from_utf8(&head[..end]).ok()?;
    let (_, rest) = head.split_once("encoding")?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let name = rest[1..].split(quote).next()?;
    Some(name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::HeaderValue;

    use super::*;
    use crate::{
        Names, Options, Scope, ScopeDoc, Source,
        context::Body,
        schema::{
            Answer, ApiSchemas, Content, Definitions, Dialect, JsonSchemas, NamedSchemas,
            OperationDefinition, Statuses, XmlSource,
        },
        test_support::{check_definitions, document},
    };

    const XSD: &str = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:element name='count' type='xs:int'/></xs:schema>";

    fn read(text: &str) -> Arc<XmlSchemas> {
        let source = XmlSource {
            location: "x.xsd",
            text,
        };
        Arc::new(XmlSchemas::new(&[source]).unwrap())
    }

    fn definitions(api: ApiSchemas) -> Definitions {
        let content = || {
            vec![Content {
                media_type: "text/xml".into(),
                schema: None,
            }]
        };
        let operation = OperationDefinition {
            api: Arc::new(api),
            request: content(),
            responses: vec![Answer {
                status: Statuses::Default,
                headers: Vec::new(),
                content: content(),
            }],
            ..OperationDefinition::default()
        };
        let json = JsonSchemas::new(serde_json::json!({}), Dialect::Latest);
        let named: NamedSchemas = [
            ("orders".into(), NamedSchema::Xml(read(XSD))),
            ("json".into(), NamedSchema::Json(Arc::new(json))),
            (
                "broken".into(),
                NamedSchema::Refused("x.xsd:1:1: it is broken".into()),
            ),
        ]
        .into();
        Definitions {
            operation: Some(Arc::new(operation)),
            schemas: Some(Arc::new(named)),
        }
    }

    fn with_schema() -> ApiSchemas {
        ApiSchemas {
            xml: Some(read(XSD)),
            ..ApiSchemas::default()
        }
    }

    #[track_caller]
    fn case(api: ApiSchemas, content: &str, body: &'static [u8], expected: &str) {
        let text = format!(
            "<validate-content unspecified-content-type-action='prevent' max-size='1000' size-exceeded-action='prevent'>{content}</validate-content>\
             <set-body/><set-header name='content-type' exists-action='delete'/><set-header name='content-length' exists-action='delete'/>"
        );
        let change = |context: &mut crate::Context| {
            let headers = &mut context.request.headers;
            headers.insert(
                "content-type",
                HeaderValue::from_static("text/xml; charset=utf-8"),
            );
            context.request.body = Body::Buffered(body.into());
        };
        check_definitions(definitions(api), "inbound", &text, change, &[], expected);
    }

    const GOOD: &str = "forward content-length: 0 ''; 200";
    const INTERNAL: &str =
        " public 'The request could not be processed due to an internal error. Contact the API owner.'";

    fn wrong(name: &str, message: &str) -> String {
        format!(
            "400 validate-content/Bad request 'Body of the request does not conform to the definition {name}, which is associated \
             with the content type text/xml. {message}'"
        )
    }

    #[test]
    fn bodies_are_checked_against_the_schemas_of_the_api_or_the_service() {
        let xml = "<content validate-as='xml' action='prevent'/>";
        let named = |id: &str| {
            format!("<content type='text/xml' validate-as='xml' action='prevent' schema-id='{id}'/>")
        };
        let cannot = |why: &str| {
            format!(
                "400 validate-content/Bad request 'Body of the request cannot be validated for the content type text/xml. {why}'{INTERNAL}"
            )
        };
        for (content, body, expected) in [
            (xml, &b"<count>1</count>"[..], GOOD.to_owned()),
            (
                xml,
                b"<count>\nx</count>",
                wrong("XML", "The 'count' element is invalid - The value '\nx' is invalid according to its datatype 'http://www.w3.org/2001/XMLSchema:int' - The string 'x' is not a valid Int32 value. Line: 2, Position: 4"),
            ),
            (xml, b"<count>", wrong("XML", "Unexpected end of file has occurred. The following elements are not closed: count. Line: 1, Position: 8")),
            (xml, b"<!DOCTYPE a [<!ENTITY b 'c'>]><count>1</count>", wrong("XML", "For security reasons DTD is prohibited in this XML document. Line: 1, Position: 3")),
            (xml, b"\xff\xfe<\0c\0o\0u\0n\0t\0>\x001\0<\0/\0c\0o\0u\0n\0t\0>\0", GOOD.to_owned()),
            (xml, b"<?xml version='1.0' encoding='ISO-8859-1'?><count>1</count><!-- \xe9 -->", GOOD.to_owned()),
            (xml, b"<?xml version='1.0' encoding='x-none'?><count>1</count>", wrong("XML", "System does not support 'x-none' encoding. Line: 1, Position: 1")),
            (xml, b"<count>\xff</count>", wrong("XML", "The body is not UTF-8 text. Line: 1, Position: 1")),
            (&named("orders"), b"<count>1</count>", GOOD.to_owned()),
            (&named("orders"), b"<other/>", wrong("orders", "The 'other' element is not declared. Line: 1, Position: 2")),
            (&named("json"), b"<count>1</count>", cannot("The schema is a JSON schema.")),
            (&named("broken"), b"<count>1</count>", cannot("x.xsd:1:1: it is broken")),
            (
                &named("none"),
                b"<count>1</count>",
                format!("400 validate-content/Bad request 'API's schema does not contain definition none, which is associated with the content type text/xml.'{INTERNAL}"),
            ),
            (
                "<content validate-as='soap' action='prevent'/>",
                b"<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body><count>1</count></s:Body></s:Envelope>",
                GOOD.to_owned(),
            ),
            (
                "<content validate-as='soap' action='prevent'/>",
                b"<count>1</count>",
                wrong("XML", "The element 'count' is not a SOAP envelope. Line: 1, Position: 2"),
            ),
            (
                "<content validate-as='json' schema-id='orders' action='prevent'/>",
                b"1",
                cannot("The schema is an XML schema."),
            ),
            ("<content validate-as='xml' action='detect'/>", b"<other/>", GOOD.to_owned()),
            ("<content validate-as='xml' action='ignore'/>", b"<other", GOOD.to_owned()),
        ] {
            case(with_schema(), content, body, &expected);
        }
        let refused = ApiSchemas {
            xml_refused: Some("a.wsdl:3:7: it is broken".into()),
            ..ApiSchemas::default()
        };
        case(
            refused,
            xml,
            b"<count>1</count>",
            &cannot("a.wsdl:3:7: it is broken"),
        );
        let none = format!(
            "400 validate-content/Bad request 'API's schema does not exist or it could not be resolved.'{INTERNAL}"
        );
        case(ApiSchemas::default(), xml, b"<count>1</count>", &none);
    }

    #[test]
    fn what_json_alone_has_is_said_to_have_no_effect() {
        let base = "<validate-content unspecified-content-type-action='ignore' max-size='9' size-exceeded-action='ignore'>\
            <content validate-as='xml' action='ignore' ATTR/></validate-content>";
        for (attribute, expected) in [
            ("schema-id='a'", ""),
            (
                "allow-additional-properties='true'",
                "`allow-additional-properties` is for JSON schemas and has no effect on XML",
            ),
        ] {
            let text = document("inbound", &base.replace("ATTR", attribute));
            let source = Source {
                text: &text,
                path: "test.xml",
                scope: Some(Scope::Api),
            };
            let (_, warnings) = ScopeDoc::compile(&source, &Names::default(), &Options::default()).unwrap();
            let shown: Vec<&str> = warnings.iter().map(|w| w.message.as_str()).collect();
            assert_eq!(shown.join("; "), expected);
        }
    }
}
