import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
from django.db import migrations, models

LANGUAGES = (
    "simple arabic armenian basque catalan danish dutch english finnish french german greek hindi hungarian indonesian "
    "irish italian lithuanian nepali norwegian portuguese romanian russian serbian spanish swedish tamil turkish yiddish"
).split()

# One branch a language: the cast from a text to a configuration is not immutable, as a generated column's expression must
# be, and a function that only claims to be is not inlined, which doubles what storing costs.
DOCUMENT = """
CREATE FUNCTION memories_document(tenant_id bigint, language text, content text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE language {branches} END || array_to_tsvector(ARRAY['~t' || tenant_id])
$$
""".format(
    branches=" ".join(
        f"WHEN '{name}' THEN to_tsvector('pg_catalog.{name}'::regconfig, content)" for name in LANGUAGES
    )
)

# Whoever writes messages is counted: the API, a cascade, a COPY. A statement's rows at once; an edit is one row anyway.
TRIGGERS = """
CREATE FUNCTION memories_count_stored() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO memories_termchange (tenant_id, messages, words, language, terms)
    SELECT tenant_id, 1, word_count, language, tsvector_to_array(document) FROM stored;
    RETURN NULL;
END $$;
CREATE FUNCTION memories_count_deleted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO memories_termchange (tenant_id, messages, words, language, terms)
    SELECT tenant_id, -1, word_count, language, tsvector_to_array(document) FROM deleted;
    RETURN NULL;
END $$;
CREATE FUNCTION memories_count_edited() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO memories_termchange (tenant_id, messages, words, language, terms)
    VALUES (OLD.tenant_id, -1, OLD.word_count, OLD.language, tsvector_to_array(OLD.document)),
           (NEW.tenant_id, 1, NEW.word_count, NEW.language, tsvector_to_array(NEW.document));
    RETURN NULL;
END $$;
CREATE TRIGGER count_stored AFTER INSERT ON memories_message
    REFERENCING NEW TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION memories_count_stored();
CREATE TRIGGER count_deleted AFTER DELETE ON memories_message
    REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION memories_count_deleted();
CREATE TRIGGER count_edited AFTER UPDATE ON memories_message
    FOR EACH ROW WHEN (OLD.document IS DISTINCT FROM NEW.document OR OLD.word_count <> NEW.word_count
                       OR OLD.language <> NEW.language)
    EXECUTE FUNCTION memories_count_edited();

ALTER TABLE memories_termstatistic SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE memories_termchange SET (autovacuum_vacuum_scale_factor = 0.05);

INSERT INTO memories_termchange (tenant_id, messages, words, language, terms)
SELECT tenant_id, 1, word_count, language, tsvector_to_array(document) FROM memories_message;
"""
BACKWARD = """
DROP TRIGGER count_stored ON memories_message;
DROP TRIGGER count_deleted ON memories_message;
DROP TRIGGER count_edited ON memories_message;
DROP FUNCTION memories_count_stored();
DROP FUNCTION memories_count_deleted();
DROP FUNCTION memories_count_edited();
"""


def document(*arguments: str) -> models.GeneratedField:
    return models.GeneratedField(
        db_persist=True,
        expression=models.Func(*(models.F(name) for name in arguments), function='memories_document'),
        output_field=django.contrib.postgres.search.SearchVectorField(),
    )


class Migration(migrations.Migration):

    dependencies = [
        ('memories', '0005_codebooks'),
        ('tenants', '0003_search_settings'),
    ]

    operations = [
        migrations.CreateModel(
            name='Corpus',
            fields=[
                ('pk', models.CompositePrimaryKey('tenant_id', 'language', blank=True, editable=False, primary_key=True, serialize=False)),
                ('language', models.TextField()),
                ('messages', models.BigIntegerField()),
                ('words', models.BigIntegerField()),
                ('tenant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='tenants.tenant')),
            ],
        ),
        migrations.CreateModel(
            name='TermChange',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('messages', models.SmallIntegerField()),
                ('words', models.IntegerField()),
                ('language', models.TextField()),
                ('terms', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ('tenant', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, to='tenants.tenant')),
            ],
        ),
        migrations.CreateModel(
            name='TermStatistic',
            fields=[
                ('pk', models.CompositePrimaryKey('tenant_id', 'term', blank=True, editable=False, primary_key=True, serialize=False)),
                ('term', models.TextField()),
                ('messages', models.BigIntegerField()),
                ('tenant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='tenants.tenant')),
            ],
        ),
        migrations.AddField(
            model_name='message',
            name='language',
            field=models.TextField(db_default='english', editable=False, help_text='Whose rules cut the text into index words.'),
        ),
        # A generated column's expression cannot change: the column is made anew, which rewrites the table.
        migrations.RemoveIndex('message', 'message_document'),
        migrations.RemoveField('message', 'document'),
        migrations.RunSQL(DOCUMENT, "DROP FUNCTION memories_document(bigint, text, text)"),
        migrations.AddField('message', 'document', document('tenant_id', 'language', 'content')),
        migrations.RunSQL(
            "DROP FUNCTION memories_document(bigint, text)",
            """
            CREATE FUNCTION memories_document(tenant_id bigint, content text) RETURNS tsvector
            LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
                SELECT to_tsvector('pg_catalog.english'::regconfig, content) || array_to_tsvector(ARRAY['~t' || tenant_id])
            $$
            """,
        ),
        migrations.AddIndex(
            'message',
            django.contrib.postgres.indexes.GinIndex(
                fields=['document'], gin_pending_list_limit=256, name='message_document'
            ),
        ),
        migrations.RunSQL(TRIGGERS, BACKWARD),
    ]
