//! JSON in Newtonsoft's reading, and paths into it.

use gateway_dotnet::{
    Str,
    json::{self, Token},
};

use crate::{Target, text};

/// What is read and written reads as the same.
pub(crate) const READER: Target = Target {
    name: "json",
    run: read,
    seeds: &[
        "{\"a\": [1, 2.50, -3e10, true, null], 'b': \"\\u0041\\n\", c: /* x */ new Date(0)}",
        "[\"2024-01-02T03:04:05Z\", \"/Date(0)/\", 0x1F, 017, NaN, -Infinity, undefined]",
        "{\"d\": 12345678901234567890123456789, \"e\": {}, \"\": [[[]]]}",
    ],
    words: &[
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "'",
        "//",
        "/*",
        "*/",
        "\\u",
        "new Date(",
        "NaN",
        "1e400",
        "-0",
        "null",
        "\u{feff}",
    ],
};

fn read(input: &[u8]) {
    let given = Str::new(&text(input));
    let _ = (json::parse_object(&given), json::parse_array(&given));
    let Ok(token) = json::parse_token(&given) else {
        return;
    };
    let Ok(written) = token.to_text() else { return };
    let _ = count(&token);
    if token.is_container()
        && let Ok(again) = json::parse_token(&written)
    {
        assert_eq!(again.to_text().ok(), Some(written), "{given}");
    }
}

fn count(token: &Token) -> usize {
    1 + token.children().iter().map(count).sum::<usize>()
}

/// Path and document are the two lines of the input.
pub(crate) const SELECT: Target = Target {
    name: "select-token",
    run: select,
    seeds: &[
        "$.a[?(@.b > 1 && @.c == 'x')].b\n{\"a\":[{\"b\":1},{\"b\":2,\"c\":\"x\"}]}",
        "$..b[0,-1,1:5:2]['k','l'].*\n{\"b\":[1,2,{\"k\":3}]}",
        "a['b'][?(@ =~ /x+/i)]\n{\"a\":{\"b\":[\"xx\"]}}",
    ],
    words: &[
        "$", "..", "[?(", "@.", "==", "!=", "=~", "&&", "||", ")]", "['", "']", "*", "-1", ":", ",", "/x/",
        "\n",
    ],
};

fn select(input: &[u8]) {
    let input = text(input);
    let (path, document) = input
        .split_once('\n')
        .unwrap_or((&input, "{\"a\":[1,{\"b\":2}]}"));
    let path = Str::new(path);
    let Ok(token) = json::parse_token(&Str::new(document)) else {
        return;
    };
    for strict in [false, true] {
        let all = json::select_tokens(&token, &path, strict);
        let one = json::select_token(&token, &path, strict);
        if let (Ok(all), Ok(one)) = (&all, &one) {
            assert_eq!(all.len(), usize::from(one.is_some()), "{path}");
        }
    }
}
