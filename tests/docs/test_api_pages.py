"""Every public name has an entry in the reference, once."""

import re
from collections import Counter

import pytest

import measurelp
from measurelp import plotting

from .extensions import extension

api_pages = extension("api_pages")


def entries(pages):
    """The names in the tables of the pages."""
    return Counter(
        name
        for text in pages.values()
        for name in re.findall(r"^   ([\w.]+)$", text, flags=re.MULTILINE)
    )


def test_every_public_name_has_one_entry():
    rooms = api_pages.pages()
    found = entries({room: text for room, text in rooms.items() if room != "index"})
    expected = {name for name in measurelp.__all__ if name not in ("__version__", "plotting")}
    expected |= {f"plotting.{name}" for name in plotting.__all__}
    assert set(found) == expected
    assert set(found.values()) == {1}


def test_every_page_is_in_the_index():
    rooms = api_pages.pages()
    assert set(entries({"index": rooms["index"]})) == set(rooms) - {"index"}


def test_an_entry_is_a_line_of_a_table():
    assert entries({"room": "Title\n=====\n\n   :toctree: generated\n\n   solve\n"}) == {"solve": 1}


def test_no_two_pages_differ_by_case_only():
    names = [name for group in api_pages.public_names().values() for name in group]
    files = [
        api_pages.clashing_files().get(f"measurelp.{name}", f"measurelp.{name}") for name in names
    ]
    assert max(Counter(file.lower() for file in files).values()) == 1


@pytest.mark.parametrize("room", api_pages.public_names())
def test_every_room_says_what_it_is_for(room):
    assert len(api_pages.purpose(room)) > 10
