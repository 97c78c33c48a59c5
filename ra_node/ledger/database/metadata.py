"""The one set of tables of the ledger, to which `schema` and `reader_study_schema` add theirs.

A module of its own, so that neither of the two imports the other's tables in a circle.
"""

from __future__ import annotations

from sqlalchemy import MetaData

metadata = MetaData()
"""Every table of the ledger."""
