"""A store on disk."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from .errors import Ambiguous, Damaged, Missing, StoreError, UnknownVersion
from .lease import Lease
from .load import needed
from .realization import Realization

FOLDER = re.compile(r"[0-9a-f]{32}-[a-zA-Z0-9_-]{1,200}")
HASH = re.compile(r"[0-9a-f]{32}")
HEX = re.compile(r"[0-9a-f]+")
OWN = ("rref", "outcome", "build_seconds")
"""The columns of a table that are no fields."""


class Store:
    """A store, for reading.

    Where it can write, it holds a lease as long as it is open: a garbage collection keeps what was looked at. ``close`` it, or use it in a
    ``with``. A copy, one that was pickled, and one in a forked process take a lease of their own.
    """

    def __init__(self, root: str | os.PathLike[str] | None = None, *, lease: bool = True) -> None:
        """Opens the store in the folder ``root``; by default, that of ``$PYLIGHTNIX_ROOT``, else ``~/_pylightnix``."""
        given = root or os.environ.get("PYLIGHTNIX_ROOT") or Path.home() / "_pylightnix"
        self.root = Path(given).resolve()
        try:
            found = json.loads((self.root / "format.json").read_bytes())
        except FileNotFoundError:
            raise Missing(f"{self.root} is no store: it has no format.json") from None
        except ValueError as error:
            raise StoreError(f"{self.root / 'format.json'} cannot be read: {error}") from None
        if not isinstance(found, dict) or found.get("format") != "pylightnix-store":
            raise StoreError(f"{self.root} is no store of Pylightnix")
        if found.get("version") != 1:
            raise UnknownVersion(f"the store {self.root} has the version {found.get('version')}, and this package knows 1: take a newer one")
        self._wants_lease = lease
        self._lease: Lease | None = None
        if lease:
            try:
                self._lease = Lease(self.root)
            except OSError:
                self._lease = None  # somebody else's store, or one that is read-only

    def __reduce__(self) -> tuple[Callable[..., Store], tuple[Any, ...]]:
        return reopened, (type(self), str(self.root), self._wants_lease)

    def __repr__(self) -> str:
        return f"Store({str(self.root)!r})"

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_lease", None) is not None:
            self.close()

    def close(self) -> None:
        """Gives the lease back. What was looked at may be collected then."""
        if self._lease is not None:
            self._lease.close()
            self._lease = None

    def now(self) -> int:
        """The time, in nanoseconds since 1970."""
        return time.time_ns()

    # Derivations

    def _folders(self) -> list[str]:
        return sorted(name for name in os.listdir(self.root / "store-v1") if FOLDER.fullmatch(name))

    def _use(self, folder: str) -> None:
        if self._lease is None:
            return
        try:
            if self._lease.is_inherited:
                own = Lease(self.root)
                try:
                    own.use(self._lease.named)
                except OSError:
                    own.close()
                    raise
                self._lease.close()
                self._lease = own
            self._lease.use(["dref:" + folder])
        except OSError as error:
            # The lease stays: what was looked at before is in it, and the next look-up tries again.
            what = f"the lease on {self.root} cannot be written, and a garbage collection may remove {folder[33:]} ({folder[:8]}): {error}"
            warnings.warn(what, RuntimeWarning, stacklevel=3)

    def raw_config(self, dref: str) -> bytes:
        """Returns the bytes of a config, compared with the reference."""
        folder = dref.removeprefix("dref:")
        try:
            raw = (self.root / "store-v1" / folder / "config.json").read_bytes()
        except FileNotFoundError:
            raise Missing(f"{dref} is not in {self.root}") from None
        if hashlib.sha256(raw).hexdigest()[:32] != folder[:32]:
            raise Damaged(f"the config of {dref} does not match its reference")
        return raw

    def config(self, dref: str) -> dict[str, Any]:
        """Returns the config of a derivation."""
        found = json.loads(self.raw_config(dref))
        if not isinstance(found, dict):
            raise Damaged(f"the config of {dref} is no object")
        return found

    # Realizations

    def _in(self, folder: str) -> list[Realization]:
        self._use(folder)
        hashes: set[str] = set()
        for place in ("store-v1", "remote-v1"):
            try:
                hashes.update(filter(HASH.fullmatch, os.listdir(self.root / place / folder)))
            except FileNotFoundError:
                continue
        return [Realization(self, f"rref:{one}-{folder}") for one in sorted(hashes)]

    def __iter__(self) -> Iterator[Realization]:
        """Iterates over all results, sorted by their derivations and references."""
        for folder in self._folders():
            yield from self._in(folder)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def named(self, name: str) -> list[Realization]:
        """Returns the results of all stages with this name, the newest first, whatever their code and their outcome."""
        found = [one for folder in self._folders() if folder[33:] == name for one in self._in(folder)]
        return sorted(found, key=lambda one: (one.last_built, one.rref), reverse=True)

    def __contains__(self, reference: str) -> bool:
        try:
            self[reference]
        except Missing:
            return False
        return True

    def __getitem__(self, reference: str) -> Realization:
        """Finds a result:

        ==================  ==================================================
        ``train``           the newest of that name, whatever its code
        ``train@latest``    the same
        ``train@2``         the second newest
        ``train@best``      that with this tag
        ``@paper``          what the root ``paper`` keeps
        ``rref:0123..``     that with this reference, or with its beginning
        ``7c308bad/0123``   by the beginnings of the hashes of derivation and result
        ==================  ==================================================
        """
        if reference.startswith("@"):
            return self._root(reference[1:])
        name, at, which = reference.partition("@")
        if HEX.fullmatch(name.partition("/")[0]) and "/" in name or reference.startswith("rref:"):
            return self._hashed(reference)
        found = self.named(name)
        if not found:
            names = sorted({folder[33:] for folder in self._folders()})
            raise Missing(f"nothing in {self.root} is called {name!r}: there is {', '.join(names[:20]) or 'nothing'}")
        if not at or which == "latest":
            return found[0]
        if which.isdigit():
            if not 1 <= int(which) <= len(found):
                raise Missing(f"there is no {reference}: there are {len(found)} results of {name!r}")
            return found[int(which) - 1]
        return only([one for one in found if which in one.tags], reference)

    def _hashed(self, reference: str) -> Realization:
        text = reference.removeprefix("rref:")
        first, _, rest = text.partition("-") if reference.startswith("rref:") else (text.partition("/")[2], "", text.partition("/")[0])
        folders = [folder for folder in self._folders() if folder.startswith(rest)]
        return only([one for folder in folders for one in self._in(folder) if one.rref[5:].startswith(first)], reference)

    # Roots and runs

    def _root(self, name: str) -> Realization:
        path = self.root / "roots" / name
        if not re.fullmatch(r"[a-zA-Z0-9_-][a-zA-Z0-9_.-]{0,199}", name) or not path.is_file():
            raise Missing(f"the store has no root {name!r}: there is {', '.join(sorted(self.roots)) or 'none'}")
        return self._kept(path.read_text())

    def _kept(self, text: str) -> Realization:
        rref = text.split("\n", 1)[0]
        self._use(rref.split("-", 1)[1])
        return Realization(self, rref)

    @property
    def roots(self) -> dict[str, Realization]:
        """What people named as roots, by the names. Links and runs are not among them."""
        texts = self._root_texts()
        return {name: self._kept(text) for name, text in texts.items() if not name.startswith(("link-", "of-run-"))}

    def _root_texts(self) -> dict[str, str]:
        names = sorted(name for name in os.listdir(self.root / "roots") if not name.startswith("."))
        return {name: (self.root / "roots" / name).read_text() for name in names}

    def run(self, program: str) -> dict[str, list[Realization]]:
        """Returns the results of the newest run of a program, by its targets."""
        found: dict[str, list[Realization]] = {}
        programs = set()
        for text in self._root_texts().values():
            for line in text.splitlines()[1:]:
                if not line.startswith("run "):
                    continue
                run = json.loads(line[len("run ") :])
                programs.add(run["program"])
                if run["program"] == program:
                    found.setdefault(run["target"], []).append(self._kept(text))
        if not found:
            raise Missing(f"the store keeps nothing of a run of {program!r}: there is {', '.join(sorted(programs)) or 'none'}")
        return found

    # Tables and checks

    def compare(self, results: str | Iterable[Realization], **columns: str | Callable[[Realization], Any]) -> Any:
        """Returns a ``pandas.DataFrame`` of results, one a row, with their fields: of all with a name, or of those that are given. Further
        columns are artifacts, as in ``compare("train", loss="loss.json")``, or functions of a result. An artifact that a result does not
        have, or a stub does not have here, is ``None``. A field that is called as one of the other columns, ``rref``, ``outcome`` or
        ``build_seconds``, is in ``fields.rref`` and so on."""
        pandas = needed("pandas", Path("compare"))
        chosen = self.named(results) if isinstance(results, str) else list(results)
        rows = []
        for one in chosen:
            row: dict[str, Any] = {"rref": one.rref, "outcome": one.outcome}
            row |= {f"fields.{key}" if key in OWN else key: value for key, value in flat(one.fields).items()}
            build = next((build for build in one.builds_newest_first if build.kind == "build"), None)
            row["build_seconds"] = build.seconds if build else None
            for name, column in columns.items():
                if isinstance(column, str):
                    row[name] = one.load(column) if not one.is_stub and one.has(column) else None
                else:
                    row[name] = column(one)
            rows.append(row)
        return pandas.DataFrame(rows).set_index("rref") if rows else pandas.DataFrame()

    def verify(self) -> dict[str, list[str]]:
        """Compares all results with their hashes, and returns what is wrong, by the references: nothing, if the store is sound."""
        wrong = {one.rref: one.verify() for one in self}
        return {rref: faults for rref, faults in wrong.items() if faults}

    def _repr_html_(self) -> str:
        from .html import table

        rows = [(folder[33:], folder[:8]) for folder in self._folders()]
        return table(["stage", "derivation"], rows)


def reopened(kind: type[Store], root: str, lease: bool) -> Store:
    """Opens a store again, in the process that unpickles or copies it."""
    return kind(root, lease=lease)


def only(found: list[Realization], reference: str) -> Realization:
    if not found:
        raise Missing(f"there is no {reference}")
    if len(found) > 1:
        raise Ambiguous(f"{reference} may be any of {', '.join(one.rref for one in found[:20])}")
    return found[0]


def flat(fields: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Makes columns of the fields in objects: ``model.layers``."""
    found: dict[str, Any] = {}
    for key, value in fields.items():
        found |= flat(value, f"{before}{key}.") if isinstance(value, dict) else {before + key: value}
    return found
