//! What stands at a key path of a ping.

/// What stands at a key path, before it is held against the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// An integer from 0 to 2^63 - 1.
    Integer(i64),
    /// -1: the count took too long.
    Timeout,
    /// -2: the counter failed.
    Error,
    /// -1000: the metric is no longer counted.
    Deprecated,
    /// Any other negative number without a fraction.
    Negative,
    /// An integer of 2^63 or more.
    TooLarge,
    /// A number with a decimal point or an exponent.
    Fraction,
    /// A text, which is not kept.
    String,
    /// Null.
    Null,
    /// True or false.
    Boolean,
    /// A list, which is not kept.
    Array,
    /// An object; what it holds has key paths of its own.
    Object,
}

/// All contents but integers, and how the table calls them: never to be changed.
const KINDS: [(Content, &str); 11] = [
    (Content::Timeout, "timeout"),
    (Content::Error, "error"),
    (Content::Deprecated, "deprecated"),
    (Content::Negative, "negative"),
    (Content::TooLarge, "too_large"),
    (Content::Fraction, "fraction"),
    (Content::String, "string"),
    (Content::Null, "null"),
    (Content::Boolean, "boolean"),
    (Content::Array, "list"),
    (Content::Object, "object"),
];

impl Content {
    /// The content of a number as JSON writes it.
    pub fn of_number(number: &str) -> Self {
        match number.parse::<i64>() {
            Ok(value @ 0..) => Self::Integer(value),
            Ok(-1) => Self::Timeout,
            Ok(-2) => Self::Error,
            Ok(-1000) => Self::Deprecated,
            _ if number.contains(['.', 'e', 'E']) => Self::Fraction,
            _ if number.starts_with('-') => Self::Negative,
            _ => Self::TooLarge,
        }
    }

    /// An integer as it is, any other content as a negative number.
    #[inline]
    pub fn code(self) -> i64 {
        match self {
            Self::Integer(value) => value,
            other => -1 - Self::kind(other) as i64,
        }
    }

    /// The content of a [`code`](Self::code).
    #[inline]
    pub fn of_code(code: i64) -> Self {
        if code >= 0 { Self::Integer(code) } else { KINDS[(-1 - code) as usize].0 }
    }

    fn kind(self) -> usize {
        KINDS.iter().position(|(known, _)| *known == self).unwrap_or_default()
    }
}

/// How the table calls the content of a [code](Content::code); `None` for integers.
pub(super) fn kind_of_code(code: i64) -> Option<&'static str> {
    (code < 0).then(|| KINDS[(-1 - code) as usize].1)
}

/// The [code](Content::code) of what the table calls so.
pub(super) fn code_of_kind(kind: &str) -> Option<i64> {
    let at = KINDS.iter().position(|(_, known)| *known == kind)?;
    Some(-1 - at as i64)
}
