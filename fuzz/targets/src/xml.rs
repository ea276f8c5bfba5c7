//! XML in System.Xml.Linq's reading.

use gateway_dotnet::xml::{self, LoadOptions, SaveOptions};

use crate::{Target, text};

/// What is read and written reads as the same.
pub(crate) const READER: Target = Target {
    name: "xml",
    run: read,
    seeds: &[
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><!-- c --><a xmlns=\"u:a\" xmlns:p=\"u:p\" p:x='1'>t<p:b/>&lt;&#65;<![CDATA[x]]><?pi d?></a>",
        "<!DOCTYPE a [<!ENTITY e \"v\"><!ENTITY f \"&e;&e;\">]><a>&f;</a>",
        "<a> <b xml:space='preserve'> </b>\r\n<c d=\"&quot;\"/></a>",
    ],
    words: &[
        "<",
        ">",
        "</",
        "/>",
        "&",
        ";",
        "&#x",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<?",
        "?>",
        "xmlns:",
        "xmlns=\"\"",
        "=\"",
        "'",
        "<!ENTITY",
        "%p;",
    ],
};

fn read(input: &[u8]) {
    let given = text(input);
    for options in [0, 1] {
        let _ = xml::parse_element(&given, LoadOptions(options));
        let Ok(document) = xml::parse_document(&given, LoadOptions(options)) else {
            continue;
        };
        let _ = xml::node_to_string(&document, SaveOptions(0));
        let plain = xml::node_to_string(&document, SaveOptions(1));
        match xml::parse_document(&plain, LoadOptions(1)) {
            Ok(again) => assert_eq!(xml::node_to_string(&again, SaveOptions(1)), plain, "{given}"),
            Err(e) => panic!("{given} is written as {plain}, which is not read: {e:?}"),
        }
    }
}
