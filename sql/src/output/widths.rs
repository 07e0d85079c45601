//! Widths of columns that fit on a line.

/// Texts are not cut below this width.
pub(super) const NARROWEST: usize = 8;

/// The widths, of which those that `may_shrink` are cut, the widest first, until a line of them fits
/// into `room` with `gap` between columns. `None` if that would cut one below [`NARROWEST`].
pub(super) fn fit(
    widths: &[usize],
    may_shrink: &[bool],
    gap: usize,
    room: usize,
) -> Option<Vec<usize>> {
    let narrowed = |cap: usize| -> Vec<usize> {
        let width = |(width, may): (&usize, &bool)| if *may { (*width).min(cap) } else { *width };
        widths.iter().zip(may_shrink).map(width).collect()
    };
    let widest = widths.iter().copied().max().unwrap_or(0).max(NARROWEST);
    let mut narrowed = (NARROWEST..=widest).rev().map(narrowed);
    narrowed.find(|widths| line_width(widths, gap) <= room)
}

/// Width of a line of columns.
pub(super) fn line_width(widths: &[usize], gap: usize) -> usize {
    widths.iter().sum::<usize>() + gap * widths.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::fit;

    #[test]
    fn the_widest_texts_are_cut_first() {
        for (widths, may_shrink, room, expected) in [
            (vec![10, 20], vec![true, true], 32, Some(vec![10, 20])),
            (vec![10, 20], vec![true, true], 30, Some(vec![10, 18])),
            (vec![10, 20, 20], vec![true, true, true], 30, Some(vec![8, 8, 8])),
            (vec![10, 20], vec![true, false], 30, Some(vec![8, 20])),
            (vec![10, 20], vec![true, false], 29, None),
            (vec![3, 9], vec![true, true], 10, None),
            (vec![], vec![], 0, Some(vec![])),
        ] {
            let found = fit(&widths, &may_shrink, 2, room);
            assert_eq!(found, expected, "{widths:?} in {room}");
        }
    }
}
