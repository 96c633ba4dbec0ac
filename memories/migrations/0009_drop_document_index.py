from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [('memories', '0008_terms_by_tenant')]
    operations = [RemoveIndexConcurrently('message', 'message_document')]
