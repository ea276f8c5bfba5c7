//! The operations of one API: specification, overlay list and operation policies brought together.

use std::{collections::BTreeMap, sync::Arc};

use gateway_policy::context;
use http::Method;

use super::digest::{Digest, of_parts};
use crate::{
    artifacts::ApiFolder,
    doc::Node,
    overlay::EntityOverride,
    problem::{Place, Problem},
    routing::{OperationBuilder, OperationTable, template},
    snapshot::{ApiKind, OperationEntry},
    spec::{self, SpecOperation, Specification, same_name},
};

/// Operations ready to serve; shared between snapshots while its inputs stay the same.
#[derive(Debug, Default)]
pub(crate) struct Built {
    pub(super) entries: Arc<[Arc<OperationEntry>]>,
    pub(super) table: Arc<OperationTable>,
    pub(super) problems: Vec<Problem>,
    /// Why the API refuses.
    pub(super) refused: Option<Arc<str>>,
    /// Operation policies: folder name to index of the operation.
    pub(super) policies: BTreeMap<String, usize>,
}

/// Hash of everything the operations are made from.
pub(super) fn digest(
    folder: &ApiFolder,
    kind: ApiKind,
    validated: bool,
    overrides: &[EntityOverride],
) -> Digest {
    let kind = format!("{kind:?} {validated} {} {:?}", folder.name, folder.revision);
    let mut parts: Vec<Vec<u8>> = vec![kind.into_bytes()];
    for (extension, file) in &folder.specifications {
        parts.push(extension.clone().into_bytes());
        parts.push(of_parts([file.path.as_bytes(), &*file.bytes]).to_vec());
    }
    for file in folder.schemas.values().filter(|_| validated) {
        parts.push(of_parts([file.path.as_bytes(), &*file.bytes]).to_vec());
    }
    for name in folder.operations.keys() {
        parts.push(format!("policy {name}").into_bytes());
    }
    for over in overrides {
        parts.push(format!("override {over:?}").into_bytes());
    }
    of_parts(parts.iter().map(Vec::as_slice))
}

/// Builds the operations of an API.
pub(super) fn build(
    folder: &ApiFolder,
    kind: ApiKind,
    validated: bool,
    overrides: &[EntityOverride],
    overlay_path: &str,
) -> Built {
    let mut spec = spec::read(folder, kind, validated);
    let mut out = Built {
        problems: std::mem::take(&mut spec.problems),
        ..Built::default()
    };
    let listed = apply_overrides(&mut spec, overrides, overlay_path, &mut out.problems);
    match_policies(folder, &mut spec, listed, &mut out);
    let mut table = OperationBuilder::default();
    let mut entries = Vec::with_capacity(spec.operations.len());
    let mut unusable = false;
    let mut catch_all = false;
    for operation in &spec.operations {
        let index = entries.len();
        let text = operation
            .match_template
            .as_deref()
            .unwrap_or(&operation.url_template);
        let problem = match template::parse(text) {
            Err(message) => Some((
                "bad-template",
                format!("operation `{}`: {message}", operation.name),
            )),
            Ok(template) => {
                catch_all |= template.wildcard;
                let fresh = table.insert(index, &operation.method, &template, operation.soap_action.clone());
                (!fresh).then(|| {
                    let message = format!(
                        "operation `{}` has the method and URL template of an earlier one ({} {}) and is never reached",
                        operation.name, operation.method, operation.url_template
                    );
                    ("same-operation", message)
                })
            }
        };
        if let Some((code, message)) = problem {
            unusable |= code == "bad-template";
            let path = if spec.path.is_empty() {
                overlay_path
            } else {
                &spec.path
            };
            out.problems.push(
                Problem::scope(code, path, message)
                    .at(operation.place)
                    .on(&operation.name),
            );
        }
        entries.push(Arc::new(entry(operation, index)));
    }
    out.entries = entries.into();
    out.table = Arc::new(table.finish());
    out.refused = out.refused.take().or(spec.refused);
    if unusable && catch_all && out.refused.is_none() {
        // Requests meant for the unusable operation would run with the wildcard's policies.
        let reason = "an operation does not load, and a wildcard operation would take its requests";
        out.refused = Some(reason.into());
    }
    out
}

fn entry(operation: &SpecOperation, index: usize) -> OperationEntry {
    OperationEntry {
        index,
        operation: Arc::new(context::Operation {
            id: operation.name.as_str().into(),
            method: operation.method.as_str().into(),
            name: operation.display_name.as_str().into(),
            url_template: operation.url_template.as_str().into(),
        }),
        soap_action: operation.soap_action.clone(),
        responses: operation.responses.clone(),
        query_parameters: operation.query_parameters.clone(),
        definition: operation.definition.clone(),
    }
}

/// Changes and adds operations from the overlay. True: the overlay lists operations, so their names are known.
fn apply_overrides(
    spec: &mut Specification,
    overrides: &[EntityOverride],
    path: &str,
    problems: &mut Vec<Problem>,
) -> bool {
    let mut listed = false;
    for over in overrides {
        let text = |key: &str| {
            over.properties
                .as_ref()
                .and_then(|p| p.get(key))
                .and_then(Node::as_scalar)
        };
        let method = match text("method")
            .map(|m| Method::from_bytes(m.as_bytes()))
            .transpose()
        {
            Ok(method) => method,
            Err(_) => {
                let message = format!("operation `{}`: `method` is no HTTP method", over.name);
                problems.push(
                    Problem::scope("bad-method", path, message)
                        .at(over.place)
                        .on("method"),
                );
                continue;
            }
        };
        let template = text("urlTemplate").map(str::to_owned);
        listed |= method.is_some() || template.is_some();
        let known = spec
            .operations
            .iter_mut()
            .find(|o| o.name.eq_ignore_ascii_case(&over.name));
        if let Some(known) = known {
            known.method = method.unwrap_or_else(|| known.method.clone());
            if let Some(template) = template {
                known.url_template = template;
                known.match_template = None;
            }
            if let Some(name) = text("displayName") {
                known.display_name = name.to_owned();
            }
            continue;
        }
        let (Some(method), Some(url_template)) = (method, template) else {
            if over.policy.is_none() {
                let message = format!(
                    "operation `{}` is not in the specification; `method` and `urlTemplate` are needed to add it",
                    over.name
                );
                problems.push(
                    Problem::scope("missing-key", path, message)
                        .at(over.place)
                        .on(&over.name),
                );
            }
            continue;
        };
        add(spec, over, method, url_template, text("displayName"));
    }
    listed
}

fn add(
    spec: &mut Specification,
    over: &EntityOverride,
    method: Method,
    url_template: String,
    display: Option<&str>,
) {
    // A listed SOAP operation takes the place of the one with the same action, which gives it its name.
    let action = url_template.split_once("soapAction=").map(|(_, a)| a.to_owned());
    if let Some(action) = action
        && let Some(known) = spec
            .operations
            .iter_mut()
            .find(|o| o.soap_action.as_deref() == Some(&action))
    {
        known.name.clone_from(&over.name);
        return;
    }
    spec.operations.push(SpecOperation {
        name: over.name.clone(),
        display_name: display.unwrap_or(&over.name).to_owned(),
        method,
        url_template,
        match_template: None,
        soap_action: None,
        responses: Vec::new(),
        query_parameters: Vec::new(),
        definition: None,
        place: Place::default(),
    });
}

/// Gives each operation policy its operation: exact name first, then normalised without regard to case.
fn match_policies(folder: &ApiFolder, spec: &mut Specification, listed: bool, out: &mut Built) {
    for (name, file) in &folder.operations {
        let exact = spec.operations.iter().position(|o| o.name == *name);
        let found = exact.or_else(|| spec.operations.iter().position(|o| same_name(name, &o.name)));
        if let Some(index) = found {
            // The folder has the entity name.
            spec.operations[index].name.clone_from(name);
            out.policies.insert(name.clone(), index);
        } else if spec.names_unknown && !listed {
            let message = format!(
                "operation `{name}` cannot be found: WSDL does not carry APIM's operation names. The API refuses, \
                 because this policy would be skipped; list its operations in the overlay (apis: - name: {}, \
                 operations: - name: {name}, properties: {{method: POST, urlTemplate: \"/?soapAction=…\"}})",
                folder.name
            );
            out.refused = Some(format!("{}: operation unknown", file.path).into());
            out.problems
                .push(Problem::scope("unknown-operation", &file.path, message));
        } else if spec.refused.is_none() {
            let message =
                format!("operation `{name}` is not in the specification, so its policy has no effect");
            out.problems
                .push(Problem::warning("unknown-operation", &file.path, message));
        }
    }
}
