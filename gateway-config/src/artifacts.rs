//! The APIOps artifact folder: which file is what, in the current layout and the older ones met in real extracts.
//!
//! Nothing is dropped in silence: every file is an entity's, a kind that a gateway has no use for (named once in
//! the list below), or reported as unknown.
//! Source: `config-plane.md` §9.

pub(crate) mod api;
pub(crate) mod backend;
pub(crate) mod diagnostic;
pub(crate) mod fields;
pub(crate) mod logger;
pub(crate) mod named_value;
pub(crate) mod product;
pub(crate) mod subscription;
#[cfg(test)]
mod tests;
pub(crate) mod version_set;

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    doc::{self, Node},
    problem::Problem,
    snapshot::FileTree,
};

/// A file that an entity consists of.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) bytes: Arc<[u8]>,
}

/// An entity with its information file.
#[derive(Clone, Debug)]
pub(crate) struct Entity {
    /// Entity name, as the folder is called.
    pub(crate) name: String,
    /// Path of the information file, for problems.
    pub(crate) path: String,
    /// `properties` of the information file; `None`: it could not be read (reported).
    pub(crate) properties: Option<Node>,
    /// Path of the overlay whose values were merged in.
    pub(crate) overlay: Option<Arc<str>>,
}

/// An API folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct ApiFolder {
    /// Name without `;rev=`.
    pub(crate) name: String,
    /// Text after `;rev=`; `None`: the current revision.
    pub(crate) revision: Option<String>,
    /// Information file; without it the folder is no entity.
    pub(crate) info: Option<Entity>,
    /// Specification files found, by extension.
    pub(crate) specifications: BTreeMap<String, File>,
    pub(crate) policy: Option<File>,
    /// Operation policies by folder name.
    pub(crate) operations: BTreeMap<String, File>,
    /// Diagnostics by id.
    pub(crate) diagnostics: BTreeMap<String, Entity>,
    /// Schemas of the API by name, read when some policy asks.
    pub(crate) schemas: BTreeMap<String, File>,
}

/// A product folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProductFolder {
    pub(crate) info: Option<Entity>,
    pub(crate) policy: Option<File>,
    /// Linked APIs (entity names) and where the link stands.
    pub(crate) apis: BTreeMap<String, String>,
    /// Linked groups (entity names).
    pub(crate) groups: BTreeMap<String, String>,
}

/// A gateway folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct GatewayFolder {
    pub(crate) info: Option<Entity>,
    /// Linked APIs (entity names).
    pub(crate) apis: BTreeMap<String, String>,
    /// Host names; only the management API has them.
    pub(crate) hostnames: BTreeMap<String, Entity>,
    /// Certificate authorities, by the name of their certificate; only the management API has them.
    pub(crate) authorities: BTreeMap<String, Entity>,
}

/// A certificate entity; only the management API has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct CertificateFolder {
    pub(crate) info: Option<Entity>,
    /// Chain and key, PEM, fetched from a Key Vault.
    pub(crate) pem: Option<File>,
}

/// A policy fragment folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct FragmentFolder {
    pub(crate) info: bool,
    pub(crate) policy: Option<File>,
}

/// The folder, sorted into entities. Names keep their case; maps are by exact name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Artifacts {
    pub(crate) policy: Option<File>,
    pub(crate) apis: BTreeMap<String, ApiFolder>,
    pub(crate) products: BTreeMap<String, ProductFolder>,
    pub(crate) gateways: BTreeMap<String, GatewayFolder>,
    pub(crate) fragments: BTreeMap<String, FragmentFolder>,
    pub(crate) backends: BTreeMap<String, Entity>,
    pub(crate) named_values: BTreeMap<String, Entity>,
    pub(crate) subscriptions: BTreeMap<String, Entity>,
    pub(crate) version_sets: BTreeMap<String, Entity>,
    pub(crate) groups: BTreeMap<String, Entity>,
    pub(crate) loggers: BTreeMap<String, Entity>,
    pub(crate) diagnostics: BTreeMap<String, Entity>,
    /// Schemas of the service; the extractor leaves them out, people put them in.
    pub(crate) schemas: BTreeMap<String, Entity>,
    pub(crate) certificates: BTreeMap<String, CertificateFolder>,
    pub(crate) caches: BTreeMap<String, Entity>,
}

/// Sorts a folder. Problems are added in path order.
pub(crate) fn read(tree: &FileTree, problems: &mut Vec<Problem>) -> Artifacts {
    let mut reader = Reader::new(problems);
    reader.files(tree);
    reader.finish(tree)
}

/// The files of a folder that are not part of the artifact layout, in path order: a load leaves them alone.
pub fn unread(tree: &FileTree) -> Vec<String> {
    let mut problems = Vec::new();
    let mut reader = Reader::new(&mut problems);
    reader.files(tree);
    reader.unread
}

struct Reader<'p> {
    out: Artifacts,
    problems: &'p mut Vec<Problem>,
    /// Files that nothing claims, counted by folder, with one of them as example.
    unknown: BTreeMap<String, (usize, String)>,
    unread: Vec<String>,
}

impl<'p> Reader<'p> {
    fn new(problems: &'p mut Vec<Problem>) -> Self {
        Self {
            out: Artifacts::default(),
            problems,
            unknown: BTreeMap::new(),
            unread: Vec::new(),
        }
    }

    fn files(&mut self, tree: &FileTree) {
        for (path, bytes) in tree {
            let file = File {
                path: path.clone(),
                bytes: Arc::clone(bytes),
            };
            let parts: Vec<&str> = path.split('/').collect();
            self.file(&parts, file);
        }
    }

    fn file(&mut self, parts: &[&str], file: File) {
        // Editors' and Git's own files are nobody's entities.
        if parts.iter().any(|p| p.starts_with('.')) {
            return;
        }
        match parts {
            ["policy.xml"] => self.out.policy = Some(file),
            ["apis", folder, rest @ ..] => self.api(folder, rest, file),
            ["products", name, rest @ ..] => self.product(name, rest, file),
            ["gateways", name, rest @ ..] => self.gateway(name, rest, file),
            ["policy fragments", name, "policyFragmentInformation.json"] => {
                self.entity(name, file);
                self.out.fragments.entry((*name).to_owned()).or_default().info = true;
            }
            ["policy fragments", name, "policy.xml"] => {
                self.out.fragments.entry((*name).to_owned()).or_default().policy = Some(file);
            }
            ["backends", name, "backendInformation.json"] => {
                let entity = self.entity(name, file);
                self.out.backends.insert(entity.name.clone(), entity);
            }
            ["named values", name, "namedValueInformation.json"] => {
                let entity = self.entity(name, file);
                self.out.named_values.insert(entity.name.clone(), entity);
            }
            ["subscriptions", name, "subscriptionInformation.json"] => {
                let entity = self.entity(name, file);
                self.out.subscriptions.insert(entity.name.clone(), entity);
            }
            [
                "version sets",
                name,
                "versionSetInformation.json" | "apiVersionSetInformation.json",
            ] => {
                let entity = self.entity(name, file);
                self.out.version_sets.insert(entity.name.clone(), entity);
            }
            ["groups", name, "groupInformation.json"] => {
                let entity = self.entity(name, file);
                self.out.groups.insert(entity.name.clone(), entity);
            }
            ["loggers", name, "loggerInformation.json"] => {
                let entity = self.entity(name, file);
                self.out.loggers.insert(entity.name.clone(), entity);
            }
            ["diagnostics", name, "diagnosticInformation.json"] => {
                let entity = self.entity(name, file);
                self.out.diagnostics.insert(entity.name.clone(), entity);
            }
            ["certificates", name, "certificateInformation.json"] => {
                let entity = self.entity(name, file);
                self.out.certificates.entry((*name).to_owned()).or_default().info = Some(entity);
            }
            ["certificates", name, crate::arm::CERTIFICATE_FILE] => {
                self.out.certificates.entry((*name).to_owned()).or_default().pem = Some(file);
            }
            ["caches", name, "cacheInformation.json"] => {
                let entity = self.entity(name, file);
                self.out.caches.insert(entity.name.clone(), entity);
            }
            [
                "schemas",
                name,
                "schemaInformation.json" | "globalSchemaInformation.json",
            ] => {
                let entity = self.entity(name, file);
                self.out.schemas.insert(entity.name.clone(), entity);
            }
            // Tags group things in the portal; a gateway has no use for them.
            ["tags", _, "tagInformation.json"]
            | ["tags", _, "apis", _, "tagApiInformation.json"]
            | ["tags", _, "products", _, "tagProductInformation.json"] => {}
            ["workspaces", name, ..] => {
                let key = format!("workspaces/{name}");
                if !self.unknown.contains_key(&key) {
                    let message =
                        "workspaces are not served by self-hosted gateways; their APIs are not loaded";
                    self.problems.push(Problem::warning("workspace", &key, message));
                }
                self.unknown.entry(key).or_insert((0, String::new()));
            }
            _ => self.unknown(parts, &file.path),
        }
    }

    fn api(&mut self, folder: &str, rest: &[&str], file: File) {
        if self.older_api_layout(folder, rest, &file.path) {
            return;
        }
        let (name, revision) = split_revision(folder);
        match rest {
            ["apiInformation.json"] => {
                let entity = self.entity(name, file);
                self.api_folder(folder, name, revision).info = Some(entity);
            }
            ["policy.xml"] => self.api_folder(folder, name, revision).policy = Some(file),
            ["operations", operation, "policy.xml"] => {
                self.api_folder(folder, name, revision)
                    .operations
                    .insert((*operation).to_owned(), file);
            }
            ["operations.json"] => {
                self.api_folder(folder, name, revision)
                    .specifications
                    .insert("operations".to_owned(), file);
            }
            [specification] if specification.starts_with("specification.") => {
                let extension = specification["specification.".len()..].to_ascii_lowercase();
                if matches!(
                    extension.as_str(),
                    "yaml" | "yml" | "json" | "graphql" | "wsdl" | "wadl" | "proto"
                ) {
                    self.api_folder(folder, name, revision)
                        .specifications
                        .insert(extension, file);
                } else {
                    self.unknown(&["apis", folder, specification], &file.path);
                }
            }
            [
                "diagnostics",
                id,
                "diagnosticInformation.json" | "apiDiagnosticInformation.json",
            ] => {
                let entity = self.entity(id, file);
                self.api_folder(folder, name, revision)
                    .diagnostics
                    .insert((*id).to_owned(), entity);
            }
            ["schemas", schema, "apiSchemaInformation.json"] => {
                self.api_folder(folder, name, revision)
                    .schemas
                    .insert((*schema).to_owned(), file);
            }
            // Release notes and tags: nothing of it changes what is served.
            ["releases", _, "apiReleaseInformation.json"] | ["tags", _, "apiTagInformation.json"] => {}
            _ => {
                let mut parts = vec!["apis", folder];
                parts.extend(rest);
                self.unknown(&parts, &file.path);
            }
        }
    }

    fn api_folder(&mut self, folder: &str, name: &str, revision: Option<&str>) -> &mut ApiFolder {
        self.out
            .apis
            .entry(folder.to_owned())
            .or_insert_with(|| ApiFolder {
                name: name.to_owned(),
                revision: revision.map(str::to_owned),
                ..ApiFolder::default()
            })
    }

    /// `apis/{displayName}/{version or "Original"}/{revision}/…` of the first releases: refused with the remedy.
    fn older_api_layout(&mut self, folder: &str, rest: &[&str], path: &str) -> bool {
        let [_, revision, file, ..] = rest else {
            return false;
        };
        if !revision.bytes().all(|b| b.is_ascii_digit()) || *file != "apiInformation.json" {
            return false;
        }
        let message = format!(
            "`apis/{folder}/{{version}}/{{revision}}` is the layout of the first APIOps releases and is not read; \
             extract again with a current release (folders `apis/{{name}}` and `apis/{{name}};rev={{n}}`)"
        );
        self.problems.push(Problem::scope("old-layout", path, message));
        true
    }

    fn product(&mut self, name: &str, rest: &[&str], file: File) {
        match rest {
            ["productInformation.json"] => {
                let entity = self.entity(name, file);
                self.out.products.entry(name.to_owned()).or_default().info = Some(entity);
            }
            ["policy.xml"] => self.out.products.entry(name.to_owned()).or_default().policy = Some(file),
            ["apis", api, "productApiInformation.json"] => {
                self.link("product", api, &file.path, |r| {
                    &mut r.out.products.entry(name.to_owned()).or_default().apis
                });
            }
            ["groups", group, "productGroupInformation.json"] => {
                self.link("product", group, &file.path, |r| {
                    &mut r.out.products.entry(name.to_owned()).or_default().groups
                });
            }
            ["apis.json"] => {
                let names = self.name_list(&file);
                for api in names {
                    self.link("product", &api, &file.path, |r| {
                        &mut r.out.products.entry(name.to_owned()).or_default().apis
                    });
                }
            }
            ["groups.json"] => {
                let names = self.name_list(&file);
                for group in names {
                    self.link("product", &group, &file.path, |r| {
                        &mut r.out.products.entry(name.to_owned()).or_default().groups
                    });
                }
            }
            _ => {
                let mut parts = vec!["products", name];
                parts.extend(rest);
                self.unknown(&parts, &file.path);
            }
        }
    }

    fn gateway(&mut self, name: &str, rest: &[&str], file: File) {
        match rest {
            ["gatewayInformation.json"] => {
                let entity = self.entity(name, file);
                self.out.gateways.entry(name.to_owned()).or_default().info = Some(entity);
            }
            ["apis", api, "gatewayApiInformation.json"] => {
                self.link("gateway", api, &file.path, |r| {
                    &mut r.out.gateways.entry(name.to_owned()).or_default().apis
                });
            }
            ["apis.json"] => {
                let names = self.name_list(&file);
                for api in names {
                    self.link("gateway", &api, &file.path, |r| {
                        &mut r.out.gateways.entry(name.to_owned()).or_default().apis
                    });
                }
            }
            [
                "hostnameConfigurations",
                host,
                "hostnameConfigurationInformation.json",
            ] => {
                let entity = self.entity(host, file);
                let gateway = self.out.gateways.entry(name.to_owned()).or_default();
                gateway.hostnames.insert((*host).to_owned(), entity);
            }
            [
                "certificateAuthorities",
                authority,
                "certificateAuthorityInformation.json",
            ] => {
                let entity = self.entity(authority, file);
                let gateway = self.out.gateways.entry(name.to_owned()).or_default();
                gateway.authorities.insert((*authority).to_owned(), entity);
            }
            _ => {
                let mut parts = vec!["gateways", name];
                parts.extend(rest);
                self.unknown(&parts, &file.path);
            }
        }
    }

    /// Records a link. Links exist for current revisions only; one to `api;rev=n` is ignored with a note.
    fn link(
        &mut self,
        owner: &str,
        target: &str,
        path: &str,
        links: impl Fn(&mut Self) -> &mut BTreeMap<String, String>,
    ) {
        if split_revision(target).1.is_some() {
            let message = format!(
                "a {owner} is linked to APIs as a whole, so the link to revision `{target}` is ignored; \
                 link the name without `;rev=`"
            );
            self.problems
                .push(Problem::warning("revision-link", path, message));
            return;
        }
        links(self).insert(target.to_owned(), path.to_owned());
    }

    /// The older link files: `[{"name": "…"}]`.
    fn name_list(&mut self, file: &File) -> Vec<String> {
        match doc::read(&file.path, &file.bytes, self.problems) {
            Err(problem) => {
                self.problems.push(problem);
                Vec::new()
            }
            Ok(node) => {
                let mut names = Vec::new();
                if !matches!(node.data, doc::Data::List(_)) {
                    let message = format!("expected a list of objects with `name`, found {}", node.kind());
                    self.problems
                        .push(Problem::scope("bad-link", &file.path, message).at(node.place));
                }
                for item in node.items() {
                    match item.get("name").and_then(Node::as_text) {
                        Some(name) => names.push(name.to_owned()),
                        None => self.problems.push(
                            Problem::scope("bad-link", &file.path, "a link needs `\"name\": \"…\"`")
                                .at(item.place),
                        ),
                    }
                }
                names
            }
        }
    }

    fn entity(&mut self, name: &str, file: File) -> Entity {
        let properties = match doc::read(&file.path, &file.bytes, self.problems) {
            Err(problem) => {
                self.problems.push(problem);
                None
            }
            Ok(node) => match &node.data {
                doc::Data::Map(_) => Some(node.get("properties").cloned().unwrap_or_else(|| {
                    let message = "no `properties` object; everything takes its default";
                    self.problems
                        .push(Problem::warning("no-properties", &file.path, message));
                    Node::empty_map()
                })),
                _ => {
                    let message = format!("expected an object with `properties`, found {}", node.kind());
                    self.problems
                        .push(Problem::scope("bad-entity", &file.path, message).at(node.place));
                    None
                }
            },
        };
        Entity {
            name: name.to_owned(),
            path: file.path,
            properties,
            overlay: None,
        }
    }

    fn unknown(&mut self, parts: &[&str], path: &str) {
        self.unread.push(path.to_owned());
        let folder = if parts.len() > 1 {
            parts[..parts.len() - 1].join("/")
        } else {
            String::new()
        };
        self.unknown
            .entry(folder)
            .or_insert_with(|| (0, path.to_owned()))
            .0 += 1;
    }

    fn finish(self, tree: &FileTree) -> Artifacts {
        let Reader {
            mut out,
            problems,
            unknown,
            unread: _,
        } = self;
        for (folder, (count, example)) in unknown.into_iter().filter(|(_, (count, _))| *count > 0) {
            let message = match (count, folder.as_str()) {
                (1, _) => "not part of the artifact layout; the file is not read".to_owned(),
                (n, "") => {
                    format!("{n} files at the top are not part of the artifact layout and are not read")
                }
                (n, folder) => {
                    format!("{n} files in `{folder}` are not part of the artifact layout and are not read")
                }
            };
            problems.push(Problem::warning("unknown-file", &example, message));
        }
        if out.apis.is_empty() && !tree.is_empty() && out.policy.is_none() {
            let nested = tree
                .keys()
                .find_map(|p| p.find("/apis/").map(|at| p[..at].to_owned()));
            if let Some(folder) = nested {
                let message = format!(
                    "no `apis` folder here, but one in `{folder}`: point config.artifacts.path at `{folder}`"
                );
                problems.push(Problem::new(
                    crate::problem::Severity::Fatal,
                    "wrong-folder",
                    &folder,
                    message,
                ));
            }
        }
        drop_incomplete(&mut out, problems);
        same_names(&out, problems);
        out
    }
}

/// A folder without its information file is no entity.
fn drop_incomplete(out: &mut Artifacts, problems: &mut Vec<Problem>) {
    out.apis.retain(|folder, api| {
        if api.info.is_none() {
            incomplete(problems, &format!("apis/{folder}"), "apiInformation.json");
        }
        api.info.is_some()
    });
    out.products.retain(|name, product| {
        if product.info.is_none() {
            incomplete(problems, &format!("products/{name}"), "productInformation.json");
        }
        product.info.is_some()
    });
    for (name, fragment) in &mut out.fragments {
        if fragment.policy.is_none() {
            incomplete(problems, &format!("policy fragments/{name}"), "policy.xml");
        } else if !fragment.info {
            let path = format!("policy fragments/{name}");
            let message = "`policyFragmentInformation.json` is missing; the fragment is used all the same";
            problems.push(Problem::warning("no-information-file", &path, message));
        }
    }
}

fn incomplete(problems: &mut Vec<Problem>, path: &str, file: &str) {
    let message =
        format!("`{file}` is missing, so the folder is no entity; add the file or remove the folder");
    problems.push(Problem::scope("no-information-file", path, message));
}

/// Names are unique without regard to case in APIM; a folder on Linux can hold both.
fn same_names(out: &Artifacts, problems: &mut Vec<Problem>) {
    let mut check = |kind: &str, names: Vec<&String>| {
        let mut seen: BTreeMap<String, &String> = BTreeMap::new();
        for name in names {
            if let Some(other) = seen.insert(name.to_lowercase(), name) {
                let path = format!("{kind}/{name}");
                let message =
                    format!("`{other}` and `{name}` are one name in APIM; remove one of the folders");
                problems.push(Problem::scope("same-name", &path, message));
            }
        }
    };
    check("apis", out.apis.keys().collect());
    check("products", out.products.keys().collect());
    check("backends", out.backends.keys().collect());
    check("subscriptions", out.subscriptions.keys().collect());
    check("version sets", out.version_sets.keys().collect());
    check("policy fragments", out.fragments.keys().collect());
}

/// `echo;rev=3` is `echo` and `3`.
pub(crate) fn split_revision(name: &str) -> (&str, Option<&str>) {
    match name.to_ascii_lowercase().find(";rev=") {
        Some(at) => (&name[..at], Some(&name[at + 5..])),
        None => (name, None),
    }
}

/// The last part of an ARM id or relative id, when the part before it is `kind`: `/…/apis/echo` is `echo`.
pub(crate) fn id_in<'a>(id: &'a str, kind: &str) -> Option<&'a str> {
    let mut parts = id.trim_end_matches('/').rsplit('/');
    let name = parts.next()?;
    let parent = parts.next()?;
    parent.eq_ignore_ascii_case(kind).then_some(name)
}
