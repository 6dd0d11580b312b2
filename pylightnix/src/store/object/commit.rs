//! The git commit checked out in the working directory.
//!
//! Read directly from git's files (gitrepository-layout(5)), without running git.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Returns the commit checked out in the working directory, cached at first use; `None` outside of a repository.
pub(in crate::store) fn current() -> Option<String> {
    static COMMIT: OnceLock<Option<String>> = OnceLock::new();
    COMMIT
        .get_or_init(|| of(&std::env::current_dir().ok()?))
        .clone()
}

/// Returns the commit checked out in `folder` or the nearest repository above it.
fn of(folder: &Path) -> Option<String> {
    let git = folder.ancestors().find_map(git_folder)?;
    let head = read(&git.join("HEAD"))?;
    let Some(name) = head.strip_prefix("ref:") else {
        return commit(&head);
    };
    let name = name.trim();
    // Linked work trees share refs through the common directory.
    let common = match read(&git.join("commondir")) {
        Some(common) => git.join(common),
        None => git.clone(),
    };
    let loose = [&git, &common]
        .into_iter()
        .find_map(|folder| read(&folder.join(name)));
    if let Some(loose) = loose {
        return commit(&loose);
    }
    let packed = fs::read_to_string(common.join("packed-refs")).ok()?;
    let found = packed
        .lines()
        .find_map(|line| line.strip_suffix(name)?.strip_suffix(' '));
    commit(found?)
}

/// Returns the git directory if `folder` is the top of a work tree.
fn git_folder(folder: &Path) -> Option<PathBuf> {
    let git = folder.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    // In a linked work tree or a submodule, `.git` is a file.
    Some(folder.join(read(&git)?.strip_prefix("gitdir:")?.trim()))
}

fn read(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim_end().to_owned())
}

fn commit(text: &str) -> Option<String> {
    let is_hash =
        matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn commits_are_found_in_git_s_files() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, ".git/HEAD", "ref: refs/heads/main\n");
        fs::create_dir(root.join("below")).unwrap();
        assert_eq!(of(&root.join("below")), None);
        write(
            root,
            ".git/packed-refs",
            &format!("# pack-refs\n{ONE} refs/heads/main\n"),
        );
        assert_eq!(of(&root.join("below")).as_deref(), Some(ONE));
        write(
            root,
            ".git/refs/heads/main",
            &format!("{}\n", ONE.replace('1', "2")),
        );
        assert_eq!(of(root), Some(ONE.replace('1', "2")));
        write(root, ".git/HEAD", &format!("{ONE}\n"));
        assert_eq!(of(root).as_deref(), Some(ONE));
        // A linked work tree.
        write(root, ".git/worktrees/other/HEAD", "ref: refs/heads/main\n");
        write(root, ".git/worktrees/other/commondir", "../..\n");
        write(
            root,
            "other/.git",
            &format!("gitdir: {}\n", root.join(".git/worktrees/other").display()),
        );
        assert_eq!(of(&root.join("other")), Some(ONE.replace('1', "2")));
        write(root, ".git/HEAD", "nothing that git writes\n");
        assert_eq!(of(root), None);
    }
}
