"""The groups of the admin's people, with their permissions, which Django would make only after all migrations."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

from memory_layer import groups


def make_groups(apps, schema_editor):
    for config in installed.get_app_configs():
        create_permissions(config, verbosity=0)
    groups.grant()


class Migration(migrations.Migration):

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
