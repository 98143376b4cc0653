from django.db import migrations

REFUSE = """
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.actor_id IS NOT NULL AND NEW.actor_id IS NULL
       AND to_jsonb(OLD) - 'actor_id' = to_jsonb(NEW) - 'actor_id' THEN
        RETURN NEW;  -- a person was erased: the entry stays, its actor goes
    END IF;
    IF TG_OP = 'DELETE' AND current_setting('coaching.audit_retention', true) = 'on' THEN
        RETURN OLD;  -- the retention job says so for its own transaction
    END IF;
    RAISE EXCEPTION 'an audit entry is never changed';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON accounts_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
"""
UNDO = "DROP TRIGGER audit_append_only ON accounts_auditentry; DROP FUNCTION audit_is_append_only();"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [migrations.RunSQL(REFUSE, UNDO)]
