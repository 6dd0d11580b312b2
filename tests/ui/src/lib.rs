//! The package has no code of its own: its tests are the sources of `tests/ui`, which are compiled one by one.
