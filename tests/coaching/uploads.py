"""Files on their whole way: brought by somebody, stored, read by a worker."""

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection as database
from django.test import Client
from django.urls import reverse

from accounts.models import User
from coaching.models import Activity, Upload
from coaching.services import parsing, uploading

ROOT = Path(__file__).resolve().parents[2]
WORKER = "import django; django.setup(); from coaching.services import parsing; parsing.read({})"


class Part(NamedTuple):
    """What became of one file."""

    name: str
    activity: Activity | None
    is_new: bool
    code: str
    problem: str


def bring(athlete: User, name: str, content: bytes) -> Upload:
    """Stored, and not yet read."""
    return uploading.receive(athlete, name, SimpleUploadedFile(name, content)).upload


def read(upload: Upload) -> Upload:
    parsing.read(upload.pk)
    upload.refresh_from_db()
    return upload


def parts_of(upload: Upload) -> list[Part]:
    rows = Activity.objects.filter(public_id__in=[part["activity"] for part in upload.made])
    found = {str(activity.public_id): activity for activity in rows}
    return [Part(**{**part, "activity": found.get(part["activity"])}) for part in upload.parts]


def upload(athlete: User, name: str, content: bytes) -> list[Part]:
    """From the form to the last part."""
    return parts_of(read(bring(athlete, name, content)))


def send(client: Client, content: bytes, name: str = "run.fit", **headers: Any) -> Any:
    return client.post(reverse("coaching:upload"), {"file": SimpleUploadedFile(name, content)}, **headers)


def zipped(files: dict[str, bytes]) -> bytes:
    """The same files are the same bytes, whenever they are packed."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def kept_files(root: str | Path) -> list[Path]:
    return [path for path in Path(root).rglob("*") if path.is_file()]


def database_url() -> str:
    """The test run's own, for another process."""
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database.settings_dict['NAME']}").geturl()


def start_worker(upload: Upload) -> subprocess.Popen[bytes]:
    """A process of its own that reads the upload, in the test's database and folder."""
    elsewhere = {
        "DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_URL": database_url(),
        "TIME_SCALE": str(settings.TIME_SCALE), "FILES_ROOT": str(settings.MEDIA_ROOT),
    }  # fmt: skip
    return subprocess.Popen([sys.executable, "-c", WORKER.format(upload.pk)], env=os.environ | elsewhere, cwd=ROOT)


@contextmanager
def held_up(athlete: User, sha256: str) -> Iterator[Callable[[], bool]]:
    """Whoever stores this file of the athlete waits; yields whether somebody does. Afterwards nothing has happened."""
    held = psycopg.connect(database_url())
    held.execute(
        "INSERT INTO coaching_activityfile (public_id, athlete_id, stored, name, format, sha256, bytes_n)"
        " VALUES (gen_random_uuid(), %s, '', '', 'fit', %s, 1)",
        [athlete.pk, sha256],
    )
    blocked = "SELECT {} FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"

    def asked(what: str) -> bool:
        with database.cursor() as cursor:
            cursor.execute(blocked.format(what), [held.info.backend_pid])
            return bool(cursor.fetchall())

    try:
        yield lambda: asked("pid")
    finally:
        asked("pg_terminate_backend(pid, 5000)")  # the server would finish a dead client's wish
        held.close()
