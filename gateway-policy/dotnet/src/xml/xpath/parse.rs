//! Tokens to an expression tree: XPath 1.0 §2 and §3.

use super::{
    Axis, Error, Expr, MAX_NESTING, Op, Start, Step, Test, error,
    lex::{Tok, tokens},
};

/// Parses a whole expression.
pub(super) fn parse(text: &str) -> Result<Expr, Error> {
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
    };
    let expr = parser.expr()?;
    match parser.peek() {
        Tok::End => Ok(expr),
        _ => Err(parser.invalid()),
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Tok>,
    at: usize,
    depth: usize,
}

/// Binary operators, loosest first.
const LEVELS: &[&[Op]] = &[
    &[Op::Or],
    &[Op::And],
    &[Op::Equal, Op::NotEqual],
    &[Op::Less, Op::LessOrEqual, Op::Greater, Op::GreaterOrEqual],
    &[Op::Add, Op::Subtract],
    &[Op::Multiply, Op::Divide, Op::Modulo],
];

impl Parser<'_> {
    fn peek(&self) -> &Tok {
        self.tokens.get(self.at).unwrap_or(&Tok::End)
    }

    fn peek_second(&self) -> &Tok {
        self.tokens.get(self.at + 1).unwrap_or(&Tok::End)
    }

    fn next(&mut self) -> Tok {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn eat(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Tok::Sign(s) if *s == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), Error> {
        if self.eat(sign) {
            return Ok(());
        }
        Err(self.invalid())
    }

    fn invalid(&self) -> Error {
        match self.peek() {
            Tok::End => error(format!("'{}' is an invalid expression.", self.text)),
            _ => error(format!("'{}' has an invalid token.", self.text)),
        }
    }

    fn expr(&mut self) -> Result<Expr, Error> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(error(format!("The xpath query '{}' is too complex.", self.text)));
        }
        let expr = self.binary(0)?;
        self.depth -= 1;
        Ok(expr)
    }

    fn operator(&self, level: usize) -> Option<Op> {
        let op = match self.peek() {
            Tok::Op(op) => *op,
            Tok::Sign("+") => Op::Add,
            Tok::Sign("-") => Op::Subtract,
            _ => return None,
        };
        LEVELS.get(level)?.contains(&op).then_some(op)
    }

    fn binary(&mut self, level: usize) -> Result<Expr, Error> {
        if level == LEVELS.len() {
            return self.unary();
        }
        let mut left = self.binary(level + 1)?;
        let mut operands = 0;
        while let Some(op) = self.operator(level) {
            // Left-deep chains recurse when they are evaluated.
            operands += 1;
            if operands > MAX_NESTING {
                return Err(error(format!("The xpath query '{}' is too complex.", self.text)));
            }
            self.at += 1;
            let right = self.binary(level + 1)?;
            left = Expr::Binary(op, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, Error> {
        let mut minus = false;
        let mut any = false;
        while self.eat("-") {
            minus = !minus;
            any = true;
        }
        let expr = self.union()?;
        Ok(match (any, minus) {
            (false, _) => expr,
            (true, true) => Expr::Negate(Box::new(expr)),
            (true, false) => Expr::Negate(Box::new(Expr::Negate(Box::new(expr)))),
        })
    }

    fn union(&mut self) -> Result<Expr, Error> {
        let first = self.path()?;
        if !matches!(self.peek(), Tok::Sign("|")) {
            return Ok(first);
        }
        let mut all = vec![first];
        while self.eat("|") {
            all.push(self.path()?);
        }
        Ok(Expr::Union(all))
    }

    /// A path, or a filter expression with a path behind it.
    fn path(&mut self) -> Result<Expr, Error> {
        if self.is_primary() {
            let primary = self.primary()?;
            let predicates = self.predicates()?;
            let filter = if predicates.is_empty() {
                primary
            } else {
                Expr::Filter(Box::new(primary), predicates)
            };
            if !matches!(self.peek(), Tok::Sign("/" | "//")) {
                return Ok(filter);
            }
            let mut steps = Vec::new();
            self.more_steps(&mut steps)?;
            return Ok(Expr::Path(Start::From(Box::new(filter)), steps));
        }
        let mut steps = Vec::new();
        let start = match self.peek() {
            Tok::Sign("/") => {
                self.at += 1;
                if self.is_step() {
                    steps.push(self.step()?);
                    self.more_steps(&mut steps)?;
                }
                Start::Root
            }
            Tok::Sign("//") => {
                self.more_steps(&mut steps)?;
                Start::Root
            }
            _ => {
                steps.push(self.step()?);
                self.more_steps(&mut steps)?;
                Start::Here
            }
        };
        Ok(Expr::Path(start, steps))
    }

    fn more_steps(&mut self, steps: &mut Vec<Step>) -> Result<(), Error> {
        loop {
            if self.eat("//") {
                let mut step = self.step()?;
                if step.axis == Axis::Child && step.predicates.is_empty() {
                    // Without positions to count this is the same, and cheaper.
                    step.axis = Axis::Descendant;
                } else {
                    steps.push(Step {
                        axis: Axis::DescendantOrSelf,
                        test: Test::Node,
                        predicates: Vec::new(),
                    });
                }
                steps.push(step);
            } else if self.eat("/") {
                steps.push(self.step()?);
            } else {
                return Ok(());
            }
        }
    }

    fn is_step(&self) -> bool {
        matches!(
            self.peek(),
            Tok::Name(_) | Tok::Star(_) | Tok::Sign("." | ".." | "@")
        )
    }

    /// Whether a filter expression starts here, rather than a location step.
    fn is_primary(&self) -> bool {
        match self.peek() {
            Tok::Variable(_) | Tok::Text(_) | Tok::Number(_) | Tok::Sign("(") => true,
            Tok::Name(name) => {
                let node_type = name.prefix.is_none()
                    && matches!(
                        &*name.local,
                        "node" | "text" | "comment" | "processing-instruction"
                    );
                matches!(self.peek_second(), Tok::Sign("(")) && !node_type
            }
            _ => false,
        }
    }

    fn primary(&mut self) -> Result<Expr, Error> {
        Ok(match self.next() {
            Tok::Variable(name) => Expr::Variable(name),
            Tok::Text(text) => Expr::Text(text),
            Tok::Number(value) => Expr::Number(value),
            Tok::Name(name) => {
                self.expect("(")?;
                let mut args = Vec::new();
                if !self.eat(")") {
                    args.push(self.expr()?);
                    while self.eat(",") {
                        args.push(self.expr()?);
                    }
                    self.expect(")")?;
                }
                super::functions::check(&name, args.len(), self.text)?;
                Expr::Call(name, args)
            }
            _ => {
                let inner = self.expr()?;
                self.expect(")")?;
                inner
            }
        })
    }

    fn predicates(&mut self) -> Result<Vec<Expr>, Error> {
        let mut list = Vec::new();
        while self.eat("[") {
            list.push(self.expr()?);
            self.expect("]")?;
        }
        Ok(list)
    }

    fn step(&mut self) -> Result<Step, Error> {
        let plain = |axis| Step {
            axis,
            test: Test::Node,
            predicates: Vec::new(),
        };
        if self.eat(".") {
            return Ok(plain(Axis::Itself));
        }
        if self.eat("..") {
            return Ok(plain(Axis::Parent));
        }
        let axis = if self.eat("@") {
            Axis::Attribute
        } else if let (Tok::Name(name), Tok::Sign("::")) = (self.peek(), self.peek_second()) {
            let axis = Axis::by_name(&name.local)
                .filter(|_| name.prefix.is_none())
                .ok_or_else(|| self.invalid())?;
            self.at += 2;
            axis
        } else {
            Axis::Child
        };
        let test = self.test()?;
        let predicates = self.predicates()?;
        Ok(Step {
            axis,
            test,
            predicates,
        })
    }

    fn test(&mut self) -> Result<Test, Error> {
        match self.peek().clone() {
            Tok::Star(prefix) => {
                self.at += 1;
                Ok(Test::Any(prefix))
            }
            Tok::Name(name) if matches!(self.peek_second(), Tok::Sign("(")) => {
                self.at += 2;
                let test = match &*name.local {
                    "node" => Test::Node,
                    "text" => Test::Text,
                    "comment" => Test::Comment,
                    "processing-instruction" => match self.peek().clone() {
                        Tok::Text(target) => {
                            self.at += 1;
                            Test::Instruction(Some(target))
                        }
                        _ => Test::Instruction(None),
                    },
                    _ => return Err(self.invalid()),
                };
                self.expect(")")?;
                Ok(test)
            }
            Tok::Name(name) => {
                self.at += 1;
                Ok(Test::Name(name))
            }
            _ => Err(self.invalid()),
        }
    }
}
