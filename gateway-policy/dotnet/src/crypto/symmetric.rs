//! `SymmetricAlgorithm`: AES and the DES family in CBC and ECB with .NET's paddings.

use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, BlockSizeUser, KeyInit};
use des::{Des, TdesEde2, TdesEde3};

use crate::Error;

use super::{Random, failed, fill};

/// Which cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the ciphers' names")]
pub enum Algorithm {
    Aes,
    Des,
    TripleDes,
}

/// `CipherMode`, with .NET's values. Only CBC and ECB exist on .NET Core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of CipherMode")]
pub enum CipherMode {
    Cbc = 1,
    Ecb = 2,
}

/// `PaddingMode`, with .NET's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members of PaddingMode")]
pub enum PaddingMode {
    None = 1,
    Pkcs7 = 2,
    Zeros = 3,
    AnsiX923 = 4,
    Iso10126 = 5,
}

impl CipherMode {
    /// The mode of an enum value.
    ///
    /// # Errors
    /// `CryptographicException`, as .NET Core refuses OFB, CFB and CTS.
    pub fn from_value(value: i32) -> Result<Self, Error> {
        match value {
            1 => Ok(Self::Cbc),
            2 => Ok(Self::Ecb),
            _ => Err(failed("Specified cipher mode is not valid for this algorithm.")),
        }
    }
}

impl PaddingMode {
    /// The padding of an enum value.
    ///
    /// # Errors
    /// `CryptographicException` for an unknown value.
    pub fn from_value(value: i32) -> Result<Self, Error> {
        match value {
            1 => Ok(Self::None),
            2 => Ok(Self::Pkcs7),
            3 => Ok(Self::Zeros),
            4 => Ok(Self::AnsiX923),
            5 => Ok(Self::Iso10126),
            _ => Err(failed("Specified padding mode is not valid for this algorithm.")),
        }
    }
}

/// A configured cipher: algorithm, key, initialization vector, mode, padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symmetric {
    /// Full .NET type name of the instance.
    pub type_name: &'static str,
    /// The cipher.
    pub algorithm: Algorithm,
    /// Key; its length chooses the strength.
    pub key: Vec<u8>,
    /// Initialization vector, one block.
    pub iv: Vec<u8>,
    /// Mode; CBC by default.
    pub mode: CipherMode,
    /// Padding; PKCS7 by default.
    pub padding: PaddingMode,
    /// `FeedbackSize`, which no mode that exists heeds.
    pub feedback: i32,
}

impl Symmetric {
    /// `SymmetricAlgorithm.Create(name)`, with a random key and vector as in .NET; `None` where .NET gives null.
    pub fn create(name: &str, random: Random<'_>) -> Option<Self> {
        const NAMES: &[(&[&str], Algorithm, &str)] = &[
            (
                &[
                    "AES",
                    "AesCryptoServiceProvider",
                    "System.Security.Cryptography.AesCryptoServiceProvider",
                ],
                Algorithm::Aes,
                "System.Security.Cryptography.AesCryptoServiceProvider",
            ),
            (
                &["AesManaged", "System.Security.Cryptography.AesManaged"],
                Algorithm::Aes,
                "System.Security.Cryptography.AesManaged",
            ),
            (
                &[
                    "Rijndael",
                    "System.Security.Cryptography.Rijndael",
                    "System.Security.Cryptography.RijndaelManaged",
                    "System.Security.Cryptography.SymmetricAlgorithm",
                ],
                Algorithm::Aes,
                "System.Security.Cryptography.RijndaelManaged",
            ),
            (
                &[
                    "3DES",
                    "TripleDES",
                    "Triple DES",
                    "System.Security.Cryptography.TripleDES",
                ],
                Algorithm::TripleDes,
                "System.Security.Cryptography.TripleDESCryptoServiceProvider",
            ),
            (
                &["DES", "System.Security.Cryptography.DES"],
                Algorithm::Des,
                "System.Security.Cryptography.DESCryptoServiceProvider",
            ),
        ];
        let (_, algorithm, type_name) = NAMES
            .iter()
            .find(|(names, ..)| names.iter().any(|n| n.eq_ignore_ascii_case(name)))?;
        let mut cipher = Symmetric {
            type_name,
            algorithm: *algorithm,
            key: vec![0; algorithm.key_sizes().last().map_or(0, |bits| bits / 8)],
            iv: vec![0; algorithm.block_size()],
            mode: CipherMode::Cbc,
            padding: PaddingMode::Pkcs7,
            feedback: if *type_name == "System.Security.Cryptography.RijndaelManaged" {
                128
            } else {
                8
            },
        };
        fill(random, &mut cipher.key);
        fill(random, &mut cipher.iv);
        Some(cipher)
    }

    /// Sets the key.
    ///
    /// # Errors
    /// `CryptographicException` for a length the cipher does not have.
    pub fn set_key(&mut self, key: &[u8]) -> Result<(), Error> {
        if !self.algorithm.key_sizes().contains(&(key.len() * 8)) {
            return Err(failed("Specified key is not a valid size for this algorithm."));
        }
        self.key = key.to_vec();
        Ok(())
    }

    /// Setting `Key`: DES looks at what it is given.
    ///
    /// # Errors
    /// `CryptographicException` for a length that AES does not have or a weak key, `ArgumentException` for a length
    /// that DES does not have.
    pub fn assign_key(&mut self, key: &[u8]) -> Result<(), Error> {
        let size_fits = self.algorithm.key_sizes().contains(&(key.len() * 8));
        if self.algorithm != Algorithm::Aes && !size_fits {
            return Err(Error::argument(
                "value",
                "Specified key is not a valid size for this algorithm.",
            ));
        }
        let before = std::mem::take(&mut self.key);
        let set = self.set_key(key).and_then(|()| self.check_weak_key());
        if set.is_err() {
            self.key = before;
        }
        set
    }

    /// Sets the key size in bits; a fresh random key replaces the old one, as in .NET.
    ///
    /// # Errors
    /// `CryptographicException` for a size the cipher does not have.
    pub fn set_key_size(&mut self, bits: i32, random: Random<'_>) -> Result<(), Error> {
        let mut key = vec![0; usize::try_from(bits).unwrap_or(0).min(4096) / 8];
        fill(random, &mut key);
        self.set_key(&key)
    }

    /// Sets the vector.
    ///
    /// # Errors
    /// `CryptographicException` when it is not one block.
    pub fn set_iv(&mut self, iv: &[u8]) -> Result<(), Error> {
        if iv.len() != self.algorithm.block_size() {
            return Err(failed(
                "Specified initialization vector (IV) does not match the block size for this algorithm.",
            ));
        }
        self.iv = iv.to_vec();
        Ok(())
    }

    /// Setting `BlockSize`: there is one that fits.
    ///
    /// # Errors
    /// `CryptographicException` for any other.
    pub fn set_block_size(&mut self, bits: i32) -> Result<(), Error> {
        if bits == self.algorithm.block_size() as i32 * 8 {
            return Ok(());
        }
        Err(failed("Specified block size is not valid for this algorithm."))
    }

    /// Setting `FeedbackSize`: whole bytes up to a block.
    ///
    /// # Errors
    /// `CryptographicException` for anything else.
    pub fn set_feedback_size(&mut self, bits: i32) -> Result<(), Error> {
        if bits <= 0 || bits % 8 != 0 || bits > self.algorithm.block_size() as i32 * 8 {
            return Err(failed("Specified feedback size is not valid for this algorithm."));
        }
        self.feedback = bits;
        Ok(())
    }

    /// Whether the key is one that DES or Triple DES should never be used with.
    ///
    /// # Errors
    /// `CryptographicException`
    pub fn check_weak_key(&self) -> Result<(), Error> {
        // Without the parity bit of each byte.
        const WEAK: [u64; 8] = [
            0x0000_0000_0000_0000,
            0xFEFE_FEFE_FEFE_FEFE,
            0xE0E0_E0E0_F0F0_F0F0,
            0x1E1E_1E1E_0E0E_0E0E,
            0x00FE_00FE_00FE_00FE,
            0xFE00_FE00_FE00_FE00,
            0x1EE0_1EE0_0EF0_0EF0,
            0xE01E_E01E_F00E_F00E,
        ];
        let parts: Vec<u64> = self
            .key
            .as_chunks::<8>()
            .0
            .iter()
            .map(|c| u64::from_be_bytes(*c) & 0xFEFE_FEFE_FEFE_FEFE)
            .collect();
        let weak = match self.algorithm {
            Algorithm::Aes => false,
            Algorithm::Des => parts.first().is_some_and(|p| WEAK.contains(p)),
            Algorithm::TripleDes => parts.windows(2).any(|w| w[0] == w[1]),
        };
        if weak {
            return Err(failed("Specified key is a known weak key and cannot be used."));
        }
        Ok(())
    }

    /// Whole blocks as they are; the vector goes on behind them.
    ///
    /// # Errors
    /// `CryptographicException` for a key of another cipher.
    pub fn raw_blocks(&mut self, data: &[u8], encrypt: bool) -> Result<Vec<u8>, Error> {
        let mut blocks = data.to_vec();
        self.transform(&mut blocks, encrypt)?;
        let block = self.algorithm.block_size();
        let chained = if encrypt { &blocks[..] } else { data };
        if let Some(last) = chained.len().checked_sub(block) {
            self.iv = chained[last..].to_vec();
        }
        Ok(blocks)
    }

    /// Encrypts a whole message (`CreateEncryptor().TransformFinalBlock`).
    ///
    /// # Errors
    /// `CryptographicException` when the data does not fit the padding.
    pub fn encrypt(&self, data: &[u8], random: Random<'_>) -> Result<Vec<u8>, Error> {
        let mut blocks = self.pad(data, random)?;
        self.transform(&mut blocks, true)?;
        Ok(blocks)
    }

    /// Decrypts a whole message.
    ///
    /// # Errors
    /// `CryptographicException` for incomplete blocks and bad padding.
    pub fn decrypt(&self, data: &[u8]) -> Result<Vec<u8>, Error> {
        if !data.len().is_multiple_of(self.algorithm.block_size()) {
            return Err(failed("The input data is not a complete block."));
        }
        let mut blocks = data.to_vec();
        self.transform(&mut blocks, false)?;
        self.unpad(blocks)
    }

    fn pad(&self, data: &[u8], random: Random<'_>) -> Result<Vec<u8>, Error> {
        let block = self.algorithm.block_size();
        let over = data.len() % block;
        let mut out = data.to_vec();
        let count = match self.padding {
            PaddingMode::None if over != 0 => return Err(failed("The input data is not a complete block.")),
            PaddingMode::None => return Ok(out),
            PaddingMode::Zeros if over == 0 => return Ok(out),
            _ => block - over,
        };
        let mut tail = match self.padding {
            PaddingMode::Pkcs7 => vec![count as u8; count],
            _ => vec![0; count],
        };
        if self.padding == PaddingMode::Iso10126 {
            fill(random, &mut tail);
        }
        if let (PaddingMode::AnsiX923 | PaddingMode::Iso10126, Some(last)) = (self.padding, tail.last_mut()) {
            *last = count as u8;
        }
        out.append(&mut tail);
        Ok(out)
    }

    fn unpad(&self, mut data: Vec<u8>) -> Result<Vec<u8>, Error> {
        if data.is_empty() || matches!(self.padding, PaddingMode::None | PaddingMode::Zeros) {
            return Ok(data);
        }
        let invalid = || failed("Padding is invalid and cannot be removed.");
        let count = usize::from(data.last().copied().unwrap_or(0));
        if count == 0 || count > self.algorithm.block_size() {
            return Err(invalid());
        }
        let start = data.len() - count;
        let filler = &data[start..data.len() - 1];
        let fine = match self.padding {
            PaddingMode::Pkcs7 => filler.iter().all(|b| usize::from(*b) == count),
            PaddingMode::AnsiX923 => filler.iter().all(|b| *b == 0),
            _ => true,
        };
        if !fine {
            return Err(invalid());
        }
        data.truncate(start);
        Ok(data)
    }

    fn transform(&self, data: &mut [u8], encrypt: bool) -> Result<(), Error> {
        match (self.algorithm, self.key.len()) {
            (Algorithm::Aes, 16) => self.blocks::<Aes128>(data, encrypt),
            (Algorithm::Aes, 24) => self.blocks::<Aes192>(data, encrypt),
            (Algorithm::Aes, 32) => self.blocks::<Aes256>(data, encrypt),
            (Algorithm::TripleDes, 16) => self.blocks::<TdesEde2>(data, encrypt),
            (Algorithm::TripleDes, 24) => self.blocks::<TdesEde3>(data, encrypt),
            (Algorithm::Des, 8) => self.blocks::<Des>(data, encrypt),
            _ => None,
        }
        .ok_or_else(|| failed("Specified key is not a valid size for this algorithm."))
    }

    fn blocks<C>(&self, data: &mut [u8], encrypt: bool) -> Option<()>
    where
        C: KeyInit + BlockCipherEncrypt + BlockCipherDecrypt + BlockSizeUser,
    {
        let cipher = C::new_from_slice(&self.key).ok()?;
        let mut previous = self.iv.clone();
        for chunk in data.chunks_exact_mut(C::block_size()) {
            let mut block = Block::<C>::try_from(&*chunk).ok()?;
            if self.mode == CipherMode::Cbc && encrypt {
                block.iter_mut().zip(&previous).for_each(|(b, p)| *b ^= p);
            }
            let before = chunk.to_vec();
            if encrypt {
                cipher.encrypt_block(&mut block);
            } else {
                cipher.decrypt_block(&mut block);
            }
            if self.mode == CipherMode::Cbc && !encrypt {
                block.iter_mut().zip(&previous).for_each(|(b, p)| *b ^= p);
            }
            chunk.copy_from_slice(&block);
            previous = if encrypt { chunk.to_vec() } else { before };
        }
        Some(())
    }
}

impl Algorithm {
    /// Key sizes in bits, ascending.
    pub const fn key_sizes(self) -> &'static [usize] {
        match self {
            Self::Aes => &[128, 192, 256],
            Self::Des => &[64],
            Self::TripleDes => &[128, 192],
        }
    }

    /// `LegalKeySizes`: smallest, largest, step.
    pub const fn legal_keys(self) -> [i32; 3] {
        match self {
            Self::Aes => [128, 256, 64],
            Self::Des => [64, 64, 0],
            Self::TripleDes => [128, 192, 64],
        }
    }

    /// `LegalBlockSizes`
    pub const fn legal_blocks(self) -> [i32; 3] {
        match self {
            Self::Aes => [128, 128, 0],
            Self::Des | Self::TripleDes => [64, 64, 0],
        }
    }

    /// Bytes of a block.
    pub const fn block_size(self) -> usize {
        match self {
            Self::Aes => 16,
            Self::Des | Self::TripleDes => 8,
        }
    }
}
