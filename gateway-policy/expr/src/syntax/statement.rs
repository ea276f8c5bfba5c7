//! Statements.

use super::{
    ast::{
        Body, CaseLabel, Catch, Constraint, Declarator, Expr, ExprKind, ForeachTarget, GotoTarget, Ident,
        LocalDecl, LocalFn, Section, Stmt, StmtKind, TypeKind, TypeSyn,
    },
    parser::{Parse, Parser},
    token::Tok,
};

impl Parser<'_> {
    /// The statements of `@{ … }`.
    pub(crate) fn block_body(&mut self) -> Vec<Stmt> {
        let statements = self.statements_until(|_| false);
        if self.swallows() {
            self.report("CS1513", "} expected");
        }
        if self.left_method {
            return statements;
        }
        if self.is_op("}") {
            if self.is_op_at(1, ";") {
                let message = "Semicolon after method or accessor block is not valid";
                self.report("CS1597", message);
            }
            self.report("CS1022", "Type or namespace definition, or end-of-file expected");
        }
        statements
    }

    /// Statements up to the closing brace, which is left.
    pub(crate) fn statements_until_brace(&mut self) -> Parse<Vec<Stmt>> {
        Ok(self.statements_until(|_| false))
    }

    /// Statements up to a closing brace, the end, or what `stop` says.
    fn statements_until(&mut self, stop: impl Fn(&Self) -> bool) -> Vec<Stmt> {
        let mut statements = Vec::new();
        while !self.is_op("}") && !matches!(self.peek(), Tok::End) && !stop(self) {
            if !self.possible_statement() {
                self.skip_to_statement();
                continue;
            }
            let (at, depth) = (self.at, self.depth);
            match self.statement() {
                Ok(statement) => statements.push(statement),
                Err(_) => {
                    self.depth = depth;
                    self.skip_statement(at);
                }
            }
            if self.at == at {
                self.advance();
            }
        }
        statements
    }

    pub(crate) fn statement(&mut self) -> Parse<Stmt> {
        self.nested(|p| {
            let start = p.span().start;
            let kind = p.statement_kind()?;
            Ok(Stmt {
                span: p.span_from(start),
                kind,
            })
        })
    }

    fn boxed(&mut self) -> Parse<Box<Stmt>> {
        Ok(Box::new(self.statement()?))
    }

    fn condition(&mut self) -> Parse<Expr> {
        self.expect_op("(")?;
        let value = self.expression()?;
        self.expect_op(")")?;
        Ok(value)
    }

    fn block(&mut self) -> Parse<Box<Stmt>> {
        if !self.is_op("{") {
            self.report("CS1514", "{ expected");
            let span = self.span();
            let statements = self.statements_until_brace()?;
            self.expect_op("}")?;
            return Ok(Box::new(Stmt {
                span,
                kind: StmtKind::Block(statements),
            }));
        }
        self.boxed()
    }

    fn statement_kind(&mut self) -> Parse<StmtKind> {
        match self.peek().clone() {
            Tok::Op("{") => {
                self.advance();
                let statements = self.statements_until_brace()?;
                self.expect_op("}")?;
                Ok(StmtKind::Block(statements))
            }
            Tok::Op(";") => {
                self.advance();
                Ok(StmtKind::Empty)
            }
            Tok::Op("}") => self.fail("CS1513", "} expected"),
            Tok::Keyword("ref") => {
                self.report(
                    "APIM0101",
                    "Local variables and functions by reference are not supported within expressions",
                );
                self.advance();
                self.simple_statement()
            }
            Tok::Keyword(word) => self.keyword_statement(word),
            Tok::Ident { .. } if self.is_op_at(1, ":") => {
                let label = self.ident()?;
                self.advance();
                Ok(StmtKind::Labeled(label, self.boxed()?))
            }
            _ => self.simple_statement(),
        }
    }

    fn keyword_statement(&mut self, word: &'static str) -> Parse<StmtKind> {
        match word {
            "if" => {
                self.advance();
                let cond = self.condition()?;
                let yes = self.boxed()?;
                let no = if self.eat_kw("else") {
                    Some(self.boxed()?)
                } else {
                    None
                };
                Ok(StmtKind::If(cond, yes, no))
            }
            "while" => {
                self.advance();
                let cond = self.condition()?;
                Ok(StmtKind::While(cond, self.boxed()?))
            }
            "do" => {
                self.advance();
                let body = self.boxed()?;
                self.expect_kw("while")?;
                let cond = self.condition()?;
                self.expect_op(";")?;
                Ok(StmtKind::Do(body, cond))
            }
            "for" => self.for_statement(),
            "foreach" => self.foreach_statement(),
            "switch" => self.switch_statement(),
            "break" | "continue" => {
                self.advance();
                self.expect_op(";")?;
                Ok(if word == "break" {
                    StmtKind::Break
                } else {
                    StmtKind::Continue
                })
            }
            "return" => {
                self.advance();
                let value = if self.is_op(";") {
                    None
                } else {
                    Some(self.expression()?)
                };
                self.expect_op(";")?;
                Ok(StmtKind::Return(value))
            }
            "throw" => {
                self.advance();
                let value = if self.is_op(";") {
                    None
                } else {
                    Some(self.expression()?)
                };
                self.expect_op(";")?;
                Ok(StmtKind::Throw(value))
            }
            "try" => self.try_statement(),
            "using" => self.using_statement(),
            "lock" => {
                self.advance();
                let on = self.condition()?;
                Ok(StmtKind::Lock(on, self.boxed()?))
            }
            "checked" | "unchecked" if self.is_op_at(1, "{") => {
                self.advance();
                Ok(StmtKind::Checked(word == "checked", self.block()?))
            }
            "goto" => {
                self.advance();
                let target = if self.eat_kw("case") {
                    GotoTarget::Case(self.expression()?)
                } else if self.eat_kw("default") {
                    GotoTarget::Default
                } else {
                    GotoTarget::Label(self.ident()?)
                };
                self.expect_op(";")?;
                Ok(StmtKind::Goto(target))
            }
            "const" => {
                self.advance();
                let ty = self.parse_type()?;
                let mut decl = self.declarators(ty)?;
                decl.constant = true;
                self.expect_op(";")?;
                Ok(StmtKind::Local(decl))
            }
            "catch" | "finally" => {
                self.report("CS1003", "Syntax error, 'try' expected");
                self.report("CS1514", "{ expected");
                self.report("CS1513", "} expected");
                let span = self.span();
                let body = Stmt {
                    span,
                    kind: StmtKind::Block(Vec::new()),
                };
                self.handlers(Box::new(body))
            }
            "class" | "struct" | "enum" | "interface" | "namespace" => Ok(self.leave_method(word)),
            "public" | "private" | "protected" | "internal" | "virtual" | "override" | "abstract"
            | "sealed" | "extern"
                if !self.declares_function() =>
            {
                Ok(self.leave_method(word))
            }
            "static" | "public" | "private" | "protected" | "internal" | "readonly" | "volatile"
            | "virtual" | "override" | "abstract" | "sealed" | "extern" => {
                self.report(
                    "CS0106",
                    format!("The modifier '{word}' is not valid for this item"),
                );
                self.advance();
                self.statement_kind()
            }
            "unsafe" => {
                self.report("CS0227", "Unsafe code may only appear if compiling with /unsafe");
                self.advance();
                let outer = std::mem::replace(&mut self.pointers_allowed, true);
                let block = self.block();
                self.pointers_allowed = outer;
                Ok(StmtKind::Block(vec![*block?]))
            }
            "fixed" if self.is_op_at(1, "(") => {
                self.pointer();
                self.advance();
                self.expect_op("(")?;
                let ty = self.parse_type()?;
                let decl = self.declarators(ty)?;
                self.expect_op(")")?;
                Ok(StmtKind::Using {
                    decl: Some(decl),
                    expr: None,
                    body: self.boxed()?,
                })
            }
            _ => self.simple_statement(),
        }
    }

    fn for_statement(&mut self) -> Parse<StmtKind> {
        self.advance();
        self.expect_op("(")?;
        let mut init = Vec::new();
        if !self.is_op(";") {
            let start = self.span().start;
            if let Some(ty) = self.declaration_type() {
                let decl = self.declarators(ty)?;
                init.push(Stmt {
                    span: self.span_from(start),
                    kind: StmtKind::Local(decl),
                });
            } else {
                loop {
                    let value = self.expression()?;
                    init.push(Stmt {
                        span: value.span,
                        kind: StmtKind::Expr(value),
                    });
                    if !self.eat_op(",") {
                        break;
                    }
                }
            }
        }
        self.expect_op(";")?;
        let cond = if self.is_op(";") {
            None
        } else {
            Some(self.expression()?)
        };
        self.expect_op(";")?;
        let mut step = Vec::new();
        while !self.is_op(")") {
            step.push(self.expression()?);
            if !self.eat_op(",") {
                break;
            }
        }
        self.expect_op(")")?;
        Ok(StmtKind::For {
            init,
            cond,
            step,
            body: self.boxed()?,
        })
    }

    fn foreach_statement(&mut self) -> Parse<StmtKind> {
        self.advance();
        self.expect_op("(")?;
        let target = match self.declaration_type() {
            Some(ty) => ForeachTarget::Var(ty, self.ident()?),
            None if self.is_op("(") || self.is_word("var") && self.is_op_at(1, "(") => {
                let start = self.span().start;
                let target = if self.is_op("(") {
                    self.expression()?
                } else {
                    // `var (a, b)`: read as the left side of an assignment.
                    self.foreach_designation(start)?
                };
                ForeachTarget::Deconstruct(target)
            }
            None => {
                let start = self.span().start;
                if !matches!(self.peek(), Tok::Keyword("in")) {
                    self.parse_type()?;
                }
                self.report(
                    "CS0230",
                    "Type and identifier are both required in a foreach statement",
                );
                ForeachTarget::Deconstruct(self.make(start, ExprKind::Error))
            }
        };
        self.expect_kw("in")?;
        let source = self.expression()?;
        self.expect_op(")")?;
        Ok(StmtKind::Foreach {
            target,
            source,
            body: self.boxed()?,
        })
    }

    fn foreach_designation(&mut self, start: usize) -> Parse<Expr> {
        let span = self.span();
        let ident = self.ident()?;
        let part = super::ast::NamePart {
            ident,
            args: Vec::new(),
        };
        let ty = TypeSyn {
            span,
            kind: TypeKind::Name(vec![part]),
        };
        self.expect_op("(")?;
        let mut names = Vec::new();
        loop {
            let name = self.ident()?;
            let discard = &*name.name == "_";
            names.push(if discard {
                super::ast::Designation::Discard(name.span)
            } else {
                super::ast::Designation::Name(name)
            });
            if !self.eat_op(",") {
                break;
            }
        }
        self.expect_op(")")?;
        Ok(self.make(
            start,
            ExprKind::Declare(ty, super::ast::Designation::Tuple(names)),
        ))
    }

    fn switch_statement(&mut self) -> Parse<StmtKind> {
        self.advance();
        self.expect_op("(")?;
        let value = self.expression()?;
        self.expect_op(")")?;
        self.expect_op("{")?;
        let mut sections = Vec::new();
        while self.is_kw("case") || self.is_kw("default") {
            let start = self.span().start;
            let mut labels = Vec::new();
            while self.is_kw("case") || (self.is_kw("default") && self.is_op_at(1, ":")) {
                let label_start = self.span().start;
                let label = if self.eat_kw("default") {
                    CaseLabel::Default
                } else {
                    self.advance();
                    let pattern = self.pattern()?;
                    let guard = if self.eat_word("when") {
                        Some(self.expression()?)
                    } else {
                        None
                    };
                    CaseLabel::Case(pattern, guard)
                };
                self.expect_op(":")?;
                labels.push((label, self.span_from(label_start)));
            }
            if labels.is_empty() {
                break;
            }
            let body = self.statements_until(|p| p.is_kw("case") || p.is_kw("default") && p.is_op_at(1, ":"));
            sections.push(Section {
                labels,
                body,
                span: self.span_from(start),
            });
        }
        self.expect_op("}")?;
        Ok(StmtKind::Switch(value, sections))
    }

    fn try_statement(&mut self) -> Parse<StmtKind> {
        self.advance();
        let body = self.block()?;
        self.handlers(body)
    }

    /// What follows the block of a `try`.
    fn handlers(&mut self, body: Box<Stmt>) -> Parse<StmtKind> {
        let mut catches = Vec::new();
        while self.is_kw("catch") {
            let start = self.span().start;
            self.advance();
            let (mut ty, mut name, mut when) = (None, None, None);
            if self.eat_op("(") {
                ty = Some(self.parse_type()?);
                if matches!(self.peek(), Tok::Ident { .. }) {
                    name = Some(self.ident()?);
                }
                self.expect_op(")")?;
            }
            if self.eat_word("when") {
                when = Some(self.condition()?);
            }
            let span = self.span_from(start);
            let body = *self.block()?;
            catches.push(Catch {
                ty,
                name,
                when,
                body,
                span,
            });
        }
        let finally = if self.eat_kw("finally") {
            Some(self.block()?)
        } else {
            None
        };
        if catches.is_empty() && finally.is_none() {
            self.report("CS1524", "Expected catch or finally");
        }
        Ok(StmtKind::Try {
            body,
            catches,
            finally,
        })
    }

    fn using_statement(&mut self) -> Parse<StmtKind> {
        self.advance();
        self.expect_op("(")?;
        let (mut decl, mut expr) = (None, None);
        match self.declaration_type() {
            Some(ty) => decl = Some(self.declarators(ty)?),
            None => expr = Some(self.expression()?),
        }
        self.expect_op(")")?;
        Ok(StmtKind::Using {
            decl,
            expr,
            body: self.boxed()?,
        })
    }

    fn declarators(&mut self, ty: TypeSyn) -> Parse<LocalDecl> {
        let mut vars = Vec::new();
        loop {
            let name = self.ident()?;
            if self.is_op("[") {
                let message = "Bad array declarator: To declare a managed array the rank specifier precedes the variable's identifier.";
                self.report("CS0650", message);
                self.advance();
                if !self.is_op("]") {
                    let message = "Array size cannot be specified in a variable declaration (try initializing with a 'new' expression)";
                    self.report("CS0270", message);
                    self.expression()?;
                }
                self.expect_op("]")?;
            }
            let init = if self.eat_op("=") {
                Some(if self.is_op("{") {
                    self.array_initializer()?
                } else {
                    self.expression()?
                })
            } else {
                None
            };
            vars.push(Declarator { name, init });
            if !self.eat_op(",") && !self.skip_to_declarator() {
                break;
            }
        }
        Ok(LocalDecl {
            ty,
            constant: false,
            vars,
        })
    }

    /// Skips what cannot follow a declarator, reported once; whether another declarator comes behind it.
    fn skip_to_declarator(&mut self) -> bool {
        let mut reported = false;
        while !matches!(
            self.peek(),
            Tok::Op(";" | "}" | ")" | ",") | Tok::End | Tok::Keyword("in")
        ) && !self.possible_statement()
        {
            if !reported {
                self.report("CS1003", "Syntax error, ',' expected");
            }
            reported = true;
            self.advance();
        }
        self.eat_op(",")
    }

    /// A declaration, a local function or an expression statement.
    fn simple_statement(&mut self) -> Parse<StmtKind> {
        if let Some(function) = self.asynchronous_function()? {
            return Ok(function);
        }
        if let Some(ty) = if self.is_await() {
            None
        } else {
            self.declaration_type()
        } {
            if let Some(function) = self.local_function(&ty)? {
                return Ok(StmtKind::LocalFn(Box::new(function)));
            }
            let decl = self.declarators(ty)?;
            self.expect_op(";")?;
            return Ok(StmtKind::Local(decl));
        }
        if self.is_word("yield") && matches!(self.peek_at(1), Tok::Keyword("return" | "break")) {
            return self.yield_statement();
        }
        if self.is_predefined().is_some() && !self.is_op_at(1, ".") {
            // `int` without a name behind it.
            let ty = self.parse_type()?;
            let decl = self.declarators(ty)?;
            self.expect_op(";")?;
            return Ok(StmtKind::Local(decl));
        }
        let errors = self.errors.len();
        let value = self.expression()?;
        // What was not understood is not held against the rules for statements.
        let broken = self.errors.len() > errors || !self.is_op(";");
        self.expect_op(";")?;
        Ok(match broken {
            true => StmtKind::Broken(value),
            false => StmtKind::Expr(value),
        })
    }

    /// `yield return e;` or `yield break;`
    fn yield_statement(&mut self) -> Parse<StmtKind> {
        self.advance();
        let value = if self.eat_kw("break") {
            None
        } else {
            self.advance();
            if self.is_op(";") {
                self.report("CS1627", "Expression expected after yield return");
                self.advance();
                return Ok(StmtKind::Empty);
            }
            Some(self.expression()?)
        };
        self.expect_op(";")?;
        Ok(StmtKind::Yield(value))
    }

    /// `async T Name(…)`: read as the function it would be without, and refused.
    fn asynchronous_function(&mut self) -> Parse<Option<StmtKind>> {
        if !self.is_word("async") || !matches!(self.peek_at(1), Tok::Ident { .. } | Tok::Keyword(_)) {
            return Ok(None);
        }
        let tokens = self.tokens.clone();
        let found = self.attempt(|p| {
            p.advance();
            let void = p.is_kw("void");
            let ty = p.parse_type()?;
            let function =
                matches!(p.peek(), Tok::Ident { .. }) && (p.is_op_at(1, "(") || p.is_op_at(1, "<"));
            Ok(function.then_some((ty, void)))
        });
        let Some((ty, void)) = found else {
            self.tokens = tokens;
            return Ok(None);
        };
        let task = void
            || matches!(&ty.kind, TypeKind::Name(parts) if parts.last().is_some_and(|p| &*p.ident.name == "Task" || &*p.ident.name == "ValueTask"));
        match task {
            true => self.report(
                "APIM0101",
                "Asynchronous functions are not supported within expressions",
            ),
            false => self.report(
                "CS1983",
                "The return type of an async method must be void, Task or Task<T>",
            ),
        }
        let outer = std::mem::replace(&mut self.in_async, true);
        let function = self.local_function(&ty);
        self.in_async = outer;
        // Nothing can be said about what it returns.
        Ok(function?.map(|_| StmtKind::Empty))
    }

    /// Whether modifiers at the cursor belong to a local function.
    fn declares_function(&mut self) -> bool {
        let tokens = self.tokens.clone();
        let (at, errors) = (self.at, self.errors.len());
        while matches!(self.peek(), Tok::Keyword(_)) && self.is_predefined().is_none() {
            self.advance();
        }
        let function = self.parse_type().is_ok()
            && matches!(self.peek(), Tok::Ident { .. })
            && (self.is_op_at(1, "(") || self.is_op_at(1, "<"))
            && self.ident().is_ok()
            && self.type_parameters().is_ok()
            && self.parameters().is_ok()
            && !self.is_op(";");
        self.at = at;
        self.errors.truncate(errors);
        self.tokens = tokens;
        function
    }

    /// A declaration that no method body holds: the compiler takes the method to end in front of it, and
    /// what follows for members of the class around.
    fn leave_method(&mut self, word: &'static str) -> StmtKind {
        self.report("CS1513", "} expected");
        let types = matches!(word, "class" | "struct" | "enum" | "interface" | "namespace");
        if types {
            let mut depth = 0usize;
            while !matches!(self.peek(), Tok::End) {
                match self.peek() {
                    Tok::Op("{") => depth += 1,
                    Tok::Op("}") if depth <= 1 => {
                        self.advance();
                        break;
                    }
                    Tok::Op("}") => depth -= 1,
                    _ => {}
                }
                self.advance();
            }
        } else {
            let message = "Instance members cannot be declared in a static class";
            self.report("CS0708", message);
            while !matches!(self.peek(), Tok::Op(";") | Tok::End) {
                self.advance();
            }
            self.eat_op(";");
        }
        if word != "namespace" && !matches!(self.peek(), Tok::End | Tok::Op("}")) {
            let message = format!(
                "Invalid token '{}' in class, struct, or interface member declaration",
                self.token_text()
            );
            self.report("CS1519", message);
        }
        while !matches!(self.peek(), Tok::End) {
            self.advance();
        }
        self.report("CS1022", "Type or namespace definition, or end-of-file expected");
        self.left_method = true;
        StmtKind::Empty
    }

    /// `T Name(…)` with the cursor on the name.
    fn local_function(&mut self, ret: &TypeSyn) -> Parse<Option<LocalFn>> {
        if !(self.is_op_at(1, "(") || self.is_op_at(1, "<")) {
            return Ok(None);
        }
        let name = self.ident()?;
        let type_params = self.type_parameters()?;
        let params = self.parameters()?;
        let constraints = self.constraints()?;
        let body = if !self.is_op("=>") && !self.is_op("{") {
            let message = format!(
                "'{}' is a local function and must therefore always have a body.",
                name.name
            );
            self.report("CS8112", message);
            let nothing = self.make(self.span().start, ExprKind::Error);
            self.expect_op(";")?;
            Body::Expr(Box::new(nothing))
        } else if self.eat_op("=>") {
            let value = self.expression()?;
            self.expect_op(";")?;
            Body::Expr(Box::new(value))
        } else {
            let start = self.span().start;
            self.expect_op("{")?;
            let statements = self.statements_until_brace()?;
            self.expect_op("}")?;
            Body::Block(statements, self.span_from(start))
        };
        Ok(Some(LocalFn {
            ret: ret.clone(),
            name,
            type_params,
            constraints,
            params,
            body,
        }))
    }

    /// `where T : class, IComparable<T>, new()`
    fn constraints(&mut self) -> Parse<Vec<(Ident, Vec<Constraint>)>> {
        let mut all = Vec::new();
        while self.eat_word("where") {
            let name = self.ident()?;
            self.expect_op(":")?;
            let mut list = Vec::new();
            loop {
                list.push(if self.eat_kw("class") {
                    Constraint::Class
                } else if self.eat_kw("struct") {
                    Constraint::Struct
                } else if self.eat_kw("new") {
                    self.expect_op("(")?;
                    self.expect_op(")")?;
                    Constraint::New
                } else {
                    Constraint::Type(self.parse_type()?)
                });
                if !self.eat_op(",") {
                    break;
                }
            }
            all.push((name, list));
        }
        Ok(all)
    }
}
