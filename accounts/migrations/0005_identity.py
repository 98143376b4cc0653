import uuid

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_data_requests")]

    operations = [
        migrations.CreateModel(
            name="LoginApplication",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "provider",
                    models.CharField(choices=[("google", "Google"), ("github", "GitHub")], max_length=10, unique=True),
                ),
                (
                    "mode",
                    models.CharField(
                        choices=[
                            ("on", "On, with what stands here"),
                            ("environment", "As the environment says"),
                            ("off", "Off"),
                        ],
                        default="on",
                        max_length=12,
                    ),
                ),
                ("client_id", models.CharField(blank=True, max_length=191, verbose_name="client id")),
                ("client_secret", models.TextField(blank=True, editable=False)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "permissions": [("set_login_secrets", "Can set up logging in with Google and GitHub")],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(provider__in=["google", "github"]), name="loginapplication_known_provider"
                    ),
                    models.CheckConstraint(
                        condition=Q(mode__in=["on", "environment", "off"]), name="loginapplication_known_mode"
                    ),
                    models.CheckConstraint(
                        condition=~Q(mode="on") | (~Q(client_id="") & ~Q(client_secret="")),
                        name="loginapplication_on_is_whole",
                    ),
                    models.CheckConstraint(
                        condition=Q(client_secret="") | Q(client_secret__startswith="cv1:"),
                        name="loginapplication_secret_sealed",
                    ),
                ],
            },
        ),
    ]
