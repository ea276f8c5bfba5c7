//! Metadata of an OData service: the names that requests may use.
//!
//! Source: OData CSDL XML 4.01. Read are types, properties, entity sets, singletons, functions and actions;
//! annotations say nothing about requests.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use crate::schema::xsd::{place, tree::Tree};

/// Base types above each other.
const BASES_MAX: usize = 50;

/// A type, or a collection of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TypeRef {
    pub(crate) name: String,
    pub(crate) many: bool,
}

impl TypeRef {
    fn read(text: &str) -> Self {
        let inner = text.strip_prefix("Collection(").and_then(|t| t.strip_suffix(')'));
        Self {
            name: inner.unwrap_or(text).to_owned(),
            many: inner.is_some(),
        }
    }

    pub(crate) fn one(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            many: false,
        }
    }
}

#[derive(Debug, Default)]
struct Structured {
    base: Option<String>,
    properties: HashMap<String, TypeRef>,
    navigation: HashSet<String>,
    keys: Vec<String>,
    /// It may have further properties.
    open: bool,
}

/// What the first segment of a path names.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// An entity set or a singleton.
    Entities(TypeRef),
    /// A function and what it returns.
    Function(Option<TypeRef>),
    /// An action and what it returns.
    Action(Option<TypeRef>),
}

/// A service's metadata.
#[derive(Default)]
pub struct ODataModel {
    types: HashMap<String, Structured>,
    /// Enumerations and named simple types.
    simple: HashSet<String>,
    items: HashMap<String, Item>,
    /// Functions and actions by full name.
    operations: HashMap<String, Item>,
    aliases: HashMap<String, String>,
}

impl fmt::Debug for ODataModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ODataModel")
            .field("types", &self.types.len())
            .field("items", &self.items.len())
            .finish_non_exhaustive()
    }
}

impl ODataModel {
    /// Reads a metadata document.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn new(text: &str) -> Result<Self, String> {
        let tree = Tree::read(text, false).map_err(|e| {
            let (line, column) = place(text, e.at);
            format!("line {line}, column {column}: {}", e.message)
        })?;
        let mut model = Self::default();
        for node in (0..tree.nodes.len()).filter(|n| tree.name(*n).1 == "Schema") {
            model.schema(&tree, node);
        }
        if model.types.is_empty() && model.items.is_empty() {
            return Err("it is no metadata document: it declares nothing".to_owned());
        }
        Ok(model)
    }

    fn schema(&mut self, tree: &Tree<'_>, schema: usize) {
        let attribute = |node: usize, name: &str| tree.attribute(node, "", name).map(|a| a.value.to_string());
        let namespace = attribute(schema, "Namespace").unwrap_or_default();
        if let Some(alias) = attribute(schema, "Alias") {
            self.aliases.insert(alias, namespace.clone());
        }
        for node in tree.elements(schema) {
            let name = attribute(node, "Name").unwrap_or_default();
            let full = format!("{namespace}.{name}");
            match tree.name(node).1 {
                "EntityType" | "ComplexType" => {
                    let read = structured(tree, node);
                    self.types.insert(full, read);
                }
                "EnumType" | "TypeDefinition" => {
                    self.simple.insert(full);
                }
                kind @ ("Function" | "Action") => {
                    let returns = tree.elements(node).find(|n| tree.name(*n).1 == "ReturnType");
                    let returns = returns
                        .and_then(|n| attribute(n, "Type"))
                        .map(|t| TypeRef::read(&t));
                    let item = if kind == "Function" {
                        Item::Function(returns)
                    } else {
                        Item::Action(returns)
                    };
                    self.operations.insert(full, item);
                }
                "EntityContainer" => {
                    for item in tree.elements(node) {
                        let name = attribute(item, "Name").unwrap_or_default();
                        let found = match tree.name(item).1 {
                            "EntitySet" => attribute(item, "EntityType")
                                .map(|name| Item::Entities(TypeRef { name, many: true })),
                            "Singleton" => {
                                attribute(item, "Type").map(|name| Item::Entities(TypeRef::one(&name)))
                            }
                            "FunctionImport" => {
                                attribute(item, "Function").map(|f| self.imported(&f, Item::Function(None)))
                            }
                            "ActionImport" => {
                                attribute(item, "Action").map(|f| self.imported(&f, Item::Action(None)))
                            }
                            _ => None,
                        };
                        if let Some(found) = found {
                            self.items.insert(name, found);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// The operation behind an import; declared later it returns something unknown.
    fn imported(&self, name: &str, otherwise: Item) -> Item {
        self.operation(name).cloned().unwrap_or(otherwise)
    }

    /// A full name without an alias.
    fn full(&self, name: &str) -> String {
        match name.rsplit_once('.') {
            Some((prefix, local)) => match self.aliases.get(prefix) {
                Some(namespace) => format!("{namespace}.{local}"),
                None => name.to_owned(),
            },
            None => name.to_owned(),
        }
    }

    /// What the first segment of a path names.
    pub(crate) fn item(&self, name: &str) -> Option<&Item> {
        self.items.get(name)
    }

    /// A function or action by its full name.
    pub(crate) fn operation(&self, name: &str) -> Option<&Item> {
        self.operations.get(&self.full(name))
    }

    /// The name is that of a type.
    pub(crate) fn is_type(&self, name: &str) -> bool {
        let full = self.full(name);
        self.types.contains_key(&full) || self.simple.contains(&full) || name.starts_with("Edm.")
    }

    /// The type has properties.
    pub(crate) fn is_structured(&self, name: &str) -> bool {
        self.types.contains_key(&self.full(name))
    }

    fn chain(&self, name: &str) -> impl Iterator<Item = &Structured> {
        let mut next = self.types.get(&self.full(name));
        let bases = std::iter::from_fn(move || {
            let here = next?;
            next = here
                .base
                .as_ref()
                .and_then(|base| self.types.get(&self.full(base)));
            Some(here)
        });
        bases.take(BASES_MAX)
    }

    /// The type of a property; `Err`: there is none of this name.
    pub(crate) fn property(&self, ty: &str, name: &str) -> Result<Option<&TypeRef>, ()> {
        match self.chain(ty).find_map(|t| t.properties.get(name)) {
            Some(found) => Ok(Some(found)),
            None if self.chain(ty).any(|t| t.open) => Ok(None),
            None => Err(()),
        }
    }

    /// The property leads to entities.
    pub(crate) fn is_navigation(&self, ty: &str, name: &str) -> bool {
        self.chain(ty).any(|t| t.navigation.contains(name))
    }

    /// Names of the properties that make the key.
    pub(crate) fn keys(&self, ty: &str) -> &[String] {
        self.chain(ty)
            .find(|t| !t.keys.is_empty())
            .map_or(&[], |t| &t.keys)
    }
}

fn structured(tree: &Tree<'_>, node: usize) -> Structured {
    let attribute = |node: usize, name: &str| tree.attribute(node, "", name).map(|a| a.value.to_string());
    let mut out = Structured {
        base: attribute(node, "BaseType"),
        open: attribute(node, "OpenType").as_deref() == Some("true"),
        ..Structured::default()
    };
    for child in tree.elements(node) {
        let name = attribute(child, "Name").unwrap_or_default();
        match tree.name(child).1 {
            kind @ ("Property" | "NavigationProperty") => {
                let ty = TypeRef::read(&attribute(child, "Type").unwrap_or_default());
                if kind == "NavigationProperty" {
                    out.navigation.insert(name.clone());
                }
                out.properties.insert(name, ty);
            }
            "Key" => {
                let keys = tree
                    .elements(child)
                    .filter_map(|n| attribute(n, "Alias").or_else(|| attribute(n, "Name")));
                out.keys.extend(keys);
            }
            _ => {}
        }
    }
    out
}
