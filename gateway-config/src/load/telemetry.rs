//! Loggers and diagnostics of a load; an API's diagnostic replaces the service's of the same kind whole.

use std::{collections::BTreeMap, sync::Arc};

use super::apis::Apis;
use crate::{
    artifacts::{Artifacts, Entity, diagnostic, diagnostic::Kind, logger},
    problem::{Problem, did_you_mean},
    secret::SecretLookup,
    settings::Settings,
    telemetry::{Diagnostics, Logger, Telemetry},
};

pub(super) fn read(
    artifacts: &Artifacts,
    names: &super::identities::NamedValues,
    apis: &Apis,
    settings: &Settings,
    secrets: SecretLookup<'_>,
    problems: &mut Vec<Problem>,
) -> Telemetry {
    let lookup = |name: &str| names.get(name).map(|v| Arc::clone(&v.value));
    let fallback = &settings.logs.application_insights_endpoint;
    let loggers: BTreeMap<Arc<str>, Arc<Logger>> = artifacts
        .loggers
        .values()
        .map(|entity| {
            let logger = logger::read(entity, &lookup, secrets, fallback, problems);
            (logger.id.to_ascii_lowercase().into(), Arc::new(logger))
        })
        .collect();
    let service = Arc::new(merged(
        &Diagnostics::default(),
        &artifacts.diagnostics,
        &loggers,
        problems,
    ));
    let apis = apis
        .folders
        .iter()
        .map(|folder| match artifacts.apis.get(folder) {
            Some(folder) if !folder.diagnostics.is_empty() => {
                Arc::new(merged(&service, &folder.diagnostics, &loggers, problems))
            }
            _ => Arc::clone(&service),
        })
        .collect();
    Telemetry {
        loggers,
        service,
        apis,
    }
}

/// `base` with what the scope's own diagnostics say.
fn merged(
    base: &Diagnostics,
    own: &BTreeMap<String, Entity>,
    loggers: &BTreeMap<Arc<str>, Arc<Logger>>,
    problems: &mut Vec<Problem>,
) -> Diagnostics {
    let mut out = base.clone();
    for (id, entity) in own {
        let Some(kind) = Kind::of(id) else {
            let known = ["applicationinsights", "local", "azuremonitor"];
            let hint = match did_you_mean(id, known) {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!("known are {}", known.join(", ")),
            };
            let message = format!("`{id}` is no kind of diagnostic, so nothing is told by it; {hint}");
            problems.push(Problem::warning("unknown-diagnostic", &entity.path, message).on(id));
            continue;
        };
        let read = diagnostic::read(entity, kind, loggers, problems).map(Arc::new);
        match kind {
            Kind::Insights => out.insights = read,
            Kind::Local => out.local = read,
            Kind::Monitor => {}
        }
    }
    out
}
