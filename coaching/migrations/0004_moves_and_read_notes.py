from django.db import migrations, models

# What was sent before stands, or was announced, on the day of its share.
FILL = """
UPDATE coaching_delivery AS delivery
SET day = share.scheduled_for,
    sent_day = CASE WHEN delivery.remote_schedule_id <> '' OR delivery.schedule_sent_at IS NOT NULL
                    THEN share.scheduled_for END
FROM coaching_share AS share
WHERE share.id = delivery.share_id AND share.scheduled_for IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [("coaching", "0003_activities")]

    operations = [
        migrations.AddField("delivery", "day", models.DateField(blank=True, null=True)),
        migrations.AddField("delivery", "sent_day", models.DateField(blank=True, null=True)),
        migrations.AddField("coachinglink", "notes_read_by_coach_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("coachinglink", "notes_read_by_athlete_at", models.DateTimeField(blank=True, null=True)),
        migrations.AlterField(
            "deliveryattempt",
            "step",
            models.CharField(
                choices=[
                    ("create", "Create the workout"),
                    ("schedule", "Put it on the calendar"),
                    ("update", "Replace the workout"),
                    ("reconcile", "Look whether it arrived"),
                    ("delete", "Take it out again"),
                    ("unschedule", "Take it off its earlier day"),
                ],
                max_length=10,
            ),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
