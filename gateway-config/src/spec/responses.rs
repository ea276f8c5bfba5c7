//! Documented answers of an operation, for `mock-response`.

use std::sync::Arc;

use http::StatusCode;

use super::{
    openapi::{Dialect, follow},
    sample::sample,
};
use crate::{
    doc::{Data, Node},
    problem::Place,
    snapshot::{Representation, ResponseEntry},
};

/// Longest chain of references between responses.
const MAX_REFERENCES: usize = 8;
/// A longer example is not kept: the folder of a large API would not fit into memory otherwise.
const MAX_EXAMPLE: usize = 64 * 1024;

/// Reads the answers with a status code, in order. Several examples of one media type become several representations.
/// An example that is too long is left out and its place given to `too_long`.
pub(super) fn read(
    root: &Node,
    operation: &Node,
    dialect: Dialect,
    too_long: &mut impl FnMut(Place),
) -> Vec<ResponseEntry> {
    let mut out = Vec::new();
    for (key, node) in operation.get("responses").map_or(&[][..], Node::members) {
        let status = key
            .name
            .parse::<u16>()
            .ok()
            .and_then(|code| StatusCode::from_u16(code).ok());
        let (Some(status), Ok(node)) = (status, follow(root, node, MAX_REFERENCES)) else {
            continue;
        };
        let representations = match dialect {
            Dialect::V3 => v3(root, node, too_long),
            Dialect::V2 => v2(root, operation, node, too_long),
        };
        out.push(ResponseEntry {
            status,
            representations,
        });
    }
    out
}

fn v3(root: &Node, response: &Node, too_long: &mut impl FnMut(Place)) -> Vec<Representation> {
    let mut out = Vec::new();
    for (media_type, media) in response.get("content").map_or(&[][..], Node::members) {
        let several = media.get("examples").map_or(&[][..], Node::members).iter();
        let several = several.filter_map(|(_, e)| follow(root, e, MAX_REFERENCES).ok()?.get("value"));
        let mut examples: Vec<Option<&Node>> = media
            .get("example")
            .into_iter()
            .chain(several)
            .map(Some)
            .collect();
        if examples.is_empty() {
            examples.push(None);
        }
        for example in examples {
            out.push(representation(
                root,
                &media_type.name,
                example,
                media.get("schema"),
                too_long,
            ));
        }
    }
    out
}

fn v2(
    root: &Node,
    operation: &Node,
    response: &Node,
    too_long: &mut impl FnMut(Place),
) -> Vec<Representation> {
    let schema = response.get("schema");
    let mut out = Vec::new();
    for (media_type, example) in response.get("examples").map_or(&[][..], Node::members) {
        out.push(representation(
            root,
            &media_type.name,
            Some(example),
            schema,
            too_long,
        ));
    }
    let produces = operation
        .get("produces")
        .or_else(|| root.get("produces"))
        .map_or(&[][..], Node::items);
    for media_type in produces.iter().filter_map(Node::as_text) {
        if schema.is_some()
            && !out
                .iter()
                .any(|r| r.content_type.eq_ignore_ascii_case(media_type))
        {
            out.push(representation(root, media_type, None, schema, too_long));
        }
    }
    out
}

fn representation(
    root: &Node,
    media_type: &str,
    example: Option<&Node>,
    schema: Option<&Node>,
    too_long: &mut impl FnMut(Place),
) -> Representation {
    let mut kept = example.map(text).or_else(|| {
        let json = media_type.to_ascii_lowercase().contains("json");
        schema.filter(|_| json).and_then(|s| sample(root, s))
    });
    if kept.as_ref().is_some_and(|e| e.len() > MAX_EXAMPLE) {
        too_long(example.or(schema).map_or_else(Place::default, |n| n.place));
        kept = None;
    }
    Representation {
        content_type: media_type.into(),
        example: kept.map(Arc::from),
    }
}

/// Text as it is, anything else as JSON.
fn text(node: &Node) -> String {
    match &node.data {
        Data::Text(text) => text.clone(),
        _ => node.to_json().to_string(),
    }
}
