"""What the package reads is what the program shows."""

from __future__ import annotations

import copy
import errno
import fcntl
import hashlib
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from conftest import Made

from pylightnix_reader import Damaged, Missing, NotHere, Store, StoreError, UnknownVersion
from pylightnix_reader import html, record


def agree(made: Made) -> int:
    with Store(made.root) as store:
        for one in store:
            shown = made.shown(one.rref)
            ours = one.as_json()
            assert ours == {key: shown[key] for key in ours}
            assert [build.record["start"] for build in one.builds] == [build["start"] for build in shown["builds"]]
            assert [build.kind for build in one.builds] == [build["kind"] for build in shown["builds"]]
            assert [remark.text for remark in one.remarks] == [remark["text"] for remark in shown["remarks"]]
        return len(store)


def test_all_results_are_as_the_program_shows_them(made: Made, frozen: Made) -> None:
    made.say("store-cli", "note", "mean", "a note")
    made.say("store-cli", "tag", "mean", "best")
    assert agree(made) >= 4
    assert agree(frozen) >= 3


def test_results_are_found_as_on_the_command_line(made: Made) -> None:
    made.say("store-cli", "tag", "mean@2", "older")
    made.say("store-cli", "roots", "--add", "paper", "mean@2")
    with Store(made.root) as store:
        newest, older = store.named("mean")
        assert store["mean"] == store["mean@latest"] == store["mean@1"] == newest
        assert store["mean@2"] == store["mean@older"] == store["@paper"] == older
        assert made.shown("mean")["rref"] == newest.rref
        assert store[newest.rref] == store[newest.rref[:16]] == newest
        assert store[f"{newest.dref[5:13]}/{newest.rref[5:9]}"] == newest
        assert "mean" in store and "none" not in store
        assert store.run("experiment")["mean"][0].name == "mean"
        for nothing in ("none", "mean@3", "mean@other", "@other", "rref:00000000"):
            with pytest.raises(Missing):
                store[nothing]


def test_fields_dependencies_and_artifacts(made: Made) -> None:
    with Store(made.root) as store:
        mean = store["mean"]
        numbers = mean.deps["numbers"]
        assert not isinstance(numbers, list) and numbers.name == "numbers"
        assert numbers.fields["count"] == 4
        assert "out" not in numbers.fields and "name" not in numbers.fields
        (path,) = mean.promises.values()
        (field,) = mean.promises
        assert mean.load(path) == mean.load(field) == json.loads(mean.path(path).read_text())
        assert mean.builds[0].kind == "build" and mean.builds[0].seconds >= 0
        with pytest.raises(Missing, match="has no artifact"):
            mean.load("other.json")
        page = mean._repr_html_()
        assert "made from" in page and "numbers" in page


def test_a_table_of_results(made: Made) -> None:
    pytest.importorskip("pandas")
    with Store(made.root) as store:
        table = store.compare("numbers", first=lambda one: one.rref[5:9])
        assert sorted(table["count"]) == sorted(one.fields["count"] for one in store.named("numbers"))
        assert list(table["first"]) == [rref[5:9] for rref in table.index]
        assert len(store.compare("none")) == 0


def test_arrays_and_tables_are_loaded(tmp_path: Path) -> None:
    from pylightnix_reader.load import load

    numpy = pytest.importorskip("numpy")
    numpy.save(tmp_path / "a.npy", numpy.arange(3))
    assert list(load(tmp_path / "a.npy")) == [0, 1, 2]
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    assert load(tmp_path / "a.csv")["y"][0] == 2
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "a.bin").write_bytes(b"\x00")
    assert (load(tmp_path / "a.txt"), load(tmp_path / "a.bin")) == ("text", b"\x00")
    (tmp_path / "evil.npy").write_bytes(b"")
    numpy.save(tmp_path / "evil.npy", numpy.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        load(tmp_path / "evil.npy")


def test_a_damaged_file_is_found(made: Made) -> None:
    with Store(made.root) as store:
        assert store.verify() == {}
        mean = store["mean"]
        (path,) = mean.promises.values()
        os.chmod(mean.out, 0o755)
        os.chmod(mean.out / path, 0o644)
        text = (mean.out / path).read_text()
        (mean.out / path).write_text("[" + text[1:] if text[:1] != "[" else "{" + text[1:])
        (mean.out / "more").write_text("")
        (faults,) = store.verify().values()
        assert faults == [f"{path} does not match its hash", "more does not belong there"]
        record = mean.folder / "record"
        os.chmod(record, 0o644)
        record.write_text(record.read_text().replace("res ok", "res failed"))
        with pytest.raises(Damaged):
            store[mean.rref].artifacts


def test_a_stub_has_all_but_its_files(made: Made) -> None:
    made.say("store-cli", "roots", "--add", "kept", "mean")
    made.say("store-cli", "push", "mean", "--remote", str(made.root.parent / "remote"))
    arguments = ["gc", "--yes", "--pushed", str(made.root.parent / "remote"), "--pushed-before", "0s"]
    made.say("store-cli", *arguments)
    with Store(made.root) as store:
        mean = store["mean"]
        assert mean.is_stub and mean.as_json()["stub"]
        assert mean.fields == store["@kept"].fields and "numbers" in mean.deps
        assert len(store.compare("mean", value="mean.json")) == len(store.named("mean"))
        with pytest.raises(NotHere, match=f"pylightnix pull {mean.rref} --store"):
            mean.load(next(iter(mean.promises)))
        address = mean.folder / "remote"
        os.chmod(mean.folder, 0o755)
        address.unlink(missing_ok=True)
        with pytest.raises(NotHere, match=f"--store {made.root}` fetches"):
            mean.load("mean.json")
        address.write_text("/a place\n")
        with pytest.raises(NotHere, match="--remote '/a place'` fetches"):
            mean.load("mean.json")
        address.unlink()
        os.chmod(mean.folder, 0o555)
        assert mean.verify() == [] and "at a remote" in mean._repr_html_()
        assert agree(made) >= 2


def test_what_is_looked_at_is_not_collected(made: Made) -> None:
    leases = made.root / "leases"
    before = set(leases.iterdir())
    for root in (made.root / "roots").iterdir():
        root.unlink()
    with Store(made.root) as store:
        rref = store["mean@2"].rref
        (lease,) = set(leases.iterdir()) - before
        assert f"dref:{rref.split('-', 1)[1]}\n" in lease.read_text()
        with open(lease) as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        made.say("store-cli", "gc", "--yes", "--without-roots")
        assert store["mean@2"].rref == rref and store.verify() == {}
    assert not lease.exists()
    made.say("store-cli", "gc", "--yes", "--without-roots")
    with Store(made.root) as store:
        assert "mean@2" not in store
    made.say("store-cli", "check")


def test_a_store_that_cannot_be_written_is_read(made: Made) -> None:
    before = set((made.root / "leases").iterdir())
    with Store(made.root, lease=False) as store:
        assert store["mean"].fields is not None
        assert set((made.root / "leases").iterdir()) == before
    # As somebody else's.
    (made.root / "leases").rename(made.root / "other")
    with Store(made.root) as store:
        assert store["mean"].load("mean.json") is not None
    (made.root / "other").rename(made.root / "leases")


def test_other_versions_and_other_folders_are_refused(made: Made, tmp_path: Path) -> None:
    with pytest.raises(Missing, match="no format.json"):
        Store(tmp_path / "none")
    (made.root / "format.json").write_text('{"format": "pylightnix-store", "version": 2}')
    with pytest.raises(UnknownVersion, match="has the version 2"):
        Store(made.root)
    (made.root / "format.json").write_text('{"format": "other"}')
    with pytest.raises(StoreError, match="no store"):
        Store(made.root)


def test_copies_and_pickled_ones_have_a_lease_of_their_own(made: Made) -> None:
    leases = made.root / "leases"
    before = set(leases.iterdir())
    with Store(made.root) as store:
        mean = store["mean"]
        (ours,) = set(leases.iterdir()) - before
        other = pickle.loads(pickle.dumps(mean))
        (theirs,) = set(leases.iterdir()) - before - {ours}
        assert other == mean and other.store is not store
        assert f"{mean.dref}\n" in theirs.read_text()
        other.store.close()
        assert ours.exists() and not theirs.exists()
        with copy.copy(store), copy.deepcopy(store):
            assert len(set(leases.iterdir()) - before) == 3
        assert copy.copy(mean).store is store
        assert set(leases.iterdir()) - before == {ours}


def test_a_forked_process_has_a_lease_of_its_own(made: Made) -> None:
    leases = made.root / "leases"
    with Store(made.root) as store:
        mean = store["mean"]
        before = set(leases.iterdir())
        text = {path: path.read_text() for path in before}
        child = os.fork()
        if child == 0:
            status = 1
            try:
                store["numbers"]
                (own,) = set(leases.iterdir()) - before
                if mean.dref in own.read_text() and store["numbers"].dref in own.read_text():
                    store.close()
                    status = 0 if not own.exists() else 3
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        # One that only closes what it inherited.
        child = os.fork()
        if child == 0:
            store.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert {path: path.read_text() for path in leases.iterdir()} == text


def test_a_lease_that_cannot_be_written_is_said_and_written_later(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    leases = made.root / "leases"
    before = set(leases.iterdir())
    write = os.write
    full = False

    def little(file: int, data: bytes) -> int:
        if full and len(data) < 40:
            raise OSError(errno.ENOSPC, "no space")
        return write(file, data[:7])

    with monkeypatch.context() as patched, Store(made.root) as store:
        (lease,) = set(leases.iterdir()) - before
        patched.setattr(os, "write", little)
        full = True
        with pytest.warns(RuntimeWarning, match="cannot be written"):
            store["mean"]
        assert lease.read_text() == ""
        full = False
        assert f"{store['mean'].dref}\n" in lease.read_text().splitlines(keepends=True)

    def unlockable(file: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", unlockable)
        with Store(made.root):
            assert set(leases.iterdir()) == before


def test_a_build_record_that_cannot_be_read_is_passed_over(made: Made) -> None:
    with Store(made.root) as store:
        mean = store["mean"]
        known = mean.builds
        text = json.dumps({**known[0].record, "stop": "yesterday"})
        os.chmod(mean.folder, 0o755)
        (mean.folder / "build-00000000-0000-7000-8000-000000000000.json").write_text(text)
        assert mean.builds == known and store["mean"] == mean


def test_a_list_of_one_dependency_is_a_list(made: Made) -> None:
    with Store(made.root) as store:
        mean = store["mean"]
        numbers = mean.deps["numbers"]
        assert not isinstance(numbers, list)
        dref = numbers.dref
        mean.__dict__["config"] = {"list": [dref], "one": dref, "path": [dref, "a", "b"], "object": {"a": dref}}
        assert mean.deps == {"list": [numbers], "one": numbers, "path": numbers, "object": [numbers]}


def test_a_page_reads_no_more_pictures_than_it_shows(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    monkeypatch.setattr(html, "picture", lambda path: read.append(path) or "")
    with Store(made.root) as store:
        mean = store["mean"]
        files = tuple(record.Artifact(f"{at}.png", "file", 1) for at in range(html.MOST + 5))
        mean.__dict__["record"] = record.Record("", {}, "ok", "", files)
        mean._repr_html_()
    assert len(read) == html.MOST


@pytest.mark.parametrize("path", ["", "/etc/passwd", "..", "a/../b", "./a", "a//b", "a/"])
def test_paths_that_lead_out_of_the_folder_are_refused(path: str) -> None:
    def parsed(path: str) -> Any:
        raw = f"{record.VERSION}\ndrv 0\nres ok\nout 0\ndir {json.dumps(path)}\n".encode()
        return record.parse(raw, f"rref:{hashlib.sha256(raw).hexdigest()[:32]}-{'0' * 32}-name")

    assert parsed("a/..b").artifacts[0].path == "a/..b"
    with pytest.raises(Damaged, match="no path in its folder"):
        parsed(path)


def test_a_table_has_none_where_there_is_no_artifact_and_keeps_its_own_columns(made: Made) -> None:
    pytest.importorskip("pandas")
    with Store(made.root) as store:
        mean = store["mean"]
        mean.__dict__["config"] = {"rref": "a", "outcome": "b", "rate": 1}
        table = store.compare([mean, store["numbers"]], value="mean.json")
        assert list(table.index) == [mean.rref, store["numbers"].rref]
        assert list(table["outcome"]) == ["ok", "ok"]
        assert (table["fields.rref"].iloc[0], table["fields.outcome"].iloc[0], table["rate"].iloc[0]) == ("a", "b", 1)
        assert table["value"].iloc[0] == mean.load("mean.json") and table["value"].isna().iloc[1]
