//! A stable sort by few keys, in two passes and without comparisons.

/// Sorts items by their keys, which are below `keys`; items of one key keep their order. Also says
/// where those of each key begin, with one place more for the end.
pub(crate) fn counting_sort<T: Copy + Default>(
    items: impl Iterator<Item = (usize, T)> + Clone,
    keys: usize,
) -> (Vec<T>, Vec<usize>) {
    let mut starts = vec![0; keys + 1];
    for (key, _) in items.clone() {
        starts[key + 1] += 1;
    }
    for key in 0..keys {
        starts[key + 1] += starts[key];
    }
    let mut sorted = vec![T::default(); starts[keys]];
    for (key, item) in items {
        sorted[starts[key]] = item;
        starts[key] += 1;
    }
    // Now each start has moved to the next.
    starts.rotate_right(1);
    starts[0] = 0;
    (sorted, starts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::counting_sort;

    proptest! {
        #[test]
        fn items_are_in_the_order_of_their_keys(
            keys in proptest::collection::vec(0usize..9, 0..100),
        ) {
            let items: Vec<(usize, usize)> = keys.iter().copied().zip(0..).collect();
            let mut expected = items.clone();
            expected.sort_by_key(|(key, _)| *key);
            let (sorted, starts) = counting_sort(items.iter().copied(), 9);
            for (key, range) in starts.windows(2).enumerate() {
                let here = sorted[range[0]..range[1]].iter().map(|item| (key, *item));
                let below = expected.iter().take_while(|item| item.0 < key).count();
                prop_assert_eq!(below, range[0]);
                prop_assert_eq!(here.collect::<Vec<_>>(), &expected[range[0]..range[1]]);
            }
            prop_assert_eq!((starts.len(), starts[9]), (10, items.len()));
        }
    }
}
