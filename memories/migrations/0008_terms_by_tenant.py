import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations
from django.db.models import Func

# The index words of a tenant as numbers that no other tenant's words have, but by an accident of 64 bits. Hash
# partitions rest on the same hash: it is the same in all versions of PostgreSQL.
TERMS = """
CREATE OR REPLACE FUNCTION memories_terms(tenant_id bigint, words text[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 200 AS $$
    SELECT ARRAY(SELECT hashtextextended(word, tenant_id) FROM unnest(words) AS word)
$$
"""


class Migration(migrations.Migration):
    atomic = False  # built while messages are being stored
    dependencies = [('memories', '0007_metadata_index')]
    operations = [
        migrations.RunSQL(TERMS, 'DROP FUNCTION memories_terms(bigint, text[])'),
        AddIndexConcurrently(
            'message',
            django.contrib.postgres.indexes.GinIndex(
                Func('tenant_id', Func('document', function='tsvector_to_array'), function='memories_terms'),
                gin_pending_list_limit=256,
                name='message_terms',
            ),
        ),
    ]
