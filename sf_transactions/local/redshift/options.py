"""The options that COPY and UNLOAD have behind their target: read one by one, and refused when they are not known."""

import re
from collections.abc import Mapping

from sf_transactions.local.redshift.errors import SqlError, not_supported

AS = r"\s+(?:AS\s+)?"
SHARED = {
    "role": rf"IAM_ROLE{AS}(?:'([^']+)'|DEFAULT\b)",
    "region": rf"REGION{AS}'([\w-]+)'",
    "csv": r"(?:FORMAT\s+(?:AS\s+)?)?CSV\b",
    "delimiter": rf"DELIMITER{AS}'(\\t|.)'",
    "gzip": r"GZIP\b",
    "null": rf"NULL{AS}'([^']*)'",
}
_ROLE = re.compile(r"(IAM_ROLE\s+')[^']*")


def read(text: str, known: Mapping[str, re.Pattern[str]], statement: str, often: str = "") -> dict[str, str]:
    """The options of a statement by name, with their value; only `often` may be given more than once.

    Raises SqlError.
    """
    found: dict[str, str] = {}
    rest = text.strip()
    while rest:
        for name, pattern in known.items():
            if match := pattern.match(rest):
                if name in found and name != often:
                    raise SqlError("42601", f"{statement} option {rest.split()[0].upper()} is given twice")
                found[name] = next((group for group in match.groups() if group is not None), "")
                rest = rest[match.end() :].strip()
                break
        else:
            raise not_supported(f"{statement} option {_ROLE.sub(r'...', rest).split()[0].upper()}")
    if "role" not in found:
        raise SqlError("42601", f"{statement} needs an IAM_ROLE")
    return found


def check_role(role: str, roles: tuple[str, ...], user: str) -> None:
    """Raises SqlError unless the role, or any for "", is the cluster's."""
    if (role and role not in roles) or not roles:
        raise SqlError(
            "42501", f"User {user} is not authorized to assume IAM Role {role or 'default'}: it is not the cluster's"
        )
