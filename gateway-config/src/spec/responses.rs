//! Documented answers of an operation, for `mock-response`.

use std::sync::Arc;

use http::StatusCode;

use super::{
    openapi::{Dialect, follow},
    sample::sample,
};
use crate::{
    doc::{Data, Node},
    snapshot::{Representation, ResponseEntry},
};

/// Longest chain of references between responses.
const MAX_REFERENCES: usize = 8;
/// A longer example is not kept: the folder of a large API would not fit into memory otherwise.
const MAX_EXAMPLE: usize = 64 * 1024;

/// Reads the answers with a status code, in order.
pub(super) fn read(root: &Node, operation: &Node, dialect: Dialect) -> Vec<ResponseEntry> {
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
            Dialect::V3 => v3(root, node),
            Dialect::V2 => v2(root, operation, node),
        };
        out.push(ResponseEntry {
            status,
            representations,
        });
    }
    out
}

fn v3(root: &Node, response: &Node) -> Vec<Representation> {
    let content = response.get("content").map_or(&[][..], Node::members);
    content
        .iter()
        .map(|(media_type, media)| {
            let example = media.get("example").or_else(|| {
                let (_, first) = media.get("examples")?.members().first()?;
                follow(root, first, MAX_REFERENCES).ok()?.get("value")
            });
            representation(root, &media_type.name, example, media.get("schema"))
        })
        .collect()
}

fn v2(root: &Node, operation: &Node, response: &Node) -> Vec<Representation> {
    let schema = response.get("schema");
    let examples = response.get("examples").map_or(&[][..], Node::members);
    let produces = operation
        .get("produces")
        .or_else(|| root.get("produces"))
        .map_or(&[][..], Node::items);
    let mut out: Vec<Representation> = examples
        .iter()
        .map(|(media_type, e)| representation(root, &media_type.name, Some(e), schema))
        .collect();
    for media_type in produces.iter().filter_map(Node::as_text) {
        if schema.is_some()
            && !out
                .iter()
                .any(|r| r.content_type.eq_ignore_ascii_case(media_type))
        {
            out.push(representation(root, media_type, None, schema));
        }
    }
    out
}

fn representation(
    root: &Node,
    media_type: &str,
    example: Option<&Node>,
    schema: Option<&Node>,
) -> Representation {
    let example = example.map(text).or_else(|| {
        let json = media_type.to_ascii_lowercase().contains("json");
        schema.filter(|_| json).and_then(|s| sample(root, s))
    });
    Representation {
        content_type: media_type.into(),
        example: example.filter(|e| e.len() <= MAX_EXAMPLE).map(Arc::from),
    }
}

/// Text as it is, anything else as JSON.
fn text(node: &Node) -> String {
    match &node.data {
        Data::Text(text) => text.clone(),
        _ => node.to_json().to_string(),
    }
}
