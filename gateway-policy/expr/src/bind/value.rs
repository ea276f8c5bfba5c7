//! Expressions: the dispatcher, literals, and reading operands as values.

use gateway_dotnet::{
    Str,
    number::{NumberStyles, parse_decimal},
};

use super::{
    Binder,
    operand::{Operand, Prop, Val},
    shared,
};
use crate::{
    Span, intern,
    ir::{CallNode, Const, Node, TextPart},
    syntax::{
        ast::{Expr, ExprKind, InterpPart, Literal},
        token::NumKind,
    },
    types::{Num, Type},
};

impl<'a> Binder<'a> {
    /// Binds an expression to whatever it is.
    pub(crate) fn operand(&mut self, e: &'a Expr) -> Operand<'a> {
        if !self.enter(e.span) {
            self.leave();
            return Operand::Error;
        }
        let operand = self.operand_inner(e);
        self.leave();
        operand
    }

    fn operand_inner(&mut self, e: &'a Expr) -> Operand<'a> {
        match &e.kind {
            ExprKind::Error => Operand::Error,
            ExprKind::Literal(l) => self.literal(l, e.span),
            ExprKind::Interpolated(parts) => self.interpolated(parts),
            ExprKind::Name(name, targs) => self.name(name, targs),
            ExprKind::Global => Operand::Namespace(String::new()),
            ExprKind::Predefined(word) => Operand::Type(Type::Def(crate::types::signature::predefined(word))),
            ExprKind::Type(syn) => Operand::Type(self.resolve_type(syn)),
            ExprKind::Paren(inner) => self.operand(inner),
            ExprKind::Member(target, name, targs) => self.member(target, name, targs),
            ExprKind::Call(target, args) => self.call(target, args, e.span),
            ExprKind::Index(target, args) => self.index(target, args, e.span),
            ExprKind::Conditional(target, access) => self.conditional_access(target, access, e.span),
            ExprKind::Receiver => match self.receivers.last() {
                Some((ty, slot)) => {
                    let (ty, slot) = (ty.clone(), *slot);
                    Operand::Value(Val {
                        never_null: true,
                        ..Val::new(ty, Node::Local(slot))
                    })
                }
                None => Operand::Error,
            },
            ExprKind::Unary(op, inner) => self.unary(op, inner, e.span),
            ExprKind::Postfix(op, inner) => self.increment(op, inner, true, e.span),
            ExprKind::Binary("??", l, r) => self.coalesce(l, r, e.span),
            ExprKind::Binary(..) => self.binary_chain(e),
            ExprKind::Assign(op, l, r) => self.assign(op, l, r, e.span),
            ExprKind::Ternary(c, a, b) => self.ternary(c, a, b, e.span),
            ExprKind::Cast(ty, inner) => {
                let mut to = self.resolve_type(ty);
                if let Type::Void = to {
                    self.error("CS1547", "Keyword 'void' cannot be used in this context", ty.span);
                    let message = "Cannot convert a value to 'void'";
                    self.error("CS0030", message, e.span);
                    to = Type::Error;
                }
                let operand = self.operand(inner);
                Operand::Value(self.cast(operand, &to, e.span))
            }
            ExprKind::Is(inner, pattern) => self.is_pattern(inner, pattern, e.span),
            ExprKind::As(inner, ty) => self.as_operator(inner, ty, e.span),
            ExprKind::New(ty, args, init) => self.creation(ty, args.as_deref(), init.as_ref(), e.span),
            ExprKind::NewArray(ty, sizes, init) => self.array_creation(ty, sizes, init.as_deref(), e.span),
            ExprKind::NewImplicitArray(rank, init) => self.implicit_array(*rank, init, e.span),
            ExprKind::ArrayInit(_) => {
                self.error("CS0623", "Array initializers can only be used in a variable or field initializer. Try using a new expression instead.", e.span);
                Operand::Error
            }
            ExprKind::NewAnonymous(members) => self.anonymous(members, e.span),
            ExprKind::Lambda(..) | ExprKind::AnonymousMethod(..) => Operand::Lambda(e),
            ExprKind::Tuple(parts) => self.tuple(parts),
            ExprKind::Typeof(ty) => self.typeof_operator(ty),
            ExprKind::Sizeof(ty) => self.sizeof_operator(ty, e.span),
            ExprKind::Default(None) => Operand::Default,
            ExprKind::Default(Some(ty)) => {
                let resolved = self.resolve_type(ty);
                if let Type::Void = resolved {
                    self.error("CS1547", "Keyword 'void' cannot be used in this context", ty.span);
                    return Operand::Error;
                }
                if let Type::Open(_) = resolved {
                    self.error("CS7003", "Unexpected use of an unbound generic name", ty.span);
                    return Operand::Error;
                }
                Operand::Value(default_of(resolved))
            }
            ExprKind::Checked(checked, inner) => {
                let (old, old_un) = (self.checked, self.unchecked);
                self.checked = *checked;
                self.unchecked = !*checked;
                let operand = self.operand(inner);
                self.checked = old;
                self.unchecked = old_un;
                operand
            }
            ExprKind::Throw(inner) => {
                let operand = self.operand(inner);
                let value = self.convert(operand, &Type::EXCEPTION, inner.span);
                Operand::Throw(Node::Throw(Box::new(value.node)))
            }
            ExprKind::Declare(ty, designation) => self.declaration_expression(ty, designation, e.span),
            ExprKind::This(word) => {
                let (code, message) = match *word {
                    "this" => (
                        "CS0026",
                        "Keyword 'this' is not valid in a static property, static method, or static field initializer",
                    ),
                    _ => ("CS1511", "Keyword 'base' is not available in a static method"),
                };
                self.error(code, message, e.span);
                Operand::Error
            }
            ExprKind::Await(inner) => {
                self.operand(inner);
                let message = "The 'await' operator can only be used within an async method. Consider marking this method with the 'async' modifier and changing its return type to 'Task<Object>'.";
                self.error("CS4032", message, e.span);
                Operand::Error
            }
            ExprKind::Ref(inner) => self.operand(inner),
            ExprKind::Query(inner, clauses) => self.query(inner, clauses),
        }
    }

    /// Binds an expression and reads it as a value.
    pub(crate) fn value(&mut self, e: &'a Expr) -> Val {
        let operand = self.operand(e);
        self.rvalue(operand, e.span)
    }

    /// Binds an expression and converts it to `bool`.
    pub(crate) fn condition(&mut self, e: &'a Expr) -> Val {
        let operand = self.operand(e);
        self.convert(operand, &Type::BOOL, e.span)
    }

    /// Reads an operand; reports what has no value.
    pub(crate) fn rvalue(&mut self, operand: Operand<'a>, span: Span) -> Val {
        match operand {
            Operand::Value(v) => v,
            Operand::Local(id) => self.read_var(id, span),
            Operand::Prop(p) => self.read_prop(*p, span),
            Operand::Element(array, index, ty) => {
                Val::new(ty, Node::Index(Box::new((array.node, index.into()))))
            }
            Operand::TupleField(tuple, n, ty) => {
                let tuple = self.rvalue(*tuple, span);
                Val::new(ty, Node::Field(Box::new(tuple.node), n))
            }
            Operand::Null => Val::konst(Type::Null, Const::Null),
            Operand::Tuple(parts) => self.tuple_value(parts, span),
            Operand::Type(ty) => {
                self.error(
                    "CS0119",
                    format!("'{ty}' is a type, which is not valid in the given context"),
                    span,
                );
                Val::error()
            }
            Operand::Namespace(ns) => {
                self.error(
                    "CS0118",
                    format!("'{ns}' is a namespace but is used like a variable"),
                    span,
                );
                Val::error()
            }
            Operand::Group(g) => {
                let message = format!(
                    "Cannot convert method group '{}' to non-delegate type 'object'. Did you intend to invoke the method?",
                    g.name
                );
                self.error("CS0428", message, span)
                    .help("add parentheses to call it");
                Val::error()
            }
            Operand::LocalFn(f, _) => {
                let name = self.local_fns[f].decl.name.name.clone();
                let message = format!(
                    "Cannot convert method group '{name}' to non-delegate type 'object'. Did you intend to invoke the method?"
                );
                self.error("CS0428", message, span);
                Val::error()
            }
            Operand::Lambda(_) => {
                self.error(
                    "CS1660",
                    "Cannot convert lambda expression to type 'object' because it is not a delegate type",
                    span,
                );
                Val::error()
            }
            Operand::Default => {
                self.error("CS8310", "Operator cannot be applied to operand 'default'", span);
                Val::error()
            }
            Operand::Throw(_) => {
                self.error(
                    "CS8115",
                    "A throw expression is not allowed in this context.",
                    span,
                );
                Val::error()
            }
            Operand::OutVar(id, _) => self.read_var(id, span),
            Operand::Discard => {
                self.error(
                    "CS0103",
                    "The name '_' does not exist in the current context",
                    span,
                );
                Val::error()
            }
            Operand::Error => Val::error(),
        }
    }

    fn read_var(&mut self, id: usize, span: Span) -> Val {
        let var = &self.vars[id];
        let ty = var.ty.clone();
        if var.context {
            return Val {
                never_null: true,
                ..Val::new(ty, Node::Const(Const::Part(crate::value::Part::Context)))
            };
        }
        if let Some(c) = var.konst.clone() {
            return Val::konst(ty, c);
        }
        if var.inferring {
            let message = format!("Cannot use local variable '{}' before it is declared", var.name);
            self.error("CS0841", message, span);
            return Val::error();
        }
        let slot = self.slot_of(id);
        Val::new(ty, Node::Local(slot))
    }

    /// A property or indexer as a getter call.
    pub(crate) fn read_prop(&mut self, p: Prop, span: Span) -> Val {
        if let Some(c) = &p.member.constant {
            return Val::konst(p.ty, c.clone());
        }
        let _ = span;
        let receiver = p.receiver.is_some() && !p.receiver.as_ref().is_some_and(|r| r.never_null);
        let check = receiver && p.receiver.as_ref().is_some_and(|r| r.ty.nullable_of().is_none());
        // Parts of `context` that are never null fold into one constant.
        if let (
            Some(Val {
                node: Node::Const(Const::Part(part)),
                ..
            }),
            true,
        ) = (&p.receiver, p.args.is_empty())
            && let Some(next) = crate::lib::fold_part(*part, &p.member.name)
        {
            self.note_part(next);
            return Val {
                never_null: true,
                ..Val::new(p.ty, Node::Const(Const::Part(next)))
            };
        }
        let mut args: Vec<Node> = Vec::with_capacity(1 + p.args.len());
        args.extend(p.receiver.map(|r| r.node));
        args.extend(p.args);
        let call = CallNode {
            call: p.member.get,
            args: args.into(),
            types: p.types,
            receiver: check,
            outs: [].into(),
            setter: false,
            name: p.member.name.clone(),
        };
        Val::new(p.ty, crate::look::fuse(call))
    }

    fn note_part(&mut self, part: crate::value::Part) {
        match part {
            crate::value::Part::RequestBody => self.needs.request_body = true,
            crate::value::Part::ResponseBody => self.needs.response_body = true,
            _ => {}
        }
    }

    fn literal(&mut self, l: &Literal, span: Span) -> Operand<'a> {
        let konst = |num: Num, c: Const| Operand::konst(num.ty(), c);
        match l {
            Literal::Null => Operand::Null,
            Literal::Bool(b) => Operand::konst(Type::BOOL, Const::Bool(*b)),
            Literal::Char(c) => konst(Num::Char, Const::Char(*c)),
            Literal::Str(units) => Operand::konst(Type::STRING, Const::Str(intern::literal(units))),
            Literal::Double(v) => konst(Num::Double, Const::Double(*v)),
            Literal::Float(v) => konst(Num::Float, Const::Float(*v)),
            Literal::Decimal(text) => match parse_decimal(text, NumberStyles(0xA7)) {
                Ok(d) => konst(Num::Decimal, Const::Decimal(d)),
                Err(_) => {
                    let message = "Floating-point constant is outside the range of type 'decimal'";
                    self.error("CS0594", message, span);
                    Operand::Error
                }
            },
            Literal::Int(v, kind) => {
                let v = *v;
                let small = u32::try_from(v).ok();
                match kind {
                    NumKind::Natural => match (i32::try_from(v), small, i64::try_from(v)) {
                        (Ok(i), _, _) => konst(Num::Int, Const::Int(i)),
                        (_, Some(u), _) => konst(Num::UInt, Const::UInt(u)),
                        (_, _, Ok(l)) => konst(Num::Long, Const::Long(l)),
                        _ => konst(Num::ULong, Const::ULong(v)),
                    },
                    NumKind::Unsigned => match small {
                        Some(u) => konst(Num::UInt, Const::UInt(u)),
                        None => konst(Num::ULong, Const::ULong(v)),
                    },
                    NumKind::Long => match i64::try_from(v) {
                        Ok(l) => konst(Num::Long, Const::Long(l)),
                        Err(_) => konst(Num::ULong, Const::ULong(v)),
                    },
                    NumKind::UnsignedLong => konst(Num::ULong, Const::ULong(v)),
                }
            }
        }
    }

    fn interpolated(&mut self, parts: &'a [InterpPart]) -> Operand<'a> {
        let mut out = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                InterpPart::Text(units) => out.push(TextPart::Text(Str::from_utf16(units))),
                InterpPart::Hole { value, align, format } => {
                    let operand = self.operand(value);
                    let hole = self.convert(operand, &Type::OBJECT, value.span);
                    let mark = self.diagnostics.len();
                    let align = match align {
                        None => 0,
                        Some(e) => {
                            let operand = self.operand(e);
                            let width = self.convert(operand, &Type::INT, e.span);
                            match width
                                .konst
                                .as_ref()
                                .and_then(Const::as_integer)
                                .map(i32::try_from)
                            {
                                Some(Ok(n)) => n,
                                _ => {
                                    if !self.has_errors_since(mark)
                                        && !width.ty.is_error()
                                        && !matches!(e.kind, ExprKind::Error)
                                    {
                                        self.error("CS0150", "A constant value is expected", e.span);
                                    }
                                    0
                                }
                            }
                        }
                    };
                    let format = format.as_ref().map(|f| Str::from_utf16(f));
                    out.push(TextPart::Hole {
                        value: hole.node,
                        align,
                        format,
                    });
                }
            }
        }
        match &*out {
            [] => Operand::konst(Type::STRING, Const::Str(Str::EMPTY)),
            [TextPart::Text(s)] => Operand::value(Type::STRING, Node::Const(Const::Str(s.clone()))),
            _ => Operand::Value(Val {
                never_null: true,
                ..Val::new(Type::STRING, Node::Text(out.into()))
            }),
        }
    }
}

/// `default(T)`
pub(crate) fn default_of(ty: Type) -> Val {
    let value = crate::cast::default_value(&ty);
    match Const::of(&value) {
        Some(c) => {
            let constant = ty.num().is_some() || ty.is_bool() || ty.is_enum() || ty.is_reference();
            let v = Val::konst(ty, c);
            if constant { v } else { Val { konst: None, ..v } }
        }
        None => {
            let node = Node::Default(shared(&ty));
            Val::new(ty, node)
        }
    }
}
