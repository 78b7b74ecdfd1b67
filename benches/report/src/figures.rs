//! Numbers as text, for people.

/// To a tenth, as long as that is something: nanoseconds, bytes.
pub fn tenths(value: f64) -> String {
    decimal(value, usize::from(value < 100.0))
}

/// How many times something is something else.
pub fn times(value: f64) -> String {
    decimal(value, if value < 0.1 { 3 } else { 2_usize.saturating_sub(digits(value)) })
}

/// A figure of which three digits are enough.
pub fn three(value: f64) -> String {
    let is_small = value != 0.0 && value.abs() < 0.1;
    decimal(value, if is_small { 3 } else { 2_usize.saturating_sub(digits(value.abs())) })
}

/// Something that is counted, on average.
pub fn count(value: f64) -> String {
    let is_whole = (value - value.round()).abs() < 0.005 || value >= 1000.0;
    decimal(value, if is_whole { 0 } else { 2 })
}

/// A percentage that something is more or less: `12 % more`.
pub fn percent_more(times: f64) -> String {
    let percent = 100.0 * (times - 1.0);
    let direction = if percent < 0.0 { "less" } else { "more" };
    let decimals = usize::from(percent.abs() < 10.0);
    format!("{} % {direction}", decimal(percent.abs(), decimals))
}

/// Bytes of a message.
pub fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}

/// With a comma between thousands.
pub fn decimal(value: f64, decimals: usize) -> String {
    let digits = format!("{:.decimals$}", value.abs());
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let is_zero = digits.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    let mut text = String::from(if value < 0.0 && !is_zero { "-" } else { "" });
    for (index, digit) in whole.char_indices() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text + rest
}

/// In front of the point, but one: 0 below 10, 1 below 100.
fn digits(value: f64) -> usize {
    if value < 10.0 { 0 } else { value.log10() as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_have_commas_and_nothing_is_minus_zero() {
        let shown = [(0.0, 0), (999.0, 0), (1234.5, 1), (-1_234_567.0, 0), (-0.04, 1)];
        let shown = shown.map(|(value, decimals)| decimal(value, decimals));
        assert_eq!(shown, ["0", "999", "1,234.5", "-1,234,567", "0.0"]);
    }

    #[test]
    fn figures_have_the_digits_that_they_are_worth() {
        assert_eq!([3.456, 99.94, 104_852.2].map(tenths), ["3.5", "99.9", "104,852"]);
        assert_eq!(
            [0.0123, 0.456, 9.876, 45.67, 345.6].map(times),
            ["0.012", "0.46", "9.88", "45.7", "346"]
        );
        assert_eq!([0.0, 1.0, 2.0625, 3.999_9].map(count), ["0", "1", "2.06", "4"]);
        assert_eq!(
            [0.0, 0.0042, 0.1234, 61.27, 1234.6].map(three),
            ["0.00", "0.004", "0.12", "61.3", "1,235"]
        );
        assert_eq!([0.5, 1.034].map(percent_more), ["50 % less", "3.4 % more"]);
        assert_eq!([16, 1024, 1_048_576].map(size), ["16 B", "1 KiB", "1 MiB"]);
    }
}
