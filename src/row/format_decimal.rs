//! Formats decimals whose scale is known only at run time.

/// Formats `units / 10^scale` with all its digits, as `Decimal` does.
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
