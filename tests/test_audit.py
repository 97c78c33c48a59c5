"""The audit of the packages tells a hole, and never takes silence for soundness."""

from tests.audit import judged


def test_a_hole_is_named_with_the_version_that_mends_it():
    hole = {"id": "PYSEC-1", "fix_versions": ["2.0"]}
    report = {
        "dependencies": [
            {"name": "a", "version": "1.0", "vulns": [hole]},
            {"name": "b", "version": "1", "vulns": []},
        ]
    }
    assert judged(report) == (["a 1.0: PYSEC-1, mended in 2.0"], 2, 0)


def test_what_could_not_be_asked_is_counted_apart():
    report = {
        "dependencies": [
            {"name": "a", "skip_reason": "not found"},
            {"name": "b", "version": "1", "vulns": []},
        ]
    }
    assert judged(report) == ([], 1, 1)
