//! Hashes, ciphers, RSA and certificates against answers recorded from .NET Core 3.1
//! (`tests/recorded/crypto.json`; its keys and certificates were made for this test).

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use gateway_dotnet::crypto::{
    Certificate, CipherMode, EncryptionPadding, HashKind, Name, NameType, PaddingMode, RsaKey,
    SignaturePadding, Symmetric, hash, hmac,
};
use serde_json::Value;

fn recorded() -> Value {
    serde_json::from_str(include_str!("recorded/crypto.json")).expect("the recording is JSON")
}

fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextets: Vec<u32> = text
        .bytes()
        .filter_map(|b| ALPHABET.iter().position(|a| *a == b))
        .map(|i| i as u32)
        .collect();
    sextets
        .chunks(4)
        .flat_map(|four| {
            let bits = four.iter().fold(0, |all, one| all << 6 | one) << (6 * (4 - four.len()));
            let bytes = [(bits >> 16) as u8, (bits >> 8) as u8, bits as u8];
            bytes[..four.len() - 1].to_vec()
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn counting() -> impl FnMut() -> u64 {
    let mut next = 0_u64;
    move || {
        next = next.wrapping_add(0x9e37_79b9_7f4a_7c15);
        next
    }
}

fn certificate(recorded: &Value, key: &str) -> Certificate {
    let bytes = base64(recorded[key].as_str().expect("a certificate"));
    let password = if key == "pfx" { "secret" } else { "" };
    Certificate::new(&bytes, password).expect("a valid certificate")
}

fn date(ticks: i64) -> String {
    let days = ticks / 864_000_000_000;
    let seconds = ticks / 10_000_000 % 86_400;
    // Civil date of a day count, for the years at hand.
    let mut year = 1;
    let mut rest = days;
    loop {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = if leap { 366 } else { 365 };
        if rest < length {
            let mut month = 1;
            let february = if leap { 29 } else { 28 };
            for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
                if rest < days {
                    break;
                }
                rest -= days;
                month += 1;
            }
            let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            return format!("{month:02}/{:02}/{year:04} {h:02}:{m:02}:{s:02}", rest + 1);
        }
        rest -= length;
        year += 1;
    }
}

fn field(of: &Certificate, member: &str) -> String {
    let info = |kind| of.name_info(kind, Name::Subject);
    match member {
        "Subject" => of.name(Name::Subject),
        "Issuer" => of.name(Name::Issuer),
        "GetName()" => of.name_in_order(Name::Subject),
        "GetIssuerName()" => of.name_in_order(Name::Issuer),
        "SerialNumber" => of.serial_number(),
        "GetSerialNumber()" => format!("0x{}", hex(&of.serial_number_bytes()).to_uppercase()),
        "Thumbprint" => of.thumbprint(),
        "NotBefore" => date(of.not_before_ticks()),
        "NotAfter" => date(of.not_after_ticks()),
        "Version" => of.version().to_string(),
        "SignatureAlgorithm.Value" => of.signature_algorithm(),
        "PublicKey.Oid.Value" => of.key_algorithm(),
        "GetNameInfo(X509NameType.SimpleName,false)" => info(NameType::SimpleName),
        "GetNameInfo(X509NameType.EmailName,false)" => info(NameType::EmailName),
        "GetNameInfo(X509NameType.DnsName,false)" => info(NameType::DnsName),
        "GetNameInfo(X509NameType.UpnName,false)" => info(NameType::UpnName),
        "GetNameInfo(X509NameType.UrlName,false)" => info(NameType::UrlName),
        other => panic!("the test does not know {other}"),
    }
}

#[test]
fn certificate_fields_are_dotnets() {
    let recorded = recorded();
    let rows = recorded["fields"].as_array().expect("rows");
    assert!(rows.len() > 15);
    for row in rows {
        let of = certificate(&recorded, row["of"].as_str().unwrap());
        let member = row["member"].as_str().unwrap();
        assert_eq!(field(&of, member), row["expected"].as_str().unwrap(), "{member}");
    }
}

#[test]
fn every_container_gives_the_same_certificate() {
    let recorded = recorded();
    let der = certificate(&recorded, "rsa");
    assert!(!der.has_private_key() && der.rsa_private_key().is_none());
    for key in ["pfx", "pfx_empty"] {
        let pfx = certificate(&recorded, key);
        assert_eq!(pfx, der, "{key}");
        assert!(pfx.has_private_key());
        assert_eq!(pfx.rsa_private_key().map(|k| k.key_size()), Some(2048), "{key}");
    }
    let pem = Certificate::new(recorded["pem"].as_str().unwrap().as_bytes(), "");
    assert_eq!(pem.as_ref(), Ok(&der));
    for (bytes, password) in [
        (base64(recorded["pfx"].as_str().unwrap()), "wrong"),
        (vec![1, 2, 3], ""),
        (vec![], ""),
    ] {
        let error = Certificate::new(&bytes, password).expect_err("no certificate");
        assert_eq!(error.kind.name(), "OpenSslCryptographicException");
    }
}

#[test]
fn an_issuer_is_who_signed() {
    let recorded = recorded();
    let own = certificate(&recorded, "rsa");
    // The recorded RSA certificate is self-signed: its name and its own key fit.
    assert_eq!(
        own.name(gateway_dotnet::crypto::Name::Issuer),
        own.name(gateway_dotnet::crypto::Name::Subject)
    );
    assert!(own.is_issued_by(&own));
    assert!(!own.is_issued_by(&certificate(&recorded, "ec")));
    // One flipped bit of the signature, and nobody has issued it.
    let mut bytes = own.der().to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    let forged = Certificate::new(&bytes, "").expect("still a certificate");
    assert!(!forged.is_issued_by(&own));
}

#[test]
fn signatures_are_dotnets() {
    let recorded = recorded();
    let key = certificate(&recorded, "pfx").rsa_private_key().expect("a key");
    let public = certificate(&recorded, "rsa").rsa_public_key().expect("a key");
    let mut random = counting();
    let rows = recorded["signatures"].as_array().expect("rows");
    assert_eq!(rows.len(), 5);
    for row in rows {
        let kind = HashKind::by_name(row["hash"].as_str().unwrap()).unwrap();
        let signature = key
            .sign_data(b"abc", kind, SignaturePadding::Pkcs1, &mut random)
            .unwrap();
        assert_eq!(signature, base64(row["expected"].as_str().unwrap()), "{kind:?}");
        for padding in [SignaturePadding::Pkcs1, SignaturePadding::Pss] {
            let signature = key.sign_data(b"abc", kind, padding, &mut random).unwrap();
            assert!(
                public.verify_data(b"abc", &signature, kind, padding),
                "{kind:?} {padding:?}"
            );
            assert!(
                !public.verify_data(b"abd", &signature, kind, padding),
                "{kind:?} {padding:?}"
            );
        }
    }
    assert!(
        public
            .sign_data(b"abc", HashKind::Sha256, SignaturePadding::Pkcs1, &mut random)
            .is_err()
    );
}

#[test]
fn encryption_round_trips_and_fails_closed() {
    let recorded = recorded();
    let key = certificate(&recorded, "pfx").rsa_private_key().expect("a key");
    let (modulus, exponent) = key.components();
    let public = RsaKey::from_components(&modulus, &exponent).expect("a key");
    let mut random = counting();
    for padding in [
        EncryptionPadding::Pkcs1,
        EncryptionPadding::Oaep(HashKind::Sha1),
        EncryptionPadding::Oaep(HashKind::Sha256),
    ] {
        let secret = public.encrypt(b"hi", padding, &mut random).unwrap();
        assert_eq!(
            key.decrypt(&secret, padding, &mut random).as_deref(),
            Ok(&b"hi"[..])
        );
        assert!(public.encrypt(&[0; 300], padding, &mut random).is_err());
    }
    let error = key
        .decrypt(&[0; 25], EncryptionPadding::Pkcs1, &mut random)
        .unwrap_err();
    assert_eq!(
        error.message,
        "The length of the data to decrypt is not valid for the size of this key."
    );
}

#[test]
fn ciphers_are_dotnets() {
    let recorded = recorded();
    let rows = recorded["ciphers"].as_array().expect("rows");
    assert!(rows.len() >= 60);
    let mut random = counting();
    let bytes = |count: &Value| (1..=count.as_u64().unwrap() as u8).collect::<Vec<u8>>();
    for row in rows {
        let mut cipher = Symmetric::create(row["name"].as_str().unwrap(), &mut random).expect("a cipher");
        cipher.set_key(&bytes(&row["key"])).unwrap();
        cipher.set_iv(&bytes(&row["iv"])).unwrap();
        cipher.mode = if row["mode"] == "CBC" {
            CipherMode::Cbc
        } else {
            CipherMode::Ecb
        };
        cipher.padding = match row["padding"].as_str().unwrap() {
            "PKCS7" => PaddingMode::Pkcs7,
            "Zeros" => PaddingMode::Zeros,
            "None" => PaddingMode::None,
            _ => PaddingMode::AnsiX923,
        };
        let text = row["text"].as_str().unwrap().as_bytes();
        let expected = row["expected"].as_str().unwrap();
        match cipher.encrypt(text, &mut random) {
            Ok(secret) => {
                assert_eq!(secret, base64(expected), "{row}");
                let mut plain = cipher.decrypt(&secret).unwrap();
                if cipher.padding == PaddingMode::Zeros {
                    plain.truncate(text.len());
                }
                assert_eq!(plain, text, "{row}");
            }
            Err(error) => assert_eq!(format!("throws {}", error.message), expected, "{row}"),
        }
    }
}

#[test]
fn broken_ciphertexts_and_keys_are_refused() {
    let mut random = counting();
    let mut cipher = Symmetric::create("aes", &mut random).expect("a cipher");
    assert_eq!((cipher.key.len(), cipher.iv.len()), (32, 16));
    let message = |result: Result<Vec<u8>, gateway_dotnet::Error>| result.unwrap_err().message.into_owned();
    assert_eq!(
        message(cipher.decrypt(&[0; 15])),
        "The input data is not a complete block."
    );
    assert_eq!(
        message(cipher.decrypt(&[0; 16])),
        "Padding is invalid and cannot be removed."
    );
    assert!(cipher.set_key(&[0; 5]).is_err() && cipher.set_iv(&[0; 5]).is_err());
    assert!(cipher.set_key_size(100, &mut random).is_err() && cipher.set_key_size(128, &mut random).is_ok());
    assert!(CipherMode::from_value(3).is_err() && Symmetric::create("xx", &mut random).is_none());
}

#[test]
fn hashes_match_published_vectors() {
    // RFC 1321, FIPS 180-4 and RFC 2202 / 4231.
    for (kind, of_abc, of_what) in [
        (
            HashKind::Md5,
            "900150983cd24fb0d6963f7d28e17f72",
            "750c783e6ab0b503eaa86e310a5db738",
        ),
        (
            HashKind::Sha1,
            "a9993e364706816aba3e25717850c26c9cd0d89d",
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        ),
        (
            HashKind::Sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
    ] {
        assert_eq!(hex(&hash(kind, b"abc")), of_abc);
        assert_eq!(
            hex(&hmac(kind, b"Jefe", b"what do ya want for nothing?")),
            of_what
        );
        assert_eq!(hash(kind, b"").len(), kind.size());
    }
    assert!(HashKind::by_name("SHA3").is_err());
    assert_eq!(
        HashKind::by_name("System.Security.Cryptography.SHA512"),
        Ok(HashKind::Sha512)
    );
}
