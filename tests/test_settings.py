"""Environment variables become settings, or are refused by key and value."""

import os
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from app.errors import SettingsError
from app.settings import Settings, read_settings
from tests.conftest import ROOT, is_one_sentence


def test_without_any_variable_everything_has_its_place() -> None:
    settings = read_settings({})
    assert (settings.host, settings.port) == ("127.0.0.1", 7860)
    assert settings.datasets_dir == ROOT / "datasets"
    assert settings.features_dir == ROOT / "features"
    assert settings.indexes_dir == ROOT / "indexes"
    assert settings.cache_dir.is_absolute()
    assert settings.weights_dir is None
    assert settings.allow_loopback_urls is False
    assert settings.create_galleries is False
    assert settings.mcp_folders == ()


def test_every_variable_is_read(tmp_path: Path) -> None:
    settings = read_settings(
        {
            "HOST": "0.0.0.0",
            "PORT": "8080",
            "RIS_HOME": str(tmp_path / "home"),
            "RIS_DATASETS_DIR": str(tmp_path / "elsewhere"),
            "RIS_CACHE_DIR": str(tmp_path / "cache"),
            "RIS_WEIGHTS_DIR": str(tmp_path / "weights"),
            "RIS_ALLOW_LOOPBACK_URLS": "1",
            "RIS_CREATE_GALLERIES": "1",
            "RIS_HOSTS": "Photos.example, 192.168.1.2 [fd00::1]",
            "RIS_MCP_FOLDERS": os.pathsep.join([str(tmp_path / "a"), "", str(tmp_path / "b")]),
            "RIS_LIST_FOLDERS": str(tmp_path / "lists"),
            "RIS_MAX_REDIRECTS": "0",
            "RIS_PROXY": "1",
            "HTTPS_PROXY": "http://me:secret@proxy:3128",
            "https_proxy": "http://small:3128",
            "NO_PROXY": "localhost",
        }
    )
    assert settings == Settings(
        host="0.0.0.0",
        port=8080,
        datasets_dir=tmp_path / "elsewhere",
        features_dir=tmp_path / "home" / "features",
        indexes_dir=tmp_path / "home" / "indexes",
        models_dir=tmp_path / "home" / "models",
        cache_dir=tmp_path / "cache",
        weights_dir=tmp_path / "weights",
        allow_loopback_urls=True,
        create_galleries=True,
        hosts=frozenset({"photos.example", "192.168.1.2", "fd00::1"}),
        mcp_folders=(tmp_path / "a", tmp_path / "b"),
        list_folders=(tmp_path / "lists",),
        max_redirects=0,
        proxies=(("https", "http://small:3128"), ("no", "localhost")),
    )


def test_the_environments_proxies_are_taken_only_where_that_is_asked_for() -> None:
    proxies = {"HTTP_PROXY": "http://me:secret@proxy", "ALL_PROXY": "http://p", "no_proxy": "x"}
    assert read_settings(proxies).proxies == ()
    settings = read_settings({**proxies, "RIS_PROXY": "1"})
    assert dict(settings.proxies) == {
        "http": proxies["HTTP_PROXY"],
        "all": "http://p",
        "no": "x",
    }
    assert "secret" not in repr(settings)
    cgi = read_settings({**proxies, "RIS_PROXY": "1", "REQUEST_METHOD": "GET"})
    assert "http" not in dict(cgi.proxies)


@pytest.mark.parametrize("value", ["-1", "51", "ten", "1.5", "9" * 5000])
def test_a_number_of_redirects_is_small(value: str) -> None:
    with pytest.raises(SettingsError, match="RIS_MAX_REDIRECTS"):
        read_settings({"RIS_MAX_REDIRECTS": value})


def test_a_server_that_others_reach_reads_a_lists_files_from_named_folders_alone() -> None:
    assert read_settings({}).listed_files_off == ""
    for others in ({"HOST": "0.0.0.0"}, {"RIS_HOSTS": "photos.example"}, {"RIS_ROOT_PATH": "/x"}):
        assert "RIS_LIST_FOLDERS" in read_settings(others).listed_files_off
        assert read_settings({**others, "RIS_LIST_FOLDERS": "lists"}).listed_files_off == ""


def test_data_sets_lie_in_the_home_unless_a_setting_names_another_folder(tmp_path: Path) -> None:
    assert read_settings({"RIS_HOME": str(tmp_path)}).datasets_dir == tmp_path / "datasets"


def test_an_empty_variable_counts_as_not_set() -> None:
    names = ["HOST", "PORT", "RIS_HOME", "RIS_DATASETS_DIR", "RIS_CACHE_DIR", "RIS_WEIGHTS_DIR"]
    names += ["RIS_ALLOW_LOOPBACK_URLS", "RIS_CREATE_GALLERIES"]
    assert read_settings(dict.fromkeys(names, "")) == read_settings({})


def test_folders_may_be_relative_or_begin_with_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    settings = read_settings({"RIS_HOME": "here", "RIS_WEIGHTS_DIR": "~/weights"})
    assert settings.indexes_dir == tmp_path / "here" / "indexes"
    assert settings.weights_dir == tmp_path / "me" / "weights"


@pytest.mark.parametrize(
    "value", ["0", "65536", "-1", "http", "78 60", "7860.0", "٨٠٨٠", "9" * 5000]
)
def test_a_bad_port_is_refused_by_key_and_value(value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({"PORT": value})
    assert "PORT" in str(refused.value)
    assert repr(value) in str(refused.value)


@pytest.mark.parametrize("value", ["1", "65535", "08080"])
def test_a_port_in_range_is_taken(value: str) -> None:
    assert read_settings({"PORT": value}).port == int(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *(("1", True), ("true", True), ("YES", True), ("on", True)),
        *(("0", False), ("False", False), ("no", False), ("off", False)),
    ],
)
def test_a_switch_is_on_or_off(value: str, expected: bool) -> None:
    settings = read_settings({"RIS_ALLOW_LOOPBACK_URLS": value})
    assert settings.allow_loopback_urls is expected


@pytest.mark.parametrize("value", ["2", "Maybe", " ", "1 "])
def test_a_bad_switch_is_refused_by_key_and_value(value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({"RIS_ALLOW_LOOPBACK_URLS": value})
    assert "RIS_ALLOW_LOOPBACK_URLS" in str(refused.value)
    assert repr(value) in str(refused.value)


def test_limits_are_read() -> None:
    settings = read_settings({"RIS_MOST_REQUESTS": "9", "RIS_RATE_LIMIT": "60/minute"})
    assert (settings.most_requests, settings.rate_limit) == (9, "60/minute")
    assert (read_settings({}).most_requests, read_settings({}).rate_limit) == (128, "")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("RIS_MOST_REQUESTS", value) for value in ("0", "-1", "many", "1e3", "1000000")),
        *(
            ("RIS_RATE_LIMIT", value)
            for value in ("60", "0/minute", "9 per hour", "1/week", "/day")
        ),
    ],
)
def test_a_limit_that_is_none_is_refused_by_key_and_value(key: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({key: value})
    assert key in str(refused.value)
    assert repr(value) in str(refused.value)
    assert is_one_sentence(str(refused.value))


@pytest.mark.parametrize(
    "key", ["RIS_HOME", "RIS_DATASETS_DIR", "RIS_CACHE_DIR", "RIS_WEIGHTS_DIR"]
)
def test_the_home_of_an_unknown_user_is_refused_by_key_and_value(key: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({key: "~nobody-of-that-name/pictures"})
    assert key in str(refused.value)
    assert "~nobody-of-that-name/pictures" in str(refused.value)


@pytest.mark.parametrize("host", ["", "127.0.0.1", "127.8.9.10", "::1", "localhost", "LocalHost"])
def test_galleries_can_be_made_where_only_this_machine_has_access(host: str) -> None:
    assert read_settings({"HOST": host, "RIS_CREATE_GALLERIES": "1"}).creating_off == ""
    reason = read_settings({"HOST": host}).creating_off
    assert "RIS_CREATE_GALLERIES=1" in reason
    assert is_one_sentence(reason)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.2", "8.8.8.8", "pictures.example", "localhost.example"]
)
def test_galleries_cannot_be_made_where_others_have_access(host: str) -> None:
    reason = read_settings({"HOST": host, "RIS_CREATE_GALLERIES": "1"}).creating_off
    assert f"public address ({host})" in reason
    assert is_one_sentence(reason)


def test_galleries_cannot_be_made_behind_a_proxy() -> None:
    reason = read_settings({"RIS_HOSTS": "a.example", "RIS_CREATE_GALLERIES": "1"}).creating_off
    assert "RIS_HOSTS" in reason
    assert is_one_sentence(reason)


def test_galleries_cannot_be_made_in_the_page_where_several_servers_share_a_folder() -> None:
    shared = {"RIS_SHARED_DIR": "/shared", "RIS_CREATE_GALLERIES": "1"}
    reason = read_settings(shared).creating_off
    assert "RIS_SHARED_DIR" in reason
    assert "create_index.py" in reason
    assert is_one_sentence(reason.replace("create_index.py", "create_index"))
    assert "RIS_SHARED_DIR" in read_settings(shared).changing_off
    assert read_settings(shared | {"RIS_API_TOKEN": "secret"}).changing_off == ""


@pytest.mark.parametrize("host", ["", "127.8.9.10", "::1", "localhost"])
def test_a_server_on_loopback_is_for_this_machine(host: str) -> None:
    assert read_settings({"HOST": host}).for_this_machine


@pytest.mark.parametrize(
    "environ",
    [
        *({"HOST": "0.0.0.0"}, {"HOST": "::"}, {"HOST": "192.168.1.2"}),
        *({"RIS_HOSTS": "a.example"}, {"RIS_ROOT_PATH": "/photos"}),
        {"RIS_SHARED_DIR": "/shared"},
    ],
)
def test_a_server_that_others_reach_is_not_for_this_machine(environ: dict[str, str]) -> None:
    assert not read_settings(environ).for_this_machine


@pytest.mark.parametrize("value", ["https://a.example", "a.example:80", "*", "a..example"])
def test_a_bad_host_is_refused_by_key_and_value(value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({"RIS_HOSTS": f"b.example,{value}"})
    assert "RIS_HOSTS" in str(refused.value)
    assert repr(value) in str(refused.value)


def test_settings_cannot_be_changed() -> None:
    settings = read_settings({})
    for field in fields(settings):
        with pytest.raises(FrozenInstanceError):
            setattr(settings, field.name, None)


# --- the token -----------------------------------------------------------------------------------


def test_programs_need_no_token_unless_one_is_set() -> None:
    assert read_settings({}).api_token == ""
    assert read_settings({"RIS_API_TOKEN": ""}).api_token == ""
    assert read_settings({"RIS_API_TOKEN": "aZ0-._~+/=="}).api_token == "aZ0-._~+/=="


@pytest.mark.parametrize("value", ["two words", "tökén", "a\nb", "=", "a=b", '"quoted"', "x,y"])
def test_a_token_that_no_header_can_hold_is_refused_unshown(value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({"RIS_API_TOKEN": value})
    assert "RIS_API_TOKEN" in str(refused.value)
    assert value not in str(refused.value).replace("=", "", 1) or value == "="


def test_a_token_is_not_shown_with_the_settings() -> None:
    assert "secret" not in repr(read_settings({"RIS_API_TOKEN": "secret"}))
