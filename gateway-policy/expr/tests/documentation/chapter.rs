//! The front page: how to try an expression, and the language by example.

use std::fmt::Write as _;

use gateway_expr::Limits;

use crate::{
    examples::Row,
    pages::{cell, example, result},
};

/// A piece of the language: a heading, what to know, and examples that are recorded rows.
struct Section {
    title: &'static str,
    text: &'static str,
    examples: &'static [&'static str],
}

const LANGUAGE: &[Section] = &[
    Section {
        title: "Two forms",
        text: "`@(…)` holds one expression, `@{…}` the body of a method in which every path returns a value. Both see `context`.",
        examples: &[
            "@(1 + 2)",
            "@{ int sum = 0; for (int i = 1; i <= 3; i++) { sum += i; } return sum; }",
            "@{ if (1 > 2) { return \"never\"; } }",
        ],
    },
    Section {
        title: "The context",
        text: "Headers, query and matched parameters are dictionaries whose keys ignore case. A cast of a variable unboxes exactly: \
               a boxed `int` is no `long`. A missing variable throws; `GetValueOrDefault` does not.",
        examples: &[
            "context.Request.Headers.GetValueOrDefault(\"x-tenant\", \"none\")",
            "context.Request.MatchedParameters[\"id\"]",
            "context.Request.Url.Query.GetValueOrDefault(\"top\", \"10\")",
            "(string)context.Request.Body.As<JObject>(preserveContent: true).SelectToken(\"$.items[?(@.n == 3)].sku\")",
            "context.Request.Body.As<JObject>()[\"items\"].Sum(i => (int)i[\"n\"])",
            "(int)context.Variables[\"tries\"]",
            "(long)context.Variables[\"tries\"]",
            "(string)context.Variables[\"n\"]",
            "context.Variables[\"missing\"]",
            "context.Variables.GetValueOrDefault(\"tries\", 0)",
            "context.Variables.GetValueOrDefault<string>(\"missing\", \"none\")",
        ],
    },
    Section {
        title: "Operators",
        text: "All of C#'s, with its promotions and precedence. Integers wrap at run time unless `checked`; constants that overflow \
               do not compile.",
        examples: &[
            "7 / 2",
            "-7 % 3",
            "7 / 2.0",
            "1 / 3m",
            "'a' + 1",
            "\"a\" + 'b'",
            "6 & 3 | 8 ^ 1",
            "~5",
            "1 << 33",
            "1 == 1 && !(2 < 1) || false",
            "true ? \"yes\" : \"no\"",
            "(string)null ?? \"none\"",
            "((string)null)?.Length ?? -1",
            "\"abc\"?[1]",
            "int.MaxValue + 1",
            "@{ int n = int.MaxValue; return n + 1; }",
            "@{ int n = int.MaxValue; return checked(n + 1); }",
            "@{ int zero = 0; return 1 / zero; }",
            "@{ double zero = 0; return 1 / zero; }",
        ],
    },
    Section {
        title: "Literals, casts and types",
        text: "Every integer type, `float`, `double`, `decimal`, `char`, `string`, `bool`, enums, nullable types, tuples, arrays and \
               anonymous types.",
        examples: &[
            "1_000 + 0xFF + 0b101",
            "(int)3.99",
            "(byte)300",
            "unchecked((byte)300)",
            "@\"C:\\path \"\"quoted\"\"\"",
            "$\"{1234.5:N1}|{7,4}|{7,-4}|{true}\"",
            "@{ object o = 5; return (long)o; }",
            "@{ object o = \"text\"; return o is string s && s.Length == 4; }",
            "@{ object o = \"text\"; return o as Uri; }",
            "default(string)",
            "@{ int? n = null; return n + 1; }",
            "@{ (int count, string name) t = (1, \"a\"); return t.name + t.count; }",
            "@{ var (a, b) = (1, 2); return a + b; }",
            "JsonConvert.SerializeObject(new { id = 1, name = \"a\", tags = new[] { \"x\" } })",
            "new Dictionary<string, int> { [\"a\"] = 1 }[\"a\"]",
            "new int[2, 3].Length",
            "nameof(string.Length)",
        ],
    },
    Section {
        title: "Statements",
        text: "Declarations, assignments, `if`, `switch` with patterns, every loop, `goto`, `try`/`catch when`/`finally`, `throw`, \
               `using`, local functions.",
        examples: &[
            "@{ object o = 5; switch (o) { case int n when n > 3: return \"big\"; case int n: return \"small\"; case null: return \"none\"; default: return \"other\"; } }",
            "@{ int i = 0; do { i += 2; } while (i < 5); return i; }",
            "@{ foreach (var p in JObject.Parse(\"{\\\"a\\\":1,\\\"b\\\":2}\")) { if ((int)p.Value == 2) { return p.Key; } } return null; }",
            "@{ try { return int.Parse(\"x\"); } catch (FormatException) { return -1; } finally { context.Trace(\"done\"); } }",
            "@{ try { throw new InvalidOperationException(\"no token\"); } catch (Exception e) when (e.Message.Contains(\"token\")) { return e.Message; } }",
            "@{ string name = null; return name ?? throw new ArgumentException(\"name is needed\"); }",
            "@{ using (var reader = new StringReader(\"a\\nb\")) { return reader.ReadLine(); } }",
            "@{ int n = 0; again: n++; if (n < 3) { goto again; } return n; }",
            "@{ int Fib(int n) => n < 2 ? n : Fib(n - 1) + Fib(n - 2); return Fib(10); }",
        ],
    },
    Section {
        title: "Calls, lambdas and LINQ",
        text: "Generic calls with inference, named, optional, `params` and `out` arguments, closures, method and query syntax.",
        examples: &[
            "int.TryParse(\"42\", out var n) ? n + 1 : 0",
            "string.Join(separator: \"-\", value: new[] { \"a\", \"b\" })",
            "@{ int factor = 3; Func<int, int> times = x => x * factor; factor = 5; return times(2); }",
            "new[] { 3, 1, 2 }.Where(n => n > 1).OrderBy(n => n).Select(n => n * 10).ToArray()",
            "(from w in new[] { \"a\", \"bb\", \"c\" } group w by w.Length into g select g.Key + \":\" + g.Count()).ToArray()",
        ],
    },
    Section {
        title: "What C# 7.3 refuses",
        text: "The same codes as the compiler's. Everything newer than C# 7.3 is refused as it refuses it; so are type declarations, \
               `using` directives and `unsafe`.",
        examples: &[
            "1 + nope",
            "1 + true",
            "\"abc\".Lenght",
            "@{ int n = \"5\"; return n; }",
            "@{ return 1 }",
            "@{ int n; return n; }",
            "JObject.Parse(\"{}\")[\"a\"] == \"x\"",
            "Formatting.Indented",
            "@{ using System.Net; return 1; }",
            "new[] { 1, 2, 3 }[^1]",
            "new[] { 1, 2, 3 }[1..]",
            "@{ string s = null; s ??= \"x\"; return s; }",
            "@{ using var r = new StringReader(\"a\"); return r.ReadLine(); }",
            "@{ static int F() => 1; return F(); }",
            "\"abc\" is not null",
        ],
    },
];

/// Syntax that does not exist here, and what it is.
const NO_SYNTAX: &[(&str, &str)] = &[
    ("@{ class C { } return 1; }", "declarations of types"),
    ("@{ unsafe { int* p = null; } return 1; }", "pointers"),
    (
        "@{ Func<int> f = async () => 1; return f(); }",
        "`async` and `await`",
    ),
    (
        "1 switch { 1 => \"one\", _ => \"other\" }",
        "`switch` expressions (C# 8)",
    ),
    (
        "@{ List<int> l = new(); return l.Count; }",
        "`new()` without a type (C# 9)",
    ),
    ("\"\"\"raw\"\"\"", "raw strings (C# 11)"),
];

/// What the vendor's static check refuses although it is C#: code, example, what to write instead.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "APIM0001",
        "System.Globalization.CultureInfo.InvariantCulture.Name",
        "culture is always invariant; write `null` for an `IFormatProvider`",
    ),
    ("APIM0001", "System.Environment.NewLine", "`\"\\n\"`"),
    (
        "APIM0001",
        "new Uri(\"/a\", UriKind.Relative)",
        "cast the number: `(UriKind)2`",
    ),
    (
        "APIM0002",
        "context.Variables[\"x\"].ToString()",
        "cast first: `((string)context.Variables[\"x\"])`",
    ),
    (
        "APIM0002",
        "DateTime.TryParse(\"2024-02-29\", out var d)",
        "`DateTime.Parse` in a `try`, or `DateTimeOffset.TryParse`",
    ),
    (
        "APIM0002",
        "DateTime.UtcNow.ToUniversalTime()",
        "`DateTimeOffset`",
    ),
    (
        "APIM0002",
        "SymmetricAlgorithm.Create()",
        "name the algorithm: `SymmetricAlgorithm.Create(\"Aes\")`",
    ),
    (
        "APIM0006",
        "@{ dynamic d = context.Request.Body.As<JObject>(); return d.name; }",
        "index with the name: `[\"name\"]`",
    ),
];

/// Types of the vendor's list that are not here, and why.
const NOT_HERE: &[(&[&str], &str)] = &[(
    &[
        "System.TimeZoneInfo+AdjustmentRule",
        "System.TimeZoneInfo+TransitionTime",
    ],
    "rules of a zone as objects; the conversions that use them are supported",
)];

/// Where the gateway means to differ from the compiler's answers.
const MEANT: &[(&str, &str)] = &[
    (
        "Culture and order of strings",
        "`CompareTo`, `StartsWith(string)` and their like compare ordinally, as .NET does in invariant-globalization mode",
    ),
    ("Time zone of `DateTime.Now`", "UTC, as in the vendor's container"),
    (
        "Clock of `eval`",
        "2024-01-02T03:04:05Z, and random numbers from a counter, so that answers repeat",
    ),
    (
        "`CompareInfo`, reflection, files, streams, sockets",
        "nothing outside the expression can be reached; those members do not exist here",
    ),
    (
        "Names of LINQ iterator types",
        "what `Where` or `Select` returns prints as in .NET where that is known, else as `IEnumerable<T>`; no expression can tell",
    ),
];

const FRONT: &str = "\
# Policy expressions

Policies are full of C#: `@(…)` and `@{…}`. This page shows how to try one, what the language is, and every type and member
there is, each with an example. All examples are evaluated by a test; their results were recorded from the real C# compiler
(C# 7.3, .NET Core 3.1, Newtonsoft.Json 11), and refusals carry its codes.

## Trying one

```console
$ gateway-agent eval '1 + 2 * 3'
7    System.Int32
$ gateway-agent eval '@(context.Request.Headers.GetValueOrDefault(\"X-Tenant\", \"none\"))' --context context.json
\"contoso\"    System.String
$ gateway-agent eval '1 + nope'
error[CS0103]: The name 'nope' does not exist in the current context
  |
1 | 1 + nope
  |     ^^^^
```

`context.json` describes the exchange; every member is optional, and without `--context` it is a GET request without entities:

```json
{
  \"model\": \"contoso\",
  \"request\": {
    \"method\": \"POST\",
    \"url\": \"https://api.contoso.com/orders/42?top=5\",
    \"headers\": { \"X-Tenant\": \"contoso\", \"Accept\": [\"text/html\", \"*/*\"] },
    \"matchedParameters\": { \"id\": \"42\" },
    \"body\": \"{\\\"name\\\": \\\"a\\\"}\"
  },
  \"response\": { \"status\": 404, \"reason\": \"Not Found\", \"body\": \"gone\" },
  \"variables\": { \"tries\": 3, \"user\": { \"$type\": \"JObject\", \"value\": { \"id\": 7 } } }
}
```

`gateway-agent eval --cases rows.jsonl` evaluates many, one JSON row a line, beside what is expected:
`{\"expr\": \"1 + 2\", \"result\": {\"type\": \"System.Int32\", \"text\": \"3\"}}`. [eval.md](eval.md) has the whole format.
";

pub(crate) fn render(rows: &[Row], index: &str, refused: &[String]) -> String {
    let mut out = format!(
        "<!-- Made by a test: {}. -->\n{FRONT}\n## The language\n",
        crate::ADVICE
    );
    for section in LANGUAGE {
        let _ = write!(
            out,
            "\n### {}\n\n{}\n\n| expression | result |\n|---|---|\n",
            section.title, section.text
        );
        for source in section.examples {
            let row = rows.iter().find(|r| r.source == *source && r.own.is_none());
            let row = row.unwrap_or_else(|| panic!("no recorded row says {source}"));
            let _ = writeln!(out, "| {} | {} |", example(row), outcome(row));
        }
    }
    for (source, what) in NO_SYNTAX {
        let refusal = gateway_expr::compile(source).err().unwrap_or_default();
        let Some(first) = refusal.first() else {
            panic!("{source} compiles");
        };
        let said = format!("{}: {}", first.code, prose(&first.message));
        let _ = writeln!(out, "| {} | {said} ({what}) |", cell(source));
    }
    static_check(&mut out);
    limits(&mut out);
    out += "\n## Meant differences\n\n| what | how it is here |\n|---|---|\n";
    for (what, how) in MEANT {
        let _ = writeln!(out, "| {what} | {how} |");
    }
    let _ = write!(
        out,
        "\n## Types and members\n\n| namespace | members | types |\n|---|---|---|\n{index}\n\
         ### Listed by the vendor and not here\n\n| type | why |\n|---|---|\n"
    );
    for (names, why) in NOT_HERE {
        let here = |name: &&&str| gateway_expr::catalogue::types().any(|t| t.full_name == **name);
        assert_eq!(names.iter().find(here), None, "it is here: take it off the list");
        let names: Vec<String> = names.iter().map(|name| cell(name)).collect();
        let _ = writeln!(out, "| {} | {why} |", names.join(", "));
    }
    let _ = write!(
        out,
        "\n### Known to the compiler, refused in expressions\n\nThey exist so that overloads and base types resolve as in C#; \
         the vendor's list does not name them, so their members are APIM0001:\n\n{}.\n",
        refused.join(", ")
    );
    out
}

/// The recorded result; of a refusal also what people see.
fn outcome(row: &Row) -> String {
    if row.result.get("compile").is_none() {
        return result(row);
    }
    let diagnostics = gateway_expr::compile(&row.source).err().unwrap_or_default();
    let Some(first) = diagnostics.iter().find(|d| !d.warning) else {
        panic!("{} compiles", row.source);
    };
    format!("{}: {}", first.code, prose(&first.message))
}

/// A message in a table: nothing in it is markup.
fn prose(message: &str) -> String {
    message
        .replace('|', "\\|")
        .replace('<', "&lt;")
        .replace('*', "\\*")
}

fn static_check(out: &mut String) {
    out.push_str(
        "\n### What the vendor's static check refuses\n\nTypes and members outside its list, and members of `dynamic`. `object` is listed \
         without members.\n\n| expression | what is said | instead |\n|---|---|---|\n",
    );
    for (code, source, instead) in REFUSED {
        let diagnostics = gateway_expr::compile(source).err().unwrap_or_default();
        let Some(found) = diagnostics.iter().find(|d| d.code == *code) else {
            panic!("{source} should be refused with {code}: {diagnostics:?}");
        };
        let _ = writeln!(
            out,
            "| {} | {code}: {} | {instead} |",
            cell(source),
            prose(&found.message)
        );
    }
}

fn limits(out: &mut String) {
    let Limits {
        steps,
        memory,
        stack,
        regex_steps,
    } = Limits::default();
    let _ = write!(
        out,
        "\n## Limits\n\nAn evaluation that reaches one ends with `BudgetExceededException`, which no `catch` sees; the request gets \
         `ExpressionValueEvaluationFailure`, 500.\n\n| what | default |\n|---|---|\n\
         | loop turns, calls and enumerated items | {steps} |\n\
         | steps of one regular expression; all of an evaluation take four times as many | {regex_steps} |\n\
         | bytes of strings and collections built | {} MiB |\n\
         | machine stack of nested calls | {} KiB |\n\
         | depth of JSON, of XML | {}, {} |\n\
         | nodes of an XML document | {} |\n\
         | length of a string, in UTF-16 units | {} Mi |\n\
         | bits of an RSA key | 8192 |\n\
         \nA catastrophic pattern of a regular expression ends with `RegexMatchTimeoutException`; a `TimeSpan` timeout given to it \
         is accepted and changes nothing. An expression too long or nested too deep to compile is CS8078.\n",
        memory >> 20,
        stack >> 10,
        gateway_dotnet::json::MAX_DEPTH,
        gateway_dotnet::xml::MAX_DEPTH,
        gateway_dotnet::xml::MAX_NODES,
        gateway_dotnet::text::MAX_STRING_UNITS >> 20,
    );
}
