"""Reads a conn.log with two readers of Zeek's logs, each strict about types, and prints its rows as JSON, one a line.

parsezeeklogs unescapes and knows sets; zat has other code for the same. Where they differ this fails.
"""

import contextlib
import json
import sys

from parsezeeklogs import ZeekLog
from zat.zeek_log_reader import ZeekLogReader

path = sys.argv[1]
errors = []
with ZeekLog(path, on_error=lambda *error: errors.append(error)) as log:
    rows = list(log)
    assert log.path == "conn", log.path
assert not errors, errors
with contextlib.redirect_stdout(sys.stderr):
    others = list(ZeekLogReader(path, strict=True).readrows())
assert len(rows) == len(others), (len(rows), len(others))
for row, other in zip(rows, others):
    assert list(row) == list(other), (list(row), list(other))
    for name, value in row.items():
        if isinstance(value, (int, str)) and not isinstance(value, bool):
            assert other[name] == value, (name, value, other[name])
    assert abs(other["duration"].total_seconds() - (row["duration"] or 0)) < 2e-6, row
    print(json.dumps(row))
