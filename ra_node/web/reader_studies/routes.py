"""Routes of reader studies with the roles that may use them."""

from __future__ import annotations

from starlette.routing import Route

from ra_node.web.auth import LEADS, READERS, change, data, json_change, page
from ra_node.web.reader_studies import create, images, lead, reading
from ra_node.web.reader_studies.reading import told, told_change


def reader_routes() -> list[Route]:
    """What a reader may ask for."""
    study = "/reading/{study}"
    return [
        Route("/reading", page(reading.list_studies, READERS)),
        Route(study, page(reading.one_study, READERS)),
        Route(f"{study}/read", page(reading.read_hands, READERS)),
        Route(f"{study}/adjudicate", page(reading.adjudicate, READERS)),
        Route(f"{study}/opinion/{{task}}", page(reading.give_opinion, READERS)),
        Route(f"{study}/opinion/{{task}}/task", data(told(reading.second_opinion), READERS)),
        Route(f"{study}/close", change(reading.close_reading, READERS), methods=["POST"]),
        Route(f"{study}/close-revision", change(reading.close_revision, READERS), methods=["POST"]),
        Route(f"{study}/sign", change(reading.sign, READERS), methods=["POST"]),
        Route(f"{study}/next", data(told(reading.next_task), READERS)),
        Route(f"{study}/discrepancies/next", data(told(reading.next_discrepancy), READERS)),
        Route(f"{study}/discrepancies/hands/{{number:int}}", data(told(reading.discrepancy_at), READERS)),
        Route(f"{study}/hands/{{number:int}}", data(told(reading.hand_at), READERS)),
        *(
            route
            for base in (study, f"{study}/discrepancies")
            for route in (
                Route(f"{base}/tasks/{{task}}", data(told(reading.one_task), READERS)),
                Route(f"{base}/tasks/{{task}}/picture", data(told(reading.picture), READERS)),
                Route(
                    f"{base}/tasks/{{task}}/actions",
                    json_change(told_change(reading.act), READERS),
                    methods=["POST"],
                ),
                Route(
                    f"{base}/tasks/{{task}}/time",
                    json_change(told_change(reading.add_time), READERS),
                    methods=["POST"],
                ),
            )
        ),
    ]


def lead_routes() -> list[Route]:
    """What a lead may ask for."""
    return [
        Route("/reader-studies", page(lead.list_reader_studies, LEADS)),
        Route("/reader-studies/new", page(create.new_reader_study, LEADS)),
        Route("/reader-studies/new", change(create.create_reader_study, LEADS), methods=["POST"]),
        Route("/reader-studies/{study}/readers", change(create.add_study_reader, LEADS), methods=["POST"]),
        Route("/reader-studies/{study}/images", page(images.list_images, LEADS)),
        Route("/reader-studies/{study}/images/{image}", page(images.one_image, LEADS)),
        Route("/reader-studies/{study}/images/{image}", change(images.add_hand, LEADS), methods=["POST"]),
        Route("/reader-studies/{study}/images/{image}/preview.jpg", page(images.preview, LEADS)),
        Route("/reader-studies/{study}", page(lead.one_reader_study, LEADS)),
    ]
