"""Pages of results for notebooks. All that comes from a store is escaped, and pictures are data of their own."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .realization import Realization

PICTURES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".svg": "image/svg+xml"}
MOST = 20
LARGEST = 1 << 20


def page(of: Realization) -> str:
    """Returns a realization as HTML: its fields, what it was made from, its artifacts, and small pictures."""
    parts = [f"<strong>{escaped(of.name)}</strong> <code>{escaped(of.rref[:13])}</code>"]
    if of.is_stub:
        parts.append("<p>Its files are at a remote.</p>")
    fields = [(key, json.dumps(value)) for key, value in of.fields.items()]
    parts.append(table(["field", "value"], fields))
    made_from = [(key, made.rref[:13]) for key, made in of.context_pairs()]
    parts.append(table(["made from", "result"], made_from))
    files = [(one.path, f"{one.size:,} bytes" if one.kind == "file" else one.kind) for one in of.artifacts]
    parts.append(table(["artifact", "size"], files))
    if not of.is_stub:
        shown = [one for one in of.artifacts if shows(one.path, one.size)][:MOST]
        parts += [picture(of.out / one.path) for one in shown]
    return "\n".join(part for part in parts if part)


def shows(path: str, size: int) -> bool:
    return Path(path).suffix.lower() in PICTURES and 0 < size <= LARGEST


def picture(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    kind = PICTURES[path.suffix.lower()]
    return f'<figure><img src="data:{kind};base64,{data}" alt="{escaped(path.name)}"><figcaption>{escaped(path.name)}</figcaption></figure>'


def table(head: list[str], rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    more = f"<tr><td>and {len(rows) - MOST} more</td></tr>" if len(rows) > MOST else ""
    cells = "".join(f"<tr><td>{escaped(key)}</td><td>{escaped(value)}</td></tr>" for key, value in rows[:MOST])
    return f"<table><tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>{cells}{more}</table>"


def escaped(text: str) -> str:
    return html.escape(text)
