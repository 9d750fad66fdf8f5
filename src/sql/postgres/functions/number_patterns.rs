//! Writes and reads numbers by `PostgreSQL`'s templates, such as `FM999,990.00`.

use super::super::failure::{Outcome, failure, refused};
use super::super::numeric::Numeric;
use super::pattern_nodes::quoted;

/// A place of a template.
#[derive(Clone, Debug, PartialEq)]
enum Place {
    /// A digit; `true` for one that is always shown.
    Digit(bool),
    Point,
    Group,
    Sign(Sign),
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sign {
    /// `S`: plus or minus.
    Both,
    /// `MI`: minus or a blank.
    Minus,
    /// `PL`: plus or a blank.
    Plus,
    /// `SG`: plus or minus at this place.
    Fixed,
    /// `PR`: angle brackets around negative numbers.
    Brackets,
}

pub(super) struct Template {
    places: Vec<Place>,
    is_plain: bool,
}

pub(super) fn template(pattern: &str) -> Outcome<Template> {
    let mut found = Template { places: Vec::new(), is_plain: false };
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let (text, after) = quoted(&rest[1..]);
            found.places.push(Place::Text(text));
            rest = after;
            continue;
        }
        let upper = rest.get(..2).unwrap_or_default().to_uppercase();
        let (place, length) = match (first.to_ascii_uppercase(), upper.as_str()) {
            (_, "FM") => {
                found.is_plain = true;
                rest = &rest[2..];
                continue;
            }
            (_, "MI") => (Place::Sign(Sign::Minus), 2),
            (_, "PL") => (Place::Sign(Sign::Plus), 2),
            (_, "SG") => (Place::Sign(Sign::Fixed), 2),
            (_, "PR") => (Place::Sign(Sign::Brackets), 2),
            (_, "TH" | "RN" | "EE") | ('V' | 'L', _) => {
                let what = format!("the pattern \"{pattern}\"");
                return Err(refused(&what, "use 9, 0, D, G, S, MI, PL, SG, PR and FM"));
            }
            ('9', _) => (Place::Digit(false), 1),
            ('0', _) => (Place::Digit(true), 1),
            ('.' | 'D', _) => (Place::Point, 1),
            (',' | 'G', _) => (Place::Group, 1),
            ('S', _) => (Place::Sign(Sign::Both), 1),
            _ => (Place::Text(first.to_string()), first.len_utf8()),
        };
        if place == Place::Point && found.places.contains(&Place::Point) {
            return Err(failure("42601", "multiple decimal points"));
        }
        found.places.push(place);
        rest = &rest[length..];
    }
    Ok(found)
}

/// The number of places for digits before the point, and behind it.
fn places(template: &Template) -> (usize, usize) {
    let point = template.places.iter().position(|place| *place == Place::Point);
    let split = point.unwrap_or(template.places.len());
    let is_digit = |place: &&Place| matches!(place, Place::Digit(_));
    let count = |places: &[Place]| places.iter().filter(is_digit).count();
    (count(&template.places[..split]), count(&template.places[split..]))
}

/// The text of a number.
pub(super) fn written(number: Numeric, template: &Template) -> Outcome<String> {
    let part = places(template).1;
    let rounded = number.rescaled(part as i32)?;
    let text = rounded.text();
    Ok(filled(text.trim_start_matches('-'), part, rounded.units.is_negative(), template))
}

/// The text of a double, of which so many digits count: those behind them are not shown.
pub(super) fn written_double(value: f64, significant: usize, template: &Template) -> String {
    let whole = fixed(value.abs(), 0).len();
    let part = places(template).1.min(significant.saturating_sub(whole));
    let text = fixed(value, part);
    let unsigned = text.trim_start_matches('-');
    filled(unsigned, part, unsigned.len() < text.len(), template)
}

/// A double with so many digits behind the point.
fn fixed(value: f64, digits: usize) -> String {
    match value {
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        value => format!("{value:.digits$}"),
    }
}

/// Puts a number without its sign, of so many digits behind the point, into the places of a
/// template.
fn filled(text: &str, count: usize, is_negative: bool, template: &Template) -> String {
    let whole_places = places(template).0;
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part: Vec<char> = part.chars().collect();
    // Nothing stands for a zero before the point, unless nothing stands behind it.
    let is_shown = !template.is_plain || kept_digits(template, &part) > 0;
    let has_part = !part.is_empty() && is_shown;
    let whole = if whole == "0" && has_part { "" } else { whole };
    if whole.len() > whole_places {
        let digits = vec!['#'; whole_places];
        let cut = cut(template, count, true);
        return laid_out(&cut, &digits, &vec!['#'; count], is_negative);
    }
    let digits: Vec<char> = format!("{whole:>whole_places$}").chars().collect();
    laid_out(&cut(template, part.len(), false), &digits, &part, is_negative)
}

/// The template up to its place for the last of `count` digits behind the point, because
/// `PostgreSQL` ends with the number; the point itself goes with its digits.
fn cut(template: &Template, count: usize, keeps_point: bool) -> Template {
    let point = template.places.iter().position(|place| *place == Place::Point);
    let end = point.filter(|_| count == 0 || count < places(template).1).map(|point| {
        let is_digit = |place: &Place| matches!(place, Place::Digit(_));
        let behind = template.places.iter().enumerate().skip(point);
        let last = behind.filter(|(_, place)| is_digit(place)).nth(count.saturating_sub(1));
        match (count, keeps_point) {
            (0, false) => point,
            (0, true) => point + 1,
            _ => last.map_or(template.places.len(), |(at, _)| at + 1),
        }
    });
    let end = end.unwrap_or(template.places.len());
    Template { places: template.places[..end].to_vec(), is_plain: template.is_plain }
}

/// Puts the digits and the sign into their places.
fn laid_out(template: &Template, digits: &[char], part: &[char], is_negative: bool) -> String {
    let has_sign = template.places.iter().any(|place| matches!(place, Place::Sign(_)));
    let sign = anchored_sign(template, is_negative, has_sign);
    let mut shown = String::new();
    let mut is_open = false;
    let mut at = 0;
    let mut behind = None::<usize>;
    let last_zero = kept_digits(template, part);
    let mut sign = sign;
    // The blank for a sign that is not there stands before the first digit's place.
    let mut blank = (!template.is_plain && !has_sign && !is_negative).then_some(' ');
    for place in &template.places {
        if matches!(place, Place::Digit(_) | Place::Group | Place::Point) {
            shown.extend(blank.take());
        }
        match (place, behind) {
            (Place::Digit(always), None) => {
                let digit = digits.get(at).copied().unwrap_or(' ');
                at += 1;
                is_open |= *always || digit != ' ';
                if is_open {
                    shown.extend(sign.take());
                    shown.push(if digit == ' ' { '0' } else { digit });
                } else if !template.is_plain {
                    shown.push(' ');
                }
            }
            (Place::Digit(_), Some(number)) => {
                if !template.is_plain || number < last_zero {
                    shown.push(part.get(number).copied().unwrap_or('0'));
                }
                behind = Some(number + 1);
            }
            (Place::Group, _) if is_open => shown.push(','),
            (Place::Group, _) => shown.push_str(if template.is_plain { "" } else { " " }),
            (Place::Point, _) => {
                shown.extend(sign.take());
                is_open = true;
                shown.push('.');
                behind = Some(0);
            }
            (Place::Sign(kind), _) => {
                let is_before = !is_open && at == 0;
                if let Some(c) = placed_sign(*kind, is_before, is_negative, template.is_plain) {
                    shown.push(c);
                }
            }
            (Place::Text(text), _) => shown.push_str(text),
        }
    }
    match () {
        () if brackets(template) && is_negative => format!("{}>", bracketed(&shown)),
        () if brackets(template) && !template.is_plain => format!(" {shown} "),
        () => shown,
    }
}

fn brackets(template: &Template) -> bool {
    template.places.contains(&Place::Sign(Sign::Brackets))
}

fn bracketed(shown: &str) -> String {
    let blanks = shown.len() - shown.trim_start().len();
    format!("{}<{}", &shown[..blanks], shown.trim_start())
}

/// The sign that stands directly before the first digit.
fn anchored_sign(template: &Template, is_negative: bool, has_sign: bool) -> Option<char> {
    let is_first = template
        .places
        .iter()
        .find(|place| matches!(place, Place::Sign(_) | Place::Digit(_) | Place::Point));
    match is_first {
        Some(Place::Sign(Sign::Both)) => Some(if is_negative { '-' } else { '+' }),
        _ if !has_sign && is_negative => Some('-'),
        _ => None,
    }
}

/// A sign at its own place.
fn placed_sign(kind: Sign, is_before: bool, is_negative: bool, is_plain: bool) -> Option<char> {
    let blank = if is_plain { None } else { Some(' ') };
    match (kind, is_negative) {
        (Sign::Both, _) if is_before => None,
        (Sign::Both | Sign::Fixed | Sign::Minus, true) => Some('-'),
        (Sign::Both | Sign::Fixed | Sign::Plus, false) => Some('+'),
        (Sign::Minus, false) | (Sign::Plus, true) => blank,
        (Sign::Brackets, _) => None,
    }
}

/// How many digits after the point are shown with `FM`.
fn kept_digits(template: &Template, part: &[char]) -> usize {
    let behind = template.places.iter().skip_while(|place| **place != Place::Point);
    let digits = behind.filter_map(|place| match place {
        Place::Digit(always) => Some(*always),
        _ => None,
    });
    let always = digits.enumerate().filter(|(_, always)| *always).last();
    let always = always.map_or(0, |(at, _)| at + 1);
    let last = part.iter().rposition(|digit| *digit != '0').map_or(0, |at| at + 1);
    always.max(last)
}

/// The number that a text says by the template of `pattern`.
pub(super) fn read(text: &str, template: &Template, pattern: &str) -> Outcome<Numeric> {
    let has_groups = template.places.contains(&Place::Group);
    let mut digits = String::new();
    let mut is_negative = false;
    for c in text.trim().chars() {
        match c {
            '0'..='9' => digits.push(c),
            '.' => digits.push('.'),
            '-' | '<' => is_negative = true,
            '+' | '>' | ' ' => {}
            ',' if has_groups => {}
            c if c.is_alphabetic() || c == '$' || c == '€' => {}
            _ => return Err(failure("22P02", format!("\"{text}\" is no number by \"{pattern}\""))),
        }
    }
    let number = Numeric::parse(&digits)?;
    if is_negative { number.negated() } else { Ok(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(number: &str, pattern: &str) -> String {
        let template = template(pattern).expect("a pattern");
        written(Numeric::parse(number).expect("a number"), &template).expect("a text")
    }

    #[test]
    fn numbers_are_laid_out_as_in_postgres() {
        for (number, pattern, is) in [
            ("485", "999", " 485"),
            ("-485", "999", "-485"),
            ("12", "9999", "   12"),
            ("-12", "9999", "  -12"),
            ("148.5", "999.999", " 148.500"),
            ("148.5", "FM999.999", "148.5"),
            ("148.5", "FM999.990", "148.500"),
            ("0.1", "0.9", " 0.1"),
            ("0.1", "9.9", "  .1"),
            ("-0.1", "99.99", "  -.10"),
            ("0.1", "FM9.99", ".1"),
            ("0", "999", "   0"),
            ("1485", "9,999", " 1,485"),
            ("485", "9,999", "   485"),
            ("1234567.891", "FM999,999,990.00", "1,234,567.89"),
            ("12", "9990999.9", "    0012.0"),
            ("12", "FM9990999.9", "0012."),
            ("12345", "999", " ###"),
            ("12", "S9999", "  +12"),
            ("-12", "9999S", "  12-"),
            ("-485", "999MI", "485-"),
            ("485", "999MI", "485 "),
            ("485", "FM999MI", "485"),
            ("-485", "999PR", "<485>"),
            ("485", "999PR", " 485 "),
            ("485", "\"Good number:\"999", "Good number: 485"),
        ] {
            assert_eq!(shown(number, pattern), is, "{number} as {pattern}");
        }
        assert!(template("RN").is_err());
        let pattern = "99G999D9S";
        let read = read("12,454.8-", &template(pattern).expect("a pattern"), pattern);
        assert_eq!(read.expect("a number").text(), "-12454.8");
    }
}
