//! From a read document to instructions: checks every element against the tables, compiles expressions,
//! lays control flow out flat, and gathers everything that is wrong instead of stopping at the first.

mod check;
mod finding;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;

use gateway_expr::Needs;

use crate::{
    diagnostic::{Diagnostic, did_you_mean},
    document::{self, Element, Lines},
    names::Names,
    policies::{self, ElementDef, Policy},
    program::{Instruction, Op, Options, ScopeDoc, Site, Source},
    scope::{Scope, Section},
};

/// Most instructions of one section: a document of 256 KiB holds some thousand, but it may include fragments
/// over and over.
const INSTRUCTIONS_MAX: usize = 50_000;

pub(crate) use finding::Finding;

/// The table of elements that take nothing but `id`.
static ROOT: ElementDef = ElementDef::new("policies", "The root and the sections have no attributes.");

pub(crate) fn compile(
    source: &Source<'_>,
    names: &Names,
    options: &Options,
) -> Result<(ScopeDoc, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut compiler = Compiler::new(source, names, options);
    let sections = match document::read(source.text) {
        Ok(document) => compiler.document(&document.root),
        Err(error) => {
            compiler.report(Finding::new("not-well-formed", error.at, error.message).help(error.help));
            Default::default()
        }
    };
    let Compiler {
        file,
        diagnostics,
        sites,
        secrets,
        incomplete,
        errors,
        ..
    } = compiler;
    if errors > 0 {
        return Err(diagnostics);
    }
    if incomplete {
        return Ok((ScopeDoc::refusing(&file.path), diagnostics));
    }
    Ok((
        ScopeDoc {
            path: file.path,
            sections,
            sites,
            secrets,
        },
        diagnostics,
    ))
}

/// An element together with the table it was checked against.
#[derive(Clone, Copy)]
pub(crate) struct Node<'e> {
    pub(crate) element: &'e Element,
    pub(crate) def: &'static ElementDef,
}

impl<'e> Node<'e> {
    /// The children called `name`, each with its own table.
    pub(crate) fn children(self, name: &'static str) -> impl Iterator<Item = Node<'e>> {
        let def = self
            .def
            .children
            .iter()
            .find(|c| c.element.name == name)
            .map(|c| c.element);
        let found = self.element.children.iter().filter(move |c| c.name == name);
        def.into_iter()
            .flat_map(move |def| found.clone().map(move |element| Node { element, def }))
    }

    /// The first child called `name`.
    pub(crate) fn child(self, name: &'static str) -> Option<Node<'e>> {
        self.children(name).next()
    }

    pub(crate) fn has(self, attribute: &str) -> bool {
        self.element.attribute(attribute).is_some()
    }
}

struct File<'a> {
    path: Arc<str>,
    text: &'a str,
    lines: Lines<'a>,
}

pub(crate) struct Compiler<'a> {
    names: &'a Names,
    options: &'a Options,
    file: File<'a>,
    scope: Option<Scope>,
    /// `None` in a fragment checked on its own: it may be included anywhere.
    section: Option<Section>,
    diagnostics: Vec<Diagnostic>,
    /// Bytes of text that named values were put into.
    substituted: usize,
    /// How many errors were reported, kept in `diagnostics` or not.
    errors: usize,
    code: Vec<Instruction>,
    sites: Vec<Site>,
    secrets: Vec<Arc<str>>,
    /// Enclosing control policies, `choose[3]`, `when[2]`.
    path: Vec<String>,
    /// Place of the statement being built.
    current: u32,
    /// Of the expressions compiled since the last instruction.
    needs: Needs,
    in_fragment: bool,
    /// Between the tags of a `wait`.
    in_wait: bool,
    /// A policy was left out because a named value's stand-in did not fit: the document can be checked so,
    /// but not run.
    incomplete: bool,
    /// Set while a text may keep `{{…}}` that are not named values.
    braces_are_content: bool,
}

impl<'a> Compiler<'a> {
    fn new(source: &Source<'a>, names: &'a Names, options: &'a Options) -> Self {
        let file = File {
            path: source.path.into(),
            text: source.text,
            lines: Lines::new(source.text),
        };
        Self {
            names,
            options,
            file,
            scope: source.scope,
            section: None,
            diagnostics: Vec::new(),
            substituted: 0,
            errors: 0,
            code: Vec::new(),
            sites: Vec::new(),
            secrets: Vec::new(),
            path: Vec::new(),
            current: 0,
            needs: Needs::default(),
            in_fragment: false,
            in_wait: false,
            incomplete: false,
            braces_are_content: false,
        }
    }

    fn document(&mut self, root: &Element) -> [Vec<Instruction>; 4] {
        let mut sections: [Vec<Instruction>; 4] = Default::default();
        match root.name.as_str() {
            "policies" => {
                self.attributes(root, &ROOT);
                for element in &root.children {
                    let Some(section) = Section::named(&element.name) else {
                        self.unknown_section(element);
                        continue;
                    };
                    if !self.no_text(root) {
                        continue;
                    }
                    if root
                        .children_named(&element.name)
                        .next()
                        .is_some_and(|first| first.at != element.at)
                    {
                        let message = format!("`<{section}>` occurs twice");
                        self.report(Finding::on(element, "duplicate-section", message).help("merge the two"));
                    }
                    self.attributes(element, &ROOT);
                    self.section = Some(section);
                    self.block(element);
                    sections[section as usize] = std::mem::take(&mut self.code);
                }
            }
            "fragment" => {
                self.attributes(root, &ROOT);
                self.in_fragment = true;
                self.block(root);
                sections[Section::Inbound as usize] = std::mem::take(&mut self.code);
            }
            other => {
                let message = format!("the root element is `<{other}>`");
                let help = "a policy document starts with `<policies>`, a fragment with `<fragment>`";
                self.report(Finding::on(root, "unknown-root", message).help(help));
            }
        }
        sections
    }

    fn unknown_section(&mut self, element: &Element) {
        let message = format!("`<policies>` has no section `<{}>`", element.name);
        let near = did_you_mean(&element.name, Section::ALL.map(Section::name));
        let help = match near {
            Some(near) => format!("did you mean `<{near}>`?"),
            None if policies::find(&element.name).is_some() => {
                "put it into `<inbound>`, `<backend>`, `<outbound>` or `<on-error>`".into()
            }
            None => "the sections are `inbound`, `backend`, `outbound` and `on-error`".into(),
        };
        self.report(Finding::on(element, "unknown-section", message).help(help));
    }

    /// Compiles the statements between an element's tags.
    pub(crate) fn block(&mut self, parent: &Element) {
        self.block_with(parent, |_| ());
    }

    /// The same, with `after` called after each statement.
    pub(crate) fn block_with<R>(
        &mut self,
        parent: &Element,
        mut after: impl FnMut(&mut Self) -> R,
    ) -> Vec<R> {
        let mut results = Vec::new();
        if !self.no_text(parent) {
            return results;
        }
        for (i, element) in parent.children.iter().enumerate() {
            let same = parent.children[..i]
                .iter()
                .filter(|e| e.name == element.name)
                .count();
            if element.name == "base" {
                self.base(element, same);
            } else {
                self.statement(element, same + 1);
            }
            results.push(after(self));
        }
        results
    }

    /// Goes into a branch, whose position becomes part of its statements' paths.
    pub(crate) fn enter(&mut self, name: &str, index: usize) {
        self.path.push(format!("{name}[{index}]"));
    }

    /// Leaves the branch.
    pub(crate) fn leave(&mut self) {
        self.path.pop();
    }

    fn base(&mut self, element: &Element, before: usize) {
        self.attributes(element, &ROOT);
        if self.in_fragment {
            let message = "a fragment cannot contain `<base />`";
            let help = "put it into the document that includes the fragment";
            self.report(Finding::on(element, "not-allowed-here", message).help(help));
        } else if before > 0 {
            let message = "`<base />` occurs twice in one section";
            self.report(Finding::on(element, "not-allowed-here", message).help("keep one of them"));
        } else {
            let site = self.site(element, "base");
            self.emit(Op::Base, site);
        }
    }

    fn statement(&mut self, element: &Element, index: usize) {
        let Some(policy) = policies::find(&element.name) else {
            return self.not_built(element);
        };
        self.placement(element, policy, index);
        let node = Node {
            element,
            def: &policy.element,
        };
        if !self.shape(element, &policy.element) {
            return self.look_inside(node);
        }
        self.current = self.site(element, policy.element.name);
        let depth = self.path.len();
        if policy.element.is_container() {
            self.path.push(format!("{}[{index}]", policy.element.name));
        }
        let errors = self.error_count();
        let built = (policy.build)(self, node);
        if built.is_none() && self.error_count() == errors && !self.incomplete {
            // A policy that is left out without a reason would be skipped silently: never that.
            let message = format!("`{}` could not be built", element.name);
            let help = "this is a mistake in the gateway, not in the document";
            self.report(Finding::on(element, "not-built", message).help(help));
        }
        self.path.truncate(depth);
    }

    /// Checks the policies between the tags of one that cannot be built itself: all mistakes are told at once.
    pub(crate) fn look_inside(&mut self, node: Node<'_>) {
        if node.def.content == policies::Content::Policies {
            self.block(node.element);
        }
        for child in node.def.children {
            if child.element.content == policies::Content::Policies {
                for inner in node.element.children_named(child.element.name) {
                    self.block(inner);
                }
            }
        }
    }

    /// A policy nobody here can run: skipped with a record, refused, or unknown.
    fn not_built(&mut self, element: &Element) {
        let name = element.name.as_str();
        if let Some(known) = policies::NOT_ON_SELF_HOSTED.iter().find(|n| **n == name) {
            if self.not_on_self_hosted(element) {
                let site = self.site(element, known);
                self.emit(Op::Skip, site);
            }
        } else {
            let known = policies::POLICIES.iter().map(|p| p.element.name);
            let known = known.chain(["base"]);
            let help = match did_you_mean(name, known) {
                Some(near) => format!("did you mean `<{near}>`?"),
                None => "docs/policies.md lists the policies".into(),
            };
            let message = format!("there is no policy `<{name}>`");
            self.report(Finding::on(element, "unknown-element", message).help(help));
        }
    }

    /// Reports what only managed gateways run; true: it is skipped.
    pub(crate) fn not_on_self_hosted(&mut self, element: &Element) -> bool {
        let message = format!("`{}` does not run on a self-hosted gateway", element.name);
        let finding = Finding::on(element, "not-on-self-hosted", message);
        if self.options.refuse_unsupported {
            self.report(finding.help("remove it; the settings refuse what would be skipped"));
            return false;
        }
        let help = "it is skipped, as the original does; remove it";
        self.report(finding.warning().help(help));
        true
    }

    /// Inserts a fragment's statements where it is included. Its mistakes are reported in its own file.
    pub(crate) fn include(&mut self, element: &Element, id: &str) {
        let names = self.names;
        let Some(fragment) = names.fragments.get(id) else {
            let near = did_you_mean(id, names.fragments.keys().map(|k| &**k));
            let message = format!("there is no policy fragment `{id}`");
            let finding = Finding::on(element, "unknown-fragment", message);
            return if self.options.missing_fragments_empty {
                self.report(finding.warning().help("it is taken as empty"));
            } else {
                self.report(finding.help(near.map(|n| format!("did you mean `{n}`?")).unwrap_or_default()));
            };
        };
        let inner = File {
            path: Arc::clone(&fragment.path),
            text: &fragment.text,
            lines: Lines::new(&fragment.text),
        };
        let outer = std::mem::replace(&mut self.file, inner);
        self.in_fragment = true;
        match document::read(&fragment.text) {
            Ok(document) if document.root.name == "fragment" => self.block(&document.root),
            Ok(document) => {
                let message = format!("the root element of a fragment is `<{}>`", document.root.name);
                self.report(
                    Finding::on(&document.root, "unknown-root", message).help("it must be `<fragment>`"),
                );
            }
            Err(error) => {
                self.report(Finding::new("not-well-formed", error.at, error.message).help(error.help));
            }
        }
        self.in_fragment = false;
        self.file = outer;
    }

    /// Adds a place for the statement `element`.
    pub(crate) fn site(&mut self, element: &Element, policy: &'static str) -> u32 {
        let id = element
            .attribute("id")
            .map(|a| Arc::from(self.substituted(element, &a.value).as_str()));
        let path = if self.path.is_empty() {
            policy.into()
        } else {
            self.path.join("/").into()
        };
        let (line, column) = self.file.lines.place(element.at);
        self.sites.push(Site {
            policy,
            path,
            id,
            file: Arc::clone(&self.file.path),
            line,
            column,
        });
        (self.sites.len() - 1) as u32
    }

    /// Adds an instruction; it needs what the expressions compiled since the last one need.
    pub(crate) fn emit(&mut self, op: Op, site: u32) -> usize {
        let needs = std::mem::take(&mut self.needs);
        if self.code.len() >= INSTRUCTIONS_MAX {
            if self.code.len() == INSTRUCTIONS_MAX {
                let message =
                    format!("the document has more than {INSTRUCTIONS_MAX} statements, fragments included");
                self.report(Finding::new("too-large", 0, message).help("include fragments less often"));
            }
            self.errors += 1;
        }
        self.code.push(Instruction { op, site, needs });
        self.code.len() - 1
    }

    /// What the expressions compiled since the last instruction need; for policies of several instructions.
    pub(crate) fn take_needs(&mut self) -> Needs {
        std::mem::take(&mut self.needs)
    }

    /// Sets what the next instruction needs.
    pub(crate) fn put_needs(&mut self, needs: Needs) {
        self.needs = needs;
    }

    /// Adds a policy at the place of the statement being built.
    pub(crate) fn policy(&mut self, policy: impl Policy + 'static) {
        let site = self.current;
        self.emit(Op::Policy(Box::new(policy)), site);
    }

    /// The position of the next instruction.
    pub(crate) fn here(&self) -> usize {
        self.code.len()
    }

    /// The instruction at `position`, to set a jump target that was not known when it was emitted.
    pub(crate) fn op_mut(&mut self, position: usize) -> Option<&mut Op> {
        self.code.get_mut(position).map(|i| &mut i.op)
    }

    /// The place of the statement being built.
    pub(crate) fn current(&self) -> u32 {
        self.current
    }

    /// Warns that a cache policy does nothing where there is no cache.
    pub(crate) fn warn_without_cache(&mut self, element: &Element) {
        if !self.options.has_cache {
            let effect = match element.name.as_str() {
                "cache-value" => "keeps nothing",
                _ => "does nothing",
            };
            let message = format!("`{}` {effect}: there is no cache", element.name);
            let help =
                "lookups miss and stores are lost, as on a self-hosted gateway without an external cache";
            self.report(
                Finding::on(element, "no-external-cache", message)
                    .warning()
                    .help(help),
            );
        }
    }

    /// True where message policies edit the request.
    pub(crate) fn edits_request(&self) -> bool {
        self.section.is_none_or(Section::edits_request)
    }

    /// The section being compiled; `None` in a fragment checked on its own.
    pub(crate) fn section(&self) -> Option<Section> {
        self.section
    }

    /// The scope being compiled; `None` when unknown.
    pub(crate) fn scope(&self) -> Option<Scope> {
        self.scope
    }

    /// Says whether statements stand in a `wait` from now on, and returns what held before.
    pub(crate) fn inside_wait(&mut self, inside: bool) -> bool {
        std::mem::replace(&mut self.in_wait, inside)
    }

    /// True between the tags of a fragment.
    pub(crate) fn in_fragment(&self) -> bool {
        self.in_fragment
    }

    /// The statement being built needs the request's body, whole.
    pub(crate) fn need_request_body(&mut self) {
        self.needs.request_body = true;
    }

    /// The statement being built needs the response's body, whole, once there is one.
    pub(crate) fn need_response_body(&mut self) {
        self.needs.response_body = true;
    }

    /// The running statement needs the message that its section edits, whole.
    pub(crate) fn need_current_body(&mut self) {
        if self.section.is_none() || self.edits_request() {
            self.needs.request_body = true;
        }
        if !self.edits_request() {
            self.needs.response_body = true;
        }
    }
}
