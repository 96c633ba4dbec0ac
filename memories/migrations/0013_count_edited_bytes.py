"""An edit counts when the bytes that count differ: 1 and 1.0 are the same to jsonb and have not the same length."""

from django.db import migrations

TRIGGER = """
CREATE OR REPLACE TRIGGER count_edited AFTER UPDATE ON memories_message
    FOR EACH ROW WHEN (OLD.document IS DISTINCT FROM NEW.document OR OLD.word_count <> NEW.word_count
                       OR OLD.language <> NEW.language OR {bytes})
    EXECUTE FUNCTION memories_count_edited();
"""
FORWARD = TRIGGER.format(
    bytes="memories_bytes(OLD.content, OLD.metadata) <> memories_bytes(NEW.content, NEW.metadata)"
)
BACKWARD = TRIGGER.format(bytes="OLD.metadata <> NEW.metadata OR OLD.content <> NEW.content")


class Migration(migrations.Migration):
    dependencies = [("memories", "0012_count_bytes")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
