//! An option's bytes with the bits of them that matter, in the tools' form.

use std::fmt::Write;

use super::MAX_LEN;

/// Up to 124 bytes, big endian, without the leading bytes that say nothing.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct TunValue {
    bytes: Vec<u8>,
    /// As long as `bytes`; `None`: all of the field matters, also what `bytes` leaves out.
    mask: Option<Vec<u8>>,
}

impl TunValue {
    /// Exactly these bytes; the field's other bytes are zero.
    ///
    /// # Panics
    /// Never: bytes beyond 124 are cut off.
    pub fn exact(bytes: &[u8]) -> TunValue {
        let bytes = &bytes[..bytes.len().min(MAX_LEN)];
        let zeros = bytes.iter().take_while(|b| **b == 0).count();
        TunValue { bytes: bytes[zeros..].to_vec(), mask: None }
    }

    /// The bits of `mask`, which is as long as `bytes`. No bits at all: the option's presence.
    pub fn masked(bytes: &[u8], mask: &[u8]) -> TunValue {
        let len = bytes.len().min(mask.len()).min(MAX_LEN);
        let (bytes, mask) = (&bytes[..len], &mask[..len]);
        let zeros = mask.iter().take_while(|m| **m == 0).count();
        let bytes = bytes[zeros..].iter().zip(&mask[zeros..]).map(|(b, m)| b & m).collect();
        TunValue { bytes, mask: Some(mask[zeros..].to_vec()) }
    }

    /// That the option is there, whatever it says.
    pub fn present() -> TunValue {
        TunValue::masked(&[], &[])
    }

    /// From numbers; a mask of all ones is [`TunValue::exact`].
    pub fn from_u128(value: u128, mask: u128) -> TunValue {
        match mask {
            u128::MAX => TunValue::exact(&value.to_be_bytes()),
            _ => TunValue::masked(&value.to_be_bytes(), &mask.to_be_bytes()),
        }
    }

    /// The bits from `ofs` on, as many as `n_bits`, of a field of 124 bytes.
    pub fn from_bits(value: u128, ofs: u16, n_bits: u16) -> TunValue {
        let (mut bytes, mut mask) = ([0; MAX_LEN], [0; MAX_LEN]);
        for bit in 0..usize::from(n_bits) {
            let at = usize::from(ofs) + bit;
            let Some(byte) = (MAX_LEN - 1).checked_sub(at / 8) else { break };
            mask[byte] |= 1 << (at % 8);
            bytes[byte] |= u8::from(bit < 128 && value >> bit & 1 == 1) << (at % 8);
        }
        TunValue::masked(&bytes, &mask)
    }

    /// The bytes, most significant first.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Which of their bits matter; `None`: everything.
    pub fn mask(&self) -> Option<&[u8]> {
        self.mask.as_deref()
    }

    /// How many bytes it takes to say it.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Zero, or nothing but presence.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Value and mask in a field of `len` bytes. What is too long is cut at its end, as Open vSwitch does.
    pub fn fit(&self, len: usize) -> (Vec<u8>, Vec<u8>) {
        let keep = self.bytes.len().min(len);
        let pad = len - keep;
        let widen = |bytes: &[u8]| [&vec![0; pad], &bytes[..keep]].concat();
        let mask = self.mask.as_deref().map_or_else(|| vec![0xff; len], widen);
        (widen(&self.bytes), mask)
    }

    /// The same, as a field of `len` bytes holds it.
    pub fn cut(&self, len: usize) -> TunValue {
        let (bytes, mask) = self.fit(len);
        match self.mask {
            None => TunValue::exact(&bytes),
            Some(_) if mask.iter().all(|m| *m == 0xff) => TunValue::exact(&bytes),
            Some(_) => TunValue::masked(&bytes, &mask),
        }
    }

    /// Read `VALUE[/MASK]`, a number of up to 124 bytes; nothing, `*` and a mask of zero ask for presence.
    ///
    /// # Errors
    /// Whether the value or the mask is no number, or is too large.
    pub fn parse(text: &str) -> Result<TunValue, BadNumber> {
        if text.is_empty() || text == "*" {
            return Ok(TunValue::present());
        }
        let (value, mask) = text.split_once('/').map_or((text, None), |(v, m)| (v, Some(m)));
        let value = number(value)?;
        let Some(mask) = mask else { return Ok(TunValue::exact(&value)) };
        let mask = number(mask).map_err(|why| match why {
            BadNumber::Value => BadNumber::Mask,
            other => other,
        })?;
        Ok(TunValue::masked(&value, &mask))
    }

    /// `0x1234`, `0x5/0xf`; empty if only presence is asked for. A mask of nothing but ones goes without saying.
    pub fn show(&self) -> String {
        match &self.mask {
            Some(mask) if mask.is_empty() => String::new(),
            Some(mask) if mask.iter().any(|m| *m != 0xff) => format!("{}/{}", hex(&self.bytes), hex(mask)),
            _ => hex(&self.bytes),
        }
    }

    /// As [`TunValue::show`] in a field whose whole length is known: a mask that leaves something out is shown.
    pub fn show_in(&self, len: usize) -> String {
        match &self.mask {
            Some(mask) if !mask.is_empty() && mask.len() < len => format!("{}/{}", hex(&self.bytes), hex(mask)),
            _ => self.show(),
        }
    }
}

/// Value and mask as they were given: how a write of the field is written.
impl std::fmt::Display for TunValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.mask {
            None => write!(f, "{}", hex(&self.bytes)),
            Some(mask) => write!(f, "{}/{}", hex(&self.bytes), hex(mask)),
        }
    }
}

impl std::fmt::Debug for TunValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Why a text is no value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadNumber {
    /// What stands before the slash is no number.
    Value,
    /// What stands behind it is none.
    Mask,
    /// More than 124 bytes.
    TooLarge,
}

/// Hexadecimal with 0x or decimal, as 124 bytes.
fn number(text: &str) -> Result<[u8; MAX_LEN], BadNumber> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    if digits.is_empty() && radix == 10 {
        return Err(BadNumber::Value);
    }
    let mut bytes = [0u8; MAX_LEN];
    for c in digits.chars() {
        let mut carry = c.to_digit(radix).ok_or(BadNumber::Value)?;
        for byte in bytes.iter_mut().rev() {
            carry += u32::from(*byte) * radix;
            *byte = carry as u8;
            carry >>= 8;
        }
        if carry != 0 {
            return Err(BadNumber::TooLarge);
        }
    }
    Ok(bytes)
}

/// `0x` and digits without leading zeros, `0` for zero.
pub(super) fn hex(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    let mut text = String::new();
    for byte in &bytes[zeros..] {
        let _ = match text.is_empty() {
            true => write!(text, "0x{byte:x}"),
            false => write!(text, "{byte:02x}"),
        };
    }
    if text.is_empty() { "0".to_owned() } else { text }
}
