//! "Did you mean": the known name that a mistyped word is nearest to.

/// The name with the fewest single-letter edits from `word`, ignoring ASCII case; the first of
/// equals. `None` when every name differs in more than a third of the word's letters.
pub(super) fn nearest<T: AsRef<str>>(word: &str, names: impl Iterator<Item = T>) -> Option<T> {
    let limit = (word.chars().count() / 3).max(1);
    let near = names.map(|name| (edits(word, name.as_ref()), name));
    near.filter(|(edits, _)| *edits <= limit).min_by_key(|(edits, _)| *edits).map(|(_, name)| name)
}

/// Levenshtein distance, row by row (Wagner and Fischer 1974).
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(!a.eq_ignore_ascii_case(b));
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}
