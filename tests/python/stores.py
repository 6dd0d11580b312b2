"""Makes and reads stores with the real package `pylightnix`, for tests. Each command prints one line of JSON.

    make SEED COUNT ROOT      makes a store of about COUNT realizations: folders, links, failures, several runs, odd names
    again SEED COUNT ROOT     realizes the same stages in the store at ROOT, where nothing may run; prints what was chosen
    build_on SEED COUNT ROOT  as `again`, and makes a stage on top of each
    list ROOT                 what the package finds in the store at ROOT: the realizations, and what `match_latest` takes
    pack SEED COUNT ROOT ARCHIVE     packs with `spack` what `make` made
    unpack ARCHIVE ROOT              unpacks with `sunpack` into a new store
    noise ROOT TIMES                 makes the stage `noise` TIMES times with five runs each; prints what `match_latest` takes
    taken ROOT                       what `match_latest` takes of `noise` in the store at ROOT, where nothing may run
    arrays FOLDER                    writes arrays with `numpy.save`
    named-arrays FOLDER              prints what is in the `.npz` there, and writes others with `numpy.savez` and `numpy.savez_compressed`
"""
import json
import os
import random
import sys
from os.path import join
from tempfile import mkdtemp

HERE = os.path.dirname(os.path.abspath(__file__))
os.environ["PYLIGHTNIX_APACK"] = join(HERE, "apack")
os.environ["PYLIGHTNIX_AUNPACK"] = join(HERE, "aunpack")

import pylightnix as px  # noqa: E402
from pylightnix.arch import spack, sunpack  # noqa: E402
from pylightnix.either import mkdrvE  # noqa: E402
from pylightnix.core import fstmpdir  # noqa: E402

NAMES = ["a", "b.txt", "c d", "\u00e9t\u00e9", "_note", "__x__.txt", "\u96ea.npy", "0", "A", "\U0001f600", "x'y\"z", "new\nline"]


class Ran(Exception):
    """A stage ran that may not."""


def opened(root):
    storage = px.mkSS(root)
    px.fsinit(storage)
    return storage


def specs(seed, count):
    """What stages there are: a list, in which each depends on earlier ones."""
    chance = random.Random(seed)
    stages, realizations = [], 0
    while realizations < count:
        kind = chance.choices(["plain", "several", "either", "deep"], [4, 3, 4, 3])[0]
        # What depends on something that may fail has to be able to fail itself.
        below = [at for at, spec in enumerate(stages) if kind == "either" or spec["kind"] != "either"]
        deps = chance.sample(below, min(len(below), chance.choice([0, 0, 1, 1, 2, 3])))
        config = {"name": chance.choice(["train", "test-2", "x_y"]), "seed": seed, "at": len(stages)}
        if chance.random() < 0.1:
            del config["name"]
        if chance.random() < 0.5:
            config["value"] = chance.choice([0.1, 1e22, -3, None, True, "\u00e9\n", [1, [2.5, {}]], {"k": "v"}, 12345678901234567890])
        if chance.random() < 0.05:
            config["odd"] = chance.choice([float("nan"), float("inf"), [-float("inf")]])
        runs = chance.choice([2, 3, 4]) if kind == "several" else 1
        stages.append({"kind": kind, "deps": deps, "config": config, "runs": runs, "seed": chance.random(), "fails": chance.random() < 0.6})
        realizations += runs
    return stages


def fill(out, chance, deep):
    """Writes files, folders and links."""
    folders = [out]
    if deep:
        for _ in range(chance.randint(1, 5)):
            folder = join(chance.choice(folders), chance.choice(["d1", "d2", "_d", "\u00e9", "z"]))
            if not os.path.exists(folder):
                os.mkdir(folder)
                folders.append(folder)
    files = []
    for name in chance.sample(NAMES, chance.randint(0, 5)):
        path = join(chance.choice(folders), name)
        if not os.path.lexists(path):
            with open(path, "wb") as file:
                file.write(chance.randbytes(chance.choice([0, 1, 20, 5000])))
            if chance.random() < 0.2:
                os.chmod(path, 0o755)
            files.append(path)
    if deep and files:
        for name in ["link", "_link"]:
            path = join(chance.choice(folders), name)
            if chance.random() < 0.7 and not os.path.lexists(path):
                os.symlink(os.path.relpath(chance.choice(files + folders[1:]), os.path.dirname(path)), path)


def stages_of(seed, count, may_run):
    """Returns a function that registers all stages, and gives their references."""

    def stages(r):
        drefs = []
        for spec in specs(seed, count):
            config = dict(spec["config"])
            for number, dep in enumerate(spec["deps"]):
                # Contexts are in the order of the references, keys in that of the config.
                config["dep%d" % number] = [drefs[dep], "a"] if number == 2 else drefs[dep]
            drefs.append(registered(spec, config, r, may_run))
        return drefs

    return stages


def registered(spec, config, r, may_run):
    chance = random.Random(spec["seed"])
    if spec["kind"] == "either":
        def realizer(storage, dref, context, arguments):
            if not may_run:
                raise Ran(dref)
            if spec["fails"]:
                raise ValueError("failed \u00e9")
            out = mkdtemp(prefix="t", dir=fstmpdir(storage))
            fill(out, chance, False)
            return px.Output([out])
        return mkdrvE(px.mkconfig(config), output_all, realizer, r)

    def build(b):
        if not may_run:
            raise Ran(spec)
        for out in px.build_outpaths(b):
            fill(str(out), chance, spec["kind"] == "deep")
            with open(join(out, "value"), "w") as file:
                file.write(str(chance.random()))
    matcher = px.match_latest() if spec["runs"] < 3 else px.match_all
    return px.mkdrv(px.mkconfig(config), matcher, px.build_wrapper(build, nouts=spec["runs"]), r)


def output_all(storage, output):
    """Takes all realizations of a stage that may fail."""
    return output if list(output.val) else None


def realized(seed, count, storage, may_run):
    """Realizes each stage, and returns what was chosen for it."""
    drefs, closure = px.instantiate(stages_of(seed, count, may_run), S=storage)
    _, _, context = px.realize((drefs, closure))
    return {dref: sorted(context[dref]) for dref in drefs}


def listed(storage):
    rrefs = list(px.allrrefs(storage))
    drefs = sorted(px.alldrefs(storage))
    latest = px.match_latest()
    # In the order of the folders, which decides between those that began at the same time.
    taken = {dref: latest(storage, [rref for rref in rrefs if px.rref2dref(rref) == dref]) for dref in drefs}
    return {"rrefs": sorted(rrefs), "drefs": drefs, "latest": taken}


def main(command, *arguments):
    if command == "make":
        seed, count, root = int(arguments[0]), int(arguments[1]), arguments[2]
        storage = opened(root)
        chosen = realized(seed, count, storage, True)
        return {"chosen": chosen} | listed(storage)
    if command in ("again", "build_on"):
        seed, count, root = int(arguments[0]), int(arguments[1]), arguments[2]
        storage = opened(root)
        before = sorted(px.allrrefs(storage))
        chosen = realized(seed, count, storage, False)
        assert sorted(px.allrrefs(storage)) == before, "something was made"
        if command == "build_on":
            def top(r):
                drefs = stages_of(seed, count, False)(r)
                def build(b):
                    with open(join(px.build_outpath(b), "top"), "w") as file:
                        file.write("top")
                plain = [dref for dref, spec in zip(drefs, specs(seed, count)) if spec["kind"] != "either"]
                return px.mkdrv(px.mkconfig({"name": "top", "deps": plain}), px.match_only(), px.build_wrapper(build), r)
            px.realize1(px.instantiate(top, S=storage))
            assert len(list(px.allrrefs(storage))) == len(before) + 1
        return {"chosen": chosen} | listed(storage)
    if command == "list":
        return listed(opened(arguments[0]))
    if command == "pack":
        seed, count, root, archive = int(arguments[0]), int(arguments[1]), arguments[2], arguments[3]
        storage = opened(root)
        tops = [r for rrefs in realized(seed, count, storage, False).values() for r in rrefs]
        spack(tops, archive, storage)
        return {"packed": len(tops)}
    if command == "unpack":
        storage = opened(arguments[1])
        sunpack(arguments[0], storage)
        return listed(storage)
    if command == "noise":
        storage = opened(arguments[0])
        for _ in range(int(arguments[1])):
            rref = px.realize1(px.instantiate(noise, True, S=storage), force_rebuild=True)
        return {"rref": rref, "value": value_of(rref, storage), "rrefs": sorted(px.allrrefs(storage))}
    if command == "taken":
        storage = opened(arguments[0])
        rref = px.realize1(px.instantiate(noise, False, S=storage))
        return {"rref": rref, "value": value_of(rref, storage)}
    if command == "arrays":
        return arrays(arguments[0])
    if command == "named-arrays":
        return named_arrays(arguments[0])
    raise SystemExit(__doc__)


def noise(may_run, r):
    """A stage that gives another number in each of five runs."""
    def build(b):
        if not may_run:
            raise Ran("noise")
        for out in px.build_outpaths(b):
            with open(join(out, "value.json"), "w") as file:
                file.write(str(random.random()))
    config = px.mkconfig({"name": "noise", "out": ["__self__", "value.json"], "level": 3})
    return px.mkdrv(config, px.match_latest(), px.build_wrapper(build, nouts=5), r)


def value_of(rref, storage):
    with open(join(px.rref2path(rref, storage), "value.json")) as file:
        return float(file.read())


def arrays(folder):
    import numpy

    numpy.save(join(folder, "vector.npy"), numpy.array([1.5, -2.0, 3.25]))
    numpy.save(join(folder, "point.npy"), numpy.array(2.5))
    numpy.save(join(folder, "table.npy"), numpy.arange(6, dtype="i4").reshape(2, 3))
    numpy.save(join(folder, "bytes.npy"), numpy.array([1, 2, 255], dtype="u1"))
    numpy.save(join(folder, "none.npy"), numpy.zeros((0,)))
    for axes in range(12, 18):
        numpy.save(join(folder, "axes%d.npy" % axes), numpy.zeros((1,) * axes))
    return sorted(os.listdir(folder))


def named_arrays(folder):
    """Writes two archives of arrays, and tells what is in the others that are there."""
    import numpy

    found = {}
    for name in sorted(os.listdir(folder)):
        with numpy.load(join(folder, name), allow_pickle=False) as archive:
            found[name] = {key: [str(archive[key].dtype), archive[key].tolist()] for key in archive.files}
    made = {"weights": numpy.arange(6, dtype="f4").reshape(2, 3).T, "mask": numpy.array([True, False]), "step": numpy.array(7)}
    numpy.savez(join(folder, "stored.npz"), **made)
    numpy.savez_compressed(join(folder, "deflated.npz"), **made)
    numpy.savez(join(folder, "other.npz"), text=numpy.array(["a", "b"]))
    return found


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
