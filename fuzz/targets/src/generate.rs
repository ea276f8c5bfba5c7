//! Well-typed programs from the bytes of an input.

use crate::Choices;

/// Deepest nesting of a generated expression.
const DEPTH_MAX: usize = 5;
/// Most statements of a block.
const STATEMENTS_MAX: usize = 4;

/// A program and the .NET type of what it returns.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its text.
    pub source: String,
    /// Full name of the type of its value.
    pub ty: &'static str,
}

/// Types that are generated, by what C# calls them, with the .NET name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Long,
    Double,
    Decimal,
    Bool,
    Str,
}

const KINDS: &[Kind] = &[
    Kind::Int,
    Kind::Str,
    Kind::Bool,
    Kind::Long,
    Kind::Double,
    Kind::Decimal,
];

impl Kind {
    fn keyword(self) -> &'static str {
        match self {
            Kind::Int => "int",
            Kind::Long => "long",
            Kind::Double => "double",
            Kind::Decimal => "decimal",
            Kind::Bool => "bool",
            Kind::Str => "string",
        }
    }

    fn full(self) -> &'static str {
        match self {
            Kind::Int => "System.Int32",
            Kind::Long => "System.Int64",
            Kind::Double => "System.Double",
            Kind::Decimal => "System.Decimal",
            Kind::Bool => "System.Boolean",
            Kind::Str => "System.String",
        }
    }
}

/// A program: an expression, or statements around one.
pub fn program(choices: &mut Choices<'_>) -> Program {
    let kind = choices.of(KINDS).unwrap_or(Kind::Int);
    let mut writer = Writer {
        choices,
        locals: Vec::new(),
        loops: 0,
    };
    let source = match writer.choices.below(2) {
        0 => format!("@({})", writer.expression(kind, 0)),
        _ => {
            let statements = writer.statements(1);
            format!("@{{{statements} return {};}}", writer.expression(kind, 1))
        }
    };
    Program {
        source,
        ty: kind.full(),
    }
}

struct Writer<'w, 'c> {
    choices: &'w mut Choices<'c>,
    /// Variables in scope.
    locals: Vec<(String, Kind)>,
    loops: usize,
}

impl Writer<'_, '_> {
    fn pick(&mut self, list: &[&'static str]) -> &'static str {
        self.choices.of(list).unwrap_or_default()
    }

    fn fresh(&mut self, kind: Kind) -> String {
        let name = format!("v{}", self.locals.len());
        self.locals.push((name.clone(), kind));
        name
    }

    fn local(&mut self, kind: Kind) -> Option<String> {
        let of_kind: Vec<&str> = self
            .locals
            .iter()
            .filter(|(_, k)| *k == kind)
            .map(|(n, _)| n.as_str())
            .collect();
        self.choices.of(&of_kind).map(str::to_owned)
    }

    fn statements(&mut self, depth: usize) -> String {
        (0..self.choices.below(STATEMENTS_MAX))
            .map(|_| self.statement(depth))
            .collect()
    }

    /// A block whose variables end with it. Names are never used again: C# refuses shadowing.
    fn block(&mut self, depth: usize) -> String {
        let outer = self.locals.len();
        let text = self.statements(depth + 1);
        for (name, _) in &mut self.locals[outer..] {
            name.insert(0, '0');
        }
        format!("{{{text}}}")
    }

    fn statement(&mut self, depth: usize) -> String {
        let kind = self.choices.of(KINDS).unwrap_or(Kind::Int);
        let pick = if depth >= DEPTH_MAX {
            0
        } else {
            self.choices.below(7)
        };
        match pick {
            1 => match self.usable(kind) {
                Some(name) => format!("{name} = {};", self.expression(kind, depth)),
                None => String::new(),
            },
            2 => {
                let condition = self.expression(Kind::Bool, depth + 1);
                let (yes, no) = (self.block(depth), self.block(depth));
                format!("if ({condition}) {yes} else {no}")
            }
            3 => {
                self.loops += 1;
                let name = format!("i{}", self.loops);
                let end = self.choices.below(9);
                let body = self.block(depth);
                format!("for (var {name} = 0; {name} < {end}; {name}++) {body}")
            }
            4 => {
                let (body, caught) = (self.block(depth), self.block(depth));
                format!("try {body} catch (Exception) {caught}")
            }
            5 => {
                self.loops += 1;
                let items: Vec<String> = (0..1 + self.choices.below(3))
                    .map(|_| self.expression(kind, depth + 1))
                    .collect();
                let list = format!("new {}[] {{{}}}", kind.keyword(), items.join(", "));
                let body = self.block(depth);
                format!("foreach (var e{} in {list}) {body}", self.loops)
            }
            _ => {
                let value = self.expression(kind, depth);
                let name = self.fresh(kind);
                format!("{} {name} = {value};", kind.keyword())
            }
        }
    }

    /// A variable that is still in scope.
    fn usable(&mut self, kind: Kind) -> Option<String> {
        self.local(kind).filter(|name| name.starts_with('v'))
    }

    fn expression(&mut self, kind: Kind, depth: usize) -> String {
        if depth >= DEPTH_MAX || self.choices.is_empty() {
            return self.literal(kind);
        }
        if self.choices.below(4) == 0
            && let Some(name) = self.usable(kind)
        {
            return name;
        }
        if self.choices.below(8) == 0 {
            let condition = self.expression(Kind::Bool, depth + 1);
            let (yes, no) = (self.expression(kind, depth + 1), self.expression(kind, depth + 1));
            return format!("({condition} ? {yes} : {no})");
        }
        match kind {
            Kind::Int => self.int(depth + 1),
            Kind::Bool => self.bool(depth + 1),
            Kind::Str => self.string(depth + 1),
            _ => self.number(kind, depth + 1),
        }
    }

    fn literal(&mut self, kind: Kind) -> String {
        match kind {
            Kind::Int => self.pick(&["0", "1", "7", "-3", "2147483647", "0x1F"]),
            Kind::Long => self.pick(&["0L", "1L", "-9L", "9223372036854775807L"]),
            Kind::Double => self.pick(&["0.0", "1.5", "-2.25", "1e300", "0.1"]),
            Kind::Decimal => self.pick(&["0m", "1.50m", "-2.25m", "79228162514264337593543950335m", "0.1m"]),
            Kind::Bool => self.pick(&["true", "false"]),
            Kind::Str => self.pick(&[
                "\"\"",
                "\"abc\"",
                "\"a,b;c\"",
                "\"Äß\"",
                "\"12\"",
                "\"\\ud83d\\ude00\"",
            ]),
        }
        .to_owned()
    }

    fn int(&mut self, depth: usize) -> String {
        let kind = self.choices.of(KINDS).unwrap_or(Kind::Int);
        match self.choices.below(8) {
            0 => self.literal(Kind::Int),
            1 => format!("{}.Length", self.expression(Kind::Str, depth)),
            2 => format!(
                "{}.IndexOf({})",
                self.expression(Kind::Str, depth),
                self.expression(Kind::Str, depth)
            ),
            3 => format!(
                "unchecked((int)({}))",
                self.expression(
                    if kind == Kind::Str || kind == Kind::Bool {
                        Kind::Long
                    } else {
                        kind
                    },
                    depth
                )
            ),
            4 => "(int)context.Variables[\"i\"]".to_owned(),
            5 => format!("int.Parse({})", self.expression(Kind::Str, depth)),
            6 => format!(
                "Math.Max({}, {})",
                self.expression(Kind::Int, depth),
                self.expression(Kind::Int, depth)
            ),
            _ => {
                let operator = self.pick(&["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"]);
                format!(
                    "unchecked({} {operator} {})",
                    self.expression(Kind::Int, depth),
                    self.expression(Kind::Int, depth)
                )
            }
        }
    }

    fn number(&mut self, kind: Kind, depth: usize) -> String {
        match self.choices.below(4) {
            0 => self.literal(kind),
            1 => format!("({})({})", kind.keyword(), self.expression(Kind::Int, depth)),
            2 => format!("{}.Parse({})", kind.keyword(), self.expression(Kind::Str, depth)),
            _ => {
                let operator = self.pick(&["+", "-", "*", "/", "%"]);
                format!(
                    "unchecked({} {operator} {})",
                    self.expression(kind, depth),
                    self.expression(kind, depth)
                )
            }
        }
    }

    fn bool(&mut self, depth: usize) -> String {
        let kind = self.choices.of(KINDS).unwrap_or(Kind::Int);
        match self.choices.below(7) {
            0 => self.literal(Kind::Bool),
            1 => format!("!{}", self.expression(Kind::Bool, depth)),
            2 => {
                let operator = self.pick(&["&&", "||", "==", "!=", "^", "&", "|"]);
                format!(
                    "({} {operator} {})",
                    self.expression(Kind::Bool, depth),
                    self.expression(Kind::Bool, depth)
                )
            }
            3 => format!("string.IsNullOrEmpty({})", self.expression(Kind::Str, depth)),
            4 => format!(
                "{}.Contains({})",
                self.expression(Kind::Str, depth),
                self.expression(Kind::Str, depth)
            ),
            5 => format!(
                "new[] {{ {} }}.Any(x{depth} => x{depth} == {})",
                self.expression(kind, depth),
                self.literal(kind)
            ),
            _ => {
                let operators: &[&str] = match kind {
                    Kind::Str | Kind::Bool => &["==", "!="],
                    _ => &["==", "!=", "<", "<=", ">", ">="],
                };
                let operator = self.pick(operators);
                format!(
                    "({} {operator} {})",
                    self.expression(kind, depth),
                    self.expression(kind, depth)
                )
            }
        }
    }

    fn string(&mut self, depth: usize) -> String {
        let kind = self.choices.of(KINDS).unwrap_or(Kind::Int);
        match self.choices.below(9) {
            0 => self.literal(Kind::Str),
            1 => format!(
                "({} + {})",
                self.expression(Kind::Str, depth),
                self.expression(kind, depth)
            ),
            2 => format!("({}).ToString()", self.expression(kind, depth)),
            3 => format!(
                "{}.Substring({})",
                self.expression(Kind::Str, depth),
                self.expression(Kind::Int, depth)
            ),
            4 => format!(
                "{}.Replace(\"a\", {})",
                self.expression(Kind::Str, depth),
                self.expression(Kind::Str, depth)
            ),
            5 => format!("$\"<{{({})}}>\"", self.expression(kind, depth)),
            6 => "context.Request.Headers.GetValueOrDefault(\"A\", \"none\")".to_owned(),
            7 => format!(
                "new JObject(new JProperty(\"k\", {})).ToString()",
                self.expression(kind, depth)
            ),
            _ => format!(
                "string.Join(\",\", {}.Split(','))",
                self.expression(Kind::Str, depth)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_make_the_same_program() {
        for (bytes, start) in [
            (&[][..], "@(0)"),
            (&[1, 0][..], "@(\"\")"),
            (&[0, 1, 0][..], "@{ return 0;}"),
        ] {
            let made = program(&mut Choices::new(bytes));
            assert_eq!(made.source, start);
            assert_eq!(made.source, program(&mut Choices::new(bytes)).source);
        }
    }
}
