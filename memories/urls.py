from django.urls import path

from memories import context_views, conversation_views, job_views, search_views, views

urlpatterns = [
    path("memory/search", search_views.SearchView.as_view(), name="search"),  # they are tried in order
    path("messages", views.MessagesView.as_view(), name="messages"),
    path("messages/batch", views.MessageBatchView.as_view(), name="message-batch"),
    path("messages/<uuid:message_id>", views.MessageView.as_view(), name="message"),
    # One conversation is in retention.urls: it can be read and erased.
    path("conversations", conversation_views.ConversationsView.as_view(), name="conversations"),
    path("memory/explain", search_views.WhyView.as_view(), name="explain"),
    path("memory/context", context_views.ContextView.as_view(), name="context"),
    path("admin/jobs", job_views.JobsView.as_view(), name="jobs"),
    path("admin/jobs/replay", job_views.ReplayView.as_view(), name="replay"),
]
