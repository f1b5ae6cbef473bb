/** The shapes of the REST API, by the names that pages use; generated from `contracts/openapi.json`. */

import type { components } from "./schema";

type Schemas = components["schemas"];

// Answers have all of their fields; what may be left out of a wish has a default in the document.

export type Device = Required<Schemas["DeviceView"]>;
export type Zone = Required<Schemas["ZoneView"]>;
export type Sensor = Required<Schemas["SensorView"]>;
export type Reading = Required<Schemas["ReadingView"]>;
export type Actuator = Required<Schemas["ActuatorView"]>;
export type Alert = Required<Schemas["AlertView"]>;
export type Stop = Required<Schemas["EmergencyView"]>;
export type Command = Required<Schemas["CommandView"]>;
export type User = Required<Schemas["UserView"]>;
export type Rule = Required<Schemas["RuleView"]>;
export type Event = Required<Schemas["EventView"]>;
export type Scope = Schemas["Scope"];
export type Role = Schemas["AccountView"]["role"];
