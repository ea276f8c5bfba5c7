//! Certificates: what the tables of `X509Certificate` and `X509Certificate2` have beyond the common members.

use super::*;
use crate::lib::Entry;

fn unsupported(_: &mut Call<'_, '_>) -> Eval {
    Err(Error::of(ExceptionKind::PlatformNotSupportedException).into())
}

/// A certificate of the plain class.
fn plain_certificate(c: &mut Call<'_, '_>) -> Eval {
    let bytes = if c.arg(0).is_null() {
        Vec::new()
    } else {
        c.bytes(0, "data")?
    };
    if bytes.is_empty() {
        return Ok(make(
            "X509Certificates.X509Certificate",
            RefCell::new(None::<Certificate>),
        ));
    }
    let password = c.str_or_empty(1);
    let made = Certificate::new(&bytes, &password.to_lossy())?;
    Ok(make("X509Certificates.X509Certificate", RefCell::new(Some(made))))
}

fn copied(c: &Call<'_, '_>, class: &str) -> Eval {
    if c.arg(0).is_null() {
        return Err(Error::null("cert").into());
    }
    let certificate = cert(c).ok();
    Ok(make(
        &format!("X509Certificates.{class}"),
        RefCell::new(certificate),
    ))
}

/// `Reset()` and `Dispose()`: an empty certificate is left.
pub(super) fn reset(c: &mut Call<'_, '_>) -> Eval {
    let o = c.object(0)?;
    if let Some(held) = o.native::<RefCell<Option<Certificate>>>() {
        *held.borrow_mut() = None;
    }
    Ok(Value::Null)
}

/// Whether both are the same certificate, or both none.
fn same(c: &Call<'_, '_>) -> bool {
    let of = |v: &Value| match v {
        Value::Object(o) => o
            .native::<RefCell<Option<Certificate>>>()
            .map(|held| held.borrow().clone()),
        _ => None,
    };
    match (of(c.arg(0)), of(c.arg(1))) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// `Export(contentType[, password])`. A PFX is not written: its salt would be the machine's randomness.
fn export(c: &mut Call<'_, '_>) -> Eval {
    let certificate = cert(c)?;
    match c.enumeration(1)? {
        1 => Ok(Value::bytes(certificate.der().to_vec())),
        2 | 4 => unsupported(c),
        3 => {
            let message = "A PFX cannot be exported within expressions.";
            Err(Error::new(ExceptionKind::CryptographicException, message).into())
        }
        _ => {
            let message = "Invalid content type.";
            Err(Error::new(ExceptionKind::CryptographicException, message).into())
        }
    }
}

/// `GetCertContentType(rawData)`
fn content_type(c: &mut Call<'_, '_>) -> Eval {
    let empty = || Thrown::from(Error::argument("rawData", "Array may not be empty or null."));
    if c.arg(0).is_null() {
        return Err(empty());
    }
    let bytes = c.bytes(0, "rawData")?;
    if bytes.is_empty() {
        return Err(empty());
    }
    c.vm.charge(bytes.len())?;
    let kind = match Certificate::content_type(&bytes) {
        Some(kind) => kind,
        None => {
            let message = "Cannot find the requested object.";
            return Err(Error::new(ExceptionKind::CryptographicException, message).into());
        }
    };
    enumeration(&format!("{NS}.X509Certificates.X509ContentType"), kind)
}

fn name_in_order(c: &mut Call<'_, '_>, which: Name) -> Eval {
    string(cert(c)?.name_in_order(which))
}

/// An `AsnEncodedData`: an identifier and bytes.
struct Encoded {
    oid: String,
    bytes: Vec<u8>,
}

fn encoded<R>(c: &Call<'_, '_>, f: impl FnOnce(&Encoded) -> R) -> Result<R, Thrown> {
    let o = c.object(0)?;
    let data = o.native::<Encoded>().ok_or_else(Error::null_reference)?;
    Ok(f(data))
}

/// Members of `X509Certificate`.
pub(crate) const CERTIFICATE: &[Entry] = &[
    Get("ctor()", plain_certificate),
    Get("ctor(byte[] data)", plain_certificate),
    Get("ctor(byte[] rawData, string password)", plain_certificate),
    Denied(
        "ctor(byte[] rawData, System.Security.SecureString password)",
        plain_certificate,
    ),
    Denied(
        "ctor(byte[] rawData, System.Security.SecureString password, X509KeyStorageFlags keyStorageFlags)",
        plain_certificate,
    ),
    Get(
        "ctor(byte[] rawData, string password, X509KeyStorageFlags keyStorageFlags)",
        plain_certificate,
    ),
    Get("ctor(X509Certificate cert)", |c| copied(c, "X509Certificate")),
    Get("bool Equals(X509Certificate other)", |c| Ok(Value::Bool(same(c)))),
    Get("bool Equals(object obj)", |c| Ok(Value::Bool(same(c)))),
    Get("byte[] Export(X509ContentType contentType)", export),
    Get(
        "byte[] Export(X509ContentType contentType, string password)",
        export,
    ),
    Get("byte[] GetKeyAlgorithmParameters()", |c| {
        Ok(Value::bytes(cert(c)?.key_parameters()))
    }),
    Get("string GetKeyAlgorithmParametersString()", |c| {
        string(hex(&cert(c)?.key_parameters()))
    }),
    Get("string GetName()", |c| name_in_order(c, Name::Subject)),
    Get("string GetIssuerName()", |c| name_in_order(c, Name::Issuer)),
    Get("int GetHashCode()", |c| {
        let hash = cert(c).map(|c| c.cert_hash()).unwrap_or_default();
        let first = hash.first_chunk::<4>().copied().unwrap_or_default();
        Ok(Value::Int(i32::from_be_bytes(first)))
    }),
    Get("string ToString()", base::to_string),
    Get("string ToString(bool fVerbose)", verbose_text),
    Get("void Import(byte[] rawData)", unsupported),
    Get(
        "void Import(byte[] rawData, string password, X509KeyStorageFlags keyStorageFlags)",
        unsupported,
    ),
    Get("void Dispose()", reset),
    Get("void Reset()", reset),
];

/// `ToString(verbose)`: with more about the names and the key.
fn verbose_text(c: &mut Call<'_, '_>) -> Eval {
    let v2 = matches!(c.arg(0), Value::Object(o) if o.type_name().ends_with('2'));
    let Ok(certificate) = cert(c) else {
        return base::to_string(c);
    };
    if !c.bool(1)? || !v2 {
        if v2 || !c.bool(1)? {
            return base::to_string(c);
        }
        return string(summary(&certificate));
    }
    string(verbose(&certificate))
}

fn when(ticks: i64) -> String {
    DateTime::from_ticks_clamped(ticks, DateTimeKind::Local).to_text()
}

/// Five sections that every form of the text has.
fn summary(c: &Certificate) -> String {
    format!(
        "[Subject]\n  {}\n\n[Issuer]\n  {}\n\n[Serial Number]\n  {}\n\n[Not Before]\n  {}\n\n[Not After]\n  {}\n\n[Thumbprint]\n  {}\n",
        c.name(Name::Subject),
        c.name(Name::Issuer),
        c.serial_number(),
        when(c.not_before_ticks()),
        when(c.not_after_ticks()),
        c.thumbprint()
    )
}

fn verbose(c: &Certificate) -> String {
    let mut out = format!("[Version]\n  V{}\n\n", c.version());
    let names = |which: Name, title: &str| {
        let mut part = format!("[{title}]\n  {}", c.name(which));
        for (label, kind) in [
            ("Simple Name", NameType::SimpleName),
            ("Email Name", NameType::EmailName),
            ("UPN Name", NameType::UpnName),
            ("DNS Name", NameType::DnsName),
        ] {
            let name = c.name_info(kind, which);
            if !name.is_empty() {
                part += &format!("\n  {label}: {name}");
            }
        }
        part + "\n\n"
    };
    out += &names(Name::Subject, "Subject");
    out += &names(Name::Issuer, "Issuer");
    out += &format!("[Serial Number]\n  {}\n\n", c.serial_number());
    out += &format!("[Not Before]\n  {}\n\n", when(c.not_before_ticks()));
    out += &format!("[Not After]\n  {}\n\n", when(c.not_after_ticks()));
    out += &format!("[Thumbprint]\n  {}\n\n", c.thumbprint());
    let algorithm = c.signature_algorithm();
    let friendly = gateway_dotnet::crypto::friendly_name(&algorithm).unwrap_or_default();
    out += &format!("[Signature Algorithm]\n  {friendly}({algorithm})\n\n");
    let algorithm = c.key_algorithm();
    let friendly = gateway_dotnet::crypto::friendly_name(&algorithm).unwrap_or_default();
    out += &format!("[Public Key]\n  Algorithm: {friendly}\n");
    if let Some(key) = c.rsa_public_key() {
        out += &format!("  Length: {}\n", key.key_size());
    }
    out + &format!(
        "  Key Blob: {}\n  Parameters: {}\n",
        hex(c.public_key()),
        hex(&c.key_parameters())
    )
}

/// Members of `X509Certificate2`.
pub(crate) const CERTIFICATE2: &[Entry] = &[
    Get("ctor()", new_certificate),
    Denied(
        "ctor(byte[] rawData, System.Security.SecureString password)",
        new_certificate,
    ),
    Denied(
        "ctor(byte[] rawData, System.Security.SecureString password, X509KeyStorageFlags keyStorageFlags)",
        new_certificate,
    ),
    Get("ctor(X509Certificate certificate)", |c| {
        copied(c, "X509Certificate2")
    }),
    Get(
        "static X509ContentType GetCertContentType(byte[] rawData)",
        content_type,
    ),
    Set(
        "bool Archived",
        |c| {
            cert(c)?;
            Ok(Value::Bool(false))
        },
        unsupported,
    ),
    Set(
        "string FriendlyName",
        |c| {
            cert(c)?;
            string("")
        },
        unsupported,
    ),
    Set(
        "AsymmetricAlgorithm PrivateKey",
        |c| rsa(cert(c)?.rsa_private_key()),
        unsupported,
    ),
    Get("string ToString(bool verbose)", verbose_text),
    Get("void Import(byte[] rawData)", unsupported),
    Get(
        "void Import(byte[] rawData, string password, X509KeyStorageFlags keyStorageFlags)",
        unsupported,
    ),
    Get("void Reset()", reset),
];

/// Members of `PublicKey`.
pub(crate) const PUBLIC_KEY: &[Entry] = &[
    Get("AsnEncodedData EncodedKeyValue", |c| {
        let certificate = cert(c)?;
        Ok(make(
            "AsnEncodedData",
            Encoded {
                oid: certificate.key_algorithm(),
                bytes: certificate.public_key().to_vec(),
            },
        ))
    }),
    Get("AsnEncodedData EncodedParameters", |c| {
        let certificate = cert(c)?;
        Ok(make(
            "AsnEncodedData",
            Encoded {
                oid: certificate.key_algorithm(),
                bytes: certificate.key_parameters(),
            },
        ))
    }),
];

/// Members of `RSACertificateExtensions`.
pub(crate) const EXTENSIONS: &[Entry] = &[Get(
    "static X509Certificate2 CopyWithPrivateKey(this X509Certificate2 certificate, RSA privateKey)",
    |c| {
        if c.arg(0).is_null() || c.arg(1).is_null() {
            let name = if c.arg(0).is_null() {
                "certificate"
            } else {
                "privateKey"
            };
            return Err(Error::null(name).into());
        }
        let certificate = cert(c)?;
        if certificate.has_private_key() {
            certificate.with_key(&keys::key(c, 1)?)?;
        }
        let key = keys::key(c, 1)?;
        Ok(wrap_certificate(certificate.with_key(&key)?))
    },
)];

pub(crate) const TYPES: &[Decl] = &[
    none("class System.Security.SecureString", &[]),
    none("abstract class System.IO.Stream", &[]),
    none(
        "class System.Security.Cryptography.AsnEncodedData",
        &[
            Get("byte[] RawData", |c| {
                Ok(Value::bytes(encoded(c, |e| e.bytes.clone())?))
            }),
            Get("Oid Oid", |c| oid(&encoded(c, |e| e.oid.clone())?)),
            Get("string Format(bool multiLine)", |c| {
                string(encoded(c, |e| hex(&e.bytes))?)
            }),
        ],
    ),
];
