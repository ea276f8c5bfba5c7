//! `System.Text.StringBuilder`.

use super::{MAX_STRING_UNITS, Str};
use crate::{Error, ExceptionKind};

const INDEX: &str = "Index was out of range. Must be non-negative and less than the size of the collection.";

/// `Capacity` of a builder that was not given one.
const DEFAULT_CAPACITY: usize = 16;

/// Units that a builder grows by at most when it doubles.
const MAX_BLOCK: usize = 8000;

/// Text under construction, in UTF-16 units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StringBuilder {
    units: Vec<u16>,
    /// What `Capacity` tells; memory is reserved as it is needed.
    capacity: usize,
    /// `MaxCapacity`: more than this is an exception.
    max: usize,
}

impl Default for StringBuilder {
    fn default() -> Self {
        StringBuilder::new(&Str::EMPTY)
    }
}

impl StringBuilder {
    /// A builder holding `text`.
    pub fn new(text: &Str) -> Self {
        StringBuilder {
            capacity: text.len().max(DEFAULT_CAPACITY),
            units: text.to_utf16(),
            max: i32::MAX as usize,
        }
    }

    /// `new StringBuilder(text, capacity)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException` for a negative capacity.
    pub fn with_capacity(text: &Str, capacity: i32) -> Result<Self, Error> {
        let wanted = usize::try_from(capacity)
            .map_err(|_| Error::out_of_range("capacity", "'capacity' must be greater than zero."))?;
        let capacity = if wanted == 0 { DEFAULT_CAPACITY } else { wanted };
        Ok(StringBuilder {
            capacity: capacity.max(text.len()),
            ..StringBuilder::new(text)
        })
    }

    /// `new StringBuilder(capacity, maxCapacity)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException` for a capacity that is negative or above the maximum, or a maximum below one.
    pub fn with_maximum(capacity: i32, max: i32) -> Result<Self, Error> {
        if capacity > max {
            return Err(Error::out_of_range(
                "capacity",
                "Capacity exceeds maximum capacity.",
            ));
        }
        if max < 1 {
            return Err(Error::out_of_range(
                "maxCapacity",
                "MaxCapacity must be one or greater.",
            ));
        }
        let max = max as usize;
        let made = StringBuilder::with_capacity(&Str::EMPTY, capacity)?;
        Ok(StringBuilder {
            capacity: made.capacity.min(max),
            max,
            ..made
        })
    }

    /// `Capacity`
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// `MaxCapacity`
    pub fn max_capacity(&self) -> usize {
        self.max
    }

    /// Setting `Capacity`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException` for less than the length or more than the maximum.
    pub fn set_capacity(&mut self, capacity: i32) -> Result<(), Error> {
        let wanted = usize::try_from(capacity)
            .ok()
            .filter(|c| (self.len()..=self.max).contains(c))
            .ok_or_else(|| Error::out_of_range("value", "capacity was less than the current size."))?;
        self.capacity = wanted;
        Ok(())
    }

    /// `EnsureCapacity(capacity)`: the capacity then.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`.
    pub fn ensure_capacity(&mut self, capacity: i32) -> Result<usize, Error> {
        let wanted = usize::try_from(capacity)
            .map_err(|_| Error::out_of_range("capacity", "Capacity must be positive."))?;
        if self.capacity < wanted {
            self.set_capacity(capacity)?;
        }
        Ok(self.capacity)
    }

    /// `Append(string)`.
    ///
    /// # Errors
    /// A budget error past [`MAX_STRING_UNITS`].
    pub fn append(&mut self, text: &Str) -> Result<(), Error> {
        self.room(text.len())?;
        self.units.extend(text.units());
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
        self.units.extend(std::iter::repeat_n(unit, count));
        Ok(())
    }

    /// Makes room for more at the end.
    fn room(&mut self, more: usize) -> Result<(), Error> {
        let wanted = self.units.len().saturating_add(more);
        self.bound(wanted)?;
        if wanted > self.capacity {
            self.capacity += (wanted - self.capacity).max(self.capacity.min(MAX_BLOCK));
        }
        Ok(())
    }

    /// Makes room for more in the middle: a block of its own, unless what is there is short.
    fn room_inside(&mut self, more: usize) -> Result<(), Error> {
        let wanted = self.units.len().saturating_add(more);
        self.bound(wanted)?;
        if more > 0 && (self.units.len() > DEFAULT_CAPACITY * 2 || wanted > self.capacity) {
            self.capacity += more;
        }
        Ok(())
    }

    fn bound(&self, wanted: usize) -> Result<(), Error> {
        if wanted > self.max {
            let message = "capacity was less than the current size.";
            return Err(Error::out_of_range("requiredLength", message));
        }
        if wanted > MAX_STRING_UNITS {
            return Err(Error::budget("length of a string"));
        }
        Ok(())
    }

    /// `Length`.
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// Whether nothing has been appended.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Setting `Length`: cuts, or fills with U+0000.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`; a budget error past [`MAX_STRING_UNITS`].
    pub fn set_len(&mut self, len: i32) -> Result<(), Error> {
        let len = usize::try_from(len)
            .map_err(|_| Error::out_of_range("value", "Length cannot be less than zero."))?;
        self.room(len.saturating_sub(self.units.len()))?;
        self.units.resize(len, 0);
        Ok(())
    }

    /// `Clear()`.
    pub fn clear(&mut self) {
        self.units.clear();
    }

    /// `this[index]`.
    ///
    /// # Errors
    /// `IndexOutOfRangeException`.
    pub fn get(&self, index: i32) -> Result<u16, Error> {
        usize::try_from(index)
            .ok()
            .and_then(|i| self.units.get(i).copied())
            .ok_or_else(|| Error::of(ExceptionKind::IndexOutOfRangeException))
    }

    /// `this[index] = unit`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`.
    pub fn set(&mut self, index: i32, unit: u16) -> Result<(), Error> {
        let slot = usize::try_from(index).ok().and_then(|i| self.units.get_mut(i));
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
            .filter(|i| *i <= self.units.len())
            .ok_or_else(|| Error::out_of_range("index", INDEX))?;
        self.room_inside(text.len())?;
        self.units.splice(at..at, text.units());
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
        if i64::from(start) + i64::from(len) > self.units.len() as i64 {
            return Err(Error::out_of_range("length", INDEX));
        }
        self.units.drain(start as usize..start as usize + len as usize);
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
        self.units = self
            .to_str()
            .replace(old, new, super::StringComparison::Ordinal)?
            .to_utf16();
        Ok(())
    }

    /// `Replace(oldValue, newValue, startIndex, count)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException`, and as [`Str::replace`].
    pub fn replace_in(&mut self, old: &Str, new: &Str, start: i32, count: i32) -> Result<(), Error> {
        let span = usize::try_from(start).ok().zip(usize::try_from(count).ok());
        let span = span.and_then(|(s, n)| Some(s..s.checked_add(n).filter(|end| *end <= self.units.len())?));
        let span = span.ok_or_else(|| Error::out_of_range("startIndex", INDEX))?;
        let mut part = StringBuilder::new(&Str::from_utf16(&self.units[span.clone()]));
        part.replace(old, new)?;
        self.room_inside(part.len().saturating_sub(span.len()))?;
        self.units.splice(span, part.units);
        Ok(())
    }

    /// `ToString()`.
    pub fn to_str(&self) -> Str {
        Str::from_utf16(&self.units)
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
