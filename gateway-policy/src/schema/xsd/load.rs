//! Schema texts become components: which names there are, where they stand, and that every reference leads somewhere.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    XSD, XmlSchemaProblem, XmlSchemas, XmlSource,
    builtin::{BUILTINS, index},
    identity,
    model::{
        AttributeDecl, AttributeId, Complex, Content, Element, ElementId, Facets, Methods, Namespaces,
        Particle, Process, QName, Simple, Table, Term, Type, TypeId, Variety, Wildcard,
    },
    particle::Program,
    place, short,
    tree::{Attribute, Kind, NONE, Tree, XML},
};

/// Calls inside each other while reading: types that derive from types, groups in groups.
const DEPTH_MAX: usize = 100;
/// Components of one set of schemas.
const COMPONENTS_MAX: usize = 200_000;
/// Instructions of all content models together.
const INSTRUCTIONS_MAX: usize = 1_000_000;
/// Pairs of head and member of substitution groups.
const MEMBERS_MAX: usize = 200_000;
/// Schema documents, one counted again for each namespace it is included into.
const PARTS_MAX: usize = 2_000;

/// The type of everything; behind the built-in simple ones.
pub(super) const ANY_TYPE: TypeId = TypeId(BUILTINS.len());

/// A node of a schema document.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) part: usize,
    pub(super) node: usize,
}

/// A schema document, for one namespace.
pub(super) struct Part {
    doc: usize,
    pub(super) namespace: Arc<str>,
    /// Names without a prefix and without a namespace are of this one.
    adopted: bool,
    pub(super) qualified_elements: bool,
    pub(super) qualified_attributes: bool,
    pub(super) block: Methods,
}

struct Doc<'t> {
    location: &'t str,
    text: &'t str,
    /// Index of the tree, and where the schema stands in it.
    tree: usize,
    root: usize,
}

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Wrong {
    doc: usize,
    at: usize,
    message: String,
}

pub(super) type Loaded<T> = Result<T, Box<Wrong>>;

pub(super) struct Loader<'t> {
    trees: Vec<Tree<'t>>,
    docs: Vec<Doc<'t>>,
    pub(super) parts: Vec<Part>,
    seen: HashSet<(usize, Arc<str>)>,
    /// `schemaLocation`s that nobody gave.
    missing: Vec<String>,
    types: HashMap<TypeId, At>,
    pub(super) groups: Table<At>,
    pub(super) attribute_groups: Table<At>,
    /// Groups read before: each is read once.
    pub(super) group_particles: HashMap<QName, Particle>,
    /// Types without a name, to be read.
    later: Vec<(TypeId, At)>,
    elements: HashMap<ElementId, At>,
    attributes: HashMap<AttributeId, At>,
    /// Global components under way, to find circles.
    open: HashSet<TypeId>,
    pub(super) depth: usize,
    instructions: usize,
    names: HashSet<Arc<str>>,
    pub(super) out: XmlSchemas,
}

/// Reads schemas that may refer to each other.
pub(super) fn read(sources: &[XmlSource<'_>]) -> Result<XmlSchemas, XmlSchemaProblem> {
    let mut loader = Loader::new();
    let done = loader.run(sources);
    match done {
        Ok(()) => Ok(loader.out),
        Err(wrong) => {
            let doc = loader.docs.get(wrong.doc);
            let (line, column) = doc.map_or((1, 1), |d| place(d.text, wrong.at));
            Err(XmlSchemaProblem {
                location: doc.map_or(String::new(), |d| d.location.to_owned()),
                line,
                column,
                message: wrong.message,
            })
        }
    }
}

impl<'t> Loader<'t> {
    fn new() -> Self {
        let mut loader = Loader {
            trees: Vec::new(),
            docs: Vec::new(),
            parts: Vec::new(),
            seen: HashSet::new(),
            missing: Vec::new(),
            types: HashMap::new(),
            groups: Table::default(),
            attribute_groups: Table::default(),
            group_particles: HashMap::new(),
            later: Vec::new(),
            elements: HashMap::new(),
            attributes: HashMap::new(),
            open: HashSet::new(),
            depth: 0,
            instructions: 0,
            names: HashSet::new(),
            out: XmlSchemas {
                types: Vec::new(),
                elements: Vec::new(),
                attributes: Vec::new(),
                global_types: Table::default(),
                global_elements: Table::default(),
                global_attributes: Table::default(),
                members: HashMap::new(),
                constrained: false,
            },
        };
        loader.builtins();
        loader
    }

    /// The types and attributes that are always there.
    fn builtins(&mut self) {
        for (i, builtin) in BUILTINS.iter().enumerate() {
            let name = self.name(XSD, builtin.name);
            let mut facets = Facets::default();
            if builtin.items.is_some() {
                facets.min_length = Some(1);
            }
            let simple = Simple {
                name: Some(name.clone()),
                base: TypeId(index(builtin.base).unwrap_or(0)),
                variety: match builtin.items.and_then(index) {
                    Some(items) => Variety::List(TypeId(items)),
                    None => Variety::Atomic(builtin.primitive),
                },
                space: builtin.space,
                builtin: i,
                facets,
                block: Methods::default(),
            };
            self.out.types.push(Type::Simple(Arc::new(simple)));
            self.out.global_types.insert(&name, TypeId(i));
        }
        let name = self.name(XSD, "anyType");
        let lax = Wildcard {
            namespaces: Namespaces::Any,
            process: Process::Lax,
        };
        let particle = Particle {
            min: 0,
            max: None,
            term: Arc::new(Term::Any(lax.clone())),
        };
        let any = Complex {
            name: Some(name.clone()),
            base: ANY_TYPE,
            method: Methods::RESTRICTION,
            is_abstract: false,
            block: Methods::default(),
            mixed: true,
            content: Content::Model(Arc::new(Program::new(&particle).unwrap_or_default())),
            particle: Some(particle),
            uses: Vec::new(),
            wildcard: Some(lax),
        };
        self.out.types.push(Type::Complex(Arc::new(any)));
        self.out.global_types.insert(&name, ANY_TYPE);
        for (local, ty) in [
            ("lang", "language"),
            ("space", "NCName"),
            ("base", "anyURI"),
            ("id", "ID"),
        ] {
            let name = self.name(XML, local);
            let attribute = AttributeDecl {
                name: name.clone(),
                ty: TypeId(index(ty).unwrap_or(0)),
                fixed: None,
            };
            self.out.attributes.push(attribute);
            let id = AttributeId(self.out.attributes.len() - 1);
            self.out.global_attributes.insert(&name, id);
        }
    }

    fn run(&mut self, sources: &[XmlSource<'t>]) -> Loaded<()> {
        for source in sources {
            self.take(source)?;
        }
        // Documents without a namespace last: those that others include belong there.
        let own = |loader: &Self, doc: usize| {
            let doc = &loader.docs[doc];
            let target = loader.trees[doc.tree].attribute(doc.root, "", "targetNamespace");
            target.map(|a| a.value.to_string())
        };
        for with in [true, false] {
            for doc in 0..self.docs.len() {
                let namespace = own(self, doc);
                let taken = self.seen.iter().any(|(d, _)| *d == doc);
                if namespace.is_some() == with && !taken {
                    self.part(doc, &namespace.unwrap_or_default(), false)?;
                }
            }
        }
        self.compile()
    }

    /// A text, and the schemas in it.
    fn take(&mut self, source: &XmlSource<'t>) -> Loaded<()> {
        let doc = self.docs.len();
        self.docs.push(Doc {
            location: source.location,
            text: source.text,
            tree: self.trees.len(),
            root: 0,
        });
        let tree = Tree::read(source.text, true).map_err(|e| {
            Box::new(Wrong {
                doc,
                at: e.at,
                message: e.message,
            })
        })?;
        let roots: Vec<usize> = if tree.name(tree.root()) == (XSD, "schema") {
            vec![tree.root()]
        } else {
            (0..tree.nodes.len())
                .filter(|n| tree.name(*n) == (XSD, "schema"))
                .collect()
        };
        let Some((first, rest)) = roots.split_first() else {
            let (_, local) = tree.name(tree.root());
            let message = format!("`{}` is neither an XML schema nor holds one", short(local));
            return Err(Box::new(Wrong {
                doc,
                at: tree.nodes[0].at,
                message,
            }));
        };
        self.docs[doc].root = *first;
        for root in rest {
            self.docs.push(Doc {
                location: source.location,
                text: source.text,
                tree: self.trees.len(),
                root: *root,
            });
        }
        self.trees.push(tree);
        Ok(())
    }

    pub(super) fn tree(&self, part: usize) -> &Tree<'t> {
        &self.trees[self.docs[self.parts[part].doc].tree]
    }

    pub(super) fn wrong<T>(&self, at: At, message: impl Into<String>) -> Loaded<T> {
        Err(Box::new(Wrong {
            doc: self.parts[at.part].doc,
            at: self.tree(at.part).nodes.get(at.node).map_or(0, |n| n.at),
            message: message.into(),
        }))
    }

    /// One more level of calls.
    pub(super) fn deeper(&mut self, at: At) -> Loaded<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self.wrong(
                at,
                format!("schemas are nested or derived deeper than {DEPTH_MAX} levels"),
            );
        }
        Ok(())
    }

    pub(super) fn shared(&mut self, text: &str) -> Arc<str> {
        match self.names.get(text) {
            Some(known) => Arc::clone(known),
            None => {
                let new: Arc<str> = text.into();
                self.names.insert(Arc::clone(&new));
                new
            }
        }
    }

    pub(super) fn name(&mut self, uri: &str, local: &str) -> QName {
        QName {
            uri: self.shared(uri),
            local: self.shared(local),
        }
    }

    /// An attribute of a schema element.
    pub(super) fn attribute(&self, at: At, name: &str) -> Option<String> {
        let found: Option<&Attribute<'t>> = self.tree(at.part).attribute(at.node, "", name);
        found.map(|a| a.value.trim_matches([' ', '\t', '\n', '\r']).to_owned())
    }

    pub(super) fn flag(&self, at: At, name: &str) -> Loaded<bool> {
        match self.attribute(at, name).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(other) => self.wrong(
                at,
                format!("`{name}` must be true or false, not `{}`", short(other)),
            ),
        }
    }

    /// Child elements of XML Schema without annotations, and what they are called.
    pub(super) fn children(&self, at: At) -> Loaded<Vec<(At, &'t str)>> {
        let tree = self.tree(at.part);
        let mut out = Vec::new();
        for node in tree.elements(at.node) {
            let child = At { node, ..at };
            match tree.name(node) {
                (XSD, "annotation") => {}
                (XSD, local) => out.push((child, local)),
                (uri, local) => {
                    return self.wrong(
                        child,
                        format!("`{local}` of namespace `{}` has no place here", short(uri)),
                    );
                }
            }
        }
        if self
            .tree(at.part)
            .children(at.node)
            .any(|n| self.is_text(at.part, n))
        {
            return self.wrong(at, "text has no place between the elements of a schema");
        }
        Ok(out)
    }

    fn is_text(&self, part: usize, node: usize) -> bool {
        match &self.tree(part).nodes[node].kind {
            Kind::Text(text) => !text.trim_matches([' ', '\t', '\n', '\r']).is_empty(),
            Kind::Element { .. } => false,
        }
    }

    pub(super) fn local(&self, at: At) -> &'t str {
        self.tree(at.part).name(at.node).1
    }

    /// `name`, in the namespace of the document.
    pub(super) fn own_name(&mut self, at: At) -> Loaded<QName> {
        let local = self.ncname(at)?;
        let uri = Arc::clone(&self.parts[at.part].namespace);
        Ok(QName {
            uri,
            local: self.shared(&local),
        })
    }

    pub(super) fn ncname(&self, at: At) -> Loaded<String> {
        match self.attribute(at, "name") {
            Some(name) if super::value::is_ncname(&name) => Ok(name),
            Some(name) => self.wrong(at, format!("`{}` is no name", short(&name))),
            None => self.wrong(at, format!("`{}` needs a `name`", self.local(at))),
        }
    }

    /// The name that a reference means.
    pub(super) fn resolve(&mut self, at: At, text: &str) -> Loaded<QName> {
        let (prefix, local) = text.split_once(':').unwrap_or(("", text));
        if !super::value::is_ncname(local) {
            return self.wrong(at, format!("`{}` is no name", short(text)));
        }
        let uri = self.tree(at.part).lookup(at.node, prefix).map(str::to_owned);
        let Some(mut uri) = uri else {
            return self.wrong(at, format!("the prefix of `{}` is not declared", short(text)));
        };
        let part = &self.parts[at.part];
        if uri.is_empty() && part.adopted {
            uri = part.namespace.to_string();
        }
        Ok(self.name(&uri, local))
    }

    /// A reference to something that is not there.
    pub(super) fn unknown<T>(&self, at: At, kind: &str, name: &QName) -> Loaded<T> {
        let mut message = format!("the {kind} `{name}` is not declared");
        if !self.missing.is_empty() {
            message += &format!(
                "; not given, and never fetched: {}",
                short(&self.missing.join(", "))
            );
        }
        self.wrong(at, message)
    }

    pub(super) fn methods(&self, at: At, attribute: &str, all: Methods) -> Loaded<Option<Methods>> {
        let Some(text) = self.attribute(at, attribute) else {
            return Ok(None);
        };
        let mut out = Methods::default();
        for word in text.split_ascii_whitespace() {
            out = out.and(match word {
                "#all" => all,
                "extension" => Methods::EXTENSION,
                "restriction" => Methods::RESTRICTION,
                "substitution" => Methods::SUBSTITUTION,
                "list" | "union" => Methods::default(),
                other => {
                    return self.wrong(at, format!("`{}` is no way to derive", short(other)));
                }
            });
        }
        Ok(Some(out))
    }

    /// Takes a schema document for a namespace.
    fn part(&mut self, doc: usize, namespace: &str, adopted: bool) -> Loaded<()> {
        let namespace = self.shared(namespace);
        if !self.seen.insert((doc, Arc::clone(&namespace))) {
            return Ok(());
        }
        let part = self.parts.len();
        self.parts.push(Part {
            doc,
            namespace,
            adopted,
            qualified_elements: false,
            qualified_attributes: false,
            block: Methods::default(),
        });
        let root = At {
            part,
            node: self.docs[doc].root,
        };
        if part >= PARTS_MAX {
            return self.wrong(root, format!("there are more than {PARTS_MAX} schema documents"));
        }
        for (attribute, elements) in [("elementFormDefault", true), ("attributeFormDefault", false)] {
            let qualified = match self.attribute(root, attribute).as_deref() {
                None | Some("unqualified") => false,
                Some("qualified") => true,
                Some(other) => {
                    return self.wrong(root, format!("`{attribute}` cannot be `{}`", short(other)));
                }
            };
            if elements {
                self.parts[part].qualified_elements = qualified;
            } else {
                self.parts[part].qualified_attributes = qualified;
            }
        }
        self.parts[part].block = self
            .methods(root, "blockDefault", Methods::ALL)?
            .unwrap_or_default();
        for (child, local) in self.children(root)? {
            match local {
                "include" => self.include(child)?,
                // Whatever was given is known anyway.
                "import" => {
                    if let Some(location) = self.attribute(child, "schemaLocation")
                        && self.find(&location).is_none()
                    {
                        self.missing.push(location);
                    }
                }
                "notation" => {}
                "redefine" => {
                    return self.wrong(
                        child,
                        "`redefine` is not supported; write the changed types into one schema",
                    );
                }
                _ => self.global(child, local)?,
            }
        }
        Ok(())
    }

    fn include(&mut self, at: At) -> Loaded<()> {
        let Some(location) = self.attribute(at, "schemaLocation") else {
            return self.wrong(at, "`include` needs a `schemaLocation`");
        };
        let Some(doc) = self.find(&location) else {
            self.missing.push(location);
            return Ok(());
        };
        let namespace = self.parts[at.part].namespace.to_string();
        let found = &self.docs[doc];
        let own = self.trees[found.tree].attribute(found.root, "", "targetNamespace");
        match own.map(|a| a.value.to_string()) {
            Some(own) if own == namespace => self.part(doc, &own, false),
            None => self.part(doc, &namespace, true),
            Some(own) => self.wrong(
                at,
                format!(
                    "`{}` is of namespace `{}`, not of this one",
                    short(&location),
                    short(&own)
                ),
            ),
        }
    }

    /// The text that a location means: the same, or the only one of its file name.
    fn find(&self, location: &str) -> Option<usize> {
        let file = |l: &str| l.rsplit(['/', '\\']).next().unwrap_or("").to_owned();
        let wanted = location.trim_start_matches("./");
        self.docs
            .iter()
            .position(|d| d.location == wanted)
            .or_else(|| self.docs.iter().position(|d| file(d.location) == file(wanted)))
    }

    /// Takes a global component; it is read later.
    fn global(&mut self, at: At, local: &str) -> Loaded<()> {
        let name = self.own_name(at)?;
        let count = self.out.types.len() + self.out.elements.len() + self.out.attributes.len();
        if count > COMPONENTS_MAX {
            return self.wrong(at, format!("there are more than {COMPONENTS_MAX} declarations"));
        }
        let twice = match local {
            "simpleType" | "complexType" => {
                let id = TypeId(self.out.types.len());
                self.out.types.push(Type::Pending);
                self.types.insert(id, at);
                self.out.global_types.insert(&name, id).is_some()
            }
            "element" => {
                let id = ElementId(self.out.elements.len());
                self.out.elements.push(Element::pending(name.clone()));
                self.elements.insert(id, at);
                self.out.global_elements.insert(&name, id).is_some()
            }
            "attribute" => {
                let id = AttributeId(self.out.attributes.len());
                self.out.attributes.push(AttributeDecl {
                    name: name.clone(),
                    ty: TypeId(0),
                    fixed: None,
                });
                self.attributes.insert(id, at);
                // A schema of the `xml:` attributes says what is known.
                self.out.global_attributes.insert(&name, id).is_some() && *name.uri != *XML
            }
            "group" => self.groups.insert(&name, at).is_some(),
            "attributeGroup" => self.attribute_groups.insert(&name, at).is_some(),
            other => return self.wrong(at, format!("`{other}` has no place at the top of a schema")),
        };
        if twice {
            return self.wrong(at, format!("the {local} `{name}` is declared twice"));
        }
        Ok(())
    }

    fn compile(&mut self) -> Loaded<()> {
        let mut types: Vec<(TypeId, At)> = self.types.iter().map(|(id, at)| (*id, *at)).collect();
        types.sort_unstable_by_key(|(id, _)| *id);
        for (id, at) in types {
            self.settle(id, at)?;
        }
        let mut attributes: Vec<(AttributeId, At)> =
            self.attributes.iter().map(|(id, at)| (*id, *at)).collect();
        attributes.sort_unstable_by_key(|(id, _)| *id);
        for (id, at) in attributes {
            let name = self.out.attributes[id.0].name.clone();
            self.out.attributes[id.0] = self.attribute_decl(at, name)?;
        }
        let mut elements: Vec<(ElementId, At)> = self.elements.iter().map(|(id, at)| (*id, *at)).collect();
        elements.sort_unstable_by_key(|(id, _)| *id);
        for (id, at) in &elements {
            let name = self.out.elements[id.0].name.clone();
            self.out.elements[id.0] = self.element(*at, name)?;
        }
        while let Some((id, at)) = self.later.pop() {
            let complex = self.complex(at, None)?;
            self.out.types[id.0] = Type::Complex(Arc::new(complex));
        }
        // Without a type of its own a member has its head's.
        for (id, at) in &elements {
            self.inherit(*id, *at)?;
        }
        for (id, at) in &elements {
            self.join_heads(*id, *at)?;
        }
        identity::link(self)
    }

    /// Reads a global type, unless that has been done.
    pub(super) fn settle(&mut self, id: TypeId, from: At) -> Loaded<()> {
        let (Type::Pending, Some(at)) = (&self.out.types[id.0], self.types.get(&id).copied()) else {
            return Ok(());
        };
        if !self.open.insert(id) {
            return self.wrong(from, "types derive from each other in a circle");
        }
        let name = self.own_name(at)?;
        let ty = if self.local(at) == "simpleType" {
            Type::Simple(Arc::new(self.simple(at, Some(name))?))
        } else {
            Type::Complex(Arc::new(self.complex(at, Some(name))?))
        };
        self.open.remove(&id);
        self.out.types[id.0] = ty;
        Ok(())
    }

    /// The type that a reference means, read.
    pub(super) fn base(&mut self, at: At, text: &str) -> Loaded<TypeId> {
        let id = self.type_named(at, text)?;
        self.settle(id, at)?;
        Ok(id)
    }

    /// The type that a reference means.
    pub(super) fn type_named(&mut self, at: At, text: &str) -> Loaded<TypeId> {
        let name = self.resolve(at, text)?;
        match self.out.global_types.get(&name.uri, &name.local) {
            Some(id) => Ok(id),
            None => self.unknown(at, "type", &name),
        }
    }

    pub(super) fn push_type(&mut self, ty: Type) -> TypeId {
        self.out.types.push(ty);
        TypeId(self.out.types.len() - 1)
    }

    /// The type of a declaration, from its attribute or its child; none given: `None`.
    pub(super) fn declared_type(&mut self, at: At) -> Loaded<Option<TypeId>> {
        if let Some(name) = self.attribute(at, "type") {
            return self.type_named(at, &name).map(Some);
        }
        for (child, local) in self.children(at)? {
            match local {
                "simpleType" => {
                    let ty = Type::Simple(Arc::new(self.simple(child, None)?));
                    return Ok(Some(self.push_type(ty)));
                }
                // Read later: it may hold the group that it stands in.
                "complexType" => {
                    let id = self.push_type(Type::Pending);
                    self.later.push((id, child));
                    return Ok(Some(id));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// An element declaration.
    pub(super) fn element(&mut self, at: At, name: QName) -> Loaded<Element> {
        self.deeper(at)?;
        let head = match self.attribute(at, "substitutionGroup") {
            Some(text) => {
                let name = self.resolve(at, &text)?;
                match self.out.global_elements.get(&name.uri, &name.local) {
                    Some(head) => Some(head),
                    None => return self.unknown(at, "element", &name),
                }
            }
            None => None,
        };
        let ty = self.declared_type(at)?;
        let block = self.methods(at, "block", Methods::ALL)?;
        let (default, fixed) = (self.attribute_raw(at, "default"), self.attribute_raw(at, "fixed"));
        if default.is_some() && fixed.is_some() {
            return self.wrong(at, "`default` and `fixed` exclude each other");
        }
        let mut constraints = Vec::new();
        for (child, local) in self.children(at)? {
            match local {
                "unique" | "key" | "keyref" => constraints.push(Arc::new(identity::read(self, child)?)),
                "simpleType" | "complexType" => {}
                other => return self.wrong(child, format!("`{other}` has no place in an element")),
            }
        }
        self.out.constrained |= !constraints.is_empty();
        self.depth -= 1;
        Ok(Element {
            name,
            // A head's type is known when all elements are.
            ty: ty.unwrap_or(if head.is_some() { TypeId(NONE) } else { ANY_TYPE }),
            nillable: self.flag(at, "nillable")?,
            is_abstract: self.flag(at, "abstract")?,
            default,
            fixed,
            block: block.unwrap_or(self.parts[at.part].block),
            head,
            constraints,
        })
    }

    /// An attribute with its white space.
    pub(super) fn attribute_raw(&self, at: At, name: &str) -> Option<Arc<str>> {
        let found = self.tree(at.part).attribute(at.node, "", name);
        found.map(|a| Arc::from(&*a.value))
    }

    pub(super) fn push_element(&mut self, at: At, element: Element) -> Loaded<ElementId> {
        if self.out.elements.len() > COMPONENTS_MAX {
            return self.wrong(at, format!("there are more than {COMPONENTS_MAX} declarations"));
        }
        self.out.elements.push(element);
        Ok(ElementId(self.out.elements.len() - 1))
    }

    fn inherit(&mut self, id: ElementId, at: At) -> Loaded<()> {
        let mut from = id;
        let mut way = HashSet::new();
        while self.out.elements[from.0].ty.0 == NONE {
            if !way.insert(from) {
                return self.wrong(at, "substitution groups refer to each other in a circle");
            }
            match self.out.elements[from.0].head {
                Some(head) => from = head,
                None => break,
            }
        }
        self.out.elements[id.0].ty = self.out.elements[from.0].ty;
        Ok(())
    }

    /// Enters an element as a member of all heads above it that it may stand for.
    fn join_heads(&mut self, id: ElementId, at: At) -> Loaded<()> {
        let mut way = HashSet::from([id]);
        let mut head = self.out.elements[id.0].head;
        while let Some(above) = head {
            if !way.insert(above) {
                return self.wrong(at, "substitution groups refer to each other in a circle");
            }
            let declared = &self.out.elements[above.0];
            let ty = self.out.elements[id.0].ty;
            let blocked = declared.block.and(self.out.block_of(declared.ty));
            let allowed = match self.out.derivation(ty, declared.ty) {
                Some(methods) => !methods.meets(blocked) && !declared.block.meets(Methods::SUBSTITUTION),
                None => {
                    let name = &self.out.elements[id.0].name;
                    let message = format!(
                        "the type of `{name}` does not derive from that of `{}`, whose substitution group it joins",
                        declared.name
                    );
                    return self.wrong(at, message);
                }
            };
            head = declared.head;
            if allowed {
                self.out.members.entry(above).or_default().push(id);
            }
        }
        if self.out.members.values().map(Vec::len).sum::<usize>() > MEMBERS_MAX {
            return self.wrong(at, "substitution groups have too many members");
        }
        Ok(())
    }

    /// Compiles a content model.
    pub(super) fn program(&mut self, at: At, particle: &Particle) -> Loaded<Arc<Program>> {
        let program = Program::new(particle);
        let Some(program) = program else {
            return self.wrong(at, "the content model is too large");
        };
        self.instructions += program.len();
        if self.instructions > INSTRUCTIONS_MAX {
            return self.wrong(at, "the content models are too large together");
        }
        Ok(Arc::new(program))
    }
}

impl Element {
    fn pending(name: QName) -> Self {
        Self {
            name,
            ty: ANY_TYPE,
            nillable: false,
            is_abstract: false,
            default: None,
            fixed: None,
            block: Methods::default(),
            head: None,
            constraints: Vec::new(),
        }
    }
}

impl XmlSchemas {
    /// Methods by which nothing may come from a type.
    pub(super) fn block_of(&self, ty: TypeId) -> Methods {
        match &self.types[ty.0] {
            Type::Complex(complex) => complex.block,
            Type::Simple(simple) => simple.block,
            Type::Pending => Methods::default(),
        }
    }

    /// The methods by which `ty` comes from `base`; `None`: it does not.
    pub(super) fn derivation(&self, ty: TypeId, base: TypeId) -> Option<Methods> {
        let (mut at, mut methods) = (ty, Methods::default());
        // No type derives from itself, as loading has seen to, but the outermost ones.
        loop {
            if at == base {
                return Some(methods);
            }
            at = match &self.types[at.0] {
                Type::Complex(_) if at == ANY_TYPE => return None,
                Type::Complex(complex) => {
                    methods = methods.and(complex.method);
                    complex.base
                }
                Type::Simple(_) if at.0 == 0 => {
                    methods = methods.and(Methods::RESTRICTION);
                    ANY_TYPE
                }
                Type::Simple(simple) => {
                    methods = methods.and(Methods::RESTRICTION);
                    // A member stands for its union.
                    if let Type::Simple(above) = &self.types[base.0]
                        && let Variety::Union(members) = &above.variety
                        && members.contains(&at)
                    {
                        return Some(methods);
                    }
                    simple.base
                }
                Type::Pending => return None,
            };
        }
    }
}
