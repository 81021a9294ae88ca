"""Every fenced block of README and of the pages runs, and what its comments state is so."""

import textwrap

import pytest

from .extensions import DOCS, ROOT
from .snippets import Block, Script, blocks, commands

PAGES = {
    file.name: blocks(file.read_text())
    for file in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md")))
}
PAGES = {name: found for name, found in PAGES.items() if found}
SLOW = {name: found for name, found in PAGES.items() if any(block.is_slow for block in found)}


@pytest.fixture
def page_folder(tmp_path, monkeypatch):
    """A folder to run a page in, where ``examples`` is what it is in a clone."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "measurelp").symlink_to(ROOT / "measurelp")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs(page, page_folder):
    script = Script()
    for block in PAGES[page]:
        if block.is_possible and not block.is_slow:
            script.run(block)


@pytest.mark.slow
@pytest.mark.parametrize("page", SLOW)
def test_a_page_with_its_slow_blocks_runs(page, page_folder):
    script = Script()
    for block in SLOW[page]:
        if block.is_possible:
            script.run(block)


def test_the_demo_of_the_readme_is_certified(page_folder):
    script = Script()
    for block in PAGES["README.md"]:
        script.run(block)
    assert script.names["solution"].certificate.verdict.name == "OPTIMAL"


def test_blocks_are_found_with_their_marks():
    page = "text\n\n<!-- needs no_such_package -->\n<!-- slow -->\n```python\n1 + 1\n```\n\n```sh\nls\n```\n"
    first, second = blocks(page)
    assert first == Block("python", "1 + 1\n", 6, needs=("no_such_package",), is_slow=True)
    assert not first.is_possible
    assert second.language == "sh" and second.is_possible and not second.is_slow


def test_commands_of_a_shell_block():
    text = "pip install x && measurelp solve a.csv \\\n    --lam 'b c'  # why\n"
    assert commands(text) == [["measurelp", "solve", "a.csv", "--lam", "b c"]]


@pytest.mark.parametrize(
    "text",
    [
        "1 + 1  # 3", "print(2)  # 3", "(1, 2)  # (1, 3)", "0.5  # 0.6: half", "'a'  # 'b'",
        "import measurelp as mlp\nmlp.Verdict.OPTIMAL  # Verdict.REFUTED", "1 / 0", "no_such_name",
    ],
)  # fmt: skip
def test_a_wrong_comment_or_an_error_fails(text):
    with pytest.raises((AssertionError, ZeroDivisionError, NameError)):
        Script().run(Block("python", text, 1))


@pytest.mark.parametrize(
    "text",
    [
        "1 + 1  # 2", "print(0.5004)  # 0.5: about", "(1, 2)  # 1, 2", "1  # prose", "x = 1  # 2",
        "import numpy as np\nnp.zeros((2, 3))  # (2, 3)", "import numpy as np\nnp.ones(2)  # [1.0, 1.0]",
    ],
)  # fmt: skip
def test_a_right_comment_or_prose_passes(text):
    Script().run(Block("python", text, 1))


@pytest.mark.parametrize(
    "text", ["measurelp solve nothing.csv", "curl x", "measurelp info --no-such"]
)
def test_a_command_that_fails_fails(text, page_folder):
    with pytest.raises((AssertionError, FileNotFoundError)):
        Script().run(Block("sh", textwrap.dedent(text), 1))
