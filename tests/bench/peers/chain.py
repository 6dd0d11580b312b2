"""A chain of N trivial stages in Pylightnix: realizes it, then prints how many seconds it takes to find nothing to do.

Usage: chain.py N FOLDER
"""
import contextlib
import io
import sys
import time

with contextlib.redirect_stdout(io.StringIO()):
    from pylightnix import (fsinit, instantiate, mkSS, mknode, realize1)

count, folder = int(sys.argv[1]), sys.argv[2]
storage = mkSS(folder)
fsinit(storage)


def chain(r):
    last = mknode(r, {"number": 0}, {"out.txt": b"0"})
    for number in range(1, count):
        last = mknode(r, {"number": number, "dep": last}, {"out.txt": b"x"})
    return last


realize1(instantiate(chain, S=storage))
begun = time.monotonic()
realize1(instantiate(chain, S=storage))
print(time.monotonic() - begun)
