"""Who trains with me, and whom I asked to."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema, Status
from pydantic import Field, field_validator

from accounts.models import TokenScope
from accounts.rest.answers import created
from accounts.rest.callers import Bearer, coach_of
from accounts.rest.paging import Page, Paging, page
from accounts.rest.repeating import once
from coaching.models import CoachingLink, Invitation
from coaching.services import inviting

router = Router(tags=["Athletes"])
READ, WRITE = Bearer(TokenScope.ATHLETES_READ), Bearer(TokenScope.ATHLETES_WRITE)


class AthleteOut(Schema):
    id: UUID = Field(description="Names the athlete in your coaching, everywhere in this API.")
    name: str
    time_zone: str
    scopes: list[str] = Field(description="What the athlete lets you see.")
    imports_automatically: bool
    since: datetime
    account_status: str | None = Field(description="Of the account that workouts go to; null without one.")


class InvitationIn(Schema):
    email: str = Field(max_length=254)

    @field_validator("email")
    @classmethod
    def is_an_address(cls, value: str) -> str:
        try:
            validate_email(value.strip())
        except ValidationError:
            raise ValueError("is no email address") from None
        return value.strip()


class InvitationOut(Schema):
    id: UUID
    email: str
    created_at: datetime
    expires_at: datetime
    mailed_at: datetime | None = Field(description="Null when the mail did not leave; send it again on the site.")
    declined_at: datetime | None


@router.get("/athletes", auth=READ, response=Page[AthleteOut])
def athletes(request: HttpRequest, paging: Query[Paging]) -> Any:
    """Who trains with me now."""
    return page(CoachingLink.objects.active_for_coach(coach_of(request)).with_account(), paging, _athlete)


@router.get("/athletes/{uuid:athlete_id}", auth=READ, response=AthleteOut)
def athlete(request: HttpRequest, athlete_id: UUID) -> Any:
    """One of them."""
    links = CoachingLink.objects.active_for_coach(coach_of(request)).with_account()
    return _athlete(get_object_or_404(links, public_id=athlete_id))


@router.get("/invitations", auth=READ, response=Page[InvitationOut])
def invitations(request: HttpRequest, paging: Query[Paging]) -> Any:
    """Invitations that nobody has accepted yet."""
    return page(Invitation.objects.pending_for_coach(coach_of(request)), paging, _invitation)


@router.post("/invitations", auth=WRITE, response={201: InvitationOut})
def invite(request: HttpRequest, wanted: InvitationIn) -> Any:
    """Invite an athlete by mail. Inviting again sends a new link; the earlier one stops working."""
    coach = coach_of(request)

    def send() -> Any:
        invitation, _ = inviting.invite(coach, wanted.email)
        return created(
            InvitationOut.model_validate(_invitation(invitation)), f"/api/v1/invitations/{invitation.public_id}"
        )

    return once(request, send, whole=False)  # the mail leaves after the commit


@router.get("/invitations/{uuid:invitation_id}", auth=READ, response=InvitationOut)
def invitation(request: HttpRequest, invitation_id: UUID) -> Any:
    """One of them."""
    return _invitation(
        get_object_or_404(Invitation.objects.pending_for_coach(coach_of(request)), public_id=invitation_id)
    )


@router.delete("/invitations/{uuid:invitation_id}", auth=WRITE, response={204: None})
def revoke(request: HttpRequest, invitation_id: UUID) -> Any:
    """Take an invitation back. The link in the mail stops working."""
    coach = coach_of(request)
    inviting.revoke(get_object_or_404(Invitation.objects.pending_for_coach(coach), public_id=invitation_id), by=coach)
    return Status(204, None)


def _athlete(link: CoachingLink) -> dict[str, Any]:
    return {
        "id": link.public_id,
        "name": str(link.athlete.display_name),
        "time_zone": link.athlete.time_zone,
        "scopes": link.scopes,
        "imports_automatically": link.auto_import,
        "since": link.started_at,
        "account_status": getattr(link, "account", None),
    }


def _invitation(found: Invitation) -> dict[str, Any]:
    names = ("email", "created_at", "expires_at", "mailed_at", "declined_at")
    return {"id": found.public_id, **{name: getattr(found, name) for name in names}}
