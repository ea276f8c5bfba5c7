//! The generic checks: what the tables say about attributes, children, content, sections and scopes.

use crate::{
    compile::{Compiler, Finding},
    diagnostic::did_you_mean,
    document::Element,
    policies::{Content, ElementDef, PolicyDef},
};

impl Compiler<'_> {
    /// Sections and scopes a policy may stand in, and how often.
    pub(super) fn placement(&mut self, element: &Element, policy: &PolicyDef, index: usize) {
        let name = policy.element.name;
        if let Some(section) = self.section()
            && !policy.sections.contains(section)
        {
            let message = format!("`{name}` is not documented for `<{section}>`");
            let finding = Finding::on(element, "not-allowed-here", message);
            if policy.tolerated.contains(section) {
                self.report(finding.warning().help("it runs, as it does in real documents"));
            } else {
                let help = format!("it may stand in: {}", policy.sections.names());
                self.report(finding.help(help));
            }
        }
        if let Some(scope) = self.scope()
            && !policy.scopes.contains(scope)
        {
            let message = format!("`{name}` is not allowed at {scope} scope");
            let help = format!("it may stand at: {}", policy.scopes.names());
            self.report(Finding::on(element, "not-allowed-here", message).help(help));
        }
        if policy.once && index > 1 && self.path.is_empty() {
            let message = format!("`{name}` may stand only once in a section");
            self.report(Finding::on(element, "not-allowed-here", message).help("keep one of them"));
        }
    }

    /// Checks an element and its children against its table. False: it cannot be built.
    pub(super) fn shape(&mut self, element: &Element, def: &ElementDef) -> bool {
        let before = self.error_count();
        self.attributes(element, def);
        if def.content != Content::Anything {
            if def.content == Content::Nothing {
                self.no_text(element);
            }
            if def.content != Content::Policies {
                self.children(element, def);
            }
        }
        self.error_count() == before
    }

    /// Checks a child that its parent's table does not list against its own. False: it cannot be built.
    pub(crate) fn fits(&mut self, node: crate::compile::Node<'_>) -> bool {
        self.shape(node.element, node.def)
    }

    pub(super) fn error_count(&self) -> usize {
        self.errors
    }

    fn children(&mut self, element: &Element, def: &ElementDef) {
        for child in &element.children {
            if let Some(known) = def.children.iter().find(|c| c.element.name == child.name) {
                self.shape(child, known.element);
                continue;
            }
            let message = format!("`<{}>` has no child element `<{}>`", def.name, child.name);
            let names = def.children.iter().map(|c| c.element.name);
            let help = match did_you_mean(&child.name, names.clone()) {
                Some(near) => format!("did you mean `<{near}>`?"),
                None if def.children.is_empty() => "remove it".into(),
                None => format!("it has: {}", names.collect::<Vec<_>>().join(", ")),
            };
            self.report(Finding::on(child, "unknown-element", message).help(help));
        }
        for known in def.children {
            let name = known.element.name;
            let count = element.children_named(name).count();
            if count < known.min {
                let message = format!("`<{}>` needs a child element `<{name}>`", def.name);
                self.report(Finding::on(element, "missing-element", message).help(known.element.doc));
            }
            if count > known.max
                && let Some(second) = element.children_named(name).nth(known.max)
            {
                let message = format!("`<{name}>` may occur only once in `<{}>`", def.name);
                self.report(Finding::on(second, "duplicate-element", message).help("keep one of them"));
            }
        }
    }

    /// Unknown and missing attributes. Values are checked when the policy is built.
    pub(super) fn attributes(&mut self, element: &Element, def: &ElementDef) {
        for attribute in &element.attributes {
            let name = attribute.name.as_str();
            // Namespace declarations and `xml:space` say nothing to policies.
            if def.attribute(name).is_some() || name == "id" || name.starts_with("xml") {
                continue;
            }
            let message = format!("`{}` has no attribute `{name}`", element.name);
            let names = def.attributes.iter().map(|a| a.name);
            let help = match did_you_mean(name, names.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if def.attributes.is_empty() => "it has no attributes".into(),
                None => format!("it has: {}", names.collect::<Vec<_>>().join(", ")),
            };
            let finding = Finding::new("unknown-attribute", attribute.at, message).help(help);
            self.report(finding.within(&element.name, attribute.at, name.len()));
        }
        for known in def.attributes.iter().filter(|a| a.required) {
            if element.attribute(known.name).is_none() {
                let message = format!("`{}` needs the attribute `{}`", element.name, known.name);
                self.report(Finding::on(element, "missing-attribute", message).help(known.doc));
            }
        }
    }

    /// Only white space may stand between an element's children.
    pub(super) fn no_text(&mut self, element: &Element) -> bool {
        let text = element.text.as_str();
        let Some(start) = text.find(|c: char| !c.is_whitespace()) else {
            return true;
        };
        let at = element.text.source_offset(start);
        let shown: String = text.trim().chars().take(20).collect();
        let message = format!("text in `<{}>`: `{shown}`", element.name);
        let finding =
            Finding::new("unexpected-text", at, message).help("remove it, or put it into a comment");
        self.report(finding.within(&element.name, at, 1));
        false
    }
}
