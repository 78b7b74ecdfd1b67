//! From a figure to a place.

use crate::figures::decimal;

/// A logarithmic scale: as far from 1 to 10 as from 10 to 100.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

/// Above so many powers of ten, only they are marked.
const DECADES: f64 = 2.4;

impl Log {
    /// A scale for all of `values`, from one place to another, with a little room.
    pub fn around(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let low = values.clone().min_by(f64::total_cmp).unwrap_or(1.0);
        let high = values.max_by(f64::total_cmp).unwrap_or(1.0);
        Self { low: low * 0.85, high: high * 1.15, from, to }
    }

    /// A scale between two figures.
    pub fn between(low: f64, high: f64, from: f64, to: f64) -> Self {
        Self { low, high, from, to }
    }

    /// Where a figure is; what is below the scale is at its begin.
    pub fn place(&self, value: f64) -> f64 {
        let part = (value.max(self.low) / self.low).ln() / (self.high / self.low).ln();
        self.from + part * (self.to - self.from)
    }

    /// The figures to mark.
    pub fn ticks(&self) -> Vec<f64> {
        let is_wide = (self.high / self.low).log10() > DECADES;
        let steps: &[f64] = if is_wide { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let ticks =
            decades.flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
        ticks.filter(|tick| (self.low..=self.high).contains(tick)).collect()
    }
}

/// A mark of a scale, as short as it can be.
pub fn mark(value: f64) -> String {
    if value < 1.0 { format!("{}", (value * 100.0).round() / 100.0) } else { decimal(value, 0) }
}

/// Moves places apart that are closer than `gap`, as little as that needs, and keeps them in order and
/// between two ends if there is room.
pub fn spread(places: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|one, other| places[*one].total_cmp(&places[*other]));
    // Those that touch move together, around their middle.
    let mut heaps: Vec<(f64, Vec<usize>)> = Vec::new();
    for index in order {
        heaps.push((clamped(places[index], 1, gap, low, high), vec![index]));
        while let [.., before, last] = &mut heaps[..] {
            if before.0 + reach(before.1.len(), gap) + gap <= last.0 - reach(last.1.len(), gap) {
                break;
            }
            before.1.append(&mut last.1);
            let count = before.1.len();
            let middle = before.1.iter().map(|at| places[*at]).sum::<f64>() / count as f64;
            before.0 = clamped(middle, count, gap, low, high);
            heaps.pop();
        }
    }
    let mut spread = places.to_vec();
    for (middle, members) in heaps {
        let first = middle - reach(members.len(), gap);
        for (number, index) in members.into_iter().enumerate() {
            spread[index] = first + number as f64 * gap;
        }
    }
    spread
}

/// From the middle of so many places to the outer ones.
fn reach(count: usize, gap: f64) -> f64 {
    gap * (count as f64 - 1.0) / 2.0
}

fn clamped(middle: f64, count: usize, gap: f64, low: f64, high: f64) -> f64 {
    let reach = reach(count, gap);
    middle.min(high - reach).max(low + reach)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_where_it_has_to() {
        let scale = Log::between(1.0, 100.0, 200.0, 0.0);
        assert_eq!(
            [0.5, 1.0, 10.0, 100.0].map(|value| scale.place(value)),
            [200.0, 200.0, 100.0, 0.0]
        );
        assert_eq!(scale.ticks(), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        assert_eq!(Log::between(1.0, 1e4, 0.0, 1.0).ticks(), [1.0, 10.0, 100.0, 1e3, 1e4]);
    }

    #[test]
    fn labels_keep_their_order_and_their_distance() {
        let places = [50.0, 51.0, 10.0, 52.0, 99.0, 98.0];
        let spread = spread(&places, 10.0, 0.0, 100.0);
        assert_eq!(spread, [41.0, 51.0, 10.0, 61.0, 100.0, 90.0]);
    }
}
