//! Nodes → text.

use std::{collections::HashMap, sync::Arc};

use super::{
    Binding, OUTPUT_BYTES_MAX, STEPS_MAX, Value, filters,
    parse::{For, ForKind, Node, Operand, Output, Step},
};

pub(super) fn render(nodes: &[Node], binding: Binding) -> Result<String, String> {
    let mut renderer = Renderer {
        scopes: vec![HashMap::from([
            ("body".to_owned(), binding.body),
            ("context".to_owned(), binding.context),
        ])],
        counters: HashMap::new(),
        cycles: HashMap::new(),
        changed: String::new(),
        now_ticks: binding.now_ticks,
        steps: 0,
    };
    let mut out = String::new();
    renderer.nodes(nodes, &mut out)?;
    Ok(out)
}

struct Renderer {
    /// Innermost last.
    scopes: Vec<HashMap<String, Value>>,
    counters: HashMap<String, i64>,
    cycles: HashMap<String, usize>,
    /// What the last `ifchanged` showed.
    changed: String,
    now_ticks: i64,
    steps: usize,
}

/// Whether a block ran to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

impl Renderer {
    // Blocks nest at most NESTING_MAX deep, which parsing checked.
    fn nodes(&mut self, nodes: &[Node], out: &mut String) -> Result<Flow, String> {
        for node in nodes {
            self.steps += 1;
            if self.steps > STEPS_MAX || out.len() > OUTPUT_BYTES_MAX {
                return Err("The template gives too much.".into());
            }
            let flow = self.node(node, out)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, node: &Node, out: &mut String) -> Result<Flow, String> {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Output(output) => match self.output(output) {
                Ok(value) => out.push_str(&value.to_text()),
                // DotLiquid shows the error in place and goes on.
                Err(message) => *out += &format!("Liquid error: {message}"),
            },
            Node::Assign(name, output) => {
                let value = self.output(output).unwrap_or(Value::Nil);
                self.assign(name, value);
            }
            Node::Capture(name, body) => {
                let mut text = String::new();
                let flow = self.nodes(body, &mut text)?;
                self.assign(name, Value::text(&text));
                return Ok(flow);
            }
            Node::If(branches, otherwise) => {
                for (condition, body) in branches {
                    if condition.is_met(&mut |o| self.operand(o)) {
                        return self.nodes(body, out);
                    }
                }
                return self.nodes(otherwise, out);
            }
            Node::Case(subject, whens, otherwise) => return self.case(subject, whens, otherwise, out),
            Node::For(repeat) => self.repeat(repeat, out)?,
            Node::Cycle(group, values) => {
                let turn = self.cycles.entry(group.clone()).or_default();
                let value = values.get(*turn % values.len().max(1)).cloned();
                *turn += 1;
                if let Some(value) = value {
                    out.push_str(&self.operand(&value).to_text());
                }
            }
            Node::IfChanged(body) => {
                let mut text = String::new();
                let flow = self.nodes(body, &mut text)?;
                if text != self.changed {
                    out.push_str(&text);
                    self.changed = text;
                }
                return Ok(flow);
            }
            Node::Count { name, up } => {
                let counter = self.counters.entry(name.clone()).or_default();
                if *up {
                    *out += &counter.to_string();
                    *counter += 1;
                } else {
                    *counter -= 1;
                    *out += &counter.to_string();
                }
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn case(
        &mut self,
        subject: &Operand,
        whens: &[(Vec<Operand>, Vec<Node>)],
        otherwise: &[Node],
        out: &mut String,
    ) -> Result<Flow, String> {
        let subject = self.operand(subject);
        let mut found = false;
        for (values, body) in whens {
            if values.iter().any(|v| self.operand(v).equals(&subject)) {
                found = true;
                let flow = self.nodes(body, out)?;
                if flow != Flow::On {
                    return Ok(flow);
                }
            }
        }
        if found {
            Ok(Flow::On)
        } else {
            self.nodes(otherwise, out)
        }
    }

    fn repeat(&mut self, repeat: &For, out: &mut String) -> Result<(), String> {
        let mut items = self.operand(&repeat.source).items();
        let count = |r: &mut Self, o: &Option<Operand>| {
            o.as_ref()
                .and_then(|o| r.operand(o).integer())
                .and_then(|n| usize::try_from(n).ok())
        };
        let offset = count(self, &repeat.offset).unwrap_or(0).min(items.len());
        items.drain(..offset);
        if let Some(limit) = count(self, &repeat.limit) {
            items.truncate(limit);
        }
        if repeat.reversed {
            items.reverse();
        }
        if items.is_empty() {
            self.nodes(&repeat.otherwise, out)?;
            return Ok(());
        }
        let columns = count(self, &repeat.columns).unwrap_or(items.len()).max(1);
        let length = items.len();
        let name = format!("{}-loop", repeat.variable);
        if repeat.kind == ForKind::TableRow {
            out.push_str("<tr class=\"row1\">\n");
        }
        for (i, item) in items.into_iter().enumerate() {
            let forloop = Value::object(vec![
                ("name", Value::text(&name)),
                ("length", Value::Int(length as i64)),
                ("index", Value::Int(i as i64 + 1)),
                ("index0", Value::Int(i as i64)),
                ("rindex", Value::Int((length - i) as i64)),
                ("rindex0", Value::Int((length - i) as i64 - 1)),
                ("first", Value::Bool(i == 0)),
                ("last", Value::Bool(i + 1 == length)),
            ]);
            let loop_name = if repeat.kind == ForKind::TableRow {
                "tablerowloop"
            } else {
                "forloop"
            };
            let scope = HashMap::from([(repeat.variable.clone(), item), (loop_name.to_owned(), forloop)]);
            self.scopes.push(scope);
            if repeat.kind == ForKind::TableRow {
                *out += &format!("<td class=\"col{}\">", i % columns + 1);
            }
            let flow = self.nodes(&repeat.body, out);
            self.scopes.pop();
            match repeat.kind {
                ForKind::JsonArray if i + 1 < length => out.push(','),
                ForKind::TableRow => {
                    out.push_str("</td>");
                    if (i + 1) % columns == 0 && i + 1 < length {
                        *out += &format!("</tr>\n<tr class=\"row{}\">", (i + 1) / columns + 1);
                    }
                }
                ForKind::JsonArray | ForKind::Plain => {}
            }
            if flow? == Flow::Break {
                break;
            }
        }
        if repeat.kind == ForKind::TableRow {
            out.push_str("</tr>\n");
        }
        Ok(())
    }

    /// Assignments belong to the outermost scope, as in DotLiquid.
    fn assign(&mut self, name: &str, value: Value) {
        if let Some(scope) = self.scopes.first_mut() {
            scope.insert(name.to_owned(), value);
        }
    }

    fn output(&mut self, output: &Output) -> Result<Value, String> {
        let mut value = self.operand(&output.value);
        for (name, arguments) in &output.filters {
            let arguments: Vec<Value> = arguments.iter().map(|a| self.operand(a)).collect();
            value = filters::apply(name, value, &arguments, self.now_ticks)?;
        }
        Ok(value)
    }

    fn operand(&mut self, operand: &Operand) -> Value {
        match operand {
            Operand::Literal(value) => value.clone(),
            Operand::Empty => Value::Nil,
            Operand::Range(ends) => {
                let from = self.operand(&ends.0).integer().unwrap_or(0);
                let to = self.operand(&ends.1).integer().unwrap_or(0);
                // A range longer than the step limit cannot be gone through anyway.
                let to = to.min(from.saturating_add(STEPS_MAX as i64));
                Value::Array(Arc::new((from..=to).map(Value::Int).collect()))
            }
            Operand::Path(steps) => self.path(steps),
        }
    }

    fn path(&mut self, steps: &[Step]) -> Value {
        let mut value = Value::Nil;
        for (i, step) in steps.iter().enumerate() {
            let key = match step {
                Step::Name(name) => Value::text(name),
                Step::Index(operand) => self.operand(operand),
            };
            value = if i == 0 {
                self.variable(&key.to_text())
            } else {
                value.member(&key)
            };
        }
        value
    }

    fn variable(&self, name: &str) -> Value {
        self.scopes
            .iter()
            .rev()
            .find_map(|s| s.get(name))
            .cloned()
            .unwrap_or(Value::Nil)
    }
}
