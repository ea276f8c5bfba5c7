//! What schemas cost a load, and that a reload takes them over.
//!
//! `VALIDATED_APIS=10000 cargo test --release -p gateway-config validated -- --nocapture` prints time and memory.

use std::{fmt::Write as _, time::Instant};

use super::*;

/// APIs without the variable: enough to see that it works.
const APIS: usize = 6;

const VALIDATES: &str = "<policies><inbound><base/><validate-content unspecified-content-type-action=\"prevent\" max-size=\"102400\" size-exceeded-action=\"prevent\">\
    <content validate-as=\"json\" action=\"prevent\"/></validate-content></inbound><backend><base/></backend><outbound><base/></outbound><on-error><base/></on-error></policies>";

/// An ordinary API: 10 operations over 15 schemas, patterns and references.
fn openapi() -> String {
    let mut out = String::from("openapi: 3.0.1\ninfo: {title: t, version: '1'}\npaths:\n");
    for i in 0..10 {
        let _ = writeln!(
            out,
            "  /items{i}:\n    post:\n      operationId: op{i}\n      requestBody: {{content: {{application/json: {{schema: {{$ref: '#/components/schemas/S{i}'}}}}}}}}\n      responses: {{'200': {{description: OK}}}}"
        );
    }
    out += "components:\n  schemas:\n";
    for i in 0..15 {
        let next = (i + 1) % 15;
        let _ = writeln!(
            out,
            "    S{i}: {{type: object, required: [id], properties: {{id: {{type: string, pattern: '^[A-Z]{{2}}[0-9]{{{n}}}$'}}, \
             count: {{type: integer, minimum: {i}}}, next: {{$ref: '#/components/schemas/S{next}'}}}}}}",
            n = i + 1
        );
    }
    out
}

/// A SOAP service: 10 operations, 30 types.
fn wsdl() -> String {
    let mut types = String::new();
    for i in 0..30 {
        let next = (i + 1) % 30;
        let _ = write!(
            types,
            "<xs:complexType name='T{i}'><xs:sequence><xs:element name='id' type='t:C{i}'/><xs:element name='next' type='t:T{next}' minOccurs='0' maxOccurs='unbounded'/></xs:sequence>\
             <xs:attribute name='at' type='xs:dateTime'/></xs:complexType><xs:simpleType name='C{i}'><xs:restriction base='xs:string'><xs:pattern value='[A-Z]{{2}}\\d{{{i}}}'/></xs:restriction></xs:simpleType>\
             <xs:element name='E{i}' type='t:T{i}'/>"
        );
    }
    let mut operations = String::new();
    for i in 0..10 {
        let _ = write!(
            operations,
            "<w:operation name='O{i}'><soap:operation soapAction='urn:o{i}'/></w:operation>"
        );
    }
    format!(
        "<w:definitions xmlns:w='http://schemas.xmlsoap.org/wsdl/' xmlns:soap='http://schemas.xmlsoap.org/wsdl/soap/' xmlns:t='urn:t' xmlns:xs='http://www.w3.org/2001/XMLSchema'>\
         <w:types><xs:schema targetNamespace='urn:t' elementFormDefault='qualified'>{types}</xs:schema></w:types>\
         <w:binding name='b' type='p'><soap:binding transport='http://schemas.xmlsoap.org/soap/http'/>{operations}</w:binding></w:definitions>"
    )
}

/// Resident memory in MiB; 0 where the system does not say.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|p| p.parse::<usize>().ok());
    (pages.unwrap_or(0) * 4096) >> 20
}

#[test]
fn schemas_of_many_apis_are_loaded_once() {
    let count = std::env::var("VALIDATED_APIS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(APIS);
    let (openapi, wsdl) = (openapi(), wsdl());
    let mut world = World::new();
    for i in 0..count {
        let kind = if i % 5 == 4 { "soap" } else { "http" };
        world = world
            .with(
                &format!("apis/v{i}/apiInformation.json"),
                &format!(r#"{{"properties": {{"path": "v{i}", "displayName": "V{i}", "protocols": ["https"], "type": "{kind}", "serviceUrl": "https://b.example"}}}}"#),
            )
            .with(&format!("apis/v{i}/policy.xml"), VALIDATES);
        world = if kind == "soap" {
            world.with(&format!("apis/v{i}/specification.wsdl"), &wsdl)
        } else {
            world.with(&format!("apis/v{i}/specification.yaml"), &openapi)
        };
    }
    let (before, began) = (resident(), Instant::now());
    let loaded = world.load(None);
    println!(
        "{count} APIs with schemas: {:?}, {} MiB more",
        began.elapsed(),
        resident().saturating_sub(before)
    );
    let first = loaded.snapshot.unwrap();
    let world = world.with("policy.xml", "<policies><inbound/><backend><forward-request timeout=\"7\"/></backend><outbound/><on-error/></policies>");
    let began = Instant::now();
    let second = world.load(Some(&first)).snapshot.unwrap();
    println!("again with another policy: {:?}", began.elapsed());
    let of = |snapshot: &Snapshot, i: usize| {
        let api = snapshot
            .apis()
            .iter()
            .find(|a| *a.effective_path == *format!("v{i}"))
            .cloned();
        api.and_then(|a| a.operations.first().and_then(|o| o.definition.clone()))
    };
    for i in 0..count {
        let (one, other) = (of(&first, i).unwrap(), of(&second, i).unwrap());
        assert!(std::sync::Arc::ptr_eq(&one, &other), "v{i} was read again");
        assert_eq!(one.api.xml.is_some(), i % 5 == 4);
    }
}
