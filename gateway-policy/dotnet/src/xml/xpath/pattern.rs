//! XSLT patterns: whether a node matches, and how specific the pattern is (XSLT 1.0 §5.2, §5.5).

use super::{Axis, Environment, Error, Expr, Item, Start, Step, Test, XPath};

impl XPath {
    /// The alternatives of `a | b`, each with its own priority.
    pub fn alternatives(&self) -> Vec<XPath> {
        match &self.root {
            Expr::Union(parts) => parts
                .iter()
                .map(|part| XPath {
                    root: part.clone(),
                    text: self.text.clone(),
                })
                .collect(),
            _ => vec![self.clone()],
        }
    }

    /// Whether `item` matches it as a pattern: some ancestor-or-self selects it.
    ///
    /// # Errors
    /// As [`XPath::evaluate`].
    pub fn matches(&self, item: &Item, environment: &dyn Environment) -> Result<bool, Error> {
        let absolute = matches!(&self.root, Expr::Path(Start::Root | Start::From(_), _))
            || !matches!(&self.root, Expr::Path(..));
        let mut at = if absolute {
            Some(item.root())
        } else {
            Some(item.clone())
        };
        while let Some(from) = at {
            if self.select(&from, environment)?.iter().any(|n| n.same(item)) {
                return Ok(true);
            }
            at = from.parent();
        }
        Ok(false)
    }

    /// The default priority of a pattern without alternatives.
    pub fn default_priority(&self) -> f64 {
        let Expr::Path(Start::Here, steps) = &self.root else {
            return 0.5;
        };
        match steps.as_slice() {
            [
                Step {
                    axis: Axis::Child | Axis::Attribute,
                    test,
                    predicates,
                },
            ] if predicates.is_empty() => match test {
                Test::Name(_) | Test::Instruction(Some(_)) => 0.0,
                Test::Any(Some(_)) => -0.25,
                _ => -0.5,
            },
            _ => 0.5,
        }
    }
}
