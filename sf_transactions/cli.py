"""sf-transactions"""


def main() -> None: ...
