from django.contrib import admin

from tenants.models import ApiKey, Tenant


@admin.register(Tenant)
class TenantAdmin(admin.ModelAdmin):
    list_display = ["name", "created_at", "suspended_at"]
    search_fields = ["name"]
    readonly_fields = ["created_at"]


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin):
    """Keys are issued by `create_key`, which shows the secret once; here they are seen, limited and revoked."""

    list_display = [
        "__str__",
        "tenant",
        "name",
        "scopes",
        "created_at",
        "expires_at",
        "revoked_at",
        "last_used_at",
    ]
    list_select_related = ["tenant"]
    readonly_fields = ["tenant", "created_at", "last_used_at"]

    def has_add_permission(self, request: object) -> bool:
        return False
