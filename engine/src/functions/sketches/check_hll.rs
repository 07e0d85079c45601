//! Validates the bytes of an HLL sketch before the crate reads them: the crate trusts counts and
//! sums that do not fit the registers, and panics on some invalid ones.
//!
//! The layout is that of `PreambleUtil` in datasketches-java: 8 bytes of preamble, then coupons (of
//! a list or a set), or 32 bytes of sums and counts and then registers of 4, 6 or 8 bits.

use std::collections::HashSet;

use crate::{Error, Result};

const COMPACT: u8 = 8;
const OUT_OF_ORDER: u8 = 16;
const LIST: u8 = 0;
const SET: u8 = 1;
const REGISTERS: u8 = 2;
/// Where coupons and registers begin.
const AFTER_LIST: usize = 8;
const AFTER_SET: usize = 12;
const AFTER_SUMS: usize = 40;
/// The largest value of a register.
const MAX_REGISTER: u8 = 63;
/// Stands in 4 bits for "see the exceptions".
const EXCEPTION: u8 = 15;

/// The bytes as numbers, where they are there.
struct SketchBytes<'a>(&'a [u8]);

impl SketchBytes<'_> {
    fn byte(&self, at: usize) -> Result<u8> {
        self.0.get(at).copied().ok_or_else(|| broken("it is truncated"))
    }

    fn word(&self, at: usize) -> Result<u32> {
        let bytes = self.0.get(at..).and_then(|rest| rest.first_chunk());
        Ok(u32::from_le_bytes(*bytes.ok_or_else(|| broken("it is truncated"))?))
    }

    fn float(&self, at: usize) -> Result<f64> {
        let bytes = self.0.get(at..).and_then(|rest| rest.first_chunk());
        Ok(f64::from_le_bytes(*bytes.ok_or_else(|| broken("it is truncated"))?))
    }

    fn has(&self, length: usize) -> Result<()> {
        if self.0.len() == length { Ok(()) } else { Err(broken("wrong length")) }
    }
}

fn broken(why: &str) -> Error {
    Error::input(format!("not a sketch of Apache DataSketches: {why}"))
}

/// Checks what the crate does not.
///
/// # Errors
/// When the bytes cannot be an HLL sketch.
pub(super) fn check(bytes: &[u8]) -> Result<()> {
    let sketch = SketchBytes(bytes);
    let (lg_k, flags, mode) = (sketch.byte(3)?, sketch.byte(5)?, sketch.byte(7)?);
    if !(4..=21).contains(&lg_k) {
        return Err(broken(&format!("lg_k must be from 4 to 21, not {lg_k}")));
    }
    let compact = flags & COMPACT != 0;
    let room = |lg: u8| if lg < 27 { Ok(1usize << lg) } else { Err(broken("it is too large")) };
    match (mode & 3, mode >> 2 & 3) {
        (LIST, _) => {
            let count = usize::from(sketch.byte(6)?);
            let slots = if compact { count } else { room(sketch.byte(4)?)? };
            if count == 0 && bytes.len() == AFTER_LIST {
                return Ok(());
            }
            coupons(&sketch, AFTER_LIST, slots, count)
        }
        (SET, _) => {
            let count = sketch.word(8)? as usize;
            let slots = if compact { count } else { room(sketch.byte(4)?)? };
            coupons(&sketch, AFTER_SET, slots, count)
        }
        (REGISTERS, 0) => four_bits(&sketch, lg_k, compact),
        (REGISTERS, 1) => {
            let k = 1usize << lg_k;
            sketch.has(AFTER_SUMS + k * 3 / 4 + 1)?;
            let value = |at: usize| {
                let bits = AFTER_SUMS * 8 + at * 6;
                let pair = u16::from_le_bytes([bytes[bits / 8], bytes[bits / 8 + 1]]);
                (pair >> (bits % 8)) as u8 & MAX_REGISTER
            };
            sums(&sketch, (0..k).map(value), 0)
        }
        (REGISTERS, 2) => {
            sketch.has(AFTER_SUMS + (1 << lg_k))?;
            sums(&sketch, bytes[AFTER_SUMS..].iter().copied(), 0)
        }
        _ => Err(broken("unknown mode")),
    }
}

/// Coupons are different, and each says a slot and a value.
fn coupons(sketch: &SketchBytes<'_>, from: usize, slots: usize, count: usize) -> Result<()> {
    sketch.has(from + slots * 4)?;
    let mut seen = HashSet::new();
    for slot in 0..slots {
        let coupon = sketch.word(from + slot * 4)?;
        if coupon != 0 && (coupon >> 26 == 0 || !seen.insert(coupon)) {
            return Err(broken("a coupon is duplicated or empty"));
        }
    }
    if seen.len() == count { Ok(()) } else { Err(broken("the number of coupons is wrong")) }
}

/// Registers of 4 bits count from the smallest value; those beyond are listed as exceptions.
fn four_bits(sketch: &SketchBytes<'_>, lg_k: u8, compact: bool) -> Result<()> {
    let k = 1usize << lg_k;
    let (smallest, exceptions) = (sketch.byte(6)?, sketch.word(36)? as usize);
    let from = AFTER_SUMS + k / 2;
    let slots = match (compact, exceptions) {
        (true, _) => exceptions,
        (false, 0) => (sketch.0.len().saturating_sub(from)) / 4,
        (false, _) if sketch.byte(4)? <= lg_k => 1usize << sketch.byte(4)?,
        (false, _) => return Err(broken("it is too large")),
    };
    sketch.has(from + slots * 4)?;
    let mut values: Vec<Option<u8>> = (0..k)
        .map(|at| match sketch.0[AFTER_SUMS + at / 2] >> (at % 2 * 4) & EXCEPTION {
            EXCEPTION => None,
            more => smallest.checked_add(more),
        })
        .collect();
    let open = values.iter().filter(|value| value.is_none()).count();
    let mut listed = 0;
    for slot in 0..slots {
        let coupon = sketch.word(from + slot * 4)?;
        let value = (coupon >> 26) as u8;
        if coupon == 0 {
            continue;
        }
        let register = values
            .get_mut(coupon as usize & (k - 1))
            .filter(|register| register.is_none() && value >= smallest.saturating_add(EXCEPTION));
        *register.ok_or_else(|| broken("an exception is invalid"))? = Some(value);
        listed += 1;
    }
    if listed != open || listed != exceptions {
        return Err(broken("the number of exceptions is wrong"));
    }
    // Every register has a value by now.
    sums(sketch, values.into_iter().flatten(), smallest)
}

/// The counts and sums are those of the registers.
fn sums(sketch: &SketchBytes<'_>, registers: impl Iterator<Item = u8>, smallest: u8) -> Result<()> {
    let (mut small, mut large, mut at_smallest, mut hit) = (0.0, 0.0, 0u32, 0u32);
    for value in registers {
        if value > MAX_REGISTER || value < smallest {
            return Err(broken("a register is out of range"));
        }
        let part = (-f64::from(value)).exp2();
        if value < 32 {
            small += part
        } else {
            large += part
        }
        at_smallest += u32::from(value == smallest);
        hit += u32::from(value > 0);
    }
    let near = |stored: f64, counted: f64| (stored - counted).abs() <= 1e-9 * counted.max(1e-9);
    if at_smallest != sketch.word(32)?
        || !near(sketch.float(16)?, small)
        || !near(sketch.float(24)?, large)
    {
        return Err(broken("its sums do not match its registers"));
    }
    // The estimate so far, which grows by 1 or more with each register that is hit.
    let so_far = sketch.float(8)?;
    let in_order = sketch.byte(5)? & OUT_OF_ORDER == 0;
    if in_order && !(so_far >= f64::from(hit) * 0.999 && so_far < 1e19) {
        return Err(broken("its estimate is not possible"));
    }
    Ok(())
}
