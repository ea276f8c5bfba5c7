//! Given template and body → expected text.

use bytes::Bytes;

use super::*;
use crate::{
    context::Body,
    test_support::{FixedWorld, context},
};
use gateway_expr::World as _;

const JSON: &str = r#"{"name":"Ann \"A\" O'Neil","n":7,"f":2.345,"flag":true,"none":null,"when":"2024-03-05T06:07:08Z",
    "items":[{"id":1,"tags":["x","y"]},{"id":2,"tags":[]},{"id":3,"tags":["z"]}]}"#;

fn render(media_type: &str, body: &str, template: &str) -> String {
    let mut exchange = context();
    exchange
        .request
        .headers
        .insert("content-type", media_type.parse().unwrap());
    exchange
        .variables
        .set(&"tenant".into(), gateway_expr::Value::string("contoso"));
    let body = Body::Buffered(Bytes::copy_from_slice(body.as_bytes()));
    let options = BodyOptions {
        parse_date: true,
        nil_is_null: false,
    };
    let binding = Binding {
        body: bind::body(&exchange.request.headers, &body, options).unwrap(),
        context: bind::context(&exchange),
        now_ticks: FixedWorld.utc_now_ticks(),
    };
    Template::parse(template)
        .unwrap_or_else(|e| panic!("{template}: {e:?}"))
        .render(binding)
        .unwrap()
}

#[track_caller]
fn check(rows: &[(&str, &str)]) {
    for (template, expected) in rows {
        assert_eq!(
            render("application/json; charset=utf-8", JSON, template),
            *expected,
            "{template}"
        );
    }
}

#[test]
fn values_print_as_dotliquid_prints_them() {
    check(&[
        ("a {{ body.n }} b", "a 7 b"),
        (
            "{{body.f}}|{{body.flag}}|{{body.none}}|{{body.missing.deep}}|",
            "2.345|true|||",
        ),
        ("{{body.when}}", "03/05/2024 06:07:08"),
        (
            "{{body.items[1].id}}{{body.items.size}}{{body.items.first.id}}{{body[\"n\"]}}",
            "2317",
        ),
        ("{{body.Name}}", ""),
        ("{{ 'lit' }}{{ \"x\" }}{{ 1.5 }}", "litx1.5"),
        (
            "{{ context.Request.Method }} {{context.Request.Url.Host}}",
            "GET backend.example.com",
        ),
        (
            "{{context.Request.Headers[\"Content-Type\"]}} {{context.Variables.tenant}}",
            "application/json; charset=utf-8 contoso",
        ),
        ("{{context.Request.MatchedParameters.id}}", "42"),
    ]);
}

#[test]
fn tags_steer_what_is_shown() {
    check(&[
        (
            "{% if body.n > 5 and body.flag %}yes{% else %}no{% endif %}",
            "yes",
        ),
        ("{% if body.missing %}a{% elsif body.n == 7 %}b{% endif %}", "b"),
        (
            "{% if body.n &gt; 5 %}a{% endif %}{% if body.name contains 'Ann' %}b{% endif %}",
            "ab",
        ),
        (
            "{% if body.items == empty %}a{% endif %}{% if body.none == nil %}b{% endif %}",
            "b",
        ),
        ("{% if false and true or true %}a{% else %}b{% endif %}", "b"),
        ("{% unless body.flag %}a{% else %}b{% endunless %}", "b"),
        (
            "{% case body.n %}{% when 1, 2 %}a{% when 7 %}b{% else %}c{% endcase %}",
            "b",
        ),
        (
            "{% for i in body.items %}{{i.id}}{% unless forloop.last %},{% endunless %}{% endfor %}",
            "1,2,3",
        ),
        (
            "{% for i in body.items reversed limit:2 offset: 1 %}{{i.id}}{{forloop.index}}{% endfor %}",
            "3122",
        ),
        ("{% for i in body.none %}a{% else %}none{% endfor %}", "none"),
        (
            "{% for i in (1..5) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{i}}{% endfor %}",
            "13",
        ),
        (
            "[{% JSONArrayFor i in body.items %}{{i.id}}{% endJSONArrayFor %}]",
            "[1,2,3]",
        ),
        (
            "{% assign x = body.n | Plus: 1 %}{{x}}{% capture y %}<{{x}}>{% endcapture %}{{y}}",
            "8<8>",
        ),
        ("{% for i in (1..3) %}{% cycle 'a','b' %}{% endfor %}", "aba"),
        ("{% increment c %}{% increment c %}{% decrement d %}", "01-1"),
        (
            "{% for i in (1..3) %}{% ifchanged %}x{% endifchanged %}{% endfor %}",
            "x",
        ),
        (
            "a {% comment %}{{x}}{% endcomment %}{% raw %}{{ y }}{% endraw %}",
            "a {{ y }}",
        ),
        ("a  {%- if true -%}  b  {%- endif -%}  c", "abc"),
        (
            "{% tablerow i in (1..3) cols:2 %}{{i}}{% endtablerow %}",
            "<tr class=\"row1\">\n<td class=\"col1\">1</td><td class=\"col2\">2</td></tr>\n<tr class=\"row2\"><td class=\"col1\">3</td></tr>\n",
        ),
    ]);
}

#[test]
fn filters_have_csharp_names_and_unknown_ones_let_the_value_through() {
    check(&[
        ("{{ 'ab' | Upcase | Append: 'c' | Prepend: 'x' }}", "xABc"),
        ("{{ 'ab' | upcase }}{{ 'ab' | Frobnicate: 1 }}", "abab"),
        (
            "{{ 7 | DividedBy: 2 }} {{ 7 | Modulo: 2 }} {{ 7 | Times: 1.5 }} {{ 7 | Minus: 10 | Abs }}",
            "3 1 10.5 3",
        ),
        (
            "{{ body.f | Round: 2 }} {{ 1.5 | Round }} {{ 2.5 | Round }}",
            "2.34 2 2",
        ),
        (
            "{{ 1 | DividedBy: 0 }}",
            "Liquid error: Attempted to divide by zero.",
        ),
        ("{{ body.name | Replace: '\"', '\\\"' }}", "Ann \\\"A\\\" O'Neil"),
        (
            "{{ 'a1b22' | Replace: '[0-9]+', '#' }}{{ 'aa' | ReplaceFirst: 'a', 'b' }}",
            "a#b#ba",
        ),
        (
            "{{ 'a,b,,c' | Split: ',' | Join: '-' }} {{ 'abc' | Slice: 1, 2 }} {{ 'abc' | Slice: -1 }}",
            "a-b-c bc c",
        ),
        (
            "{{ body.items | Map: 'id' | Join: '+' }} {{ body.items | Size }} {{ 'abc' | Size }}",
            "1+2+3 3 3",
        ),
        (
            "{{ body.none | Default: 'd' }}{{ '' | Default: 'e' }}{{ 'f' | Default: 'g' }}",
            "def",
        ),
        (
            "{{ '<a&\"' | Escape }} {{ 'a b&c' | UrlEncode }} {{ 'a+b%26' | UrlDecode }}",
            "&lt;a&amp;&quot; a+b%26c a b&",
        ),
        (
            "{{ body.when | Date: 'yyyy-MM-dd' }} {{ '2024-01-31' | Date: 'dd.MM.yyyy' }} {{ 'soon' | Date: 'yyyy' }}",
            "2024-03-05 31.01.2024 soon",
        ),
        (
            "{{ 'a long text' | Truncate: 6 }} {{ 'a b c' | TruncateWords: 2 }}",
            "a l... a b...",
        ),
        (
            "{{ '  a ' | Strip }}|{{ 'x<b>y</b>' | StripHtml }}|{{ 'hello world' | Capitalize }}",
            "a|xy|Hello World",
        ),
        (
            "{{ 'b,a,b' | Split: ',' | Uniq | Sort | Join }} {{ 3 | AtLeast: 5 }} {{ 3 | AtMost: 2 }}",
            "a b 5 2",
        ),
        ("{{ 1234.5 | Currency }}", "¤1,234.50"),
    ]);
}

#[test]
fn xml_bodies_are_elements_by_local_name_without_case() {
    let xml = "<s:Envelope xmlns:s='u' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'><s:Body><getOrders><cust>7</cust><cust>8</cust><none xsi:nil='true'/></getOrders></s:Body></s:Envelope>";
    for (template, expected) in [
        ("{{body.envelope.body.getOrders.cust[1]}}", "8"),
        (
            "{% for c in body.Envelope.Body.getOrders.cust %}{{c}};{% endfor %}",
            "7;8;",
        ),
        (
            "{% if body.envelope.body.getOrders.none %}there{% endif %}",
            "there",
        ),
    ] {
        assert_eq!(render("text/xml", xml, template), expected, "{template}");
    }
    // Other media types bind no body.
    assert_eq!(render("text/plain", JSON, "[{{body.n}}]"), "[]");
}

#[test]
fn mistakes_are_found_when_the_document_is_loaded() {
    for (template, at, message) in [
        ("a {{ b", 2, "`{{` is never closed"),
        ("{% if a %}", 0, "`endif` is missing"),
        ("{% frobnicate %}", 0, "there is no Liquid tag `frobnicate`"),
        ("x{% include 'a' %}", 1, "there is no Liquid tag `include`"),
        ("{% for a of b %}{% endfor %}", 0, "a loop needs `name in values`"),
        ("{% endif %}", 0, "there is no Liquid tag `endif`"),
        ("{%}", 0, "`{%` is never closed"),
        ("{% raw %}{%}", 0, "`raw` is never closed"),
        ("{{ 'a }}", 0, "the text 'a is never closed"),
        ("{% if a ~ b %}{% endif %}", 0, "there is no operator `~`"),
    ] {
        assert_eq!(
            Template::parse(template).unwrap_err(),
            ParseError {
                at,
                message: message.into()
            },
            "{template}"
        );
    }
}

#[test]
fn hostile_templates_are_bounded() {
    let deep = "{% if true %}".repeat(100);
    assert_eq!(
        Template::parse(&deep).unwrap_err().message,
        "blocks nest deeper than 32"
    );
    let loops = "{% for a in (1..100000) %}{% for b in (1..100000) %}x{% endfor %}{% endfor %}";
    let binding = Binding {
        body: Value::Nil,
        context: Value::Nil,
        now_ticks: 0,
    };
    assert!(Template::parse(loops).unwrap().render(binding).is_err());
}
