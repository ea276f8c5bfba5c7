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
        hash_type!($name, $kind, "hashName")
    };
    ($name:literal, $kind:ident, $parameter:literal) => {
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
                Get(
                    concat!("static ", $name, " Create(string ", $parameter, ")"),
                    |c| plain(c, HashKind::$kind),
                ),
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

/// A `HashAlgorithmName`, which need not have a name.
type HashName = Option<Str>;

fn hash_name(kind: &str) -> Eval {
    Ok(make("HashAlgorithmName", Some(Str::new(kind))))
}

/// The name in a `HashAlgorithmName`, which must be there.
fn hash_name_of(c: &Call<'_, '_>, i: usize) -> Result<Str, Thrown> {
    let name = match c.arg(i) {
        Value::Object(o) => o.native::<HashName>().cloned().flatten(),
        _ => None,
    };
    name.filter(|n| !n.is_empty()).ok_or_else(|| {
        let message = "The hash algorithm name cannot be null or empty. (Parameter 'hashAlgorithm')";
        Error::new(ExceptionKind::ArgumentException, message).into()
    })
}

fn kind_of(c: &Call<'_, '_>, i: usize) -> Result<HashKind, Thrown> {
    let name = hash_name_of(c, i)?;
    let found = HashKind::ALL.into_iter().find(|k| k.name() == &*name.to_lossy());
    found.ok_or_else(|| {
        let message = format!("'{}' is not a known hash algorithm.", name.to_lossy());
        Error::new(ExceptionKind::CryptographicException, message).into()
    })
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
        Value::Object(o) if o.native::<keys::NamedOaep>().is_some() => {
            let message = "The hash of the padding is not a known hash algorithm.";
            Err(Error::new(ExceptionKind::CryptographicException, message).into())
        }
        _ => native(c, i),
    }
}

// ---- RSA

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

/// The part of the data that is signed: outside of it everything is out of range.
fn data_part<'b>(c: &Call<'_, '_>, bytes: &'b [u8]) -> Result<&'b [u8], Thrown> {
    part(c, bytes, 2).map_err(|_| {
        let message = "Specified argument was out of the range of valid values.";
        Error::out_of_range("count", message).into()
    })
}

fn sign(c: &mut Call<'_, '_>, hashed: bool) -> Eval {
    charge_rsa(c)?;
    let key = keys::key(c, 0)?;
    let bytes = c.bytes(1, if hashed { "hash" } else { "data" })?;
    let at = c.args.len() - 2;
    let (kind, padding) = (kind_of(c, at)?, sign_padding(c, at + 1)?);
    let data = if c.args.len() == 6 {
        data_part(c, &bytes)?.to_vec()
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
    let key = keys::key(c, 0)?;
    let bytes = c.bytes(1, if hashed { "hash" } else { "data" })?;
    let last = c.args.len() - 1;
    let data = if last > 4 {
        data_part(c, &bytes)?.to_vec()
    } else {
        bytes
    };
    let signature = c.bytes(last - 2, "signature")?;
    let (kind, padding) = (kind_of(c, last - 1)?, sign_padding(c, last)?);
    Ok(Value::Bool(if hashed {
        key.verify_hash(&data, &signature, kind, padding)
    } else {
        key.verify_data(&data, &signature, kind, padding)
    }))
}

fn crypt(c: &mut Call<'_, '_>, encrypt: bool) -> Eval {
    charge_rsa(c)?;
    let key = keys::key(c, 0)?;
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
    let data = c.bytes(0, "input").map_err(|_| Error::null_reference())?;
    c.vm.charge(data.len() * 2)?;
    let by_name = c.args.len() == 4 && !matches!(c.arg(1), Value::Object(_));
    let algorithm = match c.arg(1) {
        Value::Null if by_name => return Err(Error::null("algName").into()),
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
        give_key(c, &mut s, 2)?;
    }
    Ok(Value::bytes(if encrypt {
        with_random(c, |r| s.encrypt(&data, r))?
    } else {
        s.decrypt(&data)?
    }))
}

/// An `ICryptoTransform`: the algorithm, its direction, and the block that was held back from the last call.
struct Transform {
    cipher: RefCell<Symmetric>,
    encrypt: bool,
    held: RefCell<Vec<u8>>,
    start: Symmetric,
}

/// Key and vector at the arguments `at` and `at + 1`, checked as arguments are.
fn give_key(c: &Call<'_, '_>, s: &mut Symmetric, at: usize) -> Result<(), Thrown> {
    let key = c.bytes(at, "rgbKey")?;
    if s.set_key(&key).is_err() {
        let message = "Specified key is not a valid size for this algorithm.";
        return Err(Error::argument("rgbKey", message).into());
    }
    // Triple DES is only looked at when its key is set.
    if s.algorithm == gateway_dotnet::crypto::Algorithm::Des {
        s.check_weak_key()?;
    }
    if c.arg(at + 1).is_null() {
        // ECB has no use for a vector.
        if s.mode == CipherMode::Ecb {
            return Ok(());
        }
        let message =
            "Specified initialization vector (IV) does not match the block size for this algorithm.";
        return Err(Error::new(ExceptionKind::CryptographicException, message).into());
    }
    let iv = c.bytes(at + 1, "rgbIV")?;
    if s.set_iv(&iv).is_err() {
        let message =
            "Specified initialization vector (IV) does not match the block size for this algorithm.";
        return Err(Error::argument("rgbIV", message).into());
    }
    Ok(())
}

fn transformer(c: &mut Call<'_, '_>, encrypt: bool) -> Eval {
    let mut s = symmetric(c, 0, |s| Ok(s.clone()))?;
    if c.args.len() > 2 {
        give_key(c, &mut s, 1)?;
    }
    let data = Transform {
        cipher: RefCell::new(s.clone()),
        encrypt,
        held: RefCell::default(),
        start: s,
    };
    Ok(make("ICryptoTransform", data))
}

fn with_transform<R>(c: &Call<'_, '_>, f: impl FnOnce(&Transform) -> R) -> Result<R, Thrown> {
    let o = c.object(0)?;
    match o.native::<Transform>() {
        Some(t) => Ok(f(t)),
        None => Err(Error::null_reference().into()),
    }
}

fn block_size(c: &Call<'_, '_>) -> Eval {
    let size = with_transform(c, |t| t.start.algorithm.block_size())?;
    Ok(Value::Int(size as i32))
}

/// `TransformBlock`: whole blocks; when decrypting, the last of them waits, as it may hold the padding.
fn transform_block(c: &mut Call<'_, '_>) -> Eval {
    let bytes = c.bytes(1, "inputBuffer")?;
    let data = part(c, &bytes, 2)?;
    let block = with_transform(c, |t| t.start.algorithm.block_size())?;
    if data.is_empty() || !data.len().is_multiple_of(block) {
        let message = "Value was invalid.";
        return Err(Error::out_of_range("inputCount", message).into());
    }
    c.vm.charge(data.len() * 2)?;
    let made = with_transform(c, |t| {
        let mut cipher = t.cipher.borrow_mut();
        let mut all = t.held.borrow_mut();
        let waits = !t.encrypt && !matches!(cipher.padding, PaddingMode::None | PaddingMode::Zeros);
        let mut input = std::mem::take(&mut *all);
        input.extend_from_slice(data);
        if waits {
            *all = input.split_off(input.len() - block);
        }
        cipher.raw_blocks(&input, t.encrypt)
    })??;
    let Value::Object(o) = c.arg(4) else {
        return Err(Error::null("outputBuffer").into());
    };
    let at = usize::try_from(c.int(5)?).ok();
    if let Data::Bytes(target) = &o.data {
        let mut target = target.borrow_mut();
        match at.and_then(|at| target.get_mut(at..at.checked_add(made.len())?)) {
            Some(place) => place.copy_from_slice(&made),
            None => return Err(Error::out_of_range("outputBuffer", "Value was invalid.").into()),
        }
    }
    Ok(Value::Int(made.len() as i32))
}

fn final_block(c: &mut Call<'_, '_>) -> Eval {
    let bytes = c.bytes(1, "inputBuffer")?;
    let data = part(c, &bytes, 2)?;
    c.vm.charge(data.len() * 2)?;
    let (cipher, encrypt, input) = with_transform(c, |t| {
        let mut input = std::mem::take(&mut *t.held.borrow_mut());
        input.extend_from_slice(data);
        // It can be used again from its start.
        let cipher = t.cipher.replace(t.start.clone());
        (cipher, t.encrypt, input)
    })?;
    Ok(Value::bytes(if encrypt {
        with_random(c, |r| cipher.encrypt(&input, r))?
    } else {
        cipher.decrypt(&input)?
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
    make("X509Certificates.X509Certificate2", RefCell::new(Some(c)))
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
        let none = RefCell::new(None::<Certificate>);
        return Ok(make("X509Certificates.X509Certificate2", none));
    }
    let password = c.str_or_empty(1);
    Ok(wrap_certificate(Certificate::new(&bytes, &password.to_lossy())?))
}

fn cert(c: &Call<'_, '_>) -> Result<Certificate, Thrown> {
    let o = c.object(0)?;
    let held = o.native::<RefCell<Option<Certificate>>>();
    held.and_then(|h| h.borrow().clone()).ok_or_else(|| {
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

fn name_info(c: &mut Call<'_, '_>) -> Eval {
    let kind = match c.enumeration(1)? {
        1 => NameType::EmailName,
        2 => NameType::UpnName,
        3 => NameType::DnsName,
        4 => NameType::DnsFromAlternativeName,
        5 => NameType::UrlName,
        0 => NameType::SimpleName,
        _ => {
            cert(c)?;
            return string("");
        }
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
    if let Some(held) = o.native::<RefCell<Option<Certificate>>>()
        && let Some(c) = held.borrow().as_ref()
        && o.type_name().ends_with('2')
    {
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
        return Some(o.native::<HashName>()?.clone().unwrap_or(Str::EMPTY));
    }
    if let Some(keys::NamedOaep(name)) = o.native::<keys::NamedOaep>() {
        return Some(Str::new(&format!("Oaep{}", name.to_lossy())));
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
    type Held = RefCell<Option<Certificate>>;
    if let (Some(a), Some(b)) = (a.native::<Held>(), b.native::<Held>()) {
        return Some(*a.borrow() == *b.borrow());
    }
    if let (Some(a), Some(b)) = (a.native::<HashName>(), b.native::<HashName>()) {
        return Some(a == b);
    }
    match (a.native::<Str>(), b.native::<Str>()) {
        (Some(x), Some(y)) => Some(a.ty == b.ty && x == y),
        _ => None,
    }
}

fn str_of(c: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Str(native::<Str>(c, 0)?))
}

/// Stands behind overloads that take a stream: there is none, but a `null` may mean it.
fn no_stream(_: &mut Call<'_, '_>) -> Eval {
    Err(Error::null("inputStream").into())
}

fn nothing(_: &mut Call<'_, '_>) -> Eval {
    Ok(Value::Null)
}

mod hashes;
mod keys;
mod table;
mod x509;

use hashes::{keyed, managed, plain};
use keys::{oid, rsa};

pub(super) use hashes::{LEGACY, SHA1};
pub(super) use keys::{RSA_MORE, TYPES as KEYS};
pub(super) use table::TYPES;
pub(super) use x509::{CERTIFICATE, CERTIFICATE2, EXTENSIONS, PUBLIC_KEY, TYPES as X509};
