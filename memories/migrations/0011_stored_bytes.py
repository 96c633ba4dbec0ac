from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("memories", "0010_archive")]
    operations = [
        # In the order in which folding takes them. Counted by the next one: this one keeps searches waiting, so it is short.
        migrations.AddField("termchange", "bytes", models.IntegerField(db_default=0)),
        migrations.AddField("corpus", "bytes", models.BigIntegerField(db_default=0)),
        migrations.AddIndex("termchange", models.Index(fields=["tenant"], name="termchange_tenant")),
    ]
