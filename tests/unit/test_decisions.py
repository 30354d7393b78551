"""A decision is found by its topic: DECISIONS.md begins with an index of all."""

from __future__ import annotations

import re
from pathlib import Path

DECISIONS = Path(__file__).resolve().parents[2] / "DECISIONS.md"


def test_every_decision_is_in_the_index_once() -> None:
    text = DECISIONS.read_text()
    records = re.findall(r"^## (D-\d+ .+)$", text, re.MULTILINE)
    index = re.findall(r"^- (D-\d+ .+)$", text, re.MULTILINE)
    assert sorted(index) == sorted(records)
    numbers = [record.split()[0] for record in records]
    assert len(set(numbers)) == len(numbers) > 0
