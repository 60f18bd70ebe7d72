import pytest

from osteon.cli.arguments import bundle_folder, check_device, open_model
from osteon.cli.train import read_settings
from osteon.errors import BundleError, UsageError


def test_settings_go_over_the_file(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text('seed = 3\n[detector]\nsize = "m"\nepochs = 7\n')
    values = read_settings(path, ["detector.size=l", "bone.channels=[4, 8]", "bone.dice_only=true", "device='cpu'"])
    assert values == {
        "seed": 3,
        "detector": {"size": "l", "epochs": 7},
        "bone": {"channels": [4, 8], "dice_only": True},
        "device": "cpu",
    }


@pytest.mark.parametrize("setting", ["detector.size", "=3", "seed.x=1"])
def test_a_setting_that_cannot_be_read_is_named(setting, tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("seed = 3\n")
    with pytest.raises(UsageError) as caught:
        read_settings(path, [setting])
    assert repr(setting) in str(caught.value)


def test_a_broken_file_is_named(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("seed = = 3")
    with pytest.raises(UsageError, match="recipe"):
        read_settings(path, [])


def test_a_model_is_a_folder_or_a_system(tmp_path):
    assert bundle_folder(str(tmp_path)) == tmp_path
    assert bundle_folder("lytic").name == "lytic"
    with pytest.raises(UsageError, match="nothing"):
        bundle_folder("nothing")


def test_devices():
    assert check_device("cpu") == "cpu"
    with pytest.raises(UsageError, match="tpu"):
        check_device("tpu")


def test_a_system_without_a_shipped_model_is_told_to_train_one(monkeypatch):
    monkeypatch.setattr("osteon.cli.arguments.SYSTEMS", ("lytic", "elbow"))
    with pytest.raises(UsageError, match="'elbow' has no shipped model: train one"):
        bundle_folder("elbow")


def test_a_bundle_of_a_system_that_is_not_here_is_refused(tmp_path):
    (tmp_path / "model.toml").write_text('schema = "osteon-model/1"\nsystem = "elbow"\n')
    with pytest.raises(BundleError, match=r"'elbow'.*lytic"):
        open_model(str(tmp_path), device="cpu")
