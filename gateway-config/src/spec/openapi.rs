//! OpenAPI 2.0, 3.0 and 3.1.

use std::collections::HashSet;

use http::Method;

use super::{
    SpecOperation, Specification,
    naming::{normalised, operation_name, unique},
    parameters, refuse, responses,
};
use crate::{
    doc::{Data, Key, Node},
    problem::Problem,
};

/// Display names are cut here on import.
const MAX_DISPLAY_NAME: usize = 300;

/// The dialect of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Swagger 2.0
    V2,
    /// OpenAPI 3.0 or 3.1
    V3,
}

/// Reads the operations of a document.
pub(super) fn read(root: &Node, out: &mut Specification) {
    let path = out.path.clone();
    let version = |key: &str| root.get(key).and_then(Node::as_scalar).unwrap_or("");
    let dialect = if version("swagger").starts_with('2') {
        Dialect::V2
    } else if version("openapi").starts_with("3.") {
        Dialect::V3
    } else {
        let message = "neither `swagger: \"2.0\"` nor `openapi: 3.x` stands at the top; only OpenAPI 2.0, 3.0 and 3.1 are read";
        return refuse(out, &path, root.place, "unknown-specification", message);
    };
    let mut reader = Reader {
        root,
        dialect,
        path: &path,
        taken: HashSet::new(),
        out,
    };
    for section in ["paths", "x-ms-paths"] {
        let Some(paths) = root.get(section) else { continue };
        if !matches!(paths.data, Data::Map(_)) {
            let message = format!("`{section}` must be an object of paths, found {}", paths.kind());
            return refuse(reader.out, &path, paths.place, "wrong-type", message);
        }
        for (key, item) in paths.members() {
            reader.path_item(section, key, item);
        }
    }
}

struct Reader<'n, 'o> {
    root: &'n Node,
    dialect: Dialect,
    path: &'n str,
    /// Names given so far, in lower case.
    taken: HashSet<String>,
    out: &'o mut Specification,
}

impl Reader<'_, '_> {
    fn path_item(&mut self, section: &str, key: &Key, item: &Node) {
        if key.name.starts_with("x-") {
            return;
        }
        let item = match self.resolve(item) {
            Some(item) => item,
            None => return,
        };
        for (method_key, operation) in item.members() {
            let method = match method_key.name.to_ascii_lowercase().as_str() {
                "get" => Method::GET,
                "put" => Method::PUT,
                "post" => Method::POST,
                "delete" => Method::DELETE,
                "options" => Method::OPTIONS,
                "head" => Method::HEAD,
                "patch" => Method::PATCH,
                "trace" => {
                    let message =
                        "TRACE operations are not imported by APIM; list it in the overlay if it is meant";
                    self.warn("trace-operation", method_key, message);
                    continue;
                }
                "parameters" | "servers" | "summary" | "description" | "$ref" => continue,
                other if other.starts_with("x-") => continue,
                _ => {
                    let message = format!(
                        "`{}` is no method of OpenAPI; list custom methods in the overlay",
                        method_key.name
                    );
                    self.warn("unknown-method", method_key, message);
                    continue;
                }
            };
            let before = self.out.operations.len();
            self.operation(key, item, method, method_key, operation);
            let pointers = [section, &key.name, &method_key.name];
            if let Some(made) = self.out.operations.get_mut(before) {
                made.definition = super::definition::operation(self.out.schemas.as_ref(), pointers);
            }
        }
    }

    fn operation(&mut self, key: &Key, item: &Node, method: Method, at: &Key, node: &Node) {
        let declared = parameters::declared(self.root, item, node, |place, message| {
            self.out
                .problems
                .push(Problem::warning("bad-reference", self.path, message).at(place));
        });
        let url_template = parameters::template(&key.name, &declared);
        let id = node
            .get("operationId")
            .and_then(Node::as_scalar)
            .filter(|id| !id.trim().is_empty());
        let wanted = match id {
            Some(id) => operation_name(id),
            None => normalised(&format!("{}-{}", method.as_str().to_ascii_lowercase(), key.name))
                .to_ascii_lowercase(),
        };
        let taken = &self.taken;
        let Some(name) = unique(wanted, |n| taken.contains(&n.to_ascii_lowercase())) else {
            self.warn(
                "duplicate-operation",
                at,
                "more than 999 operations of one name; this one is left out",
            );
            return;
        };
        let display = node
            .get("summary")
            .and_then(Node::as_scalar)
            .filter(|s| !s.is_empty())
            .or(id)
            .unwrap_or(&name);
        self.taken.insert(name.to_ascii_lowercase());
        let mut too_long = Vec::new();
        let responses = responses::read(self.root, node, self.dialect, &mut |place| too_long.push(place));
        for place in too_long {
            let message = "an example of more than 64 KiB is left out, so mock-response has none here";
            self.out
                .problems
                .push(Problem::warning("example-too-long", self.path, message).at(place));
        }
        self.out.operations.push(SpecOperation {
            display_name: display.chars().take(MAX_DISPLAY_NAME).collect(),
            method,
            match_template: None,
            soap_action: None,
            responses,
            query_parameters: declared
                .iter()
                .filter(|p| p.in_query)
                .map(|p| p.name.as_str().into())
                .collect(),
            definition: None,
            place: at.place,
            url_template,
            name,
        });
    }

    fn resolve<'n>(&mut self, node: &'n Node) -> Option<&'n Node>
    where
        Self: 'n,
        Node: 'n,
    {
        let Some(reference) = node.get("$ref").and_then(Node::as_text) else {
            return Some(node);
        };
        // A path item beside its reference still has what it declares itself.
        let message =
            format!("path item reference `{reference}` is not followed; write the operations in place");
        self.out
            .problems
            .push(Problem::warning("bad-reference", self.path, message).at(node.place));
        Some(node)
    }

    fn warn(&mut self, code: &'static str, key: &Key, message: impl Into<String>) {
        self.out.problems.push(
            Problem::warning(code, self.path, message)
                .at(key.place)
                .on(key.name.clone()),
        );
    }
}

/// Follows a local reference `#/a/b` (JSON pointer), at most `depth` times.
pub(super) fn follow<'n>(root: &'n Node, node: &'n Node, depth: usize) -> Result<&'n Node, String> {
    let Some(reference) = node.get("$ref").and_then(Node::as_text) else {
        return Ok(node);
    };
    if depth == 0 {
        return Err(format!("`{reference}` refers to itself"));
    }
    let pointer = reference
        .strip_prefix("#/")
        .ok_or_else(|| format!("`{reference}` is outside this file; external references are not imported"))?;
    let mut target = root;
    for part in pointer.split('/') {
        let decoded = crate::routing::path::decode(part).unwrap_or(part.into());
        let name = decoded.replace("~1", "/").replace("~0", "~");
        target = target
            .get(&name)
            .ok_or_else(|| format!("`{reference}` leads nowhere"))?;
    }
    follow(root, target, depth - 1)
}
