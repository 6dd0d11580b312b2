"""Reads the record of a realization: what it was made from, and its artifacts."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass

from .errors import Damaged, UnknownVersion

VERSION = "pylightnix-realization-v1"
DREF = re.compile(r"dref:([0-9a-f]{32})-([a-zA-Z0-9_-]{1,200})")
RREF = re.compile(r"rref:([0-9a-f]{32})-([0-9a-f]{32}-[a-zA-Z0-9_-]{1,200})")


@dataclass(frozen=True)
class Artifact:
    """A file, folder or link among the artifacts of a realization."""

    path: str
    kind: str
    """``file``, ``folder`` or ``link``."""
    size: int = 0
    """The bytes of a file."""
    sha256: str = ""
    """The digest of a file."""
    executable: bool = False
    target: str = ""
    """Where a link leads."""


@dataclass(frozen=True)
class Record:
    """The record of a realization."""

    derivation: str
    """The sha256 of the config."""
    context: dict[str, tuple[str, ...]]
    """For each direct dependency the realizations that it was made from."""
    outcome: str
    tree: str
    artifacts: tuple[Artifact, ...]


def parse(raw: bytes, rref: str) -> Record:
    """Parses a record, after comparing it with the reference that it belongs to."""
    found = RREF.fullmatch(rref)
    if found is None or hashlib.sha256(raw).hexdigest()[:32] != found[1]:
        raise Damaged(f"the record of {rref} does not match its reference")
    lines = raw.decode().split("\n")
    if lines[0] != VERSION:
        raise UnknownVersion(f"the record of {rref} begins with {lines[0]!r}, and this package knows {VERSION}")
    context: dict[str, tuple[str, ...]] = {}
    artifacts: list[Artifact] = []
    head: dict[str, str] = {}
    for line in lines[1:-1]:
        word, rest = line.split(" ", 1)
        if word == "dep":
            dref, *rrefs = rest.split(" ")
            context[dref] = tuple(rrefs)
        elif word in ("drv", "res", "out"):
            head[word] = rest
        else:
            artifacts.append(artifact(word, rest))
            if not is_inside(artifacts[-1].path):
                raise Damaged(f"the record of {rref} has an artifact {artifacts[-1].path!r}, which is no path in its folder")
    return Record(head["drv"], context, head["res"], head["out"], tuple(artifacts))


def is_inside(path: object) -> bool:
    """Whether a path cannot lead out of the folder that it is in: also not one that is absolute, which has an empty part."""
    return isinstance(path, str) and not {"", ".", ".."} & set(path.split("/"))


def artifact(word: str, rest: str) -> Artifact:
    path, end = json.JSONDecoder(strict=False).raw_decode(rest)
    rest = rest[end + 1 :]
    if word == "dir":
        return Artifact(path, "folder")
    if word == "link":
        return Artifact(path, "link", target=json.loads(rest, strict=False))
    if word == "file":
        digest, size, mark = rest.split(" ")
        return Artifact(path, "file", int(size), digest, mark == "x")
    raise UnknownVersion(f"a record has a line {word!r}, which this package does not know")
