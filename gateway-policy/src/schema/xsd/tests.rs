//! Given → expected for XML schemas.

use super::*;

/// Faults with their places; `stopped: …` without a verdict, `refused: …` for a schema that cannot be used.
pub(super) fn verdict(schemas: &[&str], text: &str, shape: Shape) -> String {
    let names: Vec<String> = (0..schemas.len()).map(|i| format!("{i}.xsd")).collect();
    let sources: Vec<XmlSource<'_>> = schemas
        .iter()
        .zip(&names)
        .map(|(text, location)| XmlSource { location, text })
        .collect();
    let read = match XmlSchemas::new(&sources) {
        Ok(read) => read,
        Err(problem) => return format!("refused: {problem}"),
    };
    match read.check(text, shape) {
        Ok(faults) => {
            let shown = faults.iter().map(|f| {
                let (line, column) = place(text, f.at);
                format!("{line}:{column} {}", f.message)
            });
            shown.collect::<Vec<_>>().join("; ")
        }
        Err(stop) => format!("stopped: {stop}"),
    }
}

/// The inside of a schema of namespace `u`, qualified, and the texts that conform and do not, with what is said.
#[track_caller]
fn case(inside: &str, good: &[&str], bad: &[(&str, &str)]) {
    let schema = format!(
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='u' xmlns='u' elementFormDefault='qualified'>{inside}</xs:schema>"
    );
    let filled = |text: &str| {
        text.replacen(
            '>',
            " xmlns='u' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>",
            1,
        )
    };
    for text in good {
        assert_eq!(verdict(&[&schema], &filled(text), Shape::Document), "", "{text}");
    }
    for (text, expected) in bad {
        let got = verdict(&[&schema], &filled(text), Shape::Document);
        assert!(!got.is_empty() && got.contains(expected), "{text}: {got}");
    }
}

#[test]
fn content_models() {
    case(
        "<xs:element name='a'><xs:complexType><xs:sequence>
            <xs:element name='b' type='xs:int'/><xs:choice minOccurs='0' maxOccurs='unbounded'><xs:element name='c'/><xs:element name='d'/></xs:choice>
         </xs:sequence></xs:complexType></xs:element>",
        &["<a><b>1</b></a>", "<a> <b> 7 </b><d/><c/><d/> </a>"],
        &[
            ("<a></a>", "The element 'a' in namespace 'u' has incomplete content. List of possible elements expected: 'b' in namespace 'u'."),
            ("<a><c/></a>", "The element 'a' in namespace 'u' has invalid child element 'c' in namespace 'u'. List of possible elements expected: 'b' in namespace 'u'."),
            ("<a><b>1</b><b>1</b></a>", "has invalid child element 'b' in namespace 'u'. List of possible elements expected: 'c, d' in namespace 'u'."),
            ("<a>x<b>1</b></a>", "The element 'a' in namespace 'u' cannot contain text. List of possible elements expected: 'b' in namespace 'u'."),
            ("<a><b>x</b></a>", "The 'u:b' element is invalid - The value 'x' is invalid according to its datatype 'http://www.w3.org/2001/XMLSchema:int' - The string 'x' is not a valid Int32 value."),
            ("<z></z>", "The 'u:z' element is not declared."),
            ("<a><b>99999999999</b></a>", "Value '99999999999' was either too large or too small for Int32."),
            ("<a><b><c/></b></a>", "cannot contain child element 'c' in namespace 'u' because the parent element's content model is text only."),
            ("<a x='1'><b>1</b></a>", "The 'x' attribute is not declared."),
        ],
    );
    case(
        "<xs:element name='a'><xs:complexType><xs:all><xs:element name='b' minOccurs='0'/><xs:element name='c'/></xs:all></xs:complexType></xs:element>
         <xs:element name='e'><xs:complexType/></xs:element>
         <xs:element name='m'><xs:complexType mixed='true'><xs:sequence><xs:element name='b' minOccurs='0'/></xs:sequence></xs:complexType></xs:element>",
        &["<a><c/><b/></a>", "<a><c/></a>", "<e></e>", "<m>x<b/>y</m>"],
        &[
            ("<a><b/></a>", "has incomplete content. List of possible elements expected: 'c' in namespace 'u'."),
            ("<a><c/><c/></a>", "has invalid child element 'c'"),
            ("<e> </e>", "cannot contain white space. Content model is empty."),
            ("<e>x</e>", "cannot contain text. Content model is empty."),
            ("<e><b/></e>", "because the parent element's content model is empty."),
        ],
    );
}

#[test]
fn groups_wildcards_and_recursion() {
    case(
        "<xs:group name='g'><xs:sequence><xs:element name='n' minOccurs='0'><xs:complexType><xs:group ref='g'/></xs:complexType></xs:element></xs:sequence></xs:group>
         <xs:element name='a'><xs:complexType><xs:sequence><xs:group ref='g'/><xs:any namespace='##other' processContents='lax' minOccurs='0'/></xs:sequence>
           <xs:anyAttribute namespace='v' processContents='skip'/></xs:complexType></xs:element>
         <xs:element name='s'><xs:complexType><xs:sequence><xs:any processContents='strict'/></xs:sequence></xs:complexType></xs:element>",
        &[
            "<a><n><n/></n></a>",
            "<a><x xmlns='w'><y/></x></a>",
            "<a xmlns:p='v' p:q='1'></a>",
            "<s><a/></s>",
        ],
        &[
            ("<a><x/></a>", "any element in namespace '##other'"),
            ("<a xmlns:p='w' p:q='1'></a>", "The 'w:q' attribute is not declared."),
            ("<s><x/></s>", "The 'u:x' element is not declared."),
        ],
    );
}

#[test]
fn simple_types_and_facets() {
    let of =
        |inside: &str| format!("<xs:element name='a'><xs:simpleType>{inside}</xs:simpleType></xs:element>");
    for (inside, good, bad, why) in [
        (
            "<xs:restriction base='xs:string'><xs:enumeration value='x'/><xs:enumeration value='y'/></xs:restriction>",
            "x",
            "z",
            "The Enumeration constraint failed.",
        ),
        (
            "<xs:restriction base='xs:string'><xs:pattern value='[a-z]+'/></xs:restriction>",
            "abc",
            "Abc",
            "The Pattern constraint failed.",
        ),
        (
            "<xs:restriction base='xs:string'><xs:minLength value='2'/><xs:maxLength value='3'/></xs:restriction>",
            "abc",
            "abcd",
            "The actual length is greater than the MaxLength value.",
        ),
        (
            "<xs:restriction base='xs:string'><xs:length value='2'/></xs:restriction>",
            "äö",
            "a",
            "The actual length is not equal to the specified length.",
        ),
        (
            "<xs:restriction base='xs:decimal'><xs:totalDigits value='4'/><xs:fractionDigits value='2'/></xs:restriction>",
            "12.340",
            "12.345",
            "The TotalDigits constraint failed.",
        ),
        (
            "<xs:restriction base='xs:decimal'><xs:fractionDigits value='2'/></xs:restriction>",
            "12.34",
            "12.345",
            "The FractionDigits constraint failed.",
        ),
        (
            "<xs:restriction base='xs:int'><xs:minInclusive value='1'/><xs:maxExclusive value='5'/></xs:restriction>",
            "4",
            "5",
            "The MaxExclusive constraint failed.",
        ),
        (
            "<xs:restriction base='xs:date'><xs:minInclusive value='2020-01-01'/></xs:restriction>",
            "2020-01-01",
            "2019-12-31",
            "The MinInclusive constraint failed.",
        ),
        (
            "<xs:list itemType='xs:int'/>",
            "1 2  3",
            "1 x",
            "is not a valid Int32 value.",
        ),
        (
            "<xs:restriction><xs:simpleType><xs:list itemType='xs:int'/></xs:simpleType><xs:maxLength value='2'/></xs:restriction>",
            "1 2",
            "1 2 3",
            "The actual length is greater",
        ),
        (
            "<xs:union memberTypes='xs:int xs:boolean'/>",
            "true",
            "maybe",
            "is not valid according to any of the memberTypes of the union.",
        ),
        (
            "<xs:restriction base='xs:token'><xs:enumeration value='a b'/></xs:restriction>",
            " a  b ",
            "ab",
            "The Enumeration constraint failed.",
        ),
        (
            "<xs:restriction base='xs:QName'/>",
            "xsi:x",
            "nope:x",
            "is not a valid QName value.",
        ),
        (
            "<xs:restriction base='xs:dateTime'/>",
            "2024-02-29T10:00:00Z",
            "2023-02-29T10:00:00Z",
            "is not a valid DateTime value.",
        ),
        (
            "<xs:restriction base='xs:NMTOKENS'/>",
            "a b",
            "",
            "The actual length is less than the MinLength value.",
        ),
    ] {
        case(
            &of(inside),
            &[&format!("<a>{good}</a>")],
            &[(&format!("<a>{bad}</a>"), why)],
        );
    }
}

#[test]
fn derivation_and_substitution() {
    case(
        "<xs:complexType name='base'><xs:sequence><xs:element name='b' type='xs:string'/></xs:sequence><xs:attribute name='x' type='xs:int'/></xs:complexType>
         <xs:complexType name='more'><xs:complexContent><xs:extension base='base'><xs:sequence><xs:element name='c' type='xs:string'/></xs:sequence><xs:attribute name='y' use='required'/></xs:extension></xs:complexContent></xs:complexType>
         <xs:complexType name='less'><xs:complexContent><xs:restriction base='base'><xs:sequence><xs:element name='b' type='xs:token'/></xs:sequence><xs:attribute name='x' use='prohibited'/></xs:restriction></xs:complexContent></xs:complexType>
         <xs:complexType name='closed' abstract='true'><xs:sequence/></xs:complexType>
         <xs:element name='a' type='base'/><xs:element name='n' type='xs:int' nillable='true'/><xs:element name='ab' type='closed'/>
         <xs:element name='head' type='base' abstract='true'/><xs:element name='member' type='more' substitutionGroup='head'/><xs:element name='plain' substitutionGroup='head'/>
         <xs:element name='list'><xs:complexType><xs:sequence><xs:element ref='head' maxOccurs='unbounded'/></xs:sequence></xs:complexType></xs:element>
         <xs:element name='price'><xs:complexType><xs:simpleContent><xs:extension base='xs:decimal'><xs:attribute name='currency' type='xs:NMTOKEN' use='required'/></xs:extension></xs:simpleContent></xs:complexType></xs:element>
         <xs:element name='f' type='xs:int' fixed='1'/>",
        &[
            "<a x='1'><b/></a>",
            "<a xsi:type='more' y=''><b/><c/></a>",
            "<a xsi:type='less'><b/></a>",
            "<n xsi:nil='true'></n>",
            "<n>1</n>",
            "<list><member y='1'><b/><c/></member><plain><b/></plain></list>",
            "<price currency='EUR'>1.5</price>",
            "<f>01</f>",
            "<f></f>",
        ],
        &[
            ("<a xsi:type='more' y=''><b/></a>", "has incomplete content"),
            ("<a xsi:type='more'><b/><c/></a>", "The required attribute 'y' is missing."),
            ("<a xsi:type='less' x='1'><b/></a>", "The 'x' attribute is not declared."),
            ("<a xsi:type='xs'><b/></a>", "This is an invalid xsi:type 'xs'."),
            ("<a xsi:type='closed'><b/></a>", "The xsi:type attribute value 'closed' is not valid for the element 'u:a'"),
            ("<ab></ab>", "The element 'u:ab' is abstract or its type is abstract."),
            ("<n xsi:nil='true'>1</n>", "Element 'u:n' must have no character or element children."),
            ("<n></n>", "The string '' is not a valid Int32 value."),
            ("<a xsi:nil='true'><b/></a>", "If the 'nillable' attribute is false in the schema"),
            ("<list><head><b/></head></list>", "The element 'u:head' is abstract"),
            ("<list></list>", "has incomplete content"),
            ("<price>1.5</price>", "The required attribute 'currency' is missing."),
            ("<price currency='EUR'>x</price>", "The 'u:price' element is invalid"),
            ("<f>2</f>", "The value of the 'u:f' element does not equal its fixed value."),
        ],
    );
}

#[test]
fn identities() {
    case(
        "<xs:element name='a'><xs:complexType><xs:sequence>
           <xs:element name='k' minOccurs='0' maxOccurs='unbounded'><xs:complexType><xs:attribute name='id' type='xs:int'/></xs:complexType></xs:element>
           <xs:element name='r' type='xs:int' minOccurs='0' maxOccurs='unbounded'/></xs:sequence></xs:complexType>
           <xs:key name='key' xmlns:p='u'><xs:selector xpath='p:k'/><xs:field xpath='@id'/></xs:key>
           <xs:keyref name='ref' refer='key' xmlns:p='u'><xs:selector xpath='.//p:r'/><xs:field xpath='.'/></xs:keyref></xs:element>
         <xs:element name='d'><xs:complexType><xs:sequence><xs:any maxOccurs='9' processContents='lax'/></xs:sequence></xs:complexType><xs:unique name='un' xmlns:p='u'><xs:selector xpath='.'/><xs:field xpath='p:n|p:s'/></xs:unique></xs:element>
         <xs:element name='n'/><xs:element name='s' type='xs:int'/>
         <xs:element name='i'><xs:complexType><xs:sequence><xs:element name='k' maxOccurs='9'><xs:complexType><xs:attribute name='id' type='xs:ID'/><xs:attribute name='to' type='xs:IDREFS'/></xs:complexType></xs:element></xs:sequence></xs:complexType></xs:element>",
        &[
            "<a><k id='1'/><k id='2'/><r>01</r></a>",
            "<i><k id='x'/><k id='y' to='x y'/></i>",
        ],
        &[
            ("<a><k id='1'/><k id='01'/></a>", "There is a duplicate key sequence '1.' for the 'u:key' key or unique identity constraint."),
            ("<d><n><x/></n></d>", "The field is expecting an element or attribute with simple type"),
            ("<d><s>1</s><s>2</s></d>", "The field is expecting at the most one value."),
            ("<a><k/></a>", "The identity constraint 'u:key' validation has failed."),
            ("<a><k id='1'/><r>2</r></a>", "in 'u:ref' Keyref fails to refer to some key."),
            ("<i><k id='x'/><k id='x'/></i>", "'x' is already used as an ID."),
            ("<i><k to='x'/></i>", "Reference to undeclared ID is 'x'."),
        ],
    );
}

#[test]
fn schemas_refer_to_each_other_among_those_given() {
    let main = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='u' xmlns='u' xmlns:o='o' elementFormDefault='qualified'>
        <xs:include schemaLocation='1.xsd'/><xs:import namespace='o' schemaLocation='http://x.test/2.xsd'/>
        <xs:element name='a'><xs:complexType><xs:sequence><xs:element name='b' type='t'/><xs:element ref='o:c'/></xs:sequence><xs:attribute ref='xml:lang'/></xs:complexType></xs:element></xs:schema>";
    let chameleon = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:simpleType name='t'><xs:restriction base='s'/></xs:simpleType><xs:simpleType name='s'><xs:restriction base='xs:int'/></xs:simpleType></xs:schema>";
    let other = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='o'><xs:element name='c' type='xs:int'/></xs:schema>";
    let text = "<a xmlns='u' xml:lang='de'><b>1</b><c xmlns='o'>2</c></a>";
    assert_eq!(verdict(&[main, chameleon, other], text, Shape::Document), "");
    let got = verdict(&[main, chameleon], text, Shape::Document);
    assert_eq!(
        got,
        "refused: 0.xsd:3:91: the element `o:c` is not declared; not given, and never fetched: http://x.test/2.xsd"
    );
}

#[test]
fn envelopes_and_wsdl() {
    let wsdl = "<w:definitions xmlns:w='http://schemas.xmlsoap.org/wsdl/' xmlns:t='u' xmlns:xs='http://www.w3.org/2001/XMLSchema'><w:types>
        <xs:schema targetNamespace='u' elementFormDefault='qualified'><xs:import namespace='v'/><xs:element name='a' type='xs:int'/></xs:schema>
        <xs:schema targetNamespace='v'><xs:import namespace='u'/><xs:element name='b'><xs:complexType><xs:sequence><xs:element ref='t:a'/></xs:sequence></xs:complexType></xs:element></xs:schema>
        </w:types></w:definitions>";
    for soap in SOAP {
        let envelope = |header: &str, body: &str| {
            format!("<s:Envelope xmlns:s='{soap}'>{header}<s:Body>{body}</s:Body></s:Envelope>")
        };
        for (text, expected) in [
            (envelope("", "<a xmlns='u'>1</a>"), ""),
            (
                envelope("<s:Header><x/></s:Header>", "<b xmlns='v'><a xmlns='u'>1</a></b>"),
                "",
            ),
            (
                envelope("", "<s:Fault><faultcode>s:Client</faultcode></s:Fault>"),
                "",
            ),
            (envelope("", ""), ""),
            (envelope("", "<a xmlns='u'>x</a>"), "The 'u:a' element is invalid"),
            (envelope("", "<z/>"), "The 'z' element is not declared."),
            (
                envelope("<s:Header><a xmlns='u'>x</a></s:Header>", ""),
                "The 'u:a' element is invalid",
            ),
            (envelope("<x/>", ""), "has no place in a SOAP envelope."),
            (envelope("", "text"), "cannot contain text."),
            ("<a xmlns='u'>1</a>".to_owned(), "is not a SOAP envelope."),
            (
                format!("<s:Envelope xmlns:s='{soap}'/>"),
                "The SOAP envelope has no body.",
            ),
        ] {
            let got = verdict(&[wsdl], &text, Shape::Envelope);
            assert!(
                got.is_empty() == expected.is_empty() && got.contains(expected),
                "{text}: {got}"
            );
        }
    }
}

#[test]
fn schemas_that_cannot_be_used_say_where_and_why() {
    for (inside, expected) in [
        (
            "<xs:element name='a' type='t'/>",
            "0.xsd:2:2: the type `u:t` is not declared",
        ),
        ("<xs:redefine schemaLocation='x'/>", "`redefine` is not supported"),
        ("<xs:element/>", "`element` needs a `name`"),
        (
            "<xs:element name='a'/><xs:element name='a'/>",
            "the element `u:a` is declared twice",
        ),
        (
            "<xs:simpleType name='t'><xs:restriction base='t'/></xs:simpleType>",
            "types derive from each other in a circle",
        ),
        (
            "<xs:group name='g'><xs:sequence><xs:group ref='g'/></xs:sequence></xs:group><xs:element name='a'><xs:complexType><xs:group ref='g'/></xs:complexType></xs:element>",
            "nested or derived deeper than 100 levels",
        ),
        (
            "<xs:simpleType name='t'><xs:restriction base='xs:string'><xs:pattern value='['/></xs:restriction></xs:simpleType>",
            "the pattern `[` cannot be used: a `[` has no `]`",
        ),
        (
            "<xs:simpleType name='t'><xs:restriction base='xs:int'><xs:enumeration value='x'/></xs:restriction></xs:simpleType>",
            "`x` is no value of the base",
        ),
        (
            "<xs:simpleType name='t'><xs:restriction base='xs:int'><xs:length value='2'/></xs:restriction></xs:simpleType>",
            "`length` does not apply to this type",
        ),
        (
            "<xs:simpleType name='t'><xs:restriction base='xs:string'><xs:assertion test='1'/></xs:restriction></xs:simpleType>",
            "`assertion` needs a `value`",
        ),
        (
            "<xs:element name='a'><xs:complexType><xs:sequence><xs:element name='b' minOccurs='2'/></xs:sequence></xs:complexType></xs:element>",
            "`maxOccurs` is less than `minOccurs`",
        ),
        (
            "<xs:element name='a' substitutionGroup='b'/>",
            "the element `u:b` is not declared",
        ),
        (
            "<xs:element name='a' substitutionGroup='b'/><xs:element name='b' substitutionGroup='a'/>",
            "circle",
        ),
        (
            "<xs:element name='a'><xs:key name='k'><xs:selector xpath='b[1]'/><xs:field xpath='.'/></xs:key></xs:element>",
            "is beyond the XPath that XML Schema admits here",
        ),
        ("<xs:alternative/>", "`alternative` needs a `name`"),
        ("text", "text has no place between the elements of a schema"),
        ("<other/>", "`other` of namespace `u` has no place here"),
    ] {
        let schema = format!(
            "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='u' xmlns='u'>\n{inside}</xs:schema>"
        );
        let got = verdict(&[&schema], "<a/>", Shape::Document);
        assert!(
            got.starts_with("refused: ") && got.contains(expected),
            "{inside}: {got}"
        );
    }
    assert!(
        verdict(&["<a/>"], "<a/>", Shape::Document).contains("`a` is neither an XML schema nor holds one")
    );
    assert!(
        verdict(&["<a"], "<a/>", Shape::Document).starts_with("refused: 0.xsd:1:3: Unexpected end of file")
    );
}

#[test]
fn hostile_schemas_and_bodies_are_bounded() {
    let schema = |inside: &str| {
        format!(
            "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='u' xmlns='u' elementFormDefault='qualified'>{inside}</xs:schema>"
        )
    };
    let began = std::time::Instant::now();
    // Far more elements than anybody has.
    let many = schema(
        "<xs:element name='a'><xs:complexType><xs:sequence maxOccurs='1000000000'><xs:sequence minOccurs='0' maxOccurs='999999999'><xs:element name='b' minOccurs='0' maxOccurs='99999999999999999999'/></xs:sequence></xs:sequence></xs:complexType></xs:element>",
    );
    let body = format!("<a xmlns='u'>{}</a>", "<b/>".repeat(20_000));
    assert_eq!(verdict(&[&many], &body, Shape::Document), "");
    // Groups that double 40 times.
    let mut groups =
        String::from("<xs:group name='g0'><xs:sequence><xs:element name='b'/></xs:sequence></xs:group>");
    for i in 1..40 {
        let under = format!("<xs:group ref='g{}'/>", i - 1);
        groups += &format!("<xs:group name='g{i}'><xs:sequence>{under}{under}</xs:sequence></xs:group>");
    }
    groups += "<xs:element name='a'><xs:complexType><xs:group ref='g39'/></xs:complexType></xs:element>";
    assert!(
        verdict(&[&schema(&groups)], "<a xmlns='u'/>", Shape::Document)
            .contains("the content model is too large")
    );
    // Choices that do not tell which way to go.
    let mut choice = "<xs:element name='b' minOccurs='2' maxOccurs='1000'/>".to_owned();
    for _ in 0..8 {
        choice = format!("<xs:choice minOccurs='2' maxOccurs='1000'>{choice}{choice}</xs:choice>");
    }
    let ambiguous = schema(&format!(
        "<xs:element name='a'><xs:complexType><xs:sequence>{choice}</xs:sequence></xs:complexType></xs:element>"
    ));
    assert_eq!(
        verdict(&[&ambiguous], &body, Shape::Document),
        "stopped: Checking it takes too many steps."
    );
    // Types that derive from each other, thousands deep.
    let mut chain =
        String::from("<xs:simpleType name='t0'><xs:restriction base='xs:string'/></xs:simpleType>");
    for i in (1..5_000).rev() {
        chain += &format!(
            "<xs:simpleType name='t{i}'><xs:restriction base='t{}'/></xs:simpleType>",
            i - 1
        );
    }
    assert!(verdict(&[&schema(&chain)], "<a/>", Shape::Document).contains("nested or derived deeper"));
    // Unions of unions.
    let mut unions = String::from("<xs:simpleType name='t0'><xs:restriction base='xs:int'/></xs:simpleType>");
    for i in 1..40 {
        let under = format!("t{} ", i - 1).repeat(4);
        unions += &format!("<xs:simpleType name='t{i}'><xs:union memberTypes='{under}'/></xs:simpleType>");
    }
    unions += "<xs:element name='a' type='t39'/>";
    assert_eq!(
        verdict(&[&schema(&unions)], "<a xmlns='u'>x</a>", Shape::Document),
        "stopped: Checking it takes too many steps."
    );
    // A pattern that others go back and forth over.
    let pattern = schema(
        "<xs:element name='a'><xs:simpleType><xs:restriction base='xs:string'><xs:pattern value='(a|a)*(a*)*b'/></xs:restriction></xs:simpleType></xs:element>",
    );
    let text = format!("<a xmlns='u'>{}</a>", "a".repeat(100_000));
    assert!(verdict(&[&pattern], &text, Shape::Document).contains("The Pattern constraint failed."));
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}
