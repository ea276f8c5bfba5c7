//! Policy documents of all scopes, compiled once each, and the programs composed of them.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    ops::RangeInclusive,
    sync::Arc,
};

use gateway_policy::{Fragment, NamedValue, Names, Options, Program, Scope, ScopeDoc, Source};

use super::{
    apis::Apis,
    digest::{Digest, of_parts},
    identities::NamedValues,
};
use crate::{
    artifacts::{Artifacts, File},
    doc::text_of,
    problem::{Place, Problem, Severity},
    settings::Settings,
    snapshot::{ApiEntry, OperationEntry, ProductEntry, Snapshot},
};

/// APIM: a policy document has at most 256 KiB.
const MAX_DOCUMENT: usize = 256 * 1024;

/// A document that was compiled, or stands for one that did not.
#[derive(Debug)]
pub(crate) struct Compiled {
    document: Arc<ScopeDoc>,
    refused: bool,
    problems: Vec<Problem>,
}

/// What was compiled.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) documents: usize,
    pub(super) refused: usize,
}

/// Compiles documents, taking unchanged ones from the previous snapshot.
pub(super) struct Compiler<'a> {
    names: Names,
    options: Options,
    /// Hash of each fragment with everything it refers to.
    fragments: BTreeMap<String, Digest>,
    previous: Option<&'a Snapshot>,
    problems: &'a mut Vec<Problem>,
    cache: HashMap<Digest, Arc<Compiled>>,
    counts: Counts,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(
        artifacts: &Artifacts,
        named_values: &NamedValues,
        settings: &Settings,
        has_external_cache: bool,
        previous: Option<&'a Snapshot>,
        problems: &'a mut Vec<Problem>,
    ) -> Self {
        let mut names = Names::default();
        for (name, value) in named_values {
            let value = NamedValue {
                value: Arc::clone(&value.value),
                secret: value.secret,
            };
            names.named_values.insert(Arc::clone(name), value);
        }
        for (name, folder) in &artifacts.fragments {
            let Some(file) = &folder.policy else { continue };
            match text_of(&file.path, &file.bytes) {
                Err(problem) => problems.push(problem),
                Ok(text) => {
                    let fragment = Fragment {
                        path: file.path.as_str().into(),
                        text: text.into(),
                    };
                    names.fragments.insert(name.as_str().into(), fragment);
                }
            }
        }
        let options = Options {
            refuse_unsupported: settings.compat.refuse_unsupported_policies,
            has_cache: has_external_cache || settings.cache.external.is_some() || settings.cache.memory,
            ..Options::default()
        };
        let mut out = Compiler {
            names,
            options,
            fragments: BTreeMap::new(),
            previous,
            problems,
            cache: HashMap::new(),
            counts: Counts::default(),
        };
        // Fragments may include fragments; three rounds settle the hashes of the nesting that is allowed.
        for _ in 0..3 {
            let hashes = out
                .names
                .fragments
                .iter()
                .map(|(n, f)| (n.to_string(), out.digest(&f.path, &f.text, None)));
            out.fragments = hashes.collect();
        }
        out
    }

    /// Hash of a document and of everything it refers to by name.
    fn digest(&self, path: &str, text: &str, scope: Option<Scope>) -> Digest {
        let mut parts: Vec<Vec<u8>> = vec![
            path.into(),
            text.into(),
            format!("{scope:?} {:?}", self.options).into(),
        ];
        for reference in text.split("{{").skip(1) {
            let name = reference.split("}}").next().unwrap_or("").trim();
            if let Some(value) = self.names.named_values.get(name) {
                parts.push(format!("{name}={}", value.value).into());
            }
        }
        for reference in text.split("fragment-id").skip(1) {
            let id = reference.split(['"', '\'']).nth(1).unwrap_or("");
            match self.fragments.get(id) {
                Some(digest) => parts.push(digest.to_vec()),
                None => parts.extend(self.fragments.values().map(|d| d.to_vec())),
            }
        }
        of_parts(parts.iter().map(Vec::as_slice))
    }

    /// The document of a scope; one that does not compile comes back refusing.
    fn document(&mut self, file: Option<&File>, scope: Scope) -> Option<Arc<ScopeDoc>> {
        let file = file?;
        let compiled = match text_of(&file.path, &file.bytes) {
            Err(problem) => Arc::new(Compiled {
                document: Arc::new(ScopeDoc::refusing(&file.path)),
                refused: true,
                problems: vec![problem],
            }),
            Ok(text) => {
                let digest = self.digest(&file.path, text, Some(scope));
                let known = self.previous.and_then(|p| p.cache.documents.get(&digest));
                let compiled = known
                    .cloned()
                    .unwrap_or_else(|| Arc::new(self.compile(&file.path, text, scope)));
                self.cache.insert(digest, Arc::clone(&compiled));
                compiled
            }
        };
        self.problems.extend(compiled.problems.iter().cloned());
        self.counts.documents += 1;
        self.counts.refused += usize::from(compiled.refused);
        Some(Arc::clone(&compiled.document))
    }

    fn compile(&self, path: &str, text: &str, scope: Scope) -> Compiled {
        if text.len() > MAX_DOCUMENT {
            let message = format!(
                "the document has {} bytes; at most {MAX_DOCUMENT} are allowed",
                text.len()
            );
            let problem = Problem::scope("document-too-long", path, message);
            return Compiled {
                document: Arc::new(ScopeDoc::refusing(path)),
                refused: true,
                problems: vec![problem],
            };
        }
        let source = Source {
            text,
            path,
            scope: Some(scope),
        };
        let (document, refused, diagnostics) = match ScopeDoc::compile(&source, &self.names, &self.options) {
            Ok((document, warnings)) => (document, false, warnings),
            Err(diagnostics) => (ScopeDoc::refusing(path), true, diagnostics),
        };
        let problems = diagnostics.into_iter().map(problem).collect();
        Compiled {
            document: Arc::new(document),
            refused,
            problems,
        }
    }

    pub(super) fn finish(self) -> (HashMap<Digest, Arc<Compiled>>, Counts) {
        (self.cache, self.counts)
    }
}

/// A finding of the policy engine as a problem of the configuration.
fn problem(d: gateway_policy::Diagnostic) -> Problem {
    let severity = if d.is_error() {
        Severity::Scope
    } else {
        Severity::Warning
    };
    let message = match &d.help {
        Some(help) => format!("{}; {help}", d.message),
        None => d.message,
    };
    let problem = Problem::new(severity, d.code, &d.path, message).at(Place::new(d.line, d.column));
    match d.element {
        Some(element) => problem.on(element),
        None => problem,
    }
}

/// Programs by API, operation and product.
#[derive(Debug)]
pub(crate) struct Programs {
    /// Without any API: what runs when nothing matched.
    global: Arc<Program>,
    /// By API index.
    apis: Vec<ApiPrograms>,
}

#[derive(Debug)]
struct ApiPrograms {
    api: ByProduct,
    /// Operations with a document of their own, by operation index.
    operations: HashMap<usize, ByProduct>,
}

/// The program without product, and those of the products the API is in. Few, so a list beats a map.
#[derive(Debug)]
struct ByProduct {
    none: Arc<Program>,
    products: Vec<(usize, Arc<Program>)>,
}

impl Default for Programs {
    fn default() -> Self {
        Programs {
            global: Arc::new(Program::compose(Default::default())),
            apis: Vec::new(),
        }
    }
}

impl ByProduct {
    fn get(&self, product: Option<&ProductEntry>) -> &Arc<Program> {
        // A product that does not hold the API cannot come out of `authorize`.
        let found = product.and_then(|p| self.products.iter().find(|(index, _)| *index == p.index));
        found.map_or(&self.none, |(_, program)| program)
    }
}

impl Programs {
    /// Callers that every program refuses before anything else happens, whatever API they ask for.
    pub(crate) fn always_forbidden(&self) -> Vec<RangeInclusive<IpAddr>> {
        let of_api = |api: &'_ ApiPrograms| {
            std::iter::once(&api.api)
                .chain(api.operations.values())
                .flat_map(|programs| {
                    std::iter::once(&programs.none).chain(programs.products.iter().map(|(_, p)| p))
                })
                .cloned()
                .collect::<Vec<_>>()
        };
        let forbidden = self.global.always_forbidden();
        if forbidden.is_empty() {
            return forbidden;
        }
        // All of them begin with the same global document, so each forbids the same callers or, where a scope has something of
        // its own in front, nobody for certain.
        let everywhere = self
            .apis
            .iter()
            .flat_map(of_api)
            .all(|program| program.always_forbidden() == forbidden);
        if everywhere { forbidden } else { Vec::new() }
    }

    /// The program of a request.
    pub(crate) fn get(
        &self,
        api: Option<&ApiEntry>,
        operation: Option<&OperationEntry>,
        product: Option<&ProductEntry>,
    ) -> &Arc<Program> {
        let Some(programs) = api.and_then(|a| self.apis.get(a.index)) else {
            return &self.global;
        };
        operation
            .and_then(|o| programs.operations.get(&o.index))
            .unwrap_or(&programs.api)
            .get(product)
    }
}

/// Composes the programs of everything that can be asked for.
pub(super) fn compose(
    compiler: &mut Compiler<'_>,
    artifacts: &Artifacts,
    apis: &Apis,
    products: &[Arc<ProductEntry>],
) -> Programs {
    let global = compiler.document(artifacts.policy.as_ref(), Scope::Global);
    let mut product_documents = Vec::with_capacity(products.len());
    let mut products_of: HashMap<String, Vec<usize>> = HashMap::new();
    for product in products {
        let folder = artifacts.products.get(&*product.product.id);
        product_documents.push(compiler.document(folder.and_then(|f| f.policy.as_ref()), Scope::Product));
        for api in &product.apis {
            products_of
                .entry(api.to_lowercase())
                .or_default()
                .push(product.index);
        }
    }
    let mut composer = Composer {
        global,
        product_documents,
        shared: HashMap::new(),
    };
    let mut out = Programs {
        global: composer.one(None, None, None),
        apis: Vec::with_capacity(apis.entries.len()),
    };
    for (index, entry) in apis.entries.iter().enumerate() {
        let in_products = products_of
            .get(&*entry.folded_name)
            .map_or(&[][..], Vec::as_slice);
        let folder = artifacts.apis.get(&apis.folders[index]);
        let document = compiler.document(folder.and_then(|f| f.policy.as_ref()), Scope::Api);
        let mut programs = ApiPrograms {
            api: composer.by_product(in_products, &document, None),
            operations: HashMap::new(),
        };
        for (name, operation) in &apis.built[index].policies {
            let file = folder.and_then(|f| f.operations.get(name));
            if let Some(own) = compiler.document(file, Scope::Operation) {
                programs
                    .operations
                    .insert(*operation, composer.by_product(in_products, &document, Some(own)));
            }
        }
        out.apis.push(programs);
    }
    out
}

struct Composer {
    global: Option<Arc<ScopeDoc>>,
    product_documents: Vec<Option<Arc<ScopeDoc>>>,
    /// Programs of APIs without a document of their own, by product.
    shared: HashMap<Option<usize>, Arc<Program>>,
}

impl Composer {
    fn one(
        &mut self,
        product: Option<usize>,
        api: Option<&Arc<ScopeDoc>>,
        operation: Option<&Arc<ScopeDoc>>,
    ) -> Arc<Program> {
        let own = api.is_some() || operation.is_some();
        if let (false, Some(known)) = (own, self.shared.get(&product)) {
            return Arc::clone(known);
        }
        let of_product = product.and_then(|p| self.product_documents.get(p).cloned().flatten());
        let program = Arc::new(Program::compose([
            self.global.clone(),
            of_product,
            api.cloned(),
            operation.cloned(),
        ]));
        if !own {
            self.shared.insert(product, Arc::clone(&program));
        }
        program
    }

    fn by_product(
        &mut self,
        products: &[usize],
        api: &Option<Arc<ScopeDoc>>,
        operation: Option<Arc<ScopeDoc>>,
    ) -> ByProduct {
        let none = self.one(None, api.as_ref(), operation.as_ref());
        let products = products
            .iter()
            .map(|p| {
                // A product without a document adds nothing: the program without product serves.
                let adds = self.product_documents.get(*p).is_some_and(Option::is_some);
                (
                    *p,
                    if adds {
                        self.one(Some(*p), api.as_ref(), operation.as_ref())
                    } else {
                        Arc::clone(&none)
                    },
                )
            })
            .collect();
        ByProduct { none, products }
    }
}
