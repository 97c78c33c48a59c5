"""Free text in the place of a defined term is told as such, and never quoted."""

from __future__ import annotations

from ra_node.domain.texts.defined_terms import NOT_A_TERM, photometric_interpretation


def test_only_a_photometric_interpretation_is_quoted():
    assert photometric_interpretation("YBR_FULL") == '"YBR_FULL"'
    assert photometric_interpretation("DOE^JANE") == photometric_interpretation("") == NOT_A_TERM
