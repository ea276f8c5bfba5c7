//! Entity overrides: the shape of APIOps' `configuration.{env}.yaml`, merged into what the folder holds.

use std::{collections::BTreeMap, sync::Arc};

use super::{Overlay, Reader, keys};
use crate::{
    artifacts::{Artifacts, Entity, File, split_revision},
    doc::Node,
    problem::{Place, Problem, did_you_mean},
};

/// An override of one entity.
#[derive(Clone, Debug)]
pub(crate) struct EntityOverride {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) properties: Option<Node>,
    /// `apis`: operations to change or add.
    pub(crate) operations: Vec<EntityOverride>,
    /// `apis`: diagnostics to change or add.
    pub(crate) diagnostics: Vec<EntityOverride>,
    /// Text that replaces the policy document.
    pub(crate) policy: Option<String>,
}

/// Reads a list of overrides.
pub(super) fn read(reader: &mut Reader<'_>, kind: &keys::EntityKind, list: &Node) -> Vec<EntityOverride> {
    let mut out: Vec<EntityOverride> = Vec::new();
    for item in reader.list(Some(list), kind.name) {
        if let Some(one) = read_one(reader, kind.name, kind.keys, kind.properties, item) {
            if out.iter().any(|o| o.name == one.name) {
                let message = format!("`{}` stands twice in `{}`; merge the two", one.name, kind.name);
                reader.fail("repeated-name", "name", one.place, message);
            }
            out.push(one);
        }
    }
    out
}

fn read_one(
    reader: &mut Reader<'_>,
    kind: &str,
    known: &[keys::Key],
    properties: &[&str],
    item: &Node,
) -> Option<EntityOverride> {
    let what = format!("an entry of `{kind}`");
    let m = reader.members(item, known, &what)?;
    let name = reader.needed(m, "name", &what)?;
    let node = m.get("properties");
    if let Some(node) = node
        && reader.members_are_object(node)
        && !properties.is_empty()
    {
        for (key, _) in node
            .members()
            .iter()
            .filter(|(k, _)| !properties.contains(&k.name.as_str()))
        {
            let hint = match did_you_mean(&key.name, properties.iter().copied()) {
                Some(close) => format!("did you mean `{close}`?"),
                None => "it is kept but means nothing here".to_owned(),
            };
            let message = format!("`{}` is no property of `{kind}`; {hint}", key.name);
            reader.problems.push(
                Problem::warning("unknown-property", reader.path, message)
                    .at(key.place)
                    .on(&key.name),
            );
        }
    }
    let mut policy = None;
    for child in reader.list(m.get("policies"), "policies") {
        let one = read_one(reader, "policies", keys::POLICY, &["format", "value"], child);
        policy = one.and_then(|p| policy_text(p.properties.as_ref())).or(policy);
    }
    let mut operations = Vec::new();
    if kind == "apis" {
        let own = &[
            "method",
            "urlTemplate",
            "displayName",
            "description",
            "templateParameters",
            "request",
            "responses",
        ];
        for child in reader.list(m.get("operations"), "operations") {
            operations.extend(read_one(reader, "operations", keys::OPERATION, own, child));
        }
    }
    let mut diagnostics = Vec::new();
    if kind == "apis" {
        for child in reader.list(m.get("diagnostics"), "diagnostics") {
            diagnostics.extend(read_one(reader, "diagnostics", keys::PLAIN, &[], child));
        }
    }
    if matches!(kind, "policies" | "policyFragments") {
        policy = policy_text(node);
    }
    if let Some(node) = node
        && !UNCHECKED_KINDS.contains(&kind)
    {
        placeholders(reader, node);
    }
    let mut properties = node.cloned();
    if let Some(properties) = &mut properties {
        properties.mark_overlay();
    }
    Some(EntityOverride {
        name: name.to_string(),
        place: item.place,
        properties,
        operations,
        diagnostics,
        policy,
    })
}

/// Kinds that are not used, and policy text, where `{#` can mean something else.
const UNCHECKED_KINDS: [&str; 4] = ["tags", "workspaces", "policies", "policyFragments"];

/// Values that a pipeline should have replaced.
fn placeholders(reader: &mut Reader<'_>, node: &Node) {
    if let Some(text) = node.as_text()
        && let Some(open) = text.find("{#")
        && let Some(close) = text[open..].find("#}")
    {
        let message = format!(
            "the placeholder `{}` was not replaced by the pipeline",
            &text[open..open + close + 2]
        );
        reader.fail("placeholder", "properties", node.place, message);
    }
    node.items().iter().for_each(|item| placeholders(reader, item));
    node.members()
        .iter()
        .for_each(|(_, member)| placeholders(reader, member));
}

fn policy_text(properties: Option<&Node>) -> Option<String> {
    properties?.get("value")?.as_text().map(str::to_owned)
}

impl Reader<'_> {
    fn members_are_object(&mut self, node: &Node) -> bool {
        let object = matches!(node.data, crate::doc::Data::Map(_));
        if !object {
            let message = format!("`properties` must be an object, found {}", node.kind());
            self.fail("wrong-type", "properties", node.place, message);
        }
        object
    }
}

/// Merges all overrides.
pub(super) fn apply(overlay: &Overlay, artifacts: &mut Artifacts, problems: &mut Vec<Problem>) {
    let mut merger = Merger {
        path: &overlay.path,
        problems,
    };
    let list = |kind: &str| overlay.entities.get(kind).map_or(&[][..], Vec::as_slice);
    merger.entities(
        "namedValues",
        list("namedValues"),
        &mut artifacts.named_values,
        true,
    );
    merger.entities(
        "subscriptions",
        list("subscriptions"),
        &mut artifacts.subscriptions,
        true,
    );
    merger.entities("backends", list("backends"), &mut artifacts.backends, true);
    merger.entities(
        "versionSets",
        list("versionSets"),
        &mut artifacts.version_sets,
        false,
    );
    merger.entities("groups", list("groups"), &mut artifacts.groups, true);
    merger.entities("loggers", list("loggers"), &mut artifacts.loggers, true);
    merger.entities(
        "diagnostics",
        list("diagnostics"),
        &mut artifacts.diagnostics,
        true,
    );
    for over in list("policies") {
        if let Some(text) = &over.policy {
            artifacts.policy = Some(merger.document(text));
        }
    }
    for over in list("policyFragments") {
        match artifacts.fragments.get_mut(&over.name) {
            None => merger.unknown("policyFragments", over, artifacts.fragments.keys()),
            Some(fragment) => {
                if let Some(text) = &over.policy {
                    fragment.policy = Some(merger.document(text));
                }
            }
        }
    }
    for over in list("gateways") {
        match artifacts
            .gateways
            .get_mut(&over.name)
            .and_then(|g| g.info.as_mut())
        {
            None => merger.unknown("gateways", over, artifacts.gateways.keys()),
            Some(info) => merger.merge(info, over),
        }
    }
    for over in list("products") {
        match artifacts.products.get_mut(&over.name) {
            None => merger.unknown("products", over, artifacts.products.keys()),
            Some(product) => {
                if let Some(info) = &mut product.info {
                    merger.merge(info, over);
                }
                if let Some(text) = &over.policy {
                    product.policy = Some(merger.document(text));
                }
            }
        }
    }
    for over in list("apis") {
        apply_api(&mut merger, over, artifacts);
    }
}

fn apply_api(merger: &mut Merger<'_>, over: &EntityOverride, artifacts: &mut Artifacts) {
    let Some(api) = artifacts.apis.get_mut(&over.name) else {
        return merger.unknown("apis", over, artifacts.apis.keys());
    };
    if let Some(info) = &mut api.info {
        let mut over = over.clone();
        if let Some(Node {
            data: crate::doc::Data::Map(members),
            ..
        }) = &mut over.properties
        {
            members.retain(|(key, _)| {
                let fixed = matches!(key.name.as_str(), "apiRevision" | "isCurrent");
                if fixed {
                    let message = format!("`{}` cannot be overridden; it follows from the folder", key.name);
                    merger.problems.push(
                        Problem::warning("fixed-property", merger.path, message)
                            .at(key.place)
                            .on(&key.name),
                    );
                }
                !fixed
            });
        }
        merger.merge(info, &over);
    }
    if let Some(text) = &over.policy {
        api.policy = Some(merger.document(text));
    }
    merger.entities("diagnostics", &over.diagnostics, &mut api.diagnostics, true);
    for operation in &over.operations {
        if let Some(text) = &operation.policy {
            api.operations
                .insert(operation.name.clone(), merger.document(text));
        }
    }
}

struct Merger<'a> {
    path: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Merger<'_> {
    fn document(&self, text: &str) -> File {
        File {
            path: self.path.to_owned(),
            bytes: Arc::from(text.as_bytes()),
        }
    }

    fn merge(&mut self, entity: &mut Entity, over: &EntityOverride) {
        if let (Some(mine), Some(theirs)) = (&mut entity.properties, &over.properties) {
            mine.merge(theirs);
            entity.overlay = Some(self.path.into());
        }
    }

    fn entities(
        &mut self,
        kind: &str,
        overrides: &[EntityOverride],
        known: &mut BTreeMap<String, Entity>,
        create: bool,
    ) {
        for over in overrides {
            if let Some(entity) = known.get_mut(&over.name) {
                self.merge(entity, over);
            } else if create {
                self.near_miss(kind, over, known.keys());
                let properties = over.properties.clone().unwrap_or_else(Node::empty_map);
                let entity = Entity {
                    name: over.name.clone(),
                    path: self.path.to_owned(),
                    properties: Some(properties),
                    overlay: Some(self.path.into()),
                };
                known.insert(over.name.clone(), entity);
            } else {
                self.unknown(kind, over, known.keys());
            }
        }
    }

    /// Names are compared exactly; another case is surely a slip.
    fn near_miss<'k>(
        &mut self,
        kind: &str,
        over: &EntityOverride,
        mut known: impl Iterator<Item = &'k String>,
    ) {
        if let Some(close) = known.find(|k| k.eq_ignore_ascii_case(&over.name)) {
            let message = format!(
                "`{}` of `{kind}` is written `{close}` in the folder; names are compared exactly",
                over.name
            );
            self.problems.push(
                Problem::scope("same-name", self.path, message)
                    .at(over.place)
                    .on(&over.name),
            );
        }
    }

    fn unknown<'k>(&mut self, kind: &str, over: &EntityOverride, known: impl Iterator<Item = &'k String>) {
        let names: Vec<&str> = known.map(String::as_str).collect();
        let hint = match did_you_mean(&over.name, names.iter().copied()) {
            Some(close) => format!("did you mean `{close}`?"),
            None => format!("the folder has {} of this kind", names.len()),
        };
        let revision = if split_revision(&over.name).1.is_some() {
            " (revisions are named `api;rev=n`)"
        } else {
            ""
        };
        let message = format!(
            "`{}` of `{kind}` is not in the folder, so nothing is overridden; {hint}{revision}",
            over.name
        );
        self.problems.push(
            Problem::warning("nothing-to-override", self.path, message)
                .at(over.place)
                .on(&over.name),
        );
    }
}
