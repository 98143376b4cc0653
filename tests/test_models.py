import pytest
from django.db import DatabaseError, transaction

from accounts import audit
from accounts.models import AuditEntry, User


def test_an_audit_entry_is_never_changed_not_even_by_sql(coach: User) -> None:
    entry = audit.record("user.tested", coach, actor=coach)
    with pytest.raises(TypeError):
        entry.delete()
    for change in (lambda: AuditEntry.objects.update(action="x"), lambda: AuditEntry.objects.all().delete()):
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
            change()
    assert AuditEntry.objects.get().action == "user.tested"
