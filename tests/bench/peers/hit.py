"""A cached call of joblib.Memory, N times; prints how many seconds one takes, as the median.

Usage: hit.py N FOLDER
"""
import statistics
import sys
import time

import joblib

count, folder = int(sys.argv[1]), sys.argv[2]


@joblib.Memory(folder, verbose=0).cache
def stage(number):
    return str(number)


stage(0)
times = []
for _ in range(count):
    begun = time.perf_counter()
    stage(0)
    times.append(time.perf_counter() - begun)
print(statistics.median(times))
