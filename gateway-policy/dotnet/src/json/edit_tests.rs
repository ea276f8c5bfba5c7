//! Recorded answers of Newtonsoft.Json 11 for changing trees.

use super::*;
use crate::json::{Formatting, parse_object, parse_token};

fn obj(json: &str) -> Token {
    parse_object(&Str::new(json)).unwrap()
}

fn json(token: &Token) -> String {
    token.to_json(Formatting::None).unwrap().to_string()
}

fn int(value: i64) -> Token {
    Token::value(Scalar::Integer(value))
}

fn message(result: Result<(), Error>) -> String {
    result.unwrap_err().message.into_owned()
}

fn s(text: &str) -> Str {
    Str::new(text)
}

#[test]
fn properties() {
    let o = obj("{\"a\":1}");
    o.set(&s("b"), Some(&int(2))).unwrap();
    o.set(&s("a"), None).unwrap();
    o.add_property(&s("c"), Some(&int(3))).unwrap();
    assert_eq!(json(&o), "{\"a\":null,\"b\":2,\"c\":3}");
    assert!(o.remove_property(&s("a")).unwrap() && !o.remove_property(&s("zz")).unwrap());
    assert_eq!(json(&o), "{\"b\":2,\"c\":3}");
    let taken = "Can not add property b to Newtonsoft.Json.Linq.JObject. Property with the same name already exists on object.";
    assert_eq!(message(o.add_property(&s("b"), None)), taken);
    assert_eq!(
        message(
            o.find_property(&s("c"))
                .unwrap()
                .replace(Some(&Token::property(s("b"), None)))
        ),
        taken
    );
    assert_eq!(
        message(o.add(Some(&int(5)))),
        "Can not add Newtonsoft.Json.Linq.JValue to Newtonsoft.Json.Linq.JObject."
    );
    assert_eq!(
        message(o.get(&s("b")).unwrap().remove()),
        "Cannot add or remove items from Newtonsoft.Json.Linq.JProperty."
    );
    assert_eq!(message(o.remove()), "The parent is missing.");
    assert_eq!(
        message(o.get(&s("b")).unwrap().add_after_self(Some(&int(1)))),
        "Newtonsoft.Json.Linq.JProperty cannot have multiple values."
    );
    o.get(&s("b")).unwrap().replace(Some(&int(5))).unwrap();
    o.find_property(&s("b"))
        .unwrap()
        .add_after_self(Some(&Token::property(s("x"), None)))
        .unwrap();
    assert_eq!(json(&o), "{\"b\":5,\"x\":null,\"c\":3}");
}

#[test]
fn arrays() {
    let a = parse_token(&s("[1,2,3]")).unwrap();
    a.child(0).unwrap().remove().unwrap();
    assert!(!a.remove_item(&int(3)).unwrap(), "an equal value is not the item");
    assert!(a.remove_item(&a.child(1).unwrap()).unwrap());
    assert_eq!(json(&a), "[2]");
    const END: &str = "Index is equal to or greater than Count. (Parameter 'index')";
    assert_eq!(message(a.set_at(2, None)), END);
    assert_eq!(message(a.remove_at(2)), END);
    assert_eq!(
        message(a.insert(2, None)),
        "Index must be within the bounds of the List. (Parameter 'index')"
    );
    assert_eq!(
        message(a.add(Some(&Token::property(s("a"), None)))),
        "Can not add Newtonsoft.Json.Linq.JProperty to Newtonsoft.Json.Linq.JArray."
    );
    assert_eq!(
        message(a.set(&s("x"), None)),
        "Set JArray values with invalid key value: \"x\". Int32 array index expected."
    );
    assert_eq!(
        message(int(1).set(&s("x"), None)),
        "Cannot set child value on Newtonsoft.Json.Linq.JValue."
    );
    assert_eq!(
        message(Token::object().set_at(0, None)),
        "Set JObject values with invalid key value: 0. Object property name expected."
    );
}

#[test]
fn reading_by_index() {
    let read = |json: &str, index: i32| {
        parse_token(&s(json))
            .unwrap()
            .index_number(index)
            .unwrap_err()
            .message
    };
    assert_eq!(
        read("{}", 0),
        "Accessed JObject values with invalid key value: 0. Object property name expected."
    );
    assert_eq!(
        read("5", 0),
        "Cannot access child value on Newtonsoft.Json.Linq.JValue."
    );
    let named = parse_token(&s("[1]"))
        .unwrap()
        .index_name(&s("x"))
        .unwrap_err()
        .message;
    assert_eq!(
        named,
        "Accessed JArray values with invalid key value: \"x\". Int32 array index expected."
    );
}

#[test]
fn a_token_has_one_place() {
    let a = obj("{\"x\":1}");
    let b = Token::object();
    b.set(&s("y"), Some(&a)).unwrap();
    b.set(&s("z"), Some(&a)).unwrap();
    a.set(&s("x"), Some(&int(2))).unwrap();
    assert_eq!(json(&b), "{\"y\":{\"x\":2},\"z\":{\"x\":1}}");
    let own = Token::object();
    own.set(&s("self"), Some(&own)).unwrap();
    assert_eq!(json(&own), "{\"self\":{}}");
    assert!(b.get(&s("y")).unwrap().ptr_eq(&a));
    assert!(a.parent().unwrap().parent().unwrap().ptr_eq(&b) && a.root().ptr_eq(&b));
}

#[test]
fn merging() {
    let o = obj("{\"a\":1,\"b\":[1],\"c\":{\"d\":1}}");
    o.merge(
        &obj("{\"b\":[2],\"c\":{\"e\":2},\"f\":null,\"a\":null}"),
        MergeSettings::default(),
    )
    .unwrap();
    assert_eq!(
        json(&o),
        "{\"a\":1,\"b\":[1,2],\"c\":{\"d\":1,\"e\":2},\"f\":null}"
    );
    for (arrays, expected) in [
        (MergeArrays::Union, "[1,2,3]"),
        (MergeArrays::Replace, "[2,3]"),
        (MergeArrays::Merge, "[2,3]"),
        (MergeArrays::Concat, "[1,2,2,3]"),
    ] {
        let a = parse_token(&s("[1,2]")).unwrap();
        a.merge(
            &parse_token(&s("[2,3]")).unwrap(),
            MergeSettings { arrays, nulls: false },
        )
        .unwrap();
        assert_eq!(json(&a), expected, "{arrays:?}");
    }
}

#[test]
fn equality() {
    let equal = |a: &str, b: &str| {
        parse_token(&s(a))
            .unwrap()
            .deep_equals(&parse_token(&s(b)).unwrap())
            .unwrap()
    };
    assert!(equal("{\"a\":1,\"b\":[2]}", "{\"b\":[2],\"a\":1}"));
    assert!(!equal("{\"a\":1}", "{\"a\":1.0}") && !equal("[1,2]", "[2,1]") && !equal("[1]", "[1,2]"));
    assert!(int(1).equals(&int(1)) && !Token::object().equals(&Token::object()));
}

#[test]
fn walking() {
    let o = obj("{\"a\":1,\"b\":[3]}");
    assert_eq!(o.descendants().len(), 5);
    assert_eq!(o.first().unwrap().next().unwrap().path(), "b");
    assert!(o.last().unwrap().previous().unwrap().ptr_eq(&o.first().unwrap()));
    assert_eq!(o.first().unwrap().to_text().unwrap(), "\"a\": 1");
}

#[test]
fn a_very_deep_tree_is_dropped_and_refused() {
    let mut top = Token::array();
    for _ in 0..200_000 {
        let outer = Token::array();
        outer.add(Some(&top)).unwrap();
        top = outer;
    }
    assert!(top.to_json(Formatting::None).is_err());
    assert!(top.deep_clone().is_err());
}

#[test]
fn many_members_keep_their_order_and_their_index() {
    let o = Token::object();
    for i in 0..100 {
        o.set(&Str::from(format!("k{i}")), Some(&int(i))).unwrap();
    }
    o.remove_property(&s("k50")).unwrap();
    o.find_property(&s("k10"))
        .unwrap()
        .replace(Some(&Token::property(s("new"), None)))
        .unwrap();
    assert!(o.get(&s("k50")).is_none() && o.get(&s("k10")).is_none() && o.get(&s("new")).is_some());
    assert_eq!(o.child(10).unwrap().property_name().unwrap(), "new");
    assert_eq!(o.count(), 99);
}

/// A token keeps the tree it was reached in, and the tree keeps no token.
#[test]
fn parents_outlive_the_root_handle() {
    let text = "{\"a\":[1,{\"b\":2}],\"c\":3}";
    let second = obj(text).first().and_then(|p| p.next()).unwrap();
    assert_eq!(second.path().as_str(), Some("c"));
    assert_eq!(json(&second.parent().unwrap()), text);
    let deep = crate::json::select_token(&obj(text), &s("a[1].b"), false);
    let deep = deep.unwrap().unwrap();
    assert_eq!(deep.path().as_str(), Some("a[1].b"));
    assert_eq!(json(&deep.root()), text);

    // Moved away, its children keep the new root.
    let array = obj(text).get(&s("a")).unwrap();
    array.parent().unwrap().remove().unwrap();
    let property = Token::property(s("z"), Some(&array));
    let item = property.property_value().unwrap().child(1).unwrap();
    let watch = std::rc::Rc::downgrade(&property.0);
    let other = Token::object();
    other.add(Some(&property)).unwrap();
    drop(property);
    assert_eq!(item.path().as_str(), Some("z[1]"));
    drop(other);
    drop((array, item));
    assert!(watch.upgrade().is_none(), "nothing is kept");
}
