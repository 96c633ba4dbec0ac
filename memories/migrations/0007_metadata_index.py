import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # built while messages are being stored
    dependencies = [('memories', '0006_lexicon')]
    operations = [
        AddIndexConcurrently(
            'message',
            django.contrib.postgres.indexes.GinIndex(
                fields=['metadata'],
                gin_pending_list_limit=256,
                name='message_metadata',
                opclasses=['jsonb_path_ops'],
            ),
        ),
    ]
