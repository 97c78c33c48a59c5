"""The proof of "nothing is lost": `make torture` runs all of it, the tests here a smaller cut."""
