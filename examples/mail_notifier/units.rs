//! Numbers as people write them: `20`, `8K`, `90s`.

use std::time::Duration;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Things,
    Bytes,
    /// Milliseconds, once it is a number.
    Time,
}

impl Unit {
    /// What the value is called in a usage line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Things => "N",
            Self::Bytes => "SIZE",
            Self::Time => "TIME",
        }
    }

    /// What is expected, for an error.
    pub fn expected(self) -> &'static str {
        match self {
            Self::Things => "a number",
            Self::Bytes => "a size in bytes, or like 8K or 1M,",
            Self::Time => "a time like 500ms, 90s, 15m, 1h or 7d",
        }
    }

    /// Reads what a person wrote; `None` if it is no such number, or one that is too large to hold.
    pub fn parse(self, text: &str) -> Option<u64> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, suffix) = text.split_at(digits);
        let number: u64 = number.parse().ok()?;
        if number == 0 && suffix.is_empty() {
            return Some(0);
        }
        let (_, scale) = self.scales().iter().find(|(name, _)| *name == suffix)?;
        number.checked_mul(*scale)
    }

    /// The shortest way to write `value`.
    pub fn show(self, value: u64) -> String {
        let divides = |scale: u64| value != 0 && value % scale == 0;
        match self.scales().iter().find(|(_, scale)| divides(*scale)) {
            Some((name, scale)) => format!("{}{name}", value / scale),
            None => value.to_string(),
        }
    }

    /// What may follow the digits, the largest first.
    fn scales(self) -> &'static [(&'static str, u64)] {
        const SECOND: u64 = 1000;
        match self {
            Self::Things => &[("", 1)],
            Self::Bytes => &[("M", 1024 * 1024), ("K", 1024), ("", 1)],
            Self::Time => &[
                ("d", 24 * 3600 * SECOND),
                ("h", 3600 * SECOND),
                ("m", 60 * SECOND),
                ("s", SECOND),
                ("ms", 1),
            ],
        }
    }
}

/// A setting that is a number, whatever its type.
pub trait Number {
    fn get(&self) -> u64;
    /// Sets it, to the largest there is if `value` is larger.
    fn set(&mut self, value: u64);
}

macro_rules! numbers {
    ($($integer:ty)*) => {$(
        impl Number for $integer {
            fn get(&self) -> u64 {
                (*self).try_into().unwrap_or_default()
            }

            fn set(&mut self, value: u64) {
                *self = value.try_into().unwrap_or(Self::MAX);
            }
        }
    )*};
}

numbers!(usize u32 i32);

impl Number for Duration {
    fn get(&self) -> u64 {
        self.as_millis().try_into().unwrap_or(u64::MAX)
    }

    fn set(&mut self, value: u64) {
        *self = Self::from_millis(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units() {
        for (unit, text, value) in [
            (Unit::Things, "20", 20),
            (Unit::Things, "0", 0),
            (Unit::Things, "007", 7),
            (Unit::Bytes, "0", 0),
            (Unit::Bytes, "100", 100),
            (Unit::Bytes, "8K", 8192),
            (Unit::Bytes, "3M", 3 * 1024 * 1024),
            (Unit::Time, "0", 0),
            (Unit::Time, "0s", 0),
            (Unit::Time, "250ms", 250),
            (Unit::Time, "90s", 90_000),
            (Unit::Time, "15m", 900_000),
            (Unit::Time, "1h", 3_600_000),
            (Unit::Time, "7d", 604_800_000),
        ] {
            assert_eq!(unit.parse(text), Some(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_number() {
        let too_large = "18446744073709551616";
        for text in ["", "-1", "+1", " 1", "1 ", "1.5", "x", "1x", "K", "1KK", "1_0", too_large] {
            for unit in [Unit::Things, Unit::Bytes, Unit::Time] {
                assert_eq!(unit.parse(text), None, "{text}");
            }
        }
        for (unit, text) in [
            (Unit::Things, "1K"),
            (Unit::Bytes, "1k"),
            (Unit::Bytes, "1s"),
            (Unit::Bytes, "18446744073709551615K"),
            (Unit::Time, "1"),
            (Unit::Time, "1M"),
            (Unit::Time, "s"),
            (Unit::Time, "18446744073709551615d"),
        ] {
            assert_eq!(unit.parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_read() {
        for (unit, value, text) in [
            (Unit::Things, 1024, "1024"),
            (Unit::Bytes, 1023, "1023"),
            (Unit::Bytes, 1536, "1536"),
            (Unit::Bytes, 1024 * 1024, "1M"),
            (Unit::Time, 1500, "1500ms"),
            (Unit::Time, 90_000, "90s"),
            (Unit::Time, 604_800_000, "7d"),
            (Unit::Time, 0, "0"),
        ] {
            assert_eq!(unit.show(value), text);
            assert_eq!(unit.parse(text), Some(value));
        }
    }

    #[test]
    fn numbers_of_every_type() {
        let (mut small, mut signed, mut time) = (0u32, 0i32, Duration::ZERO);
        let places: [&mut dyn Number; 3] = [&mut small, &mut signed, &mut time];
        for place in places {
            place.set(4096);
            assert_eq!(place.get(), 4096);
        }
        assert_eq!((small, signed, time), (4096, 4096, Duration::from_millis(4096)));
        signed.set(u64::MAX);
        assert_eq!(signed, i32::MAX);
    }
}
