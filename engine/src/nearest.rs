//! The known word nearest to a misspelt one: for every "did you mean".

/// More changes than this are another word, not a slip.
const MAX_EDITS: usize = 3;

/// The known word that needs the fewest single-letter changes, if that is few for its length: at
/// most one per three letters, and never more than three. ASCII case does not matter; the first
/// of equals wins.
pub(crate) fn nearest<T: AsRef<str>>(word: &str, known: impl IntoIterator<Item = T>) -> Option<T> {
    let letters: Vec<char> = word.chars().collect();
    let mut limit = (letters.len() / 3).min(MAX_EDITS);
    let mut best = None;
    for candidate in known {
        if limit == 0 {
            break;
        }
        if let Some(edit_distance) = edit_distance(&letters, candidate.as_ref(), limit) {
            best = Some(candidate);
            // Only a strictly better word may replace it.
            limit = edit_distance.saturating_sub(1);
        }
    }
    best
}

/// `did you mean `x`?` for the nearest known word.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(word, known).map(|near| format!("did you mean `{near}`?"))
}

/// Letters to insert, remove, replace or swap with the next one; `None` when more than `limit`.
fn edit_distance(word: &[char], other: &str, limit: usize) -> Option<usize> {
    let other: Vec<char> = other.chars().collect();
    if word.len().abs_diff(other.len()) > limit {
        return None;
    }
    // Distances of `word`'s beginnings to the last three beginnings of `other`, newest last.
    let mut older = vec![0; word.len() + 1];
    let mut old: Vec<usize> = (0..=word.len()).collect();
    let mut new = old.clone();
    for i in 1..=other.len() {
        new[0] = i;
        for j in 1..=word.len() {
            let replaced =
                old[j - 1] + usize::from(!word[j - 1].eq_ignore_ascii_case(&other[i - 1]));
            new[j] = replaced.min(new[j - 1] + 1).min(old[j] + 1);
            if i > 1 && j > 1 && word[j - 1] == other[i - 2] && word[j - 2] == other[i - 1] {
                new[j] = new[j].min(older[j - 2] + 1);
            }
        }
        if new.iter().chain(&old).all(|distance| *distance > limit) {
            return None;
        }
        std::mem::swap(&mut older, &mut old);
        std::mem::swap(&mut old, &mut new);
    }
    Some(old[word.len()]).filter(|edit_distance| *edit_distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_misspelling_is_recognised_and_another_word_is_not() {
        let known = ["file_modified", "file_moved", "plan", "page_view"];
        for (word, expected) in [
            ("file_modifed", Some("file_modified")),
            ("file_move", Some("file_moved")),
            ("pagevieww", Some("page_view")),
            ("plna", Some("plan")),
            ("pla", Some("plan")),
            ("release", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
