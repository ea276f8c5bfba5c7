//! Schemas and the messages they are for: JSON Schema, XML Schema, GraphQL and OData, through whole policies.
//!
//! An input is a schema and a message with a line of `---` between them.

use std::time::{Duration, Instant};

use gateway_policy::simulate::simulate;
use serde_json::{Value, json};

use crate::{Target, text};

/// Longest time of one input: budgets end every check long before, even in a debug build on a busy machine.
const TIME_MAX: Duration = Duration::from_secs(30);

/// A JSON schema and a JSON body.
pub(crate) const JSON_SCHEMA: Target = Target {
    name: "json-schema",
    run: json_schema,
    seeds: &[
        "{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":1},\"b\":{\"$ref\":\"#/$defs/b\"}},\"$defs\":{\"b\":{\"type\":\"array\",\"items\":{\"$ref\":\"#\"},\"uniqueItems\":true}}}\n---\n{\"a\":1,\"b\":[{\"a\":2}]}",
        "{\"anyOf\":[{\"properties\":{\"x\":{\"$ref\":\"#\"}}},{\"type\":\"null\"}],\"unevaluatedProperties\":false}\n---\n{\"x\":{\"x\":null}}",
        "{\"$id\":\"http://a/b\",\"$dynamicAnchor\":\"n\",\"properties\":{\"c\":{\"$dynamicRef\":\"#n\"}},\"patternProperties\":{\"^x(a|b)*$\":{\"format\":\"date-time\"}}}\n---\n{\"c\":{\"xab\":\"2024-01-01T00:00:00Z\"}}",
        "{\"oneOf\":[{\"const\":1},{\"enum\":[1,2,\"a\"]},{\"not\":{\"multipleOf\":0.1}}],\"if\":{\"maxLength\":3},\"then\":{\"pattern\":\"^(?=.*\\\\d)\"}}\n---\n\"ab1\"",
    ],
    words: &[
        "\n---\n",
        "\"$ref\":\"#\"",
        "\"$ref\":\"",
        "\"$id\":\"a/../b\"",
        "\"$dynamicRef\":\"#n\"",
        "\"$recursiveAnchor\":true",
        "\"allOf\":[",
        "\"items\":",
        "\"properties\":{",
        "\"additionalProperties\":false",
        "\"pattern\":\"(a+)+$\"",
        "\"format\":\"uri\"",
        "1e999",
        "{",
        "}",
        "[",
        "]",
        ",",
        "null",
    ],
};

/// An XML schema and an XML body.
pub(crate) const XML_SCHEMA: Target = Target {
    name: "xml-schema",
    run: xml_schema,
    seeds: &[
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:element name='a'><xs:complexType><xs:sequence><xs:element name='b' type='xs:int' maxOccurs='9'/><xs:any minOccurs='0' processContents='lax'/></xs:sequence><xs:attribute name='c' use='required'/></xs:complexType></xs:element></xs:schema>\n---\n<a c='1'><b>1</b><b>2</b></a>",
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='u' xmlns='u'><xs:simpleType name='t'><xs:restriction base='xs:string'><xs:pattern value='[a-z-[b]]{1,3}\\d?'/><xs:maxLength value='4'/></xs:restriction></xs:simpleType><xs:element name='a' type='t'/></xs:schema>\n---\n<a xmlns='u'>ac1</a>",
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:complexType name='x'><xs:choice maxOccurs='unbounded'><xs:element name='x' type='x' nillable='true'/><xs:group ref='g' minOccurs='0'/></xs:choice></xs:complexType><xs:group name='g'><xs:all><xs:element name='y' minOccurs='0'/></xs:all></xs:group><xs:element name='a' type='x'><xs:key name='k'><xs:selector xpath='.//x|y'/><xs:field xpath='@i'/></xs:key></xs:element></xs:schema>\n---\n<a xmlns:i='http://www.w3.org/2001/XMLSchema-instance'><x i:nil='true'/></a>",
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:simpleType name='u'><xs:union memberTypes='xs:dateTime xs:duration l'/></xs:simpleType><xs:simpleType name='l'><xs:list itemType='xs:decimal'/></xs:simpleType><xs:element name='h' abstract='true' type='u'/><xs:element name='a' substitutionGroup='h'/></xs:schema>\n---\n<a>1.5 2</a>",
    ],
    words: &[
        "\n---\n",
        "<xs:",
        "xs:sequence",
        "xs:choice",
        "xs:all",
        "<xs:group ref='g'/>",
        "xs:extension base='x'",
        "xs:restriction base='xs:",
        "maxOccurs='4294967296'",
        "minOccurs='0'",
        "type='x'",
        "xsi:type='x'",
        "<![CDATA[",
        "]]>",
        "&#x10;",
        "&lt;",
        "xmlns='u'",
        "/>",
        "</a>",
        "<a>",
        "'",
        "<!--",
        "\\p{IsGreek}",
    ],
};

/// A GraphQL schema and a query.
pub(crate) const GRAPHQL: Target = Target {
    name: "graphql",
    run: graphql,
    seeds: &[
        "type Query { a(b: Int = 1): A } type A { c: [A!]! d: E } enum E { X Y }\n---\nquery q($v: Int) { a(b: $v) { ...f } } fragment f on A { c { d } }",
        "interface I { x: ID } type T implements I { x: ID } union U = T type Query { i: I u: U } type Mutation { m(s: S!): Boolean } input S { t: [S] }\n---\nmutation { m(s: {t: [{t: []}]}) } query r { i { ... on T { x } } __schema { types { name } } }",
    ],
    words: &[
        "\n---\n",
        "{",
        "}",
        "(",
        ")",
        "...",
        "fragment ",
        " on ",
        "query ",
        "type ",
        "$v",
        "@skip(if: true)",
        "\"\"\"",
        "[",
        "]",
        "!",
        ":",
    ],
};

/// OData metadata and a URL.
pub(crate) const ODATA: Target = Target {
    name: "odata",
    run: odata,
    seeds: &[
        "<Edmx><Schema Namespace='S'><EntityType Name='P'><Key><PropertyRef Name='I'/></Key><Property Name='I' Type='Edm.Int32'/><NavigationProperty Name='O' Type='Collection(S.P)'/></EntityType><EntityContainer Name='C'><EntitySet Name='Ps' EntityType='S.P'/></EntityContainer></Schema></Edmx>\n---\nPs(1)/O?$filter=I%20gt%201%20and%20O/any(x:x/I%20eq%202)&$expand=O($select=I;$levels=2)&$orderby=I%20desc",
        "x\n---\nA(b='c''d',e=1)/$count?$search=a%20OR%20(%22b%22%20AND%20NOT%20c)&$top=1&$compute=I%20mul%202%20as%20J&@p=%5B1%5D",
    ],
    words: &[
        "\n---\n", "$filter=", "$expand=", "(", ")", "'", "/", "any(", " eq ", "%20", "not ", "-", "case(",
        ":", ",", ";", "@p", "$it", "null", "1.5e3", "{", "[",
    ],
};

fn parts(input: &[u8]) -> (String, String) {
    let whole = text(input);
    match whole.split_once("\n---\n") {
        Some((schema, message)) => (schema.to_owned(), message.to_owned()),
        None => (whole.clone(), whole),
    }
}

/// Runs a policy on a scenario; a body with the action `prevent` either passes or is refused.
fn judge(policy: &str, mut scenario: Value) {
    let document = format!(
        "<policies><inbound>{policy}</inbound><backend><forward-request/></backend><outbound/><on-error/></policies>"
    );
    scenario["documents"] = json!({ "api": document });
    let began = Instant::now();
    if let Ok(result) = simulate(&[], &scenario) {
        let status = &result["response"]["status"];
        assert!(*status == json!(200) || *status == json!(400), "{result:#}");
    }
    assert!(began.elapsed() < TIME_MAX, "{:?}", began.elapsed());
}

fn content(how: &str, media_type: &str) -> String {
    format!(
        "<validate-content unspecified-content-type-action='prevent' max-size='100000' size-exceeded-action='prevent'>\
         <content type='{media_type}' validate-as='{how}' action='prevent' schema-id='s'/></validate-content>"
    )
}

fn json_schema(input: &[u8]) {
    let (schema, body) = parts(input);
    let Ok(schema) = serde_json::from_str::<Value>(&schema) else {
        return;
    };
    judge(
        &content("json", "application/json"),
        json!({
            "schemas": { "s": { "json": schema } },
            "context": { "request": { "method": "POST", "headers": { "Content-Type": "application/json" }, "body": body } },
        }),
    );
}

fn xml_schema(input: &[u8]) {
    let (schema, body) = parts(input);
    for how in ["xml", "soap"] {
        judge(
            &content(how, "text/xml"),
            json!({
                "schemas": { "s": { "xml": schema } },
                "context": { "request": { "method": "POST", "headers": { "Content-Type": "text/xml" }, "body": body } },
            }),
        );
    }
}

fn graphql(input: &[u8]) {
    let (schema, query) = parts(input);
    judge(
        "<validate-graphql-request max-size='100000' max-depth='5'><authorize><rule path='/__*' action='reject'/></authorize></validate-graphql-request>",
        json!({
            "definition": { "graphql": schema },
            "context": { "request": { "method": "POST", "headers": { "Content-Type": "application/graphql" }, "body": query } },
        }),
    );
}

fn odata(input: &[u8]) {
    let (metadata, url) = parts(input);
    // A URL is printed characters.
    let url: String = url.chars().filter(|c| c.is_ascii_graphic()).collect();
    let with = json!({ "odata": metadata });
    for definition in [with, json!({})] {
        judge(
            "<validate-odata-request default-odata-version='4.01'/>",
            json!({
                "definition": definition,
                "context": { "request": { "url": format!("https://a.test/{url}") } },
            }),
        );
    }
}
