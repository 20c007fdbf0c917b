//! docs/benchmarks.md, its pictures, and the single measurements.

mod machine;
mod page;
mod pictures;
mod required;
mod tables;

use crate::bench::Bench;
use std::{fs, time::Duration};

pub fn write(bench: &Bench, took: Duration) {
    let folder = bench.options.out.join("benchmarks");
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    fs::write(folder.join("measurements.csv"), bench.measured.csv()).expect("a file in a folder of ours");
    let page = bench.options.out.join("benchmarks.md");
    fs::write(&page, page::text(bench, took)).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
    pictures::draw(bench, &folder);
    println!("    {} is written", page.display());
}

/// Returns the table of requirements.
pub fn required(bench: &Bench) -> String {
    required::table(bench).to_string()
}

/// Formats 151234.5 as "151,235" and 0.4567 as "0.457".
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (place, letter) in whole.chars().enumerate() {
        let left = whole.len() - place;
        if place > 0 && left.is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(letter);
    }
    grouped + rest
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_have_three_digits_or_more() {
        let texts = [0.0, 151_234.5, 1_000_000.0, 999.4, 12.34, 1.234, 0.4567, -0.25, -123_456.0].map(number);
        assert_eq!(texts, ["0", "151,234", "1,000,000", "999", "12.3", "1.23", "0.457", "-0.250", "-123,456"]);
    }
}
