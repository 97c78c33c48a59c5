"""Reads the images of a site and cuts their hands."""
