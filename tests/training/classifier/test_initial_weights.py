"""Weights begin where the recipe says, and no file that could run code is ever read."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file

from ra_node.errors import Fatal
from ra_node.inference.bundles.bundle import load_bundle
from ra_node.inference.networks.architectures import build
from tests.training.recipe_builders import DEMO
from training.classifier.initial_weights import begun, find_start
from training.classifier.start import Start, note_start, noted_start
from training.data.weights_origin import Origin
from training.io.shipped import shipped
from training.recipes.classifier import Recipe, read_recipe


def recipe(architecture: str = "googlenet") -> Recipe:
    return read_recipe(DEMO, architecture)


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GoogLeNet state as torchvision ships it: 1000 classes and two side heads."""
    path = tmp_path_factory.mktemp("weights") / "googlenet-1378be20.pth"
    torch.save(torchvision.models.googlenet(weights=None, init_weights=False).state_dict(), path)
    return path


def test_a_state_file_of_torchvision_gives_all_but_the_last_layer(imagenet: Path) -> None:
    network = begun(recipe(), 6, find_start(recipe(), imagenet))
    held = torch.load(imagenet, weights_only=True)
    state = network.state_dict()
    assert state["fc.weight"].shape == (6, 1024)
    assert all(torch.equal(t, held[key]) for key, t in state.items() if not key.startswith("fc."))


def test_the_recipe_may_name_a_folder_with_a_file_for_each_network(imagenet: Path) -> None:
    named = recipe().model_copy(update={"start": str(imagenet.parent)})
    found = find_start(named, None)
    assert found.path == imagenet
    assert found.origin.sources == (f"State file {imagenet.name}",)
    with pytest.raises(Fatal, match=r"expected one state file alexnet\*.*found \[\]"):
        find_start(named.model_copy(update={"architecture": "alexnet"}), None)


def test_safetensors_are_a_start_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    held = build("googlenet", 9).state_dict()
    save_file(held, path)
    network = begun(recipe(), 2, find_start(recipe(), path))
    assert torch.equal(network.state_dict()["conv1.conv.weight"], held["conv1.conv.weight"])


def test_the_recipe_for_sites_starts_from_the_bundle_that_comes_along() -> None:
    """Last layer included: the stages are the same. Its terms bind whatever is trained from it."""
    site = read_recipe(Path("site"))
    start = find_start(site, None)
    bundle = load_bundle(shipped("bundles") / "demo")
    assert start.path == bundle.weights_path(bundle.manifest.tasks.staging)
    assert start.bundle == f"demo {bundle.manifest.version}"
    assert "non-commercial" in start.origin.terms[0]
    state = begun(site, 6, start, site.staging.head).state_dict()
    held = load_file(start.path)
    assert all(torch.equal(t, held[key].float()) for key, t in state.items() if t.is_floating_point())
    assert begun(site, 2, start).state_dict()["fc.weight"].shape == (2, 1024)
    with pytest.raises(Fatal, match=r"expected a bundle of alexnet .*found one of googlenet"):
        find_start(site.model_copy(update={"architecture": "alexnet"}), None)


def test_weights_of_another_network_are_refused(imagenet: Path) -> None:
    with pytest.raises(Fatal, match=r"expected weights of alexnet .*googlenet"):
        begun(recipe("alexnet"), 6, Start(imagenet))


@pytest.mark.parametrize("held", [{"a": Path("x")}, {"a": 1}, [1, 2]])
def test_a_file_with_anything_but_tensors_is_refused(tmp_path: Path, held: object) -> None:
    path = tmp_path / "googlenet.pth"
    torch.save(held, path)
    with pytest.raises(Fatal, match="expected a state file of tensors only"):
        begun(recipe(), 6, Start(path))


def test_a_missing_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="expected a run, or a state file"):
        find_start(recipe(), tmp_path / "none.pth")


def test_where_a_run_began_is_kept_and_forgotten_with_random_weights(imagenet: Path, tmp_path: Path) -> None:
    start = Start(imagenet)
    note_start(tmp_path, start)
    assert noted_start(tmp_path) == f"{start.sha256}  {imagenet.name}"
    note_start(tmp_path, Start(None))
    assert noted_start(tmp_path) is None


SOURCE = "PyPI lpips, BSD; ImageNet; convolution layers only"


def convolutions(tmp_path: Path, leave_out: str = "") -> Path:
    """A file as some packages ship them: the convolution layers of AlexNet, half precision."""
    state = {key: t.half() for key, t in build("alexnet", 1000).state_dict().items() if "features" in key}
    path = tmp_path / "alexnet_features.safetensors"
    save_file({key: t for key, t in state.items() if key != leave_out}, path, {"source": SOURCE})
    return path


def test_a_file_of_convolution_layers_leaves_the_others_random(tmp_path: Path) -> None:
    path = convolutions(tmp_path)
    network = begun(recipe("alexnet"), 6, find_start(recipe("alexnet"), tmp_path))
    state, held = network.state_dict(), load_file(path)
    assert all(torch.equal(state[key], t.float()) for key, t in held.items())
    assert state["classifier.6.weight"].shape == (6, 4096)


def test_a_file_that_lacks_a_convolution_layer_is_refused(tmp_path: Path) -> None:
    path = convolutions(tmp_path, "features.3.weight")
    with pytest.raises(Fatal, match=r"1 missing \(as \['features.3.weight'\]\)|missing"):
        begun(recipe("alexnet"), 6, Start(path))


def test_source_and_terms_of_a_start_travel_with_the_weights(tmp_path: Path) -> None:
    """They stand in the metadata of whatever is trained from it, and so in card and manifest."""
    origin = find_start(recipe("alexnet"), convolutions(tmp_path)).origin
    assert origin.sources == (f"State file alexnet_features.safetensors: {SOURCE}",)
    assert SOURCE in origin.terms[0]
    assert Origin((), ("hands",), ("terms",)).over(origin).sources == (*origin.sources, "hands")


def test_the_hub_of_torchvision_is_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its cache holds is used without the internet."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    path = tmp_path / "checkpoints" / "alexnet-owt-7be5be79.pth"
    path.parent.mkdir()
    torch.save(build("alexnet", 1000).state_dict(), path)
    start = find_start(recipe("alexnet"), Path("torchvision"))
    assert start.path == path
    assert "ImageNet" in start.origin.sources[0]
    begun(recipe("alexnet"), 6, start)


def test_without_internet_the_hub_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_args: object, **_named: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(Fatal, match=r"expected vgg16-397923af.pth from https://.* no route .*--start"):
        find_start(recipe("vgg16"), Path("torchvision"))
