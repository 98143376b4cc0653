"""Files in a bucket that speaks S3: a real server on loopback, the real library, the product's own settings."""

from collections.abc import Iterator
from datetime import timedelta

import boto3  # type: ignore[import-untyped]
import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.test import override_settings
from django.utils import timezone
from moto.server import ThreadedMotoServer

from accounts import data_requests
from accounts.models import DataRequest, User
from coaching.models import Activity, ActivityFile
from coaching.services import clearing, uploading
from config import env, storage
from tests.coaching.activity_world import run_file
from tests.coaching.uploads import bring, read, zipped

BUCKET = "coaching-files"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As the environment would say it."""
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "eu-west-1"}
    boto3.client("s3", endpoint_url=server, **keys).create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    given = {"BUCKET": BUCKET, "REGION": "eu-west-1", "ENDPOINT": server, "ACCESS_KEY": "key", "SECRET_KEY": "secret"}
    for name, value in given.items():
        monkeypatch.setenv(f"S3_{name}", value)
    with override_settings(STORAGES={"default": storage.default(env.bucket())}):
        yield
    boto3.resource("s3", endpoint_url=server, **keys).Bucket(BUCKET).objects.all().delete()
    boto3.client("s3", endpoint_url=server, **keys).delete_bucket(Bucket=BUCKET)


def test_a_copy_of_ones_data_lies_in_the_bucket(bucket: None, athlete: User) -> None:
    data_requests.ask(athlete, "export")
    data_requests.work_due()
    request = DataRequest.objects.get()
    with request.file.open() as raw:
        assert raw.read(2) == b"PK"
    name = str(request.file.name)
    assert storages["default"].exists(name)
    request.file.delete()
    assert not storages["default"].exists(name)


def test_an_upload_is_read_out_of_the_bucket_and_its_file_stays_there(bucket: None, athlete: User) -> None:
    found = bring(athlete, "run.zip", zipped({"run.fit": run_file(minutes=1), "broken.fit": b"x" * 50}))
    sent = str(found.stored.name)
    assert storages["default"].exists(sent)
    assert read(found).status == "partly"
    kept = ActivityFile.objects.get()
    assert kept.stored.read() == run_file(minutes=1)
    assert kept.stored.size == kept.bytes_n
    assert not storages["default"].exists(sent)
    uploading.remove(kept, by=athlete)
    assert not Activity.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_end_of_an_account_empties_the_bucket(bucket: None, athlete: User) -> None:
    read(bring(athlete, "run.fit", run_file(minutes=1)))
    waiting = bring(athlete, "later.fit", run_file(minutes=2))
    names = [str(waiting.stored.name), str(ActivityFile.objects.get().stored.name)]
    assert all(storages["default"].exists(name) for name in names)
    data_requests.ask(athlete, "erasure")
    data_requests.work_due()
    assert not any(storages["default"].exists(name) for name in names)


def test_what_a_dead_worker_left_in_the_bucket_goes(bucket: None, athlete: User, server: str) -> None:
    read(bring(athlete, "run.fit", run_file(minutes=1)))
    kept = str(ActivityFile.objects.get().stored.name)
    left = storages["default"].save(f"{kept.rpartition('/')[0]}/left.fit", ContentFile(b"x"))
    assert clearing.clear_strays() == 0, "its row may still be on its way"
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        assert clearing.clear_strays() == 1
    assert storages["default"].exists(kept)
    assert not storages["default"].exists(left)


def test_a_name_taken_is_not_written_over(bucket: None) -> None:
    first = storages["default"].save("a.fit", ContentFile(b"one"))
    second = storages["default"].save("a.fit", ContentFile(b"two"))
    assert first != second
    with storages["default"].open(first) as raw:
        assert raw.read() == b"one"


def test_half_of_the_keys_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_BUCKET", BUCKET)
    monkeypatch.setenv("S3_ACCESS_KEY", "key")
    with pytest.raises(ImproperlyConfigured, match="go together"):
        env.bucket()


def test_no_bucket_is_a_folder() -> None:
    assert env.bucket() is None
    assert "FileSystem" in storage.default(None)["BACKEND"]


def test_the_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"BUCKET": BUCKET, "ACCESS_KEY": "key", "SECRET_KEY": "canary"}.items():
        monkeypatch.setenv(f"S3_{name}", value)
    assert "canary" not in repr(env.bucket())
