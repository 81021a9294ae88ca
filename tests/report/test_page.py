"""What the page says is what the certificate says."""

import html.parser
import json
import re

import numpy as np
import pytest

import measurelp as mlp
from measurelp.errors import InvalidFile, InvalidProblem
from measurelp.report import report_html


class Reader(html.parser.HTMLParser):
    """The values and texts of a page, by the id of the element that they are in."""

    def __init__(self, page):
        super().__init__()
        self.path, self.values, self.texts, self.scripts, self.sources = [], {}, {}, {}, []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.sources += [attrs[key] for key in ("src", "href") if key in attrs]
        if tag in ("meta", "link", "br"):
            return
        self.path.append((tag, attrs.get("id")))
        if tag == "data":
            self.values.setdefault(self.where(), []).append(attrs["value"])

    def handle_endtag(self, tag):
        while self.path and self.path.pop()[0] != tag:
            pass

    def handle_data(self, text):
        tag, name = self.path[-1] if self.path else ("", None)
        if tag == "script":
            self.scripts.setdefault(name, []).append(text)
        else:
            self.texts.setdefault(self.where(), []).append(text)

    def where(self):
        return next((name for _, name in reversed(self.path) if name), None)


def test_the_numbers_are_those_of_the_certificate(plane):
    page = Reader(report_html(plane))
    certificate = plane.certificate
    assert page.values["primal"] == [repr(certificate.primal_value)]
    assert page.values["dual"] == [repr(certificate.dual_value)]
    assert page.values["gap"] == [
        repr(certificate.gap), repr(certificate.relative_gap), repr(certificate.tol_gap)
    ]  # fmt: skip
    assert page.values["sup"] == [repr(float(v)) for v in (*certificate.sup, certificate.limit)]
    assert page.values["lam"] == [repr(plane.problem.lam)]
    # The table: masses and weights, heaviest first.
    order = np.argsort(-np.abs(plane.measure.masses))
    numbers = np.array([float(v) for v in page.values["neurons"]]).reshape(len(order), -1)
    np.testing.assert_array_equal(numbers[:, 0], plane.measure.masses[order])
    np.testing.assert_array_equal(numbers[:, 1:], plane.measure.atoms[order])


def test_the_json_is_in_the_page(plane):
    found = mlp.uniqueness(plane)
    page = Reader(report_html(plane, uniqueness=found, features=["a", "b"], target="c"))
    facts = json.loads("".join(page.scripts["facts"]))
    assert facts["verdict"] == "OPTIMAL" == "".join(page.texts["verdict"])
    assert facts["primal_value"] == plane.certificate.primal_value
    assert facts["problem"]["features"] == ["a", "b"] and facts["problem"]["target"] == "c"
    assert facts["uniqueness"]["verdict"] == found.verdict.name
    assert found.verdict.name in "".join(page.texts["uniqueness"])
    assert facts["neurons"] == len(plane.measure)


def test_stability_is_told_when_it_was_computed(plane):
    found = mlp.stability(plane.problem, [0.1, 0.01])
    page = Reader(report_html(plane, stability=found))
    assert json.loads("".join(page.scripts["facts"]))["stability"]["verdict"] == found.verdict.name
    text = "".join(page.texts["stability"])
    assert found.verdict.name in text and found.message in text
    assert "stability" not in Reader(report_html(plane)).texts


def test_nothing_is_fetched(plane):
    page = report_html(plane)
    assert all(source.startswith("data:") for source in Reader(page).sources)
    assert "default-src 'none'" in page
    assert not re.search(
        r"@import|url\((?!\s*['\"]?data:)[^)]*http", page[: page.index("<script>")]
    )


def test_names_cannot_become_markup(plane):
    bad = '</script><img src=x onerror="window.hacked=1">'
    page = report_html(plane, features=[bad, "b"], target=bad, source=bad)
    assert "<img" not in page.replace("plotly", "")[-60_000:]
    assert not any(source == "x" for source in Reader(page).sources)
    facts = json.loads("".join(Reader(page).scripts["facts"]))
    assert facts["problem"]["features"] == [bad, "b"]


@pytest.mark.parametrize(
    ("X", "y", "options"),
    [
        ([[-1.0], [0.5], [1.0]], [1.0, 0.0, 1.0], {"lam": 0.1}),
        ([[1.0], [2.0]], [1.0, 2.0], {"lam": 0.1, "bias": "none"}),
        ([[0.0], [1.0], [3.0]], [0.0, 1.0, 0.0], {"lam": 0.1, "bias": "free", "skip": "affine"}),
        ([[0.0, 1.0], [1.0, 0.0], [3.0, 1.0]], [0.0, 1.0, 0.0], {"lam": 0.1, "skip": "constant"}),
        ([[1.0, 0.0], [0.0, 1.0]], [3.0, 4.0], {"loss": mlp.Interpolation(), "bias": "none"}),
        ([[1.0, 0.0], [0.0, 1.0]], [3.0, 4.0], {"lam": 1e9}),
        ([[0.0], [1.0], [3.0]], [[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]], {"lam": 0.1}),
        ([[0.0, 1.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]], {"lam": 0.1, "skip": "affine"}),
        ([[1.0, 0.0], [0.0, 1.0]], [[3.0, 1.0], [4.0, 1.0]], {"lam": 0.1, "outputs": "separate"}),
        ([[-1.0], [1.0], [2.0]], [0, 1, 1], {"lam": 0.1, "loss": mlp.Logistic()}),
    ],
)
def test_every_kind_of_problem_has_a_page(X, y, options):
    solution = mlp.solve(mlp.MeasureProblem(X, y, **options))
    page = Reader(report_html(solution))
    assert page.values["primal"] == [repr(solution.certificate.primal_value)]
    assert float(page.values["network"][0]) == len(solution.measure)


def test_what_is_not_optimal_is_said(plane):
    wrong = mlp.solve(
        mlp.MeasureProblem([[1.0], [1.0]], [1.0, 2.0], loss=mlp.Interpolation()), tol_gap=1e-6
    )
    page = Reader(report_html(wrong))
    assert "INFEASIBLE" in "".join(page.texts["verdict"]) and "primal" not in page.values
    rng = np.random.default_rng(1)
    problem = mlp.MeasureProblem(rng.standard_normal((60, 3)), rng.standard_normal(60), lam=0.05)
    early = mlp.solve(problem, max_rounds=1, tol_gap=1e-9)
    assert early.certificate.verdict.name != "OPTIMAL"
    text = report_html(early)
    assert "proved optimal" not in text and early.certificate.verdict.name in text


def test_a_file_is_written_whole_and_never_over_another(plane, tmp_path):
    file = tmp_path / "report.html"
    mlp.write_report(plane, file)
    assert file.read_text(encoding="utf-8").endswith("</html>")
    with pytest.raises(InvalidFile, match="exists already"):
        mlp.write_report(plane, file)
    mlp.write_report(plane, file, overwrite=True)
    with pytest.raises(InvalidFile, match="cannot be written"):
        mlp.write_report(plane, tmp_path / "none" / "report.html")
    with pytest.raises(InvalidProblem, match="expected 2 names"):
        mlp.write_report(plane, tmp_path / "x.html", features=["a"])
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
