from retention.admin.archive import ArchivedMessageAdmin, ErasureReceiptAdmin
from retention.admin.holds import LegalHoldAdmin
from retention.admin.policies import RetentionPolicyAdmin
from retention.admin.runs import RetentionRunAdmin

__all__ = [
    "ArchivedMessageAdmin",
    "ErasureReceiptAdmin",
    "LegalHoldAdmin",
    "RetentionPolicyAdmin",
    "RetentionRunAdmin",
]
