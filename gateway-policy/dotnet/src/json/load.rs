//! The loaders on top of the reader: `JObject.Parse`, `JArray.Parse`, `JToken.Parse` and
//! `JsonConvert.DeserializeObject`.

use super::{
    Scalar, Token, TokenType,
    reader::{Container, Reader, State, Tok},
    token::Data,
};
use crate::{Error, ExceptionKind, Str};

impl Reader<'_> {
    /// Fills `root`, whose opening bracket has been read, up to its end.
    fn fill(&mut self, root: &Token) -> Result<(), Error> {
        let name = || root.type_name().rsplit('.').next().unwrap_or_default();
        let mut open = vec![root.clone()];
        let mut any = false;
        while let Some(parent) = open.last().cloned() {
            let token = match self.read()? {
                Some(token) => token,
                None if self.deserializing
                    && self.state == State::Finished
                    && root.token_type() != TokenType::Object =>
                {
                    return Ok(());
                }
                None if !any => return Err(self.error(&format!("Error reading {} from JsonReader.", name()))),
                None => {
                    return Err(self.error(&format!("Unexpected end of content while loading {}.", name())));
                }
            };
            any = true;
            let added = match token {
                Tok::Value(Scalar::Undefined) if self.deserializing => Token::null(),
                Tok::Comment(_) => continue,
                Tok::End => {
                    open.pop();
                    close_property(&mut open);
                    continue;
                }
                Tok::Name(name) => {
                    if self.deserializing {
                        parent.remove_property(&name)?;
                    }
                    open.push(member(&parent, name));
                    continue;
                }
                Tok::Value(scalar) => Token::value(scalar),
                Tok::Start(kind, name) => container(kind, name),
            };
            parent.push_unchecked(added.clone());
            if added.is_container() {
                open.push(added);
            } else {
                close_property(&mut open);
            }
        }
        Ok(())
    }

    /// Reads what may follow a complete value: comments.
    fn rest(&mut self) -> Result<(), Error> {
        while self.read()?.is_some() {}
        Ok(())
    }
}

/// A property is complete once it has its value.
fn close_property(open: &mut Vec<Token>) {
    if open.last().is_some_and(|t| t.token_type() == TokenType::Property) {
        open.pop();
    }
}

/// A new property of `object`, in the place of an earlier one of that name.
fn member(object: &Token, name: Str) -> Token {
    let property = Token::from_data(Data::Property(name.clone(), None));
    match object.find_property(&name) {
        Some(old) => {
            // A property without value cannot be refused as a replacement for its namesake.
            let replaced = old.replace(Some(&property));
            debug_assert!(replaced.is_ok());
            object.find_property(&name).unwrap_or(property)
        }
        None => {
            object.push_unchecked(property.clone());
            property
        }
    }
}

fn container(kind: Container, name: Str) -> Token {
    match kind {
        Container::Array => Token::array(),
        Container::Constructor => Token::constructor(name),
        _ => Token::object(),
    }
}

fn load(text: &Str, wanted: Container, what: &str, article: &str) -> Result<Token, Error> {
    let text = text.to_lossy();
    let mut reader = Reader::new(&text);
    let mut first = reader.read()?;
    while let Some(Tok::Comment(_)) = first {
        first = reader.read()?;
    }
    let token = match first {
        None => return Err(reader.error(&format!("Error reading {what} from JsonReader."))),
        Some(Tok::Start(kind, name)) if kind == wanted => container(kind, name),
        Some(other) => {
            let found = token_name(&other);
            return Err(reader.error(&format!(
                "Error reading {what} from JsonReader. Current JsonReader item is not {article}: {found}."
            )));
        }
    };
    reader.fill(&token)?;
    reader.rest()?;
    Ok(token)
}

fn token_name(token: &Tok) -> &'static str {
    match token {
        Tok::Start(Container::Array, _) => "StartArray",
        Tok::Start(Container::Constructor, _) => "StartConstructor",
        Tok::Start(..) => "StartObject",
        Tok::End => "EndArray",
        Tok::Name(_) => "PropertyName",
        Tok::Comment(_) => "Comment",
        Tok::Value(v) => v.token_type().name(),
    }
}

/// `JObject.Parse`.
///
/// # Errors
/// `JsonReaderException`; a budget error beyond [`MAX_DEPTH`].
pub fn parse_object(text: &Str) -> Result<Token, Error> {
    load(text, Container::Object, "JObject", "an object")
}

/// `JArray.Parse`.
///
/// # Errors
/// `JsonReaderException`; a budget error beyond [`MAX_DEPTH`].
pub fn parse_array(text: &Str) -> Result<Token, Error> {
    load(text, Container::Array, "JArray", "an array")
}

/// `JToken.Parse`.
///
/// # Errors
/// `JsonReaderException`; a budget error beyond [`MAX_DEPTH`].
pub fn parse_token(text: &Str) -> Result<Token, Error> {
    let text = text.to_lossy();
    let mut reader = Reader::new(&text);
    let token = match reader.read()? {
        None => return Err(reader.error("Error reading JToken from JsonReader.")),
        Some(Tok::Value(v)) => Token::value(v),
        Some(Tok::Comment(c)) => Token::value(Scalar::Comment(c)),
        Some(Tok::Start(kind, name)) => {
            let token = container(kind, name);
            reader.fill(&token)?;
            token
        }
        Some(other) => {
            let found = token_name(&other);
            return Err(reader.error(&format!(
                "Error reading JToken from JsonReader. Unexpected token: {found}."
            )));
        }
    };
    reader.rest()?;
    Ok(token)
}

/// `JsonConvert.DeserializeObject(text)`: `None` for blank text.
///
/// # Errors
/// `JsonReaderException`, `JsonSerializationException`; a budget error beyond [`MAX_DEPTH`].
pub fn deserialize(text: &Str) -> Result<Option<Token>, Error> {
    let found = read_value(text, false)?;
    Ok(found.filter(|t| t.scalar().is_none_or(|s| !s.is_null())))
}

/// `JsonConvert.DeserializeObject<T>(text)` before it knows what `T` makes of it: dates are strings, numbers
/// with a fraction raw text; [`restore`](super::restore()) makes of a part what a tree would hold.
///
/// # Errors
/// As [`deserialize`].
pub fn deserialize_literal(text: &Str) -> Result<Option<Token>, Error> {
    read_value(text, true)
}

fn read_value(text: &Str, literal: bool) -> Result<Option<Token>, Error> {
    let lossy = text.to_lossy();
    let mut reader = Reader::new(&lossy);
    reader.literal = literal;
    loop {
        let token = match reader.read()? {
            None => return Ok(None),
            Some(Tok::Comment(_)) => continue,
            Some(Tok::Value(v)) => Token::value(v),
            Some(Tok::Start(kind, name)) => {
                let token = container(kind, name);
                reader.deserializing = true;
                reader.fill(&token).map_err(|e| truncated(e, &token))?;
                token
            }
            Some(_) => return Err(reader.error("Unexpected token while deserializing object.")),
        };
        reader.rest()?;
        return Ok(Some(token));
    }
}

/// What the deserializer says where the loader would say that the text ended too early.
fn truncated(mut error: Error, root: &Token) -> Error {
    let Some(end) = error.message.find(" Path '") else {
        return error;
    };
    let early = error
        .message
        .starts_with("Unexpected end of content while loading");
    if !early && !error.message.starts_with("Error reading") {
        return error;
    }
    if root.token_type() != TokenType::Object {
        return Error::new(
            ExceptionKind::JsonWriterException,
            "Unexpected end when reading token. Path ''.",
        );
    }
    let what = if early {
        "Unexpected end when deserializing object."
    } else {
        "Unexpected end when reading JSON."
    };
    error.message = format!("{what}{}", &error.message[end..]).into();
    error.kind = ExceptionKind::JsonSerializationException;
    error
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
