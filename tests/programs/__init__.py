"""Tests of the filters in programs/."""
