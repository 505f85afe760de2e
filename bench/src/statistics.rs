//! The arithmetic of samples.

/// The median: the value in the middle, or the mean of the two there if their number is even. `None` if there are no values.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// The least and the greatest value. `None` if there are no values.
pub fn range(values: &[f64]) -> Option<(f64, f64)> {
    let least = values.iter().copied().min_by(f64::total_cmp)?;
    Some((least, values.iter().copied().max_by(f64::total_cmp)?))
}

/// How likely values of two groups would lie at least as far apart by chance, if nothing had changed: the exact test of
/// Mann, Whitney and Wilcoxon, two-sided. It looks at the order only, so that one bad round does not decide. 1 if a group is empty.
pub fn chance(before: &[f64], after: &[f64]) -> f64 {
    // Twice the number of pairs in which the later value is greater, so that an equal pair is half of one without fractions.
    let twice_greater: usize = after
        .iter()
        .flat_map(|after| before.iter().map(move |before| after.total_cmp(before)))
        .map(|order| (order as i8 + 1).unsigned_abs() as usize)
        .sum();
    let pairs = before.len() * after.len();
    let distance = twice_greater.abs_diff(pairs);
    let ways = arrangements(before.len(), after.len());
    let extreme = ways.iter().enumerate().filter(|(greater, _)| (2 * greater).abs_diff(pairs) >= distance);
    extreme.map(|(_, ways)| ways).sum::<f64>() / ways.iter().sum::<f64>()
}

/// In how many orders of two groups 0, 1, 2 … pairs have the greater value in the second one.
fn arrangements(first: usize, second: usize) -> Vec<f64> {
    let mut counts = vec![0.0; first * second + 1];
    if first == 0 || second == 0 {
        counts[0] = 1.0;
        return counts;
    }
    // The greatest of all is of the second group, and greater than all of the first; or it is of the first.
    for (greater, ways) in arrangements(first, second - 1).into_iter().enumerate() {
        counts[greater + first] += ways;
    }
    for (greater, ways) in arrangements(first - 1, second).into_iter().enumerate() {
        counts[greater] += ways;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 9.0, 1.0, 2.0]), Some(3.0));
    }

    #[test]
    fn the_range_has_both_ends() {
        assert_eq!(range(&[]), None);
        assert_eq!(range(&[2.0, -1.0, 7.0]), Some((-1.0, 7.0)));
    }

    #[test]
    fn groups_that_do_not_overlap_differ_hardly_by_chance() {
        // Two of the 252 orders of five and five are that extreme.
        let (low, high) = ([1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0]);
        assert!((chance(&low, &high) - 2.0 / 252.0).abs() < 1e-12);
        assert_eq!(chance(&low, &high), chance(&high, &low));
        // Three and three can never be surer than one in ten.
        assert!((chance(&low[..3], &high[..3]) - 0.1).abs() < 1e-12);
    }

    #[test]
    fn groups_that_are_alike_differ_by_chance() {
        assert_eq!(chance(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), 1.0);
        assert!(chance(&[1.0, 3.0, 5.0, 7.0], &[2.0, 4.0, 6.0, 8.0]) > 0.5);
        assert_eq!(chance(&[], &[1.0]), 1.0);
    }
}
