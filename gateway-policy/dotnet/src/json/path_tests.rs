//! Recorded answers of Newtonsoft.Json 11 for JSONPath.

use super::*;
use crate::json::{Formatting, parse_token};

fn all(json: &str, path: &str) -> String {
    let token = parse_token(&Str::new(json)).unwrap();
    let shown = |t: &Token| t.to_json(Formatting::None).unwrap().to_string();
    select_tokens(&token, &Str::new(path), false).map_or_else(
        |e| format!("!{}", e.message),
        |found| found.iter().map(shown).collect::<Vec<_>>().join(" "),
    )
}

fn one(json: &str, path: &str, strict: bool) -> String {
    let token = parse_token(&Str::new(json)).unwrap();
    match select_token(&token, &Str::new(path), strict) {
        Ok(None) => "null".to_owned(),
        Ok(Some(t)) => t.to_json(Formatting::None).unwrap().to_string(),
        Err(e) => format!("!{}", e.message),
    }
}

#[test]
fn several() {
    const NUMBERS: &str = "{\"a\":[1,2,3,4],\"m\":2}";
    const ITEMS: &str = "{\"a\":[{\"x\":1,\"y\":3},{\"x\":2},{\"y\":3}]}";
    const NESTED: &str = "{\"a\":{\"x\":1},\"b\":{\"x\":2}}";
    for (json, path, expected) in [
        (NUMBERS, "a[1:3]", "2 3"),
        (NUMBERS, "a[-1:]", "4"),
        (NUMBERS, "a[::2]", "1 3"),
        (NUMBERS, "a[::-1]", "4 3 2 1"),
        (NUMBERS, "a[0,2]", "1 3"),
        (NUMBERS, "a[?(@>2)]", "3 4"),
        (NUMBERS, "a[?(@==$.m)]", "2"),
        ("{\"a\":1,\"b\":2}", "['a','b']", "1 2"),
        (NESTED, "*.x", "1 2"),
        (NESTED, "$..x", "1 2"),
        (ITEMS, "$..[0]", ""),
        (ITEMS, "a[?(@.x)]", "{\"x\":1,\"y\":3} {\"x\":2}"),
        (ITEMS, "a[?(@.x>1)]", "{\"x\":2}"),
        (ITEMS, "a[?(@.x==1 || @.y==3)]", "{\"x\":1,\"y\":3} {\"y\":3}"),
        (ITEMS, "a[?(@.x==1 && @.y==3)]", "{\"x\":1,\"y\":3}"),
        (
            ITEMS,
            "a[?(@.x==1||@.y==3)]",
            "!Unexpected character while parsing path query: )",
        ),
        ("[{\"x\":\"q\"},{\"x\":2}]", "[?(@.x=='q')]", "{\"x\":\"q\"}"),
        ("[{\"x\":\"q\"},{\"x\":2}]", "[?(@.x!='q')]", "{\"x\":2}"),
        ("[{\"x\":\"5\"},{\"x\":5}]", "[?(@.x==5)]", "{\"x\":5}"),
        ("[{\"x\":null},{\"x\":5}]", "[?(@.x==null)]", "{\"x\":null}"),
        ("[{\"x\":true},{\"x\":5}]", "[?(@.x==true)]", "{\"x\":true}"),
        (
            "[{\"x\":\"abc\"},{\"x\":2}]",
            "[?(@.x=~/^A/i)]",
            "{\"x\":\"abc\"}",
        ),
    ] {
        assert_eq!(all(json, path), expected, "{json} {path}");
    }
    let token = parse_token(&Str::new("{\"a\":[{\"x\":1},{\"x\":2}]}")).unwrap();
    assert_eq!(select_tokens(&token, &Str::new("$..*"), false).unwrap().len(), 6);
}

#[test]
fn single() {
    const A1: &str = "{\"a\":[1]}";
    for (json, path, strict, expected) in [
        ("{\"a\":{\"b c\":1}}", "a['b c']", false, "1"),
        ("{\"a\":{\"b c\":1}}", "$['a']['b c']", false, "1"),
        ("{\"a-b\":1}", "a-b", false, "1"),
        ("[{\"a\":1}]", "[0].a", false, "1"),
        ("{\"a\":[[1,2]]}", "a[0][1]", false, "2"),
        ("{\"a\":1}", "a.b", false, "null"),
        (A1, "$", false, "{\"a\":[1]}"),
        (A1, "", false, "{\"a\":[1]}"),
        ("{\"a\":1}", "a.b", true, "!Property 'b' not valid on JValue."),
        ("{\"a\":1}", "b", true, "!Property 'b' does not exist on JObject."),
        (A1, "a[3]", true, "!Index 3 outside the bounds of JArray."),
        (A1, "a.b", true, "!Property 'b' not valid on JArray."),
        ("{\"a\":1}", "[0]", true, "!Index 0 not valid on JObject."),
        (
            A1,
            "a[-1]",
            false,
            "!Index was out of range. Must be non-negative and less than the size of the collection. (Parameter 'index')",
        ),
        (A1, "a[", false, "!Path ended with open indexer."),
        (
            A1,
            "a[x]",
            false,
            "!Unexpected character while parsing path indexer: x",
        ),
        (A1, "a[1", false, "!Path ended with open indexer."),
        (A1, "a[]", false, "!Array index expected."),
        (A1, "a[?(@.x]", false, "!Path ended with open query."),
        (A1, "a[?(@.x=1)]", false, "!Could not read query operator."),
        (A1, "a b", false, "!Unexpected character while parsing path:  "),
        (A1, "a.", false, "!Unexpected end while parsing path."),
        (A1, "a..", false, "!Unexpected end while parsing path."),
        ("[1,2]", "[*]", false, "!Path returned multiple tokens."),
        (A1, "a['x", false, "!Path ended with an open string."),
        (A1, "a]", false, "!Unexpected character while parsing path: ]"),
        (A1, "a[0]b", false, "!Unexpected character following indexer: b"),
    ] {
        assert_eq!(one(json, path, strict), expected, "{json} {path}");
    }
}

#[test]
fn paths_of_tokens() {
    let token = parse_token(&Str::new("{\"a b\":{\"c.d\":[1]},\"it's\":1,\"e\":{\"f\":2}}")).unwrap();
    let found = select_token(&token, &Str::new("['a b']['c.d'][0]"), true)
        .unwrap()
        .unwrap();
    assert_eq!(found.path(), "['a b']['c.d'][0]");
    assert_eq!(token.child(1).unwrap().path(), "['it\\'s']");
    assert_eq!(
        select_token(&token, &Str::new("e.f"), true)
            .unwrap()
            .unwrap()
            .path(),
        "e.f"
    );
}

#[test]
fn endless_work_is_cut_off() {
    let wide = format!("[{}1]", "1,".repeat(3000));
    let token = parse_token(&Str::from(wide)).unwrap();
    let error = select_tokens(&token, &Str::new("[?($[?(@ == 2)])]"), false).unwrap_err();
    assert_eq!(error.kind, ExceptionKind::BudgetExceeded);
}
