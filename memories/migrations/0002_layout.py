from django.db import migrations

# What Django cannot say: primary keys that start with the tenant on tables that its admin shows, the vector inside
# the primary key's index, and foreign keys of two columns.
FORWARD = """
ALTER TABLE memories_message DROP CONSTRAINT memories_message_pkey;
ALTER TABLE memories_message ADD PRIMARY KEY (tenant_id, id);
ALTER TABLE memories_message SET (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.02);

ALTER TABLE memories_embeddingjob DROP CONSTRAINT memories_embeddingjob_pkey;
ALTER TABLE memories_embeddingjob ADD PRIMARY KEY (tenant_id, id);
ALTER TABLE memories_embeddingjob ADD CONSTRAINT embeddingjob_of_message
    FOREIGN KEY (tenant_id, message_id) REFERENCES memories_message (tenant_id, id) ON DELETE CASCADE;
ALTER TABLE memories_embeddingjob SET (autovacuum_vacuum_scale_factor = 0.02, fillfactor = 70);

ALTER TABLE memories_messageembedding DROP CONSTRAINT memories_messageembedding_pkey;
ALTER TABLE memories_messageembedding ADD PRIMARY KEY (tenant_id, space_id, message_id) INCLUDE (embedding);
ALTER TABLE memories_messageembedding ALTER embedding SET STORAGE PLAIN;
ALTER TABLE memories_messageembedding ADD CONSTRAINT embedding_of_message
    FOREIGN KEY (tenant_id, message_id) REFERENCES memories_message (tenant_id, id) ON DELETE CASCADE;
-- Index-only scans need pages marked all-visible: vacuum after 1 % of new rows.
ALTER TABLE memories_messageembedding
    SET (autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_scale_factor = 0.02);
"""

BACKWARD = """
ALTER TABLE memories_messageembedding DROP CONSTRAINT embedding_of_message;
ALTER TABLE memories_messageembedding DROP CONSTRAINT memories_messageembedding_pkey;
ALTER TABLE memories_messageembedding ADD PRIMARY KEY (tenant_id, space_id, message_id);
ALTER TABLE memories_embeddingjob DROP CONSTRAINT embeddingjob_of_message;
ALTER TABLE memories_embeddingjob DROP CONSTRAINT memories_embeddingjob_pkey;
ALTER TABLE memories_embeddingjob ADD PRIMARY KEY (id);
ALTER TABLE memories_message DROP CONSTRAINT memories_message_pkey;
ALTER TABLE memories_message ADD PRIMARY KEY (id);
"""


class Migration(migrations.Migration):
    dependencies = [("memories", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
