//! What to do about a mistake: the binder says it where it knows more, this table says it for the rest.

use crate::Diagnostic;

/// Escapes of XML that the document has resolved already, unless they were written twice or in the wrong place.
const ESCAPES: &[&str] = &["&quot;", "&lt;", "&gt;", "&amp;", "&apos;"];

/// Completes the advice of a refused expression.
pub(super) fn complete(source: &str, diagnostics: &mut [Diagnostic]) {
    let escaped = ESCAPES.iter().find(|e| source.contains(**e));
    if let (Some(escape), Some(first)) = (escaped, diagnostics.iter_mut().find(|d| !d.warning)) {
        first.help(format!(
            "write the character itself for '{escape}': XML escapes are resolved once, when the document is read"
        ));
    }
    for d in diagnostics.iter_mut().filter(|d| d.help.is_none()) {
        let at = source.get(d.span.start..d.span.end).unwrap_or("");
        d.help = remedy(d.code, at, source).map(str::to_owned);
        if d.help.is_none() {
            d.help = converted(d);
        }
    }
}

/// Advice by code alone, or by the text the mistake stands at.
fn remedy(code: &str, at: &str, source: &str) -> Option<&'static str> {
    Some(match code {
        "CS1002" => "put a semicolon here",
        "CS1026" => "close the parenthesis here",
        "CS1513" => "close the block with } here, or take out what cannot start a statement",
        "CS1514" => "open the block with { here",
        "CS1003" => "put the missing mark here",
        "CS1010" => "close the text with a quotation mark on the same line; @\"…\" may span lines",
        "CS1039" => "close the text with a quotation mark; a quotation mark inside @\"…\" is written twice",
        "CS1035" => "close the comment with */",
        "CS1525" | "CS1733" => "an operand is missing here",
        "CS1001" => "a name is missing here",
        "CS1022" => "take out the closing brace that has no partner",
        "CS0200" if source.contains(" = ") => {
            "to compare, write ==; what context gives cannot be changed here, only by policies"
        }
        "CS0200" => "what context gives cannot be changed here, only by policies",
        "CS0103" => "check the spelling, or declare it: var name = …;",
        "CS0246" | "CS0234" | "APIM0001" => {
            "only the types in the table of supported types exist in expressions"
        }
        "CS0117" | "CS1061" | "APIM0002" => "see the table of supported members of this type",
        "CS0128" | "CS0136" | "CS0100" => "choose another name",
        "CS0818" => "give it a value: var name = …; or write its type",
        "CS0201" => "use its value, or take it out",
        "CS0139" => "break and continue stand inside loops",
        "CS0155" => "throw an exception: throw new Exception(\"…\")",
        "CS0126" => "return a value",
        "CS0428" | "CS0119" if at.contains('.') => "add parentheses to call it",
        "CS0305" => "write its type arguments between < and >",
        "CS1526" => "write parentheses behind the type",
        "CS0030" | "CS0039" => "no cast does this: convert with Parse, Convert or ToString",
        "CS0411" => "write the type arguments: name<type>(…)",
        "CS0831" | "CS0841" => "move the declaration in front of its first use",
        "CS0023" if at.contains("null") => "give null a type, such as (string)null",
        _ => return None,
    })
}

/// How the type named first in a message about a conversion or an operator becomes the one named second.
fn converted(d: &Diagnostic) -> Option<String> {
    if !matches!(d.code, "CS0029" | "CS1503" | "CS0019") {
        return None;
    }
    let mut quoted = d.message.split('\'').skip(1).step_by(2);
    if d.code == "CS0019" {
        quoted.next();
    }
    let (from, to) = (quoted.next()?, quoted.next()?);
    let number = |t: &str| {
        matches!(
            t,
            "int" | "long" | "double" | "decimal" | "bool" | "byte" | "short" | "float"
        )
    };
    Some(match (from, to) {
        ("string", t) | (t, "string") if number(t) && d.code == "CS0019" => {
            format!("convert one side: {t}.Parse(…) of the text, or .ToString() of the other")
        }
        ("string", "string") if d.code == "CS0019" => {
            "text is compared with ==, != and string.Compare, and tested with IsNullOrEmpty".to_owned()
        }
        ("string", t) if number(t) => format!("read the text: {t}.Parse(…)"),
        (_, "string") => "write .ToString() behind it".to_owned(),
        (_, "bool") => "write a condition: a comparison with == or !=".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::compile;

    #[test]
    fn every_common_mistake_has_a_way_out() {
        let table = [
            ("@(contxt.Request.Method)", "did you mean 'context'?"),
            ("@(context.request.Method)", "did you mean 'Request'?"),
            (
                "@(context.Request.Headers.GetValueOrDefalt(\"a\"))",
                "did you mean 'GetValueOrDefault'?",
            ),
            (
                "@(context.Request.Method = \"GET\")",
                "to compare, write ==; what context gives cannot be changed here, only by policies",
            ),
            ("@{ return 1 }", "put a semicolon here"),
            (
                "@(\"abc)",
                "close the text with a quotation mark on the same line; @\"…\" may span lines",
            ),
            (
                "@{ if (context.Tracing) { return 1; } }",
                "end every path with `return …;` or `throw …;`",
            ),
            (
                "@(context.Request.Headers.GetValueOrDefault(&quot;a&quot;))",
                "write the character itself for '&quot;': XML escapes are resolved once, when the document is read",
            ),
            (
                "@(context.Response.StatusCode &lt; 400)",
                "write the character itself for '&lt;': XML escapes are resolved once, when the document is read",
            ),
            (
                "@(new HttpClient())",
                "only the types in the table of supported types exist in expressions",
            ),
            (
                "@(context.Variables[\"x\"].ToString())",
                "cast the value to its type first, for example ((string)context.Variables[\"x\"])",
            ),
            (
                "@(context.Request.Method == 'abc')",
                "write text in double quotes",
            ),
            ("@(string.isNullOrEmpty(\"a\"))", "did you mean 'IsNullOrEmpty'?"),
            (
                "@{ var x; return x; }",
                "give it a value: var name = …; or write its type",
            ),
            ("@{ string x = 5; return x; }", "write .ToString() behind it"),
            ("@{ int x = \"5\"; return x; }", "read the text: int.Parse(…)"),
            (
                "@(1 == \"1\")",
                "convert one side: int.Parse(…) of the text, or .ToString() of the other",
            ),
            (
                "@{ if (1) { return 1; } return 2; }",
                "write a condition: a comparison with == or !=",
            ),
            ("@{ int x = 1; int x = 2; return x; }", "choose another name"),
            (
                "@(System.IO.File.ReadAllText(\"x\"))",
                "only the types in the table of supported types exist in expressions",
            ),
            (
                "@(context.Variables.GetValueOrDefault<string>(\"a\")",
                "close the parenthesis here",
            ),
            ("@(WebUtility.UrlEncode(\"a\"))", "write System.Net.WebUtility"),
            (
                "@(context.Request.Headers[\"a\"].First)",
                "add parentheses to call it",
            ),
            (
                "@(DateTime.Now.ToUniversalTime())",
                "see the table of supported members of this type",
            ),
        ];
        for (source, help) in table {
            let diagnostics = compile(source).err().unwrap_or_default();
            let got: Vec<_> = diagnostics.iter().filter_map(|d| d.help.as_deref()).collect();
            assert_eq!(got.first(), Some(&help), "{source}: {diagnostics:?}");
        }
    }

    #[test]
    fn a_refusal_names_a_place_inside_the_source() {
        for source in [
            "@(",
            "@{",
            "@(a b)",
            "@{ int }",
            "@(\"",
            "@{ return $\"{; }",
            "@(x =>)",
        ] {
            for d in compile(source).err().unwrap_or_default() {
                assert!(
                    d.span.start <= d.span.end && d.span.end <= source.len(),
                    "{source}: {d:?}"
                );
            }
        }
    }
}
