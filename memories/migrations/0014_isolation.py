from django.db import migrations

from tenants.row_security import Isolate, Share, ViewForSearch


class Migration(migrations.Migration):

    dependencies = [('memories', '0013_count_edited_bytes'), ('tenants', '0010_isolation')]

    operations = [
        Isolate(
            'message', 'messageembedding', 'messagerecall', 'archivedmessage', 'archivedembedding',
            'embeddingjob', 'embeddingusage', 'centroid', 'vectorrecall',
            'corpus', 'termstatistic', 'termchange', 'suppression',
        ),
        # The first message of an installation makes its space. An insert locks the spaces, which takes a right to
        # UPDATE something: of the id, which nobody does.
        Share('SELECT, INSERT, UPDATE (id)', 'embeddingspace'),
        ViewForSearch('memories_messageforsearch', 'message', without=['content']),
        ViewForSearch('memories_archivedmessageforsearch', 'archivedmessage', without=['content']),
        # By words alone: message_terms and archived_terms hold the words of each tenant apart.
        ViewForSearch('memories_messageforwords', 'message', without=['content'], own_index=True),
        ViewForSearch('memories_archivedmessageforwords', 'archivedmessage', without=['content'], own_index=True),
    ]
