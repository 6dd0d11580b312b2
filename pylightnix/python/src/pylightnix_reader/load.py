"""Loads artifacts by the ends of their names."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import StoreError


def load(path: Path) -> Any:
    """Returns what a file holds: an array, a table, a value of JSON or TOML, a text, or bytes."""
    return LOADERS.get(path.suffix.lower(), Path.read_bytes)(path)


def needed(name: str, path: Path) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.split(".")[0]
        raise StoreError(f"{path.name} needs {package}, which is not installed: pip install {package}") from error


def array(path: Path) -> Any:
    return needed("numpy", path).load(path, allow_pickle=False)


def toml(path: Path) -> Any:
    return needed("tomllib", path).loads(path.read_text(encoding="utf-8"))


def arrow(path: Path) -> Any:
    with needed("pyarrow.ipc", path).open_file(path) as file:
        return file.read_pandas()


def parquet(path: Path) -> Any:
    return needed("pandas", path).read_parquet(path)


def csv(path: Path) -> Any:
    return needed("pandas", path).read_csv(path)


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


LOADERS: dict[str, Callable[[Path], Any]] = {
    ".npy": array,
    ".npz": array,
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".toml": toml,
    ".csv": csv,
    ".parquet": parquet,
    ".arrow": arrow,
    **dict.fromkeys([".txt", ".md", ".log", ".svg", ".html", ".yaml", ".yml"], text),
}
