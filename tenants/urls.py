from django.urls import path

from tenants import audit_views, views

urlpatterns = [
    path("admin/audit", audit_views.AuditView.as_view(), name="audit"),
    path("admin/tenants", views.TenantsView.as_view(), name="tenants"),
    path("admin/keys", views.KeysView.as_view(), name="keys"),
    path("admin/keys/<str:prefix>", views.KeyView.as_view(), name="key"),
    path("admin/keys/<str:prefix>/rotate", views.RotateKeyView.as_view(), name="rotate-key"),
]
