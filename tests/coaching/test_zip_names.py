"""Names in a zip file that lead out of it, and those that only look so."""

import io
import zipfile

import pytest

from coaching.files import packed
from coaching.files.shapes import FileRefused


def zipped(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, b"x")
    return out.getvalue()


@pytest.mark.parametrize("name", ["C:/x.fit", "c:x.fit", "C:\\x.fit", "//host/share/x.fit", "/x.fit", "a/../../x.fit"])
def test_a_name_that_leads_out_refuses_the_file(name: str) -> None:
    with pytest.raises(FileRefused) as refused:
        list(packed.unpacked(zipped(name), most_bytes=100))
    assert refused.value.code == "zip_path"


@pytest.mark.parametrize("name", ["06:30.fit", "Run 2026-11-18 06:30.FIT", "a/b..c.fit", "a.fit"])
def test_a_time_of_day_in_a_name_is_none(name: str) -> None:
    [(found, content)] = packed.unpacked(zipped(name), most_bytes=100)
    assert (found, content) == (name.rpartition("/")[2], b"x")
