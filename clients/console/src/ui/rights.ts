/** What somebody may, so that nobody is offered what the gateway would refuse. The gateway decides all the same. */

import { user } from "../api/session";
import type { Role } from "../api/types";

const ROLES: readonly Role[] = ["viewer", "operator", "engineer", "admin"];

export function may(role: Role): boolean {
  const own = user.value?.role;
  return own !== undefined && ROLES.includes(own as Role) && ROLES.indexOf(own as Role) >= ROLES.indexOf(role);
}
