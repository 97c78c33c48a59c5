"""Reader studies: two blinded readers stage hands, adjudicate, and export a data set."""
