//! Complex types: content, derivation, attributes and groups, as schemas write them.

use std::sync::Arc;

use super::{
    load::{ANY_TYPE, At, Loaded, Loader},
    model::{
        AttributeDecl, AttributeId, Complex, Content, Methods, Namespaces, Particle, Process, QName, Simple,
        Term, Type, TypeId, Use, Wildcard,
    },
    short,
};

/// Attributes of one type: each of an element is looked for among them.
const USES_MAX: usize = 2_000;
/// No body has as many elements, so a `maxOccurs` from here on is no bound.
const OCCURS_MAX: u32 = 500_000;

/// Attributes that a type has and lacks.
#[derive(Default)]
struct Attributes {
    uses: Vec<Use>,
    prohibited: Vec<QName>,
    wildcard: Option<Wildcard>,
}

impl Loader<'_> {
    /// A complex type.
    pub(super) fn complex(&mut self, at: At, name: Option<QName>) -> Loaded<Complex> {
        self.deeper(at)?;
        let mixed = self.flag(at, "mixed")?;
        let children = self.children(at)?;
        let derived = children
            .iter()
            .find(|(_, l)| matches!(*l, "simpleContent" | "complexContent"));
        let mut complex = match derived {
            Some((content, local)) => {
                let mixed = match self.attribute(*content, "mixed") {
                    Some(_) => self.flag(*content, "mixed")?,
                    None => mixed,
                };
                let inside = self.children(*content)?;
                let [(derivation, way @ ("extension" | "restriction"))] = inside.as_slice() else {
                    return self.wrong(*content, format!("`{local}` needs `extension` or `restriction`"));
                };
                let Some(base) = self.attribute(*derivation, "base") else {
                    return self.wrong(*derivation, format!("`{way}` needs a `base`"));
                };
                let base = self.base(*derivation, &base)?;
                match (*local, *way) {
                    ("simpleContent", "extension") => self.simple_extension(*derivation, base)?,
                    ("simpleContent", _) => self.simple_restriction(*derivation, base)?,
                    (_, "extension") => self.extension(*derivation, base, mixed)?,
                    (..) => self.restriction(*derivation, base, mixed)?,
                }
            }
            None => self.restriction(at, ANY_TYPE, mixed)?,
        };
        complex.name = name;
        complex.is_abstract = self.flag(at, "abstract")?;
        let block = self.methods(at, "block", Methods::ALL)?;
        complex.block = block.unwrap_or(self.parts[at.part].block);
        self.depth -= 1;
        Ok(complex)
    }

    fn simple_extension(&mut self, at: At, base: TypeId) -> Loaded<Complex> {
        let own = self.attributes(at)?;
        let (content, inherited) = match &self.out.types[base.0] {
            Type::Simple(_) => (base, Vec::new()),
            Type::Complex(complex) => match &complex.content {
                Content::Simple(content) => (*content, complex.uses.clone()),
                _ => return self.wrong(at, "its base has no simple content"),
            },
            Type::Pending => return self.wrong(at, "its base derives from it"),
        };
        let wildcard = self.joined(at, base, own.wildcard)?;
        let uses = self.merged(at, inherited, own.uses)?;
        Ok(Complex {
            uses,
            wildcard,
            ..derived(base, Methods::EXTENSION, Content::Simple(content), false)
        })
    }

    fn simple_restriction(&mut self, at: At, base: TypeId) -> Loaded<Complex> {
        let own = self.attributes(at)?;
        let Type::Complex(complex) = &self.out.types[base.0] else {
            return self.wrong(at, "its base is no complex type");
        };
        let complex = Arc::clone(complex);
        let inside = self.children(at)?.into_iter().find(|(_, l)| *l == "simpleType");
        let content = match (inside, &complex.content) {
            (Some((inside, _)), _) => {
                let simple = self.simple(inside, None)?;
                self.push_type(Type::Simple(Arc::new(simple)))
            }
            (None, Content::Simple(content)) => *content,
            (None, _) => return self.wrong(at, "its base has no simple content"),
        };
        let Some(simple) = self.out.simple(content) else {
            return self.wrong(at, "its content is no simple type");
        };
        let simple = Simple {
            base: content,
            ..Simple::clone(simple)
        };
        let restricted = self.restricted(at, simple)?;
        let content = self.push_type(Type::Simple(Arc::new(restricted)));
        let uses = self.narrowed(&complex.uses, own.uses, &own.prohibited);
        Ok(Complex {
            uses,
            wildcard: own.wildcard,
            ..derived(base, Methods::RESTRICTION, Content::Simple(content), false)
        })
    }

    fn extension(&mut self, at: At, base: TypeId, mixed: bool) -> Loaded<Complex> {
        let own = self.attributes(at)?;
        let particle = self.content_particle(at)?;
        let Type::Complex(complex) = &self.out.types[base.0] else {
            return self.wrong(at, "its base is no complex type");
        };
        let complex = Arc::clone(complex);
        if base == ANY_TYPE && particle.is_none() {
            let uses = self.merged(at, Vec::new(), own.uses)?;
            return Ok(Complex {
                particle: complex.particle.clone(),
                uses,
                wildcard: complex.wildcard.clone(),
                ..derived(
                    base,
                    Methods::EXTENSION,
                    Content::Model(self.any_program(at, &complex)?),
                    true,
                )
            });
        }
        if matches!(complex.content, Content::Simple(_)) {
            if particle.is_some() {
                return self.wrong(at, "its base has simple content");
            }
            return self.simple_extension(at, base);
        }
        let inherits = complex.particle.clone();
        // Nothing of its own: as the base is, mixed or not.
        let mixed = mixed || (complex.mixed && (particle.is_none() || base == ANY_TYPE));
        if complex.particle.is_some() && complex.mixed != mixed && !complex.mixed {
            return self.wrong(at, "its base is not mixed");
        }
        let is_all = |p: &Option<Particle>| p.as_ref().is_some_and(|p| matches!(*p.term, Term::All(_)));
        let particle = match (inherits, particle) {
            (None, own) => own,
            (inherits, None) => inherits,
            (inherits, own) if is_all(&inherits) || is_all(&own) => {
                return self.wrong(at, "`all` cannot be extended, nor extend other content");
            }
            (Some(inherits), Some(own)) => Some(Particle {
                min: 1,
                max: Some(1),
                term: Arc::new(Term::Sequence(vec![inherits, own])),
            }),
        };
        let content = self.content(at, particle.as_ref())?;
        let wildcard = self.joined(at, base, own.wildcard)?;
        let uses = self.merged(at, complex.uses.clone(), own.uses)?;
        Ok(Complex {
            particle,
            uses,
            wildcard,
            ..derived(base, Methods::EXTENSION, content, mixed)
        })
    }

    fn any_program(&mut self, at: At, any: &Complex) -> Loaded<Arc<super::particle::Program>> {
        match &any.particle {
            Some(particle) => self.program(at, particle),
            None => self.wrong(at, "its base has no content"),
        }
    }

    fn restriction(&mut self, at: At, base: TypeId, mixed: bool) -> Loaded<Complex> {
        let own = self.attributes(at)?;
        let particle = self.content_particle(at)?;
        let Type::Complex(complex) = &self.out.types[base.0] else {
            return self.wrong(at, "its base is no complex type");
        };
        let complex = Arc::clone(complex);
        let content = self.content(at, particle.as_ref())?;
        let uses = if base == ANY_TYPE {
            self.merged(at, Vec::new(), own.uses)?
        } else {
            self.narrowed(&complex.uses, own.uses, &own.prohibited)
        };
        Ok(Complex {
            particle,
            uses,
            wildcard: own.wildcard,
            ..derived(base, Methods::RESTRICTION, content, mixed)
        })
    }

    /// The wildcard of an extension: the base's and its own.
    fn joined(&mut self, at: At, base: TypeId, own: Option<Wildcard>) -> Loaded<Option<Wildcard>> {
        let inherited = match &self.out.types[base.0] {
            Type::Complex(complex) => complex.wildcard.clone(),
            _ => None,
        };
        match (inherited, own) {
            (Some(a), Some(b)) => match a.namespaces.union(&b.namespaces) {
                Some(namespaces) => Ok(Some(Wildcard {
                    namespaces,
                    process: b.process,
                })),
                None => self.wrong(
                    at,
                    "no wildcard says what this one and that of the base admit together",
                ),
            },
            (a, b) => Ok(b.or(a)),
        }
    }

    fn merged(&mut self, at: At, mut uses: Vec<Use>, own: Vec<Use>) -> Loaded<Vec<Use>> {
        for one in own {
            let name = &self.out.attributes[one.attribute.0].name;
            if uses
                .iter()
                .any(|u| self.out.attributes[u.attribute.0].name == *name)
            {
                return self.wrong(at, format!("the attribute `{name}` is there twice"));
            }
            uses.push(one);
        }
        if uses.len() > USES_MAX {
            return self.wrong(at, format!("a type has more than {USES_MAX} attributes"));
        }
        Ok(uses)
    }

    /// The base's attributes, its own in their place, without those it takes away.
    fn narrowed(&self, base: &[Use], own: Vec<Use>, prohibited: &[QName]) -> Vec<Use> {
        let name = |u: &Use| &self.out.attributes[u.attribute.0].name;
        let kept = base
            .iter()
            .filter(|u| !prohibited.contains(name(u)) && !own.iter().any(|o| name(o) == name(u)));
        kept.cloned().chain(own.iter().cloned()).collect()
    }

    /// Attributes declared right here.
    fn attributes(&mut self, at: At) -> Loaded<Attributes> {
        self.deeper(at)?;
        let mut out = Attributes::default();
        let mut wildcards: Vec<Wildcard> = Vec::new();
        let mut own_wildcard = None;
        for (child, local) in self.children(at)? {
            match local {
                "attribute" => self.attribute_use(child, &mut out)?,
                "attributeGroup" => {
                    let Some(text) = self.attribute(child, "ref") else {
                        return self.wrong(child, "`attributeGroup` needs a `ref` here");
                    };
                    let name = self.resolve(child, &text)?;
                    let Some(group) = self.attribute_groups.get(&name.uri, &name.local) else {
                        return self.unknown(child, "attribute group", &name);
                    };
                    let inside = self.attributes(group)?;
                    out.uses = self.merged(child, std::mem::take(&mut out.uses), inside.uses)?;
                    out.prohibited.extend(inside.prohibited);
                    wildcards.extend(inside.wildcard);
                }
                "anyAttribute" => own_wildcard = Some(self.wildcard(child)?),
                _ => {}
            }
        }
        for other in wildcards {
            own_wildcard = match own_wildcard {
                None => Some(other),
                Some(own) => match own.namespaces.intersection(&other.namespaces) {
                    Some(namespaces) => Some(Wildcard { namespaces, ..own }),
                    None => {
                        return self.wrong(at, "no wildcard says what all those of its groups admit");
                    }
                },
            };
        }
        out.wildcard = own_wildcard;
        self.depth -= 1;
        Ok(out)
    }

    fn attribute_use(&mut self, at: At, out: &mut Attributes) -> Loaded<()> {
        let required = match self.attribute(at, "use").as_deref() {
            None | Some("optional" | "prohibited") => false,
            Some("required") => true,
            Some(other) => return self.wrong(at, format!("`use` cannot be `{}`", short(other))),
        };
        let fixed = self.attribute_raw(at, "fixed");
        if fixed.is_some() && self.attribute(at, "default").is_some() {
            return self.wrong(at, "`default` and `fixed` exclude each other");
        }
        let (id, name) = if let Some(text) = self.attribute(at, "ref") {
            let name = self.resolve(at, &text)?;
            match self.out.global_attributes.get(&name.uri, &name.local) {
                Some(id) => (id, name),
                None => return self.unknown(at, "attribute", &name),
            }
        } else {
            let local = self.ncname(at)?;
            let uri = match self.attribute(at, "form").as_deref() {
                Some("qualified") => true,
                Some("unqualified") => false,
                Some(other) => return self.wrong(at, format!("`form` cannot be `{}`", short(other))),
                None => self.parts[at.part].qualified_attributes,
            };
            let uri = if uri {
                self.parts[at.part].namespace.to_string()
            } else {
                String::new()
            };
            let name = self.name(&uri, &local);
            let declared = self.attribute_decl(at, name.clone())?;
            self.out.attributes.push(declared);
            (AttributeId(self.out.attributes.len() - 1), name)
        };
        if self.attribute(at, "use").as_deref() == Some("prohibited") {
            out.prohibited.push(name);
            return Ok(());
        }
        let new = Use {
            attribute: id,
            required,
            fixed,
        };
        out.uses = self.merged(at, std::mem::take(&mut out.uses), vec![new])?;
        Ok(())
    }

    /// An attribute declaration.
    pub(super) fn attribute_decl(&mut self, at: At, name: QName) -> Loaded<AttributeDecl> {
        if *name.local == *"xmlns" || *name.uri == *super::XSI {
            return self.wrong(at, format!("`{name}` cannot be declared"));
        }
        let ty = self.declared_type(at)?.unwrap_or(TypeId(0));
        self.settle(ty, at)?;
        if self.out.simple(ty).is_none() {
            return self.wrong(at, "the type of an attribute is a simple one");
        }
        Ok(AttributeDecl {
            name,
            ty,
            fixed: self.attribute_raw(at, "fixed"),
        })
    }

    fn wildcard(&mut self, at: At) -> Loaded<Wildcard> {
        let own = Arc::clone(&self.parts[at.part].namespace);
        let namespaces = match self.attribute(at, "namespace").as_deref() {
            None | Some("##any") => Namespaces::Any,
            Some("##other") => Namespaces::Other(own),
            Some(list) => {
                let mut these = Vec::new();
                for word in list.split_ascii_whitespace() {
                    these.push(match word {
                        "##targetNamespace" => Arc::clone(&own),
                        "##local" => self.shared(""),
                        "##any" | "##other" => return self.wrong(at, format!("`{word}` stands alone")),
                        uri => self.shared(uri),
                    });
                }
                Namespaces::These(these)
            }
        };
        let process = match self.attribute(at, "processContents").as_deref() {
            None | Some("strict") => Process::Strict,
            Some("lax") => Process::Lax,
            Some("skip") => Process::Skip,
            Some(other) => return self.wrong(at, format!("`processContents` cannot be `{}`", short(other))),
        };
        Ok(Wildcard { namespaces, process })
    }

    /// The model inside a type or a derivation; nothing there: `None`.
    fn content_particle(&mut self, at: At) -> Loaded<Option<Particle>> {
        let mut found = None;
        for (child, local) in self.children(at)? {
            match local {
                "sequence" | "choice" | "all" | "group" if found.is_none() => {
                    found = Some(self.particle(child, local)?);
                }
                "attribute" | "attributeGroup" | "anyAttribute" => {}
                other => return self.wrong(child, format!("`{other}` has no place in a complex type")),
            }
        }
        // `<sequence/>` is as good as nothing.
        let empty = |p: &Particle| {
            p.max == Some(0)
                || matches!(&*p.term, Term::Sequence(parts) | Term::All(parts) if parts.is_empty())
        };
        Ok(found.filter(|p| !empty(p)))
    }

    fn content(&mut self, at: At, particle: Option<&Particle>) -> Loaded<Content> {
        let Some(particle) = particle else {
            return Ok(Content::Empty);
        };
        if let Term::All(parts) = &*particle.term {
            let mut elements = Vec::new();
            for part in parts {
                match &*part.term {
                    Term::Element(id) if part.max.is_some_and(|m| m <= 1) => {
                        if part.max == Some(1) {
                            elements.push((*id, part.min == 1));
                        }
                    }
                    _ => return self.wrong(at, "`all` holds elements, each at most once"),
                }
            }
            if particle.max != Some(1) {
                return self.wrong(at, "`all` occurs at most once");
            }
            return Ok(Content::All(elements, particle.min == 0));
        }
        Ok(Content::Model(self.program(at, particle)?))
    }

    fn occurs(&self, at: At) -> Loaded<(u32, Option<u32>)> {
        let number = |text: &str| {
            let good = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            good.then(|| text.parse::<u32>().unwrap_or(OCCURS_MAX).min(OCCURS_MAX))
        };
        let min = match self.attribute(at, "minOccurs") {
            None => 1,
            Some(text) => match number(&text) {
                Some(min) => min,
                None => {
                    return self.wrong(
                        at,
                        format!("`minOccurs` must be a number, not `{}`", short(&text)),
                    );
                }
            },
        };
        let max = match self.attribute(at, "maxOccurs").as_deref() {
            None => Some(1),
            Some("unbounded") => None,
            Some(text) => match number(text) {
                Some(OCCURS_MAX) => None,
                Some(max) => Some(max),
                None => {
                    return self.wrong(
                        at,
                        format!(
                            "`maxOccurs` must be a number or `unbounded`, not `{}`",
                            short(text)
                        ),
                    );
                }
            },
        };
        if max.is_some_and(|max| max < min) {
            return self.wrong(at, "`maxOccurs` is less than `minOccurs`");
        }
        Ok((min, max))
    }

    fn particle(&mut self, at: At, local: &str) -> Loaded<Particle> {
        self.deeper(at)?;
        let (min, max) = self.occurs(at)?;
        let term = match local {
            "element" => Term::Element(self.local_element(at)?),
            "any" => Term::Any(self.wildcard(at)?),
            "group" => {
                let inside = self.group(at)?;
                self.depth -= 1;
                // One of one is the group itself; `all` must stay at the top to be seen there.
                if (min, max) == (1, Some(1)) || matches!(*inside.term, Term::All(_)) {
                    return Ok(Particle {
                        min: min.min(inside.min),
                        ..inside
                    });
                }
                return Ok(Particle {
                    min,
                    max,
                    term: Arc::new(Term::Sequence(vec![inside])),
                });
            }
            "sequence" | "choice" | "all" => {
                let mut parts = Vec::new();
                for (child, local) in self.children(at)? {
                    match local {
                        "element" | "any" | "group" | "sequence" | "choice" => {
                            parts.push(self.particle(child, local)?);
                        }
                        other => {
                            return self.wrong(child, format!("`{other}` has no place in a content model"));
                        }
                    }
                }
                match local {
                    "sequence" => Term::Sequence(parts),
                    "choice" => Term::Choice(parts),
                    _ => Term::All(parts),
                }
            }
            other => return self.wrong(at, format!("`{other}` has no place in a content model")),
        };
        self.depth -= 1;
        Ok(Particle {
            min,
            max,
            term: Arc::new(term),
        })
    }

    /// What is in the group that a reference means.
    fn group(&mut self, at: At) -> Loaded<Particle> {
        let Some(text) = self.attribute(at, "ref") else {
            return self.wrong(at, "`group` needs a `ref` here");
        };
        let name = self.resolve(at, &text)?;
        let Some(group) = self.groups.get(&name.uri, &name.local) else {
            return self.unknown(at, "group", &name);
        };
        if let Some(known) = self.group_particles.get(&name) {
            return Ok(known.clone());
        }
        let children = self.children(group)?;
        let [(model, local @ ("sequence" | "choice" | "all"))] = children.as_slice() else {
            return self.wrong(group, "a group needs one of `sequence`, `choice` and `all`");
        };
        let particle = self.particle(*model, local)?;
        self.group_particles.insert(name, particle.clone());
        Ok(particle)
    }

    fn local_element(&mut self, at: At) -> Loaded<super::ElementId> {
        if let Some(text) = self.attribute(at, "ref") {
            let name = self.resolve(at, &text)?;
            return match self.out.global_elements.get(&name.uri, &name.local) {
                Some(id) => Ok(id),
                None => self.unknown(at, "element", &name),
            };
        }
        let local = self.ncname(at)?;
        let qualified = match self.attribute(at, "form").as_deref() {
            Some("qualified") => true,
            Some("unqualified") => false,
            Some(other) => return self.wrong(at, format!("`form` cannot be `{}`", short(other))),
            None => self.parts[at.part].qualified_elements,
        };
        let uri = if qualified {
            self.parts[at.part].namespace.to_string()
        } else {
            String::new()
        };
        let name = self.name(&uri, &local);
        if self.attribute(at, "substitutionGroup").is_some() {
            return self.wrong(
                at,
                "only elements at the top of a schema join substitution groups",
            );
        }
        let element = self.element(at, name)?;
        self.push_element(at, element)
    }
}

fn derived(base: TypeId, method: Methods, content: Content, mixed: bool) -> Complex {
    Complex {
        name: None,
        base,
        method,
        is_abstract: false,
        block: Methods::default(),
        mixed,
        content,
        particle: None,
        uses: Vec::new(),
        wildcard: None,
    }
}
