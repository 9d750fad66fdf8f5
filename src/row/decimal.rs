//! Decimals whose scale is known at run time only.

/// `units / 10^scale` with all its digits, as `Decimal` shows it.
pub(super) fn show(units: i128, scale: u8) -> String {
    let scale = usize::from(scale);
    if scale == 0 {
        return units.to_string();
    }
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    let sign = if units < 0 { "-" } else { "" };
    format!("{sign}{whole}.{part}")
}

/// The units of a text with at most `scale` digits behind the point and 38 in all.
pub(super) fn parse(text: &str, scale: u8) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && part.is_empty()) || !all_digits(whole) || !all_digits(part) {
        return None;
    }
    let missing = usize::from(scale).checked_sub(part.len())?;
    let joined = format!("{whole}{part}{}", "0".repeat(missing));
    let significant = joined.trim_start_matches('0');
    if significant.len() > 38 {
        return None;
    }
    let units: i128 = if significant.is_empty() { 0 } else { significant.parse().ok()? };
    Some(if negative { -units } else { units })
}
