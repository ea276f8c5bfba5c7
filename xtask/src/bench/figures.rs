//! Rounds become figures: medians, ratios within a round, their spread, and the page that shows them.

use std::fmt::Write as _;

/// Measurements of one case: for each target one value a round, in the same order of rounds.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// What is measured, with load, rate and connection count.
    pub(super) title: String,
    /// Unit of the values.
    pub(super) unit: &'static str,
    /// Target and its values.
    pub(super) rows: Vec<(String, Vec<f64>)>,
    /// Rows that a ratio is taken against: the best of them in the same round.
    pub(super) peers: Vec<String>,
}

impl Table {
    /// Adds the value of one round.
    pub(super) fn add(&mut self, target: &str, value: f64) {
        match self.rows.iter_mut().find(|(name, _)| name == target) {
            Some((_, values)) => values.push(value),
            None => self.rows.push((target.to_owned(), vec![value])),
        }
    }

    /// The table as Markdown: median, spread, ratio to the better peer with its spread.
    pub(super) fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n", self.title);
        let _ = writeln!(
            text,
            "| target | {} (median) | lowest to highest | ratio to the better peer | spread of the ratio |",
            self.unit
        );
        let _ = writeln!(text, "|---|---|---|---|---|");
        for (name, values) in &self.rows {
            let (low, high) = range(values);
            let ratios = self.ratios(values);
            let (ratio_low, ratio_high) = range(&ratios);
            let _ = writeln!(
                text,
                "| {name} | {:.1} | {low:.1} to {high:.1} | {:.2} | {ratio_low:.2} to {ratio_high:.2} |",
                median(values),
                median(&ratios),
            );
        }
        text.push('\n');
        text
    }

    /// Median ratio of one target to the better peer of each round.
    pub(super) fn ratio(&self, target: &str) -> Option<f64> {
        let (_, values) = self.rows.iter().find(|(name, _)| name == target)?;
        let ratios = self.ratios(values);
        (!ratios.is_empty()).then(|| median(&ratios))
    }

    fn ratios(&self, values: &[f64]) -> Vec<f64> {
        values
            .iter()
            .enumerate()
            .filter_map(|(round, value)| Some(value / self.best_peer(round)?))
            .collect()
    }

    fn best_peer(&self, round: usize) -> Option<f64> {
        self.rows
            .iter()
            .filter(|(name, _)| self.peers.contains(name))
            .filter_map(|(_, values)| values.get(round).copied())
            .min_by(f64::total_cmp)
    }
}

/// The middle value; of an even number the lower middle, so that it is a measured one.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
        .get(sorted.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(f64::NAN)
}

/// The value that `share` of the sorted `values` do not exceed.
pub(super) fn quantile(sorted: &[u64], share: f64) -> f64 {
    let at = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(at).map_or(f64::NAN, |value| *value as f64)
}

fn range(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().min_by(f64::total_cmp).unwrap_or(f64::NAN);
    let high = values.iter().copied().max_by(f64::total_cmp).unwrap_or(f64::NAN);
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_measured_values() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn quantiles_do_not_interpolate() {
        let values: Vec<u64> = (1..=100).collect();
        assert_eq!(quantile(&values, 0.5), 50.0);
        assert_eq!(quantile(&values, 0.99), 99.0);
        assert_eq!(quantile(&[7], 0.99), 7.0);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let mut table = Table {
            peers: vec!["a".to_owned(), "b".to_owned()],
            ..Table::default()
        };
        for (a, b, mine) in [(10.0, 20.0, 12.0), (40.0, 20.0, 24.0), (10.0, 10.0, 20.0)] {
            table.add("a", a);
            table.add("b", b);
            table.add("mine", mine);
        }
        assert_eq!(table.ratio("mine"), Some(1.2));
        assert_eq!(table.ratio("nobody"), None);
        assert!(
            table
                .markdown()
                .contains("| mine | 20.0 | 12.0 to 24.0 | 1.20 | 1.20 to 2.00 |"),
            "{}",
            table.markdown()
        );
    }
}
