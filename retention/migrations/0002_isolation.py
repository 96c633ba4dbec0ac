from django.db import migrations

from tenants.row_security import Isolate, Share


class Migration(migrations.Migration):

    dependencies = [('retention', '0001_initial'), ('tenants', '0010_isolation')]

    operations = [
        Isolate('retentionpolicy', 'retentionslot', 'retentionrun', 'plannedmove', 'legalhold', 'erasurereceipt'),
        # Schedules are shared: a new one is written where there is none like it, and beat is told.
        Share('SELECT, INSERT', 'django_celery_beat.intervalschedule', 'django_celery_beat.crontabschedule'),
        Share('SELECT, INSERT, UPDATE', 'django_celery_beat.periodictasks'),
    ]
