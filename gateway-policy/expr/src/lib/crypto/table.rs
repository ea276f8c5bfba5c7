//! The tables of cryptography and certificates: signatures as C# writes them, and the functions beside this file.

use super::*;
use crate::lib::Entry;

const SYMMETRIC: &[Entry] = &[
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
            symmetric(c, 0, |s| s.assign_key(&key))?;
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
        |c| {
            let bits = c.int(1)?;
            symmetric(c, 0, |s| s.set_block_size(bits))?;
            Ok(Value::Null)
        },
    ),
    Set(
        "int FeedbackSize",
        |c| Ok(Value::Int(symmetric(c, 0, |s| Ok(s.feedback))?)),
        |c| {
            let bits = c.int(1)?;
            symmetric(c, 0, |s| s.set_feedback_size(bits))?;
            Ok(Value::Null)
        },
    ),
    Get("KeySizes[] LegalKeySizes", |c| {
        Ok(keys::sizes(&[symmetric(c, 0, |s| Ok(s.algorithm.legal_keys()))?]))
    }),
    Get("KeySizes[] LegalBlockSizes", |c| {
        Ok(keys::sizes(&[symmetric(c, 0, |s| {
            Ok(s.algorithm.legal_blocks())
        })?]))
    }),
    Get("bool ValidKeySize(int bitLength)", |c| {
        let bits = usize::try_from(c.int(1)?).unwrap_or(0);
        let fits = symmetric(c, 0, |s| Ok(s.algorithm.key_sizes().contains(&bits)))?;
        Ok(Value::Bool(fits))
    }),
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

const RSA: &[Entry] = &[
    Get(
        "byte[] SignData(byte[] data, HashAlgorithmName hashAlgorithm, RSASignaturePadding padding)",
        |c| sign(c, false),
    ),
    Get(
        "byte[] SignData(byte[] data, int offset, int count, HashAlgorithmName hashAlgorithm, RSASignaturePadding padding)",
        |c| sign(c, false),
    ),
    Denied(
        "byte[] SignData(System.IO.Stream data, HashAlgorithmName hashAlgorithm, RSASignaturePadding padding)",
        no_stream,
    ),
    Denied(
        "bool VerifyData(System.IO.Stream data, byte[] signature, HashAlgorithmName hashAlgorithm, RSASignaturePadding padding)",
        no_stream,
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

const CERTIFICATE: &[Entry] = &[
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
];

const CERTIFICATE2: &[Entry] = &[
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
    Get("X500DistinguishedName SubjectName", |c| {
        distinguished(c, Name::Subject)
    }),
    Get("X500DistinguishedName IssuerName", |c| {
        distinguished(c, Name::Issuer)
    }),
    Get("Oid SignatureAlgorithm", |c| oid(&cert(c)?.signature_algorithm())),
    Get("PublicKey PublicKey", |c| {
        Ok(make("X509Certificates.PublicKey", RefCell::new(Some(cert(c)?))))
    }),
    Get(
        "string GetNameInfo(X509NameType nameType, bool forIssuer)",
        name_info,
    ),
    Get("bool Verify()", verify_certificate),
    Get("string ToString()", base::to_string),
];

pub(crate) const TYPES: &[Decl] = &[
    all(
        "abstract class System.Security.Cryptography.HashAlgorithm : IDisposable",
        hashes::HASH,
    ),
    all(
        "abstract class System.Security.Cryptography.KeyedHashAlgorithm : HashAlgorithm",
        hashes::KEYED,
    ),
    all(
        "abstract class System.Security.Cryptography.HMAC : KeyedHashAlgorithm",
        hashes::HMACS,
    ),
    hash_type!("MD5", Md5, "algName"),
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
                Ok(make("HashAlgorithmName", c.opt_str(0)))
            }),
            Get("static HashAlgorithmName MD5", |_| hash_name("MD5")),
            Get("static HashAlgorithmName SHA1", |_| hash_name("SHA1")),
            Get("static HashAlgorithmName SHA256", |_| hash_name("SHA256")),
            Get("static HashAlgorithmName SHA384", |_| hash_name("SHA384")),
            Get("static HashAlgorithmName SHA512", |_| hash_name("SHA512")),
            Get("string Name", |c| {
                let o = c.object(0)?;
                Ok(o.native::<HashName>()
                    .cloned()
                    .flatten()
                    .map_or(Value::Null, Value::Str))
            }),
            Get("string ToString()", base::to_string),
            Get("bool Equals(object obj)", base::equals),
            Get("bool Equals(HashAlgorithmName other)", base::equals),
            Get("int GetHashCode()", base::hash_code),
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
        "class System.Security.Cryptography.MD5CryptoServiceProvider : MD5",
        &[],
    ),
    all(
        "class System.Security.Cryptography.SHA1CryptoServiceProvider : SHA1",
        &[],
    ),
    all(
        "class System.Security.Cryptography.RSASignaturePadding",
        keys::SIGNATURE,
    ),
    all(
        "class System.Security.Cryptography.RSAEncryptionPadding",
        keys::ENCRYPTION,
    ),
    all(
        "abstract class System.Security.Cryptography.AsymmetricAlgorithm : IDisposable",
        keys::ASYMMETRIC,
    ),
    all(
        "abstract class System.Security.Cryptography.RSA : AsymmetricAlgorithm",
        RSA,
    ),
    // What certificates give out is an RSACng to the original, which runs on Windows, and an RSAOpenSsl on Linux: real
    // documents cast to the former.
    all("class System.Security.Cryptography.RSACng : RSA", &[]),
    all("class System.Security.Cryptography.RSAOpenSsl : RSACng", &[]),
    all(
        "interface System.Security.Cryptography.ICryptoTransform : IDisposable",
        &[
            Get(
                "byte[] TransformFinalBlock(byte[] inputBuffer, int inputOffset, int inputCount)",
                final_block,
            ),
            Get(
                "int TransformBlock(byte[] inputBuffer, int inputOffset, int inputCount, byte[] outputBuffer, int outputOffset)",
                transform_block,
            ),
            Get("int InputBlockSize", |c| block_size(c)),
            Get("int OutputBlockSize", |c| block_size(c)),
            Get("bool CanReuseTransform", |c| {
                block_size(c)?;
                Ok(Value::Bool(true))
            }),
            Get("bool CanTransformMultipleBlocks", |c| {
                block_size(c)?;
                Ok(Value::Bool(true))
            }),
            Get("void Dispose()", nothing),
        ],
    ),
    all(
        "abstract class System.Security.Cryptography.SymmetricAlgorithm : IDisposable",
        SYMMETRIC,
    ),
    all(
        "class System.Security.Cryptography.AesCryptoServiceProvider : SymmetricAlgorithm",
        &[],
    ),
    all(
        "class System.Security.Cryptography.AesManaged : SymmetricAlgorithm",
        &[],
    ),
    all(
        "class System.Security.Cryptography.RijndaelManaged : SymmetricAlgorithm",
        &[],
    ),
    all(
        "class System.Security.Cryptography.TripleDESCryptoServiceProvider : SymmetricAlgorithm",
        &[],
    ),
    all(
        "class System.Security.Cryptography.DESCryptoServiceProvider : SymmetricAlgorithm",
        &[],
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
            Get("AsymmetricAlgorithm Key", |c| match cert(c)?.rsa_public_key() {
                Some(key) => rsa(Some(key)),
                None => Err(Error::of(ExceptionKind::NotSupportedException).into()),
            }),
            Get("Oid Oid", |c| oid(&cert(c)?.key_algorithm())),
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
