//! Checks an XML text against schemas, within a budget.

use std::{collections::HashSet, fmt};

use super::{
    NotXml, SOAP, Shape, XSI, XmlSchemas,
    identity::{self, Tables, Values},
    load::ANY_TYPE,
    model::{Complex, Content, Element, ElementId, Methods, Process, QName, Type, TypeId, Use, Wildcard},
    particle::{Program, Step},
    short,
    tree::{Attribute, Kind, NONE, Tree},
};

/// Steps a check may always take: a few milliseconds.
const STEPS_BASE: usize = 300_000;
/// Further steps for each element and text: real schemas take about ten.
const STEPS_PER_NODE: usize = 500;
/// Most steps whatever the body holds: about half a second.
const STEPS_MAX: usize = 30_000_000;
/// Unions inside each other.
const UNIONS_MAX: usize = 50;
/// Faults listed for one body; the rest adds nothing.
const FAULTS_MAX: usize = 20;
/// Names listed as possible in a message.
const EXPECTED_MAX: usize = 20;

/// What does not conform, and the byte it stands at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) at: usize,
}

/// Why there is no verdict. The body has not been validated then, so it must not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It is not XML.
    NotXml(NotXml),
    /// It took too many steps.
    Budget,
    /// A pattern cannot be used.
    Pattern(String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::NotXml(why) => f.write_str(&why.message),
            Stop::Budget => f.write_str("Checking it takes too many steps."),
            Stop::Pattern(why) => write!(f, "A pattern of its schema cannot be used: {why}."),
        }
    }
}

/// Steps that are left.
#[derive(Debug)]
pub(super) struct Budget {
    steps: usize,
    unions: usize,
}

impl Budget {
    pub(super) fn for_load() -> Self {
        Self {
            steps: STEPS_BASE,
            unions: 0,
        }
    }

    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Stop> {
        self.steps = self.steps.checked_sub(steps).ok_or(Stop::Budget)?;
        Ok(())
    }

    pub(super) fn nest(&mut self) -> Result<(), Stop> {
        self.unions += 1;
        if self.unions > UNIONS_MAX {
            Err(Stop::Budget)
        } else {
            Ok(())
        }
    }

    pub(super) fn unnest(&mut self) {
        self.unions -= 1;
    }
}

/// Checks a text.
pub(super) fn check(schemas: &XmlSchemas, text: &str, shape: Shape) -> Result<Vec<Fault>, Stop> {
    let tree = Tree::read(text, false).map_err(Stop::NotXml)?;
    let steps = STEPS_BASE + STEPS_PER_NODE * tree.nodes.len();
    let mut validator = Validator {
        schemas,
        tree: &tree,
        faults: Vec::new(),
        budget: Budget {
            steps: steps.min(STEPS_MAX),
            unions: 0,
        },
        ids: HashSet::new(),
        references: Vec::new(),
        values: Values::new(),
    };
    match shape {
        Shape::Document => {
            validator.wild(tree.root(), Process::Strict)?;
        }
        Shape::Envelope => validator.envelope()?,
    }
    validator.resolve_references();
    Ok(validator.faults)
}

struct Validator<'s, 't> {
    schemas: &'s XmlSchemas,
    tree: &'t Tree<'t>,
    faults: Vec<Fault>,
    budget: Budget,
    ids: HashSet<String>,
    references: Vec<(String, usize)>,
    values: Values,
}

impl<'s> Validator<'s, '_> {
    fn fault(&mut self, at: usize, message: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { message, at });
        }
    }

    fn at(&self, node: usize) -> usize {
        self.tree.nodes[node].at
    }

    fn shown(&self, node: usize) -> String {
        let (uri, local) = self.tree.name(node);
        quoted(uri, &short(local))
    }

    /// `uri:local`, as .NET shows names with their value.
    fn dotted(&self, node: usize) -> String {
        let (uri, local) = self.tree.name(node);
        dotted(uri, local)
    }

    fn envelope(&mut self) -> Result<(), Stop> {
        let root = self.tree.root();
        let (uri, local) = self.tree.name(root);
        if local != "Envelope" || !SOAP.contains(&uri) {
            self.fault(
                self.at(root),
                format!("The element {} is not a SOAP envelope.", self.shown(root)),
            );
            return Ok(());
        }
        let uri = uri.to_owned();
        let mut body = None;
        for child in self.tree.elements(root) {
            match self.tree.name(child) {
                (own, "Header") if own == uri && body.is_none() => {
                    for block in self.tree.elements(child) {
                        self.wild(block, Process::Lax)?;
                    }
                }
                (own, "Body") if own == uri && body.is_none() => body = Some(child),
                _ => self.fault(
                    self.at(child),
                    format!(
                        "The element {} has no place in a SOAP envelope.",
                        self.shown(child)
                    ),
                ),
            }
        }
        let Some(body) = body else {
            self.fault(self.tree.end(root), "The SOAP envelope has no body.".to_owned());
            return Ok(());
        };
        if !blank(&self.tree.text(body)) {
            self.fault(
                self.at(body),
                format!("The element {} cannot contain text.", self.shown(body)),
            );
        }
        for child in self.tree.elements(body) {
            let (own, local) = self.tree.name(child);
            if local == "Fault" && own == uri {
                self.soap_fault(child)?;
            } else {
                self.wild(child, Process::Strict)?;
            }
        }
        Ok(())
    }

    /// A fault is SOAP's own; what it tells in detail may be declared.
    fn soap_fault(&mut self, node: usize) -> Result<(), Stop> {
        for child in self.tree.elements(node) {
            if matches!(self.tree.name(child).1, "detail" | "Detail") {
                for detail in self.tree.elements(child) {
                    self.wild(detail, Process::Lax)?;
                }
            }
        }
        Ok(())
    }

    /// An element that is checked by its own name.
    fn wild(&mut self, node: usize, process: Process) -> Result<Tables, Stop> {
        let (uri, local) = self.tree.name(node);
        if process == Process::Skip {
            return Ok(Tables::new());
        }
        if let Some(declared) = self.schemas.global_elements.get(uri, local) {
            return self.element(node, Some(declared));
        }
        if self.tree.attribute(node, XSI, "type").is_some() || process == Process::Lax {
            return self.element(node, None);
        }
        self.fault(
            self.at(node),
            format!("The '{}' element is not declared.", self.dotted(node)),
        );
        Ok(Tables::new())
    }

    fn element(&mut self, node: usize, declared: Option<ElementId>) -> Result<Tables, Stop> {
        self.budget.spend(1)?;
        let schemas = self.schemas;
        let decl = declared.map(|id| &schemas.elements[id.0]);
        let ty = self.type_of(node, decl);
        let is_abstract = match &schemas.types[ty.0] {
            Type::Complex(complex) => complex.is_abstract,
            _ => false,
        };
        if decl.is_some_and(|d| d.is_abstract) || is_abstract {
            self.fault(
                self.at(node),
                format!(
                    "The element '{}' is abstract or its type is abstract.",
                    self.dotted(node)
                ),
            );
            return Ok(Tables::new());
        }
        let nil = self.nil(node, decl);
        let mut tables = match &schemas.types[ty.0] {
            Type::Complex(complex) => {
                self.attributes(node, &complex.uses, complex.wildcard.as_ref())?;
                if nil {
                    self.nothing(node);
                    Tables::new()
                } else {
                    self.content(node, complex, decl)?
                }
            }
            _ => {
                self.attributes(node, &[], None)?;
                if nil {
                    self.nothing(node);
                } else {
                    self.simple_content(node, ty, decl)?;
                }
                Tables::new()
            }
        };
        if let Some(decl) = decl.filter(|d| !d.constraints.is_empty()) {
            let broken = identity::check(
                &decl.constraints,
                self.tree,
                node,
                &self.values,
                &mut tables,
                &mut self.budget,
            )?;
            for one in broken {
                self.fault(self.at(one.node), one.message);
            }
        }
        Ok(tables)
    }

    /// The type that the element is checked against: declared, or named by itself.
    fn type_of(&mut self, node: usize, decl: Option<&'s Element>) -> TypeId {
        let declared = decl.map_or(ANY_TYPE, |d| d.ty);
        let Some(attribute) = self.tree.attribute(node, XSI, "type") else {
            return declared;
        };
        let text = attribute.value.trim();
        let (prefix, local) = text.split_once(':').unwrap_or(("", text));
        let uri = self.tree.lookup(node, prefix);
        let found = uri.and_then(|uri| self.schemas.global_types.get(uri, local));
        let at = attribute.at;
        let Some(found) = found else {
            self.fault(at, format!("This is an invalid xsi:type '{}'.", short(text)));
            return declared;
        };
        let blocked = decl
            .map_or(Methods::default(), |d| d.block)
            .and(self.schemas.block_of(declared));
        let derived = self.schemas.derivation(found, declared);
        if derived.is_none_or(|methods| methods.meets(blocked)) {
            let message = format!(
                "The xsi:type attribute value '{}' is not valid for the element '{}', either because it is not a type validly derived from the type in the schema, or because it has xsi:type derivation blocked.",
                short(text),
                self.dotted(node)
            );
            self.fault(at, message);
            return declared;
        }
        found
    }

    fn nil(&mut self, node: usize, decl: Option<&Element>) -> bool {
        let Some(attribute) = self.tree.attribute(node, XSI, "nil") else {
            return false;
        };
        let at = attribute.at;
        let nil = match attribute.value.trim() {
            "true" | "1" => true,
            "false" | "0" => false,
            other => {
                let message = format!(
                    "The 'http://www.w3.org/2001/XMLSchema-instance:nil' attribute is invalid - The value '{}' is invalid according to its datatype 'http://www.w3.org/2001/XMLSchema:boolean' - The string '{}' is not a valid Boolean value.",
                    short(other),
                    short(other)
                );
                self.fault(at, message);
                false
            }
        };
        if decl.is_some_and(|d| !d.nillable) {
            self.fault(
                at,
                "If the 'nillable' attribute is false in the schema, the 'xsi:nil' attribute must not be present in the instance."
                    .to_owned(),
            );
            return false;
        }
        if nil && decl.is_some_and(|d| d.fixed.is_some()) {
            self.fault(
                at,
                "There must be no fixed value when an attribute is 'xsi:nil' and has a value of 'true'."
                    .to_owned(),
            );
        }
        nil
    }

    fn nothing(&mut self, node: usize) {
        if self.tree.children(node).next().is_some() {
            let message = format!(
                "Element '{}' must have no character or element children.",
                self.dotted(node)
            );
            self.fault(self.at(node), message);
        }
    }

    fn attributes(&mut self, node: usize, uses: &'s [Use], wildcard: Option<&Wildcard>) -> Result<(), Stop> {
        let schemas = self.schemas;
        let tree = self.tree;
        let mut found = HashSet::new();
        for (i, attribute) in tree.attributes(node).iter().enumerate() {
            self.budget.spend(1 + uses.len() / 8)?;
            let uri = tree.uri(attribute);
            if uri == XSI {
                if !matches!(
                    attribute.local,
                    "type" | "nil" | "schemaLocation" | "noNamespaceSchemaLocation"
                ) {
                    self.undeclared(attribute);
                }
                continue;
            }
            let named = |u: &&Use| is(&schemas.attributes[u.attribute.0].name, uri, attribute.local);
            if let Some(declared) = uses.iter().find(named) {
                found.insert(declared.attribute);
                let decl = &schemas.attributes[declared.attribute.0];
                let fixed = declared.fixed.as_ref().or(decl.fixed.as_ref());
                self.attribute(node, i, decl.ty, fixed.map(|f| &**f))?;
                continue;
            }
            let admitted = wildcard.filter(|w| w.namespaces.admits(uri));
            let global = schemas.global_attributes.get(uri, attribute.local);
            match (admitted.map(|w| w.process), global) {
                (Some(Process::Skip), _) | (Some(Process::Lax), None) => {}
                (Some(_), Some(id)) => {
                    let decl = &schemas.attributes[id.0];
                    self.attribute(node, i, decl.ty, decl.fixed.as_deref())?;
                }
                (None, _) | (Some(Process::Strict), None) => self.undeclared(attribute),
            }
        }
        for missing in uses
            .iter()
            .filter(|u| u.required && !found.contains(&u.attribute))
        {
            let name = &schemas.attributes[missing.attribute.0].name;
            self.fault(
                self.at(node),
                format!("The required attribute '{name}' is missing."),
            );
        }
        Ok(())
    }

    fn undeclared(&mut self, attribute: &Attribute<'_>) {
        let name = dotted(self.tree.uri(attribute), attribute.local);
        self.fault(attribute.at, format!("The '{name}' attribute is not declared."));
    }

    fn attribute(&mut self, node: usize, index: usize, ty: TypeId, fixed: Option<&str>) -> Result<(), Stop> {
        let tree = self.tree;
        let attribute = &tree.attributes(node)[index];
        let what = || format!("'{}' attribute", dotted(tree.uri(attribute), attribute.local));
        self.value((node, index), attribute.at, ty, &attribute.value, fixed, &what)
    }

    /// A text that has to be a value of a simple type.
    fn value(
        &mut self,
        key: (usize, usize),
        at: usize,
        ty: TypeId,
        text: &str,
        fixed: Option<&str>,
        what: &dyn Fn() -> String,
    ) -> Result<(), Stop> {
        let (schemas, tree) = (self.schemas, self.tree);
        let prefixes = |prefix: &str| tree.lookup(key.0, prefix).map(str::to_owned);
        let value = match schemas.value(ty, text, &prefixes, &mut self.budget)? {
            Ok(value) => value,
            Err(why) => {
                let datatype = schemas.simple(ty).map_or_else(String::new, |s| s.shown());
                let message = format!(
                    "The {} is invalid - The value '{}' is invalid according to its datatype '{datatype}' - {why}",
                    what(),
                    short(text)
                );
                self.fault(at, message);
                return Ok(());
            }
        };
        if let Some(fixed) = fixed {
            let same = match schemas.value(ty, fixed, &prefixes, &mut self.budget)? {
                Ok(fixed) => fixed.equals(&value),
                Err(_) => fixed == text,
            };
            if !same {
                self.fault(
                    at,
                    format!("The value of the {} does not equal its fixed value.", what()),
                );
            }
        }
        let (mut ids, mut references) = (Vec::new(), Vec::new());
        schemas.identities(ty, text, &mut |is_id, name| {
            if is_id {
                ids.push(name.to_owned());
            } else {
                references.push((name.to_owned(), at));
            }
        });
        for id in ids {
            if self.ids.contains(&id) {
                self.fault(at, format!("'{}' is already used as an ID.", short(&id)));
            }
            self.ids.insert(id);
        }
        self.references.extend(references);
        if schemas.constrained {
            self.values.insert(key, value.key());
        }
        Ok(())
    }

    fn resolve_references(&mut self) {
        for (name, at) in std::mem::take(&mut self.references) {
            if !self.ids.contains(&name) {
                self.fault(at, format!("Reference to undeclared ID is '{}'.", short(&name)));
            }
        }
    }

    /// The content of an element that holds only text.
    fn simple_content(&mut self, node: usize, ty: TypeId, decl: Option<&Element>) -> Result<(), Stop> {
        if let Some(child) = self.tree.elements(node).next() {
            let message = format!(
                "The element {} cannot contain child element {} because the parent element's content model is text only.",
                self.shown(node),
                self.shown(child)
            );
            self.fault(self.at(child), message);
            return Ok(());
        }
        let text = self.tree.text(node);
        let stands = decl.and_then(|d| d.default.as_deref().or(d.fixed.as_deref()));
        let text = match stands {
            Some(stands) if text.is_empty() => stands.into(),
            _ => text,
        };
        let fixed = decl.and_then(|d| d.fixed.as_deref());
        let name = self.dotted(node);
        let what = || format!("'{name}' element");
        self.value((node, NONE), self.tree.end(node), ty, &text, fixed, &what)
    }

    fn content(&mut self, node: usize, complex: &'s Complex, decl: Option<&Element>) -> Result<Tables, Stop> {
        match &complex.content {
            Content::Simple(ty) => {
                self.simple_content(node, *ty, decl)?;
                Ok(Tables::new())
            }
            Content::Empty if complex.mixed => {
                self.no_children(node);
                self.fixed_text(node, decl);
                Ok(Tables::new())
            }
            Content::Empty => {
                self.empty(node);
                Ok(Tables::new())
            }
            Content::Model(program) => {
                let tables = self.model(node, program, complex.mixed)?;
                self.fixed_text(node, decl);
                Ok(tables)
            }
            Content::All(elements, optional) => {
                let tables = self.all(node, elements, *optional, complex.mixed)?;
                self.fixed_text(node, decl);
                Ok(tables)
            }
        }
    }

    /// Mixed content with a fixed value is that text.
    fn fixed_text(&mut self, node: usize, decl: Option<&Element>) {
        let Some(fixed) = decl.and_then(|d| d.fixed.as_deref()) else {
            return;
        };
        let text = self.tree.text(node);
        let nothing = self.tree.children(node).next().is_none();
        if !nothing && (*text != *fixed || self.tree.elements(node).next().is_some()) {
            let name = self.dotted(node);
            self.fault(
                self.tree.end(node),
                format!("The value of the '{name}' element does not equal its fixed value."),
            );
        }
    }

    fn no_children(&mut self, node: usize) -> bool {
        let Some(child) = self.tree.elements(node).next() else {
            return true;
        };
        let message = format!(
            "The element {} cannot contain child element {} because the parent element's content model is empty.",
            self.shown(node),
            self.shown(child)
        );
        self.fault(self.at(child), message);
        false
    }

    fn empty(&mut self, node: usize) {
        if !self.no_children(node) {
            return;
        }
        if let Some(child) = self.tree.children(node).next() {
            let what = if blank(&self.tree.text(node)) {
                "white space"
            } else {
                "text"
            };
            let message = format!(
                "The element {} cannot contain {what}. Content model is empty.",
                self.shown(node)
            );
            self.fault(self.at(child), message);
        }
    }

    /// Text between elements where none belongs.
    fn stray_text(&mut self, node: usize, child: usize, expected: &str) -> bool {
        let Kind::Text(text) = &self.tree.nodes[child].kind else {
            return false;
        };
        if blank(text) {
            return false;
        }
        let message = format!("The element {} cannot contain text.{expected}", self.shown(node));
        self.fault(self.at(child), message);
        true
    }

    fn model(&mut self, node: usize, program: &'s Program, mixed: bool) -> Result<Tables, Stop> {
        let (schemas, tree) = (self.schemas, self.tree);
        let mut work = 0;
        let mut state = program.start(&mut work).ok_or(Stop::Budget)?;
        let mut tables = Tables::new();
        for child in tree.children(node) {
            if !tree.is_element(child) {
                if !mixed && self.stray_text(node, child, &listed(schemas, program.expected(&state))) {
                    return Ok(tables);
                }
                continue;
            }
            let (uri, local) = tree.name(child);
            let fits = |step: Step<'s>| match step {
                Step::Element(id) => schemas.stands_for(id, uri, local).map(Step::Element),
                Step::Any(wildcard) => wildcard.namespaces.admits(uri).then_some(Step::Any(wildcard)),
            };
            let step = program.step(&mut state, &fits, &mut work).ok_or(Stop::Budget)?;
            self.budget.spend(usize::try_from(work).unwrap_or(usize::MAX))?;
            work = 0;
            let inside = match step {
                Some(Step::Element(id)) => self.element(child, Some(id))?,
                Some(Step::Any(wildcard)) => self.wild(child, wildcard.process)?,
                None => {
                    let message = format!(
                        "The element {} has invalid child element {}.{}",
                        self.shown(node),
                        self.shown(child),
                        // What does not fit leaves the state as it was.
                        listed(schemas, program.expected(&state))
                    );
                    self.fault(self.at(child), message);
                    return Ok(tables);
                }
            };
            merge(&mut tables, inside);
            if self.faults.len() >= FAULTS_MAX {
                return Ok(tables);
            }
        }
        if !state.ended {
            let message = format!(
                "The element {} has incomplete content.{}",
                self.shown(node),
                listed(schemas, program.expected(&state))
            );
            self.fault(tree.end(node), message);
        }
        Ok(tables)
    }

    fn all(
        &mut self,
        node: usize,
        elements: &'s [(ElementId, bool)],
        optional: bool,
        mixed: bool,
    ) -> Result<Tables, Stop> {
        let (schemas, tree) = (self.schemas, self.tree);
        let mut read = vec![false; elements.len()];
        let mut tables = Tables::new();
        let open = |read: &[bool], required: bool| {
            let steps = elements
                .iter()
                .zip(read)
                .filter(move |((_, r), read)| !**read && (*r || !required));
            listed(schemas, steps.map(|((id, _), _)| Step::Element(*id)))
        };
        for child in tree.children(node) {
            if !tree.is_element(child) {
                if !mixed && self.stray_text(node, child, &open(&read, false)) {
                    return Ok(tables);
                }
                continue;
            }
            self.budget.spend(1 + elements.len() / 8)?;
            let (uri, local) = tree.name(child);
            let mut found = None;
            for (i, (id, _)) in elements.iter().enumerate() {
                if let Some(stands) = schemas.stands_for(*id, uri, local) {
                    found = Some((i, stands));
                    break;
                }
            }
            match found.filter(|(i, _)| !read[*i]) {
                Some((i, id)) => {
                    read[i] = true;
                    let inside = self.element(child, Some(id))?;
                    merge(&mut tables, inside);
                }
                None => {
                    let message = format!(
                        "The element {} has invalid child element {}.{}",
                        self.shown(node),
                        self.shown(child),
                        open(&read, false)
                    );
                    self.fault(self.at(child), message);
                    return Ok(tables);
                }
            }
        }
        let nothing = optional && !read.contains(&true);
        let missing = elements
            .iter()
            .zip(&read)
            .any(|((_, required), read)| *required && !read);
        if missing && !nothing {
            let message = format!(
                "The element {} has incomplete content.{}",
                self.shown(node),
                open(&read, true)
            );
            self.fault(tree.end(node), message);
        }
        Ok(tables)
    }
}

fn merge(tables: &mut Tables, inside: Tables) {
    if tables.is_empty() {
        *tables = inside;
        return;
    }
    for (name, keys) in inside {
        tables.entry(name).or_default().extend(keys);
    }
}

fn is(name: &QName, uri: &str, local: &str) -> bool {
    *name.local == *local && *name.uri == *uri
}

fn blank(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
}

fn dotted(uri: &str, local: &str) -> String {
    if uri.is_empty() {
        short(local).into_owned()
    } else {
        format!("{}:{}", short(uri), short(local))
    }
}

fn quoted(uri: &str, local: &str) -> String {
    if uri.is_empty() {
        format!("'{local}'")
    } else {
        format!("'{local}' in namespace '{}'", short(uri))
    }
}

/// ` List of possible elements expected: …`, names of one namespace together; nothing for nothing.
fn listed<'p>(schemas: &XmlSchemas, steps: impl Iterator<Item = Step<'p>>) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut any = Vec::new();
    for step in steps.take(EXPECTED_MAX) {
        match step {
            Step::Element(id) => {
                let name = &schemas.elements[id.0].name;
                match groups.iter_mut().find(|(uri, _)| **uri == *name.uri) {
                    Some((_, names)) if names.contains(&&*name.local) => {}
                    Some((_, names)) => names.push(&name.local),
                    None => groups.push((&name.uri, vec![&name.local])),
                }
            }
            Step::Any(wildcard) => {
                use super::model::Namespaces;
                let text = match &wildcard.namespaces {
                    Namespaces::Any => "##any".to_owned(),
                    Namespaces::Other(_) => "##other".to_owned(),
                    Namespaces::These(list) => list.join(" "),
                };
                any.push(format!("any element in namespace '{}'", short(&text)));
            }
        }
    }
    let mut parts: Vec<String> = groups
        .iter()
        .map(|(uri, names)| quoted(uri, &names.join(", ")))
        .collect();
    any.dedup();
    parts.extend(any);
    if parts.is_empty() {
        return String::new();
    }
    format!(
        " List of possible elements expected: {}.",
        parts.join(" as well as ")
    )
}
