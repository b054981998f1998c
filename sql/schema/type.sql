-- What the money was spent on or came from: sub-object, object, character of the account.
-- Generated from sf_transactions/model.py by `make generated`; edit there.
CREATE TABLE IF NOT EXISTS report.type (
    type_id BIGINT NOT NULL,
    sub_object VARCHAR(300) NOT NULL,
    sub_object_code VARCHAR(100) NOT NULL,
    "object" VARCHAR(300) NOT NULL,
    object_code VARCHAR(100) NOT NULL,
    "character" VARCHAR(300) NOT NULL,
    character_code VARCHAR(100) NOT NULL,
    PRIMARY KEY (type_id)
)
DISTSTYLE ALL;
