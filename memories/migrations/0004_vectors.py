from django.db import migrations, models

# The widest row of embedding_search, at 1,280 dimensions, has 2,616 of the 2,704 bytes that a b-tree row may have:
# 8 header, 8 tenant, 2 + 2 space, 4 bucket, 16 message, 2 + 2 part, 8 + 2,560 vector, 4 to the next multiple of 8.
FORWARD = """
ALTER TABLE memories_messageembedding
    ADD COLUMN part smallint NOT NULL DEFAULT 0, ADD COLUMN bucket integer NOT NULL DEFAULT 0;
ALTER TABLE memories_messageembedding DROP CONSTRAINT memories_messageembedding_pkey;
ALTER TABLE memories_messageembedding ADD PRIMARY KEY (tenant_id, message_id, space_id, part);
DROP INDEX embedding_message;
CREATE INDEX embedding_search ON memories_messageembedding (tenant_id, space_id, bucket, message_id, part)
    INCLUDE (embedding);
"""

BACKWARD = """
DELETE FROM memories_messageembedding WHERE part <> 0;
DROP INDEX embedding_search;
CREATE INDEX embedding_message ON memories_messageembedding (tenant_id, message_id);
ALTER TABLE memories_messageembedding DROP CONSTRAINT memories_messageembedding_pkey;
ALTER TABLE memories_messageembedding ADD PRIMARY KEY (tenant_id, space_id, message_id) INCLUDE (embedding);
ALTER TABLE memories_messageembedding DROP COLUMN part, DROP COLUMN bucket;
"""

# Django cannot change a composite primary key, so the database is told in SQL.
STATE = [
    migrations.AddField('messageembedding', 'part', models.SmallIntegerField(db_default=0)),
    migrations.AddField(
        'messageembedding',
        'bucket',
        models.IntegerField(db_default=0, help_text="Which of the tenant's centroids is nearest; 0: none yet."),
    ),
    migrations.RemoveField('messageembedding', 'pk'),
    migrations.AddField(
        'messageembedding',
        'pk',
        models.CompositePrimaryKey(
            'tenant_id', 'message_id', 'space_id', 'part',
            blank=True, editable=False, primary_key=True, serialize=False,
        ),
    ),
    migrations.RemoveIndex('messageembedding', 'embedding_message'),
    migrations.AddIndex(
        'messageembedding',
        models.Index(
            fields=['tenant', 'space', 'bucket', 'message_id', 'part'],
            include=('embedding',),
            name='embedding_search',
        ),
    ),
]


class Migration(migrations.Migration):
    dependencies = [('memories', '0003_embedding_usage'), ('tenants', '0002_embedding_budget')]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(FORWARD, BACKWARD)], state_operations=STATE
        ),
    ]
