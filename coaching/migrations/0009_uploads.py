import uuid

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):

    dependencies = [
        ("coaching", "0008_declined_with_a_reason"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Upload",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("crashes", models.PositiveSmallIntegerField(default=0)),
                ("next_attempt_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("lease_token", models.UUIDField(editable=False, null=True)),
                ("lease_until", models.DateTimeField(editable=False, null=True)),
                ("error_code", models.CharField(blank=True, max_length=40)),
                ("error_detail", models.CharField(blank=True, max_length=500)),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("name", models.CharField(max_length=120)),
                ("stored", models.FileField(blank=True, max_length=200, upload_to="uploads/%Y/%m")),
                ("sha256", models.CharField(max_length=64)),
                ("bytes_n", models.PositiveIntegerField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("received", "Waiting to be read"),
                            ("reading", "Being read"),
                            ("done", "Read"),
                            ("partly", "Read in part"),
                            ("refused", "Not read"),
                        ],
                        default="received",
                        max_length=8,
                    ),
                ),
                ("files_n", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("parts", models.JSONField(blank=True, default=list)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "athlete",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="uploads", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["athlete", "-created_at"], name="upload_newest"),
                    models.Index(condition=Q(status__in=["received"]), fields=["next_attempt_at"], name="upload_due"),
                    models.Index(condition=Q(status__in=["reading"]), fields=["lease_until"], name="upload_reaper"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("athlete", "sha256"), name="upload_once"),
                    models.CheckConstraint(
                        condition=Q(status__in=["received", "reading", "done", "partly", "refused"]),
                        name="upload_known_status",
                    ),
                    models.CheckConstraint(
                        condition=Q(lease_token=None, lease_until=None)
                        | Q(lease_token__isnull=False, lease_until__isnull=False),
                        name="upload_lease_whole",
                    ),
                ],
            },
        ),
    ]
