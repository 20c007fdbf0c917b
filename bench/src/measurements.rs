//! The single measurements, and their medians and ratios.

use std::{collections::BTreeMap, fmt::Write as _};

/// The subject of a measurement: a scenario of a section and, if it varies, a number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub section: &'static str,
    pub scenario: &'static str,
    pub at: u64,
}

/// Returns the key of a scenario at a number.
pub fn key(section: &'static str, scenario: &'static str, at: u64) -> Key {
    Key { section, scenario, at }
}

struct Single {
    key: Key,
    repeat: usize,
    value: f64,
    unit: &'static str,
}

#[derive(Default)]
pub struct Measurements {
    singles: Vec<Single>,
    by_key: BTreeMap<Key, BTreeMap<usize, f64>>,
}

impl Measurements {
    pub fn record(&mut self, key: Key, repeat: usize, value: f64, unit: &'static str) {
        let before = self.by_key.entry(key.clone()).or_default().insert(repeat, value);
        assert!(before.is_none(), "{key:?} was measured twice in repeat {repeat}");
        self.singles.push(Single { key, repeat, value, unit });
    }

    pub fn has(&self, section: &str) -> bool {
        self.by_key.keys().any(|key| key.section == section)
    }

    pub fn median(&self, key: &Key) -> Option<f64> {
        median(self.by_key.get(key)?.values().copied())
    }

    /// Returns the median of the ratios of the repeats.
    pub fn ratio(&self, this: &Key, that: &Key) -> Option<f64> {
        self.compared(this, that, |this, that| this / that)
    }

    /// Returns the median of the differences of the repeats.
    pub fn difference(&self, this: &Key, that: &Key) -> Option<f64> {
        self.compared(this, that, |this, that| this - that)
    }

    fn compared(&self, this: &Key, that: &Key, compare: impl Fn(f64, f64) -> f64) -> Option<f64> {
        let that = self.by_key.get(that)?;
        let both = self.by_key.get(this)?.iter().filter_map(|(repeat, value)| Some((*value, *that.get(repeat)?)));
        median(both.map(|(this, that)| compare(this, that)))
    }

    /// Returns all measurements in their order, as CSV.
    pub fn csv(&self) -> String {
        let mut csv = String::from("section,scenario,at,repeat,value,unit\n");
        for Single { key, repeat, value, unit } in &self.singles {
            writeln!(csv, "{},{},{},{},{value:.4},{unit}", key.section, key.scenario, key.at, repeat + 1)
                .expect("a String takes everything");
        }
        csv
    }
}

pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    quantile(values, 0.5)
}

/// Interpolates between two values.
pub fn quantile(values: impl IntoIterator<Item = f64>, part: f64) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let place = part * values.len().checked_sub(1)? as f64;
    let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_values_is_between_the_middle_ones() {
        assert_eq!(median([4.0, 1.0, 3.0]), Some(3.0));
        assert_eq!(median([4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median([]), None);
        assert_eq!(quantile((0..=100).map(f64::from), 0.99), Some(99.0));
    }

    #[test]
    fn a_ratio_is_the_median_of_the_ratios_of_the_repeats() {
        let mut measured = Measurements::default();
        for (repeat, (this, that)) in [(10.0, 10.0), (40.0, 20.0), (90.0, 10.0)].into_iter().enumerate() {
            measured.record(key("s", "this", 0), repeat, this, "1/s");
            measured.record(key("s", "that", 0), repeat, that, "1/s");
        }
        assert_eq!(measured.ratio(&key("s", "this", 0), &key("s", "that", 0)), Some(2.0));
        assert_eq!(measured.ratio(&key("s", "this", 0), &key("s", "none", 0)), None);
    }
}
