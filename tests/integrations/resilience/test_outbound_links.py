"""Links that a provider's answer brings are followed below the base URL, or not at all."""

import pytest

from integrations import errors
from integrations.resilience.outbound import LONGEST, check_link
from tests.integrations.resilience import hostile_urls
from tests.integrations.resilience.hostile_urls import HOST

BASE = f"https://{HOST}/api"


@pytest.mark.parametrize(
    ("link", "path"),
    [
        (f"{BASE}/items?page=2&at=%2F..%2F", "/items?page=2&at=%2F..%2F"),
        (f"https://{HOST}:443/api/items", "/items"),
        ("/api/items/7?token=x", "/items/7?token=x"),
        (f"{BASE}/", "/"),
        (f"{BASE}/caf%C3%A9/a%20b", "/caf%C3%A9/a%20b"),
    ],
)
def test_a_link_below_the_base_is_followed(link: str, path: str) -> None:
    assert check_link(link, base=BASE) == path
    assert check_link(link, base=f"{BASE}/") == path


@pytest.mark.parametrize(
    "link",
    [
        *(url.format(port=8011) for url in (*hostile_urls.URLS, *hostile_urls.MENDED)),
        "https://other.provider.example/api/items",
        f"http://{HOST}/api/items",
        f"https://{HOST}/apis/items",
        f"https://{HOST}/other",
        f"https://{HOST}",
        BASE,
        f"{BASE}/../other",
        f"{BASE}/./x",
        f"{BASE}/..",
        f"{BASE}/%2e%2e/other",
        f"{BASE}/..%2fother",
        f"{BASE}/..;/other",
        f"{BASE}/%252e%252e/other",
        f"{BASE}/%c0%ae%c0%ae/other",
        f"{BASE}/..%5cother",
        f"{BASE}//evil.example/",
        f"{BASE}/x%0d%0aHost:%20evil",
        "//evil.example/api/x",
        "/\\evil.example/api/x",
        "items?page=2",
        "?page=2",
        "/api/" + "x" * LONGEST,
        None,
        7,
        {"href": BASE},
    ],
)
def test_a_link_that_leads_away_is_not(link: object) -> None:
    with pytest.raises(errors.DataError) as caught:
        check_link(link, base=BASE)
    assert caught.value.code == "foreign_link"
    assert "evil" not in f"{caught.value} {caught.value.context}"


def test_a_link_to_the_sandbox_stays_with_its_provider() -> None:
    base = "http://127.0.0.1:8011/garmin/api"
    assert check_link("http://127.0.0.1:8011/garmin/api/x?y", base=base) == "/x?y"
    for link in ("http://127.0.0.1:8011/strava/api/x", "http://127.0.0.1:8012/garmin/api/x"):
        with pytest.raises(errors.DataError):
            check_link(link, base=base)
