//! LINQ to XML against answers recorded from .NET Core 3.1 (`tests/recorded/xml.jsonl` and the tables here).

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use gateway_dotnet::{
    Error,
    xml::{
        Attribute, Content, Declaration, LoadOptions, Name, Node, SaveOptions, attribute_to_string,
        declaration_to_string, node_to_string, parse_document, parse_element,
    },
};
use serde_json::Value;

const BASE: &str = "<r xmlns:p='u' id='7'><a n='1'>x</a><b><a n='2'>y</a><p:a>z</p:a></b><c/>t<!--m--></r>";

fn name(text: &str) -> Name {
    Name::expanded(text).expect("a name")
}

fn element(text: &str) -> Node {
    Node::element(name(text))
}

fn built(text: &str, content: &[Content]) -> Node {
    let node = element(text);
    node.add(content).expect("content that fits");
    node
}

fn text(text: &str) -> Content {
    Content::Text(text.to_owned())
}

fn attribute(key: &str, value: &str) -> Content {
    Content::Attribute(Attribute::new(name(key), value.to_owned()))
}

fn child(node: Node) -> Content {
    Content::Node(node)
}

fn raw(node: &Node) -> String {
    node_to_string(node, SaveOptions::DISABLE_FORMATTING)
}

fn indented(node: &Node) -> String {
    node_to_string(node, SaveOptions::NONE)
}

fn show(result: Result<String, Error>) -> String {
    result.unwrap_or_else(|error| format!("throws {error}"))
}

#[test]
fn parsing_and_writing_are_dotnets() {
    let mut rows = 0;
    let mut wrong = Vec::new();
    for line in include_str!("recorded/xml.jsonl").lines() {
        let row: Value = serde_json::from_str(line).expect("a recorded row is JSON");
        let source = row["text"].as_str().unwrap();
        let parsed = || parse_element(source, LoadOptions::NONE);
        for (key, got) in [
            ("formatted", show(parsed().map(|node| indented(&node)))),
            ("raw", show(parsed().map(|node| raw(&node)))),
            ("value", show(parsed().map(|node| node.value()))),
            (
                "document",
                show(parse_document(source, LoadOptions::NONE).map(|node| indented(&node))),
            ),
        ] {
            let Some(expected) = row[key].as_str() else {
                continue;
            };
            rows += 1;
            if got != expected {
                wrong.push(format!(
                    "{source:?} {key}\n  expected {expected:?}\n  got      {got:?}"
                ));
            }
        }
    }
    assert!(rows > 100, "only {rows} rows");
    assert!(
        wrong.is_empty(),
        "{} of {rows}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn construction_is_dotnets() {
    let ns = |local: &str| element(&format!("{{u}}{local}"));
    let declared = || {
        Content::Attribute(Attribute::new(
            name("{http://www.w3.org/2000/xmlns/}p"),
            "u".into(),
        ))
    };
    for (node, expected) in [
        (element("a"), "<a />"),
        (built("a", &[text("")]), "<a></a>"),
        (
            built(
                "a",
                &[
                    text("x"),
                    child(built("b", &[text("1")])),
                    text("2.5"),
                    text("true"),
                ],
            ),
            "<a>x<b>1</b>2.5true</a>",
        ),
        (
            built(
                "{u}a",
                &[attribute("x", "1"), child(ns("b")), child(element("c"))],
            ),
            "<a x=\"1\" xmlns=\"u\">\n  <b />\n  <c xmlns=\"\" />\n</a>",
        ),
        (
            built("{u}a", &[declared(), child(ns("b"))]),
            "<p:a xmlns:p=\"u\">\n  <p:b />\n</p:a>",
        ),
        (
            built("a", &[attribute("{v}x", "1"), attribute("{w}y", "1")]),
            "<a p1:x=\"1\" p2:y=\"1\" xmlns:p2=\"w\" xmlns:p1=\"v\" />",
        ),
        (
            built(
                "a",
                &[attribute("{http://www.w3.org/XML/1998/namespace}lang", "en")],
            ),
            "<a xml:lang=\"en\" />",
        ),
        (
            built(
                "a",
                &[
                    child(Node::cdata("x]]>y".into())),
                    child(Node::comment("c".into())),
                    child(Node::processing_instruction("t".into(), "d".into())),
                ],
            ),
            "<a><![CDATA[x]]]]><![CDATA[>y]]><!--c--><?t d?></a>",
        ),
        (Node::text("a<b".into()), "a&lt;b"),
        (
            Node::document_type("a".into(), Some("p".into()), Some("s".into()), Some("i".into())),
            "<!DOCTYPE a PUBLIC \"p\" \"s\"[i]>",
        ),
        (Node::document_type("a".into(), None, None, None), "<!DOCTYPE a >"),
    ] {
        assert_eq!(indented(&node), expected);
    }
    let odd = Attribute::new(name("x"), "a\"b<\n".into());
    assert_eq!(attribute_to_string(&odd), "x=\"a&quot;b&lt;&#xA;\"");
    let declaration = Declaration {
        version: Some("1.0".into()),
        encoding: Some("utf-8".into()),
        standalone: None,
    };
    assert_eq!(
        declaration_to_string(&declaration),
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>"
    );
}

#[test]
fn names_are_checked() {
    for (given, expected) in [
        ("a", "a"),
        ("{u}a", "{u}a"),
        (
            "",
            "throws System.ArgumentException: '' is an invalid expanded name.",
        ),
        (
            "{u}",
            "throws System.ArgumentException: '{u}' is an invalid expanded name.",
        ),
        (
            "{}a",
            "throws System.ArgumentException: '{}a' is an invalid expanded name.",
        ),
        (
            "a b",
            "throws System.Xml.XmlException: The ' ' character, hexadecimal value 0x20, cannot be included in a name.",
        ),
    ] {
        assert_eq!(
            show(Name::expanded(given).map(|n| n.to_string())),
            expected,
            "{given}"
        );
    }
}

/// A change, by name, and the document after it.
type Change = (&'static str, fn(&Node) -> Result<(), Error>, &'static str);

#[test]
fn changes_are_dotnets() {
    fn a(node: &Node) -> Node {
        node.child(&name("a")).expect("a child")
    }
    let changes: &[Change] = &[
        (
            "Add",
            |x| x.add(&[text("t"), child(built("d", &[text("1")])), attribute("k", "v")]),
            "<r xmlns:p=\"u\" id=\"7\" k=\"v\"><a n=\"1\">x</a><b><a n=\"2\">y</a><p:a>z</p:a></b><c />t<!--m-->t<d>1</d></r>",
        ),
        (
            "AddFirst",
            |x| x.add_first(&[text("f")]),
            "<r xmlns:p=\"u\" id=\"7\">f<a n=\"1\">x</a><b><a n=\"2\">y</a><p:a>z</p:a></b><c />t<!--m--></r>",
        ),
        (
            "AddAfterSelf",
            |x| a(x).add_after_self(&[child(element("n"))]),
            "<r xmlns:p=\"u\" id=\"7\"><a n=\"1\">x</a><n /><b><a n=\"2\">y</a><p:a>z</p:a></b><c />t<!--m--></r>",
        ),
        (
            "AddBeforeSelf",
            |x| a(x).add_before_self(&[text("txt")]),
            "<r xmlns:p=\"u\" id=\"7\">txt<a n=\"1\">x</a><b><a n=\"2\">y</a><p:a>z</p:a></b><c />t<!--m--></r>",
        ),
        (
            "Remove",
            |x| a(x).remove(),
            "<r xmlns:p=\"u\" id=\"7\"><b><a n=\"2\">y</a><p:a>z</p:a></b><c />t<!--m--></r>",
        ),
        (
            "RemoveNodes",
            |x| {
                x.remove_nodes();
                Ok(())
            },
            "<r xmlns:p=\"u\" id=\"7\" />",
        ),
        (
            "RemoveAttributes",
            |x| {
                x.remove_attributes();
                Ok(())
            },
            "<r><a n=\"1\">x</a><b><a n=\"2\">y</a><a xmlns=\"u\">z</a></b><c />t<!--m--></r>",
        ),
        (
            "ReplaceWith",
            |x| x.child(&name("b")).unwrap().replace_with(&[child(element("z"))]),
            "<r xmlns:p=\"u\" id=\"7\"><a n=\"1\">x</a><z /><c />t<!--m--></r>",
        ),
        (
            "SetAttributeValue to null",
            |x| {
                x.set_attribute_value(&name("id"), None);
                Ok(())
            },
            "<r xmlns:p=\"u\"><a n=\"1\">x</a><b><a n=\"2\">y</a><p:a>z</p:a></b><c />t<!--m--></r>",
        ),
        (
            "SetElementValue",
            |x| x.set_element_value(&name("a"), Some("5".into())),
            "<r xmlns:p=\"u\" id=\"7\"><a n=\"1\">5</a><b><a n=\"2\">y</a><p:a>z</p:a></b><c />t<!--m--></r>",
        ),
        (
            "SetElementValue of a new one",
            |x| x.set_element_value(&name("new"), Some("5".into())),
            "<r xmlns:p=\"u\" id=\"7\"><a n=\"1\">x</a><b><a n=\"2\">y</a><p:a>z</p:a></b><c />t<!--m--><new>5</new></r>",
        ),
        (
            "SetValue",
            |x| x.set_value("v".into()),
            "<r xmlns:p=\"u\" id=\"7\">v</r>",
        ),
        (
            "Value to empty",
            |x| a(x).set_value(String::new()),
            "<r xmlns:p=\"u\" id=\"7\"><a n=\"1\"></a><b><a n=\"2\">y</a><p:a>z</p:a></b><c />t<!--m--></r>",
        ),
        (
            "Name into a namespace",
            |x| {
                a(x).set_name(name("{u}q"));
                Ok(())
            },
            "<r xmlns:p=\"u\" id=\"7\"><p:q n=\"1\">x</p:q><b><a n=\"2\">y</a><p:a>z</p:a></b><c />t<!--m--></r>",
        ),
        (
            "Add of a node that has a parent",
            |x| x.add(&[child(a(x))]),
            "<r xmlns:p=\"u\" id=\"7\"><a n=\"1\">x</a><b><a n=\"2\">y</a><p:a>z</p:a></b><c />t<!--m--><a n=\"1\">x</a></r>",
        ),
        (
            "Add of empty text",
            |x| x.child(&name("c")).unwrap().add(&[text("")]),
            "<r xmlns:p=\"u\" id=\"7\"><a n=\"1\">x</a><b><a n=\"2\">y</a><p:a>z</p:a></b><c></c>t<!--m--></r>",
        ),
        (
            "Add of a duplicate attribute",
            |x| x.add(&[attribute("id", "1")]),
            "throws System.InvalidOperationException: Duplicate attribute.",
        ),
        (
            "Add of a document",
            |x| x.add(&[child(Node::document(None))]),
            "throws System.ArgumentException: A node of type Document cannot be added to content.",
        ),
        (
            "Remove without a parent",
            |_| element("lonely").remove(),
            "throws System.InvalidOperationException: The parent is missing.",
        ),
    ];
    for (what, change, expected) in changes {
        let node = parse_element(BASE, LoadOptions::NONE).unwrap();
        assert_eq!(show(change(&node).map(|()| raw(&node))), *expected, "{what}");
    }
    let node = parse_element(BASE, LoadOptions::NONE).unwrap();
    node.add(&[child(node.clone())]).unwrap();
    assert_eq!(node.elements().len(), 4, "adding a node to itself adds a copy");
}

#[test]
fn axes_are_dotnets() {
    let r = parse_element(BASE, LoadOptions::NONE).unwrap();
    let b = r.child(&name("b")).unwrap();
    let inner = b.child(&name("a")).unwrap();
    let counts = [
        r.elements().len(),
        r.nodes().len(),
        r.descendants().len(),
        r.descendant_nodes().len(),
        r.attributes().len(),
        inner.ancestors().len(),
        r.child(&name("c")).unwrap().nodes_after_self().len(),
        r.child(&name("c")).unwrap().nodes_before_self().len(),
    ];
    assert_eq!(counts, [3, 5, 5, 10, 2, 2, 2, 2]);
    assert_eq!(b.value(), "yz");
    assert_eq!(
        raw(&b.child(&name("{u}a")).unwrap()),
        "<p:a xmlns:p=\"u\">z</p:a>"
    );
    assert!(inner.parent().unwrap().same(&b) && inner.previous_node().is_none());
    assert!(r.child(&name("a")).unwrap().next_node().unwrap().same(&b));
    assert_eq!(r.namespace_of_prefix("p").as_deref(), Some("u"));
    assert_eq!(inner.prefix_of_namespace("u").as_deref(), Some("p"));
    assert!(r.owner_document().is_none() && r.parent().is_none());
    let document = parse_document("<a><b/></a>", LoadOptions::NONE).unwrap();
    let root = document.root().unwrap();
    assert!(
        root.child(&name("b"))
            .unwrap()
            .owner_document()
            .unwrap()
            .same(&document)
    );
    let parsed = |source| parse_element(source, LoadOptions::NONE).unwrap();
    for (one, other, equal) in [
        ("<a x='1'/>", "<a x='1'></a>", false),
        ("<a><b/></a>", "<a> <b/> </a>", true),
        ("<a>1</a>", "<a>2</a>", false),
    ] {
        assert_eq!(parsed(one).deep_equals(&parsed(other)), equal, "{one} {other}");
    }
}

#[test]
fn hostile_documents_are_refused_in_bounded_work() {
    let deep = "<a>".repeat(100_000);
    let many = format!("<a>{}</a>", "<b/>".repeat(600_000));
    let bomb = "<!DOCTYPE a [<!ENTITY x \"ha\"><!ENTITY y \"&x;&x;\">]><a>&y;</a>";
    let flood = format!(
        "<!DOCTYPE a [<!ENTITY x \"{}\">]><a>{}</a>",
        "h".repeat(50_000),
        "&x;".repeat(50_000)
    );
    for hostile in [&*deep, &*many, bomb, &*flood] {
        assert!(parse_element(hostile, LoadOptions::NONE).is_err());
    }
    let mut tower = element("a");
    let refused = (0..1000).find_map(|_| {
        let above = element("a");
        let result = above.add(&[child(tower.clone())]);
        tower = above;
        result.err()
    });
    assert_eq!(refused.unwrap().kind.name(), "BudgetExceededException");
}

/// Real documents with bytes changed (fixed seed): a tree or an error, and what was read can be read again.
#[test]
fn broken_texts_never_panic() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |bound: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % bound as u64) as usize
    };
    let pieces = [
        "<",
        ">",
        "/",
        "&",
        ";",
        "]]>",
        "<!--",
        "\"",
        "=",
        "é",
        "\u{1}",
        "xmlns:p",
        "<![CDATA[",
        "&#x41;",
        " ",
    ];
    let mut read = 0;
    for _ in 0..3000 {
        let mut broken = BASE.to_owned();
        for _ in 0..=random(3) {
            let mut at = random(broken.len());
            while !broken.is_char_boundary(at) {
                at -= 1;
            }
            broken.insert_str(at, pieces[random(pieces.len())]);
        }
        if let Ok(node) = parse_element(&broken, LoadOptions::NONE) {
            read += 1;
            let again = parse_element(&raw(&node), LoadOptions::NONE).expect("what was written can be read");
            assert_eq!(raw(&again), raw(&node), "{broken}");
        }
    }
    assert!(read > 100, "only {read} were well-formed");
}

/// A node or attribute keeps the tree it was reached in.
#[test]
fn parents_outlive_the_root_handle() {
    let document = || parse_document(BASE, LoadOptions::NONE).expect("a document");
    let last = document().descendants().pop().expect("an element");
    assert_eq!(last.name(), Some(name("c")));
    assert_eq!(last.parent().and_then(|r| r.name()), Some(name("r")));
    assert_eq!(
        last.owner_document().map(|d| raw(&d)),
        Some(BASE.replace('\'', "\"").replace("<c/>", "<c />"))
    );
    let of = |node: &Node| node.attribute(&name("n"));
    let attribute = document()
        .descendants()
        .iter()
        .rev()
        .find_map(of)
        .expect("an attribute");
    let bearer = attribute.parent().expect("an element");
    assert_eq!(bearer.ancestors().len(), 2);
}
