"""What is fenced in a page: blocks of Python and of commands, and what is said about them.

A page is a script: its blocks run in their order, with the names of those before. A comment
``<!-- needs torch -->`` before a block leaves it out where that is missing, ``<!-- slow -->`` where
only quick tests are wanted, and ``<!-- exit 4 -->`` is the exit code of its commands.
"""

import ast
import importlib.util
import io
import re
import shlex
import subprocess
from contextlib import redirect_stdout
from dataclasses import dataclass, field

import pytest
from click.testing import CliRunner

from measurelp.cli.app import app

_BLOCK = re.compile(
    r"((?:^<!--[^>]*-->\n)*)^```(python|sh)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL
)
_MARK = re.compile(r"<!-- (needs|slow|exit) ?(\S*) -->")
# What installs, tests or builds the project itself is what the project's own checks consist of.
_OWN = ("pip", "pytest", "ruff", "mypy", "lint-imports", "sphinx-build", "cd", "git")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, the line it begins at, and its marks."""

    language: str
    text: str
    line: int
    needs: tuple[str, ...] = ()
    is_slow: bool = False
    exit_code: int = 0

    @property
    def is_possible(self):
        return all(importlib.util.find_spec(name) is not None for name in self.needs)


def blocks(page):
    """The blocks of the text of a page."""
    found = []
    for match in _BLOCK.finditer(page):
        marks = _MARK.findall(match[1])
        found.append(
            Block(
                match[2], match[3], page.count("\n", 0, match.start(3)) + 1,
                needs=tuple(what for mark, what in marks if mark == "needs"),
                is_slow=any(mark == "slow" for mark, _ in marks),
                exit_code=next((int(what) for mark, what in marks if mark == "exit"), 0),
            )
        )  # fmt: skip
    return found


def commands(text):
    """The commands of a shell block as lists of words; those for the project itself left out."""
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    found = []
    for line in lines:
        for part in line.split(" && "):
            words = shlex.split(part, comments=True)
            if words and words[0] not in _OWN:
                found.append(words)
    return found


@dataclass
class Script:
    """A page's names so far."""

    names: dict = field(default_factory=dict)

    def run(self, block):
        """Run a block, and compare what its comments say with what came out."""
        if block.language == "sh":
            for words in commands(block.text):
                run_command(words, block.exit_code)
            return
        lines = block.text.splitlines()
        for node in ast.parse(block.text).body:
            if not isinstance(node, ast.Expr):
                code = compile(ast.Module([node], []), f"line {block.line}", "exec")
                exec(code, self.names)
                continue
            said = stated(lines[node.end_lineno - 1])
            printed = io.StringIO()
            with redirect_stdout(printed):
                value = eval(compile(ast.Expression(node.value), "", "eval"), self.names)
            compare(said, value, printed.getvalue().strip(), block.line + node.lineno - 1)


def stated(line):
    """What the comment of a line says that its value is: ``f(x)  # 2.5: the path norm``."""
    comment = line.rpartition("  # ")[2] if "  # " in line else ""
    return re.split(r": |; ", comment)[0].strip()


def compare(said, value, printed, line):
    """Fail if a comment that is a number, a tuple, a word of ours and so on is not what came out.

    Other comments are prose.
    """
    shown = printed or value
    if re.fullmatch(r"(Verdict|Standing|Scope|Termination)\.\w+", said):
        assert str(shown) == said, f"line {line}: {shown} is not {said}"
    try:
        expected = ast.literal_eval(said)
    except (ValueError, SyntaxError):
        return
    if printed:
        try:
            shown = ast.literal_eval(printed)
        except (ValueError, SyntaxError):
            shown = printed
    if hasattr(shown, "tolist"):
        shown = shown.tolist()
    if getattr(value, "shape", None) == expected:
        return
    assert close(shown, expected), f"line {line}: {shown} is not {expected}"


def close(value, expected):
    if isinstance(expected, (tuple, list)):
        return len(value) == len(expected) and all(map(close, value, expected))
    if isinstance(expected, float):
        return value == pytest.approx(expected, rel=5e-3)
    return value == expected


def run_command(words, exit_code):
    if words[0] in ("python", "head"):
        done = subprocess.run(shlex.join(words).replace("'>'", ">"), shell=True, check=False)
        assert done.returncode == exit_code
        return
    assert words[0] == "measurelp", f"not a command of ours: {words}"
    result = CliRunner().invoke(app, words[1:], prog_name="measurelp")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == exit_code, f"{' '.join(words)}\n{result.stdout}{result.stderr}"
