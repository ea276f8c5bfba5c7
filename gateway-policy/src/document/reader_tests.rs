//! Given document → expected tree, and what is said about those that are none.

use super::*;

/// The tree in one line: `name(attr=value)[children]'text'`.
fn dump(element: &Element) -> String {
    let mut out = element.name.clone();
    for a in &element.attributes {
        out += &format!("({}={})", a.name, a.value.as_str());
    }
    if !element.children.is_empty() {
        let children: Vec<String> = element.children.iter().map(dump).collect();
        out += &format!("[{}]", children.join(" "));
    }
    if !element.text.is_blank() {
        out += &format!("'{}'", element.text.as_str());
    }
    out
}

#[track_caller]
fn check(text: &str, expected: &str) {
    match read(text) {
        Ok(document) => assert_eq!(dump(&document.root), expected, "{text}"),
        Err(error) => panic!("{text}: {error:?}"),
    }
}

#[track_caller]
fn check_error(text: &str, at: usize, message: &str) {
    let error = read(text).expect_err(text);
    assert_eq!((error.at, error.message.as_str()), (at, message), "{text}");
    assert!(!error.help.is_empty(), "{text}");
}

#[test]
fn well_formed_documents_are_xml() {
    for (text, expected) in [
        ("<a/>", "a"),
        (
            "\u{feff}<?xml version='1.0'?>\r\n<!-- x --><a b='1'  c = \"2\" />",
            "a(b=1)(c=2)",
        ),
        (
            "<a><!--> still a comment <--><b/><!-- <c/> --><b x='&lt;&#65;&#x42;&quot;'/></a>",
            "a[b b(x=<AB\")]",
        ),
        ("<a>1 &amp;&amp; 2\r\n3</a>", "a'1 && 2\n3'"),
        ("<a><![CDATA[<b>&amp;]]></a>", "a'<b>&amp;'"),
        (
            "<a b=\"@(x == &quot;)&quot; &amp;&amp; y)\"/>",
            "a(b=@(x == \")\" && y))",
        ),
        ("<a>@(&quot;)&quot;)</a>", "a'@(\")\")'"),
        ("<a>@(\"&lt;b>\")</a>", "a'@(\"<b>\")'"),
    ] {
        check(text, expected);
        assert!(read(text).unwrap().is_xml, "{text}");
    }
}

#[test]
fn raw_expressions_hold_what_xml_forbids() {
    for (text, expected) in [
        (r#"<a b="@(x["y"] < 1 && z)"/>"#, r#"a(b=@(x["y"] < 1 && z))"#),
        (
            r#"<a b='@(x['y'])' c=" @{ return ")>"; } "/>"#,
            r#"a(b=@(x['y']))(c=@{ return ")>"; })"#,
        ),
        (
            "<a>\n @{ var l = new List<string>(); // it's <!-- C#\n return l; }\n</a>",
            "a'@{ var l = new List<string>(); // it's <!-- C#\n return l; }'",
        ),
        (
            r#"<a><b>@(x < y)</b><c d="@(1 < 2)">t</c></a>"#,
            r#"a[b'@(x < y)' c(d=@(1 < 2))'t']"#,
        ),
        (r#"<a b="@(f("a="))"/>"#, r#"a(b=@(f("a=")))"#),
        (
            r#"<a>@{ return "<b>c</b>"; }</a>"#,
            r#"a'@{ return "<b>c</b>"; }'"#,
        ),
        (
            r#"<a b="@(x.As<JObject>(true)["y"]?.ToString() ?? "")" c="d&e"/>"#,
            r#"a(b=@(x.As<JObject>(true)["y"]?.ToString() ?? ""))(c=d&e)"#,
        ),
        ("<a b=\"@(x\r\n[\"y\"])\"/>", "a(b=@(x\n[\"y\"]))"),
    ] {
        check(text, expected);
    }
}

#[test]
fn entities_in_raw_documents_are_decoded_where_csharp_could_not_mean_them() {
    for (text, expected) in [
        // bare and escaped expressions in one document
        (
            r#"<a b="@(x["y"])" c="@(z &amp;&amp; &quot;)&quot; == q)"/>"#,
            r#"a(b=@(x["y"]))(c=@(z && ")" == q))"#,
        ),
        // an entity in code: the whole expression is escaped
        (r#"<a b="@(x["y"] &lt; 1)"/>"#, r#"a(b=@(x["y"] < 1))"#),
        // an entity in a string between bare quotes is that string
        (
            r#"<a b="@(x["y"].Replace("&quot;", ""))"/>"#,
            r#"a(b=@(x["y"].Replace("&quot;", "")))"#,
        ),
    ] {
        check(text, expected);
    }
}

#[test]
fn a_value_that_only_contains_an_expression_is_literal() {
    check(r#"<a b="--> here <--"/>"#, "a(b=--> here <--)");
    check(r#"<a b="x @(y)">t @(y)</a>"#, "a(b=x @(y))'t @(y)'");
    check(r#"<a><b>@(y) z</b></a>"#, "a[b'@(y) z']");
}

#[test]
fn mistakes_are_named_at_their_place() {
    for (text, at, message) in [
        ("", 0, "there is no element"),
        ("<a>", 0, "`<a>` is never closed"),
        ("<a><b></a>", 6, "`</a>` does not match the open `<b>`"),
        ("<a/><b/>", 4, "more than one root element"),
        ("</a>", 0, "`</a>` closes nothing"),
        ("<a b=1/>", 5, "the value of `b` does not start with a quote"),
        ("<a b/>", 3, "the attribute `b` of `<a>` has no value"),
        ("<a b='1' b='2'/>", 9, "`<a>` has the attribute `b` twice"),
        ("<a b='1'c='2'/>", 8, "unexpected `c` in the tag `<a`"),
        ("<a b=\"1/>", 5, "the value of `b` is never closed"),
        ("<a b=\"1>\n<c d=\"2\"/></a>", 9, "`<` in the value of `b`"),
        (
            "<a>1 < 2</a>",
            6,
            "white space cannot start the name of an element",
        ),
        (
            "<!DOCTYPE a><a/>",
            0,
            "document type declarations are not allowed",
        ),
        ("<a><!-- </a>", 3, "this comment is never closed"),
        ("x<a/>", 0, "text outside the root element"),
        (
            r#"<a b="@(f(x["y"])"/>"#,
            6,
            "the expression in `b` is not closed",
        ),
        (
            r#"<a>@{ if (x) { }</a>"#,
            3,
            "the expression in `text` is not closed",
        ),
        (
            r#"<a b="@(x["y"]) z"/>"#,
            16,
            "text follows the expression in `b`",
        ),
    ] {
        check_error(text, at, message);
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let deep = "<a>".repeat(DEPTH_MAX + 1);
    check_error(&deep, DEPTH_MAX * 3, "elements nest deeper than 64");
    let large = format!("<a>{}</a>", "x".repeat(DOCUMENT_BYTES_MAX));
    assert!(read(&large).is_err());
}

#[test]
fn places_point_into_the_file() {
    let text = "<a b=\"@(x &amp;&amp; y)\"/>";
    let document = read(text).unwrap();
    let value = &document.root.attributes[0].value;
    let y = value.as_str().find('y').unwrap();
    assert_eq!(value.source_offset(y), text.find('y').unwrap());
}
