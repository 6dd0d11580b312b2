"""Stores that tests read: the frozen one, and ones that the programs of the repository make."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).parents[3]
PROGRAMS = Path(os.environ.get("PYLIGHTNIX_PROGRAMS", TOP / "target" / "debug"))


class Made:
    """A store, and the programs that work on it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def say(self, program: str, *arguments: str) -> str:
        command = [PROGRAMS / program, *arguments, "--store", str(self.root)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.root.parent, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def shown(self, rref: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.say("store-cli", "show", rref, "--json"))
        return found


def unlocked(root: Path) -> None:
    """Lets pytest remove the folder."""
    for folder, _, _ in os.walk(root):
        os.chmod(folder, 0o755)


@pytest.fixture
def frozen(tmp_path: Path) -> Any:
    """The store of version 1 that every later version reads."""
    with tarfile.open(TOP / "tests" / "data" / "store-v1.tar.gz") as archive:
        archive.extractall(tmp_path, filter="tar")
    root = next(path.parent for path in tmp_path.rglob("format.json"))
    yield Made(root)
    unlocked(root)


@pytest.fixture
def made(tmp_path: Path) -> Any:
    """A store with the results of an experiment."""
    store = Made(tmp_path / "results")
    store.say("experiment", "run", "-q")
    store.say("experiment", "run", "-q", "--count", "4")
    yield store
    unlocked(store.root)
