//! What a scalar means: the text of a plain scalar and its tag to a value.

use super::Dialect;
use super::node::Value;

/// Why a tagged scalar has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    #[error("cannot read the value as `{0}`")]
    Mismatch(&'static str),
    #[error("the value of `!!binary` is not base64")]
    Base64,
    #[error("the value of `!!binary` is not UTF-8 text")]
    BinaryText,
}

/// Resolves a plain scalar without a tag.
///
/// [`Dialect::Kubernetes`] follows go-yaml v2, which `kubectl` and the API server's tools use: the YAML 1.1 booleans
/// (`yes`, `on`, `y`), integers in C notation with `_` and a leading `0` for octal, and no base 60.
/// [`Dialect::Compose`] follows go-yaml v3 and v4, where of the booleans only `true` and `false` are left. Timestamps
/// stay text in both.
pub fn resolve(text: &str, dialect: Dialect) -> Value {
    if let Some(value) = word(text, dialect) {
        return value;
    }
    let number = match text.as_bytes().first() {
        Some(b'0'..=b'9' | b'+' | b'-') => {
            let digits = text.replace('_', "");
            integer(&digits).map(Value::Int).or_else(|| float(&digits))
        }
        // As in go-yaml, underscores are not taken out of what starts with a point.
        Some(b'.') => float(text),
        _ => None,
    };
    number.unwrap_or_else(|| Value::String(text.into()))
}

/// Resolves a scalar with a tag of the YAML core, such as `int` of `!!int`. Quoted scalars are read like plain ones then.
/// `None` for tags that mean nothing here: their scalars are strings.
pub fn resolve_tagged(text: &str, tag: &str, dialect: Dialect) -> Option<Result<Value, TagError>> {
    let resolved = || resolve(text, dialect);
    let wanted = match tag {
        "str" | "timestamp" => return Some(Ok(Value::String(text.into()))),
        "binary" => return Some(binary(text)),
        "int" => "!!int",
        "float" => "!!float",
        "bool" => "!!bool",
        "null" => "!!null",
        _ => return None,
    };
    Some(match (wanted, resolved()) {
        ("!!float", Value::Int(i)) => Ok(Value::Float(i as f64)),
        ("!!float", value @ Value::Float(_))
        | ("!!int", value @ Value::Int(_))
        | ("!!bool", value @ Value::Bool(_))
        | ("!!null", value @ Value::Null) => Ok(value),
        _ => Err(TagError::Mismatch(wanted)),
    })
}

/// Whether Kubernetes' readers take this plain text for something other than a string.
pub fn needs_quotes(text: &str) -> bool {
    !matches!(resolve(text, Dialect::Kubernetes), Value::String(_))
}

fn word(text: &str, dialect: Dialect) -> Option<Value> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" if dialect == Dialect::Kubernetes => Value::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" if dialect == Dialect::Kubernetes => Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Value::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

/// Integers as Go's `strconv.ParseInt` and `ParseUint` with base 0 read them; from -2^63 up to 2^64-1.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&digits[2..], 16),
        [b'0', b'b' | b'B', ..] => (&digits[2..], 2),
        [b'0', b'o' | b'O', ..] => (&digits[2..], 8),
        [b'0', _, ..] => (&digits[1..], 8),
        _ => (digits, 10),
    };
    // from_str_radix would take a second sign.
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let size = i128::from(u64::from_str_radix(digits, radix).ok()?);
    match (negative, text.starts_with('+')) {
        (true, _) => (size <= 1 << 63).then_some(-size),
        // ParseUint knows no sign.
        (false, true) => (size < 1 << 63).then_some(size),
        (false, false) => Some(size),
    }
}

/// Floats of the form `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`.
fn float(text: &str) -> Option<Value> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mantissa_fits = digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    let exponent_fits = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['-', '+']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    let number: f64 = (mantissa_fits && exponent_fits).then(|| text.parse().ok()).flatten()?;
    // Go refuses what overflows, and the scalar stays text.
    number.is_finite().then_some(Value::Float(number))
}

fn binary(text: &str) -> Result<Value, TagError> {
    let bytes = super::base64::decode(text).ok_or(TagError::Base64)?;
    let text = String::from_utf8(bytes).map_err(|_| TagError::BinaryText)?;
    Ok(Value::String(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(s: &str) -> Value {
        Value::String(s.into())
    }

    #[test]
    fn kubernetes_scalars_resolve_as_in_go_yaml_v2() {
        let table: &[(&str, Value)] = &[
            ("yes", Value::Bool(true)),
            ("Off", Value::Bool(false)),
            ("y", Value::Bool(true)),
            ("N", Value::Bool(false)),
            ("oN", string("oN")),
            ("TRUE", Value::Bool(true)),
            ("tRUE", string("tRUE")),
            ("", Value::Null),
            ("~", Value::Null),
            ("Null", Value::Null),
            ("nil", string("nil")),
            ("0", Value::Int(0)),
            ("-0", Value::Int(0)),
            ("0644", Value::Int(420)),
            ("0o644", Value::Int(420)),
            ("0O17", Value::Int(15)),
            ("-0644", Value::Int(-420)),
            ("08", Value::Float(8.0)),
            ("0_8", Value::Float(8.0)),
            ("1_000", Value::Int(1000)),
            ("1_", Value::Int(1)),
            ("_1", string("_1")),
            ("0b11", Value::Int(3)),
            ("-0b11", Value::Int(-3)),
            ("0x1f", Value::Int(31)),
            ("0X1F", Value::Int(31)),
            ("0x", string("0x")),
            ("0xg", string("0xg")),
            ("+12", Value::Int(12)),
            ("++1", string("++1")),
            ("-", string("-")),
            ("0x-1", string("0x-1")),
            ("9223372036854775807", Value::Int(i128::from(i64::MAX))),
            ("-9223372036854775808", Value::Int(i128::from(i64::MIN))),
            ("18446744073709551615", Value::Int(i128::from(u64::MAX))),
            ("18446744073709551616", Value::Float(18446744073709551616.0)),
            ("+18446744073709551615", Value::Float(18446744073709551615.0)),
            ("1.5", Value::Float(1.5)),
            ("1.", Value::Float(1.0)),
            (".5", Value::Float(0.5)),
            ("-.5", Value::Float(-0.5)),
            (".", string(".")),
            (".5.1", string(".5.1")),
            (".1_0", string(".1_0")),
            ("1_0.5", Value::Float(10.5)),
            ("1e3", Value::Float(1000.0)),
            ("1e", string("1e")),
            ("1E+2", Value::Float(100.0)),
            ("1e999", string("1e999")),
            (".inf", Value::Float(f64::INFINITY)),
            ("-.Inf", Value::Float(f64::NEG_INFINITY)),
            ("inf", string("inf")),
            ("infinity", string("infinity")),
            ("+inf", string("+inf")),
            ("190:20:30", string("190:20:30")),
            ("2001-12-14", string("2001-12-14")),
            ("2001-12-14T21:59:43Z", string("2001-12-14T21:59:43Z")),
            ("1.2.3", string("1.2.3")),
            ("1Gi", string("1Gi")),
            ("100m", string("100m")),
            ("0x1p-2", string("0x1p-2")),
            ("é", string("é")),
        ];
        for (text, value) in table {
            assert_eq!(&resolve(text, Dialect::Kubernetes), value, "{text:?}");
        }
        assert!(matches!(resolve(".NaN", Dialect::Kubernetes), Value::Float(f) if f.is_nan()));
    }

    #[test]
    fn compose_scalars_resolve_as_in_go_yaml_v3() {
        for text in ["yes", "no", "on", "Off", "y", "N"] {
            assert_eq!(resolve(text, Dialect::Compose), string(text));
        }
        assert_eq!(resolve("True", Dialect::Compose), Value::Bool(true));
        assert_eq!(resolve("0644", Dialect::Compose), Value::Int(420));
        assert_eq!(resolve("0o644", Dialect::Compose), Value::Int(420));
        assert_eq!(resolve("22:22", Dialect::Compose), string("22:22"));
    }

    #[test]
    fn tags_decide_what_a_scalar_is() {
        let tagged = |text, tag| resolve_tagged(text, tag, Dialect::Kubernetes);
        assert_eq!(tagged("12", "str"), Some(Ok(string("12"))));
        assert_eq!(tagged("0644", "int"), Some(Ok(Value::Int(420))));
        assert_eq!(tagged("3", "float"), Some(Ok(Value::Float(3.0))));
        assert_eq!(tagged("yes", "bool"), Some(Ok(Value::Bool(true))));
        assert_eq!(tagged("x", "int"), Some(Err(TagError::Mismatch("!!int"))));
        assert_eq!(tagged("1.5", "int"), Some(Err(TagError::Mismatch("!!int"))));
        assert_eq!(tagged("aGVsbG8=", "binary"), Some(Ok(string("hello"))));
        assert_eq!(tagged("%%", "binary"), Some(Err(TagError::Base64)));
        assert_eq!(tagged("/w==", "binary"), Some(Err(TagError::BinaryText)));
        assert_eq!(tagged("x", "custom"), None);
    }
}
