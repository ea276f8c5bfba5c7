//! APIs: information file, version set, operations, place in the route table.

use std::{collections::HashMap, sync::Arc};

use gateway_policy::context;

use super::{digest::Digest, gateway::Gateway, operations, operations::Built, validated::Validated};
use crate::{
    artifacts::{ApiFolder, Artifacts, api, api::ApiInfo, version_set},
    overlay::{EntityOverride, Overlay},
    problem::Problem,
    routing::RouteTable,
    snapshot::{ApiEntry, ApiKind, Snapshot, Version, VersionPlace},
};

/// All APIs that are served.
#[derive(Debug, Default)]
pub(super) struct Apis {
    pub(super) entries: Vec<Arc<ApiEntry>>,
    /// The folder of each entry.
    pub(super) folders: Vec<String>,
    /// The operations of each entry.
    pub(super) built: Vec<Arc<Built>>,
    pub(super) routes: RouteTable,
    pub(super) cache: HashMap<Digest, Arc<Built>>,
}

struct Builder<'a> {
    overlay: &'a Overlay,
    /// Operation lists of the overlay by API folder.
    overrides: HashMap<&'a str, &'a [EntityOverride]>,
    /// By lower-case name; `None`: it did not load.
    version_sets: HashMap<String, Option<VersionPlace>>,
    previous: Option<&'a Snapshot>,
    /// Whose messages some policy validates.
    validated: Validated,
    /// Identity of a route and the folder that has it.
    taken: HashMap<(String, String, String, bool), String>,
    out: Apis,
    problems: &'a mut Vec<Problem>,
}

/// Builds the APIs that the gateway serves.
pub(super) fn build(
    artifacts: &Artifacts,
    overlay: &Overlay,
    gateway: &Gateway,
    previous: Option<&Snapshot>,
    problems: &mut Vec<Problem>,
) -> Apis {
    let version_sets = artifacts
        .version_sets
        .iter()
        .map(|(n, e)| (n.to_lowercase(), version_set::read(e, problems)))
        .collect();
    let listed = overlay.entities.get("apis").map_or(&[][..], Vec::as_slice);
    let mut builder = Builder {
        overlay,
        overrides: listed
            .iter()
            .map(|o| (o.name.as_str(), o.operations.as_slice()))
            .collect(),
        version_sets,
        previous,
        validated: Validated::find(artifacts),
        taken: HashMap::new(),
        out: Apis::default(),
        problems,
    };
    for (name, folder) in artifacts.apis.iter().filter(|(_, f)| gateway.serves(&f.name)) {
        builder.api(name, folder);
    }
    builder.out
}

impl Builder<'_> {
    fn api(&mut self, folder_name: &str, folder: &ApiFolder) {
        let Some(entity) = &folder.info else { return };
        let Some(info) = api::read(entity, folder.revision.as_deref(), self.problems) else {
            return self.keep_path(folder_name, folder, &entity.path);
        };
        if info.offline {
            return;
        }
        let built = self.operations(folder_name, folder, info.kind);
        let version = self.version(&info, &entity.path);
        let refused = version
            .as_ref()
            .err()
            .cloned()
            .or(info.refused.clone())
            .or(built.refused.clone());
        let version = version.unwrap_or_default();
        let effective_path = effective_path(&info, version.as_ref());
        let entry = self.entry(folder, info, version, effective_path, refused, &built);
        self.insert(folder_name, Arc::new(entry), built, &entity.path);
    }

    /// The information file cannot be read, but the last snapshot knows the path: its requests are refused instead of
    /// falling to an API with a shorter path.
    fn keep_path(&mut self, folder_name: &str, folder: &ApiFolder, path: &str) {
        let folded = folder.name.to_lowercase();
        let current = folder.revision.is_none();
        let known = self.previous.and_then(|p| {
            p.apis.iter().find(|a| {
                *a.folded_name == *folded
                    && a.api.is_current_revision == current
                    && folder.revision.as_deref().is_none_or(|r| *a.api.revision == *r)
            })
        });
        let Some(known) = known else { return };
        let entry = ApiEntry {
            index: self.out.entries.len(),
            name: Arc::clone(&known.name),
            folded_name: Arc::clone(&known.folded_name),
            api: Arc::clone(&known.api),
            key_header: known.key_header.clone(),
            service_url: None,
            effective_path: Arc::clone(&known.effective_path),
            kind: known.kind,
            protocols: known.protocols,
            subscription_required: true,
            version: known.version.clone(),
            operations: Arc::from([]),
            refused: Some(format!("{path} could not be read").into()),
        };
        self.insert(folder_name, Arc::new(entry), Arc::new(Built::default()), path);
    }

    fn operations(&mut self, folder_name: &str, folder: &ApiFolder, kind: ApiKind) -> Arc<Built> {
        let overrides = self.overrides.get(folder_name).copied().unwrap_or_default();
        let validated = self.validated.has(folder);
        let digest = operations::digest(folder, kind, validated, overrides);
        let built = match self.previous.and_then(|p| p.cache.operations.get(&digest)) {
            Some(built) => Arc::clone(built),
            None => Arc::new(operations::build(
                folder,
                kind,
                validated,
                overrides,
                &self.overlay.path,
            )),
        };
        self.problems.extend(built.problems.iter().cloned());
        self.out.cache.insert(digest, Arc::clone(&built));
        built
    }

    /// How the API is told from its siblings; the error is why it refuses.
    fn version(&mut self, info: &ApiInfo, path: &str) -> Result<Option<Version>, Arc<str>> {
        let Some(set) = &info.version_set else {
            if let Some(version) = &info.version {
                let message = format!(
                    "`apiVersion` is `{version}` but there is no `apiVersionSetId`, so requests need no version"
                );
                self.problems
                    .push(Problem::warning("no-version-set", path, message).on("apiVersion"));
            }
            return Ok(None);
        };
        let refuse = |problems: &mut Vec<Problem>, message: String| {
            let reason: Arc<str> = format!("{path}: {message}").into();
            problems.push(Problem::scope("unknown-version-set", path, message).on("apiVersionSetId"));
            Err(reason)
        };
        match self.version_sets.get(&set.to_lowercase()) {
            None => refuse(
                self.problems,
                format!("version set `{set}` is not in the folder; add `version sets/{set}`"),
            ),
            Some(None) => refuse(self.problems, format!("version set `{set}` did not load")),
            Some(Some(place)) => {
                let identifier = info.version.clone().unwrap_or_default();
                Ok(Some(Version {
                    identifier,
                    place: place.clone(),
                }))
            }
        }
    }

    fn entry(
        &self,
        folder: &ApiFolder,
        info: ApiInfo,
        version: Option<Version>,
        effective_path: Arc<str>,
        refused: Option<Arc<str>>,
        built: &Built,
    ) -> ApiEntry {
        let name: Arc<str> = folder.name.as_str().into();
        let api = context::Api {
            id: Arc::clone(&name),
            name: info.display_name,
            path: info.path,
            revision: info.revision,
            is_current_revision: folder.revision.is_none(),
            version: info.version,
            service_url: info.service_url.clone(),
            protocols: info.protocol_names,
            key_header: info.key_header_text,
            key_query: info.key_query,
        };
        ApiEntry {
            index: self.out.entries.len(),
            folded_name: name.to_lowercase().into(),
            name,
            api: Arc::new(api),
            key_header: info.key_header,
            service_url: info.service_url,
            effective_path,
            kind: info.kind,
            protocols: info.protocols,
            subscription_required: info.subscription_required,
            version,
            operations: Arc::clone(&built.entries),
            refused,
        }
    }

    fn insert(&mut self, folder_name: &str, entry: Arc<ApiEntry>, built: Arc<Built>, path: &str) {
        let identity = (
            entry.effective_path.to_lowercase(),
            match &entry.version {
                Some(v) if v.place != VersionPlace::Segment => v.identifier.to_lowercase(),
                _ => String::new(),
            },
            if entry.api.is_current_revision {
                String::new()
            } else {
                entry.api.revision.to_string()
            },
            entry.kind == ApiKind::WebSocket,
        );
        if let Some(other) = self.taken.get(&identity) {
            let message = format!(
                "path `{}` with this version and revision is taken by `{other}`, so this API is never reached; \
                 change one of the paths",
                entry.effective_path
            );
            self.problems
                .push(Problem::scope("same-path", path, message).on("path"));
            return;
        }
        self.taken.insert(identity, folder_name.to_owned());
        self.out
            .routes
            .insert(Arc::clone(&entry), Arc::clone(&built.table));
        self.out.entries.push(entry);
        self.out.folders.push(folder_name.to_owned());
        self.out.built.push(built);
    }
}

/// `path`, and the version as a segment with scheme `Segment`.
fn effective_path(info: &ApiInfo, version: Option<&Version>) -> Arc<str> {
    match version {
        Some(v) if v.place == VersionPlace::Segment && !v.identifier.is_empty() => {
            let separator = if info.path.is_empty() { "" } else { "/" };
            format!("{}{separator}{}", info.path, v.identifier.trim_matches('/')).into()
        }
        _ => Arc::clone(&info.path),
    }
}
