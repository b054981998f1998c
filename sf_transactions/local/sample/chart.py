"""The invented chart of accounts: members with their names, and their codes before and since FY2018.

Names of groups, departments and well-known accounts are the City's own, public ones; everything below them is
invented. Each hierarchy is a list of leaves, and the earlier a leaf stands the more rows it gets.
"""

from dataclasses import dataclass, field

GROUPS = (
    ("02", "Public Works, Transportation & Commerce"), ("06", "General Administration & Finance"),
    ("01", "Public Protection"), ("05", "Culture & Recreation"), ("04", "Community Health"),
    ("03", "Human Welfare & Neighborhood Development"), ("07", "General City Responsibilities"),
)  # fmt: skip

# (group, name, code before FY2018, code since)
DEPARTMENTS = (
    ("02", "DPW GSA - Public Works", "DPW", "DPW"), ("04", "DPH Public Health", "DPH", "DPH"),
    ("02", "MTA Municipal Transprtn Agncy", "MTA", "MTA"), ("05", "REC Recreation & Park Commsn", "REC", "REC"),
    ("02", "DPW Public Works", "DPW", "DPW"), ("06", "ADM Gen Svcs Agency-City Admin", "ADM", "ADM"),
    ("02", "PUC Public Utilities Commsn", "PUC", "PUC"), ("03", "HSA Human Services Agency", "DSS", "HSA"),
    ("05", "ART Arts Commission", "ART", "ART"), ("02", "AIR Airport Commission", "AIR", "AIR"),
    ("01", "POL Police", "POL", "POL"), ("02", "PRT Port", "PRT", "PRT"), ("01", "SHF Sheriff", "SHF", "SHF"),
    ("02", "WTR Water Enterprise", "WTR", "WTR"), ("06", "MYR Mayor", "MYR", "MYR"),
    ("06", "HRD Human Resources", "HRD", "HRD"), ("02", "HHP Hetch Hetchy Water & Power", "HHP", "HHP"),
    ("01", "FIR Fire Department", "FIR", "FIR"), ("03", "ENV Environment", "ENV", "ENV"),
    ("06", "TTX Treasurer/Tax Collector", "TTX", "TTX"), ("06", "BOS Board of Supervisors", "BOS", "BOS"),
    ("06", "BOS Board Of Supervisors", "BOS", "BOS"), ("05", "LIB Public Library", "LIB", "LIB"),
    ("06", "ADM General  Services Agency", "ADM", "ADM"), ("06", "CON Controller", "CON", "CON"),
    ("01", "ADP Adult Probation", "ADP", "ADP"), ("03", "CHF Children, Youth & Their Families", "CFC", "CHF"),
    ("05", "AAM Asian Art Museum", "AAM", "AAM"), ("07", "GEN General City / Unallocated", "GEN", "GEN"),
    ("02", "WWE Wastewater Enterprise", "CWP", "WWE"), ("06", "CAT City Attorney", "CAT", "CAT"),
    ("03", "RDA Redevelopment Agency", "RDA", "RDA"),
)  # fmt: skip

# (character, code before, code since, side)
CHARACTERS = (
    ("Mandatory Fringe Benefits", "513", "MAND_FRING_BEN", "Spending"),
    ("Salaries", "501", "SALARIES", "Spending"),
    ("Non Personnel Services", "521", None, "Spending"),
    ("Non-Personnel Services", None, "NON_PERS_SVCS", "Spending"),
    ("Materials & Supplies", "540", "MTL_SUPP", "Spending"),
    ("Services Of Other Depts", "581", "SVCS_OTHER_DEPTS", "Spending"),
    ("Expenditure Recovery", "865", "EXP_RECOVERY", "Spending"),
    ("Overhead and Allocations", "520", "OH_ALLOCS", "Spending"),
    ("Capital Outlay", "560", "CAPITAL_OUTLAY", "Spending"),
    ("Debt Service", "570", "DEBT_SERVICE", "Spending"),
    ("Aid Assistance", "536", "AID_ASSIST", "Spending"),
    ("Transfers Out", "591", "TFR_OUT", "Spending"),
    ("Charges For Services", "460", None, "Revenue"),
    ("Charges for Services", None, "CHGS_FOR_SERVICES", "Revenue"),
    ("Interest & Investment Income", "430", "INT_INV_INCOME", "Revenue"),
    ("Property Taxes", "410", "PROPERTY_TAXES", "Revenue"),
    ("Business Taxes", "411", "BUSINESS_TAXES", "Revenue"),
    ("Other Local Taxes", "412", "OTHER_LOCAL_TAXES", "Revenue"),
    ("Rents & Concessions", "435", "RENTS_CONCESSIONS", "Revenue"),
    ("Intergovernmental Rev-State", "448", "IG_STATE", "Revenue"),
    ("Intergovernmental Rev-Federal", "444", "IG_FEDERAL", "Revenue"),
    ("Other Revenues", "475", "OTHER_REVENUES", "Revenue"),
    ("Transfers In", "493", "TFR_IN", "Revenue"),
)  # fmt: skip

# (fund type, code before, code since)
FUND_TYPES = (
    ("General Fund", "1G", "GEN_FUND"), ("Special Revenue Funds", "2S", "SP_REV"),
    ("Enterprise Funds", None, "ENT_FUND"), ("PUC Water Department Funds", "5W", None),
    ("MTA Municipal Railway Funds", "5M", None), ("Capital Projects Funds", "3C", "CPTL_PRJ"),
    ("SF International Airport Funds", "5A", None), ("PUC Hetch Hetchy Funds", "5T", None),
    ("Port Of San Francisco Funds", "5P", None), ("Internal Service Funds", "6I", "INTRL_SRVC"),
    ("Expendable Trust Funds", "7E", None), ("Agency Funds", "7A", "AGENCY"),
    ("Debt Service Funds", "4D", "DEBT_SVC"), ("Private Purpose Trust Fund", None, "PRV_PURP"),
)  # fmt: skip

CATEGORIES = (
    ("1", "Operating"), ("3", "Continuing Projects"), ("5", "Work Orders/Overhead"), ("4", "Grants"),
    ("2", "Annual Projects"), ("0", "Unspecified"), ("3", "Continuing Projects - Authority Control"),
    ("4", "Grants Projects"),
)  # fmt: skip

# The first ones are there at any size: among them those that careless readers of CSV stumble over.
_SERVICES = (
    "Operating", "Capital", "Administration", "Community Programs", 'Center for "Arts", Café', "Children's Baseline",
    "Maintenance", "City Capital Projects", "Disaster Recovery", "Neighborhood Services", "Engineering",
    "Traffic Engineering & Operation", "Capital Projects", "Administrative", "No Program Defined",
)  # fmt: skip
_THINGS = (
    "Regular",
    "Temporary",
    "Overtime",
    "Premium",
    "Retirement",
    "Medical",
    "Dental",
    "Travel",
    "Training",
    "Fuel",
    "Postage",
    "Rent",
    "Licences",
    "Permits",
    "Fees",
    "Fines",
    "Grants",
    "Equipment",
    "Software",
    "Advertising",
)


@dataclass(frozen=True)
class Leaf:
    """A member of a hierarchy: its columns in either chart; None where it does not exist in it."""

    before: dict[str, str] | None
    since: dict[str, str] | None
    side: str = ""


@dataclass(frozen=True)
class Chart:
    """The leaves of the three hierarchies."""

    programs: list[Leaf] = field(default_factory=list)
    types: list[Leaf] = field(default_factory=list)
    funds: list[Leaf] = field(default_factory=list)


def chart(size: int) -> Chart:
    """A chart for a dataset of `size` rows: the more rows, the more members, up to those of the real one."""
    scale = min(1.0, max(0.05, size / 776_841))
    return Chart(_programs(scale), _types(scale), _funds(scale))


def _programs(scale: float) -> list[Leaf]:
    groups = dict(GROUPS)
    leaves = []
    count = 4 + round(42 * scale)
    for number in range(count):
        for position, (group, department, before, since) in enumerate(DEPARTMENTS):
            name = _SERVICES[number] if number < len(_SERVICES) else f"{department[:3]} Service {number:02d}"
            parents = {
                "organization_group": groups[group], "organization_group_code": group, "department": department,
            }  # fmt: skip
            old = _program_code(name, number)
            # Some programs were renumbered with the chart, some carry a text that readers take for a null.
            new = f"P{position:02d}{number:02d}" if (position + number) % 27 == 0 else old
            related = (7 * position + number) % 41 == 5
            leaves.append(
                Leaf(
                    parents
                    | {"department_code": before, "program": name, "program_code": old}
                    | {"related_govt_units": "Yes" if related else "No"},
                    parents
                    | {"department_code": since, "program": name, "program_code": new}
                    | {"related_govt_units": "YES" if related else "NO"},
                )
            )
    return leaves


def _program_code(name: str, number: int) -> str:
    fixed = {"Operating": "OPR", "Capital": "CAP", "No Program Defined": "XXX", "Community Programs": "NA"}
    return fixed.get(name) or "".join(word[0] for word in name.upper().split())[:3] + f"{number:02d}"


def _types(scale: float) -> list[Leaf]:
    leaves = []
    objects, subs = 3 + round(28 * scale), 2 + round(4 * scale)
    for sub in range(subs):
        for number in range(objects):
            for position, (character, before, since, side) in enumerate(CHARACTERS):
                thing = _THINGS[(number + position) % len(_THINGS)]
                name = f"{thing} - {character.split()[0]} {number:02d}"
                detail = f"{thing} {character.split()[-1]} {number:02d}-{sub}"
                code = f"{position:01d}{number:02d}{sub:02d}0".zfill(5)
                old = before and {
                    "character": character, "character_code": before, "object": name,
                    "object_code": f"{(position * 40 + number) % 1000:03d}", "sub_object": detail,
                    "sub_object_code": code,
                }  # fmt: skip
                # Most sub-object codes are on both sides of the change, some were replaced.
                recoded = f"{code}N" if (position + number + sub) % 31 == 0 else code
                mnemonic = f"{thing.upper()[:6]}_{position:02d}{number:02d}"
                new = since and {
                    "character": character, "character_code": since, "object": name, "object_code": mnemonic,
                    "sub_object": detail, "sub_object_code": recoded,
                }  # fmt: skip
                leaves.append(Leaf(old or None, new or None, side))
    return leaves


def _funds(scale: float) -> list[Leaf]:
    leaves = []
    for number in range(3 + round(40 * scale)):
        for position, (kind, before, since) in enumerate(FUND_TYPES):
            if kind == "General Fund" and number == 0:
                name, old_code, new_code = "General Fund", "1GAGF", "GEN_FUND~10000"
            elif kind == "Enterprise Funds" and number == 0:
                name, old_code, new_code = "Sustainable Streets", "5NSTB", "ENT_FUND~SU_STREETS"
            else:
                name = f"{kind.removesuffix(' Funds')} {_THINGS[number % len(_THINGS)]} {number:02d} Fund"
                old_code, new_code = f"{before}{number:03d}", f"{since}~{position:02d}{number:03d}"
            for category_code, category in CATEGORIES[number % 6 : number % 6 + 1 + number % 3]:
                shared = {"fund_type": kind, "fund": name, "fund_category": category}
                shared |= {"fund_category_code": category_code}
                leaves.append(
                    Leaf(
                        shared | {"fund_type_code": before, "fund_code": old_code} if before else None,
                        shared | {"fund_type_code": since, "fund_code": new_code} if since else None,
                    )
                )
    return leaves
