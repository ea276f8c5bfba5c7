//! The result tree as text (§16), and numbers as `xsl:number` writes them.

use gateway_dotnet::xml::{Kind, Node, SaveOptions, node_to_string};

use super::{Method, Output};

/// Elements of HTML that have no end tag.
const VOID: &[&str] = &[
    "area", "base", "basefont", "br", "col", "frame", "hr", "img", "input", "isindex", "link", "meta",
    "param",
];

/// The children of `result` as `output` wants them.
pub(super) fn text(result: &Node, output: Output) -> String {
    let children = result.nodes();
    let method = output.method.unwrap_or_else(|| {
        // Without a word about it a document that starts with `html` is HTML (§16).
        let first = children.iter().find(|n| n.is_element()).and_then(Node::name);
        match first {
            Some(name) if name.namespace.is_empty() && name.local.eq_ignore_ascii_case("html") => {
                Method::Html
            }
            _ => Method::Xml,
        }
    });
    match method {
        Method::Text => result.value(),
        Method::Html => {
            let mut out = String::new();
            children.iter().for_each(|n| html(n, false, &mut out));
            out
        }
        Method::Xml => {
            let mut out = String::new();
            if !output.omit_declaration {
                out.push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>");
            }
            let formatting = if output.indent {
                SaveOptions::NONE
            } else {
                SaveOptions::DISABLE_FORMATTING
            };
            let options = SaveOptions(formatting.0 | SaveOptions::OMIT_DUPLICATE_NAMESPACES.0);
            for child in &children {
                if output.indent && !out.is_empty() {
                    out.push('\n');
                }
                // Alone: the wrapper is not part of the result.
                out.push_str(&node_to_string(&child.deep_clone(), options));
            }
            out
        }
    }
}

/// The tree's depth is bounded where it is made.
fn html(node: &Node, raw: bool, out: &mut String) {
    match node.kind() {
        Kind::Element { .. } => {
            let name = node.name().map(|n| n.local.to_string()).unwrap_or_default();
            out.push('<');
            out.push_str(&name);
            for one in node.attributes() {
                out.push_str(&format!(" {}=\"", one.name().local));
                escape(&one.value(), "&\"", out);
                out.push('"');
            }
            out.push('>');
            if VOID.contains(&name.to_ascii_lowercase().as_str()) {
                return;
            }
            let raw = matches!(name.to_ascii_lowercase().as_str(), "script" | "style");
            node.nodes().iter().for_each(|n| html(n, raw, out));
            out.push_str(&format!("</{name}>"));
        }
        Kind::Text(text) | Kind::CData(text) if raw => out.push_str(&text.borrow()),
        Kind::Text(text) | Kind::CData(text) => escape(&text.borrow(), "&<>", out),
        _ => out.push_str(&node_to_string(node, SaveOptions::DISABLE_FORMATTING)),
    }
}

fn escape(text: &str, escaped: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' if escaped.contains('<') => out.push_str("&lt;"),
            '>' if escaped.contains('>') => out.push_str("&gt;"),
            '"' if escaped.contains('"') => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
}

/// A number by the format token of `xsl:number` (§7.7.1).
pub(super) fn number(value: u64, format: &str) -> String {
    let start = format.find(|c: char| c.is_alphanumeric()).unwrap_or(format.len());
    let rest = &format[start..];
    let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
    let (token, after) = rest.split_at(end);
    let written = match token {
        "a" => letters(value).to_ascii_lowercase(),
        "A" => letters(value),
        "i" => roman(value).to_ascii_lowercase(),
        "I" => roman(value),
        // `001`: at least so many digits.
        token => format!("{value:0width$}", width = token.len().min(64)),
    };
    format!("{}{written}{after}", &format[..start])
}

fn letters(mut value: u64) -> String {
    let mut out = Vec::new();
    while value > 0 {
        value -= 1;
        out.push(char::from(b'A' + (value % 26) as u8));
        value /= 26;
    }
    out.iter().rev().collect()
}

fn roman(mut value: u64) -> String {
    // Beyond this nobody writes Roman numbers.
    if value == 0 || value > 3_999 {
        return value.to_string();
    }
    let mut out = String::new();
    for (unit, text) in [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ] {
        while value >= unit {
            out.push_str(text);
            value -= unit;
        }
    }
    out
}
