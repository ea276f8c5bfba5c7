//! Changing a tree: adding, replacing, removing, merging, copying.

use std::rc::{Rc, Weak};

use super::{MAX_DEPTH, Scalar, Token, TokenType, token::Data, too_deep};
use crate::{Error, ExceptionKind, Str};

/// `MergeArrayHandling`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of the .NET enum under their own names")]
pub enum MergeArrays {
    #[default]
    Concat,
    Union,
    Replace,
    Merge,
}

/// `JsonMergeSettings`.
#[derive(Clone, Copy, Debug, Default)]
pub struct MergeSettings {
    /// `MergeArrayHandling`
    pub arrays: MergeArrays,
    /// `MergeNullValueHandling.Merge`: a JSON null replaces a value.
    pub nulls: bool,
}

fn index_error(index: i32) -> Error {
    let message = if index < 0 {
        "Index is less than 0."
    } else {
        "Index is equal to or greater than Count."
    };
    Error::out_of_range("index", message)
}

fn parent_missing() -> Error {
    Error::invalid_operation("The parent is missing.")
}

fn json_error(message: String) -> Error {
    Error::new(ExceptionKind::JsonException, message)
}

impl Token {
    fn set_parent(&self, parent: Option<&Token>) {
        *self.0.parent.borrow_mut() = parent.map_or_else(Weak::new, |p| Rc::downgrade(&p.0));
    }

    /// The token to insert for `item`: JSON null for nothing, a copy of what already has a place.
    fn adopt(&self, item: Option<&Token>) -> Result<Token, Error> {
        let Some(item) = item else {
            return Ok(Token::null());
        };
        let loops = item.ptr_eq(self) || (item.count() > 0 && self.root().ptr_eq(item));
        let token = if item.parent().is_some() || loops {
            item.deep_clone()?
        } else {
            item.clone()
        };
        Ok(token.stored())
    }

    pub(super) fn attach_value(&self, value: Option<&Token>) {
        // A fresh property can only fail to adopt a value too deep to copy: then it holds null.
        let token = self.adopt(value).unwrap_or_else(|_| Token::null());
        token.set_parent(Some(self));
        if let Data::Property(_, slot) = &mut *self.0.data.borrow_mut() {
            *slot = Some(token);
        }
    }

    /// Whether `item` may become a child here; `replacing` is the child it would replace.
    fn check_child(&self, item: &Token, replacing: Option<&Token>) -> Result<(), Error> {
        let refuse = || {
            let message = format!("Can not add {} to {}.", item.type_name(), self.type_name());
            Err(Error::new(ExceptionKind::ArgumentException, message))
        };
        let is_property = item.token_type() == TokenType::Property;
        if self.token_type() != TokenType::Object {
            return if is_property { refuse() } else { Ok(()) };
        }
        let Some(name) = item.property_name() else {
            return refuse();
        };
        if replacing.and_then(Token::property_name).as_ref() == Some(&name) {
            return Ok(());
        }
        if self.find_property(&name).is_some() {
            return Err(Error::new(
                ExceptionKind::ArgumentException,
                format!(
                    "Can not add property {name} to Newtonsoft.Json.Linq.JObject. Property with the same name already exists on object."
                ),
            ));
        }
        Ok(())
    }

    /// `Insert(index, item)`, and every other way to add one child.
    ///
    /// # Errors
    /// `ArgumentException` for a child of the wrong kind or a second property of one name,
    /// `ArgumentOutOfRangeException`, `JsonException` for a property that has its value.
    pub fn insert(&self, index: usize, item: Option<&Token>) -> Result<(), Error> {
        if self.token_type() == TokenType::Property && self.count() > 0 {
            return Err(json_error(
                "Newtonsoft.Json.Linq.JProperty cannot have multiple values.".to_owned(),
            ));
        }
        if index > self.count() {
            return Err(Error::out_of_range(
                "index",
                "Index must be within the bounds of the List.",
            ));
        }
        let token = self.adopt(item)?;
        self.check_child(&token, None)?;
        token.set_parent(Some(self));
        match &mut *self.0.data.borrow_mut() {
            Data::Object(members) => members.insert(index, token),
            Data::Array(items) | Data::Constructor(_, items) => items.insert(index, token),
            Data::Property(_, slot) => *slot = Some(token),
            Data::Value(_) => {}
        }
        Ok(())
    }

    /// `Add(item)`.
    ///
    /// # Errors
    /// As [`Token::insert`].
    pub fn add(&self, item: Option<&Token>) -> Result<(), Error> {
        self.insert(self.count(), item)
    }

    /// `JObject.Add(name, value)`.
    ///
    /// # Errors
    /// `ArgumentException` if the name is taken.
    pub fn add_property(&self, name: &Str, value: Option<&Token>) -> Result<(), Error> {
        self.add(Some(&Token::property(name.clone(), value)))
    }

    /// `JObject[name] = value`.
    ///
    /// # Errors
    /// `ArgumentException`, `InvalidOperationException` for a token that is no object.
    pub fn set(&self, name: &Str, value: Option<&Token>) -> Result<(), Error> {
        if self.token_type() != TokenType::Object {
            return Err(self.bad_set_key(&format!("\"{name}\"")));
        }
        match self.find_property(name) {
            Some(property) => property.set_property_value(value),
            None => self.add_property(name, value),
        }
    }

    fn bad_set_key(&self, key: &str) -> Error {
        let mut error = self.bad_key(key);
        if matches!(
            self.token_type(),
            TokenType::Object | TokenType::Array | TokenType::Constructor
        ) {
            error.message = error.message.replacen("Accessed", "Set", 1).into();
        } else {
            error.message = error.message.replacen("access", "set", 1).into();
        }
        error
    }

    /// `JArray[index] = value`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`, `ArgumentException`, `InvalidOperationException`.
    pub fn set_at(&self, index: i32, value: Option<&Token>) -> Result<(), Error> {
        if !matches!(self.token_type(), TokenType::Array | TokenType::Constructor) {
            return Err(self.bad_set_key(&index.to_string()));
        }
        let at = usize::try_from(index)
            .ok()
            .filter(|i| *i < self.count())
            .ok_or_else(|| index_error(index))?;
        self.replace_child(at, value)
    }

    /// Setting `JProperty.Value`.
    ///
    /// # Errors
    /// `ArgumentException` for a property as value.
    pub fn set_property_value(&self, value: Option<&Token>) -> Result<(), Error> {
        if self.count() == 0 {
            self.insert(0, value)
        } else {
            self.replace_child(0, value)
        }
    }

    fn replace_child(&self, at: usize, item: Option<&Token>) -> Result<(), Error> {
        let Some(old) = self.child(at) else {
            return Err(index_error(at as i32));
        };
        if item.is_some_and(|i| i.ptr_eq(&old)) {
            return Ok(());
        }
        let token = self.adopt(item)?;
        self.check_child(&token, Some(&old))?;
        token.set_parent(Some(self));
        old.set_parent(None);
        match &mut *self.0.data.borrow_mut() {
            Data::Object(members) => {
                members.remove(at);
                members.insert(at, token);
            }
            Data::Array(items) | Data::Constructor(_, items) => items[at] = token,
            Data::Property(_, slot) => *slot = Some(token),
            Data::Value(_) => {}
        }
        Ok(())
    }

    /// Position of `child` among the children.
    pub fn index_of(&self, child: &Token) -> Option<usize> {
        match &*self.0.data.borrow() {
            Data::Object(members) => members.list.iter().position(|t| t.ptr_eq(child)),
            Data::Array(items) | Data::Constructor(_, items) => items.iter().position(|t| t.ptr_eq(child)),
            Data::Property(_, value) => value.as_ref().filter(|v| v.ptr_eq(child)).map(|_| 0),
            Data::Value(_) => None,
        }
    }

    /// `JArray.IndexOf(item)`: by reference, even for two equal `JValue`s.
    pub fn index_of_item(&self, item: &Token) -> i32 {
        self.index_of(item)
            .and_then(|i| i32::try_from(i).ok())
            .unwrap_or(-1)
    }

    /// `RemoveAt(index)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`; `JsonException` on a property.
    pub fn remove_at(&self, index: i32) -> Result<(), Error> {
        if self.token_type() == TokenType::Property {
            return Err(fixed_property());
        }
        let at = usize::try_from(index)
            .ok()
            .filter(|i| *i < self.count())
            .ok_or_else(|| index_error(index))?;
        let old = match &mut *self.0.data.borrow_mut() {
            Data::Object(members) => Some(members.remove(at)),
            Data::Array(items) | Data::Constructor(_, items) => Some(items.remove(at)),
            _ => None,
        };
        if let Some(old) = old {
            old.set_parent(None);
        }
        Ok(())
    }

    /// `RemoveAll()` and `Clear()`.
    ///
    /// # Errors
    /// `JsonException` on a property.
    pub fn clear(&self) -> Result<(), Error> {
        while self.count() > 0 {
            self.remove_at((self.count() - 1) as i32)?;
        }
        Ok(())
    }

    /// `JToken.Remove()`: takes the token out of its parent.
    ///
    /// # Errors
    /// `InvalidOperationException` without parent; `JsonException` for a property's value.
    pub fn remove(&self) -> Result<(), Error> {
        let parent = self.parent().ok_or_else(parent_missing)?;
        let at = parent.index_of(self).ok_or_else(parent_missing)?;
        parent.remove_at(at as i32)
    }

    /// `JObject.Remove(name)`: whether there was one.
    ///
    /// # Errors
    /// None in practice.
    pub fn remove_property(&self, name: &Str) -> Result<bool, Error> {
        match self.find_property(name) {
            Some(property) => property.remove().map(|()| true),
            None => Ok(false),
        }
    }

    /// `JArray.Remove(item)`: whether it was there.
    ///
    /// # Errors
    /// None in practice.
    pub fn remove_item(&self, item: &Token) -> Result<bool, Error> {
        let at = self.index_of_item(item);
        if at < 0 {
            return Ok(false);
        }
        self.remove_at(at).map(|()| true)
    }

    /// `JToken.Replace(value)`.
    ///
    /// # Errors
    /// `InvalidOperationException` without parent; as [`Token::insert`].
    pub fn replace(&self, value: Option<&Token>) -> Result<(), Error> {
        let parent = self.parent().ok_or_else(parent_missing)?;
        let at = parent.index_of(self).ok_or_else(parent_missing)?;
        parent.replace_child(at, value)
    }

    /// `AddAfterSelf(item)`.
    ///
    /// # Errors
    /// `InvalidOperationException` without parent; as [`Token::insert`].
    pub fn add_after_self(&self, item: Option<&Token>) -> Result<(), Error> {
        let parent = self.parent().ok_or_else(parent_missing)?;
        let at = parent.index_of(self).ok_or_else(parent_missing)?;
        parent.insert(at + 1, item)
    }

    /// `AddBeforeSelf(item)`.
    ///
    /// # Errors
    /// `InvalidOperationException` without parent; as [`Token::insert`].
    pub fn add_before_self(&self, item: Option<&Token>) -> Result<(), Error> {
        let parent = self.parent().ok_or_else(parent_missing)?;
        let at = parent.index_of(self).ok_or_else(parent_missing)?;
        parent.insert(at, item)
    }

    /// `DeepClone()`.
    ///
    /// # Errors
    /// A budget error beyond [`MAX_DEPTH`].
    pub fn deep_clone(&self) -> Result<Token, Error> {
        self.clone_at(0)
    }

    fn clone_at(&self, depth: usize) -> Result<Token, Error> {
        if depth > MAX_DEPTH * 2 {
            return Err(too_deep());
        }
        let copy = match &*self.0.data.borrow() {
            Data::Value(v) => return Ok(Token::value(v.clone())),
            Data::Object(_) => Token::object(),
            Data::Array(_) => Token::array(),
            Data::Constructor(name, _) => Token::constructor(name.clone()),
            Data::Property(name, _) => Token::from_data(Data::Property(name.clone(), None)),
        };
        for child in self.children() {
            copy.push_unchecked(child.clone_at(depth + 1)?);
        }
        Ok(copy)
    }

    /// Appends a fresh token that is known to be allowed.
    pub(super) fn push_unchecked(&self, token: Token) {
        let token = token.stored();
        token.set_parent(Some(self));
        match &mut *self.0.data.borrow_mut() {
            Data::Object(members) => {
                let end = members.list.len();
                members.insert(end, token);
            }
            Data::Array(items) | Data::Constructor(_, items) => items.push(token),
            Data::Property(_, slot) => *slot = Some(token),
            Data::Value(_) => {}
        }
    }

    /// `JContainer.Merge(content, settings)`.
    ///
    /// # Errors
    /// As [`Token::insert`]; a budget error beyond [`MAX_DEPTH`].
    pub fn merge(&self, other: &Token, settings: MergeSettings) -> Result<(), Error> {
        self.merge_at(other, settings, 0)
    }

    fn merge_at(&self, other: &Token, settings: MergeSettings, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        match (self.token_type(), other.token_type()) {
            (TokenType::Object, TokenType::Object) => {
                for property in other.children() {
                    self.merge_property(&property, settings, depth)?;
                }
                Ok(())
            }
            (TokenType::Array, TokenType::Array) => self.merge_items(other, settings, depth),
            _ => Ok(()),
        }
    }

    fn merge_property(&self, property: &Token, settings: MergeSettings, depth: usize) -> Result<(), Error> {
        let (Some(name), Some(value)) = (property.property_name(), property.property_value()) else {
            return Ok(());
        };
        let Some(mine) = self.find_property(&name) else {
            return self.add_property(&name, Some(&value));
        };
        match mine.property_value() {
            Some(old) if old.is_container() && old.token_type() == value.token_type() => {
                old.merge_at(&value, settings, depth + 1)
            }
            _ if settings.nulls || value.token_type() != TokenType::Null => {
                mine.set_property_value(Some(&value))
            }
            _ => Ok(()),
        }
    }

    fn merge_items(&self, other: &Token, settings: MergeSettings, depth: usize) -> Result<(), Error> {
        let items = other.children();
        match settings.arrays {
            MergeArrays::Concat => items.iter().try_for_each(|i| self.add(Some(i))),
            MergeArrays::Replace => {
                if self.ptr_eq(other) {
                    return Ok(());
                }
                self.clear()?;
                items.iter().try_for_each(|i| self.add(Some(i)))
            }
            MergeArrays::Union => {
                for item in &items {
                    let mut known = false;
                    for mine in self.children() {
                        known |= mine.deep_equals(item)?;
                    }
                    if !known {
                        self.add(Some(item))?;
                    }
                }
                Ok(())
            }
            MergeArrays::Merge => {
                for (at, item) in items.iter().enumerate() {
                    match self.child(at) {
                        None => self.add(Some(item))?,
                        Some(mine) if mine.is_container() => mine.merge_at(item, settings, depth + 1)?,
                        Some(_) if item.token_type() != TokenType::Null => {
                            self.replace_child(at, Some(item))?
                        }
                        Some(_) => {}
                    }
                }
                Ok(())
            }
        }
    }
}

fn fixed_property() -> Error {
    json_error("Cannot add or remove items from Newtonsoft.Json.Linq.JProperty.".to_owned())
}

impl From<Scalar> for Token {
    fn from(value: Scalar) -> Self {
        Token::value(value)
    }
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
