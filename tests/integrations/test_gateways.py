"""From the provider's row to its gateway: what counts, who hears of a turn, and what operations do by hand."""

import pytest

from integrations import errors, gateways
from integrations.models import DomainEvent, Provider
from integrations.resilience.admission import RateLimitStatus
from integrations.resilience.gateway import Gateway
from integrations.sandbox import RunningSandbox

pytestmark = pytest.mark.django_db(transaction=True)
PROFILE = "/userprofile-service/socialProfile"


def fails(gateway: Gateway, times: int) -> None:
    for _ in range(times):
        with pytest.raises(errors.IntegrationError):
            gateway.request("GET", PROFILE, operation="profile", base="nobody")


@pytest.fixture
def gateway(garmin: RunningSandbox, garmin_provider: Provider, no_repeats: None, nowhere: str) -> Gateway:
    garmin_provider.base_urls |= {"nobody": nowhere}
    garmin_provider.limits |= {"provider": {"capacity": 100, "per_s": 100}}
    garmin_provider.save()
    return gateways.gateway_for(garmin_provider)


def test_the_row_overrides_the_spec(garmin_provider: Provider) -> None:
    assert gateways.settings_for(garmin_provider).policies.limits["account"].capacity == 2
    garmin_provider.limits = {"account": {"capacity": 7, "per_s": 3}}
    limits = gateways.settings_for(garmin_provider).policies.limits
    assert (limits["account"].capacity, limits["account"].refill_rate) == (7, 3)
    assert limits["login"].capacity == 1


def test_a_changed_row_makes_a_new_gateway_and_keeps_the_circuit(gateway: Gateway, garmin_provider: Provider) -> None:
    fails(gateway, 10)
    garmin_provider.save()
    another = gateways.gateway_for(garmin_provider)
    assert another is not gateway
    with pytest.raises(errors.CircuitOpenError):
        another.request("GET", PROFILE, operation="profile")


def test_a_circuit_that_opens_is_an_event_told_once(gateway: Gateway, garmin_provider: Provider) -> None:
    fails(gateway, 15)
    event = DomainEvent.objects.get(type="integration.circuit.opened")
    assert event.payload == {"provider": "garmin", "operation": "api", "reason": "connection"}
    assert event.subject_id == str(garmin_provider.pk)


def test_a_trip_by_hand_stops_every_process_until_the_reset(gateway: Gateway, garmin_provider: Provider) -> None:
    assert gateways.trip(garmin_provider, reason="They have an outage")
    assert not gateways.trip(garmin_provider, reason="again"), "no second event"
    gateways.forget()  # what another process has built
    elsewhere = gateways.gateway_for(garmin_provider)
    assert elsewhere is not gateway
    with pytest.raises(errors.CircuitOpenError):
        elsewhere.request("GET", PROFILE, operation="profile")
    standing = gateways.standing(garmin_provider)
    assert (standing.circuit.state, standing.circuit.forced) == ("OPEN", "They have an outage")
    assert (standing.login.state, standing.shared) == ("CLOSED", True)
    assert gateways.reset(garmin_provider)
    assert gateways.standing(garmin_provider).circuit.state == "CLOSED"
    kinds = (
        DomainEvent.objects.filter(type__startswith="integration.circuit").order_by("pk").values_list("type", flat=True)
    )
    assert list(kinds) == ["integration.circuit.opened", "integration.circuit.closed"]


def test_logins_are_stopped_apart_from_the_rest(gateway: Gateway, garmin_provider: Provider) -> None:
    gateways.trip(garmin_provider, reason="Captchas for everybody", login=True)
    with pytest.raises(errors.CircuitOpenError), gateway.guard("login"):
        raise AssertionError("nobody logs in now")
    assert gateways.standing(garmin_provider).circuit.state == "CLOSED"


def test_the_standing_names_the_buckets(gateway: Gateway, garmin_provider: Provider) -> None:
    buckets = {status.key: status for status in gateways.standing(garmin_provider).buckets}
    assert buckets.keys() == {"provider", "login", "login_hour"}
    assert buckets["provider"] == RateLimitStatus("provider", 100, 100)


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254", "https://127.1", "https://evil.example", "http://127.0.0.1:22"]
)
def test_an_address_that_slipped_into_the_row_is_not_called(garmin_provider: Provider, url: str) -> None:
    garmin_provider.base_urls = dict.fromkeys(("api", "sso", "connect", "token"), url)
    garmin_provider.save()
    gateway = gateways.gateway_for(garmin_provider)
    with pytest.raises(errors.ConfigurationError), gateway.guard("login"):
        raise AssertionError("no library may call it either")
    with pytest.raises(errors.ConfigurationError) as caught:
        gateway.request("GET", PROFILE, operation="profile")
    assert (caught.value.code, caught.value.retryable) == ("address_refused", False)
