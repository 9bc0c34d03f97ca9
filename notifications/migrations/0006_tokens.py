from django.conf import settings
from django.db import migrations, models
from django.utils.crypto import salted_hmac

import notifications.models


def keep_valid(apps, schema_editor):
    """Keep existing tokens valid, bound to the current password of their user."""
    tokens = apps.get_model("notifications", "Token").objects.using(schema_editor.connection.alias)
    for token in tokens.select_related("user"):
        password = salted_hmac("notifications.tokens", token.user.password, algorithm="sha256")
        tokens.filter(pk=token.pk).update(password_digest=password.hexdigest())


class Migration(migrations.Migration):

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("notifications", "0005_written"),
    ]

    operations = [
        migrations.AddField(
            model_name="token",
            name="expires_at",
            field=models.DateTimeField(
                default=notifications.models.default_expiry, verbose_name="expires at"
            ),
        ),
        migrations.AddField(
            model_name="token",
            name="scope",
            field=models.CharField(
                choices=[
                    ("full", "Everything the user can do"),
                    ("read", "Follow and download only"),
                ],
                db_default="full",
                default="full",
                max_length=4,
                verbose_name="scope",
            ),
        ),
        migrations.AddField(
            model_name="token",
            name="warned_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="token",
            name="password_digest",
            field=models.CharField(default="", editable=False, max_length=64),
            preserve_default=False,
        ),
        migrations.RunPython(keep_valid, migrations.RunPython.noop),
    ]
