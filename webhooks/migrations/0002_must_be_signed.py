from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('webhooks', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='webhookendpoint',
            name='must_be_signed',
            field=models.BooleanField(default=False, help_text='For a provider that may sign with our client secret: what comes unsigned is refused.', verbose_name='signature demanded'),
        ),
    ]
