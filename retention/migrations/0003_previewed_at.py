from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('retention', '0002_isolation')]

    operations = [
        migrations.AddField(
            model_name='retentionpolicy',
            name='previewed_at',
            field=models.DateTimeField(editable=False, help_text='When somebody first saw what it would do.', null=True),
        ),
    ]
