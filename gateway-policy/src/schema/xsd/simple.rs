//! Simple types: read from schemas, and whether a text is one of their values.

use std::{cmp::Ordering, sync::Arc};

use super::{
    XmlSchemas,
    builtin::{BUILTINS, Lexical, Primitive, Space},
    load::{At, Loaded, Loader},
    model::{Facets, Methods, QName, Simple, Type, TypeId, Variety},
    pattern::Pattern,
    short,
    validate::{Budget, Stop},
    value::{Prefixes, Value, read},
};

/// Values of one enumeration.
const ENUMERATION_MAX: usize = 50_000;
/// Members of one union, and simple types inside each other.
const MEMBERS_MAX: usize = 1_000;
/// Bytes of a text that a step gets through.
const BYTES_PER_STEP: usize = 16;

impl Loader<'_> {
    /// A simple type.
    pub(super) fn simple(&mut self, at: At, name: Option<QName>) -> Loaded<Simple> {
        self.deeper(at)?;
        let block = self.methods(at, "final", Methods::ALL)?.unwrap_or_default();
        let children = self.children(at)?;
        let simple = match children.as_slice() {
            [(child, "restriction")] => {
                let base = match self.attribute(*child, "base") {
                    Some(text) => self.base(*child, &text)?,
                    None => self.inline_simple(*child)?,
                };
                let base = self.simple_of(*child, base)?;
                let mut simple = self.restricted(*child, base)?;
                simple.block = block;
                simple
            }
            [(child, "list")] => {
                let items = match self.attribute(*child, "itemType") {
                    Some(text) => self.base(*child, &text)?,
                    None => self.inline_simple(*child)?,
                };
                let item = self.out.simple(items).cloned();
                match item {
                    Some(item) if !self.out.holds_list(&item, 0) => {}
                    Some(_) => return self.wrong(*child, "a list cannot hold lists"),
                    None => return self.wrong(*child, "a list holds simple types"),
                }
                Simple {
                    variety: Variety::List(items),
                    ..Simple::over_any(Space::Collapse, block)
                }
            }
            [(child, "union")] => {
                let mut members = Vec::new();
                for text in self
                    .attribute(*child, "memberTypes")
                    .unwrap_or_default()
                    .split_ascii_whitespace()
                {
                    members.push(self.base(*child, text)?);
                }
                for (inside, local) in self.children(*child)? {
                    if local != "simpleType" {
                        return self.wrong(inside, format!("`{local}` has no place in a union"));
                    }
                    let simple = self.simple(inside, None)?;
                    members.push(self.push_type(Type::Simple(Arc::new(simple))));
                }
                if members.is_empty() || members.len() > MEMBERS_MAX {
                    return self.wrong(*child, "a union needs members, and not too many");
                }
                if members.iter().any(|m| self.out.simple(*m).is_none()) {
                    return self.wrong(*child, "members of a union are simple types");
                }
                Simple {
                    variety: Variety::Union(members),
                    ..Simple::over_any(Space::Preserve, block)
                }
            }
            _ => {
                return self.wrong(at, "a simple type needs one of `restriction`, `list` and `union`");
            }
        };
        self.depth -= 1;
        Ok(Simple { name, ..simple })
    }

    /// The `simpleType` inside an element of a schema.
    fn inline_simple(&mut self, at: At) -> Loaded<TypeId> {
        let inside = self
            .children(at)?
            .into_iter()
            .find(|(_, local)| *local == "simpleType");
        let Some((inside, _)) = inside else {
            return self.wrong(at, format!("`{}` names no type and holds none", self.local(at)));
        };
        let simple = self.simple(inside, None)?;
        Ok(self.push_type(Type::Simple(Arc::new(simple))))
    }

    /// The simple type behind an id, with its id as the base of what comes from it.
    fn simple_of(&mut self, at: At, id: TypeId) -> Loaded<Simple> {
        match self.out.simple(id) {
            Some(simple) => Ok(Simple {
                base: id,
                ..Simple::clone(simple)
            }),
            None => self.wrong(at, "its base is no simple type"),
        }
    }

    /// `base`, whose own id stands in its `base`, with the facets at a restriction.
    pub(super) fn restricted(&mut self, at: At, mut base: Simple) -> Loaded<Simple> {
        let id = base.base;
        let own = base.clone();
        base.name = None;
        let mut patterns = Vec::new();
        let mut enumeration = Vec::new();
        for (child, local) in self.children(at)? {
            if matches!(
                local,
                "simpleType" | "attribute" | "attributeGroup" | "anyAttribute"
            ) {
                continue;
            }
            let Some(value) = self.attribute_raw(child, "value") else {
                return self.wrong(child, format!("`{local}` needs a `value`"));
            };
            match local {
                "pattern" => match Pattern::new(&value) {
                    Ok(pattern) => patterns.push(pattern),
                    Err(why) => {
                        return self.wrong(
                            child,
                            format!("the pattern `{}` cannot be used: {why}", short(&value)),
                        );
                    }
                },
                "enumeration" => {
                    if enumeration.len() >= ENUMERATION_MAX {
                        return self.wrong(child, format!("more than {ENUMERATION_MAX} values are listed"));
                    }
                    enumeration.push(self.facet_value(child, &own, id, &value)?);
                }
                "whiteSpace" => {
                    let space = match value.trim() {
                        "preserve" => Space::Preserve,
                        "replace" => Space::Replace,
                        "collapse" => Space::Collapse,
                        other => {
                            return self.wrong(
                                child,
                                format!("`{}` is no way to settle white space", short(other)),
                            );
                        }
                    };
                    if space < base.space {
                        return self.wrong(child, "white space cannot count more than in the base");
                    }
                    base.space = space;
                }
                "minInclusive" | "minExclusive" | "maxInclusive" | "maxExclusive" => {
                    let bound = self.facet_value(child, &own, id, &value)?;
                    let bound = (bound, local.ends_with("Inclusive"));
                    if !matches!(
                        bound.0,
                        Value::Decimal(_) | Value::Double(_) | Value::Duration(_) | Value::Moment(_)
                    ) {
                        return self.wrong(child, format!("`{local}` needs a type with an order"));
                    }
                    if local.starts_with("min") {
                        base.facets.min = Some(bound);
                    } else {
                        base.facets.max = Some(bound);
                    }
                }
                _ => self.counted(child, local, &value, &mut base)?,
            }
        }
        if !patterns.is_empty() {
            base.facets.patterns.push(Arc::new(patterns));
        }
        if !enumeration.is_empty() {
            base.facets.enumeration = Some(Arc::new(enumeration));
        }
        if let (Some((min, _)), Some((max, _))) = (&base.facets.min, &base.facets.max)
            && min.compare(max) == Some(Ordering::Greater)
        {
            return self.wrong(at, "the lower bound is above the upper one");
        }
        let lengths = (base.facets.min_length, base.facets.max_length);
        if let (Some(min), Some(max)) = lengths
            && min > max
        {
            return self.wrong(at, "`minLength` is more than `maxLength`");
        }
        Ok(base)
    }

    /// Facets that are counts.
    fn counted(&mut self, at: At, local: &str, value: &str, base: &mut Simple) -> Loaded<()> {
        let digits = value.trim();
        let digits = digits.strip_prefix('+').unwrap_or(digits);
        let good = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if !good {
            return self.wrong(at, format!("`{local}` must be a number, not `{}`", short(value)));
        }
        // What does not fit is more than any body has.
        let count = Some(digits.parse::<u64>().unwrap_or(u64::MAX));
        let facets = &mut base.facets;
        match local {
            "length" => facets.length = count,
            "minLength" => facets.min_length = count,
            "maxLength" => facets.max_length = count,
            "totalDigits" => facets.total_digits = count,
            "fractionDigits" => facets.fraction_digits = count,
            other => return self.wrong(at, format!("`{other}` is no facet of XML Schema 1.0")),
        }
        let numbers = local.ends_with("Digits");
        let decimal = matches!(base.variety, Variety::Atomic(Primitive::Decimal));
        let lengthy = match base.variety {
            Variety::Atomic(primitive) => matches!(
                primitive,
                Primitive::String
                    | Primitive::AnyUri
                    | Primitive::HexBinary
                    | Primitive::Base64Binary
                    | Primitive::QName
                    | Primitive::Notation
            ),
            Variety::List(_) => true,
            Variety::Union(_) => false,
        };
        if numbers != decimal || (!numbers && !lengthy) {
            return self.wrong(at, format!("`{local}` does not apply to this type"));
        }
        Ok(())
    }

    /// A value in a facet, which must be one of the base.
    fn facet_value(&mut self, at: At, base: &Simple, id: TypeId, text: &str) -> Loaded<Value> {
        let tree = self.tree(at.part);
        let prefixes = |p: &str| tree.lookup(at.node, p).map(str::to_owned);
        let mut budget = Budget::for_load();
        let checked = self.out.value_of(base, id, text, &prefixes, &mut budget);
        match checked {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(why)) => self.wrong(at, format!("`{}` is no value of the base: {why}", short(text))),
            Err(stop) => self.wrong(at, stop.to_string()),
        }
    }
}

impl Simple {
    fn over_any(space: Space, block: Methods) -> Self {
        Self {
            name: None,
            base: TypeId(0),
            variety: Variety::Union(Vec::new()),
            space,
            builtin: 0,
            facets: Facets::default(),
            block,
        }
    }

    /// The name in messages.
    pub(super) fn shown(&self) -> String {
        match &self.name {
            Some(name) => name.to_string(),
            None => {
                let mut out = BUILTINS[self.builtin].name.to_owned();
                // .NET shows its code for a type without a name.
                out[..1].make_ascii_uppercase();
                out
            }
        }
    }
}

impl XmlSchemas {
    pub(super) fn simple(&self, id: TypeId) -> Option<&Arc<Simple>> {
        match self.types.get(id.0) {
            Some(Type::Simple(simple)) => Some(simple),
            _ => None,
        }
    }

    fn holds_list(&self, simple: &Simple, depth: usize) -> bool {
        match &simple.variety {
            Variety::Atomic(_) => false,
            Variety::List(_) => true,
            Variety::Union(members) => {
                depth > MEMBERS_MAX
                    || members
                        .iter()
                        .any(|m| self.simple(*m).is_some_and(|s| self.holds_list(s, depth + 1)))
            }
        }
    }

    /// The value that a text stands for, or why it is none.
    pub(super) fn value(
        &self,
        id: TypeId,
        text: &str,
        prefixes: Prefixes<'_>,
        budget: &mut Budget,
    ) -> Result<Result<Value, String>, Stop> {
        match self.simple(id) {
            Some(simple) => self.value_of(simple, id, text, prefixes, budget),
            None => Ok(Ok(Value::Text(text.into()))),
        }
    }

    fn value_of(
        &self,
        simple: &Simple,
        id: TypeId,
        text: &str,
        prefixes: Prefixes<'_>,
        budget: &mut Budget,
    ) -> Result<Result<Value, String>, Stop> {
        budget.spend(1 + text.len() / BYTES_PER_STEP)?;
        let settled = simple.space.settle(text);
        let value = match &simple.variety {
            Variety::Atomic(primitive) => {
                let builtin = &BUILTINS[simple.builtin];
                let invalid = || {
                    format!(
                        "The string '{}' is not a valid {} value.",
                        short(&settled),
                        builtin.datatype
                    )
                };
                if !builtin.lexical.admits(&settled) {
                    return Ok(Err(invalid()));
                }
                let Some(value) = read(*primitive, &settled, prefixes) else {
                    return Ok(Err(invalid()));
                };
                if !within(builtin.bounds, &value) {
                    let message = format!(
                        "Value '{}' was either too large or too small for {}.",
                        short(&settled),
                        builtin.datatype
                    );
                    return Ok(Err(message));
                }
                value
            }
            Variety::List(items) => {
                let mut values = Vec::new();
                for word in settled.split(' ').filter(|w| !w.is_empty()) {
                    match self.value(*items, word, prefixes, budget)? {
                        Ok(value) => values.push(value),
                        Err(why) => return Ok(Err(why)),
                    }
                }
                Value::List(values)
            }
            Variety::Union(members) => {
                budget.nest()?;
                let mut found = None;
                for member in members {
                    if let Ok(value) = self.value(*member, &settled, prefixes, budget)? {
                        found = Some(value);
                        break;
                    }
                }
                budget.unnest();
                match found {
                    Some(value) => value,
                    None => {
                        let message = format!(
                            "The value '{}' is not valid according to any of the memberTypes of the union.",
                            short(&settled)
                        );
                        return Ok(Err(message));
                    }
                }
            }
        };
        let _ = id;
        Ok(facets(simple, &settled, &value, budget)?.map_or(Ok(value), |why| Err(why.to_owned())))
    }

    /// The texts in a value that are, or refer to, identities of the document.
    pub(super) fn identities(&self, id: TypeId, text: &str, out: &mut dyn FnMut(bool, &str)) {
        let Some(simple) = self.simple(id) else {
            return;
        };
        match &simple.variety {
            Variety::Atomic(_) => {
                let text = simple.space.settle(text);
                match BUILTINS[simple.builtin].lexical {
                    Lexical::Id => out(true, &text),
                    Lexical::IdRef => out(false, &text),
                    _ => {}
                }
            }
            Variety::List(items) => {
                let lexical = self.simple(*items).map(|s| BUILTINS[s.builtin].lexical);
                if lexical == Some(Lexical::IdRef) {
                    text.split_ascii_whitespace().for_each(|word| out(false, word));
                }
            }
            Variety::Union(_) => {}
        }
    }
}

fn within(bounds: Option<(&str, &str)>, value: &Value) -> bool {
    let (Some((low, high)), Value::Decimal(value)) = (bounds, value) else {
        return true;
    };
    use super::value::Decimal;
    let low = Decimal::read(low).is_none_or(|low| *value >= low);
    low && Decimal::read(high).is_none_or(|high| *value <= high)
}

/// The first facet that a value breaks.
fn facets(
    simple: &Simple,
    text: &str,
    value: &Value,
    budget: &mut Budget,
) -> Result<Option<&'static str>, Stop> {
    let facets = &simple.facets;
    if facets.length.is_some() || facets.min_length.is_some() || facets.max_length.is_some() {
        let length = match value {
            Value::List(items) => items.len(),
            Value::Binary(bytes) => bytes.len(),
            // Of names no length is asked (erratum E2-36).
            Value::Name(..) => usize::MAX,
            _ => text.chars().count(),
        } as u64;
        if length != usize::MAX as u64 {
            if facets.length.is_some_and(|l| l != length) {
                return Ok(Some("The actual length is not equal to the specified length."));
            }
            if facets.min_length.is_some_and(|l| length < l) {
                return Ok(Some("The actual length is less than the MinLength value."));
            }
            if facets.max_length.is_some_and(|l| length > l) {
                return Ok(Some("The actual length is greater than the MaxLength value."));
            }
        }
    }
    if let Value::Decimal(number) = value {
        if facets
            .total_digits
            .is_some_and(|d| number.total_digits() as u64 > d)
        {
            return Ok(Some("The TotalDigits constraint failed."));
        }
        if facets
            .fraction_digits
            .is_some_and(|d| number.fraction_digits() as u64 > d)
        {
            return Ok(Some("The FractionDigits constraint failed."));
        }
    }
    for (bound, beyond, inclusive, exclusive) in [
        (
            &facets.min,
            Ordering::Greater,
            "The MinInclusive constraint failed.",
            "The MinExclusive constraint failed.",
        ),
        (
            &facets.max,
            Ordering::Less,
            "The MaxInclusive constraint failed.",
            "The MaxExclusive constraint failed.",
        ),
    ] {
        if let Some((bound, within)) = bound {
            let order = value.compare(bound);
            if !(order == Some(beyond) || (*within && order == Some(Ordering::Equal))) {
                return Ok(Some(if *within { inclusive } else { exclusive }));
            }
        }
    }
    for step in &facets.patterns {
        budget.spend(step.len() * (1 + text.len() / BYTES_PER_STEP))?;
        let mut matched = false;
        for pattern in step.iter() {
            if pattern.matches(text).map_err(Stop::Pattern)? {
                matched = true;
                break;
            }
        }
        if !matched {
            return Ok(Some("The Pattern constraint failed."));
        }
    }
    if let Some(values) = &facets.enumeration {
        budget.spend(values.len() / BYTES_PER_STEP)?;
        if !values.iter().any(|v| v.equals(value)) {
            return Ok(Some("The Enumeration constraint failed."));
        }
    }
    Ok(None)
}
