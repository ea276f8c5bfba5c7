//! Definitions that the compiler itself knows, in registry order.

use super::{DefId, Type};

macro_rules! known {
    ($($id:ident = $name:literal,)*) => {
        /// Full names (with arity) of the known definitions; the index is the [`DefId`].
        pub(crate) const KNOWN: &[&str] = &[$($name),*];
        known!(@ids 0u16; $($id)*);
    };
    (@ids $n:expr; $id:ident $($rest:ident)*) => {
        pub(crate) const $id: DefId = DefId($n);
        known!(@ids $n + 1; $($rest)*);
    };
    (@ids $n:expr;) => {};
}

known! {
    OBJECT = "System.Object",
    VALUE_TYPE = "System.ValueType",
    ENUM = "System.Enum",
    BOOL = "System.Boolean",
    CHAR = "System.Char",
    SBYTE = "System.SByte",
    BYTE = "System.Byte",
    SHORT = "System.Int16",
    USHORT = "System.UInt16",
    INT = "System.Int32",
    UINT = "System.UInt32",
    LONG = "System.Int64",
    ULONG = "System.UInt64",
    FLOAT = "System.Single",
    DOUBLE = "System.Double",
    DECIMAL = "System.Decimal",
    STRING = "System.String",
    DATE_TIME = "System.DateTime",
    DATE_TIME_OFFSET = "System.DateTimeOffset",
    TIME_SPAN = "System.TimeSpan",
    GUID = "System.Guid",
    URI = "System.Uri",
    TYPE = "System.Type",
    ARRAY = "System.Array",
    DELEGATE = "System.Delegate",
    EXCEPTION = "System.Exception",
    NULLABLE = "System.Nullable`1",
    IENUMERABLE = "System.Collections.IEnumerable",
    IENUMERABLE_T = "System.Collections.Generic.IEnumerable`1",
    IENUMERATOR_T = "System.Collections.Generic.IEnumerator`1",
    ICOLLECTION_T = "System.Collections.Generic.ICollection`1",
    ILIST_T = "System.Collections.Generic.IList`1",
    IREADONLY_COLLECTION = "System.Collections.Generic.IReadOnlyCollection`1",
    IREADONLY_LIST = "System.Collections.Generic.IReadOnlyList`1",
    IDICTIONARY = "System.Collections.Generic.IDictionary`2",
    IREADONLY_DICTIONARY = "System.Collections.Generic.IReadOnlyDictionary`2",
    KEY_VALUE_PAIR = "System.Collections.Generic.KeyValuePair`2",
    LIST = "System.Collections.Generic.List`1",
    DICTIONARY = "System.Collections.Generic.Dictionary`2",
    HASH_SET = "System.Collections.Generic.HashSet`1",
    QUEUE = "System.Collections.Generic.Queue`1",
    STACK = "System.Collections.Generic.Stack`1",
    ISET = "System.Collections.Generic.ISet`1",
    IGROUPING = "System.Linq.IGrouping`2",
    ILOOKUP = "System.Linq.ILookup`2",
    IORDERED_ENUMERABLE = "System.Linq.IOrderedEnumerable`1",
    IDISPOSABLE = "System.IDisposable",
    EXPRESSION_CONTEXT = "IExpressionContext",
    JTOKEN = "Newtonsoft.Json.Linq.JToken",
    JOBJECT = "Newtonsoft.Json.Linq.JObject",
    JARRAY = "Newtonsoft.Json.Linq.JArray",
    JVALUE = "Newtonsoft.Json.Linq.JValue",
    JPROPERTY = "Newtonsoft.Json.Linq.JProperty",
    JRAW = "Newtonsoft.Json.Linq.JRaw",
    JCONSTRUCTOR = "Newtonsoft.Json.Linq.JConstructor",
    DAY_OF_WEEK = "System.DayOfWeek",
    DATE_TIME_KIND = "System.DateTimeKind",
    STRING_BUILDER = "System.Text.StringBuilder",
    XDOCUMENT = "System.Xml.Linq.XDocument",
    XELEMENT = "System.Xml.Linq.XElement",
    XATTRIBUTE = "System.Xml.Linq.XAttribute",
    XTEXT = "System.Xml.Linq.XText",
    XCDATA = "System.Xml.Linq.XCData",
    XCOMMENT = "System.Xml.Linq.XComment",
    XPROCESSING_INSTRUCTION = "System.Xml.Linq.XProcessingInstruction",
    XDOCUMENT_TYPE = "System.Xml.Linq.XDocumentType",
    XDECLARATION = "System.Xml.Linq.XDeclaration",
    XNAME = "System.Xml.Linq.XName",
    XNAMESPACE = "System.Xml.Linq.XNamespace",
    XNODE = "System.Xml.Linq.XNode",
    XML_NODE_TYPE = "System.Xml.XmlNodeType",
}

macro_rules! shorthand {
    ($($name:ident = $id:ident;)*) => {
        impl Type {
            $(pub(crate) const $name: Type = Type::Def($id);)*
        }
    };
}

shorthand! {
    OBJECT = OBJECT;
    BOOL = BOOL;
    INT = INT;
    LONG = LONG;
    STRING = STRING;
    CHAR = CHAR;
    EXCEPTION = EXCEPTION;
}
