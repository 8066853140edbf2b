"""A metric that the code names is one that there is: else a slip of the pen would be a gap in a report."""

import ast
import re
from pathlib import Path

import skipray
from skipray import metrics

OF_A_SPLIT = r"(train|test|validation|gap)\.\w+"
OF_LAYERS = rf"({'|'.join(metrics.TENSORS)})\.(centred\.)?\w+\.(last|max|median|min|last_block)"
KEY = re.compile(f"{OF_A_SPLIT}|{OF_LAYERS}")


def test_every_key_in_the_code_is_a_metrics() -> None:
    root = Path(skipray.__file__).parent
    named = {
        node.value: f"{path.relative_to(root)}:{node.lineno}"
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and KEY.fullmatch(node.value)
    }
    assert {"train.accuracy", "hidden.log10_condition.median"} <= set(named)
    assert not {key: place for key, place in named.items() if key not in metrics.tracked()}
