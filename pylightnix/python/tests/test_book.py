"""The code of the book's chapter on Python."""

from __future__ import annotations

import pytest
from conftest import Made


def test_the_code_of_the_book(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    monkeypatch.chdir(made.root.parent)
    # ANCHOR: look
    from pylightnix_reader import Store

    store = Store("results")  # without an argument, $PYLIGHTNIX_ROOT or ~/_pylightnix
    mean = store["mean@latest"]
    value = mean.load("mean.json")
    numbers = mean.deps["numbers"]
    print(numbers.fields["count"], value, mean.builds[-1].seconds)
    # ANCHOR_END: look
    assert numbers.fields["count"] == 4

    # ANCHOR: table
    table = store.compare("numbers", values="numbers.json")
    counts = table.sort_values("count")[["count", "build_seconds"]]
    # ANCHOR_END: table
    assert list(counts["count"]) == sorted(table["count"])

    # ANCHOR: check
    assert store.verify() == {}
    newest = store.run("experiment")["mean"]
    # ANCHOR_END: check
    assert newest[0] == mean
    store.close()
