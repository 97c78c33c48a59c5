"""Rows of reader studies: studies, readers, hands, tasks and the append-only judgements."""
