//! RSA keys as objects, their paddings, `Oid`, and the random generator.

use std::cell::Cell;

use gateway_dotnet::crypto::{RsaParameters, friendly_name, oid_of};

use super::*;
use crate::lib::Entry;

// ---- keys

/// An `RSA`: its key, made when it is first needed if none was imported, and the size it then has.
struct Rsa {
    key: RefCell<Option<RsaKey>>,
    bits: Cell<i32>,
}

/// `RSA.Create()` has keys of this size; those of its names the former default.
const DEFAULT_BITS: i32 = 2048;
const NAMED_BITS: i32 = 1024;

/// Making a key takes as long as so many uses of one.
const GENERATION_USES: usize = 60;

/// Largest key that an expression can have made: it takes seconds beyond.
const GENERATED_BITS_MAX: i32 = 4096;

/// A key that a certificate gave out; null without one.
pub(super) fn rsa(key: Option<RsaKey>) -> Eval {
    Ok(key.map_or(Value::Null, |key| {
        let bits = Cell::new(key.key_size());
        let key = RefCell::new(Some(key));
        make("RSAOpenSsl", Rsa { key, bits })
    }))
}

fn fresh(bits: i32) -> Eval {
    check_size(bits)?;
    let (key, bits) = (RefCell::new(None), Cell::new(bits));
    Ok(make("RSAImplementation+RSAOpenSsl", Rsa { key, bits }))
}

fn check_size(bits: i32) -> Result<(), Error> {
    if (512..=16384).contains(&bits) && bits % 8 == 0 {
        return Ok(());
    }
    let message = "Specified key is not a valid size for this algorithm.";
    Err(Error::new(ExceptionKind::CryptographicException, message))
}

fn with<R>(c: &Call<'_, '_>, i: usize, f: impl FnOnce(&Rsa) -> R) -> Result<R, Thrown> {
    let o = c.object(i)?;
    match o.native::<Rsa>() {
        Some(r) => Ok(f(r)),
        None => Err(Error::null_reference().into()),
    }
}

/// The key behind an `RSA`, made now if need be.
pub(super) fn key(c: &mut Call<'_, '_>, i: usize) -> Result<RsaKey, Thrown> {
    if let Some(key) = with(c, i, |r| r.key.borrow().clone())? {
        return Ok(key);
    }
    let bits = with(c, i, |r| r.bits.get())?;
    if bits > GENERATED_BITS_MAX {
        return Err(Error::budget("size of a key that is made").into());
    }
    for _ in 0..GENERATION_USES {
        charge_rsa(c)?;
    }
    let made = with_random(c, |random| {
        RsaKey::generate(usize::try_from(bits).unwrap_or(0), random)
    })?;
    with(c, i, |r| *r.key.borrow_mut() = Some(made.clone()))?;
    Ok(made)
}

fn import(c: &Call<'_, '_>, given: &RsaParameters) -> Eval {
    let key = RsaKey::from_parameters(given)?;
    with(c, 0, |r| {
        r.bits.set(key.key_size());
        *r.key.borrow_mut() = Some(key);
    })?;
    Ok(Value::Null)
}

fn parameters(c: &Call<'_, '_>, i: usize) -> Result<RsaParameters, Thrown> {
    let o = c.object(i)?;
    Ok(o.native::<RefCell<RsaParameters>>()
        .map(|p| p.borrow().clone())
        .unwrap_or_default())
}

fn export(c: &mut Call<'_, '_>, f: fn(&RsaKey) -> Result<Vec<u8>, Error>) -> Eval {
    charge_rsa(c)?;
    Ok(Value::bytes(f(&key(c, 0)?)?))
}

/// Names of the XML form, in its order.
const NAMES: [&str; 8] = ["Modulus", "Exponent", "P", "Q", "DP", "DQ", "InverseQ", "D"];

fn fields(p: &mut RsaParameters) -> [&mut Option<Vec<u8>>; 8] {
    [
        &mut p.modulus,
        &mut p.exponent,
        &mut p.p,
        &mut p.q,
        &mut p.dp,
        &mut p.dq,
        &mut p.inverse_q,
        &mut p.d,
    ]
}

fn to_xml(c: &mut Call<'_, '_>) -> Eval {
    charge_rsa(c)?;
    let private = c.bool(1)?;
    let mut all = key(c, 0)?.parameters(private)?;
    let mut out = String::from("<RSAKeyValue>");
    for (name, field) in NAMES.iter().zip(fields(&mut all)) {
        if let Some(bytes) = field {
            let text = gateway_dotnet::number::convert::to_base64(bytes, false);
            out += &format!("<{name}>{text}</{name}>");
        }
    }
    string(out + "</RSAKeyValue>")
}

fn from_xml(c: &mut Call<'_, '_>) -> Eval {
    let xml = c.text(1, "xmlString")?;
    c.vm.charge(xml.len() * 2)?;
    charge_rsa(c)?;
    let xml = xml.to_lossy();
    let mut given = RsaParameters::default();
    for (name, field) in NAMES.iter().zip(fields(&mut given)) {
        let inner = xml
            .split_once(&format!("<{name}>"))
            .and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
        if let Some((text, _)) = inner {
            *field = Some(gateway_dotnet::number::convert::from_base64(text)?);
        }
    }
    import(c, &given)
}

/// A `KeySizes`: smallest, largest, step.
struct Sizes([i32; 3]);

/// `KeySizes[]`
pub(super) fn sizes(all: &[[i32; 3]]) -> Value {
    let ty = registry()
        .type_named(&format!("{NS}.KeySizes"))
        .unwrap_or(Type::OBJECT);
    let items = all.iter().map(|s| make("KeySizes", Sizes(*s))).collect();
    Value::array(ty, items)
}

fn size(c: &Call<'_, '_>, i: usize) -> Eval {
    let o = c.object(0)?;
    let sizes = o.native::<Sizes>().ok_or_else(Error::null_reference)?;
    Ok(Value::Int(sizes.0[i]))
}

fn unsupported(_: &mut Call<'_, '_>) -> Eval {
    Err(Error::of(ExceptionKind::PlatformNotSupportedException).into())
}

fn named_rsa(c: &mut Call<'_, '_>) -> Eval {
    let name = c.text(0, "algName")?.to_lossy().into_owned();
    let known = ["RSA", "System.Security.Cryptography.RSA"];
    if known.iter().any(|n| n.eq_ignore_ascii_case(&name)) {
        return fresh(NAMED_BITS);
    }
    Ok(Value::Null)
}

pub(super) const ASYMMETRIC: &[Entry] = &[
    Get("static AsymmetricAlgorithm Create()", unsupported),
    Get("static AsymmetricAlgorithm Create(string algName)", named_rsa),
    Set(
        "int KeySize",
        |c| Ok(Value::Int(with(c, 0, |r| r.bits.get())?)),
        |c| {
            let bits = c.int(1)?;
            check_size(bits)?;
            with(c, 0, |r| {
                if r.bits.replace(bits) != bits {
                    *r.key.borrow_mut() = None;
                }
            })?;
            Ok(Value::Null)
        },
    ),
    Get("KeySizes[] LegalKeySizes", |c| {
        with(c, 0, |_| sizes(&[[512, 16384, 8]]))
    }),
    Get("string SignatureAlgorithm", |c| {
        with(c, 0, |_| Value::string("RSA"))
    }),
    Get("string KeyExchangeAlgorithm", |c| {
        with(c, 0, |_| Value::string("RSA"))
    }),
    Get("string ToXmlString(bool includePrivateParameters)", to_xml),
    Get("void FromXmlString(string xmlString)", from_xml),
    Get("byte[] ExportSubjectPublicKeyInfo()", |c| {
        export(c, RsaKey::to_spki)
    }),
    Get("byte[] ExportPkcs8PrivateKey()", |c| {
        export(c, |key| {
            let message = "The key is not a private one.";
            key.to_pkcs8()
                .ok_or_else(|| Error::new(ExceptionKind::CryptographicException, message))
        })
    }),
    Get("void Dispose()", nothing),
    Get("void Clear()", nothing),
];

/// Members of `RSA` beside signatures and encryption.
pub(crate) const RSA_MORE: &[Entry] = &[
    Get("static RSA Create()", |_| fresh(DEFAULT_BITS)),
    Get("static RSA Create(int keySizeInBits)", |c| fresh(c.int(0)?)),
    Get("static RSA Create(string algName)", named_rsa),
    Get("static RSA Create(RSAParameters parameters)", |c| {
        rsa(Some(RsaKey::from_parameters(&parameters(c, 0)?)?))
    }),
    Get(
        "RSAParameters ExportParameters(bool includePrivateParameters)",
        |c| {
            charge_rsa(c)?;
            let private = c.bool(1)?;
            let all = key(c, 0)?.parameters(private)?;
            Ok(make("RSAParameters", RefCell::new(all)))
        },
    ),
    Get("void ImportParameters(RSAParameters parameters)", |c| {
        charge_rsa(c)?;
        let given = parameters(c, 1)?;
        import(c, &given)
    }),
    Get("byte[] ExportRSAPublicKey()", |c| {
        export(c, RsaKey::to_pkcs1_public)
    }),
    Get("byte[] ExportRSAPrivateKey()", |c| export(c, RsaKey::to_pkcs1)),
    Get("byte[] EncryptValue(byte[] rgb)", |_| {
        Err(Error::of(ExceptionKind::NotSupportedException).into())
    }),
    Get("byte[] DecryptValue(byte[] rgb)", |_| {
        Err(Error::of(ExceptionKind::NotSupportedException).into())
    }),
    Get(
        "bool VerifyData(byte[] data, int offset, int count, byte[] signature, HashAlgorithmName hashAlgorithm, RSASignaturePadding padding)",
        |c| verify(c, false),
    ),
];

macro_rules! number {
    ($name:literal, $field:ident) => {
        Set(
            concat!("byte[] ", $name),
            |c| Ok(parameters(c, 0)?.$field.map_or(Value::Null, Value::bytes)),
            |c| {
                let value = if c.arg(1).is_null() {
                    None
                } else {
                    Some(c.bytes(1, "value")?)
                };
                let o = c.object(0)?;
                if let Some(p) = o.native::<RefCell<RsaParameters>>() {
                    p.borrow_mut().$field = value;
                }
                Ok(Value::Null)
            },
        )
    };
}

const PARAMETERS: &[Entry] = &[
    Get("ctor()", |_| {
        Ok(make("RSAParameters", RefCell::new(RsaParameters::default())))
    }),
    number!("Modulus", modulus),
    number!("Exponent", exponent),
    number!("D", d),
    number!("P", p),
    number!("Q", q),
    number!("DP", dp),
    number!("DQ", dq),
    number!("InverseQ", inverse_q),
];

// ---- paddings

fn mode(name: &str, value: i64) -> Eval {
    enumeration(&format!("{NS}.{name}"), value)
}

fn same<T: 'static + PartialEq>(c: &Call<'_, '_>) -> bool {
    match (c.arg(0), c.arg(1)) {
        (Value::Object(a), Value::Object(b)) => {
            a.native::<T>().is_some() && a.native::<T>() == b.native::<T>()
        }
        (a, b) => a.is_null() && b.is_null(),
    }
}

/// OAEP with a hash of any name, which is only looked at when it is used.
#[derive(Clone, PartialEq)]
pub(super) struct NamedOaep(pub Str);

fn oaep(c: &mut Call<'_, '_>) -> Eval {
    let name = hash_name_of(c, 0)?;
    Ok(
        match HashKind::ALL.iter().find(|k| k.name() == &*name.to_lossy()) {
            Some(kind) => make("RSAEncryptionPadding", EncryptionPadding::Oaep(*kind)),
            None => make("RSAEncryptionPadding", NamedOaep(name)),
        },
    )
}

fn same_encryption(c: &Call<'_, '_>) -> bool {
    same::<EncryptionPadding>(c) || same::<NamedOaep>(c)
}

pub(super) const SIGNATURE: &[Entry] = &[
    Get("static RSASignaturePadding Pkcs1", |_| {
        Ok(make("RSASignaturePadding", SignaturePadding::Pkcs1))
    }),
    Get("static RSASignaturePadding Pss", |_| {
        Ok(make("RSASignaturePadding", SignaturePadding::Pss))
    }),
    Get("RSASignaturePaddingMode Mode", |c| {
        let pss = native::<SignaturePadding>(c, 0)? == SignaturePadding::Pss;
        mode("RSASignaturePaddingMode", i64::from(pss))
    }),
    Get("bool Equals(object obj)", |c| {
        Ok(Value::Bool(same::<SignaturePadding>(c)))
    }),
    Get("bool Equals(RSASignaturePadding other)", |c| {
        Ok(Value::Bool(same::<SignaturePadding>(c)))
    }),
    Get("int GetHashCode()", |c| {
        Ok(Value::Int(native::<SignaturePadding>(c, 0)? as i32))
    }),
    Get("string ToString()", base::to_string),
    Get(
        "static bool operator ==(RSASignaturePadding left, RSASignaturePadding right)",
        |c| Ok(Value::Bool(same::<SignaturePadding>(c))),
    ),
    Get(
        "static bool operator !=(RSASignaturePadding left, RSASignaturePadding right)",
        |c| Ok(Value::Bool(!same::<SignaturePadding>(c))),
    ),
];

fn fixed(padding: EncryptionPadding) -> Eval {
    Ok(make("RSAEncryptionPadding", padding))
}

pub(super) const ENCRYPTION: &[Entry] = &[
    Get("static RSAEncryptionPadding Pkcs1", |_| {
        fixed(EncryptionPadding::Pkcs1)
    }),
    Get("static RSAEncryptionPadding OaepSHA1", |_| {
        fixed(EncryptionPadding::Oaep(HashKind::Sha1))
    }),
    Get("static RSAEncryptionPadding OaepSHA256", |_| {
        fixed(EncryptionPadding::Oaep(HashKind::Sha256))
    }),
    Get("static RSAEncryptionPadding OaepSHA384", |_| {
        fixed(EncryptionPadding::Oaep(HashKind::Sha384))
    }),
    Get("static RSAEncryptionPadding OaepSHA512", |_| {
        fixed(EncryptionPadding::Oaep(HashKind::Sha512))
    }),
    Get(
        "static RSAEncryptionPadding CreateOaep(HashAlgorithmName hashAlgorithm)",
        oaep,
    ),
    Get("RSAEncryptionPaddingMode Mode", |c| {
        let o = c.object(0)?;
        let pkcs1 = o.native::<EncryptionPadding>() == Some(&EncryptionPadding::Pkcs1);
        mode("RSAEncryptionPaddingMode", i64::from(!pkcs1))
    }),
    Get("HashAlgorithmName OaepHashAlgorithm", |c| {
        let o = c.object(0)?;
        Ok(match (o.native::<EncryptionPadding>(), o.native::<NamedOaep>()) {
            (Some(EncryptionPadding::Oaep(kind)), _) => {
                make("HashAlgorithmName", Some(Str::new(kind.name())))
            }
            (_, Some(NamedOaep(name))) => make("HashAlgorithmName", Some(name.clone())),
            _ => make("HashAlgorithmName", None::<Str>),
        })
    }),
    Get("bool Equals(object obj)", |c| Ok(Value::Bool(same_encryption(c)))),
    Get("bool Equals(RSAEncryptionPadding other)", |c| {
        Ok(Value::Bool(same_encryption(c)))
    }),
    Get("int GetHashCode()", base::hash_code),
    Get("string ToString()", base::to_string),
    Get(
        "static bool operator ==(RSAEncryptionPadding left, RSAEncryptionPadding right)",
        |c| Ok(Value::Bool(same_encryption(c))),
    ),
    Get(
        "static bool operator !=(RSAEncryptionPadding left, RSAEncryptionPadding right)",
        |c| Ok(Value::Bool(!same_encryption(c))),
    ),
];

// ---- identifiers

/// An `Oid`: its number and its friendly name, where they were given.
#[derive(Clone, Default)]
struct Id {
    value: Option<Str>,
    name: Option<Str>,
}

fn make_id(id: Id) -> Value {
    make("Oid", RefCell::new(id))
}

/// The identifier of a certificate's field.
pub(super) fn oid(value: &str) -> Eval {
    Ok(make_id(Id {
        value: Some(Str::new(value)),
        name: None,
    }))
}

fn id<R>(c: &Call<'_, '_>, i: usize, f: impl FnOnce(&mut Id) -> R) -> Result<R, Thrown> {
    let o = c.object(i)?;
    match o.native::<RefCell<Id>>() {
        Some(id) => Ok(f(&mut id.borrow_mut())),
        None => Err(Error::null_reference().into()),
    }
}

fn optional(s: Option<Str>) -> Eval {
    Ok(s.map_or(Value::Null, Value::Str))
}

fn not_found(what: &str) -> Thrown {
    Error::new(ExceptionKind::CryptographicException, what.to_owned()).into()
}

const OID: &[Entry] = &[
    Get("ctor()", |_| Ok(make_id(Id::default()))),
    Get("ctor(string oid)", |c| {
        let text = c.text(0, "oid")?;
        // A friendly name stands for its number.
        let value = oid_of(&text.to_lossy()).map_or(text, Str::new);
        Ok(make_id(Id {
            value: Some(value),
            name: None,
        }))
    }),
    Get("ctor(string value, string friendlyName)", |c| {
        Ok(make_id(Id {
            value: c.opt_str(0),
            name: c.opt_str(1),
        }))
    }),
    Get("ctor(Oid oid)", |c| {
        if c.arg(0).is_null() {
            return Err(Error::null("oid").into());
        }
        Ok(make_id(id(c, 0, |i| i.clone())?))
    }),
    Set(
        "string Value",
        |c| optional(id(c, 0, |i| i.value.clone())?),
        |c| {
            let value = c.opt_str(1);
            id(c, 0, |i| i.value = value)?;
            Ok(Value::Null)
        },
    ),
    Set(
        "string FriendlyName",
        |c| {
            optional(id(c, 0, |i| {
                let known = || friendly_name(&i.value.as_ref()?.to_lossy()).map(Str::new);
                i.name.clone().or_else(known)
            })?)
        },
        |c| {
            let name = c.opt_str(1);
            id(c, 0, |i| {
                if let Some(known) = name.as_ref().and_then(|n| oid_of(&n.to_lossy())) {
                    i.value = Some(Str::new(known));
                }
                i.name = name;
            })?;
            Ok(Value::Null)
        },
    ),
    Get(
        "static Oid FromFriendlyName(string friendlyName, OidGroup group)",
        |c| {
            let name = c.text(0, "friendlyName")?;
            match oid_of(&name.to_lossy()) {
                Some(value) => Ok(make_id(Id {
                    value: Some(Str::new(value)),
                    name: Some(name),
                })),
                None => Err(not_found("No OID value matches this name.")),
            }
        },
    ),
    Get("static Oid FromOidValue(string oidValue, OidGroup group)", |c| {
        let value = c.text(0, "oidValue")?;
        match friendly_name(&value.to_lossy()) {
            Some(name) => Ok(make_id(Id {
                value: Some(value),
                name: Some(Str::new(name)),
            })),
            None => Err(not_found("The OID value is invalid.")),
        }
    }),
];

// ---- random bytes

/// Fills the part of the array at argument 1 that the arguments behind it name.
fn random_part(c: &mut Call<'_, '_>, zeros: bool) -> Eval {
    let len = c.bytes(1, "data")?.len();
    let range = if c.args.len() > 2 {
        let (start, count) = (c.int(2)?, c.int(3)?);
        let (Ok(start), Ok(count)) = (usize::try_from(start), usize::try_from(count)) else {
            let name = if start < 0 { "offset" } else { "count" };
            return Err(Error::out_of_range(name, "Non-negative number required.").into());
        };
        if start.saturating_add(count) > len {
            return Err(Error::of(ExceptionKind::ArgumentException).into());
        }
        start..start + count
    } else {
        0..len
    };
    c.vm.charge(range.len())?;
    let mut fresh = random_bytes(c, range.len());
    if !zeros {
        for byte in &mut fresh {
            while *byte == 0 {
                *byte = random_bytes(c, 1).first().copied().unwrap_or(1);
                c.vm.step()?;
            }
        }
    }
    if let Data::Bytes(place) = &c.object(1)?.data
        && let Some(part) = place.borrow_mut().get_mut(range)
    {
        part.copy_from_slice(&fresh);
    }
    Ok(Value::Null)
}

const RANDOM: &[Entry] = &[
    Get("ctor()", |_| Ok(make("RNGCryptoServiceProvider", ()))),
    Get("ctor(string str)", |_| Ok(make("RNGCryptoServiceProvider", ()))),
    Get("ctor(byte[] rgb)", |_| Ok(make("RNGCryptoServiceProvider", ()))),
    Get("void GetBytes(byte[] data)", |c| random_part(c, true)),
    Get("void GetBytes(byte[] data, int offset, int count)", |c| {
        random_part(c, true)
    }),
    Get("void GetNonZeroBytes(byte[] data)", |c| random_part(c, false)),
    Get("void Dispose()", nothing),
];

pub(crate) const TYPES: &[Decl] = &[
    all("class System.Security.Cryptography.Oid", OID),
    all(
        "class System.Security.Cryptography.RNGCryptoServiceProvider : RandomNumberGenerator",
        RANDOM,
    ),
    none("struct System.Security.Cryptography.RSAParameters", PARAMETERS),
    all(
        "class System.Security.Cryptography.RSAImplementation+RSAOpenSsl : RSA",
        &[],
    ),
    none(
        "class System.Security.Cryptography.KeySizes",
        &[
            Get("int MinSize", |c| size(c, 0)),
            Get("int MaxSize", |c| size(c, 1)),
            Get("int SkipSize", |c| size(c, 2)),
        ],
    ),
    values(
        "enum System.Security.Cryptography.RSASignaturePaddingMode",
        Verdict::None,
        &[("Pkcs1", 0), ("Pss", 1)],
    ),
    values(
        "enum System.Security.Cryptography.RSAEncryptionPaddingMode",
        Verdict::None,
        &[("Pkcs1", 0), ("Oaep", 1)],
    ),
    values(
        "enum System.Security.Cryptography.OidGroup",
        Verdict::None,
        &[
            ("All", 0),
            ("HashAlgorithm", 1),
            ("EncryptionAlgorithm", 2),
            ("PublicKeyAlgorithm", 3),
            ("SignatureAlgorithm", 4),
            ("Attribute", 5),
            ("ExtensionOrAttribute", 6),
            ("EnhancedKeyUsage", 7),
            ("Policy", 8),
            ("Template", 9),
            ("KeyDerivationFunction", 10),
        ],
    ),
];
