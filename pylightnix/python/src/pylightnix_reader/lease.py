"""A lease keeps what a process uses from garbage collection, as long as the process lives."""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
import time
import uuid
from collections.abc import Iterable
from pathlib import Path

LOCAL = {"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "bcachefs", "zfs", "tmpfs", "ramfs", "rootfs", "overlay", "overlayfs", "ubifs"}


class Lease:
    """A locked file in ``leases/``, to which the derivations in use are added."""

    def __init__(self, root: Path) -> None:
        """Takes a lease. Fails with an ``OSError`` where nothing can be written."""
        self.root = root
        self.process = os.getpid()
        self.named: set[str] = set()
        self._writing = threading.Lock()
        while True:
            name = str(uuid7())
            self.path = root / "leases" / name
            system = unreliable(root)
            first = self.path if system is None else self.path.with_name("." + name)
            self.file = os.open(first, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            try:
                if system is not None:
                    # Where others do not see the lock, they must not see the file before this line.
                    write(self.file, f"elsewhere:{system}\n")
                    os.rename(first, self.path)
                fcntl.flock(self.file, fcntl.LOCK_EX)
            except BaseException:
                os.close(self.file)
                first.unlink(missing_ok=True)
                self.path.unlink(missing_ok=True)
                raise
            # Before it was locked, a sweep may have taken it for that of a dead process.
            if self.path.exists():
                break
            os.close(self.file)

    def use(self, drefs: Iterable[str]) -> None:
        """Adds derivations: all of them, or none if there is an ``OSError``. A garbage collection that is under way is waited for."""
        with self._writing:
            new = [dref for dref in dict.fromkeys(drefs) if dref not in self.named]
            if not new:
                return
            locks = self.root / "locks"
            with open(locks / "gate", "a") as gate, open(locks / "gc", "a") as gc:
                fcntl.flock(gate, fcntl.LOCK_EX)
                fcntl.flock(gc, fcntl.LOCK_SH)
                fcntl.flock(gate, fcntl.LOCK_UN)
                write(self.file, "".join(f"{dref}\n" for dref in new))
            self.named.update(new)

    @property
    def is_inherited(self) -> bool:
        """Whether it is that of the process from which this one was forked."""
        return self.process != os.getpid()

    def close(self) -> None:
        """Gives the lease back. One that was inherited stays that of the other process."""
        if self.file >= 0:
            if not self.is_inherited:
                self.path.unlink(missing_ok=True)
            os.close(self.file)
            self.file = -1


def write(file: int, text: str) -> None:
    """Appends a text whole. If that fails, the file is as before: a part of a line would be taken for damage."""
    before = os.fstat(file).st_size
    rest = text.encode()
    try:
        while rest:
            rest = rest[os.write(file, rest) :]
    except BaseException:
        os.ftruncate(file, before)
        raise


def uuid7() -> uuid.UUID:
    """Makes an identifier that begins with the time."""
    value = int(time.time() * 1000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 7 << 76
    return uuid.UUID(int=value & ~(0b11 << 62) | 0b10 << 62)


def unreliable(root: Path) -> str | None:
    """Returns the type of the file system, if others need not see its locks."""
    try:
        table = Path("/proc/self/mountinfo").read_text().splitlines()
        device = os.stat(root).st_dev
    except OSError:
        return "unknown"
    here = f"{os.major(device)}:{os.minor(device)}"
    for line in table:
        mount, _, system = line.partition(" - ")
        if mount.split(" ")[2] != here:
            continue
        kind, _, rest = system.partition(" ")
        options = rest.split(" ")[-1].split(",")
        if kind in ("nfs", "nfs4"):
            is_local = {"nolock", "local_lock=all", "local_lock=flock"} & set(options)
            return kind if is_local else None
        return None if kind in LOCAL or kind == "lustre" and "flock" in options else kind
    return "unknown"
