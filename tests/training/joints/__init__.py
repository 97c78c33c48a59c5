"""Tests of the joint task."""
