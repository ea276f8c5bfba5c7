//! The integer types: names, ranges and the sentences of their overflow.

use crate::{Error, ExceptionKind};

/// An integral .NET type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the .NET types under their own names")]
pub enum IntType {
    SByte,
    Byte,
    Int16,
    UInt16,
    Int32,
    UInt32,
    Int64,
    UInt64,
    Char,
}

impl IntType {
    /// Width in bits.
    pub fn bits(self) -> u32 {
        match self {
            IntType::SByte | IntType::Byte => 8,
            IntType::Int16 | IntType::UInt16 | IntType::Char => 16,
            IntType::Int32 | IntType::UInt32 => 32,
            IntType::Int64 | IntType::UInt64 => 64,
        }
    }

    /// Whether it has negative values.
    pub fn signed(self) -> bool {
        matches!(
            self,
            IntType::SByte | IntType::Int16 | IntType::Int32 | IntType::Int64
        )
    }

    /// `MinValue`.
    pub fn min(self) -> i128 {
        if self.signed() {
            -(1 << (self.bits() - 1))
        } else {
            0
        }
    }

    /// `MaxValue`.
    pub fn max(self) -> i128 {
        (1 << (self.bits() - u32::from(self.signed()))) - 1
    }

    /// The `OverflowException` of a value that does not fit.
    pub fn overflow(self) -> Error {
        let what = match self {
            IntType::SByte => "a signed byte",
            IntType::Byte => "an unsigned byte",
            IntType::Int16 => "an Int16",
            IntType::UInt16 => "a UInt16",
            IntType::Int32 => "an Int32",
            IntType::UInt32 => "a UInt32",
            IntType::Int64 => "an Int64",
            IntType::UInt64 => "a UInt64",
            IntType::Char => "a character",
        };
        Error::new(
            ExceptionKind::OverflowException,
            format!("Value was either too large or too small for {what}."),
        )
    }

    /// `value` if the type can hold it.
    ///
    /// # Errors
    /// `OverflowException`.
    pub fn check(self, value: i128) -> Result<i128, Error> {
        if (self.min()..=self.max()).contains(&value) {
            Ok(value)
        } else {
            Err(self.overflow())
        }
    }

    /// `value` cut to the type's width: `unchecked((T)value)`.
    pub fn wrap(self, value: i128) -> i128 {
        let shift = 128 - self.bits();
        let cut = value << shift;
        if self.signed() {
            cut >> shift
        } else {
            ((cut as u128) >> shift) as i128
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_wrapping() {
        for (t, min, max) in [
            (IntType::SByte, -128, 127),
            (IntType::Char, 0, 65_535),
            (IntType::Int64, i128::from(i64::MIN), i128::from(i64::MAX)),
            (IntType::UInt64, 0, i128::from(u64::MAX)),
        ] {
            assert_eq!((t.min(), t.max()), (min, max), "{t:?}");
        }
        assert_eq!(IntType::Byte.wrap(300), 44);
        assert_eq!(IntType::SByte.wrap(200), -56);
        assert_eq!(IntType::Int32.wrap(1 << 31), i128::from(i32::MIN));
        assert!(
            IntType::Byte
                .check(-1)
                .unwrap_err()
                .message
                .ends_with("an unsigned byte.")
        );
    }
}
