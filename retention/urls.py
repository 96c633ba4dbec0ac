from django.urls import path

from retention import erasure_views, hold_views, policy_views, run_views

# Ids may have any printable text, slashes too, and so stand at the end of the path or before a fixed word.
urlpatterns = [
    path(
        "conversations/<path:conversation_id>", erasure_views.ConversationView.as_view(), name="conversation"
    ),
    path("users/<path:user_id>/export", erasure_views.UserExportView.as_view(), name="user-export"),
    path("users/<path:user_id>", erasure_views.UserView.as_view(), name="user"),
    path("admin/tenants/<path:name>", erasure_views.TenantView.as_view(), name="tenant"),
    path("admin/receipts", erasure_views.ReceiptsView.as_view(), name="receipts"),
    path("admin/policies", policy_views.PoliciesView.as_view(), name="policies"),
    path("admin/policies/<int:policy_id>", policy_views.PolicyView.as_view(), name="policy"),
    path("admin/holds", hold_views.HoldsView.as_view(), name="holds"),
    path("admin/holds/<int:hold_id>/release", hold_views.ReleaseView.as_view(), name="hold-release"),
    path("admin/retention/run", run_views.RunView.as_view(), name="retention-run"),
    path("admin/retention/preview", run_views.PreviewView.as_view(), name="retention-preview"),
    path("admin/retention/explain", run_views.WhyView.as_view(), name="retention-explain"),
    path("admin/retention/restore", run_views.RestoreView.as_view(), name="retention-restore"),
    path("admin/retention/runs", run_views.RunsView.as_view(), name="retention-runs"),
    path("admin/retention/runs/<uuid:run_id>", run_views.OneRunView.as_view(), name="retention-one-run"),
    path(
        "admin/retention/runs/<uuid:run_id>/restore",
        run_views.RestoreRunView.as_view(),
        name="retention-restore-run",
    ),
]
