//! Arguments of constructors and `Add`: nodes, attributes, text, sequences of them.

use gateway_dotnet::xml::{Attribute, Content, Node};

use super::{Call, Value, as_attribute, as_node};
use crate::{
    object::Data,
    vm::{Eval, Thrown},
};

/// The content that arguments `from..` stand for; null is nothing.
pub(super) fn content(c: &mut Call<'_, '_>, from: usize) -> Result<Vec<Content>, Thrown> {
    let given: Vec<Value> = c.args.iter().skip(from).cloned().collect();
    let mut all = Vec::new();
    for value in given {
        collect(c, value, &mut all)?;
    }
    Ok(all)
}

fn collect(c: &mut Call<'_, '_>, value: Value, all: &mut Vec<Content>) -> Result<(), Thrown> {
    c.vm.charge(64)?;
    if value.is_null() {
        return Ok(());
    }
    if let Some(node) = as_node(&value) {
        charge_tree(c, &node)?;
        all.push(Content::Node(node));
    } else if let Some(attribute) = as_attribute(&value) {
        all.push(Content::Attribute(attribute));
    } else if is_sequence(&value) {
        for item in c.vm.collect(&value)? {
            collect(c, item, all)?;
        }
    } else {
        all.push(Content::Text(text(&value)));
    }
    Ok(())
}

/// Counts the nodes of a tree that may be copied: whoever stands somewhere already is, and who is given twice.
pub(super) fn charge_tree(c: &mut Call<'_, '_>, node: &Node) -> Result<(), Thrown> {
    let mut pending = vec![node.clone()];
    while let Some(at) = pending.pop() {
        c.vm.step()?;
        c.vm.charge(128)?;
        pending.extend(at.nodes());
    }
    Ok(())
}

fn is_sequence(value: &Value) -> bool {
    match value {
        Value::Json(_) => true,
        Value::Object(o) => matches!(
            o.data,
            Data::Array(_)
                | Data::Matrix(..)
                | Data::Bytes(_)
                | Data::List(_)
                | Data::Table(_)
                | Data::Sequence(_)
                | Data::Group(..)
        ),
        _ => false,
    }
}

/// A value as XML Schema writes it.
pub(super) fn text(value: &Value) -> String {
    let plain = || crate::text::to_text(value).to_lossy().into_owned();
    match value {
        Value::Bool(v) => v.to_string(),
        Value::Double(v) if v.is_infinite() => if *v > 0.0 { "INF" } else { "-INF" }.to_owned(),
        Value::Float(v) if v.is_infinite() => if *v > 0.0 { "INF" } else { "-INF" }.to_owned(),
        Value::DateTime(v) => v
            .format("yyyy-MM-ddTHH:mm:ss.FFFFFFFK")
            .unwrap_or_else(|_| plain()),
        Value::Offset(v) => {
            let zone = if v.offset().ticks() == 0 { "Z" } else { "zzz" };
            let format = format!(
                "yyyy-MM-ddTHH:mm:ss.FFFFFFF{}",
                if zone == "Z" { "" } else { zone }
            );
            v.format(&format)
                .map_or_else(|_| plain(), |text| if zone == "Z" { text + "Z" } else { text })
        }
        Value::TimeSpan(v) => duration(v.ticks()),
        _ => plain(),
    }
}

/// `PnDTnHnMn.nS`, as `XmlConvert` writes a time span.
fn duration(ticks: i64) -> String {
    const PER_SECOND: u64 = 10_000_000;
    if ticks == 0 {
        return "PT0S".to_owned();
    }
    let mut out = if ticks < 0 { "-P" } else { "P" }.to_owned();
    let ticks = ticks.unsigned_abs();
    let (seconds, fraction) = (ticks / PER_SECOND, ticks % PER_SECOND);
    let (days, hours, minutes, rest) = (
        seconds / 86_400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    );
    if days > 0 {
        out.push_str(&format!("{days}D"));
    }
    if ticks.is_multiple_of(86_400 * PER_SECOND) {
        return out;
    }
    out.push('T');
    for (value, unit) in [(hours, 'H'), (minutes, 'M')] {
        if value > 0 {
            out.push_str(&format!("{value}{unit}"));
        }
    }
    if rest > 0 || fraction > 0 {
        out.push_str(&rest.to_string());
        if fraction > 0 {
            let digits = format!("{fraction:07}");
            out.push('.');
            out.push_str(digits.trim_end_matches('0'));
        }
        out.push('S');
    }
    out
}

/// `new XAttribute(name, value)`
pub(super) fn new_attribute(c: &mut Call<'_, '_>) -> Eval {
    let name = super::name(c, 0)?;
    if c.arg(1).is_null() {
        return Err(gateway_dotnet::Error::null("value").into());
    }
    Ok(super::attribute_value(Attribute::new(name, text(c.arg(1)))))
}
