//! Evaluation: axes, predicates, operators, document order.

use std::{cell::RefCell, cmp::Ordering, collections::HashMap};

use super::{
    Axis, Environment, Error, Expr, Item, MAX_STEPS, Op, Place, QName, Start, Step, Test, Value, error,
};
use crate::xml::{Kind, Name, Node, XML_NAMESPACE};

/// Place of a node's element, then namespaces before attributes, then its place among those.
type Key = (usize, usize, usize, Box<str>);

/// One evaluation: what it refers to, and how much it has done.
pub(super) struct Evaluation<'e> {
    pub(super) environment: &'e dyn Environment,
    steps: std::cell::Cell<usize>,
    /// Place in document order of every node of the trees met so far, by address.
    order: RefCell<HashMap<usize, usize>>,
}

impl<'e> Evaluation<'e> {
    pub(super) fn new(environment: &'e dyn Environment) -> Self {
        Evaluation {
            environment,
            steps: std::cell::Cell::new(0),
            order: RefCell::default(),
        }
    }

    /// Items looked at so far.
    pub(super) fn spent(&self) -> usize {
        self.steps.get()
    }

    /// Counts work.
    pub(super) fn spend(&self, items: usize) -> Result<(), Error> {
        self.steps.set(self.steps.get().saturating_add(items));
        if self.steps.get() > MAX_STEPS {
            return Err(Error::budget("items looked at by XPath"));
        }
        Ok(())
    }

    /// The expanded name of a name in the expression; no prefix is no namespace.
    pub(super) fn resolve(&self, name: &QName) -> Result<Name, Error> {
        let namespace = match &name.prefix {
            None => String::new(),
            Some(prefix) => self.namespace(prefix)?,
        };
        Ok(Name::unchecked(&namespace, &name.local))
    }

    fn namespace(&self, prefix: &str) -> Result<String, Error> {
        if prefix == "xml" {
            return Ok(XML_NAMESPACE.to_owned());
        }
        self.environment
            .namespace(prefix)
            .ok_or_else(|| error(format!("Namespace prefix '{prefix}' is not defined.")))
    }

    pub(super) fn expr(&self, expr: &Expr, at: &Place<'_>) -> Result<Value, Error> {
        self.spend(1)?;
        Ok(match expr {
            Expr::Text(text) => Value::Text(text.to_string()),
            Expr::Number(value) => Value::Number(*value),
            Expr::Variable(name) => {
                let resolved = self.resolve(name)?;
                self.environment
                    .variable(&resolved)
                    .ok_or_else(|| error(format!("The variable '{}' is not defined.", name.local)))?
            }
            Expr::Call(name, args) => self.call(name, args, at)?,
            Expr::Negate(inner) => Value::Number(-self.expr(inner, at)?.to_number()),
            Expr::Binary(op, left, right) => self.binary(*op, left, right, at)?,
            Expr::Union(parts) => {
                let mut all = Vec::new();
                for part in parts {
                    all.extend(self.nodes(part, at)?);
                }
                Value::Nodes(self.in_order(all)?)
            }
            Expr::Filter(inner, predicates) => {
                let mut nodes = self.nodes(inner, at)?;
                for predicate in predicates {
                    nodes = self.keep(nodes, predicate)?;
                }
                Value::Nodes(nodes)
            }
            Expr::Path(start, steps) => Value::Nodes(self.path(start, steps, at)?),
        })
    }

    pub(super) fn nodes(&self, expr: &Expr, at: &Place<'_>) -> Result<Vec<Item>, Error> {
        match self.expr(expr, at)? {
            Value::Nodes(nodes) => Ok(nodes),
            _ => Err(super::not_nodes()),
        }
    }

    fn path(&self, start: &Start, steps: &[Step], at: &Place<'_>) -> Result<Vec<Item>, Error> {
        let mut nodes = match start {
            Start::Here => vec![at.item.clone()],
            Start::Root => vec![at.item.root()],
            Start::From(filter) => self.nodes(filter, at)?,
        };
        for step in steps {
            let single = nodes.len() <= 1;
            let mut next = Vec::new();
            for node in &nodes {
                next.extend(self.step(step, node)?);
            }
            // From one node every axis gives its nodes once; only the direction can differ.
            nodes = if !single {
                self.in_order(next)?
            } else {
                if step.axis.is_reverse() {
                    next.reverse();
                }
                next
            };
        }
        Ok(nodes)
    }

    fn step(&self, step: &Step, from: &Item) -> Result<Vec<Item>, Error> {
        let mut nodes = self.axis(step.axis, from)?;
        self.spend(nodes.len() + 1)?;
        let test = self.prepare(&step.test)?;
        nodes.retain(|node| test.fits(node, step.axis));
        for predicate in &step.predicates {
            nodes = self.keep(nodes, predicate)?;
        }
        Ok(nodes)
    }

    /// The nodes that pass a predicate; a number means a position.
    fn keep(&self, nodes: Vec<Item>, predicate: &Expr) -> Result<Vec<Item>, Error> {
        if let Expr::Number(n) = predicate {
            let index = (*n >= 1.0 && n.fract() == 0.0).then_some(*n as usize - 1);
            return Ok(index.and_then(|i| nodes.into_iter().nth(i)).into_iter().collect());
        }
        let size = nodes.len();
        let mut kept = Vec::new();
        for (i, item) in nodes.into_iter().enumerate() {
            let place = Place {
                item: &item,
                position: i + 1,
                size,
            };
            let ok = match self.expr(predicate, &place)? {
                Value::Number(n) => n == (i + 1) as f64,
                other => other.to_bool(),
            };
            if ok {
                kept.push(item);
            }
        }
        Ok(kept)
    }

    /// Nodes of an axis, nearest first.
    fn axis(&self, axis: Axis, from: &Item) -> Result<Vec<Item>, Error> {
        let nodes = |list: Vec<Node>| list.into_iter().map(Item::Node).collect::<Vec<_>>();
        Ok(match axis {
            Axis::Itself => vec![from.clone()],
            Axis::Child => from.children(),
            Axis::Parent => from.parent().into_iter().collect(),
            Axis::Attribute => from.attributes(),
            Axis::Namespace => from.namespaces(),
            Axis::Descendant => self.descendants(from)?,
            Axis::DescendantOrSelf => {
                let mut all = vec![from.clone()];
                all.extend(self.descendants(from)?);
                all
            }
            Axis::Ancestor => ancestors(from),
            Axis::AncestorOrSelf => {
                let mut all = vec![from.clone()];
                all.extend(ancestors(from));
                all
            }
            Axis::FollowingSibling => from.node().map_or_else(Vec::new, |n| nodes(n.nodes_after_self())),
            Axis::PrecedingSibling => from.node().map_or_else(Vec::new, |n| {
                let mut before = n.nodes_before_self();
                before.reverse();
                nodes(before)
            }),
            Axis::Following => {
                let mut all = Vec::new();
                // What follows an attribute are the children of its element, and what follows that.
                let mut at = match from {
                    Item::Node(node) => Some(node.clone()),
                    other => {
                        let owner = other.parent();
                        if let Some(owner) = &owner {
                            all.extend(self.descendants(owner)?);
                        }
                        owner.and_then(|o| o.node().cloned())
                    }
                };
                while let Some(node) = at {
                    for sibling in node.nodes_after_self() {
                        let item = Item::Node(sibling);
                        let below = self.descendants(&item)?;
                        all.push(item);
                        all.extend(below);
                    }
                    at = node.container();
                }
                all
            }
            Axis::Preceding => {
                let mut all = Vec::new();
                let mut at = match from {
                    Item::Node(node) => Some(node.clone()),
                    other => other.parent().and_then(|o| o.node().cloned()),
                };
                while let Some(node) = at {
                    for sibling in node.nodes_before_self().into_iter().rev() {
                        let item = Item::Node(sibling);
                        all.extend(self.descendants(&item)?.into_iter().rev());
                        all.push(item);
                    }
                    at = node.container();
                }
                all
            }
        })
    }

    fn descendants(&self, from: &Item) -> Result<Vec<Item>, Error> {
        let mut all = Vec::new();
        let mut pending = from.children();
        pending.reverse();
        while let Some(item) = pending.pop() {
            self.spend(1)?;
            pending.extend(item.children().into_iter().rev());
            all.push(item);
        }
        Ok(all)
    }

    fn prepare<'t>(&self, test: &'t Test) -> Result<Prepared<'t>, Error> {
        Ok(match test {
            Test::Any(None) => Prepared::Any,
            Test::Any(Some(prefix)) => Prepared::Namespace(self.namespace(prefix)?),
            Test::Name(name) => Prepared::Name(self.resolve(name)?),
            other => Prepared::Kind(other),
        })
    }

    // ---- document order

    /// Sorts into document order and drops doubles.
    pub(super) fn in_order(&self, items: Vec<Item>) -> Result<Vec<Item>, Error> {
        if items.len() < 2 {
            return Ok(items);
        }
        let mut keyed: Vec<(Key, Item)> = Vec::with_capacity(items.len());
        for item in items {
            self.spend(1)?;
            keyed.push((self.key(&item)?, item));
        }
        keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
        keyed.dedup_by(|(a, _), (b, _)| a == b);
        Ok(keyed.into_iter().map(|(_, item)| item).collect())
    }

    /// Place of the node, then namespaces before attributes of it.
    fn key(&self, item: &Item) -> Result<Key, Error> {
        Ok(match item {
            Item::Node(node) => (self.place(node)?, 0, 0, "".into()),
            Item::Namespace(element, prefix, _) => (self.place(element)?, 1, 0, prefix.clone()),
            Item::Attribute(attribute) => match attribute.parent() {
                Some(element) => {
                    let all = element.attributes();
                    let at = all.iter().position(|a| a.same(attribute)).unwrap_or(0);
                    (self.place(&element)?, 2, at, "".into())
                }
                None => (0, 2, 0, "".into()),
            },
        })
    }

    fn place(&self, node: &Node) -> Result<usize, Error> {
        if let Some(at) = self.order.borrow().get(&node.address()) {
            return Ok(*at);
        }
        // A tree not met before: number all of it.
        let root = Item::Node(node.clone()).root();
        let all = self.descendants(&root)?;
        let mut order = self.order.borrow_mut();
        let from = order.len();
        let nodes = std::iter::once(&root).chain(&all).filter_map(Item::node);
        for (i, node) in nodes.enumerate() {
            order.insert(node.address(), from + i);
        }
        Ok(order.get(&node.address()).copied().unwrap_or(usize::MAX))
    }

    // ---- operators

    fn binary(&self, op: Op, left: &Expr, right: &Expr, at: &Place<'_>) -> Result<Value, Error> {
        match op {
            Op::Or => {
                let value = self.expr(left, at)?.to_bool() || self.expr(right, at)?.to_bool();
                return Ok(Value::Bool(value));
            }
            Op::And => {
                let value = self.expr(left, at)?.to_bool() && self.expr(right, at)?.to_bool();
                return Ok(Value::Bool(value));
            }
            _ => {}
        }
        let (l, r) = (self.expr(left, at)?, self.expr(right, at)?);
        let numbers = |f: fn(f64, f64) -> f64| Value::Number(f(l.to_number(), r.to_number()));
        Ok(match op {
            Op::Add => numbers(|a, b| a + b),
            Op::Subtract => numbers(|a, b| a - b),
            Op::Multiply => numbers(|a, b| a * b),
            Op::Divide => numbers(|a, b| a / b),
            Op::Modulo => numbers(|a, b| a % b),
            _ => Value::Bool(self.compare(op, &l, &r)?),
        })
    }

    fn compare(&self, op: Op, l: &Value, r: &Value) -> Result<bool, Error> {
        match (l, r) {
            (Value::Nodes(a), Value::Nodes(b)) => {
                let right: Vec<String> = b.iter().map(Item::text).collect();
                for left in a {
                    let left = Value::Text(left.text());
                    for text in &right {
                        self.spend(1)?;
                        if plain(op, &left, &Value::Text(text.clone())) {
                            return Ok(true);
                        }
                    }
                }
                Ok(false)
            }
            (Value::Nodes(_), Value::Bool(_)) | (Value::Bool(_), Value::Nodes(_)) => {
                Ok(plain(op, &Value::Bool(l.to_bool()), &Value::Bool(r.to_bool())))
            }
            (Value::Nodes(nodes), other) => {
                self.spend(nodes.len())?;
                Ok(nodes.iter().any(|n| plain(op, &Value::Text(n.text()), other)))
            }
            (other, Value::Nodes(nodes)) => {
                self.spend(nodes.len())?;
                Ok(nodes.iter().any(|n| plain(op, other, &Value::Text(n.text()))))
            }
            _ => Ok(plain(op, l, r)),
        }
    }
}

/// Comparison of values that are no node-sets (§3.4).
fn plain(op: Op, l: &Value, r: &Value) -> bool {
    if let Op::Equal | Op::NotEqual = op {
        let equal = match (l, r) {
            (Value::Bool(_), _) | (_, Value::Bool(_)) => l.to_bool() == r.to_bool(),
            (Value::Number(_), _) | (_, Value::Number(_)) => l.to_number() == r.to_number(),
            _ => l.to_text() == r.to_text(),
        };
        return equal == (op == Op::Equal);
    }
    let order = l.to_number().partial_cmp(&r.to_number());
    match op {
        Op::Less => order == Some(Ordering::Less),
        Op::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Op::Greater => order == Some(Ordering::Greater),
        _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }
}

fn ancestors(from: &Item) -> Vec<Item> {
    let mut all = Vec::new();
    let mut at = from.parent();
    while let Some(item) = at {
        at = item.parent();
        all.push(item);
    }
    all
}

/// A node test with its names resolved.
enum Prepared<'t> {
    Any,
    Namespace(String),
    Name(Name),
    Kind(&'t Test),
}

impl Prepared<'_> {
    fn fits(&self, item: &Item, axis: Axis) -> bool {
        // A name test means nodes of the axis' principal type.
        let principal = || match axis {
            Axis::Attribute => matches!(item, Item::Attribute(_)),
            Axis::Namespace => matches!(item, Item::Namespace(..)),
            _ => item.node().is_some_and(Node::is_element),
        };
        match self {
            Prepared::Any => principal(),
            Prepared::Namespace(uri) => principal() && item.name().is_some_and(|n| *n.namespace == **uri),
            Prepared::Name(name) => principal() && item.name().as_ref() == Some(name),
            Prepared::Kind(test) => {
                let Some(node) = item.node() else {
                    return matches!(test, Test::Node);
                };
                match (test, node.kind()) {
                    (Test::Node, _) => true,
                    (Test::Text, Kind::Text(_) | Kind::CData(_)) => true,
                    (Test::Comment, Kind::Comment(_)) => true,
                    (Test::Instruction(None), Kind::ProcessingInstruction { .. }) => true,
                    (Test::Instruction(Some(wanted)), Kind::ProcessingInstruction { target, .. }) => {
                        *target.borrow() == **wanted
                    }
                    _ => false,
                }
            }
        }
    }
}
