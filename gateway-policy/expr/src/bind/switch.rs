//! `switch` statements.

use std::collections::HashSet;

use super::{Binder, operand::Operand};
use crate::{
    Span,
    ir::{Const, Node, SectionCode, Stmt as Code},
    syntax::ast::{CaseLabel, Expr, ExprKind, Literal, Pattern, Section, Stmt, StmtKind},
    types::Type,
};

/// The constant labels of a switch around the statement being bound.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    constants: Vec<(Const, usize)>,
    default: Option<usize>,
    ty: Option<Type>,
}

impl<'a> Binder<'a> {
    pub(crate) fn switch_statement(&mut self, value: &'a Expr, sections: &'a [Section]) -> (Code, bool) {
        let operand = self.operand(value);
        let value = match operand {
            Operand::Null => {
                self.error(
                    "CS8119",
                    "The switch expression must be a value; found '<null>'.",
                    value.span,
                );
                super::operand::Val::error()
            }
            Operand::Default => {
                self.error(
                    "CS8119",
                    "The switch expression must be a value; found 'default'.",
                    value.span,
                );
                super::operand::Val::error()
            }
            operand => self.rvalue(operand, value.span),
        };
        let constant = value.konst.clone();
        let slot = self.temp();
        let old_breaks = std::mem::replace(&mut self.breaks, false);
        self.breakable += 1;
        self.push_scope();
        if let Some(scope) = self.scopes.last_mut() {
            scope.sections = true;
        }
        let mut labels = Labels {
            ty: Some(value.ty.clone()),
            ..Labels::default()
        };
        self.collect_labels(&value.ty, sections, &mut labels);
        let default = labels.default;
        let decided = constant.is_some_and(|c| labels.constants.iter().any(|(k, _)| *k == c));
        let decided = decided || self.takes_everything(&value.ty, sections);
        self.switches.push(labels);
        let mut codes = Vec::new();
        let mut falls = Vec::new();
        for section in sections {
            let (code, end) = self.section(slot, &value.ty, section);
            if end {
                falls.push(section.span);
            }
            codes.push(code);
        }
        let last = sections.len();
        for span in &falls {
            let section = sections.iter().position(|s| s.span == *span).unwrap_or(0);
            let label = sections[section]
                .labels
                .last()
                .map(|(l, _)| label_text(l, self, section))
                .unwrap_or_default();
            let (code, message) = if section + 1 == last {
                (
                    "CS8070",
                    format!("Control cannot fall out of switch from final case label ('{label}')"),
                )
            } else {
                (
                    "CS0163",
                    format!("Control cannot fall through from one case label ('{label}') to another"),
                )
            };
            self.error(code, message, *span)
                .help("end the section with break, return or throw");
        }
        self.switches.pop();
        let slots = self.pop_scope();
        self.breakable -= 1;
        let breaks = std::mem::replace(&mut self.breaks, old_breaks);
        let switch = Code::Switch {
            slot,
            value: value.node,
            sections: codes.into(),
            default,
        };
        let reachable = breaks || !(default.is_some() || decided) || !falls.is_empty();
        (Code::Block(slots, Box::new([switch]), Box::new([])), reachable)
    }

    /// Constant labels first: `goto case` may jump forward.
    fn collect_labels(&mut self, ty: &Type, sections: &'a [Section], labels: &mut Labels) {
        let simple = |t: &Type| t.num().is_some() || t.is_bool() || t.is_string() || t.is_enum();
        let patterns = !simple(ty.nullable_of().unwrap_or(ty))
            || sections.iter().flat_map(|s| &s.labels).any(|(label, _)| {
                matches!(label, CaseLabel::Case(pattern, guard)
                    if guard.is_some() || !matches!(pattern, Pattern::Const(_)))
            });
        // By their text: a switch can have thousands of labels.
        let mut seen: HashSet<String> = HashSet::new();
        for (i, section) in sections.iter().enumerate() {
            for (label, span) in &section.labels {
                match label {
                    CaseLabel::Default => {
                        if labels.default.is_some() {
                            self.error(
                                "CS0152",
                                "The switch statement contains multiple cases with the label value 'default'",
                                *span,
                            );
                        }
                        labels.default = Some(i);
                    }
                    CaseLabel::Case(Pattern::Const(e), guard) => {
                        let mark = self.diagnostics.len();
                        let operand = self.operand(e);
                        let konst = match operand {
                            Operand::Null => Some(Const::Null),
                            Operand::Value(v) => {
                                let target = ty.nullable_of().unwrap_or(ty).clone();
                                if target.is_object() {
                                    v.konst
                                } else {
                                    self.convert_value(v, &target, e.span).konst
                                }
                            }
                            operand @ (Operand::Local(_) | Operand::Prop(_)) => {
                                self.rvalue(operand, e.span).konst
                            }
                            _ => None,
                        };
                        // Mistakes are reported when the label is bound as a pattern.
                        self.diagnostics.truncate(mark);
                        if let (Some(c), None) = (konst, guard) {
                            if !patterns && !seen.insert(format!("{c:?}")) {
                                let shown = crate::text::to_text(&c.value());
                                let shown = match &c {
                                    Const::Str(_) => format!("\"{}\"", shown.to_lossy()),
                                    _ => shown.to_lossy().into_owned(),
                                };
                                let message = format!(
                                    "The switch statement contains multiple cases with the label value '{shown}'"
                                );
                                self.error("CS0152", message, *span);
                            }
                            labels.constants.push((c, i));
                        }
                    }
                    CaseLabel::Case(..) => {}
                }
            }
        }
        if patterns && !self.in_instance {
            self.check_subsumed(ty, sections);
        }
    }

    /// Whether labels without conditions leave no value over: `case var x:`, or the type itself and null.
    fn takes_everything(&mut self, ty: &Type, sections: &'a [Section]) -> bool {
        let (mut values, mut null) = (false, !ty.takes_null());
        for (label, _) in sections.iter().flat_map(|s| &s.labels) {
            let CaseLabel::Case(pattern, None) = label else {
                continue;
            };
            match pattern {
                Pattern::Var(..) => return true,
                Pattern::Declaration(syn, _) => {
                    let mark = self.diagnostics.len();
                    let target = self.resolve_type(syn);
                    self.diagnostics.truncate(mark);
                    values |= crate::types::is_subtype(ty.nullable_of().unwrap_or(ty), &target);
                }
                Pattern::Const(e) => null |= matches!(e.kind, ExprKind::Literal(Literal::Null)),
            }
        }
        values && null && !ty.is_error()
    }

    /// Labels that an earlier one leaves nothing for (CS8120).
    fn check_subsumed(&mut self, ty: &Type, sections: &'a [Section]) {
        let (mut types, mut constants): (Vec<Type>, Vec<Const>) = (Vec::new(), Vec::new());
        // A `case var x:` without a condition has been seen.
        let mut everything = false;
        for (label, span) in sections.iter().flat_map(|s| &s.labels) {
            let CaseLabel::Case(pattern, guard) = label else {
                continue;
            };
            let mark = self.diagnostics.len();
            let always = match guard {
                None => true,
                Some(Expr {
                    kind: ExprKind::Literal(Literal::Bool(b)),
                    ..
                }) => *b,
                Some(_) => false,
            };
            let (covers, konst) = match pattern {
                Pattern::Var(..) if ty.takes_null() && !everything && !constants.contains(&Const::Null) => {
                    everything = always;
                    continue;
                }
                Pattern::Var(..) => (Some(ty.clone()), None),
                Pattern::Declaration(syn, _) => (Some(self.resolve_type(syn)), None),
                Pattern::Const(e) => match self.operand(e) {
                    Operand::Value(v) => (Some(v.ty), v.konst),
                    _ => (None, None),
                },
            };
            self.diagnostics.truncate(mark);
            let Some(covers) = covers.filter(|t| !t.is_error()) else {
                continue;
            };
            let taken = everything
                || types.iter().any(|t| crate::types::is_subtype(&covers, t))
                || konst.as_ref().is_some_and(|c| constants.contains(c));
            if taken {
                let message = "The switch case has already been handled by a previous case.";
                self.error("CS8120", message, *span);
            } else if always {
                match konst {
                    Some(c) => constants.push(c),
                    None if !matches!(pattern, Pattern::Const(_)) => types.push(covers),
                    None => {}
                }
            }
        }
    }

    fn section(&mut self, slot: u32, ty: &Type, section: &'a Section) -> (SectionCode, bool) {
        self.push_scope();
        let mut tests = Vec::new();
        for (label, span) in &section.labels {
            if let CaseLabel::Case(pattern, guard) = label {
                let test = self.pattern_test(slot, ty, pattern, *span);
                tests.push(match guard {
                    Some(g) => {
                        let guard = self.condition(g);
                        Node::And(Box::new((test, guard.node)))
                    }
                    None => test,
                });
            }
        }
        let (codes, labels, end) = self.statements(&section.body);
        self.share_locals(&section.body);
        let slots = self.pop_scope();
        let body = if labels.is_empty() {
            codes.into_boxed_slice()
        } else {
            Box::new([Code::Block([].into(), codes.into(), labels.into())])
        };
        if let Some(scope) = self.scopes.last_mut() {
            scope.slots.extend(slots.iter());
        }
        (
            SectionCode {
                tests: tests.into(),
                body,
            },
            end,
        )
    }

    /// What one section declares can be used, if assigned, in the sections behind it.
    fn share_locals(&mut self, body: &'a [Stmt]) {
        let Some(index) = self.scopes.len().checked_sub(2) else {
            return;
        };
        for stmt in body {
            let StmtKind::Local(decl) = &stmt.kind else {
                continue;
            };
            for v in &decl.vars {
                if let Some(entry) = self.lookup(&v.name.name).cloned() {
                    self.scopes[index].names.insert(v.name.name.clone(), entry);
                }
            }
        }
    }

    pub(crate) fn goto_default(&mut self, span: Span) -> Code {
        match self.switches.last().map(|s| s.default) {
            Some(Some(i)) => Code::GotoSection(i),
            Some(None) => {
                self.error(
                    "CS0159",
                    "No such label 'default:' within the scope of the goto statement",
                    span,
                );
                Code::Empty
            }
            None => {
                self.error(
                    "CS0153",
                    "A goto case is only valid inside a switch statement",
                    span,
                );
                Code::Empty
            }
        }
    }

    pub(crate) fn goto_case(&mut self, e: &'a Expr, span: Span) -> Code {
        let operand = self.operand(e);
        let Some(ty) = self.switches.last().and_then(|s| s.ty.clone()) else {
            self.error(
                "CS0153",
                "A goto case is only valid inside a switch statement",
                span,
            );
            return Code::Empty;
        };
        let mark = self.diagnostics.len();
        let value = self.convert(operand, &ty, e.span);
        let Some(c) = value.konst else {
            if !value.ty.is_error() && !self.has_errors_since(mark) {
                self.error("CS0150", "A constant value is expected", e.span);
            }
            return Code::Empty;
        };
        let found = self
            .switches
            .last()
            .and_then(|s| s.constants.iter().find(|(k, _)| *k == c))
            .map(|(_, i)| *i);
        match found {
            Some(i) => Code::GotoSection(i),
            None => {
                let shown = crate::text::to_text(&c.value());
                let message = format!(
                    "No such label 'case {}:' within the scope of the goto statement",
                    shown.to_lossy()
                );
                self.error("CS0159", message, span);
                Code::Empty
            }
        }
    }
}

fn label_text(label: &CaseLabel, binder: &Binder<'_>, section: usize) -> String {
    match label {
        CaseLabel::Default => "default:".to_owned(),
        CaseLabel::Case(..) => {
            let constant = binder
                .switches
                .last()
                .and_then(|s| s.constants.iter().rev().find(|(_, i)| *i == section))
                .map(|(c, _)| crate::text::to_text(&c.value()).to_lossy().into_owned());
            format!("case {}:", constant.unwrap_or_default())
        }
    }
}
