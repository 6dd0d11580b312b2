"""N results of 100 bytes in a new joblib.Memory: prints how many seconds making them takes.

Usage: cold.py N FOLDER
"""
import random
import sys
import time

import joblib

count, folder = int(sys.argv[1]), sys.argv[2]


def data(number):
    return random.Random(number).randbytes(100)


cached = joblib.Memory(folder, verbose=0).cache(data)
begun = time.monotonic()
for number in range(count):
    cached(number)
print(time.monotonic() - begun)
