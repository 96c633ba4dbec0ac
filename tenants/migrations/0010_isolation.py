from django.db import migrations

from tenants.row_security import CURRENT_KEY, Isolate, MakeRoles


class Migration(migrations.Migration):

    dependencies = [('tenants', '0009_idempotency')]

    operations = [
        MakeRoles(),
        # Operators make and remove tenants, beyond all of them; its own administrator changes settings.
        Isolate('tenant', column='id', rights='SELECT, UPDATE'),
        # Before it is known who is asking, there is the key that was sent.
        Isolate('apikey', rights='SELECT, INSERT, UPDATE', or_else=f'digest = {CURRENT_KEY}'),
        Isolate('auditevent', rights='SELECT, INSERT'),
        Isolate('supporttenant', rights='SELECT'),
        Isolate('idempotencyrecord'),
    ]
