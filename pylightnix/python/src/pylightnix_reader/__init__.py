"""Reads the results in a Pylightnix store.

    from pylightnix_reader import Store

    store = Store("results")
    train = store["train@latest"]
    train.fields["rate"], train.load("loss.npy"), train.deps["data"]
    store.compare("train")                  # a pandas.DataFrame

Nothing is imported but the standard library, unless it is asked for: NumPy by ``.npy``, pandas by ``compare()`` and ``.csv``, pyarrow by
``.parquet`` and ``.arrow``.
"""

from .errors import Ambiguous, Damaged, Missing, NotHere, StoreError, UnknownVersion
from .realization import Artifact, Build, Realization, Remark
from .store import Store

__all__ = [
    "Ambiguous",
    "Artifact",
    "Build",
    "Damaged",
    "Missing",
    "NotHere",
    "Realization",
    "Remark",
    "Store",
    "StoreError",
    "UnknownVersion",
]
__version__ = "0.1.0"
