from django.db import migrations

FUNCTIONS = """
CREATE FUNCTION memories_bytes(content text, metadata jsonb) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT octet_length(content) + octet_length(metadata::text) $$;

CREATE OR REPLACE FUNCTION memories_count_stored() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO memories_termchange (tenant_id, messages, words, bytes, language, terms)
    SELECT tenant_id, 1, word_count, memories_bytes(content, metadata), language, tsvector_to_array(document) FROM stored;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION memories_count_deleted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO memories_termchange (tenant_id, messages, words, bytes, language, terms)
    SELECT tenant_id, -1, word_count, memories_bytes(content, metadata), language, tsvector_to_array(document) FROM deleted;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION memories_count_edited() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO memories_termchange (tenant_id, messages, words, bytes, language, terms)
    VALUES (OLD.tenant_id, -1, OLD.word_count, memories_bytes(OLD.content, OLD.metadata), OLD.language,
            tsvector_to_array(OLD.document)),
           (NEW.tenant_id, 1, NEW.word_count, memories_bytes(NEW.content, NEW.metadata), NEW.language,
            tsvector_to_array(NEW.document));
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER count_edited AFTER UPDATE ON memories_message
    FOR EACH ROW WHEN (OLD.document IS DISTINCT FROM NEW.document OR OLD.word_count <> NEW.word_count
                       OR OLD.language <> NEW.language OR OLD.metadata <> NEW.metadata OR OLD.content <> NEW.content)
    EXECUTE FUNCTION memories_count_edited();
"""

# What is stored now is counted as folded, with what waits: the changes that wait say 0 bytes. Writers wait meanwhile,
# readers do not.
COUNT = """
LOCK TABLE memories_termchange, memories_corpus IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO memories_corpus AS known (tenant_id, language, messages, words, bytes)
SELECT tenant_id, language, 0, 0, sum(memories_bytes(content, metadata)) FROM memories_message GROUP BY 1, 2
ON CONFLICT (tenant_id, language) DO UPDATE SET bytes = excluded.bytes;
"""

FUNCTIONS_BACKWARD = """
CREATE OR REPLACE FUNCTION memories_count_stored() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO memories_termchange (tenant_id, messages, words, language, terms)
    SELECT tenant_id, 1, word_count, language, tsvector_to_array(document) FROM stored;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION memories_count_deleted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO memories_termchange (tenant_id, messages, words, language, terms)
    SELECT tenant_id, -1, word_count, language, tsvector_to_array(document) FROM deleted;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION memories_count_edited() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO memories_termchange (tenant_id, messages, words, language, terms)
    VALUES (OLD.tenant_id, -1, OLD.word_count, OLD.language, tsvector_to_array(OLD.document)),
           (NEW.tenant_id, 1, NEW.word_count, NEW.language, tsvector_to_array(NEW.document));
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER count_edited AFTER UPDATE ON memories_message
    FOR EACH ROW WHEN (OLD.document IS DISTINCT FROM NEW.document OR OLD.word_count <> NEW.word_count
                       OR OLD.language <> NEW.language)
    EXECUTE FUNCTION memories_count_edited();
DROP FUNCTION memories_bytes(text, jsonb);
"""


class Migration(migrations.Migration):
    dependencies = [("memories", "0011_stored_bytes")]
    operations = [
        # First: no message comes or goes from here on, so none is counted twice or not at all.
        migrations.RunSQL("LOCK TABLE memories_message IN SHARE ROW EXCLUSIVE MODE", migrations.RunSQL.noop),
        migrations.RunSQL(FUNCTIONS, FUNCTIONS_BACKWARD),
        migrations.RunSQL(COUNT, migrations.RunSQL.noop),
    ]
