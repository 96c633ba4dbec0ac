"""The groups of the admin's people, and what each may do. Here, because this room knows all models."""

from django.contrib.auth.models import Group, Permission
from django.db.models import Q

from tenants.support import SUPPORT

OPERATOR, AUDITOR = "operator", "auditor"
# What the support of some tenants looks at there (`tenants.support` says which), and trying failed jobs again.
_SUPPORT = {
    "tenants": ["view_tenant", "view_apikey"],
    "memories": ["view_message", "view_archivedmessage", "view_embeddingjob", "change_embeddingjob"],
    "retention": ["view_retentionpolicy", "view_retentionrun", "view_legalhold", "view_erasurereceipt"],
}
# Everything; everything, but only to look at; that.
GROUPS = {
    OPERATOR: Q(),
    AUDITOR: Q(codename__startswith="view_"),
    SUPPORT: Q(
        *[Q(content_type__app_label=app, codename__in=names) for app, names in _SUPPORT.items()],
        _connector=Q.OR,
    ),
}


def lacking() -> dict[str, list[str]]:
    """The permissions that each group should have and has not, as `app.codename`; groups that are gone lack none."""
    found = {}
    for group in Group.objects.filter(name__in=GROUPS).order_by("name"):
        absent = Permission.objects.filter(GROUPS[group.name]).exclude(group=group)
        names = absent.order_by("content_type__app_label", "codename")
        found[group.name] = [
            ".".join(pair) for pair in names.values_list("content_type__app_label", "codename")
        ]
    return {name: absent for name, absent in found.items() if absent}


def grant() -> None:
    """Make the groups that are not there, and give each what it lacks. What somebody has added stays."""
    for name, condition in GROUPS.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.add(*Permission.objects.filter(condition))
