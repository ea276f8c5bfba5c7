//! The static type model: every type an expression can have, and the relations between them.

mod display;
pub(crate) mod known;
mod names;
pub(crate) mod registry;
mod relation;
pub(crate) mod signature;

use std::{hash, sync::Arc};

pub(crate) use known::*;
pub(crate) use registry::{Member, MemberKind, ParamDef, TypeDef, TypeKind, registry};
pub(crate) use relation::{
    base_of, element_of, enumerable_element, interfaces_of, is_subtype, runtime_is, subst,
};

/// A type definition in the registry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct DefId(pub(crate) u16);

/// Names of tuple elements; they are no part of a type's identity.
#[derive(Clone, Debug, Default)]
pub struct TupleNames(pub(crate) Option<Arc<[Option<Box<str>>]>>);

impl PartialEq for TupleNames {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for TupleNames {}

impl hash::Hash for TupleNames {
    fn hash<H: hash::Hasher>(&self, _state: &mut H) {}
}

/// The number in the name of an anonymous type; no part of its identity.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnonNumber(pub(crate) u32);

impl PartialEq for AnonNumber {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for AnonNumber {}

impl hash::Hash for AnonNumber {
    fn hash<H: hash::Hasher>(&self, _state: &mut H) {}
}

/// A type parameter of a local function with its constraints.
#[derive(Debug)]
pub struct TypeParameter {
    pub(crate) name: Box<str>,
    /// Its number in the list.
    pub(crate) index: u16,
    pub(crate) class: bool,
    pub(crate) value: bool,
    pub(crate) new: bool,
    pub(crate) bounds: Vec<Type>,
}

impl TypeParameter {
    pub(crate) fn new(name: Box<str>, index: u16) -> Self {
        TypeParameter {
            name,
            index,
            class: false,
            value: false,
            new: false,
            bounds: Vec::new(),
        }
    }
}

/// A reference to a type parameter, equal to others by what it refers to.
#[derive(Clone, Debug)]
pub struct ParamRef(Arc<TypeParameter>);

impl ParamRef {
    pub(crate) fn new(parameter: TypeParameter) -> Self {
        ParamRef(Arc::new(parameter))
    }
}

impl std::ops::Deref for ParamRef {
    type Target = TypeParameter;

    fn deref(&self) -> &TypeParameter {
        &self.0
    }
}

impl PartialEq for ParamRef {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.index == other.index
    }
}

impl Eq for ParamRef {}

impl hash::Hash for ParamRef {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// A type of the C# language.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Type {
    /// The type of `null`, convertible to every type that has it.
    Null,
    /// No value.
    Void,
    /// Something already reported as wrong; converts to and from everything.
    Error,
    /// `dynamic`: `object` with members looked up at run time.
    Dynamic,
    /// A definition without type parameters.
    Def(DefId),
    /// A generic definition with its arguments.
    Gen(DefId, Arc<[Type]>),
    /// `T[]` with its rank.
    Array(Arc<Type>, u8),
    /// A value tuple.
    Tuple(Arc<[Type]>, TupleNames),
    /// An anonymous type: names and types in order.
    Anon(Arc<[(Box<str>, Type)]>, AnonNumber),
    /// Type parameter `n` of the declaring type, in a library signature.
    #[expect(clippy::enum_variant_names, reason = "the language calls it a type parameter")]
    TypeParam(u16),
    /// Type parameter `n` of the method, in a library signature or while it is being inferred.
    MethodParam(u16),
    /// A type parameter of a local function while its body is checked.
    #[doc(hidden)]
    Param(ParamRef),
    /// An open generic name as in `typeof(List<>)`.
    Open(DefId),
}

impl Type {
    pub(crate) fn generic(def: DefId, args: impl Into<Arc<[Type]>>) -> Self {
        Type::Gen(def, args.into())
    }

    pub(crate) fn array(element: Type) -> Self {
        Type::Array(Arc::new(element), 1)
    }

    pub(crate) fn nullable(of: Type) -> Self {
        Type::generic(NULLABLE, [of])
    }

    pub(crate) fn enumerable(of: Type) -> Self {
        Type::generic(IENUMERABLE_T, [of])
    }

    /// The definition, if the type has one.
    pub(crate) fn def(&self) -> Option<DefId> {
        match self {
            Type::Def(d) | Type::Gen(d, _) | Type::Open(d) => Some(*d),
            _ => None,
        }
    }

    /// Type arguments of a constructed type.
    pub(crate) fn args(&self) -> &[Type] {
        match self {
            Type::Gen(_, args) => args,
            _ => &[],
        }
    }

    pub(crate) fn is_def(&self, id: DefId) -> bool {
        matches!(self, Type::Def(d) if *d == id)
    }

    pub(crate) fn is_string(&self) -> bool {
        self.is_def(STRING)
    }

    pub(crate) fn is_bool(&self) -> bool {
        self.is_def(BOOL)
    }

    /// `object` or `dynamic`.
    pub(crate) fn is_object(&self) -> bool {
        matches!(self, Type::Dynamic) || self.is_def(OBJECT)
    }

    pub(crate) fn is_error(&self) -> bool {
        matches!(self, Type::Error)
    }

    /// `T` of `T?`.
    pub(crate) fn nullable_of(&self) -> Option<&Type> {
        match self {
            Type::Gen(d, args) if *d == NULLABLE => args.first(),
            _ => None,
        }
    }

    pub(crate) fn kind(&self) -> Option<TypeKind> {
        self.def().map(|d| registry().def(d).kind)
    }

    pub(crate) fn is_enum(&self) -> bool {
        self.kind() == Some(TypeKind::Enum)
    }

    pub(crate) fn is_interface(&self) -> bool {
        self.kind() == Some(TypeKind::Interface)
    }

    pub(crate) fn is_delegate(&self) -> bool {
        self.kind() == Some(TypeKind::Delegate)
    }

    /// Whether values of it are copied and never null.
    pub(crate) fn is_value_type(&self) -> bool {
        match self {
            Type::Tuple(..) => true,
            Type::Param(p) => p.value,
            _ => matches!(self.kind(), Some(TypeKind::Struct | TypeKind::Enum)),
        }
    }

    /// Whether null is a value of it.
    pub(crate) fn takes_null(&self) -> bool {
        match self {
            Type::Void => false,
            Type::MethodParam(_) | Type::TypeParam(_) => false,
            Type::Param(p) => p.class,
            _ => !self.is_value_type() || self.nullable_of().is_some(),
        }
    }

    /// Whether it is a reference type (type parameters count as unknown).
    pub(crate) fn is_reference(&self) -> bool {
        if let Type::Param(p) = self {
            return p.class;
        }
        !self.is_value_type() && !matches!(self, Type::MethodParam(_) | Type::TypeParam(_) | Type::Void)
    }

    /// Whether it has more than `left` parts: types share parts, so few words of a program can make more than can be counted.
    pub(crate) fn is_larger_than(&self, left: usize) -> bool {
        fn count(ty: &Type, left: &mut usize) -> bool {
            let Some(rest) = left.checked_sub(1) else {
                return true;
            };
            *left = rest;
            match ty {
                Type::Gen(_, args) | Type::Tuple(args, _) => args.iter().any(|part| count(part, left)),
                Type::Array(of, _) => count(of, left),
                Type::Anon(members, _) => members.iter().any(|(_, part)| count(part, left)),
                _ => false,
            }
        }
        let mut left = left;
        count(self, &mut left)
    }

    /// Whether a type parameter of a local function occurs in it.
    pub(crate) fn has_parameter(&self) -> bool {
        match self {
            Type::Param(_) => true,
            Type::Gen(_, args) | Type::Tuple(args, _) => args.iter().any(Type::has_parameter),
            Type::Array(t, _) => t.has_parameter(),
            Type::Anon(members, _) => members.iter().any(|(_, t)| t.has_parameter()),
            _ => false,
        }
    }

    /// Whether a type parameter occurs in it.
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Type::TypeParam(_) | Type::MethodParam(_) => true,
            Type::Gen(_, args) | Type::Tuple(args, _) => args.iter().any(Type::is_open),
            Type::Array(t, _) => t.is_open(),
            Type::Anon(members, _) => members.iter().any(|(_, t)| t.is_open()),
            _ => false,
        }
    }

    /// The numeric kind, if it is a number or `char`.
    pub(crate) fn num(&self) -> Option<Num> {
        match self {
            Type::Def(d) => Num::of(*d),
            _ => None,
        }
    }
}

/// The built-in numeric types.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub(crate) enum Num {
    SByte,
    Byte,
    Short,
    UShort,
    Int,
    UInt,
    Long,
    ULong,
    Char,
    Float,
    Double,
    Decimal,
}

impl Num {
    pub(crate) const ALL: [Num; 12] = [
        Num::SByte,
        Num::Byte,
        Num::Short,
        Num::UShort,
        Num::Int,
        Num::UInt,
        Num::Long,
        Num::ULong,
        Num::Char,
        Num::Float,
        Num::Double,
        Num::Decimal,
    ];

    pub(crate) fn of(def: DefId) -> Option<Num> {
        Num::ALL.into_iter().find(|n| n.def() == def)
    }

    pub(crate) fn def(self) -> DefId {
        match self {
            Num::SByte => SBYTE,
            Num::Byte => BYTE,
            Num::Short => SHORT,
            Num::UShort => USHORT,
            Num::Int => INT,
            Num::UInt => UINT,
            Num::Long => LONG,
            Num::ULong => ULONG,
            Num::Char => CHAR,
            Num::Float => FLOAT,
            Num::Double => DOUBLE,
            Num::Decimal => DECIMAL,
        }
    }

    pub(crate) fn ty(self) -> Type {
        Type::Def(self.def())
    }

    pub(crate) fn is_integral(self) -> bool {
        !matches!(self, Num::Float | Num::Double | Num::Decimal)
    }

    /// Least and greatest value of an integral type.
    pub(crate) fn range(self) -> Option<(i128, i128)> {
        Some(match self {
            Num::SByte => (i8::MIN.into(), i8::MAX.into()),
            Num::Byte => (0, u8::MAX.into()),
            Num::Short => (i16::MIN.into(), i16::MAX.into()),
            Num::UShort | Num::Char => (0, u16::MAX.into()),
            Num::Int => (i32::MIN.into(), i32::MAX.into()),
            Num::UInt => (0, u32::MAX.into()),
            Num::Long => (i64::MIN.into(), i64::MAX.into()),
            Num::ULong => (0, u64::MAX.into()),
            _ => return None,
        })
    }

    /// Whether an implicit numeric conversion from `self` to `to` exists (C# 7.3 §6.1.2).
    /// The unsigned integer of the same size; what has no sign stays.
    pub(crate) fn unsigned(self) -> Num {
        match self {
            Num::SByte => Num::Byte,
            Num::Short => Num::UShort,
            Num::Int => Num::UInt,
            Num::Long => Num::ULong,
            other => other,
        }
    }

    pub(crate) fn widens_to(self, to: Num) -> bool {
        use Num::*;
        match self {
            SByte => matches!(to, Short | Int | Long | Float | Double | Decimal),
            Byte => matches!(
                to,
                Short | UShort | Int | UInt | Long | ULong | Float | Double | Decimal
            ),
            Short => matches!(to, Int | Long | Float | Double | Decimal),
            UShort => matches!(to, Int | UInt | Long | ULong | Float | Double | Decimal),
            Int => matches!(to, Long | Float | Double | Decimal),
            UInt => matches!(to, Long | ULong | Float | Double | Decimal),
            Long | ULong => matches!(to, Float | Double | Decimal),
            Char => matches!(to, UShort | Int | UInt | Long | ULong | Float | Double | Decimal),
            Float => matches!(to, Double),
            Double | Decimal => false,
        }
    }
}
