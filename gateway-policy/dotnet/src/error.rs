//! Exceptions as values: the .NET type, the message, and who derives from whom.

use std::{borrow::Cow, fmt};

macro_rules! kinds {
    ($($name:ident = $full:literal : $base:expr, $default:literal;)*) => {
        /// A .NET exception type that library code can throw or a `catch` clause can name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "each variant is the .NET type of the same name")]
        pub enum ExceptionKind { $($name),* }

        impl ExceptionKind {
            /// Every kind, bases before derived types.
            pub const ALL: &'static [ExceptionKind] = &[$(ExceptionKind::$name),*];

            /// Full type name, as `Exception.GetType().ToString()` prints it.
            pub const fn full_name(self) -> &'static str {
                match self { $(ExceptionKind::$name => $full),* }
            }

            /// The base type; `None` for `System.Exception` and for what no `catch` sees.
            pub const fn base(self) -> Option<ExceptionKind> {
                use ExceptionKind::*;
                match self { $(ExceptionKind::$name => $base),* }
            }

            /// `Message` of an exception made without one.
            pub const fn default_message(self) -> &'static str {
                match self { $(ExceptionKind::$name => $default),* }
            }
        }
    };
}

kinds! {
    Exception = "System.Exception": None, "Exception of type 'System.Exception' was thrown.";
    SystemException = "System.SystemException": Some(Exception), "System error.";
    ApplicationException = "System.ApplicationException": Some(Exception), "Error in the application.";
    ArgumentException = "System.ArgumentException": Some(SystemException), "Value does not fall within the expected range.";
    ArgumentNullException = "System.ArgumentNullException": Some(ArgumentException), "Value cannot be null.";
    ArgumentOutOfRangeException = "System.ArgumentOutOfRangeException": Some(ArgumentException), "Specified argument was out of the range of valid values.";
    RegexParseException = "System.Text.RegularExpressions.RegexParseException": Some(ArgumentException), "Value does not fall within the expected range.";
    DecoderFallbackException = "System.Text.DecoderFallbackException": Some(ArgumentException), "Value does not fall within the expected range.";
    EncoderFallbackException = "System.Text.EncoderFallbackException": Some(ArgumentException), "Value does not fall within the expected range.";
    CultureNotFoundException = "System.Globalization.CultureNotFoundException": Some(ArgumentException), "Culture is not supported.";
    FormatException = "System.FormatException": Some(SystemException), "One of the identified items was in an invalid format.";
    UriFormatException = "System.UriFormatException": Some(FormatException), "One of the identified items was in an invalid format.";
    ArithmeticException = "System.ArithmeticException": Some(SystemException), "Overflow or underflow in the arithmetic operation.";
    OverflowException = "System.OverflowException": Some(ArithmeticException), "Arithmetic operation resulted in an overflow.";
    DivideByZeroException = "System.DivideByZeroException": Some(ArithmeticException), "Attempted to divide by zero.";
    NotFiniteNumberException = "System.NotFiniteNumberException": Some(ArithmeticException), "Number encountered was not a finite quantity.";
    InvalidCastException = "System.InvalidCastException": Some(SystemException), "Specified cast is not valid.";
    InvalidOperationException = "System.InvalidOperationException": Some(SystemException), "Operation is not valid due to the current state of the object.";
    ObjectDisposedException = "System.ObjectDisposedException": Some(InvalidOperationException), "Cannot access a disposed object.";
    NullReferenceException = "System.NullReferenceException": Some(SystemException), "Object reference not set to an instance of an object.";
    IndexOutOfRangeException = "System.IndexOutOfRangeException": Some(SystemException), "Index was outside the bounds of the array.";
    KeyNotFoundException = "System.Collections.Generic.KeyNotFoundException": Some(SystemException), "The given key was not present in the dictionary.";
    NotSupportedException = "System.NotSupportedException": Some(SystemException), "Specified method is not supported.";
    PlatformNotSupportedException = "System.PlatformNotSupportedException": Some(NotSupportedException), "Operation is not supported on this platform.";
    NotImplementedException = "System.NotImplementedException": Some(SystemException), "The method or operation is not implemented.";
    OutOfMemoryException = "System.OutOfMemoryException": Some(SystemException), "Insufficient memory to continue the execution of the program.";
    RankException = "System.RankException": Some(SystemException), "Attempted to operate on an array with the incorrect number of dimensions.";
    ArrayTypeMismatchException = "System.ArrayTypeMismatchException": Some(SystemException), "Attempted to access an element as a type incompatible with the array.";
    TimeoutException = "System.TimeoutException": Some(SystemException), "The operation has timed out.";
    RegexMatchTimeoutException = "System.Text.RegularExpressions.RegexMatchTimeoutException": Some(TimeoutException), "The operation has timed out.";
    TimeZoneNotFoundException = "System.TimeZoneNotFoundException": Some(Exception), "Exception of type 'System.TimeZoneNotFoundException' was thrown.";
    InvalidTimeZoneException = "System.InvalidTimeZoneException": Some(Exception), "Exception of type 'System.InvalidTimeZoneException' was thrown.";
    CryptographicException = "System.Security.Cryptography.CryptographicException": Some(SystemException), "Error occurred during a cryptographic operation.";
    CryptographicUnexpectedOperationException = "System.Security.Cryptography.CryptographicUnexpectedOperationException": Some(CryptographicException), "Error occurred during a cryptographic operation.";
    OpenSslCryptographicException = "Interop+Crypto+OpenSslCryptographicException": Some(CryptographicException), "Error occurred during a cryptographic operation.";
    XmlException = "System.Xml.XmlException": Some(SystemException), "An XML error has occurred.";
    XPathException = "System.Xml.XPath.XPathException": Some(SystemException), "Exception of type 'System.Xml.XPath.XPathException' was thrown.";
    IOException = "System.IO.IOException": Some(SystemException), "I/O error occurred.";
    OperationCanceledException = "System.OperationCanceledException": Some(SystemException), "The operation was canceled.";
    JsonException = "Newtonsoft.Json.JsonException": Some(Exception), "Exception of type 'Newtonsoft.Json.JsonException' was thrown.";
    JsonReaderException = "Newtonsoft.Json.JsonReaderException": Some(JsonException), "Exception of type 'Newtonsoft.Json.JsonReaderException' was thrown.";
    JsonWriterException = "Newtonsoft.Json.JsonWriterException": Some(JsonException), "Exception of type 'Newtonsoft.Json.JsonWriterException' was thrown.";
    JsonSerializationException = "Newtonsoft.Json.JsonSerializationException": Some(JsonException), "Exception of type 'Newtonsoft.Json.JsonSerializationException' was thrown.";
    RuntimeBinderException = "Microsoft.CSharp.RuntimeBinder.RuntimeBinderException": Some(Exception), "Exception of type 'Microsoft.CSharp.RuntimeBinder.RuntimeBinderException' was thrown.";
    BudgetExceeded = "BudgetExceededException": None, "The expression used more than its budget.";
}

impl ExceptionKind {
    /// Whether a `catch` of `wanted` catches this kind. A spent budget is caught by nothing.
    pub fn is(self, wanted: ExceptionKind) -> bool {
        let mut at = Some(self);
        while let Some(kind) = at {
            if kind == wanted {
                return true;
            }
            at = kind.base();
        }
        false
    }

    /// Type name without namespace: `Exception.GetType().Name`.
    pub fn name(self) -> &'static str {
        let full = self.full_name();
        full.rsplit(['.', '+']).next().unwrap_or(full)
    }

    /// The kind with this full or short type name.
    pub fn by_name(name: &str) -> Option<ExceptionKind> {
        Self::ALL
            .iter()
            .copied()
            .find(|k| k.full_name() == name || k.name() == name)
    }
}

/// A thrown exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Its type.
    pub kind: ExceptionKind,
    /// `Exception.Message`, with the `(Parameter '…')` tail where .NET adds one.
    pub message: Cow<'static, str>,
}

impl Error {
    /// An exception of `kind` saying `message`.
    pub fn new(kind: ExceptionKind, message: impl Into<Cow<'static, str>>) -> Self {
        Error {
            kind,
            message: message.into(),
        }
    }

    /// `kind` with its own default message.
    pub fn of(kind: ExceptionKind) -> Self {
        Error::new(kind, kind.default_message())
    }

    /// `ArgumentNullException` for parameter `name`.
    pub fn null(name: &str) -> Self {
        Error::new(
            ExceptionKind::ArgumentNullException,
            format!("Value cannot be null. (Parameter '{name}')"),
        )
    }

    /// `NullReferenceException`: a member of a null receiver.
    pub fn null_reference() -> Self {
        Error::of(ExceptionKind::NullReferenceException)
    }

    /// `ArgumentOutOfRangeException` saying `message` about parameter `name`.
    pub fn out_of_range(name: &str, message: &str) -> Self {
        Error::new(
            ExceptionKind::ArgumentOutOfRangeException,
            format!("{message} (Parameter '{name}')"),
        )
    }

    /// `ArgumentException` saying `message` about parameter `name`.
    pub fn argument(name: &str, message: &str) -> Self {
        Error::new(
            ExceptionKind::ArgumentException,
            format!("{message} (Parameter '{name}')"),
        )
    }

    /// `FormatException` saying `message`.
    pub fn format(message: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ExceptionKind::FormatException, message)
    }

    /// `InvalidOperationException` saying `message`.
    pub fn invalid_operation(message: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ExceptionKind::InvalidOperationException, message)
    }

    /// `InvalidCastException` between two .NET type names.
    pub fn cast(from: &str, to: &str) -> Self {
        Error::new(
            ExceptionKind::InvalidCastException,
            format!("Unable to cast object of type '{from}' to type '{to}'."),
        )
    }

    /// A limit of this library was reached; `what` says which. No `catch` sees it.
    pub fn budget(what: &str) -> Self {
        Error::new(
            ExceptionKind::BudgetExceeded,
            format!("The expression used more than its budget: {what}."),
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.full_name(), self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catch_follows_the_type_tree() {
        use ExceptionKind as K;
        for (thrown, wanted, caught) in [
            (K::ArgumentNullException, K::ArgumentException, true),
            (K::ArgumentNullException, K::Exception, true),
            (K::ArgumentException, K::ArgumentNullException, false),
            (K::UriFormatException, K::FormatException, true),
            (K::JsonReaderException, K::JsonException, true),
            (K::JsonReaderException, K::SystemException, false),
            (K::DivideByZeroException, K::ArithmeticException, true),
            (K::BudgetExceeded, K::Exception, false),
        ] {
            assert_eq!(thrown.is(wanted), caught, "{thrown:?} as {wanted:?}");
        }
    }

    #[test]
    fn names_round_trip() {
        for kind in ExceptionKind::ALL {
            assert_eq!(ExceptionKind::by_name(kind.full_name()), Some(*kind));
        }
        assert_eq!(ExceptionKind::KeyNotFoundException.name(), "KeyNotFoundException");
        assert_eq!(
            Error::null("value").message,
            "Value cannot be null. (Parameter 'value')"
        );
    }
}
