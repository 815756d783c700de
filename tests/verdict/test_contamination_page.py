"""The figures of docs/contamination.md are what its own examples print."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "contamination.md"


def test_the_page_prints_its_own_figures(capsys):
    text = PAGE.read_text("utf-8")
    namespace: dict[str, object] = {"__name__": "example"}
    for code in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        exec(compile(code, str(PAGE), "exec"), namespace)  # noqa: S102
        printed = capsys.readouterr().out.splitlines()
        assert printed
        outside = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
        for line in printed:
            assert line in outside, line
