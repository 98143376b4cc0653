"""Everything about one person as a zip of JSON and original files."""

import json
import tempfile
from collections.abc import Iterable, Mapping
from shutil import copyfileobj
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile

from django.core.files import File
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import translation
from django.utils.translation import gettext, gettext_noop

from accounts import privacy
from accounts.models import DataRequest

READ_ME = gettext_noop("""This is what {site} keeps about {email}, as of {at} UTC.

Each folder is one part of the product. The .json files hold lists of rows with plain names; times are in UTC.
Passwords, keys and the secrets of connected accounts are not part of it: nobody can read them, we cannot either.
""")


def build(request: DataRequest, *, site: str) -> None:
    """Write the zip into the request. Runs over by half are simply begun again."""
    with tempfile.TemporaryFile() as raw:
        with ZipFile(raw, "w", ZIP_DEFLATED) as archive:
            with translation.override(request.user.language):
                at = f"{request.created_at:%Y-%m-%d %H:%M}"
                words = gettext(READ_ME).format(site=site, email=request.user.email, at=at)
            archive.writestr("README.txt", words)
            for part in privacy.parts():
                for document in part.export(request.user):
                    _add(archive, f"{part.name}/{document.name}", document)
        request.bytes_n = raw.tell()
        raw.seek(0)
        request.file.save(f"{request.public_id}.zip", File(raw), save=False)


def _add(archive: ZipFile, path: str, document: privacy.Rows | privacy.Original) -> None:
    with archive.open(path, "w", force_zip64=True) as out:
        if isinstance(document, privacy.Original):
            with document.open() as original:
                copyfileobj(original, out)
        else:
            _write(out, document.rows)


def _write(out: IO[bytes], rows: Iterable[Mapping[str, Any]]) -> None:
    separator = b"[\n"
    for row in rows:
        text = json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False, sort_keys=True)
        out.write(separator + text.encode(errors="replace"))
        separator = b",\n"
    out.write(b"[]\n" if separator == b"[\n" else b"\n]\n")
