//! Hashes, HMAC, symmetric ciphers, RSA and certificates.

use std::cell::RefCell;

use gateway_dotnet::{
    Error, ExceptionKind, Str,
    crypto::{
        Certificate, CipherMode, EncryptionPadding, HashKind, Name, NameType, PaddingMode, RsaKey,
        SignaturePadding, Symmetric, hash, hmac,
    },
    time::{DateTime, DateTimeKind},
};

use super::{
    Call, Decl,
    Entry::{Denied, Get, Set},
    Verdict, all, base,
    call::string,
    none, only, values,
};
use crate::{
    Value,
    object::{Data, Object},
    types::{Type, registry},
    vm::{Eval, Thrown},
};

const NS: &str = "System.Security.Cryptography";

fn make<T: 'static>(name: &str, data: T) -> Value {
    let ty = registry()
        .type_named(&format!("{NS}.{name}"))
        .unwrap_or(Type::OBJECT);
    Value::object(ty, Data::Native(Box::new(data)))
}

fn native<T: 'static + Clone>(c: &Call<'_, '_>, i: usize) -> Result<T, Thrown> {
    let o = c.object(i)?;
    o.native::<T>()
        .cloned()
        .ok_or_else(|| Error::null_reference().into())
}

// ---- hashes

/// A `HashAlgorithm`: keyed or not, with the last hash it made.
struct Hasher {
    kind: HashKind,
    key: RefCell<Option<Vec<u8>>>,
    last: RefCell<Option<Vec<u8>>>,
    pending: RefCell<Vec<u8>>,
}

fn hasher(name: &str, kind: HashKind, key: Option<Vec<u8>>) -> Eval {
    let data = Hasher {
        kind,
        key: RefCell::new(key),
        last: RefCell::new(None),
        pending: RefCell::default(),
    };
    Ok(make(name, data))
}

fn plain(c: &mut Call<'_, '_>, kind: HashKind) -> Eval {
    if let Some(name) = c.opt_str(0) {
        return by_name(&name);
    }
    hasher(&format!("{}+Implementation", kind.name()), kind, None)
}

fn by_name(name: &Str) -> Eval {
    let text = name.to_lossy();
    if let Some(rest) = text.strip_prefix("HMAC") {
        return match HashKind::by_name(rest) {
            Ok(kind) => hasher(&format!("HMAC{}", kind.name()), kind, Some(Vec::new())),
            Err(_) => Ok(Value::Null),
        };
    }
    match HashKind::by_name(&text) {
        Ok(kind) => hasher(&format!("{}+Implementation", kind.name()), kind, None),
        Err(_) => Ok(Value::Null),
    }
}

fn managed(kind: HashKind) -> Eval {
    hasher(&format!("{}Managed", kind.name()), kind, None)
}

fn keyed(c: &mut Call<'_, '_>, kind: HashKind) -> Eval {
    let key = if c.args.is_empty() {
        random_bytes(c, 64)
    } else {
        c.bytes(0, "key")?
    };
    hasher(&format!("HMAC{}", kind.name()), kind, Some(key))
}

fn with_hasher<R>(c: &Call<'_, '_>, f: impl FnOnce(&Hasher) -> R) -> Result<R, Thrown> {
    let o = c.object(0)?;
    match o.native::<Hasher>() {
        Some(h) => Ok(f(h)),
        None => Err(Error::null_reference().into()),
    }
}

fn digest(h: &Hasher, data: &[u8]) -> Vec<u8> {
    let made = match &*h.key.borrow() {
        Some(key) => hmac(h.kind, key, data),
        None => hash(h.kind, data),
    };
    *h.last.borrow_mut() = Some(made.clone());
    made
}

fn compute(c: &mut Call<'_, '_>) -> Eval {
    let bytes = c.bytes(1, "buffer")?;
    let part = part(c, &bytes, 2)?;
    c.vm.charge(part.len() / 16 + 64)?;
    Ok(Value::bytes(with_hasher(c, |h| digest(h, part))?))
}

/// `(offset, count)` of a buffer, from argument `at` on, or all of it.
fn part<'b>(c: &Call<'_, '_>, bytes: &'b [u8], at: usize) -> Result<&'b [u8], Thrown> {
    let (Some(Value::Int(offset)), Some(Value::Int(count))) = (c.args.get(at), c.args.get(at + 1)) else {
        return Ok(bytes);
    };
    let range = usize::try_from(*offset).ok().zip(usize::try_from(*count).ok());
    match range.and_then(|(o, n)| bytes.get(o..o.checked_add(n)?)) {
        Some(part) => Ok(part),
        None if *offset < 0 => Err(Error::out_of_range("offset", "Non-negative number required.").into()),
        None => Err(Error::new(ExceptionKind::ArgumentException, "Value was invalid.").into()),
    }
}

fn last_hash(c: &mut Call<'_, '_>) -> Eval {
    Ok(with_hasher(c, |h| h.last.borrow().clone())?.map_or(Value::Null, Value::bytes))
}

fn random_bytes(c: &Call<'_, '_>, count: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(count + 8);
    while out.len() < count {
        out.extend_from_slice(&c.vm.world.random().to_le_bytes());
    }
    out.truncate(count);
    out
}

macro_rules! hash_type {
    ($name:literal, $kind:ident) => {
        all(
            concat!(
                "abstract class System.Security.Cryptography.",
                $name,
                " : HashAlgorithm"
            ),
            &[
                Get(concat!("static ", $name, " Create()"), |c| {
                    plain(c, HashKind::$kind)
                }),
                Get(concat!("static ", $name, " Create(string hashName)"), |c| {
                    plain(c, HashKind::$kind)
                }),
            ],
        )
    };
}

macro_rules! hash_classes {
    ($name:literal, $kind:ident) => {
        all(
            concat!("class System.Security.Cryptography.", $name, " : HMAC"),
            &[
                Get("ctor()", |c| keyed(c, HashKind::$kind)),
                Get("ctor(byte[] key)", |c| keyed(c, HashKind::$kind)),
            ],
        )
    };
}

// ---- hash names and paddings

fn hash_name(kind: &str) -> Eval {
    Ok(make("HashAlgorithmName", Str::new(kind)))
}

fn kind_of(c: &Call<'_, '_>, i: usize) -> Result<HashKind, Thrown> {
    let name: Str = match c.arg(i) {
        Value::Object(o) => o.native::<Str>().cloned().unwrap_or(Str::EMPTY),
        _ => Str::EMPTY,
    };
    if name.is_empty() {
        let message = "The hash algorithm name cannot be null or empty. (Parameter 'hashAlgorithm')";
        return Err(Error::new(ExceptionKind::ArgumentException, message).into());
    }
    Ok(HashKind::by_name(&name.to_lossy())?)
}

fn sign_padding(c: &Call<'_, '_>, i: usize) -> Result<SignaturePadding, Thrown> {
    match c.arg(i) {
        Value::Null => Err(Error::null("padding").into()),
        _ => native(c, i),
    }
}

fn encrypt_padding(c: &Call<'_, '_>, i: usize) -> Result<EncryptionPadding, Thrown> {
    match c.arg(i) {
        Value::Null => Err(Error::null("padding").into()),
        _ => native(c, i),
    }
}

// ---- RSA

fn rsa(key: Option<RsaKey>) -> Eval {
    Ok(key.map_or(Value::Null, |k| make("RSAOpenSsl", k)))
}

/// Runs with random bits from the world.
fn with_random<R>(
    c: &Call<'_, '_>,
    f: impl FnOnce(&mut dyn FnMut() -> u64) -> Result<R, Error>,
) -> Result<R, Thrown> {
    let world = c.vm.world;
    Ok(f(&mut || world.random())?)
}

/// An RSA operation costs about a millisecond of CPU: this many steps.
const RSA_STEPS: usize = 50_000;

fn charge_rsa(c: &mut Call<'_, '_>) -> Result<(), Thrown> {
    for _ in 0..RSA_STEPS {
        c.vm.step()?;
    }
    Ok(())
}

fn sign(c: &mut Call<'_, '_>, hashed: bool) -> Eval {
    charge_rsa(c)?;
    let key: RsaKey = native(c, 0)?;
    let bytes = c.bytes(1, if hashed { "hash" } else { "data" })?;
    let at = c.args.len() - 2;
    let (kind, padding) = (kind_of(c, at)?, sign_padding(c, at + 1)?);
    let data = if c.args.len() == 6 {
        part(c, &bytes, 2)?.to_vec()
    } else {
        bytes
    };
    let made = with_random(c, |r| {
        if hashed {
            key.sign_hash(&data, kind, padding, r)
        } else {
            key.sign_data(&data, kind, padding, r)
        }
    })?;
    Ok(Value::bytes(made))
}

fn verify(c: &mut Call<'_, '_>, hashed: bool) -> Eval {
    charge_rsa(c)?;
    let key: RsaKey = native(c, 0)?;
    let (data, signature) = (
        c.bytes(1, if hashed { "hash" } else { "data" })?,
        c.bytes(2, "signature")?,
    );
    let (kind, padding) = (kind_of(c, 3)?, sign_padding(c, 4)?);
    Ok(Value::Bool(if hashed {
        key.verify_hash(&data, &signature, kind, padding)
    } else {
        key.verify_data(&data, &signature, kind, padding)
    }))
}

fn crypt(c: &mut Call<'_, '_>, encrypt: bool) -> Eval {
    charge_rsa(c)?;
    let key: RsaKey = native(c, 0)?;
    let (data, padding) = (c.bytes(1, "data")?, encrypt_padding(c, 2)?);
    let made = with_random(c, |r| {
        if encrypt {
            key.encrypt(&data, padding, r)
        } else {
            key.decrypt(&data, padding, r)
        }
    })?;
    Ok(Value::bytes(made))
}

// ---- symmetric ciphers

fn symmetric<R>(
    c: &Call<'_, '_>,
    i: usize,
    f: impl FnOnce(&mut Symmetric) -> Result<R, Error>,
) -> Result<R, Thrown> {
    let o = c.object(i)?;
    match o.native::<RefCell<Symmetric>>() {
        Some(s) => Ok(f(&mut s.borrow_mut())?),
        None => Err(Error::null_reference().into()),
    }
}

fn create_symmetric(c: &mut Call<'_, '_>, name: &str) -> Eval {
    let world = c.vm.world;
    let Some(s) = Symmetric::create(name, &mut || world.random()) else {
        return Ok(Value::Null);
    };
    let ty = registry()
        .type_named(s.type_name)
        .or_else(|| registry().type_named(&format!("{NS}.SymmetricAlgorithm")));
    Ok(Value::object(
        ty.unwrap_or(Type::OBJECT),
        Data::Native(Box::new(RefCell::new(s))),
    ))
}

fn named_symmetric(c: &mut Call<'_, '_>) -> Eval {
    let name = c.text(0, "algName")?;
    create_symmetric(c, &name.to_lossy())
}

/// `Encrypt` and `Decrypt` of the expression extensions: by name, or with an algorithm at hand.
fn transform(c: &mut Call<'_, '_>, encrypt: bool) -> Eval {
    let data = c.bytes(0, "input")?;
    c.vm.charge(data.len() * 2)?;
    let algorithm = match c.arg(1) {
        Value::Str(name) => {
            let name = name.to_lossy().into_owned();
            create_symmetric(c, &name)?
        }
        v => v.clone(),
    };
    let Value::Object(o) = algorithm else {
        return Err(Error::null_reference().into());
    };
    let Some(s) = o.native::<RefCell<Symmetric>>() else {
        return Err(Error::null_reference().into());
    };
    let mut s = s.borrow().clone();
    if c.args.len() > 2 {
        let (key, iv) = (c.bytes(2, "rgbKey")?, c.bytes(3, "rgbIV")?);
        s.set_key(&key)?;
        s.set_iv(&iv)?;
    }
    Ok(Value::bytes(if encrypt {
        with_random(c, |r| s.encrypt(&data, r))?
    } else {
        s.decrypt(&data)?
    }))
}

/// An `ICryptoTransform`: the algorithm and its direction.
struct Transform(Symmetric, bool);

fn transformer(c: &mut Call<'_, '_>, encrypt: bool) -> Eval {
    let mut s = symmetric(c, 0, |s| Ok(s.clone()))?;
    if c.args.len() > 2 {
        let (key, iv) = (c.bytes(1, "rgbKey")?, c.bytes(2, "rgbIV")?);
        s.set_key(&key)?;
        s.set_iv(&iv)?;
    }
    Ok(make("ICryptoTransform", Transform(s, encrypt)))
}

fn final_block(c: &mut Call<'_, '_>) -> Eval {
    let o = c.object(0)?;
    let Some(Transform(s, encrypt)) = o.native::<Transform>() else {
        return Err(Error::null_reference().into());
    };
    let bytes = c.bytes(1, "inputBuffer")?;
    let data = part(c, &bytes, 2)?;
    c.vm.charge(data.len() * 2)?;
    Ok(Value::bytes(if *encrypt {
        with_random(c, |r| s.encrypt(data, r))?
    } else {
        s.decrypt(data)?
    }))
}

fn cipher_mode(s: &Symmetric) -> i64 {
    (1..=5)
        .find(|n| CipherMode::from_value(*n as i32).is_ok_and(|m| m == s.mode))
        .unwrap_or(1)
}

fn padding_mode(s: &Symmetric) -> i64 {
    (1..=5)
        .find(|n| PaddingMode::from_value(*n as i32).is_ok_and(|m| m == s.padding))
        .unwrap_or(2)
}

fn enumeration(name: &str, value: i64) -> Eval {
    let def = registry().by_full_name(name).unwrap_or(crate::types::OBJECT);
    Ok(Value::Enum(def, value))
}

// ---- certificates

fn wrap_certificate(c: Certificate) -> Value {
    make("X509Certificates.X509Certificate2", c)
}

/// A certificate from DER or PFX bytes.
pub(crate) fn make_certificate(bytes: &[u8]) -> Eval {
    Ok(wrap_certificate(Certificate::new(bytes, "")?))
}

fn new_certificate(c: &mut Call<'_, '_>) -> Eval {
    // Without data it is an empty certificate, whose members fail.
    let bytes = if c.arg(0).is_null() {
        Vec::new()
    } else {
        c.bytes(0, "rawData")?
    };
    if bytes.is_empty() {
        return Ok(make("X509Certificates.X509Certificate2", ()));
    }
    let password = c.str_or_empty(1);
    Ok(wrap_certificate(Certificate::new(&bytes, &password.to_lossy())?))
}

fn cert(c: &Call<'_, '_>) -> Result<Certificate, Thrown> {
    let o = c.object(0)?;
    o.native::<Certificate>().cloned().ok_or_else(|| {
        Error::new(
            ExceptionKind::CryptographicException,
            "m_safeCertContext is an invalid handle.",
        )
        .into()
    })
}

fn date(ticks: i64) -> Eval {
    // NotBefore and NotAfter are local times; the gateway's zone is UTC.
    Ok(Value::DateTime(DateTime::from_ticks_clamped(
        ticks,
        DateTimeKind::Local,
    )))
}

fn distinguished(c: &mut Call<'_, '_>, which: Name) -> Eval {
    Ok(make(
        "X509Certificates.X500DistinguishedName",
        Str::new(&cert(c)?.name(which)),
    ))
}

fn oid(value: String) -> Eval {
    Ok(make("Oid", Str::new(&value)))
}

fn name_info(c: &mut Call<'_, '_>) -> Eval {
    let kind = match c.enumeration(1)? {
        1 => NameType::EmailName,
        2 => NameType::UpnName,
        3 => NameType::DnsName,
        4 => NameType::DnsFromAlternativeName,
        5 => NameType::UrlName,
        _ => NameType::SimpleName,
    };
    let which = if c.bool(2)? { Name::Issuer } else { Name::Subject };
    string(cert(c)?.name_info(kind, which))
}

/// Whether the certificate is inside its validity. A chain cannot be built here: expressions reach no
/// trust store, so a certificate that no policy has verified is never called trusted.
fn verify_certificate(c: &mut Call<'_, '_>) -> Eval {
    let certificate = cert(c)?;
    let now = c.vm.world.utc_now_ticks();
    let valid = certificate.not_before_ticks() <= now && now <= certificate.not_after_ticks();
    let trusted =
        c.vm.context
            .deployment
            .certificates
            .iter()
            .any(|(_, der)| **der == *certificate.der());
    Ok(Value::Bool(valid && trusted))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect()
}

/// `ToString()` of the objects kept here.
pub(super) fn native_text(o: &Object) -> Option<Str> {
    if let Some(c) = o.native::<Certificate>() {
        let when = |ticks: i64| DateTime::from_ticks_clamped(ticks, DateTimeKind::Local).to_text();
        let text = format!(
            "[Subject]\n  {}\n\n[Issuer]\n  {}\n\n[Serial Number]\n  {}\n\n[Not Before]\n  {}\n\n[Not After]\n  {}\n\n[Thumbprint]\n  {}\n",
            c.name(Name::Subject),
            c.name(Name::Issuer),
            c.serial_number(),
            when(c.not_before_ticks()),
            when(c.not_after_ticks()),
            c.thumbprint()
        );
        return Some(Str::new(&text));
    }
    if o.ty
        .def()
        .is_some_and(|d| registry().def(d).name.as_ref() == "HashAlgorithmName")
    {
        return o.native::<Str>().cloned();
    }
    None
}

/// `Equals` of hash names and certificates.
pub(super) fn native_equals(a: &Object, b: &Object) -> Option<bool> {
    if let (Some(a), Some(b)) = (a.native::<Certificate>(), b.native::<Certificate>()) {
        return Some(a.der() == b.der());
    }
    match (a.native::<Str>(), b.native::<Str>()) {
        (Some(x), Some(y)) => Some(a.ty == b.ty && x == y),
        _ => None,
    }
}

fn str_of(c: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Str(native::<Str>(c, 0)?))
}

fn nothing(_: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Null)
}

const HASH: &[super::Entry] = &[
    Get("static HashAlgorithm Create(string hashName)", |c| {
        let n = c.text(0, "hashName")?;
        by_name(&n)
    }),
    Get("byte[] ComputeHash(byte[] buffer)", compute),
    Get(
        "byte[] ComputeHash(byte[] buffer, int offset, int count)",
        compute,
    ),
    Get(
        "byte[] TransformFinalBlock(byte[] inputBuffer, int inputOffset, int inputCount)",
        |c| {
            let bytes = c.bytes(1, "inputBuffer")?;
            let data = part(c, &bytes, 2)?.to_vec();
            with_hasher(c, |h| {
                let mut all = std::mem::take(&mut *h.pending.borrow_mut());
                all.extend_from_slice(&data);
                digest(h, &all);
            })?;
            Ok(Value::bytes(data))
        },
    ),
    Get(
        "int TransformBlock(byte[] inputBuffer, int inputOffset, int inputCount, byte[] outputBuffer, int outputOffset)",
        |c| {
            let bytes = c.bytes(1, "inputBuffer")?;
            let data = part(c, &bytes, 2)?;
            c.vm.charge(data.len())?;
            with_hasher(c, |h| h.pending.borrow_mut().extend_from_slice(data))?;
            Ok(Value::Int(data.len() as i32))
        },
    ),
    Get("byte[] Hash", last_hash),
    Get("int HashSize", |c| {
        Ok(Value::Int(with_hasher(c, |h| h.kind.size())? as i32 * 8))
    }),
    Get("void Initialize()", nothing),
    Get("void Clear()", nothing),
    Get("void Dispose()", nothing),
];

const SYMMETRIC: &[super::Entry] = &[
    Denied("static SymmetricAlgorithm Create()", |c| {
        create_symmetric(c, "Aes")
    }),
    Get(
        "static SymmetricAlgorithm Create(string algName)",
        named_symmetric,
    ),
    Set(
        "byte[] Key",
        |c| Ok(Value::bytes(symmetric(c, 0, |s| Ok(s.key.clone()))?)),
        |c| {
            let key = c.bytes(1, "value")?;
            symmetric(c, 0, |s| s.set_key(&key))?;
            Ok(Value::Null)
        },
    ),
    Set(
        "byte[] IV",
        |c| Ok(Value::bytes(symmetric(c, 0, |s| Ok(s.iv.clone()))?)),
        |c| {
            let iv = c.bytes(1, "value")?;
            symmetric(c, 0, |s| s.set_iv(&iv))?;
            Ok(Value::Null)
        },
    ),
    Set(
        "CipherMode Mode",
        |c| {
            let m = symmetric(c, 0, |s| Ok(cipher_mode(s)))?;
            enumeration("System.Security.Cryptography.CipherMode", m)
        },
        |c| {
            let mode = CipherMode::from_value(c.enumeration(1)?)?;
            symmetric(c, 0, |s| {
                s.mode = mode;
                Ok(())
            })?;
            Ok(Value::Null)
        },
    ),
    Set(
        "PaddingMode Padding",
        |c| {
            let m = symmetric(c, 0, |s| Ok(padding_mode(s)))?;
            enumeration("System.Security.Cryptography.PaddingMode", m)
        },
        |c| {
            let mode = PaddingMode::from_value(c.enumeration(1)?)?;
            symmetric(c, 0, |s| {
                s.padding = mode;
                Ok(())
            })?;
            Ok(Value::Null)
        },
    ),
    Set(
        "int KeySize",
        |c| Ok(Value::Int(symmetric(c, 0, |s| Ok(s.key.len() as i32 * 8))?)),
        |c| {
            let (bits, world) = (c.int(1)?, c.vm.world);
            symmetric(c, 0, |s| s.set_key_size(bits, &mut || world.random()))?;
            Ok(Value::Null)
        },
    ),
    Set(
        "int BlockSize",
        |c| Ok(Value::Int(symmetric(c, 0, |s| Ok(s.iv.len() as i32 * 8))?)),
        nothing,
    ),
    Get("ICryptoTransform CreateEncryptor()", |c| transformer(c, true)),
    Get(
        "ICryptoTransform CreateEncryptor(byte[] rgbKey, byte[] rgbIV)",
        |c| transformer(c, true),
    ),
    Get("ICryptoTransform CreateDecryptor()", |c| transformer(c, false)),
    Get(
        "ICryptoTransform CreateDecryptor(byte[] rgbKey, byte[] rgbIV)",
        |c| transformer(c, false),
    ),
    Get("void GenerateKey()", |c| {
        let n = symmetric(c, 0, |s| Ok(s.key.len()))?;
        let k = random_bytes(c, n);
        symmetric(c, 0, |s| s.set_key(&k))?;
        Ok(Value::Null)
    }),
    Get("void GenerateIV()", |c| {
        let n = symmetric(c, 0, |s| Ok(s.iv.len()))?;
        let k = random_bytes(c, n);
        symmetric(c, 0, |s| s.set_iv(&k))?;
        Ok(Value::Null)
    }),
    Get("void Clear()", nothing),
    Get("void Dispose()", nothing),
];

const RSA: &[super::Entry] = &[
    Get(
        "byte[] SignData(byte[] data, HashAlgorithmName hashAlgorithm, RSASignaturePadding padding)",
        |c| sign(c, false),
    ),
    Get(
        "byte[] SignData(byte[] data, int offset, int count, HashAlgorithmName hashAlgorithm, RSASignaturePadding padding)",
        |c| sign(c, false),
    ),
    Get(
        "byte[] SignHash(byte[] hash, HashAlgorithmName hashAlgorithm, RSASignaturePadding padding)",
        |c| sign(c, true),
    ),
    Get(
        "bool VerifyData(byte[] data, byte[] signature, HashAlgorithmName hashAlgorithm, RSASignaturePadding padding)",
        |c| verify(c, false),
    ),
    Get(
        "bool VerifyHash(byte[] hash, byte[] signature, HashAlgorithmName hashAlgorithm, RSASignaturePadding padding)",
        |c| verify(c, true),
    ),
    Get("byte[] Encrypt(byte[] data, RSAEncryptionPadding padding)", |c| {
        crypt(c, true)
    }),
    Get("byte[] Decrypt(byte[] data, RSAEncryptionPadding padding)", |c| {
        crypt(c, false)
    }),
];

const CERTIFICATE: &[super::Entry] = &[
    Get("string Subject", |c| string(cert(c)?.name(Name::Subject))),
    Get("string Issuer", |c| string(cert(c)?.name(Name::Issuer))),
    Get("string GetSerialNumberString()", |c| {
        string(cert(c)?.serial_number())
    }),
    Get("byte[] GetSerialNumber()", |c| {
        Ok(Value::bytes(cert(c)?.serial_number_bytes()))
    }),
    Get("byte[] GetCertHash()", |c| Ok(Value::bytes(cert(c)?.cert_hash()))),
    Get("byte[] GetCertHash(HashAlgorithmName hashAlgorithm)", |c| {
        Ok(Value::bytes(hash(kind_of(c, 1)?, cert(c)?.der())))
    }),
    Get("string GetCertHashString()", |c| {
        string(hex(&cert(c)?.cert_hash()))
    }),
    Get("string GetCertHashString(HashAlgorithmName hashAlgorithm)", |c| {
        string(hex(&hash(kind_of(c, 1)?, cert(c)?.der())))
    }),
    Get("byte[] GetRawCertData()", |c| {
        Ok(Value::bytes(cert(c)?.der().to_vec()))
    }),
    Get("string GetRawCertDataString()", |c| string(hex(cert(c)?.der()))),
    Get("byte[] GetPublicKey()", |c| {
        Ok(Value::bytes(cert(c)?.public_key().to_vec()))
    }),
    Get("string GetPublicKeyString()", |c| {
        string(hex(cert(c)?.public_key()))
    }),
    Get("string GetKeyAlgorithm()", |c| string(cert(c)?.key_algorithm())),
    Get("string GetEffectiveDateString()", |c| {
        let v = date(cert(c)?.not_before_ticks())?;
        string(v.to_text().unwrap_or_default())
    }),
    Get("string GetExpirationDateString()", |c| {
        let v = date(cert(c)?.not_after_ticks())?;
        string(v.to_text().unwrap_or_default())
    }),
    Get("string GetFormat()", |_| string("X509")),
    Get("byte[] Export(X509ContentType contentType)", |c| {
        Ok(Value::bytes(cert(c)?.der().to_vec()))
    }),
    Get("string ToString()", base::to_string),
    Get("bool Equals(object obj)", base::equals),
    Get("void Dispose()", nothing),
    Get("void Reset()", nothing),
];

const CERTIFICATE2: &[super::Entry] = &[
    Get("ctor(byte[] rawData)", new_certificate),
    Get("ctor(byte[] rawData, string password)", new_certificate),
    Get(
        "ctor(byte[] rawData, string password, X509KeyStorageFlags keyStorageFlags)",
        new_certificate,
    ),
    Get("string Thumbprint", |c| string(cert(c)?.thumbprint())),
    Get("string SerialNumber", |c| string(cert(c)?.serial_number())),
    Get("DateTime NotBefore", |c| date(cert(c)?.not_before_ticks())),
    Get("DateTime NotAfter", |c| date(cert(c)?.not_after_ticks())),
    Get("byte[] RawData", |c| Ok(Value::bytes(cert(c)?.der().to_vec()))),
    Get("int Version", |c| Ok(Value::Int(cert(c)?.version()))),
    Get("bool HasPrivateKey", |c| {
        Ok(Value::Bool(cert(c)?.has_private_key()))
    }),
    Get("string FriendlyName", |_| string("")),
    Get("X500DistinguishedName SubjectName", |c| {
        distinguished(c, Name::Subject)
    }),
    Get("X500DistinguishedName IssuerName", |c| {
        distinguished(c, Name::Issuer)
    }),
    Get("Oid SignatureAlgorithm", |c| oid(cert(c)?.signature_algorithm())),
    Get("PublicKey PublicKey", |c| {
        Ok(make("X509Certificates.PublicKey", cert(c)?))
    }),
    Get("AsymmetricAlgorithm PrivateKey", |c| {
        rsa(cert(c)?.rsa_private_key())
    }),
    Get(
        "string GetNameInfo(X509NameType nameType, bool forIssuer)",
        name_info,
    ),
    Get("bool Verify()", verify_certificate),
    Get("string ToString()", base::to_string),
];

pub(super) const TYPES: &[Decl] = &[
    all(
        "abstract class System.Security.Cryptography.HashAlgorithm : IDisposable",
        HASH,
    ),
    all(
        "abstract class System.Security.Cryptography.KeyedHashAlgorithm : HashAlgorithm",
        &[Set(
            "byte[] Key",
            |c| Ok(with_hasher(c, |h| h.key.borrow().clone())?.map_or(Value::Null, Value::bytes)),
            |c| {
                let key = c.bytes(1, "value")?;
                with_hasher(c, |h| *h.key.borrow_mut() = Some(key))?;
                Ok(Value::Null)
            },
        )],
    ),
    all(
        "abstract class System.Security.Cryptography.HMAC : KeyedHashAlgorithm",
        &[Get("string HashName", |c| {
            string(with_hasher(c, |h| h.kind.name())?)
        })],
    ),
    hash_type!("MD5", Md5),
    hash_type!("SHA1", Sha1),
    hash_type!("SHA256", Sha256),
    hash_type!("SHA384", Sha384),
    hash_type!("SHA512", Sha512),
    all("class System.Security.Cryptography.MD5+Implementation : MD5", &[]),
    all(
        "class System.Security.Cryptography.SHA1+Implementation : SHA1",
        &[],
    ),
    all(
        "class System.Security.Cryptography.SHA256+Implementation : SHA256",
        &[],
    ),
    all(
        "class System.Security.Cryptography.SHA384+Implementation : SHA384",
        &[],
    ),
    all(
        "class System.Security.Cryptography.SHA512+Implementation : SHA512",
        &[],
    ),
    all(
        "class System.Security.Cryptography.SHA1Managed : SHA1",
        &[Get("ctor()", |_| managed(HashKind::Sha1))],
    ),
    all(
        "class System.Security.Cryptography.SHA256Managed : SHA256",
        &[Get("ctor()", |_| managed(HashKind::Sha256))],
    ),
    all(
        "class System.Security.Cryptography.SHA384Managed : SHA384",
        &[Get("ctor()", |_| managed(HashKind::Sha384))],
    ),
    all(
        "class System.Security.Cryptography.SHA512Managed : SHA512",
        &[Get("ctor()", |_| managed(HashKind::Sha512))],
    ),
    hash_classes!("HMACMD5", Md5),
    hash_classes!("HMACSHA1", Sha1),
    hash_classes!("HMACSHA256", Sha256),
    hash_classes!("HMACSHA384", Sha384),
    hash_classes!("HMACSHA512", Sha512),
    all(
        "struct System.Security.Cryptography.HashAlgorithmName",
        &[
            Get("ctor(string name)", |c| {
                Ok(make("HashAlgorithmName", c.str_or_empty(0)))
            }),
            Get("static HashAlgorithmName MD5", |_| hash_name("MD5")),
            Get("static HashAlgorithmName SHA1", |_| hash_name("SHA1")),
            Get("static HashAlgorithmName SHA256", |_| hash_name("SHA256")),
            Get("static HashAlgorithmName SHA384", |_| hash_name("SHA384")),
            Get("static HashAlgorithmName SHA512", |_| hash_name("SHA512")),
            Get("string Name", str_of),
            Get("string ToString()", str_of),
            Get("bool Equals(object obj)", base::equals),
            Get(
                "static bool operator ==(HashAlgorithmName left, HashAlgorithmName right)",
                base::equals,
            ),
            Get(
                "static bool operator !=(HashAlgorithmName left, HashAlgorithmName right)",
                |c| Ok(Value::Bool(matches!(base::equals(c)?, Value::Bool(false)))),
            ),
        ],
    ),
    all(
        "class System.Security.Cryptography.RSASignaturePadding",
        &[
            Get("static RSASignaturePadding Pkcs1", |_| {
                Ok(make("RSASignaturePadding", SignaturePadding::Pkcs1))
            }),
            Get("static RSASignaturePadding Pss", |_| {
                Ok(make("RSASignaturePadding", SignaturePadding::Pss))
            }),
        ],
    ),
    all(
        "class System.Security.Cryptography.RSAEncryptionPadding",
        &[
            Get("static RSAEncryptionPadding Pkcs1", |_| {
                Ok(make("RSAEncryptionPadding", EncryptionPadding::Pkcs1))
            }),
            Get("static RSAEncryptionPadding OaepSHA1", |_| {
                Ok(make(
                    "RSAEncryptionPadding",
                    EncryptionPadding::Oaep(HashKind::Sha1),
                ))
            }),
            Get("static RSAEncryptionPadding OaepSHA256", |_| {
                Ok(make(
                    "RSAEncryptionPadding",
                    EncryptionPadding::Oaep(HashKind::Sha256),
                ))
            }),
            Get("static RSAEncryptionPadding OaepSHA384", |_| {
                Ok(make(
                    "RSAEncryptionPadding",
                    EncryptionPadding::Oaep(HashKind::Sha384),
                ))
            }),
            Get("static RSAEncryptionPadding OaepSHA512", |_| {
                Ok(make(
                    "RSAEncryptionPadding",
                    EncryptionPadding::Oaep(HashKind::Sha512),
                ))
            }),
        ],
    ),
    all(
        "abstract class System.Security.Cryptography.AsymmetricAlgorithm : IDisposable",
        &[
            Get("int KeySize", |c| {
                Ok(Value::Int(native::<RsaKey>(c, 0)?.key_size()))
            }),
            Get("void Dispose()", nothing),
            Get("void Clear()", nothing),
        ],
    ),
    all(
        "abstract class System.Security.Cryptography.RSA : AsymmetricAlgorithm",
        RSA,
    ),
    all("class System.Security.Cryptography.RSAOpenSsl : RSA", &[]),
    all(
        "interface System.Security.Cryptography.ICryptoTransform : IDisposable",
        &[
            Get(
                "byte[] TransformFinalBlock(byte[] inputBuffer, int inputOffset, int inputCount)",
                final_block,
            ),
            Get("void Dispose()", nothing),
        ],
    ),
    only(
        "abstract class System.Security.Cryptography.SymmetricAlgorithm : IDisposable",
        &[
            "Create",
            "Key",
            "IV",
            "Mode",
            "Padding",
            "KeySize",
            "BlockSize",
            "CreateEncryptor",
            "CreateDecryptor",
            "GenerateKey",
            "GenerateIV",
            "Clear",
            "Dispose",
        ],
        SYMMETRIC,
    ),
    none(
        "abstract class System.Security.Cryptography.Aes : SymmetricAlgorithm",
        &[Get("static Aes Create()", |c| create_symmetric(c, "Aes"))],
    ),
    values(
        "enum System.Security.Cryptography.CipherMode",
        Verdict::All,
        &[("CBC", 1), ("ECB", 2), ("OFB", 3), ("CFB", 4), ("CTS", 5)],
    ),
    values(
        "enum System.Security.Cryptography.PaddingMode",
        Verdict::All,
        &[
            ("None", 1),
            ("PKCS7", 2),
            ("Zeros", 3),
            ("ANSIX923", 4),
            ("ISO10126", 5),
        ],
    ),
    all(
        "class System.Security.Cryptography.Oid",
        &[
            Get("ctor(string oid)", |c| {
                let s = c.str_or_empty(0);
                Ok(make("Oid", s))
            }),
            Get("string Value", str_of),
            Get("string FriendlyName", |_| Ok(Value::Null)),
        ],
    ),
    all(
        "class System.Security.Cryptography.RNGCryptoServiceProvider : IDisposable",
        &[
            Get("ctor()", |_| Ok(make("RNGCryptoServiceProvider", ()))),
            Get("void GetBytes(byte[] data)", |c| {
                let n = c.array_len(1).unwrap_or(0);
                let fresh = random_bytes(c, n);
                if let Data::Bytes(place) = &c.object(1)?.data {
                    *place.borrow_mut() = fresh;
                }
                Ok(Value::Null)
            }),
            Get("void Dispose()", nothing),
        ],
    ),
    none(
        "abstract class System.Security.Cryptography.RandomNumberGenerator : IDisposable",
        &[
            Get("static RandomNumberGenerator Create()", |_| {
                Ok(make("RandomNumberGenerator", ()))
            }),
            Get("void GetBytes(byte[] data)", |c| {
                let n = c.array_len(1).unwrap_or(0);
                let fresh = random_bytes(c, n);
                if let Data::Bytes(place) = &c.object(1)?.data {
                    *place.borrow_mut() = fresh;
                }
                Ok(Value::Null)
            }),
            Get("void Dispose()", nothing),
        ],
    ),
    all(
        "class System.Security.Cryptography.X509Certificates.X509Certificate : IDisposable",
        CERTIFICATE,
    ),
    all(
        "class System.Security.Cryptography.X509Certificates.X509Certificate2 : X509Certificate",
        CERTIFICATE2,
    ),
    only(
        "class System.Security.Cryptography.X509Certificates.X500DistinguishedName",
        &["Name"],
        &[Get("string Name", str_of)],
    ),
    all(
        "class System.Security.Cryptography.X509Certificates.PublicKey",
        &[
            Get("AsymmetricAlgorithm Key", |c| rsa(cert(c)?.rsa_public_key())),
            Get("Oid Oid", |c| oid(cert(c)?.key_algorithm())),
        ],
    ),
    all(
        "static System.Security.Cryptography.X509Certificates.RSACertificateExtensions",
        &[
            Get(
                "static RSA GetRSAPrivateKey(this X509Certificate2 certificate)",
                |c| rsa(cert_arg(c)?.rsa_private_key()),
            ),
            Get(
                "static RSA GetRSAPublicKey(this X509Certificate2 certificate)",
                |c| rsa(cert_arg(c)?.rsa_public_key()),
            ),
        ],
    ),
    values(
        "enum System.Security.Cryptography.X509Certificates.X509NameType",
        Verdict::All,
        &[
            ("SimpleName", 0),
            ("EmailName", 1),
            ("UpnName", 2),
            ("DnsName", 3),
            ("DnsFromAlternativeName", 4),
            ("UrlName", 5),
        ],
    ),
    values(
        "enum System.Security.Cryptography.X509Certificates.X509ContentType",
        Verdict::All,
        &[
            ("Unknown", 0),
            ("Cert", 1),
            ("SerializedCert", 2),
            ("Pfx", 3),
            ("Pkcs12", 3),
            ("SerializedStore", 4),
            ("Pkcs7", 5),
            ("Authenticode", 6),
        ],
    ),
    values(
        "flags enum System.Security.Cryptography.X509Certificates.X509KeyStorageFlags",
        Verdict::None,
        &[
            ("DefaultKeySet", 0),
            ("UserKeySet", 1),
            ("MachineKeySet", 2),
            ("Exportable", 4),
            ("UserProtected", 8),
            ("PersistKeySet", 16),
            ("EphemeralKeySet", 32),
        ],
    ),
    all(
        "static CryptoExtensions",
        &[
            Get(
                "static byte[] Encrypt(this byte[] input, string alg, byte[] key, byte[] iv)",
                |c| transform(c, true),
            ),
            Get(
                "static byte[] Encrypt(this byte[] input, SymmetricAlgorithm alg)",
                |c| transform(c, true),
            ),
            Get(
                "static byte[] Encrypt(this byte[] input, SymmetricAlgorithm alg, byte[] key, byte[] iv)",
                |c| transform(c, true),
            ),
            Get(
                "static byte[] Decrypt(this byte[] input, string alg, byte[] key, byte[] iv)",
                |c| transform(c, false),
            ),
            Get(
                "static byte[] Decrypt(this byte[] input, SymmetricAlgorithm alg)",
                |c| transform(c, false),
            ),
            Get(
                "static byte[] Decrypt(this byte[] input, SymmetricAlgorithm alg, byte[] key, byte[] iv)",
                |c| transform(c, false),
            ),
            Get(
                "static bool VerifyNoRevocation(this X509Certificate2 certificate)",
                verify_certificate,
            ),
        ],
    ),
];

fn cert_arg(c: &Call<'_, '_>) -> Result<Certificate, Thrown> {
    if c.arg(0).is_null() {
        return Err(Error::null("certificate").into());
    }
    cert(c)
}
