//! Text → nodes. Tags and outputs are cut out first, then each is understood by its first word.

use super::{NESTING_MAX, ParseError, Template, Value, condition::Condition};

/// A piece of a template.
#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Output(Output),
    Assign(String, Output),
    Capture(String, Vec<Node>),
    If(Vec<(Condition, Vec<Node>)>, Vec<Node>),
    Case(Operand, Vec<(Vec<Operand>, Vec<Node>)>, Vec<Node>),
    For(Box<For>),
    Cycle(String, Vec<Operand>),
    IfChanged(Vec<Node>),
    /// Increment prints and then adds, decrement subtracts and then prints.
    Count {
        name: String,
        up: bool,
    },
    Break,
    Continue,
}

/// `for`, `tablerow` and APIM's `JSONArrayFor`.
#[derive(Debug)]
pub(super) struct For {
    pub(super) kind: ForKind,
    pub(super) variable: String,
    pub(super) source: Operand,
    pub(super) limit: Option<Operand>,
    pub(super) offset: Option<Operand>,
    pub(super) columns: Option<Operand>,
    pub(super) reversed: bool,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ForKind {
    Plain,
    /// A comma between rounds.
    JsonArray,
    TableRow,
}

/// A value and what it goes through.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) value: Operand,
    pub(super) filters: Vec<(String, Vec<Operand>)>,
}

/// A literal, a path or a range.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Literal(Value),
    /// `empty` and `blank`, which only comparisons know.
    Empty,
    Path(Vec<Step>),
    Range(Box<(Operand, Operand)>),
}

/// One step of a path.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Name(String),
    Index(Operand),
}

pub(super) fn parse(text: &str) -> Result<Template, ParseError> {
    let mut parser = Parser {
        pieces: cut(text)?,
        at: 0,
        depth: 0,
        uses_body: false,
        uses_context: false,
    };
    let (nodes, end) = parser.block(&[])?;
    if let Some((_, at)) = end {
        return Err(error(at, "a closing tag without its opening one"));
    }
    Ok(Template {
        nodes,
        uses_body: parser.uses_body,
        uses_context: parser.uses_context,
    })
}

/// A cut-out piece.
#[derive(Debug)]
enum Piece {
    Text(String),
    Output(String, usize),
    Tag(String, usize),
}

/// Cuts outputs and tags out. `-` beside a bracket takes the white space on that side away.
fn cut(text: &str) -> Result<Vec<Piece>, ParseError> {
    let mut pieces = Vec::new();
    let mut rest = 0;
    let mut trim_start = false;
    let mut raw_until: Option<usize> = None;
    loop {
        let from = raw_until.take().unwrap_or(rest);
        let output = text[from..].find("{{").map(|i| from + i);
        let tag = text[from..].find("{%").map(|i| from + i);
        let Some(open) = output.into_iter().chain(tag).min() else {
            push_text(&mut pieces, &text[rest..], trim_start, false);
            return Ok(pieces);
        };
        let is_tag = tag == Some(open);
        let close = if is_tag { "%}" } else { "}}" };
        let Some(end) = text[open + 2..].find(close).map(|i| open + 2 + i) else {
            return Err(error(
                open,
                &format!("`{}` is never closed", &text[open..open + 2]),
            ));
        };
        let inner = &text[open + 2..end];
        let trims_left = inner.starts_with('-');
        push_text(&mut pieces, &text[rest..open], trim_start, trims_left);
        trim_start = inner.len() > 1 && inner.ends_with('-');
        let body = inner.strip_prefix('-').unwrap_or(inner);
        let body = if trim_start {
            body.strip_suffix('-').unwrap_or(body)
        } else {
            body
        };
        let body = entities(body.trim());
        rest = end + 2;
        if !is_tag {
            pieces.push(Piece::Output(body, open));
        } else if body == "raw" || body == "comment" {
            let (inside, after) = until_end(text, rest, &body)
                .ok_or_else(|| error(open, &format!("`{body}` is never closed")))?;
            if body == "raw" {
                pieces.push(Piece::Text(inside.to_owned()));
            }
            rest = after;
        } else {
            pieces.push(Piece::Tag(body, open));
        }
    }
}

/// The text up to `{% end… %}`, and where it goes on.
fn until_end<'t>(text: &'t str, from: usize, tag: &str) -> Option<(&'t str, usize)> {
    let mut at = from;
    loop {
        let open = at + text[at..].find("{%")?;
        let close = open + 2 + text[open + 2..].find("%}")?;
        if text[open + 2..close].trim_matches('-').trim() == format!("end{tag}") {
            return Some((&text[from..open], close + 2));
        }
        at = open + 2;
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str, trim_start: bool, trim_end: bool) {
    let text = if trim_start { text.trim_start() } else { text };
    let text = if trim_end { text.trim_end() } else { text };
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// Templates written as XML markup hold their operators as entities.
fn entities(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'");
    text.replace("&amp;", "&")
}

struct Parser {
    pieces: Vec<Piece>,
    at: usize,
    depth: usize,
    uses_body: bool,
    uses_context: bool,
}

type Ends = Option<(String, usize)>;

impl Parser {
    /// Nodes up to one of the tags `ends` (its text is given back), or to the end of the template.
    fn block(&mut self, ends: &[&str]) -> Result<(Vec<Node>, Ends), ParseError> {
        self.depth += 1;
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.get_mut(self.at) {
            self.at += 1;
            match piece {
                Piece::Text(text) => nodes.push(Node::Text(std::mem::take(text))),
                Piece::Output(body, at) => {
                    let (body, at) = (std::mem::take(body), *at);
                    nodes.push(Node::Output(self.output(&body, at)?));
                }
                Piece::Tag(body, at) => {
                    let (body, at) = (std::mem::take(body), *at);
                    let word = body.split_whitespace().next().unwrap_or_default().to_owned();
                    if ends.contains(&word.as_str()) {
                        self.depth -= 1;
                        return Ok((nodes, Some((body, at))));
                    }
                    if self.depth > NESTING_MAX {
                        return Err(error(at, &format!("blocks nest deeper than {NESTING_MAX}")));
                    }
                    nodes.push(self.tag(&word, body[word.len()..].trim(), at)?);
                }
            }
        }
        self.depth -= 1;
        match ends.last() {
            Some(end) => Err(error(0, &format!("`{end}` is missing"))),
            None => Ok((nodes, None)),
        }
    }

    fn tag(&mut self, word: &str, rest: &str, at: usize) -> Result<Node, ParseError> {
        Ok(match word {
            "assign" => {
                let (name, value) = rest
                    .split_once('=')
                    .ok_or_else(|| error(at, "`assign` needs `name = value`"))?;
                Node::Assign(name.trim().to_owned(), self.output(value.trim(), at)?)
            }
            "capture" => Node::Capture(unquoted(rest), self.block(&["endcapture"])?.0),
            "if" => self.branches(rest, at, false)?,
            "unless" => self.branches(rest, at, true)?,
            "case" => self.case(rest, at)?,
            "for" => self.repeat(ForKind::Plain, "endfor", rest, at)?,
            "JSONArrayFor" => self.repeat(ForKind::JsonArray, "endJSONArrayFor", rest, at)?,
            "tablerow" => self.repeat(ForKind::TableRow, "endtablerow", rest, at)?,
            "cycle" => self.cycle(rest, at)?,
            "ifchanged" => Node::IfChanged(self.block(&["endifchanged"])?.0),
            "increment" => Node::Count {
                name: rest.to_owned(),
                up: true,
            },
            "decrement" => Node::Count {
                name: rest.to_owned(),
                up: false,
            },
            "break" => Node::Break,
            "continue" => Node::Continue,
            other => return Err(error(at, &format!("there is no Liquid tag `{other}`"))),
        })
    }

    fn branches(&mut self, first: &str, at: usize, negated: bool) -> Result<Node, ParseError> {
        let end = if negated { "endunless" } else { "endif" };
        let ends = ["elsif", "else", end];
        let mut condition = self.condition(first, at)?;
        if negated {
            condition = Condition::Not(Box::new(condition));
        }
        let mut branches = Vec::new();
        let mut otherwise = Vec::new();
        loop {
            let (nodes, ended) = self.block(&ends)?;
            branches.push((condition, nodes));
            let (tag, tag_at) = ended.unwrap_or_default();
            match tag.strip_prefix("elsif") {
                Some(next) => condition = self.condition(next.trim(), tag_at)?,
                None => {
                    if tag.starts_with("else") {
                        otherwise = self.block(&[end])?.0;
                    }
                    return Ok(Node::If(branches, otherwise));
                }
            }
        }
    }

    fn case(&mut self, subject: &str, at: usize) -> Result<Node, ParseError> {
        let subject = self.operand(subject, at)?;
        let ends = ["when", "else", "endcase"];
        // What stands before the first `when` is not shown.
        let (_, mut ended) = self.block(&ends)?;
        let (mut whens, mut otherwise) = (Vec::new(), Vec::new());
        loop {
            let (tag, tag_at) = ended.take().unwrap_or_default();
            if let Some(values) = tag.strip_prefix("when") {
                let values = split_outside_quotes(values, &[",", " or "]);
                let operands = values
                    .iter()
                    .map(|v| self.operand(v.trim(), tag_at))
                    .collect::<Result<_, _>>()?;
                let (nodes, next) = self.block(&ends)?;
                whens.push((operands, nodes));
                ended = next;
            } else if tag.starts_with("else") {
                let (nodes, next) = self.block(&ends)?;
                otherwise = nodes;
                ended = next;
            } else {
                return Ok(Node::Case(subject, whens, otherwise));
            }
        }
    }

    fn repeat(&mut self, kind: ForKind, end: &str, rest: &str, at: usize) -> Result<Node, ParseError> {
        let wrong = || error(at, "a loop needs `name in values`");
        let (variable, rest) = rest.split_once(" in ").ok_or_else(wrong)?;
        let mut words = words(rest.trim()).into_iter();
        let source = words.next().ok_or_else(wrong)?;
        let mut node = For {
            kind,
            variable: variable.trim().to_owned(),
            source: self.operand(&source, at)?,
            limit: None,
            offset: None,
            columns: None,
            reversed: false,
            body: Vec::new(),
            otherwise: Vec::new(),
        };
        let mut pending: Option<String> = None;
        for word in words {
            if word == "reversed" {
                node.reversed = true;
                continue;
            }
            // `limit:2`, `limit: 2` and `limit : 2` are the same.
            let word = pending.take().map_or(word.clone(), |p| p + &word);
            let Some((name, value)) = word.split_once(':').filter(|(_, v)| !v.is_empty()) else {
                pending = Some(word);
                continue;
            };
            let value = Some(self.operand(value, at)?);
            match name {
                "limit" => node.limit = value,
                "offset" => node.offset = value,
                "cols" => node.columns = value,
                _ => return Err(error(at, &format!("a loop has no option `{name}`"))),
            }
        }
        let (body, ended) = self.block(&["else", end])?;
        node.body = body;
        if ended.is_some_and(|(tag, _)| tag == "else") {
            node.otherwise = self.block(&[end])?.0;
        }
        Ok(Node::For(Box::new(node)))
    }

    fn cycle(&mut self, rest: &str, at: usize) -> Result<Node, ParseError> {
        let parts = split_outside_quotes(rest, &[":"]);
        let (group, values) = match parts.as_slice() {
            [group, values] => ((*group).trim().to_owned(), *values),
            _ => (rest.to_owned(), rest),
        };
        let values = split_outside_quotes(values, &[","]);
        let values = values
            .iter()
            .map(|v| self.operand(v.trim(), at))
            .collect::<Result<_, _>>()?;
        Ok(Node::Cycle(group, values))
    }

    fn output(&mut self, text: &str, at: usize) -> Result<Output, ParseError> {
        let parts = split_outside_quotes(text, &["|"]);
        let mut parts = parts.into_iter();
        let value = self.operand(parts.next().unwrap_or_default().trim(), at)?;
        let mut filters = Vec::new();
        for part in parts {
            let (name, arguments) = match split_outside_quotes(part, &[":"]).as_slice() {
                [name] => ((*name).trim(), Vec::new()),
                [name, ..] => {
                    let list = split_outside_quotes(&part[name.len() + 1..], &[","]);
                    let list = list.iter().map(|a| self.operand(a.trim(), at));
                    ((*name).trim(), list.collect::<Result<_, _>>()?)
                }
                [] => continue,
            };
            filters.push((name.to_owned(), arguments));
        }
        Ok(Output { value, filters })
    }

    pub(super) fn condition(&mut self, text: &str, at: usize) -> Result<Condition, ParseError> {
        let mut operand = |t: &str| self.operand(t, at);
        super::condition::parse(text, &mut operand)?.ok_or_else(|| error(at, "a condition is missing"))
    }

    fn operand(&mut self, text: &str, at: usize) -> Result<Operand, ParseError> {
        let operand = parse_operand(text).map_err(|message| error(at, &message))?;
        self.note_roots(&operand);
        Ok(operand)
    }

    fn note_roots(&mut self, operand: &Operand) {
        match operand {
            Operand::Path(steps) => {
                match steps.first() {
                    Some(Step::Name(name)) if name == "body" => self.uses_body = true,
                    Some(Step::Name(name)) if name == "context" => self.uses_context = true,
                    _ => {}
                }
                for step in steps {
                    if let Step::Index(index) = step {
                        self.note_roots(index);
                    }
                }
            }
            Operand::Range(ends) => {
                self.note_roots(&ends.0);
                self.note_roots(&ends.1);
            }
            Operand::Literal(_) | Operand::Empty => {}
        }
    }
}

/// A literal, a range or a path. Anything that is none of them is nil, as DotLiquid reads it.
pub(super) fn parse_operand(text: &str) -> Result<Operand, String> {
    let literal = |value| Ok(Operand::Literal(value));
    match text {
        "" | "nil" | "null" => return literal(Value::Nil),
        "true" => return literal(Value::Bool(true)),
        "false" => return literal(Value::Bool(false)),
        "empty" | "blank" => return Ok(Operand::Empty),
        _ => {}
    }
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote) {
            return match inner.strip_suffix(quote) {
                Some(inner) => literal(Value::text(inner)),
                None => Err(format!("the text {text} is never closed")),
            };
        }
    }
    if let Some(inner) = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
        let (from, to) = inner
            .split_once("..")
            .ok_or_else(|| format!("`{text}` is not a range"))?;
        return Ok(Operand::Range(Box::new((
            parse_operand(from.trim())?,
            parse_operand(to.trim())?,
        ))));
    }
    if let Ok(number) = text.parse::<i64>() {
        return literal(Value::Int(number));
    }
    if text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        && let Ok(number) = text.parse::<f64>()
    {
        return literal(Value::Float(number));
    }
    path(text)
}

fn path(text: &str) -> Result<Operand, String> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let end = closing_bracket(inner).ok_or_else(|| format!("`[` in `{text}` is never closed"))?;
            steps.push(Step::Index(parse_operand(inner[..end].trim())?));
            rest = &inner[end + 1..];
        } else {
            let name = rest.strip_prefix('.').unwrap_or(rest);
            let end = name.find(['.', '[']).unwrap_or(name.len());
            if name[..end].is_empty() || name[..end].contains(char::is_whitespace) {
                return Err(format!("`{text}` is not a value"));
            }
            steps.push(Step::Name(name[..end].to_owned()));
            rest = &name[end..];
        }
        if steps.len() > NESTING_MAX {
            return Err(format!("a path has at most {NESTING_MAX} steps"));
        }
    }
    Ok(Operand::Path(steps))
}

fn closing_bracket(text: &str) -> Option<usize> {
    let (mut quote, mut depth) = (None, 0usize);
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some(i),
            (None, ']') => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Splits at any of the separators that stands outside quotes.
pub(super) fn split_outside_quotes<'t>(text: &'t str, separators: &[&str]) -> Vec<&'t str> {
    let (mut parts, mut start, mut quote) = (Vec::new(), 0, None);
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, _) => {
                if let Some(separator) = separators.iter().find(|s| text[at..].starts_with(**s)) {
                    parts.push(&text[start..at]);
                    at += separator.len();
                    start = at;
                    continue;
                }
            }
        }
        at += c.len_utf8();
    }
    parts.push(&text[start..]);
    parts
}

/// Splits at white space outside quotes and parentheses.
pub(super) fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut depth) = (Vec::new(), String::new(), None, 0usize);
    for c in text.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth = depth.saturating_sub(1),
            (None, c) if c.is_whitespace() && depth == 0 => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn unquoted(text: &str) -> String {
    text.trim().trim_matches(['"', '\'']).to_owned()
}

fn error(at: usize, message: &str) -> ParseError {
    ParseError {
        at,
        message: message.to_owned(),
    }
}
