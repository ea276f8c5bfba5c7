//! `System.Random`: the subtractive generator of a seeded instance, the same sequence in every .NET version.

use crate::Error;

const BIG: i32 = i32::MAX;
const SEED: i32 = 161_803_398;

/// A `System.Random`.
#[derive(Clone, Debug)]
pub struct Random {
    state: [i32; 56],
    next: usize,
    next_p: usize,
}

impl Random {
    /// `new Random(seed)`.
    pub fn new(seed: i32) -> Random {
        let mut state = [0i32; 56];
        let subtraction = if seed == i32::MIN { i32::MAX } else { seed.abs() };
        let mut mj = SEED.wrapping_sub(subtraction);
        state[55] = mj;
        let mut mk = 1i32;
        let mut at = 0;
        for _ in 1..55 {
            at += 21;
            if at >= 55 {
                at -= 55;
            }
            state[at] = mk;
            mk = mj.wrapping_sub(mk);
            if mk < 0 {
                mk = mk.wrapping_add(BIG);
            }
            mj = state[at];
        }
        for _ in 1..5 {
            for i in 1..56 {
                let mut n = i + 30;
                if n >= 55 {
                    n -= 55;
                }
                state[i] = state[i].wrapping_sub(state[1 + n]);
                if state[i] < 0 {
                    state[i] = state[i].wrapping_add(BIG);
                }
            }
        }
        Random {
            state,
            next: 0,
            next_p: 21,
        }
    }

    fn internal(&mut self) -> i32 {
        let step = |i: usize| if i + 1 >= 56 { 1 } else { i + 1 };
        self.next = step(self.next);
        self.next_p = step(self.next_p);
        let mut value = self.state[self.next].wrapping_sub(self.state[self.next_p]);
        if value == BIG {
            value -= 1;
        }
        if value < 0 {
            value = value.wrapping_add(BIG);
        }
        self.state[self.next] = value;
        value
    }

    /// `NextDouble()`.
    pub fn next_double(&mut self) -> f64 {
        f64::from(self.internal()) * (1.0 / f64::from(BIG))
    }

    /// `Next()`.
    #[expect(
        clippy::should_implement_trait,
        reason = "the .NET name; an endless iterator would be a trap"
    )]
    pub fn next(&mut self) -> i32 {
        self.internal()
    }

    /// `Next(maxValue)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException` for a negative bound.
    pub fn next_below(&mut self, max: i32) -> Result<i32, Error> {
        if max < 0 {
            return Err(Error::out_of_range(
                "maxValue",
                "'maxValue' must be greater than zero.",
            ));
        }
        Ok((self.next_double() * f64::from(max)) as i32)
    }

    /// `Next(minValue, maxValue)`.
    ///
    /// # Errors
    /// `ArgumentOutOfRangeException` when the bounds are swapped.
    pub fn next_between(&mut self, min: i32, max: i32) -> Result<i32, Error> {
        if min > max {
            return Err(Error::out_of_range(
                "minValue",
                "'minValue' cannot be greater than maxValue.",
            ));
        }
        let range = i64::from(max) - i64::from(min);
        if range <= i64::from(i32::MAX) {
            return Ok((self.next_double() * range as f64) as i32 + min);
        }
        let mut sample = self.internal();
        if self.internal() % 2 == 0 {
            sample = -sample;
        }
        let fraction = (f64::from(sample) + f64::from(i32::MAX - 1)) / f64::from(u32::MAX - 2);
        Ok(((fraction * range as f64) as i64 + i64::from(min)) as i32)
    }

    /// `NextBytes(buffer)`.
    pub fn next_bytes(&mut self, buffer: &mut [u8]) {
        for byte in buffer {
            *byte = self.internal() as u8;
        }
    }
}

#[cfg(test)]
#[path = "random_tests.rs"]
mod tests;
