"""Signing in by typing, and what axe-core finds, at any browser of the tests."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page


def sign_in_at(page: Page, name: str, password: str) -> None:
    """Fill the form of the sign-in page and send it."""
    page.goto("/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def violations(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.2 A and AA, contrast included."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    )
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    found = axe.Axe().run(page, options=options).response["violations"]
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found for node in one["nodes"]
    ]
