"""A result in a store."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import html
from .errors import Damaged, Missing, NotHere
from .load import load
from .record import DREF, Artifact, Record, parse

if TYPE_CHECKING:
    from .store import Store

__all__ = ["Artifact", "Build", "Realization", "Remark"]

BUILD = re.compile(r"build-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.json")


@dataclass(frozen=True)
class Build:
    """Who made a result, when, and with which code; or who imported or accepted it."""

    id: str
    kind: str
    start: str
    stop: str
    fingerprint: str | None
    record: dict[str, Any]
    """All that the build record says."""

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (nanoseconds(self.stop) - nanoseconds(self.start)) / 1e9

    @property
    def made_at(self) -> int:
        """By which it is newer or older than others, in nanoseconds since 1970."""
        python = self.record.get("python")
        if not isinstance(python, dict):
            return nanoseconds(self.stop)
        place = python.get("place")
        return nanoseconds(self.start) + (999 - min(place, 999) if isinstance(place, int) else 0)


@dataclass(frozen=True)
class Remark:
    """A note or a tag that a person attached to a result."""

    kind: str
    text: str
    time: str
    user: str


class Realization:
    """A result: its config, what it was made from, its artifacts and its builds. It never changes, but for notes and builds."""

    def __init__(self, store: Store, rref: str) -> None:
        self.store = store
        self.rref = rref
        """The reference, ``rref:..``."""
        self.dref = "dref:" + rref.split("-", 1)[1]
        """That of its derivation, ``dref:..``."""
        self.name = rref.split("-", 2)[2]
        """The name of its stage."""
        self._place = Path(rref[len("dref:") :].split("-", 1)[1], rref[5:37])

    def __repr__(self) -> str:
        return f"<{self.name} {self.rref[:13]}{', a stub' if self.is_stub else ''}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Realization) and self.rref == other.rref

    def __hash__(self) -> int:
        return hash(self.rref)

    def __reduce__(self) -> tuple[Callable[..., Realization], tuple[Any, ...]]:
        return looked_up, (self.store, self.rref)

    def _repr_html_(self) -> str:
        return html.page(self)

    @property
    def is_stub(self) -> bool:
        """Whether its files are at a remote."""
        return not self._whole.exists()

    @property
    def _whole(self) -> Path:
        return self.store.root / "store-v1" / self._place

    @property
    def folder(self) -> Path:
        """The folder of its records."""
        return self.store.root / "remote-v1" / self._place if self.is_stub else self._whole

    @property
    def out(self) -> Path:
        """The folder of its artifacts, which are read-only."""
        return self._whole / "out"

    @cached_property
    def record(self) -> Record:
        """What the realization is, compared with its reference."""
        try:
            return parse((self.folder / "record").read_bytes(), self.rref)
        except FileNotFoundError:
            raise Missing(f"{self.rref} is not in {self.store.root}") from None

    @property
    def outcome(self) -> str:
        """``ok`` or ``failed``."""
        return self.record.outcome

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """Its files, folders and links, sorted by their paths."""
        return self.record.artifacts

    @property
    def size_bytes(self) -> int:
        """The bytes of its files."""
        return sum(artifact.size for artifact in self.artifacts)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The config of its derivation, as it stands in the store."""
        return self.store.config(self.dref)

    @property
    def fields(self) -> dict[str, Any]:
        """The values in its config, and those of fields that the config leaves out as they have their defaults. Without promises and
        dependencies."""
        newest = next(iter(self.builds_newest_first), None)
        omitted = newest.record.get("omitted", {}) if newest else {}
        plain = {key: value for key, value in self.config.items() if key != "name" and not is_reference(value)}
        return {**plain, **omitted}

    @property
    def promises(self) -> dict[str, str]:
        """The artifacts that its config promises: their paths, by the names of the fields."""
        found = {}
        for key, value in self.config.items():
            if isinstance(value, list) and value[:1] == ["__self__"]:
                found[key] = "/".join(value[1:])
        return found

    @property
    def deps(self) -> dict[str, Realization | list[Realization]]:
        """What it was made from, by the fields of its config: one result, or a list where the field is a list, or its results are several
        or none."""
        found: dict[str, Realization | list[Realization]] = {}
        for key, value in self.config.items():
            results = [made for dref in drefs(value) for made in self.made_from(dref)]
            if results or drefs(value):
                found[key] = results[0] if is_single(value) and len(results) == 1 else results
        return found

    def made_from(self, dref: str) -> list[Realization]:
        """Returns the results of a direct dependency that it was made from."""
        return [Realization(self.store, rref) for rref in self.record.context.get(dref, ())]

    def context_pairs(self) -> Iterator[tuple[str, Realization]]:
        """Iterates over the names and the results of the direct dependencies."""
        for dref in self.record.context:
            for made in self.made_from(dref):
                yield made.name, made

    @property
    def builds(self) -> list[Build]:
        """Its builds, imports and acceptances, oldest first."""
        return [build for build in self._records() if "attached" not in build.record]

    @property
    def builds_newest_first(self) -> list[Build]:
        """Those whose time is ahead of this machine's clock come last."""
        now = self.store.now()
        return sorted(reversed(self.builds), key=lambda build: build.made_at > now)

    @property
    def last_built(self) -> int:
        """When its newest build ended, or its newest import or acceptance if there is no build, in nanoseconds since 1970."""
        now = self.store.now()
        known = [build for build in self.builds if build.made_at <= now]
        built = [build for build in known if build.kind == "build"]
        return max((build.made_at for build in built or known), default=-1)

    @property
    def remarks(self) -> list[Remark]:
        """Its notes and tags, oldest first, without those that were retracted."""
        attached = [(one.id, one.record) for one in self._records() if isinstance(one.record.get("attached"), dict)]
        retracted = {gone for _, record in attached for gone in record["attached"].get("retracts", [])}
        found = []
        for identifier, record in attached:
            for kind in ("note", "tag"):
                text = record["attached"].get(kind)
                if isinstance(text, str) and identifier not in retracted:
                    found.append(Remark(kind, text, record["attached"].get("time", ""), record.get("user", "")))
        return found

    @property
    def tags(self) -> list[str]:
        """The names of its tags, sorted."""
        return sorted({remark.text for remark in self.remarks if remark.kind == "tag"})

    def _records(self) -> list[Build]:
        found = []
        for entry in sorted(os.listdir(self.folder)):
            name = BUILD.fullmatch(entry)
            if name is None:
                continue
            try:
                record = json.loads((self.folder / entry).read_bytes())
                build = Build(name[1], record["kind"], record["start"], record["stop"], record.get("fingerprint"), record)
                nanoseconds(build.start), nanoseconds(build.stop)
                found.append(build)
            except (ValueError, KeyError, TypeError):
                continue  # what cannot be read counts for nothing
        return found

    def has(self, artifact: str) -> bool:
        """Whether there is an artifact with this path in ``out/``, or one that this field promises. Its files may be at a remote."""
        artifact = self.promises.get(artifact, artifact)
        return any(one.path == artifact for one in self.artifacts)

    def path(self, artifact: str = "") -> Path:
        """Returns the path of an artifact, by its path in ``out/`` or by the field that promises it.

        Raises :class:`NotHere` if its files are at a remote, and :class:`Missing` if there is no such artifact.
        """
        artifact = self.promises.get(artifact, artifact)
        there = [one.path for one in self.artifacts]
        if artifact and artifact not in there:
            raise Missing(f"{self.rref} has no artifact {artifact!r}: there is {', '.join(there) or 'none'}")
        if self.is_stub:
            command = ["pylightnix", "pull", self.rref, "--store", str(self.store.root)]
            try:
                address = (self.folder / "remote").read_text(encoding="utf-8").strip()
            except (OSError, ValueError):
                address = ""  # not every stub says where its files are
            command += ["--remote", address] if address else []
            raise NotHere(f"the files of {self.rref} are not in {self.store.root}: `{shlex.join(command)}` fetches them from a remote")
        return self.out / artifact if artifact else self.out

    def load(self, artifact: str) -> Any:
        """Loads an artifact, by the end of its name: ``.npy`` and ``.npz`` by NumPy, ``.csv``, ``.parquet`` and ``.arrow`` by pandas, ``.json``,
        ``.toml``, texts; anything else as bytes."""
        return load(self.path(artifact))

    def verify(self) -> list[str]:
        """Compares everything with its hashes, and returns what is wrong: nothing, if all is sound. Reads all files; of a stub only the
        records are here."""
        wrong: list[str] = []
        try:
            record = self.record
            raw = self.store.raw_config(self.dref)
        except (Damaged, Missing) as error:
            return [str(error)]
        if hashlib.sha256(raw).hexdigest() != record.derivation:
            wrong.append("its config is that of another derivation")
        if self.is_stub:
            return wrong
        for one in record.artifacts:
            fault = verified(self.out / one.path, one)
            if fault:
                wrong.append(f"{one.path} {fault}")
        known = {one.path for one in record.artifacts}
        for folder, folders, files in os.walk(self.out):
            for name in folders + files:
                path = os.path.relpath(os.path.join(folder, name), self.out)
                if path not in known:
                    wrong.append(f"{path} does not belong there")
        return wrong

    def as_json(self) -> dict[str, Any]:
        """Returns what ``pylightnix show --json`` says of it, as far as this package reads it."""
        answer: dict[str, Any] = {
            "rref": self.rref,
            "dref": self.dref,
            "name": self.name,
            "outcome": self.outcome,
            "path": str(self.out),
            "config": self.config,
            "context": [{"dref": dref, "rrefs": list(rrefs)} for dref, rrefs in self.record.context.items()],
            "artifacts": [artifact_json(one) for one in self.artifacts],
            "size_bytes": self.size_bytes,
        }
        if self.is_stub:
            answer["stub"] = True
        return answer


def looked_up(store: Store, rref: str) -> Realization:
    """Makes a realization again, in the process that unpickles or copies it, which then uses it."""
    return store._kept(rref)


def is_single(value: Any) -> bool:
    """Whether a value of a config is one dependency: a derivation, or the path of an artifact, which is a list of the derivation and at
    least one part."""
    if isinstance(value, list) and len(value) > 1 and len(drefs(value)) == 1:
        value = value[0]
    return isinstance(value, str) and DREF.fullmatch(value) is not None


def artifact_json(one: Artifact) -> dict[str, Any]:
    shown: dict[str, Any] = {"path": one.path, "kind": one.kind}
    if one.kind == "file":
        shown |= {"size_bytes": one.size, "sha256": one.sha256}
    if one.executable:
        shown["executable"] = True
    if one.kind == "link":
        shown["target"] = one.target
    return shown


def verified(path: Path, one: Artifact) -> str:
    """Returns what is wrong with an artifact."""
    try:
        found = path.lstat()
    except OSError:
        return "is missing"
    if one.kind == "folder":
        return "" if stat.S_ISDIR(found.st_mode) else "is no folder"
    if one.kind == "link":
        return "" if stat.S_ISLNK(found.st_mode) and os.readlink(path) == one.target else "is not that link"
    if not stat.S_ISREG(found.st_mode):
        return "is no file"
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != one.sha256:
        return "does not match its hash"
    return "" if bool(found.st_mode & 0o100) == one.executable else "may be executed, or not, unlike in its record"


def drefs(value: Any) -> list[str]:
    """Returns the references of derivations in a value of a config, at any depth."""
    if isinstance(value, str):
        return [value] if DREF.fullmatch(value) else []
    if isinstance(value, dict):
        value = list(value.values())
    return [dref for item in value for dref in drefs(item)] if isinstance(value, list) else []


def is_reference(value: Any) -> bool:
    return bool(drefs(value)) or (isinstance(value, list) and value[:1] == ["__self__"])


def nanoseconds(time: str) -> int:
    """Reads a time as RFC 3339 writes it, in nanoseconds since 1970."""
    from datetime import datetime

    found = re.fullmatch(r"([0-9T:-]+)(?:\.([0-9]{1,9}))?(Z|[+-][0-9:]+)", time)
    if found is None:
        raise ValueError(f"{time!r} is no time")
    whole = datetime.fromisoformat(found[1] + ("+00:00" if found[3] == "Z" else found[3]))
    return int(whole.timestamp()) * 10**9 + int((found[2] or "0").ljust(9, "0"))
