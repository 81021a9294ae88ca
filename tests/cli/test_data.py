"""Reading CSV: what is accepted, and for everything else a message that says where."""

import numpy as np
import pytest

from measurelp.cli.data import read_table, split_names
from measurelp.errors import InvalidFile, InvalidProblem


@pytest.fixture
def write(tmp_path):
    def to_file(content, name="t.csv"):
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(file)

    return to_file


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a,b\n1,2\n3,4\n", [[1, 2], [3, 4]]),
        ("a,b\r\n1,2\r\n3,4", [[1, 2], [3, 4]]),
        ("\ufeffa,b\n1,2\n", [[1, 2]]),
        (' "a" , b \n 1 ,2e-3\n'.replace(' "a" ', '"a"'), [[1, 0.002]]),
        ("a,b\n\n1,2\n,\n\n3,4\n\n", [[1, 2], [3, 4]]),
        ('a,b\n"1","-2.5"\n', [[1, -2.5]]),
        ('a,b\n1,"\n2"\n', [[1, 2]]),
    ],
)
def test_what_is_accepted(write, content, expected):
    table = read_table(write(content))
    assert table.names == ("a", "b") and table.has_header
    np.testing.assert_array_equal(table.numbers(["a", "b"]), expected)


def test_columns_are_chosen_and_ordered_by_name(write):
    table = read_table(write("a,word,b\n1,x,2\n"))
    np.testing.assert_array_equal(table.numbers(["b", "a"]), [[2, 1]])


def test_numbers_are_the_nearest_doubles(write):
    assert read_table(write("a\n0.1\n")).numbers(["a"])[0, 0] == 0.1


def test_a_first_line_of_numbers_is_data_unless_said_otherwise(write):
    path = write("2019,2020\n1,2\n")
    assert len(read_table(path).rows) == 2
    assert read_table(path).names == ("c1", "c2")
    assert read_table(path, header=True).names == ("2019", "2020")
    assert read_table(write("a,b\n", "other.csv"), header=False).names == ("c1", "c2")
    with pytest.raises(InvalidProblem, match="pass --header"):
        read_table(path).position("2020", option="--target")


def test_another_delimiter(write):
    path = write("a;b\n1;2\n")
    assert read_table(path, delimiter=";").names == ("a", "b")
    with pytest.raises(InvalidFile, match=r"--delimiter ';'"):
        read_table(path)
    with pytest.raises(InvalidProblem, match="delimiter"):
        read_table(path, delimiter=";;")


def test_tabs_are_named_as_the_advice_names_them(write):
    path = write("a\tb\n1\t2\n")
    with pytest.raises(InvalidFile) as caught:
        read_table(path)
    advised = str(caught.value).partition("--delimiter '")[2].partition("'")[0]
    for word in (advised, "tab", "\t"):
        assert read_table(path, delimiter=word).names == ("a", "b")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("\ufeff", "is empty"),
        ("a,b\n", "no line of data"),
        ("a,b\n1,2\n3\n", r"line 3: expected 2 values.*found 1"),
        ("a,b\n1,2\n3,4,5\n", r"line 3: expected 2 values.*found 3"),
        ("a,b\n\n1,2\n\n3\n", "line 5: expected 2 values"),
        ("a,a\n1,2\n", "two columns are named 'a'"),
        ("a,\n1,2\n", "column 2 has no name"),
        ('a,b\n1,"2\n', "line 2: is not valid CSV"),
        ('a,b\n1,"2"x\n', "line 2: is not valid CSV"),
        ("a,b\n1," + "9" * 200_000 + "\n", "line 2: is not valid CSV"),
        (b"a,b\n1,\xff\xfe\n", "not a text file in UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not a text file"),
        (b"a,b\n1,\x00\n", "NUL"),
    ],
)
def test_files_that_are_no_table(write, content, words):
    with pytest.raises(InvalidFile, match=words):
        read_table(write(content))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("male", "line 3, column 'b': 'male' is not a number"),
        ("1,5".replace(",", ";"), "line 3, column 'b': '1;5' is not a number"),
        ("1_000", "'1_000' is not a number"),
        ("0x10", "'0x10' is not a number"),
        ("", "line 3, column 'b': the value is missing"),
        ("nan", "line 3, column 'b': 'nan' is not a finite number"),
        ("NaN", "'NaN' is not a finite number"),
        ("-inf", "'-inf' is not a finite number"),
        ("1e999", "'1e999' is not a finite number"),
        ("x" * 100, r"x\.\.\.' is not a number"),
    ],
)
def test_values_that_are_no_finite_numbers(write, value, words):
    table = read_table(write(f"a,b\n1,2\n3,{value}\n"))
    np.testing.assert_array_equal(table.numbers(["a"]), [[1], [3]])
    with pytest.raises(InvalidFile, match=words):
        table.numbers(["a", "b"])


def test_paths_that_are_no_file(tmp_path):
    with pytest.raises(InvalidFile, match="does not exist"):
        read_table(str(tmp_path / "missing.csv"))
    with pytest.raises(InvalidFile, match="is a folder"):
        read_table(str(tmp_path))
    with pytest.raises(InvalidFile):
        read_table(str(tmp_path / ("x" * 300)))


def test_missing_columns_name_the_option_and_what_there_is(write):
    table = read_table(write("a,b\n1,2\n"))
    with pytest.raises(InvalidProblem, match=r"--target: .* no column 'c'; it has a, b\."):
        table.position("c", option="--target")


def test_lists_of_names():
    assert split_names("--features", "a, b") == ["a", "b"]
    assert split_names("--features", '"a,1",b') == ["a,1", "b"]
    for text in ("", "a,,b", ","):
        with pytest.raises(InvalidProblem, match="separated by commas"):
            split_names("--features", text)
    with pytest.raises(InvalidProblem, match="'a' is named twice"):
        split_names("--features", "a,b,a")
