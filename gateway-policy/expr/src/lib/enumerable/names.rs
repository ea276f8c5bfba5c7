//! The iterator types of .NET Core 3.1: which class an operator over a given source is.

use super::*;

pub(super) fn named(iterator: &str, args: &[&Type]) -> Option<String> {
    let list: Vec<String> = args.iter().map(|t| t.net_name()).collect();
    Some(format!(
        "System.Linq.Enumerable+{iterator}`{}[{}]",
        args.len(),
        list.join(",")
    ))
}

/// `Array`, `List` or other source: iterator types are named after it.
fn flavour(v: &Value) -> &'static str {
    match v {
        Value::Object(o) => match &o.data {
            Data::Array(_) | Data::Bytes(_) => "Array",
            Data::List(_) if o.ty.def() == Some(types::LIST) => "List",
            _ => "Enumerable",
        },
        _ => "Enumerable",
    }
}

/// Operators on an array without items give one shared empty sequence.
pub(super) fn is_empty_array(v: &Value) -> bool {
    match v {
        Value::Object(o) => match &o.data {
            Data::Array(items) => items.borrow().is_empty(),
            Data::Bytes(bytes) => bytes.borrow().is_empty(),
            _ => false,
        },
        _ => false,
    }
}

/// `Enumerable.Empty<T>()`
pub(super) fn empty(ty: Type) -> Eval {
    let def = types::registry()
        .by_full_name("System.Linq.EmptyPartition`1")
        .unwrap_or(types::OBJECT);
    Ok(Value::object(Type::generic(def, [ty]), Data::Plain))
}

fn is_ilist(v: &Value) -> bool {
    match v {
        Value::Object(o) => types::element_of(&o.ty, types::ILIST_T).is_some(),
        Value::Json(t) => t.token_type() == gateway_dotnet::json::TokenType::Array,
        _ => false,
    }
}

/// The iterator type of a lazy source.
fn source_name(v: &Value) -> Option<String> {
    match v {
        Value::Object(o) => match &o.data {
            Data::Sequence(s) => s.type_name(),
            _ => None,
        },
        _ => None,
    }
}

fn source_mapping(v: &Value) -> Option<&Mapping> {
    match v {
        Value::Object(o) => match &o.data {
            Data::Sequence(s) => s.mapping(),
            _ => None,
        },
        _ => None,
    }
}

/// Which of `Where`'s classes: filters on filters become one.
pub(super) fn of_where(src: &Value, ty: &Type, indexed: bool) -> Option<String> {
    if indexed {
        return named("<WhereIterator>d__239", &[ty]);
    }
    let inner = source_name(src).unwrap_or_default();
    let kind = ["Array", "List"]
        .into_iter()
        .find(|kind| inner.contains(&format!("+Where{kind}Iterator`")))
        .unwrap_or_else(|| flavour(src));
    named(&format!("Where{kind}Iterator"), &[ty])
}

/// Which of `Select`'s classes.
pub(super) fn of_select(src: &Value, from: &Type, to: &Type, indexed: bool) -> Option<String> {
    if indexed {
        return named("<SelectIterator>d__173", &[from, to]);
    }
    if let Some(mapping) = source_mapping(src) {
        return named(&format!("Select{}Iterator", mapping.kind), &[&mapping.from, to]);
    }
    let kind = match flavour(src) {
        "Enumerable" if is_ilist(src) => "IList",
        other => other,
    };
    match source_name(src) {
        Some(n) if n.ends_with("+RangeIterator") => named("SelectRangeIterator", &[to]),
        Some(n)
            if n.starts_with("System.Linq.Ordered")
                || n.contains("Partition`")
                || n.contains("+RepeatIterator`") =>
        {
            named("SelectIPartitionIterator", &[from, to])
        }
        Some(n) if n.contains("+WhereArrayIterator") => named("WhereSelectArrayIterator", &[from, to]),
        Some(n) if n.contains("+WhereListIterator") => named("WhereSelectListIterator", &[from, to]),
        Some(n) if n.contains("+WhereEnumerableIterator") => {
            named("WhereSelectEnumerableIterator", &[from, to])
        }
        _ => named(&format!("Select{kind}Iterator"), &[from, to]),
    }
}

/// What a plain `Select` maps, if its source has an index.
pub(super) fn mapping(src: &Value, selector: &Value, from: &Type) -> Option<Mapping> {
    if let Some(inner) = source_mapping(src) {
        return Some(Mapping {
            source: src.clone(),
            selector: selector.clone(),
            from: inner.from.clone(),
            kind: inner.kind,
        });
    }
    let kind = match flavour(src) {
        "Enumerable" if is_ilist(src) => "IList",
        "Enumerable" => return None,
        other => other,
    };
    Some(Mapping {
        source: src.clone(),
        selector: selector.clone(),
        from: from.clone(),
        kind,
    })
}

/// Source items and selector of a `Select` whose source is at hand.
pub(super) fn mapped_items(vm: &mut Vm<'_>, src: &Value) -> Result<Option<(Vec<Value>, Value)>, Thrown> {
    let Some(mapping) = source_mapping(src) else {
        return Ok(None);
    };
    // A chain of maps runs whole: its items cost their own selectors.
    if source_mapping(&mapping.source).is_some() {
        return Ok(None);
    }
    let (source, selector) = (mapping.source.clone(), mapping.selector.clone());
    Ok(Some((vm.collect(&source)?, selector)))
}

/// Which class `Skip` and `Take` are.
pub(super) fn of_partition(src: &Value, ty: &Type) -> Option<String> {
    if let Some(mapping) = source_mapping(src) {
        return named("SelectListPartitionIterator", &[&mapping.from, ty]);
    }
    let inner = source_name(src).unwrap_or_default();
    if inner.ends_with("+RangeIterator") {
        return Some(inner);
    }
    if inner.starts_with("System.Linq.Ordered") {
        return Some(format!("System.Linq.OrderedPartition`1[{}]", ty.net_name()));
    }
    if inner.contains("+RepeatIterator`") || inner.contains("+SelectListPartitionIterator`") {
        return Some(inner);
    }
    let list = flavour(src) != "Enumerable" || is_ilist(src) || inner.contains("+ListPartition`");
    named(
        if list {
            "ListPartition"
        } else {
            "EnumerablePartition"
        },
        &[ty],
    )
}

/// The class of an operator that is `first` once and `more` on top of itself.
pub(super) fn repeated(src: &Value, first: &'static str, more: &'static str) -> &'static str {
    let inner = source_name(src).unwrap_or_default();
    if inner.contains(first) || inner.contains(more) {
        more
    } else {
        first
    }
}
