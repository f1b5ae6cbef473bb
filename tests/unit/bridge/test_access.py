"""What the broker has to be told so that it has the registry's keys."""

from kaiser.bridge.access import KEY, changes, keys_of, rights
from kaiser.contracts.topics import DOWNLINK_SUFFIXES


def words(wanted, found):
    """Command names and users, in order."""
    each = changes(wanted, found, lambda esp_id, key_id: f"{esp_id}:{key_id}")
    return [(command["command"], command.get("username")) for commands in each for command in commands]


def test_nothing_is_said_when_the_broker_has_what_it_should():
    assert words({"ESP_1": "a"}, {"ESP_1": "a"}) == []


def test_a_new_device_gets_a_role_and_a_client_a_changed_one_another_key_and_one_that_is_gone_nothing_more():
    assert words({"ESP_1": "a", "ESP_2": "b"}, {"ESP_2": "old", "ESP_3": "c"}) == [
        ("deleteClient", "ESP_3"),
        ("deleteRole", None),
        ("deleteRole", None),
        ("createRole", None),
        ("createClient", "ESP_1"),
        ("modifyClient", "ESP_2"),
    ]


def test_a_client_may_only_be_used_with_its_own_client_id_and_its_key():
    ((_, _, client),) = changes({"ESP_1": "a"}, {}, lambda esp_id, key_id: f"{esp_id}:{key_id}")
    assert (client["username"], client["clientid"], client["password"]) == ("ESP_1", "ESP_1", "ESP_1:a")


def test_clients_that_are_not_devices_are_left_alone():
    listed = {"clients": [{"username": "bridge"}, {"username": "x", "textdescription": "y"},
                          {"username": "ESP_1", "textdescription": KEY + "a"}]}  # fmt: skip
    assert keys_of(listed) == {"ESP_1": "a"}


def test_a_device_may_say_what_devices_say_and_nothing_that_is_said_to_them():
    says = {acl["topic"] for acl in rights("ESP_1") if acl["acltype"] == "publishClientSend"}
    assert "kaiser/+/esp/ESP_1/system/heartbeat" in says
    assert not says & {f"kaiser/+/esp/ESP_1/{suffix.replace('{gpio}', '+')}" for suffix in DOWNLINK_SUFFIXES.values()}
