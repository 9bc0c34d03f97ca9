"""What a browser is told to call a file is a name on every system, and nothing else."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.files.names import attachment, filename


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Flights", "Flights.csv"),
        ("Flüge 2013", "Flüge 2013.csv"),
        ("Flu\u0308ge", "Flüge.csv"),  # An accent that is stored apart
        ("航班", "航班.csv"),
        ("👩\u200d🔬 data", "👩\u200d🔬 data.csv"),  # A joiner is part of what is printed.
        ("v1.2", "v1.2.csv"),
        ("", "export.csv"),
        (" . ", "export.csv"),
        ("..", "export.csv"),
        (".bashrc", "bashrc.csv"),
        ("ends with a dot. ", "ends with a dot.csv"),
        ("../../etc/passwd", "_.._etc_passwd.csv"),
        ("C:\\Windows\\x", "C_Windows_x.csv"),
        ('a<b>c:d"e/f\\g|h?i*j', "a_b_c_d_e_f_g_h_i_j.csv"),
        ("line\r\nSet-Cookie: x", "lineSet-Cookie_ x.csv"),
        ("nul\0 in the middle", "nul in the middle.csv"),
        ("half \ud800 a pair", "half  a pair.csv"),
        ("a\u202egpj", "agpj.csv"),  # Would be read from the right
        ("\ufeffa\u2066b\u2069c\u200ed", "abcd.csv"),
        ("a\u2028b\u2029c\x85d", "abcd.csv"),
        ("CON", "_CON.csv"),
        ("nul.tar", "_nul.tar.csv"),
        ("com1", "_com1.csv"),
        ("LPT²", "_LPT².csv"),
        ("aux .x", "_aux .x.csv"),
        ("console", "console.csv"),
    ],
)
def test_label_becomes_a_file_name(label, name):
    assert filename(label, "csv") == name


def test_long_label_is_cut_and_keeps_its_extension():
    assert filename("x" * 200, "csv.gz") == "x" * 193 + ".csv.gz"


def test_multibyte_characters_are_not_split():
    name = filename("航" * 200, "parquet")

    assert name == "航" * 64 + ".parquet"
    assert len(name.encode()) <= 200


def test_name_cut_at_a_dot_does_not_end_with_a_dot():
    assert filename("x" * 195 + ".yz", "csv") == "x" * 195 + ".csv"


@pytest.mark.parametrize(
    ("label", "disposition"),
    [
        ("Flights", 'attachment; filename="Flights.csv"'),
        (
            "Flüge 2013",
            "attachment; filename=\"Fluge 2013.csv\"; filename*=UTF-8''Fl%C3%BCge%202013.csv",
        ),
        (
            "航班",
            "attachment; filename=\"export.csv\"; filename*=UTF-8''%E8%88%AA%E7%8F%AD.csv",
        ),
        # Its name in ASCII would be a path.
        (
            "a\N{FULLWIDTH SOLIDUS}b\N{FULLWIDTH QUOTATION MARK}",
            "attachment; filename=\"a_b_.csv\"; filename*=UTF-8''a%EF%BC%8Fb%EF%BC%82.csv",
        ),
        ("50% off; x", 'attachment; filename="50% off; x.csv"'),
    ],
)
def test_header_has_names_for_old_and_new_browsers(label, disposition):
    assert attachment(label, "csv") == disposition


@given(st.text(st.characters(), max_size=300), st.sampled_from(["csv", "jsonl.gz", "xlsx"]))
def test_any_label_gives_a_safe_name_and_a_one_line_header(label, extension):
    name, header = filename(label, extension), attachment(label, extension)

    assert name.endswith(f".{extension}")
    assert len(name.encode()) <= 201  # One more for what makes a device no device.
    assert PurePosixPath(name).name == PureWindowsPath(name).name == name
    assert not PureWindowsPath(name).is_reserved()
    assert {unicodedata.category(char) for char in name}.isdisjoint({"Cc", "Cs", "Zl", "Zp"})
    assert re.fullmatch(r"attachment; filename=\"[ -~]+\"(; filename\*=UTF-8''[!-~]+)?", header)
    assert header.count('"') == 2
    if "*=" in header:
        assert unquote(header.rpartition("''")[2]) == name
