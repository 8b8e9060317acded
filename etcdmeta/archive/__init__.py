"""Our own files, written and read: the backup, which is all that lasts, and the document, for people and tools.

Pure: bytes in, bytes out. A backup holds every record of a cluster as etcd had it at one revision; a document (JSON)
says what the picture shows, users' hashes included, and is what another program reads. Damaged input is an
`ArchiveDamaged` with the byte offset, or a `DocumentInvalid` with the path of what is wrong.
"""

from __future__ import annotations

from etcdmeta.archive.backup import BackupReader, BackupWriter, Stored, is_backup
from etcdmeta.archive.document import is_document, write_document
from etcdmeta.archive.errors import ArchiveDamaged, ArchiveTooNew, DocumentInvalid
from etcdmeta.archive.incoming import incoming_of, read_backup
from etcdmeta.archive.reading import read_document

__all__ = [
    "ArchiveDamaged",
    "ArchiveTooNew",
    "BackupReader",
    "BackupWriter",
    "DocumentInvalid",
    "Stored",
    "incoming_of",
    "is_backup",
    "is_document",
    "read_backup",
    "read_document",
    "write_document",
]
