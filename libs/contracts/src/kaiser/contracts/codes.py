"""Stable codes: why a message was refused or an operation failed, with their numbers.

A code's *name* is what events, dead letters and the API carry. Its number is that of the wire contract, section 18,
where the contract has one: services 5000 to 5699, devices 1000 to 4299. Codes of our own are numbered from 5900.
"""

from enum import StrEnum
from typing import Final

__all__ = ("DEVICE_CODES", "MEANINGS", "NUMBERS", "Code", "describe_device_code")


class Code(StrEnum):
    """Why something was refused or failed, by name."""

    ESP_DEVICE_NOT_FOUND = "ESP_DEVICE_NOT_FOUND"
    ZONE_NOT_FOUND = "ZONE_NOT_FOUND"
    CONFIG_BUILD_FAILED = "CONFIG_BUILD_FAILED"
    CONFIG_PAYLOAD_INVALID = "CONFIG_PAYLOAD_INVALID"
    CONFIG_PUBLISH_FAILED = "CONFIG_PUBLISH_FAILED"
    FIELD_MAPPING_FAILED = "FIELD_MAPPING_FAILED"
    OPERATION_TIMEOUT = "OPERATION_TIMEOUT"
    ESP_OFFLINE = "ESP_OFFLINE"
    PUBLISH_FAILED = "PUBLISH_FAILED"
    INVALID_TOPIC = "INVALID_TOPIC"
    INVALID_PAYLOAD_FORMAT = "INVALID_PAYLOAD_FORMAT"
    CONNECTION_LOST = "CONNECTION_LOST"
    RETRIES_EXHAUSTED = "RETRIES_EXHAUSTED"
    BROKER_UNAVAILABLE = "BROKER_UNAVAILABLE"
    AUTHENTICATION_FAILED = "AUTHENTICATION_FAILED"
    INVALID_ESP_ID = "INVALID_ESP_ID"
    INVALID_GPIO_PIN = "INVALID_GPIO_PIN"
    INVALID_SENSOR_TYPE = "INVALID_SENSOR_TYPE"
    INVALID_ACTUATOR_TYPE = "INVALID_ACTUATOR_TYPE"
    MISSING_REQUIRED_FIELD = "MISSING_REQUIRED_FIELD"
    TYPE_MISMATCH = "TYPE_MISMATCH"
    VALUE_OUT_OF_RANGE = "VALUE_OUT_OF_RANGE"
    DUPLICATE_FIELD = "DUPLICATE_FIELD"
    DATABASE_ERROR = "DATABASE_ERROR"
    SERVICE_ERROR = "SERVICE_ERROR"
    AUDIT_ERROR = "AUDIT_ERROR"
    SEQUENCE_ERROR = "SEQUENCE_ERROR"
    DEVICE_ID_MISMATCH = "DEVICE_ID_MISMATCH"
    GPIO_MISMATCH = "GPIO_MISMATCH"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    INVALID_KAISER_ID = "INVALID_KAISER_ID"
    DOWNLINK_FORBIDDEN = "DOWNLINK_FORBIDDEN"
    DOWNLINK_EXPIRED = "DOWNLINK_EXPIRED"
    POISON_MESSAGE = "POISON_MESSAGE"
    SENSOR_NOT_FOUND = "SENSOR_NOT_FOUND"
    SENSOR_AMBIGUOUS = "SENSOR_AMBIGUOUS"
    DEVICE_STATE_FORBIDS = "DEVICE_STATE_FORBIDS"
    GPIO_CONFLICT = "GPIO_CONFLICT"
    CALIBRATION_NOT_FOUND = "CALIBRATION_NOT_FOUND"
    CALIBRATION_OPEN = "CALIBRATION_OPEN"
    CALIBRATION_REFUSED = "CALIBRATION_REFUSED"
    READING_TOO_OLD = "READING_TOO_OLD"
    RECOMPUTE_RUNNING = "RECOMPUTE_RUNNING"
    INVALID_BUS_ADDRESS = "INVALID_BUS_ADDRESS"
    ACTUATOR_NOT_FOUND = "ACTUATOR_NOT_FOUND"
    COMMAND_NOT_FOUND = "COMMAND_NOT_FOUND"
    COMMAND_NOT_FOR_TYPE = "COMMAND_NOT_FOR_TYPE"
    COMMAND_EXPIRED = "COMMAND_EXPIRED"
    COMMAND_REFUSED = "COMMAND_REFUSED"
    COMMAND_UNVERIFIED = "COMMAND_UNVERIFIED"
    COMMAND_ENDED = "COMMAND_ENDED"
    IDEMPOTENCY_CONFLICT = "IDEMPOTENCY_CONFLICT"
    IDEMPOTENCY_UNDER_WAY = "IDEMPOTENCY_UNDER_WAY"
    STATE_CHANGED = "STATE_CHANGED"
    STATE_UNKNOWN = "STATE_UNKNOWN"
    DEVICE_DEAF = "DEVICE_DEAF"
    SAFETY_UNAVAILABLE = "SAFETY_UNAVAILABLE"
    EMERGENCY_ACTIVE = "EMERGENCY_ACTIVE"
    EMERGENCY_NOT_FOUND = "EMERGENCY_NOT_FOUND"
    EMERGENCY_UNCONFIRMED = "EMERGENCY_UNCONFIRMED"
    LEVEL_NOT_ALLOWED = "LEVEL_NOT_ALLOWED"
    RUN_TOO_LONG = "RUN_TOO_LONG"
    COOLING_DOWN = "COOLING_DOWN"
    TOO_MANY_STARTS = "TOO_MANY_STARTS"
    DUTY_CYCLE_EXCEEDED = "DUTY_CYCLE_EXCEEDED"
    OUTSIDE_ALLOWED_HOURS = "OUTSIDE_ALLOWED_HOURS"
    INTERLOCKED = "INTERLOCKED"
    POWER_BUDGET_EXCEEDED = "POWER_BUDGET_EXCEEDED"
    SENSOR_NOT_FRESH = "SENSOR_NOT_FRESH"
    SENSOR_OUT_OF_BAND = "SENSOR_OUT_OF_BAND"
    SAFE_MODE = "SAFE_MODE"
    INTERLOCK_NOT_FOUND = "INTERLOCK_NOT_FOUND"
    INTERLOCK_CONTRADICTION = "INTERLOCK_CONTRADICTION"
    ALERT_NOT_FOUND = "ALERT_NOT_FOUND"
    CONFIG_RESET = "CONFIG_RESET"
    TYPE_UNKNOWN = "TYPE_UNKNOWN"
    DEVICE_ALERT = "DEVICE_ALERT"
    RULE_NOT_FOUND = "RULE_NOT_FOUND"
    RULE_INVALID = "RULE_INVALID"
    RULE_CYCLE = "RULE_CYCLE"
    RULE_CHANGED = "RULE_CHANGED"
    BACKTEST_REQUIRED = "BACKTEST_REQUIRED"
    BACKTEST_NOT_FOUND = "BACKTEST_NOT_FOUND"
    RUN_NOT_FOUND = "RUN_NOT_FOUND"
    RUN_REPLACED = "RUN_REPLACED"
    ACTUATOR_CLAIMED = "ACTUATOR_CLAIMED"
    RULE_DAMPED = "RULE_DAMPED"
    WAIT_TIMED_OUT = "WAIT_TIMED_OUT"
    RULE_LOOP = "RULE_LOOP"
    TIME_ZONE_UNKNOWN = "TIME_ZONE_UNKNOWN"
    UNIT_MISMATCH = "UNIT_MISMATCH"
    CONDITION_IMPOSSIBLE = "CONDITION_IMPOSSIBLE"
    PLACE_MISSING = "PLACE_MISSING"
    PLUGIN_UNKNOWN = "PLUGIN_UNKNOWN"
    RULE_DISABLED = "RULE_DISABLED"
    SCHEDULE_INVALID = "SCHEDULE_INVALID"
    NOTIFICATION_FAILED = "NOTIFICATION_FAILED"
    USER_NOT_FOUND = "USER_NOT_FOUND"
    USER_EXISTS = "USER_EXISTS"
    LAST_ADMIN = "LAST_ADMIN"
    PASSWORD_WEAK = "PASSWORD_WEAK"  # noqa: S105 - a code
    PASSWORD_WRONG = "PASSWORD_WRONG"  # noqa: S105 - a code
    KEY_NOT_FOUND = "KEY_NOT_FOUND"
    TOKEN_REUSED = "TOKEN_REUSED"  # noqa: S105 - a code
    OUTSIDE_ZONES = "OUTSIDE_ZONES"
    EVENT_NOT_FOUND = "EVENT_NOT_FOUND"
    EVENTS_GONE = "EVENTS_GONE"
    TOO_MANY_EVENTS = "TOO_MANY_EVENTS"
    DEADLETTER_NOT_FOUND = "DEADLETTER_NOT_FOUND"
    DEADLETTER_SETTLED = "DEADLETTER_SETTLED"
    REPLAY_REFUSED = "REPLAY_REFUSED"


NUMBERS: Final[dict[Code, int]] = {
    Code.ESP_DEVICE_NOT_FOUND: 5001,
    Code.CONFIG_BUILD_FAILED: 5002,
    Code.CONFIG_PAYLOAD_INVALID: 5003,
    Code.CONFIG_PUBLISH_FAILED: 5004,
    Code.FIELD_MAPPING_FAILED: 5005,
    Code.OPERATION_TIMEOUT: 5006,
    Code.ESP_OFFLINE: 5007,
    Code.PUBLISH_FAILED: 5101,
    Code.INVALID_TOPIC: 5102,
    Code.INVALID_PAYLOAD_FORMAT: 5103,
    Code.CONNECTION_LOST: 5104,
    Code.RETRIES_EXHAUSTED: 5105,
    Code.BROKER_UNAVAILABLE: 5106,
    Code.AUTHENTICATION_FAILED: 5107,
    Code.INVALID_ESP_ID: 5201,
    Code.INVALID_GPIO_PIN: 5202,
    Code.INVALID_SENSOR_TYPE: 5203,
    Code.INVALID_ACTUATOR_TYPE: 5204,
    Code.MISSING_REQUIRED_FIELD: 5205,
    Code.TYPE_MISMATCH: 5206,
    Code.VALUE_OUT_OF_RANGE: 5207,
    Code.DUPLICATE_FIELD: 5208,
    Code.DATABASE_ERROR: 5301,
    Code.SERVICE_ERROR: 5401,
    Code.AUDIT_ERROR: 5501,
    Code.SEQUENCE_ERROR: 5600,
    Code.DEVICE_ID_MISMATCH: 5901,
    Code.GPIO_MISMATCH: 5902,
    Code.PAYLOAD_TOO_LARGE: 5903,
    Code.INVALID_KAISER_ID: 5904,
    Code.DOWNLINK_FORBIDDEN: 5905,
    Code.DOWNLINK_EXPIRED: 5906,
    Code.POISON_MESSAGE: 5907,
    Code.SENSOR_NOT_FOUND: 5908,
    Code.SENSOR_AMBIGUOUS: 5909,
    Code.DEVICE_STATE_FORBIDS: 5910,
    Code.INVALID_BUS_ADDRESS: 5911,
    Code.CALIBRATION_NOT_FOUND: 5920,
    Code.CALIBRATION_OPEN: 5921,
    Code.CALIBRATION_REFUSED: 5922,
    Code.READING_TOO_OLD: 5923,
    Code.RECOMPUTE_RUNNING: 5924,
    Code.ACTUATOR_NOT_FOUND: 5930,
    Code.COMMAND_NOT_FOUND: 5931,
    Code.COMMAND_NOT_FOR_TYPE: 5932,
    Code.COMMAND_EXPIRED: 5933,
    Code.COMMAND_REFUSED: 5934,
    Code.COMMAND_UNVERIFIED: 5935,
    Code.COMMAND_ENDED: 5936,
    Code.IDEMPOTENCY_CONFLICT: 5937,
    Code.IDEMPOTENCY_UNDER_WAY: 5925,
    Code.STATE_CHANGED: 5926,
    Code.STATE_UNKNOWN: 5938,
    Code.DEVICE_DEAF: 5939,
    Code.SAFETY_UNAVAILABLE: 5940,
    Code.EMERGENCY_ACTIVE: 5941,
    Code.EMERGENCY_NOT_FOUND: 5942,
    Code.EMERGENCY_UNCONFIRMED: 5943,
    Code.LEVEL_NOT_ALLOWED: 5950,
    Code.RUN_TOO_LONG: 5951,
    Code.COOLING_DOWN: 5952,
    Code.TOO_MANY_STARTS: 5953,
    Code.DUTY_CYCLE_EXCEEDED: 5954,
    Code.OUTSIDE_ALLOWED_HOURS: 5955,
    Code.INTERLOCKED: 5956,
    Code.POWER_BUDGET_EXCEEDED: 5957,
    Code.SENSOR_NOT_FRESH: 5958,
    Code.SENSOR_OUT_OF_BAND: 5959,
    Code.SAFE_MODE: 5960,
    Code.INTERLOCK_NOT_FOUND: 5961,
    Code.INTERLOCK_CONTRADICTION: 5962,
    Code.ALERT_NOT_FOUND: 5963,
    Code.CONFIG_RESET: 5964,
    Code.TYPE_UNKNOWN: 5965,
    Code.DEVICE_ALERT: 5966,
    Code.RULE_NOT_FOUND: 5970,
    Code.RULE_INVALID: 5971,
    Code.RULE_CYCLE: 5972,
    Code.RULE_CHANGED: 5973,
    Code.BACKTEST_REQUIRED: 5974,
    Code.BACKTEST_NOT_FOUND: 5975,
    Code.RUN_NOT_FOUND: 5976,
    Code.RUN_REPLACED: 5977,
    Code.ACTUATOR_CLAIMED: 5978,
    Code.RULE_DAMPED: 5979,
    Code.WAIT_TIMED_OUT: 5980,
    Code.RULE_LOOP: 5981,
    Code.TIME_ZONE_UNKNOWN: 5982,
    Code.UNIT_MISMATCH: 5983,
    Code.CONDITION_IMPOSSIBLE: 5984,
    Code.PLACE_MISSING: 5985,
    Code.PLUGIN_UNKNOWN: 5986,
    Code.RULE_DISABLED: 5987,
    Code.SCHEDULE_INVALID: 5988,
    Code.NOTIFICATION_FAILED: 5989,
    Code.USER_NOT_FOUND: 5912,
    Code.USER_EXISTS: 5913,
    Code.LAST_ADMIN: 5914,
    Code.PASSWORD_WEAK: 5915,
    Code.PASSWORD_WRONG: 5916,
    Code.KEY_NOT_FOUND: 5917,
    Code.TOKEN_REUSED: 5918,
    Code.OUTSIDE_ZONES: 5919,
    Code.EVENT_NOT_FOUND: 5990,
    Code.EVENTS_GONE: 5996,
    Code.ZONE_NOT_FOUND: 5998,
    Code.TOO_MANY_EVENTS: 5997,
    Code.DEADLETTER_NOT_FOUND: 5991,
    Code.DEADLETTER_SETTLED: 5992,
    Code.REPLAY_REFUSED: 5993,
    Code.GPIO_CONFLICT: 1002,
}
"""Code to number; families of section 18 that one code stands for (5301-5306, …) carry their first number."""

MEANINGS: Final[dict[Code, str]] = {
    Code.ESP_DEVICE_NOT_FOUND: "No device of this id is registered.",
    Code.ZONE_NOT_FOUND: "There is no such zone: no device is in it, and none was ordered into it.",
    Code.CONFIG_BUILD_FAILED: "A configuration for the device could not be built.",
    Code.CONFIG_PAYLOAD_INVALID: "The configuration is not one that the device would take.",
    Code.CONFIG_PUBLISH_FAILED: "The configuration could not be handed to the broker.",
    Code.FIELD_MAPPING_FAILED: "A field has no counterpart on the device.",
    Code.OPERATION_TIMEOUT: "The device or service did not answer in time.",
    Code.ESP_OFFLINE: "The device is not connected.",
    Code.PUBLISH_FAILED: "The broker did not take the message.",
    Code.INVALID_TOPIC: "The topic is none of the contract's.",
    Code.INVALID_PAYLOAD_FORMAT: "The payload is not a JSON object in UTF-8 that could be read one way only.",
    Code.CONNECTION_LOST: "The connection to the broker was lost.",
    Code.RETRIES_EXHAUSTED: "It was tried as often as allowed.",
    Code.BROKER_UNAVAILABLE: "The broker cannot be reached.",
    Code.AUTHENTICATION_FAILED: "The broker refused the credentials.",
    Code.INVALID_ESP_ID: "A device id is ESP_ and 6 to 8 upper-case hexadecimal digits.",
    Code.INVALID_GPIO_PIN: "The pin is outside of what the topic allows: 0 to 48, and 255 for alerts.",
    Code.INVALID_SENSOR_TYPE: "A sensor type is a lower-case identifier of at most 32 characters.",
    Code.INVALID_ACTUATOR_TYPE: "An actuator type is pump, valve, relay or pwm.",
    Code.MISSING_REQUIRED_FIELD: "A field without which the message means nothing is missing or null.",
    Code.TYPE_MISMATCH: "A field has another JSON type than the contract says.",
    Code.VALUE_OUT_OF_RANGE: "A field has a value that no device can mean.",
    Code.DUPLICATE_FIELD: "A field occurs twice, so the message can be read in two ways.",
    Code.DATABASE_ERROR: "The database could not do what it was asked.",
    Code.SERVICE_ERROR: "A service failed inside.",
    Code.AUDIT_ERROR: "The audit log could not be written.",
    Code.SEQUENCE_ERROR: "A sequence of actions failed.",
    Code.DEVICE_ID_MISMATCH: "The payload names another device than the topic: a mix-up or a forgery.",
    Code.GPIO_MISMATCH: "The payload names another pin than the topic.",
    Code.PAYLOAD_TOO_LARGE: "The payload or one of its fields is larger than any device sends.",
    Code.INVALID_KAISER_ID: "A kaiser id is empty or 1 to 63 letters, digits, underscores and hyphens.",
    Code.DOWNLINK_FORBIDDEN: "A device would misread the message, so it is never sent.",
    Code.DOWNLINK_EXPIRED: "The message was not delivered before its deadline.",
    Code.POISON_MESSAGE: "A consumer failed at it as often as allowed.",
    Code.SENSOR_NOT_FOUND: "The device has no such sensor, or no reading of it yet.",
    Code.SENSOR_AMBIGUOUS: "Several sensors of this type are on this pin; the address tells them apart.",
    Code.DEVICE_STATE_FORBIDS: "What the registry holds of the device does not allow this.",
    Code.INVALID_BUS_ADDRESS: "No chip of this kind answers at this address of its bus.",
    Code.GPIO_CONFLICT: "The pin is in use already, by another item or by the board.",
    Code.CALIBRATION_NOT_FOUND: "The sensor has no such calibration, or none is open.",
    Code.CALIBRATION_OPEN: "A calibration of this sensor is open; finish or abandon it first.",
    Code.CALIBRATION_REFUSED: "No calibration can come of this; the detail begins with the reason's own name.",
    Code.READING_TOO_OLD: "The sensor's latest reading is too old to stand for now.",
    Code.RECOMPUTE_RUNNING: "The history of this sensor is being recomputed; wait for its end.",
    Code.ACTUATOR_NOT_FOUND: "The device has no such actuator.",
    Code.COMMAND_NOT_FOUND: "There is no such command, or it is too long ago.",
    Code.COMMAND_NOT_FOR_TYPE: "This type of actuator does not do that.",
    Code.COMMAND_EXPIRED: "The command had no end before its deadline.",
    Code.COMMAND_REFUSED: "The device refused the command.",
    Code.COMMAND_UNVERIFIED: "The device said that it did it, and its status shows otherwise.",
    Code.COMMAND_ENDED: "The command has come to its end already.",
    Code.IDEMPOTENCY_CONFLICT: "The idempotency key was used for another request.",
    Code.IDEMPOTENCY_UNDER_WAY: "The request with this idempotency key is being worked on.",
    Code.STATE_CHANGED: "It was changed meanwhile, and is not what you saw.",
    Code.STATE_UNKNOWN: "What the actuator does now is not known, so this cannot be decided.",
    Code.DEVICE_DEAF: "The device speaks and does not hear; it has to be power-cycled.",
    Code.SAFETY_UNAVAILABLE: "Safety does not answer, and without it nothing is switched on.",
    Code.EMERGENCY_ACTIVE: "An emergency stop is in force here.",
    Code.EMERGENCY_NOT_FOUND: "There is no such emergency stop, or it was released.",
    Code.EMERGENCY_UNCONFIRMED: "Not every actuator in the scope has said that it is off.",
    Code.LEVEL_NOT_ALLOWED: "The limits of the actuator do not allow this level.",
    Code.RUN_TOO_LONG: "The actuator may not run for so long at a time.",
    Code.COOLING_DOWN: "The actuator has to pause longer between two runs.",
    Code.TOO_MANY_STARTS: "The actuator was started too often in the last hour.",
    Code.DUTY_CYCLE_EXCEEDED: "The actuator has been on for too large a share of the time.",
    Code.OUTSIDE_ALLOWED_HOURS: "The actuator may not be on at this time of day.",
    Code.INTERLOCKED: "Another actuator forbids it.",
    Code.POWER_BUDGET_EXCEEDED: "The zone would draw more than its budget.",
    Code.SENSOR_NOT_FRESH: "A sensor that has to be watched has said nothing for too long.",
    Code.SENSOR_OUT_OF_BAND: "A sensor that has to be watched is outside of its band.",
    Code.SAFE_MODE: "The device is in safe mode.",
    Code.INTERLOCK_NOT_FOUND: "There is no such interlock.",
    Code.INTERLOCK_CONTRADICTION: "With these interlocks an actuator could never be switched on, or never be left on.",
    Code.ALERT_NOT_FOUND: "There is no such alert, or it is over.",
    Code.CONFIG_RESET: "A configuration was sent to the device, which switches its outputs to their defaults.",
    Code.TYPE_UNKNOWN: "Nobody said which type of actuator this is.",
    Code.DEVICE_ALERT: "The device raised an alert, at which its actuator is stopped.",
    Code.RULE_NOT_FOUND: "There is no such rule, or no such version of it.",
    Code.RULE_INVALID: "The rule cannot be what was meant; every fault says where.",
    Code.RULE_CYCLE: "Rules would set each other off for ever.",
    Code.RULE_CHANGED: "The rule was changed, disabled or removed meanwhile.",
    Code.BACKTEST_REQUIRED: "This version has to be tried on the past before it goes live.",
    Code.BACKTEST_NOT_FOUND: "There is no such backtest, or it is of another version.",
    Code.RUN_NOT_FOUND: "There is no such run, or it is too long ago.",
    Code.RUN_REPLACED: "Another run of the same rule took its place.",
    Code.ACTUATOR_CLAIMED: "A rule of higher priority, or one that came first, has the actuator.",
    Code.RULE_DAMPED: "The rule takes part in a fight over the actuator and has to pause.",
    Code.WAIT_TIMED_OUT: "What the run waited for did not come in time.",
    Code.RULE_LOOP: "Rules have set each other off too often at one moment.",
    Code.TIME_ZONE_UNKNOWN: "There is no time zone of this name.",
    Code.UNIT_MISMATCH: "The sensor measures in another unit.",
    Code.CONDITION_IMPOSSIBLE: "The condition could never be true, or never be false.",
    Code.PLACE_MISSING: "Where the sun is looked at from is not said.",
    Code.PLUGIN_UNKNOWN: "No plug-in of this name is installed.",
    Code.RULE_DISABLED: "The rule is disabled.",
    Code.SCHEDULE_INVALID: "This is no cron expression of five fields.",
    Code.NOTIFICATION_FAILED: "What a rule had to say did not reach its target.",
    Code.USER_NOT_FOUND: "There is no such user.",
    Code.USER_EXISTS: "There is, or was, a user of this name.",
    Code.LAST_ADMIN: "Nobody would be left who may look after users.",
    Code.PASSWORD_WEAK: "The password is too easily guessed.",
    Code.PASSWORD_WRONG: "This is not the password that the user has now.",
    Code.KEY_NOT_FOUND: "There is no such key, or it was revoked.",
    Code.TOKEN_REUSED: "A refresh token came a second time, so a thief may have it: the whole session has ended.",
    Code.OUTSIDE_ZONES: "The user is confined to zones, and this reaches beyond them.",
    Code.EVENT_NOT_FOUND: "There is no such event in this stream, or it is too long ago.",
    Code.EVENTS_GONE: "The first events of this are no longer in the log, so what it was cannot be said.",
    Code.TOO_MANY_EVENTS: "More events would have to be read for this than a request may; ask for an earlier moment.",
    Code.DEADLETTER_NOT_FOUND: "There is no such dead letter, or it is too long ago.",
    Code.DEADLETTER_SETTLED: "Something else was decided about the dead letter already.",
    Code.REPLAY_REFUSED: "This dead letter cannot be replayed; the words say why.",
}
"""One line for operators."""

DEVICE_CODES: Final[tuple[tuple[int, int, str], ...]] = (
    (1001, 1007, "GPIO"),
    (1009, 1019, "I2C bus"),
    (1020, 1029, "OneWire bus"),
    (1030, 1032, "PWM"),
    (1040, 1043, "sensor"),
    (1050, 1053, "actuator"),
    (1060, 1063, "DS18B20 reading"),
    (2001, 2005, "flash storage"),
    (2010, 2014, "configuration"),
    (2020, 2021, "storage"),
    (2030, 2032, "storage"),
    (2301, 2306, "service"),
    (2500, 2506, "subzone"),
    (3001, 3005, "Wi-Fi"),
    (3010, 3016, "MQTT"),
    (3020, 3023, "HTTP"),
    (3030, 3032, "network"),
    (3500, 3501, "emergency token"),
    (4001, 4062, "system state"),
    (4070, 4072, "watchdog"),
    (4200, 4202, "device rejected by the server"),
    (6000, 6999, "test"),
)
"""What the devices' own numbers are about: first, last, subject."""


def describe_device_code(number: int) -> str:
    """What a device's error number is about, in words; ``unknown`` for numbers outside of the contract.

    ``dec`` adds the category's base a second time in its logs (3011 becomes 6011), which cannot be undone.
    """
    for first, last, about in DEVICE_CODES:
        if first <= number <= last:
            return about
    return "unknown"
