//! Tokens of C# 7.3.

use crate::Span;

/// A token and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub kind: Tok,
    pub span: Span,
}

/// Suffix or natural type of a number literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumKind {
    /// No suffix on an integer: the first of int, uint, long, ulong that holds it.
    Natural,
    /// `u`: uint or ulong.
    Unsigned,
    /// `l`: long or ulong.
    Long,
    /// `ul`
    UnsignedLong,
}

/// A piece of an interpolated string as the lexer cuts it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// Literal text, escapes resolved.
    Text(Vec<u16>),
    /// A hole: the source range of the expression and its width, and the format text.
    Hole { expr: Span, format: Option<Vec<u16>> },
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tok {
    /// An identifier; `verbatim` when written with `@`, so never a keyword.
    Ident { name: Box<str>, verbatim: bool },
    /// A reserved word.
    Keyword(&'static str),
    /// An integer literal.
    Int(u64, NumKind),
    /// A `double` literal.
    Double(f64),
    /// A `float` literal.
    Float(f32),
    /// A `decimal` literal, digits as written without separators and suffix.
    Decimal(Box<str>),
    /// A character literal.
    Char(u16),
    /// A string literal, escapes resolved, as UTF-16.
    Str(Vec<u16>),
    /// An interpolated string.
    Interp(Vec<Piece>),
    /// An operator or punctuation mark.
    Op(&'static str),
    /// A literal whose mistake has been reported.
    Bad,
    /// The end of the source.
    End,
}

/// Reserved words of C# (contextual ones such as `var`, `when`, `from` are identifiers).
pub(crate) const KEYWORDS: &[&str] = &[
    "abstract",
    "as",
    "base",
    "bool",
    "break",
    "byte",
    "case",
    "catch",
    "char",
    "checked",
    "class",
    "const",
    "continue",
    "decimal",
    "default",
    "delegate",
    "do",
    "double",
    "else",
    "enum",
    "event",
    "explicit",
    "extern",
    "false",
    "finally",
    "fixed",
    "float",
    "for",
    "foreach",
    "goto",
    "if",
    "implicit",
    "in",
    "int",
    "interface",
    "internal",
    "is",
    "lock",
    "long",
    "namespace",
    "new",
    "null",
    "object",
    "operator",
    "out",
    "override",
    "params",
    "private",
    "protected",
    "public",
    "readonly",
    "ref",
    "return",
    "sbyte",
    "sealed",
    "short",
    "sizeof",
    "stackalloc",
    "static",
    "string",
    "struct",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "uint",
    "ulong",
    "unchecked",
    "unsafe",
    "ushort",
    "using",
    "virtual",
    "void",
    "volatile",
    "while",
];

/// Operators and punctuation, longest first so that the first match is the longest.
pub(crate) const OPERATORS: &[&str] = &[
    "<<=", ">>=", "??", "?.", "::", "=>", "==", "!=", "<=", ">=", "&&", "||", "++", "--", "+=", "-=", "*=",
    "/=", "%=", "&=", "|=", "^=", "<<", ">>", "->", "+", "-", "*", "/", "%", "&", "|", "^", "!", "~", "=",
    "<", ">", "?", ":", ";", ",", ".", "(", ")", "[", "]", "{", "}",
];
