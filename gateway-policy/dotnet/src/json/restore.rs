//! From a literally read tree to the tree that `JToken.Parse` would have built.

use super::{Scalar, Token, TokenType, date};
use crate::{Error, number::NumberStyles};

/// A copy of `token` with dates detected and raw numbers as doubles.
///
/// # Errors
/// A budget error for trees beyond the depth that can be copied.
pub fn restore(token: &Token) -> Result<Token, Error> {
    let copy = token.deep_clone()?;
    let mut pending = vec![copy.clone()];
    while let Some(at) = pending.pop() {
        match at.scalar() {
            Some(scalar) => {
                if let Some(new) = restored(&scalar) {
                    at.set_scalar(new);
                }
            }
            None if at.token_type() == TokenType::Property => pending.extend(at.property_value()),
            None => pending.extend(at.children()),
        }
    }
    Ok(copy)
}

fn restored(scalar: &Scalar) -> Option<Scalar> {
    match scalar {
        Scalar::String(text) => text.as_str().and_then(date::detect).map(Scalar::Date),
        Scalar::Raw(text) => {
            let value = crate::number::parse_double(&text.to_lossy(), NumberStyles(167));
            value.ok().map(Scalar::Float)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        Str,
        json::{Formatting, deserialize, deserialize_literal, restore},
    };

    #[test]
    fn a_restored_tree_is_the_tree_of_the_loader() {
        for text in [
            r#"{"a":[1.50,"2024-01-02T03:04:05Z",{"b":1e3}],"c":"x","d":null}"#,
            "1.10",
            r#""2024-01-02T03:04:05+02:00""#,
            "[NaN,12345678901234567890]",
        ] {
            let literal = deserialize_literal(&Str::new(text)).expect(text).expect(text);
            let loaded = deserialize(&Str::new(text)).expect(text).expect(text);
            let restored = restore(&literal).expect(text);
            assert!(restored.deep_equals(&loaded).expect(text), "{text}");
            assert_eq!(
                restored.to_json(Formatting::None).expect(text),
                loaded.to_json(Formatting::None).expect(text)
            );
        }
    }
}
