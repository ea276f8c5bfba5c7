//! API specifications as lists of operations, by the rules of an import into APIM.
//!
//! The specification is the list of operations; path, address and keys come from the information file
//! (`config-plane.md` §9.3). The first file of `.graphql`, `.wsdl`, `.wadl`, `.json`, `.yaml` counts.

mod definition;
mod listed;
mod naming;
mod odata;
mod openapi;
mod other;
mod parameters;
mod responses;
mod sample;
mod soap;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use gateway_policy::schema::{ApiSchemas, OperationDefinition};
use http::Method;

use crate::{
    artifacts::{ApiFolder, File},
    doc,
    problem::{Place, Problem},
    snapshot::{ApiKind, ResponseEntry},
};

pub(crate) use naming::same_name;

/// An operation as a specification (or an overlay list) gives it.
#[derive(Clone, Debug)]
pub(crate) struct SpecOperation {
    /// APIM operation name.
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) method: Method,
    pub(crate) url_template: String,
    /// What the path is matched by when it differs from the template (SOAP).
    pub(crate) match_template: Option<String>,
    pub(crate) soap_action: Option<Arc<str>>,
    pub(crate) responses: Vec<ResponseEntry>,
    pub(crate) query_parameters: Vec<Arc<str>>,
    /// What it says about messages, when some policy asks.
    pub(crate) definition: Option<Arc<OperationDefinition>>,
    /// Where it stands.
    pub(crate) place: Place,
}

impl SpecOperation {
    fn new(name: &str, method: Method, url_template: &str) -> Self {
        SpecOperation {
            name: name.to_owned(),
            display_name: name.to_owned(),
            method,
            url_template: url_template.to_owned(),
            match_template: None,
            soap_action: None,
            responses: Vec::new(),
            query_parameters: Vec::new(),
            definition: None,
            place: Place::default(),
        }
    }
}

/// What came of a specification: kept between loads while its inputs stay the same.
#[derive(Debug, Default)]
pub(crate) struct Specification {
    /// Path of the file read; empty without one.
    pub(crate) path: String,
    pub(crate) operations: Vec<SpecOperation>,
    pub(crate) problems: Vec<Problem>,
    /// Why the API refuses.
    pub(crate) refused: Option<Arc<str>>,
    /// Schemas of the API, when some policy asks.
    pub(crate) schemas: Option<Arc<ApiSchemas>>,
    /// Operation names are made up: policies by operation name cannot be matched.
    pub(crate) names_unknown: bool,
}

/// Extensions in the order in which the reader looks; `operations` is our own `operations.json`.
const ORDER: [&str; 8] = [
    "operations",
    "graphql",
    "wsdl",
    "wadl",
    "json",
    "yaml",
    "yml",
    "proto",
];

/// The file that counts, if any.
pub(crate) fn chosen(folder: &ApiFolder) -> Option<(&'static str, &File)> {
    ORDER
        .iter()
        .find_map(|e| folder.specifications.get(*e).map(|f| (*e, f)))
}

/// Reads the operations of an API; with `validated` what they say about messages as well.
pub(crate) fn read(folder: &ApiFolder, kind: ApiKind, validated: bool) -> Specification {
    let mut out = Specification::default();
    let file = chosen(folder);
    if let Some((extension, file)) = file {
        out.path.clone_from(&file.path);
        for (other, ignored) in &folder.specifications {
            if other != extension {
                let message =
                    format!("`specification.{extension}` is there too and counts; this file is not read");
                out.problems
                    .push(Problem::warning("second-specification", &ignored.path, message));
            }
        }
    }
    match (kind, file) {
        (ApiKind::WebSocket, _) => out.operations.push(other::on_handshake()),
        (ApiKind::GraphQl, file) => {
            out.operations.extend(other::graphql());
            definition::graphql(file, validated, &mut out);
        }
        (ApiKind::Grpc, Some(("proto", file))) => other::proto(file, &mut out),
        (ApiKind::Grpc, Some(("operations", file))) => listed::read(file, kind, validated, &mut out),
        (ApiKind::Grpc, _) => out.operations.push(other::any_grpc(folder, &mut out.problems)),
        (_, None) => {
            let message = "no specification file (specification.yaml, .json, .wsdl or .graphql), so the API has no \
                           operations and answers 404; add one, or list the operations in the overlay";
            out.problems.push(Problem::warning(
                "no-specification",
                &folder_path(folder),
                message,
            ));
        }
        (_, Some(("operations", file))) => listed::read(file, kind, validated, &mut out),
        (_, Some(("wsdl", file))) => {
            other::wsdl(file, &mut out);
            if validated {
                soap::schemas(folder, Some(file), &mut out);
            }
        }
        (_, Some(("wadl", file))) => {
            refuse(
                &mut out,
                &file.path,
                Place::default(),
                "wadl",
                "WADL is not read; export the API as OpenAPI",
            );
        }
        (_, file @ Some(("graphql", _))) => {
            out.operations.extend(other::graphql());
            definition::graphql(file, validated, &mut out);
        }
        (_, Some(("proto", file))) => other::proto(file, &mut out),
        (_, Some((_, file))) => match doc::read(&file.path, &file.bytes, &mut out.problems) {
            Ok(root) => {
                if validated {
                    definition::openapi(&root, file, folder, &mut out);
                }
                openapi::read(&root, &mut out);
            }
            Err(problem) => {
                out.refused = Some(format!("{}: {}", problem.path, problem.message).into());
                out.problems.push(problem);
            }
        },
    }
    out
}

fn folder_path(folder: &ApiFolder) -> String {
    let revision = folder
        .revision
        .as_deref()
        .map_or(String::new(), |r| format!(";rev={r}"));
    format!("apis/{}{revision}", folder.name)
}

/// Records a mistake that refuses the API.
fn refuse(out: &mut Specification, path: &str, place: Place, code: &'static str, message: impl Into<String>) {
    let problem = Problem::scope(code, path, message).at(place);
    if out.refused.is_none() {
        out.refused = Some(format!("{path}: {}", problem.message).into());
    }
    out.problems.push(problem);
}
