"""What is generated and committed is what the generator makes of the installed SDK."""

from __future__ import annotations

import pytest

from stripe_stack.generate.__main__ import main


def test_generated_files_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().out
