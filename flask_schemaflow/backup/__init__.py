"""Copy a database away, verified, and bring it back."""

from .durability import durability_findings, file_system_of
from .manifest import Manifest, read_manifest
from .on_scratch import restored_on_scratch
from .policy import Backup, BackupPolicy, policy_of
from .restore import Restored, families_of, restore_backup
from .take import check_backup_possible, tables_of, take_backup
from .whole import dump_mysql, fill_mysql

__all__ = [
    "Backup",
    "BackupPolicy",
    "Manifest",
    "Restored",
    "check_backup_possible",
    "dump_mysql",
    "durability_findings",
    "families_of",
    "file_system_of",
    "fill_mysql",
    "policy_of",
    "read_manifest",
    "restore_backup",
    "restored_on_scratch",
    "tables_of",
    "take_backup",
]
