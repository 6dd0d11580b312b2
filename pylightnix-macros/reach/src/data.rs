//! Files of data that a stage names by patterns: `uses("native/*.c")`.

use std::path::Path;

use glob::{MatchOptions, Pattern, glob_with};

use crate::reached::{ReachedItem, item_of_file};

/// Returns the files in a package that match a pattern, sorted by their paths in it.
///
/// # Errors
/// Fails if the pattern is not valid or matches no file, or if a file cannot be read, in words for people.
pub fn data(folder: &Path, pattern: &str) -> Result<Vec<ReachedItem>, String> {
    let options = MatchOptions {
        // The same files on every system.
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let place = Pattern::escape(&folder.to_string_lossy());
    let paths = glob_with(&format!("{place}/{pattern}"), options)
        .map_err(|error| format!("`{pattern}` is not a valid pattern: {}", error.msg))?;
    let mut items = Vec::new();
    for path in paths {
        let path = path.map_err(|error| format!("`{pattern}` cannot be looked up: {error}"))?;
        if !path.is_file() {
            continue;
        }
        let name = path.strip_prefix(folder).unwrap_or(&path);
        let name = name.to_string_lossy().replace('\\', "/");
        items.push(item_of_file(&path, name));
    }
    items.sort_by(|one, two| one.name.cmp(&two.name));
    match items.is_empty() {
        true => Err(format!("no file of the package matches `{pattern}`")),
        false => Ok(items),
    }
}
