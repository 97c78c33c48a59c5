"""The configuration is understood whole, or the node says what it did not understand."""

import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_node.errors import Fatal
from ra_node.ledger.database.engine import open_ledger
from ra_node.settings.node import Settings, load_settings, settings_from
from ra_node.settings.peer import PeerTable

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "node.toml"


PEER = '[[peer]]\nname = "pacs"\nae_title = "PACS"\n'


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_file_names_the_defaults():
    """What node.toml shows is what the node does without it."""
    assert load_settings(SHIPPED) == settings_from({}, base=SHIPPED.parent)


def test_the_shipped_file_names_every_key():
    text = SHIPPED.read_text(encoding="utf-8")
    for name, field in Settings.model_fields.items():
        assert f"[{name}]" in text or f"[[{name}]]" in text
        for key in getattr(field.annotation, "model_fields", {}):
            assert f"{key} = " in text, f"[{name}] {key} is not in the shipped configuration"


def test_a_language_file_is_found_from_the_folder_of_the_configuration(tmp_path):
    """A name of a language that comes with the node is no path."""
    own = load_settings(written(tmp_path, '[results]\nlanguage = "words/de.toml"\n'))
    assert own.results.language == str(tmp_path / "words" / "de.toml")
    assert load_settings(written(tmp_path, '[results]\nlanguage = "zh"\n')).results.language == "zh"


def test_an_unknown_key_is_an_error_that_names_the_nearest(tmp_path):
    with pytest.raises(Fatal, match=r"study\.quiet: no such key; did you mean quiet_s\?"):
        load_settings(written(tmp_path, "[study]\nquiet = 3\n"))


def test_an_unknown_key_of_a_peer_is_named_too(tmp_path):
    text = '[[peer]]\nname = "pacs"\nae_title = "PACS"\nprot = 104\n'
    with pytest.raises(Fatal, match="did you mean port"):
        load_settings(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[node]\nae_title = "LONGER_THAN_SIXTEEN"\n', "node.ae_title"),
        ("[node]\nport = 70000\n", "node.port"),
        ('[models]\ndevice = "gpu"\n', "models.device"),
        ('[study]\ntwo_hand_convention = "left"\n', "study.two_hand_convention"),
        ("[study]\nquiet_s = -1\n", "study.quiet_s"),
        ("[limits]\nmin_free_gib = 5\nenough_free_gib = 4\n", "enough_free_gib must not be below"),
        ("[retention]\nkeep_days = -1\n", "retention.keep_days"),
        (PEER + 'roles = ["source"]\ncommitment = true\n', "needs the role destination"),
        (PEER + 'commitment_ae_titles = ["SCM"]\n', "needs commitment = true"),
        (PEER + 'roles = ["source"]\npdf = true\n', "pdf = true needs the role destination"),
        (
            "[results]\noverlay = false\n" + PEER + "key_object = true\n",
            r"needs overlay = true in \[results\]",
        ),
        (PEER + 'roles = ["destination"]\ncomplete_by = "query"\n', "needs the role source"),
        (PEER + "tls = true\n", r"tls = true of pacs needs cert, key and ca in \[tls\]"),
        ('[tls]\ncert = "a.pem"\nca = "ca.pem"\n', "belong together, key not found"),
        (PEER + 'roles = ["source"]\nport = 0\ncomplete_by = "query"\n', "needs a port"),
        (PEER + 'complete_by = "guess"\n', "peer.0.complete_by"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_found(tmp_path, text, expected):
    with pytest.raises(Fatal, match=expected):
        load_settings(written(tmp_path, text))


def test_two_peers_of_one_name_are_refused(tmp_path):
    peer = '[[peer]]\nname = "pacs"\nae_title = "PACS"\n'
    with pytest.raises(Fatal, match="found pacs more than once"):
        load_settings(written(tmp_path, peer + peer))


def test_what_is_no_toml_and_what_is_not_there_are_told_apart(tmp_path):
    with pytest.raises(Fatal, match="is no TOML"):
        load_settings(written(tmp_path, "[node\n"))
    with pytest.raises(Fatal, match="no configuration at"):
        load_settings(tmp_path / "absent.toml")


def test_relative_paths_start_at_the_file(tmp_path):
    settings = load_settings(written(tmp_path, '[node]\ndata_dir = "state"\n'))
    assert settings.node.data_dir == tmp_path / "state"


def test_enough_is_a_quarter_more_than_the_minimum_unless_it_is_named():
    limits = settings_from({"limits": {"min_free_gib": 4}}, base=Path()).limits
    assert (limits.low_bytes, limits.enough_bytes) == (4 * 2**30, 5 * 2**30)
    named = settings_from({"limits": {"min_free_gib": 4, "enough_free_gib": 8}}, base=Path()).limits
    assert named.enough_bytes == 8 * 2**30


def test_every_key_of_a_peer_is_in_the_shipped_file():
    text = SHIPPED.read_text(encoding="utf-8")
    for key in PeerTable.model_fields:
        assert f"# {key} = " in text, f"[[peer]] {key} is not in the shipped configuration"


@given(st.text(max_size=20))
def test_no_ae_title_outside_the_standard_is_accepted(title):
    """PS3.5 table 6.2-1: 1 to 16 characters of ISO 646 without backslash and control characters."""
    valid = 1 <= len(title) <= 16 and all(" " <= c <= "~" and c != "\\" for c in title)
    try:
        settings_from({"node": {"ae_title": title}}, base=Path())
    except Fatal:
        assert not valid
    else:
        assert valid


def test_a_secret_comes_from_the_credentials_of_the_service(tmp_path, monkeypatch):
    """Under its unit the node reads the copy that only this service may read; a command reads the file."""
    path = written(tmp_path, '[tls]\ncert = "c.pem"\nkey = "secret/key.pem"\nca = "ca.pem"\n')
    assert load_settings(path).tls.key == tmp_path / "secret" / "key.pem"
    handed = tmp_path / "credentials" / "ra-node_key.pem"
    handed.parent.mkdir()
    handed.touch()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed.parent))
    assert load_settings(path).tls.key == handed
    assert load_settings(path).tls.cert == tmp_path / "c.pem"


def test_the_passwords_of_the_page_come_from_the_credentials_too(tmp_path, monkeypatch):
    """Those that the site named: a file of that name elsewhere never replaces the one in data_dir."""
    named = written(tmp_path, '[web]\npassword_file = "secret/web-passwords"\n')
    assert load_settings(named).web.password_file == tmp_path / "secret" / "web-passwords"
    handed = tmp_path / "credentials" / "ra-node_web-passwords"
    handed.parent.mkdir()
    handed.touch()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed.parent))
    assert load_settings(named).web.password_file == handed
    silent = written(tmp_path, '[node]\ndata_dir = "state"\n[web]\npassword_file = ""\n')
    assert load_settings(silent).web.password_file == tmp_path / "state" / "web-passwords"


SECRET = "hunter2"
URL = f"postgresql+pg8000://ra:{SECRET}@db/ra"


@pytest.mark.parametrize(
    "text",
    [
        f'[ledger]\nurl = "{URL}"\n[results]\noverlay = false\n' + PEER + "key_object = true\n",
        f'ledger = "{URL}"\n',
        f'[ledger]\nurl = ["{URL}"]\n',
        f'[ledger]\n"{URL}" = 1\n',
        f'[ledger]\npassword = "{SECRET}"\n',
        f'[node]\nport = "{URL}"\n',
        f'[audit]\nsyslog = "tls://ra:{SECRET}@log:6514"\n',
        f'[tls]\ncert = "a.pem"\nca = "ca.pem"\nkey = """-----BEGIN PRIVATE KEY-----\n{SECRET}"""\n',
        f'[web]\nhost = "0.0.0.0"\n[ledger]\nurl = "{URL}"\n[[peer]]\nname = "{URL}"\n',
        f'[ledger]\nurl = "{URL}"\n{SECRET}\n',
        f'[web]\npassword_file = {{ secret = "{SECRET}" }}\n',
    ],
)
def test_no_mistake_prints_a_secret(tmp_path, text):
    """A mistake found at the root had the whole configuration in its words, the ledger's password too."""
    with pytest.raises(Fatal) as refused:
        load_settings(written(tmp_path, text))
    assert SECRET not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+pg8000//ra:{SECRET}@db/ra",
        f"postgresql://ra:{SECRET}@db:port/ra",
        f"postgresql://ra:x@{SECRET}@db/ra",
        f"mysql://ra:{SECRET}@db/ra",
        f"mysql://db/ra?password={SECRET}",
    ],
)
def test_a_ledger_url_that_cannot_be_read_is_not_printed(url):
    with pytest.raises(Fatal, match="expected sqlite") as refused:
        open_ledger(url)
    assert SECRET not in str(refused.value)


def test_the_settings_do_not_show_the_url_of_the_ledger():
    assert SECRET not in repr(settings_from({"ledger": {"url": URL}}, base=Path("/")))


def test_a_file_that_is_not_utf_8_is_named(tmp_path):
    path = tmp_path / "node.toml"
    path.write_bytes(b'[node]\nstation_name = "R\xf6ntgen"\n')
    with pytest.raises(Fatal, match="expected UTF-8"):
        load_settings(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[peer]\nname = "pacs"\nae_title = "PACS"\n', r"\[peer\] needs double brackets, \[\[peer\]\]"),
        ("[[node]]\nport = 1\n", r"\[\[node\]\] needs single brackets, \[node\]"),
        ("node = 3\n", r"node: expected a table, \[node\]"),
        ('[node]\nport = "104"\n', 'port: expected a whole number without quotes, found "104"'),
        ("[node]\nport = 104.0\n", "port: expected a whole number"),
        ("[node]\nport = true\n", "port: expected a whole number without quotes, found true"),
        ('[results]\nsr = "true"\n', "sr: expected true or false"),
        ("[results]\nsr = 1\n", "sr: expected true or false, found 1"),
        ('[study]\nquiet_s = "5"\n', "quiet_s: expected a number without quotes"),
        ("[study]\nquiet_s = inf\n", "quiet_s: expected a finite number"),
        ("[node]\nae_title = 7\n", "ae_title: expected a text in quotes, found 7"),
        (PEER + 'roles = "source"\n', "roles: expected a list"),
        ('[[peer]]\nname = "pacs"\n', "ae_title: is missing"),
        (PEER + 'host = "10.0.0.0/8"\n', "role destination needs one address or host name, found host"),
        (PEER + 'host = "*"\n', "role destination needs one address"),
        (PEER + 'roles = ["source"]\nhost = "*"\nprior = "query"\n', 'prior = "query" needs one address'),
        ('[log]\nlevel = "loud"\n', "log.level: expected 'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_a_mistake_is_told_in_plain_words_and_no_type_is_guessed(tmp_path, text, expected):
    with pytest.raises(Fatal, match=expected):
        load_settings(written(tmp_path, text))


def test_a_source_may_be_a_whole_network_and_a_monitor_may_only_echo(tmp_path):
    text = PEER + 'roles = ["source"]\nhost = "10.0.0.0/8"\n'
    text += '[[peer]]\nname = "m"\nae_title = "M"\nroles = ["echo"]\n'
    settings = load_settings(written(tmp_path, text))
    assert [peer.name for peer in settings.sources] == ["pacs"]
    assert settings.destinations == ()
