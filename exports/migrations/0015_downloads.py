import django.utils.timezone
from django.db import migrations, models


def keep_times(apps, schema_editor):
    """A download of before was one request."""
    alias = schema_editor.connection.alias
    apps.get_model("exports", "Download").objects.using(alias).update(last_at=models.F("at"))


class Migration(migrations.Migration):

    dependencies = [
        ("exports", "0014_quota"),
    ]

    operations = [
        migrations.AddField(
            model_name="download",
            name="bytes",
            field=models.BigIntegerField(db_default=0, default=0, verbose_name="bytes"),
        ),
        migrations.AddField(
            model_name="download",
            name="last_at",
            field=models.DateTimeField(default=django.utils.timezone.now, verbose_name="last at"),
        ),
        migrations.AddField(
            model_name="download",
            name="requests",
            field=models.PositiveBigIntegerField(db_default=1, default=1, verbose_name="requests"),
        ),
        migrations.AddField(
            model_name="download",
            name="slot",
            field=models.CharField(blank=True, default="", editable=False, max_length=200),
            preserve_default=False,
        ),
        migrations.RunPython(keep_times, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="download",
            constraint=models.UniqueConstraint(
                condition=models.Q(("slot", ""), _negated=True),
                fields=("export", "slot"),
                name="one_download_a_slot",
            ),
        ),
    ]
