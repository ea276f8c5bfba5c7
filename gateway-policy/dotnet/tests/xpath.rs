//! XPath 1.0: values, axes, predicates, functions, order, errors, bounds.

use gateway_dotnet::{
    Error, ExceptionKind,
    xml::{
        LoadOptions, Name, parse_document,
        xpath::{Environment, Item, Nothing, Place, Value, XPath},
    },
};

const BOOKS: &str = r#"<shop xmlns:x="urn:x" xml:lang="en-GB"><!--c-->
  <book id="1" price="10"><title>A</title><x:tag>t1</x:tag></book>
  <book id="2" price="25.5"><title>B &amp; C</title></book>
  <book id="3"><title>D</title><note><title>inner</title></note></book>
  <?go fast?></shop>"#;

struct Prefixes;

impl Environment for Prefixes {
    fn namespace(&self, prefix: &str) -> Option<String> {
        (prefix == "p").then(|| "urn:x".to_owned())
    }

    fn variable(&self, name: &Name) -> Option<Value> {
        (&*name.local == "v").then_some(Value::Number(2.0))
    }

    fn function(&self, name: &Name, args: &[Value], at: &Place<'_>) -> Option<Result<Value, Error>> {
        (&*name.local == "twice").then(|| {
            let value = args.first().map_or(at.position as f64, Value::to_number);
            Ok(Value::Number(value * 2.0))
        })
    }
}

/// A result as text: node-sets as the texts of their nodes.
fn shown(value: &Value) -> String {
    match value {
        Value::Nodes(nodes) => {
            let texts: Vec<String> = nodes
                .iter()
                .map(|n| {
                    let name = n.qualified_name();
                    format!("{name}={}", n.text().trim())
                })
                .collect();
            format!("[{}]", texts.join(", "))
        }
        Value::Text(text) => format!("'{text}'"),
        other => other.to_text(),
    }
}

fn evaluated(xml: &str, path: &str) -> Result<String, Error> {
    let document = parse_document(xml, LoadOptions::NONE)?;
    let value = XPath::compile(path)?.evaluate(&Item::Node(document), &Prefixes)?;
    Ok(shown(&value))
}

fn check(rows: &[(&str, &str)]) {
    for (path, wanted) in rows {
        let got = evaluated(BOOKS, path).map_err(|e| e.to_string());
        assert_eq!(got.as_deref(), Ok(*wanted), "{path}");
    }
}

#[test]
fn paths_and_axes() {
    check(&[
        ("/shop/book/title", "[title=A, title=B & C, title=D]"),
        ("//title", "[title=A, title=B & C, title=D, title=inner]"),
        ("/shop/book[2]/title", "[title=B & C]"),
        ("/shop/book[last()]/@id", "[id=3]"),
        ("//title[1]", "[title=A, title=B & C, title=D, title=inner]"),
        ("(//title)[1]", "[title=A]"),
        ("(//title)[last()]", "[title=inner]"),
        ("//book[@price]/@id", "[id=1, id=2]"),
        ("//book[@price > 20]/title", "[title=B & C]"),
        ("//book[not(@price)]/@id", "[id=3]"),
        ("//@id | //title[. = 'A']", "[id=1, title=A, id=2, id=3]"),
        (
            "//note/ancestor::*",
            "[shop=A\n  t1B & C\n  Dinner, book=Dinner]"
                .replace("\n  ", "")
                .as_str(),
        ),
        ("//note/..", "[book=Dinner]"),
        ("//book[1]/following-sibling::book/@id", "[id=2, id=3]"),
        ("//book[3]/preceding-sibling::book[1]/@id", "[id=2]"),
        ("//book[2]/preceding::title", "[title=A]"),
        ("//book[2]/following::title", "[title=D, title=inner]"),
        ("//p:tag", "[x:tag=t1]"),
        ("//p:*", "[x:tag=t1]"),
        ("//*[local-name()='tag']", "[x:tag=t1]"),
        ("//comment()", "[=c]"),
        ("//processing-instruction('go')", "[go=fast]"),
        ("/shop/book[1]/self::book/@price", "[price=10]"),
        ("/shop/book[1]/child::node()", "[title=A, x:tag=t1]"),
        ("/shop/book[1]/descendant-or-self::text()", "[=A, =t1]"),
        ("/shop/book[position() = $v]/@id", "[id=2]"),
        ("/nothing", "[]"),
        ("count(/shop/namespace::*)", "2"),
        ("/shop/book[@id='1' or @id='3'][2]/@id", "[id=3]"),
    ]);
}

#[test]
fn operators_and_functions() {
    check(&[
        ("1 + 2 * 3 - 4 div 2", "5"),
        ("7 mod -3", "1"),
        ("-(2)", "-2"),
        ("1 div 0", "Infinity"),
        ("0 div 0", "NaN"),
        ("1 = '1'", "true"),
        ("true() = 'x'", "true"),
        ("//book/@price = 25.5", "true"),
        ("//book/@price != 25.5", "true"),
        ("//book/@id > 3", "false"),
        ("2 > 1 and 1 > 2 or 1", "true"),
        ("count(//book)", "3"),
        ("sum(//@id)", "6"),
        ("string(//book[2]/title)", "'B & C'"),
        ("string(1.50)", "'1.5'"),
        ("string(1000000 * 1000000)", "'1000000000000'"),
        ("concat('a', 1, true())", "'a1true'"),
        ("starts-with('abc', 'ab')", "true"),
        ("contains('abc', 'bc')", "true"),
        ("substring-before('1999/04', '/')", "'1999'"),
        ("substring-after('1999/04', '/')", "'04'"),
        ("substring-after('abc', 'x')", "''"),
        ("substring('12345', 2, 3)", "'234'"),
        ("substring('12345', 1.5, 2.6)", "'234'"),
        ("substring('12345', 0, 3)", "'12'"),
        ("substring('12345', -42, 1 div 0)", "'12345'"),
        ("substring('12345', 0 div 0, 3)", "''"),
        ("string-length('é€')", "2"),
        ("normalize-space('  a  b ')", "'a b'"),
        ("translate('bar', 'abc', 'AB')", "'BAr'"),
        ("translate('--aaa--', 'a-', 'A')", "'AAA'"),
        ("not(//nothing)", "true"),
        ("boolean('false')", "true"),
        ("number('abc')", "NaN"),
        ("number(' 12.5 ')", "12.5"),
        ("floor(-1.5)", "-2"),
        ("ceiling(1.2)", "2"),
        ("round(2.5)", "3"),
        ("round(-2.5)", "-2"),
        ("lang('en')", "false"),
        ("count(//book[lang('EN')])", "3"),
        ("name(//p:tag)", "'x:tag'"),
        ("local-name(//p:tag)", "'tag'"),
        ("namespace-uri(//p:tag)", "'urn:x'"),
        ("twice(4)", "8"),
        ("count(//book[twice() = 4])", "1"),
        ("'div' = 'div'", "true"),
        ("count(/shop/*[3])", "1"),
    ]);
}

#[test]
fn bad_expressions_are_refused() {
    for path in [
        "",
        "/shop[",
        "//",
        "a b",
        "foo(",
        "count()",
        "count(1)",
        "1 | 2",
        "$nope",
        "q:x",
        "nope()",
        "'a",
        "a[1]]",
        "@@a",
        "child::",
        "!a",
        "substring('a')",
    ] {
        let error = evaluated(BOOKS, path).expect_err(path);
        assert_eq!(error.kind, ExceptionKind::XPathException, "{path}: {error}");
    }
    let nested = format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(XPath::compile(&nested).is_err());
    assert!(XPath::compile(&vec!["1"; 10_000].join("+")).is_err());
}

#[test]
fn work_is_bounded() {
    let xml = format!("<a>{}</a>", "<b/>".repeat(5_000));
    let document = Item::Node(parse_document(&xml, LoadOptions::NONE).expect("well-formed"));
    for path in [
        "//b[count(//b) = 1]",
        "//b[//b = //b]",
        "//b/following::b/preceding::b",
    ] {
        let path = XPath::compile(path).expect(path);
        let error = path.evaluate(&document, &Nothing).expect_err("too much work");
        assert_eq!(error.kind, ExceptionKind::BudgetExceeded, "{path:?}");
    }
}

#[test]
fn patterns_match_and_rank() {
    let document = parse_document(BOOKS, LoadOptions::NONE).expect("well-formed");
    let titles = XPath::compile("//title").expect("a path");
    let titles = titles.select(&Item::Node(document), &Nothing).expect("titles");
    for (pattern, matching, priority) in [
        ("title", 4, 0.0),
        ("book/title", 3, 0.5),
        ("note//title", 1, 0.5),
        ("/shop/book/title", 3, 0.5),
        ("*", 4, -0.5),
        ("p:*", 0, -0.25),
        ("title[. = 'A']", 1, 0.5),
        ("@id", 0, 0.0),
        ("node()", 4, -0.5),
        ("/", 0, 0.5),
    ] {
        let compiled = XPath::compile(pattern).expect(pattern);
        let found = titles
            .iter()
            .filter(|t| compiled.matches(t, &Prefixes).expect(pattern))
            .count();
        assert_eq!(
            (found, compiled.default_priority()),
            (matching, priority),
            "{pattern}"
        );
    }
    assert_eq!(XPath::compile("a | b").expect("a union").alternatives().len(), 2);
}
