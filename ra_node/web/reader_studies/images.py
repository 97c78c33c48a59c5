"""The lead's list of images whose hands were refused or missed, and the page that adds a hand by its box."""

from __future__ import annotations

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ra_node.errors import Refused
from ra_node.services.reader_studies.access import NotFound
from ra_node.services.reader_studies.hand_requests import request_hand
from ra_node.services.reader_studies.image_preview import image_preview
from ra_node.services.reader_studies.image_reading import DrawnBox
from ra_node.services.reader_studies.lead_view import lead_view, study_images
from ra_node.web.auth import account_of, desk_of
from ra_node.web.reader_studies.lead import lead_page

MOST = 500
EDGES = ("left", "top", "right", "bottom")
FINGERS = {"up": 0, "right": 90, "down": 180, "left": 270}
"""Where the fingers point in the image, and the turn by which they got there."""


def list_images(request: Request) -> Response:
    """Images without a hand or with a refusal come first; all are listed up to a limit."""
    desk, account, study = desk_of(request), account_of(request), str(request.path_params["study"])
    images = study_images(desk.ledger, study, account)
    images.sort(key=lambda one: (bool(one.hands) and not one.refusal, one.number))
    view = lead_view(desk.ledger, study, account)
    return lead_page(
        request, "reader/lead_images.html", study=view.study, images=images[:MOST], total=len(images)
    )


def one_image(request: Request) -> Response:
    """One image with the form of a box."""
    return _form(request)


def preview(request: Request) -> Response:
    """The image as JPEG."""
    desk, path = desk_of(request), request.path_params
    content = image_preview(
        desk.ledger, desk.files, str(path["study"]), account_of(request), str(path["image"])
    )
    return Response(content, media_type="image/jpeg")


def add_hand(request: Request, sent: FormData) -> Response:
    """Ask the worker to cut a hand at the drawn box."""
    desk, path = desk_of(request), request.path_params
    try:
        box = tuple(_share(str(sent.get(edge, ""))) for edge in EDGES)
        fingers, no_text = FINGERS.get(str(sent.get("fingers")), 0), sent.get("no_text") == "1"
        drawn = DrawnBox(box, str(sent.get("side", ""))[:1], fingers, no_text)  # type: ignore[arg-type]  # four edges
        request_hand(desk.ledger, str(path["study"]), account_of(request), str(path["image"]), drawn)
    except Refused as error:
        return _form(request, str(error), 400)
    return RedirectResponse(f"/reader-studies/{path['study']}/images", 303)


def _form(request: Request, error: str = "", status: int = 200) -> Response:
    desk, account, path = desk_of(request), account_of(request), request.path_params
    study, image_id = str(path["study"]), str(path["image"])
    found = next((one for one in study_images(desk.ledger, study, account) if one.image_id == image_id), None)
    if found is None:
        raise NotFound("expected an image of this reader study, found none")
    return lead_page(
        request,
        "reader/lead_image.html",
        status,
        study=study,
        image=found,
        edges=EDGES,
        fingers=tuple(FINGERS),
        error=error,
    )


def _share(text: str) -> float:
    """Percent of the image as a share."""
    try:
        return float(text.replace(",", ".")) / 100
    except ValueError as error:
        raise Refused(f"expected percent of the image, found {text[:20] or 'nothing'}") from error
