"""Signing in by typing, at any browser of the tests."""

from __future__ import annotations

from playwright.sync_api import Page


def sign_in_at(page: Page, name: str, password: str) -> None:
    """Fill the form of the sign-in page and send it."""
    page.goto("/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
