//! Expressions of OData query options: `$filter`, `$orderby`, `$compute`, key values and parameters.
//!
//! Source: OData 4.01 URL Conventions §5.1.1 and the ABNF. Every token costs and nesting is bounded. Messages follow
//! Microsoft's OData library.

use super::model::{ODataModel, TypeRef};

/// Expressions inside each other: the parser recurses.
const DEPTH_MAX: usize = 60;
/// Tokens of all expressions of one request.
const TOKENS_MAX: usize = 20_000;

/// What a value is, as far as it matters for comparing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Number,
    Text,
    /// Something else, or not known.
    Other,
}

impl Kind {
    fn of(name: &str) -> Self {
        match name {
            "Edm.Boolean" => Kind::Boolean,
            "Edm.String" => Kind::Text,
            "Edm.Byte" | "Edm.SByte" | "Edm.Int16" | "Edm.Int32" | "Edm.Int64" | "Edm.Single"
            | "Edm.Double" | "Edm.Decimal" => Kind::Number,
            _ => Kind::Other,
        }
    }
}

/// Functions of the language: least and most arguments, and what they return.
const FUNCTIONS: [(&str, usize, usize, Kind); 38] = [
    ("contains", 2, 2, Kind::Boolean),
    ("startswith", 2, 2, Kind::Boolean),
    ("endswith", 2, 2, Kind::Boolean),
    ("matchespattern", 2, 2, Kind::Boolean),
    ("hassubset", 2, 2, Kind::Boolean),
    ("hassubsequence", 2, 2, Kind::Boolean),
    // Of versions before 4, whose clients are still about.
    ("substringof", 2, 2, Kind::Boolean),
    ("length", 1, 1, Kind::Number),
    ("indexof", 2, 2, Kind::Number),
    ("substring", 2, 3, Kind::Text),
    ("tolower", 1, 1, Kind::Text),
    ("toupper", 1, 1, Kind::Text),
    ("trim", 1, 1, Kind::Text),
    ("concat", 2, 2, Kind::Other),
    ("year", 1, 1, Kind::Number),
    ("month", 1, 1, Kind::Number),
    ("day", 1, 1, Kind::Number),
    ("hour", 1, 1, Kind::Number),
    ("minute", 1, 1, Kind::Number),
    ("second", 1, 1, Kind::Number),
    ("fractionalseconds", 1, 1, Kind::Number),
    ("totalseconds", 1, 1, Kind::Number),
    ("totaloffsetminutes", 1, 1, Kind::Number),
    ("date", 1, 1, Kind::Other),
    ("time", 1, 1, Kind::Other),
    ("now", 0, 0, Kind::Other),
    ("maxdatetime", 0, 0, Kind::Other),
    ("mindatetime", 0, 0, Kind::Other),
    ("round", 1, 1, Kind::Number),
    ("floor", 1, 1, Kind::Number),
    ("ceiling", 1, 1, Kind::Number),
    ("geo.distance", 2, 2, Kind::Number),
    ("geo.length", 1, 1, Kind::Number),
    ("geo.intersects", 2, 2, Kind::Boolean),
    ("cast", 1, 2, Kind::Other),
    ("isof", 1, 2, Kind::Boolean),
    ("case", 1, 100, Kind::Other),
    ("exists", 1, 1, Kind::Boolean),
];

pub(super) type Parsed<T> = Result<T, String>;

/// Reads one option's text.
pub(super) struct Parser<'t> {
    text: &'t str,
    pub(super) at: usize,
    depth: usize,
    pub(super) model: Option<&'t ODataModel>,
    /// Type of the things that the expression is about; not known: anything goes.
    pub(super) subject: Option<TypeRef>,
    /// Variables of lambda expressions and what they range over.
    variables: Vec<(String, Option<TypeRef>)>,
    /// Names that `$compute` made.
    pub(super) computed: Vec<String>,
    tokens: usize,
}

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str, model: Option<&'t ODataModel>, subject: Option<TypeRef>) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            model,
            subject,
            variables: Vec::new(),
            computed: Vec::new(),
            tokens: 0,
        }
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(super) fn done(&mut self) -> bool {
        self.blank();
        self.at == self.text.len()
    }

    pub(super) fn blank(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    pub(super) fn syntax<T>(&self) -> Parsed<T> {
        Err(format!(
            "Syntax error at position {} in '{}'.",
            self.text[..self.at].chars().count(),
            super::short(self.text)
        ))
    }

    pub(super) fn eat(&mut self, token: char) -> bool {
        self.blank();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len_utf8();
        }
        found
    }

    pub(super) fn expect(&mut self, token: char) -> Parsed<()> {
        if self.eat(token) { Ok(()) } else { self.syntax() }
    }

    fn token(&mut self) -> Parsed<()> {
        self.tokens += 1;
        if self.tokens > TOKENS_MAX {
            return Err("The query is too long to be checked.".to_owned());
        }
        Ok(())
    }

    /// A word that stands alone, such as `and`.
    fn word(&mut self, word: &str) -> bool {
        self.blank();
        let rest = self.rest();
        let follows = rest.get(word.len()..).and_then(|r| r.chars().next());
        let ends = follows.is_none_or(|c| !is_name_char(c));
        let found = rest
            .get(..word.len())
            .is_some_and(|w| w.eq_ignore_ascii_case(word))
            && ends;
        if found {
            self.at += word.len();
        }
        found
    }

    /// A name, with dots inside.
    pub(super) fn name(&mut self) -> Option<&'t str> {
        let rest = self.rest();
        let end = rest.find(|c| !is_name_char(c)).unwrap_or(rest.len());
        let name = rest[..end].trim_end_matches('.');
        let good = name.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '$' | '@'));
        if !good {
            return None;
        }
        self.at += name.len();
        Some(name)
    }

    pub(super) fn expression(&mut self) -> Parsed<Kind> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("The expression is nested too deep.".to_owned());
        }
        let kind = self.chain(0)?;
        self.depth -= 1;
        Ok(kind)
    }

    /// Binary operators from this level of precedence on, loosest first.
    fn chain(&mut self, level: usize) -> Parsed<Kind> {
        const LEVELS: [&[&str]; 5] = [
            &["or"],
            &["and"],
            &["eq", "ne", "gt", "ge", "lt", "le", "has", "in"],
            &["add", "sub"],
            &["mul", "divby", "div", "mod"],
        ];
        let Some(words) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.chain(level + 1)?;
        while let Some(word) = words.iter().find(|w| self.word(w)) {
            self.token()?;
            let right = if *word == "in" {
                self.list()?;
                left
            } else {
                self.chain(level + 1)?
            };
            left = self.binary(word, level, left, right)?;
        }
        Ok(left)
    }

    fn binary(&self, word: &str, level: usize, left: Kind, right: Kind) -> Parsed<Kind> {
        let wanted = match level {
            0 | 1 => Some(Kind::Boolean),
            _ => None,
        };
        let fits = |kind: Kind| match wanted {
            Some(wanted) => kind == wanted || kind == Kind::Other,
            // Dates and durations add and subtract, and are not told apart here.
            None => level < 3 || matches!(kind, Kind::Number | Kind::Other),
        };
        let same = left == right || left == Kind::Other || right == Kind::Other;
        if !fits(left) || !fits(right) || !same {
            return Err(format!(
                "A binary operator with incompatible types was detected. Found operand types '{left:?}' and '{right:?}' for operator kind '{word}'."
            ));
        }
        Ok(match level {
            0..=2 => Kind::Boolean,
            _ if left == Kind::Number && right == Kind::Number => Kind::Number,
            _ => Kind::Other,
        })
    }

    /// `(1,2)`, or a collection somewhere.
    fn list(&mut self) -> Parsed<()> {
        self.blank();
        if !self.rest().starts_with('(') {
            self.unary()?;
            return Ok(());
        }
        self.at += 1;
        if self.eat(')') {
            return Ok(());
        }
        loop {
            self.expression()?;
            if self.eat(')') {
                return Ok(());
            }
            self.expect(',')?;
        }
    }

    fn unary(&mut self) -> Parsed<Kind> {
        self.token()?;
        if self.word("not") {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err("The expression is nested too deep.".to_owned());
            }
            let kind = self.unary()?;
            self.depth -= 1;
            if !matches!(kind, Kind::Boolean | Kind::Other) {
                return Err("A unary operator with an incompatible type was detected. Found operand type for operator kind 'Not'.".to_owned());
            }
            return Ok(Kind::Boolean);
        }
        self.blank();
        let rest = self.rest();
        if rest.starts_with('-')
            && !rest[1..].starts_with(|c: char| c.is_ascii_digit())
            && !rest.starts_with("-INF")
        {
            self.at += 1;
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err("The expression is nested too deep.".to_owned());
            }
            let kind = self.unary();
            self.depth -= 1;
            return kind;
        }
        self.primary()
    }

    fn primary(&mut self) -> Parsed<Kind> {
        if self.eat('(') {
            let kind = self.expression()?;
            self.expect(')')?;
            return Ok(kind);
        }
        if let Some(kind) = self.literal()? {
            return Ok(kind);
        }
        if self.rest().starts_with(['[', '{']) {
            return self.json();
        }
        let start = self.at;
        let Some(name) = self.name() else {
            return self.syntax();
        };
        // A prefixed literal: duration'PT1H', Ns.Colour'Red'.
        if self.rest().starts_with('\'') && !name.starts_with(['$', '@']) {
            self.quoted()?;
            return Ok(Kind::Other);
        }
        if name.starts_with('@') {
            return Ok(Kind::Other);
        }
        if self.rest().starts_with('(') && !matches!(name, "$it" | "$this" | "$root") {
            if let Some((_, least, most, kind)) =
                FUNCTIONS.iter().find(|(f, ..)| f.eq_ignore_ascii_case(name))
            {
                let count = self.arguments()?;
                if !(least..=most).contains(&&count) {
                    return Err(format!(
                        "No function signature for the function with name '{name}' matches the specified arguments."
                    ));
                }
                return self.further(*kind, None);
            }
            if !name.contains('.') {
                return Err(format!(
                    "An unknown function with name '{}' was found. This may also be a function import or a key lookup on a navigation property, which is not allowed.",
                    super::short(name)
                ));
            }
        }
        self.at = start;
        self.path()
    }

    /// Arguments of a function, plain or with names; how many.
    fn arguments(&mut self) -> Parsed<usize> {
        self.expect('(')?;
        if self.eat(')') {
            return Ok(0);
        }
        let mut count = 0;
        loop {
            let start = self.at;
            self.blank();
            // `name=value`
            if self.name().is_none() || !self.rest().starts_with('=') {
                self.at = start;
            } else {
                self.at += 1;
            }
            // `case` has conditions before its values.
            self.expression()?;
            if self.eat(':') {
                self.expression()?;
            }
            count += 1;
            if self.eat(')') {
                return Ok(count);
            }
            self.expect(',')?;
        }
    }

    /// Segments behind a value.
    fn further(&mut self, kind: Kind, ty: Option<TypeRef>) -> Parsed<Kind> {
        if self.rest().starts_with('/') {
            self.at += 1;
            return self.segments(ty, false);
        }
        Ok(kind)
    }

    /// A path of properties, from the subject or from a variable.
    fn path(&mut self) -> Parsed<Kind> {
        let start = self.at;
        if let Some(name) = self.name() {
            let variable = self.variables.iter().rev().find(|(v, _)| v == name);
            let from = match (variable, name) {
                (Some((_, ty)), _) => Some(ty.clone()),
                (None, "$it" | "$this") => Some(self.subject.clone()),
                (None, "$root") => Some(None),
                (None, _) => None,
            };
            if let Some(ty) = from {
                let one = ty.map(|t| TypeRef { many: false, ..t });
                let kind = one.as_ref().map_or(Kind::Other, |t| Kind::of(&t.name));
                return self.further(kind, one);
            }
            if name.starts_with('$') && name != "$count" {
                self.at = start;
                return self.syntax();
            }
        }
        self.at = start;
        let subject = self.subject.clone().map(|t| TypeRef { many: false, ..t });
        self.segments(subject, true)
    }

    fn segments(&mut self, mut ty: Option<TypeRef>, mut first: bool) -> Parsed<Kind> {
        loop {
            self.token()?;
            let Some(name) = self.name() else {
                return self.syntax();
            };
            match name {
                "$count" => return Ok(Kind::Number),
                "$value" | "$ref" => return Ok(Kind::Other),
                "any" | "all" if self.rest().starts_with('(') => {
                    self.lambda(ty)?;
                    return Ok(Kind::Boolean);
                }
                _ => {}
            }
            ty = self.segment(name, ty, first)?;
            first = false;
            if self.rest().starts_with('(') {
                self.arguments()?;
            }
            let ends = !self.rest().starts_with('/');
            if ends {
                return Ok(ty.filter(|t| !t.many).map_or(Kind::Other, |t| Kind::of(&t.name)));
            }
            self.at += 1;
        }
    }

    /// Where a segment leads from `ty`.
    pub(super) fn segment(&self, name: &str, ty: Option<TypeRef>, first: bool) -> Parsed<Option<TypeRef>> {
        if first && self.computed.iter().any(|c| c == name) {
            return Ok(None);
        }
        let Some(model) = self.model else {
            return Ok(None);
        };
        if name.contains('.') {
            if let Some(operation) = model.operation(name) {
                use super::model::Item::{Action, Entities, Function};
                return Ok(match operation {
                    Function(returns) | Action(returns) => returns.clone(),
                    Entities(ty) => Some(ty.clone()),
                });
            }
            if model.is_type(name) {
                let many = ty.is_some_and(|t| t.many);
                return Ok(Some(TypeRef {
                    name: name.to_owned(),
                    many,
                }));
            }
            return Err(format!(
                "The child type '{}' in a cast was not an entity type or is not known.",
                super::short(name)
            ));
        }
        let Some(ty) = ty.filter(|t| model.is_structured(&t.name)) else {
            return Ok(None);
        };
        match model.property(&ty.name, name) {
            Ok(found) => Ok(found.cloned()),
            Err(()) => Err(format!(
                "Could not find a property named '{}' on type '{}'.",
                super::short(name),
                ty.name
            )),
        }
    }

    /// `(x:x/Price gt 3)`, or nothing for `any`.
    fn lambda(&mut self, ty: Option<TypeRef>) -> Parsed<()> {
        self.expect('(')?;
        if self.eat(')') {
            return Ok(());
        }
        self.blank();
        let Some(variable) = self.name() else {
            return self.syntax();
        };
        self.expect(':')?;
        let ty = ty.map(|t| TypeRef { many: false, ..t });
        self.variables.push((variable.to_owned(), ty));
        let kind = self.expression()?;
        self.variables.pop();
        if !matches!(kind, Kind::Boolean | Kind::Other) {
            return Err("The Any/All query expression must evaluate to a single boolean value.".to_owned());
        }
        self.expect(')')
    }

    /// A literal that is recognised by how it starts.
    fn literal(&mut self) -> Parsed<Option<Kind>> {
        self.blank();
        if self.rest().starts_with('\'') {
            self.quoted()?;
            return Ok(Some(Kind::Text));
        }
        for (word, kind) in [
            ("true", Kind::Boolean),
            ("false", Kind::Boolean),
            ("null", Kind::Other),
            ("INF", Kind::Number),
            ("-INF", Kind::Number),
            ("NaN", Kind::Number),
        ] {
            if self.word(word) {
                return Ok(Some(kind));
            }
        }
        let rest = self.rest();
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.' | ':')))
            .unwrap_or(rest.len());
        let token = &rest[..end];
        if !token.starts_with(|c: char| c.is_ascii_digit() || c == '-') && !is_guid(token) {
            return Ok(None);
        }
        let kind = if is_number(token) {
            Kind::Number
        } else if is_guid(token) || is_date_like(token) {
            Kind::Other
        } else {
            return self.syntax();
        };
        self.at += end;
        Ok(Some(kind))
    }

    fn quoted(&mut self) -> Parsed<()> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.rest().find('\'') {
                None => {
                    return Err(format!(
                        "There is an unterminated string literal at position {} in '{}'.",
                        self.text.chars().count().max(self.text[..start].chars().count()),
                        super::short(self.text)
                    ));
                }
                Some(end) => {
                    self.at += end + 1;
                    // Two are one inside.
                    if !self.rest().starts_with('\'') {
                        return Ok(());
                    }
                    self.at += 1;
                }
            }
        }
    }

    /// A complex or collection literal.
    fn json(&mut self) -> Parsed<Kind> {
        let mut values = serde_json::Deserializer::from_str(self.rest()).into_iter::<serde_json::Value>();
        match values.next() {
            Some(Ok(_)) => {
                self.at += values.byte_offset();
                Ok(Kind::Other)
            }
            _ => self.syntax(),
        }
    }
}

pub(super) fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '@' | '.')
}

fn is_number(token: &str) -> bool {
    let token = token.trim_end_matches(['L', 'l', 'M', 'm', 'F', 'f', 'D', 'd']);
    let whole = token
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E'));
    whole && token.ends_with(|c: char| c.is_ascii_digit()) && token.parse::<f64>().is_ok()
}

fn is_guid(token: &str) -> bool {
    token.len() == 36
        && token.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// `2024-01-31`, `2024-01-31T10:00:00Z`, `10:00`.
fn is_date_like(token: &str) -> bool {
    let shape: String = token
        .chars()
        .map(|c| if c.is_ascii_digit() { '9' } else { c })
        .collect();
    let time = |t: &str| {
        t.strip_prefix("99:99")
            .is_some_and(|rest| match rest.strip_prefix(":99") {
                Some(rest) => {
                    rest.is_empty()
                        || rest
                            .strip_prefix('.')
                            .is_some_and(|f| !f.is_empty() && f.bytes().all(|b| b == b'9'))
                }
                None => rest.is_empty(),
            })
    };
    if time(&shape) {
        return true;
    }
    let Some(rest) = shape.trim_start_matches('-').strip_prefix("9999-99-99") else {
        return false;
    };
    if rest.is_empty() {
        return true;
    }
    let Some(clock) = rest.strip_prefix(['T', 't']) else {
        return false;
    };
    let zone = clock.strip_suffix(['Z', 'z']).or_else(|| {
        let cut = clock.len().checked_sub(6)?;
        matches!(clock.get(cut..)?, "+99:99" | "-99:99").then(|| &clock[..cut])
    });
    time(zone.unwrap_or(clock))
}
