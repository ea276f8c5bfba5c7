//! `System.Text.StringBuilder`.

use super::{MAX_STRING_UNITS, Str};
use crate::{Error, ExceptionKind};

const INDEX: &str = "Index was out of range. Must be non-negative and less than the size of the collection.";

/// Text under construction, in UTF-16 units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StringBuilder(Vec<u16>);

impl StringBuilder {
    /// A builder holding `text`.
    pub fn new(text: &Str) -> Self {
        StringBuilder(text.to_utf16())
    }

    /// `Append(string)`.
    ///
    /// # Errors
    /// A budget error past [`MAX_STRING_UNITS`].
    pub fn append(&mut self, text: &Str) -> Result<(), Error> {
        self.room(text.len())?;
        self.0.extend(text.units());
        Ok(())
    }

    /// `Append(char, repeatCount)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`; a budget error past [`MAX_STRING_UNITS`].
    pub fn append_char(&mut self, unit: u16, count: i32) -> Result<(), Error> {
        let count = usize::try_from(count)
            .map_err(|_| Error::out_of_range("repeatCount", "Count cannot be less than zero."))?;
        self.room(count)?;
        self.0.extend(std::iter::repeat_n(unit, count));
        Ok(())
    }

    fn room(&self, more: usize) -> Result<(), Error> {
        if self.0.len().saturating_add(more) > MAX_STRING_UNITS {
            return Err(Error::budget("length of a string"));
        }
        Ok(())
    }

    /// `Length`.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing has been appended.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Setting `Length`: cuts, or fills with U+0000.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`; a budget error past [`MAX_STRING_UNITS`].
    pub fn set_len(&mut self, len: i32) -> Result<(), Error> {
        let len = usize::try_from(len)
            .map_err(|_| Error::out_of_range("value", "Length cannot be less than zero."))?;
        self.room(len.saturating_sub(self.0.len()))?;
        self.0.resize(len, 0);
        Ok(())
    }

    /// `Clear()`.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// `this[index]`.
    ///
    /// # Errors
    /// `IndexOutOfRangeException`.
    pub fn get(&self, index: i32) -> Result<u16, Error> {
        usize::try_from(index)
            .ok()
            .and_then(|i| self.0.get(i).copied())
            .ok_or_else(|| Error::of(ExceptionKind::IndexOutOfRangeException))
    }

    /// `this[index] = unit`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`.
    pub fn set(&mut self, index: i32, unit: u16) -> Result<(), Error> {
        let slot = usize::try_from(index).ok().and_then(|i| self.0.get_mut(i));
        *slot.ok_or_else(|| Error::out_of_range("index", INDEX))? = unit;
        Ok(())
    }

    /// `Insert(index, string)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`; a budget error past [`MAX_STRING_UNITS`].
    pub fn insert(&mut self, index: i32, text: &Str) -> Result<(), Error> {
        let at = usize::try_from(index)
            .ok()
            .filter(|i| *i <= self.0.len())
            .ok_or_else(|| Error::out_of_range("index", INDEX))?;
        self.room(text.len())?;
        self.0.splice(at..at, text.units());
        Ok(())
    }

    /// `Remove(startIndex, length)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`.
    pub fn remove(&mut self, start: i32, len: i32) -> Result<(), Error> {
        if len < 0 {
            return Err(Error::out_of_range("length", "Length cannot be less than zero."));
        }
        if start < 0 {
            return Err(Error::out_of_range(
                "startIndex",
                "StartIndex cannot be less than zero.",
            ));
        }
        if i64::from(start) + i64::from(len) > self.0.len() as i64 {
            return Err(Error::out_of_range("length", INDEX));
        }
        self.0.drain(start as usize..start as usize + len as usize);
        Ok(())
    }

    /// `Replace(oldValue, newValue)`.
    ///
    /// # Errors
    /// As [`Str::replace`].
    pub fn replace(&mut self, old: &Str, new: &Str) -> Result<(), Error> {
        if old.is_empty() {
            return Err(Error::argument("oldValue", "Empty name is not legal."));
        }
        self.0 = self
            .to_str()
            .replace(old, new, super::StringComparison::Ordinal)?
            .to_utf16();
        Ok(())
    }

    /// `ToString()`.
    pub fn to_str(&self) -> Str {
        Str::from_utf16(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn building() {
        let mut b = StringBuilder::new(&Str::new("a"));
        b.append(&Str::new("bc")).unwrap();
        b.append_char(120, 2).unwrap();
        b.insert(0, &Str::new("é")).unwrap();
        b.remove(1, 1).unwrap();
        b.replace(&Str::new("x"), &Str::new("yz")).unwrap();
        b.set(0, 65).unwrap();
        assert_eq!(b.to_str(), "Abcyzyz");
        b.set_len(2).unwrap();
        assert_eq!(
            (b.to_str().to_string().as_str(), b.len(), b.get(1).unwrap()),
            ("Ab", 2, 98)
        );
        assert!(
            b.get(2).is_err()
                && b.set(9, 1).is_err()
                && b.remove(0, 3).is_err()
                && b.insert(3, &Str::EMPTY).is_err()
        );
        assert!(b.append_char(120, i32::MAX).is_err(), "bounded");
        b.clear();
        assert!(b.is_empty());
    }
}
