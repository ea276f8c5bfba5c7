//! A transformation: one source tree, one result tree, everything counted.

use std::{
    cell::{Cell, RefCell},
    cmp::Ordering,
    collections::HashMap,
};

use gateway_dotnet::{
    Error, ExceptionKind,
    number::format_double,
    xml::{
        Attribute, Content, Kind, LoadOptions, Name, Node, XMLNS_NAMESPACE, parse_document,
        xpath::{Environment, Item, Place, Value},
    },
};

use super::{Expr, Instruction, Part, Sort, Source, Stylesheet, Template, Variable, XsltError, output};

/// What a transformation may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Instructions executed, over all.
    pub(crate) steps: usize,
    /// Templates inside each other: they recurse on the worker's stack.
    pub(crate) depth: usize,
    /// Characters of text that are written.
    pub(crate) text: usize,
}

impl Limits {
    /// For bodies of a gateway: some tenths of a second, and no result of more than a large body.
    pub(crate) const DEFAULT: Limits = Limits {
        steps: 500_000,
        depth: 100,
        text: 16 * 1024 * 1024,
    };
}

type Bindings = Vec<(Name, Value)>;

/// Where the transformation is.
#[derive(Clone, Copy)]
struct At<'a> {
    item: &'a Item,
    position: usize,
    size: usize,
    mode: Option<&'a Name>,
    depth: usize,
}

struct Runner<'s> {
    sheet: &'s Stylesheet,
    limits: Limits,
    steps: Cell<usize>,
    written: Cell<usize>,
    globals: RefCell<Bindings>,
    keys: RefCell<HashMap<Name, HashMap<String, Vec<Item>>>>,
    source: Item,
}

/// What expressions see.
struct Scope<'r, 's> {
    runner: &'r Runner<'s>,
    locals: &'r Bindings,
    namespaces: &'r super::Namespaces,
    current: &'r Item,
}

impl Environment for Scope<'_, '_> {
    fn namespace(&self, prefix: &str) -> Option<String> {
        let found = self.namespaces.iter().find(|(p, _)| **p == *prefix);
        found.map(|(_, uri)| uri.to_string())
    }

    fn variable(&self, name: &Name) -> Option<Value> {
        let local = self.locals.iter().rev().find(|(n, _)| n == name);
        let global = || {
            self.runner
                .globals
                .borrow()
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, v)| v.clone())
        };
        local.map(|(_, v)| v.clone()).or_else(global)
    }

    fn function(&self, name: &Name, args: &[Value], at: &Place<'_>) -> Option<Result<Value, Error>> {
        if !name.namespace.is_empty() {
            return None;
        }
        let wrong = |message: &'static str| Some(Err(Error::new(ExceptionKind::XPathException, message)));
        Some(Ok(match (&*name.local, args) {
            ("current", []) => Value::Nodes(vec![self.current.clone()]),
            ("key", [key, value]) => match self.key(&key.to_text(), value) {
                Ok(found) => Value::Nodes(found),
                Err(error) => return Some(Err(Error::new(ExceptionKind::XPathException, error.0))),
            },
            ("format-number", [number, pattern]) => {
                return Some(format_number(number.to_number(), &pattern.to_text()).map(Value::Text));
            }
            ("generate-id", []) => Value::Text(self.id(at.item)),
            ("generate-id", [Value::Nodes(nodes)]) => {
                Value::Text(nodes.first().map(|n| self.id(n)).unwrap_or_default())
            }
            ("system-property", [name]) => Value::Text(match name.to_text().as_str() {
                "xsl:version" => "1".into(),
                _ => String::new(),
            }),
            ("element-available", [name]) => Value::Bool(name.to_text().starts_with("xsl:")),
            ("function-available", [name]) => Value::Bool(!name.to_text().contains(':')),
            ("unparsed-entity-uri", [_]) => Value::Text(String::new()),
            ("document", _) => return wrong("document() is not supported: there is nothing to load from."),
            _ => return None,
        }))
    }
}

/// Patterns of the JDK as far as they are those of .NET too: digits, groups, fractions, per cent.
fn format_number(number: f64, pattern: &str) -> Result<String, Error> {
    if number.is_nan() {
        return Ok("NaN".into());
    }
    if number.is_infinite() {
        return Ok(if number > 0.0 { "Infinity" } else { "-Infinity" }.into());
    }
    format_double(number, pattern)
}

impl Scope<'_, '_> {
    /// A text that is the same for the same node only: its way from the root.
    fn id(&self, item: &Item) -> String {
        let mut way = Vec::new();
        let mut at = item.clone();
        while let Some(up) = at.parent() {
            let place = match (&at, &up) {
                (Item::Node(child), Item::Node(parent)) => parent
                    .nodes()
                    .iter()
                    .position(|n| n.same(child))
                    .map(|p| p.to_string()),
                (other, _) => Some(format!(
                    "a{}",
                    other.qualified_name().replace([':', '-', '.'], "_")
                )),
            };
            way.push(place.unwrap_or_default());
            at = up;
        }
        way.push("id".into());
        way.reverse();
        way.join("n")
    }

    fn key(&self, name: &str, value: &Value) -> Result<Vec<Item>, XsltError> {
        let local = name.rsplit(':').next().unwrap_or(name);
        let runner = self.runner;
        let declared: Vec<_> = runner
            .sheet
            .keys
            .iter()
            .filter(|k| *k.name.local == *local)
            .collect();
        let Some(first) = declared.first() else {
            return Err(XsltError(format!("There is no key `{name}`.")));
        };
        if !runner.keys.borrow().contains_key(&first.name) {
            let mut table: HashMap<String, Vec<Item>> = HashMap::new();
            let mut nodes = vec![self.runner.source.clone()];
            while let Some(item) = nodes.pop() {
                runner.step()?;
                for key in &declared {
                    let scope = Scope {
                        runner,
                        locals: self.locals,
                        namespaces: &key.matches.namespaces,
                        current: &item,
                    };
                    if key.matches.path.matches(&item, &scope)? {
                        match key.value.path.evaluate(&item, &scope)? {
                            Value::Nodes(found) => {
                                for one in found {
                                    table.entry(one.text()).or_default().push(item.clone());
                                }
                            }
                            other => table.entry(other.to_text()).or_default().push(item.clone()),
                        }
                    }
                }
                if let Item::Node(node) = &item {
                    nodes.extend(node.nodes().into_iter().rev().map(Item::Node));
                }
            }
            runner.keys.borrow_mut().insert(first.name.clone(), table);
        }
        let keys = runner.keys.borrow();
        let table = keys.get(&first.name);
        let find = |text: &str| table.and_then(|t| t.get(text)).cloned().unwrap_or_default();
        Ok(match value {
            Value::Nodes(nodes) => nodes.iter().flat_map(|n| find(&n.text())).collect(),
            other => find(&other.to_text()),
        })
    }
}

impl Stylesheet {
    /// Transforms an XML text.
    ///
    /// # Errors
    /// A body that is no XML, an expression that fails, a spent budget, `xsl:message terminate="yes"`.
    pub(crate) fn transform(
        &self,
        text: &str,
        parameters: &[(String, String)],
        limits: Limits,
    ) -> Result<String, XsltError> {
        let document = parse_document(text, LoadOptions::PRESERVE_WHITESPACE)?;
        if self.space.iter().any(|(_, strip)| *strip) {
            self.strip(&document)?;
        }
        let source = Item::Node(document);
        let runner = Runner {
            sheet: self,
            limits,
            steps: Cell::new(0),
            written: Cell::new(0),
            globals: RefCell::default(),
            keys: RefCell::default(),
            source: source.clone(),
        };
        let at = At {
            item: &source,
            position: 1,
            size: 1,
            mode: None,
            depth: 0,
        };
        for (variable, is_param) in &self.globals {
            let given = parameters
                .iter()
                .find(|(n, _)| *is_param && **n == *variable.name.local);
            let value = match given {
                Some((_, value)) => Value::Text(value.clone()),
                None => runner.value(&variable.value, at, &Vec::new())?,
            };
            runner.globals.borrow_mut().push((variable.name.clone(), value));
        }
        let result = Node::element(Name::new("", "result")?);
        runner.apply(&source, at, &Vec::new(), &result)?;
        Ok(output::text(&result, self.output))
    }

    /// Removes text of white space where the stylesheet says so.
    fn strip(&self, document: &Node) -> Result<(), XsltError> {
        for node in document.descendant_nodes() {
            let Kind::Text(text) = node.kind() else { continue };
            let blank = text
                .borrow()
                .chars()
                .all(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
            let Some(name) = node.parent().and_then(|p| p.name()).filter(|_| blank) else {
                continue;
            };
            let named = self.space.iter().rev().find(|(n, _)| n.as_ref() == Some(&name));
            let rule = named.or_else(|| self.space.iter().rev().find(|(n, _)| n.is_none()));
            if rule.is_some_and(|(_, strip)| *strip) {
                node.remove()?;
            }
        }
        Ok(())
    }
}

impl Runner<'_> {
    fn step(&self) -> Result<(), XsltError> {
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        if steps > self.limits.steps {
            return Err(XsltError("The transformation takes too many steps.".into()));
        }
        Ok(())
    }

    fn evaluate(&self, expr: &Expr, at: At<'_>, locals: &Bindings) -> Result<Value, XsltError> {
        let scope = Scope {
            runner: self,
            locals,
            namespaces: &expr.namespaces,
            current: at.item,
        };
        let place = Place {
            item: at.item,
            position: at.position,
            size: at.size,
        };
        Ok(expr.path.evaluate_at(&place, &scope)?)
    }

    fn fill(&self, template: &Template, at: At<'_>, locals: &Bindings) -> Result<String, XsltError> {
        let mut out = String::new();
        for part in &template.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Expr(expr) => out.push_str(&self.evaluate(expr, at, locals)?.to_text()),
            }
        }
        Ok(out)
    }

    fn value(&self, source: &Source, at: At<'_>, locals: &Bindings) -> Result<Value, XsltError> {
        Ok(match source {
            Source::Select(expr) => self.evaluate(expr, at, locals)?,
            Source::Body(body) if body.is_empty() => Value::Text(String::new()),
            Source::Body(body) => {
                let fragment = Node::element(Name::new("", "fragment")?);
                self.block(body, at, &mut locals.clone(), &Vec::new(), &fragment)?;
                Value::Nodes(vec![Item::Node(fragment)])
            }
        })
    }

    fn bind(&self, list: &[Variable], at: At<'_>, locals: &Bindings) -> Result<Bindings, XsltError> {
        list.iter()
            .map(|v| Ok((v.name.clone(), self.value(&v.value, at, locals)?)))
            .collect()
    }

    /// Applies the best template to `item`, or the built-in rule (§5.8).
    fn apply(&self, item: &Item, at: At<'_>, given: &Bindings, out: &Node) -> Result<(), XsltError> {
        self.step()?;
        let at = At {
            item,
            depth: at.depth + 1,
            ..at
        };
        if at.depth > self.limits.depth {
            return Err(XsltError(format!(
                "Templates are more than {} deep.",
                self.limits.depth
            )));
        }
        for rule in self.sheet.rules.iter().filter(|r| r.mode.as_ref() == at.mode) {
            let none = Vec::new();
            let scope = Scope {
                runner: self,
                locals: &none,
                namespaces: &rule.pattern.namespaces,
                current: item,
            };
            if rule.pattern.path.matches(item, &scope)? {
                let body = self.sheet.templates.get(rule.template).map_or(&[][..], |b| b);
                return self.block(body, at, &mut Vec::new(), given, out);
            }
        }
        match item {
            Item::Node(node) => match node.kind() {
                Kind::Document { .. } | Kind::Element { .. } => {
                    self.all(&children(node), at, &Vec::new(), out)
                }
                Kind::Text(text) | Kind::CData(text) => self.text(&text.borrow(), out),
                _ => Ok(()),
            },
            Item::Attribute(attribute) => self.text(&attribute.value(), out),
            Item::Namespace(..) => Ok(()),
        }
    }

    fn all(&self, items: &[Item], at: At<'_>, given: &Bindings, out: &Node) -> Result<(), XsltError> {
        for (i, item) in items.iter().enumerate() {
            self.apply(
                item,
                At {
                    position: i + 1,
                    size: items.len(),
                    ..at
                },
                given,
                out,
            )?;
        }
        Ok(())
    }

    fn text(&self, text: &str, out: &Node) -> Result<(), XsltError> {
        let written = self.written.get() + text.len();
        self.written.set(written);
        if written > self.limits.text {
            return Err(XsltError("The result is too large.".into()));
        }
        if !text.is_empty() {
            out.add(&[Content::Text(text.to_owned())])?;
        }
        Ok(())
    }

    /// Runs instructions; variables they declare live to their end.
    fn block(
        &self,
        body: &[Instruction],
        at: At<'_>,
        locals: &mut Bindings,
        given: &Bindings,
        out: &Node,
    ) -> Result<(), XsltError> {
        let before = locals.len();
        for one in body {
            self.step()?;
            match one {
                Instruction::Variable(variable) => {
                    let value = self.value(&variable.value, at, locals)?;
                    locals.push((variable.name.clone(), value));
                }
                Instruction::Param(variable) => {
                    let passed = given.iter().find(|(n, _)| *n == variable.name);
                    let value = match passed {
                        Some((_, value)) => value.clone(),
                        None => self.value(&variable.value, at, locals)?,
                    };
                    locals.push((variable.name.clone(), value));
                }
                Instruction::Apply {
                    select,
                    mode,
                    sorts,
                    with,
                } => {
                    let items = match select {
                        Some(expr) => self.nodes(expr, at, locals)?,
                        None => at.item.node().map(children).unwrap_or_default(),
                    };
                    let items = self.sorted(items, sorts, at, locals)?;
                    let passed = self.bind(with, at, locals)?;
                    self.all(
                        &items,
                        At {
                            mode: mode.as_ref(),
                            ..at
                        },
                        &passed,
                        out,
                    )?;
                }
                Instruction::Call(name, with) => {
                    let passed = self.bind(with, at, locals)?;
                    self.call(name, at, &passed, out)?;
                }
                Instruction::ForEach { select, sorts, body } => {
                    let items = self.nodes(select, at, locals)?;
                    let items = self.sorted(items, sorts, at, locals)?;
                    for (i, item) in items.iter().enumerate() {
                        let inner = At {
                            item,
                            position: i + 1,
                            size: items.len(),
                            ..at
                        };
                        self.block(body, inner, locals, &Vec::new(), out)?;
                    }
                }
                Instruction::If(test, body) => {
                    if self.evaluate(test, at, locals)?.to_bool() {
                        self.block(body, at, locals, &Vec::new(), out)?;
                    }
                }
                Instruction::Choose(whens, otherwise) => {
                    let mut chosen = otherwise;
                    for (test, body) in whens {
                        if self.evaluate(test, at, locals)?.to_bool() {
                            chosen = body;
                            break;
                        }
                    }
                    self.block(chosen, at, locals, &Vec::new(), out)?;
                }
                other => self.write(other, at, locals, out)?,
            }
        }
        locals.truncate(before);
        Ok(())
    }

    fn call(&self, name: &Name, at: At<'_>, passed: &Bindings, out: &Node) -> Result<(), XsltError> {
        let found = self.sheet.named.iter().rev().find(|(n, _)| n == name);
        let body = found.and_then(|(_, index)| self.sheet.templates.get(*index));
        let Some(body) = body else {
            return Err(XsltError(format!("There is no template `{}`.", name.local)));
        };
        if at.depth >= self.limits.depth {
            return Err(XsltError(format!(
                "Templates are more than {} deep.",
                self.limits.depth
            )));
        }
        self.block(
            body,
            At {
                depth: at.depth + 1,
                ..at
            },
            &mut Vec::new(),
            passed,
            out,
        )
    }

    fn nodes(&self, expr: &Expr, at: At<'_>, locals: &Bindings) -> Result<Vec<Item>, XsltError> {
        match self.evaluate(expr, at, locals)? {
            Value::Nodes(nodes) => Ok(nodes),
            _ => Err(XsltError(format!("`{}` gives no nodes.", expr.path.text()))),
        }
    }

    /// §10: by each key in turn; equal ones stay in document order.
    fn sorted(
        &self,
        items: Vec<Item>,
        sorts: &[Sort],
        at: At<'_>,
        locals: &Bindings,
    ) -> Result<Vec<Item>, XsltError> {
        if sorts.is_empty() {
            return Ok(items);
        }
        let size = items.len();
        let mut keyed = Vec::with_capacity(size);
        for (i, item) in items.into_iter().enumerate() {
            self.step()?;
            let mut keys = Vec::with_capacity(sorts.len());
            for sort in sorts {
                let place = At {
                    item: &item,
                    position: i + 1,
                    size,
                    ..at
                };
                keys.push(self.evaluate(&sort.select, place, locals)?);
            }
            keyed.push((keys, item));
        }
        let mut orders = Vec::new();
        for sort in sorts {
            orders.push((
                sort.numbers,
                self.fill(&sort.descending, at, locals)? == "descending",
            ));
        }
        keyed.sort_by(|(a, _), (b, _)| {
            for (n, (numbers, descending)) in orders.iter().enumerate() {
                let (Some(a), Some(b)) = (a.get(n), b.get(n)) else {
                    continue;
                };
                let order = if *numbers {
                    let (a, b) = (a.to_number(), b.to_number());
                    // What is no number comes first.
                    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
                } else {
                    let (a, b) = (a.to_text(), b.to_text());
                    // Words by their letters, lower case first among equals.
                    a.to_lowercase().cmp(&b.to_lowercase()).then_with(|| b.cmp(&a))
                };
                let order = if *descending { order.reverse() } else { order };
                if order != Ordering::Equal {
                    return order;
                }
            }
            Ordering::Equal
        });
        Ok(keyed.into_iter().map(|(_, item)| item).collect())
    }

    /// Instructions that write.
    fn write(
        &self,
        one: &Instruction,
        at: At<'_>,
        locals: &mut Bindings,
        out: &Node,
    ) -> Result<(), XsltError> {
        let joined = |body: &[Instruction], locals: &mut Bindings| -> Result<String, XsltError> {
            let fragment = Node::element(Name::new("", "fragment")?);
            self.block(body, at, locals, &Vec::new(), &fragment)?;
            Ok(fragment.value())
        };
        match one {
            Instruction::Text(text) => self.text(text, out)?,
            Instruction::ValueOf(expr) => self.text(&self.evaluate(expr, at, locals)?.to_text(), out)?,
            Instruction::CopyOf(expr) => match self.evaluate(expr, at, locals)? {
                Value::Nodes(nodes) => {
                    for node in &nodes {
                        self.copy(node, out)?;
                    }
                }
                other => self.text(&other.to_text(), out)?,
            },
            Instruction::Copy(body) => match at.item {
                Item::Node(node) if node.is_element() => {
                    let name = node.name().unwrap_or_else(|| Name {
                        namespace: "".into(),
                        local: "x".into(),
                    });
                    let element = Node::element(name);
                    declare(&element, Item::Node(node.clone()));
                    self.block(body, at, locals, &Vec::new(), &element)?;
                    out.add(&[Content::Node(element)])?;
                }
                Item::Node(node) if matches!(node.kind(), Kind::Document { .. }) => {
                    self.block(body, at, locals, &Vec::new(), out)?;
                }
                other => self.copy(other, out)?,
            },
            Instruction::Literal {
                name,
                declared,
                attributes,
                sets,
                body,
            } => {
                let element = Node::element(name.clone());
                for (prefix, uri) in declared {
                    let name = if prefix.is_empty() {
                        Name::new("", "xmlns")?
                    } else {
                        Name::new(XMLNS_NAMESPACE, prefix)?
                    };
                    element.set_attribute_value(&name, Some(uri.to_string()));
                }
                self.sets(sets, at, locals, &element)?;
                for (name, value) in attributes {
                    element.set_attribute_value(name, Some(self.fill(value, at, locals)?));
                }
                self.block(body, at, locals, &Vec::new(), &element)?;
                out.add(&[Content::Node(element)])?;
            }
            Instruction::Element {
                name,
                namespace,
                namespaces,
                sets,
                body,
            } => {
                let name = self.computed(name, namespace.as_ref(), namespaces, true, at, locals)?;
                let element = Node::element(name);
                self.sets(sets, at, locals, &element)?;
                self.block(body, at, locals, &Vec::new(), &element)?;
                out.add(&[Content::Node(element)])?;
            }
            Instruction::Attribute {
                name,
                namespace,
                namespaces,
                body,
            } => {
                let name = self.computed(name, namespace.as_ref(), namespaces, false, at, locals)?;
                let value = joined(body, locals)?;
                // After children an attribute comes too late and is ignored (§7.1.3).
                if out.nodes().is_empty() {
                    out.set_attribute_value(&name, Some(value));
                }
            }
            Instruction::Comment(body) => {
                let text = joined(body, locals)?.replace("--", "- -");
                out.add(&[Content::Node(Node::comment(text))])?;
            }
            Instruction::Processing(name, body) => {
                let target = self.fill(name, at, locals)?;
                Name::new("", &target)?;
                let data = joined(body, locals)?.replace("?>", "? >");
                out.add(&[Content::Node(Node::processing_instruction(target, data))])?;
            }
            Instruction::Number { value, any, format } => {
                let number = match value {
                    Some(expr) => self.evaluate(expr, at, locals)?.to_number().round().max(0.0) as u64,
                    None => count(at.item, *any),
                };
                let format = self.fill(format, at, locals)?;
                self.text(&output::number(number, &format), out)?;
            }
            Instruction::Message(body, terminate) => {
                let text = joined(body, locals)?;
                if *terminate {
                    return Err(XsltError(format!(
                        "The stylesheet ended the transformation: {text}"
                    )));
                }
            }
            // The block runs the others itself.
            _ => {}
        }
        Ok(())
    }

    fn sets(&self, sets: &[Name], at: At<'_>, locals: &mut Bindings, out: &Node) -> Result<(), XsltError> {
        for set in sets {
            let found = self.sheet.sets.iter().find(|(n, _)| n == set);
            let Some((_, body)) = found else {
                return Err(XsltError(format!("There is no attribute set `{}`.", set.local)));
            };
            self.block(body, at, locals, &Vec::new(), out)?;
        }
        Ok(())
    }

    /// The name that an instruction computes; the default namespace counts for elements only.
    fn computed(
        &self,
        name: &Template,
        namespace: Option<&Template>,
        namespaces: &super::Namespaces,
        element: bool,
        at: At<'_>,
        locals: &Bindings,
    ) -> Result<Name, XsltError> {
        let text = self.fill(name, at, locals)?;
        let (prefix, local) = text.split_once(':').unwrap_or(("", &text));
        if let Some(namespace) = namespace {
            return Ok(Name::new(&self.fill(namespace, at, locals)?, local)?);
        }
        if prefix.is_empty() {
            let default = namespaces.iter().find(|(p, _)| p.is_empty()).filter(|_| element);
            return Ok(Name::new(default.map_or("", |(_, uri)| uri), local)?);
        }
        match namespaces.iter().find(|(p, _)| **p == *prefix) {
            Some((_, uri)) => Ok(Name::new(uri, local)?),
            None => Err(XsltError(format!("The prefix of `{text}` is not declared."))),
        }
    }

    fn copy(&self, item: &Item, out: &Node) -> Result<(), XsltError> {
        match item {
            Item::Node(node) => match node.kind() {
                Kind::Text(text) | Kind::CData(text) => self.text(&text.borrow(), out)?,
                // A document, or what a variable holds: its children.
                Kind::Document { .. } => {
                    for child in node.nodes() {
                        self.copy(&Item::Node(child), out)?;
                    }
                }
                Kind::Element { .. } if node.container().is_none() => {
                    for child in node.nodes() {
                        self.copy(&Item::Node(child), out)?;
                    }
                }
                _ => {
                    for _ in node.descendant_nodes() {
                        self.step()?;
                    }
                    let copy = node.deep_clone();
                    declare(&copy, item.clone());
                    out.add(&[Content::Node(copy)])?;
                }
            },
            Item::Attribute(attribute) => {
                if out.nodes().is_empty() {
                    out.set_attribute_value(attribute.name(), Some(attribute.value()));
                }
            }
            Item::Namespace(_, prefix, uri) if !prefix.is_empty() => {
                out.set_attribute_value(&Name::new(XMLNS_NAMESPACE, prefix)?, Some(uri.to_string()));
            }
            Item::Namespace(..) => {}
        }
        Ok(())
    }
}

fn children(node: &Node) -> Vec<Item> {
    let nodes = node.nodes().into_iter();
    nodes
        .filter(|n| !matches!(n.kind(), Kind::DocumentType { .. }))
        .map(Item::Node)
        .collect()
}

/// Gives a copied element the prefixes that held where it was.
fn declare(copy: &Node, from: Item) {
    let Item::Node(from) = from else { return };
    for at in std::iter::once(from.clone()).chain(from.ancestors()) {
        for one in at.attributes() {
            if one.name().is_declaration() && copy.attribute(one.name()).is_none() {
                let attribute = Attribute::new(one.name().clone(), one.value());
                // There is none of that name, so there is nothing to refuse.
                let _ = copy.add(&[Content::Attribute(attribute)]);
            }
        }
    }
}

/// `xsl:number` without a value: how many of its name come first, among its siblings or in the document.
fn count(item: &Item, any: bool) -> u64 {
    let Item::Node(node) = item else { return 1 };
    let name = node.name();
    let same = |other: &Node| other.node_type() == node.node_type() && other.name() == name;
    if !any {
        return node.nodes_before_self().iter().filter(|n| same(n)).count() as u64 + 1;
    }
    let Item::Node(root) = item.root() else { return 1 };
    let mut number = 0;
    for one in root.descendant_nodes() {
        number += u64::from(same(&one));
        if one.same(node) {
            break;
        }
    }
    number
}
