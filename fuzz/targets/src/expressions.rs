//! Expressions: any text, and programs that are well typed by construction.

use gateway_expr::{Expression, Limits, cases};
use serde_json::json;

use crate::{Choices, Target, generate, text};

/// Small, so that a run is short; the meaning of a limit does not depend on its size.
const LIMITS: Limits = Limits {
    steps: 20_000,
    memory: 4 << 20,
    stack: 256 << 10,
    regex_steps: 100_000,
};

/// Lexer, parser, checker and, for what compiles, evaluation.
pub(crate) const COMPILE: Target = Target {
    name: "expression",
    run: compile,
    seeds: &[
        "@(context.Variables.GetValueOrDefault<string>(\"a\", \"b\").Length > 3 ? 1 : 2)",
        "@{ var o = JObject.Parse(\"{\\\"a\\\":[1,2]}\"); foreach (var t in o[\"a\"].Where(x => (int)x > 1)) { if (t is JValue v) return $\"{v,5:D3}\"; } return null; }",
        "@{ switch (1) { case int n when n > 0: goto default; default: break; } try { throw new Exception(\"x\"); } catch (Exception e) when (e.Message == \"x\") { } finally { } return (1, b: \"x\").b + nameof(context) + @\"v\"\"\" + 'c'; }",
        "@(from x in new[]{1,2,3} where x > 1 orderby x descending select new { x, y = x * 2m })",
        "@(((IResponse)context.Variables[\"r\"]).Body.As<JObject>(preserveContent: true)?[\"a\"]?.ToString() ?? \"none\")",
        "@{ int F(int n) => n < 2 ? 1 : n * F(n - 1); return F(5) + checked(1 << 3) - 0x1F + 1_000 + (int)'a'; }",
    ],
    words: &[
        "@(",
        "@{",
        "}",
        ")",
        "(",
        "\"",
        "$\"",
        "{",
        "=>",
        "?.",
        "??",
        "new ",
        "var ",
        "return ",
        "int ",
        "string ",
        "context.",
        "Variables",
        "[",
        "]",
        "<",
        ">",
        ".Select(x=>",
        ".ToString()",
        ";",
        ",",
        "1",
        "null",
        "is ",
        "as ",
        "switch",
        "case ",
        "when ",
        "\\u0041",
        "'a'",
        "//",
        "/*",
        "1e308",
        "0x",
        "m",
        "dynamic ",
        "out ",
        "ref ",
        "params ",
        "try{",
        "catch",
        "finally{",
        "goto ",
    ],
};

fn compile(input: &[u8]) {
    let source = text(input);
    for allow_list in [true, false] {
        let first = gateway_expr::compile_with(&source, allow_list);
        let second = gateway_expr::compile_with(&source, allow_list);
        let told = match (&first, &second) {
            (Ok((_, a)), Ok((_, b))) | (Err(a), Err(b)) => {
                assert_eq!(a, b, "the same text gives two sets of diagnostics");
                a
            }
            _ => panic!("the same text compiles and does not"),
        };
        for diagnostic in told {
            let span = diagnostic.span;
            assert!(
                span.start <= span.end && span.end <= source.len(),
                "{diagnostic:?} is outside the text"
            );
        }
        match first {
            Ok((expression, _)) => drop(outcome(&expression)),
            Err(told) => assert!(told.iter().any(|d| !d.warning), "refused without an error"),
        }
    }
}

/// Value with its type, or exception, of one evaluation.
fn outcome(expression: &Expression) -> String {
    let context = json!({
        "request": {"headers": {"A": "1"}, "body": "{\"a\": [1, 2]}"},
        "response": {"status": 200, "body": "<a/>"},
        "variables": {"s": "text", "i": 7, "b": true, "a": "x"},
    });
    let Ok(mut context) = cases::context_from_json(&context) else {
        return String::new();
    };
    match expression.evaluate_within(&mut context, &cases::FixedWorld::default(), LIMITS) {
        Ok(value) => format!(
            "{}: {}",
            value.type_name().unwrap_or_default(),
            value.to_text().unwrap_or_default()
        ),
        Err(exception) => format!("{} {}", exception.type_name, exception.message),
    }
}

/// Programs that must compile, give a value of their type or throw, and give it twice.
pub(crate) const EVALUATE: Target = Target {
    name: "evaluation",
    run: evaluate,
    seeds: &[
        "",
        "abcdefghijklmnop",
        "\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}8899",
        "zyxwvutsrqponmlkjihgfedcba0123456789",
    ],
    words: &[],
};

fn evaluate(input: &[u8]) {
    let program = generate::program(&mut Choices::new(input));
    let (expression, _) = match gateway_expr::compile(&program.source) {
        Ok(compiled) => compiled,
        // Constants are folded: what overflows is refused, as is division by a constant zero.
        Err(told)
            if told
                .iter()
                .all(|d| d.warning || matches!(d.code, "CS0220" | "CS0020" | "CS0463" | "CS8078")) =>
        {
            return;
        }
        Err(told) => panic!("{}: {told:?}", program.source),
    };
    let found = outcome(&expression);
    assert_eq!(
        found,
        outcome(&expression),
        "{} gives two answers",
        program.source
    );
    let of_its_type = found.starts_with(&format!("{}: ", program.ty));
    let thrown = ["System.", "Newtonsoft.", "Budget"]
        .iter()
        .any(|t| found.starts_with(t))
        && !found.contains(": ")
        || found.contains("Exception ");
    assert!(
        of_its_type || thrown,
        "{} should be {}: {found}",
        program.source,
        program.ty
    );
}
