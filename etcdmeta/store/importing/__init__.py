"""Importing metadata from outside: under which ids, and in which steps.

What fits goes in one transaction. What does not goes in steps: first everything below the databases, which nobody sees
(records without their root are in no picture), then the roots, up to 96 records at a time: with at most 48 databases,
or 32 users, all of it shows in one generation, and with more of them each step leaves a valid picture. The import's own
record excludes other imports meanwhile, says under which ids it goes on, and is compared by each step: so the same call
goes on where another one was interrupted, by whatever and wherever, and a step that comes late changes nothing.
"""

from __future__ import annotations

from etcdmeta.store.importing.assigning import Findings, Intake
from etcdmeta.store.importing.maps import MappedRun, read_id_map
from etcdmeta.store.importing.running import ImportProgress, Preview, preview_import, run_import, take_back

__all__ = [
    "Findings",
    "ImportProgress",
    "Intake",
    "MappedRun",
    "Preview",
    "preview_import",
    "read_id_map",
    "run_import",
    "take_back",
]
