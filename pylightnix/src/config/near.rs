//! Names similar to a mistyped one, for suggestions.

/// Sorts `names` by similarity to `word`, the most similar first. The sort is stable.
pub(crate) fn nearest_first<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<_> = names.map(|name| (distance(word, name), name)).collect();
    names.sort_by_key(|(distance, _)| *distance);
    names.into_iter().map(|(_, name)| name).collect()
}

/// Returns whether `word` may be a mistyped `name`: the edit distance is small for the length of `word`, or one contains the
/// other.
pub(crate) fn is_near(word: &str, name: &str) -> bool {
    distance(word, name) <= 2 + word.chars().count() / 3
}

/// Computes the Levenshtein distance plus one; 0 for equal words. A word that contains the other counts as one edit.
fn distance(one: &str, other: &str) -> usize {
    if one == other {
        return 0;
    }
    if !one.is_empty() && !other.is_empty() && (one.contains(other) || other.contains(one)) {
        return 2;
    }
    strsim::levenshtein(one, other) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_like_it_comes_first() {
        let names = ["built", "scores.json", "score", "train", "bytes"];
        let near = |word| nearest_first(word, names.into_iter());
        assert_eq!(near("score.json")[0], "scores.json");
        assert_eq!(near("trian")[0], "train");
        assert_eq!(near("byte")[0], "bytes");
        assert_eq!(near("built")[0], "built");
        assert!(is_near("trian", "train") && is_near("score", "scores.json"));
        assert!(!is_near("ab", "cd") && !is_near("nobody", "train"));
    }
}
