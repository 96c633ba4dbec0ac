from memories.admin.jobs import EmbeddingJobAdmin
from memories.admin.messages import MessageAdmin, MetadataForm
from memories.admin.spaces import EmbeddingSpaceAdmin
from memories.admin.tenants import TenantUsageAdmin

__all__ = ["EmbeddingJobAdmin", "EmbeddingSpaceAdmin", "MessageAdmin", "MetadataForm", "TenantUsageAdmin"]
