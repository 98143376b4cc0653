"""What every provider's sandbox keeps to: the real adapter, login and translator get along with it."""

import json
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from integrations import errors, oauth, registry
from integrations.sandbox import RunningSandbox
from integrations.spec import (
    Adapter,
    Capability,
    Grant,
    OAuthClient,
    OAuthLogin,
    Raw,
    RawPage,
    RevokingLogin,
)
from tests.contract import SLUGS, each_provider, spec
from tests.sandboxes import gateway_to

WITH_LOGIN = [slug for slug, spec in registry.specs().items() if spec.credential_fields]
WITH_OAUTH = [slug for slug, spec in registry.specs().items() if spec.oauth]
MOST_PAGES = 50


def log_in(sandbox: RunningSandbox, slug: str, *, mfa: bool) -> Grant:
    """Through the login form, code included, as a person does."""
    person = next(row for row in sandbox[slug].accounts() if row["mfa"] is mfa)
    by_kind = {"email": person["email"], "password": person["password"]}
    login = registry.login_class(slug)(gateway_to(sandbox, slug))
    answer = login.begin({field.name: by_kind[field.kind] for field in spec(slug).credential_fields})
    assert isinstance(answer, Grant) is not mfa
    if not isinstance(answer, Grant):
        state = json.loads(json.dumps(dict(answer.state)))  # it is sealed meanwhile, and another process goes on
        code = next(row["code"] for row in sandbox[slug].accounts() if row["email"] == person["email"])
        answer = registry.login_class(slug)(gateway_to(sandbox, slug)).answer(state, code)
    assert isinstance(answer, Grant)
    assert not any(secret in repr(answer) for secret in answer.secrets.values())
    return answer


def adapter_with(grant: Grant, sandbox: RunningSandbox, slug: str) -> Adapter:
    return registry.adapter_class(slug)(gateway_to(sandbox, slug), grant.secrets, "contract")


def walk(read: Callable[[int], RawPage]) -> Iterator[Raw]:
    start: int | None = 0
    for _ in range(MOST_PAGES):
        if start is None:
            return
        page = read(start)
        yield from page.items
        start = page.next_start
    raise AssertionError("the listing has no end")


@each_provider
def test_the_sandbox_answers_for_every_address(slug: str, sandbox: RunningSandbox) -> None:
    assert set(sandbox.base_urls(slug)) == set(spec(slug).base_urls)
    assert sandbox[slug].slug == slug
    assert sandbox[slug].label == spec(slug).label
    assert sandbox[slug].accounts()


@pytest.mark.parametrize("mfa", [False, True])
@pytest.mark.parametrize("slug", WITH_LOGIN)
def test_a_login_gives_an_account_and_tokens_that_are_renewed(slug: str, sandbox: RunningSandbox, *, mfa: bool) -> None:
    grant = log_in(sandbox, slug, mfa=mfa)
    login, translator = registry.login_class(slug)(gateway_to(sandbox, slug)), registry.translator(slug)
    renewed = login.renew(grant.secrets)
    assert renewed.secrets != grant.secrets
    accounts = [translator.to_account(adapter_with(held, sandbox, slug).account()) for held in (grant, renewed)]
    assert accounts[0] == accounts[1] == registry.validator(slug).validate_account(accounts[0])
    assert accounts[0].external_id
    with pytest.raises(errors.AuthenticationError) as caught:
        login.renew({name: f"{value}x" for name, value in grant.secrets.items()})
    assert caught.value.code == "invalid_grant"


def oauth_login(sandbox: RunningSandbox, slug: str, *, secret: str = "") -> OAuthLogin:
    client_id, known = sandbox[slug].client or ("", "")
    return registry.oauth_login_class(slug)(gateway_to(sandbox, slug), OAuthClient(client_id, secret or known))


def say_yes(sandbox: RunningSandbox, slug: str) -> Grant:
    """On the sandbox's own page, with every box as it stands, and then the exchange."""
    endpoints, back, verifier = spec(slug).oauth, "http://127.0.0.1:9/back/", oauth.new_verifier()
    assert endpoints
    there = oauth.authorize_url(
        endpoints, base_url=sandbox.base_urls(slug)["authorize"], client_id=(sandbox[slug].client or ("", ""))[0],
        redirect_uri=back, scopes=endpoints.scopes, state="contract", verifier=verifier if endpoints.pkce else "",
    )  # fmt: skip
    assert requests.get(there, timeout=60).ok
    form = parse_qs(urlsplit(there).query) | {"allow": list(endpoints.scopes), "answer": ["yes"]}
    form["account"] = [sandbox[slug].accounts()[0]["email"]]
    sent = requests.post(there.partition("?")[0], data=form, timeout=60, allow_redirects=False)
    query = parse_qs(urlsplit(sent.headers["Location"]).query)
    assert query["state"] == ["contract"]
    login = oauth_login(sandbox, slug)
    grant = login.exchange(query["code"][0], redirect_uri=back, verifier=verifier if endpoints.pkce else "")
    with pytest.raises(errors.AuthenticationError) as caught:
        login.exchange(query["code"][0], redirect_uri=back, verifier=verifier if endpoints.pkce else "")
    assert caught.value.code == "invalid_grant", "a code is good once"
    return grant


def grant_of(sandbox: RunningSandbox, slug: str) -> Grant:
    """However its accounts are connected."""
    return say_yes(sandbox, slug) if spec(slug).oauth else log_in(sandbox, slug, mfa=False)


@pytest.mark.parametrize("slug", WITH_OAUTH)
def test_a_yes_gives_an_account_and_tokens_that_are_renewed_and_revoked(slug: str, sandbox: RunningSandbox) -> None:
    grant = say_yes(sandbox, slug)
    login, translator = oauth_login(sandbox, slug), registry.translator(slug)
    assert set(grant.scopes) >= set(spec(slug).oauth.scopes)  # type: ignore[union-attr]
    assert not any(secret in repr(grant) for secret in grant.secrets.values())
    renewed = login.renew(grant.secrets)
    assert renewed.secrets != grant.secrets
    account = translator.to_account(adapter_with(renewed, sandbox, slug).account())
    assert account == registry.validator(slug).validate_account(account)
    with pytest.raises(errors.ConfigurationError) as wrong:
        oauth_login(sandbox, slug, secret="wrong").renew(renewed.secrets)
    assert wrong.value.code == "oauth_client", "our registration is wrong, and nobody's login is over"
    if isinstance(login, RevokingLogin):
        login.revoke(renewed.secrets)
    else:
        renewed = Grant({name: f"{value}x" for name, value in renewed.secrets.items()}, None)
    with pytest.raises(errors.AuthenticationError) as caught:
        login.renew(renewed.secrets)
    assert caught.value.code == "invalid_grant"


@pytest.mark.parametrize("slug", WITH_LOGIN)
def test_the_sandboxs_library_translates_validates_and_round_trips(slug: str, sandbox: RunningSandbox) -> None:
    adapter, translator, validator = (
        adapter_with(log_in(sandbox, slug, mfa=False), sandbox, slug), registry.translator(slug),
        registry.validator(slug),
    )  # fmt: skip
    summaries = [translator.to_summary(raw) for raw in walk(adapter.workout_page)]
    assert len({summary.external_id for summary in summaries}) == len(summaries) >= 10
    for summary in summaries:
        record = validator.validate_workout(translator.to_workout(adapter.workout(summary.external_id)))
        assert record.external_id == summary.external_id
        assert validator.unsupported(record) == [], record.name
        made = translator.to_summary(adapter.create_workout(translator.from_workout(record))).external_id
        again = validator.validate_workout(translator.to_workout(adapter.workout(made)))
        assert made != summary.external_id
        assert again.content() == record.content()
        adapter.delete_workout(made)
    assert len(list(walk(adapter.workout_page))) == len(summaries)


@pytest.mark.parametrize("slug", [slug for slug in SLUGS if spec(slug).can(Capability.ACTIVITIES_READ)])
def test_the_sandboxs_activities_translate_and_validate(slug: str, sandbox: RunningSandbox) -> None:
    adapter, translator, validator = (
        adapter_with(grant_of(sandbox, slug), sandbox, slug), registry.translator(slug), registry.validator(slug),
    )  # fmt: skip
    rows = list(walk(lambda start: adapter.activity_page(start, since=None)))
    records = [validator.validate_activity(translator.to_activity(raw)) for raw in rows]
    assert len({record.external_id for record in records}) == len(rows) > 0
    assert all(record.duration_s > 0 for record in records)
