"""Pages of reader studies: what a reader reads, adjudicates and signs, and what a lead sees."""
