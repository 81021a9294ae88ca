"""How results show themselves, and that the library is silent."""

import html.parser
import logging
import subprocess
import sys

import numpy as np
import pytest

import measurelp as mlp
from measurelp._display import html_table


class Balanced(html.parser.HTMLParser):
    """The cells of a table; tags must be closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.cells = [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.cells.append(data)


def test_tables_are_html_and_escaped():
    text = html_table("<a>", [("x & y", "<script>alert(1)</script>")])
    assert "<script>" not in text
    assert Balanced(text).cells == ["<a>", "x & y", "<script>alert(1)</script>"]
    with pytest.raises(AssertionError):
        Balanced("<b><i></b></i>")


@pytest.fixture(scope="module")
def results():
    problem = mlp.MeasureProblem([[-1.0, 0.0], [0.5, 1.0], [1.0, 2.0]], [1.0, 0.0, 1.0], lam=0.1)
    solution = mlp.solve(problem, tol_gap=1e-9)
    return {
        "problem": problem, "solution": solution, "certificate": solution.certificate,
        "measure": solution.measure, "network": solution.network(),
        "uniqueness": mlp.uniqueness(solution), "path": mlp.solve_path(problem, [0.5, 0.1]),
        "diagnosis": mlp.diagnose(problem, solution.network()),
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["problem", "solution", "certificate", "measure", "network", "uniqueness", "path", "diagnosis"],
)
def test_results_are_readable(results, name):
    result = results[name]
    assert len(repr(result)) < 400 and "object at" not in repr(result)
    cells = Balanced(result._repr_html_()).cells
    assert len(cells) >= 3 and all(cell.strip() for cell in cells)


def test_the_numbers_shown_are_those_of_the_certificate(results):
    certificate = results["solution"].certificate
    for name in ("solution", "certificate"):
        cells = Balanced(results[name]._repr_html_()).cells
        shown = cells[cells.index("objective") + 1]
        assert float(shown) == pytest.approx(certificate.primal_value, rel=1e-11)
        bound = cells[cells.index("no network is below") + 1]
        assert float(bound) == pytest.approx(certificate.dual_value, rel=1e-11)
        assert any(certificate.verdict.name in cell for cell in cells)


def test_the_logger_has_a_null_handler_and_nothing_is_printed():
    handlers = logging.getLogger("measurelp").handlers
    assert any(isinstance(handler, logging.NullHandler) for handler in handlers)
    code = (
        "import logging, measurelp as mlp\n"
        "logging.getLogger('measurelp.x').warning('said')\n"
        "mlp.solve(mlp.MeasureProblem([[3.0, 4.0]], [2.0], lam=0.5))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_info_is_plain_data():
    import json

    facts = mlp.info()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["measurelp"] == mlp.__version__
    assert facts["packages"]["numpy"] == np.__version__
    assert {"plotly", "jinja2", "pandas", "pyarrow"} <= set(facts["packages"])
