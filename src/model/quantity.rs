//! Resource quantities (Kubernetes API reference, "Quantity").
//!
//! A quantity is a number with a decimal (`m`, `k`, `M`...), binary (`Ki`, `Mi`...) or exponent (`e3`) suffix. It is kept exact
//! to a billionth; what is finer is rounded away from zero, what is larger than 2^63 - 1 is cut, as Kubernetes does.

use std::fmt;
use std::str::FromStr;

/// A parsed quantity; ordered and compared by its value, so that `1` equals `1000m`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity {
    nanos: i128,
}

/// Why a text is no quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    #[error("a quantity must not be empty")]
    Empty,
    #[error("a quantity starts with a number, as in `500m` or `1.5Gi`")]
    NoNumber,
    #[error("the suffix must be one of n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei or an exponent such as e3")]
    Suffix,
}

const NANO: i128 = 1_000_000_000;
const MAX: i128 = i64::MAX as i128 * NANO;
/// Decimal digits that a 128-bit number holds with room for one more factor of ten.
const DIGITS: usize = 37;

/// What a suffix multiplies by.
#[derive(Clone, Copy)]
enum Scale {
    Ten(i64),
    Two(u32),
}

impl Quantity {
    pub const ZERO: Self = Self { nanos: 0 };

    /// A whole number of units.
    pub const fn from_units(units: i64) -> Self {
        Self { nanos: units as i128 * NANO }
    }

    /// Thousandths of a unit.
    pub const fn from_milli(milli: i64) -> Self {
        Self { nanos: milli as i128 * (NANO / 1000) }
    }

    /// Units, rounded away from zero.
    pub fn units(self) -> i64 {
        round_up(self.nanos, NANO)
    }

    /// Thousandths of a unit, rounded away from zero.
    pub fn milli(self) -> i64 {
        round_up(self.nanos, NANO / 1000)
    }

    pub fn is_negative(self) -> bool {
        self.nanos < 0
    }

    pub fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// Whether the value is a whole number of units, as bytes and counts must be.
    pub fn is_whole(self) -> bool {
        self.nanos % NANO == 0
    }

    /// How many `divisor` make up this quantity, rounded up; `None` when the divisor is zero.
    pub fn divide_round_up(self, divisor: Self) -> Option<i64> {
        (divisor.nanos != 0).then(|| round_up(self.nanos, divisor.nanos))
    }

    /// Bytes as one would write them, with the largest suffix that leaves a whole number: `10Mi`, `5M`, `1025`.
    pub fn bytes_text(bytes: u64) -> String {
        const SUFFIXES: [(&str, u64); 10] = [
            ("Pi", 1 << 50),
            ("P", 1_000_000_000_000_000),
            ("Ti", 1 << 40),
            ("T", 1_000_000_000_000),
            ("Gi", 1 << 30),
            ("G", 1_000_000_000),
            ("Mi", 1 << 20),
            ("M", 1_000_000),
            ("Ki", 1 << 10),
            ("k", 1_000),
        ];
        let (suffix, unit) =
            SUFFIXES.into_iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit)).unwrap_or(("", 1));
        format!("{}{suffix}", bytes / unit)
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Empty);
        }
        let (negative, rest) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return Err(QuantityError::NoNumber);
        }
        let scale = parse_suffix(suffix).ok_or(QuantityError::Suffix)?;
        let nanos = scale_to_nanos(whole, fraction, scale);
        Ok(Self { nanos: if negative { -nanos } else { nanos } })
    }
}

impl fmt::Display for Quantity {
    /// Whole units, else thousandths with `m`, else billionths with `n`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.nanos {
            n if n % NANO == 0 => write!(f, "{}", n / NANO),
            n if n % (NANO / 1000) == 0 => write!(f, "{}m", n / (NANO / 1000)),
            n => write!(f, "{n}n"),
        }
    }
}

fn parse_suffix(suffix: &str) -> Option<Scale> {
    Some(match suffix {
        "" => Scale::Ten(0),
        "n" => Scale::Ten(-9),
        "u" => Scale::Ten(-6),
        "m" => Scale::Ten(-3),
        "k" => Scale::Ten(3),
        "M" => Scale::Ten(6),
        "G" => Scale::Ten(9),
        "T" => Scale::Ten(12),
        "P" => Scale::Ten(15),
        "E" => Scale::Ten(18),
        "Ki" => Scale::Two(10),
        "Mi" => Scale::Two(20),
        "Gi" => Scale::Two(30),
        "Ti" => Scale::Two(40),
        "Pi" => Scale::Two(50),
        "Ei" => Scale::Two(60),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            // Anything of more than four digits is far outside the range, whatever its exact value.
            let magnitude = digits.parse::<i64>().unwrap_or(9999).min(9999);
            Scale::Ten(if exponent.starts_with('-') { -magnitude } else { magnitude })
        }
    })
}

/// The value in billionths, at least one when it is not zero, at most [`MAX`].
fn scale_to_nanos(whole: &str, fraction: &str, scale: Scale) -> i128 {
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return 0;
    }
    // Digits that do not fit are below a billionth or above the maximum; that they are there still rounds up.
    let (kept, cut) = digits.split_at(digits.len().min(DIGITS));
    let sticky = cut.bytes().any(|b| b != b'0');
    let mantissa: i128 = kept.parse().expect("at most 37 decimal digits");
    let exponent = cut.len() as i64 - fraction.len() as i64;
    let (nanos, rest) = match scale {
        Scale::Ten(power) => shift_decimal(mantissa, exponent + power + 9),
        Scale::Two(bits) => shift_binary(mantissa, exponent, bits),
    };
    nanos.saturating_add(i128::from(rest || sticky)).min(MAX)
}

/// `value * 10^exponent`, cut down, and whether something was cut off.
fn shift_decimal(value: i128, exponent: i64) -> (i128, bool) {
    match u32::try_from(exponent.unsigned_abs()).ok().and_then(|e| 10_i128.checked_pow(e)) {
        Some(power) if exponent >= 0 => (value.saturating_mul(power), false),
        Some(power) => (value / power, value % power != 0),
        None if exponent >= 0 => (i128::MAX, false),
        None => (0, value != 0),
    }
}

/// `mantissa * 10^exponent * 2^bits` in billionths, cut down, and whether something was cut off.
fn shift_binary(mantissa: i128, exponent: i64, bits: u32) -> (i128, bool) {
    let factor = 1_i128 << bits;
    let (whole, _) = shift_decimal(mantissa, exponent);
    let units = whole.saturating_mul(factor).saturating_mul(NANO);
    if exponent >= 0 {
        return (units, false);
    }
    // The fraction to eighteen digits: its product with 2^60 still fits.
    let places = u32::try_from(-exponent).unwrap_or(u32::MAX).min(DIGITS as u32);
    let power = 10_i128.pow(places);
    let (fraction, cut) = match places {
        0..=18 => (mantissa % power * 10_i128.pow(18 - places), false),
        _ => (mantissa % power / 10_i128.pow(places - 18), mantissa % power % 10_i128.pow(places - 18) != 0),
    };
    let scaled = fraction * factor;
    let unit = 10_i128.pow(18);
    let nanos = scaled / unit * NANO + scaled % unit * NANO / unit;
    (units.saturating_add(nanos), cut || scaled % unit * NANO % unit != 0)
}

/// Divides and rounds away from zero.
fn round_up(value: i128, divisor: i128) -> i64 {
    let (quotient, rest) = (value / divisor, value % divisor);
    let away = if rest == 0 { 0 } else { (value.signum() * divisor.signum()).signum() };
    i64::try_from(quotient + away).unwrap_or(if quotient > 0 { i64::MAX } else { i64::MIN })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nanos(text: &str) -> i128 {
        text.parse::<Quantity>().unwrap_or_else(|e| panic!("{text}: {e}")).nanos
    }

    #[test]
    fn forms_of_the_api_reference() {
        for (text, units, milli) in [
            ("0", 0, 0),
            ("1", 1, 1000),
            ("+1", 1, 1000),
            ("-1", -1, -1000),
            ("500m", 1, 500),
            ("1.5", 2, 1500),
            (".5", 1, 500),
            ("5.", 5, 5000),
            ("100u", 1, 1),
            ("1n", 1, 1),
            ("1k", 1000, 1_000_000),
            ("128Mi", 134_217_728, 134_217_728_000),
            ("1.5Gi", 1_610_612_736, 1_610_612_736_000),
            ("0.1Ki", 103, 102_400),
            ("1e3", 1000, 1_000_000),
            ("1E3", 1000, 1_000_000),
            ("12e-1", 2, 1200),
            ("1E", 1_000_000_000_000_000_000, i64::MAX),
            ("9223372036854775807", i64::MAX, i64::MAX),
            ("1e400", i64::MAX, i64::MAX),
            ("100Ei", i64::MAX, i64::MAX),
            ("1e-400", 1, 1),
            ("000123.4500", 124, 123_450),
        ] {
            let quantity: Quantity = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!((quantity.units(), quantity.milli()), (units, milli), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity() {
        for (text, error) in [
            ("", QuantityError::Empty),
            ("-", QuantityError::NoNumber),
            (".", QuantityError::NoNumber),
            ("1.2.3", QuantityError::NoNumber),
            ("Gi", QuantityError::NoNumber),
            ("1 Gi", QuantityError::Suffix),
            ("1K", QuantityError::Suffix),
            ("1gi", QuantityError::Suffix),
            ("1GB", QuantityError::Suffix),
            ("1e", QuantityError::Suffix),
            ("1e3Ki", QuantityError::Suffix),
            ("1é", QuantityError::Suffix),
        ] {
            assert_eq!(text.parse::<Quantity>(), Err(error), "{text}");
        }
    }

    #[test]
    fn values_compare_whatever_their_form() {
        assert_eq!(nanos("1"), nanos("1000m"));
        assert_eq!(nanos("1Ki"), nanos("1.024k"));
        assert_eq!(nanos("0.5Gi"), nanos("512Mi"));
        assert!(nanos("1M") < nanos("1Mi"));
    }

    #[test]
    fn divisors_round_up() {
        let divide = |a: &str, b: &str| a.parse::<Quantity>().unwrap().divide_round_up(b.parse().unwrap());
        assert_eq!(divide("1250m", "1"), Some(2));
        assert_eq!(divide("1250m", "1m"), Some(1250));
        assert_eq!(divide("64Mi", "1Mi"), Some(64));
        assert_eq!(divide("65M", "1Mi"), Some(62));
        assert_eq!(divide("1", "0"), None);
    }

    #[test]
    fn bytes_are_written_with_the_suffix_that_fits() {
        for text in ["0", "1", "1025", "1Ki", "6k", "10Mi", "1000Ki", "50M", "5G", "1536Mi", "3Gi", "1500M"] {
            let bytes = text.parse::<Quantity>().unwrap().units() as u64;
            assert_eq!(Quantity::bytes_text(bytes), text);
        }
    }

    proptest! {
        #[test]
        fn whole_numbers_survive(n in any::<i64>()) {
            let quantity: Quantity = n.to_string().parse().unwrap();
            prop_assert_eq!(quantity.units(), n.max(-i64::MAX));
        }

        #[test]
        fn display_reads_back(milli in any::<i32>()) {
            let quantity = Quantity::from_milli(milli.into());
            prop_assert_eq!(quantity.to_string().parse::<Quantity>().unwrap(), quantity);
        }

        #[test]
        fn binary_suffixes_multiply(n in 0_i64..1_000_000, power in 1_u32..5) {
            let suffix = ["", "Ki", "Mi", "Gi", "Ti"][power as usize];
            let quantity: Quantity = format!("{n}{suffix}").parse().unwrap();
            prop_assert_eq!(quantity.units(), n << (10 * power));
        }

        #[test]
        fn any_text_parses_or_is_refused(text in "[-+]?[0-9.]{0,60}([a-zA-Z]{0,3}|[eE][-+]?[0-9]{1,6})") {
            if let Ok(quantity) = text.parse::<Quantity>() {
                prop_assert!(quantity.nanos.abs() <= MAX);
                prop_assert_eq!(quantity.is_negative(), text.starts_with('-') && !quantity.is_zero());
            }
        }
    }
}
