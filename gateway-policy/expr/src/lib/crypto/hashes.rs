//! `HashAlgorithm` and its classes, keyed ones included.

use std::cell::Cell;

use gateway_dotnet::crypto::named_class;

use super::*;
use crate::lib::Entry;

/// A `HashAlgorithm`: its key if it has one, what it was fed in blocks, and the last hash it made.
pub(super) struct Hasher {
    kind: HashKind,
    key: RefCell<Option<Vec<u8>>>,
    last: RefCell<Option<Vec<u8>>>,
    pending: RefCell<Vec<u8>>,
    /// Between the first block and the last.
    busy: Cell<bool>,
    disposed: Cell<bool>,
}

fn hasher(name: &str, kind: HashKind, key: Option<Vec<u8>>) -> Eval {
    let data = Hasher {
        kind,
        key: RefCell::new(key.map(|k| hmac_key(kind, k))),
        last: RefCell::new(None),
        pending: RefCell::default(),
        busy: Cell::new(false),
        disposed: Cell::new(false),
    };
    Ok(make(name, data))
}

/// An HMAC key longer than a block is replaced by its hash.
fn hmac_key(kind: HashKind, key: Vec<u8>) -> Vec<u8> {
    if key.len() > kind.block_size() {
        hash(kind, &key)
    } else {
        key
    }
}

fn unsupported() -> Thrown {
    Error::of(ExceptionKind::PlatformNotSupportedException).into()
}

/// `Create(name)` of a class: what has the name and is of that class; null for none, an error for another.
fn create(c: &Call<'_, '_>, parameter: &str, keyed: Option<bool>, only: Option<HashKind>) -> Eval {
    let name = c.text(0, parameter)?;
    let Some((kind, has_key, class)) = named_class(&name.to_lossy()) else {
        return Ok(Value::Null);
    };
    if keyed.is_some_and(|k| k != has_key) || only.is_some_and(|k| k != kind) {
        let message = "Unable to cast object to the class asked for.";
        return Err(Error::new(ExceptionKind::InvalidCastException, message).into());
    }
    let key = has_key.then(|| random_bytes(c, kind.block_size()));
    hasher(&class, kind, key)
}

/// `MD5.Create()` and its like, with or without a name.
pub(super) fn plain(c: &mut Call<'_, '_>, kind: HashKind) -> Eval {
    if !c.args.is_empty() {
        let parameter = if kind == HashKind::Md5 {
            "algName"
        } else {
            "hashName"
        };
        return create(c, parameter, Some(false), Some(kind));
    }
    hasher(&format!("{}+Implementation", kind.name()), kind, None)
}

pub(super) fn managed(kind: HashKind) -> Eval {
    hasher(&format!("{}Managed", kind.name()), kind, None)
}

pub(super) fn keyed(c: &mut Call<'_, '_>, kind: HashKind) -> Eval {
    let key = if c.args.is_empty() {
        random_bytes(c, kind.block_size())
    } else {
        // .NET does not look before it uses it.
        c.bytes(0, "key").map_err(|_| Error::null_reference())?
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

fn in_use(c: &Call<'_, '_>) -> Result<(), Thrown> {
    if with_hasher(c, |h| h.disposed.get())? {
        return Err(Error::of(ExceptionKind::ObjectDisposedException).into());
    }
    Ok(())
}

fn digest(h: &Hasher, data: &[u8]) -> Vec<u8> {
    let made = match &*h.key.borrow() {
        Some(key) => hmac(h.kind, key, data),
        None => hash(h.kind, data),
    };
    *h.last.borrow_mut() = Some(made.clone());
    h.busy.set(false);
    made
}

fn compute(c: &mut Call<'_, '_>) -> Eval {
    let bytes = c.bytes(1, "buffer")?;
    in_use(c)?;
    let part = part(c, &bytes, 2)?;
    c.vm.charge(part.len() / 16 + 64)?;
    // What blocks have fed belongs to it.
    let made = with_hasher(c, |h| {
        let mut all = std::mem::take(&mut *h.pending.borrow_mut());
        if all.is_empty() {
            return digest(h, part);
        }
        all.extend_from_slice(part);
        digest(h, &all)
    })?;
    Ok(Value::bytes(made))
}

fn block(c: &mut Call<'_, '_>) -> Eval {
    let bytes = c.bytes(1, "inputBuffer")?;
    in_use(c)?;
    let data = part(c, &bytes, 2)?.to_vec();
    c.vm.charge(data.len())?;
    with_hasher(c, |h| {
        h.pending.borrow_mut().extend_from_slice(&data);
        h.busy.set(true);
    })?;
    if let Value::Object(o) = c.arg(4)
        && let Data::Bytes(target) = &o.data
    {
        let mut target = target.borrow_mut();
        let at = usize::try_from(c.int(5)?).ok();
        let place = at.and_then(|at| target.get_mut(at..at.checked_add(data.len())?));
        match place {
            Some(place) => place.copy_from_slice(&data),
            None => return Err(Error::of(ExceptionKind::ArgumentException).into()),
        }
    }
    Ok(Value::Int(data.len() as i32))
}

fn last_block(c: &mut Call<'_, '_>) -> Eval {
    let bytes = c.bytes(1, "inputBuffer")?;
    in_use(c)?;
    let data = part(c, &bytes, 2)?.to_vec();
    with_hasher(c, |h| {
        let mut all = std::mem::take(&mut *h.pending.borrow_mut());
        all.extend_from_slice(&data);
        digest(h, &all);
    })?;
    Ok(Value::bytes(data))
}

fn last_hash(c: &mut Call<'_, '_>) -> Eval {
    in_use(c)?;
    if with_hasher(c, |h| h.busy.get())? {
        let message = "Hash must be finalized before the hash value is retrieved.";
        let kind = ExceptionKind::CryptographicUnexpectedOperationException;
        return Err(Error::new(kind, message).into());
    }
    Ok(with_hasher(c, |h| h.last.borrow().clone())?.map_or(Value::Null, Value::bytes))
}

/// `Initialize()`: .NET Core forgets nothing of what blocks have fed.
fn initialize(c: &mut Call<'_, '_>) -> Eval {
    with_hasher(c, |h| h.busy.set(false))?;
    Ok(Value::Null)
}

fn dispose(c: &mut Call<'_, '_>) -> Eval {
    with_hasher(c, |h| h.disposed.set(true))?;
    Ok(Value::Null)
}

fn set_key(c: &mut Call<'_, '_>) -> Eval {
    let key = c.bytes(1, "value").map_err(|_| Error::null_reference())?;
    with_hasher(c, |h| {
        *h.key.borrow_mut() = Some(hmac_key(h.kind, key));
        h.pending.borrow_mut().clear();
        h.busy.set(false);
    })?;
    Ok(Value::Null)
}

/// `HashName`, which can be set to what it is.
fn set_hash_name(c: &mut Call<'_, '_>) -> Eval {
    let name = c.text(1, "value")?;
    let own = with_hasher(c, |h| h.kind.name())?;
    if name.to_lossy() == own {
        return Ok(Value::Null);
    }
    Err(unsupported())
}

pub(super) const HASH: &[Entry] = &[
    Get("static HashAlgorithm Create()", |_| Err(unsupported())),
    Get("static HashAlgorithm Create(string hashName)", |c| {
        create(c, "hashName", None, None)
    }),
    Get("byte[] ComputeHash(byte[] buffer)", compute),
    Get(
        "byte[] ComputeHash(byte[] buffer, int offset, int count)",
        compute,
    ),
    Denied("byte[] ComputeHash(System.IO.Stream inputStream)", no_stream),
    Get(
        "byte[] TransformFinalBlock(byte[] inputBuffer, int inputOffset, int inputCount)",
        last_block,
    ),
    Get(
        "int TransformBlock(byte[] inputBuffer, int inputOffset, int inputCount, byte[] outputBuffer, int outputOffset)",
        block,
    ),
    Get("byte[] Hash", last_hash),
    Get("int HashSize", |c| {
        Ok(Value::Int(with_hasher(c, |h| h.kind.size())? as i32 * 8))
    }),
    Get("int InputBlockSize", |c| with_hasher(c, |_| Value::Int(1))),
    Get("int OutputBlockSize", |c| with_hasher(c, |_| Value::Int(1))),
    Get("bool CanReuseTransform", |c| {
        with_hasher(c, |_| Value::Bool(true))
    }),
    Get("bool CanTransformMultipleBlocks", |c| {
        with_hasher(c, |_| Value::Bool(true))
    }),
    Get("void Initialize()", initialize),
    Get("void Clear()", dispose),
    Get("void Dispose()", dispose),
];

pub(super) const KEYED: &[Entry] = &[
    Get("static KeyedHashAlgorithm Create()", |_| Err(unsupported())),
    Get("static KeyedHashAlgorithm Create(string algName)", |c| {
        create(c, "algName", Some(true), None)
    }),
    Set(
        "byte[] Key",
        |c| Ok(with_hasher(c, |h| h.key.borrow().clone())?.map_or(Value::Null, Value::bytes)),
        set_key,
    ),
];

pub(super) const HMACS: &[Entry] = &[
    Get("static HMAC Create()", |_| Err(unsupported())),
    Get("static HMAC Create(string algorithmName)", |c| {
        create(c, "algorithmName", Some(true), None)
    }),
    Set(
        "string HashName",
        |c| string(with_hasher(c, |h| h.kind.name())?),
        set_hash_name,
    ),
];

/// Members of the two HMACs whose first versions on Windows were wrong.
pub(crate) const LEGACY: &[Entry] = &[Set(
    "bool ProduceLegacyHmacValues",
    |c| with_hasher(c, |_| Value::Bool(false)),
    |c| {
        if c.bool(1)? {
            return Err(unsupported());
        }
        Ok(Value::Null)
    },
)];

/// The second way to make an HMAC with SHA-1.
pub(crate) const SHA1: &[Entry] = &[Get("ctor(byte[] key, bool useManagedSha1)", |c| {
    keyed(c, HashKind::Sha1)
})];
