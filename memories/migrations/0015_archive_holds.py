"""Whether the archive has an external_id by now: an INSERT looks before a row is there, and again after.

VOLATILE and not SQL, so that each call sees what is committed when it is made, and not what was when its statement
began; the plan is kept by the session. As whoever asks: row-level security holds.
"""

from django.db import migrations

HOLDS = """
CREATE FUNCTION memories_archive_holds(of_tenant bigint, wanted text) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT AS $$ BEGIN
    RETURN EXISTS (
        SELECT FROM memories_archivedmessage held
        WHERE held.tenant_id = of_tenant AND held.external_id = wanted AND held.deleted_at IS NULL);
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("memories", "0014_isolation")]
    operations = [migrations.RunSQL(HOLDS, "DROP FUNCTION memories_archive_holds(bigint, text)")]
