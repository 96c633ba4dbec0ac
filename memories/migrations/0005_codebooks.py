import django.db.models.deletion
import django.db.models.functions.datetime
import pgvector.django.halfvec
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('memories', '0004_vectors'),
        ('tenants', '0002_embedding_budget'),
    ]

    operations = [
        migrations.CreateModel(
            name='Centroid',
            fields=[
                ('pk', models.CompositePrimaryKey('tenant_id', 'space_id', 'bucket', blank=True, editable=False, primary_key=True, serialize=False)),
                ('bucket', models.IntegerField()),
                ('centroid', pgvector.django.halfvec.HalfVectorField()),
                ('space', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='memories.embeddingspace')),
                ('tenant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='tenants.tenant')),
            ],
        ),
        migrations.RunSQL(
            # Toasted, each of a search's distances would be a look-up of its own.
            'ALTER TABLE memories_centroid ALTER centroid SET STORAGE PLAIN',
            migrations.RunSQL.noop,
        ),
        migrations.CreateModel(
            name='VectorRecall',
            fields=[
                ('pk', models.CompositePrimaryKey('tenant_id', 'space_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('recall', models.FloatField(help_text='Mean over the queries, 0 to 1.')),
                ('k', models.PositiveSmallIntegerField()),
                ('queries', models.PositiveIntegerField()),
                ('measured_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('space', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='memories.embeddingspace')),
                ('tenant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to='tenants.tenant')),
            ],
        ),
    ]
