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
        // A block of the hash.
        let block = match kind {
            HashKind::Sha384 | HashKind::Sha512 => 128,
            _ => 64,
        };
        random_bytes(c, block)
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

/// `Verify()` and `VerifyNoRevocation()`: revocation lists are not fetched, so both say the same.
fn verify_certificate(c: &mut Call<'_, '_>) -> Eval {
    let certificate = cert(c)?;
    charge_rsa(c)?;
    let now = c.vm.world.utc_now_ticks();
    let known: Vec<Certificate> =
        c.vm.context
            .deployment
            .certificates
            .iter()
            .filter_map(|(_, bytes)| Certificate::new(bytes, "").ok())
            .collect();
    Ok(Value::Bool(is_trusted(&certificate, &known, now)))
}

/// Certificates between a client's and one that is known, at most: chains in use have two or three.
const CHAIN_MAX: usize = 4;

/// Whether a chain of certificates in their time of validity leads to one that the gateway was given.
/// The public authorities are not asked: what a gateway trusts is what it was configured with.
fn is_trusted(certificate: &Certificate, known: &[Certificate], now: i64) -> bool {
    let mut at = certificate.clone();
    for _ in 0..CHAIN_MAX {
        if now < at.not_before_ticks() || at.not_after_ticks() < now {
            return false;
        }
        if known.iter().any(|k| k.der() == at.der()) {
            return true;
        }
        match known.iter().find(|k| at.is_issued_by(k)) {
            Some(issuer) => at = issuer.clone(),
            None => return false,
        }
    }
    false
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
    padding_text(o).map(|text| Str::new(&text))
}

/// `ToString()` of RSA paddings: for OAEP the mode with the hash.
fn padding_text(o: &Object) -> Option<String> {
    if let Some(padding) = o.native::<SignaturePadding>() {
        return Some(match padding {
            SignaturePadding::Pkcs1 => "Pkcs1".to_owned(),
            SignaturePadding::Pss => "Pss".to_owned(),
        });
    }
    o.native::<EncryptionPadding>().map(|padding| match padding {
        EncryptionPadding::Pkcs1 => "Pkcs1".to_owned(),
        EncryptionPadding::Oaep(hash) => format!("Oaep{}", hash.name()),
    })
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

mod table;

pub(super) use table::TYPES;
