"""Commands of reader studies: two blinded readers turn radiographs into a data set.

A command imports only what it runs, so that the other commands start fast.
"""
# ruff: noqa: PLC0415, FBT002 - imports inside, see above; a flag is a bool in typer's idiom

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ra_node.cli.console import print_json, say
from ra_node.cli.options import DEFAULT_CONFIG, ConfigPath, Json, account, named_settings
from ra_node.domain.reader_study.plan import DEFAULT_REPEATS, Sampling, SamplingKind, StudyPlan
from ra_node.domain.reader_study.roles import Account, AccountRole, Phase
from ra_node.errors import Refused

if TYPE_CHECKING:
    from ra_node.bootstrap.node_context import State
    from ra_node.services.reader_studies.sources import StudySourceSpec
    from ra_node.settings.node import Settings

reader_study = typer.Typer(
    no_args_is_help=True, help="Reader studies: two blinded readers turn radiographs into a data set."
)

Name = Annotated[str, typer.Argument(help="Name of the reader study.")]
LEAD = Account("command", AccountRole.LEAD)
"""Who types commands on the node sees what a lead sees."""


@reader_study.command()
def create(
    name: Name,
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SOURCE]...",
            help="Folders and files (DICOM, PNG), or Study Instance UIDs (with --held or --from).",
        ),
    ] = None,
    held: Annotated[
        bool, typer.Option("--held", help="Studies that the node holds: all, or those of the UIDs.")
    ] = False,
    analysed: Annotated[
        Path | None, typer.Option("--run", help="The files of an archive run: the folder given to --out.")
    ] = None,
    came_from: Annotated[
        str, typer.Option("--from", metavar="PEER|URL", help="Fetch the UIDs from a peer or DICOMweb.")
    ] = "",
    sampling: Annotated[
        SamplingKind, typer.Option(help="Which hands; stage and discordant ask the model in use.")
    ] = SamplingKind.ALL,
    count: Annotated[int, typer.Option(min=0, help="Number of hands; 0 for all that qualify.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the sample.")] = 2024,
    repeats: Annotated[
        float, typer.Option(min=0, max=0.5, help="Share of the hands that come up twice, unmarked.")
    ] = DEFAULT_REPEATS,
    by_joint: Annotated[
        bool, typer.Option("--by-joint", help="Stages of the thirteen joints, not of the whole hand.")
    ] = False,
    threshold: Annotated[
        int, typer.Option(min=1, max=2, help="Difference in stages that is a discrepancy.")
    ] = 1,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="After a reader has closed: the model's result, second opinion.")
    ] = False,
    reader: Annotated[
        list[str] | None, typer.Option(help="Account of a reader (role reader); give it twice.")
    ] = None,
    third: Annotated[
        str, typer.Option(help="Account of a third reader who decides what the two do not agree on.")
    ] = "",
    side: Annotated[
        str, typer.Option(help="R or L: what the site states of single hands whose image has no side.")
    ] = "",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Create a reader study and cut its hands; the same command continues an interrupted one."""
    from ra_node.bootstrap.reader_studies import make_reader_study
    from ra_node.cli.render_reader_studies import counting
    from ra_node.services.reader_studies.making import create_study

    settings, state = _opened(config)
    plan = StudyPlan(Sampling(sampling, count, seed), repeats, by_joint, 2 if threshold == 2 else 1, reveal)
    accounts = [_reader_account(settings, one) for one in reader or ()]
    study = create_study(
        state.ledger,
        state.files,
        name,
        _source(sources or [], analysed, came_from, side, held=held),
        plan,
        account(),
        accounts,
        _reader_account(settings, third) if third else None,
    )
    with counting("images") as report:
        made = make_reader_study(settings, state, study, report)
    if as_json:
        print_json({"name": study.name, "id": study.id, **dataclasses.asdict(made)})
        return
    say(f"{study.name}: {made.chosen} of {made.cut} hands to read, from {made.images} images.")
    if made.refused:
        say(f"{made.refused} images have a refused hand; on the page a lead can add it by its box.")
    if len(accounts) < 2:
        say(f"Readers: {len(accounts)} of 2. Next: ra-node reader-study add-reader {study.name} ACCOUNT")


@reader_study.command("list")
def list_studies(config: ConfigPath = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """List the reader studies: phase, readers, progress."""
    from ra_node.cli.render_reader_studies import print_studies
    from ra_node.services.reader_studies.lead_view import lead_studies

    _, state = _opened(config)
    print_studies(lead_studies(state.ledger, LEAD), as_json=as_json)


@reader_study.command()
def show(name: Name, config: ConfigPath = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """Show what the lead sees: progress, seconds a hand, agreement, repeats, drift, the matrix."""
    from ra_node.cli.render_reader_studies import print_view
    from ra_node.services.reader_studies.lead_view import lead_view

    _, state = _opened(config)
    print_view(lead_view(state.ledger, name, LEAD), as_json=as_json)


@reader_study.command("add-reader")
def add_reader_command(
    name: Name,
    reader: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Account of role reader.")],
    third: Annotated[
        bool, typer.Option("--third", help="Decides what the two readers do not agree on.")
    ] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Add one of the two readers, or a third one, to a reader study."""
    from ra_node.services.reader_studies.making import add_reader

    settings, state = _opened(config)
    found = add_reader(state.ledger, name, _reader_account(settings, reader), adjudicator=third)
    if as_json:
        print_json({"name": found.name, "reader": reader, "third": third})
        return
    say(f"{found.name}: {reader} reads")


@reader_study.command()
def close(
    name: Name,
    reader: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The reader.")],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Close the reading or the revision of a reader who has finished but not closed it."""
    from ra_node.services.reader_studies.adjudication import close_revision
    from ra_node.services.reader_studies.reading import close_reading, study_entry

    settings, state = _opened(config)
    who = _reader_account(settings, reader)
    entry = study_entry(state.ledger, name, who)
    ends = {Phase.MAKING: close_reading, Phase.READING: close_reading, Phase.REVISION: close_revision}
    if entry.phase in ends:
        entry = ends[entry.phase](state.ledger, name, who)
    if as_json:
        print_json(dataclasses.asdict(entry))
        return
    say(f"{entry.name}: closed for {reader}; now {entry.phase}. {entry.waiting_for}".rstrip())


@reader_study.command()
def export(
    name: Name,
    out: Annotated[Path, typer.Option(help="New folder.", show_default=False)],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Export a signed reader study: label table, hands, provenance; `training prepare` reads the folder."""
    from ra_node.bootstrap.reader_studies import study_salt
    from ra_node.services.reader_studies.export import export_study

    _, state = _opened(config)
    done = export_study(state.ledger, state.files, name, out.absolute(), study_salt(state), account())
    if as_json:
        print_json(dataclasses.asdict(done) | {"folder": str(done.folder)})
        return
    say(f"{done.folder}: {done.hands} hands, {done.rows} rows in labels.csv")
    if done.second_opinions:
        say(f"{done.second_opinions} second opinions, kept apart in second-opinions.csv")
    if done.gone:
        say(f"{done.gone} hands left out: their files are missing or damaged")
    say(f"Data set in one step: python -m training prepare --images {out} --out DATASET")


@reader_study.command(hidden=True)
def work(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Make pending reader studies and cut requested hands: what a worker starts for the page."""
    from ra_node.bootstrap.reader_studies import do_pending

    do_pending(named_settings(config))


def _opened(config: Path) -> tuple[Settings, State]:
    from ra_node.bootstrap.node_context import open_state

    settings = named_settings(config)
    return settings, open_state(settings)


def _reader_account(settings: Settings, name: str) -> Account:
    """The account of a name, with its role in the password file."""
    from ra_node.bootstrap.web import passwords

    kept = passwords(settings)
    if name not in kept.names():
        raise Refused(
            f"expected an account of the page, found no {name}:"
            f" `ra-node web-password {name} --role reader` makes it"
        )
    return Account(name, kept.role(name))


def _source(
    sources: list[str], analysed: Path | None, came_from: str, side: str, *, held: bool
) -> StudySourceSpec:
    from ra_node.services.archive_run.sources import read_uids
    from ra_node.services.reader_studies.sources import SourceKind, StudySourceSpec

    given = sum((held, analysed is not None, bool(came_from), bool(sources) and not (held or came_from)))
    if given != 1:
        raise Refused("expected one source: folders, --held, --run or --from, found none or several")
    if held:
        return StudySourceSpec(SourceKind.HELD, uids=tuple(read_uids(sources)), side=side)
    if analysed is not None:
        return StudySourceSpec(SourceKind.RUN, (str(analysed.absolute()),), side=side)
    if came_from:
        return StudySourceSpec(
            SourceKind.PEER, uids=tuple(read_uids(sources)), came_from=came_from, side=side
        )
    return StudySourceSpec(SourceKind.FOLDER, tuple(str(Path(one).absolute()) for one in sources), side=side)
