"""What the form refuses before anything is read, and what the page of an upload says until it is over."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from coaching.files import reading
from coaching.files.shapes import FileRefused
from coaching.models import Activity, Upload
from coaching.services import uploading
from tests.coaching.activity_world import START, run_file
from tests.coaching.uploads import (
    bring,
    kept_files,
    read,
    send,
    zipped,
)

RUNS = [run_file(START + timedelta(days=day), minutes=1) for day in range(2)]
JSON = {"Accept": "application/json"}


def page_of(client: Client, upload: Upload, *, is_poll: bool = False) -> Any:
    headers = {"HX-Request": "true"} if is_poll else {}
    return client.get(reverse("coaching:upload_progress", args=[upload.public_id]), headers=headers)


@pytest.mark.django_db
def test_the_request_answers_before_anything_is_read(as_athlete: Client, athlete: User, settings: Any) -> None:
    answer = send(as_athlete, RUNS[0])
    found = Upload.objects.get()
    assert answer["Location"] == reverse("coaching:upload_progress", args=[found.public_id])
    assert (found.athlete, found.status, found.name, found.bytes_n) == (athlete, "received", "run.fit", len(RUNS[0]))
    assert found.stored.read() == RUNS[0]
    assert not Activity.objects.exists()


class Sender:
    """A body of which not a byte may be asked for."""

    def read(self, *_: object) -> bytes:
        raise AssertionError("the body was read")

    readline = read

    def close(self) -> None: ...


def too_long(client: Client, **extra: Any) -> Any:
    told: dict[str, Any] = {"CONTENT_LENGTH": str(reading.MOST_BYTES * 2), "wsgi.input": Sender()}
    return client.post(reverse("coaching:upload"), **told, **extra)


@pytest.mark.django_db
def test_what_is_too_long_is_refused_before_it_is_read(as_athlete: Client) -> None:
    answer = too_long(as_athlete)
    assert answer.status_code == 413
    assert "This file is larger than 32 MB." in answer.text
    answer = too_long(as_athlete, headers=JSON)
    assert (answer.status_code, answer.json()["code"], answer.json()["status_code"]) == (413, "too_large", 413)


@pytest.mark.django_db
def test_a_file_that_is_too_long_in_a_form_that_is_not_is_refused(as_athlete: Client) -> None:
    answer = send(as_athlete, RUNS[0][:12] + bytes(reading.MOST_BYTES - 11))
    assert answer.status_code == 413
    assert "This file is larger than 32 MB." in answer.text
    assert not Upload.objects.exists()


@pytest.mark.django_db
def test_a_form_without_its_token_is_refused_whatever_its_length(athlete: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(athlete)
    assert send(client, RUNS[0]).status_code == 403
    assert not Upload.objects.exists()
    page = client.get(reverse("coaching:upload"))
    token = {"csrfmiddlewaretoken": page.context["csrf_token"], "file": SimpleUploadedFile("a.fit", RUNS[0])}
    assert client.post(reverse("coaching:upload"), token).status_code == 302


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "This file is empty."), (b"\x89PNG" * 30, "This is not a FIT, TCX or GPX file.")],
)
def test_the_first_bytes_are_looked_at_at_once(as_athlete: Client, settings: Any, content: bytes, words: str) -> None:
    answer = send(as_athlete, content)
    assert answer.status_code == 400
    assert words in answer.text
    assert not Upload.objects.exists()
    assert kept_files(settings.MEDIA_ROOT) == []


@pytest.mark.django_db
def test_who_has_many_files_waiting_is_asked_to_wait(as_athlete: Client, athlete: User) -> None:
    for number in range(uploading.MOST_OPEN):
        Upload.objects.create(athlete=athlete, name=f"{number}.fit", sha256=f"{number:064}", bytes_n=1)
    answer = send(as_athlete, RUNS[0])
    assert answer.status_code == 429
    assert "still wait to be read" in answer.text
    Upload.objects.filter(name="0.fit").update(status="done")
    assert send(as_athlete, RUNS[0]).status_code == 302


def test_what_needs_no_reading_to_be_refused_is_not_stored(settings: Any) -> None:
    with pytest.raises(FileRefused, match="not a FIT"):
        uploading.receive(User(), "x", SimpleUploadedFile("x", b"hello"))
    assert kept_files(settings.MEDIA_ROOT) == []


@pytest.mark.django_db
def test_the_same_file_later_leads_to_what_came_of_it(as_athlete: Client, athlete: User) -> None:
    first = read(bring(athlete, "run.fit", RUNS[0]))
    answer = as_athlete.post(reverse("coaching:upload"), {"file": SimpleUploadedFile("b.fit", RUNS[0])}, follow=True)
    assert "You had uploaded this file already" in answer.text
    assert Upload.objects.get() == first
    assert Activity.objects.get().name in answer.text


@pytest.mark.django_db
def test_the_page_asks_again_until_it_is_over(as_athlete: Client, athlete: User) -> None:
    found = bring(athlete, "run.fit", RUNS[0])
    text = page_of(as_athlete, found).text
    assert "Waiting for a free worker" in text
    assert 'hx-trigger="every 1s"' in text
    assert page_of(as_athlete, found, is_poll=True).status_code == 200
    Upload.objects.claim(found.pk)
    Upload.objects.update(
        files_n=3, parts=[{"name": "a", "activity": str(uuid4()), "is_new": True, "code": "", "problem": ""}]
    )
    text = page_of(as_athlete, found, is_poll=True).text
    assert "It is being read" in text
    assert "1 of 3 files" in text
    Upload.objects.update(status="received", parts=[], lease_token=None, lease_until=None, next_attempt_at=Now())
    read(found)
    answer = page_of(as_athlete, found, is_poll=True)
    assert answer.status_code == 286, "htmx stops asking"
    assert "It is among your activities." in answer.text
    assert "hx-trigger" not in page_of(as_athlete, found).text
    assert reverse("coaching:activity", args=[Activity.objects.get().public_id]) in answer.text


@pytest.mark.django_db
def test_the_page_names_what_could_not_be_read_and_why(as_athlete: Client, athlete: User) -> None:
    found = read(bring(athlete, "a.zip", zipped({"run.fit": RUNS[0], "broken.fit": b"x" * 50})))
    text = page_of(as_athlete, found).text
    assert "Not all of it could be read." in text
    assert "broken.fit" in text
    assert "This is not a FIT, TCX or GPX file." in text
    assert text.count("Open</a>") == 1
    whole = page_of(as_athlete, read(bring(athlete, "cut.fit", RUNS[0][:500]))).text
    assert "It could not be read, and nothing of it was kept." in whole
    assert "its end is missing" in whole


@pytest.mark.django_db
def test_the_page_tells_of_an_activity_that_went_meanwhile(as_athlete: Client, athlete: User) -> None:
    found = read(bring(athlete, "run.fit", RUNS[0]))
    Activity.objects.update(hidden_at=timezone.now())
    text = page_of(as_athlete, found).text
    assert "This activity is no longer here." in text
    assert "Open</a>" not in text


@pytest.mark.django_db
def test_the_form_tells_of_the_last_uploads(as_athlete: Client, athlete: User, stranger: User) -> None:
    for number in range(6):
        Upload.objects.create(athlete=athlete, name=f"mine-{number}.fit", sha256=f"{number:064}", bytes_n=1)
    bring(stranger, "foreign.fit", RUNS[0])
    text = as_athlete.get(reverse("coaching:upload")).text
    assert text.count("mine-") == 5
    assert "foreign" not in text


@pytest.mark.django_db
def test_the_sentence_is_in_the_athletes_language(athlete: User) -> None:
    athlete.language = "de"
    athlete.save()
    found = read(bring(athlete, "a.zip", zipped({"run.fit": RUNS[0], "broken.fit": b"x" * 50})))
    assert found.error_detail == "1 von 2 Dateien ließen sich nicht lesen."
