"""Links in the documentation's sources are right on a code host and on the built pages."""

from .extensions import DOCS, ROOT, extension

links = extension("code_host_links")


def on_page(text, file="docs/losses.md"):
    return links.page_links(text, ROOT / file)


def test_pages_stay_and_files_lead_to_their_pages():
    assert on_page("[a](notation.md#words)") == "[a](notation.md#words)"
    assert on_page("[a](../README.md)") == "[a](index.md)"
    assert on_page("[a](../CONTRIBUTING.md#more-tests)") == "[a](contributing.md#more-tests)"
    example = "plot_02_dual_certificate"
    assert on_page(f"[a](../examples/gallery/{example}.py)") == f"[a](gallery/{example}.rst)"
    assert on_page("[a](../examples/gallery)") == "[a](gallery/index.rst)"


def test_links_are_read_from_where_the_file_is():
    assert on_page("[a](docs/losses.md)", "CONTRIBUTING.md") == "[a](losses.md)"
    assert on_page("[a](../docs/benchmarks.md)", "benchmarks/README.md") == "[a](benchmarks.md)"


def test_pages_in_folders_link_from_where_they_are():
    text = "[a](figures/x.png) [b](../losses.md) [c](../../README.md)"
    assert on_page(text, "docs/studies/page.md") == text.replace("../../README.md", "../index.md")


def test_addresses_and_what_is_no_link_stay():
    for text in ("[a](https://example.org/x.md)", "X[0](not_a_file)", "[a](#words)"):
        assert on_page(text) == text


def test_pages_that_show_a_file_link_to_it():
    for page, file in links.WHOLE.items():
        text = (DOCS / f"{page}.md").read_text()
        assert f"]({'../' + file.relative_to(ROOT).as_posix()})" in text


def test_every_page_is_in_a_table_of_contents():
    import re

    listed = {"index"}
    for page in DOCS.glob("*.md"):
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(), flags=re.DOTALL):
            listed |= {line for line in tree.splitlines() if line and not line.startswith(":")}
    assert {page.stem for page in (*DOCS.glob("*.md"), *DOCS.glob("*.ipynb"))} <= listed
