//! Reads of `context` by a name that the source text holds: the commonest things expressions do.
//!
//! `context.Variables["x"]`, `context.Request.Headers.GetValueOrDefault("x", "y")` and their relatives are
//! made one node each when they are compiled: the name is prepared for its dictionary, nothing is cloned to
//! be passed as an argument, and a header that is only compared is never copied. What they answer is what
//! the library's members answer; a test holds one against the other.

use http::{HeaderName, HeaderValue};

use crate::{
    Context, Value, cast,
    ir::{CallNode, Const, Node},
    lib,
    types::{STRING, Type},
    value::Part,
    vm::{Eval, Thrown},
};
use gateway_dotnet::Str;

/// A read of one entry.
#[derive(Debug)]
pub(crate) struct Look {
    place: Place,
    then: Then,
}

/// Where the entry is.
#[derive(Debug)]
enum Place {
    Variable(Box<str>),
    /// Of the request.
    Header(HeaderName),
    Matched(Box<str>),
}

/// What is made of it.
#[derive(Debug)]
enum Then {
    /// The value, or the exception that names this key.
    Item(Str),
    Exists,
    /// The value, or this one.
    Or(Const),
    /// The value cast to the type, or this one.
    CastOr(Type, Const),
}

/// The node of a call: a [`Look`] where it can be one.
pub(crate) fn fuse(call: CallNode) -> Node {
    match look(&call) {
        Some(look) => Node::Look(Box::new(look)),
        None => Node::Call(Box::new(call)),
    }
}

fn look(call: &CallNode) -> Option<Look> {
    let [
        Node::Const(Const::Part(part)),
        Node::Const(Const::Str(key)),
        rest @ ..,
    ] = &*call.args
    else {
        return None;
    };
    let name = key.as_str()?;
    let default = match rest {
        [] => None,
        [Node::Const(default)] => Some(default.clone()),
        [Node::Default(ty)] => Some(Const::of(&cast::default_value(ty))?),
        _ => return None,
    };
    let then = match (&*call.name, part, default) {
        ("Item", Part::Variables | Part::MatchedParameters, None) => Then::Item(key.clone()),
        ("ContainsKey", _, None) => Then::Exists,
        ("GetValueOrDefault", Part::Variables, default) => match (&*call.types, default) {
            ([ty], Some(default)) => Then::CastOr(ty.clone(), default),
            ([], None) => Then::Or(Const::Null),
            _ => return None,
        },
        ("GetValueOrDefault", _, Some(default)) => Then::Or(default),
        _ => return None,
    };
    let place = match part {
        Part::Variables => Place::Variable(name.into()),
        Part::RequestHeaders => Place::Header(HeaderName::from_bytes(name.as_bytes()).ok()?),
        Part::MatchedParameters => Place::Matched(name.into()),
        _ => return None,
    };
    Some(Look { place, then })
}

/// An entry that was found.
enum Entry<'c> {
    Value(&'c Value),
    Text(&'c str),
    /// The first header of its name.
    Header(&'c HeaderValue),
}

impl Look {
    fn find<'c>(&self, context: &'c Context) -> Option<Entry<'c>> {
        match &self.place {
            Place::Variable(name) => context.variables.get(name).map(Entry::Value),
            Place::Header(name) => context.request.headers.get(name).map(Entry::Header),
            Place::Matched(name) => {
                let all = &context.request.matched_parameters;
                let found = all.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
                found.map(|(_, text)| Entry::Text(text))
            }
        }
    }

    /// The value of the whole read.
    pub(crate) fn eval(&self, context: &Context) -> Eval {
        let found = self.find(context);
        if let Then::Exists = self.then {
            return Ok(Value::Bool(found.is_some()));
        }
        let value = match found {
            Some(Entry::Value(value)) => value.clone(),
            Some(Entry::Text(text)) => Value::string(text),
            Some(Entry::Header(first)) => self.header(first, context),
            None => return self.missing(context),
        };
        match &self.then {
            Then::CastOr(ty, _) => cast::cast(value, ty),
            _ => Ok(value),
        }
    }

    #[cold]
    fn key_not_found(key: &Str) -> Thrown {
        lib::missing_key(&Value::Str(key.clone()))
    }

    fn missing(&self, context: &Context) -> Eval {
        match &self.then {
            Then::Item(_) if self.may_be_missing(context) => Ok(Value::Null),
            Then::Item(key) => Err(Self::key_not_found(key)),
            Then::Exists => Ok(Value::Bool(false)),
            Then::Or(default) | Then::CastOr(_, default) => Ok(default.value()),
        }
    }

    fn may_be_missing(&self, context: &Context) -> bool {
        matches!(self.place, Place::Variable(_)) && context.evaluation.rules.missing_variable_is_null
    }

    /// All headers of the name, joined by commas.
    fn header(&self, first: &HeaderValue, context: &Context) -> Value {
        let Place::Header(name) = &self.place else {
            return Value::Null;
        };
        let mut all = context.request.headers.get_all(name).iter();
        all.next();
        match all.next() {
            None => lib::header_value(first),
            Some(_) => lib::joined_headers(context.request.headers.get_all(name)),
        }
    }

    /// Whether the read gives exactly this text, without making a string of it; `None` if that cannot be
    /// told without evaluating.
    pub(crate) fn is_text(&self, text: &Str, context: &Context) -> Option<bool> {
        let wanted = text.as_str()?;
        match (self.find(context), &self.then) {
            (Some(Entry::Text(found)), Then::Item(_) | Then::Or(_)) => Some(found == wanted),
            (Some(Entry::Header(first)), Then::Or(_)) => {
                let Place::Header(name) = &self.place else {
                    return None;
                };
                let one = context.request.headers.get_all(name).iter().nth(1).is_none();
                // Bytes above ASCII may be read as Latin-1: leave them to the full look-up.
                (one && first.as_bytes().is_ascii()).then(|| first.as_bytes() == wanted.as_bytes())
            }
            (Some(Entry::Value(Value::Str(found))), Then::CastOr(Type::Def(STRING), _)) => {
                Some(found == text)
            }
            (None, Then::Or(Const::Str(default)) | Then::CastOr(_, Const::Str(default))) => {
                Some(default == text)
            }
            (None, Then::Or(Const::Null) | Then::CastOr(_, Const::Null)) => Some(false),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::cases;

    /// The same read by a name known at load and by one that is not: they must agree to the message.
    #[track_caller]
    fn check(of: &str, name: &str, rest: &str) {
        let context = json!({
            "request": {
                "headers": {"one": "1", "two": ["a", "b"], "latin": "\u{e9}", "empty": ""},
                "matchedParameters": {"Id": "7"},
            },
            "variables": {"s": "text", "i": 3, "n": null, "e\u{301}": "x"},
        });
        let direct = of.replace("KEY", &format!("\"{name}\"")) + rest;
        let hidden = format!("{}{rest}", of.replace("KEY", "key"));
        let hidden = format!("@{{ var key = \"{name}\".Trim(); return {hidden}; }}");
        assert_eq!(
            cases::outcome(&format!("@({direct})"), &context),
            cases::outcome(&hidden, &context),
            "{direct}"
        );
    }

    #[test]
    fn the_short_way_answers_as_the_library() {
        for name in ["s", "S", "i", "n", "none", "", "e\u{301}"] {
            for of in [
                "context.Variables[KEY]",
                "(string)context.Variables[KEY]",
                "(int)context.Variables[KEY]",
                "(string)context.Variables[KEY] == \"text\"",
                "context.Variables.ContainsKey(KEY)",
                "context.Variables.GetValueOrDefault(KEY)",
                "context.Variables.GetValueOrDefault<string>(KEY)",
                "context.Variables.GetValueOrDefault<string>(KEY, \"d\")",
                "context.Variables.GetValueOrDefault<string>(KEY, \"d\") == \"d\"",
                "context.Variables.GetValueOrDefault<int>(KEY, 4)",
                "context.Variables.GetValueOrDefault<int>(KEY) + 1",
            ] {
                check(of, name, "");
            }
        }
        for name in [
            "one",
            "ONE",
            "two",
            "latin",
            "empty",
            "none",
            "not a name",
            "id",
            "Id",
        ] {
            for of in [
                "context.Request.Headers.GetValueOrDefault(KEY)",
                "context.Request.Headers.GetValueOrDefault(KEY, \"d\")",
                "context.Request.Headers.ContainsKey(KEY)",
                "context.Request.Headers[KEY][0]",
                "context.Request.MatchedParameters[KEY]",
                "context.Request.MatchedParameters.ContainsKey(KEY)",
                "context.Request.MatchedParameters.GetValueOrDefault(KEY, \"d\")",
                "context.Request.Url.Query.GetValueOrDefault(KEY, \"d\")",
            ] {
                check(of, name, "");
                for text in ["1", "d", "a,b", "\u{e9}", ""] {
                    check(of, name, &format!(" == \"{text}\""));
                    check(of, name, &format!(" != \"{text}\""));
                }
            }
        }
    }
    #[test]
    fn a_missing_variable_is_null_where_the_rules_say_so() {
        let mut context = cases::context_from_json(&json!({})).unwrap();
        context.evaluation.rules.missing_variable_is_null = true;
        for (source, expected) in [
            ("context.Variables[\"none\"]", Some("null")),
            (
                "(string)context.Variables[\"none\"] == null",
                Some("System.Boolean(True)"),
            ),
            ("context.Request.MatchedParameters[\"none\"]", None),
        ] {
            let (expression, _) = crate::compile(source).unwrap();
            let value = expression.evaluate(&mut context, &cases::FixedWorld::default());
            assert_eq!(
                value.ok().map(|v| format!("{v:?}")).as_deref(),
                expected,
                "{source}"
            );
        }
    }
}
