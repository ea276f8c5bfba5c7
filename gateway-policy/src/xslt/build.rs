//! From the text of a stylesheet to its instructions.

use std::sync::Arc;

use gateway_dotnet::xml::{Kind, LoadOptions, Name, Node, XMLNS_NAMESPACE, parse_document, xpath::XPath};

use super::{
    Expr, Instruction, Key, Method, Namespaces, Output, Part, Rule, Sort, Source, Stylesheet, Template,
    Variable, XSL, XsltError,
};

fn error<T>(message: String) -> Result<T, XsltError> {
    Err(XsltError(message))
}

impl Stylesheet {
    /// Compiles a stylesheet.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub(crate) fn compile(text: &str) -> Result<Self, XsltError> {
        let document = parse_document(text, LoadOptions::PRESERVE_WHITESPACE)?;
        let root = document
            .root()
            .ok_or_else(|| XsltError("The stylesheet is empty.".into()))?;
        let mut sheet = Stylesheet {
            templates: Vec::new(),
            rules: Vec::new(),
            named: Vec::new(),
            globals: Vec::new(),
            keys: Vec::new(),
            sets: Vec::new(),
            space: Vec::new(),
            output: Output::default(),
        };
        if !matches!(instruction(&root).as_deref(), Some("stylesheet" | "transform")) {
            // A literal result element as stylesheet (§2.3).
            if attribute_in(&root, XSL, "version").is_none() {
                return error("The root element must be `xsl:stylesheet`.".into());
            }
            sheet.templates.push(vec![literal(&root)?]);
            let pattern = expr(&root, "/")?;
            sheet.rules.push(Rule {
                pattern,
                mode: None,
                priority: 0.5,
                template: 0,
            });
            return Ok(sheet);
        }
        if required(&root, "version")? != "1.0" {
            return error("Only stylesheets of version 1.0 are supported.".into());
        }
        for node in root.elements() {
            sheet.top(&node)?;
        }
        // A stable sort: of equal priorities the last in the document comes first (§5.5).
        sheet.rules.reverse();
        sheet.rules.sort_by(|a, b| b.priority.total_cmp(&a.priority));
        Ok(sheet)
    }

    fn top(&mut self, node: &Node) -> Result<(), XsltError> {
        // Elements of other namespaces are user data (§2.2).
        let Some(name) = instruction(node) else {
            return Ok(());
        };
        match name.as_str() {
            "template" => self.template(node)?,
            "variable" | "param" => self.globals.push((variable(node)?, name == "param")),
            "key" => self.keys.push(Key {
                name: qname(node, &required(node, "name")?)?,
                matches: expr(node, &required(node, "match")?)?,
                value: expr(node, &required(node, "use")?)?,
            }),
            "attribute-set" => {
                let mut body = Vec::new();
                let own = qname(node, &required(node, "name")?)?;
                for set in names(node, "use-attribute-sets")? {
                    let used = self.sets.iter().find(|(n, _)| *n == set);
                    if used.is_none() {
                        return error(format!(
                            "The attribute set `{}` must be defined before `{}`.",
                            set.local, own.local
                        ));
                    }
                }
                body.extend(block(node)?);
                self.sets.push((own, body));
            }
            "strip-space" | "preserve-space" => {
                for one in required(node, "elements")?.split_whitespace() {
                    let test = if one == "*" { None } else { Some(qname(node, one)?) };
                    self.space.push((test, name == "strip-space"));
                }
            }
            "output" => {
                self.output.method = match attribute(node, "method").as_deref() {
                    None => self.output.method,
                    Some("xml") => Some(Method::Xml),
                    Some("html") => Some(Method::Html),
                    Some("text") => Some(Method::Text),
                    Some(other) => return error(format!("The output method `{other}` is not supported.")),
                };
                self.output.omit_declaration |= yes(node, "omit-xml-declaration");
                self.output.indent |= yes(node, "indent");
            }
            "decimal-format" | "namespace-alias" => {
                return error(format!("`xsl:{name}` is not supported by this gateway."));
            }
            "import" | "include" => {
                return error(format!(
                    "`xsl:{name}` is not supported: there is nothing to load from."
                ));
            }
            other => return error(format!("`xsl:{other}` cannot stand at the top of a stylesheet.")),
        }
        Ok(())
    }

    fn template(&mut self, node: &Node) -> Result<(), XsltError> {
        let index = self.templates.len();
        self.templates.push(block(node)?);
        let mode = attribute(node, "mode").map(|m| qname(node, &m)).transpose()?;
        if let Some(name) = attribute(node, "name") {
            self.named.push((qname(node, &name)?, index));
        }
        let Some(pattern) = attribute(node, "match") else {
            return Ok(());
        };
        let given = attribute(node, "priority").map(|p| p.trim().parse::<f64>());
        let given = match given {
            Some(Ok(priority)) => Some(priority),
            Some(Err(_)) => return error("`priority` of `xsl:template` must be a number.".into()),
            None => None,
        };
        let whole = expr(node, &pattern)?;
        for path in whole.path.alternatives() {
            self.rules.push(Rule {
                priority: given.unwrap_or_else(|| path.default_priority()),
                pattern: Expr {
                    path,
                    namespaces: Arc::clone(&whole.namespaces),
                },
                mode: mode.clone(),
                template: index,
            });
        }
        Ok(())
    }
}

/// The local name of an instruction; `None` for other elements.
fn instruction(node: &Node) -> Option<String> {
    let name = node.name()?;
    (&*name.namespace == XSL).then(|| name.local.to_string())
}

fn attribute_in(node: &Node, namespace: &str, name: &str) -> Option<String> {
    node.attribute(&Name::new(namespace, name).ok()?)
        .map(|a| a.value())
}

fn attribute(node: &Node, name: &str) -> Option<String> {
    attribute_in(node, "", name)
}

fn yes(node: &Node, name: &str) -> bool {
    attribute(node, name).as_deref() == Some("yes")
}

fn required(node: &Node, name: &str) -> Result<String, XsltError> {
    let element = instruction(node).unwrap_or_default();
    attribute(node, name).ok_or_else(|| XsltError(format!("`xsl:{element}` needs the attribute `{name}`.")))
}

fn namespaces(node: &Node) -> Namespaces {
    let mut found: Vec<(Box<str>, Box<str>)> = Vec::new();
    for at in std::iter::once(node.clone()).chain(node.ancestors()) {
        for one in at.attributes() {
            if &*one.name().namespace == XMLNS_NAMESPACE
                && found.iter().all(|(p, _)| **p != *one.name().local)
            {
                found.push(((&*one.name().local).into(), one.value().into()));
            }
        }
    }
    found.into()
}

fn expr(node: &Node, text: &str) -> Result<Expr, XsltError> {
    let path = XPath::compile(text).map_err(|e| XsltError(format!("`{text}`: {}", e.message)))?;
    Ok(Expr {
        path,
        namespaces: namespaces(node),
    })
}

/// A name of the stylesheet; the default namespace does not count (§2.4).
fn qname(node: &Node, text: &str) -> Result<Name, XsltError> {
    let text = text.trim();
    let (namespace, local) = match text.split_once(':') {
        Some((prefix, local)) => {
            let found = node.namespace_of_prefix(prefix);
            (
                found.ok_or_else(|| XsltError(format!("The prefix of `{text}` is not declared.")))?,
                local,
            )
        }
        None => (String::new(), text),
    };
    Ok(Name::new(&namespace, local)?)
}

fn names(node: &Node, list: &str) -> Result<Vec<Name>, XsltError> {
    let text = attribute(node, list).unwrap_or_default();
    text.split_whitespace().map(|n| qname(node, n)).collect()
}

/// An attribute value template (§7.6.2).
fn template(node: &Node, text: &str) -> Result<Template, XsltError> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        literal.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        if rest[at + 1..].starts_with(brace) {
            literal.push_str(brace);
            rest = &rest[at + 2..];
            continue;
        }
        // The end: a brace outside the strings of the expression.
        let mut quote = None;
        let end = rest[at + 1..].find(|c| match (quote, c) {
            (None, '}') => true,
            (None, '\'' | '"') => {
                quote = Some(c);
                false
            }
            (Some(open), c) if open == c => {
                quote = None;
                false
            }
            _ => false,
        });
        let Some(end) = end.filter(|_| brace == "{").map(|e| at + 1 + e) else {
            return error(format!("The braces of `{text}` do not match."));
        };
        if !literal.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut literal).into()));
        }
        parts.push(Part::Expr(expr(node, &rest[at + 1..end])?));
        rest = &rest[end + 1..];
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Text(literal.into()));
    }
    Ok(Template(parts))
}

fn variable(node: &Node) -> Result<Variable, XsltError> {
    let name = qname(node, &required(node, "name")?)?;
    let value = match attribute(node, "select") {
        Some(select) => Source::Select(expr(node, &select)?),
        None => Source::Body(block(node)?),
    };
    Ok(Variable { name, value })
}

fn sorts(node: &Node) -> Result<Vec<Sort>, XsltError> {
    let keys = node.elements();
    let keys = keys.iter().filter(|n| instruction(n).as_deref() == Some("sort"));
    keys.map(|key| {
        Ok(Sort {
            select: expr(key, attribute(key, "select").as_deref().unwrap_or("."))?,
            numbers: attribute(key, "data-type").as_deref() == Some("number"),
            descending: template(key, attribute(key, "order").as_deref().unwrap_or_default())?,
        })
    })
    .collect()
}

fn with_params(node: &Node) -> Result<Vec<Variable>, XsltError> {
    let children = node.elements();
    let children = children
        .iter()
        .filter(|n| instruction(n).as_deref() == Some("with-param"));
    children.map(variable).collect()
}

/// The instructions between the tags of an element.
fn block(node: &Node) -> Result<Vec<Instruction>, XsltError> {
    let mut out = Vec::new();
    for child in node.nodes() {
        match child.kind() {
            Kind::Text(text) | Kind::CData(text) => {
                let text = text.borrow();
                // White space of the stylesheet's own layout is not output (§3.4).
                if !text.chars().all(|c| matches!(c, ' ' | '\t' | '\n' | '\r')) {
                    out.push(Instruction::Text(text.as_str().into()));
                }
            }
            Kind::Element { .. } => match instruction(&child) {
                // Their parents take these.
                Some(name) if matches!(name.as_str(), "sort" | "with-param") => {}
                Some(name) => out.push(compiled(&child, &name)?),
                None => out.push(literal(&child)?),
            },
            _ => {}
        }
    }
    Ok(out)
}

fn compiled(node: &Node, name: &str) -> Result<Instruction, XsltError> {
    if yes(node, "disable-output-escaping") {
        return error("`disable-output-escaping` is not supported by this gateway.".into());
    }
    Ok(match name {
        "text" => Instruction::Text(node.value().into()),
        "value-of" => Instruction::ValueOf(expr(node, &required(node, "select")?)?),
        "copy-of" => Instruction::CopyOf(expr(node, &required(node, "select")?)?),
        "copy" => Instruction::Copy(block(node)?),
        "element" | "attribute" => {
            let tag = template(node, &required(node, "name")?)?;
            let namespace = attribute(node, "namespace")
                .map(|n| template(node, &n))
                .transpose()?;
            let (namespaces, body) = (namespaces(node), block(node)?);
            if name == "attribute" {
                Instruction::Attribute {
                    name: tag,
                    namespace,
                    namespaces,
                    body,
                }
            } else {
                let sets = names(node, "use-attribute-sets")?;
                Instruction::Element {
                    name: tag,
                    namespace,
                    namespaces,
                    sets,
                    body,
                }
            }
        }
        "comment" => Instruction::Comment(block(node)?),
        "processing-instruction" => {
            Instruction::Processing(template(node, &required(node, "name")?)?, block(node)?)
        }
        "apply-templates" => Instruction::Apply {
            select: attribute(node, "select").map(|s| expr(node, &s)).transpose()?,
            mode: attribute(node, "mode").map(|m| qname(node, &m)).transpose()?,
            sorts: sorts(node)?,
            with: with_params(node)?,
        },
        "call-template" => Instruction::Call(qname(node, &required(node, "name")?)?, with_params(node)?),
        "for-each" => Instruction::ForEach {
            select: expr(node, &required(node, "select")?)?,
            sorts: sorts(node)?,
            body: block(node)?,
        },
        "if" => Instruction::If(expr(node, &required(node, "test")?)?, block(node)?),
        "choose" => {
            let (mut whens, mut otherwise) = (Vec::new(), Vec::new());
            for child in node.elements() {
                match instruction(&child).as_deref() {
                    Some("when") => whens.push((expr(&child, &required(&child, "test")?)?, block(&child)?)),
                    Some("otherwise") => otherwise = block(&child)?,
                    _ => return error("`xsl:choose` takes `xsl:when` and `xsl:otherwise`.".into()),
                }
            }
            Instruction::Choose(whens, otherwise)
        }
        "variable" => Instruction::Variable(variable(node)?),
        "param" => Instruction::Param(variable(node)?),
        "number" => {
            let level = attribute(node, "level").unwrap_or_else(|| "single".into());
            if level == "multiple" || attribute(node, "count").is_some() || attribute(node, "from").is_some()
            {
                return error(
                    "`xsl:number` with `level=\"multiple\"`, `count` or `from` is not supported.".into(),
                );
            }
            Instruction::Number {
                value: attribute(node, "value").map(|v| expr(node, &v)).transpose()?,
                any: level == "any",
                format: template(node, attribute(node, "format").as_deref().unwrap_or("1"))?,
            }
        }
        "message" => Instruction::Message(block(node)?, yes(node, "terminate")),
        // Only met when its parent is not supported, which always is.
        "fallback" => Instruction::Text("".into()),
        other => return error(format!("`xsl:{other}` is not supported by this gateway.")),
    })
}

fn literal(node: &Node) -> Result<Instruction, XsltError> {
    let name = node
        .name()
        .ok_or_else(|| XsltError("An element has no name.".into()))?;
    let excluded = attribute_in(node, XSL, "exclude-result-prefixes")
        .into_iter()
        .chain(
            node.ancestors()
                .iter()
                .filter_map(|a| attribute(a, "exclude-result-prefixes")),
        )
        .collect::<Vec<_>>()
        .join(" ");
    let excluded: Vec<&str> = excluded.split_whitespace().collect();
    let mut declared: Vec<(Box<str>, Box<str>)> = namespaces(node)
        .iter()
        .filter(|(prefix, uri)| &**uri != XSL && !excluded.contains(&&**prefix))
        .cloned()
        .collect();
    declared.reverse();
    let mut attributes = Vec::new();
    let mut sets = Vec::new();
    for one in node.attributes() {
        let name = one.name();
        if name.is_declaration() {
            continue;
        }
        if &*name.namespace == XSL {
            if &*name.local == "use-attribute-sets" {
                sets = one
                    .value()
                    .split_whitespace()
                    .map(|n| qname(node, n))
                    .collect::<Result<_, _>>()?;
            }
            continue;
        }
        attributes.push((name.clone(), template(node, &one.value())?));
    }
    Ok(Instruction::Literal {
        name,
        declared,
        attributes,
        sets,
        body: block(node)?,
    })
}
