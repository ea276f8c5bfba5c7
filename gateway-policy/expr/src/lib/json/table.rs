//! The tables of LINQ to JSON and `JsonConvert`: signatures as C# writes them, and the functions beside this file.

use super::*;
use crate::lib::Entry::{self, Denied};

macro_rules! jtoken_members {
    ($($to:literal => $target:expr;)* | $($from:literal,)*) => {
        &[
            $(Get(concat!("static explicit operator ", $to, "(JToken value)"), |c| explicit(c, $target, false)),)*
            $(Get(concat!("static explicit operator ", $to, "?(JToken value)"), |c| explicit(c, $target, true)),)*
            Get("static explicit operator string(JToken value)", |c| explicit(c, Target::String, true)),
            Get("static explicit operator byte[](JToken value)", |c| explicit(c, Target::Bytes, true)),
            Get("static explicit operator Uri(JToken value)", |c| explicit(c, Target::Uri, true)),
            $(Get(concat!("static implicit operator JToken(", $from, " value)"), new_value),)*
            Get("static implicit operator JToken(string value)", new_text),
            Get("static JTokenEqualityComparer EqualityComparer", |_| Ok(json_comparer())),
            Get("JTokenType Type", type_of),
            Get("bool HasValues", |c| Ok(Value::Bool(c.json(0)?.count() > 0))),
            Get("JContainer Parent", |c| token(c.json(0)?.parent())),
            Get("JToken Root", |c| Ok(Value::Json(c.json(0)?.root()))),
            Get("JToken Next", |c| token(c.json(0)?.next())),
            Get("JToken Previous", |c| token(c.json(0)?.previous())),
            Get("JToken First", |c| { let t = c.json(0)?; access_child(&t)?; token(t.first()) }),
            Get("JToken Last", |c| { let t = c.json(0)?; access_child(&t)?; token(t.last()) }),
            Get("string Path", |c| text(c.json(0)?.path())),
            Set("JToken this[object key]", index_get, index_set),
            Get("static JToken Parse(string json)", |c| parse(c, json::parse_token)),
            Get("static JToken FromObject(object o)", |c| from_object(c, None)),
            Get("static bool DeepEquals(JToken t1, JToken t2)", deep_equals),
            Get("JToken DeepClone()", |c| {
                let t = c.json(0)?;
                charge_copy(c.vm, &t)?;
                Ok(Value::Json(t.deep_clone()?))
            }),
            Get("T ToObject<T>()", to_object),
            Get("object ToObject(Type objectType)", to_object_typed),
            Get("T Value<T>(object key)", value_of_key),
            Get("IEnumerable<T> Values<T>()", children_values),
            Get("JEnumerable<JToken> Children()", |c| children(c, false)),
            Get("JEnumerable<T> Children<T>()", |c| children(c, true)),
            Get("JToken SelectToken(string path)", select),
            Get("JToken SelectToken(string path, bool errorWhenNoMatch)", select),
            Get("IEnumerable<JToken> SelectTokens(string path)", select_all),
            Get("IEnumerable<JToken> SelectTokens(string path, bool errorWhenNoMatch)", select_all),
            Get("void Remove()", |c| { c.json(0)?.remove()?; Ok(Value::Null) }),
            Get("void Replace(JToken value)", |c| {
                let (t, v) = (c.json(0)?, opt_json(c, 1));
                charge_added(c.vm, &t, v.as_ref())?;
                t.replace(v.as_ref())?;
                Ok(Value::Null)
            }),
            Get("void AddAfterSelf(object content)", |c| {
                let mut at = c.json(0)?;
                for item in one_content(c, 1)? {
                    at.add_after_self(item.as_ref())?;
                    if let Some(next) = at.next() { at = next; }
                }
                Ok(Value::Null)
            }),
            Get("void AddBeforeSelf(object content)", |c| {
                for item in one_content(c, 1)? { c.json(0)?.add_before_self(item.as_ref())?; }
                Ok(Value::Null)
            }),
            Get("IEnumerable<JToken> Ancestors()", |c| ancestors(c, false)),
            Get("IEnumerable<JToken> AncestorsAndSelf()", |c| ancestors(c, true)),
            Get("IEnumerable<JToken> AfterSelf()", |c| siblings(c, true)),
            Get("IEnumerable<JToken> BeforeSelf()", |c| siblings(c, false)),
            Get("string ToString()", token_text),
            Get("string ToString(Newtonsoft.Json.Formatting formatting, params Newtonsoft.Json.JsonConverter[] converters)", token_text),
        ]
    };
}

/// `JToken.EqualityComparer`
fn json_comparer() -> Value {
    let ty = types::registry()
        .type_named("Newtonsoft.Json.Linq.JTokenEqualityComparer")
        .unwrap_or(Type::OBJECT);
    Value::object(ty, Data::Native(Box::new(crate::equality::Comparer::Json)))
}

/// `First` and `Last` do not exist on values.
fn access_child(t: &Token) -> Result<(), Thrown> {
    if t.is_container() {
        return Ok(());
    }
    Err(Error::invalid_operation(format!("Cannot access child value on {}.", t.type_name())).into())
}

fn deep_equals(c: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Bool(match (c.arg(0), c.arg(1)) {
        (Value::Json(a), Value::Json(b)) => a.deep_equals(b)?,
        (a, b) => a.is_null() && b.is_null(),
    }))
}

const JTOKEN: &[Entry] = jtoken_members! {
    "bool" => Target::Boolean;
    "char" => Target::Integer(IntType::Char);
    "sbyte" => Target::Integer(IntType::SByte);
    "byte" => Target::Integer(IntType::Byte);
    "short" => Target::Integer(IntType::Int16);
    "ushort" => Target::Integer(IntType::UInt16);
    "int" => Target::Integer(IntType::Int32);
    "uint" => Target::Integer(IntType::UInt32);
    "long" => Target::Integer(IntType::Int64);
    "ulong" => Target::Integer(IntType::UInt64);
    "float" => Target::Single;
    "double" => Target::Double;
    "decimal" => Target::Decimal;
    "DateTime" => Target::DateTime;
    "DateTimeOffset" => Target::DateTimeOffset;
    "Guid" => Target::Guid;
    "TimeSpan" => Target::TimeSpan;
    | "bool", "bool?", "sbyte", "sbyte?", "byte", "byte?", "short", "short?", "ushort", "ushort?", "int", "int?",
    "uint", "uint?", "long", "long?", "ulong", "ulong?", "float", "float?", "double", "double?", "decimal", "decimal?",
    "DateTime", "DateTime?", "DateTimeOffset", "DateTimeOffset?", "Guid", "Guid?", "TimeSpan", "TimeSpan?",
    "byte[]", "Uri",
};

const JVALUE: &[Entry] = &[
    Get("ctor(JValue other)", new_value),
    Get("ctor(object value)", new_object_value),
    Get("ctor(string value)", new_text),
    Get("ctor(long value)", new_value),
    Get("ctor(ulong value)", new_value),
    Get("ctor(double value)", new_value),
    Get("ctor(float value)", new_value),
    Get("ctor(decimal value)", new_value),
    Get("ctor(bool value)", new_value),
    Get("ctor(char value)", new_value),
    Get("ctor(DateTime value)", new_value),
    Get("ctor(DateTimeOffset value)", new_value),
    Get("ctor(Guid value)", new_value),
    Get("ctor(TimeSpan value)", new_value),
    Set("object Value", jvalue_value, jvalue_set),
    Get("static JValue CreateNull()", |_| Ok(Value::Json(Token::null()))),
    Get("static JValue CreateString(string value)", new_text),
    Get("static JValue CreateUndefined()", |_| {
        Ok(Value::Json(Token::value(Scalar::Undefined)))
    }),
    Get("static JValue CreateComment(string value)", |c| {
        Ok(Value::Json(Token::value(Scalar::Comment(c.str_or_empty(0)))))
    }),
    Get("string ToString()", base::to_string),
    Get("string ToString(string format)", base::format),
    Get("string ToString(IFormatProvider formatProvider)", base::to_string),
    Get(
        "string ToString(string format, IFormatProvider formatProvider)",
        base::format,
    ),
    Get("bool Equals(JValue other)", json_equals),
    Get("bool Equals(object obj)", json_equals),
    Get("int CompareTo(JValue obj)", |c| {
        Ok(Value::Int(crate::equality::compare(c.arg(0), c.arg(1))? as i32))
    }),
    Get("int GetHashCode()", base::hash_code),
];

const JOBJECT: &[Entry] = &[
    Get("ctor()", new_object),
    Get("ctor(JObject other)", new_object),
    Get("ctor(params object[] content)", new_object),
    Get("ctor(object content)", new_object),
    Set("JToken this[string propertyName]", index_get, index_set),
    Get("static JObject Parse(string json)", |c| {
        parse(c, json::parse_object)
    }),
    Get("static JObject FromObject(object o)", |c| {
        from_object(c, Some(TokenType::Object))
    }),
    Get("void Add(string propertyName, JToken value)", add_named),
    Get("bool Remove(string propertyName)", remove_named),
    Get("JToken GetValue(string propertyName)", get_value),
    Get(
        "JToken GetValue(string propertyName, StringComparison comparison)",
        get_value,
    ),
    Get(
        "bool TryGetValue(string propertyName, out JToken value)",
        try_get_value,
    ),
    Get(
        "bool TryGetValue(string propertyName, StringComparison comparison, out JToken value)",
        try_get_value,
    ),
    Get("bool ContainsKey(string propertyName)", contains_key),
    Get("JProperty Property(string name)", |c| {
        Ok(match c.opt_str(1) {
            Some(name) => c.json(0)?.find_property(&name).map_or(Value::Null, Value::Json),
            None => Value::Null,
        })
    }),
    Get("IEnumerable<JProperty> Properties()", properties),
    Get("JEnumerable<JToken> PropertyValues()", |c| {
        tokens(
            c.json(0)?
                .children()
                .iter()
                .filter_map(Token::property_value)
                .collect(),
        )
    }),
];

const JARRAY: &[Entry] = &[
    Get("ctor()", new_array),
    Get("ctor(JArray other)", copy),
    Get("ctor(params object[] content)", new_array),
    Get("ctor(object content)", new_array),
    Set("JToken this[int index]", index_get, index_set),
    Get("static JArray Parse(string json)", |c| {
        parse(c, json::parse_array)
    }),
    Get("static JArray FromObject(object o)", |c| {
        from_object(c, Some(TokenType::Array))
    }),
    Get("void Add(JToken item)", |c| {
        let (t, item) = (c.json(0)?, opt_json(c, 1));
        c.vm.charge(64)?;
        shallow(&t)?;
        charge_added(c.vm, &t, item.as_ref())?;
        t.add(item.as_ref())?;
        Ok(Value::Null)
    }),
    Get("void Insert(int index, JToken item)", |c| {
        let (t, i, item) = (c.json(0)?, c.int(1)?, opt_json(c, 2));
        let at = usize::try_from(i).map_err(|_| crate::lib::collections::out_of_range())?;
        shallow(&t)?;
        c.vm.charge(64)?;
        charge_added(c.vm, &t, item.as_ref())?;
        t.insert(at, item.as_ref())?;
        Ok(Value::Null)
    }),
    Get("bool Remove(JToken item)", |c| {
        let item = item_arg(c, 1);
        Ok(Value::Bool(c.json(0)?.remove_item(&item)?))
    }),
    Get("void RemoveAt(int index)", |c| {
        c.json(0)?.remove_at(c.int(1)?)?;
        Ok(Value::Null)
    }),
    Get("void Clear()", |c| {
        c.json(0)?.clear()?;
        Ok(Value::Null)
    }),
    Get("bool Contains(JToken item)", |c| {
        let item = item_arg(c, 1);
        Ok(Value::Bool(c.json(0)?.index_of_item(&item) >= 0))
    }),
    Get("int IndexOf(JToken item)", |c| {
        let item = item_arg(c, 1);
        Ok(Value::Int(c.json(0)?.index_of_item(&item)))
    }),
    Get("bool IsReadOnly", |_| Ok(Value::Bool(false))),
    Get("IEnumerator<JToken> GetEnumerator()", |c| {
        let iter = iterate(&c.json(0)?);
        let ty = Type::generic(types::IENUMERATOR_T, [Type::Def(types::JTOKEN)]);
        Ok(Value::object(
            ty,
            Data::Enumerator(std::cell::RefCell::new((iter, Value::Null))),
        ))
    }),
];

pub(crate) const TYPES: &[Decl] = &[
    all(
        "abstract class Newtonsoft.Json.Linq.JToken : IEnumerable<JToken>, ICloneable",
        JTOKEN,
    ),
    all(
        "abstract class Newtonsoft.Json.Linq.JContainer : JToken",
        &[
            Get("int Count", |c| Ok(Value::Int(c.json(0)?.count() as i32))),
            Get("void Add(object content)", add),
            Get("void AddFirst(object content)", add_first),
            Get("void RemoveAll()", |c| {
                c.json(0)?.clear()?;
                Ok(Value::Null)
            }),
            Get("void ReplaceAll(object content)", |c| {
                c.json(0)?.clear()?;
                add(c)
            }),
            Get("void Merge(object content)", merge),
            Get("void Merge(object content, JsonMergeSettings settings)", merge),
            Get("IEnumerable<JToken> Descendants()", |c| descendants(c, false)),
            Get("IEnumerable<JToken> DescendantsAndSelf()", |c| {
                descendants(c, true)
            }),
        ],
    ),
    all(
        "class Newtonsoft.Json.Linq.JObject : JContainer, IDictionary<string, JToken>",
        JOBJECT,
    ),
    all(
        "class Newtonsoft.Json.Linq.JArray : JContainer, IList<JToken>",
        JARRAY,
    ),
    all(
        "class Newtonsoft.Json.Linq.JValue : JToken, IEquatable<JValue>, IFormattable, IComparable",
        JVALUE,
    ),
    all(
        "class Newtonsoft.Json.Linq.JProperty : JContainer",
        &[
            Get("ctor(JProperty other)", copy),
            Get("ctor(string name, object content)", new_property),
            Get("ctor(string name, params object[] content)", new_property),
            Get("string Name", property_name),
            Set(
                "JToken Value",
                |c| token(c.json(0)?.property_value()),
                |c| {
                    let (t, v) = (c.json(0)?, opt_json(c, 1));
                    charge_added(c.vm, &t, v.as_ref())?;
                    t.set_property_value(v.as_ref())?;
                    Ok(Value::Null)
                },
            ),
        ],
    ),
    all(
        "class Newtonsoft.Json.Linq.JRaw : JValue",
        &[Get("ctor(object rawJson)", |c| {
            let s = crate::text::to_text(c.arg(0));
            Ok(Value::Json(Token::value(Scalar::Raw(s))))
        })],
    ),
    all(
        "class Newtonsoft.Json.Linq.JConstructor : JContainer",
        &[
            Get("ctor(string name)", new_constructor),
            Get("ctor(string name, object content)", new_constructor),
            Get("ctor(string name, params object[] content)", new_constructor),
            Get("string Name", |c| {
                Ok(c.json(0)?.constructor_name().map_or(Value::Null, Value::Str))
            }),
        ],
    ),
    all(
        "struct Newtonsoft.Json.Linq.JEnumerable<T> : IEnumerable<T>",
        &[Get("IEnumerable<JToken> this[object key]", index_each)],
    ),
    none(
        "class Newtonsoft.Json.Linq.JTokenEqualityComparer : IEqualityComparer<JToken>",
        &[
            Get("ctor()", |_| Ok(json_comparer())),
            Get("bool Equals(JToken x, JToken y)", |c| {
                let (x, y) = (c.arg(1).clone(), c.arg(2).clone());
                Ok(Value::Bool(crate::equality::equals(
                    &x,
                    &y,
                    crate::equality::Comparer::Json,
                )))
            }),
        ],
    ),
    none(
        "struct System.Numerics.BigInteger",
        &[Get("string ToString()", base::to_string)],
    ),
    all(
        "static Newtonsoft.Json.Linq.Extensions",
        &[
            Get(
                "static U Value<U>(this IEnumerable<JToken> value)",
                extension_value,
            ),
            Get("static U Value<T, U>(this IEnumerable<T> value)", extension_value),
            Get(
                "static IEnumerable<JToken> AsJEnumerable(this IEnumerable<JToken> source)",
                |c| Ok(c.take(0)),
            ),
            Get(
                "static IEnumerable<JToken> Values(this IEnumerable<JToken> source)",
                extension_values,
            ),
            Get(
                "static IEnumerable<JToken> Values(this IEnumerable<JToken> source, object key)",
                extension_values,
            ),
            Get(
                "static IEnumerable<U> Values<U>(this IEnumerable<JToken> source)",
                extension_values,
            ),
            Get(
                "static IEnumerable<U> Values<U>(this IEnumerable<JToken> source, object key)",
                extension_values,
            ),
            Get(
                "static IEnumerable<JToken> Children<T>(this IEnumerable<T> source) where T : JToken",
                |c| {
                    let mut list = Vec::new();
                    for item in c.sequence(0, "source")? {
                        if let Value::Json(t) = item {
                            list.extend(t.children());
                        }
                    }
                    tokens(list)
                },
            ),
            Get(
                "static IEnumerable<JProperty> Properties(this IEnumerable<JObject> source)",
                |c| {
                    let mut list = Vec::new();
                    for item in c.sequence(0, "source")? {
                        if let Value::Json(t) = item {
                            list.extend(t.children());
                        }
                    }
                    tokens_of(
                        Type::Def(types::JPROPERTY),
                        list.into_iter().map(Value::Json).collect(),
                    )
                },
            ),
            Get(
                "static IEnumerable<JToken> Descendants<T>(this IEnumerable<T> source) where T : JContainer",
                |c| {
                    let mut list = Vec::new();
                    for item in c.sequence(0, "source")? {
                        if let Value::Json(t) = item {
                            list.extend(t.descendants());
                        }
                    }
                    tokens(list)
                },
            ),
        ],
    ),
    values(
        "enum Newtonsoft.Json.Linq.JTokenType",
        Verdict::All,
        &[
            ("None", 0),
            ("Object", 1),
            ("Array", 2),
            ("Constructor", 3),
            ("Property", 4),
            ("Comment", 5),
            ("Integer", 6),
            ("Float", 7),
            ("String", 8),
            ("Boolean", 9),
            ("Null", 10),
            ("Undefined", 11),
            ("Date", 12),
            ("Raw", 13),
            ("Bytes", 14),
            ("Guid", 15),
            ("Uri", 16),
            ("TimeSpan", 17),
        ],
    ),
    values(
        "enum Newtonsoft.Json.Formatting",
        Verdict::All,
        &[("None", 0), ("Indented", 1)],
    ),
    values(
        "enum Newtonsoft.Json.Linq.MergeArrayHandling",
        Verdict::None,
        &[("Concat", 0), ("Union", 1), ("Replace", 2), ("Merge", 3)],
    ),
    values(
        "flags enum Newtonsoft.Json.Linq.MergeNullValueHandling",
        Verdict::None,
        &[("Ignore", 0), ("Merge", 1)],
    ),
    none(
        "class Newtonsoft.Json.Linq.JsonMergeSettings",
        &[
            Get("ctor()", |_| {
                Ok(Value::object(
                    types::registry()
                        .type_named("Newtonsoft.Json.Linq.JsonMergeSettings")
                        .unwrap_or(Type::OBJECT),
                    Data::Native(Box::new(std::cell::RefCell::new(MergeSettings::default()))),
                ))
            }),
            Set(
                "MergeArrayHandling MergeArrayHandling",
                |_| Ok(Value::Null),
                |c| {
                    let n = c.enumeration(1)?;
                    merge_settings(c, |s| {
                        s.arrays = match n {
                            1 => MergeArrays::Union,
                            2 => MergeArrays::Replace,
                            3 => MergeArrays::Merge,
                            _ => MergeArrays::Concat,
                        }
                    })
                },
            ),
            Set(
                "MergeNullValueHandling MergeNullValueHandling",
                |_| Ok(Value::Null),
                |c| {
                    let n = c.enumeration(1)?;
                    merge_settings(c, |s| s.nulls = n == 1)
                },
            ),
        ],
    ),
    none("abstract class Newtonsoft.Json.JsonConverter", &[]),
    none(
        "class Newtonsoft.Json.JsonSerializerSettings",
        &[
            Get("ctor()", |_| {
                let ty = types::registry()
                    .type_named("Newtonsoft.Json.JsonSerializerSettings")
                    .unwrap_or(Type::OBJECT);
                Ok(Value::object(
                    ty,
                    Data::Native(Box::new(std::cell::Cell::new(PLAIN))),
                ))
            }),
            Set(
                "Newtonsoft.Json.NullValueHandling NullValueHandling",
                |c| {
                    let skip = settings(c, |_| {})?.skip_nulls;
                    Ok(enum_value("Newtonsoft.Json.NullValueHandling", i64::from(skip)))
                },
                |c| {
                    let n = c.enumeration(1)?;
                    settings(c, |s| s.skip_nulls = n == 1)?;
                    Ok(Value::Null)
                },
            ),
            Set(
                "Newtonsoft.Json.Formatting Formatting",
                |c| {
                    let how = settings(c, |_| {})?.how;
                    let n = i64::from(matches!(how, Formatting::Indented));
                    Ok(enum_value("Newtonsoft.Json.Formatting", n))
                },
                |c| {
                    let n = c.enumeration(1)?;
                    settings(c, |s| s.how = formatting_of(n.into()))?;
                    Ok(Value::Null)
                },
            ),
        ],
    ),
    values(
        "enum Newtonsoft.Json.NullValueHandling",
        Verdict::None,
        &[("Include", 0), ("Ignore", 1)],
    ),
    only(
        "static Newtonsoft.Json.JsonConvert",
        &["SerializeObject", "DeserializeObject"],
        &[
            Get("static string SerializeObject(object value)", serialize),
            Get(
                "static string SerializeObject(object value, Newtonsoft.Json.Formatting formatting)",
                serialize,
            ),
            Denied(
                "static string SerializeObject(object value, Newtonsoft.Json.JsonSerializerSettings settings)",
                serialize,
            ),
            Denied(
                "static string SerializeObject(object value, Newtonsoft.Json.Formatting formatting, Newtonsoft.Json.JsonSerializerSettings settings)",
                serialize,
            ),
            Get("static object DeserializeObject(string value)", deserialize),
            Get("static T DeserializeObject<T>(string value)", deserialize_as),
            Get(
                "static object DeserializeObject(string value, Type type)",
                deserialize_typed,
            ),
            Get(
                "static T DeserializeAnonymousType<T>(string value, T anonymousTypeObject)",
                deserialize_as,
            ),
            Get("static string ToString(object value)", serialize),
        ],
    ),
];
